"""Sifting: which of a step's options may be sold: those that pass the gates, and the best of them.

Keeps: a row is gated and scored by the rules' own functions; what is looked at first only spares those that fail
anyway, a hair further out than the rules say.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from optionwriter.core.compiled import compiled_part
from optionwriter.core.decide.grid.bands import Bands, band_of, may_have, rows_within
from optionwriter.core.decide.grid.columns import Quotes, Steps
from optionwriter.core.decide.grid.standing import NOTHING, days_to
from optionwriter.core.decide.grid.terms import Terms
from optionwriter.core.decide.rules import PASSED, Candidate, GateParams, coin_in_usd, gate, within
from optionwriter.core.decide.scoring import market_tilt, score, total
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.instruments import MS_PER_DAY

HAIR = 1e-9


class Reach(NamedTuple):
    """What a row must have beside what the gates ask: an expiry `extra_days` after `after_ms`, and a bid of at least
    `bid` and `bid_share` of its collateral, a coin. What hasn't is not looked at."""

    after_ms: int
    extra_days: float
    bid: float
    bid_share: float


class Floors(NamedTuple):
    """What a row must have to be looked at: |delta| within; at least so much implied volatility, so high a bid in units
    for the gates; for the reach, bid in units, and so many more for each unit of its strike; at most so wide a spread,
    a share of the mid. `low` and `high`: the bands of delta."""

    low: int
    high: int
    delta_min: float
    delta_max: float
    iv: float
    bid: float
    reach_bid: float
    reach_share: float
    spread: float


class Scratch(NamedTuple):
    """Where a step's candidates are noted: as many places as a step has rows."""

    score: F64
    slice: I64
    row: I64


@compiled_part
def candidate_of(q: Quotes, one: int, row: int, step: int, steps: Steps) -> Candidate:
    """One row as the rules see it (screening.py)."""
    strike, forward, iv = q.strike[q.option[row]], q.forward[one], q.iv[row]
    return Candidate(
        q.is_call,
        q.is_inverse,
        strike,
        forward,
        q.index_usd[step],
        days_to(q, one, steps.at_ms[step]),
        iv,
        steps.realised[step],
        abs(q.delta[row]),
        q.bid[row] / q.per_coin if q.bid[row] > 0 else math.nan,
        q.ask[row] / q.per_coin if q.ask[row] > 0 else math.nan,
        math.nan,
        q.open_interest[row],
    )


@compiled_part
def anywhere() -> Reach:
    """Nothing is asked beside the gates."""
    return Reach(0, -math.inf, 0.0, 0.0)


@compiled_part
def floors_of(q: Quotes, index: float, realised: float, gates: GateParams, reach: Reach) -> Floors:
    """A hair less than what the gates and the reach ask of a row."""
    premium = gates.premium_min_usd / coin_in_usd(q.is_inverse, index)
    share = 0.0 if q.is_inverse else reach.bid_share
    bid = reach.bid + reach.bid_share if q.is_inverse else reach.bid
    low, high = gates.delta_min - HAIR, gates.delta_max + HAIR
    return Floors(
        band_of(low),
        band_of(high),
        low,
        high,
        gates.ivrv_min * realised - HAIR,
        max(1.0, q.per_coin * premium - 1.0),
        q.per_coin * bid - 1.0,
        q.per_coin * share,
        gates.spread_max + HAIR,
    )


@compiled_part
def worth_a_look(q: Quotes, row: int, floors: Floors) -> bool:
    """False where the gates, or the reach, fail for sure; what is not known is left to them."""
    size, bid, ask = abs(q.delta[row]), q.bid[row], q.ask[row]
    if size < floors.delta_min or size > floors.delta_max:
        return False
    if bid < floors.bid or ask <= 0 or q.iv[row] < floors.iv:
        return False
    if (ask - bid) * 2.0 > floors.spread * (ask + bid):
        return False
    least = floors.reach_bid
    if floors.reach_share != 0.0:
        least += floors.reach_share * q.strike[q.option[row]]
    return not bid < least


@compiled_part
def worth_of(q: Quotes, one: int, row: int, step: int, steps: Steps, terms: Terms) -> float:
    """The row's score before its size weighs in."""
    candidate = candidate_of(q, one, row, step, steps)
    return total(score(candidate, market_tilt(q.risk[one]), terms.score))


@compiled_part
def least_bid(q: Quotes, one: int, floors: Floors) -> float:
    """The floor of the bid that no row of the slice is spared."""
    least = floors.reach_bid
    begin, end = q.first_row[one], q.first_row[one + 1]
    if floors.reach_share != 0.0 and end > begin:
        low, high = q.strike[q.option[begin]], q.strike[q.option[end - 1]]
        least += min(floors.reach_share * low, floors.reach_share * high)
    return max(floors.bid, least)


@compiled_part
def screened(
    q: Quotes, bands: Bands, step: int, steps: Steps, gates: GateParams, reach: Reach, found: Scratch
) -> int:
    """Notes every row that passes the gates and may be in reach, and says how many there are."""
    count = 0
    at_ms, realised = steps.at_ms[step], steps.realised[step]
    if not realised > 0.0:
        return 0
    floors = floors_of(q, q.index_usd[step], realised, gates, reach)
    for one in range(q.first_slice[step], q.first_slice[step + 1]):
        if not within(days_to(q, one, at_ms), gates.dte_min, gates.dte_max) >= 0.0:
            continue
        if not (q.slice_expiry[one] - reach.after_ms) / MS_PER_DAY >= reach.extra_days:
            continue
        if not may_have(bands, one, floors.low, floors.high, floors.iv, least_bid(q, one, floors)):
            continue
        begin, end = rows_within(q, bands, one, floors.low, floors.high)
        for row in range(begin, end):
            if not worth_a_look(q, row, floors):
                continue
            if gate(candidate_of(q, one, row, step, steps), gates).gate == PASSED:
                found.slice[count], found.row[count] = one, row
                count += 1
    return count


@compiled_part
def first_of(q: Quotes, found: Scratch, count: int) -> int:
    """The best place of the first `count`: score, then earlier expiry, then lower strike; NOTHING of none."""
    best = NOTHING
    for place in range(count):
        if found.row[place] < 0:
            continue
        if best < 0 or found.score[place] > found.score[best]:
            best = place
        elif found.score[place] == found.score[best]:
            mine, its = q.slice_expiry[found.slice[place]], q.slice_expiry[found.slice[best]]
            lower = q.strike[q.option[found.row[place]]] < q.strike[q.option[found.row[best]]]
            if mine < its or (mine == its and lower):
                best = place
    return best
