"""Rules, first part: may this option be sold at all? The gates, in fixed order, and what every rule shares.

Scalar functions on plain floats and NamedTuples; `compiled` gives the same functions their fast face, so the live
screen, the backtests and plain Python run one text. Keeps: no division without a guard, no fastmath, the first gate
that fails is the one that is named, and a number that is missing, infinite or absurd fails closed at the first gate.
Units: prices in the settlement currency a coin, strike, forward and index in USD, volatility as a fraction a year.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from optionwriter.core.books.fees import TRADING_RATE, option_fee
from optionwriter.core.compiled import compiled

PASSED, DATA, DTE, DELTA, OTM, IVRV, QUOTE, PREMIUM, SPREAD, LIQUIDITY = range(10)  # places in menu.GATES

FEE_RATE = float(TRADING_RATE)
MIN_YEAR_DAYS = 7.0  # annualisation is floored here: a plain yield would pick dailies
HUGE = 1e12  # no price, strike or size is larger
UNREACHABLE = -1e6  # the distance to a gate that no number led to

fee_of = compiled(option_fee)


class Candidate(NamedTuple):
    """Everything the rules look at of one option and its market. NaN where the exchange gives nothing."""

    is_call: bool
    is_inverse: bool
    strike: float
    forward: float
    index_price: float
    days_to_expiry: float
    iv: float
    realised: float  # forecast realised volatility over its life
    delta: float  # unsigned
    bid: float
    ask: float
    bid_size: float
    open_interest: float


class GateParams(NamedTuple):
    """Bounds of the gates; both ends belong to the range."""

    dte_min: float = 2.0
    dte_max: float = 30.0
    delta_min: float = 0.05
    delta_max: float = 0.35
    otm_min: float = 0.0  # share of the index by which the strike is out of the money
    otm_max: float = 0.5
    ivrv_min: float = 0.9
    premium_min_usd: float = 5.0  # a coin, at the bid, net of the fee
    spread_max: float = 0.35  # of the mid
    open_interest_min: float = 1.0  # coins; inverse options
    bid_size_min: float = 0.1  # coins; linear options, where the size is known
    linear_spread_max: float = 0.25  # of the mid; linear options


class Verdict(NamedTuple):
    """`gate` 0 when all passed; `distance` is signed and in shares of the bound: the tightest when passed."""

    gate: int
    value: float
    threshold: float
    distance: float


@compiled
def sane(x: float) -> bool:
    """A positive number of believable size."""
    return x > 0.0 and x < HUGE


@compiled
def clamp(x: float, low: float, high: float) -> float:
    """`x` within [low, high]; what is no number counts as low."""
    if x > low:
        return x if x < high else high
    return low


@compiled
def out_of_the_money(is_call: bool, strike: float, index: float) -> float:
    """Share of the index by which the strike is out of the money; negative inside. `index` must be above 0."""
    gap = strike / index - 1.0
    return gap if is_call else -gap


@compiled
def spread_share(bid: float, ask: float) -> float:
    """(ask - bid) / mid; both must be above 0."""
    return (ask - bid) * 2.0 / (ask + bid)


@compiled
def coin_in_usd(is_inverse: bool, index: float) -> float:
    """USD value of one unit of the settlement currency (USDC taken at par here; the books use its own index)."""
    return index if is_inverse else 1.0


@compiled
def trade_fee(is_inverse: bool, index: float, price: float) -> float:
    """The fee of one coin at `price`, settlement currency, not rounded (books/fees.py, the same text)."""
    return fee_of(1.0, price, 1.0 if is_inverse else index, FEE_RATE)


@compiled
def net_premium_usd(is_inverse: bool, index: float, price: float) -> float:
    """What selling one coin at `price` brings, USD, after the fee."""
    return (price - trade_fee(is_inverse, index, price)) * coin_in_usd(is_inverse, index)


@compiled
def usable(c: Candidate) -> bool:
    """Whether the numbers that every rule needs are there."""
    if not (sane(c.strike) and sane(c.forward) and sane(c.index_price)):
        return False
    if not (sane(c.iv) and c.iv < 10.0 and sane(c.realised) and c.realised < 10.0):
        return False
    if not (c.delta >= 0.0 and c.delta <= 1.0 and abs(c.days_to_expiry) < 1e5):
        return False
    return not c.is_inverse or (c.open_interest >= 0.0 and c.open_interest < HUGE)


@compiled
def above(value: float, least: float) -> float:
    """Signed distance of `value` to being at least `least`, in shares of the bound."""
    return (value - least) / (abs(least) if abs(least) > 1e-9 else 1.0)


@compiled
def below(value: float, most: float) -> float:
    """Signed distance of `value` to being at most `most`, in shares of the bound."""
    return (most - value) / (abs(most) if abs(most) > 1e-9 else 1.0)


@compiled
def within(value: float, low: float, high: float) -> float:
    """Signed distance of `value` to lying in [low, high], in shares of the range's width."""
    width = high - low
    inside = value - low if value - low < high - value else high - value
    return inside / (width if width > 1e-9 else 1.0)


@compiled
def nearer_bound(value: float, low: float, high: float) -> float:
    """The end of [low, high] that `value` fails, or is closer to."""
    return low if value - low < high - value else high


@compiled
def gate(c: Candidate, p: GateParams) -> Verdict:
    """The first gate that the candidate fails, or PASSED with the tightest distance of all."""
    if not usable(c):
        return Verdict(DATA, 0.0, 0.0, UNREACHABLE)
    tightest = within(c.days_to_expiry, p.dte_min, p.dte_max)
    if not tightest >= 0.0:
        return Verdict(DTE, c.days_to_expiry, nearer_bound(c.days_to_expiry, p.dte_min, p.dte_max), tightest)
    distance = within(c.delta, p.delta_min, p.delta_max)
    if not distance >= 0.0:
        return Verdict(DELTA, c.delta, nearer_bound(c.delta, p.delta_min, p.delta_max), distance)
    tightest = min(tightest, distance)
    otm = out_of_the_money(c.is_call, c.strike, c.index_price)
    distance = within(otm, p.otm_min, p.otm_max)
    if not distance >= 0.0:
        return Verdict(OTM, otm, nearer_bound(otm, p.otm_min, p.otm_max), distance)
    tightest = min(tightest, distance)
    ivrv = c.iv / c.realised
    distance = above(ivrv, p.ivrv_min)
    if not distance >= 0.0:
        return Verdict(IVRV, ivrv, p.ivrv_min, distance)
    return quote_gate(c, p, min(tightest, distance))


@compiled
def quote_gate(c: Candidate, p: GateParams, tightest: float) -> Verdict:
    """The gates that need a quote: two-sided, premium, spread, liquidity of the family."""
    if not (sane(c.bid) and sane(c.ask) and c.ask >= c.bid):
        return Verdict(QUOTE, c.bid if sane(c.bid) else 0.0, 0.0, -1.0)
    premium = net_premium_usd(c.is_inverse, c.index_price, c.bid)
    distance = above(premium, p.premium_min_usd)
    if not distance >= 0.0:
        return Verdict(PREMIUM, premium, p.premium_min_usd, distance)
    tightest = min(tightest, distance)
    spread = spread_share(c.bid, c.ask)
    distance = below(spread, p.spread_max)
    if not distance >= 0.0:
        return Verdict(SPREAD, spread, p.spread_max, distance)
    tightest = min(tightest, distance)
    if c.is_inverse:
        distance = above(c.open_interest, p.open_interest_min)
        if not distance >= 0.0:
            return Verdict(LIQUIDITY, c.open_interest, p.open_interest_min, distance)
        return Verdict(PASSED, 0.0, 0.0, min(tightest, distance))
    distance = below(spread, p.linear_spread_max)
    if not distance >= 0.0:
        return Verdict(LIQUIDITY, spread, p.linear_spread_max, distance)
    tightest = min(tightest, distance)
    if not math.isnan(c.bid_size):  # an unknown size is not held against a quoted spread
        distance = above(c.bid_size, p.bid_size_min)
        if not distance >= 0.0:
            return Verdict(LIQUIDITY, c.bid_size, p.bid_size_min, distance)
        tightest = min(tightest, distance)
    return Verdict(PASSED, 0.0, 0.0, tightest)
