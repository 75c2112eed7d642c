"""Judging: one sold leg as the rules of managing.py see it, from its own quote and nothing else of the chain."""

from __future__ import annotations

from optionwriter.core.books.chains import Leg
from optionwriter.core.decide.managing import Holding
from optionwriter.core.decide.state import UnderlyingState, price_of
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import Family, parse_instrument

_NAN = float("nan")


def holding_at(
    at_ms: int, underlying: UnderlyingState, chain: OptionChain, realised: float, leg: Leg
) -> Holding:
    """The leg at an instant; `realised` is the forecast volatility. NaN where its chain shows none of it."""
    option = parse_instrument(leg.instrument)
    row = chain.table.row_of.get(leg.instrument)
    iv = delta = ask = _NAN
    if row is not None:
        _, iv, delta = price_of(chain, row, at_ms)
        ask = float(chain.ask[row])
    return Holding(
        is_call=option.is_call,
        is_inverse=option.product.family is Family.INVERSE,
        strike=float(option.strike),
        index_price=float(underlying.index),
        days_to_expiry=option.days_to_expiry(at_ms),
        iv=iv,
        realised=realised,
        delta=abs(delta),
        entry_price=float(leg.entry_price),
        ask=ask,
    )
