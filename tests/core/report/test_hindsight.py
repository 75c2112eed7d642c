"""What rejected candidates would have earned, against amounts worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from optionwriter.core.report.hindsight import by_gate, outcomes

D = Decimal
SPOT = {"BTC": "95000", "ETH": D(3100)}


def row(name: str, bid: float | None, gate: str = "delta", chosen: bool = False) -> dict[str, Any]:
    return {"instrument": name, "bid": bid, "gate": gate, "chosen": chosen}


def delivered(price: str | None) -> Any:
    return lambda index_name, expiry_ms: None if price is None else D(price)


def test_a_friday_call_in_the_money_pays_its_payoff_and_both_fees() -> None:
    (one,) = outcomes(SPOT, [row("BTC-30JAN26-100000-C", 0.01)], delivered("125000"))
    assert one.premium == D("0.01") - D("0.0003")  # 0.03 % of a coin; an eighth of the price would be more
    assert one.paid == D("0.2") + D("0.00015")  # (125000 - 100000) / 125000, and 0.015 %
    assert one.earned == D("-0.19045")
    assert one.earned_usd == D("0.0097") * 95_000 - D("0.20015") * 125_000


def test_a_daily_pays_no_delivery_fee_and_a_cheap_option_an_eighth() -> None:
    (one,) = outcomes(SPOT, [row("BTC-28JAN26-100000-C", 0.001)], delivered("125000"))
    assert one.premium == D("0.001") - D("0.000125") and one.paid == D("0.2")


def test_a_linear_put_counts_in_usdc_whatever_the_index() -> None:
    (one,) = outcomes(SPOT, [row("ETH_USDC-30JAN26-3000-P", 40.0)], delivered("2800"))
    fee, delivery = D("0.0003") * 3100, D("0.00015") * 2800
    assert one.currency == "USDC" and one.earned == D(40) - fee - D(200) - delivery == one.earned_usd
    (free,) = outcomes(SPOT, [row("ETH_USDC-30JAN26-3000-P", 40.0)], delivered("3000"))
    assert free.earned == D(40) - fee and free.paid == 0


def test_without_a_bid_or_a_delivery_price_it_is_unknown() -> None:
    rows = [row("BTC-30JAN26-100000-C", None), row("BTC-30JAN26-101000-C", float("nan")),
            row("BTC-30JAN26-102000-C", 0.0)]  # fmt: skip
    for one in outcomes(SPOT, rows, delivered("90000")):
        assert (one.earned, one.earned_usd, one.why) == (None, None, "nobody bid for it")
    (later,) = outcomes(SPOT, [row("BTC-30JAN26-100000-C", 0.01)], delivered(None))
    assert later.earned is None and "not known yet" in later.why


def test_gates_are_summed_and_an_instrument_counts_once() -> None:
    rows = [row("BTC-30JAN26-100000-C", 0.01), row("BTC-30JAN26-100000-C", 0.01, "roll_cost"),
            row("BTC-30JAN26-200000-C", 0.001), row("BTC-30JAN26-90000-C", None, "", True)]  # fmt: skip
    found = outcomes(SPOT, rows, delivered("125000"))
    assert len(found) == 3
    menu, delta = by_gate(found)
    assert (menu["gate"], menu["candidates"], menu["known"], menu["mean_usd"]) == ("on the menu", 1, 0, None)
    assert (delta["candidates"], delta["known"], delta["lost"]) == (2, 2, 1)
    first = D("0.0097") * 95_000 - D("0.20015") * 125_000
    assert delta["mean_usd"] == (first + D("0.000875") * 95_000) / 2
