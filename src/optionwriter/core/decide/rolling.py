"""Rules, fourth part: is this a roll that the strategy's own safeguards allow?

Owns the safeguards by name (RollParams), the gates that tell of them, and their order. Asked of options that passed
the roll's gates of rules.py; costs and credits are shares of the collateral (a coin for a call, the strike for a put),
after both fees. The cooldown is asked last, so that what it alone holds back is told as such.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from optionwriter.core.compiled import compiled
from optionwriter.core.decide.menu import GATE_CODE, I8
from optionwriter.core.decide.rules import PASSED, UNREACHABLE, Verdict, above, below, clamp, trade_fee
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.instruments import MS_PER_DAY

ROLL_STRIKE = GATE_CODE["roll_strike"]
ROLL_EXPIRY = GATE_CODE["roll_expiry"]
ROLL_DTE = GATE_CODE["roll_dte"]
ROLL_COST = GATE_CODE["roll_cost"]
ROLL_CREDIT = GATE_CODE["roll_credit"]
ROLL_SPREAD = GATE_CODE["roll_spread"]
ROLL_COOLDOWN = GATE_CODE["roll_cooldown"]


class RollParams(NamedTuple):
    """Which rolls are acceptable. Costs and credits are shares of the collateral."""

    max_debit: float = 0.01
    min_extra_days: float = 1.0
    credit_weight: float = 0.2
    credit_scale: float = 0.01
    take_profit_rolls: bool = True
    close_itm: float = 0.15  # with no acceptable roll, close when the strike is passed by more than this
    credit_only: bool = False  # no roll may cost anything
    min_credit: float = 0.0  # above 0: every roll must bring at least so much
    never_below_highest_strike: bool = True  # of the chain's sold calls; puts: never above the lowest
    max_dte: float = 60.0  # days; never further out, whatever roll_gates say
    max_spread: float = 0.50  # both quotes' (ask - bid) together, of their mids together
    cover_cap: float = 1.0  # share of the coins (puts: of the USDC) that may be covered after the roll
    cooldown_hours: float = 12.0  # since the chain's last roll; deep in the money and on the last day none
    close_if_unable: bool = False  # a defence that finds no acceptable roll closes
    close_only: bool = False  # nothing is rolled: what would be is closed


class Roll(NamedTuple):
    """One candidate to roll into, beside what is held. NaN where there is none."""

    is_call: bool
    strike: float
    bound_strike: float  # the least for a call, the most for a put; NaN: none
    days_to_expiry: float
    extra_days: float  # later than what is held
    credit: float
    spread: float
    hours_since_roll: float  # NaN: never rolled, or no cooldown holds


@compiled
def roll_gate(r: Roll, p: RollParams) -> Verdict:
    """The first safeguard that the roll fails, or PASSED. A number that is missing fails where it is asked for."""
    if not math.isnan(r.bound_strike):
        distance = (r.strike - r.bound_strike) / (r.bound_strike if r.bound_strike > 1e-9 else 1.0)
        distance = distance if r.is_call else -distance
        if not distance >= 0.0:
            return _failed(ROLL_STRIKE, r.strike, r.bound_strike, distance)
    if not r.extra_days >= p.min_extra_days:
        return _failed(ROLL_EXPIRY, r.extra_days, p.min_extra_days, r.extra_days - p.min_extra_days)
    if not r.days_to_expiry <= p.max_dte:
        return _failed(ROLL_DTE, r.days_to_expiry, p.max_dte, below(r.days_to_expiry, p.max_dte))
    if not r.credit >= -p.max_debit:
        return _failed(ROLL_COST, r.credit, -p.max_debit, r.credit + p.max_debit)
    if p.credit_only or p.min_credit > 0.0:
        least = p.min_credit if p.min_credit > 0.0 else 0.0
        if not r.credit >= least:
            return _failed(ROLL_CREDIT, r.credit, least, r.credit - least)
    if not r.spread <= p.max_spread:
        return _failed(ROLL_SPREAD, r.spread, p.max_spread, below(r.spread, p.max_spread))
    if r.hours_since_roll < p.cooldown_hours:
        short = above(r.hours_since_roll, p.cooldown_hours)
        return _failed(ROLL_COOLDOWN, r.hours_since_roll, p.cooldown_hours, short)
    return Verdict(PASSED, 0.0, 0.0, 0.0)


@compiled
def _failed(gate: int, value: float, threshold: float, distance: float) -> Verdict:
    """The verdict, with numbers that can be kept where one is missing."""
    if math.isnan(value) or math.isinf(value) or math.isnan(distance) or math.isinf(distance):
        return Verdict(gate, 0.0, threshold, UNREACHABLE)
    return Verdict(gate, value, threshold, distance)


@compiled
def fill_credit(
    gates: I8, bid: F64, strike: F64, is_inverse: bool, index: float, back_price: float, out: F64
) -> None:
    """What a coin rolled into each row that passed brings, net of both fees, as a share of the collateral."""
    cost = back_price + trade_fee(is_inverse, index, back_price)
    for row in range(len(gates)):
        if gates[row] == PASSED:
            collateral = 1.0 if is_inverse else strike[row]
            out[row] = (bid[row] - trade_fee(is_inverse, index, bid[row]) - cost) / collateral


@compiled
def fill_bonus(credit: F64, p: RollParams, out: F64) -> None:
    """What each row's credit adds to its score; NaN counts as the least."""
    for row in range(len(credit)):
        scale = p.credit_scale if p.credit_scale > 1e-9 else 1e-9
        out[row] = p.credit_weight * clamp(credit[row] / scale, -1.0, 1.0)


@compiled
def roll_rows(
    bid: F64,
    ask: F64,
    strike: F64,
    expiry_ms: I64,
    credit: F64,
    is_call: bool,
    at_ms: int,
    held_expiry_ms: int,
    bound_strike: float,
    held_spread: float,
    held_middle: float,
    hours_since_roll: float,
    params: RollParams,
    gates: I8,
    verdicts: F64,
) -> None:
    """Asks `roll_gate` of every row that passed; one that fails gets its gate and (value, threshold, distance)."""
    for row in range(len(gates)):
        if gates[row] != PASSED:
            continue
        roll = Roll(
            is_call,
            strike[row],
            bound_strike,
            (expiry_ms[row] - at_ms) / MS_PER_DAY,
            (expiry_ms[row] - held_expiry_ms) / MS_PER_DAY,
            credit[row],
            (ask[row] - bid[row] + held_spread) / ((ask[row] + bid[row]) / 2 + held_middle),
            hours_since_roll,
        )
        verdict = roll_gate(roll, params)
        if verdict.gate != PASSED:
            gates[row] = verdict.gate
            verdicts[row, 0] = verdict.value
            verdicts[row, 1] = verdict.threshold
            verdicts[row, 2] = verdict.distance
