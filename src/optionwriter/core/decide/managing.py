"""Rules, third part: what to do with an option that was sold. Hold, let expire, take profit, roll, close.

Owns the order in which the reasons are asked and what each needs. Keeps: with a number missing nothing is done (and
the reason says so); an option out of the money in its last day is left to expire; a roll is asked for here, whether
an acceptable one exists is the menu's to find. Which rolls may follow each other how soon is rolling.py's.
"""

from __future__ import annotations

from typing import NamedTuple

from optionwriter.core.compiled import compiled
from optionwriter.core.decide.rules import (
    coin_in_usd,
    out_of_the_money,
    sane,
    trade_fee,
)

HOLD, EXPIRE, TAKE_PROFIT, ROLL = range(4)
VERDICTS = ("hold", "expire", "take_profit", "roll")

(
    NOTHING_DUE,
    NO_DATA,
    LET_EXPIRE,
    PROFIT_CAPTURED,
    YIELD_SPENT,
    DEEP_IN_THE_MONEY,
    DELTA_REACHED,
    STRIKE_NEAR,
    EXPIRING,
    NEAR_EXPIRY,
) = range(10)
REASONS = (
    "nothing_due",
    "no_data",
    "let_expire",
    "profit_captured",
    "yield_spent",
    "deep_in_the_money",
    "delta_reached",
    "strike_near",
    "expiring",
    "near_expiry",
)
DEFENSIVE = (DEEP_IN_THE_MONEY, DELTA_REACHED, STRIKE_NEAR, EXPIRING)  # never put to a chooser
URGENT = (DEEP_IN_THE_MONEY, EXPIRING)  # no cooldown holds these back: there is no time to wait


class Holding(NamedTuple):
    """One sold option as the rules see it. `entry_price` is what it was sold for, a coin, before fees."""

    is_call: bool
    is_inverse: bool
    strike: float
    index_price: float
    days_to_expiry: float
    iv: float
    realised: float
    delta: float  # unsigned
    entry_price: float
    ask: float  # NaN: can't be bought back now


class ManageParams(NamedTuple):
    """When to act. Shares are fractions; days are to expiry."""

    take_profit_share: float = 0.8  # of the premium, after the cost of buying back
    min_remaining_yield: float = 0.02  # a year on the collateral: less isn't worth the risk that is left
    expire_days: float = 1.0
    expire_otm: float = 0.005
    roll_delta: float = 0.5
    roll_otm: float = 0.0  # above 0: before the strike is reached
    roll_min_days: float = 1.0
    far_itm: float = 0.10
    roll_ivrv: float = 1.0  # "IV still rich"
    roll_days: float = 0.0  # above 0: so near its expiry an option out of the money rolls instead of expiring


class Order(NamedTuple):
    """What is due, why, and the number and threshold that decided."""

    verdict: int
    reason: int
    value: float
    threshold: float


@compiled
def manage(h: Holding, p: ManageParams) -> Order:
    """What is due for a sold option."""
    if not (sane(h.strike) and sane(h.index_price) and abs(h.days_to_expiry) < 1e5):
        return Order(HOLD, NO_DATA, 0.0, 0.0)
    otm = out_of_the_money(h.is_call, h.strike, h.index_price)
    if h.days_to_expiry > 0.0 and h.days_to_expiry <= p.roll_days and otm >= p.expire_otm:
        return Order(ROLL, NEAR_EXPIRY, h.days_to_expiry, p.roll_days)
    if h.days_to_expiry <= 0.0 or (h.days_to_expiry <= p.expire_days and otm >= p.expire_otm):
        return Order(EXPIRE, LET_EXPIRE, otm, p.expire_otm)
    if not (sane(h.iv) and sane(h.realised) and h.delta >= 0.0 and h.delta <= 1.0):
        return Order(HOLD, NO_DATA, 0.0, 0.0)
    profit = profit_due(h, p)
    if profit.verdict != HOLD:
        return profit
    return defence_due(h, p, otm)


@compiled
def profit_due(h: Holding, p: ManageParams) -> Order:
    """Whether enough of the premium is earned, or too little is left to earn."""
    if not (sane(h.ask) and sane(h.entry_price)):
        return Order(HOLD, NOTHING_DUE, 0.0, 0.0)
    cost = h.ask + trade_fee(h.is_inverse, h.index_price, h.ask)
    captured = 1.0 - cost / h.entry_price
    if captured >= p.take_profit_share:
        return Order(TAKE_PROFIT, PROFIT_CAPTURED, captured, p.take_profit_share)
    collateral = h.index_price if h.is_call else h.strike
    days = h.days_to_expiry if h.days_to_expiry > 1.0 else 1.0
    left = cost * coin_in_usd(h.is_inverse, h.index_price) / collateral * 365.0 / days
    if captured > 0.0 and left < p.min_remaining_yield:
        return Order(TAKE_PROFIT, YIELD_SPENT, left, p.min_remaining_yield)
    return Order(HOLD, NOTHING_DUE, captured, p.take_profit_share)


@compiled
def defence_due(h: Holding, p: ManageParams, otm: float) -> Order:
    """Whether the strike is threatened, passed, or about to be settled in the money."""
    ivrv = h.iv / h.realised
    if otm <= -p.far_itm and ivrv >= p.roll_ivrv:
        return Order(ROLL, DEEP_IN_THE_MONEY, otm, -p.far_itm)
    if h.days_to_expiry >= p.roll_min_days:
        if h.delta >= p.roll_delta:
            return Order(ROLL, DELTA_REACHED, h.delta, p.roll_delta)
        if otm <= p.roll_otm:
            return Order(ROLL, STRIKE_NEAR, otm, p.roll_otm)
    elif ivrv >= p.roll_ivrv:  # in the last day, and not out of the money (that expires)
        return Order(ROLL, EXPIRING, h.days_to_expiry, p.roll_min_days)
    return Order(HOLD, NOTHING_DUE, h.delta, p.roll_delta)
