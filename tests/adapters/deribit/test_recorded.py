"""Recorded answers of the real exchange, read by the shapes that the adapter uses."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.market import _check_rules
from optionwriter.adapters.deribit.translate import fill, order, position
from optionwriter.adapters.deribit.wire import (
    BookSummary,
    ChartData,
    InstrumentInfo,
    LogPage,
    OrderReply,
    OrderRow,
    PositionRow,
    Summaries,
    TradePage,
    VolatilityPage,
)
from optionwriter.core.books.account import Side
from optionwriter.core.market.instruments import InstrumentError, parse_instrument, product
from optionwriter.ports import MarketUnavailableError
from tests.adapters.deribit.scripted import Scripted
from tests.shared_data import shared

pytestmark = pytest.mark.shared
D = Decimal


def recorded(path: str) -> bytes:
    return shared(f"deribit/payloads/{path}").read_bytes()


def whole_reply(path: str, shape: Any) -> Any:
    """A recorded envelope, through the client; recordings without a testnet flag were trimmed by their publisher."""
    body = recorded(path)
    flag = json.loads(body).get("testnet")
    if flag is None:
        body = body.rstrip()[:-1] + b', "testnet": false}'
    wire = Scripted(private__recorded=body)
    return DeribitClient(wire, "testnet" if flag else "mainnet").call("private/recorded", {}, shape)


def example(method: str, shape: Any) -> Any:
    """A documented example's result."""
    examples = json.loads(shared("deribit/METHOD_EXAMPLES.json").read_text())
    value = examples[method]["response"]["response"]["value"]["result"]
    return msgspec.json.decode(json.dumps(value), type=shape)


def test_account_summaries_hold_their_identities() -> None:
    btc = next(
        one
        for one in whole_reply("nautilus/http_get_account_summaries.json", Summaries).summaries
        if one.currency == "BTC"
    )
    assert btc.margin_balance == D("302.62729214")  # to the digit
    assert btc.margin_balance == btc.equity - btc.options_value
    assert (btc.margin_model, btc.cross_collateral_enabled) == ("segregated_sm", False)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_order_replies(side: str) -> None:
    reply = whole_reply(f"nautilus/ws_order_{side}_response.json", OrderReply)
    got = order(reply.order)
    assert (got.side, got.state, got.filled_amount) == (Side(side), "open", D(0))
    assert got.price > 0 and got.label.startswith("O-") and got.order_id.startswith("USDC-")


def test_an_order_of_another_hand_without_a_price_is_read() -> None:
    body = json.loads(recorded("nautilus/ws_order_stop_market_no_filled_amount.json"))
    found = [one for one in _dicts(body) if "order_state" in one]
    assert found
    for one in found:
        got = order(msgspec.json.decode(json.dumps(one), type=OrderRow))
        assert got.filled_amount == 0


def _dicts(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(one for inner in value.values() for one in _dicts(inner))]
    return [one for inner in value for one in _dicts(inner)] if isinstance(value, list) else []


def test_candles_and_the_volatility_index() -> None:
    chart = whole_reply("nautilus/http_get_tradingview_chart_data.json", ChartData)
    assert len(chart.ticks) == len(chart.close) == 5 and chart.status == "ok"
    page = msgspec.json.decode(recorded("openbb/volatility_index.json"), type=VolatilityPage)
    assert page.continuation is None
    assert page.data[0] == (1789300800000, 38.62, 38.92, 37.79, 38.89)


def test_book_summaries() -> None:
    (row,) = msgspec.json.decode(recorded("openbb/book_summary_instrument.json"), type=list[BookSummary])
    assert (row.instrument_name, row.bid_price, row.mark_iv) == ("BTC-PERPETUAL", 80836.5, None)
    assert row.creation_timestamp == 1789939037058


def test_todays_listed_options_are_listed_by_the_rules_we_trade_by() -> None:
    infos = msgspec.json.decode(recorded("openbb/instruments_option.excerpt.json"), type=list[InstrumentInfo])
    ours: dict[str, list[InstrumentInfo]] = {}
    for info in infos:
        try:
            ours.setdefault(parse_instrument(info.instrument_name).product.code, []).append(info)
        except InstrumentError:
            continue
    assert ours, "the excerpt has no option of a product we trade"
    for code, listed in ours.items():
        _check_rules(product(code), listed)


def test_the_listing_of_2021_is_read_and_refused_for_its_old_ticks() -> None:
    """390 BTC and 418 ETH options, verbatim: names, expiries and strikes agree with ours."""
    lines = recorded("cryptofeed/DERIBIT.0").decode().splitlines()
    replies = [
        line.split(": ", 1)[1] for line in lines if "/public/get_instruments?" in line and ": {" in line
    ]
    seen = 0
    for reply in replies:
        options = [one for one in json.loads(reply)["result"] if one["kind"] == "option"]
        infos = msgspec.json.decode(json.dumps(options), type=list[InstrumentInfo])
        for info in infos:
            try:
                known = parse_instrument(info.instrument_name)
            except InstrumentError:
                continue
            assert (known.expiry_ms, known.strike) == (info.expiration_timestamp, info.strike)
            assert known.option_type.value == info.option_type
            seen += 1
        if infos and infos[0].instrument_name.startswith("BTC-"):
            with pytest.raises(MarketUnavailableError, match="rules"):
                _check_rules(product("BTC"), infos)
    assert seen == 390 + 418


def test_documented_examples_of_the_account() -> None:
    page = example("private/get_transaction_log", LogPage)
    assert page.continuation == 61282
    assert [(row.type, row.change) for row in page.logs][:2] == [
        ("transfer", D("-2.5")),
        ("settlement", D("0.00215706")),
    ]
    trades = example("private/get_user_trades_by_currency_and_time", TradePage)
    assert [fill(row).index for row in trades.trades] == [D("8993.47"), D("9679.48")]
    assert [order(row).state for row in example("private/get_order_history_by_currency", list[OrderRow])] == [
        "filled"
    ]
    assert order(example("private/cancel", OrderRow)).price == 0  # "market_price"
    assert position(example("private/get_positions", list[PositionRow])[0]).amount == 50
    reply = example("private/buy", OrderReply)
    assert fill(reply.trades[0]).side is order(reply.order).side
