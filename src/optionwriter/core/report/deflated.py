"""Deflated Sharpe ratio: how sure one can be of the best of many trials, given that it is the best of many.

Source: Bailey and López de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting and
Non-Normality", Journal of Portfolio Management 40 (5), 2014. Keeps: every trial counts, also those without a ratio;
what can't be known (no standard error, no spread among the trials) is NaN. Ratio, error and spread must be of one unit
of time.

The formula wants independent trials. To take all trials as such is the cautious answer; effective_trials, after the
paper's appendix, gives the generous one: the spread is measured among the trials themselves, so it is narrower already
where they are alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, stdev

_EULER = 0.577_215_664_901_532_9
_NORMAL = NormalDist()


def ratio_error(ratio: float, count: int, skewness: float = 0.0, kurtosis: float = 3.0) -> float:
    """The standard error of a Sharpe ratio per period, of `count` returns of that skewness and kurtosis (normal: 3)."""
    if count < 2:
        return math.nan
    variance = (1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio) / (count - 1)
    return math.sqrt(max(variance, 0.0))


def effective_trials(trials: int, correlation: float) -> float:
    """How many independent trials `trials` are worth whose pairs correlate by `correlation` at the mean; NaN unknown.

    Source: the paper's appendix A.3, "Estimating the number of independent trials": rho + (1 - rho) N, a line from all
    of them at no correlation to one at full. A mean below 0 counts as 0.
    """
    if trials < 1 or not math.isfinite(correlation):
        return math.nan
    rho = min(max(correlation, 0.0), 1.0)
    return rho + (1.0 - rho) * trials


def expected_best(trials: float, spread: float) -> float:
    """The ratio that the best of `trials` would have without any skill; `spread` is the trials' standard deviation.

    The paper's approximation holds from two trials on; between one, which has nothing to choose from, and two it is a
    line.
    """
    if math.isnan(trials):
        return math.nan
    if trials <= 1.0:
        return 0.0
    if trials < 2.0:
        return (trials - 1.0) * expected_best(2.0, spread)
    first = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return spread * ((1.0 - _EULER) * first + _EULER * second)


def deflated_sharpe(ratio: float, error: float, trials: float, spread: float) -> float:
    """The probability that the true ratio of the best of `trials` is above 0, 0 to 1.

    `error` is its standard error, skewness and kurtosis of the returns in it (ratio_error, or metrics.sharpe_error).
    """
    if not (error > 0 and math.isfinite(ratio) and math.isfinite(spread)):
        return math.nan
    return _NORMAL.cdf((ratio - expected_best(trials, spread)) / error)


def spread_of(ratios: Sequence[float | None]) -> float:
    """The standard deviation of the trials' ratios that are known; NaN of fewer than two."""
    known = [one for one in ratios if one is not None and math.isfinite(one)]
    return stdev(known) if len(known) > 1 else math.nan
