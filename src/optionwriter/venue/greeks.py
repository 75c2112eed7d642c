"""Greeks and implied volatility of quotes, rounded as the wire shows them (FACTS §4, measured on recorded tickers).

Black-76 on the expiry forward, rate 0, ACT/365 to 08:00 UTC. delta = N(d1) forward delta; gamma per USD; vega USD per
volatility point; theta USD per day, in size never more than the option's remaining value; rho USD per 1 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.market.instruments import MS_PER_YEAR, Family
from optionwriter.venue.quotes import Quote
from optionwriter.venue.values import ZERO, exact


@dataclass(frozen=True, slots=True)
class Greeks:
    """Of one coin of an option."""

    delta: Decimal
    gamma: Decimal
    vega: Decimal
    theta: Decimal
    rho: Decimal


def _cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def _value(forward: float, strike: float, years: float, iv: float, is_call: bool) -> float:
    spread = iv * math.sqrt(years)
    if spread <= 0:
        return max(0.0, forward - strike if is_call else strike - forward)
    d1 = math.log(forward / strike) / spread + spread / 2
    call = forward * _cdf(d1) - strike * _cdf(d1 - spread)
    return call if is_call else call - forward + strike


def greeks_of(quote: Quote) -> Greeks:
    """The greeks at the mark's volatility."""
    instrument = quote.instrument
    forward, strike = float(quote.forward), float(instrument.strike)
    years = (instrument.expiry_ms - quote.at_ms) / MS_PER_YEAR
    iv = float(quote.mark_iv) / 100
    spread = iv * math.sqrt(max(years, 0.0))
    if spread <= 0:
        inside = forward > strike if instrument.is_call else forward < strike
        sign = 1 if instrument.is_call else -1
        return Greeks(Decimal(sign if inside else 0), ZERO, ZERO, ZERO, ZERO)
    d1 = math.log(forward / strike) / spread + spread / 2
    density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    delta = _cdf(d1) if instrument.is_call else _cdf(d1) - 1
    value = _value(forward, strike, years, iv, instrument.is_call)
    theta = -min(forward * density * iv / (2 * math.sqrt(years)) / 365, value)
    hit = _cdf(d1 - spread) if instrument.is_call else _cdf(d1 - spread) - 1
    return Greeks(
        delta=_round5(delta),
        gamma=_round5(density / (forward * spread)),
        vega=_round5(forward * density * math.sqrt(years) / 100),
        theta=_round5(theta),
        rho=_round5(strike * years * hit / 100),
    )


def implied_percent(quote: Quote, price: Decimal | None) -> Decimal:
    """The volatility at which the option costs `price`, percent, two decimals; 0 where there is none (recorded)."""
    if price is None:
        return ZERO
    instrument = quote.instrument
    forward, strike = float(quote.forward), float(instrument.strike)
    years = (instrument.expiry_ms - quote.at_ms) / MS_PER_YEAR
    target = float(price) * (forward if instrument.product.family is Family.INVERSE else 1.0)
    low, high = 1e-4, 10.0
    if years <= 0 or target <= _value(forward, strike, years, low, instrument.is_call):
        return ZERO
    if target >= _value(forward, strike, years, high, instrument.is_call):
        return ZERO
    for _ in range(60):
        middle = (low + high) / 2
        if _value(forward, strike, years, middle, instrument.is_call) < target:
            low = middle
        else:
            high = middle
    return exact(round(low * 100, 2))


def _round5(value: float) -> Decimal:
    return exact(round(value, 5))
