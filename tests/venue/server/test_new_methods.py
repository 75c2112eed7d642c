"""The tape, option candles, historical volatility, subaccounts, perpetuals, cancelling by kind."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from optionwriter.core.market.instruments import parse_instrument
from tests.shared_data import shared
from tests.venue.desk import Desk, RefusedError
from tests.venue.flat_feed import MINUTE, START
from tests.venue.openapi import required, result_schema, undocumented

NAME = "BTC-4JAN26-82000-C"
HOUR = 60 * MINUTE


@pytest.fixture
def desk() -> Desk:
    """Three fills in one option at two hours: two taken, one made."""
    desk = Desk()
    desk.feed.pin(NAME, desk.now, 0.012, 0.0125)
    desk.sell(NAME, "0.3", "0.012")
    desk.buy(NAME, "0.1", "0.0125", account="other")
    desk.sell(NAME, "0.2", "0.014")
    desk.to(desk.now + HOUR)
    desk.feed.pin(NAME, desk.now + 1, 0.014, 0.0145)
    desk.to(desk.now + MINUTE)
    return desk


def test_the_tape_shows_every_fill_from_the_takers_side(desk: Desk) -> None:
    page = desk.ask("public/get_last_trades_by_instrument", account=None, instrument_name=NAME)
    assert page["has_more"] is False
    seen = [(one["direction"], one["price"], one["amount"], one["trade_seq"]) for one in page["trades"]]
    # Newest first. The last was our resting offer: who took it bought.
    assert seen == [
        ("buy", Decimal("0.014"), Decimal("0.2"), 3),
        ("buy", Decimal("0.0125"), Decimal("0.1"), 2),
        ("sell", Decimal("0.012"), Decimal("0.3"), 1),
    ]
    assert not {"order_id", "label", "user_id", "fee"} & set(page["trades"][0])
    one = desk.ask("public/get_last_trades_by_instrument", instrument_name=NAME, count=1)
    assert (one["has_more"], one["trades"][0]["trade_seq"]) == (True, 3)
    first = desk.ask("public/get_last_trades_by_instrument", instrument_name=NAME, start_seq=2)
    assert [trade["trade_seq"] for trade in first["trades"]] == [2, 3]
    coin = desk.ask("public/get_last_trades_by_currency", currency="BTC", sorting="asc")
    assert [trade["trade_seq"] for trade in coin["trades"]] == [1, 2, 3]
    assert desk.ask("public/get_last_trades_by_currency", currency="ETH")["trades"] == []


def test_the_tape_keeps_a_day_and_an_older_range_is_empty(desk: Desk) -> None:
    range_ = {"start_timestamp": desk.now - 2 * HOUR, "end_timestamp": desk.now, "instrument_name": NAME}
    ask = "public/get_last_trades_by_instrument_and_time"
    assert len(desk.ask(ask, **range_)["trades"]) == 3
    desk.to(desk.now + 24 * HOUR + MINUTE)
    assert desk.ask(ask, **range_) == {"trades": [], "has_more": False}
    with pytest.raises(RefusedError) as caught:
        desk.ask(ask, instrument_name=NAME)
    assert caught.value.data["param"] == "start_timestamp"


def test_option_candles_are_the_tapes(desk: Desk) -> None:
    desk.to(desk.now + HOUR)
    chart = desk.ask(
        "public/get_tradingview_chart_data",
        instrument_name=NAME,
        resolution="60",
        start_timestamp=START,
        end_timestamp=desk.now,
    )
    assert chart["status"] == "ok"
    assert chart["ticks"] == [START + 10 * HOUR, START + 11 * HOUR]
    assert chart["open"] == [Decimal("0.012"), Decimal("0.014")]
    assert chart["high"] == [Decimal("0.0125"), Decimal("0.014")]
    assert chart["low"] == [Decimal("0.012"), Decimal("0.014")]
    assert chart["close"] == [Decimal("0.0125"), Decimal("0.014")]
    assert chart["volume"] == [Decimal("0.4"), Decimal("0.2")]
    index = Decimal(str(desk.feed.index("btc_usd", START + 10 * HOUR)))
    premium = Decimal("0.3") * Decimal("0.012") + Decimal("0.1") * Decimal("0.0125")
    assert chart["cost"][0] == premium * index
    quiet = desk.ask(
        "public/get_tradingview_chart_data",
        instrument_name="BTC-4JAN26-84000-C",
        resolution="1",
        start_timestamp=START,
        end_timestamp=desk.now,
    )
    assert (quiet["status"], quiet["ticks"]) == ("no_data", [])


def test_historical_volatility_is_the_spread_of_hourly_returns() -> None:
    desk = Desk(at_ms=START + 40 * 24 * HOUR + 10 * HOUR + 7 * MINUTE)
    points = desk.ask("public/get_historical_volatility", account=None, currency="BTC")
    assert points[0] == points[1], "the first point comes twice, as recorded"
    stamps = [int(one[0]) for one in points[1:]]
    midnight = START + 25 * 24 * HOUR
    assert stamps == list(range(midnight, desk.now, HOUR))
    closes = [desk.feed._path("BTC", midnight - k * HOUR) for k in range(15 * 24 + 1)]
    returns = np.diff(np.log(closes[::-1]))
    mean = sum(returns) / len(returns)
    spread = (sum((one - mean) ** 2 for one in returns) / len(returns)) ** 0.5
    assert float(points[1][1]) == pytest.approx(spread * 8_760**0.5 * 100, abs=1e-5)
    with pytest.raises(RefusedError):
        desk.ask("public/get_historical_volatility", currency="USDC")


def test_subaccounts_shows_the_account_alone(desk: Desk) -> None:
    (main,) = desk.ask("private/get_subaccounts")
    assert (main["type"], main["username"], "portfolio" in main) == ("main", "me", False)
    (main,) = desk.ask("private/get_subaccounts", with_portfolio="true")
    summary = desk.summary("BTC")
    for key in ("equity", "balance", "initial_margin", "maintenance_margin", "available_funds"):
        assert main["portfolio"]["btc"][key] == summary[key]
    assert summary["initial_margin"] > 0


def test_perpetuals_are_listed_locked_and_charted(desk: Desk) -> None:
    one = {"instrument_name": "ETH-PERPETUAL"}
    assert desk.ask("public/get_instrument", **one)["state"] == "locked"
    index = Decimal(str(desk.feed.index("eth_usd", desk.now)))
    ticker = desk.ask("public/ticker", **one)
    assert ticker["mark_price"] == index
    assert ticker["min_price"] < index < ticker["max_price"]
    assert (ticker["min_price"] % Decimal("0.05"), ticker["best_bid_amount"]) == (0, 0)
    assert desk.ask("public/get_order_book", **one)["bids"] == []
    assert desk.ask("public/get_book_summary_by_instrument", **one)[0]["mark_price"] == index
    assert desk.ask("public/get_contract_size", **one) == {"contract_size": 1}
    assert desk.ask("public/get_last_trades_by_instrument", **one)["trades"] == []
    for method in ("private/buy", "private/sell"):
        with pytest.raises(RefusedError) as caught:
            desk.ask(method, amount=10, price=100, **one)
        assert caught.value.code == 10019
    names = [row["instrument_name"] for row in desk.ask("public/get_instruments", kind="option")]
    assert names
    assert not any("PERPETUAL" in name for name in names)


def test_public_settlements_are_what_expired() -> None:
    desk = Desk(at_ms=START + 3 * 24 * HOUR + 10 * HOUR)
    ask = "public/get_last_settlements_by_currency"
    page = desk.ask(ask, account=None, currency="BTC", count=1000)
    assert page["continuation"] is None
    expired = [
        name
        for day in (3, 2, 1, 0)
        for name in desk.feed.listed("BTC", START + day * 24 * HOUR + 8 * HOUR - 1)
        if parse_instrument(name).expiry_ms == START + day * 24 * HOUR + 8 * HOUR
    ]
    assert [one["instrument_name"] for one in page["settlements"]] == expired
    assert len(expired) > 30
    for one in page["settlements"]:
        option, price = parse_instrument(one["instrument_name"]), one["index_price"]
        assert price == Decimal(str(desk.feed.delivery_price("btc_usd", option.expiry_ms)))
        worth = max(Decimal(0), (price - option.strike) * (1 if option.is_call else -1)) / price
        assert abs(one["mark_price"] - worth) <= Decimal("5e-9")
        assert one["type"] == ("exercise" if worth else "delivery")
    pages, more = [], {}
    while more is not None:
        part = desk.ask(ask, currency="BTC", count=7, **more)
        pages += part["settlements"]
        more = {"continuation": part["continuation"]} if part["continuation"] else None
    assert pages == page["settlements"]
    assert desk.ask(ask, currency="BTC", type="bankruptcy")["settlements"] == []
    one = "public/get_last_settlements_by_instrument"
    assert desk.ask(one, instrument_name=expired[5])["settlements"] == [page["settlements"][5]]
    assert desk.ask(one, instrument_name="BTC-PERPETUAL")["settlements"] == []
    for wrong in ("X", "BTC-4JAN26"):
        with pytest.raises(RefusedError) as caught:
            desk.ask(one, instrument_name=wrong)
        assert caught.value.code == -32602


@pytest.mark.parametrize(
    ("params", "left"),
    [
        ({"currency": "BTC"}, ["ETH-4JAN26-3200-C"]),
        ({"currency": ["BTC", "ETH"]}, []),
        ({"currency": '["BTC","ETH"]', "kind": "option", "type": "limit"}, []),
        ({"currency": "any", "kind": "future"}, ["BTC-4JAN26-82000-C", "ETH-4JAN26-3200-C"]),
        ({"currency": "any", "type": "trigger_all"}, ["BTC-4JAN26-82000-C", "ETH-4JAN26-3200-C"]),
    ],
)
def test_cancelling_by_kind_or_type(params: dict[str, Any], left: list[str]) -> None:
    desk = Desk()
    desk.sell(NAME, "0.1", "0.02")
    desk.sell("ETH-4JAN26-3200-C", "1", "0.015")
    gone = desk.ask("private/cancel_all_by_kind_or_type", **params)
    assert [one["instrument_name"] for one in desk.ask("private/get_open_orders")] == left
    assert gone == 2 - len(left)


def test_what_cancelling_does_not_know_is_refused() -> None:
    desk = Desk()
    for params in ({}, {"currency": "GOLD"}, {"currency": [1]}, {"currency": "[}"}):
        with pytest.raises(RefusedError) as caught:
            desk.ask("private/cancel_all_by_kind_or_type", **params)
        assert (caught.value.code, caught.value.data["param"]) == (-32602, "currency")
    with pytest.raises(RefusedError) as caught:
        desk.ask("private/cancel_all", detailed=True)
    assert caught.value.code == 10033


BYPATH = {"starbase_match_id", "starbase_timestamp"}  # recorded in 2026, not in the specification


@pytest.mark.shared
@pytest.mark.parametrize(
    ("method", "params", "excused"),
    [
        ("public/get_last_trades_by_instrument", {"instrument_name": NAME}, "trades."),
        ("public/get_last_trades_by_currency", {"currency": "BTC"}, "trades."),
        ("private/get_subaccounts", {"with_portfolio": True}, ""),
        ("public/get_tradingview_chart_data", {"instrument_name": NAME, "resolution": "60"}, ""),
    ],
)
def test_fields_are_the_specifications(desk: Desk, method: str, params: dict[str, Any], excused: str) -> None:
    desk.to(desk.now + HOUR)
    result = desk.ask(method, **params, start_timestamp=START, end_timestamp=desk.now)
    schema = result_schema(method)
    by_currency = {"portfolio.btc", "portfolio.eth", "portfolio.usdc"}  # as the official example has it
    assert undocumented(result, schema) <= {excused + one for one in BYPATH} | by_currency
    row = result[0] if isinstance(result, list) else result
    assert required(schema) - {"tfa_enabled"} <= set(row)


@pytest.mark.shared
def test_a_perpetual_has_the_recorded_fields(desk: Desk) -> None:
    import json

    recorded = json.loads(shared("deribit/payloads/nautilus/http_get_instrument.json").read_text())["result"]
    ours = desk.ask("public/get_instrument", instrument_name="BTC-PERPETUAL")
    assert set(recorded) <= set(ours)
    unchanged = set(recorded) - {
        "maker_commission",
        "taker_commission",
        "max_liquidation_commission",  # all three changed in 2026 (FACTS §0)
        "is_active",
    }
    assert {key: ours[key] for key in unchanged} == {
        key: Decimal(str(one)) if isinstance(one, float) else one
        for key, one in recorded.items()
        if key in unchanged
    }
    ticker = json.loads(shared("deribit/payloads/nautilus/ws_ticker.json").read_text())["params"]["data"]
    assert set(ticker) - {"settlement_price"} <= set(
        desk.ask("public/ticker", instrument_name="BTC-PERPETUAL")
    )
