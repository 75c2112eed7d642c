"""Prices, volatility index and delivery prices that were recorded beside chains, as files of one folder.

The folders are those of the recordings of 2018 to 2026 (each has a README); what is missing is NaN.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from optionwriter.adapters.tapes.snapshots import CaptureError, floats
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import EXPIRY_HOUR_UTC, MS_PER_DAY, MS_PER_HOUR

PRICES, INDEX, DELIVERY = "prices_hourly", "dvol", "delivery_prices"


def read_candles(folder: Path, coin: str) -> Candles:
    """The recorded hours of a coin (Binance spot, USDT). Errors: CaptureError."""
    frame = _frame(folder / PRICES / f"{coin}_USDT_binance_spot_1h.parquet").sort("date")
    opened = frame["date"].dt.epoch("ms").to_numpy()
    return Candles(opened, *(floats(frame, name) for name in ("open", "high", "low", "close")))


def read_index(folder: Path, coin: str) -> VolatilityIndex:
    """The recorded volatility index of a coin: the hours where there are any, else the days.

    Labels are the starts of hours and days and the values their closes: known an hour, or a day, after the label.
    Errors: CaptureError.
    """
    hourly = "btc_dvol_1h.parquet" if coin == "BTC" else f"{coin.lower()}_dvol_1h_2025H2.parquet"
    hour = _frame(folder / INDEX / hourly)
    hours = pl.DataFrame({"at_ms": hour["timestamp"].dt.epoch("ms") + MS_PER_HOUR, "value": hour["dvol_pct"]})
    day = _frame(folder / INDEX / f"{coin.lower()}_dvol_1d.csv")
    known = day["date"].str.to_datetime(time_zone="UTC").dt.epoch("ms") + MS_PER_DAY
    days = pl.DataFrame({"at_ms": known, "value": day["close"]})
    if hours.height:
        first, last = hours["at_ms"].min(), hours["at_ms"].max()
        days = days.filter((pl.col("at_ms") < first) | (pl.col("at_ms") > last))
    both = pl.concat([days, hours], how="vertical_relaxed").sort("at_ms")
    return VolatilityIndex(both["at_ms"].to_numpy(), floats(both, "value"))


def read_deliveries(folder: Path) -> dict[tuple[str, int], float]:
    """Official delivery prices by (index name, expiry). Errors: CaptureError."""
    frame = _frame(folder / DELIVERY / "eth_usd_delivery_sample.csv")
    at = frame["date"].str.to_datetime(time_zone="UTC").dt.epoch("ms") + EXPIRY_HOUR_UTC * MS_PER_HOUR
    return {
        ("eth_usd", at_ms): float(price)
        for at_ms, price in zip(at.to_list(), frame["price"].to_list(), strict=True)
    }


def _frame(path: Path) -> pl.DataFrame:
    try:
        return pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CaptureError(f"{path} can't be read ({error}): name the recorded data's folder") from error
