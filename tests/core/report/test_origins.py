"""Origins and costs: what is told of prices that were not recorded, and of money that no position earned."""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.account import YIELD, Side
from optionwriter.core.books.chains import Flow, FlowKind
from optionwriter.core.books.facts import Body, Deposited, Fact, Filled, Settled
from optionwriter.core.report.costs import fees_saved, idle_yield
from optionwriter.core.report.origins import MADE, Origins, SettledBy, counts, flow_origins, told

D = Decimal
CALL, PUT = "BTC-27FEB26-80000-C", "BTC_USDC-27FEB26-60000-P"


def fill(name: str, fee: str, at_ms: int) -> Fact:
    linear = "USDC" in name
    price = D(1_000) if linear else D("0.01")
    return fact(
        Filled(
            "l", "o", f"t{at_ms}", name, Side.SELL, D(2), price, 2 * price, D(fee), D(70_000),
            D("0.5") if linear else D(70_000), price,
        ),
        at_ms,
    )  # fmt: skip


def fact(body: Body, at_ms: int = 0) -> Fact:
    return Fact(1, at_ms, at_ms, "a", "s", "", "c", body)


def by_even(product: str, at_ms: int) -> bool:
    return at_ms % 2 == 1


KNOWN = Origins(
    by_even,
    lambda product, _at_ms: product == "BTC_USDC",
    lambda index, _at_ms: SettledBy.OFFICIAL if index == "btc_usd" else SettledBy.PRICE,
)
FACTS = [
    fill(CALL, "0.0006", 2),
    fill(PUT, "42", 3),
    fact(Settled(CALL, D(-2), D(70_000), D(70_000), D(0), D(0))),
    fact(Settled(PUT, D(-2), D(70_000), D(1), D(0), D(0))),
    fact(Deposited("m", "USDC", D(3), YIELD, D("0.5"))),
    fact(Deposited("n", "BTC", D("0.001"), YIELD, D(70_000))),
    fact(Deposited("d", "BTC", D(1), "deposit", D(70_000))),
]


def test_fills_and_settlements_are_counted_by_where_their_price_came_from() -> None:
    assert dict(counts(KNOWN, FACTS)) == {
        "fills": 2.0, "fills_repriced": 1.0, "fills_converted": 1.0,
        "settlements_official": 1.0, "settlements_path_average": 0.0, "settlements_price_0800": 1.0,
    }  # fmt: skip
    assert told("own", KNOWN, FACTS) == [
        (
            "own: 2 settlements: 1 by the official delivery price (exact); 1 by the price of 08:00 UTC (within 10 bp "
            "of the official one at the median, 49 bp in 95 % of cases)."
        ),
        "own: 1 of 2 fills were at prices moved on from the last snapshot, not recorded ones.",
        "own: 1 of 2 fills were in linear options whose quotes are converted from inverse ones.",
    ]
    assert dict(counts(MADE, FACTS))["settlements_path_average"] == 2.0
    assert told("own", MADE, FACTS[:2]) == []


def test_a_trades_flow_carries_its_flags_and_no_other_flow_does() -> None:
    assert flow_origins(KNOWN, Flow(3, FlowKind.PREMIUM, D(1), D(1), PUT)) == {
        "repriced": True,
        "converted": True,
    }
    assert flow_origins(KNOWN, Flow(2, FlowKind.PREMIUM, D(1), D(1), CALL)) == {}
    assert flow_origins(KNOWN, Flow(3, FlowKind.FEE, D(1), D(1), PUT)) == {}


def test_saved_fees_and_earned_yield_in_coin_and_dollars() -> None:
    """A call's own fee is 0.0006; a put's 2 × 0.0003 × 70,000 = 42."""
    assert fees_saved(FACTS, "USD") == 0
    cheaper = [fill(CALL, "0.0002", 1), fill(PUT, "12", 1)]
    assert fees_saved(cheaper[:1], "BTC") == D("0.0004") and fees_saved(cheaper[1:], "USDC") == 30
    assert fees_saved(cheaper, "USD") == D("0.0004") * 70_000 + 15
    assert idle_yield(FACTS, "USDC") == 3 and idle_yield(FACTS, "BTC") == D("0.001")
    assert idle_yield(FACTS, "USD") == D("1.5") + 70 and idle_yield(FACTS, "ETH") == 0
