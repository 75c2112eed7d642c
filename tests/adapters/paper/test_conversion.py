"""Conversion: a wheel's coin bought or sold at the index less its cost, by hand, and never with cash that covers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.paper import PaperBroker
from optionwriter.adapters.paper.conversion import Conversion
from optionwriter.core.books.account import CONVERSION, Acknowledged, CashMovement, Settlement, Side
from optionwriter.core.market.instruments import MS_PER_DAY, parse_instrument
from tests.contracts.brokers import CASH, HOUR, TEN, Seat
from tests.venue.flat_feed import START, FlatFeed

D = Decimal
PUT, CALL = "BTC_USDC-9JAN26-90000-P", "BTC-9JAN26-60000-C"
AT = parse_instrument(PUT).expiry_ms
USD = {"BTC": D(80_000), "ETH": D(3_000), "USDC": D(1)}


def usd_value(currency: str, _at_ms: int) -> Decimal:
    return USD[currency]


def ended(name: str, position: str, payoff: str) -> Settlement:
    return Settlement(name, D(position), D(80_000), D(payoff), D(0), AT)


def moved(
    *settled: Settlement, cash: dict[str, str], cost: str = "0.001", short: str = ""
) -> dict[str, Decimal]:
    shorts = [(parse_instrument(short), D(1))] if short else []
    own = {name: D(amount) for name, amount in cash.items()}
    found = Conversion(D(cost)).turned(settled, own, shorts, usd_value, AT)
    assert all(one.kind == CONVERSION and one.index == USD[one.currency] for one in found)
    return {one.currency: one.amount for one in found}


def test_a_puts_coins_are_bought_at_the_index_and_its_cost() -> None:
    # half a coin at 80,000 × 1.001
    assert moved(ended(PUT, "-0.5", "-5000"), cash={"USDC": "100000"}) == {
        "USDC": D(-40_040),
        "BTC": D("0.5"),
    }
    # only what covers nothing is spent: 100,000 less a put's 78,000 buy 22,000 / 80,080, rounded down
    less = moved(ended(PUT, "-0.5", "-5000"), cash={"USDC": "100000"}, short="BTC_USDC-16JAN26-78000-P")
    assert less["BTC"] == D("0.27472527") and D(-22_000) <= less["USDC"] < D("-21999.99")


def test_a_calls_strike_is_sold_in_coin() -> None:
    # 1 coin at 60,000 is 0.75 coins at 80,000, which bring 60,000 less a thousandth
    found = moved(ended(CALL, "-1", "-0.25"), cash={"BTC": "0.75"})
    assert found == {"BTC": D("-0.75"), "USDC": D(59_940)}


def test_nothing_else_is_converted() -> None:
    cash = {"BTC": "2", "USDC": "100000"}
    assert (
        moved(ended(PUT, "-0.5", "0"), ended(PUT, "0.5", "5000"), cash=cash) == {}
    )  # out of the money, or held
    assert moved(ended("BTC-9JAN26-90000-P", "-1", "-0.125"), cash=cash) == {}  # no wheel writes it
    assert moved(ended(PUT, "-0.5", "-5000"), cash={"USDC": "0"}) == {}
    with pytest.raises(ValueError, match="conversion cost is 1"):
        Conversion(D(1))


def test_the_broker_converts_after_the_settlement_and_equity_moves_by_the_cost() -> None:
    feed, clock = FlatFeed(wave=0), SimulatedClock(TEN)
    listed = feed.listed("BTC_USDC", TEN)
    name = max(one for one in listed if one.endswith("-84000-P") and one.startswith("BTC_USDC-2JAN26"))
    feed.pin(name, TEN, 4_000.0, 4_100.0)
    broker = PaperBroker(feed, clock, "me", CASH, conversion=Conversion(D("0.001")))
    own = Seat(broker, clock, feed, broker.deposit)
    sold = broker.send(own.intent(name, Side.SELL, "1", "4000"))
    assert isinstance(sold, Acknowledged) and sold.fills
    own.to(START + MS_PER_DAY + 9 * HOUR)
    _, settled, out, into = broker.events_since(0)
    assert isinstance(settled, Settlement) and settled.payoff == D(-4_000)
    assert isinstance(out, CashMovement) and isinstance(into, CashMovement)
    assert (out.currency, out.amount, into.currency, into.amount) == ("USDC", D(-80_080), "BTC", D(1))
    assert out.amount * out.index + into.amount * into.index == D(-80)  # a thousandth of the coin's worth
    account = broker.account()
    fee = sold.fills[0].fee + settled.fee
    assert account.currency("USDC").balance == 200_000 + 4_000 - fee - 4_000 - 80_080
    assert account.currency("BTC").balance == 3
