"""The deflated Sharpe ratio against the figures that its authors publish, and what must hold of it anywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.report.deflated import (
    deflated_sharpe,
    effective_trials,
    expected_best,
    ratio_error,
    spread_of,
)
from optionwriter.core.report.metrics import YEAR_DAYS, sharpe_error, sharpe_ratio

# Bailey and López de Prado (2014), "A numerical example": 1,250 daily returns, 250 a year, annual ratio 2.5,
# variance of the trials' annual ratios 1/2, skewness -3, kurtosis 10.
RATIO, COUNT, SPREAD = 2.5 / math.sqrt(250), 1_250, math.sqrt(0.5 / 250)


def test_the_published_example() -> None:
    assert expected_best(100, SPREAD) == pytest.approx(0.1132, abs=5e-5)
    skewed = ratio_error(RATIO, COUNT, -3.0, 10.0)
    assert deflated_sharpe(RATIO, skewed, 100, SPREAD) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(RATIO, skewed, 46, SPREAD) == pytest.approx(0.9505, abs=5e-5)
    assert deflated_sharpe(RATIO, ratio_error(RATIO, COUNT), 88, SPREAD) == pytest.approx(0.9505, abs=5e-5)


def test_the_expected_best_is_what_chance_brings() -> None:
    drawn = np.random.default_rng(3).normal(size=(20_000, 50)).max(axis=1).mean()
    assert expected_best(50, 1.0) == pytest.approx(drawn, rel=0.02)
    assert expected_best(1, 1.0) == 0.0


def test_a_years_ratio_and_its_own_error_say_the_same() -> None:
    """The stored error has skewness and kurtosis in it; it divides by n where the paper divides by n - 1."""
    daily = np.random.default_rng(5).standard_t(4, 600) * 0.01 + 0.001
    standard = (daily - daily.mean()) / daily.std()
    skewness, kurtosis = float((standard**3).mean()), float((standard**4).mean())
    ratio = sharpe_ratio(daily) / math.sqrt(YEAR_DAYS)
    a_day = deflated_sharpe(ratio, ratio_error(ratio, 600, skewness, kurtosis), 20, 0.03)
    a_year = deflated_sharpe(sharpe_ratio(daily), sharpe_error(daily), 20, 0.03 * math.sqrt(YEAR_DAYS))
    assert a_year == pytest.approx(a_day, abs=2e-3) and 0.05 < a_day < 0.95


@given(st.floats(-3, 3), st.floats(0.05, 3), st.integers(2, 10_000), st.integers(1, 1_000), st.floats(0, 2))
def test_more_trials_never_make_it_surer(
    ratio: float, error: float, trials: int, more: int, spread: float
) -> None:
    few, many = (deflated_sharpe(ratio, error, one, spread) for one in (trials, trials + more))
    assert 0.0 <= many <= few <= 1.0


def test_the_effective_number_of_trials_is_a_line_between_all_and_one() -> None:
    """Appendix A.3 of the paper: rho + (1 - rho) N."""
    assert effective_trials(100, 0.0) == 100.0 and effective_trials(100, 1.0) == 1.0
    assert effective_trials(88, 0.4) == pytest.approx(0.4 + 0.6 * 88)
    assert effective_trials(100, -0.2) == 100.0 and math.isnan(effective_trials(100, math.nan))
    # The paper's example: 46 independent trials instead of 100 make 0.9505 of 0.9004.
    fewer = effective_trials(100, 54 / 99)
    skewed = ratio_error(RATIO, COUNT, -3.0, 10.0)
    assert deflated_sharpe(RATIO, skewed, fewer, SPREAD) == pytest.approx(0.9505, abs=5e-5)


def test_the_expected_best_rises_steadily_from_a_single_trial_on() -> None:
    found = [expected_best(one, 1.0) for one in np.linspace(1.0, 4.0, 61)]
    assert found[0] == 0.0 and np.all(np.diff(found) > 0) and max(np.diff(found)) < 0.05
    assert found[20] == pytest.approx(1 / math.sqrt(math.pi), rel=0.1)  # of two normals, exactly


def test_what_can_not_be_known_is_not_a_number() -> None:
    assert math.isnan(deflated_sharpe(1.0, math.nan, 5, 0.1)) and math.isnan(
        deflated_sharpe(1.0, 0.0, 5, 0.1)
    )
    assert math.isnan(deflated_sharpe(1.0, 0.2, 5, spread_of([1.0, None, math.nan])))
    assert math.isnan(ratio_error(0.1, 1))
