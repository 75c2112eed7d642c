"""The upside ledger, against amounts worked out by hand and against the books' own P&L."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import (
    Action,
    Adopted,
    Body,
    Deposited,
    Fact,
    Filled,
    Intent,
    IntentPrepared,
    LedgerOpened,
    Settled,
)
from optionwriter.core.books.ledger import replay
from optionwriter.core.books.pnl import Both, Prices, chain_pnl
from optionwriter.core.report.upside import UpsideLedger, upside_of

D = Decimal
CALL, HIGHER = "BTC-30JAN26-100000-C", "BTC-27FEB26-120000-C"
PUT = "ETH_USDC-30JAN26-3000-P"


class Facts:
    """Facts of one account, one after the other."""

    def __init__(self) -> None:
        self.all: list[Fact] = []
        self.add(LedgerOpened("local", "paper"))
        self.add(Deposited("opening:BTC", "BTC", D(2), "opening", D(100_000)))

    def add(self, body: Body, chain: str = "", strategy: str = "") -> None:
        seq = len(self.all) + 1
        self.all.append(Fact(seq, 1_768_000_000_000 + seq, 0, "a", strategy, "d", chain, body))

    def trade(
        self, chain: str, name: str, side: Side, amount: str, price: str, index: str, **more: Any
    ) -> None:
        label = f"L{len(self.all)}"
        usdc = "_USDC" in name
        cash = -side.sign * D(amount) * D(price)
        fee = D(more.get("fee", "0"))
        action = Action.OPEN_CASH_SECURED_PUT if usdc else Action.OPEN_COVERED_CALL
        strategy = more.get("strategy", "income")
        intent = Intent(
            label, "p", 0, action, "open", name, side, D(amount), D(price), more.get("closes", False), 2**50
        )
        self.add(IntentPrepared(intent), chain, strategy)
        self.add(Filled(label, f"o{label}", f"t{label}", name, side, D(amount), D(price), cash, fee, D(index),
                        D(1) if usdc else D(index), D(price)), chain, strategy)  # fmt: skip

    def settle(self, chain: str, name: str, position: str, price: str, payoff: str, fee: str = "0") -> None:
        index = D(1) if "_USDC" in name else D(price)
        self.add(Settled(name, D(position), D(price), index, D(payoff), D(fee)), chain, "income")


def folded(facts: Facts) -> UpsideLedger:
    found = UpsideLedger()
    found.add(facts.all)
    book = replay(facts.all)
    for (
        one
    ) in found.chains():  # what is kept less what is given up is the books' own total, to the last digit
        chain = book.chains[one.chain_id]
        trades = [
            fact.body for fact in facts.all if isinstance(fact.body, Filled) and fact.chain_id == one.chain_id
        ]
        assert upside_of(chain, trades) == (one.given_up, one.kept)
        if not chain.open_legs:
            assert one.net == chain_pnl(chain, Prices({}, {})).total
    return found


def test_a_call_that_settles_above_its_strike_gives_up_the_coins_beyond_it() -> None:
    facts = Facts()
    facts.trade("c1", CALL, Side.SELL, "2", "0.01", "95000", fee="0.0006")
    # at 125,000 a coin owes (125000 - 100000) / 125000 = 0.2; two owe 0.4
    facts.settle("c1", CALL, "-2", "125000", "-0.4", "0.0003")
    one = folded(facts).of("c1")
    assert one is not None
    assert one.given_up == Both(D("0.4"), D("0.4") * 125_000)
    assert one.kept.coin == D("0.02") - D("0.0006") - D("0.0003")
    assert one.kept.usd == D("0.0194") * 95_000 - D("0.0003") * 125_000


def test_a_call_that_ends_worthless_gives_up_nothing() -> None:
    facts = Facts()
    facts.trade("c1", CALL, Side.SELL, "1", "0.01", "95000")
    facts.settle("c1", CALL, "-1", "99000", "0")
    one = folded(facts).of("c1")
    assert one is not None and one.given_up == Both() and one.kept == Both(D("0.01"), D(950))


def test_of_a_buy_back_only_what_is_in_the_money_is_given_up() -> None:
    facts = Facts()
    facts.trade("c1", CALL, Side.SELL, "1", "0.02", "98000")
    # bought back at 0.075 with the index at 104,000: 4000/104000 = 0.03846154 was beyond the strike, the rest was time
    facts.trade("c1", CALL, Side.BUY, "1", "0.075", "104000", closes=True)
    facts.trade("c1", HIGHER, Side.SELL, "1", "0.06", "104000")
    facts.settle("c1", HIGHER, "-1", "110000", "0")
    one = folded(facts).of("c1")
    assert one is not None
    assert one.given_up == Both(D("0.03846154"), D("0.03846154") * 104_000)
    assert one.kept.coin == D("0.02") - (D("0.075") - D("0.03846154")) + D("0.06")


def test_out_of_the_money_a_buy_back_gives_up_nothing_and_never_more_than_it_cost() -> None:
    facts = Facts()
    facts.trade("c1", CALL, Side.SELL, "1", "0.02", "98000")
    facts.trade("c1", CALL, Side.BUY, "1", "0.005", "90000", closes=True)
    facts.trade("c2", CALL, Side.SELL, "1", "0.02", "98000")
    facts.trade("c2", CALL, Side.BUY, "1", "0.03", "104000", closes=True)  # under its worth: 0.03846154
    found = folded(facts)
    assert [one.given_up.coin for one in found.chains()] == [D(0), D("0.03")]
    second = found.of("c2")
    assert second is not None and second.kept.coin == D("0.02")


def test_a_put_gives_up_usdc_below_its_strike() -> None:
    facts = Facts()
    facts.trade("p1", PUT, Side.SELL, "10", "40", "3100", fee="9.3")
    facts.trade("p1", PUT, Side.BUY, "4", "130", "2900", closes=True)  # 100 of the 130 were beyond the strike
    facts.settle("p1", PUT, "-6", "2800", "-1200")
    one = folded(facts).of("p1")
    assert one is not None and one.currency == "USDC"
    assert one.given_up == Both(D(400) + 1200, D(1600))
    assert one.kept.coin == D(400) - D("9.3") - 4 * 30


def test_a_bought_leg_gives_back_what_it_brings_beyond_its_strike() -> None:
    facts = Facts()
    facts.trade("s1", HIGHER, Side.BUY, "1", "0.01", "95000")
    facts.trade("s1", CALL, Side.SELL, "1", "0.03", "95000")
    facts.trade("s1", CALL, Side.BUY, "1", "0.25", "125000", closes=True)  # 0.2 beyond 100,000
    facts.trade("s1", HIGHER, Side.SELL, "1", "0.1", "125000", closes=True)  # 0.04 beyond 120,000
    one = folded(facts).of("s1")
    assert one is not None and one.given_up.coin == D("0.16")
    assert one.kept.coin == D("-0.01") + D("0.03") - D("0.05") + D("0.06")


def test_totals_are_by_strategy_underlying_and_type_and_facts_count_once() -> None:
    facts = Facts()
    facts.trade("c1", CALL, Side.SELL, "1", "0.01", "95000")
    facts.trade("c2", CALL, Side.SELL, "1", "0.02", "95000", strategy="other")
    facts.trade("p1", PUT, Side.SELL, "1", "40", "3100")
    facts.settle("c1", CALL, "-1", "125000", "-0.2")
    found = UpsideLedger()
    found.add(facts.all[:5])
    found.add(facts.all)
    found.add(facts.all)
    assert [(one.strategy_id, one.underlying, one.option_type, one.chains) for one in found.totals()] == [
        ("income", "BTC", "call", 1), ("income", "ETH", "put", 1), ("other", "BTC", "call", 1)]  # fmt: skip
    assert found.totals()[0].given_up.coin == D("0.2") and found.totals()[2].kept.coin == D("0.02")


def test_a_position_that_was_taken_over_is_no_trade_and_is_closed_like_any() -> None:
    facts = Facts()
    facts.add(Adopted(CALL, D(-1), D("0.02"), D(98_000)), "a1", "income")
    facts.trade("a1", CALL, Side.BUY, "1", "0.075", "104000", closes=True)
    one = folded(facts).of("a1")
    assert one is not None and one.given_up.coin == D("0.03846154")
    assert one.kept.coin == D("0.02") - (D("0.075") - D("0.03846154"))
