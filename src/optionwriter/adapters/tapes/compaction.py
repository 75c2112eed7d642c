"""Compaction: the snapshots of a day become one sorted file; verified before anything is taken away.

Keeps: no row is lost or doubled; a day that was compacted in part before (a crash between writing and removing) is
finished by doing it again; a file that can't be read stops it and everything stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from optionwriter.adapters.tapes.layouts import HARVEST_COLUMNS, day_path, snapshot_files
from optionwriter.adapters.tapes.whole_file import write_whole

_KEY = ["harvest_time", "instrument_name"]


class CompactionError(Exception):
    """A day that can't be compacted; the message names the file and the cure. Nothing was taken away."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of one asset's day; bytes of the files before and of the one after."""

    asset: str
    day: date
    path: Path
    files: int  # single snapshots that went into it
    rows: int
    bytes_before: int
    bytes_after: int


def compact(folder: Path, asset: str, day: date) -> Compacted:
    """One file of the day's snapshots, sorted by time and name, in place of theirs; a compacted file that is there
    already is kept in it. Without snapshots nothing is done.

    The day should be over: what is written beside the compacted file later is not read until it is compacted too.
    Errors: CompactionError.
    """
    target = folder / day_path(asset, day)
    singles = snapshot_files(folder, asset, day)
    paths = [path for path in (target, *singles) if path.is_file()]
    before = sum(path.stat().st_size for path in paths)
    if not singles:
        rows = _read(target).height if paths else 0
        return Compacted(asset, day, target, 0, rows, before, before)
    frame = pl.concat([_read(path) for path in paths]).unique(_KEY, keep="last", maintain_order=True)
    frame = frame.sort(_KEY)
    try:
        size = write_whole(frame, target)
    except OSError as error:
        raise CompactionError(f"{target} can't be written: {error}: make room and repeat") from error
    _verify(target, frame, singles)
    for path in singles:
        path.unlink()
    return Compacted(asset, day, target, len(singles), frame.height, before, size)


def closed_days(folder: Path, today: date) -> Iterator[tuple[str, date]]:
    """(asset, day) of all days before `today` that still have single snapshots."""
    found = set()
    for path in folder.glob("*/[0-9][0-9][0-9][0-9]/[0-9][0-9]/[0-9][0-9]/*_[0-9][0-9][0-9][0-9].parquet"):
        year, month, number = path.parts[-4:-1]
        try:
            day = date(int(year), int(month), int(number))
        except ValueError:
            continue
        if day < today and path in snapshot_files(folder, path.parts[-5], day):
            found.add((path.parts[-5], day))
    yield from sorted(found)


def _read(path: Path) -> pl.DataFrame:
    """All columns of the layout, those that the file lacks null."""
    try:
        frame = pl.read_parquet(path)
        lacks = [name for name in _KEY if name not in frame.columns]
        if lacks:
            raise CompactionError(f"{path} lacks the columns {', '.join(lacks)}: move it away")
        return frame.select(
            (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
            for name, kind in HARVEST_COLUMNS.items()
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        told = str(error).partition("\n")[0]
        raise CompactionError(f"{path} can't be read ({told}): move it away, then repeat") from error


def _verify(target: Path, frame: pl.DataFrame, singles: Sequence[Path]) -> None:
    """Errors: CompactionError when the written file isn't what went in."""
    if not _read(target).equals(frame):
        raise CompactionError(
            f"{target} doesn't read back as written: its {len(singles)} snapshots are kept, remove it and repeat"
        )
