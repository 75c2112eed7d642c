"""Completeness: what of a day is not there, or there twice: snapshots, rows, expiries, fields, quotes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from optionwriter.core.market.chain import Bools
from optionwriter.core.market.instruments import (
    EXPIRY_HOUR_UTC,
    MS_PER_DAY,
    MS_PER_HOUR,
    PRODUCTS,
    expiry_code,
)
from optionwriter.core.market.listing import LISTING_DELAY_MS, listed_expiries
from optionwriter.core.market.quality.chain_day import Around, ChainDay, clock, first
from optionwriter.core.market.quality.finding import Finding, finding

Found = list[Finding | None]
_GAP = 1.6  # of the cadence; a step more is a snapshot that is not there
_TORN = 0.5  # of the day's median rows
_GRACE_MS = MS_PER_HOUR  # after 08:00, until which a new expiry may still be missing
_ALL = 0.999999


def completeness(day: ChainDay, around: Around) -> Found:
    """Every finding of this file."""
    return [
        gaps(day, around),
        torn(day),
        duplicates(day),
        missing_expiries(day),
        rows_over_seconds(day),
        *_files(day),
        *_columns(day),
        *_quotes(day),
    ]


def gaps(day: ChainDay, around: Around) -> Finding | None:
    """Snapshots that the recording's cadence foretells within the day."""
    step = around.cadence_ms
    if step is None or not len(day):
        return None
    seen = day.snapshot_ms.tolist()
    ends = [around.previous_ms] if around.previous_ms is not None else []
    beyond = [around.next_ms] if around.next_ms is not None else []
    instants = np.array([*ends, *seen, *beyond], dtype=np.int64)
    lost, longest, told = 0, 0, ""
    for begin, end in zip(instants[:-1].tolist(), instants[1:].tolist(), strict=True):
        length = end - begin
        if length < _GAP * step:
            continue
        steps = max(2, round(length / step))
        within = sum(
            day.day_ms <= begin + length * one // steps < day.day_ms + MS_PER_DAY for one in range(1, steps)
        )
        lost += within
        if within and length > longest:
            longest = length
            told = (
                f"no snapshot from {clock(begin)} to {clock(end)}: {length / MS_PER_HOUR:.1f} h, "
                f"usual are {step / MS_PER_HOUR:.2g} h"
            )
    return finding("gaps", lost, lost + len(seen), told)


def torn(day: ChainDay) -> Finding | None:
    """Snapshots with less than half of the day's median rows."""
    if not len(day):
        return None
    counts = np.bincount(day.snapshot)
    usual = float(np.median(counts))
    short = counts < _TORN * usual
    if not short.any():
        return None
    one = first(short)
    told = f"{counts[one]} rows at {clock(int(day.snapshot_ms[one]))}, usual are {usual:.0f}"
    return finding("torn snapshots", int(short.sum()), len(counts), told)


def duplicates(day: ChainDay) -> Finding | None:
    """Rows of an option that its snapshot has already."""
    if not len(day):
        return None
    key = day.snapshot * len(day.names) + day.option
    _, begin, counts = np.unique(key, return_index=True, return_counts=True)
    extra = int((counts - 1).sum())
    if not extra:
        return None
    one = int(begin[first(counts > 1)])
    return finding("duplicates", extra, len(day), f"{day.named(one)} is there {counts.max()} times")


def missing_expiries(day: ChainDay) -> Finding | None:
    """Expiries that the exchange's policy lists at a snapshot's instant, and that it lacks."""
    if day.asset not in PRODUCTS or not len(day):
        return None
    starts = day.snapshot_ms
    pairs = np.unique(np.stack([day.snapshot, day.expiry_ms]), axis=1)
    there = set(zip(pairs[0].tolist(), pairs[1].tolist(), strict=True))
    listed, lost, told = 0, 0, ""
    for number, at_ms in enumerate(starts.tolist()):
        offset = EXPIRY_HOUR_UTC * MS_PER_HOUR + LISTING_DELAY_MS + _GRACE_MS
        since = (at_ms - offset) // MS_PER_DAY * MS_PER_DAY + offset - _GRACE_MS
        for expiry in _listed(day.asset, since):
            if expiry <= at_ms:
                continue
            listed += 1
            if (number, expiry) not in there:
                lost += 1
                told = told or f"{expiry_code(expiry)} is not in the snapshot of {clock(at_ms)}"
    return finding("missing expiries", lost, listed, told)


def rows_over_seconds(day: ChainDay) -> Finding | None:
    """Snapshots whose rows carry more than one instant: they were not true at one time."""
    if not len(day):
        return None
    starts = np.unique(day.snapshot, return_index=True)[1]
    begin, end = day.at_ms[starts], np.maximum.reduceat(day.at_ms, starts)
    spread = end - begin
    if not spread.any():
        return None
    worst = int(np.argmax(spread))
    told = f"the snapshot of {clock(int(begin[worst]))} was read over {spread[worst] / 1000:.1f} s"
    return finding("rows over seconds", int((spread > 0).sum()), len(spread), told)


def _files(day: ChainDay) -> Found:
    """Files that gave nothing, each by its own fault."""
    told = day.told
    empty = not len(day) and not told.unread and not told.unreadable
    return [
        finding("unreadable files", len(told.unread), told.files, next(iter(told.unread), "")),
        finding("no rows", int(empty), 1, f"{told.files} file(s) hold no row of it"),
    ]


def _columns(day: ChainDay) -> Found:
    """What the files say of their columns."""
    told, rows = day.told, len(day)
    empty = sorted(name for name, share in told.null.items() if share > _ALL)
    zero = max(told.zero.values(), default=0.0)
    lacking = ~(np.isfinite(day.forward) & np.isfinite(day.mark) & np.isfinite(day.iv))
    gone = [
        name
        for name, column in (("forward", day.forward), ("mark price", day.mark), ("mark volatility", day.iv))
        if rows and np.isnan(column).all()
    ]
    return [
        finding("null columns", len(empty), len(told.null), ", ".join(empty)),
        finding("zero volatilities", round(zero * rows), rows, ", ".join(told.zero)),
        finding("absent columns", len(told.absent), len(told.absent) + len(told.null), ", ".join(told.absent)),
        finding("null parsed fields", told.parsed_null, rows, "strike, expiry or type is empty beside the name"),
        finding("wrong parsed fields", told.parsed_wrong, rows, told.wrong_example),
        finding("unreadable names", told.unreadable, rows + told.unreadable, told.unreadable_example),
        finding("time without zone", rows * (not told.has_zone), rows, "read as UTC"),
        finding("no price columns", len(gone), len(gone), f"no {', no '.join(gone)}: prices can't be judged")
        if gone
        else finding("rows without price", int(lacking.sum()), rows, _named(day, lacking)),
    ]  # fmt: skip


def _quotes(day: ChainDay) -> Found:
    """Which rows are quoted."""
    rows = len(day)
    with np.errstate(invalid="ignore"):
        bid, ask = day.bid > 0, day.ask > 0
        zero = (day.bid == 0) | (day.ask == 0)
    none, one = ~bid & ~ask, bid ^ ask
    return [
        finding("zero for no quote", int(zero.sum()), rows, _named(day, zero)),
        finding("no quotes", int(none.sum()), rows, _named(day, none)),
        finding("one-sided quotes", int(one.sum()), rows, _named(day, one)),
    ]


def _named(day: ChainDay, rows: Bools) -> str:
    return day.named(first(rows)) if rows.any() else ""


@lru_cache(maxsize=256)
def _listed(asset: str, at_ms: int) -> tuple[int, ...]:
    return listed_expiries(PRODUCTS[asset], at_ms)
