"""Imported chains on disk: a file a product and day, merged with what is there, whole or not at all.

Keeps: importing the same again changes no byte; a row that contradicts a stored one (same instant and option, other
values) is counted and named, and the stored one stays unless `replace`; a file that fails takes its own rows with it
and no others. Rows wait in memory, and beyond a bound in parts aside, so that a source may be larger than memory.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import TracebackType

import polars as pl

from optionwriter.adapters.tapes.importers.problem import ImportRefusedError
from optionwriter.adapters.tapes.layouts import IMPORT_COLUMNS, IMPORT_FOLDER, import_path
from optionwriter.adapters.tapes.whole_file import write_whole
from optionwriter.core.report.imports import DayReport

ASIDE_FOLDER = ".importing"
ROWS_IN_MEMORY = 1_000_000
KEY = ["timestamp", "instrument_name"]
_VALUES = [name for name in IMPORT_COLUMNS if name not in (*KEY, "source")]


class ChainStore:
    """One import's rows on their way to `folder`. As a context it holds the folder against other imports."""

    def __init__(self, folder: Path, *, replace: bool = False, rows_in_memory: int = ROWS_IN_MEMORY) -> None:
        self._folder, self._replace, self._bound = folder, replace, rows_in_memory
        self._kept: list[pl.DataFrame] = []  # of files that are done
        self._under_way: list[pl.DataFrame] = []  # of the file that is being read
        self._parts = 0
        self._lock: int | None = None

    def __enter__(self) -> ChainStore:
        """Errors: ImportRefusedError when another import holds the folder, or it can't be used."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._let_go()
            raise ImportRefusedError(
                f"{self._folder} is in use by another import: wait for it, or name another with -o"
            ) from None
        except OSError as error:
            self._let_go()
            raise ImportRefusedError(
                f"{self._folder} can't be used: {error.strerror}: name another with -o"
            ) from error
        self._clear()  # what a killed import left
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._clear()
        self._let_go()

    def add(self, rows: pl.DataFrame) -> None:
        """Rows of the file that is being read."""
        if not rows.height:
            return
        self._under_way.append(rows)
        if sum(one.height for one in self._under_way) > self._bound:
            self._set_aside(self._under_way, self._aside / "under_way")
            self._under_way = []

    def done(self) -> None:
        """The file that was being read is whole: its rows stay."""
        self._kept += self._under_way
        self._under_way = []
        for part in sorted((self._aside / "under_way").glob("*/*/*.parquet")):
            place = self._aside / "kept" / part.parent.parent.name / part.parent.name
            place.mkdir(parents=True, exist_ok=True)
            part.replace(place / part.name)
        if sum(one.height for one in self._kept) > self._bound:
            self._set_aside(self._kept, self._aside / "kept")
            self._kept = []

    def undo(self) -> None:
        """The file that was being read failed: nothing of it stays."""
        self._under_way = []
        shutil.rmtree(self._aside / "under_way", ignore_errors=True)

    def days(self) -> int:
        """Files that `write` will touch."""
        return len(self._wanted())

    def write(self) -> Iterator[DayReport]:
        """Merges day by day, each file whole. Errors: ImportRefusedError when a stored file can't be read."""
        memory = pl.concat(self._kept) if self._kept else pl.DataFrame(schema=dict(IMPORT_COLUMNS))
        days = memory.with_columns(day=pl.col("timestamp").dt.date()).partition_by(
            "underlying", "day", as_dict=True, include_key=True
        )
        for code, day in self._wanted():
            parts = sorted((self._aside / "kept" / code / f"{day:%Y-%m-%d}").glob("*.parquet"))
            frames = [pl.read_parquet(part) for part in parts]
            own = days.get((code, day))
            if own is not None:
                frames.append(own.drop("day"))
            yield self._write_day(code, day, pl.concat(frames))

    def _write_day(self, code: str, day: date, rows: pl.DataFrame) -> DayReport:
        path = self._folder / import_path(code, day)
        stored = _stored(path)
        fresh, within, first = _one_a_key(rows)
        again = fresh.join(stored, on=KEY, how="semi", nulls_equal=True)
        other = again.join(stored, on=[*KEY, *_VALUES], how="anti", nulls_equal=True)
        added = fresh.join(stored, on=KEY, how="anti", nulls_equal=True)
        base = stored
        if self._replace and other.height:
            base = pl.concat([stored.join(other, on=KEY, how="anti"), other])
        if not added.height and base is stored:
            size, rows_now = 0, stored.height
        else:
            merged = pl.concat([base, added]).sort(KEY)
            size, rows_now = write_whole(merged, path), merged.height
        example = first or (_contradiction(other, stored) if other.height else "")
        told = str(Path(IMPORT_FOLDER) / import_path(code, day))
        twice = rows.height - fresh.height - within  # rows of this import that say the same again
        known = again.height - other.height + twice
        return DayReport(told, added.height, known, other.height + within, example, rows_now, size)

    def _wanted(self) -> list[tuple[str, date]]:
        found = {
            (part.parent.parent.name, date.fromisoformat(part.parent.name))
            for part in (self._aside / "kept").glob("*/*/*.parquet")
        }
        for frame in self._kept:
            found |= set(frame.select("underlying", pl.col("timestamp").dt.date()).unique().rows())
        return sorted(found)

    def _set_aside(self, frames: list[pl.DataFrame], place: Path) -> None:
        rows = pl.concat(frames).with_columns(day=pl.col("timestamp").dt.date())
        self._parts += 1
        for (code, day), part in rows.partition_by(
            "underlying", "day", as_dict=True, include_key=True
        ).items():
            folder = place / str(code) / f"{day:%Y-%m-%d}"
            folder.mkdir(parents=True, exist_ok=True)
            try:
                part.drop("day").write_parquet(folder / f"{self._parts:06d}.parquet", compression="lz4")
            except pl.exceptions.PolarsError as error:  # how polars tells of a full disk
                raise OSError(f"{folder} can't be written ({error})") from error

    @property
    def _aside(self) -> Path:
        return self._folder / ASIDE_FOLDER

    def _clear(self) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _stored(path: Path) -> pl.DataFrame:
    """What is there, in the canonical columns. Errors: ImportRefusedError."""
    empty = pl.DataFrame(schema=dict(IMPORT_COLUMNS))
    if not path.is_file():
        return empty
    try:
        found = pl.read_parquet(path)
        return pl.concat(
            [empty, found.select(one for one in IMPORT_COLUMNS if one in found.columns)], how="diagonal"
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ImportRefusedError(
            f"{path} is there and can't be read ({str(error).partition(chr(10))[0]}): move it away, then import again"
        ) from error


def _one_a_key(rows: pl.DataFrame) -> tuple[pl.DataFrame, int, str]:
    """(one row a key, the first that came; rows that contradict it; the first of those, told)."""
    first = rows.unique(KEY, keep="first", maintain_order=True)
    if first.height == rows.height:
        return first, 0, ""
    others = rows.join(first, on=[*KEY, *_VALUES], how="anti", nulls_equal=True)
    return first, others.height, _contradiction(others, first) if others.height else ""


def _contradiction(rows: pl.DataFrame, kept: pl.DataFrame) -> str:
    """The first row that differs from the one that is kept: where, and in what."""
    one = rows.sort(KEY).row(0, named=True)
    mine = kept.filter(
        (pl.col("timestamp") == one["timestamp"]) & (pl.col("instrument_name") == one["instrument_name"])
    )
    was = mine.row(0, named=True)
    name = next(name for name in _VALUES if one[name] != was[name])
    where = f"{one['instrument_name']} at {one['timestamp']:%Y-%m-%d %H:%M:%S}"
    return f"{where}: {name} {was[name]} is stored, {one[name]} came"


class NoStore:
    """Where the rows of a dry run go: nowhere."""

    def add(self, rows: pl.DataFrame) -> None:
        """Forgets them."""

    def done(self) -> None:
        """Nothing to keep."""

    def undo(self) -> None:
        """Nothing to undo."""

    def days(self) -> int:
        """None."""
        return 0

    def write(self) -> Iterator[DayReport]:
        """Nothing."""
        return iter(())


def write_text_whole(path: Path, text: str) -> None:
    """A text file that is there whole or not at all. Errors: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
