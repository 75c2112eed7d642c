"""Gates at their boundaries, in their order, and with broken input."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.decide.menu import GATES
from optionwriter.core.decide.rules import (
    DATA,
    DELTA,
    DTE,
    IVRV,
    LIQUIDITY,
    OTM,
    PASSED,
    PREMIUM,
    QUOTE,
    SPREAD,
    Candidate,
    GateParams,
    gate,
    net_premium_usd,
)

NAN, INF = math.nan, math.inf
PARAMS = GateParams(
    dte_min=2.0,
    dte_max=30.0,
    delta_min=0.1,
    delta_max=0.3,
    otm_min=0.02,
    otm_max=0.4,
    ivrv_min=1.0,
    premium_min_usd=50.0,
    spread_max=0.25,
    open_interest_min=10.0,
    bid_size_min=2.0,
    linear_spread_max=0.20,
)
# index 100,000, strike 110,000: 10 % out of the money; bid 0.009, ask 0.011: spread 0.002 / 0.010 = 0.2 of the mid
GOOD = Candidate(
    is_call=True,
    is_inverse=True,
    strike=110_000.0,
    forward=100_200.0,
    index_price=100_000.0,
    days_to_expiry=10.0,
    iv=0.5,
    realised=0.4,
    delta=0.2,
    bid=0.009,
    ask=0.011,
    bid_size=5.0,
    open_interest=100.0,
)
LINEAR_PUT = GOOD._replace(
    is_call=False, is_inverse=False, strike=90_000.0, bid=910.0, ask=1_090.0, open_interest=NAN
)


def test_codes_are_places_in_the_menus_list() -> None:
    names = ("", "data", "dte", "delta", "otm", "ivrv", "quote", "premium", "spread", "liquidity")
    assert GATES[:10] == names
    assert tuple(range(10)) == (PASSED, DATA, DTE, DELTA, OTM, IVRV, QUOTE, PREMIUM, SPREAD, LIQUIDITY)


@pytest.mark.parametrize("good", [GOOD, LINEAR_PUT])
def test_a_good_candidate_passes_with_the_tightest_distance(good: Candidate) -> None:
    verdict = gate(good, PARAMS)
    assert verdict.gate == PASSED
    assert verdict.distance >= 0


@pytest.mark.parametrize(
    ("change", "expected", "value", "threshold"),
    [
        ({"days_to_expiry": 1.999}, DTE, 1.999, 2.0),
        ({"days_to_expiry": 30.001}, DTE, 30.001, 30.0),
        ({"delta": 0.0999}, DELTA, 0.0999, 0.1),
        ({"delta": 0.3001}, DELTA, 0.3001, 0.3),
        ({"strike": 101_999.0}, OTM, 0.01999, 0.02),
        ({"strike": 141_000.0}, OTM, 0.41, 0.4),
        ({"iv": 0.399}, IVRV, 0.9975, 1.0),
        ({"bid": NAN}, QUOTE, 0.0, 0.0),
        ({"ask": NAN}, QUOTE, 0.009, 0.0),
        ({"bid": 0.012}, QUOTE, 0.012, 0.0),  # above the ask
        # an eighth of the premium is the fee here: 0.0005 * 7 / 8 * 100,000 = 43.75 USD
        ({"bid": 0.0005, "ask": 0.0006}, PREMIUM, 43.75, 50.0),
        # 0.0026 over a mid of 0.0103
        ({"ask": 0.0116}, SPREAD, 0.0026 / 0.0103, 0.25),
        ({"open_interest": 9.9}, LIQUIDITY, 9.9, 10.0),
    ],
)
def test_each_gate_names_the_number_that_failed(
    change: dict[str, float], expected: int, value: float, threshold: float
) -> None:
    verdict = gate(GOOD._replace(**change), PARAMS)
    assert verdict.gate == expected
    assert verdict.value == pytest.approx(value)
    assert verdict.threshold == threshold
    assert verdict.distance < 0


@pytest.mark.parametrize(
    "change",
    [
        {"days_to_expiry": 2.0},
        {"days_to_expiry": 30.0},
        {"delta": 0.1},
        {"delta": 0.3},
        {"iv": 0.4},
        {"open_interest": 10.0},
    ],
)
def test_the_bounds_themselves_pass(change: dict[str, float]) -> None:
    assert gate(GOOD._replace(**change), PARAMS).gate == PASSED


def test_premium_is_net_of_the_fee() -> None:
    # 3 bp of a coin where the eighth is dearer: 0.009 - 0.0003 = 0.0087 coin
    assert net_premium_usd(True, 100_000.0, 0.009) == pytest.approx(870.0)
    # linear: 3 bp of the index is 30 USDC, an eighth of 100 is 12.5
    assert net_premium_usd(False, 100_000.0, 1_000.0) == pytest.approx(970.0)
    assert net_premium_usd(False, 100_000.0, 100.0) == pytest.approx(87.5)


def test_linear_liquidity_is_quoted_spread_and_size_where_known() -> None:
    assert gate(LINEAR_PUT._replace(ask=1_120.0), PARAMS).gate == LIQUIDITY  # 210 / 1015 > 0.20
    assert gate(LINEAR_PUT._replace(bid_size=1.9), PARAMS).gate == LIQUIDITY
    assert gate(LINEAR_PUT._replace(bid_size=NAN), PARAMS).gate == PASSED
    assert (
        gate(LINEAR_PUT._replace(open_interest=0.0), PARAMS).gate == PASSED
    )  # no open interest is asked of it


@pytest.mark.parametrize("field", ["strike", "forward", "index_price", "iv", "realised", "delta"])
@pytest.mark.parametrize("broken", [NAN, INF, -INF, -1.0, 1e300])
def test_broken_numbers_fail_closed_at_the_data_gate(field: str, broken: float) -> None:
    assert gate(GOOD._replace(**{field: broken}), PARAMS).gate == DATA


def test_a_day_after_expiry_is_a_number_but_no_date_is_data() -> None:
    assert gate(GOOD._replace(days_to_expiry=-1.0), PARAMS).gate == DTE
    assert gate(GOOD._replace(days_to_expiry=NAN), PARAMS).gate == DATA


@pytest.mark.parametrize("broken", [NAN, INF, -1.0])
def test_an_inverse_option_needs_its_open_interest(broken: float) -> None:
    assert gate(GOOD._replace(open_interest=broken), PARAMS).gate == DATA


NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, -0.0, 1e-300, 1e300])
)
CANDIDATES = st.builds(Candidate, st.booleans(), st.booleans(), *[NUMBERS] * 11)


@given(CANDIDATES)
def test_nothing_raises_and_what_fails_is_never_positive(candidate: Candidate) -> None:
    verdict = gate(candidate, PARAMS)
    assert 0 <= verdict.gate <= 9
    assert math.isfinite(verdict.distance)
    assert (verdict.distance >= 0) == (verdict.gate == PASSED)


NEAR = st.builds(
    Candidate,
    st.booleans(),
    st.booleans(),
    st.floats(80_000, 150_000),
    st.floats(90_000, 110_000),
    st.just(100_000.0),
    st.floats(0, 40),
    st.floats(0.2, 0.8),
    st.floats(0.2, 0.8),
    st.floats(0, 0.5),
    st.floats(0.0001, 0.02),
    st.floats(0.0001, 0.03),
    st.floats(0, 10),
    st.floats(0, 50),
)


@given(NEAR, st.floats(0, 1), st.integers(0, len(PARAMS) - 1))
def test_widening_a_gate_never_removes_a_candidate(candidate: Candidate, by: float, place: int) -> None:
    name = PARAMS._fields[place]
    lower = name.endswith(("_min", "_min_usd"))
    wider = PARAMS._replace(**{name: PARAMS[place] * (1 - by) if lower else PARAMS[place] * (1 + by)})
    if gate(candidate, PARAMS).gate == PASSED:
        assert gate(candidate, wider).gate == PASSED
