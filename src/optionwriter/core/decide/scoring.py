"""Rules, second part: how good is it to sell this option? One function, each of its parts kept.

A merit is weight × a number in [-1, 1], so merit weights that add up to 1 give merits in [-1, 1]; a penalty is
-weight × a number in [0, 1]. The parts add up to the score.
The heart is the edge: what the bid pays after the fee, over the option's fair value at the volatility that is
forecast, by the year and by the collateral that it binds; the year is floored at 7 days, because a plain annualised
yield picks dailies four times in five.

Penalties are never positive, and what is not known costs nothing: it is no information, and can't raise a score. They
weigh what the option's own numbers don't say: the market's touch risk (a writer is hit on the way, where he defends,
which a fair value at expiry doesn't price) and what the account carries already (Tilt).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from optionwriter.core.compiled import compiled
from optionwriter.core.decide.rules import (
    MIN_YEAR_DAYS,
    Candidate,
    clamp,
    coin_in_usd,
    out_of_the_money,
    sane,
    spread_share,
    trade_fee,
    usable,
)
from optionwriter.core.market.black76 import price_delta_one
from optionwriter.core.market.premium import premium_one

WORST = -1.0


class ScoreParams(NamedTuple):
    """Weights (any non-negative numbers, in the order of the parts) and what counts as much."""

    edge_weight: float = 0.40
    ivrv_weight: float = 0.10
    delta_weight: float = 0.15
    tenor_weight: float = 0.10
    otm_weight: float = 0.10
    spread_weight: float = 0.10
    liquidity_weight: float = 0.05
    pump_weight: float = 0.20
    crash_weight: float = 0.20
    capacity_weight: float = 0.05
    drawdown_weight: float = 0.30
    allocation_weight: float = 0.20
    edge_scale: float = 0.10  # edge a year on the collateral that earns half of the weight
    ivrv_scale: float = 0.5  # IV over realised, less 1, that earns all of it
    delta_target: float = 0.20
    delta_width: float = 0.15  # this far off, the part is 0
    days_target: float = 10.0
    days_width: float = 10.0
    otm_scale: float = 0.10
    spread_scale: float = 0.20
    open_interest_scale: float = 500.0  # coins
    bid_size_scale: float = 5.0  # coins
    risk_tolerated: float = 0.30  # probability of the pump or crash that costs nothing
    risk_scale: float = 0.50  # so much more costs all
    capacity_from: float = 0.80  # share of the coins covered that costs nothing; all of them cost all
    drawdown_scale: float = 0.05  # share of equity past the maximum that costs all
    allocation_scale: float = 0.20  # share of equity past the target that costs all


class Tilt(NamedTuple):
    """What weighs on a candidate besides its own numbers. NaN: not known, or of no matter to its side."""

    risk: float  # probability, within its life, of the event that hurts it: a call's pump, a put's crash
    covered: float  # calls: share of the coins that is covered with this sale
    drawdown: float  # puts: share of equity that all short puts lose at the stress, with this sale
    max_drawdown: float
    allocation: float  # puts: the coin's share of equity if all its puts were assigned, with this sale
    target_allocation: float


class ScoreParts(NamedTuple):
    """What each consideration adds to the score."""

    edge: float
    ivrv: float
    delta: float
    tenor: float
    otm: float
    spread: float
    liquidity: float
    pump: float
    crash: float
    capacity: float
    drawdown: float
    allocation: float


class SaleParts(NamedTuple):
    """The parts that depend on how much is sold: the last three of a score."""

    capacity: float
    drawdown: float
    allocation: float


PART_NAMES = ScoreParts._fields
SIZELESS = len(PART_NAMES) - len(SaleParts._fields)  # the parts before them


@compiled
def market_tilt(risk: float) -> Tilt:
    """A tilt of which the market's risk alone is known."""
    return Tilt(risk, math.nan, math.nan, math.nan, math.nan, math.nan)


@compiled
def soft(x: float) -> float:
    """x / (1 + |x|): in (-1, 1), a half at 1; what is no number is the worst."""
    if math.isnan(x):
        return WORST
    if math.isinf(x):
        return 1.0 if x > 0.0 else WORST
    return x / (1.0 + abs(x))


@compiled
def nearness(x: float, target: float, width: float) -> float:
    """1 on the target, 0 a `width` away, never under -1."""
    return clamp(1.0 - abs(x - target) / (width if width > 1e-9 else 1e-9), WORST, 1.0)


@compiled
def share_of(x: float, scale: float) -> float:
    """x / scale within [-1, 1]."""
    return clamp(x / (scale if scale > 1e-9 else 1e-9), WORST, 1.0)


@compiled
def net_edge(c: Candidate) -> float:
    """Edge a year on the collateral: (bid - fee - fair value) / collateral × 365 / days, days at least 7.

    Selling at the bid is what carries the half-spread. Fair value is Black-76's at the forecast realised volatility,
    in the settlement currency (premium). Collateral: a coin for a call, the strike for a put.
    """
    years = (c.days_to_expiry if c.days_to_expiry > 0.0 else 0.0) / 365.0
    value, _ = price_delta_one(c.forward, c.strike, years, c.realised, c.is_call)
    fair = premium_one(c.is_inverse, value, c.forward, c.index_price)
    edge = c.bid - trade_fee(c.is_inverse, c.index_price, c.bid) - fair
    collateral = c.index_price if c.is_call else c.strike
    days = c.days_to_expiry if c.days_to_expiry > MIN_YEAR_DAYS else MIN_YEAR_DAYS
    return edge * coin_in_usd(c.is_inverse, c.index_price) / collateral * 365.0 / days


@compiled
def penalty(weight: float, x: float, free: float, scale: float) -> float:
    """0 up to `free`, -weight from `free` + `scale` on. Unknown `x` costs nothing; an unknown `free` counts as 0."""
    if math.isnan(x):
        return 0.0
    least = 0.0 if math.isnan(free) else free
    return 0.0 - weight * clamp((x - least) / (scale if scale > 1e-9 else 1e-9), 0.0, 1.0)


@compiled
def sale_parts(is_call: bool, t: Tilt, p: ScoreParams) -> SaleParts:
    """The penalties that grow with the amount sold."""
    if is_call:
        room = 1.0 - p.capacity_from
        return SaleParts(penalty(p.capacity_weight, t.covered, p.capacity_from, room), 0.0, 0.0)
    return SaleParts(
        0.0,
        penalty(p.drawdown_weight, t.drawdown, t.max_drawdown, p.drawdown_scale),
        penalty(p.allocation_weight, t.allocation, t.target_allocation, p.allocation_scale),
    )


@compiled
def score(c: Candidate, t: Tilt, p: ScoreParams) -> ScoreParts:
    """The parts of the candidate's score; with a needed number missing every merit is its worst."""
    pump = penalty(p.pump_weight, t.risk, p.risk_tolerated, p.risk_scale) if c.is_call else 0.0
    crash = 0.0 if c.is_call else penalty(p.crash_weight, t.risk, p.risk_tolerated, p.risk_scale)
    sale = sale_parts(c.is_call, t, p)
    if not (usable(c) and sane(c.bid) and sane(c.ask) and c.ask >= c.bid):
        return ScoreParts(
            -p.edge_weight,
            -p.ivrv_weight,
            -p.delta_weight,
            -p.tenor_weight,
            -p.otm_weight,
            -p.spread_weight,
            -p.liquidity_weight,
            pump,
            crash,
            sale.capacity,
            sale.drawdown,
            sale.allocation,
        )
    if c.is_inverse:
        liquid = math.log1p(c.open_interest) / math.log1p(max(p.open_interest_scale, 1e-9))
    else:
        liquid = c.bid_size / max(p.bid_size_scale, 1e-9) if sane(c.bid_size) else 0.0
    return ScoreParts(
        p.edge_weight * soft(net_edge(c) / (p.edge_scale if p.edge_scale > 1e-9 else 1e-9)),
        p.ivrv_weight * share_of(c.iv / c.realised - 1.0, p.ivrv_scale),
        p.delta_weight * nearness(c.delta, p.delta_target, p.delta_width),
        p.tenor_weight * nearness(c.days_to_expiry, p.days_target, p.days_width),
        p.otm_weight * share_of(out_of_the_money(c.is_call, c.strike, c.index_price), p.otm_scale),
        -p.spread_weight * clamp(spread_share(c.bid, c.ask) / max(p.spread_scale, 1e-9), 0.0, 1.0),
        p.liquidity_weight * clamp(liquid, 0.0, 1.0),
        pump,
        crash,
        sale.capacity,
        sale.drawdown,
        sale.allocation,
    )


@compiled
def total(parts: ScoreParts) -> float:
    """The score: the sum of its parts, left to right."""
    merits = parts.edge + parts.ivrv + parts.delta + parts.tenor + parts.otm + parts.spread + parts.liquidity
    return merits + parts.pump + parts.crash + parts.capacity + parts.drawdown + parts.allocation
