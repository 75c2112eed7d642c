"""Listing over time: what a policy lists at many instants, as columns, without spelling a name.

The same options as core/market/listing's `Listing` gives at each instant, in the same order. Instants in between which
nothing changes are one block; its series, in order of their expiry, hold the strikes listed by then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.compiled import compiled_exact
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.instruments import (
    EXPIRY_HOUR_UTC,
    MS_PER_DAY,
    MS_PER_HOUR,
    Product,
    expiry_at,
    utc_day,
)
from optionwriter.core.market.listing import LISTING_DELAY_MS, Policy

_NEVER = 2**31 - 1
_OFFSET_MS = EXPIRY_HOUR_UTC * MS_PER_HOUR
I32 = NDArray[np.int32]


class ListedOver(NamedTuple):
    """Blocks of instants, series of blocks, rows (one a strike) of series; each column `first_*` has an end too.

    `option` numbers the options by their first appearance, one a strike and expiry; by that number `option_strike`
    (exact) and `option_expiry_ms`. No series is empty.
    """

    first_instant: I64
    first_series: I64
    expiry_ms: I64
    first_row: I64
    strike: F64
    option: I32
    option_strike: tuple[Decimal, ...]
    option_expiry_ms: I64


class _Sets(NamedTuple):
    """Which sets of strikes are added to which expiry on which day, (k,) each; the sets' strikes, ascending."""

    expiry: I64
    day: I64
    number: I64
    strikes: list[F64]
    exact: dict[float, Decimal]


def listed_over(
    product: Product, spot_at: Callable[[int], float], policy: Policy, instants: I64
) -> ListedOver:
    """What is listed at ascending instants; `spot_at` as for Listing."""
    days = (instants - LISTING_DELAY_MS - _OFFSET_MS) // MS_PER_DAY * MS_PER_DAY + _OFFSET_MS
    by_day = {day: policy.expiries(product, day + LISTING_DELAY_MS) for day in np.unique(days).tolist()}
    expiries = np.array(sorted({one for found in by_day.values() for one in found}), dtype=np.int64)
    place = {one: number for number, one in enumerate(expiries.tolist())}
    sets = _sets(product, spot_at, policy, by_day, place)
    universe = np.unique(np.concatenate(sets.strikes)) if sets.strikes else np.zeros(0)
    since = np.full((len(expiries), len(universe)), _NEVER, dtype=np.int32)
    for expiry, day, number in zip(
        sets.expiry[::-1].tolist(), sets.day[::-1].tolist(), sets.number[::-1].tolist(), strict=True
    ):  # the latest first, so that the earliest stands
        since[expiry, np.searchsorted(universe, sets.strikes[number])] = day // MS_PER_DAY
    passed = np.searchsorted(expiries, instants, side="right")
    begins = np.flatnonzero(np.diff(days, prepend=-1) | np.diff(passed, prepend=-1))
    wanted = [
        [place[one] for one in by_day[day] if one > at]
        for day, at in zip(days[begins].tolist(), instants[begins].tolist(), strict=True)
    ]
    first = np.cumsum([0, *map(len, wanted)])
    flat = np.array([one for found in wanted for one in found], dtype=np.int64)
    rows = _rows(days[begins] // MS_PER_DAY, first, flat, since)
    strikes = [sets.exact[one] for one in universe.tolist()]
    return ListedOver(
        np.append(begins, len(instants)),
        rows.first_series,
        expiries[rows.expiry],
        rows.first_row,
        universe[rows.strike],
        rows.option,
        tuple(strikes[one] for one in rows.option_strike.tolist()),
        expiries[rows.option_expiry],
    )


def _sets(
    product: Product,
    spot_at: Callable[[int], float],
    policy: Policy,
    by_day: dict[int, tuple[int, ...]],
    place: dict[int, int],
) -> _Sets:
    last = {one: day for day, found in sorted(by_day.items()) for one in found}
    prices: dict[int, float] = {}
    numbers: dict[frozenset[Decimal], int] = {}
    strikes: list[F64] = []
    exact: dict[float, Decimal] = {}
    added: list[tuple[int, int, int]] = []
    for expiry, until in sorted(last.items()):
        created = expiry_at(utc_day(policy.created(expiry, product)))
        for day in range(created, until + 1, MS_PER_DAY):
            if day not in prices:
                prices[day] = spot_at(day)
            if math.isnan(prices[day]):
                continue
            found = policy.strikes(product, expiry, day, prices[day])
            number = numbers.get(found)
            if number is None:
                number = numbers[found] = len(strikes)
                known = {float(one): one for one in found}
                exact.update(known)
                strikes.append(np.array(sorted(known)))
            added.append((place[expiry], day, number))
    columns = np.array(added, dtype=np.int64).reshape(-1, 3)
    columns = columns[np.argsort(columns[:, 1], kind="stable")]
    return _Sets(columns[:, 0], columns[:, 1], columns[:, 2], strikes, exact)


class _Rows(NamedTuple):
    first_series: I64
    expiry: I64
    first_row: I64
    strike: I64
    option: I32
    option_expiry: I64
    option_strike: I64


def _rows(day: I64, first: I64, expiry: I64, since: I32) -> _Rows:
    """`day` of each block; `first` of its expiries; `since` which day a strike is listed."""
    number = np.full(since.shape, -1, dtype=np.int32)
    low, high = _bounds(since)
    most = int(np.sum((high - low)[expiry]))
    first_series, first_row = (
        np.zeros(len(day) + 1, dtype=np.int64),
        np.zeros(len(expiry) + 1, dtype=np.int64),
    )
    series = np.zeros(len(expiry), dtype=np.int64)
    strike, option = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int32)
    named = np.empty((2, since.size), dtype=np.int64)
    listed, rows, options = _fill_rows(
        day, first, expiry, since, low, high, number, first_series, series, first_row, strike, option, named
    )
    return _Rows(
        first_series, series[:listed], first_row[: listed + 1], strike[:rows], option[:rows],
        named[0, :options], named[1, :options],
    )  # fmt: skip


def _bounds(since: I32) -> tuple[I64, I64]:
    """The first strike that each expiry ever has, and the one after its last."""
    ever = since < _NEVER
    count = since.shape[1]
    some = ever.any(axis=1)
    low = np.where(some, np.argmax(ever, axis=1), 0) if count else np.zeros(len(since), dtype=np.int64)
    high = (
        np.where(some, count - np.argmax(ever[:, ::-1], axis=1), 0)
        if count
        else np.zeros(len(since), dtype=np.int64)
    )
    return low.astype(np.int64), high.astype(np.int64)


@compiled_exact
def _fill_rows(
    day: I64,
    first: I64,
    expiry: I64,
    since: I32,
    low: I64,
    high: I64,
    number: I32,
    first_series: I64,
    series: I64,
    first_row: I64,
    strike: I64,
    option: I32,
    named: I64,
) -> tuple[int, int, int]:
    """Fills the last six; says how many series, rows and options there are."""
    listed = rows = options = 0
    for block in range(len(day)):
        for one in range(first[block], first[block + 1]):
            which, begun = expiry[one], rows
            for place in range(low[which], high[which]):
                if since[which, place] <= day[block]:
                    if number[which, place] < 0:
                        number[which, place] = options
                        named[0, options], named[1, options] = which, place
                        options += 1
                    strike[rows], option[rows] = place, number[which, place]
                    rows += 1
            if rows > begun:
                series[listed] = which
                listed += 1
                first_row[listed] = rows
        first_series[block + 1] = listed
    return listed, rows, options
