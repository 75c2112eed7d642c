"""The score against hand-computed numbers and what must hold of it."""

from __future__ import annotations

import math

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.decide.rules import Candidate
from optionwriter.core.decide.scoring import ScoreParams, net_edge, score, total
from tests.core.decide.test_rules import CANDIDATES, GOOD, LINEAR_PUT, NEAR

PARAMS = ScoreParams()


def black76(forward: float, strike: float, years: float, sigma: float, is_call: bool) -> float:
    """The textbook formula, at 40 digits."""
    with mpmath.workdps(40):
        deviation = mpmath.mpf(sigma) * mpmath.sqrt(years)
        d1 = (mpmath.log(mpmath.mpf(forward) / strike) + deviation**2 / 2) / deviation
        call = forward * mpmath.ncdf(d1) - strike * mpmath.ncdf(d1 - deviation)
        return float(call if is_call else call - forward + strike)


@pytest.mark.parametrize("candidate", [GOOD, LINEAR_PUT])
def test_net_edge_is_the_net_premium_over_fair_value_by_the_year_and_collateral(candidate: Candidate) -> None:
    c = candidate
    fair = black76(c.forward, c.strike, 10 / 365, c.realised, c.is_call)
    if c.is_inverse:
        edge_usd = (c.bid - 0.0003 - fair / c.forward) * c.index_price
        collateral = c.index_price
    else:
        edge_usd = c.bid - 0.0003 * c.index_price - fair
        collateral = c.strike
    assert net_edge(c) == pytest.approx(edge_usd / collateral * 36.5, rel=1e-9)


def test_the_year_is_floored_at_seven_days() -> None:
    short = GOOD._replace(days_to_expiry=1.0, realised=1e-6)  # fair value 0: the edge is the net premium
    week = short._replace(days_to_expiry=7.0)
    assert net_edge(short) == pytest.approx(net_edge(week))
    assert net_edge(short._replace(days_to_expiry=14.0)) == pytest.approx(net_edge(week) / 2)


def test_parts_by_hand() -> None:
    parts = score(GOOD, PARAMS)
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
    parts = score(candidate, PARAMS)
    assert total(parts) == sum(parts)
    for part, weight in zip(parts, PARAMS, strict=False):
        assert abs(part) <= weight
    assert -1 <= total(parts) <= 1


@given(NEAR, st.floats(1.0, 3.0))
def test_a_wider_spread_never_scores_higher(candidate: Candidate, wider: float) -> None:
    if candidate.ask < candidate.bid:
        return
    worse = candidate._replace(ask=candidate.ask * wider)
    assert total(score(worse, PARAMS)) <= total(score(candidate, PARAMS)) + 1e-12


@given(NEAR, st.floats(1.0, 2.0))
def test_a_higher_forecast_never_scores_higher(candidate: Candidate, more: float) -> None:
    if candidate.ask < candidate.bid:
        return
    worse = candidate._replace(realised=candidate.realised * more)
    assert total(score(worse, PARAMS)) <= total(score(candidate, PARAMS)) + 1e-9


def test_a_missing_number_is_the_worst_score() -> None:
    for broken in (GOOD._replace(bid=math.nan), GOOD._replace(realised=math.nan), GOOD._replace(ask=0.001)):
        assert total(score(broken, PARAMS)) == pytest.approx(-sum(PARAMS[:7]))
