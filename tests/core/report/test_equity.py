"""The equity curve: however long the run, few points, and the worst fall is exactly that of all of them."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.core.report.equity import (
    MOST_POINTS,
    NEWEST,
    Point,
    columns,
    point_of,
    points_of,
    thinned,
    with_point,
)
from optionwriter.core.report.views import account_view
from tests.core.report.test_views import seen, sold_one

D = Decimal


def point(at_ms: int, equity: float | None, **coins: float) -> Point:
    return Point(at_ms, equity, 100.0, {code: (one, 1.0) for code, one in coins.items()})


def worst_fall(points: list[Point]) -> float:
    peak, worst = float("-inf"), 0.0
    for one in points:
        if one.equity_usd is not None:
            peak = max(peak, one.equity_usd)
            worst = max(worst, peak - one.equity_usd)
    return worst


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    drift=st.sampled_from([-3.0, 0.0, 3.0]),
    jumps=st.sampled_from([0.0, 0.002]),
    gaps=st.sampled_from([0.0, 0.1]),
)
def test_the_worst_fall_survives_all_thinning(seed: int, drift: float, jumps: float, gaps: float) -> None:
    """A walk of many times as many points as are kept."""
    rng = np.random.default_rng(seed)
    size = 3 * MOST_POINTS
    moves = rng.normal(drift, 50.0, size) + (rng.random(size) < jumps) * rng.normal(0.0, 5_000.0, size)
    hidden = rng.random(size) < gaps
    every = [
        point(number * 1_000, None if hidden[number] else float(worth))
        for number, worth in enumerate(np.cumsum(moves).round(2))
    ]
    curve: list[Point] = []
    for one in every:
        curve = with_point(curve, one)
        assert len(curve) <= MOST_POINTS
    assert worst_fall(curve) == worst_fall(every)
    assert curve[0] == every[0] and curve[-NEWEST:] == every[-NEWEST:]
    known = [one.equity_usd for one in every if one.equity_usd is not None]
    kept = [one.equity_usd for one in curve if one.equity_usd is not None]
    assert max(kept) == max(known) and min(kept) == min(known)
    assert all(one == every[one.at_ms // 1_000] for one in curve)
    assert [one.at_ms for one in curve] == sorted({one.at_ms for one in curve})
    assert any(one.equity_usd is None for one in curve[:-NEWEST]) is bool(gaps), "a gap stays a gap"


def test_a_fall_between_two_rises_of_one_stretch_is_kept() -> None:
    """Neither end of it is the highest or lowest of its stretch: a steep rise, a fall of 7, a steep rise again."""
    curve: list[Point] = []
    for number in range(5 * MOST_POINTS):
        dip = 7.0 + 1.0 if number == 1_501 else 0.0
        curve = with_point(curve, point(number * 1_000, number * 1.0 - dip))
    assert worst_fall(curve) == 7.0
    before, after = (one for one in curve if one.at_ms in (1_500_000, 1_501_000))
    assert (before.equity_usd, after.equity_usd) == (1_500.0, 1_493.0)


def test_a_short_curve_is_kept_whole() -> None:
    curve: list[Point] = []
    for number in range(MOST_POINTS):
        curve = with_point(curve, point(number, float(number % 13)))
    assert len(curve) == MOST_POINTS and thinned(curve[:NEWEST]) == curve[:NEWEST]
    assert len(with_point(curve, point(MOST_POINTS, 1.0))) < MOST_POINTS


def test_old_points_spread_over_time_not_over_their_number() -> None:
    """A month of a point an hour, then a day of one a second: the month is still to be seen."""
    curve: list[Point] = []
    hour, n = 3_600_000, 720
    for number in range(n):
        curve = with_point(curve, point(number * hour, float(number)))
    for second in range(20_000):
        curve = with_point(curve, point(n * hour + second * 1_000, float(n)))
    month = [one for one in curve if one.at_ms < n * hour]
    assert len(month) > 100 and max(b.at_ms - a.at_ms for a, b in pairwise(month)) < 10 * hour


def test_a_market_that_began_anew_begins_a_curve_anew() -> None:
    curve = [point(at, 1.0) for at in (10, 20, 30)]
    assert [one.at_ms for one in with_point(curve, point(20, 2.0))] == [10, 20]
    assert with_point(curve, point(5, 2.0)) == [point(5, 2.0)]


def test_columns_and_back() -> None:
    curve = [point(1, 10.0, BTC=1.5), point(2, None, BTC=1.25, ETH=7.0), point(3, 12.5, BTC=1.0, ETH=8.0)]
    made = json.loads(json.dumps(columns(curve), allow_nan=False))
    assert made == {
        "at_ms": [1, 2, 3],
        "equity_usd": [10.0, None, 12.5],
        "holding_usd": [100.0] * 3,
        "currencies": {
            "BTC": {"equity": [1.5, 1.25, 1.0], "holding": [1.0, 1.0, 1.0]},
            "ETH": {"equity": [None, 7.0, 8.0], "holding": [None, 1.0, 1.0]},
        },
    }
    assert columns(points_of(made)) == made
    assert points_of(columns([])) == []


@pytest.mark.parametrize(
    "kept",
    [None, 3, [], {}, {"at_ms": [1], "equity_usd": [], "holding_usd": [1.0], "currencies": {}},
     {"at_ms": [2, 1], "equity_usd": [1.0, 1.0], "holding_usd": [1.0, 1.0], "currencies": {}},
     {"at_ms": ["1"], "equity_usd": [1.0], "holding_usd": [1.0], "currencies": {}},
     {"at_ms": [1], "equity_usd": ["x"], "holding_usd": [1.0], "currencies": {}},
     {"at_ms": [1], "equity_usd": [1.0], "holding_usd": [1.0], "currencies": {"BTC": {"equity": [1.0]}}},
     {"at_ms": [1], "equity_usd": [float("nan")], "holding_usd": [1.0], "currencies": {}}],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_curve_is_refused(kept: object) -> None:
    with pytest.raises(ValueError, match=r"no curve|zip"):
        points_of(kept)


def test_a_point_of_the_account() -> None:
    """One coin came at 90,000 and now 95,000; a call on it brought 0.0047 and is worth -0.008."""
    view = account_view(seen(sold_one()))
    assert point_of(view) == Point(view.at_ms, round(0.9967 * 95_000, 2), 95_000.0, {"BTC": (0.9967, 1.0)})
    unknown = point_of(replace(view, equity_usd=None, holding_usd=D("NaN")))
    assert (unknown.equity_usd, unknown.holding_usd) == (None, None)
