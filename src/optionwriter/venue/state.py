"""State: everything the exchange knows, and the counters that name new things.

Owns ids: order, trade and log ids are counters, plain digits for BTC and prefixed with the settlement currency for the
others (FACTS §2). The same inputs therefore give the same ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from optionwriter.core.books.account import Side
from optionwriter.venue.accounts import Account
from optionwriter.venue.orders import Order
from optionwriter.venue.quotes import Liquidity, MarketView

FIRST_ORDER = 100_000
FIRST_TRADE = 500_000
FIRST_ENTRY = 60_000


class EventKind(StrEnum):
    """What happened."""

    ORDER = "order"  # placed, edited, filled or closed; `ref` is the order id
    TRADE = "trade"  # `ref` is the trade id
    SETTLEMENT = "settlement"  # `ref` is the number of its entry
    CASH = "cash"  # a deposit or withdrawal; `ref` is the log entry's id


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to an account."""

    at_ms: int
    kind: EventKind
    account_id: str
    instrument: str
    ref: str


@dataclass(slots=True)
class Counters:
    """The last number given of each kind."""

    order: int = FIRST_ORDER
    trade: int = FIRST_TRADE
    entry: int = FIRST_ENTRY
    settlement: int = 0
    priority: int = 0

    def next(self, kind: str) -> int:
        """The next number of a kind."""
        value: int = getattr(self, kind) + 1
        setattr(self, kind, value)
        return value


@dataclass(slots=True)
class State:
    """The whole exchange. `resting` holds every open order of every account, by instrument."""

    market: MarketView
    start_ms: int
    now_ms: int
    accounts: dict[str, Account]
    liquidity: Liquidity = field(default_factory=Liquidity)
    counters: Counters = field(default_factory=Counters)
    resting: dict[str, list[Order]] = field(default_factory=dict)
    last_trade: dict[str, tuple[Decimal, int]] = field(default_factory=dict)  # price, tick direction
    trade_seq: dict[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    summaries: dict[str, tuple[int, int, bytes]] = field(
        default_factory=dict
    )  # encoded rows: a cache, no state

    def emit(self, kind: EventKind, account: Account, instrument: str, ref: str) -> None:
        """Notes that something happened now."""
        self.events.append(Event(self.now_ms, kind, account.account_id, instrument, ref))

    def rest(self, order: Order) -> None:
        """An order joins the book: best price first, then priority."""
        queue = self.resting.setdefault(order.instrument.name, [])
        if order not in queue:
            queue.append(order)
        queue.sort(key=_rank)
        self.accounts[order.account_id].open_orders[order.order_id] = order

    def unrest(self, order: Order) -> None:
        """An order leaves the book."""
        name = order.instrument.name
        queue = [one for one in self.resting.get(name, ()) if one.order_id != order.order_id]
        if queue:
            self.resting[name] = queue
        else:
            self.resting.pop(name, None)


def _rank(order: Order) -> tuple[str, Decimal, int]:
    better = -order.price if order.side is Side.BUY else order.price
    return (order.side.value, better, order.priority)


def wire_id(number: int, currency: str) -> str:
    """An order's or trade's id: 100001, ETH-100002, USDC-100003."""
    return str(number) if currency == "BTC" else f"{currency}-{number}"
