"""Which column of a chain table is what: names that people use, brought to one raw table.

A raw table has the canonical numbers in the file's own units, as floats, `instrument_name` (made of its parts where the
file has only those), `at_us` (null where the file has no time) and, where the file has one, `snapshot`, which rows of
one reading share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from optionwriter.adapters.tapes.importers.names import expiry_of, name_of

Unit = Literal["", "percent", "decimal"]
Price = Literal["", "coin", "usd"]

NAMES: Mapping[str, tuple[str, ...]] = {
    "instrument_name": ("instrument_name", "instrument", "symbol", "Instrument"),
    "strike": ("strike", "strike_price"),
    "option_type": ("option_type", "type"),
    "expiry": ("expiry", "expiry_datetime", "expiry_date", "maturity", "expiration", "expiration_timestamp"),
    "forward": ("underlying_price", "forward", "forward_price", "futures_price", "underlying_price_usd", "S0",
                "underlying"),
    "index_price": ("index_price", "spot_price", "spot", "estimated_delivery_price"),
    "mark_iv": ("mark_iv", "mark_iv_decimal", "implied_volatility", "iv", "deribit_mark_iv"),
    "bid_size": ("bid_size", "best_bid_amount", "bid_amount"),
    "ask_size": ("ask_size", "best_ask_amount", "ask_amount"),
    "bid_iv": ("bid_iv",),
    "ask_iv": ("ask_iv",),
    "delta": ("delta", "greek_delta", "greeks.delta", "greeks_delta"),
    "gamma": ("gamma", "greek_gamma", "greeks.gamma", "greeks_gamma"),
    "theta": ("theta", "greek_theta", "greeks.theta", "greeks_theta"),
    "vega": ("vega", "greek_vega", "greeks.vega", "greeks_vega"),
    "open_interest": ("open_interest",),
    "volume": ("volume", "stats.volume", "stats_volume"),
}  # fmt: skip
# Sets of prices that belong together: mark, bids, asks, and the unit that their names tell.
PRICES: tuple[tuple[str, tuple[str, ...], tuple[str, ...], Price], ...] = (
    ("mark_price_coin", ("bid_price_coin",), ("ask_price_coin",), "coin"),
    ("mark_btc", ("bid_btc",), ("ask_btc",), "coin"),
    ("mark_eth", ("bid_eth",), ("ask_eth",), "coin"),
    ("market_price_btc", ("bid_btc",), ("ask_btc",), "coin"),
    ("market_price_eth", ("bid_eth",), ("ask_eth",), "coin"),
    (
        "mark_price",
        ("bid_price", "best_bid_price", "best_bid"),
        ("ask_price", "best_ask_price", "best_ask"),
        "",
    ),
    ("mark_price_usd", ("bid_price_usd",), ("ask_price_usd",), "usd"),
    ("mark_usd", ("bid_usd",), ("ask_usd",), "usd"),
    ("mark", ("bid",), ("ask",), ""),
)
TIMES = (
    "quote_timestamp",
    "timestamp",
    "harvest_time",
    "snapshot_time",
    "datetime",
    "time",
    "date",
    "creation_timestamp",
)
NUMBERS = ("forward", "index_price", "mark_price", "bid_price", "ask_price", "mark_iv", "bid_size", "ask_size",
           "bid_iv", "ask_iv", "delta", "gamma", "theta", "vega", "open_interest", "volume")  # fmt: skip
BEHIND = ("underlying_index", "underlying_name")  # the future behind the forward
YEARS = {"T_years": 365.0, "days_to_expiry": 1.0}
_LISTING_SPREAD_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class ChainColumns:
    """How a chain table is read. `of` maps canonical names to the file's.

    `iv` and `price` are the units that the format, or the columns' names, promise; evidence must not speak against
    them. `every` says that rows are changes, which are thinned to snapshots on a grid.
    """

    format: str
    of: Mapping[str, str]
    time: str = ""
    snapshot: str = ""
    left: str = ""  # a column with the time that is left to expiry
    iv: Unit = ""
    price: Price = ""
    every: bool = False
    facts: tuple[str, ...] = field(default=())

    @property
    def has_iv(self) -> bool:
        """Whether the file gives volatilities of the marks."""
        return "mark_iv" in self.of


def recognise(columns: Sequence[str]) -> ChainColumns | None:
    """The columns of a chain table by their names; None where options or their marks are not among them."""
    there = set(columns)
    of = {
        name: next(one for one in names if one in there)
        for name, names in NAMES.items()
        if there & set(names)
    }
    prices = next((one for one in PRICES if one[0] in there), None)
    named = "instrument_name" in of or {"strike", "option_type", "expiry"} <= set(of)
    if prices is None or not named:
        return None
    mark, bids, asks, price = prices
    of["mark_price"] = mark
    for name, choices in (("bid_price", bids), ("ask_price", asks)):
        found = next((one for one in choices if one in there), None)
        if found is not None:
            of[name] = found
    times = [one for one in TIMES if one in there]
    snapshot = times[1] if times[:1] == ["quote_timestamp"] and len(times) > 1 else ""
    facts = (f"prices are those of {mark}, in {price.replace('usd', 'USD')} by its name",) if price else ()
    iv: Unit = "decimal" if of.get("mark_iv") == "mark_iv_decimal" else ""
    left = next((one for one in YEARS if one in there), "")
    time = times[0] if times else ""
    return ChainColumns("chain_table", of, time, snapshot, left, iv, price, facts=facts)


def raw_table(frame: pl.DataFrame, columns: ChainColumns, underlying: str) -> pl.DataFrame:
    """The raw table of a piece of the file; a number that can't be read is null."""
    of = columns.of
    numbers = {name: _number(frame, of[name]) for name in NUMBERS if name in of}
    missing = {name: pl.lit(None, pl.Float64) for name in NUMBERS if name not in of}
    behind = next((one for one in BEHIND if one in frame.columns), None)
    future = pl.col(behind).cast(pl.String) if behind else pl.lit(None, pl.String)
    raw = frame.select(
        **numbers, **missing, instrument_name=_name(frame, of, underlying), underlying_index=future
    )
    at_us, naive = _times(frame, columns.time)
    raw = raw.with_columns(at_us=at_us, naive=naive)
    if columns.snapshot:
        raw = raw.with_columns(snapshot=frame[columns.snapshot].cast(pl.String))
    if columns.left:
        raw = raw.with_columns(
            left_days=frame[columns.left].cast(pl.Float64, strict=False) * YEARS[columns.left]
        )
    return raw


def plausible_time(raw: pl.DataFrame, columns: ChainColumns) -> bool:
    """Whether `creation_timestamp` is when the quotes were made, not when the contracts were listed."""
    if columns.time != "creation_timestamp":
        return True
    low, high = raw["at_us"].min(), raw["at_us"].max()
    return isinstance(low, int) and isinstance(high, int) and high - low < _LISTING_SPREAD_US


def _number(frame: pl.DataFrame, name: str) -> pl.Expr:
    """A number column; infinities and NaN are null."""
    column = pl.col(name)
    if frame.schema[name] == pl.String():
        column = column.str.strip_chars()
    found = column.cast(pl.Float64, strict=False)
    return pl.when(found.is_finite()).then(found)


def _name(frame: pl.DataFrame, of: Mapping[str, str], underlying: str) -> pl.Expr | pl.Series:
    if "instrument_name" in of:
        return pl.col(of["instrument_name"]).cast(pl.String)
    parts = frame.select(
        expiry=pl.col(of["expiry"]).cast(pl.String),
        strike=_number(frame, of["strike"]),
        letter=pl.col(of["option_type"]).cast(pl.String).str.slice(0, 1).str.to_uppercase(),
    )
    return pl.Series([_made(underlying, *row) for row in parts.iter_rows()], dtype=pl.String)


def _made(code: str, expiry: str | None, strike: float | None, letter: str | None) -> str | None:
    at_ms = None if expiry is None else expiry_of(expiry)
    if at_ms is None or strike is None or letter not in ("C", "P") or not code:
        return None
    return name_of(code, at_ms, strike, letter)


def _times(frame: pl.DataFrame, name: str) -> tuple[pl.Series, pl.Series]:
    """(microseconds, whether the time names no zone); null where the table has no times."""
    return times_of(frame[name] if name else pl.Series([None] * frame.height, dtype=pl.Int64))


def times_of(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """(microseconds since 1970, whether the time names no zone), of numbers, texts, days or instants."""
    kind = column.dtype
    zoned = pl.Series([False] * len(column), dtype=pl.Boolean)
    if isinstance(kind, pl.Datetime):
        return column.dt.epoch("us"), ~zoned if kind.time_zone is None else zoned
    if kind == pl.Date():
        return column.cast(pl.Datetime("us")).dt.epoch("us"), ~zoned
    if kind.is_numeric():
        return _epoch_us(column.cast(pl.Int64)), zoned
    text = column.cast(pl.String).str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() == text.null_count():
        whole = text.cast(pl.Int64, strict=False)
        return _epoch_us(whole if whole.null_count() == text.null_count() else numbers.cast(pl.Int64)), zoned
    return _text_times(text)


def _epoch_us(column: pl.Series) -> pl.Series:
    """Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size."""
    frame = pl.DataFrame({"at": column})
    at = pl.col("at")
    told = (
        pl.when(at < 10**11)
        .then(at * 1_000_000)
        .when(at < 10**14)
        .then(at * 1_000)
        .when(at < 10**17)
        .then(at)
    )
    return frame.select(told.otherwise(at // 1_000)).to_series()


def _text_times(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    frame = pl.DataFrame({"text": text})
    zone = r"(?:Z|[+-]\d{2}:?\d{2})$"
    has = pl.col("text").str.contains(zone)
    bare = pl.col("text").str.replace(zone, "").str.replace("T", " ").str.strip_chars()
    sign = pl.when(pl.col("text").str.contains(r"-\d{2}:?\d{2}$")).then(-1).otherwise(1)
    hours = pl.col("text").str.extract(r"[+-](\d{2}):?\d{2}$", 1).cast(pl.Int64)
    minutes = pl.col("text").str.extract(r"[+-]\d{2}:?(\d{2})$", 1).cast(pl.Int64)
    offset = pl.when(has).then(sign * (hours * 60 + minutes)).otherwise(0).fill_null(0) * 60_000_000
    forms = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
    read = pl.coalesce(
        *(
            bare.str.to_datetime(form, time_unit="us", strict=False)
            if "%H" in form
            else bare.str.to_date(form, strict=False).cast(pl.Datetime("us"))
            for form in forms
        )
    )
    done = frame.select(at=read.dt.epoch("us") - offset, naive=~has)
    return done["at"], done["naive"].fill_null(value=False)
