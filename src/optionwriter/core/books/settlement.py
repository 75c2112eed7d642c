"""Settlement: what an option is worth at its expiry, and the cash flows that follow.

Owns the payoff (FACTS §4: inverse in coin, linear in USDC) and the rounding of its booking. Since August 2026 an
option in the money is settled into the future of its expiry at the strike, and that future in cash at the delivery
price (FACTS §0): profit and loss are the same, so this is one flow here; the two log entries are the venue's matter.
"""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.account import Settlement
from optionwriter.core.books.fees import N, delivery_fee
from optionwriter.core.market.instruments import Family, Instrument, InstrumentError
from optionwriter.core.market.money import quantise


def payoff(strike: N, delivery_price: N, is_call: bool, is_inverse: bool) -> N:
    """The value at expiry of one coin of an option held, in its settlement currency, unrounded, never negative.

    Inverse: max(0, D-K)/D or max(0, K-D)/D coin; linear: max(0, D-K) or max(0, K-D) USDC. Source FACTS §4.
    `delivery_price` must be above 0. Type-neutral: Decimal or float.
    """
    gain = delivery_price - strike if is_call else strike - delivery_price
    value = gain if gain > 0 else gain - gain
    return value / delivery_price if is_inverse else value


def settle(instrument: Instrument, position: Decimal, delivery_price: Decimal, is_daily: bool) -> Settlement:
    """The end of a `position` (signed, coins) at expiry; `payoff` is negative where a short owes.

    The payoff is rounded half-even to the currency's grain (assumed: the exchange's own rounding isn't published).
    Errors: InstrumentError for a delivery price that is not above 0.
    """
    if not delivery_price.is_finite() or delivery_price <= 0:
        raise InstrumentError(f"{instrument.name}: no delivery at {delivery_price}; it must be above 0")
    product = instrument.product
    value = payoff(instrument.strike, delivery_price, instrument.is_call, product.family is Family.INVERSE)
    return Settlement(
        instrument=instrument.name,
        position=position,
        delivery_price=delivery_price,
        payoff=quantise(position * value, product.settlement_currency)
        + 0,  # worthless is 0, not -0, to a short
        fee=delivery_fee(product, abs(position), value, delivery_price, is_daily),
        at_ms=instrument.expiry_ms,
    )
