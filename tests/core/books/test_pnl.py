"""Profit and loss by hand: coin and dollars part ways, and both add up."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import Action, Adopted, Deposited, Settled
from optionwriter.core.books.ledger import positions
from optionwriter.core.books.pnl import (
    Both,
    PriceMissingError,
    Prices,
    account_pnl,
    chain_pnl,
    collateral,
    leg_pnl,
    max_drawdown,
    percent,
)
from tests.core.books.story import CALL, HIGHER, PUT, Story

D = Decimal


def prices(mark: str = "0.03", index: str = "100000", usdc: str = "1") -> Prices:
    return Prices({CALL: D(mark), HIGHER: D(mark), PUT: D(mark)}, {"BTC": D(index), "USDC": D(usdc)})


def test_an_open_call_loses_coin_and_dollars_as_it_rises() -> None:
    story = Story()  # 2 BTC at 90,000; one call sold at 0.02, fee 0.0003
    story.sold()
    result = chain_pnl(story.book.chains["c1"], prices())
    assert result.premium == Both(D("0.02"), D(1800))
    assert result.net_premium == Both(D("0.0197"), D(1773))
    assert result.value == Both(D("-0.03"), D(-3000))
    assert result.unrealised == Both(D("-0.01"), D(-1200))
    assert result.realised == Both(D("-0.0003"), D(-27))  # the fee is spent
    assert result.total == Both(D("-0.0103"), D(-1227))


def test_coin_and_dollars_can_have_opposite_signs() -> None:
    story = Story()
    story.sold(price="0.02", fee="0")  # at 90,000: 1,800 USD
    story.prepare("b1", Side.BUY, action=Action.CLOSE_CALL)
    story.fill("b1", "1", "0.025", index="60000")  # 1,500 USD
    result = chain_pnl(story.book.chains["c1"], Prices({}, {}))
    assert result.total == result.realised == Both(D("-0.005"), D(300))


def test_buying_back_a_part_realises_that_part() -> None:
    story = Story()
    story.sold(fee="0")
    story.prepare("b1", Side.BUY, amount="0.25", action=Action.CLOSE_CALL)
    story.fill("b1", "0.25", "0.01", index="95000")
    result = chain_pnl(story.book.chains["c1"], prices())
    assert result.realised == Both(D("0.0025"), D("450") - D("237.5"))
    assert result.unrealised == Both(D("0.015") - D("0.0225"), D(1350) - D(2250))


def test_settlement_in_the_money() -> None:
    story = Story()
    story.sold()
    story.tell(Settled(CALL, D(-1), D(125_000), D(125_000), D("-0.12"), D("0.00015")), "c1", "calls")
    result = chain_pnl(story.book.chains["c1"], Prices({}, {}))
    assert (result.payoff, result.delivery_fees) == (
        Both(D("-0.12"), D(-15_000)),
        Both(D("-0.00015"), D("-18.75")),
    )
    assert result.total == result.realised == Both(D("-0.10045"), D("-13245.75"))
    assert result.unrealised == Both() and result.fees.coin == D("-0.00045")


def test_a_rolled_chain_adds_its_legs() -> None:
    story = Story()
    story.sold()
    story.prepare("b1", Side.BUY, action=Action.ROLL_CALL, plan="p2")
    story.fill("b1", "1", "0.05", fee="0.0003", index="105000")
    story.prepare("s2", action=Action.ROLL_CALL, plan="p2", instrument=HIGHER)
    story.fill("s2", "1", "0.055", fee="0.0003", index="105010")
    chain = story.book.chains["c1"]
    first, second = leg_pnl(chain, CALL, prices()), leg_pnl(chain, HIGHER, prices())
    assert first.coin == D("0.02") - D("0.05") - D("0.0006")
    assert second.coin == D("0.055") - D("0.0003") - D("0.03")
    assert first + second == chain_pnl(chain, prices()).total


def test_an_adopted_position_counts_from_its_average_price() -> None:
    story = Story()
    story.tell(Adopted(CALL, D("-0.5"), D("0.04"), D(90_000)), "c9", "calls")
    result = chain_pnl(story.book.chains["c9"], prices())
    assert result.total == result.unrealised == Both(D("0.005"), D("1800") - D("1500"))


def test_percentages_are_of_the_collateral_at_the_opening() -> None:
    story = Story()
    story.sold(amount="0.5", fee="0")
    chain = story.book.chains["c1"]
    assert collateral(chain) == Both(D("0.5"), D(45_000))
    # total: 0.01 - 0.015 coin; 900 - 1,500 USD
    assert percent(chain_pnl(chain, prices()).total, collateral(chain)) == Both(D("-1.000"), D(-600) / D(450))
    assert percent(Both(D(1), D(1)), Both()) == Both()


def test_a_puts_collateral_is_its_strike_in_usdc() -> None:
    story = Story()
    story.tell(Deposited("m2", "USDC", D(50_000), "deposit", D(1)))
    story.prepare("s1", instrument=PUT, amount="0.5", action=Action.OPEN_CASH_SECURED_PUT)
    story.fill("s1", "0.5", "700", index="0.999")
    assert collateral(story.book.chains["c1"]) == Both(D(40_000), D(39_960))


def test_option_and_holding_are_the_whole_gain() -> None:
    story = Story()  # 2 BTC at 90,000 = 180,000 USD
    story.sold()
    story.tell(Deposited("m2", "USDC", D(10_000), "deposit", D("0.999")))
    story.tell(Deposited("m3", "BTC", D("-0.5"), "withdrawal", D(95_000)))
    result = account_pnl(story.book, positions(story.book), prices(usdc="1.001"))
    coin, usdc = result.currencies
    assert (coin.currency, usdc.currency) == ("BTC", "USDC")
    assert coin.equity == Both(D("1.4897"), D(148_970))
    assert coin.invested_usd == D(132_500)
    assert coin.option == Both(D("-0.0103"), D(-1227))
    # 2 BTC x 10,000 - 0.5 x 5,000 + 0.0197 x 10,000
    assert coin.holding_usd == D(17_697)
    assert coin.option.usd + coin.holding_usd == coin.gain_usd == D(16_470)
    assert (usdc.gain_usd, usdc.holding_usd, usdc.option.usd) == (D(20), D(20), 0)
    assert result.benchmark_usd == D(150_000) + D(10_010)
    assert result.gain_usd == D(16_490) == result.option_usd + result.holding_usd
    assert result.equity_usd - result.invested_usd == result.gain_usd


def test_a_missing_price_is_named() -> None:
    story = Story()
    story.sold()
    with pytest.raises(PriceMissingError, match=f"no mark for {CALL}"):
        chain_pnl(story.book.chains["c1"], Prices({}, {"BTC": D(1)}))
    with pytest.raises(PriceMissingError, match="no USD price for BTC"):
        chain_pnl(story.book.chains["c1"], Prices({CALL: D(1)}, {}))
    with pytest.raises(PriceMissingError, match="no USD price for BTC"):
        account_pnl(story.book, {}, Prices({}, {}))


@pytest.mark.parametrize(
    ("series", "worst"),
    [([], 0), ([1, 2, 3], 0), ([-1], 1), ([3, 1, 2, 5, 0, 4], 5), ([-2, 4, 1], 3), ([-5, 4, 1], 5)],
)
def test_drawdown_falls_from_the_highest_point_starting_at_nothing(series: list[int], worst: int) -> None:
    assert max_drawdown(D(one) for one in series) == worst
