"""What is due for a sold option: each reason at its threshold, and their order."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.decide.managing import (
    DEEP_IN_THE_MONEY,
    DELTA_REACHED,
    EXPIRE,
    EXPIRING,
    HOLD,
    LET_EXPIRE,
    NO_DATA,
    NOTHING_DUE,
    PROFIT_CAPTURED,
    REASONS,
    ROLL,
    STRIKE_NEAR,
    TAKE_PROFIT,
    YIELD_SPENT,
    Holding,
    ManageParams,
    manage,
)

NAN = math.nan
PARAMS = ManageParams(
    take_profit_share=0.8,
    min_remaining_yield=0.02,
    expire_days=1.0,
    expire_otm=0.01,
    roll_delta=0.45,
    roll_otm=0.0,
    roll_min_days=1.0,
    far_itm=0.10,
    roll_ivrv=1.0,
)
# index 100,000, strike 110,000, sold at 0.010, bought back at 0.006 and a fee of 0.0003: 37 % captured
QUIET = Holding(
    is_call=True,
    is_inverse=True,
    strike=110_000.0,
    index_price=100_000.0,
    days_to_expiry=8.0,
    iv=0.5,
    realised=0.4,
    delta=0.2,
    entry_price=0.010,
    ask=0.006,
)


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({}, HOLD, NOTHING_DUE),
        ({"days_to_expiry": 1.0}, EXPIRE, LET_EXPIRE),
        ({"days_to_expiry": 1.001}, HOLD, NOTHING_DUE),
        ({"days_to_expiry": 0.5, "strike": 101_000.0}, EXPIRE, LET_EXPIRE),  # 1 % out is enough
        ({"days_to_expiry": 0.5, "strike": 100_900.0}, ROLL, EXPIRING),
        ({"days_to_expiry": 0.5, "strike": 100_900.0, "iv": 0.399}, HOLD, NOTHING_DUE),  # IV isn't rich
        ({"days_to_expiry": -0.1, "strike": 90_000.0}, EXPIRE, LET_EXPIRE),  # settlement has it
        # 0.0017 + an eighth of it = 0.0019125: 80.9 % captured; 0.0018: 0.002025, 79.75 %
        ({"ask": 0.0017}, TAKE_PROFIT, PROFIT_CAPTURED),
        ({"ask": 0.0018}, HOLD, NOTHING_DUE),
        # 0.0003 * 9 / 8 * 365 / 20 = 0.62 % a year left, of a premium of 0.001 (66 % captured)
        ({"ask": 0.0003, "entry_price": 0.001, "days_to_expiry": 20.0}, TAKE_PROFIT, YIELD_SPENT),
        ({"ask": 0.0003, "entry_price": 0.0003, "days_to_expiry": 20.0}, HOLD, NOTHING_DUE),  # at a loss
        ({"delta": 0.45}, ROLL, DELTA_REACHED),
        ({"delta": 0.449}, HOLD, NOTHING_DUE),
        ({"strike": 100_000.0, "delta": 0.4}, ROLL, STRIKE_NEAR),
        ({"strike": 89_000.0, "delta": 0.9}, ROLL, DEEP_IN_THE_MONEY),
        (
            {"strike": 89_000.0, "delta": 0.9, "iv": 0.3},
            ROLL,
            DELTA_REACHED,
        ),  # IV isn't rich: the next reason
        ({"ask": NAN}, HOLD, NOTHING_DUE),
        ({"ask": NAN, "delta": 0.5}, ROLL, DELTA_REACHED),
    ],
)
def test_verdicts(change: dict[str, float], verdict: int, reason: int) -> None:
    order = manage(QUIET._replace(**change), PARAMS)
    assert (order.verdict, REASONS[order.reason]) == (verdict, REASONS[reason])


def test_a_put_is_the_mirror_image() -> None:
    put = QUIET._replace(is_call=False, is_inverse=False, strike=90_000.0, entry_price=1_000.0, ask=600.0)
    assert manage(put, PARAMS).verdict == HOLD
    assert manage(put._replace(index_price=90_000.0, delta=0.4), PARAMS).reason == STRIKE_NEAR
    assert manage(put._replace(index_price=80_000.0, delta=0.9), PARAMS).reason == DEEP_IN_THE_MONEY
    assert manage(put._replace(ask=150.0), PARAMS).reason == PROFIT_CAPTURED  # 150 * 9 / 8 = 168.75


@pytest.mark.parametrize("field", ["strike", "index_price", "days_to_expiry", "iv", "realised", "delta"])
@pytest.mark.parametrize("broken", [NAN, math.inf])
def test_with_a_number_missing_nothing_is_done(field: str, broken: float) -> None:
    order = manage(QUIET._replace(**{field: broken}), PARAMS)
    assert (order.verdict, order.reason) == (HOLD, NO_DATA)


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@given(st.builds(Holding, st.booleans(), st.booleans(), *[NUMBERS] * 8))
def test_nothing_raises(holding: Holding) -> None:
    assert 0 <= manage(holding, PARAMS).verdict <= 3
