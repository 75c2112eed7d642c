"""Rules, second part: how good is it to sell this option? One function, each of its parts kept.

A part is weight × a number in [-1, 1], so weights that add up to 1 give a score in [-1, 1]. The parts add up to the
score. The heart is the edge: what the bid pays after the fee, over the option's fair value at the volatility that is
forecast, by the year and by the collateral that it binds; the year is floored at 7 days, because a plain annualised
yield picks dailies four times in five.
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

WORST = -1.0


class ScoreParams(NamedTuple):
    """Weights (any non-negative numbers) and what counts as much."""

    edge_weight: float = 0.40
    ivrv_weight: float = 0.10
    delta_weight: float = 0.15
    tenor_weight: float = 0.10
    otm_weight: float = 0.10
    spread_weight: float = 0.10
    liquidity_weight: float = 0.05
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


class ScoreParts(NamedTuple):
    """What each consideration adds to the score."""

    edge: float
    ivrv: float
    delta: float
    tenor: float
    otm: float
    spread: float
    liquidity: float


PART_NAMES = ScoreParts._fields


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

    Selling at the bid is what carries the half-spread. Fair value is Black-76 at the forecast realised volatility; an
    inverse option's is divided by its forward. Collateral: a coin for a call, the strike for a put.
    """
    years = (c.days_to_expiry if c.days_to_expiry > 0.0 else 0.0) / 365.0
    fair, _ = price_delta_one(c.forward, c.strike, years, c.realised, c.is_call)
    if c.is_inverse:
        fair = fair / c.forward
    edge = c.bid - trade_fee(c.is_inverse, c.index_price, c.bid) - fair
    collateral = c.index_price if c.is_call else c.strike
    days = c.days_to_expiry if c.days_to_expiry > MIN_YEAR_DAYS else MIN_YEAR_DAYS
    return edge * coin_in_usd(c.is_inverse, c.index_price) / collateral * 365.0 / days


@compiled
def score(c: Candidate, p: ScoreParams) -> ScoreParts:
    """The parts of the candidate's score; with a needed number missing every part is its worst."""
    if not (usable(c) and sane(c.bid) and sane(c.ask) and c.ask >= c.bid):
        return ScoreParts(
            -p.edge_weight,
            -p.ivrv_weight,
            -p.delta_weight,
            -p.tenor_weight,
            -p.otm_weight,
            -p.spread_weight,
            -p.liquidity_weight,
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
    )


@compiled
def total(parts: ScoreParts) -> float:
    """The score: the sum of its parts, left to right."""
    return parts.edge + parts.ivrv + parts.delta + parts.tenor + parts.otm + parts.spread + parts.liquidity
