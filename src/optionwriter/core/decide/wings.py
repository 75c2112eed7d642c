"""Rules of a spread's wing: what buying an option further out costs, and what is left of the sale's edge and credit.

Scalar functions like the other rules (rules.py). Keeps: both sides are crossed and both fees paid; the collateral is
the sold option's full cover, because a wing lowers none of it.
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
    net_premium_usd,
    sane,
    trade_fee,
    usable,
)
from optionwriter.core.decide.scoring import ScoreParams, net_edge, soft
from optionwriter.core.market.black76 import price_delta_one
from optionwriter.core.market.premium import premium_one


class Wing(NamedTuple):
    """The option that would be bought; its type, product and expiry are those of the sold one. `bid` may be NaN."""

    strike: float
    bid: float
    ask: float


@compiled
def wing_cost(c: Candidate, w: Wing) -> float:
    """What a coin of the wing costs at its ask with the fee, settlement currency; NaN without an ask."""
    if not sane(w.ask):
        return math.nan
    return w.ask + trade_fee(c.is_inverse, c.index_price, w.ask)


@compiled
def net_credit_usd(c: Candidate, w: Wing) -> float:
    """What selling one coin and buying its wing brings, USD, after both fees; NaN without a quote."""
    if not (sane(c.bid) and sane(c.index_price)):
        return math.nan
    cost = wing_cost(c, w) * coin_in_usd(c.is_inverse, c.index_price)
    return net_premium_usd(c.is_inverse, c.index_price, c.bid) - cost


@compiled
def spread_edge(c: Candidate, w: Wing) -> float:
    """The sale's edge a year on its collateral (scoring.net_edge), with the wing's own: fair value less its cost.

    NaN where a number that it needs is missing.
    """
    if not (usable(c) and sane(c.bid) and sane(w.strike) and sane(w.ask)):
        return math.nan
    years = (c.days_to_expiry if c.days_to_expiry > 0.0 else 0.0) / 365.0
    value, _ = price_delta_one(c.forward, w.strike, years, c.realised, c.is_call)
    fair = premium_one(c.is_inverse, value, c.forward, c.index_price)
    collateral = c.index_price if c.is_call else c.strike
    days = c.days_to_expiry if c.days_to_expiry > MIN_YEAR_DAYS else MIN_YEAR_DAYS
    gained = (fair - wing_cost(c, w)) * coin_in_usd(c.is_inverse, c.index_price)
    return net_edge(c) + gained / collateral * 365.0 / days


@compiled
def spread_width(c: Candidate, w: Wing) -> float:
    """Both quotes' widths as a share of the bundle's middle; a wing that nobody bids for is as wide as its ask."""
    if not (sane(c.bid) and sane(c.ask) and sane(w.ask)):
        return math.inf
    bid = w.bid if sane(w.bid) else 0.0
    middle = (c.bid + c.ask - bid - w.ask) / 2.0
    return (c.ask - c.bid + w.ask - bid) / middle if middle > 0.0 else math.inf


@compiled
def edge_part(c: Candidate, w: Wing, p: ScoreParams) -> float:
    """The part of the score that a spread's edge earns, as a single sale's does."""
    return p.edge_weight * soft(spread_edge(c, w) / (p.edge_scale if p.edge_scale > 1e-9 else 1e-9))


@compiled
def width_part(c: Candidate, w: Wing, p: ScoreParams) -> float:
    """The part of the score that crossing both spreads costs."""
    share = spread_width(c, w) / max(p.spread_scale, 1e-9)
    return -p.spread_weight * (1.0 if math.isnan(share) else clamp(share, 0.0, 1.0))
