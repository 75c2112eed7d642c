"""The kill switch at every step of a cycle, over the exchange engine: nothing leaves, what rests ends, the books stay
whole, and only a resume lifts it (FAULTS F53, invariant I5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from optionwriter.adapters.files.kill_file import KillFile
from optionwriter.core.books.book import positions, unresolved, working
from optionwriter.core.books.facts import (
    Action,
    IntentPrepared,
    OrderClosed,
    OrderProvenAbsent,
    StateChanged,
    TradingState,
)
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.ports import (
    BrokerUnavailableError,
    Command,
    FeedEntry,
    KillOrder,
    LedgerError,
    TransportError,
)
from optionwriter.services.agent import run_agent
from optionwriter.services.cycle import CycleReport, run_cycle
from optionwriter.services.watch import Watch
from optionwriter.venue.wire import InProcessVenue
from tests.services.test_restart import Agent, agent, lose

AT = 1_900_000_000_000  # when people act, by the machine's clock
SENDS = ("private/sell", "private/buy")


@dataclass
class Asked:
    """Commands that people left."""

    left: list[Command] = field(default_factory=list)
    fails: bool = False

    def ask(self, kind: str, reason: str = "why", at_ms: int = AT) -> None:
        self.left.append(Command(len(self.left) + 1, kind, reason, at_ms))

    def pending_commands(self) -> tuple[Command, ...]:
        return tuple(one for one in self.left if one.id > 0)

    def done(self, command_id: int) -> bool:
        if self.fails:
            return False
        self.left = [replace(one, id=-one.id) if one.id == command_id else one for one in self.left]
        return True

    def publish(self, views: Mapping[str, object], entries: Sequence[FeedEntry] = ()) -> bool:
        return True

    def last(self, name: str) -> object | None:
        return None


def watched(one: Agent, asked: Asked | None = None) -> tuple[Watch, list[str]]:
    told: list[str] = []
    return Watch(one.desk, asked, told.append), told


def kill(one: Agent, reason: str = "gap risk", at_ms: int = AT) -> None:
    one.desk.kill.engage(reason, "page", at_ms)


def when_called(
    monkeypatch: pytest.MonkeyPatch, method: str, act: Callable[[], None], after: bool = False
) -> None:
    """Once, right before the exchange hears a method, or right after it answered."""
    true_call, left = InProcessVenue.call, [act]

    def call(self: InProcessVenue, name: str, params: Mapping[str, object]) -> bytes:
        if name == method and left and not after:
            left.pop()()
        body = true_call(self, name, params)
        if name == method and left:
            left.pop()()
        return body

    monkeypatch.setattr(InProcessVenue, "call", call)


def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every method that is asked for from now on."""
    true_call, heard = InProcessVenue.call, list[str]()

    def call(self: InProcessVenue, method: str, params: Mapping[str, object]) -> bytes:
        heard.append(method)
        return true_call(self, method, params)

    monkeypatch.setattr(InProcessVenue, "call", call)
    return heard


def test_between_prepare_and_send_nothing_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The intents are committed; then the switch is engaged."""
    with agent(tmp_path / "run") as one:
        append = one.desk.recorder._store.append

        def append_and_kill(facts: Sequence[object]) -> None:
            append(facts)
            if any(isinstance(fact.body, IntentPrepared) for fact in facts):
                kill(one)

        monkeypatch.setattr(one.desk.recorder._store, "append", append_and_kill)
        report = one.cycle(0)
        (prepared,) = one.told(IntentPrepared)
        assert [body.label for body in one.told(OrderProvenAbsent)] == [prepared.intent.label]
        assert not one.theirs.orders and not unresolved(one.book) and not one.book.live_labels
        assert [(done.outcome, done.detail) for done in report.executions] == [
            ("not sent", "killed by page: gap risk")
        ]
        assert report.kill == KillOrder("gap risk", "page", AT)
        one.cycle()
        assert one.book.state is TradingState.HALTED and not one.theirs.orders
        one.agrees()


def test_a_resting_order_is_cancelled_and_confirmed_at_once(tmp_path: Path) -> None:
    with agent(tmp_path / "run", "mid") as one:
        one.cycle(0)
        (resting,) = working(one.book)
        watch, told = watched(one)
        assert watch.look() is False and not told
        kill(one)
        assert watch.look() is True
        assert one.theirs.orders[resting.order_id].state.value == "cancelled" and not one.theirs.open_orders
        (end,) = one.told(OrderClosed)
        assert (end.order_id, end.filled) == (resting.order_id, 0) and not one.book.live_labels
        assert (one.book.state, one.book.state_lifted_by) == (TradingState.HALTED, "resume")
        assert one.book.state_reason == "killed by page: gap risk"
        assert told == ["killed by page: gap risk. Nothing of ours rests; lifted by optionwriter resume"]
        seq = one.book.seq
        assert watch.look() is False and one.book.seq == seq and len(told) == 1, "it is said and booked once"
        one.agrees()


def test_a_partly_filled_order_keeps_its_fills(tmp_path: Path) -> None:
    with agent(tmp_path / "run", "mid") as one:
        one.cycle(0)
        (resting,) = working(one.book)
        for _ in range(400):
            one.pass_time(MS_PER_HOUR // 4)
            if one.theirs.orders[resting.order_id].filled > 0:
                break
        kill(one)
        one.cycle(1)
        order = one.theirs.orders[resting.order_id]
        assert one.book.orders[resting.intent.label].filled == order.filled > 0
        assert not one.theirs.open_orders and one.book.state is TradingState.HALTED
        one.agrees()


def test_an_unreachable_exchange_is_said_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(tmp_path / "run", "mid") as one:
        one.cycle(0)
        (resting,) = working(one.book)
        watch, told = watched(one)

        def no_answer(self: InProcessVenue, method: str, params: Mapping[str, object]) -> bytes:
            raise TransportError("no route to host")

        with monkeypatch.context() as cut:
            cut.setattr(InProcessVenue, "call", no_answer)
            kill(one)
            assert watch.look() is True
            assert one.book.state is TradingState.HALTED, "the halt needs no exchange"
            assert working(one.book) == (resting,) and resting.order_id in one.theirs.open_orders
            with pytest.raises(BrokerUnavailableError):
                run_cycle(one.desk)
            assert watch.look() is False
            (said,) = told
            assert "Not certain yet, and tried again" in said and "no route to host" in said
        assert watch.look() is True
        assert not one.theirs.open_orders and not one.book.live_labels
        assert told[1].endswith("Nothing of ours rests; lifted by optionwriter resume")
        one.cycle()
        one.agrees()


def test_what_rests_ends_though_the_ledger_takes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(tmp_path / "run", "mid") as one:
        one.cycle(0)

        def full(_: object) -> None:
            raise LedgerError("disk full")

        monkeypatch.setattr(one.desk.recorder._store, "append", full)
        kill(one)
        with pytest.raises(LedgerError):
            watched(one)[0].look()
        assert not one.theirs.open_orders


def test_market_and_views_and_profit_may_all_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with agent(tmp_path / "run", "mid") as one:
        one.cycle(0)

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("broken")

        class Deaf(Asked):
            def pending_commands(self) -> tuple[Command, ...]:
                raise RuntimeError("no views")

        for name in ("public/get_book_summary_by_currency", "public/get_tradingview_chart_data"):
            lose(monkeypatch, {name: "request"})
        monkeypatch.setattr("optionwriter.services.cycle.build_state", broken)
        monkeypatch.setattr("optionwriter.core.books.pnl.chain_pnl", broken)
        kill(one)
        with capture_logs():
            watch, told = watched(one, Deaf())
            watch.look()
        assert not one.theirs.open_orders and one.book.state is TradingState.HALTED
        assert told[0].startswith("a command could not be obeyed: RuntimeError: no views")


ROLLING = """
[short]
kind = "covered_call"
underlyings = ["ETH"]
size_cap = 3
style = "cross"
[short.gates]
dte_min = 0.1
dte_max = 2.5
ivrv_min = 0.0
open_interest_min = 0.0
delta_max = 0.5
[short.manage]
roll_delta = 0.05
[short.roll_gates]
dte_min = 0.1
dte_max = 45.0
ivrv_min = -5.0
open_interest_min = 0.0
delta_min = 0.0
delta_max = 0.6
premium_min_usd = 0.0
spread_max = 1.0
[short.roll]
max_debit = 0.05
max_spread = 2.0
min_extra_days = 0.5
"""


def test_mid_roll_the_new_leg_stays_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The close filled, then the switch is engaged: the chain is over, flat, and what it owes is nothing."""
    monkeypatch.setattr("tests.services.test_restart.SHORT", ROLLING)
    with agent(tmp_path / "run", "roll") as one:
        one.cycle(0)
        ((name, held),) = positions(one.book).items()
        when_called(monkeypatch, "private/buy", lambda: kill(one), after=True)
        for _ in range(60):
            report = one.cycle()
            if report.executions:
                break
        close, open_ = report.executions
        assert close.intent.action is open_.intent.action is Action.ROLL_CALL
        assert (close.intent.instrument, close.filled, close.outcome) == (name, -held, "filled")
        assert (open_.outcome, open_.detail) == ("not sent", "killed by page: gap risk")
        assert len(one.theirs.orders) == 2 and not one.theirs.open_orders
        assert not positions(one.book) and not one.book.live_labels and not one.book.open_ids
        (chain,) = one.book.chains.values()
        assert chain.closed_ms is not None and chain.rolls == 0 and len(chain.legs) == 1
        one.agrees()
        report = one.cycle()
        assert not report.differences and one.book.state is TradingState.HALTED
        assert len(one.theirs.orders) == 2


def test_a_restart_finds_it_killed_even_without_the_file(tmp_path: Path) -> None:
    with agent(tmp_path / "run", "mid") as one:
        one.cycle(0)
        kill(one)
    with agent(tmp_path / "run", "mid") as one:  # the file alone
        watch, _ = watched(one)
        assert watch.look() is True and not one.theirs.open_orders
    (tmp_path / "run" / "KILL").unlink()
    with agent(tmp_path / "run", "mid") as one:  # the ledger alone: taking the file away is no resume
        for _ in range(3):
            one.cycle()
        assert one.book.state is TradingState.HALTED and not one.theirs.open_orders
        assert len(one.told(StateChanged)) == 1
        one.agrees()


def test_a_first_start_under_a_kill_opens_the_ledger_and_trades_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "KILL").touch()
    with agent(tmp_path / "run") as one:
        watch, _ = watched(one)
        assert watch.look() is True and not one.book.seq
        one.cycle(0)
        assert one.book.state is TradingState.HALTED and not one.theirs.orders
        assert one.book.state_reason == "killed by hand: the kill file is there"


def test_resume_lifts_it_and_trading_goes_on(tmp_path: Path) -> None:
    with agent(tmp_path / "run") as one:
        asked = Asked()
        watch, told = watched(one, asked)
        kill(one)
        watch.look()
        one.cycle(0)
        asked.ask("resume", "all is well", AT + 1)
        assert watch.look() is True and not asked.pending_commands()
        assert one.desk.kill.read() is None and told[-1] == "resumed: all is well"
        assert one.book.state is TradingState.ACTIVE and one.book.state_reason == "resumed: all is well"
        one.cycle(1_000)
        assert len(one.theirs.orders) == 1
        one.agrees()


def test_resume_leaves_a_halt_for_another_reason_to_its_own_cure(tmp_path: Path) -> None:
    with agent(tmp_path / "run") as one:
        asked = Asked()
        watch, told = watched(one, asked)
        one.cycle(0)
        one.theirs.cash["USDC"] -= 100
        one.cycle()
        cure = one.book.state_lifted_by
        assert one.book.state is TradingState.HALTED and cure != "resume"
        asked.ask("resume", "please", AT)
        watch.look()
        assert one.book.state_lifted_by == cure and "books and venue" in told[-1]
        kill(one)
        watch.look()
        assert one.book.state_reason.startswith("killed by page")
        one.cycle()  # books still differ: the kill's halt stays
        asked.ask("resume", "again", AT + 1)
        watch.look()
        assert (one.book.state, one.book.state_lifted_by) == (TradingState.HALTED, cure)
        assert "stays HALTED" in told[-1] and "cash USDC" in told[-1]
        one.theirs.cash["USDC"] += 100
        one.cycle()
        assert one.book.state is TradingState.ACTIVE


def test_books_that_agree_again_do_not_lift_a_kill(tmp_path: Path) -> None:
    with agent(tmp_path / "run") as one:
        asked = Asked()
        watch, _ = watched(one, asked)
        one.cycle(0)
        one.theirs.cash["USDC"] -= 100
        one.cycle()
        kill(one)
        watch.look()
        one.theirs.cash["USDC"] += 100
        for _ in range(2):
            one.cycle()
            assert one.book.state_lifted_by == "resume"
        asked.ask("resume", "ok", AT + 1)
        watch.look()
        one.cycle()
        assert one.book.state is TradingState.ACTIVE


def test_commands_are_obeyed_once_in_order_whatever_becomes_of_their_marks(tmp_path: Path) -> None:
    with agent(tmp_path / "run") as one:
        asked = Asked()
        watch, _ = watched(one, asked)
        one.cycle(0)
        asked.ask("kill", "one", AT)
        asked.ask("resume", "two", AT + 1)
        asked.fails = True  # acted, and not marked: the next may not begin
        for _ in range(3):
            watch.look()
        order = one.desk.kill.read()
        assert order == KillOrder("one", "command", AT) and len(asked.pending_commands()) == 2
        assert len(one.told(StateChanged)) == 1
        again, _ = watched(one, asked)  # a new process, to which both come again
        asked.fails = False
        again.look()
        assert one.desk.kill.read() is None and one.book.state is TradingState.ACTIVE
        assert not asked.pending_commands() and len(one.told(StateChanged)) == 2


def test_a_resume_that_comes_again_does_not_lift_a_later_kill(tmp_path: Path) -> None:
    """The agent obeyed the resume and crashed before marking it; meanwhile somebody killed anew."""
    with agent(tmp_path / "run") as one:
        asked = Asked()
        one.cycle(0)
        kill(one, "first", AT)
        asked.ask("resume", "ok", AT + 1)
        asked.fails = True
        watched(one, asked)[0].look()
        assert one.desk.kill.read() is None
        kill(one, "second", AT + 2)
        asked.fails = False
        watch, told = watched(one, asked)
        watch.look()
        assert one.desk.kill.read() == KillOrder("second", "page", AT + 2)
        assert one.book.state_reason == "killed by page: second" and "resume again" in told[0]


def test_an_unknown_command_is_marked_and_said(tmp_path: Path) -> None:
    with agent(tmp_path / "run") as one:
        asked = Asked()
        watch, told = watched(one, asked)
        asked.ask("double")
        with capture_logs() as logs:
            asked.fails = True
            assert [watch.look(), watch.look()] == [True, False], "it is done, though the mark is missing"
            asked.fails = False
            watch.look()
        assert len(told) == len(logs) == 1
        assert not asked.pending_commands() and logs[0]["event"] == "unknown command"
        assert "'double'" in told[0] and one.desk.kill.read() is None


def test_a_kill_whose_file_cannot_be_written_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(tmp_path / "run") as one:
        asked = Asked()
        watch, told = watched(one, asked)
        asked.ask("kill", "now")

        def refuse(*_: object) -> None:
            raise OSError(30, "Read-only file system")

        with monkeypatch.context() as broken, capture_logs():
            broken.setattr(KillFile, "engage", refuse)
            watch.look()
            watch.look()
        assert len(asked.pending_commands()) == 1 and len(told) == 1 and "Read-only" in told[0]
        watch.look()
        assert not asked.pending_commands() and one.desk.kill.read() is not None


def test_between_two_cycles_a_kill_is_heard_within_a_nap(tmp_path: Path) -> None:
    """With a loop of an hour and naps of a second, the order's end comes a second after the switch."""
    with agent(tmp_path / "run", "mid") as one:
        desk = replace(one.desk, nap_ms=1_000)
        begun, cycles = one.desk.clock.now_ms(), list[CycleReport]()
        watch = Watch(desk, None, lambda _: None)

        def look() -> bool:
            if cycles and one.desk.clock.now_ms() >= begun + 600_000 and desk.kill.read() is None:
                kill(one)
            return watch.look()

        run_agent(
            desk, until_ms=None, interval_ms=MS_PER_HOUR, cycles=2, tell=cycles.append, look=look,
            complain=pytest.fail, stop=lambda: False,
        )  # fmt: skip
        (end,) = (fact for fact in desk.recorder.facts() if isinstance(fact.body, OrderClosed))
        assert end.at_ms - begun <= 601_000
        assert [report.at_ms - begun <= 602_000 for report in cycles] == [True, True], "and a cycle follows"
        assert cycles[1].kill is not None and cycles[1].state.book.state is TradingState.HALTED


def test_under_a_kill_only_reads_and_cancellations_reach_the_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(tmp_path / "run", "mid") as one:
        one.cycle(0)
        kill(one)
        heard = calls(monkeypatch)
        for _ in range(30):
            one.cycle()
        assert not [method for method in heard if method in SENDS or "edit" in method]
        assert heard[0] == "private/cancel", "before anything else is asked"
        one.agrees()
        assert not one.book.live_labels and one.book.cash["ETH"] > Decimal(0)
