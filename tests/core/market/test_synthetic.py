"""Synthetic surfaces: the level is the one at which the volatility index comes out, for any shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.market.smile import NODE_COUNT, butterfly, fit_slice
from optionwriter.core.market.surface import Surface
from optionwriter.core.market.synthetic import (
    TENORS_DAYS,
    Shape,
    SyntheticError,
    anchored,
    anchors,
    flat_shape,
    typical_shape,
)
from optionwriter.core.market.volatility_index import volatility_index

AT = 20_500 * MS_PER_DAY


def smiling(strength: float = 0.02) -> Shape:
    """A shape whose smiles come from marks that bend up on both sides, more below."""
    k = np.linspace(-0.6, 0.6, 61)
    nodes = np.array(
        [
            fit_slice(k * (d / 30) ** 0.5, 0.5 + strength * (8 * k * k - 2 * k), d / 365).nodes
            for d in TENORS_DAYS
        ]
    )
    return Shape(
        np.linspace(0.9, 1.1, len(TENORS_DAYS)) / np.interp(30.0, TENORS_DAYS, np.linspace(0.9, 1.1, 12)),
        nodes,
    )


@settings(max_examples=40, deadline=None)
@given(level=st.floats(5.0, 250.0), strength=st.floats(0.0, 0.1))
def test_the_index_of_the_anchored_surface_is_the_level(level: float, strength: float) -> None:
    assert volatility_index(anchored(smiling(strength), AT, 80_000.0, level)) == pytest.approx(
        level, rel=1e-9
    )


def test_without_a_smile_the_index_is_nearly_the_volatility() -> None:
    """A flat smile's variance swap is its variance; the strip of two deviations misses the last few percent of it."""
    atm = anchored(flat_shape(), AT, 80_000.0, 50.0).atm_iv[6]
    assert 0.48 < atm < 0.52


def test_a_smile_takes_the_money_below_the_index() -> None:
    flat, bent = (anchored(shape, AT, 80_000.0, 50.0).atm_iv[6] for shape in (flat_shape(), smiling(0.1)))
    assert bent < flat - 0.005


def test_surfaces_are_without_butterfly_arbitrage_at_any_level() -> None:
    for level in (20.0, 60.0, 150.0):
        surface = anchored(smiling(), AT, 80_000.0, level)
        assert min(float(butterfly(surface.smile(row)).min()) for row in range(len(TENORS_DAYS))) > 0.0


def test_the_typical_shape_is_the_median_and_keeps_no_level() -> None:
    base = smiling()
    surfaces = []
    for number in range(21):
        surface = base.at_level(AT + number * MS_PER_DAY, 50_000.0 + number, 0.3 + 0.02 * number)
        odd = surface.nodes + (5.0 if number < 3 else 0.0)  # a few wild ones move a mean, not a median
        surfaces.append(
            Surface(surface.at_ms, surface.index_price, surface.expiry_ms, surface.carry, surface.atm_iv, odd)
        )
    found = typical_shape(surfaces)
    assert np.allclose(found.ratio, base.ratio, rtol=1e-9) and np.allclose(found.nodes, base.nodes, rtol=1e-9)


def test_what_makes_no_surface_is_refused() -> None:
    with pytest.raises(SyntheticError, match="needs 20 surfaces"):
        typical_shape([flat_shape().at_level(AT, 1.0, 0.5)] * 19)
    with pytest.raises(SyntheticError, match="percent points"):
        anchored(flat_shape(), AT, 80_000.0, 0.45)
    with pytest.raises(SyntheticError, match="ratios are above 0"):
        Shape(np.zeros(len(TENORS_DAYS)), np.zeros((len(TENORS_DAYS), NODE_COUNT)))


def test_a_level_is_the_same_to_the_last_digit_whatever_is_asked_beside_it() -> None:
    rng = np.random.default_rng(5)
    shape = Shape(
        rng.uniform(0.8, 1.2, len(TENORS_DAYS)), rng.normal(0.0, 0.05, (len(TENORS_DAYS), NODE_COUNT))
    )
    levels = rng.uniform(15.0, 180.0, 9).tolist()
    together = anchors(shape, levels)
    assert together == [anchors(shape, [one])[0] for one in levels]
    for level, atm in zip(levels, together, strict=True):
        assert volatility_index(shape.at_level(0, 1.0, atm)) == pytest.approx(level, rel=1e-9)
