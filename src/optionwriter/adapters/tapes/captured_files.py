"""Captured chains' files: whole recorded chains of one coin, a snapshot at a time, and the prices beside them.

Owns what the recorded columns mean (the folders' README): a missing bid or ask is null and becomes NaN, a mark of 0 is
a mark that rounded to 0, prices are in coin, volatility is a fraction. Rows of one snapshot were read at one instant,
its index column over the minutes after it: the index is taken from the forwards. A month is read when it is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from optionwriter.core.market.chain import F64, I64, Bools, InstrumentTable
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import (
    EXPIRY_HOUR_UTC,
    MS_PER_DAY,
    MS_PER_HOUR,
    InstrumentError,
    product,
)

CHAINS, PRICES, INDEX, DELIVERY = (
    "chains_deribit_6h_btc_eth",
    "prices_hourly",
    "dvol",
    "delivery_prices",
)
_COLUMNS = (
    "timestamp", "instrument_name", "expiry_datetime", "strike", "underlying_price", "underlying_index",
    "index_price", "bid_price", "ask_price", "mark_price", "mark_iv_decimal", "open_interest", "volume",
)  # fmt: skip
_MONTHS_KEPT = 2
_TABLES_KEPT = 8
_NEAR_DAYS = 35  # expiries whose forwards give the index where none is a future's own


class CaptureError(Exception):
    """Recorded files that are missing or make no sense; the message names the file and the cure."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One coin's whole inverse chain as it was recorded at `at_ms`; columns (n,) in the table's order."""

    at_ms: int
    index_price: float
    table: InstrumentTable
    forward: F64
    bid: F64
    ask: F64
    mark: F64
    iv: F64
    open_interest: F64
    volume: F64


class CapturedChains:
    """Every snapshot of one coin. Errors: CaptureError when the folder holds none, or a file is no capture."""

    def __init__(self, folder: Path, coin: str) -> None:
        self._product = product(coin)
        self._months = sorted((folder / CHAINS / coin).glob(f"{coin}_*.parquet"))
        if not self._months:
            raise CaptureError(
                f"{folder / CHAINS / coin} holds no {coin}_*.parquet: name the recorded data's folder"
            )
        instants = [_instants(path) for path in self._months]
        self.instants: I64 = np.concatenate(instants)
        self._month_of = np.repeat(np.arange(len(instants)), [len(one) for one in instants])
        if not len(self.instants) or np.any(np.diff(self.instants) <= 0):
            raise CaptureError(
                f"{folder / CHAINS / coin}: its files hold no snapshots, or not one after the other"
            )
        self._kept: OrderedDict[int, dict[int, pl.DataFrame]] = OrderedDict()
        self._tables: OrderedDict[tuple[str, ...], InstrumentTable] = OrderedDict()

    def row_at(self, at_ms: int) -> int:
        """The last snapshot at or before an instant. Errors: InstrumentError before the first."""
        row = int(np.searchsorted(self.instants, at_ms, side="right")) - 1
        if row < 0:
            raise InstrumentError(
                f"no {self._product.code} option was recorded before {int(self.instants[0])}, asked for {at_ms}"
            )
        return row

    def snapshot(self, row: int) -> Snapshot:
        """The chain of one snapshot, ordered by expiry, strike, call before put."""
        at_ms = int(self.instants[row])
        part = self._month(int(self._month_of[row]))[at_ms]
        return Snapshot(
            at_ms,
            index_at(part, at_ms),
            self._table(tuple(part["instrument_name"].to_list())),
            *(_floats(part, name) for name in ("underlying_price", "bid_price", "ask_price", "mark_price",
                                               "mark_iv_decimal", "open_interest", "volume")),
        )  # fmt: skip

    def _month(self, month: int) -> dict[int, pl.DataFrame]:
        found = self._kept.get(month)
        if found is None:
            found = self._kept[month] = _read_month(self._months[month])
            if len(self._kept) > _MONTHS_KEPT:
                self._kept.popitem(last=False)
        return found

    def _table(self, names: tuple[str, ...]) -> InstrumentTable:
        found = self._tables.get(names)
        if found is None:
            found = self._tables[names] = InstrumentTable.of(self._product, names)
            if len(self._tables) > _TABLES_KEPT:
                self._tables.popitem(last=False)
        return found


def index_at(part: pl.DataFrame, at_ms: int) -> float:
    """The index at the instant of a snapshot's forwards, USD, two decimals.

    An expiry without a future carries the index itself as its forward; where none does, it is where the line of
    ln(forward) over the expiries of the next five weeks meets the instant, within what the index column saw.
    """
    forward = part["underlying_price"].to_numpy()
    own = (part["underlying_index"] == "index_price").to_numpy()
    if own.any():
        return round(float(np.median(forward[own])), 2)
    days = (part["expiry_datetime"].to_numpy() - at_ms) / MS_PER_DAY
    near = days < _NEAR_DAYS
    if len(np.unique(days[near])) < 2:
        return round(float(np.median(part["index_price"].to_numpy())), 2)
    line = np.polynomial.polynomial.polyfit(days[near], np.log(forward[near]), 1)
    seen = part["index_price"].to_numpy()
    return round(float(np.clip(np.exp(line[0]), seen.min(), seen.max())), 2)


def read_candles(folder: Path, coin: str) -> Candles:
    """The recorded hours of a coin (Binance spot, USDT). Errors: CaptureError."""
    frame = _frame(folder / PRICES / f"{coin}_USDT_binance_spot_1h.parquet").sort("date")
    opened = frame["date"].dt.epoch("ms").to_numpy()
    return Candles(opened, *(_floats(frame, name) for name in ("open", "high", "low", "close")))


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
    return VolatilityIndex(both["at_ms"].to_numpy(), _floats(both, "value"))


def read_deliveries(folder: Path) -> dict[tuple[str, int], float]:
    """Official delivery prices by (index name, expiry). Errors: CaptureError."""
    frame = _frame(folder / DELIVERY / "eth_usd_delivery_sample.csv")
    at = frame["date"].str.to_datetime(time_zone="UTC").dt.epoch("ms") + EXPIRY_HOUR_UTC * MS_PER_HOUR
    return {
        ("eth_usd", at_ms): float(price)
        for at_ms, price in zip(at.to_list(), frame["price"].to_list(), strict=True)
    }


def _instants(path: Path) -> I64:
    try:
        found = pl.scan_parquet(path).select(pl.col("timestamp").dt.epoch("ms").unique()).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CaptureError(
            f"{path} is no recorded chain ({error}): fetch it again, or move it away"
        ) from error
    return np.sort(found["timestamp"].to_numpy())


def _read_month(path: Path) -> dict[int, pl.DataFrame]:
    """A month's snapshots by instant, rows in the order of chains."""
    try:
        frame = (
            pl.scan_parquet(path)
            .select(_COLUMNS)
            .with_columns(
                pl.col("timestamp", "expiry_datetime").dt.epoch("ms"),
                pl.col("underlying_index").cast(pl.String),
            )
            .sort("timestamp", "expiry_datetime", "strike", "instrument_name")
            .collect()
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CaptureError(
            f"{path} is no recorded chain ({error}): fetch it again, or move it away"
        ) from error
    return {int(key[0]): part for key, part in frame.partition_by("timestamp", as_dict=True).items()}


def _frame(path: Path) -> pl.DataFrame:
    try:
        return pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CaptureError(f"{path} can't be read ({error}): name the recorded data's folder") from error


def _floats(frame: pl.DataFrame, name: str) -> F64:
    """A column of floats; what is missing is NaN."""
    return np.asarray(frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy(), dtype=np.float64)


def alive(table: InstrumentTable, at_ms: int) -> Bools:
    """Which options of a table have not expired at an instant."""
    return np.asarray(table.expiry_ms > at_ms)
