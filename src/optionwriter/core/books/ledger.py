"""The ledger: what the facts add up to. Book, apply, replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from optionwriter.core.books.chains import Chain
from optionwriter.core.books.facts import Intent, TradingState


class OrderStatus(StrEnum):
    """What we know of an order of ours."""

    PREPARED = "prepared"  # committed, perhaps sent: counts as filled
    WORKING = "working"  # acknowledged, may fill
    UNKNOWN = "unknown"  # counts as filled, blocks its chain
    DONE = "done"  # filled, cancelled, rejected or proven absent


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An intent and what became of it."""

    intent: Intent
    chain_id: str
    strategy_id: str
    status: OrderStatus
    order_id: str
    filled: Decimal

    @property
    def open_amount(self) -> Decimal:
        """What may still fill: the rest of the intent, 0 when done."""
        return Decimal(0) if self.status is OrderStatus.DONE else self.intent.amount - self.filled


@dataclass(frozen=True, slots=True)
class Book:
    """The state that the facts add up to. Mappings are never changed in place."""

    account: str = ""
    environment: str = ""
    mode: str = ""
    seq: int = 0
    cash: Mapping[str, Decimal] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    orders: Mapping[str, OrderRecord] = field(
        default_factory=dict
    )  # by label; those not done, and today's done ones
    trade_ids: frozenset[str] = frozenset()
    movement_ids: frozenset[str] = frozenset()
    settled: frozenset[tuple[str, int]] = frozenset()  # (instrument, expiry_ms): a settlement is booked once
    state: TradingState = TradingState.ACTIVE
    state_reason: str = ""
    state_lifted_by: str = ""
    last_event_ms: int = 0  # latest exchange time of any booked venue event
