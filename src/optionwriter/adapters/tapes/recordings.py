"""Recordings: the three layouts of recorded chains on disk, read into the same snapshots.

- six_hourly: a file a coin and month, as the recordings of January to May 2026 come
- harvested: the harvester's files, a snapshot each or a compacted day, in any of the versions that it wrote
- imported: the canonical schema that importers write, a file a day

Columns, units and paths are those of layouts and of docs/data-layouts.md. What a file does not have is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from optionwriter.adapters.tapes.layouts import (
    HARVEST_FOLDER,
    HARVEST_REQUIRED,
    IMPORT_REQUIRED,
    day_files,
    import_path,
)
from optionwriter.adapters.tapes.snapshots import COLUMNS, CaptureError, Part, RecordedChains
from optionwriter.core.market.instruments import product, recorded_product, utc_day

SIX_HOURLY = "chains_deribit_6h_btc_eth"
_NULL = pl.lit(None, dtype=pl.Float64)
_Reader = Callable[[Path], pl.DataFrame]

_FROM_SIX_HOURLY = {
    "name": "instrument_name", "forward": "underlying_price", "mark": "mark_price", "iv": "mark_iv_decimal",
    "bid": "bid_price", "ask": "ask_price", "open_interest": "open_interest", "volume": "volume",
    "index_price": "index_price",
}  # fmt: skip
_FROM_HARVESTED = {
    "name": "instrument_name", "forward": "underlying_price", "mark": "mark_price", "iv": "mark_iv",
    "bid": "best_bid_price", "ask": "best_ask_price", "bid_size": "best_bid_amount", "ask_size": "best_ask_amount",
    "open_interest": "open_interest", "volume": "volume", "index_price": "index_price",
}  # fmt: skip
_FROM_IMPORTED = {
    "name": "instrument_name", "forward": "forward", "mark": "mark_price", "iv": "mark_iv", "bid": "bid_price",
    "ask": "ask_price", "bid_size": "bid_size", "ask_size": "ask_size", "open_interest": "open_interest",
    "volume": "volume", "index_price": "index_price",
}  # fmt: skip


def six_hourly(folder: Path, coin: str) -> RecordedChains:
    """Every month of one coin. Errors: CaptureError."""
    where = folder / SIX_HOURLY / coin
    months = sorted(where.glob(f"{coin}_*.parquet"))
    if not months:
        raise CaptureError(f"{where} holds no {coin}_*.parquet: name the recorded data's folder")
    parts = [_part((path,), _six_hourly_file, "timestamp") for path in months]
    return RecordedChains(product(coin), parts, str(where))


def harvested(
    folder: Path, asset: str, start_ms: int, end_ms: int, without: Collection[date] = ()
) -> RecordedChains:
    """What was harvested of one asset (BTC, BTC_USDC) on the days of [start, end); those of `without` are not read.

    Errors: CaptureError.
    """
    days = [day_files(folder, asset, day) for day in days_of(start_ms, end_ms) if day not in without]
    parts = [_part(paths, _harvested_file, "harvest_time") for paths in days if paths]
    return RecordedChains(
        recorded_product(asset),
        _required(parts, folder, asset, HARVEST_FOLDER, (start_ms, end_ms)),
        str(folder / asset),
    )


def imported(
    folder: Path, underlying: str, start_ms: int, end_ms: int, without: Collection[date] = ()
) -> RecordedChains:
    """What was imported of one product on the days of [start, end); those of `without` are not read.

    Errors: CaptureError.
    """
    days = [folder / import_path(underlying, day) for day in days_of(start_ms, end_ms) if day not in without]
    parts = [_part((path,), _imported_file, "timestamp") for path in days if path.is_file()]
    where = str(folder / underlying)
    whole = _required(parts, folder, underlying, "import", (start_ms, end_ms))
    return RecordedChains(recorded_product(underlying), whole, where)


def harvested_days(folder: Path, asset: str, start_ms: int, end_ms: int) -> frozenset[date]:
    """Of the days of [start, end), those with a file."""
    return frozenset(day for day in days_of(start_ms, end_ms) if day_files(folder, asset, day))


def imported_days(folder: Path, underlying: str, start_ms: int, end_ms: int) -> frozenset[date]:
    """Of the days of [start, end), those with a file."""
    return frozenset(
        day for day in days_of(start_ms, end_ms) if (folder / import_path(underlying, day)).is_file()
    )


def days_of(start_ms: int, end_ms: int) -> list[date]:
    """The days that [start, end) touches."""
    first, last = utc_day(start_ms), utc_day(max(end_ms - 1, start_ms))
    return [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]


def _required(parts: list[Part], folder: Path, code: str, what: str, period: tuple[int, int]) -> list[Part]:
    if not parts:
        days = days_of(*period)
        raise CaptureError(
            f"{folder} holds no {what} files of {code} from {days[0]} to {days[-1]}: name another folder or period "
            "(optionwriter data list tells what there is)"
        )
    return parts


def _part(paths: tuple[Path, ...], read: _Reader, time: str) -> Part:
    """Files that belong together; only their times are read now."""
    at_ms = np.concatenate([_times(path, time) for path in paths])
    instants, counts = np.unique(at_ms, return_counts=True)
    return Part(instants, counts, lambda: _together(paths, read))


def _together(paths: tuple[Path, ...], read: _Reader) -> pl.DataFrame:
    frames = [_read(path, read) for path in paths]
    return pl.concat(frames).unique(["at_ms", "name"], keep="last", maintain_order=True)


def _times(path: Path, name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The rows' instants. Errors: CaptureError."""
    frame = _read(path, lambda one: pl.read_parquet(one, columns=[name]).select(at_ms=_epoch_ms(name)))
    return frame["at_ms"].to_numpy()


def _read(path: Path, read: _Reader) -> pl.DataFrame:
    try:
        return read(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        told = str(error).partition("\n")[0]
        raise CaptureError(
            f"{path} is no recorded chain ({told}): fetch it again, or move it away"
        ) from error


def _epoch_ms(name: str) -> pl.Expr:
    """Milliseconds, upwards, so that nothing is shown before it was read."""
    return ((pl.col(name).dt.epoch("us") + 999) // 1000).cast(pl.Int64)


def _six_hourly_file(path: Path) -> pl.DataFrame:
    frame = pl.read_parquet(path, columns=["timestamp", "underlying_index", *_FROM_SIX_HOURLY.values()])
    return _normal(frame, "timestamp", _FROM_SIX_HOURLY, pl.col("mark_iv_decimal"))


def _harvested_file(path: Path) -> pl.DataFrame:
    frame = pl.read_parquet(path)
    _hold(path, frame, HARVEST_REQUIRED)
    return _normal(frame, "harvest_time", _FROM_HARVESTED, (pl.col("mark_iv") / 100).round(6))


def _imported_file(path: Path) -> pl.DataFrame:
    frame = pl.read_parquet(path)
    _hold(path, frame, IMPORT_REQUIRED)
    return _normal(frame, "timestamp", _FROM_IMPORTED, pl.col("mark_iv"))


def _hold(path: Path, frame: pl.DataFrame, required: tuple[str, ...]) -> None:
    lacks = [name for name in required if name not in frame.columns]
    if lacks:
        raise CaptureError(
            f"{path} lacks the columns {', '.join(lacks)}: docs/data-layouts.md has the layout"
        )


def _normal(frame: pl.DataFrame, time: str, names: Mapping[str, str], iv: pl.Expr) -> pl.DataFrame:
    """COLUMNS of a file's rows; without those that have no name, forward or mark."""
    own = pl.lit(value=False)
    if "underlying_index" in frame.columns:
        own = pl.col("underlying_index").cast(pl.String) == "index_price"

    def column(name: str) -> pl.Expr:
        there = name in names and names[name] in frame.columns
        return pl.col(names[name]) if there else _NULL

    values = {
        name: column(name).cast(pl.Float64) for name in COLUMNS if name not in ("at_ms", "name", "own_index")
    }
    return frame.select(
        at_ms=_epoch_ms(time),
        name=pl.col(names["name"]).cast(pl.String),
        **{**values, "iv": iv.cast(pl.Float64)},
        own_index=own,
    ).drop_nulls(["name", "forward", "mark"]).select(COLUMNS)  # fmt: skip
