"""Linear marks: what recorded marks of USDC options are beside Black-76, measured from call less put.

A recorded linear mark is Black-76 on the expiry's forward times index / forward: the inverse mark in coin, at the
index. So call less put is (forward - strike) times that ratio, which the regression here gives for each expiry, whether
the index is recorded or not. Measured on the captures of 2025-12-10, forwards the day's mean: the ratio times the
forward is one index for all expiries from 1 to 107 days, 92,590 USD to 0.04 % for BTC_USDC (ratio 0.99996 to 0.98697)
and 3,359 USD to 0.2 % for ETH_USDC (to 0.99052); SOL, XRP, AVAX and TRX have no dated futures, their forwards are the
index, and their ratio is 1 to 1e-4.

Against the inverse marks of the same minute, volatility and forward: linear over inverse is one number for all strikes
and expiries, to 2e-5 at the median for BTC (12,613 marks) and 9e-6 for ETH (15,961). Prices of our own: premium.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.market.chain import F64

LEAST_PAIRS = 4
_MOST_RATE = 0.25  # a year: a ratio that no basis explains is none


def index_over_forward(
    group: NDArray[np.intp], count: int, forward: F64, strike: F64, call_less_put: F64, years: F64
) -> F64:
    """index / forward of each of `count` groups, (count,); 1 where the pairs can't tell, or tell nonsense.

    One row a strike with both sides, (n,): its `group` (an expiry; or an expiry at an instant), forward and strike USD,
    call less put USD, years to expiry.
    """
    distance = forward - strike
    square = np.bincount(group, distance * distance, count)
    product = np.bincount(group, distance * call_less_put, count)
    pairs = np.bincount(group, minlength=count)
    found = np.ones(count)
    told = (pairs >= LEAST_PAIRS) & (square > 0) & (product > 0)
    ratio = product[told] / square[told]
    life = np.bincount(group, years, count)[told] / pairs[told]
    found[told] = np.where(np.abs(np.log(ratio)) <= _MOST_RATE * life, ratio, 1.0)
    return found
