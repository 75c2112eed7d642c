"""Offering: the best option that a side could sell now, and how much of it (strategies/opening.py, on columns).

Keeps: of the `max_items` best before size weighs in, the one that is best with its size.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from optionwriter.core.compiled import compiled_part
from optionwriter.core.decide.grid.bands import Bands
from optionwriter.core.decide.grid.columns import Quotes, Steps
from optionwriter.core.decide.grid.money import exceeds, whole
from optionwriter.core.decide.grid.sifting import (
    Scratch,
    anywhere,
    candidate_of,
    first_of,
    screened,
    worth_of,
)
from optionwriter.core.decide.grid.standing import (
    CALL,
    NOTHING,
    PUT,
    Account,
    Books,
    Place,
    Weights,
    cap_usd,
    held_coins,
    net_cover_per_coin,
    weigh,
)
from optionwriter.core.decide.grid.terms import Terms
from optionwriter.core.decide.scoring import Tilt, score, total

OPEN, CLOSE, ROLL_ON = 1, 2, 3  # kinds of items; 0: none
SMALLEST_DELTA = 1e-6
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
    side: int, q: Quotes, bands: Bands, puts: Quotes, step: int, steps: Steps, terms: Terms, books: Books,
    account: Account, sums: Sums, found: Scratch,
) -> Item:  # fmt: skip
    """The best opening item of the side at or above `min_score`."""
    best = nothing()
    count = screened(q, bands, step, steps, terms.gates, anywhere(), found)
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
