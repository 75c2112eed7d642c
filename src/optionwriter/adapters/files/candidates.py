"""The candidate store: every column of every candidate of every decision, in one Parquet file a UTC day.

Owns the folder's files of its own naming and touches no other: candidates_YYYYMMDD.parts/*.parquet while the day
runs, candidates_YYYYMMDD.parquet (zstd, sorted by time, decision and row) once it is over, and nothing that is older
than the retention. Files appear whole (written aside, then renamed); equal decisions give equal bytes.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from optionwriter.core.market.instruments import utc_day

KEYS = ("at_ms", "decision_id", "row")
_OURS = re.compile(r"candidates_(\d{8})\.(parquet|parts)")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")

Column = Sequence[object] | NDArray[np.generic]


class CandidateStoreError(Exception):
    """A file of the store can't be written or read; names the file and the cure."""


class CandidateStore:
    """Writes the candidates of one folder. Days are UTC days of exchange time; time only goes forward."""

    def __init__(self, folder: Path, keep_days: int, decisions_per_part: int = 1) -> None:
        """Files older than `keep_days` whole days go. More `decisions_per_part` is faster and loses more in a crash."""
        if keep_days < 1 or decisions_per_part < 1:
            raise ValueError("keep_days and decisions_per_part must be at least 1")
        self._folder = folder
        self._keep_days = keep_days
        self._per_part = decisions_per_part
        self._day: date | None = None
        self._pending: list[tuple[str, pl.DataFrame]] = []

    def append(self, decision_id: str, at_ms: int, columns: Mapping[str, Column]) -> None:
        """Adds one decision's candidates (columns of equal length; none is fine). Raises CandidateStoreError.

        The first decision of a day closes the days before it.
        """
        day = utc_day(at_ms)
        if day != self._day:
            self.flush()
            self._close_days_before(day)
            self._day = day
        frame = pl.DataFrame(dict(columns))
        if frame.height:
            self._pending.append((decision_id, _keyed(decision_id, at_ms, frame)))
        if len(self._pending) >= self._per_part:
            self.flush()

    def flush(self) -> None:
        """Writes what is pending as a part of its day. Raises CandidateStoreError."""
        if not self._pending or self._day is None:
            return
        parts = self._folder / f"candidates_{self._day:%Y%m%d}.parts"
        name = _UNSAFE.sub("_", self._pending[0][0])
        first_ms = self._pending[0][1]["at_ms"][0]
        frame = pl.concat([frame for _, frame in self._pending], how="diagonal_relaxed")
        _write(frame, parts / f"{first_ms}_{name}.parquet")
        self._pending.clear()

    def close(self, at_ms: int) -> None:
        """Writes what is pending and compacts every day that is over at `at_ms`."""
        self.flush()
        self._close_days_before(utc_day(at_ms))

    def _close_days_before(self, today: date) -> None:
        oldest = today - timedelta(days=self._keep_days)
        for path, day in _our_files(self._folder):
            if day < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            elif day < today and path.suffix == ".parts":
                _compact(self._folder, path)


def read_candidates(folder: Path, day: date) -> pl.DataFrame:
    """The candidates of a UTC day, running or closed, sorted by KEYS; an empty frame when there are none.

    Raises CandidateStoreError for a file that is no Parquet.
    """
    parts = folder / f"candidates_{day:%Y%m%d}.parts"
    files = [folder / f"candidates_{day:%Y%m%d}.parquet", *sorted(parts.glob("*.parquet"))]
    frames = [_read(file) for file in files if file.exists()]
    if not frames:
        return pl.DataFrame()
    whole = pl.concat(frames, how="diagonal_relaxed")
    return whole.unique(subset=list(KEYS), keep="first", maintain_order=True).sort(KEYS)


def _keyed(decision_id: str, at_ms: int, frame: pl.DataFrame) -> pl.DataFrame:
    taken = [name for name in KEYS if name in frame.columns]
    if taken:
        raise ValueError(f"decision {decision_id}: the columns {', '.join(taken)} are the store's own")
    return frame.select(
        pl.lit(at_ms, dtype=pl.Int64).alias("at_ms"),
        pl.lit(decision_id).alias("decision_id"),
        pl.int_range(pl.len(), dtype=pl.Int32).alias("row"),
        pl.all(),
    )


def _our_files(folder: Path) -> list[tuple[Path, date]]:
    """Files and part folders of our own naming, by name."""
    found: list[tuple[Path, date]] = []
    for path in sorted(folder.iterdir()) if folder.exists() else []:
        match = _OURS.fullmatch(path.name)
        if match is None or path.is_dir() != (match[2] == "parts"):
            continue
        try:
            day = datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC).date()
        except ValueError:  # eight digits that are no day: not ours
            continue
        found.append((path, day))
    return found


def _compact(folder: Path, parts: Path) -> None:
    """One sorted file in place of a day's parts. Again after a crash in between gives the same file."""
    day = datetime.strptime(parts.stem.removeprefix("candidates_"), "%Y%m%d").replace(tzinfo=UTC).date()
    frame = read_candidates(folder, day)
    if frame.height:
        _write(frame, parts.with_suffix(".parquet"))
    shutil.rmtree(parts)


def _write(frame: pl.DataFrame, path: Path) -> None:
    aside = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(aside, compression="zstd")
        aside.replace(path)
    except OSError as error:
        raise CandidateStoreError(
            f"{path}: the candidates could not be written ({error}): make room or check the folder's permissions"
        ) from error


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CandidateStoreError(
            f"{path} is no Parquet file ({error}): move it away; the days beside it are not affected"
        ) from error
