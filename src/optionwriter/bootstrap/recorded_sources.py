"""Sources of recorded chains: the harvester's files and imported ones, as one feed with the bundled prices beside them.

Keeps: a day without any snapshot is named; a period that begins or ends on one, or that lacks more than a fifth of its
days, is refused. Where the bundled prices end, hours are made from the snapshots' own index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from optionwriter.adapters.tapes.captured import OLDEST_MS, CapturedFeed, CoinPast
from optionwriter.adapters.tapes.captured_files import DELIVERY, read_deliveries
from optionwriter.adapters.tapes.captured_linear import LinearChains
from optionwriter.adapters.tapes.captured_past import extended, known_past
from optionwriter.adapters.tapes.catalogue import Layout, Recording
from optionwriter.adapters.tapes.layouts import HARVEST_FOLDER, IMPORT_FOLDER, day_files, import_path
from optionwriter.adapters.tapes.left_out import LeftOut
from optionwriter.adapters.tapes.recordings import SIX_HOURLY, days_of, harvested, imported, six_hourly
from optionwriter.adapters.tapes.sample_files import FOLDER, Recorded, SampleData
from optionwriter.adapters.tapes.snapshots import (
    CaptureError,
    Chains,
    RecordedChains,
    Until,
    in_bursts,
)
from optionwriter.bootstrap.backtest_config import BacktestConfig
from optionwriter.bootstrap.quality_gate import quality_gate
from optionwriter.bootstrap.source import (
    Source,
    fingerprint,
    history_note,
    market_data,
    recorded_steps,
    steps,
)
from optionwriter.core.market.chain import I64
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY, Family, product, utc_day
from optionwriter.core.report.origins import Origins, SettledBy
from optionwriter.core.report.run import RunSpec
from optionwriter.services.jobs import RunError

WARM_UP_MS = 31 * MS_PER_DAY
_MOST_MISSING = 0.2  # of a period's days
_NAMED = 8  # missing days in a message
_OPENERS = {HARVEST_FOLDER: harvested, IMPORT_FOLDER: imported}


@dataclass(frozen=True, slots=True)
class RecordedFolder:
    """Where recorded chains lie, and how they are read there."""

    path: Path
    open: Callable[..., RecordedChains]  # (product, start_ms, end_ms, days to leave out)
    files: Callable[[str, date], Sequence[Path]]
    recording: Callable[[str], Recording]  # as the catalogue knows one asset of it


def recorded_source(spec: RunSpec, config: BacktestConfig, until_ms: int | None) -> Source:
    """The source that the spec names, as it is known at `until_ms`. Errors: RunError."""
    folder = recorded_folder(spec, config)
    try:
        return _opened(spec, config, folder, until_ms)
    except CaptureError as error:
        raise RunError(str(error)) from error


def _opened(spec: RunSpec, config: BacktestConfig, folder: RecordedFolder, until_ms: int | None) -> Source:
    sample, past_files = market_data(spec, config)
    for name in spec.underlyings:
        if name not in sample.recorded:
            raise RunError.at(
                "underlyings", f"there are no prices of {name}: choose from {', '.join(sample.recorded)}"
            )
    price_end = min(int(sample.recorded[name].candle_ms[-1]) for name in spec.underlyings)
    begin = spec.start_ms if spec.end_ms <= price_end else spec.start_ms - WARM_UP_MS
    linear = [
        code
        for name in spec.underlyings
        if any(folder.files(code := f"{name}_USDC", day) for day in days_of(spec.start_ms, spec.end_ms))
    ]
    gate = quality_gate(
        map(folder.recording, (*spec.underlyings, *linear)),
        utc_day(spec.start_ms),
        utc_day(max(spec.end_ms - 1, spec.start_ms)),
        config.failed_days,
    )
    opened = {
        code: folder.open(
            code, spec.start_ms if code in linear else begin, spec.end_ms, gate.left_out.get(code, ())
        )
        for code in (*spec.underlyings, *linear)
    }
    torn = sum(one.torn for one in opened.values())
    read: dict[str, Chains] = {**opened}
    read |= {code: LeftOut(read[code], days) for code, days in gate.left_out.items()}
    missing = _missing(spec, [read[name] for name in spec.underlyings])
    shown = in_bursts({code: one if until_ms is None else Until(one, until_ms) for code, one in read.items()})
    chains = _joined(spec, shown)
    deliveries = _deliveries(folder.path, until_ms)
    feed = CapturedFeed(
        chains,
        {name: _past(sample.recorded[name], chains[name], until_ms) for name in spec.underlyings},
        sample.books,
        deliveries,
        "surface",
    )
    step_ms = config.step_minutes * 60_000
    instants, repriced = recorded_steps(
        feed.instants(spec.start_ms, spec.end_ms), steps(spec, config), step_ms, OLDEST_MS
    )
    if not instants and until_ms is None:
        text = f"{folder.path} has no snapshot from {utc_day(spec.start_ms)} on: choose another period"
        raise RunError.at("start_ms", text)
    notes = _notes(sample, feed, len(instants) - len(repriced), len(repriced), torn, missing)
    notes += history_note(past_files)
    settling = {key: price for key, price in deliveries.items() if spec.start_ms <= key[1] <= spec.end_ms}
    hashed = fingerprint(spec, config, [*_files(spec, folder, begin), *past_files], settling)
    return Source(
        feed, instants, (*notes, *gate.notes), hashed, repriced, _origins(chains, shown, deliveries)
    )


def _origins(
    chains: Mapping[str, Chains], recorded: Mapping[str, Chains], deliveries: Mapping[tuple[str, int], float]
) -> Origins:
    """What is recorded, what is moved on or converted, and what settles by an official price.

    `chains` are those shown, `recorded` those of them that were read.
    """

    def repriced(code: str, at_ms: int) -> bool:
        return not _has(chains[code].instants, at_ms)

    def converted(code: str, at_ms: int) -> bool:
        known = chains[code].instants
        row = int(np.searchsorted(known, at_ms, side="right")) - 1
        if product(code).family is Family.INVERSE or row < 0:
            return False
        return code not in recorded or not _has(recorded[code].instants, int(known[row]))

    def settled_by(index_name: str, expiry_ms: int) -> SettledBy:
        known = (index_name.replace("_usdc", "_usd"), expiry_ms) in deliveries
        return SettledBy.OFFICIAL if known else SettledBy.PRICE

    return Origins(repriced, converted, settled_by)


def _has(instants: I64, at_ms: int) -> bool:
    row = int(np.searchsorted(instants, at_ms))
    return row < len(instants) and int(instants[row]) == at_ms


def _joined(spec: RunSpec, shown: Mapping[str, Chains]) -> dict[str, Chains]:
    """Every product's chains at common instants; linear ones recorded where they are, else converted."""
    chains: dict[str, Chains] = {name: shown[name] for name in spec.underlyings}
    for name in spec.underlyings:
        code = f"{name}_USDC"
        chains[code] = LinearChains(product(code), shown[name], shown.get(code))
    return chains


def recorded_folder(spec: RunSpec, config: BacktestConfig) -> RecordedFolder:
    """Where the source's files are. Errors: RunError names what was looked for."""
    kind = spec.source
    given = Path(config.data) if config.data else Path("data") / kind
    if config.data and not given.is_dir():
        cure = "name that of the recorded chains with -o data=PATH"
        raise RunError.at("data", f"{given} is no folder", cure)
    if kind == HARVEST_FOLDER and (given / SIX_HOURLY).is_dir():
        return RecordedFolder(
            given,
            lambda code, _start, _end, _without=(): six_hourly(given, code),
            lambda code, day: sorted((given / SIX_HOURLY / code).glob(f"{code}_{day:%Y-%m}.parquet")),
            lambda code: Recording(kind, given / SIX_HOURLY, code, Layout.MONTHS),
        )
    path = next((one for one in (given / kind, given) if one.is_dir()), FOLDER / kind)
    if not path.is_dir():
        cure = "import chains into it, or name another with -o data=PATH"
        raise RunError.at("data", f"there is no folder {given}", cure)
    opener = _OPENERS[kind]

    def files(code: str, day: date) -> Sequence[Path]:
        if kind == HARVEST_FOLDER:
            return day_files(path, code, day)
        one = path / import_path(code, day)
        return (one,) if one.is_file() else ()

    layout = Layout.SNAPSHOTS if kind == HARVEST_FOLDER else Layout.DAYS
    return RecordedFolder(
        path,
        lambda code, start, end, without=(): opener(path, code, start, end, without),
        files,
        lambda code: Recording(kind, path, code, layout),
    )


def _missing(spec: RunSpec, inverse: Sequence[Chains]) -> list[date]:
    """Days of the period on which a coin has no snapshot. Errors: RunError when they are too many, or at its ends."""
    wanted = days_of(spec.start_ms, spec.end_ms)
    missing: set[date] = set()
    for one in inverse:
        seen = {utc_day(int(at)) for at in np.unique(one.instants // MS_PER_DAY * MS_PER_DAY)}
        missing |= set(wanted) - seen
    if missing and (
        wanted[0] in missing or wanted[-1] in missing or len(missing) > _MOST_MISSING * len(wanted)
    ):
        raise RunError(f"{spec.source} lacks {_told(missing)}: choose a period without them, or fetch them")
    return sorted(missing)


def _told(days: set[date] | list[date]) -> str:
    named = [day.isoformat() for day in sorted(days)]
    more = f" and {len(named) - _NAMED} more days" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more


def _past(own: Recorded, chains: Chains, until_ms: int | None) -> CoinPast:
    """The bundled hours and the recorded index, continued by the snapshots, as far as they are known."""
    recorded = ~own.index_rebuilt
    past = CoinPast(
        Candles(own.candle_ms, own.open, own.high, own.low, own.close),
        VolatilityIndex(own.index_ms[recorded], own.index_value[recorded]),
    )
    past = extended(past, chains)
    return past if until_ms is None else known_past(past, until_ms)


def _deliveries(path: Path, until_ms: int | None) -> dict[tuple[str, int], float]:
    if not (path / DELIVERY).is_dir():
        return {}
    known = read_deliveries(path)
    return {key: price for key, price in known.items() if until_ms is None or key[1] <= until_ms}


def _notes(
    sample: SampleData, feed: CapturedFeed, snapshots: int, repriced: int, torn: int, missing: list[date]
) -> tuple[str, ...]:
    notes = [
        (
            f"Chains are recorded: decisions at {snapshots} snapshots. At {repriced} instants between them positions "
            "are repriced from the last snapshot's volatilities: they can be bought back then, not opened or rolled."
        ),
    ]
    if feed.converted:
        notes.append(
            f"No book of {', '.join(feed.converted)} was recorded (at some instants): puts are converted from the "
            "inverse ones, bids 0.7 % lower, asks as much higher."
        )
    assumed = [code for code in feed.products if sample.books[code].assumed]
    notes.append(
        "Sizes that were not recorded are medians of recorded books"
        + (f"; of {', '.join(assumed)} assumed." if assumed else ".")
    )
    if torn:
        notes.append(f"{torn} snapshots held less than half of the one before and were left out.")
    if missing:
        notes.append(
            f"There are no snapshots on {_told(missing)}: nothing is decided a day after the last one."
        )
    return tuple(notes)


def _files(spec: RunSpec, folder: RecordedFolder, begin_ms: int) -> Iterable[Path]:
    """Every file of chains that is read, warm-up included."""
    codes = [code for name in sorted(spec.underlyings) for code in (name, f"{name}_USDC")]
    files = [
        path for code in codes for day in days_of(begin_ms, spec.end_ms) for path in folder.files(code, day)
    ]
    return dict.fromkeys(files)
