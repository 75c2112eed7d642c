"""Discount: the factor index / forward of linear marks (linear_marks.py), as call less put of each expiry tells.

Inverse marks are Black-76 undiscounted (FACTS §4), linear ones Black-76 × index / forward: as if discounted by the
basis, 4 to 5 % a year for BTC_USDC in December 2025. So the factor is measured and prices are compared beside it. A
factor that no basis explains is left at 1: then parity is broken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.market.chain import F64
from optionwriter.core.market.linear_marks import index_over_forward
from optionwriter.core.market.quality.chain_day import ChainDay

_LEAST_RATE = 0.01  # a year; below it is noise


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
    if not day.linear:
        return np.ones(len(day))
    put, call = pairs_of(day)
    expiries, place = np.unique(day.expiry_ms, return_inverse=True)
    found = index_over_forward(
        place[call],
        len(expiries),
        day.forward[call],
        day.strike[call],
        day.mark[call] - day.mark[put],
        day.years[call],
    )
    return found[place]


def discount_rate(day: ChainDay, factors: F64) -> float | None:
    """The rate a year that the factors of a week and more come to; None for none."""
    years = day.years
    telling = (factors != 1.0) & (years > 7 / 365)
    if not telling.any():
        return None
    rate = float(np.median(-np.log(factors[telling]) / years[telling]))
    return rate if abs(rate) > _LEAST_RATE else None
