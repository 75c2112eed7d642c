"""Candles: prices of a coin and its volatility index, from CryptoDataDownload, Binance and tables of open to close.

Finer candles are put together to whole hours, and an hour that lacks one is left out; daily prices are refused, since
every hour is needed. A row is known at its close. Prices in a dollar stablecoin are taken as dollars, and it is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

from optionwriter.adapters.tapes.importers.columns import times_of
from optionwriter.adapters.tapes.importers.files import Source
from optionwriter.adapters.tapes.importers.problem import Batch, ImportOptions, ImportRefusedError
from optionwriter.core.report.imports import Dropped

Kind = Literal["prices", "volatility_index"]
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
COINS = ("BTC", "ETH", "SOL", "XRP", "AVAX", "TRX", "PAXG")
_DOLLARS = ("USDT", "USDC", "USD")
_PAIR = re.compile(rf"(?<![A-Z])({'|'.join(COINS)})[-_/ ]?({'|'.join(_DOLLARS)})(?![A-Z])")
_OHLC = ("open", "high", "low", "close")
_TIMES = ("open_time", "unix", "timestamp", "date", "datetime", "time")
_KLINES = ("open_time", "open", "high", "low", "close", "close_time", "taker_buy_base")
_VOLATILITY = ("dvol", "dvol_pct", "dvol_close")


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """Rows of one kind of history, read whole. `rows` carry their `kind` and `name` beside the stored columns."""

    format: str
    table: str
    facts: tuple[str, ...]
    batch: Batch

    def batches(self) -> Iterator[Batch]:
        """The one part."""
        yield self.batch


def is_klines(source: Source) -> bool:
    """Binance klines, with or without a header."""
    return _lower(source) >= set(_KLINES)


def is_cryptodatadownload(source: Source) -> bool:
    """CryptoDataDownload: an address above the header, or the layout of 2019."""
    if source.kind != "csv" or not set(_OHLC) <= _lower(source) or "date" not in _lower(source):
        return False
    first = source.head[_own(source, "date")][0] if source.head.height else ""
    return source.banner > 0 or bool(re.search(r"\d\d-[AP]M$", str(first)))


def is_candles(source: Source) -> bool:
    """A table of open, high, low, close, or of the volatility index alone."""
    there = _lower(source)
    named = set(_OHLC) <= there and "instrument_name" not in there and "strike" not in there
    return source.kind != "json" and bool(there & set(_TIMES)) and (named or bool(there & set(_VOLATILITY)))


def open_candles(name: str, source: Source, options: ImportOptions) -> HistoryFile:
    """Errors: ImportRefusedError."""
    there = _lower(source)
    single = next((one for one in _VOLATILITY if one in there), None)
    kind: Kind = "volatility_index" if single or "dvol" in source.name.lower() else "prices"
    frame = pl.concat([piece.rows for piece in source.pieces()]) if source.head.height else source.head
    time = next(one for one in _TIMES if one in there)
    at_us, naive = times_of(_dates(frame[_own(source, time)]))
    own = {one: _own(source, single or one) for one in _OHLC}
    volume = _volume(source, options)
    rows = frame.select(
        at_us=at_us,
        **{one: pl.col(column).cast(pl.Float64, strict=False) for one, column in own.items()},
        volume=pl.col(volume).cast(pl.Float64, strict=False) if volume else pl.lit(None, pl.Float64),
    )
    coin, facts = _coin(source, options)
    if kind == "volatility_index":
        why = f"its column {single}" if single else "the file's name"
        facts = [*facts, f"these are values of the volatility index, percent points, as {why} says"]
    if naive.any():
        if options.timezone not in ("", "UTC"):
            raise ImportRefusedError("candles are cut at whole hours UTC: leave --timezone out")
        facts = [*facts, "times name no zone and are read as UTC, as this format's are"]
    return history_file(name, kind, coin, rows, facts, source.name)


def history_file(
    name: str, kind: Kind, coin: str, rows: pl.DataFrame, facts: list[str], file_name: str
) -> HistoryFile:
    """From rows of at_us (the candle's opening), open, high, low, close, volume. Errors: ImportRefusedError."""
    read = rows.height
    dropped: list[Dropped] = []
    wrong = pl.any_horizontal(pl.col("at_us").is_null(), *(_no_price(one) for one in _OHLC))
    outside = (pl.col("high") < pl.max_horizontal("open", "close", "low")) | (
        pl.col("low") > pl.min_horizontal("open", "close")
    )
    for reason, which in (
        ("no time, or a price that is not above 0", wrong),
        ("high and low don't hold its prices", outside),
    ):
        gone = rows.filter(which)
        if gone.height:
            dropped.append(Dropped(reason, gone.height, str(gone.row(0))))
            rows = rows.filter(~which)
    rows = rows.sort("at_us").unique("at_us", keep="first", maintain_order=True)
    step = _step(rows, kind)
    facts = [*facts, f"candles of {_spoken(step)}, {rows.height} of them"]
    if step < HOUR_US:
        rows, dropped = _hours(rows, step, dropped)
        step = HOUR_US
    stored = rows.with_columns(
        open_time=pl.from_epoch("at_us", "us").dt.replace_time_zone("UTC"),
        close_time=pl.from_epoch(pl.col("at_us") + step, "us").dt.replace_time_zone("UTC"),
        source=pl.lit(f"{name}:{file_name}"),
        kind=pl.lit(kind),
        name=pl.lit(coin),
    ).drop("at_us", *(("volume",) if kind != "prices" else ()))
    return HistoryFile(
        name,
        kind,
        (f"history of {coin}: {kind.replace('_', ' ')}", *facts),
        Batch(stored, read, tuple(dropped), 1.0),
    )


def coin_of(options: ImportOptions, *texts: str) -> tuple[str, list[str]]:
    """(the coin, how it is known) from --underlying, else from the texts. Errors: ImportRefusedError."""
    if options.underlying:
        return options.underlying, []
    for text in texts:
        pair = _PAIR.search(text.upper())
        if pair is not None:
            taken = "" if pair[2] == "USD" else ", taken as USD"
            return pair[1], [f"prices are of {pair[1]} in {pair[2]}{taken}: {pair[0]}"]
    words = re.split(r"[^A-Z]+", " ".join(texts).upper())
    found = [coin for coin in COINS if coin in words]
    if len(found) != 1:
        raise ImportRefusedError("it doesn't say of which coin: say --underlying BTC")
    return found[0], []


def _coin(source: Source, options: ImportOptions) -> tuple[str, list[str]]:
    symbol = _own(source, "symbol") if "symbol" in _lower(source) else None
    texts = ([str(source.head[symbol][0])] if symbol and source.head.height else []) + [source.name]
    return coin_of(options, *texts)


def _step(rows: pl.DataFrame, kind: Kind) -> int:
    """The candles' width: the commonest distance. Errors: ImportRefusedError."""
    if rows.height < 2:
        raise ImportRefusedError("fewer than two whole candles don't tell how long one is")
    step = int(rows["at_us"].diff().drop_nulls().mode().sort()[0])
    if step > (HOUR_US if kind == "prices" else DAY_US) or (step < HOUR_US and HOUR_US % step):
        raise ImportRefusedError(
            f"its candles are of {_spoken(step)}: prices are needed hour by hour"
            + (", the volatility index at least day by day" if kind != "prices" else "")
        )
    off = rows.filter(pl.col("at_us") % min(step, HOUR_US) != 0).height
    if off:
        raise ImportRefusedError(f"{off} of its candles don't begin at a whole {_spoken(min(step, HOUR_US))}")
    return step


def _hours(rows: pl.DataFrame, step: int, dropped: list[Dropped]) -> tuple[pl.DataFrame, list[Dropped]]:
    """Whole hours of finer candles."""
    whole = HOUR_US // step
    hours = (
        rows.with_columns(at_us=pl.col("at_us") // HOUR_US * HOUR_US)
        .group_by("at_us", maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            count=pl.len(),
        )
    )
    short = hours.filter(pl.col("count") < whole)
    if short.height:
        reason = f"its hour lacks some of the {whole} candles that make it"
        dropped = [
            *dropped,
            Dropped(reason, int(short["count"].sum()), f"{short['count'][0]} in the first such hour"),
        ]
    made = hours.filter(pl.col("count") == whole)
    joined = made.height * (whole - 1)
    if joined:
        dropped = [*dropped, Dropped("put together to hours", joined, f"{whole} candles an hour")]
    return made.drop("count"), dropped


def _no_price(name: str) -> pl.Expr:
    value = pl.col(name)
    return value.is_null() | value.is_nan() | value.is_infinite() | (value <= 0)


def _volume(source: Source, options: ImportOptions) -> str | None:
    """The column of volumes in coins: `volume`, or CryptoDataDownload's `Volume BTC`."""
    del options
    plain = [one for one in source.columns if one.lower() == "volume"]
    coins = [one for one in source.columns if one.lower().startswith("volume ") and one.split()[-1] in COINS]
    return next(iter((*plain, *coins)), None)


def _dates(column: pl.Series) -> pl.Series:
    """CryptoDataDownload's 2019-12-02 03-AM as other texts are."""
    if column.dtype != pl.String() or not column.str.contains(r"-[AP]M$").any():
        return column
    hours = (column + " 00").str.to_datetime("%Y-%m-%d %I-%p %M", strict=False)
    return hours.dt.strftime("%Y-%m-%d %H:%M:%S")


def _lower(source: Source) -> set[str]:
    return {one.lower() for one in source.columns}


def _own(source: Source, name: str) -> str:
    return next(one for one in source.columns if one.lower() == name)


def _spoken(step: int) -> str:
    minutes = step // 60_000_000
    return "a day" if step == DAY_US else "an hour" if step == HOUR_US else f"{minutes} minutes"
