"""The covered-call rules: what they sell and when, and every coin of it reckoned by hand."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import numpy as np
import pytest

from optionwriter.core.books.account import AccountSnapshot, CurrencyAccount
from optionwriter.core.books.book import Book, Totals
from optionwriter.core.decide.state import AgentState, build_state
from optionwriter.core.market.chain import InstrumentTable, OptionChain
from optionwriter.core.market.context import MarketContext
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, product
from optionwriter.core.report.benchmarks import CallRule, benchmark_usd, month_atm, monthly_otm, rules, units
from optionwriter.core.report.glimpse import Glimpses, Rows

JAN_5 = 20_458 * MS_PER_DAY
JAN_30 = JAN_5 + 25 * MS_PER_DAY + 8 * MS_PER_HOUR  # the month's last Friday, 08:00 UTC
Quotes = Mapping[str, tuple[float, float]]  # bid (NaN: none), mark

QUOTES: Quotes = {
    "BTC-16JAN26-99000-C": (0.002, 0.0021),
    "BTC-30JAN26-90000-C": (0.04, 0.0402),
    "BTC-30JAN26-95000-C": (0.02, 0.0203),
    "BTC-30JAN26-98000-C": (float("nan"), 0.0115),  # nearest to 99,000 from below, and not quoted
    "BTC-30JAN26-99000-P": (0.1, 0.102),
    "BTC-30JAN26-101000-C": (0.01, 0.0105),
    "BTC-27FEB26-99000-C": (0.03, 0.031),
}


def state_at(
    at_ms: int, index: float, quotes: Quotes = QUOTES, deposited: Decimal = Decimal("2.05")
) -> AgentState:
    table = InstrumentTable.of(product("BTC"), tuple(quotes))
    bid = np.array([one[0] for one in quotes.values()])
    mark = np.array([one[1] for one in quotes.values()])
    flat, gone = np.full(len(table), 0.5), np.full(len(table), np.nan)
    forward = np.full(len(table), index)
    chain = OptionChain(table, at_ms, index, forward, mark, flat, bid, mark, gone, gone, gone, gone)
    zero = Decimal(0)
    cash = CurrencyAccount("BTC", deposited, deposited, deposited, zero, zero, zero)
    account = AccountSnapshot(at_ms, "A", "local", "segregated_sm", False, (cash,), (), ())
    book = Book(totals={"BTC": Totals(deposited=deposited)})
    return build_state(at_ms, account, book, {"BTC": chain}, {"BTC": MarketContext("BTC", at_ms, 0.4, 0.4)})


def never(_index: str, _expiry_ms: int) -> float:
    raise AssertionError("nobody may ask for a delivery price before its expiry")


def test_the_monthly_rule_through_a_month_by_hand() -> None:
    asked: list[tuple[str, int]] = []

    def delivery(index: str, expiry_ms: int) -> float:
        asked.append((index, expiry_ms))
        return 110_000.0

    rule = CallRule("benchmark_otm", monthly_otm, delivery)
    rule.look(state_at(JAN_5, 90_000.0))
    rule.look(state_at(JAN_30 - MS_PER_HOUR, 109_000.0))
    assert asked == []
    rule.look(state_at(JAN_30, 111_000.0, {"BTC-27FEB26-120000-C": (0.02, 0.021)}))
    assert asked == [("btc_usd", JAN_30)]
    rule.look(state_at(JAN_30 + 15 * MS_PER_HOUR, 111_000.0, {"BTC-27FEB26-120000-C": (0.02, 0.021)}))
    rule.look(state_at(JAN_30 + 16 * MS_PER_HOUR, 111_000.0, {"BTC-27FEB26-120000-C": (0.02, 0.021)}))
    found = rule.found()
    # 10 % over 90,000 is 99,000: of the bid calls of 30 January 101,000 is nearest. 2.0 of 2.05 BTC can be sold.
    # premium 2 x 0.01, fee 2 x 0.0003: cash 2.05 + 0.02 - 0.0006 = 2.0694
    # delivery at 110,000: payoff 2 x 9,000 / 110,000 = 0.16363636, fee 2 x 0.00015: cash 1.90546364
    # the day after, 00:00: 1.9 of 27 February sold at 0.02: + 0.038 - 0.00057, marked at 0.021
    expected = [
        2.0694 - 2 * 0.0105,
        2.0694 - 2 * 0.0105,
        2.0694 - 0.16363636 - 0.0003,
        1.90546364,
        1.90546364 + 0.038 - 0.00057 - 1.9 * 0.021,
    ]
    assert found.equity["BTC"] == pytest.approx(expected, abs=1e-12)
    assert found.fees["BTC"] == pytest.approx(0.0006 + 0.0003 + 0.00057, abs=1e-12)


def test_the_monthly_rule_sells_the_higher_of_two_strikes_as_near_and_no_put() -> None:
    quotes = {**QUOTES, "BTC-30JAN26-97000-C": (0.015, 0.016)}
    chain = state_at(JAN_5, 90_000.0, quotes).chain("BTC")
    assert chain is not None
    row = monthly_otm(chain, JAN_5)
    assert row is not None and chain.table.names[row] == "BTC-30JAN26-101000-C"


def test_the_money_rule_takes_the_expiry_nearest_to_thirty_days() -> None:
    chain = state_at(JAN_5, 91_000.0).chain("BTC")
    assert chain is not None
    row = month_atm(chain, JAN_5)  # 25 days off; 27 February is 53
    assert row is not None and chain.table.names[row] == "BTC-30JAN26-90000-C"
    row = month_atm(chain, JAN_5 + 20 * MS_PER_DAY)  # then 5 against 33
    assert row is not None and chain.table.names[row] == "BTC-27FEB26-99000-C"


def test_without_a_bid_nothing_is_sold_and_the_coins_stay() -> None:
    quotes = {name: (float("nan"), mark) for name, (_, mark) in QUOTES.items()}
    for rule in rules(never):
        rule.look(state_at(JAN_5, 90_000.0, quotes))
        assert rule.found().equity["BTC"].tolist() == [2.05]


def test_a_deposit_arrives_and_a_second_look_replaces_the_first() -> None:
    rule = CallRule("benchmark_otm", monthly_otm, never)
    for at_ms, deposited in ((JAN_5, "2.05"), (JAN_5, "2.05"), (JAN_5 + MS_PER_DAY, "3.05")):
        rule.look(state_at(at_ms, 90_000.0, deposited=Decimal(deposited)))
    found = rule.found()
    first = 2.0694 - 0.021
    assert found.equity["BTC"] == pytest.approx([first, first + 1.0], abs=1e-12)
    price = {"BTC": np.array([90_000.0, 91_000.0])}
    assert benchmark_usd(found, price) == pytest.approx([first * 90_000, (first + 1) * 91_000], abs=1e-6)
    assert [(rule, name) for rule, name, _ in units([found], price)] == [
        ("benchmark_otm", "BTC"),
        ("benchmark_otm", "USD"),
    ]


def test_between_two_sales_it_is_steady_and_a_glimpse_is_valued_as_a_look() -> None:
    rule, plain = (CallRule("benchmark_otm", monthly_otm, lambda _index, _at: 110_000.0) for _ in range(2))
    gone = {"BTC-27FEB26-120000-C": (0.02, 0.021)}
    state = state_at(JAN_5, 90_000.0)
    rule.look(state)
    plain.look(state)
    assert rule.steady_until(JAN_5) == JAN_30  # it holds what it sold to its expiry
    later = {**QUOTES, "BTC-30JAN26-101000-C": (0.006, 0.0065)}
    rows = Rows(np.array([91_000.0]), np.array([0.0065]), np.array([0.5]))
    at_ms, index = np.array([JAN_5 + MS_PER_HOUR]), {"BTC": np.array([91_000.0])}
    rule.passing(state).look(Glimpses(at_ms, index, {"BTC-30JAN26-101000-C": rows}))
    plain.look(state_at(JAN_5 + MS_PER_HOUR, 91_000.0, later))
    for one in (rule, plain):
        one.look(state_at(JAN_30, 111_000.0, gone))
    assert rule.found().equity["BTC"].tolist() == plain.found().equity["BTC"].tolist()
    assert rule.steady_until(JAN_30) == JAN_30 + 16 * MS_PER_HOUR  # and sells again on the day after
    again_ms = JAN_30 + 17 * MS_PER_HOUR
    assert rule.steady_until(again_ms) == again_ms + 1
