"""The publisher: what it keeps over restarts and failures, and that it never stops the agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from optionwriter.adapters.store.views import ViewStore
from optionwriter.ports import FeedEntry
from optionwriter.services.cycle import CycleReport
from optionwriter.services.publish import DRAWDOWNS, Publisher
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
