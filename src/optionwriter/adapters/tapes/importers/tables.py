"""Chain tables whose makers are known: their names, and the units that they promise.

A promise settles what too few rows can tell; where rows can tell, it must agree with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from optionwriter.adapters.tapes.importers.chains import ChainFile, open_chain
from optionwriter.adapters.tapes.importers.columns import ChainColumns, recognise
from optionwriter.adapters.tapes.importers.files import Source
from optionwriter.adapters.tapes.importers.problem import ImportOptions, ImportRefusedError

_HARVESTED = ("harvest_time", "instrument_name", "underlying_price", "mark_iv")
_SIX_HOURLY = ("timestamp", "instrument_name", "expiry_datetime", "mark_price", "index_price")
_SIX_HOURLY_IV = ("mark_iv_decimal", "implied_volatility")
_TICKER = ("instrument_name", "tick_size", "settlement_period", "underlying_index", "greeks_delta", "mark_iv")
_ORDER_BOOK = ("instrument_name", "change_id", "underlying_index", "greeks.delta", "stats.volume", "mark_iv")
_SUMMARY = ("instrument_name", "creation_timestamp", "mid_price", "underlying_index", "mark_price")
_TARDIS = (
    "exchange",
    "symbol",
    "local_timestamp",
    "strike_price",
    "expiration",
    "mark_iv",
    "underlying_price",
)
_QUOTED_IN_COIN = {"iv": "percent", "price": "coin"}

Recognises = Callable[[Source], bool]
Opens = Callable[[Source, ImportOptions], ChainFile]


def is_table(source: Source) -> bool:
    """Whether names and marks of options are among its columns."""
    return source.kind != "json" and recognise(source.columns) is not None


def is_harvested(source: Source) -> bool:
    """Files of the harvester: 8, 14, 20 columns and more."""
    return _has(source, _HARVESTED)


def is_six_hourly(source: Source) -> bool:
    """The six-hourly recordings, a month in Parquet or a snapshot in CSV."""
    return _has(source, _SIX_HOURLY) and any(one in source.columns for one in _SIX_HOURLY_IV)


def is_ticker(source: Source) -> bool:
    """Contracts joined with their full tickers."""
    return _has(source, _TICKER)


def is_order_book(source: Source) -> bool:
    """Order books in rows."""
    return _has(source, _ORDER_BOOK)


def is_summary(source: Source) -> bool:
    """Book summaries in rows."""
    return _has(source, _SUMMARY)


def is_tardis(source: Source) -> bool:
    """Tardis's options_chain."""
    return _has(source, _TARDIS)


def open_table(source: Source, options: ImportOptions) -> ChainFile:
    """A table of no known maker: its units by evidence alone. Errors: ImportRefusedError."""
    return open_chain(source, _columns(source), options)


def opener(name: str) -> Opens:
    """Opens a table of Deribit's own numbers: volatility in percent, prices in the settlement currency."""

    def opened(source: Source, options: ImportOptions) -> ChainFile:
        columns = replace(_columns(source), format=name, iv="percent", price="coin", facts=())
        return open_chain(source, columns, options)

    return opened


def open_six_hourly(source: Source, options: ImportOptions) -> ChainFile:
    """Errors: ImportRefusedError."""
    columns = replace(_columns(source), format="six_hourly", iv="decimal", price="coin")
    return open_chain(source, columns, options)


def open_tardis(source: Source, options: ImportOptions) -> ChainFile:
    """Every change of every option: thinned to snapshots on a grid. Errors: ImportRefusedError."""
    if source.head.filter(source.head["exchange"] != "deribit").height:
        raise ImportRefusedError("its rows are not all of Deribit: download the exchange deribit")
    found = replace(
        _columns(source), format="tardis", time="timestamp", iv="percent", price="coin", every=True
    )
    grid = f"changes are thinned to snapshots every {options.every_minutes} minutes, the last of each option"
    return open_chain(source, replace(found, facts=(grid,)), options)


def _has(source: Source, names: tuple[str, ...]) -> bool:
    return source.kind != "json" and set(names) <= set(source.columns)


def _columns(source: Source) -> ChainColumns:
    found = recognise(source.columns)
    if found is None:
        raise ImportRefusedError("it has no names and marks of options")
    return found
