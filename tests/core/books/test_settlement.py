"""Settlement against the exchange's worked example and hand-computed flows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optionwriter.core.books.settlement import payoff, settle
from optionwriter.core.market.instruments import Instrument, InstrumentError, is_daily, parse_instrument

D = Decimal

CALL = parse_instrument("BTC-27MAR26-100000-C")
LINEAR_PUT = parse_instrument("BTC_USDC-27MAR26-80000-P")


def test_the_worked_example_of_the_exchange() -> None:
    # strike 100,000, delivery 125,000: 25,000 USD, which is 0.2 BTC (FACTS §4)
    assert payoff(D(100_000), D(125_000), True, True) == D("0.2")
    assert payoff(100_000.0, 125_000.0, True, True) == 0.2


@pytest.mark.parametrize(
    ("strike", "delivery", "is_call", "is_inverse", "value"),
    [
        (100, 100, True, True, "0"),
        (100, 80, True, True, "0"),
        (100, 80, False, True, "0.25"),
        (100, 125, False, True, "0"),
        (100, 125, True, False, "25"),
        (100, 80, False, False, "20"),
        (100, 125, False, False, "0"),
    ],
)
def test_payoff(strike: int, delivery: int, is_call: bool, is_inverse: bool, value: str) -> None:
    assert payoff(D(strike), D(delivery), is_call, is_inverse) == D(value)


def test_a_short_call_in_the_money_pays_and_is_charged_delivery() -> None:
    ended = settle(CALL, D("-0.5"), D(125_000), is_daily=False)
    assert (ended.payoff, ended.fee) == (D("-0.1"), D("0.000075"))
    assert (ended.position, ended.delivery_price, ended.at_ms) == (D("-0.5"), D(125_000), CALL.expiry_ms)


def test_a_long_call_receives_and_still_pays_the_fee() -> None:
    ended = settle(CALL, D("0.5"), D(125_000), is_daily=False)
    assert (ended.payoff, ended.fee) == (D("0.1"), D("0.000075"))


@pytest.mark.parametrize(
    ("name", "daily", "fee"),
    [
        ("BTC-25SEP26-100000-C", False, "0.00015"),  # a weekly Friday
        ("BTC-27NOV26-100000-C", False, "0.00015"),  # a monthly
        ("BTC-23SEP26-100000-C", True, "0"),  # a Wednesday: FACTS' dailies pay nothing
        ("BTC_USDC-23SEP26-130000-P", True, "0"),
        ("BTC_USDC-25SEP26-130000-P", False, "18.75"),  # 0.015 % of 125,000
    ],
)
def test_the_worked_example_and_dailies(name: str, daily: bool, fee: str) -> None:
    """FACTS §4: strike 100,000, delivered at 125,000: 25,000 USD, 0.2 BTC. By name alone, as every path settles."""
    option = parse_instrument(name)
    assert is_daily(option.expiry_ms) is daily
    ended = settle(option, D(-1), D(125_000), is_daily(option.expiry_ms))
    assert ended.payoff == (D("-0.2") if option.is_call else D(-5_000)) and ended.fee == D(fee)


def test_out_of_the_money_nothing_flows() -> None:
    ended = settle(CALL, D("-1"), D("99999.99"), is_daily=False)
    assert (ended.payoff, ended.fee) == (0, 0)


def test_a_linear_put_settles_in_usdc() -> None:
    ended = settle(LINEAR_PUT, D("-0.25"), D("71234.56"), is_daily=False)
    assert ended.payoff == D("-2191.36")  # 0.25 x 8,765.44
    assert ended.fee == D("2.671296")  # 0.25 x 0.00015 x 71,234.56


def test_a_booked_payoff_is_on_the_grain() -> None:
    # 1/3 of the way: 100,000 -> 150,000 is 50,000/150,000 = 0.3333... BTC
    assert settle(CALL, D("-1"), D(150_000), is_daily=True).payoff == D("-0.33333333")


@pytest.mark.parametrize("price", ["0", "-1", "NaN"])
def test_no_delivery_without_a_price(price: str) -> None:
    with pytest.raises(InstrumentError, match="BTC-27MAR26-100000-C: no delivery at"):
        settle(CALL, D(-1), D(price), is_daily=False)


@pytest.mark.parametrize("option", [CALL, LINEAR_PUT], ids=str)
def test_a_short_that_ends_worthless_is_booked_as_plain_nothing(option: Instrument) -> None:
    ended = settle(option, D(-2), D(90_000), is_daily=False)
    assert (
        str(ended.payoff).strip("0.E-8") == "" and not ended.payoff.is_signed()
    )  # 0, as the exchange tells it
