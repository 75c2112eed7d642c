"""Looking back: retention, paging, filters, as FACTS §2 tells them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from tests.venue.desk import Desk, RefusedError
from tests.venue.flat_feed import MINUTE

CALL = "BTC-4JAN26-82000-C"


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.feed.pin(CALL, desk.now, 0.0120, 0.0125)
    return desk


def ids(rows: list[dict[str, object]], key: str = "order_id") -> list[object]:
    return [row[key] for row in rows]


def test_orders_are_recent_for_thirty_minutes_and_then_in_the_archive(desk: Desk) -> None:
    filled = desk.sell(CALL, "0.1", "0.012", label="a")["order"]["order_id"]
    unfilled = desk.sell(CALL, "0.1", "0.02", label="a")["order"]["order_id"]
    desk.ask("private/cancel", order_id=unfilled)
    resting = desk.sell(CALL, "0.1", "0.021", label="a")["order"]["order_id"]
    ask = "private/get_order_history_by_currency"
    both = {"currency": "BTC", "include_unfilled": True}
    assert ids(desk.ask(ask, currency="BTC")) == [filled]
    assert ids(desk.ask(ask, **both)) == [unfilled, filled]
    assert desk.ask(ask, **both, historical=True) == []
    by_label = {"currency": "BTC", "label": "a"}
    assert ids(desk.ask("private/get_order_state_by_label", **by_label)) == [resting, unfilled, filled]
    desk.to(desk.now + 30 * MINUTE)
    assert ids(desk.ask(ask, **both)) == [unfilled, filled]
    desk.to(desk.now + 1)
    assert desk.ask(ask, **both) == []
    assert ids(desk.ask(ask, **both, historical="true")) == [unfilled, filled]
    assert ids(desk.ask(ask, currency="BTC", historical=True)) == [filled]
    assert ids(desk.ask("private/get_order_state_by_label", **by_label)) == [resting]
    assert desk.ask("private/get_order_state", order_id=filled)["order_state"] == "filled"
    with pytest.raises(RefusedError) as forgotten:
        desk.ask("private/get_order_state", order_id=unfilled)
    assert forgotten.value.code == 10004
    desk.to(desk.now + 2 * MS_PER_DAY)
    assert desk.ask(ask, **both, historical=True) == []
    assert ids(desk.ask(ask, **both, historical=True, include_old=True)) == [unfilled, filled]


def test_order_history_pages_by_offset_and_by_continuation(desk: Desk) -> None:
    placed = [desk.sell(CALL, "0.1", "0.012")["order"]["order_id"] for _ in range(5)]
    ask = "private/get_order_history_by_currency"
    assert ids(desk.ask(ask, currency="BTC", count=2, offset=1)) == [placed[3], placed[2]]
    page = desk.ask(ask, currency="BTC", count=3, with_continuation=True)
    rest = desk.ask(ask, currency="BTC", count=3, with_continuation=True, continuation=page["continuation"])
    assert ids(page["orders"]) + ids(rest["orders"]) == placed[::-1]
    assert rest["continuation"] is None
    assert ids(desk.ask("private/get_order_history_by_instrument", instrument_name=CALL)) == placed[::-1]


def test_trades_are_recent_for_a_day_and_sort_as_asked(desk: Desk) -> None:
    trades = [desk.sell(CALL, "0.1", "0.012", label="t")["trades"][0]["trade_id"] for _ in range(12)]
    ask = "private/get_user_trades_by_currency"
    newest = desk.ask(ask, currency="BTC")
    assert ids(newest["trades"], "trade_id") == trades[:1:-1] and newest["has_more"] is True
    timed = {"currency": "BTC", "start_timestamp": desk.now, "end_timestamp": desk.now, "count": 20}
    oldest = desk.ask("private/get_user_trades_by_currency_and_time", **timed)
    assert ids(oldest["trades"], "trade_id") == trades and oldest["has_more"] is False
    fallen = desk.ask("private/get_user_trades_by_currency_and_time", **timed, sorting="desc")
    assert ids(fallen["trades"], "trade_id") == trades[::-1]
    some = desk.ask(ask, currency="BTC", start_id=trades[3], end_id=trades[5])
    assert ids(some["trades"], "trade_id") == trades[3:6]
    order = oldest["trades"][0]["order_id"]
    assert ids(desk.ask("private/get_user_trades_by_order", order_id=order), "trade_id") == trades[:1]
    desk.to(desk.now + MS_PER_DAY + 1)
    assert desk.ask(ask, currency="BTC")["trades"] == []
    old = desk.ask(ask, currency="BTC", historical=True, count=1_000)
    assert ids(old["trades"], "trade_id") == trades[::-1]
    by_name = desk.ask("private/get_user_trades_by_instrument", instrument_name=CALL, historical=True)
    assert len(by_name["trades"]) == 10


def test_the_transaction_log_pages_newest_first(desk: Desk) -> None:
    for _ in range(7):
        desk.sell(CALL, "0.1", "0.012")
    desk.ask("local/deposit", currency="BTC", amount=0.5)
    span = {"currency": "BTC", "start_timestamp": 0, "end_timestamp": desk.now}
    seen: list[int] = []
    more: dict[str, object] = {}
    while True:
        page = desk.ask("private/get_transaction_log", **span, **more, count=3)
        seen += ids(page["logs"], "id")
        if page["continuation"] is None:
            break
        more = {"continuation": page["continuation"]}
    assert seen == sorted(seen, reverse=True) and len(seen) == len(set(seen)) == 8
    assert len(desk.log("BTC", query="trade sell")) == 7
    assert [one["type"] for one in desk.log("BTC", query="deposit")] == ["deposit"]
    early = desk.ask("private/get_transaction_log", currency="BTC", start_timestamp=0, end_timestamp=1)
    assert early == {"logs": [], "continuation": None}
    with pytest.raises(RefusedError) as missing:
        desk.ask("private/get_transaction_log", currency="BTC", start_timestamp=0)
    assert missing.value.data["param"] == "end_timestamp"


def test_open_orders_by_label_instrument_and_currency(desk: Desk) -> None:
    mine = desk.sell(CALL, "0.1", "0.02", label="a")["order"]["order_id"]
    desk.sell("BTC-4JAN26-84000-C", "0.1", "0.02", label="b")
    assert ids(desk.ask("private/get_open_orders_by_label", currency="BTC", label="a")) == [mine]
    assert ids(desk.ask("private/get_open_orders_by_instrument", instrument_name=CALL)) == [mine]
    assert len(desk.ask("private/get_open_orders_by_currency", currency="BTC")) == 2
    assert desk.ask("private/get_open_orders_by_currency", currency="ETH") == []
    assert desk.ask("private/get_open_orders_by_currency", currency="BTC", kind="future") == []
    assert desk.ask("private/get_open_orders_by_currency", "other", currency="BTC") == []


def test_deposits_are_logged_and_withdrawals_stop_at_available_funds(desk: Desk) -> None:
    desk.sell(CALL, "1", "0.012")
    free = desk.summary("BTC")["available_funds"]
    with pytest.raises(RefusedError) as caught:
        desk.ask("local/deposit", currency="BTC", amount=-(free + Decimal("0.00000001")))
    assert caught.value.code == 10009
    entry = desk.ask("local/deposit", currency="BTC", amount=-free)
    assert (entry["type"], entry["change"]) == ("withdrawal", -free)
    assert desk.summary("BTC")["available_funds"] == 0
    assert desk.ask("local/deposit", currency="USDC", amount="12.5")["balance"] == Decimal("200012.5")
    with pytest.raises(RefusedError):
        desk.ask("local/deposit", currency="BTC", amount="0.000000001")


def test_local_methods_are_off_unless_allowed(desk: Desk) -> None:
    desk.engine.allow_local = False
    with pytest.raises(RefusedError) as caught:
        desk.ask("local/deposit", currency="BTC", amount=1)
    assert caught.value.code == -32601


def test_positions_flat_and_by_currency(desk: Desk) -> None:
    flat = desk.ask("private/get_position", instrument_name=CALL)
    assert (flat["direction"], flat["size"]) == ("zero", 0)
    desk.sell(CALL, "0.3", "0.012")
    short = desk.ask("private/get_position", instrument_name=CALL)
    assert (short["direction"], short["size"]) == ("sell", Decimal("-0.3"))
    assert short["floating_profit_loss"] == (
        Decimal("-0.3") * (short["mark_price"] - Decimal("0.012"))
    ).quantize(Decimal("1e-8"))
    assert desk.ask("private/get_positions", currency="ETH") == []
    assert desk.ask("private/get_positions", currency="BTC", kind="future") == []
    assert len(desk.ask("private/get_positions", currency="any")) == 1


def test_account_summary_identities_and_owner(desk: Desk) -> None:
    desk.sell(CALL, "1", "0.012")
    desk.to(desk.now + 3 * MS_PER_HOUR)
    one = desk.ask("private/get_account_summary", currency="BTC", extended="true")
    assert one["equity"] == one["balance"] + one["options_value"]
    assert one["margin_balance"] == one["equity"] - one["options_value"]
    assert one["available_funds"] == one["margin_balance"] - one["initial_margin"]
    assert one["username"] == "me" and one["margin_model"] == "segregated_sm"
    whole = desk.ask("private/get_account_summaries", extended=True)
    assert [row["currency"] for row in whole["summaries"]] == ["BTC", "ETH", "USDC"]
    assert whole["summaries"][0]["equity"] == one["equity"]
    assert "username" not in desk.summary("BTC")
