"""Accounts: what one customer of the exchange has and has done.

Owns the records; money moves through `book` alone, so that cash is the opening plus the log's changes, always.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from optionwriter.core.market.money import EXACT
from optionwriter.venue.orders import Order, OrderState, Trade
from optionwriter.venue.positions import Position
from optionwriter.venue.translog import LogEntry, SettlementEntry
from optionwriter.venue.values import ZERO


@dataclass(slots=True)
class Account:
    """One account under segregated standard margin. `user_id` counts from 1001 in the order of opening."""

    account_id: str
    user_id: int
    created_ms: int
    opening: dict[str, Decimal]
    cash: dict[str, Decimal]
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)  # every order ever, oldest first
    open_orders: dict[str, Order] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    log: list[LogEntry] = field(default_factory=list)
    settlements: list[SettlementEntry] = field(default_factory=list)
    session_realised: dict[str, Decimal] = field(default_factory=dict)

    def book(self, currency: str, change: Decimal) -> Decimal:
        """Moves cash, exactly; returns the balance."""
        balance = EXACT.add(self.cash.get(currency, ZERO), change)
        self.cash[currency] = balance
        return balance

    def position(self, name: str) -> Position:
        """The position in an instrument, flat when there is none."""
        return self.positions.get(name) or Position()

    def size(self, name: str) -> Decimal:
        """Signed coins held in an instrument."""
        held = self.positions.get(name)
        return held.size if held else ZERO

    def working(self, name: str) -> list[Order]:
        """Resting orders in an instrument."""
        return [order for order in self.open_orders.values() if order.instrument.name == name]

    def close(self, order: Order, state: OrderState, at_ms: int, reason: str = "") -> None:
        """An order rests no more."""
        order.state = state
        order.updated_ms = at_ms
        order.cancel_reason = reason
        self.open_orders.pop(order.order_id, None)


def open_account(account_id: str, number: int, cash: dict[str, Decimal], at_ms: int) -> Account:
    """A new account with its opening cash, which is no entry of its log."""
    return Account(account_id, 1000 + number, at_ms, dict(cash), dict(cash))
