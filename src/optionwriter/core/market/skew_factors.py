"""Skew factors: volatility at a few deltas as multiples of the one at the money, by option type.

Owns the anchors (0.15, 0.25, 0.35, 0.50) and what lies between and beyond them: linear in delta between two, flat
outside. They are the specification's way of giving a flat volatility a smile; core/market/surface is the fuller one.
A strike has one volatility, so below the forward the puts' factors hold for both types, above it the calls'.
Skew is a set of factors with where it comes from: what is kept between two looks at a market.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.market.smile import Slice
from optionwriter.core.market.surface import Surface

ANCHORS = (0.15, 0.25, 0.35, 0.50)  # |delta|
TENOR_DAYS = 30.0  # at which they are read off a surface
_ROUNDS = 60
_SETTLED = 1e-12
_REACH = 6.0  # deviations within which an anchor's strike is looked for


@dataclass(frozen=True, slots=True)
class SkewFactors:
    """Volatility over the one at the money at each of ANCHORS, ascending in |delta|; errors: ValueError."""

    call: tuple[float, float, float, float]
    put: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        if not all(np.isfinite(one) and 0.1 <= one <= 10.0 for one in (*self.call, *self.put)):
            raise ValueError(f"skew factors are multiples of at-the-money volatility (0.1 to 10): {self}")

    def at(self, abs_delta: F64, is_call: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> F64:
        """The factor of options out of the money with these unsigned deltas."""
        calls, puts = np.interp(abs_delta, ANCHORS, self.call), np.interp(abs_delta, ANCHORS, self.put)
        return np.asarray(np.where(is_call, calls, puts), dtype=np.float64)


FLAT = SkewFactors((1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0))


SMILES = ("surface", "skew_anchors", "flat")  # how a volatility by strike is made, by name


@dataclass(frozen=True, slots=True)
class Skew:
    """Factors of one underlying as a market showed them: at which instant, from where, at which tenor."""

    underlying: str
    at_ms: int
    source: str
    tenor_days: float
    factors: SkewFactors

    def age_hours(self, now_ms: int) -> float:
        """How old it is."""
        return (now_ms - self.at_ms) / MS_PER_HOUR


def skew_of(underlying: str, surface: Surface, source: str, tenor_days: float = TENOR_DAYS) -> Skew:
    """The factors that a surface shows at a tenor. Errors: ValueError where they make no sense."""
    return Skew(underlying, surface.at_ms, source, tenor_days, factors_at(surface, tenor_days))


def with_skew(atm_iv: F64 | float, forward: F64, strike: F64, years: F64, factors: SkewFactors) -> F64:
    """Volatility (n,) at the strikes: the one at the money times the factor of the delta that it itself gives."""
    is_call = strike >= forward
    flat = np.broadcast_to(np.asarray(atm_iv, dtype=np.float64), strike.shape).astype(np.float64)
    low = np.full(strike.shape, min(*factors.call, *factors.put))
    high = np.full(strike.shape, max(*factors.call, *factors.put))
    # The factor of the delta that a factor gives: bisection, because stepping may swing where the smile is steep.
    for _ in range(_ROUNDS):
        middle = 0.5 * (low + high)
        _, delta = price_delta(forward, strike, years, flat * middle, is_call)
        more = factors.at(np.abs(delta), is_call) > middle
        low, high = np.where(more, middle, low), np.where(more, high, middle)
        if float(np.max(high - low, initial=0.0)) < _SETTLED:
            break
    return np.asarray(flat * 0.5 * (low + high), dtype=np.float64)


def factors_of(smile: Slice) -> SkewFactors:
    """The factors that a fitted smile shows. At 0.50 it is the strike whose own delta is that, not the forward's."""
    return SkewFactors(_side(smile, True), _side(smile, False))


def factors_at(surface: Surface, tenor_days: float = TENOR_DAYS) -> SkewFactors:
    """The factors that a surface shows at a tenor. Errors: ValueError where they make no sense."""
    wanted = np.array([surface.at_ms + round(tenor_days * MS_PER_DAY)], dtype=np.int64)
    return factors_of(surface.at_expiries(wanted).smile(0))


def _side(smile: Slice, is_call: bool) -> tuple[float, float, float, float]:
    """By bisection in the standardised moneyness, in which |delta| falls (calls) or grows (puts)."""
    count = len(ANCHORS)
    low, high = np.full(count, -_REACH), np.full(count, _REACH)
    scale, years = smile.atm_iv * np.sqrt(smile.years), np.full(count, smile.years)
    wanted, types = np.array(ANCHORS), np.full(count, is_call)
    for _ in range(_ROUNDS):
        middle = 0.5 * (low + high)
        k = middle * scale
        _, delta = price_delta(np.ones(count), np.exp(k), years, smile.iv(k), types)
        further_up = (np.abs(delta) > wanted) == is_call
        low, high = np.where(further_up, middle, low), np.where(further_up, high, middle)
    found = smile.iv(0.5 * (low + high) * scale) / smile.atm_iv
    return (float(found[0]), float(found[1]), float(found[2]), float(found[3]))
