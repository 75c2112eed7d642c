"""Imported histories on disk: prices, volatility index and delivery prices, merged with what is there.

Keeps, as for chains: importing the same again changes nothing; a row that contradicts a stored one is counted and
named, and the stored one stays unless `replace`. Where a finer candle is known at the same instant it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from optionwriter.adapters.tapes.history_files import HistoryError, read_history, write_history
from optionwriter.adapters.tapes.importers.problem import ImportRefusedError
from optionwriter.adapters.tapes.importers.writing import ChainStore
from optionwriter.adapters.tapes.layouts import HISTORY_COLUMNS, HISTORY_FOLDER, history_path
from optionwriter.core.report.imports import DayReport

KIND, NAME = "kind", "name"  # columns beside the stored ones, which say where a row goes


class HistoryStore:
    """One import's rows of history on their way to `folder` (data/history)."""

    def __init__(self, folder: Path, *, replace: bool = False) -> None:
        self._folder, self._replace = folder, replace
        self._kept: list[pl.DataFrame] = []
        self._under_way: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Rows of one kind and name of the file that is being read."""
        self._under_way.append(rows)

    def done(self) -> None:
        """The file is whole."""
        self._kept += self._under_way
        self._under_way = []

    def undo(self) -> None:
        """The file failed."""
        self._under_way = []

    def days(self) -> int:
        """Files that `write` will touch."""
        return len(self._wanted())

    def write(self) -> Iterator[DayReport]:
        """Merges them, a file after the other. Errors: ImportRefusedError."""
        for (kind, name), frames in self._wanted().items():
            try:
                yield self._write(kind, name, pl.concat(frames))
            except (HistoryError, OSError) as error:
                raise ImportRefusedError(str(error)) from error

    def _write(self, kind: str, name: str, rows: pl.DataFrame) -> DayReport:
        stored = read_history(self._folder, kind, name)
        key = [one for one in HISTORY_COLUMNS[kind] if one.endswith("_time")]
        values = [one for one in HISTORY_COLUMNS[kind] if one not in (*key, "source", "volume")]
        rows = rows.select(list(HISTORY_COLUMNS[kind]))
        first = rows.unique(key, keep="first", maintain_order=True)
        within = rows.join(first, on=[*key, *values], how="anti")
        other = first.join(stored, on=key, how="semi").join(stored, on=[*key, *values], how="anti")
        new = first if self._replace else first.join(stored, on=key, how="anti")
        path = Path(HISTORY_FOLDER) / history_path(kind, name)
        merged = write_history(self._folder, kind, name, new)
        example = next(
            (_told(*pair, key, values) for pair in ((other, stored), (within, first)) if pair[0].height), ""
        )
        wrote = merged.added or merged.changed
        known = rows.height - merged.added - other.height - within.height
        return DayReport(
            str(path),
            merged.added,
            known,
            other.height + within.height,
            example,
            merged.rows,
            merged.path.stat().st_size if wrote else 0,
        )

    def _wanted(self) -> dict[tuple[str, str], list[pl.DataFrame]]:
        found: dict[tuple[str, str], list[pl.DataFrame]] = {}
        for frame in self._kept:
            if frame.height:
                found.setdefault((str(frame[KIND][0]), str(frame[NAME][0])), []).append(frame)
        return found


class ImportStore:
    """Chains and histories by what their rows are."""

    def __init__(self, chains: ChainStore, histories: HistoryStore) -> None:
        self._chains, self._histories = chains, histories

    def add(self, rows: pl.DataFrame) -> None:
        """Rows of the file that is being read."""
        (self._histories if KIND in rows.columns else self._chains).add(rows)

    def done(self) -> None:
        """The file is whole."""
        self._chains.done()
        self._histories.done()

    def undo(self) -> None:
        """The file failed."""
        self._chains.undo()
        self._histories.undo()

    def days(self) -> int:
        """Files that `write` will touch."""
        return self._chains.days() + self._histories.days()

    def write(self) -> Iterator[DayReport]:
        """Merges them all."""
        yield from self._chains.write()
        yield from self._histories.write()


def _told(other: pl.DataFrame, stored: pl.DataFrame, key: list[str], values: list[str]) -> str:
    one = other.row(0, named=True)
    was = stored.filter(*(pl.col(name) == one[name] for name in key)).row(0, named=True)
    name = next(name for name in values if one[name] != was[name])
    return f"{one[key[-1]]:%Y-%m-%d %H:%M}: {name} {was[name]} is stored, {one[name]} came"
