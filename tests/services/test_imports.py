"""The order of an import's events, on files and a store of a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from optionwriter.core.report.imports import DayReport, Dropped, report_lines
from optionwriter.services.imports import run_import


class BadFileError(Exception):
    pass


@dataclass
class Part:
    rows: list[int]
    read: int
    dropped: tuple[Dropped, ...] = ()
    done: float = 1.0

    @property
    def kept(self) -> int:
        return len(self.rows)


@dataclass
class Numbers:
    parts: list[Part | Exception]
    format: str = "numbers"
    facts: tuple[str, ...] = ("they are whole",)

    def batches(self) -> Iterator[Part]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part


@dataclass
class Store:
    kept: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    def add(self, rows: list[int]) -> None:
        self.waiting += rows

    def done(self) -> None:
        self.kept, self.waiting = self.kept + self.waiting, []

    def undo(self) -> None:
        self.waiting = []

    def days(self) -> int:
        return 1

    def write(self) -> Iterator[DayReport]:
        yield DayReport("day", len(self.kept), 0)


FILES = {
    "good": Numbers(
        [Part([1, 2], 3, (Dropped("odd", 1, "three"),), 0.5), Part([4], 3, (Dropped("odd", 2, "five"),))]
    ),
    "torn": Numbers([Part([7], 1, done=0.5), BadFileError("cut off")]),
    "last": Numbers([Part([9], 1)]),
}


def test_a_refusal_midway_leaves_nothing_of_its_file_and_all_of_the_others() -> None:
    store, told = Store(), list[float]()
    report = run_import(
        [Path(one) for one in FILES], lambda path: FILES[path.name], store, BadFileError,
        lambda share, _text: told.append(share),
    )  # fmt: skip
    assert store.kept == [1, 2, 4, 9] and report.added == 4
    good, torn, last = report.files
    assert (good.read, good.kept, good.dropped) == (6, 3, (Dropped("odd", 3, "three"),))
    assert (torn.refused, torn.kept, last.kept) == ("cut off", 0, 1)
    assert told == sorted(told) and told[-1] == pytest.approx(1.0)
    lines = report_lines(report)
    assert "good: numbers: 6 rows read, 3 kept, 3 dropped" in lines and "torn: refused: cut off" in lines


def test_a_dry_run_writes_nothing_and_other_errors_are_not_swallowed() -> None:
    store = Store()
    report = run_import(
        [Path("good")],
        lambda path: FILES[path.name],
        store,
        BadFileError,
        lambda _share, _text: None,
        dry_run=True,
    )
    assert report.days == () and report.files[0].kept == 3
    broken = Numbers([RuntimeError("a defect")])
    with pytest.raises(RuntimeError):
        run_import([Path("x")], lambda _path: broken, store, BadFileError, lambda _share, _text: None)
