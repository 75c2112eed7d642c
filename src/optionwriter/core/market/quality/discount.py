"""Discount: what the exchange's linear marks are discounted by, as call less put of each expiry tells.

Inverse marks are Black-76 undiscounted (FACTS §4). Those of BTC_USDC and ETH_USDC recorded in December 2025 are not:
call less put is (forward - strike) times a factor that falls by 4 to 5 % a year. So the factor is measured and
prices are compared beside it. A factor that no rate explains is left at 1: then parity is broken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.market.chain import F64
from optionwriter.core.market.quality.chain_day import ChainDay

_LEAST_PAIRS = 4
_MOST_RATE, _LEAST_RATE = 0.25, 0.01  # a year; below the least it is noise


def pairs_of(day: ChainDay) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(puts, calls): rows of one snapshot, expiry and strike, both priced."""
    rows = np.flatnonzero(day.priced)
    order = rows[np.lexsort((day.is_call[rows], day.strike[rows], day.expiry_ms[rows], day.snapshot[rows]))]
    put, call = order[:-1], order[1:]
    pair = (
        (day.snapshot[put] == day.snapshot[call])
        & (day.expiry_ms[put] == day.expiry_ms[call])
        & (day.strike[put] == day.strike[call])
        & ~day.is_call[put]
        & day.is_call[call]
    )
    return put[pair], call[pair]


def discounts(day: ChainDay) -> F64:
    """The factor of each row's expiry, (n,); 1 for inverse options and where it can't be measured."""
    factors = np.ones(len(day))
    if not day.linear:
        return factors
    put, call = pairs_of(day)
    expiries, place = np.unique(day.expiry_ms, return_inverse=True)
    distance = day.forward[call] - day.strike[call]
    worth = day.mark[call] - day.mark[put]
    square = np.bincount(place[call], distance * distance, len(expiries))
    product = np.bincount(place[call], distance * worth, len(expiries))
    years = np.bincount(place[call], day.years[call], len(expiries))
    count = np.bincount(place[call], minlength=len(expiries))
    for row in np.flatnonzero((count >= _LEAST_PAIRS) & (square > 0)):
        factor = product[row] / square[row]
        if factor > 0 and abs(np.log(factor)) <= _MOST_RATE * years[row] / count[row]:
            factors[place == row] = factor
    return factors


def discount_rate(day: ChainDay, factors: F64) -> float | None:
    """The rate a year that the factors of a week and more come to; None for none."""
    years = day.years
    telling = (factors != 1.0) & (years > 7 / 365)
    if not telling.any():
        return None
    rate = float(np.median(-np.log(factors[telling]) / years[telling]))
    return rate if abs(rate) > _LEAST_RATE else None
