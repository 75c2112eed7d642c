"""Imports: the order of events. Recognise a file, read it in parts, convert, keep or count each row; merge; report.

Keeps: one file's refusal never stops the others, and leaves nothing of that file behind; what was written is whole
days, and is reported even where writing was broken off; a dry run reads and checks everything and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from optionwriter.core.report.imports import DayReport, Dropped, FileReport, ImportReport, Tally

Rows = TypeVar("Rows")
Rows_co = TypeVar("Rows_co", covariant=True)
Rows_contra = TypeVar("Rows_contra", contravariant=True)
Telling = Callable[[float, str], None]
"""(share done, what is being done)."""
_READING = 0.9  # share of an import that reading is, writing the rest


class Batch(Protocol[Rows_co]):
    """A part of a file, converted."""

    @property
    def rows(self) -> Rows_co:
        """Canonical rows."""
        ...

    @property
    def kept(self) -> int:
        """How many they are."""
        ...

    @property
    def read(self) -> int:
        """Rows of the file that were read for it."""
        ...

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What was left out."""
        ...

    @property
    def done(self) -> float:
        """Share of the file behind it."""
        ...


class File(Protocol[Rows_co]):
    """A file that was recognised and whose units are settled."""

    @property
    def format(self) -> str:
        """The format's name."""
        ...

    @property
    def facts(self) -> tuple[str, ...]:
        """What was settled, each with its evidence."""
        ...

    def batches(self) -> Iterator[Batch[Rows_co]]:
        """The file's parts."""
        ...


class Store(Protocol[Rows_contra]):
    """Where rows go."""

    def add(self, rows: Rows_contra) -> None:
        """Rows of the file that is being read."""
        ...

    def done(self) -> None:
        """That file is whole."""
        ...

    def undo(self) -> None:
        """That file failed."""
        ...

    def days(self) -> int:
        """Files that will be touched."""
        ...

    def write(self) -> Iterator[DayReport]:
        """Merges them, one after the other."""
        ...


def run_import(
    paths: Sequence[Path],
    opener: Callable[[Path], File[Rows]],
    store: Store[Rows],
    refusal: type[Exception],
    telling: Telling,
    *,
    dry_run: bool = False,
) -> ImportReport:
    """Imports every path. `refusal` is what `opener`, a file's parts and `store.write` raise.

    Errors: OSError and KeyboardInterrupt as long as nothing is written; then the report tells how far it came.
    """
    sizes = [max(path.stat().st_size, 1) if path.is_file() else 1 for path in paths]
    whole, behind = sum(sizes), 0
    files: list[FileReport] = []
    for path, size in zip(paths, sizes, strict=True):

        def tell(share: float, path: Path = path, size: int = size, behind: int = behind) -> None:
            telling(_READING * (behind + share * size) / whole, path.name)

        tell(0.0)
        files.append(_one_file(path, opener, store, refusal, tell))
        behind += size
    if dry_run:
        return ImportReport(tuple(files), dry_run=True)
    days: list[DayReport] = []
    count = store.days()
    broken_off = ""
    try:
        for day in store.write():
            days.append(day)
            telling(_READING + (1 - _READING) * len(days) / count, day.path)
    except (refusal, OSError) as error:
        broken_off = str(error)
    except KeyboardInterrupt:
        broken_off = "stopped"
    return ImportReport(tuple(files), tuple(days), broken_off=broken_off)


def _one_file(
    path: Path,
    opener: Callable[[Path], File[Rows]],
    store: Store[Rows],
    refusal: type[Exception],
    tell: Callable[[float], None],
) -> FileReport:
    """Reads one file to its end, or leaves nothing of it."""
    name, facts, tally, read, kept = "", tuple[str, ...](), Tally(), 0, 0
    try:
        file = opener(path)
        name, facts = file.format, file.facts
        for batch in file.batches():
            store.add(batch.rows)
            tally.add(batch.dropped)
            read, kept = read + batch.read, kept + batch.kept
            tell(batch.done)
    except refusal as error:
        store.undo()
        return FileReport(str(path), name, facts, refused=str(error))
    store.done()
    return FileReport(str(path), name, facts, read, kept, tally.dropped())
