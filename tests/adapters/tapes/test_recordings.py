"""Three layouts of recorded chains give the same snapshots, and say what is wrong with a file that gives none."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared

from optionwriter.adapters.tapes.layouts import (
    HARVEST_COLUMNS,
    HARVEST_FIRST_COUNT,
    IMPORT_COLUMNS,
    day_path,
    import_path,
    snapshot_path,
)
from optionwriter.adapters.tapes.recordings import days_of, harvested, imported, six_hourly
from optionwriter.adapters.tapes.sample_files import FOLDER
from optionwriter.adapters.tapes.snapshots import CaptureError, RecordedChains, Snapshot, in_bursts
from optionwriter.core.market.chain import I64
from optionwriter.core.market.instruments import MS_PER_DAY, Product, product

BUNDLED = FOLDER / "live_deribit"
FIRST = int(np.datetime64("2026-02-01", "ms").astype(np.int64))
DAY = date(2026, 2, 5)
DAY_MS = FIRST + 4 * MS_PER_DAY
COLUMNS = ("forward", "bid", "ask", "mark", "iv", "bid_size", "ask_size", "open_interest", "volume")


def same(one: Snapshot, other: Snapshot) -> bool:
    return (one.at_ms, one.index_price, one.table.names) == (
        other.at_ms, other.index_price, other.table.names,
    ) and all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in COLUMNS)  # fmt: skip


def all_same(one: RecordedChains, other: RecordedChains) -> bool:
    assert one.instants.tolist() == other.instants.tolist()
    return all(same(one.snapshot(row), other.snapshot(row)) for row in range(len(one.instants)))


@pytest.fixture(scope="module")
def day() -> pl.DataFrame:
    return pl.read_parquet(BUNDLED / day_path("ETH", DAY))


def write_snapshots(folder: Path, rows: pl.DataFrame) -> None:
    """One file a snapshot, as the harvester leaves them."""
    for (at,), part in rows.group_by("harvest_time", maintain_order=True):
        path = folder / snapshot_path("ETH", at.date(), at.hour, at.minute)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_parquet(path)


@pytest.mark.shared
@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_the_bundled_month_is_the_recorded_one(coin: str) -> None:
    bundled = harvested(BUNDLED, coin, FIRST, FIRST + 28 * MS_PER_DAY)
    whole = six_hourly(shared("data"), coin)
    rows = np.flatnonzero((whole.instants >= FIRST) & (whole.instants < FIRST + 28 * MS_PER_DAY))
    assert bundled.instants.tolist() == whole.instants[rows].tolist() and len(rows) > 100
    for place in range(0, len(rows), 9):
        mine, theirs = bundled.snapshot(place), whole.snapshot(int(rows[place]))
        assert mine.table.names == theirs.table.names
        assert all(
            np.array_equal(getattr(mine, name), getattr(theirs, name), equal_nan=True) for name in COLUMNS
        )
        assert mine.index_price == pytest.approx(theirs.index_price, rel=2e-4)  # by expiry here, by row there


def test_files_a_snapshot_and_a_compacted_day_are_the_same(day: pl.DataFrame, tmp_path: Path) -> None:
    write_snapshots(tmp_path, day)
    assert len(list(tmp_path.rglob("*.parquet"))) == 4
    apart = harvested(tmp_path, "ETH", DAY_MS, DAY_MS + MS_PER_DAY)
    assert all_same(apart, harvested(BUNDLED, "ETH", DAY_MS, DAY_MS + MS_PER_DAY))
    compacted = tmp_path / day_path("ETH", DAY)
    day.filter(pl.col("harvest_time") == day["harvest_time"][0]).write_parquet(compacted)
    # once there is a compacted day, what lies beside it is not read a second time
    assert len(harvested(tmp_path, "ETH", DAY_MS, DAY_MS + MS_PER_DAY).instants) == 1


def test_earlier_versions_of_the_columns_are_read(day: pl.DataFrame, tmp_path: Path) -> None:
    """8 columns (no quotes), 14 and 20: each lacks what it lacks, and agrees in the rest."""
    whole = harvested(BUNDLED, "ETH", DAY_MS, DAY_MS + MS_PER_DAY).snapshot(0)
    first = day.filter(pl.col("harvest_time") == day["harvest_time"][0])
    eight = ["harvest_time", "instrument_name", "underlying_price", "mark_price", "mark_iv", "open_interest",
             "volume", "underlying_index"]  # fmt: skip
    fourteen = [name for name in list(HARVEST_COLUMNS)[:HARVEST_FIRST_COUNT] if name in day.columns]
    assert len(fourteen) == 14
    for names, quoted in ((eight, False), (fourteen, True)):
        folder = tmp_path / str(len(names))
        write_snapshots(folder, first.select(names))
        found = harvested(folder, "ETH", DAY_MS, DAY_MS + MS_PER_DAY).snapshot(0)
        assert found.table.names == whole.table.names and np.array_equal(found.mark, whole.mark)
        assert np.array_equal(found.bid, whole.bid, equal_nan=True) is quoted
        assert np.isnan(found.bid).all() == (not quoted)
        # the index then comes from the forwards alone
        assert found.index_price == pytest.approx(whole.index_price, rel=2e-3)


@pytest.mark.shared
def test_files_as_the_harvester_left_them() -> None:
    folder = shared("data/chains_deribit_5min_multiasset/original_sample")
    start = int(np.datetime64("2025-12-07", "ms").astype(np.int64))
    chains = harvested(folder, "BTC", start, start + 4 * MS_PER_DAY)
    assert (
        len(chains.instants) == 4 and chains.instants[1] % 1000 == 419
    )  # read at .418603 s, shown no earlier
    raw = pl.read_parquet(folder / "BTC/2025/12/10/BTC_2025-12-10_0105.parquet")
    assert (
        len(raw.columns) == HARVEST_FIRST_COUNT and raw.columns == list(HARVEST_COLUMNS)[:HARVEST_FIRST_COUNT]
    )
    one = chains.snapshot(1)
    for row in raw.sample(40, seed=1).to_dicts():
        place = one.table.row_of[row["instrument_name"]]
        assert one.mark[place] == row["mark_price"] and one.forward[place] == row["underlying_price"]
        assert one.iv[place] == pytest.approx(row["mark_iv"] / 100, abs=1e-9)
        assert (
            np.isnan(one.bid[place])
            if row["best_bid_price"] is None
            else one.bid[place] == row["best_bid_price"]
        )
        assert one.table.expiry_ms[place] == row["expiry_timestamp"] * 1000
    hours = pl.read_parquet(shared("data/prices_hourly/BTC_USDT_binance_spot_1h.parquet")).filter(
        pl.col("date").dt.epoch("ms") == start + 3 * MS_PER_DAY + 3_600_000
    )
    assert hours["low"][0] * 0.998 <= one.index_price <= hours["high"][0] * 1.002


def test_imported_chains_in_the_canonical_schema_are_the_same(day: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / import_path("ETH", DAY)
    path.parent.mkdir(parents=True)
    canonical = day.select(
        pl.col("harvest_time").alias("timestamp"),
        "instrument_name",
        pl.col("underlying_price").alias("forward"),
        "index_price",
        "mark_price",
        (pl.col("mark_iv") / 100).round(6).alias("mark_iv"),
        pl.col("best_bid_price").alias("bid_price"),
        pl.col("best_ask_price").alias("ask_price"),
        "open_interest",
        "volume",
    )
    assert set(canonical.columns) <= set(IMPORT_COLUMNS)
    canonical.reverse().write_parquet(path)  # importers need not sort
    found = imported(tmp_path, "ETH", DAY_MS, DAY_MS + MS_PER_DAY)
    assert all_same(found, harvested(BUNDLED, "ETH", DAY_MS, DAY_MS + MS_PER_DAY))


def test_a_torn_snapshot_is_left_out_and_judged_by_those_before_it(day: pl.DataFrame, tmp_path: Path) -> None:
    times = day["harvest_time"].unique().sort().to_list()
    torn = day.filter(pl.col("harvest_time") == times[1]).head(300)
    write_snapshots(tmp_path, pl.concat([day.filter(pl.col("harvest_time") != times[1]), torn]))
    found = harvested(tmp_path, "ETH", DAY_MS, DAY_MS + MS_PER_DAY)
    assert (len(found.instants), found.torn) == (3, 1)
    write_snapshots(tmp_path / "first", day.filter(pl.col("harvest_time") == times[0]).head(300))
    assert harvested(tmp_path / "first", "ETH", DAY_MS, DAY_MS + MS_PER_DAY).torn == 0


def test_bad_files_are_named(day: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="holds no live_deribit files of BTC"):
        harvested(tmp_path, "BTC", DAY_MS, DAY_MS + MS_PER_DAY)
    path = tmp_path / day_path("ETH", DAY)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nothing")
    with pytest.raises(CaptureError, match=r"ETH_2026-02-05\.parquet is no recorded chain"):
        harvested(tmp_path, "ETH", DAY_MS, DAY_MS + MS_PER_DAY)
    day.drop("mark_iv", "mark_price").write_parquet(path)
    with pytest.raises(CaptureError, match="lacks the columns mark_price, mark_iv"):
        harvested(tmp_path, "ETH", DAY_MS, DAY_MS + MS_PER_DAY).snapshot(0)
    day.with_columns(pl.col("instrument_name").str.replace("ETH-", "BTC-")).write_parquet(path)
    with pytest.raises(CaptureError, match="is no option of ETH"):
        harvested(tmp_path, "ETH", DAY_MS, DAY_MS + MS_PER_DAY).snapshot(0)


def test_days_of_a_period_leave_its_end_out() -> None:
    assert days_of(FIRST, FIRST + MS_PER_DAY) == [date(2026, 2, 1)]
    assert days_of(FIRST + 5, FIRST + MS_PER_DAY + 1) == [date(2026, 2, 1), date(2026, 2, 2)]


class Times:
    """Chains that only have instants."""

    product: Product = product("BTC")

    def __init__(self, instants: list[int]) -> None:
        self.instants: I64 = np.array(sorted(set(instants)), dtype=np.int64)

    def snapshot(self, row: int) -> Snapshot:
        raise AssertionError(row)


@given(
    st.lists(st.integers(0, 2_000_000), min_size=1, max_size=12),
    st.lists(st.integers(0, 2_000_000), max_size=12),
)
def test_a_burst_shows_nothing_before_it_was_read(one: list[int], other: list[int]) -> None:
    read = {"BTC": Times(one), "ETH": Times(other)}
    shown = in_bursts(dict(read))
    for code, chains in read.items():
        at, seen = chains.instants, shown[code].instants
        assert len(at) == len(seen) and (seen >= at).all() and (seen - at <= 60_012).all()
        assert (np.diff(seen) > 0).all()


def test_products_read_one_after_the_other_are_shown_together() -> None:
    shown = in_bursts({"BTC": Times([1_000, 301_000]), "ETH": Times([2_500, 302_000]), "X": Times([600_000])})
    assert shown["BTC"].instants.tolist() == shown["ETH"].instants.tolist() == [2_500, 302_000]
    assert shown["X"].instants.tolist() == [600_000]
