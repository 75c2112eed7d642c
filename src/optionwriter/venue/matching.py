"""Matching: when an order fills, at which price, and how much of it.

A taker fills at the feed's quote up to its size; what is left rests, unless its time in force says otherwise. A resting
order fills at its own price when the feed's opposite quote reaches it at a point of the minute grid, best price first,
then oldest (FACTS §7: an edit keeps its place only at the same price and no larger amount). Accounts trade with the
market, not with each other.
"""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.venue.errors import VenueError
from optionwriter.venue.execution import execute
from optionwriter.venue.orders import Order, OrderState, TimeInForce, Trade
from optionwriter.venue.quotes import Quote
from optionwriter.venue.state import EventKind, State


def crosses(side: Side, limit: Decimal, price: Decimal | None) -> bool:
    """Whether an order at `limit` trades with the opposite quote at `price`."""
    if price is None:
        return False
    return limit >= price if side is Side.BUY else limit <= price


def reducible(state: State, order: Order) -> Decimal:
    """How much of a reduce-only order its account's position still allows (FACTS §7)."""
    size = state.accounts[order.account_id].size(order.instrument.name)
    against = -size if order.side is Side.BUY else size
    return max(against, Decimal(0))


def fillable(state: State, order: Order, quote: Quote) -> Decimal:
    """What of the order the quote's remaining size can fill."""
    _, size = quote.opposite(order.side)
    amount = min(order.open_amount, state.liquidity.left(order.instrument.name, order.side, size))
    return min(amount, reducible(state, order)) if order.reduce_only else amount


def place(state: State, order: Order) -> list[Trade]:
    """Takes what it can at once and lets the rest rest; emits the order's event."""
    quote = state.market.quote(order.instrument.name, state.now_ms)
    account = state.accounts[order.account_id]
    account.orders[order.order_id] = order
    trades: list[Trade] = []
    price, _ = quote.opposite(order.side)
    if price is not None and crosses(order.side, order.price, price):
        amount = fillable(state, order, quote)
        whole = order.time_in_force is not TimeInForce.FILL_OR_KILL or amount == order.open_amount
        if amount and whole:
            trades.append(execute(state, order, amount, price, is_maker=False, quote=quote))
    if order.state is OrderState.OPEN:
        if order.time_in_force in (TimeInForce.FILL_OR_KILL, TimeInForce.IMMEDIATE_OR_CANCEL):
            state.unrest(order)
            account.close(order, OrderState.CANCELLED, state.now_ms)
        else:
            state.rest(order)
    state.emit(EventKind.ORDER, account, order.instrument.name, order.order_id)
    return trades


def post_only_price(order_side: Side, price: Decimal, quote: Quote, reject: bool) -> Decimal:
    """A post-only order's price: just inside the spread where it would cross, or 11054 (FACTS §7)."""
    against, _ = quote.opposite(order_side)
    if against is None or not crosses(order_side, price, against):
        return price
    if reject:
        raise VenueError(11054)
    product = quote.instrument.product
    if order_side is Side.SELL:
        return product.ceil_price(against + product.tick_at(against))
    moved = product.floor_price(against - product.tick_at(against))
    if moved <= 0:
        raise VenueError(11054)
    return moved


def match_resting(state: State) -> None:
    """One point of the grid: every resting order against the feed's quote, by instrument, by rank."""
    names = sorted(state.resting)
    quotes = state.market.quotes(names, state.now_ms)
    for name in names:
        quote = quotes[name]
        for order in tuple(state.resting.get(name, ())):
            price, _ = quote.opposite(order.side)
            if not crosses(order.side, order.price, price):
                continue
            amount = fillable(state, order, quote)
            if amount:
                execute(state, order, amount, order.price, is_maker=True, quote=quote)
                account = state.accounts[order.account_id]
                state.emit(EventKind.ORDER, account, name, order.order_id)
            if order.reduce_only and order.state is OrderState.OPEN and not reducible(state, order):
                cancel(state, order, "risk_mitigation")


def cancel(state: State, order: Order, reason: str) -> None:
    """Takes an open order out of the book."""
    account = state.accounts[order.account_id]
    state.unrest(order)
    account.close(order, OrderState.CANCELLED, state.now_ms, reason)
    state.emit(EventKind.ORDER, account, order.instrument.name, order.order_id)
