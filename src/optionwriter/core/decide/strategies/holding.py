"""Holding: what to do with the options that were sold. The rules judge each; rolls and closes become items.

Keeps: a defensive item is mandatory, and there is one for a chain: the best acceptable roll, or the close where the
strike is passed too far for any roll, or nothing. A roll passes the strategy's safeguards (rolling.py), goes to a later
expiry, and opens no more than the close frees together with what is free anyway. What a safeguard held back is told
with its gate; a chain that only waits for its cooldown says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import Chain, Leg
from optionwriter.core.decide.cover import cover_per_coin, coverable, freed_per_coin
from optionwriter.core.decide.crossing import exact, lots
from optionwriter.core.decide.managing import (
    DEFENSIVE,
    HOLD,
    NEAR_EXPIRY,
    REASONS,
    ROLL,
    TAKE_PROFIT,
    URGENT,
    VERDICTS,
    Holding,
    Order,
    manage,
)
from optionwriter.core.decide.menu import Held, MenuItem, Metrics, OrderLeg, Rejected, Size
from optionwriter.core.decide.rolling import RollParams, fill_bonus, fill_credit, roll_rows
from optionwriter.core.decide.rules import GateParams
from optionwriter.core.decide.scoring import PART_NAMES
from optionwriter.core.decide.screening import Screen
from optionwriter.core.decide.state import price_of
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.decide.strategies.judging import holding_at
from optionwriter.core.decide.strategies.opening import fail, ranked, rejections
from optionwriter.core.decide.strategies.view import View, leg_of, metrics_of
from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import MS_PER_HOUR, Family, Instrument, parse_instrument

_ZERO = Decimal(0)
_NAN = float("nan")
ORDER_OPEN = "order_open"  # the chain waits for an order
NO_ROLL = "no_acceptable_roll"
COOLING = "roll_cooldown"  # the chain rolled too short a while ago


@dataclass(slots=True, eq=False)
class Tended:
    """What is to be done about one chain. `rejected` are the options looked at for a roll, None if none were."""

    items: list[MenuItem]
    held: list[Held]
    rejected: Rejected | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """One sold leg under judgement."""

    chain: Chain
    leg: Leg
    option: Instrument
    row: int | None
    order: Order


def tend(view: View, chain: Chain) -> Tended:
    """Judges every sold leg of the chain and finds what its verdict needs."""
    tended = Tended([], [])
    for leg in chain.open_legs:
        if leg.position >= 0:
            continue
        if chain.chain_id in view.capacity.busy:
            tended.held.append(Held(chain.chain_id, leg.instrument, VERDICTS[HOLD], ORDER_OPEN, 0.0, 0.0))
        else:
            tended.held.append(_tend_leg(view, chain, leg, tended))
    return tended


def _tend_leg(view: View, chain: Chain, leg: Leg, tended: Tended) -> Held:
    option, row = parse_instrument(leg.instrument), view.chain.table.row_of.get(leg.instrument)
    case = _Case(chain, leg, option, row, judge_leg(view, leg))
    acted = _act(view, case, tended)
    if not acted and case.order.reason == NEAR_EXPIRY:  # no roll worth making: as if none were asked for
        never = view.config.manage._replace(roll_days=0.0)
        case = replace(case, order=manage(holding_of(view, leg), never))
        acted = _act(view, case, tended)
    order = case.order
    reason = REASONS[order.reason]
    if not acted and order.verdict in (ROLL, TAKE_PROFIT):
        bounds = bounds_of(view, chain, option, order.reason)
        reason = COOLING if bounds.hours_since_roll < view.config.roll.cooldown_hours else NO_ROLL
    return Held(chain.chain_id, leg.instrument, VERDICTS[order.verdict], reason, order.value, order.threshold)


def judge_leg(view: View, leg: Leg) -> Order:
    """What the rules say of one sold leg."""
    return manage(holding_of(view, leg), view.config.manage)


def holding_of(view: View, leg: Leg) -> Holding:
    """One sold leg as the rules see it."""
    return holding_at(view.state.at_ms, view.underlying, view.chain, view.realised, leg)


def _act(view: View, case: _Case, tended: Tended) -> bool:
    """Adds the item that the verdict asks for; False when there is none to be had, or none is asked for."""
    row, order, params = case.row, case.order, view.config.roll
    if order.verdict not in (ROLL, TAKE_PROFIT):
        return False
    if row is None or not view.chain.ask[row] > 0:
        return False
    back = close_leg(view, row, -case.leg.position)
    profit = order.verdict == TAKE_PROFIT
    roll = None
    if not params.close_only and (params.take_profit_rolls or not profit):
        roll = _best_roll(view, case, back, tended)
    if roll is not None:
        tended.items.append(roll)
        return True
    if profit or gives_up(view, case.chain, case.option, order):
        tended.items.append(_close(view, case, back, row))
        return True
    return False


def gives_up(view: View, chain: Chain, option: Instrument, order: Order) -> bool:
    """Whether a position that should be rolled, and can't be, is closed. A cooldown alone is no reason to."""
    params = view.config.roll
    if order.reason not in DEFENSIVE:
        return params.close_only
    if params.close_only or _otm(option, view.underlying.index) <= -params.close_itm:
        return True
    bounds = bounds_of(view, chain, option, order.reason)
    return params.close_if_unable and not bounds.hours_since_roll < params.cooldown_hours


def close_leg(view: View, row: int, amount: Decimal) -> OrderLeg:
    """The order that buys back one row; where nobody bids, the middle is taken from the ask alone."""
    if view.chain.bid[row] > 0:
        return leg_of(view, row, Side.BUY, amount, reduce_only=True)
    ask = view.product.floor_price(exact(float(view.chain.ask[row])))
    return OrderLeg(view.chain.table.names[row], Side.BUY, amount, ask, ask, True)


def _close(view: View, case: _Case, back: OrderLeg, row: int) -> MenuItem:
    order = case.order
    reason = REASONS[order.reason]
    defensive = order.reason in DEFENSIVE
    part = (reason, 1.0)
    return MenuItem(
        key=f"{view.config.id}/{view.product.underlying}/close/{case.chain.chain_id}/{case.leg.instrument}",
        action=view.writes.closes,
        reason=reason,
        legs=(back,),
        size=Size.FULL,
        score=1.0,
        parts=(part,),
        mandatory=defensive,
        metrics=_held_metrics(view, case, row),
        chain_id=case.chain.chain_id,
        value=order.value,
        threshold=order.threshold,
    )


def _held_metrics(view: View, case: _Case, row: int) -> Metrics:
    _, iv, delta = price_of(view.chain, row, view.state.at_ms)
    otm = _otm(case.option, view.underlying.index)
    days = case.option.days_to_expiry(view.state.at_ms)
    return Metrics(abs(delta), days, _NAN, iv / view.realised if view.realised > 0 else _NAN, otm * 100, _NAN)


def _best_roll(view: View, case: _Case, back: OrderLeg, tended: Tended) -> MenuItem | None:
    """The acceptable roll with the highest score, its credit counted; all others are kept as rejected.

    One that takes a profit must be worth more than the close beside it, which scores 1.
    """
    config = view.config
    screened = view.screened(roll_gates(config))
    credit = roll_credit(view, screened, float(back.limit_price))
    restrict(view, case.option, screened, credit, bounds_of(view, case.chain, case.option, case.order.reason))
    bonus = np.empty(len(credit))
    fill_bonus(credit, config.roll, bonus)
    least = config.min_score if case.order.verdict == TAKE_PROFIT else -np.inf
    best: MenuItem | None = None
    last = 0.0
    for row in ranked(screened, screened.score + bonus).tolist():
        worth = float(screened.score[row] + bonus[row])
        if best is not None:
            fail(screened, row, "rank", worth, last, min(worth - last, 0.0))
        elif view.chain.table.names[row] in view.capacity.taken:
            fail(screened, row, "taken", 1.0, 0.0, -1.0)
        elif worth < least:
            fail(screened, row, "rank", worth, least, worth - least)
        else:
            best, last = _roll_item(view, case, back, screened, row, float(bonus[row])), worth
    tended.rejected = rejections(screened)
    return best


def roll_gates(config: StrategyConfig) -> GateParams:
    """The gates of a roll: its own, and with a defence before the strike none that begs the next at once."""
    gates, near = config.roll_gates, config.manage.roll_otm
    return gates._replace(otm_min=max(gates.otm_min, near)) if near > 0 else gates


def roll_credit(view: View, screened: Screen, back_price: float) -> F64:
    """What a coin rolled into each row brings (negative: costs), net of both fees, as a share of the collateral."""
    inverse, index = view.product.family is Family.INVERSE, float(view.underlying.index)
    credit = np.full(len(view.chain), np.nan)
    fill_credit(screened.gate, view.chain.bid, view.chain.table.strike, inverse, index, back_price, credit)
    return credit


@dataclass(frozen=True, slots=True)
class RollBounds:
    """What a chain and the quote of what it holds ask of a roll. NaN where there is nothing to ask."""

    strike: float = _NAN  # the least for a call, the most for a put
    hours_since_roll: float = _NAN
    spread: float = 0.0  # ask - bid of what is held
    middle: float = 0.0


def bounds_of(view: View, chain: Chain, held: Instrument, reason: int) -> RollBounds:
    """The bounds of rolling `held` for that reason: strikes of the chain's sold legs, time since its last roll."""
    table = view.chain.table
    hours = _NAN
    if chain.rolls and reason not in URGENT:
        last = max(leg.opened_ms for leg in chain.legs)
        hours = max(0, view.state.at_ms - last) / MS_PER_HOUR
    row = table.row_of.get(held.name)
    ask = float(view.chain.ask[row]) if row is not None else _NAN
    bid = float(view.chain.bid[row]) if row is not None and view.chain.bid[row] > 0 else 0.0
    return RollBounds(
        strike=strike_bound(chain, held, view.config.roll),
        hours_since_roll=hours,
        spread=ask - bid,
        middle=(ask + bid) / 2,
    )


def strike_bound(chain: Chain, held: Instrument, params: RollParams) -> float:
    """The least strike that a call may be rolled to, the most of a put; NaN where there is none."""
    if not params.never_below_highest_strike:
        return _NAN
    strikes = [
        float(option.strike)
        for leg in chain.legs
        if leg.sold and (option := parse_instrument(leg.instrument)).option_type is held.option_type
    ]
    return (max if held.is_call else min)([*strikes, float(held.strike)])


def restrict(
    view: View, held: Instrument, screened: Screen, credit: F64, bounds: RollBounds | None = None
) -> None:
    """The roll's safeguards on rows that passed the rules; without bounds the held strike is the only one."""
    chain, table = view.chain, view.chain.table
    asked = bounds or RollBounds(strike=float(held.strike))
    roll_rows(
        chain.bid, chain.ask, table.strike, table.expiry_ms, credit, view.is_call, view.state.at_ms, held.expiry_ms,
        asked.strike, asked.spread, asked.middle, asked.hours_since_roll, view.config.roll,
        screened.gate, screened.verdict,
    )  # fmt: skip


def _roll_item(
    view: View, case: _Case, back: OrderLeg, screened: Screen, row: int, bonus: float
) -> MenuItem | None:
    new = leg_of(view, row, Side.SELL, _ZERO, reduce_only=False)
    amount, most = roll_amount(view, case.option, back, new), under_cap(view, case.option, back, new)
    if min(amount, most) <= 0:
        gate = "size" if amount <= 0 else "roll_cover"
        fail(screened, row, gate, float(max(_ZERO, min(amount, most))), float(view.product.min_amount), -1.0)
        return None
    amount = min(amount, most)
    order = case.order
    reason = REASONS[order.reason]
    parts = [*zip(PART_NAMES, screened.parts[row].tolist(), strict=True), ("credit", bonus)]
    if order.verdict == TAKE_PROFIT:
        parts.append((reason, 1.0))
    return MenuItem(
        key=f"{view.config.id}/{view.product.underlying}/roll/{case.chain.chain_id}/{new.instrument}",
        action=view.writes.rolls,
        reason=reason,
        legs=(back, OrderLeg(new.instrument, new.side, amount, new.limit_price, new.start_price, False)),
        size=Size.FULL,
        score=sum(part for _, part in parts),
        parts=tuple(parts),
        mandatory=order.reason in DEFENSIVE,
        metrics=metrics_of(screened, row),
        chain_id=case.chain.chain_id,
        value=order.value,
        threshold=order.threshold,
    )


def roll_amount(view: View, held: Instrument, back: OrderLeg, new: OrderLeg) -> Decimal:
    """What the new leg may be: no more than is closed, and what its freed cover and the free cash together hold."""
    currency = view.product.settlement_currency
    cover = view.capacity.cover.get(currency)
    if cover is None or currency in view.capacity.closed_to_new:
        return _ZERO
    free = cover.free + back.amount * freed_per_coin(held, back.limit_price)
    amount = coverable(parse_instrument(new.instrument), new.limit_price, free)
    return min(amount, view.product.floor_amount(back.amount))


def under_cap(view: View, held: Instrument, back: OrderLeg, new: OrderLeg) -> Decimal:
    """The most that `cover_cap` lets the new leg be, in tradable lots, beside what else is covered."""
    cap = view.config.roll.cover_cap
    cover = view.capacity.cover.get(view.product.settlement_currency)
    each = cover_per_coin(parse_instrument(new.instrument))
    if cap >= 1 or cover is None or not each:
        return back.amount
    others = cover.positions + cover.orders - back.amount * (cover_per_coin(held) or _ZERO)
    return lots(view.product, (cover.cash * exact(cap) - others) / each)


def _otm(option: Instrument, index: Decimal) -> float:
    gap = float(option.strike / index) - 1.0
    return gap if option.is_call else -gap
