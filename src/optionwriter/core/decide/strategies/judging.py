"""Judging: one sold leg as the rules of managing.py see it, from its own quote and nothing else of the chain."""

from __future__ import annotations

from typing import NamedTuple

from optionwriter.core.books.chains import Leg
from optionwriter.core.decide.managing import Holding
from optionwriter.core.decide.state import UnderlyingState, delta_of
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import Family, Instrument, parse_instrument

_NAN = float("nan")


class LegQuote(NamedTuple):
    """What is quoted of one leg, in the units of OptionChain; NaN where there is none."""

    forward: float
    iv: float
    ask: float


UNQUOTED = LegQuote(_NAN, _NAN, _NAN)


def holding_at(
    at_ms: int, underlying: UnderlyingState, chain: OptionChain, realised: float, leg: Leg
) -> Holding:
    """The leg at an instant; `realised` is the forecast volatility. NaN where its chain shows none of it."""
    row, quote = chain.table.row_of.get(leg.instrument), UNQUOTED
    if row is not None:
        quote = LegQuote(float(chain.forward[row]), float(chain.mark_iv[row]), float(chain.ask[row]))
    option = parse_instrument(leg.instrument)
    return holding_quoted(at_ms, float(underlying.index), quote, realised, option, float(leg.entry_price))


def holding_quoted(
    at_ms: int, index_price: float, quote: LegQuote, realised: float, option: Instrument, entry_price: float
) -> Holding:
    """The same from plain numbers."""
    strike = float(option.strike)
    delta = delta_of(quote.forward, strike, option.expiry_ms - at_ms, quote.iv, option.is_call)
    return Holding(
        is_call=option.is_call,
        is_inverse=option.product.family is Family.INVERSE,
        strike=strike,
        index_price=index_price,
        days_to_expiry=option.days_to_expiry(at_ms),
        iv=quote.iv,
        realised=realised,
        delta=abs(delta),
        entry_price=entry_price,
        ask=quote.ask,
    )
