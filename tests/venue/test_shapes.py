"""Shapes against the official specification and the recorded payloads: no field of ours is an invention."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from optionwriter.core.market.instruments import parse_instrument
from optionwriter.core.market.listing import settlement_period
from optionwriter.venue.listing import instrument_shape
from tests.shared_data import shared
from tests.venue.desk import Desk
from tests.venue.flat_feed import MINUTE, START
from tests.venue.openapi import required, result_schema, undocumented

pytestmark = pytest.mark.shared
CALL = "BTC-2JAN26-82000-C"
RICH = "BTC-2JAN26-72000-C"

# Fields that the specification doesn't list and why we have them.
ORDER = {"user_id"}  # recorded in buy and sell replies of 2026 (nautilus ws_order_sell_response)
TRADE = {
    "user_id",  # recorded in user trades of 2025
    "self_trade",  # the same
    "mmp",  # the same
    "starbase_match_id",  # recorded on trades of 2026 (FACTS §0)
    "starbase_timestamp",
}
SUMMARY = {
    "delta_total_map",  # recorded (nautilus http_get_account_summaries); the specification's own example has them
    "estimated_liquidation_ratio_map",
    "block_rfq_self_match_prevention",
}


def prefixed(prefix: str, names: set[str]) -> set[str]:
    return {f"{prefix}{name}" for name in names}


EXCEPTIONS: dict[str, set[str]] = {
    "public/get_instruments": {
        # recorded 2026-09-20 (FACTS §0)
        "state", "underlying_type", "product_group", "index_id", "lot_size", "base_currency_uuid",
        "quote_currency_uuid",
    },
    # recorded 2026-09-20 (openbb order_book)
    "public/get_order_book": {"change_id", "estimated_delivery_price"},
    "private/buy": prefixed("order.", ORDER) | prefixed("trades.", TRADE),
    "private/get_open_orders": ORDER,
    "private/get_order_state": ORDER,
    "private/get_order_history_by_currency": ORDER,
    "private/get_user_trades_by_currency": prefixed("trades.", TRADE),
    "private/get_account_summary": SUMMARY,
    "private/get_account_summaries": prefixed("summaries.", SUMMARY),
}  # fmt: skip


@pytest.fixture(scope="module")
def desk() -> Desk:
    """A desk with history: trades on both sides, a resting and a cancelled order, a settlement in the money."""
    desk = Desk()
    desk.feed.pin(RICH, desk.now, 0.1, 0.11)
    desk.sell(RICH, "0.5", "0.1", label="rich")
    desk.feed.pin(CALL, desk.now, 0.012, 0.0125)
    desk.to(START + 33 * 60 * MINUTE)
    name = "BTC-4JAN26-82000-C"
    desk.feed.pin(name, desk.now, 0.012, 0.0125)
    desk.sell(name, "0.3", "0.012", label="x")
    desk.sell(name, "0.3", "0.02", label="x", post_only=True)
    desk.ask("private/cancel", order_id=desk.sell(name, "0.1", "0.02")["order"]["order_id"])
    return desk


SPAN = {"start_timestamp": START - 86_400_000, "end_timestamp": START + 40 * 3_600_000}
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("public/get_instruments", {"currency": "BTC", "kind": "option"}),
    ("public/get_instrument", {"instrument_name": "BTC-4JAN26-82000-C"}),
    ("public/get_book_summary_by_currency", {"currency": "BTC", "kind": "option"}),
    ("public/get_book_summary_by_instrument", {"instrument_name": "BTC-4JAN26-82000-C"}),
    ("public/ticker", {"instrument_name": "BTC-4JAN26-82000-C"}),
    ("public/get_order_book", {"instrument_name": "BTC-4JAN26-82000-C", "depth": 1}),
    ("public/get_index_price", {"index_name": "btc_usd"}),
    ("public/get_delivery_prices", {"index_name": "btc_usd"}),
    ("public/get_currencies", {}),
    ("public/get_tradingview_chart_data", {"instrument_name": "BTC-PERPETUAL", "resolution": "60", **SPAN}),
    ("public/get_volatility_index_data", {"currency": "BTC", "resolution": "3600", **SPAN}),
    ("private/buy", {"instrument_name": "BTC-4JAN26-82000-C", "amount": 0.1, "price": 0.0125, "label": "b"}),
    ("private/get_open_orders", {}),
    ("private/get_order_state", {"order_id": "100003"}),
    ("private/get_order_state_by_label", {"currency": "BTC", "label": "x"}),
    ("private/get_order_history_by_currency", {"currency": "BTC", "include_unfilled": True}),
    ("private/get_user_trades_by_currency", {"currency": "BTC"}),
    ("private/get_settlement_history_by_currency", {"currency": "BTC"}),
    ("private/get_transaction_log", {"currency": "BTC", **SPAN}),
    ("private/get_account_summary", {"currency": "BTC", "extended": True}),
    ("private/get_account_summaries", {"extended": True}),
    ("private/get_positions", {}),
    ("private/get_margins", {"instrument_name": "BTC-4JAN26-82000-C", "amount": 1, "price": 0.01}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "params"), ASKED, ids=[method for method, _ in ASKED])
def test_every_field_is_documented_or_excused(desk: Desk, method: str, params: dict[str, Any]) -> None:
    result = desk.ask(method, **params)
    assert result, f"{method} must show something for the comparison to mean anything"
    excused = EXCEPTIONS.get(method, set())
    if method in ("public/get_instrument",):
        excused = EXCEPTIONS["public/get_instruments"]
    if method == "private/get_order_state_by_label":
        excused = ORDER
    found = undocumented(result, result_schema(method))
    assert found <= excused, f"not in the specification: {sorted(found - excused)}"
    row = result[0] if isinstance(result, list) else result
    row["invented"] = 1
    assert "invented" in undocumented(result, result_schema(method)), "the comparison must see an invention"


# Required fields that an option or a segregated account never shows: the texts say of which they are.
ABSENT = {
    "public/ticker": {"settlement_price"},
    "private/get_positions": {"estimated_liquidation_price"},
    "private/get_settlement_history_by_currency": {"funded", "socialized"},
}


@pytest.mark.parametrize(("method", "params"), ASKED, ids=[method for method, _ in ASKED])
def test_every_required_field_is_there(desk: Desk, method: str, params: dict[str, Any]) -> None:
    result = desk.ask(method, **params)
    rows = result if isinstance(result, list) else [result]
    for row in rows:
        missing = required(result_schema(method)) - set(row) - ABSENT.get(method, set())
        assert not missing


def test_an_instrument_is_what_was_recorded() -> None:
    recorded = {
        one["instrument_name"]: one
        for one in json.loads(shared("deribit/payloads/openbb/instruments_option.excerpt.json").read_text())
    }
    names = [name for name in recorded if name.startswith("BTC-")]
    assert names
    for name in names:
        option = parse_instrument(name)
        ours = json.loads(json.dumps(instrument_shape(option, option.expiry_ms - 1), default=float))
        theirs = recorded[name]
        assert set(ours) == set(theirs)
        differing = {key for key in ours if ours[key] != theirs[key]}
        assert differing == {"instrument_id"}


def test_settlement_periods_are_the_recorded_ones() -> None:
    frame = pl.read_parquet(shared("data/chains_btc_full_ticker/btc_options.parquet"))
    pairs = frame.select("expiration_timestamp", "settlement_period").unique().rows()
    assert len(pairs) > 10
    assert {(at, period) for at, period in pairs if settlement_period(at) != period} == set()


def test_a_book_summary_row_has_the_recorded_fields(desk: Desk) -> None:
    path = "data/format_samples/deribit_api_json/maks_deribit_book_summary_btc_option.json"
    recorded = json.loads(shared(path).read_text())["result"]
    row = desk.ask("public/get_book_summary_by_currency", currency="BTC")[0]
    assert set(row) == set(recorded[0])
    nullable = {key for one in recorded for key, value in one.items() if value is None}
    ours = {
        key
        for one in desk.ask("public/get_book_summary_by_currency", currency="BTC")
        for key, value in one.items()
        if value is None
    }
    assert ours <= nullable | {"price_change", "mid_price", "bid_price", "last", "high", "low"}


def test_an_order_has_the_recorded_fields(desk: Desk) -> None:
    recorded = json.loads(shared("deribit/payloads/nautilus/ws_order_sell_response.json").read_text())
    (order,) = [one for one in desk.ask("private/get_open_orders") if one["post_only"]]
    assert set(order) == set(recorded["result"]["order"])
