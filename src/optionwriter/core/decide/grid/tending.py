"""Tending: what to do with the option that a side has sold (strategies/holding.py, on columns).

Keeps: managing.manage judges, rolling.roll_gate says which rolls are allowed; a defence is mandatory, and is the best
acceptable roll, or the close where the strike is passed too far, or nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from optionwriter.core.compiled import compiled_part
from optionwriter.core.decide.grid.bands import Bands
from optionwriter.core.decide.grid.columns import Quotes, Steps
from optionwriter.core.decide.grid.money import whole
from optionwriter.core.decide.grid.offering import (
    CLOSE,
    ROLL_ON,
    Item,
    cash_of,
    coverable_lots,
    nothing,
)
from optionwriter.core.decide.grid.sifting import Reach, Scratch, first_of, screened, worth_of
from optionwriter.core.decide.grid.standing import (
    NOTHING,
    Account,
    Books,
    Place,
    cover_per_coin,
    days_to,
    delta_at,
    freed_per_coin,
    held_coins,
)
from optionwriter.core.decide.grid.terms import Terms
from optionwriter.core.decide.managing import (
    DEFENSIVE,
    NEAR_EXPIRY,
    ROLL,
    TAKE_PROFIT,
    URGENT,
    Holding,
    ManageParams,
    Order,
    manage,
)
from optionwriter.core.decide.rolling import Roll, RollParams, roll_gate
from optionwriter.core.decide.rules import PASSED, clamp, out_of_the_money, trade_fee
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR


class Bounds(NamedTuple):
    """What the chain and the quote of what it holds ask of a roll (holding.RollBounds)."""

    strike: float
    hours_since_roll: float
    spread: float
    middle: float


@compiled_part
def without_rolls_at_expiry(p: ManageParams) -> ManageParams:
    """The same, but nothing rolls for its expiry alone."""
    return ManageParams(
        p.take_profit_share,
        p.min_remaining_yield,
        p.expire_days,
        p.expire_otm,
        p.roll_delta,
        p.roll_otm,
        p.roll_min_days,
        p.far_itm,
        p.roll_ivrv,
        0.0,
    )


@compiled_part
def holding_of(side: int, q: Quotes, place: Place, step: int, steps: Steps, books: Books) -> Holding:
    """The sold option as the rules see it."""
    option = books.option[side]
    return Holding(
        q.is_call,
        q.is_inverse,
        q.strike[option],
        steps.index_usd[step],
        (q.expiry_ms[option] - steps.at_ms[step]) / MS_PER_DAY,
        q.iv[place.row],
        steps.realised[step],
        abs(delta_at(q, place)),
        books.entry[side],
        q.ask[place.row] / q.per_coin if q.ask[place.row] > 0 else math.nan,
    )


@compiled_part
def is_defensive(reason: int) -> bool:
    """Whether nobody is asked."""
    return reason in DEFENSIVE


@compiled_part
def bounds_of(
    side: int, q: Quotes, place: Place, step: int, steps: Steps, books: Books, terms: Terms, reason: int
) -> Bounds:
    """The bounds of rolling what is held for that reason."""
    ask = q.ask[place.row] / q.per_coin if q.ask[place.row] > 0 else math.nan
    bid = q.bid[place.row] / q.per_coin if q.bid[place.row] > 0 else 0.0
    urgent = reason in URGENT
    hours = math.nan
    if books.rolls[side] > 0 and not urgent:
        hours = max(0, steps.at_ms[step] - books.opened_ms[side]) / MS_PER_HOUR
    strike = books.bound[side] if terms.roll.never_below_highest_strike else math.nan
    return Bounds(strike, hours, ask - bid, (ask + bid) / 2.0)


@compiled_part
def gives_up(asked: Bounds, otm: float, reason: int, terms: Terms) -> bool:
    """Whether what should be rolled, and can't be, is closed."""
    params = terms.roll
    if not is_defensive(reason):
        return params.close_only
    if params.close_only or otm <= -params.close_itm:
        return True
    return params.close_if_unable and not asked.hours_since_roll < params.cooldown_hours


@compiled_part
def asks_for_nothing(
    side: int, q: Quotes, place: Place, step: int, steps: Steps, books: Books, terms: Terms
) -> bool:
    """Whether the rules leave the option held as it is."""
    order = manage(holding_of(side, q, place, step, steps, books), terms.manage)
    return order.verdict != ROLL and order.verdict != TAKE_PROFIT


@compiled_part
def tend(
    side: int, q: Quotes, place: Place, step: int, steps: Steps, terms: Terms, books: Books, account: Account,
    bands: Bands, found: Scratch,
) -> Item:  # fmt: skip
    """What is due for the option held, as an item."""
    held = holding_of(side, q, place, step, steps, books)
    params, item = terms.manage, nothing()
    for _ in range(2):  # at most: without rolls for the expiry no verdict has that reason
        order = manage(held, params)
        item = act(side, q, place, step, steps, terms, books, account, bands, found, order, held)
        if item.kind or order.reason != NEAR_EXPIRY:
            break
        params = without_rolls_at_expiry(terms.manage)
    return item


@compiled_part
def act(
    side: int, q: Quotes, place: Place, step: int, steps: Steps, terms: Terms, books: Books, account: Account,
    bands: Bands, found: Scratch, order: Order, held: Holding,
) -> Item:  # fmt: skip
    """The item that the verdict asks for, none where there is none to be had."""
    if not (order.verdict == ROLL or order.verdict == TAKE_PROFIT) or q.ask[place.row] <= 0:
        return nothing()
    profit = order.verdict == TAKE_PROFIT
    asked = bounds_of(side, q, place, step, steps, books, terms, order.reason)
    if not terms.roll.close_only and (terms.roll.take_profit_rolls or not profit):
        roll = best_roll(side, q, place, step, steps, terms, books, account, bands, found, order, asked)
        if roll.kind:
            return roll
    otm = out_of_the_money(q.is_call, held.strike, held.index_price)
    if profit or gives_up(asked, otm, order.reason, terms):
        return Item(
            CLOSE, is_defensive(order.reason), 1.0, q.slice_expiry[place.slice], held.strike, 0, order.reason,
            NOTHING, NOTHING, 0, place.slice, place.row, books.lots[side],
        )  # fmt: skip
    return nothing()


@compiled_part
def best_roll(
    side: int, q: Quotes, place: Place, step: int, steps: Steps, terms: Terms, books: Books, account: Account,
    bands: Bands, found: Scratch, order: Order, asked: Bounds,
) -> Item:  # fmt: skip
    """The acceptable roll with the highest score, its credit counted."""
    index, ask = steps.index_usd[step], q.ask[place.row] / q.per_coin
    cost = ask + trade_fee(q.is_inverse, index, ask)
    if asked.hours_since_roll < terms.roll.cooldown_hours:
        return nothing()  # so say the safeguards of every row
    count = screened(q, bands, step, steps, terms.roll_gates, reach_of(q, place, terms.roll, cost), found)
    scale = terms.roll.credit_scale if terms.roll.credit_scale > 1e-9 else 1e-9
    for at in range(count):
        one, row = found.slice[at], found.row[at]
        credit = credit_of(q, row, index, cost)
        if passes(q, place, one, row, step, steps, terms, asked, credit):
            found.score[at] = worth_of(q, one, row, step, steps, terms)
            found.score[at] += terms.roll.credit_weight * clamp(credit / scale, -1.0, 1.0)
        else:
            found.row[at] = NOTHING
    profit = order.verdict == TAKE_PROFIT
    while True:
        at = first_of(q, found, count)
        if at < 0 or (profit and found.score[at] < terms.min_score):
            return nothing()
        new = Place(found.slice[at], found.row[at])
        found.row[at] = NOTHING
        lots = roll_lots(side, q, place, new, terms, books, account)
        if lots > 0:
            return Item(
                ROLL_ON, is_defensive(order.reason), found.score[at] + (1.0 if profit else 0.0),
                q.slice_expiry[new.slice], q.strike[q.option[new.row]], 0, order.reason,
                new.slice, new.row, lots, place.slice, place.row, books.lots[side],
            )  # fmt: skip


@compiled_part
def reach_of(q: Quotes, place: Place, params: RollParams, cost: float) -> Reach:
    """Beyond which the roll's safeguards fail: for the expiry, or the credit (a hair's less than it)."""
    least = -params.max_debit
    if params.credit_only or params.min_credit > 0.0:
        least = max(least, params.min_credit, 0.0)
    return Reach(q.slice_expiry[place.slice], params.min_extra_days, cost, least)


@compiled_part
def credit_of(q: Quotes, row: int, index: float, cost: float) -> float:
    """What a coin rolled into the row brings, net of both fees, as a share of the collateral (holding.roll_credit)."""
    bid = q.bid[row] / q.per_coin
    collateral = 1.0 if q.is_inverse else q.strike[q.option[row]]
    return float((bid - trade_fee(q.is_inverse, index, bid) - cost) / collateral)


@compiled_part
def passes(
    q: Quotes,
    place: Place,
    one: int,
    row: int,
    step: int,
    steps: Steps,
    terms: Terms,
    asked: Bounds,
    credit: float,
) -> bool:
    """Whether the roll's safeguards allow the row (holding.restrict)."""
    bid, ask = q.bid[row] / q.per_coin, q.ask[row] / q.per_coin
    verdict = roll_gate(
        Roll(
            q.is_call,
            q.strike[q.option[row]],
            asked.strike,
            days_to(q, one, steps.at_ms[step]),
            (q.slice_expiry[one] - q.slice_expiry[place.slice]) / MS_PER_DAY,
            credit,
            (ask - bid + asked.spread) / ((ask + bid) / 2.0 + asked.middle),
            asked.hours_since_roll,
        ),
        terms.roll,
    )
    return verdict.gate == PASSED


@compiled_part
def roll_lots(
    side: int, q: Quotes, place: Place, new: Place, terms: Terms, books: Books, account: Account
) -> int:
    """How much of the new option a roll may sell (holding.roll_amount and under_cap)."""
    cash, claims = cash_of(account, side)
    coins, option = held_coins(q, books, side), books.option[side]
    free = cash - claims + coins * freed_per_coin(q, option, q.ask[place.row] / q.per_coin)
    lots = coverable_lots(q, q.option[new.row], q.bid[new.row] / q.per_coin, free)
    lots = min(lots, int(books.lots[side]))
    if terms.roll.cover_cap >= 1.0:
        return lots
    others = claims - coins * cover_per_coin(q, option)
    room = cash * terms.roll.cover_cap - others
    return min(lots, whole(room / cover_per_coin(q, q.option[new.row]) / q.lot))
