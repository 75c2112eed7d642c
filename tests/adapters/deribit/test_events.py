"""Events: every form the log can take, every page of it, and every unit of cash told once."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.broker import DeribitBroker
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.core.books.account import CashMovement, Fill, Settlement, VenueEvent
from optionwriter.ports import BrokerUnavailableError
from tests.adapters.deribit.scripted import LOST, Scripted, err, ok
from tests.adapters.deribit.test_orders import trade

D = Decimal
EIGHT = 1_773_129_600_000  # 2026-03-10 08:00 UTC
NOW = EIGHT + 3_600_000
CALL, OTHER = "BTC-10MAR26-80000-C", "BTC-10MAR26-82000-C"
FUTURE = "BTC-10MAR26"


def entry(number: int, kind: str, change: float, at_ms: int = EIGHT + 65, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": number, "currency": "BTC", "timestamp": at_ms, "type": kind, "change": change, "commission": 0.0,
        "instrument_name": None, "side": "-", "amount": None, "position": None, "price": None, "trade_id": None,
        "balance": 1.0, "equity": 1.0, "cashflow": change, "user_seq": number, "info": {"a": 1},
    }  # fmt: skip
    return row | values


def account(
    log: list[dict[str, Any]], trades: list[dict[str, Any]] | None = None, page: int = 250
) -> Scripted:
    """An account that has only BTC, paged as the exchange pages."""

    def logs(params: Mapping[str, Any]) -> bytes:
        below = params.get("continuation", 1 << 62)
        rows = [
            row
            for row in sorted(log, key=lambda one: -one["id"])
            if row["id"] <= below
            and row["currency"] == params["currency"]
            and params["start_timestamp"] <= row["timestamp"] <= params["end_timestamp"]
        ]
        return ok({"logs": rows[:page], "continuation": rows[page]["id"] if len(rows) > page else None})

    def traded(params: Mapping[str, Any]) -> bytes:
        recent = [
            row for row in trades or [] if (row["timestamp"] < NOW - 86_400_000) is params["historical"]
        ]
        rows = [
            row
            for row in sorted(recent, key=lambda one: one["timestamp"])
            if params["currency"] == "BTC" and params["start_timestamp"] <= row["timestamp"]
        ]
        size = min(page, params["count"])
        return ok({"trades": rows[:size], "has_more": len(rows) > size})

    return Scripted(
        private__get_transaction_log=logs,
        private__get_user_trades_by_currency_and_time=traded,
        public__get_index_price=ok({"index_price": 81_000.0}),
    )


def events(wire: Scripted, since_ms: int = 0) -> list[VenueEvent]:
    broker = DeribitBroker(DeribitClient(wire, "testnet"), SimulatedClock(NOW), "me", "testnet")
    return list(broker.events_since(since_ms))


def exercise(
    number: int, name: str, amount: float, fee: float = 0.0, side: str = "close buy"
) -> dict[str, Any]:
    return entry(
        number, "exercise", -fee, instrument_name=name, side=side, amount=amount, commission=fee, price=80_000.0,
        settlement_price=84_000.0, index_price=84_000.0,
    )  # fmt: skip


def delivery(number: int, change: float, **values: Any) -> dict[str, Any]:
    return entry(
        number, "delivery", change, instrument_name=FUTURE, side="close buy", amount=1.0, price=84_000.0,
        settlement_price=84_000.0, index_price=84_000.0,
    ) | values  # fmt: skip


# A short 80000 call at 84000 owes 4000 / 84000 = 0.04761905 a coin, an 82000 call 2000 / 84000 = 0.02380952.


def test_the_two_entries_of_2026_are_one_settlement() -> None:
    log = [exercise(10, CALL, 0.5, fee=0.000075), delivery(11, -0.02380952)]
    assert events(account(log)) == [
        Settlement(CALL, D("-0.5"), D("84000.0"), D("-0.02380952"), D("0.000075"), EIGHT + 65)
    ]


def test_the_single_entry_of_before_is_one_settlement_too() -> None:
    single = exercise(10, CALL, 0.5, fee=0.000075) | {"type": "delivery", "change": -0.02388452}
    assert events(account([single])) == [
        Settlement(CALL, D("-0.5"), D("84000.0"), D("-0.02380952"), D("0.000075"), EIGHT + 65)
    ]


def test_words_that_nobody_published_do_not_matter() -> None:
    log = [exercise(10, CALL, 0.5) | {"type": "option_exercise"}, delivery(11, -0.02380952) | {"type": "x"}]
    assert [type(event) for event in events(account(log))] == [Settlement]


def test_an_option_that_ends_worthless_is_settled_without_cash() -> None:
    row = exercise(10, "BTC-10MAR26-90000-C", 0.3, side="close sell") | {"type": "delivery"}
    assert events(account([row])) == [
        Settlement("BTC-10MAR26-90000-C", D("0.3"), D("84000.0"), D("0.0"), D("0.0"), EIGHT + 65)
    ]


def test_options_of_one_expiry_are_told_apart_by_their_own_deliveries() -> None:
    log = [
        exercise(10, CALL, 0.5),
        delivery(11, -0.02380953),
        exercise(12, OTHER, 1.0),
        delivery(13, -0.02380952),
    ]
    ended = [event for event in events(account(log)) if isinstance(event, Settlement)]
    assert [(one.instrument, one.payoff) for one in ended] == [
        (CALL, D("-0.02380953")),
        (OTHER, D("-0.02380952")),
    ]


def test_a_delivery_that_is_netted_is_shared_by_the_formula_and_the_rest_is_not_lost() -> None:
    log = [
        exercise(10, CALL, 0.5),
        exercise(11, OTHER, 1.0),
        delivery(12, -0.04),
    ]  # a foreign future netted in
    seen = events(account(log))
    ended = [event for event in seen if isinstance(event, Settlement)]
    assert [one.payoff for one in ended] == [D("-0.02380952"), D("-0.02380952")]
    (rest,) = [event for event in seen if isinstance(event, CashMovement)]
    assert (rest.amount, rest.kind) == (D("0.00761904"), "delivery")
    assert sum(one.payoff for one in ended) + rest.amount == D("-0.04")


def test_half_an_exercise_is_no_settlement_yet() -> None:
    with pytest.raises(BrokerUnavailableError, match="not logged yet"):
        events(account([exercise(10, CALL, 0.5)]))


def test_everything_else_that_moves_cash_is_told_by_the_logs_own_word() -> None:
    log = [
        entry(1, "deposit", 0.65),
        entry(2, "transfer", -2.5),
        entry(3, "negative_balance_fee", -0.001),
        entry(4, "settlement", 0.002, instrument_name="BTC-PERPETUAL", side="long", index_price=80_500.5),
        entry(5, "trade", -0.0001, instrument_name="BTC-PERPETUAL", trade_id="1"),
        entry(6, "correction", 0.01, instrument_name=CALL, at_ms=EIGHT - 1),
        entry(7, "something", 0.0),
        delivery(8, 0.003),  # a future that no option of ours was exercised into
    ]
    seen = [event for event in events(account(log)) if isinstance(event, CashMovement)]
    assert [
        (one.movement_id, one.kind, one.amount) for one in sorted(seen, key=lambda one: one.movement_id)
    ] == [
        ("BTC-1", "deposit", D("0.65")),
        ("BTC-2", "transfer", D("-2.5")),
        ("BTC-3", "negative_balance_fee", D("-0.001")),
        ("BTC-4", "settlement", D("0.002")),
        ("BTC-5", "trade", D("-0.0001")),
        ("BTC-6", "correction", D("0.01")),
        ("BTC-8", "delivery", D("0.003")),
    ]
    by_id = {one.movement_id: one.index for one in seen}
    assert (by_id["BTC-1"], by_id["BTC-4"], by_id["BTC-8"]) == (D("81000.0"), D("80500.5"), D("84000.0"))


def test_trades_stand_where_the_log_has_them_and_a_logged_one_may_not_be_missing() -> None:
    at = EIGHT - 500
    log = [
        entry(1, "deposit", 0.65, at_ms=at),
        entry(2, "trade", -0.1, at_ms=at, instrument_name=CALL, trade_id="9"),
        entry(3, "trade", -0.1, at_ms=at, instrument_name=CALL, trade_id="9"),  # split where it crosses zero
        entry(4, "withdrawal", -0.1, at_ms=at),
        entry(5, "trade", -0.1, at_ms=at, instrument_name=CALL, trade_id="10"),
    ]
    trades = [trade(trade_id=one, instrument_name=CALL, timestamp=at) for one in ("10", "9")]
    seen = events(account(log, trades))
    assert [getattr(one, "trade_id", getattr(one, "kind", "")) for one in seen] == [
        "deposit",
        "9",
        "withdrawal",
        "10",
    ]
    with pytest.raises(BrokerUnavailableError, match="10"):
        events(account(log, trades[1:]))
    unlogged = events(account(log[:4], trades))
    assert [getattr(one, "trade_id", "") for one in unlogged][-1] == "10"


@pytest.mark.parametrize("page", [1, 3, 250])
def test_every_page_of_both_stores_is_read(page: int) -> None:
    old, new = NOW - 50 * 3_600_000, NOW - 3_600_000
    trades = [
        trade(trade_id=str(n), instrument_name=CALL, timestamp=(old if n < 7 else new) + n) for n in range(14)
    ]
    log = [
        entry(n, "trade", -0.1, at_ms=row["timestamp"], instrument_name=CALL, trade_id=row["trade_id"])
        for n, row in enumerate(trades, start=1)
    ]
    if page == 1:  # two trades at one instant do not fit a page of one: an error, never a loss
        trades[3]["timestamp"] = trades[2]["timestamp"]
        with pytest.raises(BrokerUnavailableError, match="do not go on"):
            events(account(log, trades, page))
        return
    seen = events(account(log, trades, page))
    assert [event.trade_id for event in seen if isinstance(event, Fill)] == [str(n) for n in range(14)]


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ({"private/get_transaction_log": LOST}, "timed out"),
        ({"private/get_transaction_log": err(10028, "too_many_requests")}, "too_many"),
        (
            {"private/get_transaction_log": ok({"logs": [entry(1, "deposit", 1.0)], "continuation": 1})},
            "without end",
        ),
        ({"private/get_transaction_log": ok({"logs": [{"id": 1}], "continuation": None})}, "missing"),
        ({"private/get_user_trades_by_currency_and_time": LOST}, "timed out"),
        ({"public/get_index_price": ok({"index_price": 0})}, "index"),
    ],
)
def test_a_history_that_cannot_be_read_is_unavailable(answers: dict[str, Any], word: str) -> None:
    wire = account([entry(1, "deposit", 0.65)])
    wire.answers |= answers
    with pytest.raises(BrokerUnavailableError, match=word):
        events(wire)


def test_an_option_that_ended_without_side_or_price_is_not_guessed_at() -> None:
    for lacking in ({"side": None}, {"amount": None}, {"settlement_price": None, "index_price": None}):
        with pytest.raises(BrokerUnavailableError, match="ended without"):
            events(account([exercise(10, CALL, 0.5) | lacking, delivery(11, -0.02380952)]))
