"""Desk: what the checks look at, and the arithmetic of a bundle that they share.

A chain's closing leg fills before its opening leg goes out, so inside one chain of an item, and only there, what the
close frees counts towards what the open needs. Towards anything else it counts once it has filled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.decide import exposure
from optionwriter.core.decide.choosing import Proposal
from optionwriter.core.decide.cover import (
    Pending,
    fee_bound,
    freed_per_coin,
    net_cover_per_coin,
)
from optionwriter.core.decide.limits import Finding, Limits
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.instruments import OptionType, parse_instrument

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """What a check sees: the state, the limits, and what the proposals approved before it have spent."""

    state: AgentState
    limits: Limits
    pending: tuple[Pending, ...]
    shorts: tuple[exposure.Short, ...]
    approved: tuple[Pending, ...] = ()
    spent_cover: Mapping[str, Decimal] = field(default_factory=dict)
    spent_margin: Mapping[str, Decimal] = field(default_factory=dict)
    opened: tuple[tuple[str, OptionType], ...] = ()  # chains that approved items open

    @property
    def waiting(self) -> tuple[Pending, ...]:
        """Every order that may still fill, those just approved included."""
        return (*self.pending, *self.approved)


Check = Callable[[Desk, Proposal], Iterator[Finding]]


def legs_pending(proposal: Proposal) -> tuple[Pending, ...]:
    """The item's legs as orders that may fill."""
    return tuple(
        Pending(
            leg.instrument,
            leg.side,
            leg.amount,
            leg.limit_price,
            leg.reduce_only,
            proposal.item.key,
            proposal.item.chain_of(leg),
            proposal.strategy_id,
        )
        for leg in proposal.item.legs
    )


def costs(orders: Iterable[Pending]) -> dict[str, Decimal]:
    """What all buys among the orders cost with their fees, by currency; unknown instruments are risk's to refuse."""
    total: dict[str, Decimal] = {}
    for one in orders:
        if one.side is Side.BUY and is_option(one.instrument):
            option = parse_instrument(one.instrument)
            currency = option.product.settlement_currency
            cost = one.amount * (one.price + fee_bound(option, one.price))
            total[currency] = total.get(currency, _ZERO) + cost
    return total


def claims_of(proposal: Proposal) -> dict[str, Decimal]:
    """What the item claims of free cover, by currency, never below 0: the worse of closing alone and of all its legs.

    Chains of one item don't wait for each other, so each claims for itself. A wing claims its cost and lowers nothing.
    Legs without a bound are left out: the family check refuses them by name.
    """
    closing: dict[tuple[str, str], Decimal] = {}
    opening: dict[tuple[str, str], Decimal] = {}
    for leg in proposal.item.legs:
        option = parse_instrument(leg.instrument)
        place = (option.product.settlement_currency, proposal.item.chain_of(leg))
        if leg.reduce_only:
            if leg.side is Side.BUY:
                freed = leg.amount * freed_per_coin(option, leg.limit_price)
                closing[place] = closing.get(place, _ZERO) - freed
            continue
        if leg.side is Side.BUY:
            each = leg.limit_price + fee_bound(option, leg.limit_price)
        else:
            each = net_cover_per_coin(option, leg.limit_price) or _ZERO
        opening[place] = opening.get(place, _ZERO) + leg.amount * each
    claims: dict[str, Decimal] = {}
    for place in sorted({*closing, *opening}):
        first, then = closing.get(place, _ZERO), opening.get(place, _ZERO)
        claims[place[0]] = claims.get(place[0], _ZERO) + max(_ZERO, first, first + then)
    return claims


def shorts_after(proposal: Proposal) -> list[exposure.Short]:
    """What the item adds to the short options; its closing legs as negative amounts."""
    changes = []
    for leg in proposal.item.legs:
        option = parse_instrument(leg.instrument)
        if leg.side is Side.SELL and not leg.reduce_only:
            changes.append(exposure.short_order(option, leg.amount, leg.limit_price, proposal.strategy_id))
        elif leg.side is Side.BUY and leg.reduce_only:
            freed = leg.amount * freed_per_coin(option, leg.limit_price)
            changes.append(exposure.Short(option, -leg.amount, proposal.strategy_id, -freed))
    return changes


def longs_after(proposal: Proposal) -> list[exposure.Short]:
    """The wings that the item buys, as negative amounts."""
    return [
        exposure.Short(parse_instrument(leg.instrument), -leg.amount)
        for leg in proposal.item.legs
        if leg.side is Side.BUY and not leg.reduce_only
    ]


def is_option(name: str) -> bool:
    """Whether the name is an option of a product that is known."""
    try:
        parse_instrument(name)
    except ValueError:
        return False
    return True
