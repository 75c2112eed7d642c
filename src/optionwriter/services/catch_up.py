"""Catch up: book what the venue did since the last cycle, before anything is decided.

Keeps three rules: an unresolved order is looked up and never resent; a working order that has not filled is cancelled
and confirmed before its chain is decided afresh; books and venue must agree, else nothing is risked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.books.account import (
    Absent,
    AccountSnapshot,
    Fill,
    Found,
    Lookup,
    LookupFailed,
    Settlement,
    VenueEvent,
)
from optionwriter.core.books.book import Book, OrderRecord, OrderStatus, unresolved, working
from optionwriter.core.books.booking import shares_of
from optionwriter.core.books.facts import (
    Deposited,
    LedgerOpened,
    OrderAcknowledged,
    OrderClosed,
    OrderProvenAbsent,
    StateChanged,
    TradingState,
)
from optionwriter.core.books.reconcile import Difference, differences, told
from optionwriter.ports import Broker, BrokerUnavailableError, Market
from optionwriter.services.recorder import Entry, Recorder

USDC_INDEX = Decimal(1)  # assumed until a venue quotes usdc_usd
BOOKS_DIFFER = "books and venue differ"
BOOKS_AGREE_AGAIN = "books and venue agree again"


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What catching up booked: counts by kind, and what stays open, in words."""

    fills: int
    settlements: int
    movements: int
    unresolved: tuple[str, ...]


def open_ledger(
    recorder: Recorder, broker: Broker, account: AccountSnapshot, mode: str, index_of: Mapping[str, Decimal]
) -> None:
    """Writes an empty ledger's first facts: whose it is, and the cash it starts with.

    `index_of` gives each currency's USD index now. Errors: BrokerUnavailableError when it can't be told whether a trade
    is in that cash already, or when a currency has no price: nothing is written then, and the next cycle tries again.
    """
    if recorder.book.seq:
        return
    if any(isinstance(one, Fill | Settlement) for one in broker.events_since(account.at_ms)):
        raise BrokerUnavailableError(
            "the account traded in the very instant in which its ledger was to be opened: the next cycle opens it"
        )
    unknown = [one.currency for one in account.currencies if one.balance and one.currency not in index_of]
    if unknown:
        raise BrokerUnavailableError(
            f"the account holds {', '.join(unknown)}, of which no price is known: move it to another account"
        )
    entries = [Entry(LedgerOpened(account.environment, mode), at_ms=account.at_ms)]
    entries += [
        Entry(
            Deposited(
                f"opening:{one.currency}", one.currency, one.balance, "opening", index_of[one.currency]
            ),
            at_ms=account.at_ms,
        )
        for one in account.currencies
        if one.balance != 0
    ]
    recorder.record(entries)


def book_events(recorder: Recorder, events: Iterable[VenueEvent]) -> dict[str, int]:
    """Books each event that is not booked yet, an event a transaction; counts by kind of event."""
    counts: dict[str, int] = {}
    for event in events:
        shares = shares_of(event, recorder.book, USDC_INDEX)
        if not shares:
            continue
        recorder.record([Entry(one.body, one.strategy_id, "", one.chain_id, event.at_ms) for one in shares])
        counts[type(event).__name__] = counts.get(type(event).__name__, 0) + 1
    return counts


def close_order(recorder: Recorder, record: OrderRecord, found: Found) -> None:
    """Books an order's fills and, when it rests no more, its end."""
    label = record.intent.label
    if record.status is not OrderStatus.WORKING or not record.order_id:
        recorder.record([_about(record, OrderAcknowledged(label, found.order.order_id))])
    book_events(recorder, found.fills)
    still = recorder.book.orders.get(label)
    if found.order.state != "open" and still is not None and still.status is not OrderStatus.DONE:
        closed = OrderClosed(label, found.order.order_id, found.order.state, found.order.filled_amount)
        recorder.record([_about(record, closed)])


def _about(record: OrderRecord, body: OrderAcknowledged | OrderClosed | OrderProvenAbsent) -> Entry:
    return Entry(body, strategy_id=record.strategy_id, chain_id=record.chain_id)


def settle_unresolved(recorder: Recorder, broker: Broker) -> tuple[str, ...]:
    """Looks up each order whose fate is unknown; returns those that stay so, with the reason."""
    left: list[str] = []
    for record in unresolved(recorder.book):
        answer = broker.look_up(record.intent)
        if isinstance(answer, Found):
            close_order(recorder, record, answer)
        elif isinstance(answer, Absent):
            recorder.record([_about(record, OrderProvenAbsent(record.intent.label))])
        else:
            left.append(f"{record.intent.label}: {answer.reason}")
    return tuple(left)


def cancel_all(book: Book, broker: Broker) -> tuple[tuple[OrderRecord, Lookup], ...]:
    """Asks for the end of everything that rests, and books nothing: each order with the venue's answer."""
    return tuple(
        (record, broker.cancel(record.intent.label, record.order_id, record.intent.instrument))
        for record in working(book)
    )


def book_cancelled(recorder: Recorder, answers: Iterable[tuple[OrderRecord, Lookup]]) -> tuple[str, ...]:
    """Books how cancelled orders ended; returns what stays unclear."""
    left: list[str] = []
    for record, answer in answers:
        if isinstance(answer, Found):
            close_order(recorder, record, answer)
        elif isinstance(answer, LookupFailed):
            left.append(f"{record.intent.label}: {answer.reason}")
    return tuple(left)


def cancel_working(recorder: Recorder, broker: Broker) -> tuple[str, ...]:
    """Cancels what rests since the last cycle and books how it ended; returns what stays unclear."""
    return book_cancelled(recorder, cancel_all(recorder.book, broker))


def catch_up(recorder: Recorder, broker: Broker) -> CaughtUp:
    """Books events, resolves and cancels. Errors: BrokerUnavailableError, LedgerError."""
    counts = book_events(recorder, broker.events_since(recorder.book.last_event_ms))
    left = settle_unresolved(recorder, broker) + cancel_working(recorder, broker)
    return CaughtUp(
        fills=counts.get(Fill.__name__, 0),
        settlements=counts.get("Settlement", 0),
        movements=counts.get("CashMovement", 0),
        unresolved=left,
    )


def check_books(recorder: Recorder, account: AccountSnapshot, prefix: str) -> tuple[Difference, ...]:
    """Halts when books and venue contradict each other, lifts that halt when they agree again; the differences."""
    found = differences(recorder.book, account, prefix)
    halted_here = (
        recorder.book.state is TradingState.HALTED and recorder.book.state_lifted_by == BOOKS_AGREE_AGAIN
    )
    if found and recorder.book.state is not TradingState.HALTED:
        reason = f"{BOOKS_DIFFER}: {told(found)}"
        recorder.record([Entry(StateChanged(TradingState.HALTED, reason, BOOKS_AGREE_AGAIN))])
    elif not found and halted_here:
        recorder.record([Entry(StateChanged(TradingState.ACTIVE, BOOKS_AGREE_AGAIN, ""))])
    return found


def indices(market: Market, products: Iterable[str]) -> dict[str, Decimal]:
    """The USD index of each settlement currency now, from the chains' index price; USDC counts at 1 where unquoted."""
    found: dict[str, Decimal] = {"USDC": Decimal(1)}
    for code in products:
        chain = market.chain(code)
        if chain.product.settlement_currency != "USDC":
            found[chain.product.settlement_currency] = Decimal(str(chain.index_price))
    return found
