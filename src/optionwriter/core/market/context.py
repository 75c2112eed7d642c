"""MarketContext: where an underlying stands at an instant, from its past alone.

Owns the definitions of returns, realised volatility, averages, regime and volatility rank. Rules:

- a candle counts from the moment it closed (open + 1 h <= the instant), an index value from the moment it was known;
  so the context at an instant is the same whatever is known later
- the price at an instant is the close of the last candle closed by then; older than 6 h it is missing
- what history is too short or too broken for is NaN (the regime then UNKNOWN), never a guess
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.compiled import compiled
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.event_risk import EventRisk, Past, event_risks
from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.market.touch import EVENT_SHARE, HORIZON_DAYS

HOURS_PER_YEAR = 365 * 24
_OLDEST_PRICE_MS = 6 * MS_PER_HOUR
_LEAST_SHARE = 0.8  # of a window's hours or days that must be there
_LOOKBACKS = np.array([0, 1, 7, 30], dtype=np.int64)  # days: the spot, and what the returns start from
_RANK_DAYS = 365
_LEAST_RANK_DAYS = 300


class Regime(StrEnum):
    """The slow state of the market; the rule is in `regime_of`."""

    BULL = "bull"
    SIDEWAYS = "sideways"
    BEAR = "bear"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MarketContext:
    """One underlying at one instant. Returns, volatilities, distances and the rank are fractions; NaN is missing.

    `spot` USD. `return_*`: spot / the price that long before, less 1. `realised_*`: close to close, hourly, a year's
    (365 d); at least 80 % of the window's hours. `range_volatility_*`: Garman-Klass on hourly candles, likewise.
    `distance_50d`, `distance_200d`: spot / the mean of the last 50 and 200 daily closes (00:00 UTC), less 1; at least
    80 % of them. `volatility_index`: percent points, not older than 36 h. `volatility_rank_1y`: where it lies
    between the lowest (0) and highest (1) of the last 365 days, of which at least 300 must be known.
    From the chain (core/market/term_structure): `atm_iv_*`, `term_slope_30_7` (the longer over the shorter),
    `risk_reversal_*`, `butterfly_*`. Of pump and crash (core/market/event_risk): probability, `base` rate, the Brier
    `skill` of the leading predictor and its standard `error`; the curves lie over HORIZON_DAYS (core/market/touch).
    Formulas, sources and charts: docs/market-context.md.
    """

    underlying: str
    at_ms: int
    realised_7d: float = math.nan
    realised_30d: float = math.nan
    spot: float = math.nan
    return_1d: float = math.nan
    return_7d: float = math.nan
    return_30d: float = math.nan
    range_volatility_7d: float = math.nan
    distance_50d: float = math.nan
    distance_200d: float = math.nan
    regime: Regime = Regime.UNKNOWN
    volatility_index: float = math.nan
    volatility_rank_1y: float = math.nan
    range_volatility_30d: float = math.nan
    atm_iv_7d: float = math.nan
    atm_iv_30d: float = math.nan
    atm_iv_90d: float = math.nan
    term_slope_30_7: float = math.nan
    term_slope_90_30: float = math.nan
    risk_reversal_7d: float = math.nan
    risk_reversal_30d: float = math.nan
    butterfly_7d: float = math.nan
    butterfly_30d: float = math.nan
    event_share: float = EVENT_SHARE
    pump_7d: float = math.nan
    pump_30d: float = math.nan
    pump_base_7d: float = math.nan
    pump_base_30d: float = math.nan
    pump_skill_7d: float = math.nan
    pump_skill_30d: float = math.nan
    pump_skill_error_7d: float = math.nan
    pump_skill_error_30d: float = math.nan
    crash_7d: float = math.nan
    crash_30d: float = math.nan
    crash_base_7d: float = math.nan
    crash_base_30d: float = math.nan
    crash_skill_7d: float = math.nan
    crash_skill_30d: float = math.nan
    crash_skill_error_7d: float = math.nan
    crash_skill_error_30d: float = math.nan
    pump_curve: tuple[float, ...] = ()
    crash_curve: tuple[float, ...] = ()
    pump_base_curve: tuple[float, ...] = ()
    crash_base_curve: tuple[float, ...] = ()

    def pump_risk(self, days: float) -> float:
        """Probability that within `days` the high reaches spot x (1 + event_share); NaN where it isn't known."""
        return _on(self.pump_curve, days)

    def crash_risk(self, days: float) -> float:
        """Probability that within `days` the low reaches spot x (1 - event_share); NaN where it isn't known."""
        return _on(self.crash_curve, days)

    def pump_base(self, days: float) -> float:
        """How often that has happened in windows of `days`; NaN where the history is too short."""
        return _on(self.pump_base_curve, days)

    def crash_base(self, days: float) -> float:
        """Likewise of the crash."""
        return _on(self.crash_base_curve, days)


def _on(curve: tuple[float, ...], days: float) -> float:
    """The curve over HORIZON_DAYS at `days`: linear in their root from 0 at 0; after the last its last (a floor)."""
    if not curve or not days >= 0.0:
        return math.nan
    root = math.sqrt(min(days, HORIZON_DAYS[-1]))
    before, low = 0.0, 0.0
    for horizon, value in zip(HORIZON_DAYS, curve, strict=True):
        after = math.sqrt(horizon)
        if root <= after:
            return low + (value - low) * (root - before) / (after - before)
        before, low = after, value
    return low


def risk_over(curves: F64, rows: NDArray[np.intp], days: F64) -> F64:
    """`pump_risk` or `crash_risk` at many `days`, each of the curve in its row of `curves` (m, HORIZON_DAYS)."""
    roots = np.sqrt(np.array([0.0, *HORIZON_DAYS]))
    values = np.concatenate([np.zeros((len(curves), 1)), curves], axis=1)
    root = np.sqrt(np.clip(days, 0.0, HORIZON_DAYS[-1]))
    after = np.maximum(np.searchsorted(roots, root, side="left"), 1)
    low, before = values[rows, after - 1], roots[after - 1]
    return np.where(
        days >= 0.0,
        low + (values[rows, after] - low) * (root - before) / (roots[after] - before),
        np.nan,
    )


def build_context(history: PriceHistory, at_ms: int) -> MarketContext:
    """The context at `at_ms` from what had happened by then, even where `history` knows more."""
    candles = _closed(history.candles, at_ms)
    midnights = MS_PER_DAY * (at_ms // MS_PER_DAY - np.arange(200, dtype=np.int64))
    prices = _prices_at(candles, np.concatenate([at_ms - MS_PER_DAY * _LOOKBACKS, midnights]))
    spot, day, week, month = (float(one) for one in prices[: len(_LOOKBACKS)])
    daily = prices[len(_LOOKBACKS) :]  # the latest first
    average_50, average_200 = _average(daily[:50]), _average(daily)
    level, rank = _volatility(history.volatility_index, at_ms)
    return MarketContext(
        underlying=history.underlying,
        at_ms=at_ms,
        realised_7d=_realised(candles, at_ms, 7),
        realised_30d=_realised(candles, at_ms, 30),
        spot=spot,
        return_1d=spot / day - 1.0,
        return_7d=spot / week - 1.0,
        return_30d=spot / month - 1.0,
        range_volatility_7d=_garman_klass(candles, at_ms, 7),
        distance_50d=spot / average_50 - 1.0,
        distance_200d=spot / average_200 - 1.0,
        regime=regime_of(spot, average_50, average_200),
        volatility_index=level,
        volatility_rank_1y=rank,
        range_volatility_30d=_garman_klass(candles, at_ms, 30),
        **_event_fields(_risks(history, candles, at_ms)),
    )


def realised_alone(history: PriceHistory, at_ms: int) -> MarketContext:
    """The context at `at_ms` with its realised volatilities and nothing else: what is asked of it between decisions."""
    candles = _closed(history.candles, at_ms)
    return MarketContext(
        history.underlying, at_ms, _realised(candles, at_ms, 7), _realised(candles, at_ms, 30)
    )


def realised_over(candles: Candles, instants: I64) -> tuple[F64, F64]:
    """Realised volatilities of 7 and of 30 days at many ascending instants, (t,) each, as `build_context` has them."""
    ends = np.searchsorted(candles.open_ms, instants - MS_PER_HOUR, side="right")
    begin = max(_window(candles, int(instants[0]), 30) - 1, 0)
    follows = np.diff(candles.open_ms[begin:]) == MS_PER_HOUR
    steps = np.diff(np.log(candles.close[begin:]))
    gaps = np.append(np.int64(0), np.cumsum(~follows))  # of the first 0, 1, ... n
    columns = []
    for days in (7, 30):
        since = instants - days * MS_PER_DAY - MS_PER_HOUR
        firsts = np.maximum(np.searchsorted(candles.open_ms, since, side="right") - 1, 0) - begin
        lasts = np.maximum(ends - 1 - begin, firsts)
        found = np.empty(len(instants))
        _fill_realised(steps, firsts, lasts, HOURS_PER_YEAR, _LEAST_SHARE * 24 * days, found)
        for row in np.flatnonzero(gaps[lasts] != gaps[firsts]).tolist():
            part = slice(int(firsts[row]), int(lasts[row]))
            found[row] = _root_mean_square(steps[part][follows[part]], days)
        columns.append(found)
    return columns[0], columns[1]


def _risks(history: PriceHistory, candles: Candles, at_ms: int) -> tuple[EventRisk, EventRisk]:
    if history.risks is not None and at_ms // MS_PER_DAY == history.at_ms // MS_PER_DAY:
        return history.risks
    return event_risks(Past(candles, history.volatility_index, at_ms))


def _event_fields(risks: tuple[EventRisk, EventRisk]) -> dict[str, Any]:
    """The fields of pump and crash."""
    found: dict[str, Any] = {}
    for name, risk in zip(("pump", "crash"), risks, strict=True):
        found[f"{name}_curve"], found[f"{name}_base_curve"] = risk.curve, risk.base
        for days in (7, 30):
            row, best = HORIZON_DAYS.index(days), risk.best(days)
            found[f"{name}_{days}d"], found[f"{name}_base_{days}d"] = risk.curve[row], risk.base[row]
            found[f"{name}_skill_{days}d"], found[f"{name}_skill_error_{days}d"] = best.score, best.error
    return found


def regime_of(spot: float, average_50d: float, average_200d: float) -> Regime:
    """Bull: spot over both averages, and the shorter over the longer. Bear: the reverse. Else sideways.

    UNKNOWN where one of them is missing.
    """
    if math.isnan(spot + average_50d + average_200d):
        return Regime.UNKNOWN
    if spot > average_50d > average_200d:
        return Regime.BULL
    if spot < average_50d < average_200d:
        return Regime.BEAR
    return Regime.SIDEWAYS


def _closed(candles: Candles, at_ms: int) -> Candles:
    """The candles closed by then (views, no copies)."""
    end = int(np.searchsorted(candles.open_ms, at_ms - MS_PER_HOUR, side="right"))
    return Candles(
        candles.open_ms[:end], candles.open[:end], candles.high[:end], candles.low[:end], candles.close[:end]
    )


def _prices_at(candles: Candles, instants: I64) -> F64:
    """The closes of the last candles closed by the instants; NaN where that is older than 6 h."""
    if not len(candles.open_ms):
        return np.full(len(instants), np.nan)
    rows = np.searchsorted(candles.open_ms, instants - MS_PER_HOUR, side="right") - 1
    found = np.maximum(rows, 0)
    age = instants - MS_PER_HOUR - candles.open_ms[found]
    return np.where((rows >= 0) & (age <= _OLDEST_PRICE_MS), candles.close[found], np.nan)


def _window(candles: Candles, at_ms: int, days: int) -> int:
    """The first row of the candles that closed in (at - days, at]."""
    return int(np.searchsorted(candles.open_ms, at_ms - days * MS_PER_DAY - MS_PER_HOUR, side="right"))


def _enough(count: int, days: int) -> bool:
    return count >= _LEAST_SHARE * 24 * days


def _realised(candles: Candles, at_ms: int, days: int) -> float:
    """From the returns of hours that follow on each other; a jump over missing hours is left out. Mean taken as 0."""
    first = max(
        _window(candles, at_ms, days) - 1, 0
    )  # the window's first return starts at the close before it
    follows = np.diff(candles.open_ms[first:]) == MS_PER_HOUR
    return _root_mean_square(np.diff(np.log(candles.close[first:]))[follows], days)


def _root_mean_square(returns: F64, days: int) -> float:
    """A year's volatility of hourly returns; NaN where the days lack too many."""
    return float(_root_mean_square_of(returns, 0, len(returns), HOURS_PER_YEAR, _LEAST_SHARE * 24 * days))


@compiled
def _root_mean_square_of(returns: F64, first: int, end: int, per_year: int, least: float) -> float:
    """Of the returns from `first` to before `end`; NaN where they are fewer than `least`."""
    if end - first < least or end <= first:
        return math.nan
    one = two = three = four = 0.0  # four sums, because each waits for its last addition
    place = first
    while place + 4 <= end:
        one += returns[place] * returns[place]
        two += returns[place + 1] * returns[place + 1]
        three += returns[place + 2] * returns[place + 2]
        four += returns[place + 3] * returns[place + 3]
        place += 4
    while place < end:
        one += returns[place] * returns[place]
        place += 1
    return math.sqrt((one + two + three + four) / (end - first) * per_year)


@compiled
def _fill_realised(returns: F64, first: I64, end: I64, per_year: int, least: float, out: F64) -> None:
    for row in range(len(out)):
        out[row] = _root_mean_square_of(returns, first[row], end[row], per_year, least)


def _garman_klass(candles: Candles, at_ms: int, days: int) -> float:
    first = _window(candles, at_ms, days)
    if not _enough(len(candles.open_ms) - first, days):
        return math.nan
    span = np.log(candles.high[first:] / candles.low[first:])
    body = np.log(candles.close[first:] / candles.open[first:])
    variance = 0.5 * span * span - (2.0 * math.log(2.0) - 1.0) * body * body
    return math.sqrt(max(float(variance.mean()), 0.0) * HOURS_PER_YEAR)


def _average(daily: F64) -> float:
    known = daily[~np.isnan(daily)]
    return float(known.mean()) if len(known) >= _LEAST_SHARE * len(daily) else math.nan


def _volatility(index: VolatilityIndex, at_ms: int) -> tuple[float, float]:
    """(level, rank within the last year)."""
    end = int(np.searchsorted(index.at_ms, at_ms, side="right"))
    if end == 0 or at_ms - int(index.at_ms[end - 1]) > 1.5 * MS_PER_DAY:
        return math.nan, math.nan
    level = float(index.value[end - 1])
    first = int(np.searchsorted(index.at_ms, at_ms - _RANK_DAYS * MS_PER_DAY, side="left"))
    if at_ms - int(index.at_ms[first]) < _LEAST_RANK_DAYS * MS_PER_DAY:
        return level, math.nan
    low, high = float(np.min(index.value[first:end])), float(np.max(index.value[first:end]))
    return level, (level - low) / (high - low) if high > low else math.nan
