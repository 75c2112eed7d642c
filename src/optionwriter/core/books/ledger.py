"""The ledger: how facts add up to a Book. apply, replay.

Owns the fold and what it refuses. Start-up, recovery and the running agent are the same path: `apply`, one fact at
a time. A fact that contradicts those before it is a LedgerFault; nothing is guessed. Cost of a fact doesn't grow
with the ledger (PersistentMap). What is ours is what our labels filled and what was adopted; trades and
settlements of others in the account move its cash and no chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from optionwriter.core.books import legs
from optionwriter.core.books.account import Side
from optionwriter.core.books.book import (
    Book,
    OrderRecord,
    OrderStatus,
    Totals,
    chain_of,
    chains_of,
    live_orders,
    open_chains,
    owner,
    positions,
    unresolved,
    working,
)
from optionwriter.core.books.chains import Chain
from optionwriter.core.books.facts import (
    Action,
    Adopted,
    Decided,
    Deposited,
    Fact,
    Filled,
    IntentPrepared,
    LedgerOpened,
    OrderAcknowledged,
    OrderClosed,
    OrderProvenAbsent,
    OrderRejected,
    OrderUnknown,
    Settled,
    StateChanged,
)
from optionwriter.core.books.persistent import with_item
from optionwriter.core.market.instruments import parse_instrument
from optionwriter.core.market.money import EXACT

__all__ = [
    "Book",
    "LedgerFault",
    "OrderRecord",
    "OrderStatus",
    "Totals",
    "apply",
    "chain_of",
    "chains_of",
    "live_orders",
    "not_its_fill",
    "open_chains",
    "owner",
    "positions",
    "replay",
    "unresolved",
    "working",
]

_NONE = Decimal(0)
_ROLLS = frozenset({
    Action.ROLL_CALL, Action.ROLL_PUT, Action.ROLL_CALL_SPREAD, Action.ROLL_PUT_SPREAD, Action.ROLL_STRANGLE,
})  # fmt: skip
_TYPES = {
    Action.OPEN_CALL_SPREAD: "call_spread",
    Action.OPEN_PUT_SPREAD: "put_spread",
    Action.OPEN_STRANGLE: "strangle",
}


class LedgerFault(Exception):  # noqa: N818 - the word of the field; ports has the store's LedgerError
    """A fact that contradicts the ones before it: the message names the fact and what it contradicts."""


def apply(book: Book, fact: Fact) -> Book:
    """The book after one more fact. Errors: LedgerFault for a fact out of sequence or against the book."""
    if fact.seq != book.seq + 1:
        raise _fault(fact, f"follows fact {book.seq}: {book.seq + 1} is missing or repeated")
    if book.seq == 0 and not isinstance(fact.body, LedgerOpened):
        raise _fault(fact, "a ledger begins with LedgerOpened")
    if book.seq > 0 and fact.account != book.account:
        raise _fault(fact, f"belongs to account {fact.account!r}, this ledger to {book.account!r}")
    return replace(_APPLIERS[type(fact.body)](book, fact, fact.body), seq=fact.seq)


def replay(facts: Iterable[Fact], book: Book | None = None) -> Book:
    """The book that `facts` add up to, from the beginning or on top of `book`."""
    current = Book() if book is None else book
    for fact in facts:
        current = apply(current, fact)
    return current


def _fault(fact: Fact, why: str) -> LedgerFault:
    return LedgerFault(f"fact {fact.seq} ({fact.kind}): {why}")


def _opened(book: Book, fact: Fact, body: LedgerOpened) -> Book:
    if book.seq:
        raise _fault(fact, "this ledger is open already")
    return replace(book, account=fact.account, environment=body.environment, mode=body.mode)


def _deposited(book: Book, fact: Fact, body: Deposited) -> Book:
    if body.movement_id in book.movement_ids:
        raise _fault(fact, f"movement {body.movement_id} is booked by {book.movement_ids[body.movement_id]}")
    before = book.totals.get(body.currency, Totals())
    after = replace(
        before,
        deposited=EXACT.add(before.deposited, body.amount),
        deposited_usd=EXACT.fma(body.amount, body.index, before.deposited_usd),
    )
    return replace(
        _with_totals(book, body.currency, after),
        movement_ids=with_item(book.movement_ids, body.movement_id, fact.seq),
        last_event_ms=max(book.last_event_ms, fact.at_ms),
    )


def _with_totals(book: Book, currency: str, totals: Totals) -> Book:
    cash = EXACT.add(totals.deposited, totals.flowed)
    return replace(book, cash={**book.cash, currency: cash}, totals={**book.totals, currency: totals})


def _flowed(book: Book, fact: Fact, instrument: str, amount: Decimal, index: Decimal) -> Book:
    """The book with an option's cash flow in its currency, at the USD price of one unit of it."""
    currency = parse_instrument(instrument).product.settlement_currency
    before = book.totals.get(currency, Totals())
    after = replace(
        before,
        flowed=EXACT.add(before.flowed, amount),
        flowed_usd=EXACT.fma(amount, index, before.flowed_usd),
    )
    return replace(_with_totals(book, currency, after), last_event_ms=max(book.last_event_ms, fact.at_ms))


def _with_chain(book: Book, chain: Chain) -> Book:
    """The book with `chain`, open as long as a leg is open or an order of it is not done."""
    busy = any(order.chain_id == chain.chain_id for order in live_orders(book))
    ended = None if busy or chain.open_legs else max(leg.closed_ms or 0 for leg in chain.legs)
    others = tuple(one for one in book.open_ids if one != chain.chain_id)
    was_open = len(others) != len(book.open_ids)
    still = book.open_ids if was_open else (*book.open_ids, chain.chain_id)
    return replace(
        book,
        chains=with_item(book.chains, chain.chain_id, replace(chain, closed_ms=ended)),
        open_ids=still if ended is None else others,
    )


def _with_order(book: Book, order: OrderRecord) -> Book:
    """The book with `order`, and its chain open or closed accordingly."""
    label, labels = order.intent.label, book.live_labels
    if order.status is OrderStatus.DONE:
        labels = tuple(one for one in labels if one != label)
    elif label not in labels:
        labels = (*labels, label)
    after = replace(book, orders=with_item(book.orders, label, order), live_labels=labels)
    chain = after.chains.get(order.chain_id)
    return after if chain is None else _with_chain(after, chain)


def _order(book: Book, fact: Fact, label: str) -> OrderRecord:
    try:
        return book.orders[label]
    except KeyError:
        raise _fault(fact, f"no intent was ever prepared with the label {label!r}") from None


def _prepared(book: Book, fact: Fact, body: IntentPrepared) -> Book:
    intent = body.intent
    if not intent.label or not fact.chain_id or not fact.strategy_id:
        raise _fault(fact, "an intent needs a label, a chain and a strategy")
    if intent.label in book.orders:
        raise _fault(fact, f"the label {intent.label!r} was used before")
    chain = book.chains.get(fact.chain_id)
    if chain is not None and chain.strategy_id != fact.strategy_id:
        raise _fault(fact, f"chain {fact.chain_id} belongs to strategy {chain.strategy_id}")
    return _with_order(
        book, OrderRecord(intent, fact.chain_id, fact.strategy_id, OrderStatus.PREPARED, "", _NONE)
    )


def _acknowledged(book: Book, fact: Fact, body: OrderAcknowledged) -> Book:
    order = _order(book, fact, body.label)
    if order.order_id and order.order_id != body.order_id:
        raise _fault(fact, f"{body.label!r} is order {order.order_id}, not {body.order_id}")
    # a fill, even the last one, may come before the acknowledgement
    early = order.status is OrderStatus.DONE or order.reported is not None
    status = order.status if early else OrderStatus.WORKING
    return _with_order(book, replace(order, order_id=body.order_id, status=status))


def _never_there(book: Book, fact: Fact, body: OrderRejected | OrderProvenAbsent) -> Book:
    order = _order(book, fact, body.label)
    if order.filled or order.status is OrderStatus.DONE:
        raise _fault(fact, f"{body.label!r} is {order.status} with {order.filled} filled")
    return _with_order(book, replace(order, status=OrderStatus.DONE))


def _unknown(book: Book, fact: Fact, body: OrderUnknown) -> Book:
    order = _order(book, fact, body.label)
    if order.status is OrderStatus.DONE:
        raise _fault(fact, f"{body.label!r} is done: nothing about it is unknown")
    return _with_order(book, replace(order, status=OrderStatus.UNKNOWN))


def _closed(book: Book, fact: Fact, body: OrderClosed) -> Book:
    order = _order(book, fact, body.label)
    if order.order_id and order.order_id != body.order_id:
        raise _fault(fact, f"{body.label!r} is order {order.order_id}, not {body.order_id}")
    if body.filled > order.intent.amount:
        raise _fault(fact, f"{body.label!r} was for {order.intent.amount}; {body.filled} cannot have filled")
    status = OrderStatus.DONE if order.filled >= body.filled else OrderStatus.UNKNOWN
    return _with_order(book, replace(order, order_id=body.order_id, status=status, reported=body.filled))


def _after_fill(order: OrderRecord, body: Filled) -> OrderRecord:
    filled = order.filled + body.amount
    goal = order.intent.amount if order.reported is None else order.reported
    if filled >= goal:
        status = OrderStatus.DONE
    elif order.reported is None:
        status = OrderStatus.WORKING  # a fill proves that the venue took it
    else:
        status = order.status
    return replace(order, filled=filled, status=status, order_id=order.order_id or body.order_id)


def _filled(book: Book, fact: Fact, body: Filled) -> Book:
    if body.trade_id in book.trade_ids:
        raise _fault(fact, f"trade {body.trade_id} is booked by fact {book.trade_ids[body.trade_id]}")
    after = _flowed(book, fact, body.instrument, EXACT.subtract(body.cash, body.fee), body.currency_index)
    after = replace(after, trade_ids=with_item(book.trade_ids, body.trade_id, fact.seq))
    if not body.label:
        return after
    order = _order(book, fact, body.label)
    why = not_its_fill(order, body.order_id, body.instrument, body.side, body.amount)
    if why:
        raise _fault(fact, why)
    if fact.chain_id != order.chain_id:
        raise _fault(fact, f"{body.label!r} belongs to chain {order.chain_id}, not {fact.chain_id}")
    chain = book.chains.get(fact.chain_id) or _new_chain(
        fact, order.strategy_id, body.instrument, _TYPES.get(order.intent.action)
    )
    rolling = order.intent.action in _ROLLS and body.side is Side.SELL  # a spread's roll counts once, too
    chain = legs.traded(chain, fact.at_ms, body, rolling)
    return _with_order(
        replace(after, chains=with_item(after.chains, chain.chain_id, chain)), _after_fill(order, body)
    )


def not_its_fill(order: OrderRecord, order_id: str, instrument: str, side: str, amount: Decimal) -> str:
    """Why a trade can't be `order`'s although it carries its label; "" when it can (labels aren't unique)."""
    label = order.intent.label
    if order.order_id and order_id != order.order_id:
        return f"{label!r} is order {order.order_id}, not {order_id}"
    if instrument != order.intent.instrument or side != order.intent.side:
        return (
            f"{label!r} is a {order.intent.side} of {order.intent.instrument}, not a {side} of {instrument}"
        )
    if order.filled + amount > order.intent.amount:
        return f"{label!r} was for {order.intent.amount}; {order.filled + amount} cannot have filled"
    return ""


def _new_chain(fact: Fact, strategy_id: str, instrument: str, bundle_type: str | None = None) -> Chain:
    """An empty chain; one that an order of a bundle begins is of the bundle's type."""
    option = parse_instrument(instrument)
    strategy_type = bundle_type or ("covered_call" if option.is_call else "cash_secured_put")
    return Chain(
        fact.chain_id, strategy_id, strategy_type, option.product.code, option.option_type, (), (), fact.at_ms, None, 0
    )  # fmt: skip


def _settled(book: Book, fact: Fact, body: Settled) -> Book:
    ended = book.settled.get(body.instrument, ())
    if fact.chain_id in ended:
        raise _fault(fact, f"{body.instrument} is settled already for {fact.chain_id or 'what is not ours'}")
    after = _flowed(book, fact, body.instrument, EXACT.subtract(body.payoff, body.fee), body.currency_index)
    after = replace(after, settled=with_item(book.settled, body.instrument, (*ended, fact.chain_id)))
    if not fact.chain_id:
        return after
    chain = book.chains.get(fact.chain_id)
    leg = None if chain is None else chain.open_leg(body.instrument)
    if chain is None or leg is None or leg.position != body.position:
        held = _NONE if leg is None else leg.position
        raise _fault(
            fact, f"settles {body.position} of {body.instrument}; chain {fact.chain_id} holds {held}"
        )
    return _with_chain(after, legs.settled(chain, fact.at_ms, leg, body))


def _adopted(book: Book, fact: Fact, body: Adopted) -> Book:
    if not fact.chain_id or not fact.strategy_id or not body.position:
        raise _fault(fact, "an adoption needs a chain, a strategy and a position")
    if owner(book, body.instrument) is not None:
        raise _fault(fact, f"{body.instrument} belongs to strategy {owner(book, body.instrument)}")
    chain = book.chains.get(fact.chain_id) or _new_chain(fact, fact.strategy_id, body.instrument)
    return _with_chain(book, legs.adopted(chain, fact.at_ms, body))


def _decided(book: Book, fact: Fact, body: Decided) -> Book:
    return book


def _state(book: Book, fact: Fact, body: StateChanged) -> Book:
    return replace(book, state=body.state, state_reason=body.reason, state_lifted_by=body.lifted_by)


_APPLIERS: dict[type, Callable[[Book, Fact, Any], Book]] = {
    LedgerOpened: _opened,
    Deposited: _deposited,
    Decided: _decided,
    IntentPrepared: _prepared,
    OrderAcknowledged: _acknowledged,
    OrderRejected: _never_there,
    OrderUnknown: _unknown,
    OrderProvenAbsent: _never_there,
    OrderClosed: _closed,
    Filled: _filled,
    Settled: _settled,
    Adopted: _adopted,
    StateChanged: _state,
}
