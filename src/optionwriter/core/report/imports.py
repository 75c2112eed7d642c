"""What an import did: rows read, kept and dropped, file by file and day by day, with the evidence for every unit.

Owns the records and their text. Keeps: every row that was read is either kept or counted under one reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows that were left out for one reason; `example` is the first of them."""

    reason: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file: as what it was read, why that is believed, and what became of its rows.

    `refused` is the reason and cure where nothing was taken from it.
    """

    path: str
    format: str
    facts: tuple[str, ...] = ()
    read: int = 0
    kept: int = 0
    dropped: tuple[Dropped, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class DayReport:
    """One stored file: rows that were new, were there already, and contradicted what was there (the first named)."""

    path: str
    added: int
    known: int
    conflicts: int = 0
    example: str = ""
    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The whole import. `dry_run`: nothing was written, so there are no days. `broken_off`: why later days are not."""

    files: tuple[FileReport, ...]
    days: tuple[DayReport, ...] = ()
    dry_run: bool = False
    folder: str = ""
    broken_off: str = ""

    @property
    def refused(self) -> tuple[FileReport, ...]:
        """The files of which nothing was taken."""
        return tuple(one for one in self.files if one.refused)

    @property
    def added(self) -> int:
        """Rows that were not there before."""
        return sum(one.added for one in self.days)


@dataclass(slots=True)
class Tally:
    """Counts dropped rows by reason while a file is read."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, dropped: Sequence[Dropped]) -> None:
        """Adds one part's counts; the first example of a reason stays."""
        for one in dropped:
            self.counts[one.reason] = self.counts.get(one.reason, 0) + one.count
            self.examples.setdefault(one.reason, one.example)

    def dropped(self) -> tuple[Dropped, ...]:
        """By reason, most first."""
        order = sorted(self.counts, key=lambda reason: (-self.counts[reason], reason))
        return tuple(Dropped(reason, self.counts[reason], self.examples[reason]) for reason in order)


def report_lines(report: ImportReport) -> list[str]:
    """The report as text for people."""
    lines: list[str] = []
    for one in report.files:
        lines += _file_lines(one)
    lines += _day_lines(report)
    return lines


def _file_lines(one: FileReport) -> list[str]:
    if one.refused:
        return [f"{one.path}: refused: {one.refused}"]
    dropped = one.read - one.kept
    lines = [f"{one.path}: {one.format}: {one.read} rows read, {one.kept} kept, {dropped} dropped"]
    lines += [f"  {fact}" for fact in one.facts]
    lines += [f"  dropped {each.count}: {each.reason} (first: {each.example})" for each in one.dropped]
    return lines


def _day_lines(report: ImportReport) -> list[str]:
    if report.dry_run:
        return ["Nothing was written: this was a dry run."]
    if not report.days:
        return _broken_off(report)
    known = sum(one.known for one in report.days)
    changed = sum(1 for one in report.days if one.added or one.bytes)
    first = f"{report.added} rows added to {changed} of {len(report.days)} files in {report.folder}"
    lines = [first + (f"; {known} were there already" if known else "")]
    for one in report.days:
        if one.conflicts:
            lines.append(
                f"  {one.path}: {one.conflicts} rows contradict what is there (first: {one.example})"
            )
    return lines + _broken_off(report)


def _broken_off(report: ImportReport) -> list[str]:
    if not report.broken_off:
        return []
    return [f"Broken off: {report.broken_off}. What was written is whole days; import again to go on."]
