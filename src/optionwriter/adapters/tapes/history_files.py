"""History files: hourly prices, volatility index and delivery prices, one file a coin (or index), merged by instant.

Fetcher and importers write here and backtests read, through these two functions only. Keeps: a file is whole or not
there; writing the same rows again changes nothing; of two rows for one instant the finer one stays, and of equally
fine ones the newer.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from optionwriter.adapters.tapes.layouts import HISTORY_COLUMNS, HISTORY_INSTANT, history_path
from optionwriter.adapters.tapes.whole_file import write_whole
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.ports import HarvestStoreError

PRICES, VOLATILITY_INDEX, DELIVERY_PRICES = "prices", "volatility_index", "delivery_prices"


class HistoryError(Exception):
    """Rows or a file that are no history; the message names what is wrong and the cure."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a write did to a file."""

    path: Path
    rows: int  # in the file now
    added: int
    changed: int  # instants that were there with other numbers


def write_history(folder: Path, kind: str, name: str, frame: pl.DataFrame) -> Merged:
    """Merges rows (HISTORY_COLUMNS[kind]; optional ones may lack) into the file of `name`; it is sorted by instant.

    `folder` is data/history; `name` a coin (BTC), for delivery prices an index (btc_usd). Errors: HistoryError for rows
    without instant or with a value not above 0; OSError.
    """
    new = _checked(kind, name, frame)
    with _alone(folder):
        return _merge(folder, kind, name, new)


class HistoryFolder:
    """data/history as the fetcher sees it. Implements ports.HistoryStore."""

    def __init__(self, folder: Path, source: str) -> None:
        """`source` is written beside every row."""
        self._folder, self._source = folder, source

    def span(self, kind: str, name: str) -> tuple[int, int] | None:
        """The first and the last instant that is there. Raises HarvestStoreError."""
        try:
            times = read_history(self._folder, kind, name)[HISTORY_INSTANT[kind]].dt.epoch("ms")
        except HistoryError as error:
            raise HarvestStoreError(str(error)) from error
        return (int(times[0]), int(times[-1])) if len(times) else None

    def holes(self, kind: str, name: str) -> tuple[tuple[int, int], ...]:
        """(start, end) of what is missing between the first and the last row. Raises HarvestStoreError."""
        try:
            rows = read_history(self._folder, kind, name)
        except HistoryError as error:
            raise HarvestStoreError(str(error)) from error
        known = rows[HISTORY_INSTANT[kind]].dt.epoch("ms")
        begins = known - MS_PER_DAY if kind == DELIVERY_PRICES else rows["open_time"].dt.epoch("ms")
        ends = known.cum_max().shift(1)
        wide = (begins > ends).fill_null(value=False)
        return tuple(zip(ends.filter(wide).to_list(), begins.filter(wide).to_list(), strict=True))

    def merge(self, kind: str, name: str, columns: Mapping[str, Sequence[object]]) -> int:
        """Adds rows, instants in epoch ms; how many were not there. Raises HarvestStoreError."""
        frame = pl.DataFrame(dict(columns)).with_columns(
            pl.from_epoch(one, time_unit="ms").dt.replace_time_zone("UTC")
            for one in columns
            if one.endswith("_time")
        )
        try:
            rows = frame.with_columns(source=pl.lit(self._source))
            return write_history(self._folder, kind, name, rows).added
        except (HistoryError, OSError) as error:
            raise HarvestStoreError(str(error)) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One writer at a time: two that merge at once would lose the rows of one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _merge(folder: Path, kind: str, name: str, new: pl.DataFrame) -> Merged:
    old = read_history(folder, kind, name)
    instant = HISTORY_INSTANT[kind]
    both = pl.concat([old, new]).with_row_index("order")
    if kind != DELIVERY_PRICES:
        width = pl.col("close_time") - pl.col("open_time")
        both = both.sort([instant, width.neg(), "order"])
    else:
        both = both.sort([instant, "order"])
    merged = both.unique(instant, keep="last", maintain_order=True).drop("order")
    numbers = [one for one in merged.columns if one not in ("source", "volume")]
    unchanged = merged.join(old.select(numbers), on=numbers, how="semi", nulls_equal=True).height
    added = merged.height - old.height
    path = folder / history_path(kind, name)
    if not merged.equals(old):
        write_whole(merged, path)
    return Merged(path, merged.height, added, merged.height - unchanged - added)


def read_history(folder: Path, kind: str, name: str) -> pl.DataFrame:
    """The file's rows by instant; none where there is no file. Errors: HistoryError for one that can't be read."""
    schema = _schema(kind)
    path = folder / history_path(kind, name)
    if not path.is_file():
        return pl.DataFrame(schema=schema)
    try:
        return _normal(pl.read_parquet(path), kind)
    except (OSError, pl.exceptions.PolarsError) as error:
        told = str(error).partition("\n")[0]
        raise HistoryError(
            f"{path} can't be read as {kind} ({told}): move it away and fetch it again"
        ) from error


def _schema(kind: str) -> dict[str, pl.DataType]:
    if kind not in HISTORY_COLUMNS:
        raise HistoryError(f"{kind!r} is no kind of history: choose from {', '.join(HISTORY_COLUMNS)}")
    return HISTORY_COLUMNS[kind]


def _normal(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The kind's columns; PolarsError when one that is needed is missing or of a wrong type."""
    optional = ("volume", "source")
    return frame.select(
        (pl.lit(None) if name in optional and name not in frame.columns else pl.col(name))
        .cast(wanted)
        .alias(name)
        for name, wanted in _schema(kind).items()
    )


def _checked(kind: str, name: str, frame: pl.DataFrame) -> pl.DataFrame:
    if not name or not name.replace("_", "").isalnum():
        raise HistoryError(f"{name!r} names no coin or index: BTC, btc_usd")
    try:
        rows = _normal(frame, kind)
    except pl.exceptions.PolarsError as error:
        told = str(error).partition("\n")[0]
        raise HistoryError(
            f"{kind} of {name}: {told}: docs/data-layouts.md has the columns and their types"
        ) from error
    times = [one for one, wanted in rows.schema.items() if wanted == rows.schema[HISTORY_INSTANT[kind]]]
    wrong = pl.any_horizontal(pl.col(times).is_null())
    numbers = ("open", "high", "low", "close") if kind != DELIVERY_PRICES else ("delivery_price",)
    for one in numbers:
        value = pl.col(one)
        wrong = wrong | value.is_null() | value.is_nan() | value.is_infinite() | (value <= 0)
    if kind != DELIVERY_PRICES:
        wrong = wrong | (pl.col("close_time") <= pl.col("open_time"))
    count = rows.filter(wrong).height
    if count:
        raise HistoryError(
            f"{kind} of {name}: {count} of {rows.height} rows lack an instant or hold a value that is not above 0"
        )
    return rows
