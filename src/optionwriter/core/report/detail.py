"""Detail: one position opened up, with every flow, every fill and what its end may bring.

Folds of a chain and its trades. Amounts are the settlement currency, `_usd` dollars with each flow at the index of its
own instant. The sums over flows are known whatever prices are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from optionwriter.core.books.chains import Chain
from optionwriter.core.books.facts import Fact, Filled
from optionwriter.core.books.pnl import Both, Prices, chain_pnl, collateral
from optionwriter.core.market.instruments import parse_instrument
from optionwriter.core.market.money import EXACT
from optionwriter.core.report.upside import upside_of


@dataclass(frozen=True, slots=True)
class FillView:
    """One trade of a position; `price` and `fee` (positive when paid) in the settlement currency."""

    at_ms: int
    instrument: str
    side: str
    amount: Decimal
    price: Decimal
    fee: Decimal
    index: Decimal
    label: str
    currency: str


@dataclass(frozen=True, slots=True)
class FlowView:
    """One cash flow, signed."""

    at_ms: int
    kind: str
    instrument: str
    amount: Decimal
    amount_usd: Decimal
    index: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class FlowSums:
    """What the flows of a chain add up to; fees are negative."""

    fees: Both
    net_premium: Both


@dataclass(frozen=True, slots=True)
class PositionDetail:
    """What opening a position shows beside its row; what was given up and kept is the upside ledger's (upside)."""

    flows: tuple[FlowView, ...]
    fills: tuple[FillView, ...]
    fees: Decimal
    fees_usd: Decimal
    net_premium: Decimal
    net_premium_usd: Decimal
    collateral: Decimal
    collateral_usd: Decimal
    upside_given_up: Decimal
    upside_given_up_usd: Decimal
    premium_kept: Decimal
    premium_kept_usd: Decimal
    currency: str


def fill_of(fact: Fact) -> FillView | None:
    """The trade that a fact books to a chain, None for every other fact."""
    body = fact.body
    if not isinstance(body, Filled) or not fact.chain_id:
        return None
    currency = parse_instrument(body.instrument).product.settlement_currency
    return FillView(
        fact.at_ms,
        body.instrument,
        str(body.side),
        body.amount,
        body.price,
        body.fee,
        body.index,
        body.label,
        currency,
    )


def flow_sums(chain: Chain) -> FlowSums:
    """What the chain's flows add up to, without any price."""
    pnl = chain_pnl(replace(chain, legs=()), Prices({}, {}))
    return FlowSums(pnl.fees, pnl.net_premium)


def bundle_detail(sides: Sequence[PositionDetail]) -> PositionDetail:
    """The details of a bundle's chains as one, in USD; flows and fills stay in their own currencies, by time."""
    fees, premium = sum_of(one.fees_usd for one in sides), sum_of(one.net_premium_usd for one in sides)
    given_up = sum_of(one.upside_given_up_usd for one in sides)
    kept, bound = sum_of(one.premium_kept_usd for one in sides), sum_of(one.collateral_usd for one in sides)
    return PositionDetail(
        flows=tuple(sorted((flow for one in sides for flow in one.flows), key=lambda flow: flow.at_ms)),
        fills=tuple(sorted((fill for one in sides for fill in one.fills), key=lambda fill: fill.at_ms)),
        fees=fees,
        fees_usd=fees,
        net_premium=premium,
        net_premium_usd=premium,
        collateral=bound,
        collateral_usd=bound,
        upside_given_up=given_up,
        upside_given_up_usd=given_up,
        premium_kept=kept,
        premium_kept_usd=kept,
        currency="USD",
    )


def sum_of(amounts: Iterable[Decimal]) -> Decimal:
    """Their sum."""
    return sum(amounts, Decimal(0))


def position_detail(chain: Chain, fills: Sequence[FillView]) -> PositionDetail:
    """The detail of a chain with at least one leg; `fills` are its trades, oldest first."""
    sums, bound = flow_sums(chain), collateral(chain)
    given_up, kept = upside_of(chain, fills)
    currency = parse_instrument(chain.legs[0].instrument).product.settlement_currency
    return PositionDetail(
        flows=tuple(
            FlowView(
                flow.at_ms,
                str(flow.kind),
                flow.instrument,
                flow.amount,
                EXACT.multiply(flow.amount, flow.index),
                flow.index,
                currency,
            )
            for flow in chain.flows
        ),
        fills=tuple(fills),
        fees=sums.fees.coin,
        fees_usd=sums.fees.usd,
        net_premium=sums.net_premium.coin,
        net_premium_usd=sums.net_premium.usd,
        collateral=bound.coin,
        collateral_usd=bound.usd,
        upside_given_up=given_up.coin,
        upside_given_up_usd=given_up.usd,
        premium_kept=kept.coin,
        premium_kept_usd=kept.usd,
        currency=currency,
    )
