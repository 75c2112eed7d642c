"""ccxt, unchanged but for the URL, trades on the local exchange over a real loopback server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from optionwriter.core.market.instruments import MS_PER_HOUR, parse_instrument
from optionwriter.venue.opening import Exchange
from tests.patience import LONGEST_S
from tests.venue.flat_feed import black
from tests.venue.server.house import OPENED, exchange, serving

SYMBOL, NAME = "BTC/USD:BTC-260104-82000-C", "BTC-4JAN26-82000-C"
LINEAR = "ETH/USDC:USDC-260104-3200-P"


@pytest.fixture(scope="module")
def opened() -> Exchange:
    return exchange(frozen=True)


@pytest.fixture(scope="module")
def client(opened: Exchange) -> Iterator[Any]:
    """A client with its markets loaded; ccxt's own throttle is off, the exchange's credits are on."""
    with serving(opened) as url:
        config = {
            "apiKey": "local",
            "secret": "local",
            "enableRateLimit": False,
            "timeout": LONGEST_S * 1_000,
        }
        one = ccxt.deribit({**config, "urls": {"api": {"rest": url}}})
        one.load_markets()
        yield one


@pytest.fixture(autouse=True)
def later(opened: Exchange) -> None:
    """Each test begins ten seconds later, with its credits whole, and with nothing resting."""
    opened.desk.time.jump(opened.desk.time.now_ms() + 10_000)
    for account in opened.engine.state.accounts.values():
        assert not account.open_orders


def test_load_markets(client: Any, opened: Exchange) -> None:
    feed = opened.engine.state.market.feed
    listed = [name for code in feed.products for name in feed.listed(code, OPENED)]
    options = {one["id"]: one for one in client.markets.values() if one["option"]}
    assert set(options) == set(listed)
    market = client.market(SYMBOL)
    assert (market["id"], market["settle"], market["inverse"], market["strike"]) == (
        NAME,
        "BTC",
        True,
        82_000,
    )
    assert market["expiry"] == parse_instrument(NAME).expiry_ms
    assert (market["precision"]["price"], market["limits"]["amount"]["min"]) == (0.0001, 0.1)
    linear = client.market(LINEAR)
    assert (linear["linear"], linear["settle"], linear["quote"]) == (True, "USDC", "USDC")
    swaps = [one["symbol"] for one in client.markets.values() if one["swap"]]
    assert swaps == ["BTC/USD:BTC", "ETH/USD:ETH"]
    assert {"BTC", "ETH", "USDC"} <= set(client.fetch_currencies())


def test_fetch_option_chain(client: Any) -> None:
    chain = client.fetch_option_chain("BTC")
    assert set(chain) == {
        one["symbol"] for one in client.markets.values() if one["option"] and one["settle"] == "BTC"
    }
    row = chain[SYMBOL]
    assert 0 < row["bidPrice"] < row["markPrice"] < row["askPrice"]
    assert float(row["info"]["mark_iv"]) == pytest.approx(50.0)
    assert row["underlyingPrice"] > 0


def test_fetch_ticker_and_option(client: Any, opened: Exchange) -> None:
    ticker = client.fetch_ticker(SYMBOL)
    assert 0 < ticker["bid"] < ticker["ask"]
    assert ticker["timestamp"] == opened.desk.time.now_ms()
    assert ticker["symbol"] == SYMBOL
    assert client.fetch_option(SYMBOL)["bidPrice"] == ticker["bid"]
    assert client.fetch_open_interest(SYMBOL)["openInterestAmount"] == 25.0
    assert client.fetch_ticker("BTC/USD:BTC")["info"]["state"] == "locked"
    assert client.fetch_tickers(None, {"code": "BTC"})[SYMBOL]["bid"] == ticker["bid"]


def test_fetch_greeks(client: Any, opened: Exchange) -> None:
    greeks = client.fetch_greeks(SYMBOL)
    forward = greeks["underlyingPrice"]
    option = parse_instrument(NAME)
    years = (option.expiry_ms - opened.desk.time.now_ms()) / (365 * 24 * MS_PER_HOUR)
    up, down = (black(forward + step, 82_000, years, 0.5, True) for step in (1.0, -1.0))
    assert greeks["delta"] == pytest.approx((up - down) / 2, abs=1e-4)
    assert greeks["markImpliedVolatility"] == pytest.approx(50.0)
    assert greeks["markPrice"] == pytest.approx(black(forward, 82_000, years, 0.5, True) / forward, abs=5e-5)


def test_fetch_order_book(client: Any) -> None:
    book = client.fetch_order_book(SYMBOL, 5)
    ticker = client.fetch_ticker(SYMBOL)
    assert book["bids"] == [[ticker["bid"], 10.0]]
    assert book["asks"] == [[ticker["ask"], 10.0]]


def test_fetch_ohlcv(client: Any, opened: Exchange) -> None:
    since = OPENED - 24 * MS_PER_HOUR
    rows = client.fetch_ohlcv("BTC/USD:BTC", "1h", since=since, limit=10)
    assert [row[0] for row in rows] == [since + k * MS_PER_HOUR for k in range(10)]
    feed = opened.engine.state.market.feed
    assert [round(row[1], 2) for row in rows] == [feed.index("btc_usd", int(row[0])) for row in rows]
    assert all(low <= opened_ <= high for _, opened_, high, low, _, _ in rows)
    quiet = client.fetch_ohlcv(LINEAR, "1h", since=since, limit=10)
    assert quiet == []


def test_fetch_volatility_history(client: Any) -> None:
    points = client.fetch_volatility_history("BTC")
    assert len(points) > 24
    assert all(10 < one["volatility"] < 200 for one in points)


def test_fetch_balance(client: Any) -> None:
    balance = client.fetch_balance({"code": "ETH"})
    assert (balance["ETH"]["total"], balance["ETH"]["free"], balance["ETH"]["used"]) == (20.0, 20.0, 0.0)
    every = client.fetch_balance()
    assert every["total"]["USDC"] == 200_000.0
    assert every["free"]["BTC"] <= every["total"]["BTC"]


def test_the_life_of_an_order(client: Any) -> None:
    ask = client.fetch_ticker(SYMBOL)["ask"]
    order = client.create_order(
        SYMBOL, "limit", "sell", 0.3, ask + 0.0005, {"postOnly": True, "label": "one"}
    )
    assert (order["status"], order["postOnly"], order["remaining"]) == ("open", True, 0.3)
    assert order["info"]["label"] == "one"
    assert client.fetch_order(order["id"])["price"] == order["price"]
    edited = client.edit_order(order["id"], SYMBOL, "limit", "sell", 0.2, ask + 0.001)
    assert (edited["id"], edited["amount"], edited["price"]) == (order["id"], 0.2, ask + 0.001)
    assert [one["id"] for one in client.fetch_open_orders(SYMBOL)] == [order["id"]]
    assert [one["id"] for one in client.fetch_open_orders()] == [order["id"]]
    cancelled = client.cancel_order(order["id"])
    assert (cancelled["id"], cancelled["status"]) == (order["id"], "canceled")
    assert client.fetch_order(order["id"])["status"] == "canceled"
    assert client.fetch_open_orders(SYMBOL) == []
    client.create_order(SYMBOL, "limit", "sell", 0.1, ask + 0.0005)
    assert client.cancel_all_orders(SYMBOL)
    assert client.fetch_open_orders(SYMBOL) == []
    client.create_order(SYMBOL, "limit", "sell", 0.1, ask + 0.0005)
    client.cancel_all_orders()
    assert client.fetch_open_orders() == []


def test_fills_positions_and_trades(client: Any) -> None:
    before = client.fetch_balance()["total"]["BTC"]
    bid = client.fetch_ticker(SYMBOL)["bid"]
    order = client.create_order(SYMBOL, "limit", "sell", 0.4, bid, {"label": "fill"})
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.4, bid)
    trade = next(one for one in client.fetch_my_trades(SYMBOL) if one["order"] == order["id"])
    assert (trade["side"], trade["amount"], trade["price"], trade["takerOrMaker"]) == (
        "sell",
        0.4,
        bid,
        "taker",
    )
    fee = 0.4 * min(0.0003, 0.125 * bid)
    assert trade["fee"] == {"cost": pytest.approx(fee), "currency": "BTC"}
    assert trade["info"]["label"] == "fill"
    assert [one["id"] for one in client.fetch_order_trades(order["id"])] == [trade["id"]]
    assert order["id"] in [one["id"] for one in client.fetch_closed_orders(SYMBOL)]
    assert order["id"] in [one["id"] for one in client.fetch_closed_orders()]
    tape = client.fetch_trades(SYMBOL)
    assert tape[-1]["id"] == trade["id"]
    position = next(one for one in client.fetch_positions() if one["symbol"] == SYMBOL)
    assert (position["side"], position["contracts"]) == ("short", -0.4)
    assert client.fetch_position(SYMBOL)["contracts"] == -0.4
    mark = float(position["info"]["mark_price"])
    after = client.fetch_balance()["total"]["BTC"]
    assert after - before == pytest.approx(0.4 * bid - fee - 0.4 * mark, abs=2e-8)
    closed = client.create_order(SYMBOL, "limit", "buy", 0.4, bid * 2, {"reduceOnly": True})
    assert closed["status"] == "closed"
    assert client.fetch_positions() == []


def test_refusals_arrive_as_ccxt_names_them(client: Any) -> None:
    ask = client.fetch_ticker(SYMBOL)["ask"]
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(SYMBOL, "limit", "sell", 20, ask + 0.0005)
    with pytest.raises(ccxt.InvalidOrder):
        bid = client.fetch_ticker(SYMBOL)["bid"]
        client.create_order(SYMBOL, "limit", "sell", 0.1, bid, {"postOnly": True})
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order("999")
    with pytest.raises(ccxt.BadRequest):
        client.private_get_get_positions({"currency": "GOLD"})
    with pytest.raises(ccxt.InvalidOrder):  # ccxt knows no coarser ticks above 0.005: the exchange does
        client.create_order(SYMBOL, "limit", "sell", 0.1, 0.0191)
    base = client.urls["api"]["rest"]
    stranger = ccxt.deribit({"apiKey": "local", "secret": "guess", "urls": {"api": {"rest": base}}})
    with pytest.raises(ccxt.AuthenticationError):
        stranger.fetch_balance()


def test_too_many_requests_arrive_as_such(client: Any) -> None:
    with pytest.raises(ccxt.DDoSProtection):
        for _ in range(101):
            client.fetch_time()


def test_the_rest_of_its_calls(client: Any, opened: Exchange) -> None:
    assert client.fetch_time() == opened.desk.time.now_ms()
    assert client.fetch_status()["status"] == "ok"
    assert [one["type"] for one in client.fetch_accounts()] == ["main"]
    assert client.public_get_get_index_price({"index_name": "btc_usd"})["result"]["index_price"]
    assert client.fetch_trading_fees()
    assert client.fetch_liquidations(SYMBOL) == []
    assert client.fetch_my_liquidations(SYMBOL) == []
    log = client.private_get_get_transaction_log(
        {"currency": "BTC", "start_timestamp": 0, "end_timestamp": OPENED * 2}
    )
    assert log["result"]["logs"]
