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
    smiles = _Smiles(chain)
    week, month, quarter = (smiles.at(days) for days in (7, 30, 90))
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
    return _Smiles(chain).at(days)


class _Smiles:
    """The smiles of one chain: what all tenors rest on is found once."""

    def __init__(self, chain: OptionChain) -> None:
        self._chain, self._usable = chain, np.flatnonzero(_usable(chain))
        self._expiry_ms = chain.table.expiry_ms[self._usable]
        expiries = np.unique(self._expiry_ms)
        self._expiries = expiries[expiries >= chain.at_ms + _SHORTEST_MS]

    def at(self, days: float) -> Smile25:
        """As smile_at."""
        expiries, at_ms = self._expiries, self._chain.at_ms
        wanted = at_ms + days * MS_PER_DAY
        after = int(np.searchsorted(expiries, wanted))
        if after == len(expiries) or (after == 0 and expiries[0] > wanted):
            return Smile25(_NAN, _NAN, _NAN)
        far = self._of(int(expiries[after]))
        if expiries[after] == wanted:
            return far
        near_ms, far_ms = int(expiries[after - 1]), int(expiries[after])
        near = self._of(near_ms)
        mix = (wanted - near_ms) / (far_ms - near_ms)
        before, behind, span = near_ms - at_ms, far_ms - at_ms, wanted - at_ms
        return Smile25(
            *(
                math.sqrt(((1.0 - mix) * low * low * before + mix * high * high * behind) / span)
                for low, high in zip(near, far, strict=True)
            )
        )

    def _of(self, expiry_ms: int) -> Smile25:
        """One expiry's own."""
        chain, rows = self._chain, self._usable[self._expiry_ms == expiry_ms]
        if len(rows) < _LEAST_STRIKES:
            return Smile25(_NAN, _NAN, _NAN)
        strike, forward, iv = chain.table.strike[rows], chain.forward[rows], chain.mark_iv[rows]
        years = np.full(len(rows), (expiry_ms - chain.at_ms) / MS_PER_YEAR)
        _, delta = price_delta(forward, strike, years, iv, np.ones(len(rows), dtype=np.bool_))
        of_money = _Ordered(np.log(strike / forward), iv)
        of_delta = _Ordered(delta, iv)
        return Smile25(of_money.at(0.0), of_delta.at(_DELTA), of_delta.at(1.0 - _DELTA))


def _usable(chain: OptionChain) -> Bools:
    """The rows with a mark and a forward; of each strike the option out of the money alone, which trades."""
    marked = np.isfinite(chain.mark_iv) & (chain.mark_iv > _LEAST_IV) & (chain.forward > 0.0)
    outside = chain.table.is_call == (chain.table.strike > chain.forward)
    return np.asarray(marked & np.isfinite(chain.forward) & outside)


class _Ordered:
    """Volatility over something else, linear between its neighbours; NaN outside of them."""

    def __init__(self, known: F64, iv: F64) -> None:
        order = np.argsort(known, kind="stable")
        self._known, self._iv = known[order], iv[order]

    def at(self, wanted: float) -> float:
        """The volatility there."""
        return float(np.interp(wanted, self._known, self._iv, left=_NAN, right=_NAN))
