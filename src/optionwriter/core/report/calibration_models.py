"""The volatility models that calibration holds against a market, each from what it may know.

Honest ones rest on what was known before the instant: `flat` and `skew` (realised volatility of 7 days x a multiplier,
without and with the skew factors of the snapshot before), `anchored` (the volatility index told before, the typical
shape), `anchors_before` and `surface_before` (the smile of the snapshot before, as at-the-money volatility by expiry
with skew factors, and whole). `anchors` and `surface` are fits to the very marks they are held against: what the form
of the smile itself can't show, no forecast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.fitted import at_a_later_time, iv_on_forward
from optionwriter.core.market.skew_factors import SkewFactors, with_skew
from optionwriter.core.market.surface import Surface
from optionwriter.core.market.synthetic import Shape, SyntheticError, anchored
from optionwriter.core.report.calibration import Marks


class Model(StrEnum):
    """By name, in the order in which they are told."""

    FLAT = "flat"
    SKEW = "skew"
    ANCHORED = "anchored"
    ANCHORS_BEFORE = "anchors_before"
    SURFACE_BEFORE = "surface_before"
    ANCHORS = "anchors"
    SURFACE = "surface"


FITS = frozenset((Model.ANCHORS, Model.SURFACE))
MULTIPLIED = (Model.FLAT, Model.SKEW)
TITLES: Mapping[Model, str] = {
    Model.FLAT: "Realised 7 d x multiplier, flat",
    Model.SKEW: "Realised 7 d x multiplier x skew",
    Model.ANCHORED: "Anchored to the volatility index",
    Model.ANCHORS_BEFORE: "Skew anchors, snapshot before",
    Model.SURFACE_BEFORE: "Surface, snapshot before",
    Model.ANCHORS: "Skew anchors, fit to these marks",
    Model.SURFACE: "Surface, fit to these marks",
}


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A surface fitted to a chain, and the skew factors that it shows."""

    surface: Surface
    factors: SkewFactors


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What was known before an instant: realised volatility (a fraction, NaN unknown), the volatility index (percent
    points, NaN unknown), the typical shape, skew factors, and what was fitted to the snapshot before."""

    realised_7d: float
    volatility_index: float
    shape: Shape
    factors: SkewFactors | None
    before: Fit | None


def volatilities(marks: Marks, known: Known, own: Fit | None, multiplier: float) -> dict[Model, F64]:
    """Each model's volatility (n,) of the marks' options; those that can't say anything are left out.

    `own` is what was fitted to the same chain."""
    return smile_of(
        marks.at_ms, marks.strike, marks.forward, marks.years, marks.expiry_ms, known, own, multiplier
    )


def smile_of(
    at_ms: int, strike: F64, forward: F64, years: F64, expiry_ms: I64, known: Known, own: Fit | None,
    multiplier: float,
) -> dict[Model, F64]:  # fmt: skip
    """The same at any strikes (n,), for lines of a chart."""
    found: dict[Model, F64] = {}
    level = known.realised_7d * multiplier
    if math.isfinite(level):
        found[Model.FLAT] = np.full(strike.shape, level)
        if known.factors is not None:
            found[Model.SKEW] = with_skew(level, forward, strike, years, known.factors)
    surface = _anchored(known, at_ms)
    if surface is not None:
        found[Model.ANCHORED] = iv_on_forward(surface, strike, forward, expiry_ms)
    for one, whole, anchors in (
        (known.before, Model.SURFACE_BEFORE, Model.ANCHORS_BEFORE),
        (own, Model.SURFACE, Model.ANCHORS),
    ):
        moved = None if one is None else at_a_later_time(one.surface, at_ms)
        if one is None or moved is None:
            continue
        found[whole] = iv_on_forward(moved, strike, forward, expiry_ms)
        found[anchors] = with_skew(
            iv_on_forward(moved, forward, forward, expiry_ms), forward, strike, years, one.factors
        )
    return {model: found[model] for model in Model if model in found}


def at_multiplier_one(marks: Marks, known: Known) -> dict[Model, F64]:
    """Volatilities of MULTIPLIED at multiplier 1. The factor of `skew` is that of the mark's own delta, so that a
    multiplier scales it: a model's own delta would move with the multiplier."""
    found: dict[Model, F64] = {}
    if math.isfinite(known.realised_7d):
        found[Model.FLAT] = np.full(len(marks), known.realised_7d)
        if known.factors is not None:
            above = marks.strike >= marks.forward
            _, delta = price_delta(marks.forward, marks.strike, marks.years, marks.iv, above)
            found[Model.SKEW] = known.realised_7d * known.factors.at(np.abs(delta), above)
    return found


def _anchored(known: Known, at_ms: int) -> Surface | None:
    try:
        unit = anchored(known.shape, 0, 1.0, known.volatility_index)
    except SyntheticError:
        return None
    return Surface(at_ms, 1.0, unit.expiry_ms + at_ms, unit.carry * 0.0, unit.atm_iv, unit.nodes)
