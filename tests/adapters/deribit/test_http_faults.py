"""Outcomes over a faulty wire: reads end in a typed error after a bounded number of tries or get their answer; orders
end as Unknown or Rejected, and are sent once whatever happens (FAULTS F1-F5, F21-F23, F27, F34-F36)."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.errors import (
    DeribitError,
    MalformedReplyError,
    NoReplyError,
    RequestNotSentError,
    VenueError,
    WrongEnvironmentError,
)
from optionwriter.adapters.deribit.http import Timeouts
from optionwriter.adapters.deribit.orders import Orders
from optionwriter.adapters.deribit.secret import Secret
from optionwriter.adapters.deribit.session import Session
from optionwriter.adapters.deribit.token import Credentials
from optionwriter.core.books.account import (
    Acknowledged,
    Found,
    LookupFailed,
    Outcome,
    Rejected,
    Side,
    Unknown,
)
from optionwriter.core.books.facts import Action, Intent
from optionwriter.ports import BrokerUnavailableError
from tests.adapters.deribit.loopback import (
    Asked,
    Loopback,
    Step,
    envelope,
    hang_up,
    http,
    in_turn,
    raw,
    refusal,
    reset,
    result,
    silence,
)
from tests.contracts.brokers import deribit
from tests.patience import LONGEST_S
from tests.venue.flat_feed import FlatFeed

NOW = 1_770_000_000_000
QUICK = Timeouts(connect_s=0.5, read_s=0.3, total_s=0.6)  # for an exchange that is silent
PATIENT = Timeouts(LONGEST_S, LONGEST_S, LONGEST_S)
GRANT = {"access_token": "t", "expires_in": 900, "scope": "account:read trade:read_write connection"}

INTENT = Intent(
    label="CCBOT_a1",
    plan="p",
    step=0,
    action=Action.OPEN_COVERED_CALL,
    reason="open",
    instrument="BTC-27MAR26-120000-C",
    side=Side.SELL,
    amount=Decimal("0.5"),
    limit_price=Decimal("0.012"),
    reduce_only=False,
    valid_until_ms=NOW + 5_000,
)
ORDER: dict[str, Any] = {
    "order_id": "42",
    "order_state": "open",
    "instrument_name": INTENT.instrument,
    "direction": "sell",
    "price": 0.012,
    "label": INTENT.label,
    "creation_timestamp": NOW,
    "amount": 0.5,
    "filled_amount": 0.0,
    "reduce_only": False,
}


@dataclass
class Desk:
    """A session on a scripted venue; sleeping is remembered, not done."""

    venue: Loopback
    timeouts: Timeouts = PATIENT
    slept: list[float] = field(default_factory=list)
    session: Session = field(init=False)

    def __post_init__(self) -> None:
        self.session = Session(
            "local",
            lambda: time.monotonic() + sum(self.slept),
            self.slept.append,
            Credentials("key", Secret("word")),
            self.venue.url,
            trading=True,
            timeouts=self.timeouts,
        )

    @property
    def orders(self) -> Orders:
        return Orders(self.session.client, SimulatedClock(NOW), 10_000)

    def read(self) -> int:
        return self.session.client.call("private/get_positions", {"currency": "any"}, int)


def desk(
    work: Callable[[Desk], Any], *script: Step, always: Step | None = None
) -> tuple[Any, list[str], Desk]:
    """What `work` gives or raises on a venue that grants tokens and otherwise follows the script; the methods asked."""
    steps = list(script)

    def default(peer: socket.socket, asked: Asked) -> bool:
        if asked.method == "public/auth":
            return result(GRANT)(peer, asked)
        step = steps.pop(0) if steps else always
        assert step is not None, f"no answer to {asked.method}"
        return step(peer, asked)

    with Loopback(default=default) as venue:
        at = Desk(venue, QUICK if silence in (always, *script) else PATIENT)
        try:
            got = work(at)
        except VenueError as error:
            got = error
        finally:
            at.session.close()
        return got, [one for one in venue.methods if one != "public/auth"], at


def _wrong_id(peer: socket.socket, asked: Asked) -> bool:
    peer.sendall(http(envelope(asked, result=1).replace(b'"id": ', b'"id": 7')))
    return True


def _half(peer: socket.socket, asked: Asked) -> bool:
    peer.sendall(http(envelope(asked, result=1)[:-10]))
    return True


def _nan(peer: socket.socket, asked: Asked) -> bool:
    peer.sendall(http(envelope(asked, result=float("nan"))))
    return True


PAGE = b"<html><title>502 Bad Gateway</title>"
BOMB = http(gzip.compress(b"0" * 50_000_000), headers={"Content-Encoding": "gzip"})
BIG = http(b'{"jsonrpc":"2.0","id":1,"testnet":true,"result":"' + b"x" * 12_000_000 + b'"}')


@dataclass(frozen=True)
class Fault:
    """What the exchange does each time; what a read becomes and after how many tries; what an order becomes."""

    step: Step
    read: type[VenueError]
    says: str
    tries: int
    order: type[Outcome] = Unknown


UNWELL = {
    10028: "too_many_requests",
    10040: "retry",
    10047: "matching_engine_queue_full",
    10066: "too_many_concurrent_requests",
    11051: "system_maintenance",
    11094: "internal_server_error",
    13028: "temporarily_unavailable",
    13888: "timed_out",
}

FAULTS: dict[str, Fault] = {
    "silence": Fault(silence, NoReplyError, "in time", 4),
    "a hang-up": Fault(hang_up, NoReplyError, "broke", 4),
    "a reset": Fault(reset(), NoReplyError, "broke", 4),
    "a reset in the body": Fault(
        reset(http(b'{"jsonrpc":"2.0","result"', length=300)), NoReplyError, "broke", 4
    ),
    "HTML with 502": Fault(raw(http(PAGE, 502, {"Content-Type": "text/html"})), NoReplyError, "HTTP 502", 4),
    "JSON with 503": Fault(raw(http(b'{"message":"no"}', 503)), NoReplyError, "HTTP 503", 4),
    "another's reply": Fault(_wrong_id, NoReplyError, "ours was", 4),
    "HTML with 200": Fault(
        raw(http(PAGE, headers={"Content-Type": "text/html"})), MalformedReplyError, "page", 1
    ),
    "half JSON": Fault(_half, MalformedReplyError, "truncated", 1),
    "NaN": Fault(_nan, MalformedReplyError, "invalid", 1),
    "an empty body": Fault(raw(http(b"")), MalformedReplyError, "empty", 1),
    "a gzip bomb": Fault(raw(BOMB), NoReplyError, "more than", 1),
    "12 MB": Fault(raw(BIG), NoReplyError, "more than", 1),
    "a redirect": Fault(
        raw(http(b"", 302, {"Location": "http://127.0.0.1:1/"})), NoReplyError, "redirects", 1
    ),
    "the production network": Fault(result(1, testnet=False), WrongEnvironmentError, "DERIBIT_ENV", 1),
    "not enough funds": Fault(refusal(10009, "not_enough_funds"), DeribitError, "10009", 1, Rejected),
    "an unknown error": Fault(refusal(99_999, "news"), DeribitError, "99999", 1),
    "settlement": Fault(refusal(10041, "settlement_in_progress"), DeribitError, "10041", 4, Rejected),
    **{word: Fault(refusal(code, word), DeribitError, str(code), 4) for code, word in UNWELL.items()},
    "too many, hung up": Fault(
        refusal(10028, "too_many_requests", 429, close=True), DeribitError, "10028", 4
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_read_ends_in_a_typed_error_after_a_bounded_number_of_tries(name: str) -> None:
    fault = FAULTS[name]
    error, asked, at = desk(Desk.read, always=fault.step)
    assert type(error) is fault.read, error
    assert fault.says in str(error)
    assert asked == ["private/get_positions"] * fault.tries
    waits = [one for one in at.slept if one in (0.25, 0.5, 1.0)]
    assert waits == [0.25, 0.5, 1.0][: fault.tries - 1]  # they double


@pytest.mark.parametrize("name", FAULTS)
def test_an_order_is_sent_once_and_unclear_is_unknown(name: str) -> None:
    fault = FAULTS[name]
    outcome, asked, _ = desk(lambda at: at.orders.send(INTENT), always=fault.step)
    assert type(outcome) is fault.order, outcome
    assert asked == ["private/sell"]


@pytest.mark.parametrize("name", [one for one in FAULTS if FAULTS[one].tries > 1])
def test_a_read_goes_on_when_the_cause_is_gone(name: str) -> None:
    got, asked, _ = desk(Desk.read, FAULTS[name].step, FAULTS[name].step, result(5))
    assert got == 5
    assert len(asked) == 3


@pytest.mark.parametrize("name", FAULTS)
def test_a_cancellation_is_made_at_most_twice_and_an_unclear_one_says_nothing(name: str) -> None:
    fault = FAULTS[name]
    looked, asked, _ = desk(
        lambda at: at.orders.cancel("CCBOT_a1", "42", INTENT.instrument), always=fault.step
    )
    assert isinstance(looked, LookupFailed)
    assert asked == ["private/cancel"] * min(fault.tries, 2)


def test_a_cancellation_whose_reply_was_lost_is_made_again_and_finds_the_order_ended() -> None:
    ended = {**ORDER, "order_state": "cancelled"}
    looked, asked, _ = desk(
        lambda at: at.orders.cancel("CCBOT_a1", "42", INTENT.instrument),
        hang_up,
        refusal(11044, "not_open_order"),
        result(ended),
    )
    assert isinstance(looked, Found)
    assert looked.order.state == "cancelled"
    assert asked == ["private/cancel", "private/cancel", "private/get_order_state"]


def test_an_exchange_that_is_down_has_certainly_not_taken_the_order() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    slept: list[float] = []
    session = Session(
        "local", time.monotonic, slept.append, Credentials("k", Secret("w")), f"http://127.0.0.1:{port}"
    )
    outcome = Orders(session.client, SimulatedClock(NOW), 0).send(INTENT)
    assert isinstance(outcome, Rejected)
    assert "cannot be reached" in outcome.reason
    with pytest.raises(
        RequestNotSentError, match=r"public/get_time: not sent: 127\.0\.0\.1 cannot be reached"
    ):
        session.client.call("public/get_time", {}, int)
    session.close()


def test_the_exchange_goes_down_between_the_token_and_the_order() -> None:
    with Loopback(default=result(GRANT)) as venue:
        at = Desk(venue)
        assert at.session.owner is not None
        at.session.owner.bearer()
    outcome = at.orders.send(INTENT)
    assert isinstance(outcome, (Rejected, Unknown))
    again = at.orders.send(INTENT)  # by now the connection is known to be gone
    assert isinstance(again, Rejected)
    at.session.close()


def test_a_good_reply_is_acknowledged() -> None:
    outcome, asked, _ = desk(lambda at: at.orders.send(INTENT), result({"order": ORDER, "trades": []}))
    assert isinstance(outcome, Acknowledged)
    assert asked == ["private/sell"]


# -- the token ends (FAULTS F22) --------------------------------------------------------------------------------

EXPIRED = refusal(13009, "unauthorized", 401)


def auths(at: Desk) -> int:
    return at.venue.methods.count("public/auth")


def test_a_read_that_meets_an_ended_token_is_made_once_more_with_a_new_one() -> None:
    got, asked, at = desk(Desk.read, EXPIRED, result(5))
    assert (got, len(asked), auths(at)) == (5, 2, 2)
    error, asked, at = desk(Desk.read, always=EXPIRED)
    assert isinstance(error, DeribitError)
    assert error.code == 13009
    assert (len(asked), auths(at)) == (2, 2)


def test_an_order_that_meets_an_ended_token_is_refused_and_not_sent_again() -> None:
    outcome, asked, at = desk(lambda at: at.orders.send(INTENT), EXPIRED)
    assert isinstance(outcome, Rejected)
    assert outcome.code == 13009
    assert (asked, auths(at)) == (["private/sell"], 1)


def test_the_next_order_has_a_new_token() -> None:
    def twice(at: Desk) -> list[Outcome]:
        return [at.orders.send(INTENT), at.orders.send(INTENT)]

    outcomes, asked, at = desk(twice, EXPIRED, result({"order": ORDER, "trades": []}))
    assert [type(one) for one in outcomes] == [Rejected, Acknowledged]
    assert (asked, auths(at)) == (["private/sell"] * 2, 2)


def test_no_token_no_order() -> None:
    bad = in_turn(public__auth=refusal(13004, "invalid_credentials"))
    with Loopback(default=bad) as venue:
        at = Desk(venue)
        outcome = at.orders.send(INTENT)
        at.session.close()
    assert isinstance(outcome, Rejected)
    assert "DERIBIT_CLIENT_SECRET" in outcome.reason
    assert venue.methods == ["public/auth"]


def test_the_next_call_after_10028_waits_until_it_can_be_served() -> None:
    """An order is not made again, so nothing has been waited for when the next one comes."""

    def twice(at: Desk) -> float:
        begun = time.monotonic()
        at.orders.send(INTENT), at.orders.send(INTENT)
        return time.monotonic() - begun

    took_s, asked, at = desk(twice, always=refusal(10028, "too_many_requests"))
    assert asked == ["private/sell"] * 2
    # Five are kept for cancelling; five come back a second, also while the machine is busy.
    assert 6 / 5 - took_s <= sum(at.slept) <= 6 / 5 + 0.001


def test_another_accounts_reply_is_no_picture_of_ours() -> None:
    seat = deribit(FlatFeed())
    seat.broker.account()
    assert seat.wire is not None
    body = seat.wire.call("private/get_account_summaries", {"extended": True})
    number = json.loads(body)["result"]["id"]
    seat.wire.lose["private/get_account_summaries"] = body.replace(
        b'"id":%d,' % number, b'"id":%d,' % (number + 1)
    )
    with pytest.raises(BrokerUnavailableError, match=f"account {number + 1}, before it was {number}"):
        seat.broker.account()
    del seat.wire.lose["private/get_account_summaries"]
    seat.broker.account()


def test_a_storm_is_bounded_by_the_credits() -> None:
    """An exchange that says 10028 to everything is asked no faster than it serves (FAULTS F21)."""

    def storm(at: Desk) -> float:
        begun = at.session.credits._monotonic()
        for _ in range(60):
            with pytest.raises(DeribitError):
                at.read()
        return at.session.credits._monotonic() - begun

    seconds, asked, _ = desk(storm, always=refusal(10028, "too_many_requests", 429, close=True))
    assert len(asked) == 240
    assert len(asked) / seconds < 20
