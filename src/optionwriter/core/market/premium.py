"""Premium: what an option costs in its settlement currency, from Black-76's value in USD of the forward, and back.

- inverse: value / forward, in coin (FACTS §4)
- linear: value x index / forward, in USDC: the inverse price at the index (linear_marks.py has the measurement)

So marks of both families are one price in two currencies, and put-call parity of linear ones is (forward - strike) x
index / forward. Greeks are black76's for both, without this factor: so the exchange gives those of inverse options, and
N(d1) is what a linear option moves by with the index while the basis stands (docs/decisions/0008).
"""

from __future__ import annotations

from typing import TypeVar

from optionwriter.core.compiled import compiled
from optionwriter.core.market.chain import F64

N = TypeVar("N", float, F64)


def premium(is_inverse: bool, value_usd: N, forward: N, index: N | float) -> N:
    """The price of one coin's option worth `value_usd` by Black-76 on `forward`; scalars or columns, USD."""
    return value_usd / forward if is_inverse else value_usd * (index / forward)


def black_usd(is_inverse: bool, price: N, forward: N, index: N | float) -> N:
    """Black-76's value of an option with this price, in USD of the forward: what a volatility is implied from."""
    return price * forward if is_inverse else price / (index / forward)


premium_one = compiled(premium)
