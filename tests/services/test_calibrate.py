"""Calibration over chains made for it: it finds what they were made with, and nothing later has a part in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.market.synthetic import flat_shape
from optionwriter.core.report.calibration_models import Model
from optionwriter.services.calibrate import CalibrationError, Look, calibrate
from optionwriter.services.calibrated import report_json
from tests.core.report.test_calibration import AT_MS, STRIKES, chain

HOUR = MS_PER_HOUR


def past(at_ms: int, jump: float = 0.01) -> PriceHistory:
    """Prices that go up and down by turns every hour: close-to-close volatility is jump x sqrt(8760)."""
    opens = at_ms // HOUR * HOUR - HOUR * np.arange(24 * 20, 0, -1, dtype=np.int64)
    turns = np.where(opens // HOUR % 2 == 0, 1.0, np.exp(jump))
    close = 80_000.0 * turns
    before = 80_000.0 * np.where(opens // HOUR % 2 == 0, np.exp(jump), 1.0)
    candles = Candles(opens, before, np.maximum(before, close), np.minimum(before, close), close)
    return PriceHistory("BTC", at_ms, candles, VolatilityIndex(np.array([at_ms - HOUR]), np.array([50.0])))


def looks(smiles: list[np.ndarray[tuple[int], np.dtype[np.float64]]]) -> list[Look]:
    instants = [AT_MS + 6 * HOUR * place for place in range(len(smiles))]
    return [
        Look(chain(iv, at_ms=at), past(at), place > 0)
        for place, (at, iv) in enumerate(zip(instants, smiles, strict=True))
    ]


FLAT = np.full(len(STRIKES), 0.61)
BENT = np.array([0.8, 0.7, 0.64, 0.61, 0.6, 0.6, 0.61, 0.64, 0.7])


def test_it_finds_the_multiplier_that_the_marks_were_made_with() -> None:
    realised = 0.01 * np.sqrt(8_760.0)
    found = calibrate(looks([FLAT, FLAT, FLAT]), flat_shape(), 0.61 / realised)
    assert [one.realised_7d for one in found.moments] == pytest.approx([realised] * 2, rel=1e-6)
    whole, tenors = found.best[Model.FLAT]
    assert whole.points == pytest.approx(0.61 / realised, rel=1e-6)
    assert tenors[3].usd == pytest.approx(0.61 / realised, rel=1e-3) and tenors[0].points is None
    for model in (Model.FLAT, Model.SKEW, Model.SURFACE_BEFORE, Model.ANCHORS_BEFORE, Model.SURFACE):
        row = found.errors[model].overall()
        assert row.mae is not None and row.mae[2] < 0.02, model
    anchored = found.errors[Model.ANCHORED].overall()
    assert anchored.bias is not None and anchored.bias[2] == pytest.approx(50.0 - 61.0, abs=0.6)
    assert found.marks == anchored.count and len(found.moments) == 2


def test_a_bent_smile_is_missed_by_the_flat_model_and_met_by_its_own_surface() -> None:
    found = calibrate(looks([BENT, BENT]), flat_shape(), 0.6 / (0.01 * np.sqrt(8_760.0)))
    off = {model: sums.overall().mae for model, sums in found.errors.items()}
    assert all(one is not None for one in off.values())
    points = {model: one[2] for model, one in off.items() if one is not None}
    assert points[Model.FLAT] > 2.0 > points[Model.ANCHORS] > points[Model.SURFACE]
    assert points[Model.SURFACE] < 0.3 and points[Model.SKEW] < points[Model.FLAT]
    assert found.moments[0].atm_30d == pytest.approx(0.6, abs=0.01)
    (smile,) = found.smiles
    inside = (smile.line_strike >= STRIKES[0]) & (smile.line_strike <= STRIKES[-1])
    wanted = np.interp(smile.line_strike[inside], STRIKES, BENT)
    assert smile.lines[Model.SURFACE][inside] == pytest.approx(wanted, abs=0.012)


def test_only_fits_know_the_chain_that_they_are_held_against() -> None:
    """Another last chain, and a volatility index told at its very instant, move no honest model's volatility."""
    first = looks([BENT, BENT])
    told_now = first[1].history.volatility_index
    later = replace(
        first[1].history,
        volatility_index=VolatilityIndex(
            np.append(told_now.at_ms, first[1].chain.at_ms), np.append(told_now.value, 90.0)
        ),
    )
    other = [first[0], Look(chain(BENT * 1.5, at_ms=first[1].chain.at_ms), later)]
    one, two = (calibrate(seen, flat_shape(), 1.0) for seen in (first, other))
    for model in Model:
        moved = [smile.lines[model] for smile in (one.smiles[0], two.smiles[0])]
        strikes = [smile.line_strike for smile in (one.smiles[0], two.smiles[0])]
        shared = (strikes[0] >= strikes[1][0]) & (strikes[0] <= strikes[1][-1])
        beside = np.interp(strikes[0][shared], strikes[1], moved[1])
        same = np.count_nonzero(shared) > 15 and beside == pytest.approx(moved[0][shared], abs=0.01)
        assert same == (model not in (Model.ANCHORS, Model.SURFACE)), model


def test_without_a_chain_it_says_so_and_without_the_past_a_model_is_left_out() -> None:
    with pytest.raises(CalibrationError, match="choose another period or source"):
        calibrate([replace(looks([FLAT])[0], is_scored=False)], flat_shape(), 1.0)
    alone = replace(looks([FLAT])[0], is_scored=True)
    nothing = np.zeros(0)
    empty = replace(
        alone.history,
        candles=Candles(nothing.astype(np.int64), nothing, nothing, nothing, nothing),
        volatility_index=VolatilityIndex(np.array([AT_MS - 3 * MS_PER_DAY]), np.array([50.0])),
    )
    found = calibrate([replace(alone, history=empty)], flat_shape(), 1.0)
    counts = {model: sums.overall().count for model, sums in found.errors.items()}
    assert counts[Model.SURFACE] > 0
    assert all(counts[one] == 0 for one in (Model.FLAT, Model.SKEW, Model.ANCHORED, Model.SURFACE_BEFORE))
    told = report_json(found, ("a note",))
    assert told["realised_7d"] is None and told["best"]["flat"]["points"] is None
    assert told["models"][0]["overall"]["mae"] == {"price": None, "usd": None, "points": None}
