"""The account identities of the exchange hold for any positions and resting orders, and margin only grows with risk."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.books.account import Side
from optionwriter.core.books.margin import MarginLine, available_funds, currency_account, line_margin
from optionwriter.core.market.instruments import parse_instrument
from optionwriter.core.market.money import quantise

NAMES = ("BTC-27MAR26-110000-C", "BTC-27MAR26-90000-P", "BTC_USDC-27MAR26-80000-P", "ETH-27MAR26-4000-C")

amounts = st.integers(-50, 50).map(lambda n: Decimal(n) / 10)
sizes = st.integers(1, 50).map(lambda n: Decimal(n) / 10)
marks = st.integers(0, 3_000_000).map(lambda n: Decimal(n) / 1_000_000)
orders = st.lists(st.tuples(st.sampled_from(Side), sizes, marks), max_size=3).map(tuple)
lines = st.builds(
    MarginLine,
    instrument=st.sampled_from(NAMES).map(parse_instrument),
    position=amounts,
    mark=marks,
    underlying=st.integers(10, 250_000).map(Decimal),
    orders=orders,
)
balances = st.decimals(-1000, 1000, places=8)


@given(balances, st.lists(lines, max_size=6))
def test_account_identities(balance: Decimal, given_lines: list[MarginLine]) -> None:
    for currency in ("BTC", "ETH", "USDC"):
        account = currency_account(currency, balance, given_lines)
        assert account.equity == account.balance + account.options_value
        assert account.margin_balance == account.equity - account.options_value == balance
        assert available_funds(account) == account.margin_balance - account.initial_margin
        assert account.initial_margin >= account.maintenance_margin >= 0
        own = [one for one in given_lines if one.instrument.product.settlement_currency == currency]
        assert account.options_value == quantise(
            sum((x.position * x.mark for x in own), Decimal(0)), currency
        )


@given(lines, sizes)
def test_another_resting_sell_never_frees_margin(line: MarginLine, amount: Decimal) -> None:
    more = replace(line, orders=(*line.orders, (Side.SELL, amount, line.mark)))
    assert line_margin(more)[0] >= line_margin(line)[0]
    assert line_margin(more)[1] == line_margin(line)[1]


@given(lines)
def test_a_filled_sell_costs_what_it_reserved(line: MarginLine) -> None:
    """Initial margin with a resting sell is that of the position it would leave, when nothing else rests."""
    resting = replace(line, orders=((Side.SELL, Decimal(1), line.mark),))
    filled = replace(line, position=line.position - 1, orders=())
    assert line_margin(resting)[0] == line_margin(filled)[0]


@given(lines)
def test_bought_options_need_no_margin(line: MarginLine) -> None:
    assert line_margin(replace(line, position=abs(line.position), orders=())) == (0, 0)
