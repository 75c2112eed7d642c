"""Reconcile: the book against the venue. What is ours must be there, and what is there must be explained.

Pure: a book and an account in, differences out; it changes nothing and sends nothing. A position or an order that isn't
ours is no difference: external, counted by risk, never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.books.account import AccountSnapshot
from optionwriter.core.books.book import Book, OrderStatus, positions, working

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which book and venue contradict each other. `books` and `venue` are what each shows."""

    kind: str  # account, cash, position, order
    subject: str
    books: str
    venue: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: books {self.books}, venue {self.venue} ({self.meaning})"


def differences(book: Book, account: AccountSnapshot, prefix: str) -> tuple[Difference, ...]:
    """Everything that contradicts, accounts first; none when the book is proven by the venue.

    `prefix` heads the labels of our orders.
    """
    return (
        *_identity(book, account),
        *_cash(book, account),
        *_positions(book, account),
        *_orders(book, account, prefix),
    )


def _identity(book: Book, account: AccountSnapshot) -> Iterator[Difference]:
    for name, ours, theirs in (
        ("account", book.account, account.account_id),
        ("environment", book.environment, account.environment),
    ):
        if ours and ours != theirs:
            yield Difference("account", name, ours, theirs, "the ledger belongs to another account")


def _cash(book: Book, account: AccountSnapshot) -> Iterator[Difference]:
    seen = {one.currency: one.balance for one in account.currencies}
    for currency in sorted({*seen, *book.cash}):
        ours, theirs = book.cash.get(currency, _NONE), seen.get(currency, _NONE)
        if ours != theirs:
            yield Difference(
                "cash", currency, f"{ours:f}", f"{theirs:f}", "cash moved that no event explains"
            )


def _positions(book: Book, account: AccountSnapshot) -> Iterator[Difference]:
    """Our share lies between nothing and the venue's net; more can't be."""
    net: dict[str, Decimal] = {}
    for one in account.positions:
        net[one.instrument] = net.get(one.instrument, _NONE) + one.amount
    for name, ours in sorted(positions(book).items()):
        theirs = net.get(name, _NONE)
        if ours * theirs < 0 or abs(ours) > abs(theirs):
            yield Difference("position", name, f"{ours:f}", f"{theirs:f}", "we hold more than there is")


def _orders(book: Book, account: AccountSnapshot, prefix: str) -> Iterator[Difference]:
    there = {one.label: one for one in account.open_orders if one.label.startswith(prefix)}
    for record in working(book):
        if record.intent.label not in there:
            yield Difference("order", record.intent.label, "working", "not open", "its end was not seen")
    for label, order in sorted(there.items()):
        known = book.orders.get(label)
        if known is None or known.status is OrderStatus.DONE:
            ours = "unknown" if known is None else "done"
            yield Difference(
                "order", label, ours, f"open, {order.amount:f} {order.instrument}", "nobody answers for it"
            )


def told(found: Iterable[Difference]) -> str:
    """All of them in one line."""
    return "; ".join(str(one) for one in found)
