"""The score against hand-computed numbers and what must hold of it."""

from __future__ import annotations

import functools
import math
import operator

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.decide.rules import Candidate
from optionwriter.core.decide.scoring import (
    PART_NAMES,
    ScoreParams,
    Tilt,
    market_tilt,
    net_edge,
    penalty,
    score,
    total,
)
from tests.core.decide.test_rules import CANDIDATES, GOOD, LINEAR_PUT, NEAR

PARAMS = ScoreParams()
UNKNOWN = market_tilt(math.nan)


def black76(forward: float, strike: float, years: float, sigma: float, is_call: bool) -> float:
    """The textbook formula, at 40 digits."""
    with mpmath.workdps(40):
        deviation = mpmath.mpf(sigma) * mpmath.sqrt(years)
        d1 = (mpmath.log(mpmath.mpf(forward) / strike) + deviation**2 / 2) / deviation
        call = forward * mpmath.ncdf(d1) - strike * mpmath.ncdf(d1 - deviation)
        return float(call if is_call else call - forward + strike)


@pytest.mark.parametrize("candidate", [GOOD, LINEAR_PUT, LINEAR_PUT._replace(index_price=99_000.0)])
def test_net_edge_is_the_net_premium_over_fair_value_by_the_year_and_collateral(candidate: Candidate) -> None:
    c = candidate
    fair = black76(c.forward, c.strike, 10 / 365, c.realised, c.is_call)
    if c.is_inverse:
        edge_usd = (c.bid - 0.0003 - fair / c.forward) * c.index_price
        collateral = c.index_price
    else:
        edge_usd = c.bid - 0.0003 * c.index_price - fair * c.index_price / c.forward
        collateral = c.strike
    assert net_edge(c) == pytest.approx(edge_usd / collateral * 36.5, rel=1e-9)


def test_the_year_is_floored_at_seven_days() -> None:
    short = GOOD._replace(days_to_expiry=1.0, realised=1e-6)  # fair value 0: the edge is the net premium
    week = short._replace(days_to_expiry=7.0)
    assert net_edge(short) == pytest.approx(net_edge(week))
    assert net_edge(short._replace(days_to_expiry=14.0)) == pytest.approx(net_edge(week) / 2)


def test_parts_by_hand() -> None:
    parts = score(GOOD, UNKNOWN, PARAMS)
    assert parts.ivrv == pytest.approx(0.10 * 0.25 / 0.5)  # 0.5 / 0.4 - 1 over the scale
    assert parts.delta == pytest.approx(0.15)  # on target
    assert parts.tenor == pytest.approx(0.10)
    assert parts.otm == pytest.approx(0.10)  # 10 % at a scale of 10 %
    assert parts.spread == pytest.approx(-0.10)  # 0.2 at a scale of 0.2
    assert parts.liquidity == pytest.approx(0.05 * math.log(101) / math.log(501))
    yearly = net_edge(GOOD) / 0.10
    assert parts.edge == pytest.approx(0.40 * yearly / (1 + abs(yearly)))


@given(CANDIDATES)
def test_parts_add_up_and_stay_within_their_weights(candidate: Candidate) -> None:
    parts = score(candidate, UNKNOWN, PARAMS)
    assert total(parts) == sum(parts)
    for part, weight in zip(parts, PARAMS, strict=False):
        assert abs(part) <= weight
    assert -1 <= total(parts) <= 1


@given(NEAR, st.floats(1.0, 3.0))
def test_a_wider_spread_never_scores_higher(candidate: Candidate, wider: float) -> None:
    if candidate.ask < candidate.bid:
        return
    worse = candidate._replace(ask=candidate.ask * wider)
    assert total(score(worse, UNKNOWN, PARAMS)) <= total(score(candidate, UNKNOWN, PARAMS)) + 1e-12


@given(NEAR, st.floats(1.0, 2.0))
def test_a_higher_forecast_never_scores_higher(candidate: Candidate, more: float) -> None:
    if candidate.ask < candidate.bid:
        return
    worse = candidate._replace(realised=candidate.realised * more)
    assert total(score(worse, UNKNOWN, PARAMS)) <= total(score(candidate, UNKNOWN, PARAMS)) + 1e-9


def test_a_missing_number_is_the_worst_score() -> None:
    for broken in (GOOD._replace(bid=math.nan), GOOD._replace(realised=math.nan), GOOD._replace(ask=0.001)):
        assert total(score(broken, UNKNOWN, PARAMS)) == pytest.approx(-sum(PARAMS[:7]))


# a put's tilt: crash 55 %, puts lose 12 % of equity at the stress of at most 10 %, the coin would be 70 % of equity
PUT_TILT = Tilt(0.55, math.nan, 0.12, 0.10, 0.70, 0.60)
CALL_TILT = Tilt(0.40, 0.95, math.nan, math.nan, math.nan, math.nan)


def test_penalties_by_hand() -> None:
    call, put = score(GOOD, CALL_TILT, PARAMS), score(LINEAR_PUT, PUT_TILT, PARAMS)
    assert call.pump == pytest.approx(-0.20 * (0.40 - 0.30) / 0.50)
    assert call.capacity == pytest.approx(-0.05 * (0.95 - 0.80) / 0.20)
    assert (call.crash, call.drawdown, call.allocation) == (0, 0, 0)
    assert put.crash == pytest.approx(-0.20 * (0.55 - 0.30) / 0.50)
    assert put.drawdown == pytest.approx(-0.30 * (0.12 - 0.10) / 0.05)
    assert put.allocation == pytest.approx(-0.20 * (0.70 - 0.60) / 0.20)
    assert (put.pump, put.capacity) == (0, 0)


def test_what_is_within_its_bounds_costs_nothing_and_no_more_than_the_weight_ever() -> None:
    assert score(GOOD, Tilt(0.30, 0.80, 1.0, 0.0, 1.0, 0.0), PARAMS)[7:] == (0, 0, 0, 0, 0)
    assert score(LINEAR_PUT, Tilt(0.30, 1.0, 0.10, 0.10, 0.60, 0.60), PARAMS)[7:] == (0, 0, 0, 0, 0)
    worst = score(LINEAR_PUT, Tilt(1.0, 1.0, 9.0, 0.1, 9.0, 0.6), PARAMS)
    assert worst[7:] == pytest.approx((0, -0.20, 0, -0.30, -0.20))


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
TILTS = st.builds(Tilt, *[st.one_of(st.floats(0, 2), NUMBERS)] * 6)


@given(CANDIDATES, TILTS)
def test_a_penalty_never_raises_a_score_and_the_parts_add_up_left_to_right(
    candidate: Candidate, tilt: Tilt
) -> None:
    parts = score(candidate, tilt, PARAMS)
    assert all(-weight <= part <= 0 for part, weight in zip(parts[7:], PARAMS[7:12], strict=True))
    assert total(parts) <= total(score(candidate, UNKNOWN, PARAMS))
    assert total(parts) == functools.reduce(operator.add, parts)
    assert parts[:7] == score(candidate, UNKNOWN, PARAMS)[:7]


@given(NEAR, TILTS, st.sampled_from(["risk", "covered", "drawdown", "allocation"]), st.floats(0, 3))
def test_more_of_what_is_penalised_never_scores_higher(
    candidate: Candidate, tilt: Tilt, field: str, more: float
) -> None:
    worse = tilt._replace(**{field: getattr(tilt, field) + more})
    assert total(score(candidate, worse, PARAMS)) <= total(score(candidate, tilt, PARAMS)) + 1e-12


def test_an_unknown_bound_counts_as_0_and_an_unknown_figure_costs_nothing() -> None:
    assert penalty(0.3, math.nan, 0.1, 0.05) == 0
    assert penalty(0.3, 0.02, math.nan, 0.05) == pytest.approx(-0.3 * 0.02 / 0.05)


def test_weights_stand_in_the_order_of_the_parts() -> None:
    assert tuple(f"{name}_weight" for name in PART_NAMES) == PARAMS._fields[: len(PART_NAMES)]
