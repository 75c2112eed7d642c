"""Likeness: how much the sets of a sweep resemble one another, by what each of them earned day by day.

Owns the series and its correlation. It is the return over holding: all sets of a sweep hold the same coin, whose moves
would make any two of them look alike, whatever their options did.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np

from optionwriter.core.market.chain import F64
from optionwriter.core.report.curve import Curve
from optionwriter.core.report.metrics import daily_returns

LEAST_DAYS = 20  # as many as a Sharpe ratio's error needs
_DIGITS = 9


def returns_over_holding(curve: Curve) -> tuple[float, ...]:
    """The account's daily return less that of its deposits alone, in USD; days are those of metrics.daily_returns."""
    flows = curve.flows_usd
    own = daily_returns(curve.at_ms, curve.equity_usd, flows)
    return over_holding(own, daily_returns(curve.at_ms, curve.holding_usd, flows))


def over_holding(own: F64, held: F64) -> tuple[float, ...]:
    """The same of both daily returns, as long as both last, to nine digits."""
    days = min(len(own), len(held))
    found: list[float] = np.round(own[:days] - held[:days], _DIGITS).tolist()
    return tuple(found)


def mean_correlation(series: Iterable[tuple[float, ...]]) -> tuple[float, int]:
    """(mean correlation of all pairs, of how many series); NaN where it can't be known.

    Series of the commonest length count, if that is LEAST_DAYS or more; one that never moves resembles nothing and is
    left out. With unit series z the mean of all pairs is (|sum z|^2 - n) / (n (n - 1)): no pair is looked at.
    """
    given = [one for one in series if len(one) >= LEAST_DAYS]
    if not given:
        return math.nan, 0
    ((days, _),) = Counter(map(len, given)).most_common(1)
    rows = np.array([one for one in given if len(one) == days])
    rows = rows - rows.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    moves = norm > 0.0
    count = int(np.count_nonzero(moves))
    if count < 2:
        return math.nan, count
    total = (rows[moves] / norm[moves, None]).sum(axis=0)
    return float((total @ total - count) / (count * (count - 1))), count
