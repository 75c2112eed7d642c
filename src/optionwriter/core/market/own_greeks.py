"""What a book summary doesn't say, computed from what it says: implied volatilities of bid and ask, and the greeks.

Greeks are Black-76's at the mark volatility, in its units (black76). A quote's volatility is left out where a tick of
price is worth more than COARSEST_POINTS of it: the quote's own rounding would be what it tells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optionwriter.core.market.black76 import greeks, implied_volatility
from optionwriter.core.market.chain import F64, Bools
from optionwriter.core.market.instruments import Family, Product
from optionwriter.core.market.premium import black_usd

COARSEST_POINTS = 10.0


class OwnGreeks(NamedTuple):
    """Columns (n,), NaN where there is nothing: volatilities in percent, two decimals; greeks as black76 has them, six
    digits."""

    bid_iv: F64
    ask_iv: F64
    delta: F64
    gamma: F64
    theta: F64
    vega: F64


def own_greeks(
    product: Product,
    index: float,
    forward: F64,
    strike: F64,
    years: F64,
    is_call: Bools,
    mark_iv: F64,
    bid: F64,
    ask: F64,
) -> OwnGreeks:
    """Of every option; `mark_iv` is a fraction, bid and ask in the settlement currency, NaN where there is none."""
    found = greeks(forward, strike, years, mark_iv, is_call)
    inverse = product.family is Family.INVERSE

    def volatility(price: F64) -> F64:
        sigma = implied_volatility(black_usd(inverse, price, forward, index), forward, strike, years, is_call)
        vega = greeks(forward, strike, years, sigma, is_call).vega
        tick = np.full_like(price, float(product.tick_size))
        for step in product.tick_steps:
            tick[price > float(step.above)] = float(step.tick)
        with np.errstate(invalid="ignore"):
            told = vega * COARSEST_POINTS >= black_usd(inverse, tick, forward, index)
        return np.where(told, np.round(sigma * 100, 2), np.nan)

    unknown = np.isnan(mark_iv) | (years <= 0)
    columns = [np.where(unknown, np.nan, one) for one in (found.delta, found.gamma, found.theta, found.vega)]
    return OwnGreeks(volatility(bid), volatility(ask), *columns)
