"""Touches: how often the price rises or falls by a stated share within so many days; the base rates of pump and crash.

Owns the days (midnight to midnight UTC), the windows and what counts as an event. A window of h days starts at a
midnight; a pump is a high of the window at or above (1 + EVENT_SHARE) x the price at its start, a crash a low at or
below (1 - EVENT_SHARE) x that price. A window is void where one of its days lacks more than a fifth of its hours.
Only windows that were over are counted, so a rate at an instant is the same whatever is known later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from optionwriter.core.market.chain import F64
from optionwriter.core.market.history import Candles
from optionwriter.core.market.instruments import MS_PER_DAY

EVENT_SHARE = 0.10  # of the price at the start
HORIZON_DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60)
LEAST_WINDOWS = 5  # that do not overlap; with fewer nothing is known of a horizon
_LEAST_HOURS = 20  # of a day's candles


@dataclass(frozen=True, slots=True, eq=False)
class DailyBars:
    """Days that follow on each other, (n,) each; `first` is the first's number since 1970. USD.

    NaN where a day lacks more than a fifth of its hours.
    """

    first: int
    high: F64
    low: F64
    close: F64

    def __len__(self) -> int:
        return len(self.close)


def daily_bars(candles: Candles, at_ms: int) -> DailyBars:
    """The days that were over at `at_ms`, from hourly candles."""
    midnight = at_ms // MS_PER_DAY * MS_PER_DAY
    end = int(np.searchsorted(candles.open_ms, midnight, side="left"))
    if not end:
        return DailyBars(0, *(np.empty(0) for _ in range(3)))
    number = candles.open_ms[:end] // MS_PER_DAY
    starts = np.append(0, np.flatnonzero(np.diff(number)) + 1)
    ends = np.append(starts[1:], end)
    first, days = int(number[0]), midnight // MS_PER_DAY - int(number[0])
    bars = np.full((3, days), np.nan)
    whole = ends - starts >= _LEAST_HOURS
    rows = (number[starts] - first)[whole]
    bars[0, rows] = np.maximum.reduceat(candles.high[:end], starts)[whole]
    bars[1, rows] = np.minimum.reduceat(candles.low[:end], starts)[whole]
    bars[2, rows] = candles.close[ends - 1][whole]
    return DailyBars(first, *bars)


def touches(bars: DailyBars, days: int, share: float = EVENT_SHARE) -> tuple[F64, F64]:
    """(pump, crash) of the window of `days` days after each day's close: 1 or 0, NaN for a void one; (n - days,)."""
    if len(bars) <= days:
        return np.empty(0), np.empty(0)
    start = bars.close[:-days]
    high = sliding_window_view(bars.high[1:], days).max(axis=1) / start
    low = sliding_window_view(bars.low[1:], days).min(axis=1) / start
    void = np.isnan(high + low)
    pump, crash = (high >= 1.0 + share).astype(np.float64), (low <= 1.0 - share).astype(np.float64)
    pump[void], crash[void] = np.nan, np.nan
    return pump, crash
