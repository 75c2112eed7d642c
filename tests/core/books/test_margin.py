"""Standard margin by hand (FACTS §4) and the recorded account identities."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optionwriter.core.books.account import CurrencyAccount, Side
from optionwriter.core.books.margin import (
    MarginLine,
    available_funds,
    currency_account,
    initial_margin,
    line_margin,
    maintenance_margin,
)
from optionwriter.core.market.instruments import parse_instrument

D = Decimal

CALL = parse_instrument("BTC-27MAR26-110000-C")
PUT = parse_instrument("BTC-27MAR26-90000-P")
LINEAR_PUT = parse_instrument("BTC_USDC-27MAR26-90000-P")


def line(name: str, position: str, mark: str, *orders: tuple[Side, str, str]) -> MarginLine:
    rests = tuple((side, D(amount), D(price)) for side, amount, price in orders)
    return MarginLine(parse_instrument(name), D(position), D(mark), D(100_000), rests)


@pytest.mark.parametrize(
    ("strike", "mark", "is_call", "initial", "maintenance"),
    [
        (100_000, "0.05", True, "0.20", "0.125"),  # at the money: 0.15 + mark
        (102_000, "0.04", True, "0.17", "0.115"),  # 2 % out: 0.13 + mark
        (120_000, "0.01", True, "0.11", "0.085"),  # far out: the floor 0.10 + mark
        (80_000, "0.25", True, "0.40", "0.325"),  # in the money counts as no distance
        (97_000, "0.03", False, "0.15", "0.105"),
        (70_000, "0.002", False, "0.102", "0.077"),
        (300_000, "2", False, "2.15", "2.15"),  # 0.075 x mark = 0.15 over the floor
        (500_000, "4", False, "4.3", "4.3"),  # maintenance 0.3 + 4 lifts the initial 0.15 + 4
    ],
)
def test_margin_of_one_inverse_coin_short(
    strike: int, mark: str, is_call: bool, initial: str, maintenance: str
) -> None:
    keeping = maintenance_margin(D(mark), D(1), is_call)
    assert keeping == D(maintenance)
    assert initial_margin(D(strike), D(100_000), D(mark), D(1), is_call, keeping) == D(initial)


def test_linear_margin_is_the_same_share_of_the_underlying() -> None:
    keeping = maintenance_margin(D(500), D(100_000), False)
    assert keeping == D(8_000)
    assert initial_margin(D(97_000), D(100_000), D(500), D(100_000), False, keeping) == D(12_500)


def test_floats_give_the_same_margin() -> None:
    keeping = maintenance_margin(0.04, 1.0, True)
    assert keeping == pytest.approx(0.115, rel=1e-15)
    assert initial_margin(102_000.0, 100_000.0, 0.04, 1.0, True, keeping) == pytest.approx(0.17, rel=1e-14)


@pytest.mark.parametrize(
    ("given", "initial", "maintenance"),
    [
        (line("BTC-27MAR26-110000-C", "-2", "0.02"), "0.24", "0.19"),
        (line("BTC-27MAR26-110000-C", "2", "0.02"), "0", "0"),
        (line("BTC-27MAR26-110000-C", "0", "0.02", (Side.SELL, "1", "0.021")), "0.12", "0"),
        (line("BTC-27MAR26-110000-C", "0.4", "0.02", (Side.SELL, "1", "0.021")), "0.072", "0"),
        (line("BTC-27MAR26-110000-C", "-1", "0.02", (Side.SELL, "1", "0.021")), "0.24", "0.095"),
        (line("BTC-27MAR26-110000-C", "-1", "0.02", (Side.BUY, "1", "0.019")), "0.12", "0.095"),
        (line("BTC-27MAR26-110000-C", "0", "0.02", (Side.BUY, "1", "0.019")), "0.019", "0"),
        # two buys over a short of one: the dearer unit is what goes long
        (
            line("BTC-27MAR26-110000-C", "-1", "0.02", (Side.BUY, "1", "0.01"), (Side.BUY, "1", "0.03")),
            "0.15",
            "0.095",
        ),
    ],
)
def test_resting_orders_reserve_as_if_filled(given: MarginLine, initial: str, maintenance: str) -> None:
    assert line_margin(given) == (D(initial), D(maintenance))


def test_an_account_adds_its_lines_and_leaves_other_currencies_out() -> None:
    lines = (
        line("BTC-27MAR26-110000-C", "-1", "0.02"),
        line("BTC-27MAR26-120000-C", "0.5", "0.01"),
        line("BTC_USDC-27MAR26-90000-P", "-1", "700"),
    )
    coin = currency_account("BTC", D("3.5"), lines)
    assert (coin.options_value, coin.equity, coin.margin_balance) == (D("-0.015"), D("3.485"), D("3.5"))
    assert (coin.initial_margin, coin.maintenance_margin) == (D("0.12"), D("0.095"))
    assert available_funds(coin) == D("3.38")
    usdc = currency_account("USDC", D(100_000), lines)
    assert (usdc.options_value, usdc.initial_margin, usdc.maintenance_margin) == (
        D(-700),
        D(10_700),
        D(8_200),
    )


def test_available_funds_is_the_recorded_identity() -> None:
    # recorded account summary (FACTS §4): 302.62729214 - 1.24669592 = 301.38059622; margin_balance = equity - options
    recorded = CurrencyAccount(
        "BTC", D("302.60065765"), D("302.61869214"), D("302.62729214"), D("-0.0086"), D("1.24669592"), D(0)
    )
    assert recorded.equity - recorded.options_value == recorded.margin_balance
    assert available_funds(recorded) == D("301.38059622")
