"""deribit_json: answers and messages of Deribit's API, as they are saved.

Chains (book summaries, tickers, order books of options; a snapshot with quotes and forwards), candles, volatility
index and delivery prices are imported; whatever else is recognised and refused by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from optionwriter.adapters.tapes.importers.candles import HistoryFile, coin_of, history_file
from optionwriter.adapters.tapes.importers.chains import open_chain
from optionwriter.adapters.tapes.importers.columns import ChainColumns, recognise
from optionwriter.adapters.tapes.importers.files import Piece, Source
from optionwriter.adapters.tapes.importers.names import option_parts
from optionwriter.adapters.tapes.importers.problem import Batch, ImportOptions, ImportRefusedError, Opened
from optionwriter.core.market.instruments import EXPIRY_HOUR_UTC
from optionwriter.core.report.imports import Dropped


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a document, as a table that is read in one piece."""

    name: str
    head: pl.DataFrame

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(self.head.columns)

    def pieces(self) -> Iterator[Piece]:
        """The one piece."""
        yield Piece(self.head, 1.0)


def is_document(source: Source) -> bool:
    """Whether it is a JSON document."""
    return source.kind == "json"


def open_document(source: Source, options: ImportOptions) -> Opened:
    """Errors: ImportRefusedError names what the document is."""
    content = _content(source.document)
    if isinstance(content, dict):
        return _object(source, content, options)
    if isinstance(content, list) and content and all(isinstance(one, dict) for one in content):
        return _rows(source, content, options)
    raise ImportRefusedError(
        "it is no answer of Deribit that is known: chains, candles and indices are imported"
    )


def _content(document: Any) -> Any:
    """What an envelope holds: a result, a subscription's data, or the document itself. Errors: ImportRefusedError."""
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        raise ImportRefusedError(
            f"it is an error of the exchange ({document['error'].get('message')}): ask again"
        )
    if isinstance(document, dict) and "result" in document:
        return document["result"]
    if (
        isinstance(document, dict)
        and isinstance(document.get("params"), dict)
        and "data" in document["params"]
    ):
        return document["params"]["data"]
    return document


def _object(source: Source, content: dict[str, Any], options: ImportOptions) -> Opened:
    keys = set(content)
    if {"option_quotes", "forwards", "snapshot_time"} <= keys:
        return _snapshot(source, content, options)
    if {"ticks", "open", "high", "low", "close"} <= keys:
        return _chart(source, content, options)
    if isinstance(content.get("data"), list):
        return _data(source, content["data"], options)
    if "instrument_name" in keys and {"mark_price", "best_bid_price"} & keys:
        return _rows(source, [content], options)
    for known, reason in (
        ({"volatility", "index_name"}, "one moment of the volatility index: its candles are imported"),
        ({"trades", "order"}, "an order of an account: only market data are imported"),
        ({"order"}, "an order of an account: only market data are imported"),
        ({"trades"}, "trades: prices of deals, no quotes that an order could meet"),
        ({"summaries"}, "an account's summaries: only market data are imported"),
        ({"equity", "margin_balance"}, "an account's summary: only market data are imported"),
        ({"tick_size", "contract_size"}, "a contract's rules without any price"),
    ):  # fmt: skip
        if known <= keys:
            raise ImportRefusedError(reason)
    if content and all(isinstance(one, dict) and {"option", "future"} & set(one) for one in content.values()):
        raise ImportRefusedError("a list of expiries without any price")
    raise ImportRefusedError(
        "it is no answer of Deribit that is known: chains, candles and indices are imported"
    )


def _rows(source: Source, rows: list[dict[str, Any]], options: ImportOptions) -> Opened:
    """A list of summaries, tickers or order books. Errors: ImportRefusedError."""
    keys = set(rows[0])
    if "trade_id" in keys:
        raise ImportRefusedError("trades: prices of deals, no quotes that an order could meet")
    if "mark_price" not in keys and {"tick_size", "contract_size"} & keys:
        raise ImportRefusedError("a list of contracts without any price")
    names = [str(one.get("instrument_name", "")) for one in rows]
    if not any(option_parts(name) for name in names):
        raise ImportRefusedError(
            f"quotes of futures ({names[0]}): chains of options, candles and indices are imported"
        )
    flat = [_flat(one) for one in rows]
    table = Table(source.name, pl.DataFrame(flat, infer_schema_length=None, strict=False))
    columns = recognise(table.columns)
    if columns is None:
        raise ImportRefusedError("its rows lack the mark price of options")
    kept = ChainColumns("deribit_json", columns.of, columns.time, iv="percent", price="coin")
    return open_chain(table, kept, options)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Greeks and statistics beside the rest; lists (order book levels) left out."""
    flat = {name: value for name, value in row.items() if not isinstance(value, dict | list)}
    for group in ("greeks", "stats"):
        inner = row.get(group)
        if isinstance(inner, dict):
            flat |= {f"{group}.{name}": value for name, value in inner.items()}
    return {name: _plain(name, value) for name, value in flat.items()}


def _plain(name: str, value: Any) -> Any:
    """Whole numbers as floats, so that a column has one type; instants stay whole."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and "time" not in name else value


def _snapshot(source: Source, content: dict[str, Any], options: ImportOptions) -> Opened:
    """Quotes of options, with forwards by expiry and one time."""
    by_expiry = {
        str(one["expiry"])[:10]: (float(one["forward_price"]), float(one["index_price"]))
        for one in content["forwards"]
    }
    rows = []
    for quote in content["option_quotes"]:
        parts = option_parts(str(quote.get("instrument_name")))
        day = "" if parts is None else str(pl.from_epoch(pl.Series([parts[1]]), "ms").dt.date()[0])
        forward, index = by_expiry.get(day, (None, None))
        own = {name: value for name, value in quote.items() if not isinstance(value, dict | list)}
        rows.append(
            {**own, "underlying_price": forward, "index_price": index, "timestamp": content["snapshot_time"]}
        )
    table = Table(source.name, pl.DataFrame(rows, infer_schema_length=None, strict=False))
    columns = recognise(table.columns)
    if columns is None:
        raise ImportRefusedError("its quotes lack the mark price of options")
    kept = ChainColumns("deribit_json", columns.of, columns.time, iv="percent", price="coin")
    return open_chain(table, kept, options)


def _chart(source: Source, content: dict[str, Any], options: ImportOptions) -> HistoryFile:
    """get_tradingview_chart_data: columns. The answer names no instrument."""
    coin, facts = coin_of(options, source.name)
    frame = pl.DataFrame(
        {name: content.get(name) for name in ("open", "high", "low", "close", "volume")}, strict=False
    )
    rows = frame.select(pl.all().cast(pl.Float64)).with_columns(
        at_us=pl.Series(content["ticks"], dtype=pl.Int64) * 1_000
    )
    return history_file("deribit_json", "prices", coin, rows, facts, source.name)


def _data(source: Source, data: list[Any], options: ImportOptions) -> HistoryFile:
    """get_volatility_index_data and get_delivery_prices. Errors: ImportRefusedError."""
    if data and all(isinstance(one, list) and len(one) == 5 for one in data):
        coin, facts = coin_of(options, source.name)
        frame = pl.DataFrame(data, schema=["at", "open", "high", "low", "close"], orient="row", strict=False)
        rows = frame.select(
            pl.col("open", "high", "low", "close").cast(pl.Float64),
            at_us=pl.col("at").cast(pl.Int64) * 1_000,
            volume=pl.lit(None, pl.Float64),
        )
        return history_file("deribit_json", "volatility_index", coin, rows, facts, source.name)
    if data and all(isinstance(one, dict) and {"date", "delivery_price"} <= set(one) for one in data):
        coin, facts = coin_of(options, source.name)
        frame = pl.DataFrame(data, infer_schema_length=None, strict=False)
        return delivery_file(
            "deribit_json", coin, frame.select("date", price="delivery_price"), facts, source.name
        )
    raise ImportRefusedError("its data are no volatility index and no delivery prices")


def delivery_file(name: str, coin: str, frame: pl.DataFrame, facts: list[str], file_name: str) -> HistoryFile:
    """From rows of `date` (a day) and `price`: official delivery prices of coin_usd, at 08:00 UTC."""
    index = coin.lower() if "_" in coin else f"{coin.lower()}_usd"
    rows = frame.select(
        delivery_time=pl.col("date").cast(pl.String).str.to_datetime("%Y-%m-%d", time_zone="UTC", strict=False)
        .dt.cast_time_unit("us") + pl.duration(hours=EXPIRY_HOUR_UTC),
        delivery_price=pl.col("price").cast(pl.Float64, strict=False),
        source=pl.lit(f"{name}:{file_name}"),
        kind=pl.lit("delivery_prices"),
        name=pl.lit(index),
    )  # fmt: skip
    good = rows.filter(pl.col("delivery_time").is_not_null() & (pl.col("delivery_price") > 0))
    lost = rows.height - good.height
    dropped = (Dropped("no day, or a price that is not above 0", lost, "a row"),) if lost else ()
    told = (f"delivery prices of {index}", *facts)
    return HistoryFile(name, "delivery_prices", told, Batch(good, rows.height, dropped, 1.0))


def is_delivery(source: Source) -> bool:
    """A table of days and delivery prices."""
    return (
        source.kind == "csv" and set(source.columns) == {"date", "price"} and "deliver" in source.name.lower()
    )


def open_delivery(source: Source, options: ImportOptions) -> HistoryFile:
    """Errors: ImportRefusedError."""
    coin, facts = coin_of(options, source.name)
    return delivery_file(
        "delivery_prices", coin, source.head, [*facts, "as the file's name says"], source.name
    )
