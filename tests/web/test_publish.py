"""The publisher: what it keeps over restarts and failures, and that it never stops the agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from optionwriter.adapters.files.kill_file import KillFile
from optionwriter.adapters.store.ledger import SqliteLedger
from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap.parts import LEDGER_FILE
from optionwriter.core.books.book import Book
from optionwriter.core.books.facts import Fact, Filled
from optionwriter.core.books.ledger import apply
from optionwriter.ports import Command, FeedEntry
from optionwriter.services.agent import Timing
from optionwriter.services.cycle import CycleReport
from optionwriter.services.publish import DETAIL, DRAWDOWNS, Publisher
from tests.web.conftest import World


class Failing:
    """A sink that fails until it is told not to."""

    def __init__(self, store: ViewStore) -> None:
        self.store, self.fails = store, True

    def publish(self, views: Mapping[str, object], entries: Sequence[FeedEntry] = ()) -> bool:
        return False if self.fails else self.store.publish(views, entries)

    def last(self, name: str) -> object | None:
        return self.store.last(name)

    def pending_commands(self) -> tuple[()]:
        return ()

    def done(self, command_id: int) -> bool:
        return False


@pytest.fixture
def empty(tmp_path: Path) -> ViewStore:
    return ViewStore(tmp_path / "views.sqlite", lambda: 0)


def view(store: ViewStore, name: str) -> Any:
    return store.read(name)


def test_drawdowns_on_the_way_survive_a_restart(world: World, tmp_path: Path) -> None:
    store = world.copy(tmp_path)
    before = {one["position_id"]: one["max_drawdown"] for one in view(store, "positions-closed")["positions"]}
    assert any(Decimal(one) > 0 for one in before.values())
    Publisher(store).after_cycle(world.desk, world.last)
    after = {one["position_id"]: one["max_drawdown"] for one in view(store, "positions-closed")["positions"]}
    assert after == before
    store.close()


@pytest.mark.parametrize(
    "kept", [None, [], {"c": None}, {"c": {"peak": "x", "worst": "1"}}, {"c": {"peak": "1"}}]
)
def test_a_memory_that_cannot_be_read_is_left_out(world: World, empty: ViewStore, kept: object) -> None:
    empty.publish({DRAWDOWNS: kept})
    Publisher(empty).after_cycle(world.desk, world.last)
    assert len(view(empty, "positions-open")["positions"]) == len(world.positions) and "c" not in view(
        empty, DRAWDOWNS
    )
    empty.close()


def test_what_a_failing_store_missed_comes_when_it_works_again(world: World, empty: ViewStore) -> None:
    sink = Failing(empty)
    publisher = Publisher(sink)
    for n in range(3):
        publisher.after_cycle(world.desk, replace(world.last, at_ms=world.last.at_ms + n))
    assert empty.version() == 0
    sink.fails = False
    publisher.after_cycle(world.desk, replace(world.last, at_ms=world.last.at_ms + 3))
    assert [one["at_ms"] - world.last.at_ms for one in empty.entries("decisions", 9)] == [3, 2, 1, 0]
    assert len(view(empty, "positions-closed")["positions"]) >= 2
    publisher.after_cycle(world.desk, replace(world.last, at_ms=world.last.at_ms + 4))
    assert len(empty.entries("decisions", 9)) == 5
    empty.close()


def test_a_view_that_cannot_be_made_is_told_and_stops_nothing(world: World, empty: ViewStore) -> None:
    broken: CycleReport = replace(world.last, decisions=())
    with capture_logs() as logs:
        Publisher(empty).after_cycle(world.desk, broken)
    assert logs[0]["event"] == "views not made"
    beat = view(empty, "heartbeat")
    assert beat["outcome"] == "failed" and "the page can't be made" in beat["complaint"]
    assert view(empty, "status") is None
    empty.close()


def test_numbers_that_are_none_are_published_as_unknown(world: World, empty: ViewStore) -> None:
    state = world.last.after
    nan = Decimal("NaN")
    currencies = tuple(replace(one, initial_margin=nan) for one in state.account.currencies)
    held = tuple(replace(one, mark=float("nan")) for one in state.held)
    sick = replace(state, account=replace(state.account, currencies=currencies), held=held)
    Publisher(empty).after_cycle(world.desk, replace(world.last, after=sick))
    status = view(empty, "status")
    assert status["equity_usd"] is None and status["missing"].startswith("no mark for")
    assert {one["margin_used_pct"] for one in status["currencies"]} == {None}
    assert {one["used"] for one in status["limits"] if one["name"] == "margin_used_pct"} == {None}
    assert {one["unrealized_pnl_abs"] for one in view(empty, "positions-open")["positions"]} == {None}
    empty.close()


def test_a_drawdown_is_the_worst_fall_seen(world: World, empty: ViewStore) -> None:
    publisher = Publisher(empty)
    state = world.last.after
    first = state.held[0]
    for mark in (0.5, 0.2, 0.7, 0.3):
        held = (replace(first, mark=mark), *state.held[1:])
        publisher.after_cycle(world.desk, replace(world.last, after=replace(state, held=held)))
    (one,) = (
        row for row in view(empty, "positions-open")["positions"] if row["instrument"] == first.option.name
    )
    now = Decimal(one["unrealized_pnl_abs"]) + Decimal(one["realized_pnl_abs"])  # at 0.3
    kept = view(empty, DRAWDOWNS)[one["position_id"]]
    # a loss at every look, so the best was the nothing before it; at 0.7 it was 0.4 a coin worse than now
    assert Decimal(kept["peak"]) == 0
    assert Decimal(kept["worst"]) == -(now + first.ours * Decimal("0.4"))
    empty.close()


class Counting(Failing):
    """A sink that works, and remembers which views each publication wrote."""

    def __init__(self, store: ViewStore) -> None:
        super().__init__(store)
        self.fails = False
        self.wrote: list[Mapping[str, object]] = []
        self.pending: tuple[Command, ...] = ()

    def publish(self, views: Mapping[str, object], entries: Sequence[FeedEntry] = ()) -> bool:
        self.wrote.append(dict(views))
        return super().publish(views, entries)

    def pending_commands(self) -> tuple[Command, ...]:
        return self.pending


def facts_of(world: World) -> list[Fact]:
    """The run's ledger, which its agent has let go."""
    with closing(SqliteLedger(world.folder / LEDGER_FILE, "local", "local", "live")) as store:
        return list(store.read())


def details(views: Mapping[str, object]) -> set[str]:
    return {name.removeprefix(DETAIL) for name in views if name.startswith(DETAIL)}


def test_every_position_opens_to_what_the_ledger_holds_of_it(world: World, empty: ViewStore) -> None:
    Publisher(empty).after_cycle(world.desk, world.last)
    rows = {
        one["position_id"]: one
        for name in ("open", "closed")
        for one in view(empty, f"positions-{name}")["positions"]
    }
    chains = world.last.after.book.chains
    assert set(rows) == {name for name, chain in chains.items() if chain.legs} and len(rows) > 2
    facts = facts_of(world)
    for name, row in rows.items():
        shown = view(empty, DETAIL + name)
        assert shown["position"] == row and shown["currency"] == row["currency"]
        fills = [fact for fact in facts if fact.chain_id == name and isinstance(fact.body, Filled)]
        assert [(one["at_ms"], one["label"], one["price"]) for one in shown["fills"]] == [
            (fact.at_ms, fact.body.label, f"{fact.body.price:f}") for fact in fills
        ]
        flowed = sum(Decimal(one["amount"]) for one in shown["flows"])
        assert flowed == sum(flow.amount for flow in chains[name].flows)
        assert Decimal(shown["fees"]) == Decimal(row["fees"]) <= 0
        assert Decimal(shown["net_premium_usd"]) == Decimal(row["net_premium_usd"])
        assert (shown["payoff"] is None) == ("closed_at" in row)
    empty.close()


def test_a_payoff_is_drawn_around_the_spot(world: World, empty: ViewStore) -> None:
    Publisher(empty).after_cycle(world.desk, world.last)
    for row in view(empty, "positions-open")["positions"]:
        payoff = view(empty, DETAIL + row["position_id"])["payoff"]
        (context,) = (
            one for one in view(empty, "status")["underlyings"] if one["underlying"] == row["underlying"]
        )
        prices, pnl = payoff["underlying_price"], payoff["pnl"]
        assert payoff["spot"] == float(context["spot"]) and prices[0] < payoff["spot"] < prices[-1]
        assert payoff["strikes"] == [float(row["strike"])] and float(row["strike"]) in prices
        assert len(prices) == len(pnl) == len(payoff["pnl_usd"]) and len(prices) <= 84
        best = float(row["net_premium"])  # what is sold ends with its premium at best
        assert pnl == sorted(pnl, reverse=row["option_type"] == "call")
        assert max(pnl) == pytest.approx(best) and min(pnl) < 0 < best
        (even,) = payoff["breakevens"]
        cent = 0.01 * abs(float(row["quantity"])) / (1 if row["currency"] == "USDC" else even)
        assert prices[0] < even < prices[-1] and abs(pnl[prices.index(even)]) <= cent
    empty.close()


def test_only_what_changed_is_written_again(world: World, empty: ViewStore) -> None:
    sink = Counting(empty)
    publisher = Publisher(sink)
    publisher.after_cycle(world.desk, world.last)
    publisher.after_cycle(world.desk, world.last)
    first, second = sink.wrote
    assert {"positions-closed", "positions-open", "strategies", "equity-curve"} <= set(first)
    assert set(second) == {"heartbeat"}
    moved = replace(world.last.after, at_ms=world.last.at_ms + 60_000)
    publisher.after_cycle(world.desk, replace(world.last, after=moved, at_ms=moved.at_ms))
    assert "positions-closed" not in sink.wrote[2] and "drawdowns" not in sink.wrote[2]
    held = {one["position_id"] for one in view(empty, "positions-open")["positions"]}
    assert details(sink.wrote[2]) == held
    empty.close()


def test_details_that_nobody_needs_are_dropped(
    world: World, empty: ViewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    Publisher(empty).after_cycle(world.desk, world.last)
    order = [one["position_id"] for one in view(empty, "positions-closed")["positions"]]
    assert all(view(empty, DETAIL + one) for one in order) and len(order) >= 2
    monkeypatch.setattr("optionwriter.services.publish.MOST_DETAILED", 1)
    Publisher(empty).after_cycle(world.desk, world.last)
    assert [one for one in order if view(empty, DETAIL + one)] == order[:1]
    held = view(empty, "positions-open")["positions"]
    assert all(view(empty, DETAIL + one["position_id"]) for one in held)
    assert len(view(empty, "positions-closed")["positions"]) == len(order), "the rows stay"
    empty.close()


def test_a_chain_that_ends_keeps_its_detail_and_moves_over(world: World, empty: ViewStore) -> None:
    """Step by step over the run's own facts: what each publication writes of closed positions."""
    sink = Counting(empty)
    publisher = Publisher(sink)
    whole = world.last.after.book
    first = next(name for name, chain in whole.chains.items() if not chain.is_open)
    before = Book()
    for fact in facts_of(world):
        after = apply(before, fact)
        if first in after.chains and not after.chains[first].is_open:
            break
        before = after
    for book in (before, after):
        state = replace(world.last.after, book=book, held=())
        publisher.after_cycle(world.desk, replace(world.last, after=state))
    assert first in details(sink.wrote[0]) and "positions-closed" in sink.wrote[1]
    assert first in details(sink.wrote[1])
    assert view(empty, DETAIL + first)["position"]["closed_ms"] == after.chains[first].closed_ms
    assert first not in view(empty, DRAWDOWNS)
    empty.close()


def test_the_curve_grows_over_restarts(world: World, empty: ViewStore) -> None:
    for n in range(3):
        state = replace(world.last.after, at_ms=world.last.at_ms + n * 1_000)
        Publisher(empty).after_cycle(world.desk, replace(world.last, after=state))
    curve = view(empty, "equity-curve")
    assert curve["at_ms"] == [world.last.at_ms + n * 1_000 for n in range(3)]
    shown = view(empty, "status")
    assert curve["equity_usd"][-1] == pytest.approx(float(shown["equity_usd"]), abs=0.01)
    assert curve["holding_usd"][-1] == pytest.approx(float(shown["holding_usd"]), abs=0.01)
    for one in shown["currencies"]:
        assert curve["currencies"][one["currency"]]["equity"][-1] == float(one["equity"])
    empty.close()


@pytest.mark.parametrize("kept", [{"at_ms": [1]}, [], "x", {"at_ms": 1, "equity_usd": 2, "holding_usd": 3}])
def test_a_curve_that_cannot_be_read_begins_anew(world: World, empty: ViewStore, kept: object) -> None:
    empty.publish({"equity-curve": kept})
    with capture_logs() as logs:
        Publisher(empty).after_cycle(world.desk, world.last)
    assert logs[0]["event"] == "equity curve not read back"
    assert view(empty, "equity-curve")["at_ms"] == [world.last.at_ms]
    empty.close()


def test_a_lost_price_is_a_gap_in_the_curve(world: World, empty: ViewStore) -> None:
    blind = tuple(replace(one, mark=float("nan")) for one in world.last.after.held)
    Publisher(empty).after_cycle(world.desk, replace(world.last, after=replace(world.last.after, held=blind)))
    assert view(empty, "equity-curve")["equity_usd"] == [None]
    empty.close()


def test_a_kill_between_cycles_is_shown_at_once_even_before_the_first(world: World, empty: ViewStore) -> None:
    Publisher(empty).after_cycle(world.desk, world.last)
    assert view(empty, "status")["kill"] is None
    sink = Counting(empty)
    sink.pending = (Command(7, "kill", "x", 5),)
    desk = replace(world.desk, kill=KillFile(world.folder / "none" / "KILL"))
    (world.folder / "none").mkdir(exist_ok=True)
    desk.kill.engage("gap risk", "page", 1_767_225_600_000)
    publisher = Publisher(sink)  # a new process, whose first cycle fails for want of an exchange
    publisher.watched(desk)
    shown = view(empty, "status")
    assert shown["kill"] == {
        "reason": "gap risk", "by": "page", "at": "2026-01-01T00:00:00Z", "at_ms": 1_767_225_600_000,
    }  # fmt: skip
    assert shown["commands_pending"] == 1 and shown["equity_usd"] is not None
    desk.kill.clear()
    sink.pending = ()
    publisher.watched(desk)
    assert (view(empty, "status")["kill"], view(empty, "status")["commands_pending"]) == (None, 0)
    empty.close()


def test_the_heartbeat_tells_how_the_loop_keeps_to_the_clock(world: World, empty: ViewStore) -> None:
    publisher = Publisher(empty)
    for timing in (Timing(None, 12.34), Timing(40, 100.06), Timing(7, 20.0)):
        publisher.timed(timing)
        publisher.after_cycle(world.desk, world.last)
    beat = view(empty, "heartbeat")
    assert (beat["lateness_ms"], beat["lateness_max_ms"]) == (7, 40)
    assert (beat["cycle_ms"], beat["cycle_max_ms"]) == (20.0, 100.1)
    empty.close()


def test_the_whole_context_and_the_rules_in_force_are_shown(world: World, empty: ViewStore) -> None:
    Publisher(empty).after_cycle(world.desk, world.last)
    for one in view(empty, "status")["underlyings"]:
        context = world.last.after.underlyings[one["underlying"]].context
        assert {name.name for name in fields(context)} <= set(one)
        assert one["distance_200d"] == (
            context.distance_200d if context.distance_200d == context.distance_200d else None
        )
    (row,) = view(empty, "strategies")["strategies"]
    config = world.last.proposed[0].seat.config
    assert row["roll_gates"]["delta_max"] == config.roll_gates.delta_max
    assert row["manage"] == config.manage._asdict() and row["roll"] == config.roll._asdict()
    assert set(row["score"]) == set(config.score._fields) and row["enabled"] is True and row["limits"] == []
    empty.close()
