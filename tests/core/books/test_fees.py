"""Fees against hand-computed numbers of FACTS §4."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optionwriter.core.books.fees import DAILY_DELIVERY_RATE, delivery_fee, option_fee, trading_fee
from optionwriter.core.market.instruments import product

D = Decimal

BTC, BTC_USDC = product("BTC"), product("BTC_USDC")


@pytest.mark.parametrize(
    ("amount", "price", "fee"),
    [
        ("1", "0.05", "0.0003"),
        ("0.1", "0.05", "0.00003"),
        ("1", "0.0024", "0.0003"),  # 12.5 % of 0.0024 is 0.0003: the cap begins to bind below
        ("1", "0.0023", "0.0002875"),
        ("1", "0.0001", "0.0000125"),
        ("0.1", "0.0001", "0.00000125"),
    ],
)
def test_an_inverse_trade_pays_three_basis_points_capped_at_an_eighth_of_its_price(
    amount: str, price: str, fee: str
) -> None:
    assert trading_fee(BTC, D(amount), D(price), D("95000")) == D(fee)


def test_a_linear_trade_pays_three_basis_points_of_the_index() -> None:
    assert trading_fee(BTC_USDC, D("0.5"), D("1500"), D("90000.12")) == D("13.500018")
    assert trading_fee(BTC_USDC, D("0.5"), D("100"), D("90000.12")) == D("6.25")  # capped


def test_a_booked_fee_is_rounded_half_even_to_the_currency_grain() -> None:
    # 0.1 x 0.00001 / 8 = 1.25e-7; 0.0001 x 0.0004 / 8 = 5e-9, a tie between 0 and 1e-8
    assert trading_fee(BTC, D("0.0001"), D("0.0004"), D(1)) == D("0E-8")
    assert trading_fee(BTC, D("0.0003"), D("0.0004"), D(1)) == D("2E-8")  # 1.5e-8 goes to the even 2
    assert trading_fee(BTC, D("0.1"), D("0.05"), D(1)).as_tuple().exponent == -8


@pytest.mark.parametrize(
    ("value", "daily", "fee"),
    [
        ("0.2", False, "0.00015"),
        ("0.0008", False, "0.0001"),  # capped: 0.0008 / 8
        ("0", False, "0"),  # out of the money
        ("0.2", True, "0"),
    ],
)
def test_delivery_of_one_coin(value: str, daily: bool, fee: str) -> None:
    assert delivery_fee(BTC, D(1), D(value), D("125000"), daily) == D(fee)


def test_linear_delivery_charges_the_delivery_price() -> None:
    assert delivery_fee(BTC_USDC, D("0.2"), D("5000"), D("100000"), False) == D("3")
    assert delivery_fee(BTC_USDC, D("0.2"), D("40"), D("100000"), False) == D("1")  # capped


def test_the_formula_takes_floats_for_the_rules() -> None:
    assert option_fee(1.0, 0.05, 1.0, 0.0003) == pytest.approx(0.0003, rel=1e-15)
    assert option_fee(2.0, 0.0016, 1.0, 0.0003) == pytest.approx(0.0004, rel=1e-15)
    assert option_fee(1.0, 0.2, 1.0, float(DAILY_DELIVERY_RATE)) == 0.0
