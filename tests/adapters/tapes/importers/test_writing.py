"""Imported days are merged whole, the same twice changes no byte, contradictions are named, failures leave nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from adapters.tapes.importers.truth import AT, chain, rows_of

from optionwriter.adapters.tapes.importers.history import KIND, NAME, HistoryStore
from optionwriter.adapters.tapes.importers.problem import ImportRefusedError
from optionwriter.adapters.tapes.importers.writing import ASIDE_FOLDER, ChainStore
from optionwriter.adapters.tapes.layouts import import_path
from optionwriter.adapters.tapes.recordings import imported
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.imports import DayReport

PATH = Path(str(import_path("BTC", AT.date())))


@pytest.fixture
def rows(tmp_path: Path) -> pl.DataFrame:
    path = tmp_path / "in" / "a.csv"
    path.parent.mkdir()
    pl.concat([chain(AT + timedelta(hours=hours)) for hours in (-1, 0, 5)]).write_csv(path)
    return rows_of(path)


def store(folder: Path, *parts: pl.DataFrame, replace: bool = False, bound: int = 10_000) -> list[DayReport]:
    with ChainStore(folder, replace=replace, rows_in_memory=bound) as into:
        for part in parts:
            into.add(part)
        into.done()
        return list(into.write())


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()
    }


def test_what_is_stored_is_read_as_snapshots_with_the_same_numbers(
    rows: pl.DataFrame, tmp_path: Path
) -> None:
    days = store(tmp_path / "out", rows)
    assert [(one.added, one.known, one.conflicts) for one in days] == [(72, 0, 0), (36, 0, 0)]
    start = int(AT.timestamp() * 1000) // MS_PER_DAY * MS_PER_DAY
    read = imported(tmp_path / "out", "BTC", start, start + 2 * MS_PER_DAY)
    assert len(read.instants) == 3
    snapshot, truth = read.snapshot(1), chain(AT)
    assert snapshot.at_ms == int(AT.timestamp() * 1000)
    order = [snapshot.table.names.index(name) for name in truth["instrument_name"]]
    for mine, name in (
        ("mark", "mark_price"),
        ("bid", "bid_price"),
        ("iv", "mark_iv"),
        ("forward", "forward"),
    ):
        expected = truth[name].fill_null(np.nan).to_numpy()
        assert np.allclose(getattr(snapshot, mine)[order], expected, rtol=1e-6, equal_nan=True), name


def test_the_same_again_changes_no_byte_in_whatever_parts_it_comes(
    rows: pl.DataFrame, tmp_path: Path
) -> None:
    store(tmp_path / "out", rows)
    before = contents(tmp_path / "out")
    again = store(tmp_path / "out", rows.sample(fraction=1.0, shuffle=True, seed=1))
    assert [(one.added, one.known, one.bytes) for one in again] == [(0, 72, 0), (0, 36, 0)]
    assert contents(tmp_path / "out") == before
    pieces = [rows.slice(start, 7) for start in range(0, rows.height, 7)]
    store(tmp_path / "spilt", *pieces, bound=10)  # more rows than may wait in memory
    assert contents(tmp_path / "spilt") == before


def test_a_contradiction_is_named_and_the_stored_row_stays_unless_replaced(
    rows: pl.DataFrame, tmp_path: Path
) -> None:
    store(tmp_path, rows)
    other = rows.with_columns(
        mark_price=pl.when(pl.int_range(pl.len()) == 5).then(0.5).otherwise("mark_price")
    )
    name = other["instrument_name"][5]
    (first, second) = store(tmp_path, other)
    assert (first.conflicts, second.conflicts, first.added) == (1, 0, 0)
    assert (
        first.example.startswith(f"{name} at 2026-03-03 20:30:00: mark_price 0.")
        and "0.5 came" in first.example
    )
    assert not pl.read_parquet(tmp_path / PATH).filter(pl.col("mark_price") == 0.5).height
    store(tmp_path, other, replace=True)
    assert pl.read_parquet(tmp_path / PATH).filter(pl.col("mark_price") == 0.5)[
        "instrument_name"
    ].to_list() == [name]
    (day, *_) = store(tmp_path, other.with_columns(source=pl.lit("elsewhere")))
    assert (day.conflicts, day.bytes) == (0, 0)


def test_two_rows_for_one_option_and_instant_in_one_import_are_a_contradiction(
    rows: pl.DataFrame, tmp_path: Path
) -> None:
    twice = pl.concat([rows, rows.head(3), rows.head(1).with_columns(ask_price=0.9)])
    (day, _) = store(tmp_path, twice)
    assert (day.added, day.known, day.conflicts) == (72, 3, 1) and "ask_price" in day.example


def test_a_failed_file_takes_its_own_rows_and_no_others(rows: pl.DataFrame, tmp_path: Path) -> None:
    with ChainStore(tmp_path, rows_in_memory=20) as into:
        into.add(rows.head(36))
        into.done()
        into.add(rows.slice(36))
        into.add(rows.slice(36))
        into.undo()
        into.add(rows.head(10))
        into.undo()
        into.add(rows.slice(30, 8))
        into.done()
        assert [(one.added, one.known) for one in into.write()] == [(38, 6)]
    assert not (tmp_path / ASIDE_FOLDER).exists()


def test_a_stop_leaves_whole_files_and_what_a_kill_left_is_swept(rows: pl.DataFrame, tmp_path: Path) -> None:
    tmp_path /= "out"
    (tmp_path / ASIDE_FOLDER / "kept").mkdir(parents=True)
    (tmp_path / ASIDE_FOLDER / "kept" / "torn").write_bytes(b"PAR1")
    with pytest.raises(KeyboardInterrupt), ChainStore(tmp_path, rows_in_memory=10) as into:
        into.add(rows)
        into.done()
        next(iter(into.write()))
        raise KeyboardInterrupt
    assert list(contents(tmp_path)) == [str(PATH)]
    assert pl.read_parquet(tmp_path / PATH).height == 72
    assert [one.added for one in store(tmp_path, rows)] == [0, 36]


def test_another_import_and_a_file_that_cannot_be_read_are_said(rows: pl.DataFrame, tmp_path: Path) -> None:
    with ChainStore(tmp_path), pytest.raises(ImportRefusedError, match="in use by another import"):
        store(tmp_path, rows)
    (tmp_path / PATH).parent.mkdir(parents=True)
    (tmp_path / PATH).write_bytes(b"PAR1 torn")
    with pytest.raises(ImportRefusedError, match="move it away"):
        store(tmp_path, rows)
    assert (tmp_path / PATH).read_bytes() == b"PAR1 torn"


def hours(*closes: float, minutes: int = 60) -> pl.DataFrame:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "open_time": [first + timedelta(minutes=minutes * row) for row in range(len(closes))],
            "close_time": [first + timedelta(minutes=minutes * (row + 1)) for row in range(len(closes))],
            **{one: list(closes) for one in ("open", "high", "low", "close")},
            "volume": [1.0] * len(closes), "source": ["test"] * len(closes),
            KIND: ["prices"] * len(closes), NAME: ["BTC"] * len(closes),
        }
    )  # fmt: skip


def test_a_history_is_merged_alike(tmp_path: Path) -> None:
    def put(rows: pl.DataFrame, replace: bool = False) -> DayReport:
        into = HistoryStore(tmp_path, replace=replace)
        into.add(rows)
        into.done()
        (report,) = into.write()
        return report

    assert put(hours(1.0, 2.0, 3.0)).added == 3
    before = contents(tmp_path)
    assert (again := put(hours(1.0, 2.0, 3.0))).known == 3 and again.bytes == 0
    other = put(hours(1.0, 9.0, 3.0, 4.0))
    assert (other.added, other.known, other.conflicts) == (
        1,
        2,
        1,
    ) and "2.0 is stored, 9.0 came" in other.example
    assert contents(tmp_path) != before
    assert put(hours(1.0, 9.0), replace=True).bytes > 0
    assert pl.read_parquet(next(tmp_path.rglob("*.parquet")))["close"].to_list() == [1.0, 9.0, 3.0, 4.0]
