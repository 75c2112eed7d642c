"""Catalogue columns: rows of recorded options in whatever columns they come, as a ChainDay for the checks.

Owns which column is what (by its name), how instants are read, and how names become expiry, strike and type at once.
Nothing is mended here: zeros, duplicates and nonsense reach the checks as they were written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from optionwriter.adapters.tapes.snapshots import CaptureError, floats
from optionwriter.core.market.instruments import EXPIRY_HOUR_UTC, MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.market.quality import ChainDay, Told, snapshots_of

NAME = r"^([A-Z]+(?:_[A-Z]+)?)-(\d{1,2})([A-Z]{3})(\d{2})-(\d+(?:d\d+)?)-([CP])$"
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_TIMES = ("harvest_time", "timestamp", "snapshot_time", "datetime", "date", "time")
_NAMES = ("instrument_name", "instrument", "symbol")
_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "forward": ("forward", "underlying_price"),
    "mark": ("mark_price", "mark"),
    "bid": ("best_bid_price", "bid_price", "bid"),
    "ask": ("best_ask_price", "ask_price", "ask"),
    "iv": ("mark_iv_decimal", "mark_iv", "implied_volatility"),
}
_WANTED = ("forward", "mark", "bid", "ask", "iv")
_BESIDE = ("bid_iv", "ask_iv", "delta", "gamma", "theta", "vega")  # by the end of their names
_PARSED = ("underlying", "expiry", "expiry_timestamp", "option_type", "strike")


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which columns of a file hold what; `iv_unit` is what the file's volatility is divided by to be a fraction."""

    time: str
    name: str
    numbers: Mapping[str, str]
    iv_unit: float


def column_map(columns: Sequence[str]) -> ColumnMap | None:
    """What the columns hold; None when they are no option chain with instants."""
    time = next((one for one in _TIMES if one in columns), None)
    name = next((one for one in _NAMES if one in columns), None)
    if time is None or name is None:
        return None
    numbers = {
        what: found
        for what, names in _NUMBERS.items()
        if (found := next((one for one in names if one in columns), None)) is not None
    }
    if not {"mark", "iv", "bid", "ask"} & set(numbers):
        return None
    # The imported layout says forward, and holds fractions; the recordings of 2026 say so in the name.
    fraction = "forward" in columns or numbers.get("iv") in ("mark_iv_decimal", "implied_volatility")
    return ColumnMap(time, name, numbers, 1.0 if fraction else 100.0)


def instants(frame: pl.DataFrame, name: str) -> tuple[pl.Series, bool]:
    """(epoch milliseconds, whether the column says its zone). Errors: CaptureError when it holds no instants."""
    column = frame[name]
    if column.dtype == pl.String:
        has_zone = bool(column.str.contains(r"(Z|[+-]\d\d:?\d\d)$").all())
        try:
            column = column.str.to_datetime(time_zone="UTC" if has_zone else None, time_unit="us")
        except pl.exceptions.PolarsError as error:
            raise CaptureError(f"{name} holds no instants ({str(error).splitlines()[0]})") from None
        return _ceiled(column), has_zone
    if column.dtype == pl.Date:
        return column.cast(pl.Datetime("ms")).dt.epoch("ms"), True
    if isinstance(column.dtype, pl.Datetime):
        return _ceiled(column), column.dtype.time_zone is not None
    if column.dtype.is_numeric():
        top = column.cast(pl.Float64).abs().max()
        size = float(top) if isinstance(top, int | float) else 0.0
        unit = 1_000.0 if size < 1e11 else 1.0 if size < 1e14 else 1e-3 if size < 1e17 else 1e-6
        return (column.cast(pl.Float64) * unit).ceil().cast(pl.Int64), True
    raise CaptureError(f"{name} holds no instants but {column.dtype}")


def chain_day(frame: pl.DataFrame, asset: str, day_ms: int) -> ChainDay:
    """The rows of one asset and one UTC day. Errors: CaptureError when they are no chain."""
    found = column_map(frame.columns)
    if found is None:
        raise CaptureError(f"the columns {', '.join(frame.columns)} are no option chain")
    at, has_zone = instants(frame, found.time)
    frame = frame.with_columns(at.alias("_at_ms")).drop_nulls("_at_ms")
    frame = frame.filter((pl.col("_at_ms") >= day_ms) & (pl.col("_at_ms") < day_ms + MS_PER_DAY))
    parsed = parsed_names(frame[found.name])
    frame = frame.join(parsed, left_on=found.name, right_on="_name", how="left")
    frame = frame.sort(
        "_at_ms", "_option", maintain_order=True
    )  # as written within neither, so files may be joined
    readable = frame.filter(pl.col("_expiry_ms").is_not_null() & (pl.col("_asset") == asset))
    told = _told(frame, readable, found, has_zone)
    at_ms = readable["_at_ms"].to_numpy()
    numbers = {name: _number(readable, found.numbers.get(name)) for name in _WANTED}
    numbers["iv"] = numbers["iv"] / found.iv_unit
    return ChainDay(
        asset,
        day_ms,
        tuple(parsed["_name"].fill_null("").to_list()),
        at_ms,
        snapshots_of(at_ms),
        readable["_option"].to_numpy(),
        readable["_expiry_ms"].to_numpy(),
        floats(readable, "_strike"),
        readable["_is_call"].to_numpy(),
        told=told,
        **numbers,
    )  # fmt: skip


def parsed_names(names: pl.Series) -> pl.DataFrame:
    """_name, _option (its row), _asset, _expiry_ms, _strike, _is_call of each name; null where it is no option's."""
    unique = pl.DataFrame({"_name": names.cast(pl.String).unique().sort()})
    parts = pl.col("_name").str.extract_groups(NAME)
    frame = unique.with_columns(parts.alias("p")).unnest("p")
    number = {one: row + 1 for row, one in enumerate(_MONTHS)}
    month = pl.col("3").replace_strict(number, default=None, return_dtype=pl.Int64)
    date = pl.concat_str(pl.lit("20") + pl.col("4"), month.cast(pl.String), pl.col("2"), separator="-")
    return frame.with_row_index("_option").select(
        "_name",
        pl.col("_option").cast(pl.Int64),
        _asset=pl.col("1"),
        _expiry_ms=date.str.to_date("%Y-%-m-%-d", strict=False).cast(pl.Datetime("ms")).dt.epoch("ms")
        + EXPIRY_HOUR_UTC * MS_PER_HOUR,
        _strike=pl.col("5").str.replace("d", ".", literal=True).cast(pl.Float64, strict=False),
        _is_call=pl.col("6") == "C",
    )


def _number(frame: pl.DataFrame, name: str | None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if name is None:
        return np.full(frame.height, np.nan)
    return floats(frame.select(pl.col(name).cast(pl.Float64, strict=False)), name)


def _told(frame: pl.DataFrame, readable: pl.DataFrame, found: ColumnMap, has_zone: bool) -> Told:
    """What the file says of its columns."""
    own = [name for name in readable.columns if not name.startswith("_")]
    rows = max(readable.height, 1)
    counts = readable.select(pl.col(own).null_count()).row(0) if readable.height else (0,) * len(own)
    null = {
        name: count / rows for name, count in zip(own, counts, strict=True) if readable[name].dtype != pl.Null
    }
    null |= {name: 1.0 for name in own if readable[name].dtype == pl.Null and readable.height}
    sides = [name for name in ("bid_iv", "ask_iv") if name in own and readable[name].dtype.is_numeric()]
    zero = {name: int((readable[name] == 0).sum()) / rows for name in sides}
    absent = [name for name in _WANTED if name not in found.numbers]
    absent += [name for name in _BESIDE if not any(one.endswith(name) for one in own)]
    there = [name for name in _PARSED if name in own]
    empty = readable.filter(pl.any_horizontal(pl.col(name).is_null() for name in there)) if there else None
    wrong = readable.filter(_contradicts(readable)) if readable.height else readable
    lost = frame.height - readable.height
    strange = frame.filter(pl.col("_expiry_ms").is_null() | pl.col("_asset").is_null()) if lost else frame
    return Told(
        null=null,
        zero={name: share for name, share in zero.items() if share > 0},
        absent=tuple(absent),
        parsed_null=0 if empty is None else empty.height,
        parsed_wrong=wrong.height,
        wrong_example=f"{wrong[found.name][0]} has other fields beside it" if wrong.height else "",
        unreadable=strange.height if lost else 0,
        unreadable_example=f"{strange[found.name][0]!r} is no option's name"
        if lost and strange.height
        else "",
        has_zone=has_zone,
    )


def _contradicts(frame: pl.DataFrame) -> pl.Expr:
    """Rows whose strike, type or expiry says something else than the name."""
    wrong = pl.lit(value=False)
    if "strike" in frame.columns and frame["strike"].dtype.is_numeric():
        wrong = wrong | ((pl.col("strike") - pl.col("_strike")).abs() > 1e-9 * pl.col("_strike")).fill_null(
            value=False
        )
    if "option_type" in frame.columns and frame["option_type"].dtype == pl.String:
        call = pl.col("option_type").str.to_lowercase().str.starts_with("c")
        wrong = wrong | (call != pl.col("_is_call")).fill_null(value=False)
    if "expiry_timestamp" in frame.columns and frame["expiry_timestamp"].dtype.is_numeric():
        wrong = wrong | (pl.col("expiry_timestamp") * 1000 != pl.col("_expiry_ms")).fill_null(value=False)
    return wrong  # fmt: skip


def _ceiled(column: pl.Series) -> pl.Series:
    """Milliseconds, upwards, as every reader of recorded chains."""
    return ((column.dt.epoch("us") + 999) // 1000).cast(pl.Int64)
