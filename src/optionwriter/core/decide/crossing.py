"""The one crossing point from float to Decimal: where a quote or a share becomes a price or an amount of an order.

Keeps: a float crosses by its shortest decimal spelling (the wire's own number), and lands on the product's grid on
the side that never promises more than the float did. Anything not finite is refused, never rounded to something.
"""

from __future__ import annotations

import math
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.market.instruments import Product


class CrossingError(ValueError):
    """A number that is no price or amount."""


def exact(value: float) -> Decimal:
    """The decimal number that the wire spelt. Errors: CrossingError for NaN and infinities."""
    if not math.isfinite(value):
        raise CrossingError(f"{value!r} is no number to trade on")
    return Decimal(repr(float(value)))


def order_price(product: Product, side: Side, value: Decimal) -> Decimal:
    """`value` on the tick grid, rounded to our own side: a sell never asks less, a buy never bids more.

    At least one tick. Errors: CrossingError for what is not above 0.
    """
    if not value.is_finite() or value <= 0:
        raise CrossingError(f"{value} is no price of {product.code}: it must be above 0")
    price = product.ceil_price(value) if side is Side.SELL else product.floor_price(value)
    return price if price > 0 else product.tick_size


def lots(product: Product, value: Decimal) -> Decimal:
    """The largest tradable amount not above `value`, 0 when there is none."""
    return product.floor_amount(value) if value > 0 else Decimal(0)
