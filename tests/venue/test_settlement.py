"""08:00 UTC: what expires, what it pays, how it is logged. Payoffs are computed here in fractions, exactly."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from tests.venue.desk import Desk
from tests.venue.flat_feed import START, FlatFeed

EIGHT = START + 8 * MS_PER_HOUR
EXPIRY = EIGHT + MS_PER_DAY  # 2JAN26, a Friday: a weekly, which pays the delivery fee
DAILY = EIGHT + 2 * MS_PER_DAY  # 3JAN26


def rounded(value: Fraction, places: int) -> Decimal:
    """Half-even on a decimal grid, from the exact fraction."""
    scaled = round(value * 10**places)
    return Decimal(scaled).scaleb(-places)


def in_the_money(name: str, amount: str, price: str, long: bool = False) -> Desk:
    desk = Desk()
    desk.feed.pin(name, desk.now, float(price), float(price) * 1.1, 10, 10, mark=float(price))
    if long:
        desk.feed.pin(name, desk.now, None, float(price), 10, 10, mark=float(price))
        desk.buy(name, amount, price)
    else:
        desk.sell(name, amount, price)
    return desk


@pytest.mark.parametrize("long", [False, True])
def test_an_inverse_call_in_the_money_ends_in_two_entries(long: bool) -> None:
    name = "BTC-2JAN26-72000-C"
    desk = in_the_money(name, "0.7", "0.1", long)
    before = desk.summary("BTC")["balance"]
    events = desk.to(EXPIRY)
    assert [event.kind.value for event in events] == ["settlement"]
    delivered = Fraction(repr(desk.feed.delivery_price("btc_usd", EXPIRY)))
    assert delivered > 72_000
    sign = 1 if long else -1
    payoff = rounded(sign * Fraction(7, 10) * (delivered - 72_000) / delivered, 8)
    fee = Decimal("0.000105")  # 0.7 × 0.00015: far from the cap
    delivery, exercise = desk.log("BTC")[:2]
    assert (exercise["type"], exercise["instrument_name"]) == ("exercise", name)
    assert (exercise["cashflow"], exercise["commission"], exercise["change"]) == (0, fee, -fee)
    assert (exercise["price"], exercise["position"], exercise["amount"]) == (72_000, 0, Decimal("0.7"))
    assert (delivery["type"], delivery["instrument_name"]) == ("delivery", "BTC-2JAN26")
    assert (delivery["cashflow"], delivery["commission"]) == (payoff, 0)
    assert delivery["amount"] == 50_400  # 0.7 × 72,000 USD of the inverse future
    assert delivery["settlement_price"] == Decimal(repr(desk.feed.delivery_price("btc_usd", EXPIRY)))
    word = "close sell" if long else "close buy"
    assert exercise["side"] == delivery["side"] == word
    assert delivery["user_seq"] == exercise["user_seq"] + 1
    assert exercise["change"] + delivery["change"] == payoff - fee
    assert desk.summary("BTC")["balance"] == before + payoff - fee
    assert desk.ask("private/get_positions") == []


def test_a_future_of_strike_dollars_pays_what_the_option_pays() -> None:
    """Why the two entries add up: K (1/K - 1/D) = (D - K) / D."""
    for strike, delivered in ((72_000, 80_301), (1_000, 999_999), (79_999, 80_000)):
        future = Fraction(strike) * (Fraction(1, strike) - Fraction(1, delivered))
        assert future == Fraction(delivered - strike, delivered)


def test_a_linear_put_in_the_money_pays_usdc() -> None:
    name = "BTC_USDC-2JAN26-88000-P"
    desk = in_the_money(name, "0.35", "8000")
    before = desk.summary("USDC")["balance"]
    desk.to(EXPIRY)
    delivered = Fraction(repr(desk.feed.delivery_price("btc_usdc", EXPIRY)))
    payoff = rounded(-Fraction(35, 100) * (88_000 - delivered), 6)
    fee = rounded(Fraction(35, 100) * Fraction(15, 100_000) * delivered, 6)
    assert desk.summary("USDC")["balance"] == before + payoff - fee
    delivery, exercise = desk.log("USDC")[:2]
    assert delivery["instrument_name"] == "BTC_USDC-2JAN26"
    assert (delivery["change"], exercise["change"]) == (payoff, -fee)
    assert exercise["side"] == "close buy" and delivery["side"] == "close sell"  # short put: long future


def test_a_daily_pays_no_delivery_fee() -> None:
    desk = in_the_money("BTC-3JAN26-72000-C", "1", "0.1")
    desk.to(DAILY)
    assert desk.log("BTC")[1]["commission"] == 0
    assert desk.log("BTC")[1]["change"] == 0


def test_the_cap_binds_on_a_small_payoff() -> None:
    """An eighth of the value is less than 0.00015 where the value is under 0.0012."""
    feed = FlatFeed(wave=0)
    strike = 79_980
    name = f"BTC-2JAN26-{strike}-C"
    listed = feed.listed
    feed.listed = lambda code, at: (
        (*listed(code, at), name) if code == "BTC" and at < EXPIRY else listed(code, at)
    )
    desk = Desk(feed)
    desk.sell(name, "1", str(desk.ask("public/ticker", instrument_name=name)["best_bid_price"]))
    desk.to(EXPIRY)
    value = Fraction(20, 80_000)
    assert desk.log("BTC")[1]["commission"] == rounded(value / 8, 8) == Decimal("0.00003125")
    assert desk.log("BTC")[0]["change"] == -rounded(value, 8)


def test_out_of_the_money_ends_in_one_entry_without_money() -> None:
    desk = in_the_money("BTC-2JAN26-88000-C", "1", "0.002")
    before = desk.summary("BTC")["balance"]
    count = len(desk.log("BTC"))
    desk.to(EXPIRY)
    entry = desk.log("BTC")[0]
    assert len(desk.log("BTC")) == count + 1
    assert (entry["type"], entry["change"], entry["instrument_name"]) == ("delivery", 0, "BTC-2JAN26-88000-C")
    assert desk.summary("BTC")["balance"] == before
    assert desk.ask("private/get_positions") == []


def test_orders_on_the_expired_end_and_the_instrument_is_closed() -> None:
    name = "BTC-2JAN26-88000-C"
    desk = in_the_money(name, "1", "0.002")
    order = desk.buy(name, "0.5", "0.0001")["order"]["order_id"]
    kept = desk.sell("BTC-4JAN26-88000-C", "0.5", "0.013")["order"]["order_id"]
    desk.to(EXPIRY)
    ended = desk.ask("private/get_order_state", order_id=order)
    assert (ended["order_state"], ended["cancel_reason"]) == ("cancelled", "settlement")
    assert [one["order_id"] for one in desk.ask("private/get_open_orders")] == [kept]
    instrument = desk.ask("public/get_instrument", instrument_name=name)
    assert (instrument["state"], instrument["is_active"]) == ("closed", False)
    assert name not in {one["instrument_name"] for one in desk.ask("public/get_instruments", currency="BTC")}
    expired = desk.ask("public/get_instruments", currency="BTC", expired="true")
    assert name in {one["instrument_name"] for one in expired}


def test_the_settlement_history_pages_and_filters() -> None:
    desk = in_the_money("BTC-2JAN26-72000-C", "0.7", "0.1")
    bid = desk.ask("public/ticker", instrument_name="BTC-3JAN26-84000-C")["best_bid_price"]
    desk.sell("BTC-3JAN26-84000-C", "0.5", str(bid))
    desk.to(DAILY)
    ask = "private/get_settlement_history_by_currency"
    whole = desk.ask(ask, currency="BTC")["settlements"]
    assert [one["type"] for one in whole] == ["delivery", "delivery", "exercise"]
    assert whole[-1]["position"] == Decimal("-0.7") and whole[-1]["timestamp"] == EXPIRY
    assert whole[-1]["index_price"] == Decimal(repr(desk.feed.delivery_price("btc_usd", EXPIRY)))
    first = desk.ask(ask, currency="BTC", count=2)
    rest = desk.ask(ask, currency="BTC", count=2, continuation=first["continuation"])
    assert first["settlements"] + rest["settlements"] == whole and rest["continuation"] is None
    assert len(desk.ask(ask, currency="BTC", type="exercise")["settlements"]) == 1
    assert desk.ask(ask, currency="ETH")["settlements"] == []
    one = desk.ask("private/get_settlement_history_by_instrument", instrument_name="BTC-3JAN26-84000-C")
    assert len(one["settlements"]) == 1


def test_session_figures_begin_anew_at_eight() -> None:
    name = "BTC-4JAN26-82000-C"
    desk = Desk()
    desk.feed.pin(name, desk.now, 0.0120, 0.0125)
    desk.sell(name, "1", "0.012")
    desk.buy(name, "0.4", "0.0125")
    summary = desk.summary("BTC")
    assert summary["options_session_rpl"] == Decimal("-0.0002")
    desk.to(EXPIRY)
    summary = desk.summary("BTC")
    mark = desk.ask("private/get_positions")[0]["mark_price"]
    assert (summary["options_session_rpl"], summary["options_session_upl"]) == (0, 0)
    assert summary["options_pl"] == (Decimal("0.6") * (Decimal("0.012") - mark)).quantize(Decimal("1e-8"))


def test_several_expiring_at_once_each_pair_up_and_the_last_equity_is_the_balance() -> None:
    desk = Desk()
    for strike in (72_000, 74_000, 76_000):
        name = f"BTC-2JAN26-{strike}-C"
        bid = desk.ask("public/ticker", instrument_name=name)["best_bid_price"]
        desk.sell(name, "0.3", str(bid))
    desk.to(EXPIRY)
    entries = desk.log("BTC")[:6][::-1]
    assert [one["type"] for one in entries] == ["exercise", "delivery"] * 3
    assert [one["amount"] for one in entries[1::2]] == [21_600, 22_200, 22_800]
    assert entries[-1]["equity"] == entries[-1]["balance"]
    # what has not been booked yet still counts in equity, so that equity falls by fees alone
    fees = sum(one["commission"] for one in entries)
    assert abs(entries[0]["equity"] + entries[0]["commission"] - fees - entries[-1]["equity"]) < Decimal(
        "5e-8"
    )
