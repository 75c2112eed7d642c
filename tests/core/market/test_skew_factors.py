"""Skew factors: a factor is found at its own delta, and comes back from the smile that it makes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.skew_factors import ANCHORS, FLAT, SkewFactors, factors_of, with_skew
from optionwriter.core.market.smile import fit_slice

BENT = SkewFactors((0.97, 0.975, 0.985, 1.0), (1.18, 1.09, 1.04, 1.0))
factor = st.floats(0.7, 1.5)


def chain(years: float = 30 / 365) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    strike = np.linspace(40_000.0, 150_000.0, 221)
    return np.full(strike.shape, 80_000.0), strike, np.full(strike.shape, years)


def test_flat_factors_leave_volatility_as_it_is() -> None:
    forward, strike, years = chain()
    assert np.allclose(with_skew(0.55, forward, strike, years, FLAT), 0.55, rtol=1e-12)


@given(far=factor, near=factor, level=st.floats(0.1, 2.0), days=st.floats(1.0, 200.0))
def test_each_strike_has_the_factor_of_the_delta_it_itself_gives(far, near, level, days) -> None:
    factors = SkewFactors((far, near, near, 1.0), (near, near, far, 1.0))
    forward, strike, years = chain(days / 365)
    iv = with_skew(level, forward, strike, years, factors)
    is_call = strike >= forward
    _, delta = price_delta(forward, strike, years, iv, is_call)
    assert np.allclose(factors.at(np.abs(delta), is_call) * level, iv, rtol=1e-6)


def test_between_anchors_it_is_linear_in_delta_and_beyond_them_flat() -> None:
    types = np.array([True, True, True, False])
    found = BENT.at(np.array([0.20, 0.05, 0.60, 0.30]), types)
    assert found.tolist() == pytest.approx([0.9725, 0.97, 1.0, 1.065])


def test_a_smile_made_of_factors_gives_them_back() -> None:
    forward, strike, years = chain()
    iv = with_skew(0.5, forward, strike, years, BENT)
    found = factors_of(fit_slice(np.log(strike / forward), iv, 30 / 365))
    assert found.call == pytest.approx(BENT.call, abs=0.008)  # the fit smooths the corners at the anchors
    assert found.put == pytest.approx(BENT.put, abs=0.008)


def test_calls_and_puts_of_one_strike_share_a_volatility() -> None:
    """Put-call parity: which side a strike takes its factor from depends on the forward alone."""
    forward, strike, years = chain()
    iv = with_skew(0.5, forward, strike, years, BENT)
    call, _ = price_delta(forward, strike, years, iv, np.full(strike.shape, True))
    put, _ = price_delta(forward, strike, years, iv, np.full(strike.shape, False))
    assert np.allclose(call - put, forward - strike, atol=1e-6)


def test_factors_that_are_no_multiples_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of at-the-money"):
        SkewFactors((0.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0))
    assert len(ANCHORS) == 4
