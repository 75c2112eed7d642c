"""Reads the recordings from which scripts/make_sample.py makes the bundled sample; nothing here writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.instruments import MS_PER_HOUR, MS_PER_YEAR

START = "2021-01-01"
HARVESTED = (
    "harvest_time", "instrument_name", "underlying", "expiry", "expiry_timestamp", "option_type", "strike",
    "underlying_price", "mark_price", "best_bid_price", "best_ask_price", "mark_iv", "open_interest", "volume",
    "underlying_index",
)  # fmt: skip
_SNAPSHOT_COLUMNS = {
    "timestamp": "at_ms", "expiry_datetime": "expiry_ms", "strike": "strike", "option_type": "option_type",
    "underlying_price": "forward", "index_price": "index_price", "mark_iv_decimal": "iv", "mark_price": "mark",
    "bid_price": "bid", "ask_price": "ask", "delta": "delta", "open_interest": "open_interest", "volume": "volume",
    "underlying_index": "underlying_index",
}  # fmt: skip


def epoch_ms(day: str) -> int:
    """Milliseconds of a day's first instant, UTC."""
    return int(np.datetime64(day, "ms").astype(np.int64))


def snapshots(data: Path, coin: str) -> pl.DataFrame:
    """The recorded inverse chains of 2025-12-30 to 2026-05-31: one row an option and snapshot."""
    folder = data / "chains_deribit_6h_btc_eth" / coin
    frame = pl.read_parquet(folder / f"{coin}_*.parquet", columns=list(_SNAPSHOT_COLUMNS)).rename(
        _SNAPSHOT_COLUMNS
    )
    return frame.with_columns(
        pl.col("at_ms").dt.epoch("ms"),
        pl.col("expiry_ms").dt.epoch("ms"),
        pl.col("option_type", "underlying_index").cast(pl.String),
    ).sort("at_ms", "expiry_ms", "strike", "option_type")


def whole_snapshots(data: Path, coin: str, month: str) -> pl.DataFrame:
    """One month's recorded inverse chains in the harvester's columns, with what orders them beside."""
    folder = data / "chains_deribit_6h_btc_eth" / coin
    frame = pl.read_parquet(folder / f"{coin}_{month}.parquet").sort("timestamp", "instrument_name")
    expiry = pl.col("expiry_datetime")
    return frame.select(
        pl.col("timestamp").dt.epoch("ms").alias("at_ms"),
        expiry.dt.epoch("ms").alias("expiry_ms"),
        pl.col("timestamp").dt.cast_time_unit("us").alias("harvest_time"),
        "instrument_name",
        pl.lit(coin).alias("underlying"),
        expiry.dt.strftime("%Y-%m-%d").alias("expiry"),
        (expiry.dt.epoch("s").cast(pl.Float64)).alias("expiry_timestamp"),
        pl.when(pl.col("option_type").cast(pl.String) == "call").then(pl.lit("C")).otherwise(pl.lit("P"))
        .alias("option_type"),
        "strike",
        "underlying_price",
        "mark_price",
        pl.col("bid_price").alias("best_bid_price"),
        pl.col("ask_price").alias("best_ask_price"),
        (pl.col("mark_iv_decimal") * 100).round(2).alias("mark_iv"),
        "open_interest",
        "volume",
        "index_price",
        pl.col("underlying_index").cast(pl.String),
        pl.col("underlying_price").alias("forward"),
    )  # fmt: skip


def index_at_snapshot(part: pl.DataFrame) -> float:
    """The index at the instant of a snapshot's forwards.

    All forwards were read at one instant, the index column over minutes after it (6 bp apart at the median). An expiry
    without a future carries the index itself as its forward; where none does, it is where the line of ln(forward)
    over the expiries of the next five weeks meets the instant, within what the index column saw.
    """
    own = part.filter(pl.col("underlying_index") == "index_price")
    if own.height:
        return float(own["forward"].median())  # type: ignore[arg-type]
    near = (
        part.group_by("expiry_ms").agg(pl.col("forward").median(), pl.col("at_ms").first()).sort("expiry_ms")
    )
    days = (near["expiry_ms"] - near["at_ms"]).to_numpy() / (24 * MS_PER_HOUR)
    close = days < 35
    level = np.exp(
        np.polynomial.polynomial.polyfit(days[close], np.log(near["forward"].to_numpy()[close]), 1)[0]
    )
    return float(np.clip(level, part["index_price"].min(), part["index_price"].max()))  # type: ignore[arg-type]


def linear_chains(data: Path, product: str) -> pl.DataFrame:
    """The recorded linear chains of 2025-12-07 to 12, with their Black-76 delta (the recording has none)."""
    frame = pl.read_parquet(data / "chains_deribit_5min_multiasset" / f"{product}.parquet").drop_nulls(
        "strike"
    )
    frame = frame.select(
        pl.col("harvest_time").dt.epoch("ms").alias("at_ms"),
        (pl.col("expiry_timestamp") * 1000).cast(pl.Int64).alias("expiry_ms"),
        "strike",
        (pl.col("option_type") == "C").alias("is_call"),
        pl.col("underlying_price").alias("forward"),
        (pl.col("mark_iv") / 100).alias("iv"),
        pl.col("mark_price").alias("mark"),
        pl.col("best_bid_price").alias("bid"),
        pl.col("best_ask_price").alias("ask"),
        "open_interest",
        "volume",
    ).filter((pl.col("expiry_ms") > pl.col("at_ms")) & (pl.col("iv") > 0))
    years = (frame["expiry_ms"] - frame["at_ms"]).to_numpy() / MS_PER_YEAR
    columns = [frame[name].to_numpy() for name in ("forward", "strike", "iv", "is_call")]
    _, delta = price_delta(columns[0], columns[1], years, columns[2], columns[3])
    return frame.with_columns(pl.Series("delta", delta)).drop("is_call")


def book_sizes(data: Path) -> pl.DataFrame:
    """Recorded BTC inverse best bid and ask amounts of January 2026."""
    frame = pl.read_parquet(data / "chains_btc_full_ticker" / "btc_options.parquet")
    return frame.select(
        pl.col("timestamp").alias("at_ms"),
        pl.col("expiration_timestamp").alias("expiry_ms"),
        pl.col("greeks_delta").alias("delta"),
        pl.when(pl.col("best_bid_price") > 0).then(pl.col("best_bid_amount")).alias("bid_size"),
        pl.when(pl.col("best_ask_price") > 0).then(pl.col("best_ask_amount")).alias("ask_size"),
    ).filter(pl.col("expiry_ms") > pl.col("at_ms"))


def hourly_prices(data: Path, coin: str) -> pl.DataFrame:
    """Binance spot hours from START: open_ms, open, high, low, close (USDT)."""
    frame = pl.read_parquet(data / "prices_hourly" / f"{coin}_USDT_binance_spot_1h.parquet")
    frame = frame.with_columns(pl.col("date").dt.epoch("ms").alias("open_ms")).drop("date", "volume")
    return frame.filter(pl.col("open_ms") >= epoch_ms(START)).sort("open_ms")


def recorded_index(data: Path, coin: str) -> pl.DataFrame:
    """The recorded volatility index from START: at_ms (when the value was known), value, source; hourly over daily.

    Recorded labels are the starts of hours and days and the values their closes (the last hour of a day closes on
    that day's close), so a value was known one hour, or one day, after its label.
    """
    day = pl.read_csv(data / "dvol" / f"{coin.lower()}_dvol_1d.csv")
    daily = day.select(
        (pl.col("date").str.to_datetime().dt.epoch("ms") + 24 * MS_PER_HOUR).alias("at_ms"),
        pl.col("close").alias("value"),
        pl.lit("daily").alias("source"),
    )
    name = "btc_dvol_1h.parquet" if coin == "BTC" else f"{coin.lower()}_dvol_1h_2025H2.parquet"
    hour = pl.read_parquet(data / "dvol" / name)
    hourly = hour.select(
        (pl.col("timestamp").dt.epoch("ms") + MS_PER_HOUR).alias("at_ms"),
        pl.col("dvol_pct").alias("value"),
        pl.lit("hourly").alias("source"),
    )
    first, last = int(hourly["at_ms"].min()), int(hourly["at_ms"].max())  # type: ignore[arg-type]
    daily = daily.filter(~pl.col("at_ms").is_between(first, last))
    return pl.concat([daily, hourly]).filter(pl.col("at_ms") >= epoch_ms(START)).sort("at_ms")
