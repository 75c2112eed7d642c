"""Snapshots from rows that were read one after the other: rows of one reading get one instant, that of the last.

So nothing is shown before it was read. A reading ends where an option would come twice, where nothing was read for a
minute, or after a quarter of an hour.
"""

from __future__ import annotations

import numpy as np
import polars as pl

GAP_US = 60_000_000
LONGEST_US = 900_000_000


def gathered(raw: pl.DataFrame) -> pl.DataFrame:
    """The table with one `at_us` a reading; rows without a time keep none."""
    return with_shown(raw).drop("at_us").rename({"shown_us": "at_us"})


def with_shown(raw: pl.DataFrame) -> pl.DataFrame:
    """The table with `shown_us`, the instant of each row's reading, beside its own."""
    if "snapshot" in raw.columns or not raw.height:
        key = ["snapshot", "underlying"] if "snapshot" in raw.columns else ["underlying"]
        return raw.with_columns(shown_us=pl.col("at_us").max().over(key))
    return pl.concat([_shown(part) for part in raw.partition_by("underlying", maintain_order=True)])


def _shown(raw: pl.DataFrame) -> pl.DataFrame:
    """One product's readings, told apart by walking over the distinct times."""
    seen = (
        raw.select("at_us", "instrument_name")
        .drop_nulls()
        .unique()
        .sort("at_us")
        .with_columns(before=pl.col("at_us").shift(1).over("instrument_name"))
    )
    times = seen.group_by("at_us", maintain_order=True).agg(pl.col("before").max())
    at, before = times["at_us"].to_numpy(), times["before"].fill_null(-(2**62)).to_numpy()
    last = np.empty(len(at), dtype=np.int64)
    start = 0
    for row in range(1, len(at) + 1):
        if (
            row == len(at)
            or at[row] - at[row - 1] > GAP_US
            or at[row] - at[start] > LONGEST_US
            or before[row] >= at[start]
        ):
            last[start:row] = at[row - 1]
            start = row
    table = pl.DataFrame({"at_us": at, "shown_us": last})
    return raw.join(table, on="at_us", how="left", maintain_order="left")


def on_grid(raw: pl.DataFrame, every_minutes: int) -> pl.DataFrame:
    """Changes thinned to snapshots: at each instant of the grid the last row of every option since the one before."""
    step = every_minutes * 60_000_000
    shown = (pl.col("at_us") + step - 1) // step * step
    ordered = raw.with_columns(shown_us=shown).sort("at_us", maintain_order=True)
    last = ordered.unique(["shown_us", "instrument_name"], keep="last", maintain_order=True)
    return last.with_columns(at_us=pl.col("shown_us")).drop("shown_us")
