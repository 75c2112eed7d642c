"""What a paper account has: cash, positions, orders, and what happened to it, in order.

Owns the records and their arithmetic; money moves only with an event. Cash is exact and on each currency's grain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from optionwriter.core.books.account import (
    CashMovement,
    CurrencyAccount,
    Fill,
    Position,
    Settlement,
    Side,
    VenueEvent,
    VenueOrder,
)
from optionwriter.core.books.margin import MarginLine, currency_account
from optionwriter.core.market.instruments import Instrument, parse_instrument
from optionwriter.core.market.money import EXACT, quantise

_ZERO = Decimal(0)


@dataclass(slots=True)
class PaperOrder:
    """A limit order, good till cancelled. `number` counts orders: equal prices fill by it."""

    number: int
    order_id: str
    label: str
    option: Instrument
    side: Side
    amount: Decimal
    price: Decimal
    reduce_only: bool
    created_ms: int
    plan: str = ""  # of the intent, "" where it isn't known
    filled: Decimal = _ZERO
    state: str = "open"
    fills: list[Fill] = field(default_factory=list)

    @classmethod
    def known(cls, number: int, order: VenueOrder) -> PaperOrder:
        """An order that rested before this broker lived."""
        return cls(
            number=number,
            order_id=order.order_id,
            label=order.label,
            option=parse_instrument(order.instrument),
            side=order.side,
            amount=order.amount,
            price=order.price,
            reduce_only=order.reduce_only,
            created_ms=order.created_ms,
            filled=order.filled_amount,
            state=order.state,
        )

    @property
    def open_amount(self) -> Decimal:
        """What may still fill."""
        return self.amount - self.filled if self.state == "open" else _ZERO

    @property
    def rank(self) -> tuple[str, str, Decimal, int]:
        """Who fills first: by instrument and side, the better price, the older order."""
        better = -self.price if self.side is Side.BUY else self.price
        return (self.option.name, self.side.value, better, self.number)

    def as_venue_order(self) -> VenueOrder:
        """As a venue would report it."""
        return VenueOrder(
            order_id=self.order_id,
            label=self.label,
            instrument=self.option.name,
            side=self.side,
            amount=self.amount,
            filled_amount=self.filled,
            price=self.price,
            state=self.state,
            reduce_only=self.reduce_only,
            created_ms=self.created_ms,
        )


@dataclass(slots=True)
class _Held:
    size: Decimal
    average: Decimal

    def add(self, signed: Decimal, price: Decimal) -> None:
        """Adding moves the average, reducing keeps it, crossing zero begins anew."""
        size = self.size + signed
        if self.size * signed >= 0:
            self.average = (self.average * self.size + price * signed) / size
        elif size * self.size < 0:
            self.average = price
        self.size = size


class PaperAccount:
    """Cash, positions and events of one account."""

    def __init__(self, cash: Mapping[str, Decimal], positions: tuple[Position, ...]) -> None:
        self.cash = {currency: quantise(amount, currency) for currency, amount in cash.items()}
        self._held = {one.instrument: _Held(one.amount, one.average_price) for one in positions if one.amount}
        self.events: list[VenueEvent] = []

    @property
    def held(self) -> tuple[str, ...]:
        """Instruments with a position."""
        return tuple(self._held)

    def size(self, name: str) -> Decimal:
        """Signed coins held in an instrument."""
        held = self._held.get(name)
        return held.size if held else _ZERO

    def position(self, name: str, mark: Decimal) -> Position:
        """One position, marked."""
        held = self._held[name]
        return Position(name, held.size, held.average, mark)

    def book_fill(self, fill: Fill) -> None:
        """Premium, fee and position of a fill. Cash is booked in the parts that close and open (as the venue does)."""
        currency = parse_instrument(fill.instrument).product.settlement_currency
        signed = fill.side.sign * fill.amount
        before = self.size(fill.instrument)
        parts = (-before, signed + before) if before * signed < 0 and abs(signed) > abs(before) else (signed,)
        for part in parts:
            self._move(currency, quantise(-part * fill.price, currency))
        self._move(currency, -fill.fee)
        held = self._held.setdefault(fill.instrument, _Held(_ZERO, _ZERO))
        held.add(signed, fill.price)
        if not held.size:
            del self._held[fill.instrument]
        self.events.append(fill)

    def book_settlement(self, settlement: Settlement) -> None:
        """A position's end and its cash."""
        currency = parse_instrument(settlement.instrument).product.settlement_currency
        self._move(currency, EXACT.subtract(settlement.payoff, settlement.fee))
        del self._held[settlement.instrument]
        self.events.append(settlement)

    def book_movement(self, movement: CashMovement) -> None:
        """Cash that came or went without a trade."""
        self._move(movement.currency, movement.amount)
        self.events.append(movement)

    def view(self, currency: str, lines: list[MarginLine]) -> CurrencyAccount:
        """One currency with its margin."""
        return currency_account(currency, self.cash.get(currency, _ZERO), lines)

    def _move(self, currency: str, amount: Decimal) -> None:
        self.cash[currency] = EXACT.add(self.cash.get(currency, _ZERO), amount)
