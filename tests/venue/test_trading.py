"""Orders: how they fill, and what each bad one is refused with. Expected numbers are worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.venue.desk import Desk, RefusedError
from tests.venue.flat_feed import MINUTE, START

CALL = "BTC-4JAN26-82000-C"
PUT = "BTC_USDC-4JAN26-78000-P"
HOUR = 60 * MINUTE


@pytest.fixture
def desk() -> Desk:
    """10:00 UTC; the call is quoted 0.0120 (0.5) to 0.0125 (0.3)."""
    desk = Desk()
    desk.feed.pin(CALL, desk.now, 0.0120, 0.0125, 0.5, 0.3)
    return desk


def refusal(desk: Desk, side: str, **params: object) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        desk.ask(f"private/{side}", **params)
    return caught.value


def test_a_taker_fills_at_the_quote_up_to_its_size_and_the_rest_rests(desk: Desk) -> None:
    placed = desk.sell(CALL, "0.8", "0.0105", label="one")
    (trade,) = placed["trades"]
    assert (trade["price"], trade["amount"], trade["liquidity"]) == (Decimal("0.012"), Decimal("0.5"), "T")
    assert trade["fee"] == Decimal("0.00015")  # 0.5 × min(0.0003, 0.0120 / 8)
    assert placed["order"]["order_state"] == "open"
    assert placed["order"]["filled_amount"] == Decimal("0.5")
    assert desk.summary("BTC")["balance"] == Decimal("2.00585")  # 2 + 0.5 × 0.0120 - 0.00015


def test_what_was_taken_is_gone_until_the_next_minute(desk: Desk) -> None:
    chain = desk.ask("public/get_book_summary_by_currency", currency="BTC")
    assert next(one for one in chain if one["instrument_name"] == CALL)["bid_price"] == Decimal("0.012")
    desk.sell(CALL, "0.5", "0.012")
    book = desk.ask("public/get_order_book", instrument_name=CALL)
    assert book["bids"] == [] and book["best_bid_price"] == 0
    assert book["asks"] == [[Decimal("0.0125"), Decimal("0.3")]]
    row = desk.ask("public/get_book_summary_by_instrument", instrument_name=CALL)[0]
    assert row["bid_price"] is None and row["ask_price"] == Decimal("0.0125")
    chain = desk.ask("public/get_book_summary_by_currency", currency="BTC")
    assert next(one for one in chain if one["instrument_name"] == CALL)["bid_price"] is None
    second = desk.sell(CALL, "0.4", "0.012")
    assert second["trades"] == []
    events = desk.to(desk.now + MINUTE)
    assert [event.kind.value for event in events] == ["trade", "order"]
    trades = desk.ask("private/get_user_trades_by_currency", currency="BTC")["trades"]
    assert [(one["amount"], one["liquidity"]) for one in trades] == [
        (Decimal("0.4"), "M"),
        (Decimal("0.5"), "T"),
    ]


def test_a_resting_order_fills_at_its_own_price_when_the_quote_reaches_it(desk: Desk) -> None:
    order = desk.sell(CALL, "0.4", "0.013")["order"]
    assert order["order_state"] == "open"
    later = desk.now + 7 * MINUTE + 1
    desk.feed.pin(CALL, later, 0.0140, 0.0145, 0.3)
    desk.to(later + MINUTE)
    state = desk.ask("private/get_order_state", order_id=order["order_id"])
    assert (state["order_state"], state["filled_amount"]) == ("open", Decimal("0.3"))
    assert state["average_price"] == Decimal("0.013")
    assert state["last_update_timestamp"] == desk.now - 1  # the grid point, not the moment of asking
    desk.to(later + 2 * MINUTE)
    assert desk.ask("private/get_order_state", order_id=order["order_id"])["order_state"] == "filled"


def test_polling_changes_nothing() -> None:
    def run(steps: int) -> str:
        desk = Desk()
        desk.feed.pin(CALL, desk.now, 0.0120, 0.0125)
        desk.feed.pin(CALL, desk.now + 90 * MINUTE, 0.0135, 0.0140, 0.2)
        desk.sell(CALL, "1", "0.013")
        end = desk.now + 3 * HOUR
        for step in range(1, steps + 1):
            desk.engine.advance(desk.now + (end - desk.now) * step // steps)
        return desk.engine.digest()

    assert run(1) == run(7) == run(613)


def test_best_price_first_then_oldest_and_an_edit_to_more_goes_to_the_back(desk: Desk) -> None:
    first = desk.sell(CALL, "0.3", "0.013")["order"]["order_id"]
    second = desk.sell(CALL, "0.3", "0.013")["order"]["order_id"]
    best = desk.sell(CALL, "0.3", "0.0125", post_only=True)["order"]["order_id"]
    third = desk.sell(CALL, "0.3", "0.013")["order"]["order_id"]
    desk.ask("private/edit", order_id=first, amount="0.4", price="0.013")
    edited = desk.ask("private/edit", order_id=second, amount="0.2", price="0.013")
    assert edited["order"]["replaced"] is True and edited["order"]["order_id"] == second
    desk.feed.pin(CALL, desk.now + 1, 0.0130, 0.0135, 0.8)
    desk.to(desk.now + MINUTE)
    trades = desk.ask("private/get_user_trades_by_currency", currency="BTC", sorting="asc")["trades"]
    assert [(one["order_id"], one["amount"]) for one in trades] == [
        (best, Decimal("0.3")),
        (second, Decimal("0.2")),
        (third, Decimal("0.3")),
    ]


@pytest.mark.parametrize(
    ("time_in_force", "amount", "filled", "state"),
    [
        ("immediate_or_cancel", "0.8", "0.5", "cancelled"),
        ("immediate_or_cancel", "0.4", "0.4", "filled"),
        ("fill_or_kill", "0.8", "0", "cancelled"),
        ("fill_or_kill", "0.5", "0.5", "filled"),
    ],
)
def test_orders_that_never_rest(desk: Desk, time_in_force: str, amount: str, filled: str, state: str) -> None:
    order = desk.sell(CALL, amount, "0.012", time_in_force=time_in_force)["order"]
    assert (order["filled_amount"], order["order_state"]) == (Decimal(filled), state)
    assert desk.ask("private/get_open_orders_by_currency", currency="BTC") == []


def test_good_til_day_ends_at_eight_and_good_til_cancelled_does_not(desk: Desk) -> None:
    day = desk.sell(CALL, "0.1", "0.0145", time_in_force="good_til_day")["order"]["order_id"]
    desk.sell(CALL, "0.1", "0.0145")
    desk.to(START + 32 * HOUR)
    assert len(desk.ask("private/get_open_orders")) == 1
    ended = desk.ask("private/get_order_state", order_id=day)
    assert (ended["order_state"], ended["cancel_reason"]) == ("cancelled", "settlement")


def test_post_only_moves_inside_the_spread_or_is_refused(desk: Desk) -> None:
    assert desk.sell(CALL, "0.1", "0.0115", post_only=True)["order"]["price"] == Decimal("0.0125")
    assert desk.buy(CALL, "0.1", "0.0150", post_only=True)["order"]["price"] == Decimal("0.012")
    kwargs = {"instrument_name": CALL, "amount": 0.1, "price": 0.0115, "post_only": True}
    assert refusal(desk, "sell", **kwargs, reject_post_only=True).code == 11054
    assert refusal(desk, "sell", **kwargs, time_in_force="immediate_or_cancel").code == 11055
    order = desk.sell(CALL, "0.1", "0.013", post_only=True)["order"]["order_id"]
    ended = desk.ask("private/edit", order_id=order, amount=0.1, price=0.0115)["order"]
    assert (ended["order_state"], ended["cancel_reason"]) == ("cancelled", "edit_post_only_reject")


def test_reduce_only_never_opens(desk: Desk) -> None:
    nothing = {"instrument_name": CALL, "amount": 0.1, "price": 0.0125, "reduce_only": True}
    assert refusal(desk, "buy", **nothing).code == 11030
    desk.sell(CALL, "0.2", "0.012")
    placed = desk.buy(CALL, "1", "0.0125", reduce_only=True)
    assert placed["order"]["amount"] == Decimal("0.2")
    assert desk.ask("private/get_positions") == []


def test_a_resting_reduce_only_order_ends_with_its_position(desk: Desk) -> None:
    desk.sell(CALL, "0.2", "0.012")
    resting = desk.buy(CALL, "0.2", "0.0115", reduce_only=True)["order"]["order_id"]
    desk.buy(CALL, "0.2", "0.0125")
    desk.feed.pin(CALL, desk.now + 1, 0.0105, 0.0110)
    desk.to(desk.now + MINUTE)
    state = desk.ask("private/get_order_state", order_id=resting)
    assert (state["order_state"], state["filled_amount"]) == ("cancelled", 0)
    assert desk.ask("private/get_positions") == []


def test_crossing_zero_closes_then_opens_in_two_entries(desk: Desk) -> None:
    desk.sell(CALL, "0.3", "0.012")
    desk.requote(CALL, 0.0105, 0.0110)
    (trade,) = desk.buy(CALL, "0.8", "0.011")["trades"]
    opened, closed = desk.log("BTC")[:2]
    assert (closed["side"], closed["amount"], closed["position"]) == ("close buy", Decimal("0.3"), 0)
    assert (opened["side"], opened["amount"], opened["position"]) == (
        "open buy",
        Decimal("0.5"),
        Decimal("0.5"),
    )
    assert opened["trade_id"] == closed["trade_id"] == trade["trade_id"]
    assert opened["commission"] + closed["commission"] == trade["fee"] == Decimal("0.00024")
    assert closed["change"] == Decimal("-0.00339")  # -(0.3 × 0.011) - 0.3 × 0.0003
    (position,) = desk.ask("private/get_positions")
    assert position["average_price"] == Decimal("0.011")
    assert trade["profit_loss"] == Decimal("0.0003")  # 0.3 × (0.012 - 0.011)


def test_averages_as_positions_grow_and_shrink(desk: Desk) -> None:
    desk.sell(CALL, "0.2", "0.012")
    desk.requote(CALL, 0.0140, 0.0145)
    desk.sell(CALL, "0.6", "0.014")
    assert desk.ask("private/get_positions")[0]["average_price"] == Decimal("0.0135")
    desk.buy(CALL, "0.4", "0.0145")
    (position,) = desk.ask("private/get_positions", currency="BTC", kind="option")
    assert (position["size"], position["average_price"]) == (Decimal("-0.4"), Decimal("0.0135"))
    assert position["direction"] == "sell"
    assert position["realized_profit_loss"] == Decimal("-0.0004")  # 0.4 × (0.0135 - 0.0145)


def test_linear_options_trade_and_pay_in_usdc(desk: Desk) -> None:
    desk.feed.pin(PUT, desk.now, 1_000.0, 1_050.0, 5, 5)
    (trade,) = desk.sell(PUT, "0.5", "1000", label="put")["trades"]
    index = Decimal(repr(desk.feed.index("btc_usdc", desk.now)))
    assert trade["fee_currency"] == "USDC" and trade["trade_id"].startswith("USDC-")
    assert trade["fee"] == (Decimal("0.5") * Decimal("0.0003") * index).quantize(Decimal("1e-6"))
    assert desk.summary("USDC")["balance"] == Decimal(200_000) + 500 - trade["fee"]
    assert desk.summary("USDC")["options_value"] < 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": 0.01203}, 10043),
        ({"price": 0.0123}, 10043),  # on tick_size, off the step that holds above 0.005: what ccxt sends
        ({"price": 0}, 10023),
        ({"price": None}, -32602),
        ({"price": "NaN"}, -32602),
        ({"price": "much"}, -32602),
        ({"price": 0.08}, 10007),
        ({"amount": 0.05}, 10002),
        ({"amount": 0.15}, 10021),
        ({"amount": 0}, -32602),
        ({"amount": float("nan")}, -32602),
        ({"amount": None}, -32602),
        ({"amount": 1, "contracts": 2}, -32602),
        ({"amount": 90}, 10009),
        ({"instrument_name": "BTC-4JAN26-82500-C"}, 10020),
        ({"instrument_name": "BTC-1JAN26-82000-C"}, 10012),
        ({"instrument_name": "btc-4jan26-82000-c"}, -32602),
        ({"instrument_name": None}, -32602),
        ({"type": "market"}, 10033),
        ({"type": "guess"}, -32602),
        ({"time_in_force": "forever"}, -32602),
        ({"label": "x" * 65}, -32602),
        ({"valid_until": 1}, 13888),
        ({"reduce_only": "perhaps"}, -32602),
    ],
)
def test_what_is_refused_and_with_which_code(desk: Desk, change: dict[str, object], code: int) -> None:
    before = desk.engine.digest()
    params = {"instrument_name": CALL, "amount": 0.1, "price": 0.012, **change}
    error = refusal(desk, "sell", **params)
    assert error.code == code
    if code == -32602:
        assert error.data["param"] in change
    assert desk.engine.digest() == before


def test_a_buy_below_the_band_is_refused_and_one_above_it_is_clamped(desk: Desk) -> None:
    desk.requote(CALL, 0.0675, 0.0700, mark=0.069)
    assert refusal(desk, "buy", instrument_name=CALL, amount=0.1, price=0.001).code == 10005
    order = desk.buy(CALL, "0.1", "0.2")["order"]
    limits = desk.ask("public/ticker", instrument_name=CALL)
    assert order["price"] == limits["max_price"] < Decimal("0.2")
    assert order["average_price"] == Decimal("0.07")


def test_valid_until_is_the_first_instant_that_is_too_late(desk: Desk) -> None:
    params = {"instrument_name": CALL, "amount": 0.1, "price": 0.012}
    assert refusal(desk, "sell", **params, valid_until=desk.now).code == 13888
    assert desk.ask("private/sell", **params, valid_until=desk.now + 1)["order"]["order_state"] == "filled"


def test_orders_are_refused_while_settlement_runs(desk: Desk) -> None:
    desk.to(START + 32 * HOUR)
    params = {"instrument_name": CALL, "amount": 0.1, "price": 0.012}
    assert refusal(desk, "sell", **params).code == 10041
    desk.to(desk.now + 4_999)
    assert refusal(desk, "sell", **params).code == 10041
    desk.to(desk.now + 1)
    assert desk.ask("private/sell", **params)["order"]["order_state"] == "filled"


def test_funds_are_reserved_by_resting_orders(desk: Desk) -> None:
    free = desk.summary("BTC")["available_funds"]
    margins = desk.ask("private/get_margins", instrument_name=CALL, amount=1, price=0.013)
    desk.sell(CALL, "1", "0.013")
    summary = desk.summary("BTC")
    assert summary["initial_margin"] == margins["sell"] > Decimal("0.1")
    assert summary["maintenance_margin"] == 0
    assert summary["available_funds"] == free - margins["sell"]
    whole = int(summary["available_funds"] / margins["sell"])
    desk.sell(CALL, str(whole), "0.013")
    assert refusal(desk, "sell", instrument_name=CALL, amount=1, price=0.013).code == 10009
    desk.ask("private/cancel_all")
    assert desk.summary("BTC")["available_funds"] == free


def test_what_can_be_cancelled(desk: Desk) -> None:
    order = desk.sell(CALL, "0.1", "0.0145", label="mine")["order"]["order_id"]
    with pytest.raises(RefusedError) as foreign:
        desk.ask("private/cancel", "other", order_id=order)
    assert foreign.value.code == 10029
    bare = desk.ask("private/cancel", order_id=order)
    assert (bare["order_state"], bare["cancel_reason"]) == ("cancelled", "user_request")
    for order_id, code in ((order, 11044), ("424242", 10004)):
        with pytest.raises(RefusedError) as caught:
            desk.ask("private/cancel", order_id=order_id)
        assert caught.value.code == code
    for _ in range(3):
        desk.sell(CALL, "0.1", "0.0145", label="mine")
    desk.sell(CALL, "0.1", "0.0145", label="other")
    assert desk.ask("private/cancel_by_label", label="mine", currency="ETH") == 0
    assert desk.ask("private/cancel_by_label", label="mine", currency="BTC") == 3
    assert desk.ask("private/cancel_all") == 1


def test_edit_by_label_needs_exactly_one(desk: Desk) -> None:
    desk.sell(CALL, "0.1", "0.0145", label="a")
    params = {"label": "a", "instrument_name": CALL, "amount": 0.1, "price": 0.014}
    assert desk.ask("private/edit_by_label", **params)["order"]["price"] == Decimal("0.014")
    desk.sell(CALL, "0.1", "0.0145", label="a")
    assert refusal(desk, "edit_by_label", **params).code == 13032
    assert refusal(desk, "edit_by_label", **{**params, "label": "b"}).code == 10004


def test_ids_are_plain_for_btc_and_prefixed_for_others(desk: Desk) -> None:
    assert desk.sell(CALL, "0.1", "0.0145")["order"]["order_id"].isdigit()
    ether = next(name for name in desk.feed.listed("ETH", desk.now) if "4JAN26-3100-C" in name)
    ask = desk.ask("public/ticker", instrument_name=ether)["best_ask_price"]
    placed = desk.sell(ether, "1", str(ask))
    assert placed["order"]["order_id"].startswith("ETH-")
    assert placed["order"]["label"] == ""
    assert "label" not in desk.buy(ether, "1", str(ask))["trades"][0]


def test_nobody_is_served_privately_and_unknown_methods_say_so(desk: Desk) -> None:
    with pytest.raises(RefusedError) as anonymous:
        desk.ask("private/get_positions", None)
    assert anonymous.value.code == 10000
    with pytest.raises(RefusedError) as unknown:
        desk.ask("private/fly")
    assert unknown.value.code == -32601
    assert desk.ask("public/get_time", None, surprise="yes") == desk.now


def test_exchange_time_never_goes_back(desk: Desk) -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        desk.engine.advance(desk.now - 1)


def test_resting_buys_fill_dearest_first(desk: Desk) -> None:
    low = desk.buy(CALL, "0.2", "0.011")["order"]["order_id"]
    high = desk.buy(CALL, "0.2", "0.0115")["order"]["order_id"]
    desk.feed.pin(CALL, desk.now + 1, 0.0105, 0.0110, 1, 0.3)
    desk.to(desk.now + MINUTE)
    trades = desk.ask("private/get_user_trades_by_currency", currency="BTC", sorting="asc")["trades"]
    assert [(one["order_id"], one["price"], one["amount"]) for one in trades] == [
        (high, Decimal("0.0115"), Decimal("0.2")),
        (low, Decimal("0.011"), Decimal("0.1")),
    ]


def test_a_size_off_the_lot_trades_in_whole_lots(desk: Desk) -> None:
    desk.requote(CALL, 0.0120, 0.0125, bid_size=0.57)
    assert desk.sell(CALL, "1", "0.012")["order"]["filled_amount"] == Decimal("0.5")
    desk.requote(CALL, 0.0120, 0.0125, bid_size=float("nan"))
    assert desk.sell(CALL, "1", "0.012", label="none")["trades"] == []


def test_an_edit_is_judged_by_itself_and_not_beside_its_old_self(desk: Desk) -> None:
    margin = desk.ask("private/get_margins", instrument_name=CALL, amount=1, price=0.013)["sell"]
    whole = str(int(2 / margin))
    order = desk.sell(CALL, whole, "0.013")["order"]["order_id"]
    edited = desk.ask("private/edit", order_id=order, amount=whole, price="0.0135")["order"]
    assert edited["price"] == Decimal("0.0135") and edited["order_state"] == "open"
    more = {"order_id": order, "amount": str(int(whole) + 1), "price": "0.0135"}
    assert refusal(desk, "edit", **more).code == 10009


def test_closing_must_be_payable_in_cash(desk: Desk) -> None:
    desk.sell(CALL, "0.5", "0.012")
    desk.ask("local/deposit", currency="BTC", amount=-desk.summary("BTC")["available_funds"])
    balance = desk.summary("BTC")["balance"]
    dear = 0.5 * float(balance) * 4 // 0.0005 * 0.0005
    desk.requote(CALL, round(dear - 0.001, 4), round(dear, 4), mark=round(dear, 4))
    assert desk.summary("BTC")["available_funds"] < 0
    assert refusal(desk, "buy", instrument_name=CALL, amount="0.5", price=round(dear, 4)).code == 10009
    affordable = int(float(balance) / dear * 10 - 0.1) / 10
    assert desk.buy(CALL, str(affordable), str(round(dear, 4)))["order"]["order_state"] == "filled"


def test_what_expires_next_is_left_out_of_projected_margins(desk: Desk) -> None:
    soon = "BTC-2JAN26-82000-C"
    desk.to(START + 32 * HOUR - 60 * HOUR // 10)
    desk.feed.pin(soon, desk.now, 0.005, 0.0055)
    desk.sell(soon, "0.5", "0.005")
    summary = desk.summary("BTC")
    assert summary["initial_margin"] > 0 == summary["projected_initial_margin"]
    assert summary["maintenance_margin"] > 0 == summary["projected_maintenance_margin"]
    assert summary["delta_total"] < 0 == summary["projected_delta_total"]
    desk.sell(CALL, "0.5", "0.0105")
    projected = desk.summary("BTC")["projected_initial_margin"]
    assert 0 < projected < desk.summary("BTC")["initial_margin"]
