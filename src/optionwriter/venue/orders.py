"""Orders and trades: the engine's own records of them.

Owns their shapes and the derived quantities. An order's id never changes; its priority does when it is edited.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from optionwriter.core.books.account import Side
from optionwriter.core.market.instruments import Instrument
from optionwriter.venue.values import ZERO


class TimeInForce(StrEnum):
    """How long an order lives (FACTS §7)."""

    GOOD_TIL_CANCELLED = "good_til_cancelled"
    GOOD_TIL_DAY = "good_til_day"  # till 08:00 UTC
    FILL_OR_KILL = "fill_or_kill"
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel"


class OrderState(StrEnum):
    """Where an order stands; the engine knows no trigger orders and refuses instead of storing `rejected`."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"


@dataclass(slots=True, eq=False)
class Order:
    """A limit order. `priority` orders equal prices; `notional` is the sum of price times amount of its fills."""

    order_id: str
    account_id: str
    instrument: Instrument
    side: Side
    amount: Decimal
    price: Decimal
    label: str
    time_in_force: TimeInForce
    post_only: bool
    reject_post_only: bool
    reduce_only: bool
    created_ms: int
    updated_ms: int
    priority: int
    filled: Decimal = ZERO
    notional: Decimal = ZERO
    state: OrderState = OrderState.OPEN
    cancel_reason: str = ""
    replaced: bool = False

    @property
    def open_amount(self) -> Decimal:
        """What may still fill."""
        return self.amount - self.filled if self.state is OrderState.OPEN else ZERO

    @property
    def average_price(self) -> Decimal:
        """Of its fills, 0 without any."""
        return self.notional / self.filled if self.filled else ZERO


@dataclass(frozen=True, slots=True)
class Trade:
    """A fill of one account's order, with what the exchange knew at its instant. `fee` is positive when paid."""

    trade_id: str
    number: int  # the id's counter
    trade_seq: int
    order: Order
    state: OrderState  # the order's, right after the trade
    amount: Decimal
    price: Decimal
    is_maker: bool
    at_ms: int
    index: Decimal
    mark: Decimal
    iv: Decimal
    forward: Decimal
    fee: Decimal
    tick_direction: int
    profit: Decimal
