"""Bundled: the two chains of a strangle as one row, their legs inside.

Keeps: a bundle has no settlement currency of its own, so its row is in USD, each flow at the index of its instant, and
says so (`currency` is USD, `_abs` and `_usd` are the same number); what each currency brought stands in its legs. It is
open while one of its chains is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from optionwriter.core.books.chains import Chain
from optionwriter.core.books.pnl import (
    Both,
    ChainPnl,
    Drawdown,
    PriceMissingError,
    Prices,
    chain_pnl,
    collateral,
)
from optionwriter.core.market.instruments import MS_PER_DAY, parse_instrument
from optionwriter.core.report.detail import flow_sums

if TYPE_CHECKING:  # views makes the single rows, this file joins them
    from optionwriter.core.report.views import ClosedPosition, OpenPosition

USD = "USD"
STRANGLE = "strangle"
_NO_PRICES = Prices({}, {})
_ZERO = Decimal(0)


def grouped(chains: Iterable[Chain]) -> dict[str, list[Chain]]:
    """The chains by what is one row: their bundle, or themselves."""
    groups: dict[str, list[Chain]] = {}
    for chain in chains:
        groups.setdefault(chain.bundle or chain.chain_id, []).append(chain)
    return groups


def bundle_total(chains: Sequence[Chain], prices: Prices) -> ChainPnl | None:
    """The bundle's result, of which only the USD side means anything; None without a price that it needs."""
    try:
        found = [chain_pnl(chain, prices) for chain in chains]
    except PriceMissingError:
        return None
    total = found[0]
    for one in found[1:]:
        total = ChainPnl(*(getattr(total, name) + getattr(one, name) for name in ChainPnl.__slots__))
    return total


def bound_usd(chains: Iterable[Chain]) -> Decimal:
    """What the chains' first sales tied up, USD."""
    return sum((collateral(chain).usd for chain in chains if chain.legs), _ZERO)


def open_bundle(
    bundle: str, chains: Sequence[Chain], sides: Sequence[OpenPosition], prices: Prices
) -> OpenPosition:
    """One row of the bundle's chains; `sides` are the rows of those that are open, at least one."""
    first = sides[0]
    pnl = bundle_total(chains, prices)
    unrealised = None if pnl is None else pnl.unrealised.usd
    realised = None if pnl is None else pnl.realised.usd
    sums = [flow_sums(chain) for chain in chains if chain.legs]
    fees = sum((one.fees.usd for one in sums), _ZERO)
    premium = sum((one.net_premium.usd for one in sums), _ZERO)
    bound = bound_usd(chain for chain in chains if chain.open_legs)
    pct = None if unrealised is None or not bound else unrealised / bound * 100
    return replace(
        first,
        position_id=bundle,
        option_type=STRANGLE,
        instrument=" + ".join(one.instrument for one in sides),
        expiry_ms=min(one.expiry_ms for one in sides),
        days_to_expiry=min(one.days_to_expiry for one in sides),
        entry_price=sum((_entry_usd(chain) for chain in chains), _ZERO),
        current_mark=_mark_usd(sides, prices),
        unrealized_pnl_abs=unrealised,
        unrealized_pnl_abs_usd=unrealised,
        unrealized_pnl_pct=pct,
        unrealized_pnl_pct_usd=pct,
        realized_pnl_abs=realised,
        realized_pnl_abs_usd=realised,
        currency=USD,
        fees=fees,
        fees_usd=fees,
        net_premium=premium,
        net_premium_usd=premium,
        created_at=min(chain.created_ms for chain in chains),
        number_of_rolls=sum(chain.rolls for chain in chains),
    )


def closed_bundle(
    bundle: str, sides: Sequence[ClosedPosition], chains: Sequence[Chain], seen: Drawdown
) -> ClosedPosition:
    """One row of a bundle of which every chain is over; `seen` is its drawdown on the way, USD."""
    pnl = bundle_total(chains, _NO_PRICES)
    assert pnl is not None  # nothing is open, so no price is asked
    begun, ended = min(one.created_at for one in sides), max(one.closed_at for one in sides)
    bound, realised = bound_usd(chains), pnl.realised.usd
    pct = realised / bound * 100 if bound else _ZERO
    return replace(
        sides[0],
        position_id=bundle,
        option_type=STRANGLE,
        currency=USD,
        created_at=begun,
        closed_at=ended,
        net_premium=pnl.net_premium.usd,
        net_premium_usd=pnl.net_premium.usd,
        realized_pnl_abs=realised,
        realized_pnl_abs_usd=realised,
        realized_pnl_pct=pct,
        realized_pnl_pct_usd=pct,
        fees=pnl.fees.usd,
        fees_usd=pnl.fees.usd,
        number_of_rolls=sum(one.number_of_rolls for one in sides),
        days_in_trade=(ended - begun) / MS_PER_DAY,
        max_drawdown=seen.after(realised).worst,
        legs=tuple(leg for one in sides for leg in one.legs),
    )


def _entry_usd(chain: Chain) -> Decimal:
    """What a coin of the chain's open sales brought, USD."""
    sold = [leg for leg in chain.open_legs if leg.sold]
    amount = sum((abs(leg.position) for leg in sold), _ZERO)
    return sum((leg.basis_usd for leg in sold), _ZERO) / amount if amount else _ZERO


def _mark_usd(sides: Sequence[OpenPosition], prices: Prices) -> Decimal | None:
    total = Both()
    for one in sides:
        currency = parse_instrument(one.legs[-1].instrument).product.settlement_currency
        index = prices.indices.get(currency)
        if one.current_mark is None or index is None:
            return None
        total += Both(_ZERO, one.current_mark * index)
    return total.usd
