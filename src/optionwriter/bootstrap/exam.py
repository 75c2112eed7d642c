"""Exams: a fixed, fingerprinted period of captured data, and strategies examined on exactly that.

An exam is a folder: the chains' files as they were, prices, volatility index and settlements of the period, and a
manifest with the sha256 of each file. Keeps: it is there whole or not at all; a day that fails its check is refused
unless it is told to be taken; nothing is examined on files that are not what they were.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from optionwriter.adapters.tapes.captured_files import DELIVERY
from optionwriter.adapters.tapes.catalogue import Recording
from optionwriter.adapters.tapes.catalogue_verdicts import KeptVerdicts
from optionwriter.adapters.tapes.layouts import HARVEST_FOLDER, HISTORY_FOLDER, IMPORT_FOLDER
from optionwriter.adapters.tapes.recordings import days_of
from optionwriter.adapters.tapes.sample_files import Recorded, SampleData
from optionwriter.adapters.tapes.whole_file import write_whole
from optionwriter.bootstrap.backtest_config import BacktestConfig, read_config
from optionwriter.bootstrap.backtests import code_version, runner
from optionwriter.bootstrap.recorded_sources import WARM_UP_MS, recorded_folder
from optionwriter.bootstrap.source import market_data
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.market.instruments import MS_PER_HOUR, product, utc_day
from optionwriter.core.market.listing import listed_expiries
from optionwriter.core.report.run import RunResult, RunSpec
from optionwriter.core.report.run_diff import Difference, differences
from optionwriter.services.catalogue import Wanted, check
from optionwriter.services.jobs import Progress
from optionwriter.settings import Settings

MANIFEST = "manifest.json"
EXAMS = Path("data") / "exams"
VERSION = 1
SYNTHETIC = "synthetic"


class ExamError(Exception):
    """An exam that can't be made, or is not what it was; the message names the file and the cure."""


@dataclass(frozen=True, slots=True)
class Exam:
    """An exam's folder and its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """Of every file, the period and the coins."""
        return str(self.manifest["fingerprint"])


@dataclass(frozen=True, slots=True)
class Examined:
    """One strategy on an exam: the run on made prices, the run on captured ones, and each metric of both."""

    exam: str  # its fingerprint
    synthetic: RunResult
    real: RunResult
    differences: tuple[Difference, ...]


def build_exam(
    spec: RunSpec,
    data: Path | None,
    folder: Path | None,
    failed_days: Literal["refuse", "take"] = "refuse",
) -> Exam:
    """Freezes the data that a backtest of `spec` reads (its source, coins and period) into `folder`.

    Errors: ExamError when there is something already, RunError when the data are not there or fail their check.
    """
    if spec.source not in (HARVEST_FOLDER, IMPORT_FOLDER):
        raise ExamError(f"source {spec.source!r} is not captured: choose {HARVEST_FOLDER} or {IMPORT_FOLDER}")
    config = read_config({"data": "" if data is None else str(data), "failed_days": failed_days})
    source = open_source(Settings(), spec, config)
    first, last = utc_day(spec.start_ms).isoformat(), utc_day(spec.end_ms).isoformat()
    target = folder or EXAMS / f"{spec.source}_{'_'.join(spec.underlyings)}_{first}_{last}"
    if target.exists():
        raise ExamError(
            f"{target} is there already: an exam never changes; name another folder, or remove it"
        )
    aside = target.with_name(f".{target.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    sample, past_files = market_data(spec, config)
    try:
        recorded = _copied(spec, config, sample, aside)
        for path in past_files:
            copy = aside / HISTORY_FOLDER / path.parent.name / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        _histories(spec, sample, aside, source.feed.delivery_price)
        manifest = _manifest(spec, sample, aside, _quality(spec, recorded))
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
        aside.replace(target)
    except OSError as error:
        raise ExamError(f"{target} can't be written: {error}") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return open_exam(target)


def open_exam(folder: Path) -> Exam:
    """An exam by its folder, its files not yet proven. Errors: ExamError."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["version"] != VERSION:
            raise ExamError(f"{path} is of another version of optionwriter: build the exam anew")
        if manifest["fingerprint"] != _fingerprint(manifest):
            raise ExamError(f"{path} was altered: its fingerprint is not that of what it lists")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExamError(
            f"{folder} is no exam ({error}): build one with optionwriter data exam build"
        ) from None
    return Exam(folder, manifest)


def verify_exam(exam: Exam) -> None:
    """Proves every file. Errors: ExamError names each that is missing, altered, or was not there."""
    listed = exam.manifest["files"]
    there = _hashes(exam.folder)
    wrong = [f"{name} is missing" for name in sorted(set(listed) - set(there))]
    wrong += [f"{name} is not of it" for name in sorted(set(there) - set(listed))]
    wrong += [
        f"{name} was altered" for name in sorted(set(listed) & set(there)) if listed[name] != there[name]
    ]
    if wrong:
        raise ExamError(f"{exam.folder} is not what it was: {'; '.join(wrong[:5])}: build the exam anew")


def exam_specs(
    exam: Exam, strategy: str, config: Mapping[str, Any], seed: int, group: str = ""
) -> tuple[RunSpec, RunSpec]:
    """What is run: on made prices, and on the exam's own. Errors: ExamError when the exam is not what it was."""
    verify_exam(exam)
    told = exam.manifest
    asked = {name: value for name, value in config.items() if name not in ("data", "failed_days")}
    asked["data"] = str(exam.folder.resolve())
    made = RunSpec(
        f"{strategy} on {SYNTHETIC}", SYNTHETIC, strategy, tuple(told["underlyings"]),
        told["start_ms"], told["end_ms"], seed, asked, group=group,
    )  # fmt: skip
    sample, _ = market_data(made, read_config(asked))
    if _prices_hash(made, sample) != told["prices_fingerprint"]:
        raise ExamError(
            f"the prices that this version of optionwriter brings are not those of {exam.folder}: "
            "examine with the version that built it, or build it anew"
        )
    own = {**asked, "failed_days": told["failed_days"]}
    real = replace(made, name=f"{strategy} on {told['source']}", source=told["source"], config=own)
    return made, real


def examine(
    settings: Settings,
    exam: Exam,
    strategy: str,
    config: Mapping[str, Any],
    seed: int = 1,
    progress: Progress = lambda _share, _text: None,
) -> Examined:
    """Runs the strategy on made and on captured prices of exactly the exam's period. Errors: ExamError, RunError."""
    run = runner(settings)
    made, real = (run(spec, progress) for spec in exam_specs(exam, strategy, config, seed))
    return Examined(exam.fingerprint, made, real, differences(made.metrics, real.metrics))


def _copied(spec: RunSpec, config: BacktestConfig, sample: SampleData, target: Path) -> list[Recording]:
    """Copies the chains' files and settlement prices; the recordings that they are."""
    chains = recorded_folder(spec, config)
    recorded: list[Recording] = []
    for name in spec.underlyings:
        for code in (name, f"{name}_USDC"):
            one = chains.recording(code)
            files = {path for day in days_of(_begin(spec, sample), spec.end_ms) for path in one.files(day)}
            for path in sorted(files):
                copy = target / one.folder.name / path.relative_to(one.folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
            if files:
                recorded.append(one)
    if (chains.path / DELIVERY).is_dir():
        shutil.copytree(chains.path / DELIVERY, target / DELIVERY)
    return recorded


def _begin(spec: RunSpec, sample: SampleData) -> int:
    """Since when chains are read: a month before the period where the prices end within it."""
    ends = min(int(sample.recorded[name].candle_ms[-1]) for name in spec.underlyings)
    return spec.start_ms if spec.end_ms <= ends else spec.start_ms - WARM_UP_MS


def _histories(
    spec: RunSpec, sample: SampleData, target: Path, delivery: Callable[[str, int], float]
) -> None:
    """The period's prices, volatility index and settlement prices, for the record."""
    prices, index, settled = [], [], []
    for name in spec.underlyings:
        hours, values = _rows(sample.recorded[name], spec.start_ms, spec.end_ms)
        prices.append(hours.insert_column(0, pl.Series("coin", [name] * hours.height)))
        index.append(values.insert_column(0, pl.Series("coin", [name] * values.height)))
        for code in (name, f"{name}_USDC"):
            one = product(code)
            expiries = {
                expiry
                for day in days_of(spec.start_ms, spec.end_ms)
                for expiry in listed_expiries(one, max(spec.start_ms, _midnight(day)))
                if spec.start_ms < expiry <= spec.end_ms
            }
            settled += [
                {"index": one.index_name, "expiry_ms": expiry, "price": delivery(one.index_name, expiry)}
                for expiry in sorted(expiries)
            ]
    for kind, frame in (
        ("prices", pl.concat(prices)),
        ("volatility_index", pl.concat(index)),
        (
            "settlements",
            pl.DataFrame(settled, {"index": pl.String, "expiry_ms": pl.Int64, "price": pl.Float64}),
        ),
    ):
        write_whole(frame.unique(maintain_order=True), target / f"{kind}.parquet")


def _rows(own: Recorded, start_ms: int, end_ms: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A coin's hours and values of the volatility index of [start - a month, end]."""
    hours = pl.DataFrame(
        {"open_ms": own.candle_ms, "open": own.open, "high": own.high, "low": own.low, "close": own.close}
    )
    values = pl.DataFrame({"at_ms": own.index_ms, "value": own.index_value, "rebuilt": own.index_rebuilt})
    begin = start_ms - WARM_UP_MS
    return (
        hours.filter(pl.col("open_ms").is_between(begin, end_ms + MS_PER_HOUR)),
        values.filter(pl.col("at_ms").is_between(begin, end_ms)),
    )


def _prices_hash(spec: RunSpec, sample: SampleData) -> str:
    """Of the prices and the volatility index that a run of the period reads."""
    digest = hashlib.sha256()
    for name in spec.underlyings:
        for frame in _rows(sample.recorded[name], spec.start_ms, spec.end_ms):
            for column in frame.iter_columns():
                digest.update(column.to_numpy().tobytes())
    return digest.hexdigest()


def _quality(spec: RunSpec, recorded: list[Recording]) -> list[dict[str, Any]]:
    """Verdict and score of each day."""
    wanted = Wanted(first=utc_day(spec.start_ms), last=utc_day(max(spec.end_ms - 1, spec.start_ms)))
    found = [one.quality for one in check(recorded, wanted, KeptVerdicts())]
    return [
        {"asset": one.asset, "day": one.day, "verdict": str(one.verdict), "score": one.score} for one in found
    ]


def _manifest(
    spec: RunSpec, sample: SampleData, folder: Path, quality: list[dict[str, Any]]
) -> dict[str, Any]:
    failed = any(one["verdict"] == "fail" for one in quality)
    found: dict[str, Any] = {
        "version": VERSION,
        "source": spec.source,
        "underlyings": list(spec.underlyings),
        "start_ms": spec.start_ms,
        "end_ms": spec.end_ms,
        "failed_days": "take" if failed else "refuse",
        "prices_fingerprint": _prices_hash(spec, sample),
        "quality": quality,
        "code_version": code_version(),
        "files": _hashes(folder),
    }
    return {**found, "fingerprint": _fingerprint(found)}


def _fingerprint(manifest: Mapping[str, Any]) -> str:
    names = ("version", "source", "underlyings", "start_ms", "end_ms", "prices_fingerprint", "files")
    told = json.dumps([manifest[name] for name in names], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file but the manifest and what checks keep beside the data."""
    names = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if path.name != MANIFEST and not any(part.startswith(".") for part in name.parts)
    }


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
