"""History files: merged by instant, the finer row first, the same again changing nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.adapters.tapes.history_files import (
    HistoryError,
    HistoryFolder,
    read_history,
    write_history,
)

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def candles(hours: dict[int, float], width: int = 1) -> pl.DataFrame:
    """Candles that close so many hours after T0 at these prices."""
    at = [T0 + hour * HOUR for hour in hours]
    value = list(hours.values())
    return pl.DataFrame(
        {"open_time": [one - width * HOUR for one in at], "close_time": at}
        | dict.fromkeys(("open", "high", "low", "close"), value)
    )


def closes(folder: Path, kind: str = "prices") -> dict[int, float]:
    frame = read_history(folder, kind, "BTC")
    assert frame["close_time"].is_sorted()
    return {(at - T0) // HOUR: value for at, value in frame.select("close_time", "close").iter_rows()}


@given(st.lists(st.dictionaries(st.integers(0, 30), st.integers(1, 9).map(float)), max_size=4))
def test_merging_is_a_dictionary_by_instant(
    tmp_path_factory: pytest.TempPathFactory, writes: list[dict[int, float]]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    expected: dict[int, float] = {}
    for one in writes:
        merged = write_history(folder, "prices", "BTC", candles(one))
        assert merged.added == len(one.keys() - expected.keys())
        assert merged.changed == sum(expected[key] != one[key] for key in one.keys() & expected.keys())
        expected.update(one)
        assert merged.rows == len(expected)
        again = write_history(folder, "prices", "BTC", candles(one))
        assert (again.added, again.changed) == (0, 0)
    assert closes(folder) == dict(sorted(expected.items()))


def test_an_hours_row_stays_where_a_days_row_has_the_same_instant(tmp_path: Path) -> None:
    write_history(tmp_path, "volatility_index", "BTC", candles({24: 50.0}))
    write_history(tmp_path, "volatility_index", "BTC", candles({24: 60.0, 48: 61.0}, width=24))
    assert closes(tmp_path, "volatility_index") == {24: 50.0, 48: 61.0}
    write_history(tmp_path, "volatility_index", "BTC", candles({48: 51.0}))
    assert closes(tmp_path, "volatility_index") == {24: 50.0, 48: 51.0}


def test_what_is_no_history_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    good = candles({1: 5.0, 2: 6.0})
    for wrong, told in (
        (good.with_columns(close=pl.Series([5.0, 0.0])), "1 of 2 rows"),
        (good.with_columns(close=pl.Series([None, float("nan")], dtype=pl.Float64)), "2 of 2 rows"),
        (good.with_columns(close_time=pl.col("open_time")), "2 of 2 rows"),
        (good.drop("close"), "close"),
    ):
        with pytest.raises(HistoryError, match=told):
            write_history(tmp_path, "prices", "BTC", wrong)
    with pytest.raises(HistoryError, match="choose from prices"):
        write_history(tmp_path, "dvol", "BTC", good)
    with pytest.raises(HistoryError, match="names no coin"):
        write_history(tmp_path, "prices", "../BTC", good)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    path = write_history(tmp_path, "prices", "BTC", candles({1: 5.0})).path
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(HistoryError, match=r"BTC\.parquet can't be read"):
        write_history(tmp_path, "prices", "BTC", candles({2: 5.0}))


def test_holes_are_told_by_what_the_rows_around_them_cover(tmp_path: Path) -> None:
    def hours(found: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
        zero = T0.timestamp() * 1000
        return [(round((one - zero) / 3.6e6), round((after - zero) / 3.6e6)) for one, after in found]

    past = HistoryFolder(tmp_path, "test")
    assert past.holes("prices", "BTC") == ()
    write_history(tmp_path, "prices", "BTC", candles(dict.fromkeys((1, 2, 5, 6, 30), 5.0)))
    assert hours(past.holes("prices", "BTC")) == [(2, 4), (6, 29)]
    write_history(tmp_path, "prices", "BTC", candles({28: 5.0}, width=24))  # a day over most of it
    assert hours(past.holes("prices", "BTC")) == [(2, 4), (28, 29)]
    days = [T0 + day * 24 * HOUR for day in (0, 1, 3)]
    prices = pl.DataFrame({"delivery_time": days, "delivery_price": [1.0, 2.0, 3.0]})
    write_history(tmp_path, "delivery_prices", "btc_usd", prices)
    assert hours(past.holes("delivery_prices", "btc_usd")) == [(24, 48)]
