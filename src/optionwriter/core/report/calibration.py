"""Calibration: how far model volatilities are from a market's marks, and the multiplier that brings them nearest.

Owns which marks count (0.05 to 0.60 of delta, half a day to 400 days), the buckets, the errors in each product's own
unit, and the multiplier. Errors are model less mark: a positive bias is a model that is too dear.

Three units: price in the settlement currency (coin for inverse, USDC for linear), that price in USD at the index of the
instant (USDC counts as a dollar), and volatility points. Sums add up over instants: a period weighs every mark alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import F64, I64, Bools, OptionChain
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_YEAR, Family
from optionwriter.core.market.premium import premium

TENOR_EDGES = (2.0, 8.0, 22.0, 60.0, 180.0)  # days; as the recorded books are told apart
TENOR_NAMES = ("under 2 d", "2-8 d", "8-22 d", "22-60 d", "60-180 d", "over 180 d")
DELTA_EDGES = (0.15, 0.25, 0.35, 0.50)  # the skew's anchors
_RANGES = ("0.05-0.15", "0.15-0.25", "0.25-0.35", "0.35-0.50", "0.50-0.60")
DELTA_NAMES = tuple(f"{kind} {one}" for kind in ("put", "call") for one in _RANGES)
UNITS = ("price", "usd", "points")
_DAYS, _DELTA = (0.5, 400.0), (0.05, 0.60)
LEAST_MULTIPLIER, MOST_MULTIPLIER = 0.1, 10.0
_COARSE = np.geomspace(LEAST_MULTIPLIER, MOST_MULTIPLIER, 60)
_GOLDEN = (5.0**0.5 - 1.0) / 2.0
_SETTLED = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """The marks of one chain that count, as columns (n,); units as in OptionChain, `years` ACT/365, `delta` unsigned.

    `usd` is what one unit of the settlement currency was worth, `index` what a coin was.
    """

    at_ms: int
    product: str
    usd: float
    index: float
    strike: F64
    expiry_ms: I64
    is_call: Bools
    forward: F64
    years: F64
    mark: F64
    iv: F64
    delta: F64
    inverse: bool

    def __len__(self) -> int:
        return len(self.strike)

    def price(self, iv: F64) -> F64:
        """What the options are worth at these volatilities, in the settlement currency, not rounded."""
        value, _ = price_delta(self.forward, self.strike, self.years, iv, self.is_call)
        return premium(self.inverse, value, self.forward, self.index)

    def tenor_rows(self) -> NDArray[np.intp]:
        """The row of each in TENOR_NAMES."""
        return np.searchsorted(TENOR_EDGES, self.years * 365.0, side="right")

    def delta_rows(self) -> NDArray[np.intp]:
        """The row of each in DELTA_NAMES."""
        return np.searchsorted(DELTA_EDGES, self.delta, side="right") + len(_RANGES) * self.is_call


def marks_of(chain: OptionChain) -> Marks:
    """The chain's marks that count: those with a price, a volatility, and a delta and days to expiry in bounds."""
    table = chain.table
    days = (table.expiry_ms - chain.at_ms) / MS_PER_DAY
    known = (
        np.isfinite(chain.mark_iv) & (chain.mark_iv > 0) & (chain.mark > 0) & np.isfinite(chain.forward)
        & (days >= _DAYS[0]) & (days <= _DAYS[1])
    )  # fmt: skip
    rows = np.flatnonzero(known)
    years = (table.expiry_ms[rows] - chain.at_ms) / MS_PER_YEAR
    _, delta = price_delta(
        chain.forward[rows], table.strike[rows], years, chain.mark_iv[rows], table.is_call[rows]
    )
    size = np.abs(delta)
    counted = (size >= _DELTA[0]) & (size <= _DELTA[1])
    rows = rows[counted]
    inverse = chain.product.family is Family.INVERSE
    return Marks(
        chain.at_ms, chain.product.code, chain.index_price if inverse else 1.0, chain.index_price,
        table.strike[rows], table.expiry_ms[rows], table.is_call[rows], chain.forward[rows], years[counted],
        chain.mark[rows], chain.mark_iv[rows], size[counted], inverse,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """Errors of one model in one bucket: how many marks, and for each of UNITS mean absolute error and bias (None
    without marks)."""

    count: int
    mae: tuple[float, float, float] | None
    bias: tuple[float, float, float] | None


@dataclass(slots=True, eq=False)
class ErrorSums:
    """Sums of one model's errors by tenor and delta: counts (6, 10), absolute and signed errors (3 units, 6, 10)."""

    count: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((len(TENOR_NAMES), len(DELTA_NAMES)), dtype=np.int64)
    )
    absolute: F64 = field(default_factory=lambda: np.zeros((len(UNITS), len(TENOR_NAMES), len(DELTA_NAMES))))
    signed: F64 = field(default_factory=lambda: np.zeros((len(UNITS), len(TENOR_NAMES), len(DELTA_NAMES))))

    def add(self, marks: Marks, iv: F64) -> None:
        """Adds the errors of these volatilities; where one is unknown (NaN), its mark is left out."""
        known = np.isfinite(iv)
        off = np.where(known, marks.price(np.where(known, iv, marks.iv)) - marks.mark, 0.0)
        errors = (off, off * marks.usd, np.where(known, 100.0 * (iv - marks.iv), 0.0))
        cell = marks.tenor_rows() * len(DELTA_NAMES) + marks.delta_rows()
        shape, size = self.count.shape, self.count.size
        self.count += np.bincount(cell, known, size).astype(np.int64).reshape(shape)
        for unit, one in enumerate(errors):
            self.absolute[unit] += np.bincount(cell, np.abs(one), size).reshape(shape)
            self.signed[unit] += np.bincount(cell, one, size).reshape(shape)

    def overall(self) -> ErrorRow:
        """Over all marks."""
        return self._row(slice(None), slice(None))

    def by_tenor(self) -> tuple[ErrorRow, ...]:
        """In the order of TENOR_NAMES."""
        return tuple(self._row(slice(row, row + 1), slice(None)) for row in range(len(TENOR_NAMES)))

    def by_delta(self) -> tuple[ErrorRow, ...]:
        """In the order of DELTA_NAMES."""
        return tuple(self._row(slice(None), slice(row, row + 1)) for row in range(len(DELTA_NAMES)))

    def _row(self, tenors: slice, deltas: slice) -> ErrorRow:
        count = int(self.count[tenors, deltas].sum())
        if not count:
            return ErrorRow(0, None, None)
        mae, bias = (
            (self_sums[:, tenors, deltas].sum(axis=(1, 2)) / count).tolist()
            for self_sums in (self.absolute, self.signed)
        )
        return ErrorRow(count, (mae[0], mae[1], mae[2]), (bias[0], bias[1], bias[2]))


@dataclass(frozen=True, slots=True)
class Best:
    """Multipliers of a model's least mean absolute error, in volatility points and in USD; None without marks."""

    points: float | None
    usd: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Multiplied:
    """A model's volatilities at multiplier 1 beside the marks they are for: what a multiplier is looked for on."""

    marks: Marks
    base: F64


def best_multiplier(seen: Sequence[Multiplied], tenor: int | None = None) -> Best:
    """The best multiplier over all marks, or over those of one row of TENOR_NAMES."""
    chosen = [_part(one, tenor) for one in seen]
    chosen = [one for one in chosen if len(one.base)]
    if not chosen:
        return Best(None, None)
    base, iv = (
        np.concatenate(column) for column in zip(*((c.base, c.marks.iv) for c in chosen), strict=True)
    )
    return Best(weighted_median(iv / base, base), least_price_error(chosen))


def weighted_median(values: F64, weights: F64) -> float:
    """The value at which the weights below and above are equal: the m of least sum |m b - v b|, in closed form."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2.0)])


def least_price_error(seen: Sequence[Multiplied]) -> float:
    """The multiplier of least mean absolute error in USD: a coarse grid, then golden sections within its best step."""

    def error(multiplier: float) -> float:
        return sum(
            float(np.abs(one.marks.price(one.base * multiplier) - one.marks.mark).sum()) * one.marks.usd
            for one in seen
        )

    best = int(np.argmin([error(float(one)) for one in _COARSE]))
    low, high = float(_COARSE[max(best - 1, 0)]), float(_COARSE[min(best + 1, len(_COARSE) - 1)])
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = error(left), error(right)
    while high - low > _SETTLED:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = error(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = error(right)
    return 0.5 * (low + high)


def _part(one: Multiplied, tenor: int | None) -> Multiplied:
    known = np.isfinite(one.base) & (one.base > 0)
    if tenor is not None:
        known &= one.marks.tenor_rows() == tenor
    return Multiplied(_rows(one.marks, known), one.base[known])


def _rows(marks: Marks, rows: Bools) -> Marks:
    return Marks(
        marks.at_ms, marks.product, marks.usd, marks.index, marks.strike[rows], marks.expiry_ms[rows],
        marks.is_call[rows], marks.forward[rows], marks.years[rows], marks.mark[rows], marks.iv[rows],
        marks.delta[rows], marks.inverse,
    )  # fmt: skip


def added(sums: Iterable[ErrorSums]) -> ErrorSums:
    """Sums of several periods or products of one unit as one."""
    whole = ErrorSums()
    for one in sums:
        whole.count += one.count
        whole.absolute += one.absolute
        whole.signed += one.signed
    return whole
