"""Risk days: what pump and crash risk rest on, day by day: what each predictor gave, and which windows had events.

Owns the predictors (core/market/event_risk says what they are). Keeps: a day's numbers rest on what was known by its
end, and on nothing of where the table begins but its first 29 days (the realised volatility's) and the value of the
index that was known before it; so a table of many years holds those of every part of it.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.market.touch import EVENT_SHARE, HORIZON_DAYS, DailyBars, daily_bars, touches
from optionwriter.core.market.walk_forward import Sums, sums_of

PREDICTORS = ("index", "realised", "mix")
PUMP, CRASH = 0, 1
_BARRIERS = (math.log1p(EVENT_SHARE), math.log1p(-EVENT_SHARE))  # of pump and crash
REALISED_DAYS = 30
_LEAST_DAYS = 24  # of them
_OLDEST_INDEX_MS = MS_PER_DAY * 3 // 2


class RiskDays:
    """The days that were over at an instant, `first` being the number of the first since 1970."""

    def __init__(self, candles: Candles, index: VolatilityIndex, at_ms: int) -> None:
        bars = daily_bars(candles, at_ms)
        self.first = bars.first
        self._bars = bars
        self._opened_ms = candles.open_ms
        self.index_ms, implied = _index_at(bars, index)
        realised = _parkinson(bars)
        self._volatilities = (implied, realised, 0.5 * (implied + realised))

    def __len__(self) -> int:
        return len(self._bars)

    def begin(self, at_ms: int) -> int:
        """The row of the day of the first candle that opened at or after the instant."""
        row = int(np.searchsorted(self._opened_ms, at_ms, side="left"))
        if row == len(self._opened_ms):
            return len(self)
        return min(int(self._opened_ms[row]) // MS_PER_DAY - self.first, len(self))

    def known_from(self, begin: int, at_ms: int) -> I64:
        """By predictor: its first row where prices begin in the row `begin` and the index at the instant."""
        index = max(begin, int(np.searchsorted(self.index_ms, at_ms, side="left")))
        realised = begin + REALISED_DAYS - 1
        return np.array([index, realised, max(index, realised)], dtype=np.int64)

    def side(self, number: int) -> Sums:
        """Of PUMP or CRASH: the predictors' probabilities, the windows' events, their sums."""
        return self._pump if number == PUMP else self._crash

    @cached_property
    def _touched(self) -> list[tuple[F64, F64]]:
        return [touches(self._bars, days) for days in HORIZON_DAYS]

    @cached_property
    def _pump(self) -> Sums:
        return self._of(PUMP)

    @cached_property
    def _crash(self) -> Sums:
        return self._of(CRASH)

    def _of(self, side: int) -> Sums:
        raw = np.empty((len(HORIZON_DAYS), len(PREDICTORS), len(self)))
        events = np.full((len(HORIZON_DAYS), len(self)), np.nan)
        for row, days in enumerate(HORIZON_DAYS):
            happened = self._touched[row][side]
            events[row, : len(happened)] = happened
            for place, volatility in enumerate(self._volatilities):
                raw[row, place] = touch_probability(volatility * math.sqrt(days / 365.0), _BARRIERS[side])
        return sums_of(raw, events)


def touch_probability(deviation: F64, barrier: float) -> F64:
    """That a driftless geometric Brownian motion touches exp(barrier) x its start; `deviation` = sigma x sqrt(years).

    Source: Reiner and Rubinstein, Unscrambling the binary code (1991), without interest; in logarithms the drift is
    -deviation^2 / 2. Error below 2e-7.
    """
    distance, drift = abs(barrier), -0.5 * deviation * math.copysign(1.0, barrier)
    away = distance / deviation
    return _normal(drift - away) + math.exp(-barrier) * _normal(-drift - away)


def _normal(z: F64) -> F64:
    """The normal distribution (Abramowitz and Stegun 26.2.17)."""
    t = 1.0 / (1.0 + 0.2316419 * np.abs(z))
    series = 0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429)))
    tail = np.exp(-0.5 * z * z) * (t * series / math.sqrt(2.0 * math.pi))
    return np.asarray(np.where(z > 0.0, 1.0 - tail, tail), dtype=np.float64)


def _index_at(bars: DailyBars, index: VolatilityIndex) -> tuple[I64, F64]:
    """At each day's end: since when the last value of the index was known (0: none is), and it as a volatility."""
    if not len(index.at_ms):
        return np.zeros(len(bars), dtype=np.int64), np.full(len(bars), np.nan)
    ends = MS_PER_DAY * (bars.first + 1 + np.arange(len(bars), dtype=np.int64))
    rows = np.searchsorted(index.at_ms, ends, side="right") - 1
    found = np.maximum(rows, 0)
    fresh = (rows >= 0) & (ends - index.at_ms[found] <= _OLDEST_INDEX_MS) & (index.value[found] > 0)
    since = np.where(rows >= 0, index.at_ms[found], 0)
    return since, np.where(fresh, index.value[found] / 100.0, np.nan)


def _parkinson(bars: DailyBars) -> F64:
    """Parkinson's (1980) volatility of each day and the 29 before it, from the days' ranges; a year's."""
    if len(bars) < REALISED_DAYS:
        return np.full(len(bars), np.nan)
    square = np.log(bars.high / bars.low) ** 2 / (4.0 * math.log(2.0)) * 365.0
    known = ~np.isnan(square)
    least = len(bars) - REALISED_DAYS + 1
    total, count = np.zeros(least), np.zeros(least)
    for day in range(REALISED_DAYS):  # one after the other, so that it matters not where the table begins
        total += np.where(known, square, 0.0)[day : day + least]
        count += known[day : day + least]
    variance = total / np.maximum(count, 1.0)
    enough = (count >= _LEAST_DAYS) & (variance > 1e-9)
    found = np.where(enough, np.sqrt(np.maximum(variance, 0.0)), np.nan)
    return np.concatenate([np.full(REALISED_DAYS - 1, np.nan), found])
