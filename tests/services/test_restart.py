"""What a restarted agent finds: fills and expiries that it missed, orders in flight, strangers' trades, contradictions.

Each restart is the whole path: the ledger read from its file, the exchange engine from its journal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optionwriter.bootstrap.desks import Desktop, seat_sample
from optionwriter.core.books.book import Book, OrderStatus, positions, unresolved, working
from optionwriter.core.books.facts import (
    Deposited,
    Filled,
    IntentPrepared,
    OrderProvenAbsent,
    OrderUnknown,
    Settled,
    StateChanged,
    TradingState,
)
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, parse_instrument
from optionwriter.ports import TransportError
from optionwriter.services.cycle import CycleReport, run_cycle
from optionwriter.settings import Settings
from optionwriter.venue.accounts import Account
from optionwriter.venue.wire import InProcessVenue

SHORT = """
[short]
kind = "covered_call"
underlyings = ["ETH"]
size_cap = 3
style = "{style}"
[short.gates]
dte_min = 0.1
dte_max = 2.5
ivrv_min = 0.0
open_interest_min = 0.0
delta_max = 0.5
[short.manage]
take_profit_share = 2.0
min_remaining_yield = -1.0
roll_delta = 2.0
roll_otm = -10.0
far_itm = 10.0
roll_ivrv = 100.0
"""


class Agent:
    """A seated desk, with shortcuts to both sides of the wire."""

    def __init__(self, seated: Desktop) -> None:
        self.seated, self.desk = seated, seated.desk
        assert isinstance(seated.transport, InProcessVenue)
        self.venue = seated.transport

    @property
    def book(self) -> Book:
        return self.desk.recorder.book

    @property
    def theirs(self) -> Account:
        return self.venue.engine.account("local")

    def cycle(self, after_ms: int = MS_PER_HOUR) -> CycleReport:
        self.pass_time(after_ms)
        return run_cycle(self.desk)

    def pass_time(self, span_ms: int) -> None:
        self.desk.clock.sleep_until(self.desk.clock.now_ms() + span_ms)

    def told(self, kind: type) -> list[Any]:
        return [fact.body for fact in self.desk.recorder.facts() if isinstance(fact.body, kind)]

    def by_hand(self, method: str, **params: object) -> Any:
        """Somebody else's call with the same account."""
        body = json.loads(self.venue.call(method, params), parse_float=Decimal)
        assert "result" in body, body
        return body["result"]

    def agrees(self) -> None:
        """Cash of the ledger and of the exchange are equal to the last digit, and so are our positions."""
        for currency, amount in self.theirs.cash.items():
            assert self.book.cash.get(currency, Decimal(0)) == amount
        ours = {name: size for name, size in positions(self.book).items() if size}
        assert ours == {name: held.size for name, held in self.theirs.positions.items() if held.size}


@contextmanager
def agent(folder: Path, style: str = "cross") -> Iterator[Agent]:
    """The agent, started in the folder where it stopped."""
    folder.mkdir(exist_ok=True)
    strategies = folder.parent / f"{style}.toml"
    strategies.write_text(SHORT.format(style=style))
    settings = Settings(data_dir=folder, dry_run=False, strategies_file=strategies)
    with seat_sample(settings, fresh=False, interval_ms=MS_PER_HOUR) as seated:
        yield Agent(seated)


def lose(monkeypatch: pytest.MonkeyPatch, what: Mapping[str, str]) -> None:
    """The wire loses the "request" of a method, or the "reply" to it."""
    true_call = InProcessVenue.call

    def call(self: InProcessVenue, method: str, params: Mapping[str, object]) -> bytes:
        fault = what.get(method)
        if fault == "request":
            raise TransportError("connection reset")
        body = true_call(self, method, params)
        if fault == "reply":
            raise TransportError("timed out")
        return body

    monkeypatch.setattr(InProcessVenue, "call", call)


def test_a_fill_that_was_missed_is_booked_to_its_chain(tmp_path: Path) -> None:
    with agent(tmp_path / "run", "mid") as one:
        one.cycle(0)
        (resting,) = working(one.book)
        label = resting.intent.label
    with agent(tmp_path / "run", "mid") as one:
        for _ in range(200):  # nobody is at the desk while the market comes to the order
            one.pass_time(MS_PER_HOUR // 4)
            if not one.theirs.open_orders:
                break
        assert sum(trade.amount for trade in one.theirs.trades) == resting.intent.amount
    with agent(tmp_path / "run", "mid") as one:
        assert not one.told(Filled)
        report = one.cycle(MS_PER_HOUR // 4)
        assert report.caught_up.fills == len(one.theirs.trades) >= 1 and not report.differences
        assert {fill.label for fill in one.told(Filled)} == {label}
        assert one.book.orders[label].filled == resting.intent.amount
        assert sum(chain.legs[0].position for chain in one.book.chains.values()) == -resting.intent.amount
        one.agrees()


def test_an_expiry_that_was_missed_is_settled(tmp_path: Path) -> None:
    with agent(tmp_path / "run") as one:
        one.cycle(0)
        (name,) = positions(one.book)
        expiry_ms = parse_instrument(name).expiry_ms
    with agent(tmp_path / "run") as one:
        report = one.cycle(expiry_ms + 5 * MS_PER_HOUR - one.desk.clock.now_ms())
        (settled,) = one.told(Settled)
        assert settled.instrument == name and report.caught_up.settlements == 1 and not report.differences
        settlement = one.theirs.settlements[-1]
        assert settled.delivery_price > 0 and settlement.instrument == name
        fact = next(fact for fact in one.desk.recorder.facts() if isinstance(fact.body, Settled))
        assert fact.at_ms == expiry_ms < fact.recorded_ms
        assert fact.chain_id in one.book.chains
        one.agrees()
    with agent(tmp_path / "run") as one:
        one.cycle()
        assert len([body for body in one.told(Settled) if body.instrument == name]) == 1
        one.agrees()


def test_an_order_whose_answer_was_lost_is_found_by_its_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as faulty, agent(tmp_path / "run") as one:
        lose(faulty, {"private/sell": "reply"})
        one.cycle(0)
        (left,) = unresolved(one.book)
        assert one.told(OrderUnknown) and one.theirs.size(left.intent.instrument) < 0
    with agent(tmp_path / "run") as one:
        one.cycle(1_000)
        assert not unresolved(one.book)
        assert one.book.orders[left.intent.label].filled == left.intent.amount
        assert len(one.theirs.orders) == 1, "nothing was sent again"
        one.agrees()


def test_an_order_that_never_arrived_is_absent_only_when_it_can_arrive_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as faulty, agent(tmp_path / "run") as one:
        lose(faulty, {"private/sell": "request"})
        one.cycle(0)
        (left,) = unresolved(one.book)
        faulty.undo()
        until_ms = left.intent.valid_until_ms
        for at_ms in (until_ms - 1, until_ms + 10_000):  # the exchange may still take it, or not show it yet
            one.cycle(at_ms - one.desk.clock.now_ms())
            assert unresolved(one.book) == (left,) and not one.theirs.orders
    with agent(tmp_path / "run") as one:
        one.cycle(1)
        assert [body.label for body in one.told(OrderProvenAbsent)] == [left.intent.label]
        (fresh,) = (
            body.intent for body in one.told(IntentPrepared) if body.intent.label != left.intent.label
        )
        assert fresh.valid_until_ms > until_ms, "decided afresh, not sent again"
        assert [order.label for order in one.theirs.orders.values()] == [fresh.label]
        one.agrees()


@pytest.mark.parametrize(
    "look", ["private/get_order_history_by_instrument", "private/get_open_orders_by_label"]
)
def test_a_look_up_that_fails_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    with agent(tmp_path / "run") as one:
        with monkeypatch.context() as faulty:
            lose(faulty, {"private/sell": "request"})
            one.cycle(0)
        (left,) = unresolved(one.book)
        with monkeypatch.context() as faulty:
            lose(faulty, {look: "reply"})
            report = one.cycle(60_000)
        assert unresolved(one.book) == (left,) and left.intent.label in report.caught_up.unresolved[0]
        assert not one.theirs.orders, "its chain waits"
        one.cycle(1_000)
        assert one.told(OrderProvenAbsent) and len(one.theirs.orders) == 1


def test_a_deposit_and_a_withdrawal_are_explained(tmp_path: Path) -> None:
    with agent(tmp_path / "run") as one:
        one.cycle(0)
        one.pass_time(MS_PER_HOUR)
        one.venue.engine.allow_local = True
        one.by_hand("local/deposit", currency="ETH", amount=Decimal("1.5"))
        one.by_hand("local/deposit", currency="USDC", amount=Decimal("-250.25"))
        report = one.cycle(1)
        assert report.caught_up.movements == 2 and not report.differences
        moved = {(body.currency, body.amount, body.reason) for body in one.told(Deposited)}
        assert moved >= {("ETH", Decimal("1.5"), "deposit"), ("USDC", Decimal("-250.25"), "withdrawal")}
        assert one.book.state is TradingState.ACTIVE
        one.agrees()


def test_a_strangers_order_and_position_are_seen_and_left_alone(tmp_path: Path) -> None:
    with agent(tmp_path / "run") as one:
        report = one.cycle(0)
        chain = report.state.underlyings["BTC"].chains["BTC"]
        row = next(place for place, name in enumerate(chain.table.names)
                   if name.endswith("-C") and chain.ask[place] > 0.005 and chain.bid[place] > 0.005)  # fmt: skip
        name, ask, bid = chain.table.names[row], Decimal(str(chain.ask[row])), Decimal(str(chain.bid[row]))
    with agent(tmp_path / "run") as one:
        one.by_hand("private/buy", instrument_name=name, amount=Decimal("0.2"), price=ask)
        resting = one.by_hand("private/buy", instrument_name=name, amount=Decimal("0.1"),
                              price=bid - Decimal("0.001"), label="CCBOT_mine")["order"]  # fmt: skip
        for _ in range(3):
            report = one.cycle()
            assert report.differences == () or [d.subject for d in report.differences] == ["CCBOT_mine"]
        held = next(one for one in report.state.held if one.option.name == name)
        assert (held.amount, held.ours) == (Decimal("0.2"), Decimal(0))
        assert one.theirs.size(name) == Decimal("0.2") and resting["order_id"] in one.theirs.open_orders
        assert name not in {body.intent.instrument for body in one.told(IntentPrepared)}
        assert {fill.label for fill in one.told(Filled) if fill.instrument == name} == {""}
        assert one.book.cash["BTC"] == one.theirs.cash["BTC"]


def test_a_position_that_vanished_halts_until_it_is_there_again(tmp_path: Path) -> None:
    with agent(tmp_path / "run") as one:
        one.cycle(0)
        (name,) = positions(one.book)
        amount = positions(one.book)[name]
    with agent(tmp_path / "run") as one:
        gone = one.theirs.positions.pop(name)
        orders = len(one.theirs.orders)
        for _ in range(2):
            report = one.cycle()
        assert one.book.state is TradingState.HALTED and report.state.book.state is TradingState.HALTED
        (halt,) = one.told(StateChanged)
        assert f"position {name}: books {amount:f}, venue 0" in halt.reason
        assert len(one.theirs.orders) == orders, "nothing is risked meanwhile"
        one.theirs.positions[name] = gone
        one.cycle()
        assert one.book.state is TradingState.ACTIVE and len(one.told(StateChanged)) == 2
        one.agrees()


def test_cash_that_no_event_explains_halts_until_it_is_back(tmp_path: Path) -> None:
    with agent(tmp_path / "run") as one:
        one.cycle(0)
        one.theirs.cash["USDC"] -= 100
        one.cycle()
        (halt,) = one.told(StateChanged)
        assert "cash USDC: books 200000" in halt.reason and "venue 199900" in halt.reason
        one.cycle(MS_PER_DAY * 4)  # its call expires meanwhile: that is booked, and nothing is sold anew
        assert one.told(Settled) and not positions(one.book) and len(one.theirs.orders) == 1
        one.theirs.cash["USDC"] += 100
        one.cycle()
        assert one.book.state is TradingState.ACTIVE
        one.cycle()
        assert len(one.theirs.orders) == 2, "it goes on where it halted"
        one.agrees()


def test_an_order_of_ours_that_nobody_answers_for_halts(tmp_path: Path) -> None:
    """Such as after a ledger was restored from an old copy."""
    with agent(tmp_path / "run", "mid") as one:
        one.cycle(0)
        (record,) = working(one.book)
    for path in (tmp_path / "run").glob("ledger.sqlite*"):
        path.unlink()
    with agent(tmp_path / "run", "mid") as one:
        one.cycle(1_000)
        assert one.book.state is TradingState.HALTED
        (halt,) = one.told(StateChanged)
        assert record.intent.label in halt.reason and record.intent.instrument in halt.reason
        assert record.order_id in one.theirs.open_orders, "it is not touched"


def test_a_resting_order_whose_answer_was_lost_is_found_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as faulty, agent(tmp_path / "run", "mid") as one:
        lose(faulty, {"private/sell": "reply"})
        one.cycle(0)
        (left,) = unresolved(one.book)
        (resting,) = one.theirs.open_orders
    with agent(tmp_path / "run", "mid") as one:
        report = one.cycle(1_000)
        known = one.book.orders[left.intent.label]
        assert known.order_id == resting and known.status is OrderStatus.DONE and not known.filled
        assert not unresolved(one.book) and not report.differences
        assert one.theirs.orders[resting].state.value == "cancelled"
        (fresh,) = working(one.book)
        assert [order.label for order in one.theirs.open_orders.values()] == [fresh.intent.label]
