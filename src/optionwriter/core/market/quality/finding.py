"""Finding: one thing that is wrong with a day of recorded data, and what a day is worth in all.

Owns every limit and every point in one place (LIMITS), the score and the verdict:

    score   = 100 - sum over findings of points * min(1, share / fault), rounded; 0 at least
    fault   a share at or above `fault`       warning   at or above `warning`       note   anything less
    fail    any fault, or a score under 50    warn      any warning, or a score under 80    pass   anything else

`share` is count / of: of the rows, pairs or snapshots that the check could judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

RULES_VERSION = 3  # of checks and limits: results of another version are not used again
FAIL_BELOW, WARN_BELOW = 50, 80
NEVER = math.inf
_ANY = 1e-9  # a share that one case reaches


class Severity(StrEnum):
    """How much a finding matters."""

    FAULT = "fault"
    WARNING = "warning"
    NOTE = "note"


class Verdict(StrEnum):
    """What a day is good for: pass, look at it (warn), or nothing (fail)."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


class Limit(NamedTuple):
    """From which share a finding is a warning and a fault, and how many points it costs at most."""

    warning: float
    fault: float
    points: int
    what: str


LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "crossed quotes": Limit(0.001, 0.02, 40, "the bid is above the ask"),
        "mark outside quotes": Limit(0.15, 0.50, 15, "the mark is below the bid or above the ask"),
        "stale quotes": Limit(0.10, 0.50, 40, "nothing moved though the forward did"),
        "repeated snapshots": Limit(0.01, 0.25, 40, "a snapshot is the one before it, row by row"),
        "strike arbitrage": Limit(0.02, 0.10, 30, "marks fall or bend the wrong way across strikes"),
        "quote arbitrage": Limit(0.001, 0.02, 30, "a butterfly or spread could be traded for less than nothing"),
        "calendar arbitrage": Limit(0.03, 0.25, 20, "total variance falls from one expiry to the next"),
        "parity breaks": Limit(0.15, 0.50, 30, "call less put is not forward less strike"),
        "discounted marks": Limit(NEVER, NEVER, 0, "linear marks are Black-76 times index / forward"),
        "iv does not price": Limit(0.05, 0.25, 40, "Black-76 on forward and volatility does not give the mark"),
        "wrong units": Limit(0.5, 0.5, 100, "prices or volatilities are in another unit than the layout says"),
        "not utc": Limit(0.5, 0.5, 100, "times are another zone's: options decay as if at another hour"),
        "time without zone": Limit(NEVER, NEVER, 0, "the time column names no zone and is read as UTC"),
        "expired options": Limit(0.001, 0.05, 20, "rows of options that had expired"),
        "extreme volatility": Limit(0.05, 0.50, 15, "mark volatility above 300 %, or none"),
        "mark of zero": Limit(0.25, NEVER, 0, "the mark rounds to 0"),
        "gaps": Limit(0.60, NEVER, 15, "snapshots that the recording's own cadence foretells are not there"),
        "torn snapshots": Limit(0.02, 0.50, 20, "snapshots with less than half of the usual rows"),
        "rows over seconds": Limit(NEVER, NEVER, 0, "rows of one snapshot carry different instants"),
        "duplicates": Limit(0.001, 0.10, 30, "the same option twice in a snapshot"),
        "missing expiries": Limit(0.10, 0.50, 25, "expiries that the exchange lists are not there"),
        "null parsed fields": Limit(NEVER, NEVER, 0, "fields parsed from the name are empty; the name has them"),
        "wrong parsed fields": Limit(0.001, 0.05, 30, "fields beside the name contradict it"),
        "unreadable names": Limit(0.001, 0.20, 30, "names that are no option of this asset"),
        "unreadable files": Limit(_ANY, _ANY, 60, "a file of the day can't be read, so its rows are not known"),
        "no rows": Limit(_ANY, _ANY, 100, "the files hold not one row of this asset and day"),
        "rows without price": Limit(0.02, 0.50, 40, "no forward, mark or mark volatility"),
        "no price columns": Limit(0.5, 0.5, 100, "the columns that a chain needs are not there"),
        "null columns": Limit(NEVER, NEVER, 0, "columns that are empty all day"),
        "absent columns": Limit(NEVER, NEVER, 0, "columns of the layout that the files do not have"),
        "zero for no quote": Limit(NEVER, NEVER, 0, "0 is written where there is no quote"),
        "zero volatilities": Limit(NEVER, NEVER, 0, "0 is written where bid or ask has no volatility"),
        "no quotes": Limit(0.40, NEVER, 10, "rows with neither bid nor ask"),
        "one-sided quotes": Limit(NEVER, NEVER, 0, "rows with a bid or an ask alone"),
        # of series of prices and of the volatility index
        "missing periods": Limit(0.01, 0.20, 30, "periods between first and last that are not there"),
        "duplicate periods": Limit(0.0001, 0.01, 30, "the same period twice"),
        "impossible candles": Limit(0.0001, 0.01, 40, "high or low within open and close, or a price not above 0"),
        "flat candles": Limit(0.05, 0.50, 10, "open, high, low and close are one price"),
        "no volume": Limit(0.05, NEVER, 5, "periods in which nothing was traded"),
        "price jumps": Limit(0.001, 0.05, 20, "closes more than half or double the one before"),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result; `example` tells the first case in words."""

    name: str
    severity: Severity
    count: int
    of: int
    example: str

    @property
    def share(self) -> float:
        """Of what the check could judge."""
        return self.count / self.of if self.of else 0.0

    @property
    def points(self) -> float:
        """What it costs."""
        limit = LIMITS[self.name]
        return 0.0 if limit.points == 0 else limit.points * min(1.0, self.share / _full(limit))


@dataclass(frozen=True, slots=True)
class DayQuality:
    """What a day's check found. `measures`: figures that are neither good nor bad by themselves."""

    asset: str
    day: str  # 2026-02-03
    snapshots: int
    rows: int
    score: int
    verdict: Verdict
    findings: tuple[Finding, ...]
    measures: Mapping[str, float]


def finding(name: str, count: int, of: int, example: str) -> Finding | None:
    """The finding with its severity; None when there is nothing."""
    if count <= 0:
        return None
    share, limit = count / max(of, 1), LIMITS[name]
    severity = (
        Severity.FAULT
        if share >= limit.fault
        else Severity.WARNING
        if share >= limit.warning
        else Severity.NOTE
    )
    return Finding(name, severity, count, max(of, 1), example)


def judged(
    asset: str,
    day: str,
    snapshots: int,
    rows: int,
    found: Iterable[Finding | None],
    measures: Mapping[str, float],
) -> DayQuality:
    """Score and verdict of a day's findings, the worst first."""
    order = list(Severity)
    findings = tuple(
        sorted(
            (one for one in found if one is not None),
            key=lambda one: (order.index(one.severity), -one.points, one.name),
        )
    )
    score = max(0, round(100.0 - sum(one.points for one in findings)))
    return DayQuality(asset, day, snapshots, rows, score, verdict_of(score, findings), findings, measures)


def verdict_of(score: int, findings: Iterable[Finding]) -> Verdict:
    """By the rule above."""
    seen = {one.severity for one in findings}
    if Severity.FAULT in seen or score < FAIL_BELOW:
        return Verdict.FAIL
    return Verdict.WARN if Severity.WARNING in seen or score < WARN_BELOW else Verdict.PASS


def _full(limit: Limit) -> float:
    """The share at which all points are lost: a fault's, or all of it where there is none."""
    return limit.fault if limit.fault < NEVER else 1.0
