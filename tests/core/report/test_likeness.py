"""How alike sets are: against numpy's correlation of every pair, and against a curve reckoned by hand."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.curve import Curve
from optionwriter.core.report.likeness import LEAST_DAYS, mean_correlation, returns_over_holding


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.floats(0, 3))
def test_it_is_the_mean_over_all_pairs(seed: int, count: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 30)) + weight * rng.normal(size=30)
    pairs = [np.corrcoef(one, other)[0, 1] for one, other in combinations(rows, 2)]
    found, of = mean_correlation(tuple(one.tolist()) for one in rows)
    assert of == count and found == pytest.approx(np.mean(pairs), abs=1e-9)


def test_what_never_moved_is_too_short_or_of_other_days_is_left_out() -> None:
    rng = np.random.default_rng(1)
    one, other = (tuple(rng.normal(size=30).tolist()) for _ in range(2))
    wanted = np.corrcoef(one, other)[0, 1]
    odd = [(0.0,) * 30, (0.25,) * 30, one[:LEAST_DAYS], (1.0, 2.0), ()]
    found, of = mean_correlation([one, *odd, other])
    assert of == 2 and found == pytest.approx(wanted)
    for few in ([], [one], [one, (0.0,) * 30], [one[: LEAST_DAYS - 1]] * 3):
        assert math.isnan(mean_correlation(few)[0])
    assert mean_correlation([one, one, one])[0] == pytest.approx(1.0)


def test_a_day_s_return_over_holding_is_free_of_the_coin_s_own_move() -> None:
    """Half a coin less at the second midnight: 100 -> 110 USD a coin, then 110 -> 99."""
    at_ms = np.arange(3, dtype=np.int64) * MS_PER_DAY
    curve = Curve(
        at_ms,
        {"BTC": np.array([2.0, 2.2, 1.7])},
        {"BTC": np.full(3, 2.0)},
        {"BTC": np.array([100.0, 110.0, 99.0])},
        np.zeros(3),
    )
    first, second = returns_over_holding(curve)
    assert first == pytest.approx(242 / 200 - 220 / 200)
    assert second == pytest.approx(168.3 / 242 - 198 / 220, abs=1e-9)
