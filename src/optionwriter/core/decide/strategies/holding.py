"""Holding: what to do with the options that were sold. The rules judge each; rolls and closes become items.

Keeps: a defensive item is mandatory, and there is one for a chain: the best acceptable roll, or the close where the
strike is passed too far for any roll, or nothing. A roll never goes to a lower strike for a call (a higher one for a
put), always to a later expiry, and opens no more than the close frees together with what is free anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import Chain, Leg
from optionwriter.core.decide.cover import coverable, freed_per_coin
from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.managing import (
    DEFENSIVE,
    HOLD,
    REASONS,
    ROLL,
    TAKE_PROFIT,
    VERDICTS,
    Holding,
    Order,
    manage,
)
from optionwriter.core.decide.menu import Held, MenuItem, Metrics, OrderLeg, Rejected, Size
from optionwriter.core.decide.rules import clamp, trade_fee
from optionwriter.core.decide.scoring import PART_NAMES
from optionwriter.core.decide.screening import Screen
from optionwriter.core.decide.state import price_of
from optionwriter.core.decide.strategies.opening import fail, ranked, rejections
from optionwriter.core.decide.strategies.view import View, leg_of, metrics_of
from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import MS_PER_DAY, Family, Instrument, parse_instrument

_ZERO = Decimal(0)
_NAN = float("nan")
ORDER_OPEN = "order_open"  # the chain waits for an order
NO_ROLL = "no_acceptable_roll"


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
        option = parse_instrument(leg.instrument)
        case = _Case(chain, leg, option, view.chain.table.row_of.get(leg.instrument), judge_leg(view, leg))
        order = case.order
        if chain.chain_id in view.capacity.busy:
            tended.held.append(Held(chain.chain_id, leg.instrument, VERDICTS[HOLD], ORDER_OPEN, 0.0, 0.0))
            continue
        reason = REASONS[order.reason]
        if order.verdict in (ROLL, TAKE_PROFIT) and not _act(view, case, tended):
            reason = NO_ROLL
        tended.held.append(
            Held(
                chain.chain_id, leg.instrument, VERDICTS[order.verdict], reason, order.value, order.threshold
            )
        )
    return tended


def judge_leg(view: View, leg: Leg) -> Order:
    """What the rules say of one sold leg."""
    return manage(holding_of(view, leg), view.config.manage)


def holding_of(view: View, leg: Leg) -> Holding:
    """One sold leg as the rules see it."""
    option = parse_instrument(leg.instrument)
    row = view.chain.table.row_of.get(leg.instrument)
    iv = delta = ask = _NAN
    if row is not None:
        _, iv, delta = price_of(view.chain, row, view.state.at_ms)
        ask = float(view.chain.ask[row])
    return Holding(
        is_call=option.is_call,
        is_inverse=option.product.family is Family.INVERSE,
        strike=float(option.strike),
        index_price=float(view.underlying.index),
        days_to_expiry=option.days_to_expiry(view.state.at_ms),
        iv=iv,
        realised=view.realised,
        delta=abs(delta),
        entry_price=float(leg.entry_price),
        ask=ask,
    )


def _act(view: View, case: _Case, tended: Tended) -> bool:
    """Adds the item that the verdict asks for; False when there is none to be had."""
    row = case.row
    if row is None or not (view.chain.ask[row] > 0 and view.chain.bid[row] >= 0):
        return False
    back = close_leg(view, row, -case.leg.position)
    config = view.config
    if case.order.verdict == TAKE_PROFIT:
        if config.roll.take_profit_rolls:
            roll = _best_roll(view, case, back, tended)
            if roll is not None and roll.score >= config.min_score + 1.0:
                tended.items.append(roll)
                return True
        tended.items.append(_close(view, case, back, row))
        return True
    roll = _best_roll(view, case, back, tended)
    if roll is not None:
        tended.items.append(roll)
        return True
    otm = _otm(case.option, view.underlying.index)
    if otm <= -config.roll.close_itm:
        tended.items.append(_close(view, case, back, row))
        return True
    return False


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
    """The acceptable roll with the highest score, its credit counted; all others are kept as rejected."""
    config = view.config
    screened = view.screened(config.roll_gates)
    credit = roll_credit(view, screened, float(back.limit_price))
    restrict(view, case.option, screened, credit)
    bonus = np.array([config.roll.credit_weight * _credit_part(view, one) for one in credit.tolist()])
    best: MenuItem | None = None
    for row in ranked(screened, screened.score + bonus).tolist():
        if best is not None:
            worth = float(screened.score[row] + bonus[row])
            fail(screened, row, "rank", worth, best.score, min(worth - best.score, 0.0))
        elif view.chain.table.names[row] in view.capacity.taken:
            fail(screened, row, "taken", 1.0, 0.0, -1.0)
        else:
            best = _roll_item(view, case, back, screened, row, float(bonus[row]))
    tended.rejected = rejections(screened)
    return best


def roll_credit(view: View, screened: Screen, back_price: float) -> F64:
    """What a coin rolled into each row brings (negative: costs), net of both fees, as a share of the collateral."""
    chain, inverse = view.chain, view.product.family is Family.INVERSE
    index = float(view.underlying.index)
    cost = back_price + trade_fee(inverse, index, back_price)
    credit = np.full(len(chain), np.nan)
    for row in np.flatnonzero(screened.gate == 0).tolist():
        bid = float(chain.bid[row])
        collateral = 1.0 if inverse else float(chain.table.strike[row])
        credit[row] = (bid - trade_fee(inverse, index, bid) - cost) / collateral
    return credit


def restrict(view: View, held: Instrument, screened: Screen, credit: F64) -> None:
    """The roll's own gates on rows that passed the rules: never a worse strike, always later, not too dear."""
    table, params = view.chain.table, view.config.roll
    strike, sign = float(held.strike), 1.0 if view.is_call else -1.0
    for row in np.flatnonzero(screened.gate == 0).tolist():
        better = (float(table.strike[row]) - strike) * sign
        extra = (int(table.expiry_ms[row]) - held.expiry_ms) / MS_PER_DAY
        if better < 0:
            fail(screened, row, "roll_strike", float(table.strike[row]), strike, better / strike)
        elif extra < params.min_extra_days:
            fail(screened, row, "roll_expiry", extra, params.min_extra_days, extra - params.min_extra_days)
        elif not credit[row] >= -params.max_debit:
            short = float(credit[row] + params.max_debit)
            fail(screened, row, "roll_cost", float(credit[row]), -params.max_debit, short)


def _credit_part(view: View, credit: float) -> float:
    scale = view.config.roll.credit_scale
    return clamp(credit / (scale if scale > 1e-9 else 1e-9), -1.0, 1.0)


def _roll_item(
    view: View, case: _Case, back: OrderLeg, screened: Screen, row: int, bonus: float
) -> MenuItem | None:
    new = leg_of(view, row, Side.SELL, _ZERO, reduce_only=False)
    amount = roll_amount(view, case.option, back, new)
    if amount <= 0:
        fail(screened, row, "size", 0.0, float(view.product.min_amount), -1.0)
        return None
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


def _otm(option: Instrument, index: Decimal) -> float:
    gap = float(option.strike / index) - 1.0
    return gap if option.is_call else -gap
