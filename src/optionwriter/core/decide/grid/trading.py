"""Trading: what becomes of an approved item: fills as on paper, fees, cash; and settlements.

Owns the books' changes. Keeps: a roll buys back before it sells, and sells no more than cash then covers; an order that
the quote does not fill whole would rest, which the loop does not follow: it stops and says so.
"""

from __future__ import annotations

import math

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
from optionwriter.core.market.chain import I64

FILLED, REJECTED, RESTS, NO_DELIVERY, FULL_LOG = range(5)  # what becomes of an order, and why the loop stops
SELL, BUY, SETTLE = range(3)
STEP, SIDE, WHAT, OPTION, LOTS, UNITS, REASON, CHAIN, CASH, FEE, KIND = range(11)  # an event's columns
EVENT_COLUMNS = 11
CHAINS, EVENTS = 0, 1  # places in Books.count

payoff_of = compiled(payoff)


@compiled_part
def fill_units(q: Quotes, row: int, sells: bool, share: float) -> int:
    """The price at which an order is done when `share` of the spread is kept (PaperQuote.opposite)."""
    bid, ask = q.bid[row], q.ask[row]
    if share == 0.0 or bid <= 0 or ask <= 0:
        return int(bid if sells else ask)
    if sells:
        return floor_units(bid + share * (ask - bid), q.fine, q.coarse, q.turn)
    return ceil_units(ask - share * (ask - bid), q.fine, q.coarse, q.turn)


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
def note(
    log: I64, books: Books, step: int, side: int, what: int, option: int, lots: int, units: int, reason: int,
    cash: int, fee: int, kind: int,
) -> None:  # fmt: skip
    """One event, of the side's chain."""
    row = log[books.counted[EVENTS]]
    row[STEP], row[SIDE], row[WHAT], row[OPTION] = step, side, what, option
    row[LOTS], row[UNITS], row[REASON], row[CHAIN] = lots, units, reason, books.chain[side]
    row[CASH], row[FEE], row[KIND] = cash, fee, kind
    books.counted[EVENTS] += 1


@compiled_part
def buy_back(
    side: int, q: Quotes, item: Item, step: int, index: float, share: float, books: Books, log: I64
) -> int:
    """Buys back all that the side holds."""
    row, lots = item.back_row, item.back_lots
    limit = floor_units(float(q.ask[row]), q.fine, q.coarse, q.turn)
    due = lots * limit * lot_cash(q) + fee_units(q, lots, limit, index)
    if due > books.cash[side]:
        return REJECTED
    units = fill_units(q, row, False, share)
    if units > limit or q.ask_lots[row] < lots:
        return RESTS
    fee, cash = fee_units(q, lots, units, index), -lots * units * lot_cash(q)
    books.cash[side] += cash - fee
    note(log, books, step, side, BUY, books.option[side], lots, units, item.reason, cash, fee, item.kind)
    books.option[side], books.lots[side] = NOTHING, 0
    return FILLED


@compiled_part
def sell(
    side: int, q: Quotes, item: Item, lots: int, step: int, at_ms: int, index: float, share: float, books: Books,
    log: I64,
) -> int:  # fmt: skip
    """Sells, with nothing else short on the side: a new chain, or the next leg of a roll's."""
    row, option = item.row, q.option[item.row]
    limit = ceil_units(float(q.bid[row]), q.fine, q.coarse, q.turn)
    margin = booked(lots * q.lot * margin_per_coin(q, Place(item.slice, row)) * q.grain)
    if margin > 0 and books.cash[side] - margin < fee_units(q, lots, limit, index):
        return REJECTED
    units = fill_units(q, row, True, share)
    if units < limit or q.bid_lots[row] < lots:
        return RESTS
    strike = q.strike[option]
    if item.kind == OPEN:
        books.chain[side] = books.counted[CHAINS]
        books.counted[CHAINS] += 1
        books.rolls[side], books.bound[side] = 0, strike
    else:
        books.rolls[side] += 1
        books.bound[side] = max(books.bound[side], strike) if q.is_call else min(books.bound[side], strike)
    fee, cash = fee_units(q, lots, units, index), lots * units * lot_cash(q)
    books.cash[side] += cash - fee
    books.option[side], books.lots[side] = option, lots
    books.entry[side], books.opened_ms[side] = units, at_ms
    note(log, books, step, side, SELL, option, lots, units, item.reason, cash, fee, item.kind)
    return FILLED


@compiled_part
def carry_out(
    side: int, q: Quotes, item: Item, step: int, at_ms: int, share: float, books: Books, log: I64
) -> int:
    """The item's orders, in their order; anything but RESTS goes on."""
    index, lots = q.index_usd[step], item.lots
    if item.back_row >= 0:
        done = buy_back(side, q, item, step, index, share, books, log)
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
    return sell(side, q, item, lots, step, at_ms, index, share, books, log)


@compiled_part
def settle(side: int, q: Quotes, step: int, books: Books, log: I64) -> int:
    """The end of what the side holds, at its delivery price (books/settlement.py)."""
    option = books.option[side]
    price = q.delivery[option]
    if not (price > 0.0 and math.isfinite(price)):
        return NO_DELIVERY
    coins = held_coins(q, books, side)
    value = payoff_of(q.strike[option], price, q.is_call, q.is_inverse)
    cash = booked(-coins * value * q.grain)
    fee = booked(fee_of(coins, value, 1.0 if q.is_inverse else price, q.delivery_rate[option]) * q.grain)
    books.cash[side] += cash - fee
    note(log, books, step, side, SETTLE, option, books.lots[side], 0, 0, cash, fee, 0)
    books.option[side], books.lots[side] = NOTHING, 0
    return FILLED
