"""Catalogue: what recorded data lies in a folder: whose, of which days, in which files, and its rows for the checks.

Known are the harvester's and the importers' layouts (layouts.py), a file a coin and month, and single files that hold
an option chain or a series of prices. Keeps: files are only read; of a folder's days nothing is read before it is
asked for; a day's fingerprint is that of its files' bytes; a file that can't be read is told of its own day, and its
day's and neighbours' other files are read all the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from optionwriter.adapters.tapes.catalogue_columns import NAME, chain_day, column_map, instants
from optionwriter.adapters.tapes.layouts import day_files, day_path, import_path
from optionwriter.adapters.tapes.snapshots import CaptureError
from optionwriter.core.market.chain import I64
from optionwriter.core.market.instruments import MS_PER_DAY, utc_day
from optionwriter.core.market.quality import ChainDay, snapshots_of

_ASSET = re.compile(r"[A-Z]+(_[A-Z]+)?")
_MONTH = re.compile(r"_(\d{4})-(\d{2})\.parquet$")
_READ = (".parquet", ".csv")
_FILES_KEPT = 2
_NO_ROWS = pl.DataFrame(
    schema={"harvest_time": pl.Datetime("us", "UTC"), "instrument_name": pl.String, "mark_price": pl.Float64}
)


class Layout(StrEnum):
    """How an asset's files lie."""

    SNAPSHOTS = "snapshots"  # the harvester's
    DAYS = "days"  # the importers'
    MONTHS = "months"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Recording:
    """The chains of one asset in one folder. `source` names the folder, `single` the file where it is but one."""

    source: str
    folder: Path
    asset: str
    layout: Layout
    single: Path | None = None

    def days(self) -> tuple[date, ...]:
        """The UTC days that there may be rows of, ascending."""
        match self.layout:
            case Layout.SNAPSHOTS:
                found = {
                    _day_of("-".join(path.parts[-3:]))
                    for path in (self.folder / self.asset).glob("[0-9]*/[0-9]*/[0-9]*")
                }
                return tuple(sorted(day for day in found if day and self.files(day)))
            case Layout.DAYS:
                found = {
                    _day_of(path.name) for path in (self.folder / self.asset).glob("[0-9]*-[0-9]*-[0-9]*")
                }
                return tuple(sorted(day for day in found if day and self.files(day)))
            case _:
                return tuple(sorted({day for path in self._whole() for day in _days_in(path, self.asset)}))

    def files(self, day: date) -> tuple[Path, ...]:
        """What holds the day's rows."""
        match self.layout:
            case Layout.SNAPSHOTS:
                return day_files(self.folder, self.asset, day)
            case Layout.DAYS:
                path = self.folder / import_path(self.asset, day)
                return (path,) if path.is_file() else ()
            case Layout.MONTHS:
                return tuple(path for path in self._whole() if f"_{day:%Y-%m}.parquet" in path.name)
            case Layout.FILE:
                return tuple(self._whole())

    def compacted(self, day: date) -> bool:
        """Whether the day's snapshots were made one file, as far as the layout has any."""
        return self.layout is not Layout.SNAPSHOTS or (self.folder / day_path(self.asset, day)).is_file()

    def instants(self, day: date) -> tuple[I64, I64]:
        """(first instant, rows) of each of the day's snapshots, ascending, as far as its files can be read."""
        begin = _midnight(day)
        found = [_snapshots_in(path, self.asset) for path in self.files(day)]
        starts = np.concatenate([np.zeros(0, dtype=np.int64), *(one for one, _ in found)])
        counts = np.concatenate([np.zeros(0, dtype=np.int64), *(one for _, one in found)])
        own = (starts >= begin) & (starts < begin + MS_PER_DAY)
        order = np.argsort(starts[own], kind="stable")
        return starts[own][order], counts[own][order]

    def chain(self, day: date) -> ChainDay:
        """The day's rows; files that can't be read are told beside them."""
        frames, unread = [], []
        for path in self.files(day):
            try:
                frames.append(_chain_of(path))
            except CaptureError as error:
                unread.append(str(error))
        try:
            frame = pl.concat(frames, how="diagonal_relaxed") if frames else _NO_ROWS
            found = chain_day(frame, self.asset, _midnight(day))
        except (CaptureError, pl.exceptions.PolarsError) as error:
            told = str(error).partition("\n")[0]
            unread.append(
                f"the day's files don't hold a chain together ({told}): mend them, or move them away"
            )
            found = chain_day(_NO_ROWS, self.asset, _midnight(day))
        return replace(found, told=replace(found.told, files=len(self.files(day)), unread=tuple(unread)))

    def fingerprint(self, day: date) -> str:
        """Of the bytes of the day's files."""
        digest = hashlib.sha256()
        for path in self.files(day):
            stat = path.stat()
            digest.update(path.name.encode() + b"\0" + _sha256(path, stat.st_size, stat.st_mtime_ns))
        return digest.hexdigest()

    def bytes_of(self, day: date) -> int:
        """What the day takes on the disk; of a file of many days its share is not known, so all of it counts once."""
        return sum(path.stat().st_size for path in self.files(day))

    def _whole(self) -> Iterator[Path]:
        if self.single is not None:
            yield self.single
            return
        yield from sorted(
            path
            for path in (self.folder / self.asset).glob(f"{self.asset}_*.parquet")
            if _MONTH.search(path.name)
        )


def recordings(where: Path) -> tuple[Recording, ...]:
    """The chains in a folder, in the folders below it, or in a file; by source and asset.

    Errors: CaptureError when there is no such folder or file.
    """
    if where.is_file():
        _frame_of(where)  # named, so its fault is told
        return tuple(_of_file(where))
    if not where.is_dir():
        raise CaptureError(f"there is no folder or file {where}: name one that holds recorded data")
    found = _of_folder(where)
    for below in sorted(one for one in where.iterdir() if one.is_dir() and not one.name.startswith(".")):
        if not _ASSET.fullmatch(below.name):
            found += _of_folder(below)
    return tuple(found)


def _of_folder(folder: Path) -> list[Recording]:
    found: list[Recording] = []
    for one in sorted(folder.iterdir()):
        if one.is_dir() and _ASSET.fullmatch(one.name):
            layout = _layout_of(one)
            if layout is not None:
                found.append(Recording(folder.name, folder, one.name, layout))
        elif one.is_file() and one.suffix in _READ:
            found += _of_file(one)
    return found


def _layout_of(folder: Path) -> Layout | None:
    names = [one.name for one in folder.iterdir()]
    if any(re.fullmatch(r"\d{4}", name) for name in names):
        return Layout.SNAPSHOTS
    if any(re.fullmatch(r"\d{4}-\d{2}-\d{2}", name) for name in names):
        return Layout.DAYS
    return Layout.MONTHS if any(_MONTH.search(name) for name in names) else None


def _of_file(path: Path) -> Iterator[Recording]:
    """A file's assets, where it holds a chain."""
    try:
        frame = _frame_of(path)
    except CaptureError:
        return
    found = column_map(frame.columns)
    if found is None:
        return
    codes = frame.select(pl.col(found.name).cast(pl.String).str.extract(NAME, 1).unique())
    for code in sorted(one for one in codes[found.name].to_list() if one):
        yield Recording(path.parent.name, path.parent, code, Layout.FILE, path)


def _days_in(path: Path, asset: str) -> list[date]:
    """The days of a file's snapshots of an asset; the month's first where the file of a month can't be read."""
    starts, _ = _snapshots_in(path, asset)
    month = _MONTH.search(path.name)
    if not len(starts) and month:
        return [one for one in (_day_of(f"{month[1]}-{month[2]}-01"),) if one]
    return [utc_day(int(one) * MS_PER_DAY) for one in np.unique(starts // MS_PER_DAY)]


def _snapshots_in(path: Path, asset: str) -> tuple[I64, I64]:
    """(first instant, rows) of a file's snapshots of an asset; none where it can't be read."""
    stat = path.stat()
    try:
        return _snapshots_read(path, asset, stat.st_size, stat.st_mtime_ns)
    except (CaptureError, pl.exceptions.PolarsError):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)


def _chain_of(path: Path) -> pl.DataFrame:
    """A file that is a chain by its columns. Errors: CaptureError."""
    frame = _frame_of(path)
    found = column_map(frame.columns)
    if found is None:
        raise CaptureError(f"{path} is no option chain (columns {', '.join(frame.columns)}): move it away")
    instants(frame.head(1), found.time)
    return frame


@lru_cache(maxsize=4_096)
def _snapshots_read(path: Path, asset: str, _size: int, _changed: int) -> tuple[I64, I64]:
    frame = _frame_of(path, two=True)
    found = column_map([*frame.columns, "mark_price"])
    if found is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    own = frame[found.name].cast(pl.String).str.starts_with(f"{asset}-").fill_null(value=False)
    at, _ = instants(frame.filter(own), found.time)
    at_ms = np.sort(at.drop_nulls().to_numpy())
    _, first, counts = np.unique(snapshots_of(at_ms), return_index=True, return_counts=True)
    return at_ms[first], counts


def _frame_of(path: Path, two: bool = False) -> pl.DataFrame:
    """A file; of its columns only instants and names where `two` are enough. Errors: CaptureError."""
    stat = path.stat()
    return _frame_read(path, two and path.suffix == ".parquet", stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=_FILES_KEPT)
def _frame_read(path: Path, two: bool, _size: int, _changed: int) -> pl.DataFrame:
    try:
        if path.suffix == ".csv":
            return pl.read_csv(path, infer_schema_length=None)
        known = column_map(list(pl.read_parquet_schema(path))) if two else None
        return pl.read_parquet(path, columns=None if known is None else [known.time, known.name])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _unreadable(path, error) from None


@lru_cache(maxsize=4_096)
def _sha256(path: Path, _size: int, _changed: int) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _unreadable(path: Path, error: Exception) -> CaptureError:
    told = str(error).partition("\n")[0]
    return CaptureError(f"{path} can't be read ({told}): fetch it again, or move it away")


def _day_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def days_between(first: date, last: date) -> list[date]:
    """Every day from one to the other."""
    return [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
