"""Standing: the account within the loop, and what short options weigh: cover, margin, delta, vega, stress, notional.

The meanings are those of cover.py, exposure.py and figures.py, on floats; the formulas are theirs, called.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from optionwriter.core.books.fees import CAP_DIVISOR, TRADING_RATE
from optionwriter.core.books.margin import initial_margin, maintenance_margin
from optionwriter.core.compiled import compiled, compiled_part
from optionwriter.core.decide.grid.columns import Quotes, Steps
from optionwriter.core.decide.grid.money import booked
from optionwriter.core.decide.grid.terms import CapTerms, Terms
from optionwriter.core.decide.rules import fee_of
from optionwriter.core.market.black76 import price_one, vega_one
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_YEAR

FEE_RATE = float(TRADING_RATE)
CALL, PUT = 0, 1  # sides; a side's currency has the same number: the coin, USDC
initial_margin_of = compiled(initial_margin)
maintenance_margin_of = compiled(maintenance_margin)
NOTHING = -1


class Books(NamedTuple):
    """What changes. By side: option held (NOTHING), lots, price it was sold at, the chain's bound strike, its rolls,
    when its last leg was opened, its number; the order that rests, and what was taken of a quote in the step's own
    minute (trading.py has their columns). By currency: cash, booked units."""

    option: I64
    lots: I64
    entry: F64
    bound: F64
    rolls: I64
    opened_ms: I64
    chain: I64
    cash: I64
    counted: I64  # chains so far, events so far
    rest: I64
    taken: I64


class Place(NamedTuple):
    """Where an option stands at a step; `row` NOTHING: it doesn't."""

    slice: int
    row: int


class Weights(NamedTuple):
    """What one coin short of an option weighs."""

    margin: float
    delta: float  # signed, of one coin held
    vega: float
    down: float  # loss at the stress, USD
    unmoved: float
    up: float
    notional: float  # USD


class Account(NamedTuple):
    """The account at a step, before anything is done: by currency cash, claims of what is short, margin; all floats."""

    coin_cash: float
    coin_claims: float
    coin_margin: float
    usdc_cash: float
    usdc_claims: float
    usdc_margin: float
    coin_equity: float
    equity_usd: float


@compiled_part
def find(q: Quotes, step: int, option: int) -> Place:
    """The option's row at the step."""
    expiry, strike = q.expiry_ms[option], q.strike[option]
    for one in range(q.first_slice[step], q.first_slice[step + 1]):
        if q.slice_expiry[one] != expiry:
            continue
        low, high = q.first_row[one], q.first_row[one + 1]
        while low < high:
            middle = (low + high) // 2
            if q.strike[q.option[middle]] < strike:
                low = middle + 1
            else:
                high = middle
        if low < q.first_row[one + 1] and q.option[low] == option:
            return Place(one, low)
    return Place(NOTHING, NOTHING)


@compiled_part
def days_to(q: Quotes, slice_: int, at_ms: int) -> float:
    """Days to the slice's expiry."""
    return float((q.slice_expiry[slice_] - at_ms) / MS_PER_DAY)


@compiled_part
def delta_at(q: Quotes, place: Place) -> float:
    """Signed delta of one coin held from mark IV, NaN where there is none (state.price_of)."""
    iv, forward = q.iv[place.row], q.forward[place.slice]
    if not (iv > 0.0 and forward > 0.0 and math.isfinite(iv) and math.isfinite(forward)):
        return math.nan
    return float(q.delta[place.row])


@compiled_part
def cover_per_coin(q: Quotes, option: int) -> float:
    """The worst case of one coin short: a coin, or the strike (cover.py)."""
    return 1.0 if q.is_inverse else float(q.strike[option])


@compiled_part
def fee_bound(q: Quotes, price: float) -> float:
    """The most that trading one coin at `price` can cost (cover.py)."""
    return fee_of(1.0, price, 1.0, FEE_RATE) if q.is_inverse else price / CAP_DIVISOR


@compiled_part
def net_cover_per_coin(q: Quotes, option: int, price: float) -> float:
    """What selling one coin at `price` claims (cover.py)."""
    claim = cover_per_coin(q, option) - price + fee_bound(q, price)
    return claim if claim > 0.0 else 0.0


@compiled_part
def freed_per_coin(q: Quotes, option: int, price: float) -> float:
    """What buying back one coin at `price` frees (cover.py)."""
    return cover_per_coin(q, option) - price - fee_bound(q, price)


@compiled_part
def margin_per_coin(q: Quotes, place: Place) -> float:
    """Initial margin of one coin short."""
    mark, forward = q.mark[place.row], q.forward[place.slice]
    worth = 1.0 if q.is_inverse else forward
    keeping = maintenance_margin_of(mark, worth, q.is_call)
    return float(initial_margin_of(q.strike[q.option[place.row]], forward, mark, worth, q.is_call, keeping))


@compiled_part
def weigh(q: Quotes, place: Place, step: int, steps: Steps, terms: Terms) -> Weights:
    """What one coin short weighs (exposure.py): worst cases where delta or volatility is unknown."""
    at_ms, index = steps.at_ms[step], steps.index_usd[step]
    strike, forward, iv = q.strike[q.option[place.row]], q.forward[place.slice], q.iv[place.row]
    left = q.slice_expiry[place.slice] - at_ms
    years = (left if left > 0 else 0) / MS_PER_YEAR
    delta = delta_at(q, place)
    if math.isnan(delta):
        delta = 1.0 if q.is_call else -1.0
    forward = forward if math.isfinite(forward) and forward > 0.0 else index
    low, high = forward * (1.0 - terms.limits.spot_move), forward * (1.0 + terms.limits.spot_move)
    more = terms.limits.volatility_move
    notional = index if q.is_call else strike
    margin = margin_per_coin(q, place)
    if years <= 0.0 or (math.isfinite(iv) and iv > 0.0):
        sigma = iv if years > 0.0 else 0.0
        vega = vega_one(forward, strike, years, sigma)
        before = price_one(forward, strike, years, sigma, q.is_call)
        down = price_one(low, strike, years, sigma + more, q.is_call) - before
        unmoved = price_one(forward, strike, years, sigma + more, q.is_call) - before
        up = price_one(high, strike, years, sigma + more, q.is_call) - before
        return Weights(margin, delta, vega, down, unmoved, up, notional)
    before = price_one(forward, strike, 0.0, 0.0, q.is_call)
    vega = 0.01 * forward * math.sqrt(years / (2.0 * math.pi))
    if q.is_call:
        return Weights(margin, delta, vega, low - before, forward - before, high - before, notional)
    lost = strike - before
    return Weights(margin, delta, vega, lost, lost, lost, notional)


@compiled_part
def cap_usd(cap: CapTerms, equity_usd: float) -> float:
    """The cap at that equity (limits.Cap)."""
    if cap.usd >= 0.0:
        return cap.usd
    return max(0.0, equity_usd) * cap.share


@compiled_part
def held_coins(q: Quotes, books: Books, side: int) -> float:
    """Coins short on the side."""
    return books.lots[side] * q.lot if books.option[side] >= 0 else 0.0


@compiled_part
def options_value(q: Quotes, books: Books, side: int, mark: float) -> float:
    """What the side's position is worth at that mark, negative when owed, not on a grain."""
    return -held_coins(q, books, side) * mark if books.option[side] >= 0 else 0.0


@compiled_part
def account_at(
    calls: Quotes, puts: Quotes, books: Books, call_at: Place, put_at: Place, index: float
) -> Account:
    """The account as the broker shows it."""
    coin_cash, usdc_cash = books.cash[CALL] / calls.grain, books.cash[PUT] / puts.grain
    coin_claims = coin_margin = usdc_claims = usdc_margin = 0.0
    call_mark = put_mark = math.nan
    if call_at.row >= 0:
        call_mark = calls.mark[call_at.row]
        coins = held_coins(calls, books, CALL)
        coin_claims = coins * cover_per_coin(calls, books.option[CALL])
        coin_margin = booked(coins * margin_per_coin(calls, call_at) * calls.grain) / calls.grain
    if put_at.row >= 0:
        put_mark = puts.mark[put_at.row]
        coins = held_coins(puts, books, PUT)
        usdc_claims = coins * cover_per_coin(puts, books.option[PUT])
        usdc_margin = booked(coins * margin_per_coin(puts, put_at) * puts.grain) / puts.grain
    coin_equity = coin_cash + booked(options_value(calls, books, CALL, call_mark) * calls.grain) / calls.grain
    usdc_equity = usdc_cash + booked(options_value(puts, books, PUT, put_mark) * puts.grain) / puts.grain
    return Account(
        coin_cash,
        coin_claims,
        coin_margin,
        usdc_cash,
        usdc_claims,
        usdc_margin,
        coin_equity,
        coin_equity * index + usdc_equity,
    )
