"""Sources: where a backtest's market comes from, by name. A source more is a tape, and a line here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.adapters.tapes.sample_files import FOLDER, Recorded, SampleError, load_sample
from optionwriter.adapters.tapes.synthetic import SyntheticFeed
from optionwriter.adapters.tapes.synthetic_models import Anchored, Model, Past, Realised
from optionwriter.bootstrap.backtest_config import BacktestConfig
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, utc_day
from optionwriter.core.market.listing import EXCHANGE
from optionwriter.core.market.listing_plain import plain_policy
from optionwriter.core.market.skew_factors import SkewFactors, factors_of
from optionwriter.core.market.surface import Surface
from optionwriter.core.market.synthetic import TENORS_DAYS, Shape, typical_shape
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import Feed
from optionwriter.services.jobs import RunError
from optionwriter.settings import Settings

_WARM_UP_MS = 31 * 24 * MS_PER_HOUR  # the context's longest window that every strategy needs


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An opened market: its feed, the instants at which decisions are taken, what a reader must know, and a hash of all
    data and choices that it shows."""

    feed: Feed
    instants: tuple[int, ...]
    notes: tuple[str, ...]
    fingerprint: str


def open_source(settings: Settings, spec: RunSpec, config: BacktestConfig) -> Source:
    """The market that the run asks for, over its period. Errors: RunError names the source, the period and the cure."""
    if spec.end_ms <= spec.start_ms:
        raise RunError("the period ends before it starts: swap its dates")
    opens = SOURCES.get(spec.source)
    if opens is None:
        raise RunError(f"source {spec.source!r} is not there: choose from {', '.join(SOURCES)}")
    try:
        return opens(settings, spec, config)
    except SampleError as error:
        raise RunError(str(error)) from None


def _sample(_settings: Settings, spec: RunSpec, config: BacktestConfig) -> Source:
    """The bundled recorded market, January to May 2026."""
    feed = SampleFeed(spec.seed)
    notes = ("Quotes are those of smiles fitted to recorded chains, spreads the median of recorded ones.",)
    _within(spec, feed.start_ms, feed.end_ms)
    return Source(feed, steps(spec, config), notes, _fingerprint(spec, config))


def _synthetic(_settings: Settings, spec: RunSpec, config: BacktestConfig) -> Source:
    """Made from hourly prices and the volatility index."""
    data = load_sample()
    missing = [name for name in spec.underlyings if name not in data.recorded]
    if missing:
        raise RunError(f"there are no prices of {', '.join(missing)}: choose from {', '.join(data.recorded)}")
    own = {name: data.recorded[name] for name in spec.underlyings}
    first = max(int(one.candle_ms[0]) for one in own.values()) + _WARM_UP_MS
    last = min(int(one.candle_ms[-1]) + MS_PER_HOUR for one in own.values())
    _within(spec, first, last)
    shapes = {name: typical_shape(surfaces_of(one)) for name, one in own.items()}
    feed = SyntheticFeed(
        {name: past_of(one) for name, one in own.items()},
        data.books,
        _model(config, shapes),
        start_ms=spec.start_ms,
        end_ms=spec.end_ms,
        seed=spec.seed,
        policy=plain_policy() if config.listing == "plain" else EXCHANGE,
    )
    return Source(feed, steps(spec, config), feed.notes, _fingerprint(spec, config))


SOURCES: Mapping[str, Callable[[Settings, RunSpec, BacktestConfig], Source]] = {
    "synthetic": _synthetic,
    "sample": _sample,
}


def steps(spec: RunSpec, config: BacktestConfig) -> tuple[int, ...]:
    """The instants of decisions: every full step of the clock within the period."""
    step = config.step_minutes * 60_000
    return tuple(range(-(-spec.start_ms // step) * step, spec.end_ms + 1, step))


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


def _model(config: BacktestConfig, shapes: Mapping[str, Shape]) -> Model:
    if config.model == "anchored":
        return Anchored(shapes)
    return Realised({name: typical_factors(one) for name, one in shapes.items()}, config.iv_multiplier)


def typical_factors(shape: Shape) -> SkewFactors:
    """The skew factors of the typical 30-day smile at a usual level."""
    return factors_of(shape.at_level(0, 1.0, 0.5).smile(TENORS_DAYS.index(30.0)))


def _within(spec: RunSpec, first_ms: int, last_ms: int) -> None:
    if spec.start_ms < first_ms or spec.end_ms > last_ms:
        raise RunError(
            f"{spec.source} has {_day(first_ms, up=True)} to {_day(last_ms)}, asked for {_day(spec.start_ms)} to "
            f"{_day(spec.end_ms)}: choose a period within it"
        )


def _day(at_ms: int, up: bool = False) -> str:
    day = -(-at_ms // MS_PER_DAY) if up else at_ms // MS_PER_DAY
    return utc_day(day * MS_PER_DAY).isoformat()


def _fingerprint(spec: RunSpec, config: BacktestConfig) -> str:
    """Of the bundled data and of every choice that shapes the market shown."""
    content = (FOLDER / "manifest.json").read_bytes()
    choices = [
        spec.source,
        spec.seed,
        sorted(spec.underlyings),
        config.model,
        config.iv_multiplier,
        config.listing,
    ]
    return hashlib.sha256(content + json.dumps(choices).encode()).hexdigest()
