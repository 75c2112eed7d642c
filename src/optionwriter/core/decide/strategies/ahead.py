"""Ahead: at which of many instants a waiting strategy must be asked, told from columns of what it watches.

Owns the judging of sold legs (managing.py) and the search of a listing for an option that passes the gates (rules.py)
or a roll's safeguards (rolling.py), by the same functions that the menus are made with. Keeps: an instant at which
nobody is asked is one at which `waits` is true; what lies on a bound within rounding counts as past it, so that it is
asked about.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.compiled import compiled
from optionwriter.core.decide.managing import (
    DEEP_IN_THE_MONEY,
    DELTA_REACHED,
    EXPIRE,
    EXPIRING,
    HOLD,
    NEAR_EXPIRY,
    ROLL,
    STRIKE_NEAR,
    Holding,
    ManageParams,
    Order,
    manage,
)
from optionwriter.core.decide.rolling import Roll, RollParams, roll_gate
from optionwriter.core.decide.rules import PASSED, GateParams, gate, out_of_the_money, trade_fee
from optionwriter.core.decide.scoring import ScoreParams, Tilt, sale_parts, score, total
from optionwriter.core.decide.screening import candidate_of
from optionwriter.core.decide.strategies.base import Sought, Watched
from optionwriter.core.decide.strategies.view import buy_back_price
from optionwriter.core.market.black76 import price_delta_one
from optionwriter.core.market.chain import F64, I64, Bools, InstrumentTable, RowsOver
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, Family

WAITS, SEARCHES, ASKS = range(3)
_SLACK = 1e-9
SCORE_SLACK = 1e-6  # for equity, which the account rounds
_NEVER = -1
Codes = NDArray[np.int8]
ROWS = NDArray[np.intp]


class Times(NamedTuple):
    """The instants (t,), of one underlying its index and forecast volatility."""

    at_ms: I64
    index_price: F64
    realised: F64

    def part(self, wanted: ROWS) -> Times:
        """Those with these places."""
        return Times(self.at_ms[wanted], self.index_price[wanted], self.realised[wanted])


class LegOver(NamedTuple):
    """A leg over the instants: what its rules ask for (WAITS, SEARCHES: for an option to roll into, ASKS), and its
    quote."""

    leg: Watched
    code: Codes
    urgent: Bools  # no cooldown holds
    bid: F64
    ask: F64


def judge_leg(leg: Watched, times: Times, rows: RowsOver) -> LegOver:
    """`rows` shows the leg at the instants. What isn't marked is asked about."""
    option, place = leg.option, rows.table.row_of[leg.option.name]
    bid, ask = rows.bid[:, place].copy(), rows.ask[:, place].copy()
    code, urgent = np.empty(len(ask), dtype=np.int8), np.empty(len(ask), dtype=np.bool_)
    last = leg.rolls.last_roll_ms
    _judge(
        times.at_ms, times.index_price, times.realised, rows.forward[:, place].copy(), rows.mark_iv[:, place].copy(),
        ask, option.is_call, option.product.family is Family.INVERSE, float(option.strike), option.expiry_ms,
        leg.entry_price, leg.manage, leg.manage._replace(roll_days=0.0), leg.rolls.params,
        _NEVER if last is None else last, code, urgent,
    )  # fmt: skip
    return LegOver(leg, code, urgent, bid, ask)


@compiled
def _judge(
    at_ms: I64,
    index: F64,
    realised: F64,
    forward: F64,
    iv: F64,
    ask: F64,
    is_call: bool,
    is_inverse: bool,
    strike: float,
    expiry_ms: int,
    entry_price: float,
    params: ManageParams,
    never: ManageParams,
    roll: RollParams,
    last_roll_ms: int,
    out_code: Codes,
    out_urgent: Bools,
) -> None:
    for t in range(len(at_ms)):
        out_code[t], out_urgent[t] = ASKS, False
        if not (iv[t] > 0.0 and iv[t] < math.inf and forward[t] > 0.0 and forward[t] < math.inf):
            continue
        left_ms = expiry_ms - at_ms[t]
        _, delta = price_delta_one(forward[t], strike, max(0, left_ms) / MS_PER_DAY / 365.0, iv[t], is_call)
        holding = Holding(
            is_call, is_inverse, strike, index[t], left_ms / MS_PER_DAY, iv[t], realised[t], abs(delta),
            entry_price, ask[t],
        )  # fmt: skip
        hours = math.nan
        if last_roll_ms != _NEVER:
            hours = max(0, at_ms[t] - last_roll_ms) / MS_PER_HOUR
        order = manage(holding, params)
        code, urgent = _code_of(order, holding, roll, hours), _is_urgent(order)
        if order.reason == NEAR_EXPIRY and code != ASKS:  # no roll worth making: as if none were asked for
            order = manage(holding, never)
            code, urgent = max(code, _code_of(order, holding, roll, hours)), urgent or _is_urgent(order)
        out_code[t], out_urgent[t] = code, urgent


@compiled
def _is_urgent(order: Order) -> bool:
    return order.reason == DEEP_IN_THE_MONEY or order.reason == EXPIRING


@compiled
def _code_of(order: Order, h: Holding, roll: RollParams, hours: float) -> int:
    """What an order comes to, as waiting.py has it."""
    if order.verdict == HOLD or order.verdict == EXPIRE or not h.ask > 0.0:
        return WAITS
    if order.verdict != ROLL or roll.close_only:
        return ASKS
    if _is_urgent(order) or order.reason == DELTA_REACHED or order.reason == STRIKE_NEAR:
        if out_of_the_money(h.is_call, h.strike, h.index_price) <= _SLACK - roll.close_itm:
            return ASKS
        cools = not _is_urgent(order) and hours < roll.cooldown_hours
        if roll.close_if_unable and not cools:
            return ASKS
    return SEARCHES


def rows_for_slot(slot: Sought, table: InstrumentTable, times: Times) -> ROWS:
    """Rows of what is listed that might pass the slot's gates at one of the instants."""
    return _within(slot.gates, slot.is_call, table, times)


def rows_for_roll(leg: Watched, table: InstrumentTable, times: Times) -> ROWS:
    """Rows of what is listed into which the leg might be rolled at one of the instants."""
    rolls, is_call = leg.rolls, leg.option.is_call
    rows = _within(rolls.gates, is_call, table, times)
    strike, bound = table.strike[rows], rolls.bound_strike
    later = (table.expiry_ms[rows] - leg.option.expiry_ms) / MS_PER_DAY >= rolls.params.min_extra_days
    if not math.isnan(bound):
        later &= strike >= bound if is_call else strike <= bound
    return rows[later]


def _within(gates: GateParams, is_call: bool, table: InstrumentTable, times: Times) -> ROWS:
    """By expiry and strike alone."""
    first, last = int(times.at_ms[0]), int(times.at_ms[-1])
    low, high = float(times.index_price.min()), float(times.index_price.max())
    near, far = (table.strike / low - 1.0, table.strike / high - 1.0)
    most, least = (near, far) if is_call else (-far, -near)
    return np.flatnonzero(
        (table.is_call == is_call)
        & ((table.expiry_ms - first) / MS_PER_DAY >= gates.dte_min - _SLACK)
        & ((table.expiry_ms - last) / MS_PER_DAY <= gates.dte_max + _SLACK)
        & (most >= gates.otm_min - _SLACK)
        & (least <= gates.otm_max + _SLACK)
    )


def slot_asks(slot: Sought, times: Times, rows: RowsOver, share: F64) -> Bools:
    """At which of the instants an option passes the gates and may have the score that it takes, (t,).

    `share`: the coin's of all equity, NaN where it isn't known. What else risk and size take off a score is left out.
    """
    found = np.zeros(len(times.at_ms), dtype=np.bool_)
    _any_passes(
        times.at_ms, rows.index_price, times.realised, rows.table.strike, rows.table.expiry_ms, rows.forward,
        rows.mark_iv, rows.bid, rows.ask, rows.open_interest, slot.product.family is Family.INVERSE, slot.is_call,
        _eased(slot.gates), slot.score, slot.min_score - SCORE_SLACK, share, slot.target, found,
    )  # fmt: skip
    return found


def roll_asks(over: LegOver, wanted: ROWS, times: Times, rows: RowsOver) -> Bools:
    """At which of the instants, `wanted` of those of `over`, an option may be rolled into, (t,)."""
    leg, product = over.leg, over.leg.option.product
    bid, ask = over.bid[wanted], over.ask[wanted]
    back = np.array(
        [
            float(buy_back_price(product, leg.style, *quote))
            for quote in zip(bid.tolist(), ask.tolist(), strict=True)
        ]
    )
    last = leg.rolls.last_roll_ms
    found = np.zeros(len(wanted), dtype=np.bool_)
    _any_rolls(
        times.at_ms, rows.index_price, times.index_price, times.realised, rows.table.strike, rows.table.expiry_ms,
        rows.forward, rows.mark_iv, rows.bid, rows.ask, rows.open_interest, product.family is Family.INVERSE,
        leg.option.is_call, _eased(leg.rolls.gates), leg.rolls.params, leg.rolls.bound_strike, leg.option.expiry_ms,
        _NEVER if last is None else last, over.urgent[wanted], bid, ask, back, found,
    )  # fmt: skip
    return found


def _eased(gates: GateParams) -> GateParams:
    """Delta is reckoned in another loop than the screen's, where its last digit may differ."""
    return gates._replace(delta_min=gates.delta_min - _SLACK, delta_max=gates.delta_max + _SLACK)


@compiled
def _any_passes(
    at_ms: I64,
    index: F64,
    realised: F64,
    strike: F64,
    expiry_ms: I64,
    forward: F64,
    iv: F64,
    bid: F64,
    ask: F64,
    open_interest: F64,
    is_inverse: bool,
    is_call: bool,
    gates: GateParams,
    weights: ScoreParams,
    least: float,
    share: F64,
    target: float,
    out: Bools,
) -> None:
    for t in range(len(at_ms)):
        tilt = coin_tilt(share[t], target)
        for row in range(len(strike)):
            one = candidate_of(
                is_call, is_inverse, strike[row], expiry_ms[row] - at_ms[t], forward[t, row], index[t], iv[t, row],
                realised[t], bid[t, row], ask[t, row], math.nan, open_interest[t, row],
            )  # fmt: skip
            if gate(one, gates).gate == PASSED and not total(score(one, tilt, weights)) < least:
                out[t] = True
                break


@compiled
def coin_tilt(share: float, target: float) -> Tilt:
    """A tilt of which the coin's share of equity before any sale is known, and what it should be at most."""
    return Tilt(math.nan, math.nan, math.nan, math.nan, share, target)


def allocation_penalty(share: float, target: float, weights: ScoreParams) -> float:
    """What a put's score loses for that share alone, not above 0."""
    return sale_parts(False, coin_tilt(share, target), weights).allocation


@compiled
def _any_rolls(
    at_ms: I64,
    index: F64,
    underlying_index: F64,
    realised: F64,
    strike: F64,
    expiry_ms: I64,
    forward: F64,
    iv: F64,
    bid: F64,
    ask: F64,
    open_interest: F64,
    is_inverse: bool,
    is_call: bool,
    gates: GateParams,
    params: RollParams,
    bound_strike: float,
    held_expiry_ms: int,
    last_roll_ms: int,
    urgent: Bools,
    held_bid: F64,
    held_ask: F64,
    back_price: F64,
    out: Bools,
) -> None:
    for t in range(len(at_ms)):
        cost = back_price[t] + trade_fee(is_inverse, underlying_index[t], back_price[t])
        below = held_bid[t] if held_bid[t] > 0.0 else 0.0
        hours = math.nan
        if last_roll_ms != _NEVER and not urgent[t]:
            hours = max(0, at_ms[t] - last_roll_ms) / MS_PER_HOUR
        for row in range(len(strike)):
            one = candidate_of(
                is_call, is_inverse, strike[row], expiry_ms[row] - at_ms[t], forward[t, row], index[t], iv[t, row],
                realised[t], bid[t, row], ask[t, row], math.nan, open_interest[t, row],
            )  # fmt: skip
            if gate(one, gates).gate != PASSED:
                continue
            collateral = 1.0 if is_inverse else one.strike
            roll = Roll(
                is_call,
                one.strike,
                bound_strike,
                one.days_to_expiry,
                (expiry_ms[row] - held_expiry_ms) / MS_PER_DAY,
                (one.bid - trade_fee(is_inverse, underlying_index[t], one.bid) - cost) / collateral,
                (one.ask - one.bid + (held_ask[t] - below))
                / ((one.ask + one.bid) / 2 + (held_ask[t] + below) / 2),
                hours,
            )
            if roll_gate(roll, params).gate == PASSED:
                out[t] = True
                break
