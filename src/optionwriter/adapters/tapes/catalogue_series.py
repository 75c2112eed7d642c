"""Catalogue series: files of prices, of a volatility index or of settlement prices, one period a row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from optionwriter.adapters.tapes.catalogue_columns import column_map, instants
from optionwriter.adapters.tapes.layouts import HISTORY_FOLDER
from optionwriter.adapters.tapes.snapshots import CaptureError, floats
from optionwriter.core.market.quality import Series

_TIMES = ("open_time", "close_time", "delivery_time", "timestamp", "date")
_VALUES = ("close", "dvol_pct", "delivery_price", "price", "value")
_READ = (".parquet", ".csv")


def series_in(where: Path) -> Iterator[Series]:
    """Every such file in a folder, in the folders just below it, and in its history; or the file itself."""
    if where.is_file():
        paths = [where]
    else:
        patterns = ("*", "*/*", f"{HISTORY_FOLDER}/*/*")
        paths = sorted({one for pattern in patterns for one in where.glob(pattern) if one.suffix in _READ})
    for path in paths:
        found = series_of(path)
        if found is not None:
            yield found


def series_of(path: Path) -> Series | None:
    """The file's series; None when it is none, or can't be read as one."""
    try:
        frame = (
            pl.read_csv(path, infer_schema_length=None) if path.suffix == ".csv" else pl.read_parquet(path)
        )
    except (OSError, pl.exceptions.PolarsError):
        return None
    time = next((one for one in _TIMES if one in frame.columns), None)
    value = next((one for one in _VALUES if one in frame.columns), None)
    if time is None or value is None or column_map(frame.columns) is not None:
        return None
    try:
        at, _ = instants(frame, time)
    except CaptureError:
        return None
    frame = frame.with_columns(at.alias("_at_ms")).drop_nulls("_at_ms").sort("_at_ms", maintain_order=True)
    columns = [
        _column(frame, value if name == "close" else name)
        for name in ("open", "high", "low", "close", "volume")
    ]
    return Series(f"{path.parent.name}/{path.name}", frame["_at_ms"].to_numpy(), *columns)


def _column(frame: pl.DataFrame, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if name not in frame.columns:
        return np.full(frame.height, np.nan)
    return floats(frame.select(pl.col(name).cast(pl.Float64, strict=False)), name)
