"""Metrics: how a run went, as numbers, and beside every ratio how sure one can be of it.

Owns the definitions. A year has 365 days, because this market never closes. Ratios are made of daily returns (the
value at 00:00 UTC; deposits and withdrawals taken out), extremes of the curve as fine as it was kept. Keeps: what
can't be known (too few days, no loss to divide by) is NaN, never a guess; chance comes from a passed generator alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.instruments import MS_PER_DAY

YEAR_DAYS = 365
LEAST_DAYS = 20  # of returns, for a standard error
LEAST_TRADES = 5
RESAMPLES = 1_000
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number measured on a sample, and its standard error (NaN where the sample doesn't tell)."""

    value: float
    error: float = _NAN


@dataclass(frozen=True, slots=True)
class Fall:
    """The deepest fall of a curve: share of the peak, amount, and the longest time under a former peak, days."""

    share: float
    amount: float
    longest_days: float


@dataclass(frozen=True, slots=True)
class CurveMetrics:
    """A curve of equity in one unit (a coin, or USD).

    `net_profit` is the end less the start less what was deposited meanwhile; `total_return` compounds the returns with
    deposits taken out. `annual_return` and `volatility` are shares a year. Sharpe: mean over standard deviation of the
    daily returns, × √365, against no riskless rate. Sortino: mean over the root mean square of the returns below 0,
    × √365. Calmar: annual return over the deepest daily fall.
    """

    days: float
    net_profit: float
    total_return: float
    annual_return: float
    volatility: float
    drawdown: Fall
    sharpe: Estimate
    sortino: Estimate
    calmar: Estimate


@dataclass(frozen=True, slots=True)
class TradeMetrics:
    """Results of single positions in one unit. Profit factor: gross profit over gross loss. A win rate of 0 or 1 has no
    error: a sample that shows one outcome alone doesn't tell it (the binomial formula would say 0: certain)."""

    trades: int
    gross_profit: float
    gross_loss: float  # not negative
    profit_factor: Estimate
    win_rate: Estimate
    average: Estimate


def curve_metrics(at_ms: I64, equity: F64, flows: F64, rng: np.random.Generator) -> CurveMetrics:
    """Metrics of a curve: instants (rising), equity there, and what was deposited (+) or withdrawn since then.

    `flows[i]` came after point i - 1 and is in point i; `flows[0]` is not looked at. Errors: ValueError for columns of
    different lengths, or instants that don't rise.
    """
    if not len(at_ms) == len(equity) == len(flows):
        raise ValueError("a curve needs as many instants as values and flows")
    if len(at_ms) and not np.all(np.diff(at_ms) > 0):
        raise ValueError("a curve's instants must rise")
    daily = daily_returns(at_ms, equity, flows)
    wealth = np.cumprod(np.concatenate(([1.0], 1.0 + daily)))
    span_days = float(at_ms[-1] - at_ms[0]) / MS_PER_DAY if len(at_ms) else 0.0
    moved = float(np.sum(flows[1:]))
    return CurveMetrics(
        days=span_days,
        net_profit=float(equity[-1] - equity[0]) - moved if len(equity) else _NAN,
        total_return=float(wealth[-1] - 1.0) if len(daily) else _NAN,
        annual_return=annual_return(daily),
        volatility=float(np.std(daily, ddof=1)) * math.sqrt(YEAR_DAYS) if len(daily) > 1 else _NAN,
        drawdown=fall_of(at_ms, equity, flows),
        sharpe=Estimate(sharpe_ratio(daily), sharpe_error(daily)),
        sortino=Estimate(sortino_ratio(daily), _resampled(daily, _sortinos, rng)),
        calmar=Estimate(calmar_ratio(daily), _resampled(daily, _calmars, rng)),
    )


def trade_metrics(results: F64, rng: np.random.Generator) -> TradeMetrics:
    """Metrics of single results; errors take the trades as independent, those of the factor by resampling them."""
    count = len(results)
    won, lost = float(results[results > 0].sum()), -float(results[results < 0].sum())
    rate = float(np.mean(results > 0)) if count else _NAN
    enough = count >= LEAST_TRADES
    factor_error = _NAN
    if enough and lost > 0:
        drawn = results[rng.integers(0, count, (RESAMPLES, count))]
        factor_error = _spread(_factors(drawn))
    return TradeMetrics(
        trades=count,
        gross_profit=won,
        gross_loss=lost,
        profit_factor=Estimate(won / lost if lost > 0 else _NAN, factor_error),
        win_rate=Estimate(rate, math.sqrt(rate * (1.0 - rate) / count) if enough and 0 < rate < 1 else _NAN),
        average=Estimate(
            float(np.mean(results)) if count else _NAN,
            float(np.std(results, ddof=1)) / math.sqrt(count) if enough else _NAN,
        ),
    )


def share_of(parts: F64, wholes: F64) -> Estimate:
    """Σ parts over Σ wholes, the pairs taken as independent; its error is that of a ratio estimator (Cochran 1977)."""
    count, whole = len(parts), float(wholes.sum())
    if not whole > 0:
        return Estimate(_NAN, _NAN)
    share = float(parts.sum()) / whole
    if count < LEAST_TRADES:
        return Estimate(share, _NAN)
    left = parts - share * wholes
    return Estimate(share, math.sqrt(count / (count - 1) * float(np.sum(left * left))) / whole)


def daily_returns(at_ms: I64, equity: F64, flows: F64) -> F64:
    """Returns from each 00:00 UTC to the next, what was deposited taken out at the end of its day.

    A day's value is the last one known by its midnight; the days run from the curve's first instant to its last, so the
    first and the last are parts of days. A day that begins with nothing has no return, and ends the series.
    """
    if len(at_ms) < 2:
        return np.zeros(0)
    first, last = int(at_ms[0]), int(at_ms[-1])
    midnights = np.arange(first // MS_PER_DAY + 1, last // MS_PER_DAY + 1, dtype=np.int64) * MS_PER_DAY
    ends = np.unique(np.concatenate(([first], midnights, [last])))
    rows = np.searchsorted(at_ms, ends, side="right") - 1
    value = equity[rows]
    moved = np.concatenate(([0.0], np.cumsum(flows[1:])))[rows]
    before = value[:-1]
    sound = np.flatnonzero(~(before > 0))
    stop = int(sound[0]) if len(sound) else len(before)
    return np.asarray((value[1:] - np.diff(moved))[:stop] / before[:stop] - 1.0)


def annual_return(daily: F64) -> float:
    """The compounded return a year; -1 when all was lost."""
    if not len(daily):
        return _NAN
    end = float(np.prod(1.0 + daily))
    return end ** (YEAR_DAYS / len(daily)) - 1.0 if end > 0 else -1.0


def sharpe_ratio(daily: F64) -> float:
    """Mean over standard deviation (n - 1), a year's."""
    return float(_sharpes(daily[None, :])[0]) if len(daily) > 1 else _NAN


def sharpe_error(daily: F64) -> float:
    """Its standard error for returns that are not normal (Mertens 2002; Opdyke 2007), a year's, serially independent:

    √((1 - γ₃·S + (γ₄ - 1)/4·S²) / n) with S a day's ratio, γ₃ the skewness and γ₄ the kurtosis (3 when normal).
    """
    count = len(daily)
    deviation = float(np.std(daily, ddof=1)) if count >= LEAST_DAYS else 0.0
    if not deviation > 0:
        return _NAN
    ratio = float(np.mean(daily)) / deviation
    standard = (daily - np.mean(daily)) / np.std(daily)
    skewness, kurtosis = float(np.mean(standard**3)), float(np.mean(standard**4))
    variance = (1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio) / count
    return math.sqrt(max(variance, 0.0) * YEAR_DAYS)


def sortino_ratio(daily: F64) -> float:
    """Mean over the root mean square of the returns below 0, a year's."""
    return float(_sortinos(daily[None, :])[0]) if len(daily) else _NAN


def calmar_ratio(daily: F64) -> float:
    """Annual return over the deepest fall of the compounded daily returns."""
    return float(_calmars(daily[None, :])[0]) if len(daily) else _NAN


def fall_of(at_ms: I64, equity: F64, flows: F64) -> Fall:
    """The deepest fall of the curve with deposits taken out, at its own grain.

    The share is of the compounded returns between points; the amount, of the equity less all that was deposited since
    the start; both from the highest value before.
    """
    if not len(at_ms):
        return Fall(_NAN, _NAN, _NAN)
    own = equity - np.concatenate(([0.0], np.cumsum(flows[1:])))
    amount = float(np.max(np.maximum.accumulate(own) - own))
    before = np.where(equity[:-1] > 0, equity[:-1], np.nan)
    wealth = np.cumprod(np.concatenate(([1.0], (equity[1:] - flows[1:]) / before)))
    peak = np.maximum.accumulate(wealth)
    share = float(np.nanmax(1.0 - wealth / peak))
    at_peak = np.where(wealth >= peak, at_ms, 0)
    under = at_ms - np.maximum.accumulate(at_peak)
    # A fall ends where the peak is passed again: up to that point, not only up to the point before it.
    since = np.concatenate(([0], np.diff(at_ms) + under[:-1]))
    longest = np.where(under > 0, under, np.where(np.concatenate(([0], under[:-1])) > 0, since, 0))
    return Fall(share, amount, float(np.max(longest)) / MS_PER_DAY)


def blocks(count: int, rng: np.random.Generator, draws: int = RESAMPLES) -> I64:
    """Rows of a stationary bootstrap (Politis and Romano 1994): (draws, count) places, blocks of mean length n^⅓."""
    starts = rng.integers(0, count, (draws, count))
    fresh = rng.random((draws, count)) < 1.0 / max(1.0, round(count ** (1.0 / 3.0)))
    fresh[:, 0] = True
    place = np.arange(count)
    begun = np.maximum.accumulate(np.where(fresh, place, 0), axis=1)
    return np.asarray((np.take_along_axis(starts, begun, axis=1) + place - begun) % count, dtype=np.int64)


def _resampled(daily: F64, of: Callable[[F64], F64], rng: np.random.Generator) -> float:
    if len(daily) < LEAST_DAYS:
        return _NAN
    return _spread(of(daily[blocks(len(daily), rng)]))


def _spread(values: F64) -> float:
    """The standard deviation of the resampled values that exist, when nearly all of them do."""
    known = values[np.isfinite(values)]
    return float(np.std(known, ddof=1)) if len(known) >= 0.95 * len(values) else _NAN


def _sharpes(rows: F64) -> F64:
    deviation = np.std(rows, axis=1, ddof=1)
    return _over(np.mean(rows, axis=1) * math.sqrt(YEAR_DAYS), deviation)


def _sortinos(rows: F64) -> F64:
    downside = np.sqrt(np.mean(np.minimum(rows, 0.0) ** 2, axis=1))
    return _over(np.mean(rows, axis=1) * math.sqrt(YEAR_DAYS), downside)


def _calmars(rows: F64) -> F64:
    wealth = np.cumprod(1.0 + np.concatenate((np.zeros((len(rows), 1)), rows), axis=1), axis=1)
    deepest = np.max(1.0 - wealth / np.maximum.accumulate(wealth, axis=1), axis=1)
    end = np.maximum(wealth[:, -1], 0.0)
    return _over(end ** (YEAR_DAYS / rows.shape[1]) - 1.0, deepest)


def _factors(rows: F64) -> F64:
    return _over(np.sum(np.maximum(rows, 0.0), axis=1), -np.sum(np.minimum(rows, 0.0), axis=1))


def _over(numerator: F64, denominator: F64) -> F64:
    found = np.full(len(numerator), np.nan)
    # A deviation that is only rounding is none.
    np.divide(numerator, denominator, out=found, where=denominator > 1e-14)
    return found
