"""Black-76 on the forward, undiscounted: price, greeks and implied volatility, for columns and for one option.

Owns the pricing formula and the units of every greek (FACTS §4: mark = Black-76, r = 0, on the expiry's forward,
ACT/365 to 08:00 UTC):

- price in USD for one coin; an inverse option's price in coin is `price_usd / forward` (the forward, not the index)
- delta = N(d1) of the forward (puts: N(d1) - 1), not premium-adjusted
- gamma per USD of the forward; vega in USD for one volatility point (0.01)
- theta in USD a day, never positive: one day's decay (the remaining life's, if that is shorter), capped at the price

`years` is time to expiry / 365 days, `sigma` a fraction a year (0.43). The option that is out of the money is
priced and the intrinsic value added, so nothing is lost in a difference of large numbers. Where years <= 0 or
sigma <= 0 the price is the intrinsic value, delta is 0, 1/2 or 1 (less 1 for a put), and the other greeks are 0.
NaN in gives NaN out; so does a forward or strike that is not above 0.

Error: at most 1e-12 of the forward against mpmath. Speed: bench/bench_black76.py.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from optionwriter.core.compiled import compiled_array, compiled_inline
from optionwriter.core.market.chain import F64, Bools
from optionwriter.core.market.normal import (
    INVERSE_ROOT_2PI,
    MILLS_SHIFT,
    exp_of_negative,
    log_from_one,
    log_of_ratio,
    mills,
)

DAYS_PER_YEAR = 365.0
_NO_DEVIATION = 1e-14  # sigma * sqrt(years) at or below it is none
_NEWTON_STEPS = 24  # three to five are used; the bracket halves in the worst case
_ROUNDING = 2.0**-52
_SMALLEST = 1e-250  # of forward or strike; below it the tails leave the range of floats
SIGMA_ERROR_ALLOWED = 1e-9
"""implied_volatility answers only where the rounding of the price as a float moves sigma by less than this."""


class Greeks(NamedTuple):
    """Columns of equal length; units in the module's docstring."""

    price_usd: F64
    delta: F64
    gamma: F64
    vega: F64
    theta: F64


@compiled_inline
def _tails(log_ratio: float, deviation: float) -> tuple[float, float, float]:
    """(phi(d1), N(d1), N(d2) * high / low) of the option out of the money.

    `log_ratio` = ln(high / low) >= 0 of forward and strike; d1, d2 = -log_ratio / deviation ± deviation / 2.
    high * phi(d2) = low * phi(d1), hence one exponential.
    """
    centre = log_ratio / deviation
    d1 = 0.5 * deviation - centre
    minus_d2 = 0.5 * deviation + centre
    size = -d1 if d1 < 0.0 else d1
    density = INVERSE_ROOT_2PI * exp_of_negative(-0.5 * d1 * d1)
    first, second = size + MILLS_SHIFT, minus_d2 + MILLS_SHIFT
    inverse = 1.0 / (first * second)
    tail = density * mills(inverse * second)
    return density, 1.0 - tail if d1 > 0.0 else tail, density * mills(inverse * first)


@compiled_inline
def _out_of_the_money(
    forward: float, strike: float, years: float, sigma: float
) -> tuple[float, float, float, float, float]:
    """(value USD, N(d1), low * phi(d1), deviation, root of years); N(d1) is the call's delta."""
    low = forward if forward < strike else strike
    high = strike if forward < strike else forward
    low = low if low > 0.0 else math.nan
    root = math.sqrt(0.0 if years <= 0.0 else years)
    deviation = sigma * root
    none = deviation <= _NO_DEVIATION
    deviation = _NO_DEVIATION if none else deviation
    density, upper, lower = _tails(log_of_ratio(high, low), deviation)
    delta = upper if forward <= strike else 1.0 - lower * low / high
    settled = 1.0 if forward > strike else (0.5 if forward == strike else 0.0)
    live = 0.0 if none else 1.0
    value = live * (low * (upper - lower))
    weight = live * (low * density)
    delta = live * delta + (1.0 - live) * settled
    return value, delta, weight, deviation, root


@compiled_inline
def _intrinsic(forward: float, strike: float, is_call: bool) -> float:
    difference = forward - strike if is_call else strike - forward
    return 0.0 if difference < 0.0 else difference


@compiled_array
def price_delta_one(
    forward: float, strike: float, years: float, sigma: float, is_call: bool
) -> tuple[float, float]:
    """(price in USD, delta) of one option; callable from compiled rules."""
    value, delta, _, _, _ = _out_of_the_money(forward, strike, years, sigma)
    return value + _intrinsic(forward, strike, is_call), delta if is_call else delta - 1.0


@compiled_array
def price_one(forward: float, strike: float, years: float, sigma: float, is_call: bool) -> float:
    """The price of one option in USD; callable from compiled rules."""
    return price_delta_one(forward, strike, years, sigma, is_call)[0]


@compiled_array
def delta_one(forward: float, strike: float, years: float, sigma: float, is_call: bool) -> float:
    """The forward delta of one option; callable from compiled rules."""
    return price_delta_one(forward, strike, years, sigma, is_call)[1]


@compiled_array
def vega_one(forward: float, strike: float, years: float, sigma: float) -> float:
    """USD by which one option's price moves with one point (0.01) of volatility; callable from compiled rules."""
    _, _, weight, _, root = _out_of_the_money(forward, strike, years, sigma)
    return 0.01 * weight * root


@compiled_array
def fill_price_delta(
    forward: F64, strike: F64, years: F64, sigma: F64, is_call: Bools, price_usd: F64, delta: F64
) -> None:
    """The loop of `price_delta`, unchecked: all columns contiguous and of one length; writes the last two."""
    for i in range(forward.size):
        value, call_delta, _, _, _ = _out_of_the_money(forward[i], strike[i], years[i], sigma[i])
        price_usd[i] = value + _intrinsic(forward[i], strike[i], is_call[i])
        delta[i] = call_delta if is_call[i] else call_delta - 1.0


@compiled_array
def _fill_greeks(forward: F64, strike: F64, years: F64, sigma: F64, is_call: Bools, out: F64) -> None:
    """Writes price, delta, gamma, vega and theta into the rows of `out`, shape (5, n)."""
    for i in range(forward.size):
        value, call_delta, weight, deviation, root = _out_of_the_money(
            forward[i], strike[i], years[i], sigma[i]
        )
        price = value + _intrinsic(forward[i], strike[i], is_call[i])
        out[0, i] = price
        out[1, i] = call_delta if is_call[i] else call_delta - 1.0
        out[2, i] = weight / (forward[i] * forward[i] * deviation)
        out[3, i] = 0.01 * weight * root
        days = DAYS_PER_YEAR * years[i]
        # weight * sigma / (2 root) a year, written without a division by root
        life = 0.5 * weight * deviation / (1.0 if days < 1.0 else days)
        out[4, i] = -(price if life > price else life)


@compiled_array
def implied_volatility_one(
    price_usd: float, forward: float, strike: float, years: float, is_call: bool
) -> float:
    """The volatility at which one option has this price; NaN as `implied_volatility` says."""
    low = forward if forward < strike else strike
    high = strike if forward < strike else forward
    value = (price_usd - _intrinsic(forward, strike, is_call)) / low
    if not (low > 0.0 and years > 0.0 and _SMALLEST < value < 1.0 and high < math.inf):
        return math.nan
    log_ratio = log_of_ratio(high, low)
    deviation, density = _deviation_of(value, log_ratio)
    root = math.sqrt(years)
    vega = low * density * root
    return deviation / root if _ROUNDING * price_usd < SIGMA_ERROR_ALLOWED * vega else math.nan


@compiled_inline
def _first_guess(value: float, log_ratio: float, turn: float, value_at_turn: float) -> float:
    """A deviation near that of `value`, exact at the turning point, right in both limits."""
    if value < value_at_turn:
        # ln value ~ -log_ratio^2 / (2 deviation^2) as the deviation goes to 0
        fall = log_from_one(value_at_turn / value)
        return 1.0 / math.sqrt((0.5 + 2.0 * fall / log_ratio) / log_ratio)
    tail = 0.5 * (1.0 - value) / (1.0 - value_at_turn)
    if tail > 0.3:
        return turn + (value - value_at_turn) / INVERSE_ROOT_2PI
    # the inverse normal of Abramowitz and Stegun 26.2.23
    t = math.sqrt(2.0 * log_from_one(1.0 / tail))
    numerator = 2.515517 + t * (0.802853 + t * 0.010328)
    d1 = t - numerator / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    return d1 + math.sqrt(d1 * d1 + 2.0 * log_ratio)


@compiled_inline
def _deviation_of(value: float, log_ratio: float) -> tuple[float, float]:
    """(deviation, phi(d1)) at which the option out of the money is worth `value` * low; 0 < value < 1.

    The value bends at `turn` = sqrt(2 log_ratio). Below it 1 / ln(value) is solved for, above it ln(1 - value): both
    are nearly parabolas there, so steps of third order (Householder) converge in one to four. A step that leaves
    the bracket is replaced by its middle.
    """
    turn = math.sqrt(2.0 * log_ratio)
    value_at_turn = 0.5 - INVERSE_ROOT_2PI * mills(1.0 / (turn + MILLS_SHIFT))
    below = value < value_at_turn
    shift = 0.0 if below else 1.0
    floor, ceiling = (0.0, turn) if below else (turn, 100.0)
    deviation = _first_guess(value, log_ratio, turn, value_at_turn)
    density = 0.0
    for _ in range(_NEWTON_STEPS):
        density, upper, lower = _tails(log_ratio, deviation)
        reached = upper - lower
        if reached < value:
            floor = deviation
        else:
            ceiling = deviation
        distance = reached - shift
        quotient = distance / (value - shift)
        step = math.nan
        if quotient > 0.0:
            error = log_from_one(quotient) if quotient >= 1.0 else -log_from_one(1.0 / quotient)
            slope = density / distance
            centre = log_ratio / deviation
            bend = (centre * centre) / deviation - 0.25 * deviation  # vomma / vega
            newton = -error / slope
            second = bend - slope
            third = bend * bend - 3.0 * (centre / deviation) ** 2 - 0.25
            third = third - 3.0 * bend * slope + 2.0 * slope * slope
            if below:
                log_reached = -log_from_one(1.0 / reached)
                newton *= log_reached / (log_reached - error)
                pull = slope / log_reached
                third += 6.0 * pull * (pull - second)
                second -= 2.0 * pull
            step = newton * (1.0 + 0.5 * second * newton) / (1.0 + newton * (second + third * newton / 6.0))
        moved = deviation + step
        if abs(step) < 1e-5 * deviation:  # of third order: what is left is far below rounding
            return moved, density
        deviation = moved if floor < moved < ceiling else 0.5 * (floor + ceiling)
    return deviation, density


@compiled_array
def _fill_implied(price_usd: F64, forward: F64, strike: F64, years: F64, is_call: Bools, sigma: F64) -> None:
    for i in range(forward.size):
        sigma[i] = implied_volatility_one(price_usd[i], forward[i], strike[i], years[i], is_call[i])


def price_delta(
    forward: F64 | float,
    strike: F64 | float,
    years: F64 | float,
    sigma: F64 | float,
    is_call: Bools | bool,
    out: tuple[F64, F64] | None = None,
) -> tuple[F64, F64]:
    """(price in USD, delta) of every option; arguments are broadcast to one column.

    `out`: two contiguous float columns of that length to write into (not the arguments' own).
    """
    (forwards, strikes, times, sigmas), calls = _columns(is_call, forward, strike, years, sigma)
    prices, deltas = out if out is not None else (np.empty(calls.size), np.empty(calls.size))
    _require_out(calls.size, prices, deltas)
    fill_price_delta(forwards, strikes, times, sigmas, calls, prices, deltas)
    return prices, deltas


def greeks(
    forward: F64 | float,
    strike: F64 | float,
    years: F64 | float,
    sigma: F64 | float,
    is_call: Bools | bool,
) -> Greeks:
    """Price and the greeks of every option; arguments are broadcast to one column."""
    (forwards, strikes, times, sigmas), calls = _columns(is_call, forward, strike, years, sigma)
    out = np.empty((5, calls.size))
    _fill_greeks(forwards, strikes, times, sigmas, calls, out)
    return Greeks(*out)


def implied_volatility(
    price_usd: F64 | float,
    forward: F64 | float,
    strike: F64 | float,
    years: F64 | float,
    is_call: Bools | bool,
    out: F64 | None = None,
) -> F64:
    """The volatility at which every option has its price; arguments are broadcast to one column.

    NaN where there is none to find: at or below the intrinsic value; at or above the bound (a call's forward, a
    put's strike); at or after expiry; and where vega is so small that the rounding of the price as a float
    (price * 2**-52) moves sigma by more than SIGMA_ERROR_ALLOWED. For a price from the exchange, whose tick is far
    coarser, judge vega yourself.
    """
    (prices, forwards, strikes, times), calls = _columns(is_call, price_usd, forward, strike, years)
    sigma = np.empty(calls.size) if out is None else out
    _require_out(calls.size, sigma)
    _fill_implied(prices, forwards, strikes, times, calls, sigma)
    return sigma


def _columns(is_call: Bools | bool, *numbers: F64 | float) -> tuple[list[F64], Bools]:
    """Contiguous columns of one length."""
    *columns, calls = np.broadcast_arrays(*numbers, is_call)
    if calls.ndim > 1:
        raise ValueError(f"options come in columns (one dimension), not in {calls.ndim} dimensions")
    return (
        [np.ascontiguousarray(column, dtype=np.float64) for column in columns],
        np.ascontiguousarray(calls, dtype=np.bool_),
    )


def _require_out(size: int, *columns: F64) -> None:
    for column in columns:
        if column.shape != (size,) or column.dtype != np.float64 or not column.flags.c_contiguous:
            raise ValueError(f"out must be contiguous float64 columns of {size} numbers")
