"""Budgets: the checks of what is summed over all short options, for account and strategies, and what is left.

Keeps: review and sizing measure by the same figures (figures.py); an item that lowers a figure, or leaves it, is not
refused for it; what is sold anew must have a known volatility, because vega and stress follow from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.book import open_chains
from optionwriter.core.decide import exposure
from optionwriter.core.decide.choosing import Proposal
from optionwriter.core.decide.desk import Check, Desk, shorts_after
from optionwriter.core.decide.exposure import Short
from optionwriter.core.decide.figures import CODES, UNITS, Figure, limit_of, readings, weigh
from optionwriter.core.decide.limits import Bounds, Code, Finding, Limits
from optionwriter.core.decide.menu import MenuItem, OrderLeg
from optionwriter.core.decide.newrisk import slots_taken
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.instruments import Instrument, OptionType, expiry_code, parse_instrument

_ZERO = Decimal(0)


def known_volatility(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """What is sold has a volatility: without one neither its vega nor its loss at a stress is known."""
    for leg in sold_to_open(proposal.item):
        if not exposure.volatility_known(desk.state, parse_instrument(leg.instrument)):
            yield Finding(Code.DATA_MISSING, f"{leg.instrument} has no volatility to stress it by")


def account_sums(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """Total short notional, covered coins, vega and the loss at the stress, over the whole account."""
    yield from _sums(desk, proposal, desk.limits.account_bounds, desk.shorts, "")


def strategy_sums(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """The same, and whatever else its own limits name, over the strategy's options alone."""
    bounds = desk.limits.bounds_of(proposal.strategy_id)
    mine = (one for one in desk.shorts if one.strategy_id == proposal.strategy_id)
    yield from _sums(desk, proposal, bounds, mine, f" of {proposal.strategy_id}")


def _sums(
    desk: Desk, proposal: Proposal, bounds: Bounds, shorts: Iterable[Short], whose: str
) -> Iterator[Finding]:
    state, stress = desk.state, desk.limits.stress
    added = readings(state, shorts_after(proposal), bounds, stress)
    if not any(more > 0 for more in added.values()):
        return
    before = readings(state, shorts, bounds, stress)
    for figure, more in added.items():
        after, most = before.get(figure, _ZERO) + more, limit_of(state, bounds, figure)
        if figure.name == "max_covered_share" and bounds.max_covered_share == 1:
            continue  # all of it: that is what never naked asks anyway
        if more > 0 and after > most:
            words = " ".join(part for part in (figure.subject, figure.side) if part)
            detail = f"{figure.name}{whose}: {words}, {UNITS.get(figure.name, 'USD')}"
            yield Finding(CODES[figure.name], detail, after, most)


def chain_counts(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """Chains of the account and of the strategy, all underlyings and types together; rolls stay in their chain."""
    more = len(slots_taken(desk, proposal))
    if not more:
        return
    owner = proposal.strategy_id
    for whose, most, used in (
        ("", desk.limits.max_chains_total, chains_open(desk)),
        (f" of {owner}", desk.limits.bounds_of(owner).max_chains_total, chains_open(desk, owner)),
    ):
        if most is not None and used + more > most:
            yield Finding(Code.CHAINS_TOTAL, f"open chains{whose}", Decimal(used + more), Decimal(most))


def expiry_chains(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """Calls on an underlying by expiry date. A defensive roll may go where it must: it is not held to it."""
    if proposal.item.mandatory:
        return
    most = desk.limits.max_calls_per_expiry
    for leg in sold_to_open(proposal.item):
        option = parse_instrument(leg.instrument)
        used = calls_at(desk, option.product.underlying, option.expiry_ms)
        if option.is_call and used + 1 > most:
            at = f"{option.product.underlying} calls of {expiry_code(option.expiry_ms)}"
            yield Finding(Code.EXPIRY_CHAINS, at, Decimal(used + 1), Decimal(most))


def order_lots(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """The size of each order that opens, in smallest tradable amounts; a roll may open what it closes."""
    closed = sum(
        (leg.amount for leg in proposal.item.legs if leg.reduce_only and leg.side is Side.BUY), _ZERO
    )
    for leg in proposal.item.legs:
        if leg.reduce_only or leg.amount <= closed:
            continue
        lots = leg.amount / parse_instrument(leg.instrument).product.min_amount
        for whose, most in _lot_limits(desk.limits, proposal.strategy_id):
            if lots > most:
                yield Finding(Code.LOTS, f"{leg.instrument}{whose}, lots an order", lots, Decimal(most))


def _lot_limits(limits: Limits, strategy_id: str) -> list[tuple[str, int]]:
    own = limits.bounds_of(strategy_id).max_lots_per_order
    return [("", limits.max_lots_per_order), *([] if own is None else [(f" of {strategy_id}", own)])]


BUDGETS: tuple[Check, ...] = (
    known_volatility,
    account_sums,
    strategy_sums,
    chain_counts,
    expiry_chains,
    order_lots,
)


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """What is left of every sum and count before any proposal, for strategies to size by."""

    state: AgentState
    limits: Limits
    strategy_id: str
    used: tuple[
        tuple[Bounds, Mapping[Figure, Decimal]], ...
    ]  # of the account's and the strategy's that are stated
    chains: int
    calls_at: Mapping[tuple[str, int], int]  # call chains by underlying and expiry
    _lefts: dict[tuple[int, Figure], Decimal] = field(default_factory=dict, repr=False)

    def coins(self, option: Instrument, price: Decimal) -> Decimal:
        """The most coins of the option, sold at `price`, that every sum and the order's lots allow; not on the grid.

        Errors: ExposureError where the option can't be measured.
        """
        one = exposure.short_order(option, Decimal(1), price, self.strategy_id)
        lots = min(most for _, most in _lot_limits(self.limits, self.strategy_id))
        most = lots * option.product.min_amount
        for place, (bounds, _) in enumerate(self.used):
            for figure, each in weigh(self.state, one, bounds, self.limits.stress):
                if each > 0:
                    most = min(most, self._left(place, figure) / each)
        return max(_ZERO, most)

    def _left(self, place: int, figure: Figure) -> Decimal:
        """What is left of a figure; the same for every candidate, so it is reckoned once."""
        found = self._lefts.get((place, figure))
        if found is None:
            bounds, used = self.used[place]
            found = limit_of(self.state, bounds, figure) - used.get(figure, _ZERO)
            self._lefts[(place, figure)] = found
        return found

    def calls_left(self, underlying: str, expiry_ms: int) -> int:
        """How many more call chains may be opened on the underlying at the expiry."""
        return max(0, self.limits.max_calls_per_expiry - self.calls_at.get((underlying, expiry_ms), 0))


def room_of(desk: Desk, strategy_id: str) -> Room:
    """What is left at the desk, for the strategy. Errors: ExposureError."""
    limits, own = desk.limits, desk.limits.bounds_of(strategy_id)
    mine = [one for one in desk.shorts if one.strategy_id == strategy_id]
    chains = limits.max_chains_total - chains_open(desk)
    if own.max_chains_total is not None:
        chains = min(chains, own.max_chains_total - chains_open(desk, strategy_id))
    account = limits.account_bounds
    calls = {(one.option.product.underlying, one.option.expiry_ms) for one in desk.shorts}
    return Room(
        state=desk.state,
        limits=limits,
        strategy_id=strategy_id,
        used=tuple(
            (bounds, readings(desk.state, shorts, bounds, limits.stress))
            for bounds, shorts in ((account, desk.shorts), (own, mine))
            if next(bounds.stated(), None) is not None
        ),
        chains=max(0, chains),
        calls_at={place: calls_at(desk, *place) for place in sorted(calls)},
    )


def chains_open(desk: Desk, strategy_id: str | None = None) -> int:
    """Open chains with something sold, and those that pending orders and approved items would open."""
    found = {
        chain.chain_id
        for chain in open_chains(desk.state.book)
        if strategy_id in (None, chain.strategy_id) and any(leg.position < 0 for leg in chain.open_legs)
    }
    opening = 0
    for one in desk.waiting:
        if one.side is not Side.SELL or one.reduce_only or strategy_id not in (None, one.strategy_id):
            continue
        if one.chain_id:
            found.add(one.chain_id)
        elif one in desk.approved:
            opening += 1
    return len(found) + opening


def calls_at(desk: Desk, underlying: str, expiry_ms: int) -> int:
    """Our calls on the underlying at the expiry, by instrument: what is sold, ordered or approved."""
    return len({
        one.option.name
        for one in desk.shorts
        if one.strategy_id
        and one.option.option_type is OptionType.CALL
        and one.option.expiry_ms == expiry_ms
        and one.option.product.underlying == underlying
    })  # fmt: skip


def sold_to_open(item: MenuItem) -> list[OrderLeg]:
    """The item's legs that sell to open."""
    return [leg for leg in item.legs if leg.side is Side.SELL and not leg.reduce_only]
