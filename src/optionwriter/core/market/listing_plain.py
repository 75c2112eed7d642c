"""A plain listing for synthetic markets: an expiry every day, strikes evenly around the price, so there are candidates.

It lists what no exchange does, on purpose: a strategy that asks for a tenor and a distance always finds them. The
names are the exchange's, expiries are at 08:00 UTC, strikes lie on round numbers; a strike once listed stays.
"""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

from optionwriter.core.market.instruments import MS_PER_DAY, Product, expiry_at, utc_day
from optionwriter.core.market.listing import LISTING_DELAY_MS, Policy, base_step


class PlainListingError(ValueError):
    """A grid without expiries or strikes."""


def plain_policy(days: int = 45, reach: float = 0.4, step: float = 0.02) -> Policy:
    """Every day up to `days` ahead; strikes to `reach` on either side, both shares of the price.

    They lie `step` (a share too, rounded down to a round number) apart. Errors: PlainListingError.
    """
    if not (1 <= days <= 366 and 0.0 < step <= reach < 1.0):
        raise PlainListingError(
            f"a plain listing has 1 to 366 days, and a step that is above 0 and not above its reach, below 1: "
            f"not {days}, {step}, {reach}"
        )

    def expiries(_product: Product, at_ms: int) -> tuple[int, ...]:
        today = utc_day(at_ms)
        found = (expiry_at(today + timedelta(days=ahead)) for ahead in range(days + 1))
        return tuple(one for one in found if created(one, _product) <= at_ms < one)

    def created(expiry_ms: int, _product: Product) -> int:
        return expiry_ms - days * MS_PER_DAY + LISTING_DELAY_MS

    def strikes(_product: Product, _expiry: int, _day: int, price: float) -> frozenset[Decimal]:
        return around(price)

    @lru_cache(maxsize=64)
    def around(price: float) -> frozenset[Decimal]:  # all series of a day have the same
        width = base_step(price * step)
        low, high = price * (1.0 - reach), price * (1.0 + reach)
        first, last = math.ceil(low / float(width)), math.floor(high / float(width))
        return frozenset(count * width for count in range(first, last + 1))

    return Policy(expiries, created, strikes)
