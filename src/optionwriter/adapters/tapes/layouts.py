"""Layouts of recorded chains on disk: the harvester's and the imported one; columns, units and paths, defined once.

Owns the names that writers, readers and importers share; docs/data-layouts.md tells them to people. In both layouts a
row is one option at one instant; a price is in the settlement currency (coin for inverse, USDC for linear); what the
source did not give is null. Any column may be missing from a file that is not named in `*_REQUIRED`.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import polars as pl

HARVEST_FOLDER, IMPORT_FOLDER = "live_deribit", "real_scraper"
_TIME = pl.Datetime("us", "UTC")

HARVEST_COLUMNS = MappingProxyType(
    {
        "harvest_time": _TIME,  # when the snapshot was read
        "instrument_name": pl.String(),
        "underlying": pl.String(),  # the asset of the path: BTC, BTC_USDC
        "expiry": pl.String(),  # 2026-03-27
        "expiry_timestamp": pl.Float64(),  # epoch seconds
        "option_type": pl.String(),  # C, P
        "strike": pl.Float64(),
        "underlying_price": pl.Float64(),  # the expiry's forward, USD
        "mark_price": pl.Float64(),
        "best_bid_price": pl.Float64(),
        "best_ask_price": pl.Float64(),
        "bid_iv": pl.Float64(),  # percent, as the two below
        "ask_iv": pl.Float64(),
        "mark_iv": pl.Float64(),
        "open_interest": pl.Float64(),  # coins
        "volume": pl.Float64(),  # coins in 24 h
        "greek_delta": pl.Float64(),
        "greek_gamma": pl.Float64(),
        "greek_theta": pl.Float64(),
        "greek_vega": pl.Float64(),
        # Since then; files without them are read as if they were null.
        "best_bid_amount": pl.Float64(),  # coins
        "best_ask_amount": pl.Float64(),
        "underlying_index": pl.String(),  # the future behind underlying_price; index_price where there is none
        "index_price": pl.Float64(),  # USD
        "volatility_index": pl.Float64(),  # DVOL, percent points
        "last_price": pl.Float64(),
        "volume_usd": pl.Float64(),
        "computed": pl.String(),  # the columns of this row that are ours, comma-separated; null: none
    }
)
HARVEST_REQUIRED = ("harvest_time", "instrument_name", "underlying_price", "mark_price", "mark_iv")
HARVEST_FIRST_COUNT = 20  # columns of the captures of December 2025

IMPORT_COLUMNS = MappingProxyType(
    {
        "timestamp": _TIME,  # when the row was true
        "instrument_name": pl.String(),  # as the exchange spells it
        "underlying": pl.String(),  # the product: BTC, BTC_USDC
        "expiry": _TIME,  # 08:00 UTC
        "strike": pl.Float64(),  # USD
        "option_type": pl.String(),  # C, P
        "forward": pl.Float64(),  # USD
        "index_price": pl.Float64(),  # USD
        "mark_price": pl.Float64(),
        "mark_iv": pl.Float64(),  # a fraction: 0.43
        "bid_price": pl.Float64(),
        "ask_price": pl.Float64(),
        "bid_size": pl.Float64(),  # coins
        "ask_size": pl.Float64(),
        "bid_iv": pl.Float64(),  # fractions
        "ask_iv": pl.Float64(),
        "delta": pl.Float64(),
        "gamma": pl.Float64(),
        "theta": pl.Float64(),
        "vega": pl.Float64(),
        "open_interest": pl.Float64(),  # coins
        "volume": pl.Float64(),  # coins in 24 h
        "source": pl.String(),  # where the row came from
    }
)
IMPORT_REQUIRED = ("timestamp", "instrument_name", "forward", "mark_price", "mark_iv")

HISTORY_FOLDER = "history"
_SPAN = {"open_time": _TIME, "close_time": _TIME}
_PRICES = {name: pl.Float64() for name in ("open", "high", "low", "close")}
_SOURCE = {"source": pl.String()}  # who gave the row
HISTORY_COLUMNS = MappingProxyType(
    {
        # Prices of a coin, USD, hourly. A row is known at its close_time; volume is in coins.
        "prices": {**_SPAN, **_PRICES, "volume": pl.Float64(), **_SOURCE},
        # A coin's volatility index, percent points; hourly, where there is none daily.
        "volatility_index": {**_SPAN, **_PRICES, **_SOURCE},
        # What the options of an index were settled at, USD.
        "delivery_prices": {"delivery_time": _TIME, "delivery_price": pl.Float64(), **_SOURCE},
    }
)
HISTORY_INSTANT = MappingProxyType(
    {"prices": "close_time", "volatility_index": "close_time", "delivery_prices": "delivery_time"}
)  # the column that names a row: when it was known


def history_path(kind: str, name: str) -> PurePosixPath:
    """A coin's (or index's) file of one kind of HISTORY_COLUMNS, below the history's folder."""
    return PurePosixPath(kind) / f"{name}.parquet"


def snapshot_path(asset: str, day: date, hour: int, minute: int) -> PurePosixPath:
    """One snapshot's file in the harvester's layout, below its folder."""
    return _day_folder(asset, day) / f"{asset}_{day:%Y-%m-%d}_{hour:02d}{minute:02d}.parquet"


def day_path(asset: str, day: date) -> PurePosixPath:
    """A compacted day's file in the harvester's layout, below its folder."""
    return _day_folder(asset, day) / f"{asset}_{day:%Y-%m-%d}.parquet"


def import_path(underlying: str, day: date) -> PurePosixPath:
    """A day's file in the imported layout, below its folder."""
    return PurePosixPath(underlying) / f"{day:%Y-%m-%d}" / f"{underlying}_{day:%Y-%m-%d}.parquet"


def snapshot_files(folder: Path, asset: str, day: date) -> tuple[Path, ...]:
    """The single snapshots of a day that are there."""
    return tuple(sorted((folder / _day_folder(asset, day)).glob(f"{asset}_{day:%Y-%m-%d}_[0-9]*.parquet")))


def day_files(folder: Path, asset: str, day: date) -> tuple[Path, ...]:
    """What was harvested on a day: the compacted file where there is one (snapshots beside it are in it), else each."""
    compacted = folder / day_path(asset, day)
    if compacted.is_file():
        return (compacted,)
    return snapshot_files(folder, asset, day)


def _day_folder(asset: str, day: date) -> PurePosixPath:
    return PurePosixPath(asset) / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}"
