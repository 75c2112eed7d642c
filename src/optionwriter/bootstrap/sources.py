"""Sources: where a backtest's market comes from, by name. A source more is a tape, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from optionwriter.adapters.files.skew_file import SkewFileError, read_skew, skew_path
from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.adapters.tapes.sample_files import Recorded, SampleData, SampleError, known_by, load_sample
from optionwriter.adapters.tapes.synthetic import SyntheticFeed
from optionwriter.adapters.tapes.synthetic_models import Anchored, Model, Past, Realised
from optionwriter.bootstrap.backtest_config import BacktestConfig
from optionwriter.bootstrap.recorded_sources import recorded_source
from optionwriter.bootstrap.source import Source, day, fingerprint, history_note, market_data, steps, within
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.core.market.listing import EXCHANGE
from optionwriter.core.market.listing_plain import plain_policy
from optionwriter.core.market.skew_factors import FLAT, SkewFactors, factors_of
from optionwriter.core.market.surface import Surface
from optionwriter.core.market.synthetic import TENORS_DAYS, Shape, typical_shape
from optionwriter.core.report.run import RunSpec
from optionwriter.services.jobs import RunError
from optionwriter.settings import Settings

_WARM_UP_MS = 31 * 24 * MS_PER_HOUR  # the context's longest window that every strategy needs


def open_source(
    _settings: Settings, spec: RunSpec, config: BacktestConfig, until_ms: int | None = None
) -> Source:
    """The market that the run asks for, over its period; of nothing after `until_ms` anything is known to it.

    Errors: RunError names the source, the period and the cure.
    """
    if spec.end_ms == spec.start_ms:
        raise RunError.at("end_ms", "the period is empty: end it a day after its start, or later")
    if spec.end_ms < spec.start_ms:
        raise RunError.at("end_ms", "the period ends before it starts: swap its dates")
    opens = SOURCES.get(spec.source)
    if opens is None:
        raise RunError.at("source", f"source {spec.source!r} is not there: choose from {', '.join(SOURCES)}")
    for name, folder in (("data", config.data), ("skew", config.skew)):
        if folder and not Path(folder).is_dir() and opens is not recorded_source:
            text = f"-o {name}={folder} is no folder: name another, or leave it out"
            raise RunError(text, {name: text}, f"{folder} is no folder")
    try:
        return opens(spec, config, until_ms)
    except SampleError as error:
        raise RunError(str(error)) from None


def _sample(spec: RunSpec, config: BacktestConfig, until_ms: int | None) -> Source:
    """The bundled market of the local exchange, January to May 2026."""
    data = load_sample()
    bends, told = bends_of(data, config) if config.smile not in ("own", "surface") else (None, ())
    known = data if until_ms is None else known_by(data, until_ms)
    feed = SampleFeed(spec.seed, data=known, bends=bends)
    notes = (
        *told,
        "Quotes are those of smiles fitted to recorded chains, spreads the median of recorded ones.",
        (
            "Between two recordings, some six hours apart, volatility runs from one to the other, so it knows the "
            "next: live_deribit does not."
        ),
    )
    if until_ms is None:
        within(spec, feed.start_ms, feed.end_ms)
    return Source(feed, steps(spec, config), notes, fingerprint(spec, config, _skew_files(config)))


def _synthetic(spec: RunSpec, config: BacktestConfig, until_ms: int | None) -> Source:
    """Made from hourly prices and the volatility index."""
    data, files = market_data(spec, config)
    shapes = {
        name: typical_shape(surfaces_of(one))
        for name, one in data.recorded.items()
        if name in spec.underlyings
    }
    missing = [name for name in spec.underlyings if name not in data.recorded]
    if missing:
        text = f"there are no prices of {', '.join(missing)}: choose from {', '.join(data.recorded)}"
        raise RunError.at("underlyings", text)
    own = {name: data.recorded[name] for name in spec.underlyings}
    known = max(int(one.index_ms[0]) for one in own.values()) if config.model == "anchored" else 0
    first = max(known, max(int(one.candle_ms[0]) for one in own.values()) + _WARM_UP_MS)
    last = min(int(one.candle_ms[-1]) + MS_PER_HOUR for one in own.values())
    if files and config.model == "anchored":
        last = min(last, *(int(one.index_ms[-1]) for one in own.values()))
    within(spec, first, last)
    if until_ms is not None:
        own = {name: known_by(data, until_ms).recorded[name] for name in own}
        last = min(int(one.candle_ms[-1]) + MS_PER_HOUR for one in own.values())
    model, told = _model(config, shapes)
    feed = SyntheticFeed(
        {name: past_of(one) for name, one in own.items()},
        data.books,
        model,
        start_ms=spec.start_ms,
        end_ms=min(spec.end_ms, last),
        seed=spec.seed,
        policy=plain_policy() if config.listing == "plain" else EXCHANGE,
    )
    notes = (
        *feed.notes,
        *told,
        "The smile's shape is the median of January to May 2026, whatever the period.",
        *history_note(files),
    )
    return Source(feed, steps(spec, config), notes, fingerprint(spec, config, [*files, *_skew_files(config)]))


SOURCES: Mapping[str, Callable[[RunSpec, BacktestConfig, int | None], Source]] = {
    "synthetic": _synthetic,
    "sample": _sample,
    "live_deribit": recorded_source,
    "real_scraper": recorded_source,
}


def surfaces_of(own: Recorded) -> list[Surface]:
    """The recorded surfaces of one underlying."""
    found = []
    for row in range(len(own.snapshot_ms)):
        part = slice(int(own.first_row[row]), int(own.first_row[row + 1]))
        found.append(
            Surface(
                int(own.snapshot_ms[row]),
                float(own.snapshot_index[row]),
                own.slice_expiry[part],
                own.carry[part],
                own.atm_iv[part],
                own.nodes[part],
            )
        )
    return found


def past_of(own: Recorded) -> Past:
    """Prices and volatility index of one underlying."""
    return Past(
        Candles(own.candle_ms, own.open, own.high, own.low, own.close),
        VolatilityIndex(own.index_ms, own.index_value),
    )


def _model(config: BacktestConfig, shapes: Mapping[str, Shape]) -> tuple[Model, tuple[str, ...]]:
    """The volatility model with the smile that was chosen, and what a reader must know of it."""
    own = "surface" if config.model == "anchored" else "skew_anchors"
    smile = own if config.smile == "own" else config.smile
    bends, told = (None, ()) if smile == "surface" else bends_over(shapes, config)
    if config.model == "anchored":
        return Anchored(shapes, bends), told
    typical = {name: typical_factors(one) for name, one in shapes.items()}
    return Realised(bends or typical, config.iv_multiplier, shapes if smile == "surface" else None), told


def bends_of(data: SampleData, config: BacktestConfig) -> tuple[dict[str, SkewFactors], tuple[str, ...]]:
    """The same of the whole sample."""
    shapes = {name: typical_shape(surfaces_of(one)) for name, one in data.recorded.items()}
    return bends_over(shapes, config)


def bends_over(
    shapes: Mapping[str, Shape], config: BacktestConfig
) -> tuple[dict[str, SkewFactors], tuple[str, ...]]:
    """Skew factors by underlying: of 1 for flat, those of the folder, else the typical ones. Errors: RunError."""
    if config.smile == "flat":
        return dict.fromkeys(shapes, FLAT), ("Volatility is flat over strikes.",)
    if not config.skew:
        return {name: typical_factors(one) for name, one in shapes.items()}, ()
    found, told = {}, []
    for name in shapes:
        try:
            one = read_skew(skew_path(Path(config.skew), name))
        except SkewFileError as error:
            raise RunError(str(error)) from None
        if one is None:
            raise RunError(
                f"{config.skew} holds no skew factors of {name}: fetch them with optionwriter calibrate skew"
            )
        found[name] = one.factors
        told.append(
            f"Skew factors of {name} are those of {one.source} at {day(one.at_ms)}, at every instant."
        )
    return found, tuple(told)


def _skew_files(config: BacktestConfig) -> list[Path]:
    """The files of captured factors that the source shows."""
    return sorted(Path(config.skew).glob("*.json")) if config.skew else []


def typical_factors(shape: Shape) -> SkewFactors:
    """The skew factors of the typical 30-day smile at a usual level."""
    return factors_of(shape.at_level(0, 1.0, 0.5).smile(TENORS_DAYS.index(30.0)))
