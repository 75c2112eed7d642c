"""The client and the local exchange over a real socket: the same as in-process, within the credits, at any speed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optionwriter.adapters.clocks import SystemClock
from optionwriter.adapters.deribit.broker import DeribitBroker
from optionwriter.adapters.deribit.errors import RequestNotSentError, WrongEnvironmentError
from optionwriter.adapters.deribit.market import DeribitMarket
from optionwriter.adapters.deribit.retries import PatientWire
from optionwriter.adapters.deribit.secret import Secret
from optionwriter.adapters.deribit.server_time import LocalClock
from optionwriter.adapters.deribit.session import Session
from optionwriter.adapters.deribit.token import Credentials
from optionwriter.core.books.account import Acknowledged, Found, Rejected, Side
from optionwriter.core.books.facts import Action, Intent
from optionwriter.ports import BrokerUnavailableError
from optionwriter.venue.server import RunningServer, listen
from tests.contracts.brokers import CALL, HOUR, PUT
from tests.patience import LONGEST_S
from tests.venue.flat_feed import FlatFeed
from tests.venue.server.house import OPENED, exchange, serving

LOCAL = Credentials("local", Secret("local"))
FAST = 1e9  # exchange seconds a second: a jump takes no time


@dataclass
class House:
    """A served exchange and ways to it."""

    url: str
    sessions: list[Session]

    def session(self, credentials: Credentials | None = LOCAL, **more: Any) -> Session:
        made = Session(
            "local", time.monotonic, time.sleep, credentials, self.url, **{"trading": True, **more}
        )
        self.sessions.append(made)
        return made


@pytest.fixture(params=[True, False], ids=["frozen", "flowing"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    feed = FlatFeed()
    feed.pin(CALL, OPENED, 0.0120, 0.0125, 0.5, 0.3)
    with serving(exchange(feed=feed, frozen=request.param)) as url:
        found = House(url, [])
        yield found
        for one in found.sessions:
            one.close()


def intent(number: int, instrument: str, side: Side, amount: str, price: str, at_ms: int) -> Intent:
    return Intent(
        label=f"CCBOT_{number}",
        plan="p",
        step=0,
        action=Action.OPEN_COVERED_CALL,
        reason="open",
        instrument=instrument,
        side=side,
        amount=Decimal(amount),
        limit_price=Decimal(price),
        reduce_only=False,
        valid_until_ms=at_ms + 600_000,
    )


def life(broker: DeribitBroker, clock: LocalClock) -> list[Any]:
    """A sale, a resting order that ends, two refusals, an expiry; everything that was answered."""
    told: list[Any] = []
    sale = intent(1, CALL, Side.SELL, "0.5", "0.012", clock.now_ms())
    resting = intent(2, PUT, Side.SELL, "0.1", "2600", clock.now_ms())
    told += [broker.send(sale), broker.send(resting)]
    told.append(broker.send(intent(3, CALL, Side.SELL, "0.05", "0.012", clock.now_ms())))
    told.append(broker.send(intent(4, CALL, Side.SELL, "0.1", "0.01234", clock.now_ms())))
    told += [broker.look_up(sale), broker.account()]
    order = told[1].order
    told.append(broker.cancel(order.label, order.order_id, PUT))
    clock.sleep_until(OPENED + 4 * 24 * HOUR)
    told += [broker.account(), list(broker.events_since(OPENED - HOUR))]
    return told


def test_trading_over_http(house: House) -> None:
    session = house.session()
    clock = session.local_clock(FAST)
    broker = DeribitBroker(session.client, clock, "local", "local")
    told = life(broker, clock)
    kinds = [type(one) for one in told[:4]]
    assert kinds == [Acknowledged, Acknowledged, Rejected, Rejected], told[:4]
    assert [one.code for one in told[2:4]] == [10002, 10043]
    assert isinstance(told[4], Found)
    assert told[4].fills == told[0].fills
    assert told[6].order.state == "cancelled"
    assert told[5].positions[0].amount == Decimal("-0.5")
    assert told[7].positions == ()
    cash = told[7].currency("BTC").balance
    fee = min(Decimal("0.0003"), Decimal("0.125") * Decimal("0.012")) * Decimal("0.5")
    settled = [one for one in told[8] if type(one).__name__ == "Settlement"]
    assert cash == 2 + Decimal("0.5") * Decimal("0.012") - fee + settled[0].payoff - settled[0].fee
    assert len(DeribitMarket(session.client, clock).chain("BTC")) > 20


def test_two_runs_with_frozen_time_give_the_same_answers() -> None:
    def run() -> list[Any]:
        feed = FlatFeed()
        feed.pin(CALL, OPENED, 0.0120, 0.0125, 0.5, 0.3)
        with serving(exchange(feed=feed, frozen=True)) as url:
            session = Session("local", time.monotonic, time.sleep, LOCAL, url, trading=True)
            clock = session.local_clock(FAST)
            told = life(DeribitBroker(session.client, clock, "local", "local"), clock)
            session.close()
            return told

    assert run() == run()


def test_the_exchange_never_has_to_say_too_many(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    true_post = PatientWire.post

    def post(self: PatientWire, *call: Any) -> Any:
        answer = true_post(self, *call)
        codes.append(0 if answer.error is None else answer.error.code)
        return answer

    monkeypatch.setattr(PatientWire, "post", post)
    session = house.session()
    clock = session.local_clock(FAST)
    if session.client.call("local/time", {}, dict)["frozen"]:
        for number in range(120):
            session.client.call("private/get_positions", {"currency": "any"}, list)
            if number < 40:
                asked = {"instrument_name": PUT, "amount": 0.1, "price": 2600, "type": "limit"}
                session.client.call("private/buy", asked, dict)
            if number < 12:
                log = {"currency": "BTC", "start_timestamp": 0, "end_timestamp": OPENED}
                session.client.call("private/get_transaction_log", log, dict)
    else:  # in real time: just over the burst
        for _ in range(85):
            session.client.call("private/get_positions", {"currency": "any"}, list)
    assert 10028 not in codes
    assert clock.now_ms() > OPENED  # there was waiting to do
    assert len(codes) > 85


def test_a_token_ages_by_the_jumps_and_is_renewed_in_time(house: House) -> None:
    session = house.session()
    clock = session.local_clock(FAST)
    tokens = []
    assert session.owner is not None
    for hours in (0, 0.1, 0.24, 1, 5):  # 900 seconds are a quarter of an hour
        clock.sleep_until(OPENED + int(hours * HOUR))
        session.client.call("private/get_positions", {"currency": "any"}, list)
        tokens.append(session.owner.bearer().reveal())
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 4


def test_a_token_that_ended_unnoticed_costs_a_read_nothing_and_an_order_a_refusal(house: House) -> None:
    session = house.session()  # its owner's clock does not follow the jumps
    clock = house.session().local_clock(FAST)
    broker = DeribitBroker(session.client, clock, "local", "local")
    broker.account()
    clock.sleep_until(OPENED + HOUR)
    refused = broker.send(intent(1, CALL, Side.SELL, "0.1", "0.012", clock.now_ms()))
    assert isinstance(refused, Rejected)
    assert refused.code == 13009
    assert broker.account().positions == ()
    assert isinstance(broker.send(intent(2, PUT, Side.SELL, "0.1", "2600", clock.now_ms())), Acknowledged)
    clock.sleep_until(OPENED + 2 * HOUR)
    assert len(broker.account().open_orders) == 1


def test_keys_and_environments(house: House) -> None:
    reader = Credentials("reader", Secret("r-secret"))
    with pytest.raises(RequestNotSentError, match="trade:read_write"):
        house.session(reader).client.call("private/get_positions", {}, list)
    assert house.session(reader, trading=False).client.call("private/get_positions", {}, list) == []
    with pytest.raises(RequestNotSentError, match=r"13004 invalid_credentials: check DERIBIT_CLIENT_ID"):
        house.session(Credentials("local", Secret("remote"))).client.call("private/get_positions", {}, list)
    with pytest.raises(RequestNotSentError, match="set DERIBIT_CLIENT_ID"):
        house.session(None).client.call("private/get_positions", {}, list)
    wrong = Session("mainnet", time.monotonic, time.sleep, LOCAL, house.url)
    house.sessions.append(wrong)
    with pytest.raises(WrongEnvironmentError, match="DERIBIT_ENV"):
        wrong.client.call("public/get_time", {}, int)
    with pytest.raises(RequestNotSentError, match="DERIBIT_ENV"):
        wrong.client.call("private/get_positions", {}, list)


def test_the_local_exchange_is_on_this_machine() -> None:
    with pytest.raises(ValueError, match=r"test\.deribit\.com is not this machine"):
        Session("local", time.monotonic, time.sleep, LOCAL, "https://test.deribit.com")
    with pytest.raises(ValueError, match="no address of its own"):
        Session("local", time.monotonic, time.sleep, LOCAL)
    for environment, host in (("testnet", "test.deribit.com"), ("mainnet", "www.deribit.com")):
        session = Session(environment, time.monotonic, time.sleep)
        assert session.http.host == host
        session.close()


def test_the_clocks_agree_with_the_exchange(house: House) -> None:
    session = house.session()
    frozen = session.client.call("local/time", {}, dict)["frozen"]
    clock = session.local_clock(speed=3_600)
    begun = time.monotonic()
    clock.sleep_until(OPENED + HOUR)
    assert 0.9 < time.monotonic() - begun < LONGEST_S  # an hour in a second
    assert clock.now_ms() >= OPENED + HOUR
    begun = time.monotonic()
    clock.synchronise()
    late_ms = 0 if frozen else (time.monotonic() - begun) * 1_000 + 1  # what the answer took to come
    before, shown, after = clock.now_ms(), session.client.call("public/get_time", {}, int), clock.now_ms()
    assert before <= shown <= after + late_ms
    if not frozen:
        exact = session.exchange_clock(SystemClock())
        off_ms = exact.error_ms + 1
        before, shown, after = exact.now_ms(), session.client.call("public/get_time", {}, int), exact.now_ms()
        assert before - off_ms <= shown <= after + off_ms
        assert "behind" in exact.warning or "ahead" in exact.warning  # the sample's time is not ours


@contextlib.contextmanager
def running(folder: Path, port: int) -> Iterator[int]:
    """The exchange of a folder, on a port."""
    opened = exchange(folder, frozen=True)
    listener = listen("127.0.0.1", port)
    server = RunningServer(opened.desk, listener)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.stop()
        thread.join(LONGEST_S)
        opened.close()


def test_an_exchange_that_stops_and_comes_back_finds_the_same_session(tmp_path: Path) -> None:
    with running(tmp_path, 0) as port:
        session = Session(
            "local", time.monotonic, lambda _: None, LOCAL, f"http://127.0.0.1:{port}", trading=True
        )
        clock = session.local_clock(FAST)
        broker = DeribitBroker(session.client, clock, "local", "local")
        sent = broker.send(intent(1, PUT, Side.SELL, "0.1", "2600", clock.now_ms()))
        assert isinstance(sent, Acknowledged)
    for again in (1, 2):
        outcome = broker.send(intent(again + 1, PUT, Side.SELL, "0.1", "2600", clock.now_ms()))
        assert isinstance(outcome, Rejected)  # nobody listens: certainly not sent
        assert "cannot be reached" in outcome.reason
    with pytest.raises(BrokerUnavailableError, match="cannot be reached"):
        broker.account()
    with running(tmp_path, port):
        assert [one.label for one in broker.account().open_orders] == ["CCBOT_1"]
        clock.sleep_until(OPENED + HOUR)
        assert isinstance(broker.cancel("CCBOT_1", sent.order.order_id, PUT), Found)
    session.close()
