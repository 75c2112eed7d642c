"""Term structure and skew: what a chain's marks say of volatility by tenor and by side of the smile.

Owns at-the-money volatility at fixed tenors and the 25-delta risk reversal and butterfly. Rules:

- marks only, per expiry: volatility at the forward is linear in ln(strike), at a delta linear in delta; our own
  delta (Black-76 on the expiry's forward), a put of delta -0.25 being the strike whose call has 0.75
- between two expiries total variance is linear in time; nothing is extrapolated, neither in time nor beyond the
  outermost strikes: what lies there is NaN
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import F64, Bools, OptionChain
from optionwriter.core.market.context import MarketContext
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_YEAR

_NAN = float("nan")
_DELTA = 0.25
_LEAST_IV = 0.01  # below it there is no mark
_LEAST_STRIKES = 3
_SHORTEST_MS = MS_PER_DAY // 24  # an expiry's last hour says nothing of volatility


class Smile25(NamedTuple):
    """Volatilities (fractions) at one tenor: at the forward, and of the call and the put of 25 delta."""

    atm: float
    call: float
    put: float

    @property
    def risk_reversal(self) -> float:
        """Call less put: above 0 where calls are dearer."""
        return self.call - self.put

    @property
    def butterfly(self) -> float:
        """The wings' mean less the middle: how much the smile bends."""
        return (self.call + self.put) / 2.0 - self.atm


def with_chains(context: MarketContext, chains: Iterable[OptionChain]) -> MarketContext:
    """The context with term structure and skew from its underlying's chain; unchanged where none was seen.

    Of several chains the one that settles in the coin is read: its marks and strikes are the most.
    """
    own = [chain for chain in chains if chain.product.underlying == context.underlying]
    if not own:
        return context
    chain = min(
        own, key=lambda one: (one.product.settlement_currency != context.underlying, one.product.code)
    )
    week, month, quarter = (smile_at(chain, days) for days in (7, 30, 90))
    return replace(
        context,
        atm_iv_7d=week.atm,
        atm_iv_30d=month.atm,
        atm_iv_90d=quarter.atm,
        term_slope_30_7=month.atm / week.atm,
        term_slope_90_30=quarter.atm / month.atm,
        risk_reversal_7d=week.risk_reversal,
        risk_reversal_30d=month.risk_reversal,
        butterfly_7d=week.butterfly,
        butterfly_30d=month.butterfly,
    )


def smile_at(chain: OptionChain, days: float) -> Smile25:
    """The smile `days` ahead, between the expiries around that instant; NaN where one of them gives nothing."""
    wanted = chain.at_ms + days * MS_PER_DAY
    expiries = np.unique(chain.table.expiry_ms[_usable(chain)])
    expiries = expiries[expiries >= chain.at_ms + _SHORTEST_MS]
    after = int(np.searchsorted(expiries, wanted))
    if after == len(expiries) or (after == 0 and expiries[0] > wanted):
        return Smile25(_NAN, _NAN, _NAN)
    far = _smile_of(chain, int(expiries[after]))
    if expiries[after] == wanted:
        return far
    near_ms, far_ms = int(expiries[after - 1]), int(expiries[after])
    near = _smile_of(chain, near_ms)
    mix = (wanted - near_ms) / (far_ms - near_ms)
    before, behind, span = near_ms - chain.at_ms, far_ms - chain.at_ms, wanted - chain.at_ms
    return Smile25(
        *(
            math.sqrt(((1.0 - mix) * low * low * before + mix * high * high * behind) / span)
            for low, high in zip(near, far, strict=True)
        )
    )


def _usable(chain: OptionChain) -> Bools:
    """The rows with a mark and a forward; of each strike the option out of the money alone, which trades."""
    marked = np.isfinite(chain.mark_iv) & (chain.mark_iv > _LEAST_IV) & (chain.forward > 0.0)
    outside = chain.table.is_call == (chain.table.strike > chain.forward)
    return np.asarray(marked & np.isfinite(chain.forward) & outside)


def _smile_of(chain: OptionChain, expiry_ms: int) -> Smile25:
    """One expiry's own."""
    rows = np.flatnonzero(_usable(chain) & (chain.table.expiry_ms == expiry_ms))
    if len(rows) < _LEAST_STRIKES:
        return Smile25(_NAN, _NAN, _NAN)
    strike, forward, iv = chain.table.strike[rows], chain.forward[rows], chain.mark_iv[rows]
    years = np.full(len(rows), (expiry_ms - chain.at_ms) / MS_PER_YEAR)
    _, delta = price_delta(forward, strike, years, iv, np.ones(len(rows), dtype=np.bool_))
    money = np.log(strike / forward)
    return Smile25(_between(0.0, money, iv), _between(_DELTA, delta, iv), _between(1.0 - _DELTA, delta, iv))


def _between(wanted: float, known: F64, iv: F64) -> float:
    """The volatility at `wanted`, linear between its neighbours; NaN outside of them."""
    order = np.argsort(known, kind="stable")
    return float(np.interp(wanted, known[order], iv[order], left=_NAN, right=_NAN))
