"""Calibrated, told: what a calibration found as plain values, for JSON, the API and the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from optionwriter.core.report.calibration import (
    DELTA_NAMES,
    TENOR_NAMES,
    UNITS,
    Best,
    ErrorRow,
    ErrorSums,
)
from optionwriter.core.report.calibration_models import FITS, MULTIPLIED, TITLES, Model
from optionwriter.services.calibrate import Calibrated, Moment, Smile


def report_json(found: Calibrated, notes: Sequence[str]) -> dict[str, Any]:
    """Everything; what is not known is None. Volatilities are percent points."""
    last = found.moments[-1]
    return {
        "product": found.product,
        "iv_multiplier": found.multiplier,
        "chains": len(found.moments),
        "marks": found.marks,
        "first_ms": found.moments[0].at_ms,
        "last_ms": last.at_ms,
        "realised_7d": _points(last.realised_7d),
        "volatility_index": _known(last.volatility_index),
        "atm_30d": _points(last.atm_30d),
        "models": [_model(model, sums) for model, sums in found.errors.items()],
        "best": {
            str(model): {**_best(whole), "by_tenor": dict(zip(TENOR_NAMES, map(_best, tenors), strict=True))}
            for model, (whole, tenors) in found.best.items()
        },
        "over_time": _over_time(found.moments),
        "smiles": [_smile(one) for one in found.smiles],
        "notes": list(notes),
    }


def _model(model: Model, sums: ErrorSums) -> dict[str, Any]:
    return {
        "name": str(model),
        "title": TITLES[model],
        "is_fit": model in FITS,
        "uses_multiplier": model in MULTIPLIED,
        "overall": _row(sums.overall()),
        "by_tenor": dict(zip(TENOR_NAMES, map(_row, sums.by_tenor()), strict=True)),
        "by_delta": dict(zip(DELTA_NAMES, map(_row, sums.by_delta()), strict=True)),
    }


def _row(row: ErrorRow) -> dict[str, Any]:
    nothing = (None,) * len(UNITS)
    return {
        "marks": row.count,
        "mae": dict(zip(UNITS, row.mae or nothing, strict=True)),
        "bias": dict(zip(UNITS, row.bias or nothing, strict=True)),
    }


def _best(one: Best) -> dict[str, float | None]:
    return {"points": one.points, "usd": one.usd}


def _over_time(moments: Sequence[Moment]) -> dict[str, Any]:
    """Columns over the chains looked at."""
    return {
        "at_ms": [one.at_ms for one in moments],
        "realised_7d": [_points(one.realised_7d) for one in moments],
        "volatility_index": [_known(one.volatility_index) for one in moments],
        "atm_30d": [_points(one.atm_30d) for one in moments],
        "best_multiplier": [one.multiplier for one in moments],
        "points": {str(model): [one.points.get(model) for one in moments] for model in Model},
    }


def _smile(one: Smile) -> dict[str, Any]:
    return {
        "expiry_ms": one.expiry_ms,
        "strike": one.strike.tolist(),
        "iv": np.round(100.0 * one.iv, 3).tolist(),
        "is_call": one.is_call.tolist(),
        "line_strike": np.round(one.line_strike, 2).tolist(),
        "lines": {str(model): np.round(100.0 * line, 3).tolist() for model, line in one.lines.items()},
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _points(value: float) -> float | None:
    return _known(100.0 * value)
