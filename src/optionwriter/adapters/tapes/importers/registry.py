"""The formats by name, and which of them a file is. A format more is a file here, and a line in FORMATS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from optionwriter.adapters.tapes.importers import candles, deribit_json, deribit_page, tables
from optionwriter.adapters.tapes.importers.files import Source, open_source
from optionwriter.adapters.tapes.importers.problem import ImportOptions, ImportRefusedError, Opened
from optionwriter.adapters.tapes.importers.refused import has_columns, refuse


@dataclass(frozen=True, slots=True)
class Format:
    """One format: how it is recognised, and how a file of it is opened (or refused, with the reason)."""

    name: str
    what: str
    recognises: Callable[[Source], bool]
    open: Callable[[Source, ImportOptions], Opened]


_TRADES = "trades: prices of deals, no quotes that an order could meet"
_FORMATS = (
    Format("harvested", "the harvester's own files of 8, 14, 20 or more columns", tables.is_harvested,
           tables.opener("harvested")),
    Format("six_hourly", "the six-hourly recordings of 2026, Parquet or CSV", tables.is_six_hourly,
           tables.open_six_hourly),
    Format("full_ticker", "contracts joined with their tickers", tables.is_ticker, tables.opener("full_ticker")),
    Format("order_book", "order books of options in rows", tables.is_order_book, tables.opener("order_book")),
    Format("book_summary", "book summaries of options in rows", tables.is_summary, tables.opener("book_summary")),
    Format("tardis", "Tardis's options_chain, also .csv.gz", tables.is_tardis, tables.open_tardis),
    Format("deribit_page", "the export of Deribit's web page", deribit_page.is_page, deribit_page.open_page),
    Format("deribit_json", "answers of Deribit's API", deribit_json.is_document, deribit_json.open_document),
    Format("tardis_trades", "Tardis's trades", has_columns("exchange", "symbol", "local_timestamp", "side", "price"),
           refuse(_TRADES)),
    Format("tardis_ticker", "Tardis's derivative_ticker",
           has_columns("exchange", "symbol", "local_timestamp", "funding_rate"),
           refuse("tickers of futures: chains of options (options_chain) are imported")),
    Format("trades", "trades in rows", has_columns("trade_id", "direction", "instrument_name"), refuse(_TRADES)),
    Format("futures_ticker", "futures joined with their tickers", has_columns("future_type", "mark_price"),
           refuse("quotes of futures: chains of options, candles and indices are imported")),
    Format("chain_table", "a table of options' quotes, in columns that people use", tables.is_table,
           tables.open_table),
    Format("iv_greeks", "volatilities and greeks of options without prices",
           has_columns("instrument_name", "mark_iv", "delta"),
           refuse("it has volatilities and greeks but neither prices nor an underlying: nothing in it can be traded")),
    Format("binance_klines", "Binance klines", candles.is_klines, partial(candles.open_candles, "binance_klines")),
    Format("cryptodatadownload", "CryptoDataDownload, both layouts", candles.is_cryptodatadownload,
           partial(candles.open_candles, "cryptodatadownload")),
    Format("delivery_prices", "days and delivery prices", deribit_json.is_delivery, deribit_json.open_delivery),
    Format("candles", "open, high, low, close, or the volatility index", candles.is_candles,
           partial(candles.open_candles, "candles")),
)  # fmt: skip
FORMATS: Mapping[str, Format] = {one.name: one for one in _FORMATS}


def open_file(path: Path, name: str, options: ImportOptions) -> Opened:
    """A file opened as the format named, or as the one it is (auto). Errors: ImportRefusedError."""
    source = open_source(path)
    return detect(source, name).open(source, options)


def detect(source: Source, name: str = "auto") -> Format:
    """The format of a file. Errors: ImportRefusedError."""
    if name != "auto":
        found = FORMATS.get(name)
        if found is None:
            raise ImportRefusedError(f"format {name!r} is not there: choose from auto, {', '.join(FORMATS)}")
        if not found.recognises(source):
            raise ImportRefusedError(
                f"it is no {name} ({found.what}): leave the format to auto, or look at the file"
            )
        return found
    for one in FORMATS.values():
        if one.recognises(source):
            return one
    there = ", ".join(source.columns[:12]) if source.kind != "json" else "a JSON document"
    raise ImportRefusedError(f"it is of no known format ({there}): docs/importing.md lists what is read")
