"""Trading: what becomes of an approved item: fills as on paper, fees, cash; and settlements.

Owns the books' changes and the log of them. Keeps: a roll buys back before it sells, and sells no more than cash then
covers; what the quote does not fill rests until the next step, and is noted, for the minutes between are not in the
grid (resting.py asks the tape for them).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from optionwriter.core.books.settlement import payoff
from optionwriter.core.compiled import compiled, compiled_part
from optionwriter.core.decide.grid.columns import Quotes
from optionwriter.core.decide.grid.money import booked, ceil_units, exceeds, floor_units, whole
from optionwriter.core.decide.grid.offering import OPEN, Item
from optionwriter.core.decide.grid.standing import (
    FEE_RATE,
    NOTHING,
    Books,
    Place,
    held_coins,
    margin_per_coin,
    net_cover_per_coin,
)
from optionwriter.core.decide.rules import fee_of
from optionwriter.core.market.chain import F64, I64

FILLED, REJECTED, RESTS, NO_DELIVERY, FULL_LOG = range(5)  # what becomes of an order, and why the loop stops
SELL, BUY, SETTLE = range(3)
# an event's columns; STEP is that whose decision it belongs to, AT its instant, KIND the item's
STEP, AT, SIDE, WHAT, OPTION, LOTS, UNITS, REASON, CHAIN, CASH, FEE, KIND = range(12)
EVENT_COLUMNS = 12
CHAINS, EVENTS = 0, 1  # places in Books.counted
REST_WHAT, REST_OPTION, REST_LOTS, REST_LIMIT, REST_REASON, REST_KIND = range(
    6
)  # places in a row of Books.rest
REST_COLUMNS = 6
TAKEN_OPTION, TAKEN_WHAT, TAKEN_LOTS = range(3)  # places in a row of Books.taken
TAKEN_COLUMNS = 3

payoff_of = compiled(payoff)


class Log(NamedTuple):
    """What happened: whole numbers (n, EVENT_COLUMNS), and index and mark (n, 2); a settlement's index is its price."""

    whole: I64
    prices: F64


class Order(NamedTuple):
    """An order of the side: what, of which option, how many lots, at which limit, for which reason and kind of item."""

    side: int
    what: int
    option: int
    lots: int
    limit: int
    reason: int
    kind: int


class Print(NamedTuple):
    """A trade: when, how many lots, at which units, with which index and mark."""

    step: int
    at_ms: int
    lots: int
    units: int
    index_usd: float
    mark: float


@compiled
def fill_units(bid: int, ask: int, sells: bool, share: float, fine: float, coarse: float, turn: float) -> int:
    """The price at which an order is done when `share` of the spread is kept (PaperQuote.opposite)."""
    if share == 0.0 or bid <= 0 or ask <= 0:
        return bid if sells else ask
    if sells:
        return floor_units(bid + share * (ask - bid), fine, coarse, turn)
    return ceil_units(ask - share * (ask - bid), fine, coarse, turn)


@compiled_part
def fee_units(q: Quotes, lots: int, units: int, index: float) -> int:
    """The trading fee, booked."""
    return booked(
        fee_of(lots * q.lot, units / q.per_coin, 1.0 if q.is_inverse else index, FEE_RATE) * q.grain
    )


@compiled_part
def lot_cash(q: Quotes) -> int:
    """Booked cash of one lot at a price of one unit: a whole number."""
    return booked(q.lot / q.per_coin * q.grain)


@compiled_part
def note(log: Log, books: Books, order: Order, one: Print, cash: int, fee: int) -> None:
    """One event, of the side's chain."""
    at = books.counted[EVENTS]
    row = log.whole[at]
    row[STEP], row[AT], row[SIDE], row[WHAT], row[OPTION] = (
        one.step,
        one.at_ms,
        order.side,
        order.what,
        order.option,
    )
    row[LOTS], row[UNITS], row[REASON], row[CHAIN] = (
        one.lots,
        one.units,
        order.reason,
        books.chain[order.side],
    )
    row[CASH], row[FEE], row[KIND] = cash, fee, order.kind
    log.prices[at, 0], log.prices[at, 1] = one.index_usd, one.mark
    books.counted[EVENTS] += 1


@compiled_part
def trade(q: Quotes, order: Order, one: Print, books: Books, log: Log) -> None:
    """One fill: position, cash and log."""
    side = order.side
    if order.what == SELL:
        _sold(q, order, one, books)
        cash = one.lots * one.units * lot_cash(q)
    else:
        cash = -one.lots * one.units * lot_cash(q)
    fee = fee_units(q, one.lots, one.units, one.index_usd)
    books.cash[side] += cash - fee
    note(log, books, order, one, cash, fee)
    if order.what == BUY:
        books.lots[side] -= one.lots
        if books.lots[side] == 0:
            books.option[side] = NOTHING


@compiled_part
def _sold(q: Quotes, order: Order, one: Print, books: Books) -> None:
    """The position after a sale: its leg has grown, or there is a new one."""
    side, price = order.side, one.units / q.per_coin
    if books.option[side] == order.option:
        held = books.lots[side]
        books.entry[side] = (books.entry[side] * held + price * one.lots) / (held + one.lots)
        books.lots[side] = held + one.lots
        return
    strike = q.strike[order.option]
    if order.kind == OPEN:
        books.chain[side] = books.counted[CHAINS]
        books.counted[CHAINS] += 1
        books.rolls[side], books.bound[side] = 0, strike
    else:
        books.rolls[side] += 1
        books.bound[side] = max(books.bound[side], strike) if q.is_call else min(books.bound[side], strike)
    books.option[side], books.lots[side] = order.option, one.lots
    books.entry[side], books.opened_ms[side] = price, one.at_ms


@compiled_part
def place_order(
    q: Quotes, order: Order, row: int, step: int, at_ms: int, share: float, books: Books, log: Log
) -> int:
    """Fills what the quote's size allows, and notes the rest."""
    side, sells = order.side, order.what == SELL
    units = fill_units(int(q.bid[row]), int(q.ask[row]), sells, share, q.fine, q.coarse, q.turn)
    size = int(q.bid_lots[row] if sells else q.ask_lots[row])
    if books.taken[side, TAKEN_OPTION] == order.option and books.taken[side, TAKEN_WHAT] == order.what:
        size = max(0, size - int(books.taken[side, TAKEN_LOTS]))
    crosses = units >= order.limit if sells else units <= order.limit
    lots = min(order.lots, size) if crosses else 0
    if lots > 0:
        trade(q, order, Print(step, at_ms, lots, units, q.index_usd[step], q.mark[row]), books, log)
    if lots == order.lots:
        return FILLED
    rest = books.rest[side]
    rest[REST_WHAT], rest[REST_OPTION], rest[REST_LOTS] = order.what, order.option, order.lots - lots
    rest[REST_LIMIT], rest[REST_REASON], rest[REST_KIND] = order.limit, order.reason, order.kind
    return RESTS


@compiled_part
def buy_back(
    side: int, q: Quotes, item: Item, step: int, at_ms: int, share: float, books: Books, log: Log
) -> int:
    """Buys back all that the side holds."""
    row, lots = item.back_row, item.back_lots
    limit = floor_units(float(q.ask[row]), q.fine, q.coarse, q.turn)
    due = lots * limit * lot_cash(q) + fee_units(q, lots, limit, q.index_usd[step])
    if due > books.cash[side]:
        return REJECTED
    order = Order(side, BUY, int(q.option[row]), lots, limit, item.reason, item.kind)
    return place_order(q, order, row, step, at_ms, share, books, log)


@compiled_part
def sell(
    side: int, q: Quotes, item: Item, lots: int, step: int, at_ms: int, share: float, books: Books, log: Log
) -> int:
    """Sells, with nothing else short on the side: a new chain, or the next leg of a roll's."""
    row = item.row
    limit = ceil_units(float(q.bid[row]), q.fine, q.coarse, q.turn)
    margin = booked(lots * q.lot * margin_per_coin(q, Place(item.slice, row)) * q.grain)
    if margin > 0 and books.cash[side] - margin < fee_units(q, lots, limit, q.index_usd[step]):
        return REJECTED
    order = Order(side, SELL, int(q.option[row]), lots, limit, item.reason, item.kind)
    return place_order(q, order, row, step, at_ms, share, books, log)


@compiled_part
def carry_out(
    side: int, q: Quotes, item: Item, step: int, at_ms: int, share: float, books: Books, log: Log
) -> int:
    """The item's orders, in their order."""
    lots = item.lots
    if item.back_row >= 0:
        done = buy_back(side, q, item, step, at_ms, share, books, log)
        if done != FILLED or item.row < 0:
            return done
        each = net_cover_per_coin(q, q.option[item.row], q.bid[item.row] / q.per_coin) * q.lot
        free = books.cash[side] / q.grain
        if not free > 0.0:
            return FILLED
        if each > 0.0:
            lots = min(lots, whole(free / each))
            lots = lots - 1 if exceeds(lots * each, free) else lots
        if lots <= 0:
            return FILLED
    return sell(side, q, item, lots, step, at_ms, share, books, log)


@compiled_part
def settle(side: int, q: Quotes, step: int, books: Books, log: Log) -> int:
    """The end of what the side holds, at its delivery price (books/settlement.py)."""
    option = books.option[side]
    price = q.delivery[option]
    if not (price > 0.0 and math.isfinite(price)):
        return NO_DELIVERY
    coins, lots = held_coins(q, books, side), books.lots[side]
    value = payoff_of(q.strike[option], price, q.is_call, q.is_inverse)
    cash = booked(-coins * value * q.grain)
    fee = booked(fee_of(coins, value, 1.0 if q.is_inverse else price, q.delivery_rate[option]) * q.grain)
    books.cash[side] += cash - fee
    order = Order(side, SETTLE, option, lots, 0, 0, 0)
    note(log, books, order, Print(step, q.expiry_ms[option], lots, 0, price, 0.0), cash, fee)
    books.option[side], books.lots[side] = NOTHING, 0
    return FILLED
