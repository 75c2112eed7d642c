"""Recorded data: a question for one instant over a year of compacted days, and scans against plain polars.

The year is made in a temporary folder from the bundled month, six-hourly, a file a day, as the harvester's compaction
leaves it. All times are CPU time of this process, of the median of several goes, files in the system's cache.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from bench import Row
from optionwriter.adapters.tapes.catalogue import recordings
from optionwriter.adapters.tapes.catalogue_sql import CatalogueSql
from optionwriter.adapters.tapes.layouts import day_path
from optionwriter.adapters.tapes.recordings import harvested
from optionwriter.adapters.tapes.sample_files import FOLDER
from optionwriter.adapters.tapes.snapshots import row_at
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.market.quality import Around, check_day

FIRST = date(2026, 1, 1)
DAYS, SOURCE_DAYS = 365, 28
START_MS = 1_767_225_600_000
GOES = 5


def run() -> list[Row]:
    """The table's rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "live_deribit"
        rows = _year(folder)
        return [*_lookups(folder), *_scans(folder, rows), *_checks()]


def _year(folder: Path) -> int:
    """A year of BTC: the bundled month over and over, its instants moved; its rows."""
    rows = 0
    for ahead in range(DAYS):
        day, source = FIRST + timedelta(days=ahead), date(2026, 2, 1) + timedelta(days=ahead % SOURCE_DAYS)
        target = folder / day_path("BTC", day)
        target.parent.mkdir(parents=True)
        frame = pl.read_parquet(FOLDER / "live_deribit" / day_path("BTC", source))
        moved = pl.col("harvest_time") + timedelta(days=(day - source).days)
        frame.with_columns(moved).write_parquet(target, compression="zstd", compression_level=9)
        rows += frame.height
    return rows


def _lookups(folder: Path) -> list[Row]:
    """Opening a year, then one whole chain as of an instant: a day read anew, and one that is at hand."""
    opened = _cpu(lambda: harvested(folder, "BTC", START_MS, START_MS + DAYS * MS_PER_DAY))
    chains = harvested(folder, "BTC", START_MS, START_MS + DAYS * MS_PER_DAY)
    rng = np.random.default_rng(1)
    instants = START_MS + rng.integers(1, DAYS, 40) * MS_PER_DAY + rng.integers(0, MS_PER_DAY, 40)
    cold, warm = [], []
    for at in instants.tolist():
        for times in (cold, warm):
            began = time.process_time()
            chains.snapshot(row_at(chains, at))
            times.append(time.process_time() - began)
    return [
        Row("data: open a year of compacted days (BTC, 365 files)", opened * 1e3, "ms CPU"),
        Row("data: the chain as of one instant of the year, day unread", statistics.median(cold) * 1e3, "ms CPU"),
        Row("data: the same, its day at hand", statistics.median(warm) * 1e3, "ms CPU"),
    ]  # fmt: skip


def _scans(folder: Path, rows: int) -> list[Row]:
    """One aggregation over all rows, and one filter, by data sql and by polars; and our reader's columns."""
    files = sorted(folder.rglob("*.parquet"))
    link = CatalogueSql(folder.parent, recordings(folder.parent))
    whole = "SELECT option_type, count(*), avg(mark_iv), max(mark_price) FROM chains_live_deribit GROUP BY 1"
    some = (
        "SELECT count(*), avg(mark_price) FROM chains_live_deribit WHERE strike = 70000 AND option_type = 'C'"
    )
    sql, sql_some = _cpu(lambda: link.ask(whole, 10)), _cpu(lambda: link.ask(some, 10))
    link.close()
    scan = pl.scan_parquet(files, missing_columns="insert", extra_columns="ignore")
    plain = _cpu(
        lambda: (
            scan.group_by("option_type")
            .agg(pl.len(), pl.col("mark_iv").mean(), pl.col("mark_price").max())
            .collect()
        )
    )
    wanted = (pl.col("strike") == 70_000) & (pl.col("option_type") == "C")
    plain_some = _cpu(lambda: scan.filter(wanted).select(pl.len(), pl.col("mark_price").mean()).collect())
    chains = harvested(folder, "BTC", START_MS, START_MS + 30 * MS_PER_DAY)
    ours = _cpu(lambda: [chains.snapshot(row) for row in range(len(chains.instants))], 3)
    own_rows = sum(len(chains.snapshot(row).table) for row in range(len(chains.instants)))
    month = [one for one in files if "/2026/01/" in one.as_posix()][:30]
    read = _cpu(lambda: [pl.read_parquet(one) for one in month], 3)
    return [
        Row("data: scan of the year, data sql", rows / sql / 1e6, "M rows/s CPU"),
        Row("data: scan of the year, plain polars", rows / plain / 1e6, "M rows/s CPU"),
        Row("data: one option of the year, data sql", sql_some * 1e3, "ms CPU"),
        Row("data: one option of the year, plain polars", plain_some * 1e3, "ms CPU"),
        Row("data: a month's chains by our reader (parsed, ordered)", own_rows / ours / 1e6, "M rows/s CPU"),
        Row("data: the same files, plain polars, as they are", own_rows / read / 1e6, "M rows/s CPU"),
    ]


def _checks() -> list[Row]:
    """One day's check."""
    recording = next(one for one in recordings(FOLDER / "live_deribit") if one.asset == "BTC")
    day = date(2026, 2, 3)
    chain = recording.chain(day)
    around = Around(6 * 3_600_000, None, None)
    check_day(chain, around)
    checked, read = _cpu(lambda: check_day(chain, around)), _cpu(lambda: recording.chain(day))
    return [
        Row("data: check of a day of 4 snapshots, 3,004 rows", checked * 1e3, "ms CPU"),
        Row("data: reading it for the check", read * 1e3, "ms CPU"),
    ]


def _cpu(act: Callable[[], object], goes: int = GOES) -> float:
    """CPU seconds of the median go, after one that warms up."""
    act()
    times = []
    for _ in range(goes):
        began = time.process_time()
        act()
        times.append(time.process_time() - began)
    return statistics.median(times)
