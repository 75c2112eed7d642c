"""Which options are listed at an instant: the exchange's introduction policy for expiries and strikes.

Owns the calendar of new series and the strike grid. Rules:

- a new series, and new strikes of an old one, appear at 08:00:15 UTC; an expired series is gone at 08:00:00
- an expiry is listed once: a Friday is a weekly, the month's last Friday a monthly, in March, June, September and
  December a quarterly; every other day is a daily
- a strike, once listed, stays until its expiry; on each listing day the grid around that day's 08:00 price is added
- nothing depends on a later price, or on the order of questions

Sources: FACTS §3; the expiries and how far ahead they appear are those recorded for BTC and ETH (creation times of
January 2026, chains of December 2025 to May 2026, 2026-09-20). Assumed: the lead of linear weeklies (15 days),
monthlies and quarterlies (2 and 6 months), of which only bounds were recorded; and the grid, which is fitted to the
chains recorded from 2026-02-20 on: of their strikes it has 92 to 94 %, and 87 to 92 % of its own are theirs from March
on (about 60 % before, when the exchange listed fewer). Strikes that the exchange adds within a day appear
here on the next listing day.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np

from optionwriter.core.market.chain import F64, InstrumentTable
from optionwriter.core.market.instruments import (
    EXPIRY_HOUR_UTC,
    MS_PER_DAY,
    MS_PER_HOUR,
    Family,
    OptionType,
    Product,
    expiry_at,
    option_name,
    utc_day,
)

LISTING_DELAY_MS = 15_000
_FRIDAY = 4
_THURSDAY_BEFORE = timedelta(days=1)


class Series(StrEnum):
    """What an expiry is; it decides how far ahead it is listed and how its strikes lie."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"


class _Lead(NamedTuple):
    """How far ahead series appear: days for dailies and weeklies, months for the others."""

    daily_days: int
    weekly_days: int
    monthly_months: int
    quarterly_months: int


_LEADS = {Family.INVERSE: _Lead(4, 22, 3, 12), Family.LINEAR: _Lead(4, 15, 2, 6)}


class _Band(NamedTuple):
    """Every multiple of `step` (in base steps) from `low` to `high`, as fractions of the price."""

    step: int
    low: float
    high: float


class _Grid(NamedTuple):
    """An underlying's strikes.

    The base step is the largest of 1, 2.5 and 5 times a power of ten that is not above price / `parts`.
    """

    parts: float
    daily: tuple[_Band, ...]
    weekly: tuple[_Band, ...]
    monthly: tuple[_Band, ...]
    quarterly: tuple[_Band, ...]


_GRIDS = {
    "BTC": _Grid(
        parts=100.0,
        daily=(_Band(1, 0.96, 1.04), _Band(2, 0.88, 1.12)),
        weekly=(_Band(2, 0.94, 1.06), _Band(4, 0.88, 1.11), _Band(10, 0.81, 1.20)),
        monthly=(_Band(2, 0.85, 1.12), _Band(4, 0.75, 1.28), _Band(10, 0.61, 1.40)),
        quarterly=(_Band(4, 0.83, 1.10), _Band(10, 0.53, 1.70), _Band(20, 0.45, 2.20), _Band(40, 0.40, 2.80)),
    ),
    "ETH": _Grid(
        parts=70.0,
        daily=(_Band(1, 0.91, 1.09), _Band(2, 0.90, 1.11), _Band(4, 0.85, 1.16)),
        weekly=(_Band(2, 0.92, 1.08), _Band(4, 0.86, 1.15), _Band(8, 0.75, 1.30)),
        monthly=(_Band(2, 0.91, 1.13), _Band(4, 0.78, 1.23), _Band(8, 0.63, 1.82)),
        quarterly=(_Band(4, 0.73, 1.40), _Band(8, 0.63, 1.64), _Band(20, 0.40, 2.50), _Band(40, 0.40, 3.30)),
    ),
}
_DAILY_RULE_DAYS, _WEEKLY_RULE_DAYS = 4, 22
_DAYS_OF_DAILIES = 8  # today and a week: no daily is listed further ahead


def series_of(expiry_ms: int) -> Series:
    """What the expiry is, by its date alone."""
    day = utc_day(expiry_ms)
    if day.weekday() != _FRIDAY:
        return Series.DAILY
    if (day + timedelta(days=7)).month == day.month:
        return Series.WEEKLY
    return Series.QUARTERLY if day.month % 3 == 0 else Series.MONTHLY


def settlement_period(expiry_ms: int) -> str:
    """The instrument field settlement_period: day, week or month (quarterlies are month, FACTS §3)."""
    return {Series.DAILY: "day", Series.WEEKLY: "week"}.get(series_of(expiry_ms), "month")


def creation_ms(expiry_ms: int, product: Product) -> int:
    """When the policy lists the expiry: 08:00:15 UTC of the day on which it is far enough ahead.

    Monthlies and quarterlies appear on the Thursday before the last Friday of the month that lies the lead before.
    """
    return _created(expiry_ms, product.family)


@lru_cache(maxsize=4096)
def _created(expiry_ms: int, family: Family) -> int:
    lead, day = _LEADS[family], utc_day(expiry_ms)
    match series_of(expiry_ms):
        case Series.DAILY:
            first = day - timedelta(days=lead.daily_days)
        case Series.WEEKLY:
            first = day - timedelta(days=lead.weekly_days)
        case Series.MONTHLY:
            first = _last_friday(day.year, day.month - lead.monthly_months) - _THURSDAY_BEFORE
        case Series.QUARTERLY:
            first = _last_friday(day.year, day.month - lead.quarterly_months) - _THURSDAY_BEFORE
    return expiry_at(first) + LISTING_DELAY_MS


def listed_expiries(product: Product, at_ms: int) -> tuple[int, ...]:
    """The expiries listed at an instant, ascending."""
    today = utc_day(at_ms)
    first, weekday = expiry_at(today), today.weekday()
    farthest = 31 * (_LEADS[product.family].quarterly_months + 2)
    fridays = range((_FRIDAY - weekday) % 7, farthest, 7)
    days = sorted({*range(_DAYS_OF_DAILIES), *fridays})
    expiries = [first + ahead * MS_PER_DAY for ahead in days]
    return tuple(e for e in expiries if creation_ms(e, product) <= at_ms < e)


def grid_strikes(product: Product, expiry_ms: int, listing_day_ms: int, price: float) -> frozenset[Decimal]:
    """The strikes that the policy adds on one listing day (its 08:00 UTC) at that instant's price.

    Near its expiry every series also gets the finer grid of the shorter ones.
    """
    days = (expiry_ms - listing_day_ms) / MS_PER_DAY
    near = (days <= _DAILY_RULE_DAYS, days <= _WEEKLY_RULE_DAYS)
    return _banded(product.underlying, series_of(expiry_ms), *near, price)


@lru_cache(maxsize=256)
def _banded(underlying: str, series: Series, daily: bool, weekly: bool, price: float) -> frozenset[Decimal]:
    """Kept, as the series and products of one day share them."""
    grid = _GRIDS[underlying]
    bands: list[_Band] = []
    if daily:
        bands += grid.daily
    if weekly and series is not Series.DAILY:
        bands += grid.weekly
    if series is Series.MONTHLY:
        bands += grid.monthly
    if series is Series.QUARTERLY:
        bands += grid.quarterly
    base = base_step(price / grid.parts)
    return frozenset(chain.from_iterable(_multiples(base * band.step, band, price) for band in bands))


def strikes_at(
    product: Product, expiry_ms: int, at_ms: int, spot_at: Callable[[int], float]
) -> tuple[Decimal, ...]:
    """The strikes of an expiry at an instant, ascending: all grids of the listing days since its creation.

    `spot_at(ms)` gives the 08:00 price of a listing day, NaN for a day before the records (which then adds none).
    """
    strikes: set[Decimal] = set()
    for day in _listing_days(expiry_at(utc_day(creation_ms(expiry_ms, product))), at_ms):
        price = spot_at(day)
        if not math.isnan(price):
            strikes |= grid_strikes(product, expiry_ms, day, price)
    return tuple(sorted(strikes))


class Policy(NamedTuple):
    """Which expiries are listed at an instant, since when one was, and what strikes a listing day adds to it."""

    expiries: Callable[[Product, int], tuple[int, ...]]
    created: Callable[[int, Product], int]
    strikes: Callable[
        [Product, int, int, float], frozenset[Decimal]
    ]  # product, expiry, listing day, its price


EXCHANGE = Policy(listed_expiries, creation_ms, grid_strikes)


class _Spelt(NamedTuple):
    """An expiry's options, by strike, the call before the put: their names, and of each its strike."""

    strikes: frozenset[Decimal]
    names: tuple[str, ...]
    strike: F64
    spelt: dict[Decimal, tuple[str, ...]]


class Listing:
    """What is listed, instant by instant; remembers each series so that a day's step costs only that day's grid."""

    def __init__(self, product: Product, spot_at: Callable[[int], float], policy: Policy = EXCHANGE) -> None:
        """`spot_at`: as for `strikes_at`; it is asked for 08:00 UTC instants only, never later than the question's."""
        self._product = product
        self._spot_at = spot_at
        self._policy = policy
        self._grown: dict[int, tuple[int, frozenset[Decimal]]] = {}  # expiry -> (last listing day, strikes)
        self._names: tuple[int, tuple[tuple[int, tuple[str, ...]], ...]] = (-1, ())
        self._spelt: dict[int, _Spelt] = {}  # by expiry
        self._listed: tuple[int, int, int, tuple[str, ...]] = (
            -1,
            0,
            0,
            (),
        )  # day, from, until, the last answer

    def names(self, at_ms: int) -> tuple[str, ...]:
        """The names listed at an instant, ordered by expiry, strike, call before put."""
        day = _last_listing_day(at_ms)
        if self._listed[0] == day and self._listed[1] <= at_ms < self._listed[2]:
            return self._listed[3]
        if self._names[0] != day:
            expiries = self._policy.expiries(self._product, day + LISTING_DELAY_MS)
            self._names = (day, tuple((expiry, self._series_names(expiry, day)) for expiry in expiries))
            self._spelt = {expiry: spelt for expiry, spelt in self._spelt.items() if expiry > day}
            self._grown = {expiry: grown for expiry, grown in self._grown.items() if expiry > day}
        since = max((expiry for expiry, _ in self._names[1] if expiry <= at_ms), default=0)
        until = min((expiry for expiry, _ in self._names[1] if expiry > at_ms), default=at_ms + 1)
        listed = tuple(chain.from_iterable(names for expiry, names in self._names[1] if expiry > at_ms))
        if listed == self._listed[3]:
            listed = self._listed[3]
        self._listed = (day, since, until, listed)
        return listed

    @property
    def policy(self) -> Policy:
        """Whose introductions these are."""
        return self._policy

    def until(self, at_ms: int) -> int:
        """The first instant after it at which the names may be others."""
        self.names(at_ms)
        day, expiries = self._names
        following = day + MS_PER_DAY + LISTING_DELAY_MS
        return min([following, *(expiry for expiry, _ in expiries if expiry > at_ms)])

    def table(self, at_ms: int) -> InstrumentTable:
        """What is listed at an instant, as columns in the order of `names`."""
        names = self.names(at_ms)
        listed = [(expiry, self._spelt[expiry]) for expiry, _ in self._names[1] if expiry > at_ms]
        counts = [len(one.names) for _, one in listed]
        return InstrumentTable(
            product=self._product,
            names=names,
            strike=np.concatenate([np.zeros(0), *(one.strike for _, one in listed)]),
            expiry_ms=np.repeat(np.array([expiry for expiry, _ in listed], dtype=np.int64), counts),
            is_call=np.tile(np.array([True, False]), len(names) // 2),
            row_of={name: row for row, name in enumerate(names)},
        )

    def _series_names(self, expiry_ms: int, day: int) -> tuple[str, ...]:
        strikes = self._strikes(expiry_ms, day)
        known = self._spelt.get(expiry_ms)
        if known is None or known.strikes != strikes:
            spelt = known.spelt if known is not None else {}
            for strike in strikes.difference(spelt):
                spelt[strike] = tuple(
                    option_name(self._product.code, expiry_ms, strike, option_type)
                    for option_type in (OptionType.CALL, OptionType.PUT)
                )
            ordered = sorted(strikes)
            known = self._spelt[expiry_ms] = _Spelt(
                strikes,
                tuple([name for strike in ordered for name in spelt[strike]]),
                np.repeat(np.array([float(strike) for strike in ordered]), 2),
                spelt,
            )
        return known.names

    def _strikes(self, expiry_ms: int, day: int) -> frozenset[Decimal]:
        first = expiry_at(utc_day(self._policy.created(expiry_ms, self._product)))
        done, strikes = self._grown.get(expiry_ms, (first - MS_PER_DAY, frozenset[Decimal]()))
        if done > day:  # an earlier instant than the last one asked for
            done, strikes = first - MS_PER_DAY, frozenset()
        for step in _listing_days(done + MS_PER_DAY, day + LISTING_DELAY_MS):
            price = self._spot_at(step)
            if not math.isnan(price):
                strikes |= self._policy.strikes(self._product, expiry_ms, step, price)
        self._grown[expiry_ms] = (day, strikes)
        return strikes


def _last_listing_day(at_ms: int) -> int:
    """08:00:00 UTC of the last day whose listing (15 s later) has happened."""
    offset = EXPIRY_HOUR_UTC * MS_PER_HOUR
    return (at_ms - LISTING_DELAY_MS - offset) // MS_PER_DAY * MS_PER_DAY + offset


def _listing_days(first: int, at_ms: int) -> Iterator[int]:
    yield from range(first, _last_listing_day(at_ms) + 1, MS_PER_DAY)


def _last_friday(year: int, month: int) -> date:
    """The last Friday of a month; months count on past the year's ends (0 is the December before)."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    following = date(year + month // 12, month % 12 + 1, 1)
    last = following - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - _FRIDAY) % 7)


def base_step(most: float) -> Decimal:
    """The largest of 1, 2.5 and 5 times a power of ten that is not above `most`."""
    power = Decimal(10) ** math.floor(math.log10(most))
    return max(
        power * leading for leading in (Decimal(1), Decimal("2.5"), Decimal(5)) if power * leading <= most
    )


def _multiples(step: Decimal, band: _Band, price: float) -> Iterator[Decimal]:
    width = float(step)
    counts = range(math.ceil(band.low * price / width), math.floor(band.high * price / width) + 1)
    return map(step.__mul__, counts)
