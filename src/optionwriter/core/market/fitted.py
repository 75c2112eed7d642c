"""Fitted: the surface of a chain's own marks, and a surface asked later than it was fitted."""

from __future__ import annotations

import numpy as np

from optionwriter.core.market.chain import F64, I64, OptionChain
from optionwriter.core.market.smile import SmileError
from optionwriter.core.market.surface import Surface, fit_surface

_LEAST_MARKS = 5  # of an expiry, for a smile


def surface_of(chain: OptionChain) -> Surface | None:
    """The surface through a chain's marks, each strike by its option out of the money; None where there are too few.

    An expiry with fewer than five such marks has no slice.
    """
    table = chain.table
    usable = (
        np.isfinite(chain.mark_iv)
        & (chain.mark_iv > 0)
        & np.isfinite(chain.forward)
        & (table.expiry_ms > chain.at_ms)
        & ((table.strike >= chain.forward) == table.is_call)
    )
    expiries, counts = np.unique(table.expiry_ms[usable], return_counts=True)
    usable &= np.isin(table.expiry_ms, expiries[counts >= _LEAST_MARKS])
    if not usable.any():
        return None
    columns = (table.expiry_ms[usable], table.strike[usable], chain.forward[usable], chain.mark_iv[usable])
    try:
        return fit_surface(chain.at_ms, chain.index_price, *columns)
    except SmileError:
        return None


def at_a_later_time(surface: Surface, at_ms: int) -> Surface | None:
    """The surface at a later instant, each expiry's volatility and standardised smile as they were; None where all of
    its expiries have passed. Moneyness is measured on the forward: index 1, no carry."""
    left = surface.expiry_ms > at_ms
    if not left.any():
        return None
    carry = np.zeros(int(np.count_nonzero(left)))
    return Surface(at_ms, 1.0, surface.expiry_ms[left], carry, surface.atm_iv[left], surface.nodes[left])


def iv_on_forward(surface: Surface, strike: F64, forward: F64, expiry_ms: I64) -> F64:
    """Volatility (fractions) at strikes (n,) on forwards (n,), from a surface as `at_a_later_time` gives it."""
    return surface.iv(strike / forward, expiry_ms)
