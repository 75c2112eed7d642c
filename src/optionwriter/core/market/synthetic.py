"""Synthetic volatility: what an option market could have looked like where only prices and an index are known.

Two models, chosen by name:

- `anchored`: the surface has a typical shape (term structure and smile, a model's constant) and the level at which
  its fair 30-day variance swap is the volatility index. The index is no at-the-money volatility: it lies above it by
  the worth of the wings, and this says by how much.
- `realised`: a flat volatility, realised over the last 7 days x a multiplier, bent by skew factors. Implied over
  realised is a constant here by construction, so a rule that asks for it learns nothing.

Pure functions of their arguments; neither looks at anything after the instant.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.market.smile import NODE_COUNT
from optionwriter.core.market.surface import Surface, years_to
from optionwriter.core.market.volatility_index import strip_variances

TENORS_DAYS = (1.0, 2.0, 4.0, 7.0, 14.0, 21.0, 30.0, 45.0, 60.0, 90.0, 180.0, 365.0)
_TENORS_MS = np.rint(np.array(TENORS_DAYS) * MS_PER_DAY).astype(np.int64)
_ANCHOR_ROW = TENORS_DAYS.index(30.0)
_ROUNDS = 30
_SETTLED = 1e-11
_LEAST_SURFACES = 20
_FIT_POINTS, _FIT_DEGREE, _FIT_VOLATILITIES = 48, 16, (0.15, 1.8)


class SyntheticError(ValueError):
    """A shape or a level from which no surface can be made."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A surface without a level, at TENORS_DAYS: at-the-money volatility over the 30-day one, and the smiles' nodes."""

    ratio: F64  # (tenors,), 1 at 30 days
    nodes: F64  # (tenors, NODE_COUNT)

    def __post_init__(self) -> None:
        count = len(TENORS_DAYS)
        if self.ratio.shape != (count,) or self.nodes.shape != (count, NODE_COUNT):
            raise SyntheticError(f"a shape has {count} ratios and {count} x {NODE_COUNT} nodes")
        if not (np.all(self.ratio > 0) and np.all(np.isfinite(self.nodes))):
            raise SyntheticError("a shape's ratios are above 0 and its nodes are numbers")

    def at_level(self, at_ms: int, index_price: float, atm_30d: float) -> Surface:
        """The surface whose 30-day at-the-money volatility is `atm_30d` (a fraction); forwards are the index."""
        carry = np.zeros(len(TENORS_DAYS))
        return Surface(at_ms, index_price, at_ms + _TENORS_MS, carry, self.ratio * atm_30d, self.nodes)


def flat_shape() -> Shape:
    """No term structure and no smile."""
    return Shape(np.ones(len(TENORS_DAYS)), np.zeros((len(TENORS_DAYS), NODE_COUNT)))


def typical_shape(surfaces: Iterable[Surface]) -> Shape:
    """The median shape of recorded surfaces. Errors: SyntheticError for fewer than 20."""
    ratios, nodes = [], []
    for one in surfaces:
        wanted = one.at_ms + _TENORS_MS
        here = one.at_expiries(wanted)
        ratios.append(here.atm_iv / here.atm_iv[_ANCHOR_ROW])
        nodes.append(here.nodes)
    if len(ratios) < _LEAST_SURFACES:
        raise SyntheticError(f"a typical shape needs {_LEAST_SURFACES} surfaces, not {len(ratios)}")
    return Shape(np.median(np.array(ratios), axis=0), np.median(np.array(nodes), axis=0))


def anchored(shape: Shape, at_ms: int, index_price: float, level: float) -> Surface:
    """The shape at the level where its volatility index is `level` (percent points, as DVOL).

    Errors: SyntheticError for a level that is no believable volatility.
    """
    if not believable(level):
        raise SyntheticError(f"a volatility index of {level} can't be: percent points from 1 to 500")
    return shape.at_level(at_ms, index_price, anchors(shape, [level])[0])


def believable(level: float) -> bool:
    """Whether a volatility index can be so many percent points."""
    return 1.0 <= level <= 500.0


@dataclass(slots=True)
class _Search:
    """Where the search for one level stands."""

    level: float
    atm: float
    last: tuple[float, float] = (0.0, 0.0)
    power: float = 1.0
    settled: bool = False

    def step(self, found: float) -> None:
        """A secant on logarithms: the index is nearly in proportion to the volatility, so the first steps take it as
        if it were."""
        if abs(found - self.level) <= _SETTLED * self.level:
            self.settled = True
            return
        if self.last[0] and abs(math.log(self.atm / self.last[0])) > _SETTLED:
            self.power = math.log(found / self.last[1]) / math.log(self.atm / self.last[0])
        self.last = (self.atm, found)
        self.atm *= (self.level / found) ** (1.0 / self.power if self.power > 0.1 else 1.0)


def anchors(shape: Shape, levels: Sequence[float]) -> list[float]:
    """The 30-day at-the-money volatilities (fractions) at which the shape's index is each of `levels`.

    Each is found by itself: what else is asked for changes no digit of it.
    """
    searches = [_Search(level, guess) for level, guess in zip(levels, _guesses(shape, levels), strict=True)]
    for _ in range(_ROUNDS):
        open_ones = [one for one in searches if not one.settled]
        if not open_ones:
            break
        found = _index_of(shape, np.array([one.atm for one in open_ones]))
        for one, reached in zip(open_ones, found.tolist(), strict=True):
            one.step(reached)
    return [one.atm for one in searches]


def _index_of(shape: Shape, atm_30d: F64) -> F64:
    """The volatility indices, percent points, at these 30-day at-the-money volatilities."""
    years = TENORS_DAYS[_ANCHOR_ROW] / 365.0
    variance = strip_variances(shape.ratio[_ANCHOR_ROW] * atm_30d, years, shape.nodes[_ANCHOR_ROW])
    return np.asarray(100.0 * np.sqrt(variance / years))


def _guesses(shape: Shape, levels: Sequence[float]) -> list[float]:
    """Volatilities from which the search has a step or two to go: in logarithms the index is a smooth function."""
    middle, reach, fitted = _fit_of(shape)
    place = (np.log(np.array(levels)) - middle) / reach
    guess = np.exp(np.polynomial.chebyshev.chebval(place, fitted))
    return [float(one) for one in np.where(np.abs(place) <= 1.0, guess, np.array(levels) / 100.0)]


@lru_cache(maxsize=16)
def _fit_of(shape: Shape) -> tuple[float, float, F64]:
    """ln volatility as a polynomial in ln index: the middle and half the width of the latter's range, coefficients."""
    nodes = np.cos(np.pi * (np.arange(_FIT_POINTS) + 0.5) / _FIT_POINTS)
    low, high = math.log(_FIT_VOLATILITIES[0]), math.log(_FIT_VOLATILITIES[1])
    log_atm = 0.5 * (low + high) + 0.5 * (high - low) * nodes
    log_index = np.log(_index_of(shape, np.exp(log_atm)))
    middle, reach = 0.5 * (log_index[0] + log_index[-1]), 0.5 * abs(log_index[0] - log_index[-1])
    fitted = np.polynomial.chebyshev.chebfit((log_index - middle) / reach, log_atm, _FIT_DEGREE)
    return float(middle), float(reach), np.asarray(fitted)


def volatility_at(surface: Surface, strike: F64, expiry_ms: I64) -> tuple[F64, F64]:
    """(years, volatility) of options on the surface."""
    return years_to(expiry_ms, surface.at_ms), surface.iv(strike, expiry_ms)
