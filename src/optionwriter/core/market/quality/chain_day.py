"""ChainDay: one asset's recorded options of one UTC day, as columns as raw as they were written.

Owns the order of rows (ascending by instant), how rows make snapshots, and how a row is named in words. A missing
number is NaN; a zero stays a zero, for whether it stands for "none" is a check's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.market.chain import F64, I64, Bools
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_YEAR

SNAPSHOT_PAUSE_MS = 10_000  # rows farther apart belong to two snapshots
_MOST_DECIMALS = 10


@dataclass(frozen=True, slots=True)
class Told:
    """What the files say of their columns, in rows.

    `null`: share of rows without a value, by column of the layout that is there. `zero`: share of rows with 0, by
    column of the volatilities of bid and ask. `absent`: columns of the layout that are not there. `parsed_null`,
    `parsed_wrong`: rows whose fields beside the name are empty or contradict it. `unreadable`: rows whose name is no
    option of this asset (not among the columns), with the first of them. `files`: of the day;
    `unread`: why any of them could not be read.
    """

    null: Mapping[str, float] = field(default_factory=dict)
    zero: Mapping[str, float] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    parsed_null: int = 0
    parsed_wrong: int = 0
    wrong_example: str = ""
    unreadable: int = 0
    unreadable_example: str = ""
    has_zone: bool = True
    files: int = 1
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of the recording beside the day: its cadence, and the nearest snapshots before and after."""

    cadence_ms: int | None = None
    previous_ms: int | None = None
    next_ms: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ChainDay:
    """Columns (n,), ascending by instant. Prices in the settlement currency, `iv` a fraction, the rest USD.

    `option` is the row of `names`; `snapshot` counts from 0.
    """

    asset: str
    day_ms: int
    names: tuple[str, ...]
    at_ms: I64
    snapshot: I64
    option: I64
    expiry_ms: I64
    strike: F64
    is_call: Bools
    forward: F64
    mark: F64
    iv: F64
    bid: F64
    ask: F64
    told: Told = field(default_factory=Told)

    @property
    def linear(self) -> bool:
        """Whether prices are in USDC; else in coin."""
        return "_" in self.asset

    @property
    def years(self) -> F64:
        """To expiry, ACT/365; negative after it."""
        return (self.expiry_ms - self.at_ms) / MS_PER_YEAR

    @property
    def scale(self) -> F64:
        """USD of one unit of price."""
        return np.ones(len(self.forward)) if self.linear else self.forward

    @property
    def priced(self) -> Bools:
        """Rows that have forward, mark and volatility above 0 and life left."""
        with np.errstate(invalid="ignore"):
            return (self.forward > 0) & (self.mark > 0) & (self.iv > 0) & (self.expiry_ms > self.at_ms)

    @property
    def snapshot_ms(self) -> I64:
        """The first instant of each snapshot."""
        return self.at_ms[np.unique(self.snapshot, return_index=True)[1]]

    def __len__(self) -> int:
        return len(self.at_ms)

    def named(self, row: int) -> str:
        """The option and the instant of a row."""
        return f"{self.names[self.option[row]]} at {clock(int(self.at_ms[row]))}"


def snapshots_of(at_ms: I64) -> I64:
    """The snapshot of each row of ascending instants: a pause begins another."""
    if not len(at_ms):
        return np.zeros(0, dtype=np.int64)
    return np.concatenate([[0], np.cumsum(np.diff(at_ms) > SNAPSHOT_PAUSE_MS)]).astype(np.int64)


def unit_of(values: F64) -> float:
    """The coarsest power of ten, from 1 to 1e-10, that every value is a multiple of: how prices were rounded."""
    known = np.abs(values[~np.isnan(values)])
    for decimals in range(_MOST_DECIMALS + 1):
        units = known * 10.0**decimals
        if np.all(np.abs(units - np.rint(units)) <= 1e-6 + 4e-16 * units):
            return float(10.0**-decimals)
    return float(10.0**-_MOST_DECIMALS)


def clock(at_ms: int) -> str:
    """An instant in words: 2026-02-03 04:54:02."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def day_text(at_ms: int) -> str:
    """Its day: 2026-02-03."""
    return clock(at_ms // MS_PER_DAY * MS_PER_DAY)[:10]


def first(rows: Bools | NDArray[np.intp]) -> int:
    """The first row of a mask."""
    return int(np.argmax(rows))
