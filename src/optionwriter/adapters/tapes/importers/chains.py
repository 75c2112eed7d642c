"""Chain tables: options' quotes in rows, whatever their columns are called and in whatever units they are.

The order of work: raw table, times, snapshots, units settled once on the head, then every piece converted alike.
Keeps: rows of a reading that a piece cuts wait for the next piece; each row is kept or counted under one reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from optionwriter.adapters.tapes.importers.columns import ChainColumns, plausible_time, raw_table
from optionwriter.adapters.tapes.importers.forwards import in_coin, with_factor, with_forward
from optionwriter.adapters.tapes.importers.names import with_parts
from optionwriter.adapters.tapes.importers.problem import (
    Batch,
    ImportOptions,
    ImportRefusedError,
    TableSource,
)
from optionwriter.adapters.tapes.importers.snapshots import gathered, on_grid, with_shown
from optionwriter.adapters.tapes.importers.times import instant_of
from optionwriter.adapters.tapes.importers.units import Reading, in_zone, settle
from optionwriter.adapters.tapes.layouts import IMPORT_COLUMNS
from optionwriter.core.market.black76 import implied_volatility
from optionwriter.core.market.instruments import MS_PER_YEAR
from optionwriter.core.report.imports import Dropped

_QUOTES = ("bid_price", "ask_price")
_NONE_AT_ZERO = ("bid_size", "ask_size", "bid_iv", "ask_iv")


@dataclass(frozen=True, slots=True)
class ChainFile:
    """A chain table whose units are settled."""

    source: TableSource
    columns: ChainColumns
    options: ImportOptions
    reading: Reading
    at_us: int | None
    underlying: str
    facts: tuple[str, ...]
    table: str = "chains"

    @property
    def format(self) -> str:
        """The format's name."""
        return self.columns.format

    def batches(self) -> Iterator[Batch]:
        """Canonical rows, piece by piece. Errors: ImportRefusedError."""
        held: pl.DataFrame | None = None
        for piece in self.source.pieces():
            raw, dropped = self._raw(piece.rows)
            whole = raw if held is None else pl.concat([held, raw])
            ready, held = self._ready(whole)
            dropped += self._thinned(whole.height - ready.height - held.height, whole)
            yield self._batch(ready, piece.rows.height, dropped, piece.done)
        if held is not None and held.height:
            yield self._batch(held if self.columns.every else gathered(held), 0, [], 1.0)

    def _raw(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[Dropped]]:
        """Rows of the options that are asked for, with times and names; and those that are none."""
        raw = prepared(rows, self.columns, self.options, self.underlying, self.at_us)
        raw = in_zone(raw, self.reading.zone)
        sieve = _Sieve(raw)
        sieve.out("no name of an option", pl.col("underlying").is_null())
        if self.options.underlying:
            sieve.out(f"not of {self.options.underlying}", pl.col("underlying") != self.options.underlying)
        sieve.out("its time is missing or can't be read", pl.col("at_us").is_null())
        return sieve.rows, sieve.dropped

    def _ready(self, raw: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows of readings that are over, and those of the one that the next piece may continue."""
        if self.columns.every:
            raw = raw.sort("at_us", maintain_order=True)
            step = self.options.every_minutes * 60_000_000
            last = raw["at_us"].max()
            since = -(-last // step) * step - step if isinstance(last, int) else 0
            return raw.filter(pl.col("at_us") <= since), _last_rows(raw.filter(pl.col("at_us") > since))
        if self.at_us is not None:
            return raw, raw.clear()
        shown = with_shown(raw)
        open_yet = pl.col("shown_us") == pl.col("shown_us").max().over("underlying")
        over = shown.filter(~open_yet).drop("at_us").rename({"shown_us": "at_us"})
        return over, shown.filter(open_yet).drop("shown_us")

    def _batch(self, raw: pl.DataFrame, read: int, dropped: list[Dropped], done: float) -> Batch:
        if not raw.height:
            return Batch(pl.DataFrame(schema=dict(IMPORT_COLUMNS)), read, tuple(dropped), done)
        count = raw.height
        shown = on_grid(raw, self.options.every_minutes) if self.columns.every else raw
        dropped = [*dropped, *self._thinned(count - shown.height, raw)]
        rows, out = canonical(shown, self.reading, self.format, self.source.name)
        return Batch(rows, read, (*dropped, *out), done)

    def _thinned(self, count: int, raw: pl.DataFrame) -> list[Dropped]:
        """Changes that a later one of the same option replaced before its instant of the grid came."""
        if not count:
            return []
        reason = f"a later change stands for it on the grid of {self.options.every_minutes} minutes"
        return [Dropped(reason, count, str(raw["instrument_name"][0]))]


def open_chain(source: TableSource, columns: ChainColumns, options: ImportOptions) -> ChainFile:
    """Settles a chain table's time and units on its head. Errors: ImportRefusedError."""
    underlying = _underlying(source, columns, options)
    head = source.head
    raw = raw_table(head, columns, underlying)
    if not plausible_time(raw, columns):
        columns = _without_time(columns)
    at_us, facts = instant_of(with_parts(raw_table(head, columns, underlying)), columns, options)
    prepared_head = prepared(head, columns, options, underlying, at_us).filter(
        pl.col("underlying").is_not_null()
    )
    if not prepared_head.height:
        raise ImportRefusedError("none of its first rows names an option: it is no option chain")
    if options.underlying:
        prepared_head = prepared_head.filter(pl.col("underlying") == options.underlying)
        if not prepared_head.height:
            raise ImportRefusedError(
                f"its first rows hold no rows of {options.underlying}: leave --underlying out"
            )
    shown = prepared_head if columns.every or prepared_head["naive"].any() else gathered(prepared_head)
    reading, evidence = settle(shown, columns, options)
    told = (*columns.facts, *_underlying_fact(source, columns, options), *facts, *evidence)
    return ChainFile(source, columns, options, reading, at_us, underlying, told)


def prepared(
    rows: pl.DataFrame, columns: ChainColumns, options: ImportOptions, underlying: str, at_us: int | None
) -> pl.DataFrame:
    """The raw table with names read, and the file's one instant where it has no times."""
    raw = with_parts(raw_table(rows, columns, underlying))
    if at_us is not None:
        raw = raw.with_columns(at_us=pl.lit(at_us, pl.Int64), naive=pl.lit(value=False))
    return raw


def canonical(
    raw: pl.DataFrame, reading: Reading, format_name: str, file_name: str
) -> tuple[pl.DataFrame, list[Dropped]]:
    """Rows in the canonical schema, and what was left out."""
    seen = with_forward(raw, reading.price, reading.by, reading.parity)
    prices = {name: in_coin(pl.col(name), reading.price, reading.by) for name in ("mark_price", *_QUOTES)}
    seen = seen.with_columns(
        **prices,
        **{name: pl.col(name) * reading.scale for name in ("mark_iv", "bid_iv", "ask_iv")},
    ).with_columns(
        **{
            name: pl.when(pl.col(name) > 0).then(pl.col(name))
            for name in (*_QUOTES, *_NONE_AT_ZERO, "mark_iv")
        }
    )
    seen = seen.with_columns(**{name: pl.col(name).round(8) for name in ("mark_iv", "bid_iv", "ask_iv")})
    if not raw["mark_iv"].is_not_null().any():
        seen = _with_volatility(seen)
    sieve = _Sieve(seen)
    sieve.out("its expiry is over at its time", pl.col("expiry_ms") * 1_000 <= pl.col("at_us"))
    sieve.out("no mark price", pl.col("mark_price").is_null() | (pl.col("mark_price") < 0))
    sieve.out(
        "no forward, nor a strike near it with both sides",
        pl.col("forward").is_null() | (pl.col("forward") <= 0),
    )
    sieve.out("no volatility of the mark", pl.col("mark_iv").is_null())
    rows = sieve.rows.with_columns(
        timestamp=pl.from_epoch("at_us", "us").dt.replace_time_zone("UTC"),
        expiry=pl.from_epoch("expiry_ms", "ms").dt.replace_time_zone("UTC").cast(pl.Datetime("us", "UTC")),
        underlying_index=pl.lit(None, pl.String) if reading.parity else pl.col("underlying_index"),
        source=pl.lit(f"{format_name}:{file_name}"),
    )
    return rows.select(pl.col(name).cast(kind) for name, kind in IMPORT_COLUMNS.items()), sieve.dropped


class _Sieve:
    """Leaves rows out, one reason after the other, and counts them."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.rows, self.dropped = rows, list[Dropped]()

    def out(self, reason: str, which: pl.Expr) -> None:
        """Rows for which `which` holds, or can't be told, go."""
        gone = self.rows.filter(which.fill_null(value=True))
        if gone.height:
            first = gone["instrument_name"][0]
            self.dropped.append(
                Dropped(reason, gone.height, "a row without a name" if first is None else str(first))
            )
            self.rows = self.rows.filter(~which.fill_null(value=True))


def _with_volatility(seen: pl.DataFrame) -> pl.DataFrame:
    """Volatilities of the marks, each strike's from its side out of the money, which tells it best."""
    forward, strike = seen["forward"].to_numpy(), seen["strike"].to_numpy()
    years = (seen["expiry_ms"].to_numpy() - seen["at_us"].to_numpy() / 1_000) / MS_PER_YEAR
    is_call = (seen["option_type"] == "C").to_numpy()
    value = seen["mark_usd"].to_numpy() / with_factor(seen)["factor"].to_numpy()
    sigma = implied_volatility(value, forward, strike, years, is_call)
    outside = np.where(is_call, strike >= forward, strike < forward)
    found = seen.with_columns(
        own=pl.Series(sigma).fill_nan(None), outer=pl.Series(np.where(outside, sigma, np.nan)).fill_nan(None)
    )
    key = ["at_us", "underlying", "expiry_ms", "strike"]
    return found.with_columns(mark_iv=pl.coalesce(pl.col("outer").max().over(key), "own")).drop(
        "own", "outer"
    )


def _last_rows(raw: pl.DataFrame) -> pl.DataFrame:
    """Of every option the last row."""
    return raw.unique("instrument_name", keep="last", maintain_order=True)


def _underlying(source: TableSource, columns: ChainColumns, options: ImportOptions) -> str:
    """The product of a file whose rows don't name it. Errors: ImportRefusedError."""
    if "instrument_name" in columns.of or options.underlying:
        return options.underlying
    named = source.name.upper().replace("-", "_").replace(".", "_").split("_")
    coins = [coin for coin in ("BTC", "ETH", "SOL", "XRP") if coin in named]
    if len(coins) != 1:
        raise ImportRefusedError("its rows don't name their underlying: say --underlying BTC")
    return coins[0]


def _underlying_fact(source: TableSource, columns: ChainColumns, options: ImportOptions) -> tuple[str, ...]:
    if "instrument_name" in columns.of:
        return ()
    code = _underlying(source, columns, options)
    said = "--underlying says" if options.underlying else "the file's name says"
    return (f"options are on {code}, as {said}",)


def _without_time(columns: ChainColumns) -> ChainColumns:
    return replace(columns, time="", snapshot="")
