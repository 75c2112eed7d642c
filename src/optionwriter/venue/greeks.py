"""Greeks and implied volatility of quotes, rounded as the wire shows them (FACTS §4, measured on recorded tickers).

The formulas are core.market.black76's and premium's; here are their roundings, and rho (USD per 1 % of rate).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.market import black76
from optionwriter.core.market.instruments import MS_PER_YEAR, Family
from optionwriter.core.market.premium import black_usd
from optionwriter.venue.quotes import Quote
from optionwriter.venue.values import ZERO, exact


@dataclass(frozen=True, slots=True)
class Greeks:
    """Of one coin of an option; units as black76's, five decimals."""

    delta: Decimal
    gamma: Decimal
    vega: Decimal
    theta: Decimal
    rho: Decimal


def greeks_of(quote: Quote) -> Greeks:
    """The greeks at the mark's volatility."""
    instrument = quote.instrument
    forward, strike = float(quote.forward), float(instrument.strike)
    years = _years(quote)
    found = black76.greeks(forward, strike, years, float(quote.mark_iv) / 100, instrument.is_call)
    delta, price = float(found.delta[0]), float(found.price_usd[0])
    return Greeks(
        delta=_round5(delta),
        gamma=_round5(float(found.gamma[0])),
        vega=_round5(float(found.vega[0])),
        theta=_round5(float(found.theta[0])),
        rho=_round5(max(years, 0.0) * (forward * delta - price) / 100),
    )


def implied_percent(quote: Quote, price: Decimal | None) -> Decimal:
    """The volatility at which the option costs `price`, percent, two decimals; 0 where there is none (recorded)."""
    if price is None:
        return ZERO
    instrument = quote.instrument
    forward = float(quote.forward)
    inverse = instrument.product.family is Family.INVERSE
    in_usd = black_usd(inverse, float(price), forward, float(quote.index))
    sigma = black76.implied_volatility_one(
        in_usd, forward, float(instrument.strike), _years(quote), instrument.is_call
    )
    return ZERO if math.isnan(sigma) else exact(round(sigma * 100, 2))


def _years(quote: Quote) -> float:
    return (quote.instrument.expiry_ms - quote.at_ms) / MS_PER_YEAR


def _round5(value: float) -> Decimal:
    return exact(round(value, 5))
