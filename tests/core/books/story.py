"""A teller of ledgers: writes facts one after the other, each with the next number, and keeps the book."""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.account import Side, VenueEvent
from optionwriter.core.books.booking import book_event
from optionwriter.core.books.facts import (
    Action,
    Body,
    Deposited,
    Fact,
    Filled,
    Intent,
    IntentPrepared,
    LedgerOpened,
    OrderAcknowledged,
    OrderClosed,
)
from optionwriter.core.books.ledger import Book, apply

D = Decimal
CALL = "BTC-27MAR26-110000-C"
HIGHER = "BTC-24APR26-120000-C"
PUT = "BTC_USDC-27MAR26-80000-P"


class Story:
    """Facts told so far and the book they add up to."""

    def __init__(self, deposit: str = "2", index: str = "90000") -> None:
        self.facts: list[Fact] = []
        self.book = Book()
        self.at_ms = 1_770_000_000_000
        self.tell(LedgerOpened("local", "live"))
        if D(deposit):
            self.tell(Deposited("m1", "BTC", D(deposit), "opening", D(index)))

    def tell(self, body: Body, chain: str = "", strategy: str = "", at_ms: int | None = None) -> Book:
        """One more fact, a minute later unless told otherwise."""
        self.at_ms = self.at_ms + 60_000 if at_ms is None else at_ms
        fact = Fact(
            len(self.facts) + 1,
            self.at_ms,
            self.at_ms + 5,
            "acc",
            strategy,
            "d1" if chain else "",
            chain,
            body,
        )
        self.book = apply(self.book, fact)
        self.facts.append(fact)
        return self.book

    def take(self, event: VenueEvent) -> Book:
        """A venue event, booked."""
        for fact in book_event(event, self.book, self.at_ms):
            self.book = apply(self.book, fact)
            self.facts.append(fact)
        return self.book

    def prepare(
        self,
        label: str,
        side: Side = Side.SELL,
        amount: str = "1",
        instrument: str = CALL,
        action: Action = Action.OPEN_COVERED_CALL,
        chain: str = "c1",
        plan: str = "p1",
        price: str = "0.02",
    ) -> Book:
        """An intent, committed."""
        intent = Intent(
            label,
            plan,
            1,
            action,
            "open",
            instrument,
            side,
            D(amount),
            D(price),
            side is Side.BUY,
            self.at_ms + 5000,
        )
        return self.tell(IntentPrepared(intent), chain, "calls")

    def acknowledge(self, label: str, order_id: str = "") -> Book:
        """The venue took it."""
        return self.tell(
            OrderAcknowledged(label, order_id or f"o-{label}"), self.book.orders[label].chain_id, "calls"
        )

    def close(self, label: str, filled: str, state: str = "cancelled") -> Book:
        """It rests no more."""
        body = OrderClosed(label, f"o-{label}", state, D(filled))
        return self.tell(body, self.book.orders[label].chain_id, "calls")

    def fill(
        self,
        label: str,
        amount: str,
        price: str,
        fee: str = "0",
        index: str = "90000",
        trade: str = "",
        instrument: str = CALL,
        side: Side = Side.SELL,
        chain: str | None = None,
    ) -> Book:
        """A trade; of an order of ours when it has a label, else of somebody else's."""
        order = self.book.orders.get(label)
        if order is not None:
            instrument, side = order.intent.instrument, order.intent.side
        owner = (order.chain_id if order else "") if chain is None else chain
        body = Filled(
            label, f"o-{label}", trade or f"t{len(self.facts)}", instrument, side, D(amount), D(price),
            -side.sign * D(amount) * D(price), D(fee), D(index), D(index), D(price),
        )  # fmt: skip
        return self.tell(body, owner, "calls" if owner else "")

    def sold(self, label: str = "s1", amount: str = "1", price: str = "0.02", fee: str = "0.0003") -> Book:
        """A call sold to the end."""
        self.prepare(label, amount=amount)
        self.acknowledge(label)
        return self.fill(label, amount, price, fee)
