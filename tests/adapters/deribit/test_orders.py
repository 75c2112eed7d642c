"""Orders over a faulty wire: what each answer means, and when an order may be called absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.broker import DeribitBroker
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.core.books.account import (
    Absent,
    Acknowledged,
    Found,
    LookupFailed,
    Rejected,
    Side,
    Unknown,
)
from optionwriter.core.books.facts import Action, Intent
from tests.adapters.deribit.scripted import LOST, NONSENSE, Scripted, err, ok
from tests.contracts.brokers import CALL, TEN, deribit
from tests.venue.flat_feed import FlatFeed

D = Decimal
NOW = 1_772_524_800_000
NAME = "BTC-10MAR26-90000-C"
INTENT = Intent(
    label="CCBOT_1", plan="p", step=0, action=Action.OPEN_COVERED_CALL, reason="open", instrument=NAME,
    side=Side.SELL, amount=D("0.3"), limit_price=D("0.0120"), reduce_only=False, valid_until_ms=NOW + 5_000,
)  # fmt: skip


def order(**values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "order_id": "77", "order_state": "filled", "instrument_name": NAME, "direction": "sell", "price": 0.012,
        "label": "CCBOT_1", "creation_timestamp": NOW, "amount": 0.3, "filled_amount": 0.3, "reduce_only": False,
    }  # fmt: skip
    return row | values


def trade(**values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "trade_id": "900", "order_id": "77", "instrument_name": NAME, "timestamp": NOW, "direction": "sell",
        "amount": 0.3, "price": 0.0125, "fee": 0.00009, "fee_currency": "BTC", "index_price": 81000.25,
        "mark_price": 0.0123, "label": "CCBOT_1",
    }  # fmt: skip
    return row | values


def broker(wire: Scripted, at_ms: int = NOW) -> DeribitBroker:
    return DeribitBroker(DeribitClient(wire, "testnet"), SimulatedClock(at_ms), "me", "testnet")


def sent(reply: Any, intent: Intent = INTENT) -> Any:
    return broker(Scripted(**{f"private__{intent.side.value}": reply})).send(intent)


def test_an_order_goes_out_with_its_digits_its_label_and_its_deadline() -> None:
    wire = Scripted(private__sell=ok({"order": order(), "trades": [trade()]}))
    outcome = broker(wire).send(INTENT)
    assert isinstance(outcome, Acknowledged)
    assert (outcome.fills[0].fee, outcome.fills[0].index) == (D("0.00009"), D("81000.25"))
    (params,) = wire.asked("private/sell")
    assert params == {
        "instrument_name": NAME, "amount": D("0.3"), "type": "limit", "price": D("0.0120"), "label": "CCBOT_1",
        "time_in_force": "good_til_cancelled", "post_only": False, "reduce_only": False,
        "valid_until": NOW + 5_000,
    }  # fmt: skip


@pytest.mark.parametrize(
    "reply",
    [
        LOST,
        err(10028, "too_many_requests"),
        err(10040, "retry"),
        err(11094, "internal_server_error"),
        err(13888, "timed_out"),
        err(10047, "matching_engine_queue_full"),
        err(10003, "order_overlap"),
        err(10009, "invalid_argument"),  # the contradicting table's word for the code
        err(424242, "a code of tomorrow"),
        *(body for body, _ in NONSENSE.values()),
        ok({"order": order(), "trades": [trade()]}, testnet=False),
        ok({"order": order(label="CCBOT_2"), "trades": [trade(label="CCBOT_2")]}),
        ok({"order": order(instrument_name="BTC-10MAR26-95000-C"), "trades": []}),
        ok({"order": order(direction="buy"), "trades": [trade(direction="buy")]}),
        ok({"order": order(direction="zero"), "trades": []}),
        ok({"order": order(amount=0.4), "trades": [trade()]}),
        ok({"order": order(), "trades": []}),  # says filled, shows no trade
        ok({"order": order(), "trades": [trade(amount=0.2)]}),
        ok({"order": order(), "trades": [trade(direction="buy")]}),
        ok({"order": order(), "trades": [trade(order_id="78")]}),
        ok({"order": order(), "trades": [trade(price=0.0115)]}),  # worse than the limit
        ok({"order": order(price=0.0115), "trades": [trade()]}),  # taken at a worse price than sent
        ok({"order": order(price="market_price", order_state="open", filled_amount=0), "trades": []}),
        ok({"order": order(price="soon"), "trades": [trade()]}),
        ok({"order": order(amount="NaN"), "trades": [trade()]}),
        ok({"order": order(), "trades": [trade(fee=1e300)]}),
        ok({"order": order()}),
        ok([]),
    ],
)
def test_whatever_is_not_certain_is_unknown(reply: Any) -> None:
    outcome = sent(reply)
    assert isinstance(outcome, Unknown) and outcome.reason


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (10009, "not_enough_funds"),
        (10043, "price_wrong_tick"),
        (10005, "price_too_low 0.0115"),
        (10012, "book_closed"),
        (10041, "settlement_in_progress"),
        (-32602, "Invalid params"),
        (13009, "unauthorized"),
    ],
)
def test_a_certain_refusal_is_rejected_with_its_code(code: int, word: str) -> None:
    outcome = sent(err(code, word))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, word in outcome.reason) == (code, True)


def test_an_order_the_exchange_took_and_rejected_is_rejected() -> None:
    assert isinstance(
        sent(ok({"order": order(order_state="rejected", filled_amount=0), "trades": []})), Rejected
    )
    half = ok({"order": order(order_state="rejected", filled_amount=0.1), "trades": [trade(amount=0.1)]})
    assert isinstance(sent(half), Acknowledged)  # it did fill in part


# -- looking up -------------------------------------------------------------------------------------------------

LATE = NOW + 60_000
LOOKS = (
    "private/get_order_state_by_label",
    "private/get_open_orders_by_label",
    "private/get_order_history_by_instrument",
    "private/get_user_trades_by_currency_and_time",
)


def nothing() -> dict[str, Any]:
    empty: dict[str, Any] = {name: ok([]) for name in LOOKS[:3]}
    empty[LOOKS[3]] = ok({"trades": [], "has_more": False})
    return empty


def looking(answers: dict[str, Any]) -> Scripted:
    wire = Scripted()
    wire.answers = nothing() | answers
    return wire


def test_absent_takes_every_look_and_the_end_of_its_validity() -> None:
    wire = looking({})
    assert broker(wire, LATE).look_up(INTENT) == Absent(LATE)
    stores = [params["historical"] for params in wire.asked(LOOKS[2])]
    assert stores == [False, True]
    assert all(params["include_unfilled"] and params["include_old"] for params in wire.asked(LOOKS[2]))
    assert {name for name, _ in wire.calls} == set(LOOKS)
    for early in (NOW, INTENT.valid_until_ms, INTENT.valid_until_ms + 10_000):
        assert isinstance(broker(looking({}), early).look_up(INTENT), LookupFailed)
    assert isinstance(broker(looking({}), INTENT.valid_until_ms + 10_001).look_up(INTENT), Absent)


def test_the_archive_of_trades_is_asked_when_the_order_may_be_older_than_a_day() -> None:
    wire = looking({})
    broker(wire, NOW + 40 * 3_600_000).look_up(INTENT)
    assert [params["historical"] for params in wire.asked(LOOKS[3])] == [True, False]


def fails_at(number: int, fault: Any, good: Any) -> Any:
    """An answer that is at fault only the n-th time."""
    count = iter(range(100))

    def answer(_: Mapping[str, Any]) -> bytes:
        if next(count) != number:
            return bytes(good)
        if isinstance(fault, Exception):
            raise fault
        return bytes(fault)

    return answer


@pytest.mark.parametrize(
    "fault", [LOST, err(11094, "internal_server_error"), b"<html>", err(10004, "order_not_found")]
)
@pytest.mark.parametrize(
    ("name", "number"), [(LOOKS[0], 0), (LOOKS[1], 0), (LOOKS[2], 0), (LOOKS[2], 1), (LOOKS[3], 0)]
)
def test_one_failed_look_says_nothing(name: str, number: int, fault: Any) -> None:
    wire = looking({name: fails_at(number, fault, nothing()[name])})
    assert isinstance(broker(wire, LATE).look_up(INTENT), LookupFailed)


@pytest.mark.parametrize("name", LOOKS[:3])
def test_it_is_found_wherever_it_shows_with_all_its_fills(name: str) -> None:
    parts = [trade(trade_id="901", amount=0.2, timestamp=NOW + 1), trade(amount=0.1)]
    others = [
        order(label="CCBOT_9", order_id="3"),
        order(instrument_name="BTC-10MAR26-95000-C", order_id="4"),
    ]
    wire = looking({name: ok([*others, order()]), "private/get_user_trades_by_order": ok(parts)})
    found = broker(wire, NOW).look_up(INTENT)
    assert isinstance(found, Found)
    assert (found.order.order_id, [fill.trade_id for fill in found.fills]) == ("77", ["900", "901"])


def test_fills_are_gathered_from_recent_and_archived_trades_and_must_add_up() -> None:
    def stores(recent: list[Any], archived: list[Any]) -> Any:
        return lambda params: ok(archived if params["historical"] else recent)

    old, new = trade(amount=0.1), trade(trade_id="901", amount=0.2)
    wire = looking({LOOKS[0]: ok([order()]), "private/get_user_trades_by_order": stores([new], [old, new])})
    found = broker(wire).look_up(INTENT)
    assert isinstance(found, Found) and len(found.fills) == 2
    wire = looking({LOOKS[0]: ok([order()]), "private/get_user_trades_by_order": stores([new], [])})
    assert isinstance(broker(wire).look_up(INTENT), LookupFailed)


def test_an_order_that_only_its_trades_show_is_still_found() -> None:
    wire = looking(
        {
            LOOKS[3]: ok({"trades": [trade(label="x"), trade()], "has_more": False}),
            "private/get_order_state": ok(order()),
            "private/get_user_trades_by_order": ok([trade()]),
        }
    )
    assert isinstance(broker(wire, LATE).look_up(INTENT), Found)
    wire.answers["private/get_order_state"] = err(10004, "order_not_found")
    assert isinstance(broker(wire, LATE).look_up(INTENT), LookupFailed)


def test_two_orders_with_one_label_are_nobodys_answer() -> None:
    wire = looking({LOOKS[0]: ok([order(), order(order_id="78")])})
    failed = broker(wire, LATE).look_up(INTENT)
    assert isinstance(failed, LookupFailed) and "78" in failed.reason


# -- cancelling -------------------------------------------------------------------------------------------------


def cancelled(answers: dict[str, Any]) -> Any:
    wire = looking(answers)
    wire.answers.setdefault("private/get_user_trades_by_order", ok([trade(amount=0.1)]))
    return broker(wire, LATE).cancel("CCBOT_1", "77", NAME)


def test_a_cancellation_reports_the_end_it_confirmed() -> None:
    ended = cancelled({"private/cancel": ok(order(order_state="cancelled", filled_amount=0.1))})
    assert isinstance(ended, Found) and ended.order.state == "cancelled" and len(ended.fills) == 1


@pytest.mark.parametrize("code", [10004, 11044, 10010, 11008])
def test_an_order_that_was_no_longer_open_is_looked_up(code: int) -> None:
    refused = {"private/cancel": err(code, "whatever")}
    full = {"private/get_user_trades_by_order": ok([trade()])}
    ended = cancelled({**refused, **full, "private/get_order_state": ok(order())})
    assert isinstance(ended, Found) and ended.order.state == "filled"
    forgotten = {**refused, **full, "private/get_order_state": err(10004, "order_not_found")}
    ended = cancelled({**forgotten, LOOKS[2]: ok([order()])})
    assert isinstance(ended, Found)
    assert isinstance(cancelled(forgotten), LookupFailed)  # it did exist, so nowhere is no answer


@pytest.mark.parametrize(
    "reply",
    [
        LOST,
        err(10028, "too_many_requests"),
        ok(order(order_state="open", filled_amount=0)),
        ok(order(label="CCBOT_2")),
        ok(order(order_id="78")),
        ok(order(order_state="cancelled", filled_amount=0.2)),  # its trades show 0.1
        b"<html>",
    ],
)
def test_an_unclear_cancellation_says_nothing(reply: Any) -> None:
    assert isinstance(cancelled({"private/cancel": reply}), LookupFailed)


# -- against the exchange itself --------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["reply", b"<html>502</html>", err(11094, "internal_server_error")])
def test_an_order_whose_answer_was_lost_is_found_and_exists_once(fault: Any) -> None:
    """FAULTS F1, F4: accepted, then nothing came back."""
    seat = deribit(FlatFeed())
    assert seat.wire is not None
    seat.feed.pin(CALL, TEN, 0.012, 0.0125, 0.2, 0.3)
    intent = seat.intent(CALL, Side.SELL, "0.3", "0.012")
    seat.wire.lose["private/sell"] = fault
    assert isinstance(seat.broker.send(intent), Unknown)
    found = seat.broker.look_up(intent)
    assert isinstance(found, Found)
    assert (found.order.state, found.order.filled_amount, len(found.fills)) == ("open", D("0.2"), 1)
    assert len(seat.broker.account().open_orders) == 1


def test_an_order_that_never_arrived_is_proven_absent_only_later_and_only_by_looks_that_succeed() -> None:
    """FAULTS F2, F5."""
    seat = deribit(FlatFeed())
    assert seat.wire is not None
    intent = seat.intent(CALL, Side.SELL, "0.3", "0.012")
    seat.wire.lose["private/sell"] = "request"
    assert isinstance(seat.broker.send(intent), Unknown)
    assert isinstance(seat.broker.look_up(intent), LookupFailed)
    seat.to(TEN + 60_000)
    seat.wire.lose["private/get_open_orders_by_label"] = "reply"
    assert isinstance(seat.broker.look_up(intent), LookupFailed)
    seat.wire.lose.clear()
    assert isinstance(seat.broker.look_up(intent), Absent)
    assert isinstance(seat.broker.look_up(replace(intent, label="CCBOT_other")), Absent)
