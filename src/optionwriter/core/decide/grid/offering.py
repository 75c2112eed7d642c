"""Offering: the best option that a side could sell now, and how much of it (strategies/opening.py, on columns).

Keeps: a row is gated and scored by the rules' own functions; what is looked at first only spares those that fail
anyway; of the `max_items` best before size weighs in, the one that is best with its size.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from optionwriter.core.compiled import compiled_part
from optionwriter.core.decide.grid.columns import Quotes, Steps
from optionwriter.core.decide.grid.money import exceeds, whole
from optionwriter.core.decide.grid.standing import (
    CALL,
    NOTHING,
    PUT,
    Account,
    Books,
    Place,
    Weights,
    cap_usd,
    days_to,
    held_coins,
    net_cover_per_coin,
    weigh,
)
from optionwriter.core.decide.grid.terms import Terms
from optionwriter.core.decide.rules import PASSED, Candidate, GateParams, coin_in_usd, gate, within
from optionwriter.core.decide.scoring import Tilt, market_tilt, score, total
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.instruments import MS_PER_DAY

OPEN, CLOSE, ROLL_ON = 1, 2, 3  # kinds of items; 0: none
SMALLEST_DELTA = 1e-6
HAIR = 1e-9
FULL, HALF = 0, 1  # ranks of menu.Size; the rest is the minimum


class Item(NamedTuple):
    """One thing to do; `slice` and `row` of what is sold, `back_*` of what is bought back (NOTHING: none)."""

    kind: int
    mandatory: bool
    score: float
    expiry_ms: int
    strike: float
    size: int
    reason: int
    slice: int
    row: int
    lots: int
    back_slice: int
    back_row: int
    back_lots: int


class Sums(NamedTuple):
    """What both sides' shorts weigh together; `*_expiry_ms` and `*_usd` (notional) of each."""

    delta: float  # net, of the options, coins
    vega: float
    down: float
    unmoved: float
    up: float
    margin: float  # of the side asked about, not on its grain
    call_usd: float
    put_usd: float
    call_expiry_ms: int
    put_expiry_ms: int


class Reach(NamedTuple):
    """What a row must have beside what the gates ask: an expiry `extra_days` after `after_ms`, and a bid of at least
    `bid` and `bid_share` of its collateral, a coin. What hasn't is not looked at."""

    after_ms: int
    extra_days: float
    bid: float
    bid_share: float


class Floors(NamedTuple):
    """What a row must have at least to be looked at: implied volatility, bid in units for the gates; for the reach, bid
    in units, and so many more for each unit of its strike; and the most of its spread, a share of the mid."""

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
def nothing() -> Item:
    """No item."""
    return Item(0, False, -math.inf, 0, 0.0, 0, 0, NOTHING, NOTHING, 0, NOTHING, NOTHING, 0)


@compiled_part
def better(a: Item, b: Item) -> bool:
    """Whether `a` comes before `b`: score, earlier expiry, lower strike, larger size (menu.ranking)."""
    if a.score != b.score:
        return a.score > b.score
    if a.expiry_ms != b.expiry_ms:
        return a.expiry_ms < b.expiry_ms
    if a.strike != b.strike:
        return a.strike < b.strike
    return a.size < b.size


@compiled_part
def no_sums() -> Sums:
    """Nothing short."""
    return Sums(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0)


@compiled_part
def plus(sums: Sums, is_call: bool, expiry_ms: int, coins: float, each: Weights) -> Sums:
    """With `coins` more short of an option of the side."""
    return Sums(
        sums.delta - coins * each.delta,
        sums.vega + coins * each.vega,
        sums.down + coins * each.down,
        sums.unmoved + coins * each.unmoved,
        sums.up + coins * each.up,
        sums.margin + coins * each.margin,
        sums.call_usd + (coins * each.notional if is_call else 0.0),
        sums.put_usd + (0.0 if is_call else coins * each.notional),
        expiry_ms if is_call else sums.call_expiry_ms,
        sums.put_expiry_ms if is_call else expiry_ms,
    )


@compiled_part
def sums_at(
    calls: Quotes,
    puts: Quotes,
    books: Books,
    call_at: Place,
    put_at: Place,
    step: int,
    steps: Steps,
    terms: Terms,
) -> Sums:
    """What is short now."""
    sums = no_sums()
    if call_at.row >= 0:
        each = weigh(calls, call_at, step, steps, terms)
        sums = plus(sums, True, calls.slice_expiry[call_at.slice], held_coins(calls, books, CALL), each)
    if put_at.row >= 0:
        each = weigh(puts, put_at, step, steps, terms)
        sums = plus(sums, False, puts.slice_expiry[put_at.slice], held_coins(puts, books, PUT), each)
    return sums


@compiled_part
def at_expiry(sums: Sums, expiry_ms: int) -> float:
    """Short notional at an expiry, USD."""
    calls = sums.call_usd if sums.call_expiry_ms == expiry_ms else 0.0
    return calls + (sums.put_usd if sums.put_expiry_ms == expiry_ms else 0.0)


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
    return Floors(
        gates.ivrv_min * realised - HAIR,
        max(1.0, q.per_coin * premium - 1.0),
        q.per_coin * bid - 1.0,
        q.per_coin * share,
        gates.spread_max + HAIR,
    )


@compiled_part
def worth_a_look(q: Quotes, row: int, floors: Floors) -> bool:
    """False where the gates, or the reach, fail for sure; what is not known is left to them."""
    bid, ask = q.bid[row], q.ask[row]
    if bid < floors.bid or ask <= 0 or q.iv[row] < floors.iv:
        return False
    if (ask - bid) * 2.0 > floors.spread * (ask + bid):
        return False
    least = floors.reach_bid
    if floors.reach_share != 0.0:
        least += floors.reach_share * q.strike[q.option[row]]
    return not bid < least


@compiled_part
def row_at(q: Quotes, one: int, delta: float) -> int:
    """The first row of a slice in order whose signed delta is below `delta`; the end where there is none."""
    low, high = q.first_row[one], q.first_row[one + 1]
    while low < high:
        middle = (low + high) // 2
        if q.delta[middle] < delta:
            high = middle
        else:
            low = middle + 1
    return int(low)


@compiled_part
def rows_in_reach(q: Quotes, one: int, gates: GateParams) -> tuple[int, int]:
    """From which row of a slice to which (without it) an option's delta may lie within the bounds of the gates.

    A hair more than those: where exactly the bounds lie the gates say.
    """
    if not q.in_order[one]:
        return q.first_row[one], q.first_row[one + 1]
    low, high = gates.delta_min - SMALLEST_DELTA, gates.delta_max + SMALLEST_DELTA
    if q.is_call:
        return row_at(q, one, high), row_at(q, one, low)
    return row_at(q, one, -low), row_at(q, one, -high)


@compiled_part
def worth_of(q: Quotes, one: int, row: int, step: int, steps: Steps, terms: Terms) -> float:
    """The row's score before its size weighs in."""
    candidate = candidate_of(q, one, row, step, steps)
    return total(score(candidate, market_tilt(q.risk[one]), terms.score))


@compiled_part
def screened(q: Quotes, step: int, steps: Steps, gates: GateParams, reach: Reach, found: Scratch) -> int:
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
        begin, end = rows_in_reach(q, one, gates)
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


@compiled_part
def cash_of(account: Account, side: int) -> tuple[float, float]:
    """(cash, claims) of the side's currency."""
    if side == CALL:
        return account.coin_cash, account.coin_claims
    return account.usdc_cash, account.usdc_claims


@compiled_part
def coverable_lots(q: Quotes, option: int, price: float, free: float) -> int:
    """The most lots that `free` covers when sold at `price` (cover.coverable)."""
    each = net_cover_per_coin(q, option, price) * q.lot
    if not free > 0.0 or each == 0.0:
        return 0
    lots = whole(free / each)
    return lots - 1 if exceeds(lots * each, free) else lots


@compiled_part
def most_lots(
    side: int, q: Quotes, place: Place, step: int, steps: Steps, terms: Terms, account: Account, sums: Sums,
    each: Weights, delta: float,
) -> int:  # fmt: skip
    """The most that cover, share, cap and limits allow (opening.largest)."""
    limits, option = terms.limits, q.option[place.row]
    price = q.bid[place.row] / q.per_coin
    cash, claims = cash_of(account, side)
    free = max(0.0, cash - claims)
    most = float(coverable_lots(q, option, price, min(cash * terms.size_share - claims, free)))
    coins = min(most * q.lot, terms.size_cap)
    used = sums.call_usd if q.is_call else sums.put_usd
    cap = cap_usd(limits.calls if q.is_call else limits.puts, account.equity_usd) - used
    expiry = cap_usd(limits.expiry, account.equity_usd) - at_expiry(sums, q.slice_expiry[place.slice])
    coins = min(coins, max(0.0, min(cap, expiry)) / each.notional)
    room = limits.net_delta + sums.delta if q.is_call else limits.net_delta - sums.delta
    coins = min(coins, max(0.0, room) / max(delta, SMALLEST_DELTA))
    coins = min(coins, limits.lots_per_order * q.lot)
    left = cap_usd(limits.total, account.equity_usd) - sums.call_usd - sums.put_usd
    coins = min(coins, left / each.notional)
    if q.is_call:
        claim = net_cover_per_coin(q, option, price)
        if claim > 0.0:
            coins = min(coins, (limits.covered_share * max(0.0, cash) - claims) / claim)
    if each.vega > 0.0:
        coins = min(coins, (limits.vega_usd - sums.vega) / each.vega)
    stress = cap_usd(limits.stress, account.equity_usd)
    if each.down > 0.0:
        coins = min(coins, (stress - sums.down) / each.down)
    if each.unmoved > 0.0:
        coins = min(coins, (stress - sums.unmoved) / each.unmoved)
    if each.up > 0.0:
        coins = min(coins, (stress - sums.up) / each.up)
    return whole(coins / q.lot)


@compiled_part
def tilt_of(
    side: int, q: Quotes, place: Place, coins: float, step: int, steps: Steps, terms: Terms, account: Account,
    puts: Quotes, books: Books,
) -> Tilt:  # fmt: skip
    """What selling `coins` of the row would weigh (strategies/tilting.py)."""
    risk = q.risk[place.slice]
    if side == CALL:
        cash, claims = account.coin_cash, account.coin_claims
        return Tilt(
            risk, (claims + coins) / cash if cash > 0.0 else math.nan, math.nan, math.nan, math.nan, math.nan
        )
    if not account.equity_usd > 0.0:
        return Tilt(risk, math.nan, math.nan, math.nan, math.nan, math.nan)
    index = steps.index_usd[step]
    fallen = index * (1.0 - terms.downside_stress)
    held = held_coins(puts, books, PUT)
    carried = held * max(0.0, puts.strike[books.option[PUT]] - fallen) if held > 0.0 else 0.0
    loss = carried + coins * max(0.0, q.strike[q.option[place.row]] - fallen)
    coin_usd = (account.coin_equity + held) * index + coins * index
    equity = account.equity_usd
    return Tilt(risk, math.nan, loss / equity, terms.max_drawdown, coin_usd / equity, terms.target)


@compiled_part
def sized(most: int, size: int) -> int:
    """`most` lots, half of them, or one (opening.sized)."""
    if size == FULL:
        return most
    return most // 2 if size == HALF else min(most, 1)


@compiled_part
def offer(
    side: int, q: Quotes, puts: Quotes, step: int, steps: Steps, terms: Terms, books: Books, account: Account,
    sums: Sums, found: Scratch,
) -> Item:  # fmt: skip
    """The best opening item of the side at or above `min_score`."""
    best = nothing()
    count = screened(q, step, steps, terms.gates, anywhere(), found)
    for at in range(count):
        found.score[at] = worth_of(q, found.slice[at], found.row[at], step, steps, terms)
    chosen = 0
    while chosen < terms.max_items:
        at = first_of(q, found, count)
        if at < 0 or found.score[at] < best.score:
            break  # what its size weighs can only lower a score
        if found.score[at] < terms.min_score:
            break
        place = Place(found.slice[at], found.row[at])
        found.row[at] = NOTHING
        candidate = candidate_of(q, place.slice, place.row, step, steps)
        each = weigh(q, place, step, steps, terms)
        most = most_lots(side, q, place, step, steps, terms, account, sums, each, candidate.delta)
        if most <= 0:
            continue
        chosen += 1
        for size in terms.sizes:
            lots = sized(most, size)
            if lots <= 0:
                continue
            tilt = tilt_of(side, q, place, lots * q.lot, step, steps, terms, account, puts, books)
            worth = total(score(candidate, tilt, terms.score))
            item = Item(
                OPEN, False, worth, q.slice_expiry[place.slice], candidate.strike, size, 0,
                place.slice, place.row, lots, NOTHING, NOTHING, 0,
            )  # fmt: skip
            if better(item, best):
                best = item
    return best if best.kind and best.score >= terms.min_score else nothing()
