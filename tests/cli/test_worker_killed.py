"""kill -9 on a real worker in the middle of a run: it is queued again once, finished by the next, or ends as failed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from simulation.wire_runs import Child
from typer.testing import CliRunner

from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.bootstrap.backtests import RUNS_FILE, runner
from optionwriter.cli.main import app
from optionwriter.core.report.run import RunSpec, RunState, RunStatus
from optionwriter.settings import Settings
from tests.patience import LONGEST_S

pytestmark = pytest.mark.slow
LEASE_S = 2
START, DAY = 1_767_571_200_000, 86_400_000  # 2026-01-05
SPEC = RunSpec("month", "synthetic", "income", ("BTC",), START, START + 30 * DAY, 1, {"step_minutes": 240})
ENDLESS = replace(SPEC, name="endless", end_ms=START + 100 * DAY, config={"step_minutes": 5})  # some minutes


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Callable[[], Child]]:
    """Starts workers; whatever still runs at the end is killed."""
    started: list[Child] = []

    def start() -> Child:
        words = ("worker", "--lease", str(LEASE_S), "--data-dir", str(tmp_path))
        one = Child(words, {}, tmp_path / f"worker{len(started)}.txt")
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        if one.alive():
            one.kill()
        one.buried()


def seen(store: SqlRunStore, run: int, wanted: Callable[[RunState], bool]) -> RunState:
    """The run, as soon as it is as wanted."""
    end = time.monotonic() + LONGEST_S
    while not wanted(state := store.get(run)):
        assert time.monotonic() < end, f"{LONGEST_S} s, and it is still {state}"
        time.sleep(0.01)
    return state


def killed_in(store: SqlRunStore, run: int, attempt: int, worker: Child) -> RunState:
    """The run after its worker was killed in the middle of that attempt."""
    seen(store, run, lambda one: one.status is RunStatus.RUNNING and one.attempts == attempt)
    worker.kill()
    worker.buried()
    state = store.get(run)
    assert state.status is RunStatus.RUNNING, "it ended before it could be killed: make the run longer"
    assert state.lease_until_ms is not None and store.metrics(run) == ()
    return state


def test_a_killed_workers_run_is_taken_up_once_and_never_runs_for_ever(
    tmp_path: Path, workers: Callable[[], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlRunStore(f"sqlite:///{tmp_path / RUNS_FILE}")
    first = store.queue(SPEC, 0)
    dead = killed_in(store, first, 1, workers())
    assert (
        dead.lease_until_ms is not None and store.settle_lost(dead.lease_until_ms) == ()
    )  # not lost until then

    second = workers()
    state = seen(store, first, lambda one: one.status.is_over)
    assert (state.status, state.attempts) == (RunStatus.FINISHED, 2) and state.worker != dead.worker
    assert state.started_ms is not None and state.started_ms > dead.lease_until_ms
    alone = runner(Settings(data_dir=tmp_path))(SPEC, lambda _share, _text: None)
    told = {(one.exit_style, one.currency, one.name): one.value for one in store.metrics(first)}
    assert told == {
        (one.exit_style, one.currency, one.name): one.value if one.value == one.value else None
        for one in alone.metrics
    }

    # A run whose worker is lost twice has failed, and whoever looks is told so.
    again = store.queue(ENDLESS, 0)
    killed_in(store, again, 1, second)
    lost = killed_in(store, again, 2, workers())
    monkeypatch.chdir(tmp_path)

    def listed() -> dict[int, str]:
        found = CliRunner().invoke(app, ["runs", "list", "--json", "--data-dir", str(tmp_path)])
        return {one["id"]: one["status"] for one in json.loads(found.stdout)}

    end = time.monotonic() + LONGEST_S
    while listed()[again] == "running":
        assert time.monotonic() < end
        time.sleep(0.1)
    state = store.get(again)
    assert (state.status, state.attempts) == (RunStatus.FAILED, 2) and "was lost 2 times" in state.error
    assert lost.lease_until_ms is not None and state.finished_ms is not None
    assert state.finished_ms > lost.lease_until_ms and store.metrics(again) == ()
    assert store.claim("another", state.finished_ms + 1, 60_000) is None  # and no one takes it up again
    assert listed() == {first: "finished", again: "failed"}
    store.close()
