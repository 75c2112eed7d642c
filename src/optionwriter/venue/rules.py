"""Rules: the numbers of Deribit's rulebook that the engine applies, each with its source.

What FACTS marks (?) or (inf) is labelled assumed here. Money rules (fees, margin, settlement) are core.books'.
"""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.market.instruments import (
    EXPIRY_HOUR_UTC,
    MS_PER_DAY,
    MS_PER_HOUR,
    Family,
    Product,
    expiry_code,
)
from optionwriter.core.market.listing import settlement_period
from optionwriter.venue.values import ZERO

MS_PER_MINUTE = 60_000
MATCHING_GRID_MS = (
    MS_PER_MINUTE  # resting orders meet the feed's quotes once a minute: a choice of this engine
)
SETTLEMENT_WINDOW_MS = 5_000  # orders are refused for "seconds" (FACTS §4); five are assumed
RECENT_ORDERS_MS = 30 * MS_PER_MINUTE  # FACTS §2, retention
RECENT_TRADES_MS = 24 * MS_PER_HOUR
OLD_ORDERS_MS = 2 * MS_PER_DAY
LABEL_MAX = 64

# Rates of FACTS §5, tier 4, as get_account_summary shows them.
LIMITS: dict[str, object] = {
    "limits_per_currency": False,
    "non_matching_engine": {"burst": 100, "rate": 20},
    "matching_engine": {
        "trading": {"total": {"burst": 20, "rate": 5}},
        "spot": {"burst": 20, "rate": 5},
        "quotes": {"burst": 20, "rate": 5},
        "max_quotes": {"burst": 10, "rate": 10},
        "guaranteed_quotes": {"burst": 2, "rate": 2},
        "cancel_all": {"burst": 20, "rate": 5},
    },
}


def in_settlement(at_ms: int) -> bool:
    """Whether orders are refused with 10041: the first seconds from 08:00:00 UTC (FACTS §4)."""
    return (at_ms - EXPIRY_HOUR_UTC * MS_PER_HOUR) % MS_PER_DAY < SETTLEMENT_WINDOW_MS


def last_settlement(at_ms: int) -> int:
    """The latest 08:00:00 UTC at or before `at_ms`."""
    offset = EXPIRY_HOUR_UTC * MS_PER_HOUR
    return (at_ms - offset) // MS_PER_DAY * MS_PER_DAY + offset


def is_daily(expiry_ms: int) -> bool:
    """Dailies pay no delivery fee (FACTS §4)."""
    return settlement_period(expiry_ms) == "day"


def future_name(product: Product, expiry_ms: int) -> str:
    """The future that every option expiry has for its whole life since 2026 (FACTS §0)."""
    return f"{product.code}-{expiry_code(expiry_ms)}"


def contract_size(product: Product) -> Decimal:
    """Coins in a contract: 1 inverse (recorded); linear the amount step (assumed, as XRP_USDC is recorded)."""
    return Decimal(1) if product.family is Family.INVERSE else product.amount_step


def price_band(
    product: Product, mark: Decimal, forward: Decimal, delta: Decimal, vega_usd: Decimal
) -> tuple[Decimal, Decimal]:
    """(min_price, max_price) of an option's orders, in its settlement currency and on its grid.

    Half-width 0.015 + 0.013 |delta| + 30 vega, in coin, around the mark, times the forward for linear products: an
    ASSUMED fit of recorded bands (FACTS §7); never below one tick.
    """
    half = Decimal("0.015") + Decimal("0.013") * abs(delta) + 30 * vega_usd / forward
    if product.family is Family.LINEAR:
        half *= forward
    low = product.ceil_price(mark - half) if mark > half else ZERO
    return max(low, product.tick_size), max(product.floor_price(mark + half), product.tick_size)
