"""The loop: every step of a grid through the rules, for one run. No interpreter lock is held, nothing is allocated.

Owns the order of events within a step, which is the cycle's: settlements, a look, what is held, what could be sold, the
choice, the review, the orders. Keeps: the first seconds after 08:00 UTC take no orders; a step that can't be valued is
passed over.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from optionwriter.core.compiled import compiled_loop, compiled_part
from optionwriter.core.decide.grid.bands import Bands
from optionwriter.core.decide.grid.columns import Quotes, Steps
from optionwriter.core.decide.grid.offering import (
    Item,
    better,
    nothing,
    offer,
    plus,
    sums_at,
)
from optionwriter.core.decide.grid.reviewing import approved
from optionwriter.core.decide.grid.sifting import Scratch
from optionwriter.core.decide.grid.standing import (
    CALL,
    NOTHING,
    PUT,
    Account,
    Books,
    Place,
    account_at,
    find,
    held_coins,
    options_value,
    priced,
    weigh,
)
from optionwriter.core.decide.grid.tending import asks_for_nothing, tend
from optionwriter.core.decide.grid.terms import Terms
from optionwriter.core.decide.grid.trading import (
    EVENTS,
    FILLED,
    FULL_LOG,
    REST_KIND,
    REST_LIMIT,
    REST_LOTS,
    REST_OPTION,
    REST_REASON,
    REST_WHAT,
    RESTS,
    TAKEN_LOTS,
    TAKEN_OPTION,
    TAKEN_WHAT,
    Log,
    Order,
    Print,
    carry_out,
    settle,
    trade,
)
from optionwriter.core.market.chain import F64, Bools
from optionwriter.core.market.instruments import EXPIRY_HOUR_UTC, MS_PER_DAY, MS_PER_HOUR

SETTLING_MS = 5_000  # the paper broker's: orders are refused from 08:00 UTC on
_MOST_EVENTS = 6  # of one step: two settlements, two rolls


class Looks(NamedTuple):
    """By step: whether it was looked at, equity in coin and USDC, short notional in USD (amount x index)."""

    seen: Bools
    coin: F64
    usdc: F64
    short_usd: F64


class Ended(NamedTuple):
    """How the loop ended: FILLED when it went through, else why it stopped at `step`."""

    code: int
    step: int


@compiled_loop
def run_loop(
    first: int, rested: F64, steps: Steps, calls: Quotes, puts: Quotes, terms: Terms, books: Books, log: Log,
    looks: Looks, call_bands: Bands, put_bands: Bands, found: Scratch,
) -> Ended:  # fmt: skip
    """Every step from `first` on; what happens is logged, `looks` are filled.

    The last step is looked at again after its orders, as the event driver does. Where an order rests the loop stops
    after its step, to be gone on with: `rested` (resting.py) is then what filled of it meanwhile.
    """
    last = len(steps.at_ms) - 1
    if books.counted[EVENTS] + len(rested) + _MOST_EVENTS > len(log.whole):
        return Ended(FULL_LOG, first)
    fill_rested(first - 1, rested, calls, puts, books, log)
    nowhere = Place(NOTHING, NOTHING)
    call_at, put_at, call, put = (
        nowhere,
        nowhere,
        NOTHING,
        NOTHING,
    )  # places at the step before, and of which options
    for step in range(first, last + 1):
        if books.counted[EVENTS] + _MOST_EVENTS > len(log.whole):
            return Ended(FULL_LOG, step)
        code = settle_due(steps.at_ms[step], step, calls, puts, books, log)
        if code != FILLED:
            return Ended(code, step)
        if not steps.seen[step]:
            call, put = NOTHING, NOTHING
            continue
        call_at = place_of(CALL, calls, call_bands, step, books, call, call_at)
        put_at = place_of(PUT, puts, put_bands, step, books, put, put_at)
        call, put = books.option[CALL], books.option[PUT]
        if not look(step, steps, calls, puts, books, call_at, put_at, looks) or is_settling(
            steps.at_ms[step]
        ):
            continue
        if not is_idle(step, steps, calls, puts, terms, books, call_at, put_at):
            account = account_at(calls, puts, books, call_at, put_at, steps.index_usd[step])
            due = due_of(
                step, steps, calls, puts, terms, books, account, call_at, put_at, call_bands, put_bands, found
            )
            if due.first >= 0:
                carry_through(step, steps, calls, puts, terms, books, account, call_at, put_at, due, log)
        books.taken[:, TAKEN_OPTION] = NOTHING
        if step < last and (books.rest[CALL, REST_LOTS] > 0 or books.rest[PUT, REST_LOTS] > 0):
            return Ended(RESTS, step)
    call_at = place_of(CALL, calls, call_bands, last, books, NOTHING, nowhere)
    put_at = place_of(PUT, puts, put_bands, last, books, NOTHING, nowhere)
    look(last, steps, calls, puts, books, call_at, put_at, looks)
    return Ended(FILLED, last)


@compiled_part
def fill_rested(step: int, rested: F64, calls: Quotes, puts: Quotes, books: Books, log: Log) -> None:
    """The fills of what rested since `step`, and its end; what was taken in the next step's minute is kept in mind."""
    for row in rested:
        side, at_ms, lots = int(row[0]), int(row[1]), int(row[2])
        rest = books.rest[side]
        order = Order(
            side, rest[REST_WHAT], rest[REST_OPTION], rest[REST_LOTS], rest[REST_LIMIT], rest[REST_REASON],
            rest[REST_KIND],
        )  # fmt: skip
        one = Print(step, at_ms, lots, order.limit, row[3], row[4])
        trade(calls if side == CALL else puts, order, one, books, log)
        if row[5] > 0.0:
            books.taken[side, TAKEN_OPTION], books.taken[side, TAKEN_WHAT] = order.option, order.what
            books.taken[side, TAKEN_LOTS] = lots
    books.rest[:, REST_LOTS] = 0


@compiled_part
def is_settling(at_ms: int) -> bool:
    """Whether orders are refused."""
    return (at_ms - EXPIRY_HOUR_UTC * MS_PER_HOUR) % MS_PER_DAY < SETTLING_MS


@compiled_part
def settle_due(at_ms: int, step: int, calls: Quotes, puts: Quotes, books: Books, log: Log) -> int:
    """Ends what has expired, the earlier first, a call before a put."""
    call = books.option[CALL] >= 0 and calls.expiry_ms[books.option[CALL]] <= at_ms
    put = books.option[PUT] >= 0 and puts.expiry_ms[books.option[PUT]] <= at_ms
    put_first = call and put and puts.expiry_ms[books.option[PUT]] < calls.expiry_ms[books.option[CALL]]
    for place in range(2):
        side = 1 - place if put_first else place
        if call if side == CALL else put:
            code = settle(side, calls if side == CALL else puts, step, books, log)
            if code != FILLED:
                return code
    return FILLED


@compiled_part
def place_of(side: int, q: Quotes, bands: Bands, step: int, books: Books, before: int, was: Place) -> Place:
    """Where what the side holds stands; `before`: the option that it held at the step before, and where that stood."""
    option = books.option[side]
    if option < 0:
        return Place(NOTHING, NOTHING)
    if option == before and was.row >= 0 and bands.stride[step] > 0:
        return Place(was.slice + q.first_slice[step] - q.first_slice[step - 1], was.row + bands.stride[step])
    return find(q, step, option)


@compiled_part
def look(
    step: int, steps: Steps, calls: Quotes, puts: Quotes, books: Books, call_at: Place, put_at: Place, looks: Looks
) -> bool:  # fmt: skip
    """Notes the account; False where something held has no mark."""
    if (books.option[CALL] >= 0 and not priced(calls, call_at)) or (
        books.option[PUT] >= 0 and not priced(puts, put_at)
    ):
        looks.seen[step] = False
        return False
    looks.seen[step] = True
    looks.coin[step] = books.cash[CALL] / calls.grain + options_value(calls, books, CALL, call_at)
    looks.usdc[step] = books.cash[PUT] / puts.grain + options_value(puts, books, PUT, put_at)
    coins = held_coins(calls, books, CALL) + held_coins(puts, books, PUT)
    looks.short_usd[step] = coins * steps.index_usd[step]
    return True


class Due(NamedTuple):
    """What is to be done at a step: each side's item, and the sides in their order (NOTHING: none)."""

    call: Item
    put: Item
    first: int
    second: int


@compiled_part
def carry_through(
    step: int, steps: Steps, calls: Quotes, puts: Quotes, terms: Terms, books: Books, account: Account,
    call_at: Place, put_at: Place, due: Due, log: Log,
) -> None:  # fmt: skip
    """Reviews what is due, each item against what the one before it left, and carries out what passes."""
    sums = sums_at(calls, puts, books, call_at, put_at, step, steps, terms)
    passed = (False, False)
    for place in range(2):
        side = due.first if place == 0 else due.second
        if side < 0:
            continue
        q = calls if side == CALL else puts
        item = due.call if side == CALL else due.put
        fine = approved(item, side, q, step, steps, terms, books, account, sums)
        passed = (fine, passed[1]) if place == 0 else (passed[0], fine)
        if fine and item.row >= 0:
            each = weigh(q, Place(item.slice, item.row), step, steps, terms)
            sums = plus(sums, q.is_call, q.slice_expiry[item.slice], item.lots * q.lot, each)
    for place in range(2):
        if passed[place]:
            side = due.first if place == 0 else due.second
            q = calls if side == CALL else puts
            item = due.call if side == CALL else due.put
            carry_out(side, q, item, step, steps.at_ms[step], terms.fill_share, books, log)


@compiled_part
def is_idle(
    step: int,
    steps: Steps,
    calls: Quotes,
    puts: Quotes,
    terms: Terms,
    books: Books,
    call_at: Place,
    put_at: Place,
) -> bool:
    """Whether there is nothing to open, and nothing to do about what is held: most steps."""
    if may_open(CALL, terms, books) or may_open(PUT, terms, books):
        return False
    for side in range(2):
        place = call_at if side == CALL else put_at
        if place.row < 0:
            continue
        q = (
            calls if side == CALL else puts
        )  # only where it is needed: taking a side counts all its columns up
        if not asks_for_nothing(side, q, place, step, steps, books, terms):
            return False
    return True


@compiled_part
def due_of(
    step: int, steps: Steps, calls: Quotes, puts: Quotes, terms: Terms, books: Books, account: Account,
    call_at: Place, put_at: Place, call_bands: Bands, put_bands: Bands, found: Scratch,
) -> Due:  # fmt: skip
    """The items of both sides: what is mandatory, else the best of what is held and what could be sold."""
    call, put = nothing(), nothing()
    for side in range(2):  # a side is a variable: as a constant it would have everything compiled twice
        place = call_at if side == CALL else put_at
        if place.row < 0:
            continue
        q = calls if side == CALL else puts
        bands = call_bands if side == CALL else put_bands
        item = tend(side, q, place, step, steps, terms, books, account, bands, found)
        call, put = (item, put) if side == CALL else (call, item)
    if call.mandatory and put.mandatory:
        return Due(call, put, PUT, CALL) if better(put, call) else Due(call, put, CALL, PUT)
    if call.mandatory or put.mandatory:
        return Due(call, put, CALL if call.mandatory else PUT, NOTHING)
    if may_open(CALL, terms, books) or may_open(PUT, terms, books):
        sums = sums_at(calls, puts, books, call_at, put_at, step, steps, terms)
        for side in range(2):
            if may_open(side, terms, books):
                q = calls if side == CALL else puts
                bands = call_bands if side == CALL else put_bands
                item = offer(side, q, bands, puts, step, steps, terms, books, account, sums, found)
                call, put = (item, put) if side == CALL else (call, item)
    return Due(call, put, chosen_of(call, put, terms.min_score), NOTHING)


@compiled_part
def may_open(side: int, terms: Terms, books: Books) -> bool:
    """Whether the side has a chain to open (risk.Capacity.slots, calls_left)."""
    if books.option[side] >= 0:
        return False
    held = 1.0 if books.option[PUT if side == CALL else CALL] >= 0 else 0.0
    limits = terms.limits
    if held + 1.0 > limits.chains_total:
        return False
    if side == CALL:
        return terms.writes_calls and limits.call_chains >= 1.0 and limits.calls_per_expiry >= 1.0
    return terms.writes_puts and limits.put_chains >= 1.0


@compiled_part
def chosen_of(call: Item, put: Item, min_score: float) -> int:
    """The side of the best item at or above `min_score` (choosing.best_of)."""
    call_able = call.kind > 0 and math.isfinite(call.score) and call.score >= min_score
    put_able = put.kind > 0 and math.isfinite(put.score) and put.score >= min_score
    if call_able and put_able:
        return PUT if better(put, call) else CALL
    if call_able:
        return CALL
    return PUT if put_able else NOTHING
