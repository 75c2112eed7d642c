"""Pump and crash risk: the probability of a touch (core/market/touch) for each horizon, and what it is worth.

Owns predictors, calibration, skill and the rule that chooses. A predictor is a volatility: of the volatility index
("index"), Parkinson's of the last 30 days ("realised"), the mean of both ("mix"). It gives the probability that a
driftless geometric Brownian motion touches the barrier; a straight line, fitted on the windows that were over, maps
that to the share of events (Mincer and Zarnowitz 1969), its slope drawn to 0 as long as little is known. Kept:

- walk-forward: the value of a day rests on windows that were over by then, so a skill is always out of sample
- windows overlap: each counts 1 / days; the skill's standard error is Newey and West's over twice the horizon
- skill is Brier's against the base rate of the same day. Of the predictors the one whose skill is the most standard
  errors z above 0 leads; where z > 1, and enough windows were scored to believe that error, the probability lies
  1 - 1 / z^2 of the way from the base rate to the leader's (James and Stein's weight); else it is the base rate
- a longer window holds the shorter, so a curve never falls with the horizon
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from optionwriter.core.compiled import compiled
from optionwriter.core.market.chain import F64
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.market.touch import (
    EVENT_SHARE,
    HORIZON_DAYS,
    LEAST_WINDOWS,
    DailyBars,
    daily_bars,
    touches,
)

_NAN = float("nan")
PREDICTORS = ("index", "realised", "mix")
_REALISED_DAYS = 30
_LEAST_DAYS = 24  # of them
_OLDEST_INDEX_MS = MS_PER_DAY * 3 // 2
LEAST_SCORED = 20  # windows that do not overlap, before a predictor is used
_PULL = 0.05  # windows x variance of the predictor: at a spread of 0.1, as strong as five windows
_STEEPEST = 1.5
PUMP, CRASH = 0, 1
_BARRIERS = (math.log1p(EVENT_SHARE), math.log1p(-EVENT_SHARE))  # of pump and crash


class Skill(NamedTuple):
    """A predictor's Brier skill score against the base rate, walk-forward; NaN where too little is known.

    `windows`: how many were scored; they overlap, so windows / horizon is what they are worth.
    """

    predictor: str
    score: float
    error: float
    windows: int

    @property
    def weight(self) -> float:
        """What share of the way from the base rate to its probability is warranted: 0 at one standard error."""
        return max(0.0, 1.0 - (self.error / self.score) ** 2) if self.score > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class EventRisk:
    """Of pump or crash, by HORIZON_DAYS: probability, base rate, and for each the skills of all PREDICTORS.

    `chosen`: the predictor in use, "" where the probability is the base rate.
    """

    curve: tuple[float, ...]
    base: tuple[float, ...]
    skills: tuple[tuple[Skill, ...], ...]
    chosen: tuple[str, ...]

    def best(self, days: int) -> Skill:
        """The skill of the predictor that leads at one of HORIZON_DAYS."""
        return max(self.skills[HORIZON_DAYS.index(days)], key=_ratio)


class Past:
    """What the risks of a day rest on: whole days up to the last midnight. Equal where its contents are equal."""

    __slots__ = ("_columns", "candles", "index", "midnight_ms")

    def __init__(self, candles: Candles, index: VolatilityIndex, at_ms: int) -> None:
        self.midnight_ms = at_ms // MS_PER_DAY * MS_PER_DAY
        rows = slice(int(np.searchsorted(candles.open_ms, self.midnight_ms, side="left")))
        known = slice(int(np.searchsorted(index.at_ms, self.midnight_ms, side="right")))
        self.candles = Candles(
            candles.open_ms[rows],
            candles.open[rows],
            candles.high[rows],
            candles.low[rows],
            candles.close[rows],
        )
        self.index = VolatilityIndex(index.at_ms[known], index.value[known])
        self._columns = (
            self.candles.open_ms, self.candles.high, self.candles.low, self.candles.close,
            self.index.at_ms, self.index.value,
        )  # fmt: skip

    def __hash__(self) -> int:
        last = float(self.candles.close[-1]) if len(self.candles.close) else 0.0
        return hash((self.midnight_ms, len(self.candles.close), len(self.index.at_ms), last))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Past)
            and self.midnight_ms == other.midnight_ms
            and all(
                mine is its or np.array_equal(mine, its)
                for mine, its in zip(self._columns, other._columns, strict=True)
            )
        )


@lru_cache(maxsize=8)
def event_risks(past: Past) -> tuple[EventRisk, EventRisk]:
    """(pump, crash) as of the past's last midnight. Kept for the day, as computing takes some 10 ms."""
    days = _Days(past)
    return days.risk(PUMP), days.risk(CRASH)


@lru_cache(maxsize=8)
def pump_risk_alone(past: Past) -> EventRisk:
    """The first of `event_risks`, for whoever sells calls only."""
    return _Days(past).risk(PUMP)


class _Days:
    """What both risks rest on: each day's volatilities, and which windows had events."""

    def __init__(self, past: Past) -> None:
        bars = daily_bars(past.candles, past.midnight_ms)
        self._volatilities = _volatilities(bars, past.index)
        self._events = [touches(bars, days) for days in HORIZON_DAYS]

    def risk(self, side: int) -> EventRisk:
        return _risk([one[side] for one in self._events], self._volatilities, _BARRIERS[side])


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


def _volatilities(bars: DailyBars, index: VolatilityIndex) -> dict[str, F64]:
    """The predictors' volatilities at each day's end, (n,); NaN where one isn't known."""
    implied, realised = _index_at(bars, index), _parkinson(bars)
    return {"index": implied, "realised": realised, "mix": 0.5 * (implied + realised)}


def _index_at(bars: DailyBars, index: VolatilityIndex) -> F64:
    if not len(index.at_ms):
        return np.full(len(bars), np.nan)
    ends = MS_PER_DAY * (bars.first + 1 + np.arange(len(bars), dtype=np.int64))
    rows = np.searchsorted(index.at_ms, ends, side="right") - 1
    found = np.maximum(rows, 0)
    fresh = (rows >= 0) & (ends - index.at_ms[found] <= _OLDEST_INDEX_MS) & (index.value[found] > 0)
    return np.where(fresh, index.value[found] / 100.0, np.nan)


def _parkinson(bars: DailyBars) -> F64:
    """Parkinson's (1980) volatility of each day and the 29 before it, from the days' ranges; a year's."""
    if len(bars) < _REALISED_DAYS:
        return np.full(len(bars), np.nan)
    square = np.log(bars.high / bars.low) ** 2 / (4.0 * math.log(2.0)) * 365.0
    known = ~np.isnan(square)
    total, count = _sums(np.where(known, square, 0.0)), _sums(known.astype(np.float64))
    variance = (total[_REALISED_DAYS:] - total[:-_REALISED_DAYS]) / np.maximum(
        count[_REALISED_DAYS:] - count[:-_REALISED_DAYS], 1.0
    )
    enough = (count[_REALISED_DAYS:] - count[:-_REALISED_DAYS] >= _LEAST_DAYS) & (variance > 1e-9)
    found = np.where(enough, np.sqrt(np.maximum(variance, 0.0)), np.nan)
    return np.concatenate([np.full(_REALISED_DAYS - 1, np.nan), found])


def _sums(values: F64) -> F64:
    """Sums of the first 0, 1, ... n values."""
    found = np.empty(len(values) + 1)
    found[0] = 0.0
    np.cumsum(values, out=found[1:])
    return found


def _risk(events: list[F64], volatilities: dict[str, F64], barrier: float) -> EventRisk:
    """The risk in one direction."""
    curve, bases, skills, chosen = [], [], [], []
    for days, happened in zip(HORIZON_DAYS, events, strict=True):
        base = _base_rates(happened, days, len(volatilities["index"]))
        scored, now = [], {}
        for name, volatility in volatilities.items():
            raw = touch_probability(volatility * math.sqrt(days / 365.0), barrier)
            forecast = _calibrated(raw, happened, days)
            scored.append(skill_of(name, forecast, base, happened, days))
            now[name] = _last(forecast)
        best = max(scored, key=_ratio)
        ahead = now[best.predictor]
        weight = 0.0 if math.isnan(ahead) or best.windows < LEAST_SCORED * days else best.weight
        bases.append(_last(base))
        curve.append(bases[-1] + weight * (ahead - bases[-1]) if weight else bases[-1])
        chosen.append(best.predictor if weight else "")
        skills.append(tuple(scored))
    return EventRisk(_rising(curve), _rising(bases), tuple(skills), tuple(chosen))


def _ratio(skill: Skill) -> float:
    """How many standard errors the skill is above nothing; far below where it isn't known."""
    return skill.score / skill.error if skill.error > 0.0 else -math.inf


def _last(values: F64) -> float:
    return float(values[-1]) if len(values) else _NAN


def _rising(values: list[float]) -> tuple[float, ...]:
    return tuple(np.maximum.accumulate(np.array(values)).tolist())


def _over_by(events: int, days: int, count: int) -> F64:
    """How many windows were over at the end of each of `count` days."""
    return np.clip(np.arange(count) - days + 1, 0, events)


def _base_rates(events: F64, days: int, count: int) -> F64:
    """The base rate of each day, from the windows that were over by then; NaN with too few."""
    known = ~np.isnan(events)
    over = _over_by(len(events), days, count)
    windows = _sums(known.astype(np.float64))[over]
    happened = _sums(np.where(known, events, 0.0))[over]
    enough = windows >= LEAST_WINDOWS * days
    return np.where(enough, happened / np.maximum(windows, 1.0), np.nan)


def _calibrated(raw: F64, events: F64, days: int) -> F64:
    """Each day's probability: the raw one through the line that fits the windows over by then best."""
    found = np.empty(len(raw))
    _calibrate(raw, events, days, float(LEAST_WINDOWS * days), found)
    return found


@compiled
def _calibrate(raw: F64, events: F64, days: int, least: float, out: F64) -> None:
    """Fills each day's probability; the sums run on from day to day, in the order of the windows."""
    windows = sum_x = sum_y = sum_xx = sum_xy = 0.0
    over = 0
    for day in range(len(raw)):
        while over < len(events) and over + days <= day:  # windows that are over
            x, y = raw[over], events[over]
            if not math.isnan(x + y):
                windows += 1.0
                sum_x += x
                sum_y += y
                sum_xx += x * x
                sum_xy += x * y
            over += 1
        if windows < least:
            out[day] = math.nan
            continue
        count = windows if windows > 1.0 else 1.0
        mean_x, mean_y = sum_x / count, sum_y / count
        spread = sum_xx / count - mean_x * mean_x
        spread = spread if spread > 0.0 else 0.0
        slope = (sum_xy / count - mean_x * mean_y) / (spread + _PULL * days / count)
        slope = min(max(slope, 0.0), _STEEPEST)
        line = mean_y + slope * (raw[day] - mean_x)
        out[day] = 0.0 if line < 0.0 else 1.0 if line > 1.0 else line


def skill_of(name: str, forecast: F64, base: F64, events: F64, days: int) -> Skill:
    """1 - Brier(forecast) / Brier(base) over windows of `days`, on the starts that know all three; (n,) or longer.

    Source: Brier (1950); the error is that of a ratio, by the delta method.
    """
    forecast, base = forecast[: len(events)], base[: len(events)]
    known = ~np.isnan(forecast + base + events)
    windows = int(np.count_nonzero(known))
    if windows < LEAST_WINDOWS * days:
        return Skill(name, _NAN, _NAN, windows)
    theirs = (base[known] - events[known]) ** 2
    gain = theirs - (forecast[known] - events[known]) ** 2
    scale = float(theirs.mean())
    if scale <= 0.0:
        return Skill(name, _NAN, _NAN, windows)
    score = float(gain.mean()) / scale
    return Skill(name, score, _standard_error(gain - score * theirs, 2 * days) / scale, windows)


def _standard_error(values: F64, lags: int) -> float:
    """Of a mean near 0, by Newey and West (1987) with Bartlett's weights: the overlapping sums of `lags` values."""
    sums = _sums(np.concatenate([np.zeros(lags), values, np.zeros(lags)]))
    moving = sums[lags:] - sums[:-lags]
    return math.sqrt(float(np.dot(moving, moving)) / lags) / len(values)
