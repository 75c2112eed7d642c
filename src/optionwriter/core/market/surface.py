"""Surface: the volatility of one underlying at one instant, by strike and expiry, and how it moves between instants.

A surface holds a slice (core/market/smile) and a carry, ln(forward / index), for each of its expiries. Between two
surfaces (Bracket) these rules hold:

- an expiry's total variance runs out in event time, not by the clock: hours weigh what such hours of the week have
  realised, so a weekend night costs less than a weekday's US opening
- the money moves along the skew: where the index leaves the straight line between both instants, at-the-money
  volatility follows the smile of fixed strikes (measured on the recorded chains: it takes 5 to 15 % off the error)
- nodes, being standardised, mix linearly in time; between expiries they mix linearly in ln(tenor)
- an expiry that only one side knows moves with its nearest neighbour
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.compiled import compiled_exact
from optionwriter.core.market.chain import F64, I64, Bools
from optionwriter.core.market.history import Candles
from optionwriter.core.market.instruments import MS_PER_HOUR, MS_PER_YEAR
from optionwriter.core.market.normal import fill_log
from optionwriter.core.market.smile import MONEY_SLOPE, NODE_COUNT, Slice, fit_slice, iv_at

HOURS_PER_WEEK = 168
_MONDAY_MS = 4 * 24 * MS_PER_HOUR  # 1970-01-05
_MAX_SKEW_MOVE = 0.3  # of at-the-money volatility, in one bracket
_LEAST_YEARS = 60_000 / MS_PER_YEAR  # in the last minute time stands still, so that nothing divides by zero


class SurfaceError(ValueError):
    """A surface without expiries, or an instant outside a bracket."""


class EventTime:
    """Hours of event time since 1970: each hour of the week, from Monday 00:00 UTC, counts by its weight (mean 1)."""

    def __init__(self, weights: F64) -> None:
        weights = np.asarray(weights, dtype=np.float64)
        if weights.shape != (HOURS_PER_WEEK,) or not np.all(weights > 0):
            raise SurfaceError(
                f"event time needs {HOURS_PER_WEEK} weights above zero, one an hour of the week"
            )
        self.weights = weights / weights.mean()
        self._elapsed = np.concatenate([[0.0], np.cumsum(self.weights)])

    def at(self, at_ms: I64 | int) -> F64:
        """Event hours at the instants."""
        hours = (np.asarray(at_ms, dtype=np.float64) - _MONDAY_MS) / MS_PER_HOUR
        weeks = np.floor(hours / HOURS_PER_WEEK)
        rest = hours - weeks * HOURS_PER_WEEK
        hour = np.minimum(rest.astype(np.intp), HOURS_PER_WEEK - 1)
        passed = self._elapsed[hour] + (rest - hour) * self.weights[hour]
        return np.asarray(weeks * HOURS_PER_WEEK + passed, dtype=np.float64)


def realised_weights(candles: Candles) -> F64:
    """Weights of event time from hourly candles: the root of what each hour of the week has realised.

    Realised variance by the hour's range (Parkinson), its largest 2 % cut to the next; weekdays share one profile of
    24 hours, weekend days another, each smoothed over three hours. The root, because marks follow the profile half
    way (measured leave-one-out on the recorded chains).
    """
    variance = np.log(candles.high / candles.low) ** 2
    variance = np.minimum(variance, np.quantile(variance, 0.98))
    hour = (candles.open_ms - _MONDAY_MS) // MS_PER_HOUR % HOURS_PER_WEEK
    of_day, weekend = hour % 24, hour >= 120
    profiles = []
    for days in (~weekend, weekend):
        profile = np.array([variance[days & (of_day == h)].mean() for h in range(24)])
        profiles.append((np.roll(profile, 1) + 2.0 * profile + np.roll(profile, -1)) / 4.0)
    weights = np.sqrt(np.concatenate([np.tile(profiles[0], 5), np.tile(profiles[1], 2)]))
    return np.asarray(weights / weights.mean(), dtype=np.float64)


def years_to(expiry_ms: I64, at_ms: int | I64) -> F64:
    """ACT/365 years from `at_ms`, at least a minute."""
    return np.maximum((expiry_ms - at_ms) / MS_PER_YEAR, _LEAST_YEARS)


def logs(values: F64) -> F64:
    """Natural logarithms, in the values' shape."""
    flat = np.ascontiguousarray(values, dtype=np.float64).ravel()
    found = np.empty(len(flat))
    fill_log(flat, found)
    return found.reshape(np.shape(values))


class _Between(NamedTuple):
    """Expiries (k,) between those that are known: rows on either side, and where between them each lies."""

    below: NDArray[np.intp]
    above: NDArray[np.intp]
    low: F64  # years
    high: F64
    asked: F64
    mix: F64

    @staticmethod
    def of(expiry_ms: I64, wanted: I64, at_ms: int) -> _Between:
        """`expiry_ms` ascending."""
        above = np.minimum(np.searchsorted(expiry_ms, wanted), len(expiry_ms) - 1)
        below = np.where((expiry_ms[above] > wanted) & (above > 0), above - 1, above)
        known, asked = years_to(expiry_ms, at_ms), years_to(wanted, at_ms)
        low, high = known[below], known[above]
        apart = high > low
        mix = np.where(apart, (asked - low) / np.where(apart, high - low, 1.0), 0.0)
        return _Between(below, above, low, high, asked, mix)

    def at_the_money(self, below: F64, above: F64) -> F64:
        """Total variance linear in time between two volatilities, volatility flat before the first, after the last."""
        start = below**2 * self.low
        total = start + self.mix * (above**2 * self.high - start)
        return np.where(self.high > self.low, np.sqrt(total / self.asked), below)

    def nodes(self, nodes: F64) -> F64:
        """Linear in ln(tenor)."""
        apart = self.high > self.low
        ratio = np.log(np.where(apart, self.high / self.low, np.e))
        by_log = np.where(apart, np.log(self.asked / self.low) / ratio, 0.0)
        return np.asarray(nodes[self.below] + by_log[:, None] * (nodes[self.above] - nodes[self.below]))


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Slices of one underlying at one instant, ascending by expiry.

    `expiry_ms`, `carry` (ln(forward / index)), `atm_iv` (fractions): (m,); `nodes`: (m, NODE_COUNT).
    """

    at_ms: int
    index_price: float
    expiry_ms: I64
    carry: F64
    atm_iv: F64
    nodes: F64

    def smile(self, row: int) -> Slice:
        """The slice of the expiry in `row`."""
        years = float(years_to(self.expiry_ms[row], self.at_ms))
        return Slice(years, float(self.atm_iv[row]), self.nodes[row])

    def at_expiries(self, expiry_ms: I64) -> Surface:
        """The surface at exactly these expiries (k,), each by itself: those it lacks lie between their neighbours.

        Total variance at the money is linear in time between two expiries, volatility is flat before the first and
        after the last; carry a year likewise; nodes are linear in ln(tenor).
        """
        wanted = np.asarray(expiry_ms, dtype=np.int64)
        place = _Between.of(self.expiry_ms, wanted, self.at_ms)
        below, above = place.below, place.above
        atm = place.at_the_money(self.atm_iv[below], self.atm_iv[above])
        between = self.carry[below] + place.mix * (self.carry[above] - self.carry[below])
        flat = self.carry[below] / place.low * place.asked
        carry = np.where(place.high > place.low, between, flat)
        return Surface(self.at_ms, self.index_price, wanted, carry, atm, place.nodes(self.nodes))

    def forward(self, expiry_ms: I64) -> F64:
        """Forwards of any expiries, USD."""
        return self.index_price * np.exp(self.at_expiries(expiry_ms).carry)

    def iv(self, strike: F64, expiry_ms: I64) -> F64:
        """Volatility (fractions) of options with these strikes (n,) and expiries (n,)."""
        expiries, rows = np.unique(np.asarray(expiry_ms, dtype=np.int64), return_inverse=True)
        here = self.at_expiries(expiries)
        scale = here.atm_iv * np.sqrt(years_to(expiries, self.at_ms))
        k = logs(np.asarray(strike) / self.index_price) - here.carry[rows]
        return iv_at(k / scale[rows], rows, here.nodes, here.atm_iv)


class Stretch(NamedTuple):
    """What is asked of surfaces at t instants: n options, in s slices of one instant and one expiry each.

    By instant: `at_ms`, `index_price`. By slice: the number of its `instant`, `expiry_ms`, `forward` (USD). By option:
    `strike`, the number of its `slice`.
    """

    at_ms: I64
    index_price: F64
    instant: NDArray[np.intp]
    expiry_ms: I64
    forward: F64
    strike: F64
    slice: NDArray[np.intp]

    @property
    def left_ms(self) -> I64:
        """What is left of each slice's life, (s,)."""
        return np.asarray(self.expiry_ms - self.at_ms[self.instant], dtype=np.int64)

    def iv(self, tenor_ms: I64, atm_iv: F64, nodes: F64) -> F64:
        """Volatility (n,): as Surface.iv of a surface an instant, its money at the forward, without carry.

        Of every surface the same `tenor_ms` (m,) ascending and `nodes`; `atm_iv` (t, m). Every number is as it is when
        its surface is asked alone.
        """
        place, atm = self._placed(tenor_ms, atm_iv)
        index = self.index_price[self.instant]
        z = np.empty(len(self.strike))
        # moneyness is measured on the forward
        fill_moneyness(self.strike, self.slice, index / self.forward, index, z)
        fill_log(z, z)
        fill_standardised(self.slice, atm * np.sqrt(place.asked), z)
        return iv_at(z, self.slice, place.nodes(nodes), atm)

    def iv_at_the_forward(self, tenor_ms: I64, atm_iv: F64, nodes: F64) -> F64:
        """As `iv`, of strikes that lie at the forward."""
        place, atm = self._placed(tenor_ms, atm_iv)
        return iv_at(np.zeros(len(atm)), np.arange(len(atm)), place.nodes(nodes), atm)[self.slice]

    def _placed(self, tenor_ms: I64, atm_iv: F64) -> tuple[_Between, F64]:
        """Every slice, (s,), with its volatility at the money."""
        place = _Between.of(tenor_ms, self.left_ms, 0)
        at_the_money = place.at_the_money(
            atm_iv[self.instant, place.below], atm_iv[self.instant, place.above]
        )
        return place, at_the_money


@compiled_exact
def fill_moneyness(strike: F64, one: NDArray[np.intp], moved: F64, index: F64, out: F64) -> None:
    """Strikes over the index, as of a forward at it: `one` is each row's slice, `moved` index / forward of each."""
    for row in range(strike.size):
        place = np.uint64(one[row])
        out[row] = strike[row] * moved[place] / index[place]


@compiled_exact
def fill_standardised(one: NDArray[np.intp], scale: F64, out: F64) -> None:
    """Divides by the scale of each row's slice."""
    for row in range(out.size):
        out[row] = out[row] / scale[np.uint64(one[row])]


def fit_surface(
    at_ms: int, index_price: float, expiry_ms: I64, strike: F64, forward: F64, mark_iv: F64
) -> Surface:
    """Fits one chain's marks, columns (n,) with one row a strike and expiry; the forward of a row is its own.

    Rows of one expiry may have been read seconds apart, so their forwards differ: the slice's is the median.
    Errors: SmileError (core/market/smile) where an expiry has too few marks, SurfaceError without rows.
    """
    expiries = np.unique(expiry_ms)
    if not expiries.size:
        raise SurfaceError("a surface needs marks of at least one expiry")
    carry, atm, nodes = (
        np.empty(expiries.size),
        np.empty(expiries.size),
        np.empty((expiries.size, NODE_COUNT)),
    )
    for row, expiry in enumerate(expiries):
        chosen = expiry_ms == expiry
        fitted = fit_slice(
            np.log(strike[chosen] / forward[chosen]), mark_iv[chosen], (int(expiry) - at_ms) / MS_PER_YEAR
        )
        carry[row] = np.log(np.median(forward[chosen]) / index_price)
        atm[row], nodes[row] = fitted.atm_iv, fitted.nodes
    return Surface(at_ms, index_price, expiries, carry, atm, nodes)


class Bracket:
    """Two surfaces of one underlying and everything between them; `at` is cheap."""

    def __init__(self, left: Surface, right: Surface, event_time: EventTime) -> None:
        if not left.at_ms < right.at_ms:
            raise SurfaceError(f"a bracket's surfaces must follow on: {left.at_ms}, {right.at_ms}")
        self.left_ms, self.right_ms = left.at_ms, right.at_ms
        expiries = np.union1d(left.expiry_ms, right.expiry_ms)
        self.expiry_ms: I64 = expiries[expiries > left.at_ms]
        in_left = np.isin(self.expiry_ms, left.expiry_ms)
        in_right = np.isin(self.expiry_ms, right.expiry_ms) & (self.expiry_ms > right.at_ms)
        both = in_left & in_right
        if not both.any():
            raise SurfaceError(f"the surfaces at {left.at_ms} and {right.at_ms} share no expiry")
        self._index_line = np.log([left.index_price, right.index_price])
        self._event_time = event_time
        self._event_end = event_time.at(self.expiry_ms)
        self._event_span = float(event_time.at(left.at_ms)), float(event_time.at(right.at_ms))
        one, other = left.at_expiries(self.expiry_ms), right.at_expiries(self.expiry_ms)
        self._variance = self._total(one), self._total(other)
        self._from_right = ~in_left
        self._partner = _nearest(self.expiry_ms, both, left.at_ms)
        self._single = ~both
        self._nodes_left = np.where(in_left[:, None], one.nodes, other.nodes)
        self._nodes_move = np.where(both[:, None], other.nodes - one.nodes, 0.0)
        rate_left, rate_right = self._rate(one), self._rate(other)
        self._rate_left = np.where(in_left, rate_left, rate_right)
        self._rate_move = np.where(both, rate_right - rate_left, 0.0)

    @staticmethod
    def _total(surface: Surface) -> F64:
        return surface.atm_iv**2 * years_to(surface.expiry_ms, surface.at_ms)

    @staticmethod
    def _rate(surface: Surface) -> F64:
        return surface.carry / years_to(surface.expiry_ms, surface.at_ms)

    def at(self, at_ms: int, index_price: float) -> Surface:
        """The surface at an instant of [left, right], where the index is `index_price`; expired expiries included.

        Errors: SurfaceError outside the bracket.
        """
        if not self.left_ms <= at_ms <= self.right_ms:
            raise SurfaceError(f"{at_ms} is outside the bracket [{self.left_ms}, {self.right_ms}]")
        mix = (at_ms - self.left_ms) / (self.right_ms - self.left_ms)
        years = years_to(self.expiry_ms, at_ms)
        nodes = self._nodes_left + mix * self._nodes_move
        atm = np.sqrt(self._variance_at(at_ms) / years)
        line = self._index_line[0] + mix * (self._index_line[1] - self._index_line[0])
        skew = (nodes @ MONEY_SLOPE) / (atm * np.sqrt(years)) * (np.log(index_price) - line)
        atm = atm * (1.0 + np.clip(skew, -_MAX_SKEW_MOVE, _MAX_SKEW_MOVE))
        carry = (self._rate_left + mix * self._rate_move) * years
        return Surface(at_ms, index_price, self.expiry_ms, carry, atm, nodes)

    def _variance_at(self, at_ms: int) -> F64:
        """Total variance at the money: linear in event time where both sides know the expiry."""
        start, end = self._event_span
        now = float(self._event_time.at(at_ms))
        passed = (now - start) / (end - start)
        left, right = self._variance
        total = left + passed * (right - left)
        if not self._single.any():
            return total
        remaining = np.maximum(self._event_end - now, 1e-6)
        intensity = total / remaining
        at_left, at_right = (
            left / np.maximum(self._event_end - start, 1e-6),
            right / np.maximum(self._event_end - end, 1e-6),
        )
        own = np.where(self._from_right, at_right, at_left)
        partner = np.where(self._from_right, at_right[self._partner], at_left[self._partner])
        alone = own * (intensity[self._partner] / partner) * remaining
        return np.where(self._single, alone, total)


def _nearest(expiry_ms: I64, usable: Bools, at_ms: int) -> NDArray[np.intp]:
    """For each expiry the row of the usable one whose tenor is nearest by ratio."""
    tenor = np.log(np.maximum(expiry_ms - at_ms, 1))
    distance = np.abs(tenor[:, None] - tenor[None, :])
    nearest: NDArray[np.intp] = np.argmin(np.where(usable[None, :], distance, np.inf), axis=1)
    return nearest
