"""The ratio of index and forward, from marks that a made index gives; 1 where nothing sound can be told."""

from __future__ import annotations

import numpy as np
import pytest

from optionwriter.core.market.linear_marks import LEAST_PAIRS, index_over_forward


def test_each_expiry_gives_back_the_one_index() -> None:
    index, forwards = 92_590.0, np.array([92_600.0, 93_100.0, 93_813.0, 91_000.0])
    years = np.array([2.0, 51.0, 107.0, 30.0]) / 365
    group = np.repeat(np.arange(4), 9)
    strike = np.tile(np.arange(76_000.0, 112_000.0, 4_000.0), 4)
    gap = (forwards[group] - strike) * index / forwards[group]  # call less put of any volatility
    found = index_over_forward(group, 5, forwards[group], strike, gap, years[group])
    assert found[:4] * forwards == pytest.approx([index] * 4) and found[4] == 1.0
    few = index_over_forward(
        group[: LEAST_PAIRS - 1], 1, forwards[group][: LEAST_PAIRS - 1], strike[: LEAST_PAIRS - 1],
        gap[: LEAST_PAIRS - 1], years[group][: LEAST_PAIRS - 1],
    )  # fmt: skip
    assert few.tolist() == [1.0]
    for wrong in (0.9 * gap, -gap, 0.0 * gap):  # a tenth within days is no basis, nor is a negative one
        assert index_over_forward(group, 4, forwards[group], strike, wrong, years[group])[0] == 1.0
