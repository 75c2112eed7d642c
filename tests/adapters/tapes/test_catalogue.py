"""What lies in a folder, whatever its layout; its rows as they were written; and SQL that only reads."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optionwriter.adapters.tapes.catalogue import Layout, recordings
from optionwriter.adapters.tapes.catalogue_columns import chain_day, parsed_names
from optionwriter.adapters.tapes.catalogue_sql import CatalogueSql, SqlError
from optionwriter.adapters.tapes.layouts import day_path, import_path, snapshot_path
from optionwriter.adapters.tapes.sample_files import FOLDER
from optionwriter.adapters.tapes.snapshots import CaptureError
from optionwriter.core.market.instruments import parse_instrument

BUNDLED = FOLDER / "live_deribit"
DAY = date(2026, 2, 3)
DAY_MS = int(datetime(2026, 2, 3, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two days in the harvester's layout, one as snapshots; and one in the importers'."""
    whole = pl.read_parquet(BUNDLED / day_path("BTC", DAY))
    for place, (_, snapshot) in enumerate(whole.group_by("harvest_time", maintain_order=True)):
        path = tmp_path / "live_deribit" / snapshot_path("BTC", DAY, 4 + place, 30)
        path.parent.mkdir(parents=True, exist_ok=True)
        snapshot.write_parquet(path)
    after = date(2026, 2, 4)
    target = tmp_path / "live_deribit" / day_path("BTC", after)
    target.parent.mkdir(parents=True)
    shutil.copy(BUNDLED / day_path("BTC", after), target)
    imported = whole.select(
        pl.col("harvest_time").alias("timestamp"), "instrument_name",
        pl.col("underlying_price").alias("forward"), "mark_price", pl.col("mark_iv") / 100,
    )  # fmt: skip
    path = tmp_path / "real_scraper" / import_path("BTC", DAY)
    path.parent.mkdir(parents=True)
    imported.write_parquet(path)
    return tmp_path


def test_layouts_are_told_apart_and_hold_the_same_rows(data: Path) -> None:
    harvest, imported = recordings(data)
    assert (harvest.source, harvest.layout, imported.source, imported.layout) == (
        "live_deribit", Layout.SNAPSHOTS, "real_scraper", Layout.DAYS,
    )  # fmt: skip
    assert harvest.days() == (DAY, date(2026, 2, 4)) and imported.days() == (DAY,)
    assert not harvest.compacted(DAY) and harvest.compacted(date(2026, 2, 4)) and len(harvest.files(DAY)) == 4
    bundled = pl.read_parquet(BUNDLED / day_path("BTC", DAY))
    starts, rows = harvest.instants(DAY)
    assert rows.sum() == bundled.height and starts.tolist() == sorted(
        bundled["harvest_time"].dt.epoch("ms").unique().to_list()
    )
    one, other = harvest.chain(DAY), imported.chain(DAY)
    np.testing.assert_allclose(one.iv, other.iv)
    assert np.isnan(other.bid).all() and not np.isnan(one.bid).all()
    parsed = [parse_instrument(one.names[place]) for place in one.option[:200].tolist()]
    assert [each.expiry_ms for each in parsed] == one.expiry_ms[:200].tolist()
    assert [float(each.strike) for each in parsed] == one.strike[:200].tolist()
    assert [each.is_call for each in parsed] == one.is_call[:200].tolist()
    assert harvest.fingerprint(DAY) != imported.fingerprint(DAY)
    with pytest.raises(CaptureError, match="name one that holds recorded data"):
        recordings(data / "nowhere")


def test_names_of_any_kind_are_read_or_null() -> None:
    names = [
        "XRP_USDC-12DEC25-1d825-P",
        "BTC-5AUG23-80000-C",
        "BTC-PERPETUAL",
        "BTC-30FEB26-1000-C",
        "nonsense",
    ]
    frame = pl.DataFrame({"_name": names}).join(
        parsed_names(pl.Series(names)), on="_name", how="left", maintain_order="left"
    )
    assert frame["_asset"].to_list()[:3] == ["XRP_USDC", "BTC", None]
    assert frame["_strike"].to_list()[:2] == [1.825, 80_000.0]
    assert frame["_expiry_ms"].to_list()[:2] == [
        int(datetime(2025, 12, 12, 8, tzinfo=UTC).timestamp() * 1000),
        int(datetime(2023, 8, 5, 8, tzinfo=UTC).timestamp() * 1000),
    ]
    assert frame["_expiry_ms"].is_null().to_list()[2:] == [True, True, True]


def test_what_the_file_says_of_itself_is_told() -> None:
    frame = pl.DataFrame(
        {
            "timestamp": [DAY_MS + 1, DAY_MS + 2, DAY_MS + 3, DAY_MS + 4],
            "instrument_name": [
                "BTC-6FEB26-80000-C",
                "BTC-6FEB26-81000-C",
                "BTC-PERPETUAL",
                "ETH-6FEB26-2000-C",
            ],
            "strike": [80_000.0, 82_000.0, None, 2_000.0],
            "option_type": ["C", None, None, "C"],
            "mark_price": [0.01, 0.01, 1.0, 0.1],
            "mark_iv": [40.0, 41.0, None, 50.0],
            "bid_iv": [None, None, None, None],
        }
    )
    day = chain_day(frame, "BTC", DAY_MS)
    assert len(day) == 2 and day.iv.tolist() == [0.40, 0.41]
    told = day.told
    assert (told.parsed_null, told.parsed_wrong, told.unreadable) == (1, 1, 1)
    assert told.null["bid_iv"] == 1.0 and "BTC-PERPETUAL" in told.unreadable_example and told.has_zone
    text = frame.with_columns(timestamp=pl.Series(["2026-02-03 01:00:00"] * 4))
    assert not chain_day(text, "BTC", DAY_MS).told.has_zone
    with pytest.raises(CaptureError, match="no option chain"):
        chain_day(frame.drop("mark_price", "mark_iv"), "BTC", DAY_MS)


def test_sql_reads_the_views_and_says_where_it_was_cut(data: Path) -> None:
    link = CatalogueSql(data, recordings(data))
    bundled = sum(pl.read_parquet(BUNDLED / day_path("BTC", day)).height for day in (DAY, date(2026, 2, 4)))
    assert link.ask("SELECT count(*) AS n FROM chains_live_deribit", 10).rows == ((bundled,),)
    assert link.views == ("chains_live_deribit", "chains_real_scraper", "prices", "volatility_index")
    answer = link.ask("FROM chains_real_scraper", 7)
    assert len(answer.rows) == 7 and answer.cut and answer.columns[0] == "timestamp"
    assert not link.ask("SELECT 1", 1).cut
    assert link.ask("SELECT count(DISTINCT coin) FROM prices", 5).rows == ((2,),)
    link.close()


@pytest.mark.parametrize(
    "question",
    [
        "COPY chains_live_deribit TO '{0}/stolen.csv'",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW chains_live_deribit",
        "SELECT 1; SELECT 2",
        "INSTALL httpfs",
        "LOAD httpfs",
        "ATTACH '{0}/other.db'",
        "SET enable_external_access=true",
        "PRAGMA database_list",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('{1}')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM 'http://127.0.0.1/x.parquet'",
        "SELECT nothing FROM chains_live_deribit",
        "SELEC 1",
        "",
    ],
)
def test_sql_does_nothing_else_and_answers_in_one_line(data: Path, question: str) -> None:
    outside = data.parent / "outside.txt"
    outside.write_text("secret")
    before = sorted(path for path in data.rglob("*") if ".quality" not in path.parts)
    link = CatalogueSql(data, recordings(data))
    with pytest.raises(SqlError) as error:
        link.ask(question.format(data, outside), 10)
    assert "\n" not in str(error.value)
    assert link.ask("SELECT count(*) > 0 FROM chains_live_deribit", 1).rows == ((True,),)
    link.close()
    assert sorted(path for path in data.rglob("*") if ".quality" not in path.parts) == before
