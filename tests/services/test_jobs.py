"""The worker over a real store: runs are done, cancelled, lost and failed as they should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.core.report.run import MetricRow, Provenance, RunResult, RunSpec, RunStatus
from optionwriter.services.jobs import MachineTime, Progress, RunError, Worker

SPEC = RunSpec("a", "synthetic", "income", ("BTC",), 0, 1, 1)
RESULT = RunResult(Provenance("f", "c"), (MetricRow("own", "BTC", "net_profit", 1.0),), ())


class Time:
    """A machine whose time passes when it is told to."""

    def __init__(self) -> None:
        self.s = 1_790_000_000.0

    def machine(self) -> MachineTime:
        return MachineTime(lambda: int(self.s * 1000), lambda: self.s)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlRunStore]:
    found = SqlRunStore(f"sqlite:///{tmp_path / 'runs.db'}")
    yield found
    found.close()


def steps(time: Time, each: Callable[[int], None] = lambda _: None, every_s: float = 2.0):
    """A run of ten steps that take a while."""

    def run(_spec: RunSpec, progress: Progress) -> RunResult:
        for number in range(10):
            each(number)
            time.s += every_s
            progress(number / 10, f"step {number}")
        return RESULT

    return run


def test_a_run_is_done_and_its_progress_told(store: SqlRunStore, time: Time) -> None:
    ident = store.queue(SPEC, 0)
    seen: list[float] = []
    worker = Worker(store, steps(time, lambda _: seen.append(store.get(ident).progress)), "w", time.machine())
    state = worker.work_once()
    assert state is not None and state.status is RunStatus.FINISHED
    assert seen == [0.0, 0.0, *(n / 10 for n in range(1, 9))]
    assert store.metrics(ident) == RESULT.metrics
    assert worker.work_once() is None


def test_progress_is_not_told_more_often_than_once_a_second(store: SqlRunStore, time: Time) -> None:
    ident = store.queue(SPEC, 0)
    seen: list[float] = []
    run = steps(time, lambda _: seen.append(store.get(ident).progress), every_s=0.3)
    Worker(store, run, "w", time.machine()).work_once()
    assert len(set(seen)) == 3  # begun, and after 1.2 and 2.4 s


def test_a_cancelled_run_stops_at_its_next_step(store: SqlRunStore, time: Time) -> None:
    ident = store.queue(SPEC, 0)
    done: list[int] = []

    def each(number: int) -> None:
        done.append(number)
        if number == 3:
            store.cancel(ident, 5)

    state = Worker(store, steps(time, each), "w", time.machine()).work_once()
    assert state is not None and state.status is RunStatus.CANCELLED and done == [0, 1, 2, 3]
    assert store.metrics(ident) == ()


def test_a_worker_told_to_stop_gives_its_run_back(store: SqlRunStore, time: Time) -> None:
    ident = store.queue(SPEC, 0)
    asked: list[bool] = []
    run = steps(time, lambda number: asked.append(True) if number == 2 else None)
    Worker(store, run, "w", time.machine(), stop=lambda: bool(asked)).work_once()
    assert (store.get(ident).status, store.get(ident).attempts) == (RunStatus.QUEUED, 0)


def test_a_run_that_was_taken_over_is_not_finished_twice(store: SqlRunStore, time: Time) -> None:
    """A worker that slept past its lease finds its run in other hands, and leaves it alone."""
    ident = store.queue(SPEC, 0)

    def each(number: int) -> None:
        if number == 1:
            time.s += 120
            store.settle_lost(int(time.s * 1000))
            store.claim("other", int(time.s * 1000), 60_000)

    Worker(store, steps(time, each), "w", time.machine()).work_once()
    state = store.get(ident)
    assert (state.status, state.worker, state.attempts) == (RunStatus.RUNNING, "other", 2)
    assert store.metrics(ident) == ()


def test_lost_runs_are_taken_up_by_the_next_worker(store: SqlRunStore, time: Time) -> None:
    ident = store.queue(SPEC, 0)
    store.claim("dead", int(time.s * 1000), 60_000)
    worker = Worker(store, steps(time), "w", time.machine())
    assert worker.work_once() is None
    time.s += 61
    state = worker.work_once()
    assert state is not None and (state.id, state.status, state.attempts) == (ident, RunStatus.FINISHED, 2)


@pytest.mark.parametrize(
    ("error", "told"),
    [(RunError("no prices before 2021: choose a later start"), "no prices before 2021: choose a later start"),
     (ZeroDivisionError("division by zero"), "it broke (ZeroDivisionError: division by zero)")],
)  # fmt: skip
def test_what_goes_wrong_is_the_run_s_result(
    store: SqlRunStore, time: Time, error: Exception, told: str
) -> None:
    bad, good = store.queue_all([SPEC, SPEC], 0)
    failing = [True, False]

    def run(spec: RunSpec, progress: Progress) -> RunResult:
        if failing.pop(0):
            raise error
        return RESULT

    worker = Worker(store, run, "w", time.machine())
    first, second = worker.work_once(), worker.work_once()
    assert first is not None and (first.id, first.status) == (bad, RunStatus.FAILED) and told in first.error
    assert second is not None and (second.id, second.status) == (good, RunStatus.FINISHED)
