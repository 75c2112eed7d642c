"""Calibrate: looks at a market's chains one after the other and holds every model against their marks.

Keeps the order: what a model may know of an instant is settled before the instant's own chain is looked at, and only
then that chain's smile becomes the one "before" for the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from optionwriter.core.market.chain import F64, OptionChain
from optionwriter.core.market.context import build_context
from optionwriter.core.market.fitted import surface_of
from optionwriter.core.market.history import Candles, PriceHistory
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.market.skew_factors import SkewFactors, factors_at
from optionwriter.core.market.synthetic import Shape
from optionwriter.core.report.calibration import (
    TENOR_NAMES,
    Best,
    ErrorSums,
    Marks,
    Multiplied,
    best_multiplier,
    marks_of,
    weighted_median,
)
from optionwriter.core.report.calibration_models import (
    MULTIPLIED,
    Fit,
    Known,
    Model,
    at_multiplier_one,
    smile_of,
    volatilities,
)

_REALISED_DAYS = 8
_OLDEST_INDEX_MS = 36 * MS_PER_HOUR
_LINE_POINTS = 41
_REACH = 2.2  # deviations that a smile's line reaches to either side


class CalibrationError(Exception):
    """Nothing that can be calibrated on; the message names it and the cure."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One chain, and what was known of the past then. A look that is not `scored` only tells what was before."""

    chain: OptionChain
    history: PriceHistory
    is_scored: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One instant: what was known, volatility points each model was off (mean, absolute), and the multiplier of least
    error in points."""

    at_ms: int
    realised_7d: float
    volatility_index: float
    atm_30d: float  # of the surface fitted to the chain; NaN where there is none
    count: int
    points: Mapping[Model, float]
    multiplier: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Smile:
    """One expiry of the last chain: its marks as points, every model as a line. Volatilities are fractions."""

    expiry_ms: int
    strike: F64
    iv: F64
    is_call: np.ndarray[tuple[int], np.dtype[np.bool_]]
    line_strike: F64
    lines: Mapping[Model, F64]


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """What was found of one product. `best`: for each multiplied model overall and by tenor (TENOR_NAMES)."""

    product: str
    multiplier: float
    moments: tuple[Moment, ...]
    marks: int
    errors: Mapping[Model, ErrorSums]
    best: Mapping[Model, tuple[Best, tuple[Best, ...]]]
    smiles: tuple[Smile, ...]


def calibrate(
    looks: Iterable[Look],
    shape: Shape,
    multiplier: float,
    factors: SkewFactors | None = None,
    told: Callable[[int], None] = lambda _done: None,
) -> Calibrated:
    """Holds the models against every scored look; `factors` are those before the first. Errors: CalibrationError."""
    before: Fit | None = None
    moments: list[Moment] = []
    errors = {model: ErrorSums() for model in Model}
    multiplied: dict[Model, list[Multiplied]] = {model: [] for model in MULTIPLIED}
    last: tuple[Look, Known, Fit | None] | None = None
    code = ""
    for done, look in enumerate(looks):
        code = look.chain.product.code
        known = known_before(look, shape, factors, before)
        own = fit_of(look.chain)
        if look.is_scored:
            marks = marks_of(look.chain)
            if len(marks):
                moments.append(_moment(marks, known, own, multiplier, errors, multiplied))
                last = (look, known, own)
        if own is not None:
            before, factors = own, own.factors
        told(done + 1)
    if last is None:
        raise CalibrationError(
            "there is no chain with marks to calibrate on: choose another period or source"
        )
    best = {
        model: (
            best_multiplier(seen),
            tuple(best_multiplier(seen, tenor) for tenor in range(len(TENOR_NAMES))),
        )
        for model, seen in multiplied.items()
    }
    count = sum(one.count for one in moments)
    return Calibrated(code, multiplier, tuple(moments), count, errors, best, _smiles(*last, multiplier))


def fit_of(chain: OptionChain) -> Fit | None:
    """What the chain's marks give; None where they are too few, or their skew makes no sense."""
    surface = surface_of(chain)
    if surface is None:
        return None
    try:
        return Fit(surface, factors_at(surface))
    except ValueError:
        return None


def known_before(look: Look, shape: Shape, factors: SkewFactors | None, before: Fit | None) -> Known:
    """What the models may know of a look: nothing that its own chain says, nothing told at its instant or later."""
    at_ms, past = look.chain.at_ms, look.history
    opens = past.candles.open_ms
    first = int(np.searchsorted(opens, at_ms - _REALISED_DAYS * MS_PER_DAY))
    end = int(np.searchsorted(opens, at_ms - MS_PER_HOUR, side="right"))
    rows = slice(first, max(first, end))
    own = past.candles
    recent = Candles(own.open_ms[rows], own.open[rows], own.high[rows], own.low[rows], own.close[rows])
    index = past.volatility_index
    row = (
        int(np.searchsorted(index.at_ms, at_ms)) - 1
    )  # strictly before: a rebuilt value may rest on this very chain
    fresh = row >= 0 and at_ms - int(index.at_ms[row]) <= _OLDEST_INDEX_MS
    context = build_context(
        PriceHistory(past.underlying, at_ms, recent, index), at_ms // MS_PER_HOUR * MS_PER_HOUR
    )
    level = float(index.value[row]) if fresh else math.nan
    return Known(context.realised_7d, level, shape, factors, before)


def _moment(
    marks: Marks, known: Known, own: Fit | None, multiplier: float,
    errors: Mapping[Model, ErrorSums], multiplied: Mapping[Model, list[Multiplied]],
) -> Moment:  # fmt: skip
    points: dict[Model, float] = {}
    for model, iv in volatilities(marks, known, own, multiplier).items():
        errors[model].add(marks, iv)
        points[model] = 100.0 * float(np.mean(np.abs(iv - marks.iv)))
    base = {model: Multiplied(marks, iv) for model, iv in at_multiplier_one(marks, known).items()}
    for model, one in base.items():
        multiplied[model].append(one)
    flat = base.get(Model.FLAT)
    atm = math.nan
    if own is not None:
        wanted = np.array([marks.at_ms + 30 * MS_PER_DAY], dtype=np.int64)
        atm = float(own.surface.at_expiries(wanted).atm_iv[0])
    return Moment(
        marks.at_ms, known.realised_7d, known.volatility_index, atm, len(marks), points,
        None if flat is None else weighted_median(flat.marks.iv / flat.base, flat.base),
    )  # fmt: skip


def _smiles(look: Look, known: Known, own: Fit | None, multiplier: float) -> tuple[Smile, ...]:
    """The last chain by expiry."""
    marks = marks_of(look.chain)
    found = []
    for expiry in np.unique(marks.expiry_ms).tolist():
        rows = marks.expiry_ms == expiry
        forward, years = float(np.median(marks.forward[rows])), float(marks.years[rows][0])
        scale = float(np.median(marks.iv[rows])) * math.sqrt(years)
        strike: F64 = forward * np.exp(np.linspace(-_REACH, _REACH, _LINE_POINTS) * scale)
        low, high = float(marks.strike[rows].min()), float(marks.strike[rows].max())
        strike = strike[(strike >= low * 0.98) & (strike <= high * 1.02)]
        if not len(strike):
            continue
        level, time = np.full(len(strike), forward), np.full(len(strike), years)
        when = np.full(len(strike), expiry, dtype=np.int64)
        lines = smile_of(marks.at_ms, strike, level, time, when, known, own, multiplier)
        found.append(Smile(expiry, marks.strike[rows], marks.iv[rows], marks.is_call[rows], strike, lines))
    return tuple(found)
