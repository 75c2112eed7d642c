"""Source: an opened market of a backtest, and what every opener of one needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from optionwriter.adapters.tapes.history_beyond import continued, history_files
from optionwriter.adapters.tapes.layouts import HISTORY_FOLDER
from optionwriter.adapters.tapes.sample_files import FOLDER, SampleData, load_sample
from optionwriter.bootstrap.backtest_config import BacktestConfig
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, utc_day
from optionwriter.core.report.origins import MADE, Origins
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import Feed
from optionwriter.services.jobs import RunError


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An opened market: its feed, the instants at which decisions are taken, what a reader must know, and a hash of all
    data and choices that it shows.

    `repriced`: those of the instants at which prices are not recorded but moved on from the last snapshot; `origins`
    says the same, and more, of any trade and settlement.
    """

    feed: Feed
    instants: tuple[int, ...]
    notes: tuple[str, ...]
    fingerprint: str
    repriced: frozenset[int] = frozenset()
    origins: Origins = MADE


def market_data(spec: RunSpec, config: BacktestConfig) -> tuple[SampleData, tuple[Path, ...]]:
    """The bundled recordings and, where the period reaches beyond their prices, what data/history adds to them: the
    folder named by -o data=PATH, else data; (all of it, the files that were used). Errors: SampleError."""
    data = load_sample()
    own = [data.recorded[name] for name in spec.underlyings if name in data.recorded]
    end_ms = min((int(one.candle_ms[-1]) + MS_PER_HOUR for one in own), default=spec.end_ms)
    if spec.end_ms <= end_ms:
        return data, ()
    places = [Path(config.data) / HISTORY_FOLDER] if config.data else []
    folder = next((one for one in (*places, Path("data") / HISTORY_FOLDER) if one.is_dir()), None)
    if folder is None:
        return data, ()
    return continued(data, folder), history_files(folder, tuple(sorted(spec.underlyings)))


def history_note(files: Sequence[Path]) -> tuple[str, ...]:
    """What a reader must know where data/history was used."""
    if not files:
        return ()
    return (f"Prices and volatility index after the bundled ones are those of {files[0].parents[1]}.",)


def steps(spec: RunSpec, config: BacktestConfig) -> tuple[int, ...]:
    """The instants of decisions: every full step of the clock within the period."""
    step = config.step_minutes * 60_000
    return tuple(range(-(-spec.start_ms // step) * step, spec.end_ms + 1, step))


def recorded_steps(
    snapshots: Sequence[int], grid: Sequence[int], step_ms: int, oldest_ms: int
) -> tuple[tuple[int, ...], frozenset[int]]:
    """(instants, those of them that are repriced) on recorded chains.

    In every step of the clock the first snapshot; at its beginning too where the last snapshot is a step old or more,
    but not where it is older than `oldest_ms`.
    """
    seen = np.array(sorted(snapshots), dtype=np.int64)
    chosen: set[int] = set()
    repriced: set[int] = set()
    for at in grid:
        row = int(np.searchsorted(seen, at, side="right"))
        age = at - int(seen[row - 1]) if row else oldest_ms + 1
        if step_ms <= age <= oldest_ms:
            repriced.add(at)
        first = row - 1 if row and int(seen[row - 1]) == at else row
        if first < len(seen) and int(seen[first]) < at + step_ms:
            chosen.add(int(seen[first]))
    return tuple(sorted(chosen | repriced)), frozenset(repriced - chosen)


def within(spec: RunSpec, first_ms: int, last_ms: int) -> None:
    """Errors: RunError when the period is not within what there is."""
    if spec.start_ms < first_ms or spec.end_ms > last_ms:
        raise RunError.at(
            "start_ms" if spec.start_ms < first_ms else "end_ms",
            f"{spec.source} has {day(first_ms, up=True)} to {day(last_ms)}, asked for {day(spec.start_ms)} to "
            f"{day(spec.end_ms)}: choose a period within it",
        )


def day(at_ms: int, up: bool = False) -> str:
    """The day of an instant, or the first one that begins at or after it."""
    number = -(-at_ms // MS_PER_DAY) if up else at_ms // MS_PER_DAY
    return utc_day(number * MS_PER_DAY).isoformat()


def fingerprint(
    spec: RunSpec,
    config: BacktestConfig,
    files: Iterable[Path] = (),
    deliveries: Mapping[tuple[str, int], float] = MappingProxyType({}),
) -> str:
    """Of the bundled data, of these files and delivery prices, and of every choice that shapes the market shown and
    what trading on it costs and earns: what a run's positions rest on beside its strategy and its opening cash."""
    found = hashlib.sha256((FOLDER / "manifest.json").read_bytes())
    for path in files:
        found.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    choices = [
        spec.source,
        spec.seed,
        sorted(spec.underlyings),
        config.model,
        config.iv_multiplier,
        config.listing,
        config.fill,
        str(config.spread_share.normalize()),
        config.wait_minutes,
        config.combo,
        config.failed_days,
        {name: str(rate.normalize()) for name, rate in sorted(config.idle_yields.items())},
        str(config.convert_cost.normalize()) if config.wheel_convert else None,
        [[*key, price] for key, price in sorted(deliveries.items())],
    ]
    if config.smile != "own":  # runs from before it was there keep their fingerprint
        choices += [config.smile, config.skew]
    found.update(json.dumps(choices).encode())
    return found.hexdigest()
