"""Compacting a day loses and doubles nothing, and takes nothing away before it is sure."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from shared_data import shared

from optionwriter.adapters.tapes import compaction
from optionwriter.adapters.tapes.compaction import CompactionError, closed_days, compact
from optionwriter.adapters.tapes.layouts import HARVEST_COLUMNS, day_path, snapshot_files, snapshot_path
from optionwriter.adapters.tapes.recordings import harvested
from optionwriter.adapters.tapes.sample_files import FOLDER
from optionwriter.core.market.instruments import MS_PER_DAY, expiry_at

DAY = date(2026, 2, 5)
DAY_MS = expiry_at(DAY) - 8 * 3_600_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A day of four snapshots, apart."""
    day = pl.read_parquet(FOLDER / "live_deribit" / day_path("ETH", DAY))
    for (at,), part in day.group_by("harvest_time", maintain_order=True):
        path = tmp_path / snapshot_path("ETH", at.date(), at.hour, at.minute)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.reverse().write_parquet(path)
    return tmp_path


def test_a_compacted_day_holds_every_row_once_and_reads_back_alike(folder: Path) -> None:
    singles = snapshot_files(folder, "ETH", DAY)
    rows = pl.concat([pl.read_parquet(path) for path in singles])
    before = harvested(folder, "ETH", DAY_MS, DAY_MS + MS_PER_DAY)
    marks = [before.snapshot(row).mark.sum() for row in range(len(before.instants))]

    found = compact(folder, "ETH", DAY)

    assert (found.files, found.rows) == (4, rows.height) and not snapshot_files(folder, "ETH", DAY)
    assert found.bytes_after == found.path.stat().st_size < found.bytes_before
    written = pl.read_parquet(found.path)
    assert written.columns == list(HARVEST_COLUMNS)
    assert_frame_equal(
        written.select(rows.columns), rows.sort("harvest_time", "instrument_name"), check_dtypes=False
    )
    after = harvested(folder, "ETH", DAY_MS, DAY_MS + MS_PER_DAY)
    assert after.instants.tolist() == before.instants.tolist()
    assert [after.snapshot(row).mark.sum() for row in range(len(after.instants))] == marks

    bytes_then = found.path.read_bytes()
    assert compact(folder, "ETH", DAY).files == 0 and found.path.read_bytes() == bytes_then


def test_a_crash_between_writing_and_removing_is_finished_the_next_time(folder: Path) -> None:
    kept = {path: path.read_bytes() for path in snapshot_files(folder, "ETH", DAY)}
    first = compact(folder, "ETH", DAY)
    whole = first.path.read_bytes()
    for path, body in list(kept.items())[2:]:
        path.write_bytes(body)

    again = compact(folder, "ETH", DAY)

    assert again.rows == first.rows and again.path.read_bytes() == whole
    assert not snapshot_files(folder, "ETH", DAY)


def test_nothing_goes_where_a_file_is_torn_or_the_copy_is_not_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    singles = snapshot_files(folder, "ETH", DAY)
    whole = singles[1].read_bytes()
    singles[1].write_bytes(whole[:-100])
    with pytest.raises(CompactionError, match="can't be read"):
        compact(folder, "ETH", DAY)
    assert snapshot_files(folder, "ETH", DAY) == singles and not (folder / day_path("ETH", DAY)).exists()

    singles[1].write_bytes(whole)
    real = compaction.write_whole
    monkeypatch.setattr(compaction, "write_whole", lambda frame, path: real(frame.head(-1), path))
    with pytest.raises(CompactionError, match="doesn't read back"):
        compact(folder, "ETH", DAY)
    assert snapshot_files(folder, "ETH", DAY) == singles


def test_only_days_before_today_are_closed(folder: Path) -> None:
    assert list(closed_days(folder, DAY)) == []
    assert list(closed_days(folder, date(2026, 2, 6))) == [("ETH", DAY)]
    compact(folder, "ETH", DAY)
    assert list(closed_days(folder, date(2026, 2, 6))) == []


@pytest.mark.shared
@pytest.mark.parametrize("asset", ["BTC", "ETH", "SOL_USDC", "XRP_USDC", "TRX_USDC"])
def test_files_of_two_versions_with_decimal_strikes_are_read_and_compacted_alike(
    asset: str, tmp_path: Path
) -> None:
    """The recorded files have their parsed columns null where a strike has a `d`: the name tells it."""
    shutil.copytree(shared("data/chains_deribit_5min_multiasset/original_sample") / asset, tmp_path / asset)
    raw = pl.concat([pl.read_parquet(path) for path in tmp_path.rglob("*.parquet")], how="diagonal")
    start = expiry_at(date(2025, 12, 7)) - 8 * 3_600_000
    before = harvested(tmp_path, asset, start, start + 4 * MS_PER_DAY)
    names = {name for row in range(len(before.instants)) for name in before.snapshot(row).table.names}
    assert names == set(raw["instrument_name"])
    for row in range(len(before.instants)):
        table = before.snapshot(row).table
        told = [float(name.split("-")[2].replace("d", ".")) for name in table.names]
        assert table.strike.tolist() == told
    for _, day in list(closed_days(tmp_path, date(2025, 12, 20))):
        compact(tmp_path, asset, day)
    after = harvested(tmp_path, asset, start, start + 4 * MS_PER_DAY)
    assert after.instants.tolist() == before.instants.tolist()
    for row in range(len(before.instants)):
        one, other = before.snapshot(row), after.snapshot(row)
        assert one.table.names == other.table.names
        for name in ("forward", "mark", "iv", "bid", "ask", "open_interest"):
            assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name
