"""Book: the state that the ledger's facts add up to, and the questions that others ask it.

Owns the shapes and the reading; how facts change them is the ledger's. Everything here is a value: a book is
never changed, and its successor costs the same however long the ledger is (PersistentMap).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from optionwriter.core.books.chains import Chain
from optionwriter.core.books.facts import Intent, TradingState
from optionwriter.core.books.persistent import PersistentMap

_NONE = Decimal(0)


class OrderStatus(StrEnum):
    """What we know of an order of ours."""

    PREPARED = "prepared"  # committed, perhaps sent: counts as filled
    WORKING = "working"  # acknowledged, may fill
    UNKNOWN = "unknown"  # counts as filled, blocks its chain
    DONE = "done"  # filled, cancelled, rejected or proven absent, and every fill of it is booked


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An intent and what became of it. `reported` is the filled total that the venue gave when it closed the order;
    until the fills that make it up are booked, the order is UNKNOWN and not DONE."""

    intent: Intent
    chain_id: str
    strategy_id: str
    status: OrderStatus
    order_id: str
    filled: Decimal
    reported: Decimal | None = None

    @property
    def open_amount(self) -> Decimal:
        """What may still fill, or has filled and isn't booked: 0 when done."""
        if self.status is OrderStatus.DONE:
            return _NONE
        return (self.intent.amount if self.reported is None else self.reported) - self.filled


@dataclass(frozen=True, slots=True)
class Totals:
    """One currency's sums, exact; `_usd` at each one's own index. Cash is `deposited + flowed`."""

    deposited: Decimal = _NONE  # deposits less withdrawals
    deposited_usd: Decimal = _NONE
    flowed: Decimal = _NONE  # premiums, fees, payoffs: ours and others'
    flowed_usd: Decimal = _NONE


@dataclass(frozen=True, slots=True)
class Book:
    """The state that the facts add up to. Mappings are never changed in place."""

    account: str = ""
    environment: str = ""
    mode: str = ""
    seq: int = 0
    cash: Mapping[str, Decimal] = field(default_factory=dict)
    totals: Mapping[str, Totals] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=PersistentMap)  # all, in order of their first trade
    open_ids: tuple[str, ...] = ()  # of the chains that are open
    orders: Mapping[str, OrderRecord] = field(default_factory=PersistentMap)  # all, by label
    live_labels: tuple[str, ...] = ()  # of the orders that are not done
    trade_ids: Mapping[str, int] = field(default_factory=PersistentMap)  # to the fact's seq
    movement_ids: Mapping[str, int] = field(default_factory=PersistentMap)
    # instrument to the chains whose legs its settlement ended ("": what isn't ours)
    settled: Mapping[str, tuple[str, ...]] = field(default_factory=PersistentMap)
    state: TradingState = TradingState.ACTIVE
    state_reason: str = ""
    state_lifted_by: str = ""
    last_event_ms: int = 0  # latest exchange time of any booked venue event


def positions(book: Book) -> dict[str, Decimal]:
    """Our share of each position by instrument: signed, coins, none that are flat."""
    held: dict[str, Decimal] = {}
    for chain in open_chains(book):
        for leg in chain.open_legs:
            held[leg.instrument] = held.get(leg.instrument, _NONE) + leg.position
    return {name: amount for name, amount in held.items() if amount}


def open_chains(book: Book) -> tuple[Chain, ...]:
    """The chains that are open, oldest first."""
    return tuple(book.chains[chain_id] for chain_id in book.open_ids)


def chains_of(book: Book, instrument: str) -> tuple[Chain, ...]:
    """The chains with an open leg in `instrument`, oldest first."""
    return tuple(chain for chain in open_chains(book) if chain.open_leg(instrument) is not None)


def chain_of(book: Book, instrument: str) -> Chain | None:
    """The oldest chain with an open leg in `instrument`."""
    return next(iter(chains_of(book, instrument)), None)


def live_orders(book: Book) -> tuple[OrderRecord, ...]:
    """The orders that are not done: every one counts as filled (DESIGN §1)."""
    return tuple(book.orders[label] for label in book.live_labels)


def owner(book: Book, instrument: str) -> str | None:
    """The strategy that holds `instrument` or has an order in it that is not done."""
    chain = chain_of(book, instrument)
    if chain is not None:
        return chain.strategy_id
    orders = (order for order in live_orders(book) if order.intent.instrument == instrument)
    return next((order.strategy_id for order in orders), None)


def unresolved(book: Book) -> tuple[OrderRecord, ...]:
    """The orders whose fate must be looked up: prepared and never answered, or unknown."""
    return tuple(order for order in live_orders(book) if order.status is not OrderStatus.WORKING)


def working(book: Book) -> tuple[OrderRecord, ...]:
    """The orders that rest at the venue as far as we know."""
    return tuple(order for order in live_orders(book) if order.status is OrderStatus.WORKING)
