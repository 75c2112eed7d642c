"""Files that people published: each is imported or refused as the page says, with the numbers that were recorded."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from adapters.tapes.importers.truth import opened, refusal, rows_of
from shared_data import shared

from optionwriter.adapters.tapes.importers.problem import ImportOptions
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.instruments import MS_PER_YEAR

ROOT = Path(__file__).resolve().parents[4]
SAMPLES = "data/format_samples"
VARIANTS = f"{SAMPLES}/option_csv_variants"
pytestmark = pytest.mark.shared


def script() -> ModuleType:
    path = ROOT / "scripts" / "import_table.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def errors(rows: pl.DataFrame) -> pl.Series:
    """|mark - Black-76 of its volatility|, as a share of the forward."""
    years = ((rows["expiry"] - rows["timestamp"]).dt.total_milliseconds() / MS_PER_YEAR).to_numpy()
    forward = rows["forward"].to_numpy()
    price, _ = price_delta(
        forward,
        rows["strike"].to_numpy(),
        years,
        rows["mark_iv"].to_numpy(),
        (rows["option_type"] == "C").to_numpy(),
    )
    linear = rows["underlying"].str.contains("_").to_numpy()
    return pl.Series(np.abs(price / forward - rows["mark_price"].to_numpy() / np.where(linear, forward, 1.0)))


def index_near(at: datetime, coin: str) -> float:
    """Binance's price around an instant: the mean of the hour's open and close."""
    frame = pl.read_parquet(shared(f"data/prices_hourly/{coin}_USDT_binance_spot_1h.parquet"))
    row = frame.filter(pl.col("date") == at.replace(minute=0, second=0, microsecond=0)).row(0, named=True)
    return 0.5 * float(row["open"] + row["close"])


@pytest.mark.slow
def test_the_table_of_every_sample_is_what_the_page_says() -> None:
    module = script()
    assert module.PAGE.read_text() == module.document(shared(SAMPLES)), "run python scripts/import_table.py"


@pytest.mark.parametrize(
    ("name", "at", "coin", "median", "p99"),
    [
        ("bottama_btc_orderbook_2021-02-11.csv", "", "BTC", 1e-5, 1e-3),
        ("bottama_eth_orderbook_2021-02-11.csv", "", "ETH", 1e-5, 1e-3),
        ("heston_btc_2025-12.csv", "", "BTC", 2e-5, 1e-3),
        ("lucas_btc_snapshots_2026-04-28.csv", "", "BTC", 1e-4, 1e-3),
        ("nequs_eth_usd_priced_2026-05-14.csv", "", "ETH", 1e-4, 1e-3),
        ("soldnn_btc_2024-05.csv", "2024-05-24T19:09Z", "BTC", 1e-4, 2e-3),
        ("soldnn_eth_2024-05.csv", "2024-05-24T19:19Z", "ETH", 1e-4, 2e-3),
    ],
)
def test_marks_come_back_and_the_index_is_that_of_another_exchange(
    name: str, at: str, coin: str, median: float, p99: float
) -> None:
    options = ImportOptions(at_ms=int(datetime.fromisoformat(at).timestamp() * 1000) if at else None)
    rows = rows_of(shared(f"{VARIANTS}/{name}"), options)
    found = errors(rows)
    assert found.median() < median and found.quantile(0.99) < p99
    near = rows.filter(pl.col("expiry") - pl.col("timestamp") < timedelta(days=10))
    spot = near["forward" if rows["index_price"].null_count() else "index_price"].median()
    assert isinstance(spot, float)
    assert spot == pytest.approx(index_near(rows["timestamp"][0], coin), rel=1e-2)


@pytest.mark.parametrize(
    ("name", "at", "coin"),
    [("BTC-26APR24", "2024-04-08T13:40Z", "BTC"), ("ETH-27SEP24", "2024-04-12T14:30Z", "ETH")],
)
def test_the_pages_export_suggests_its_instant_and_fits_its_own_quotes(name: str, at: str, coin: str) -> None:
    path = shared(f"{SAMPLES}/deribit_ui_export/{name}-export.csv")
    assert f"say --at {at}" in refusal(path)
    rows = rows_of(path, ImportOptions(at_ms=int(datetime.fromisoformat(at).timestamp() * 1000)))
    quoted = rows.filter(
        pl.col("bid_iv").is_not_null() & pl.col("ask_iv").is_not_null() & (pl.col("mark_price") > 0.005)
    )
    assert (
        quoted.height > 20
    )  # the page's own volatilities of bid and ask hold the computed one of the mark between them
    assert (
        quoted.filter(pl.col("mark_iv").is_between(pl.col("bid_iv") - 0.01, pl.col("ask_iv") + 0.01)).height
        > 0.95 * quoted.height
    )
    carry = float(rows["forward"][0]) / index_near(rows["timestamp"][0], coin) - 1
    years = (rows["expiry"][0] - rows["timestamp"][0]) / timedelta(days=365)
    assert 0.0 < carry / years < 0.35  # April 2024 paid for futures; a wrong instant is days and percents off


def test_the_harvesters_own_files_in_three_versions(tmp_path: Path) -> None:
    folder = shared("data/chains_deribit_5min_multiasset/original_sample")
    for path in sorted(folder.rglob("*_0105.parquet")):
        frame = pl.read_parquet(path)
        for width in (8, 14, 20):
            first = ["harvest_time", "instrument_name", "underlying_price", "mark_price", "mark_iv"]
            names = first + [one for one in frame.columns if one not in first]
            rows = canonical(frame.select(names[:width]), tmp_path / "a.parquet")
            assert rows.height == frame.height
            assert rows["mark_iv"].to_list() == pytest.approx((frame["mark_iv"] / 100).to_list())
            assert rows["mark_price"].to_list() == frame["mark_price"].to_list()
            if width == 20:
                assert rows["bid_price"].drop_nulls().len() == frame["best_bid_price"].drop_nulls().len()
            assert rows["strike"].null_count() == 0 == rows["expiry"].null_count()
    thin = next(folder.rglob("BTC_2025-12-07_2030.parquet"))
    assert "as the format promises" in " ".join(opened(thin)[0].facts)


def canonical(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    frame.write_parquet(path)
    return rows_of(path)


def test_the_six_hourly_csv_and_parquet_are_the_same_snapshot() -> None:
    csv = rows_of(
        shared("data/chains_deribit_6h_btc_eth/original_sample/deribit_options_snapshot_20251230T173115Z.csv")
    )
    at = datetime(2025, 12, 30, 17, 31, 15, tzinfo=UTC)
    month = rows_of(shared("data/chains_deribit_6h_btc_eth/BTC/BTC_2025-12.parquet")).filter(
        pl.col("timestamp") == at
    )
    both = month.join(csv, on="instrument_name", suffix="_csv")
    assert both.height == month.height == csv.filter(pl.col("underlying") == "BTC").height > 300
    for name in ("forward", "mark_price", "mark_iv", "bid_price", "ask_price", "index_price"):
        mine, theirs = both[name].fill_null(-1.0).to_list(), both[f"{name}_csv"].fill_null(-1.0).to_list()
        assert mine == pytest.approx(theirs, rel=1e-8, abs=1e-12), name
    assert both["timestamp_csv"].unique().to_list() == [
        at + timedelta(microseconds=944_181)
    ]  # cut there to seconds
    assert errors(month).median() < 1e-5


def test_tickers_without_bids_have_null_and_no_prices_no_import() -> None:
    path = shared("data/chains_btc_full_ticker/original_sample/BTC_20260120_options_raw.csv")
    rows, source = rows_of(path), pl.read_csv(path)
    assert rows["timestamp"].n_unique() == 1  # read over half a minute
    empty = source.filter(pl.col("best_bid_price") == 0).height
    assert rows["bid_price"].null_count() == empty > 30
    assert rows["mark_iv"].to_list() == pytest.approx((source["mark_iv"] / 100).to_list())
    hourly = shared("data/chains_btc_hourly_iv_greeks/btc_hourly_sample.parquet")
    assert "neither prices nor an underlying" in refusal(hourly)
