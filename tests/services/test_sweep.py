"""Axes, combinations, and which sets a store holds already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.core.report.run import Provenance, RunResult, RunSpec, RunStatus
from optionwriter.services.jobs import RunError
from optionwriter.services.sweep import Axis, combinations, enter, identity, read_axis, sets_of, stop_all

SPEC = RunSpec("a", "synthetic", "income", ("BTC",), 0, 1, 1, {"changes": {"gates.delta_max": 0.2}})
RESULT = RunResult(Provenance("f", "c"), (), ())


def read(text: str) -> Axis:
    return read_axis(text, lambda one: float(one) if one.replace(".", "").isdigit() else one)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlRunStore]:
    found = SqlRunStore(f"sqlite:///{tmp_path / 'runs.db'}")
    yield found
    found.close()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("k=0.2,0.3", (0.2, 0.3)),
        ("k = 0.1:0.4:0.1", (0.1, 0.2, 0.3, 0.4)),
        ("k=1:10:4", (1, 5, 9)),
        ("k=-0.5:0.5:0.5,7", (-0.5, 0.0, 0.5, 7.0)),
        ("k=cross,mid", ("cross", "mid")),
    ],
)
def test_an_axis_is_read(text: str, values: tuple[object, ...]) -> None:
    assert read(text) == Axis("k", values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("k", "is not key=values"),
        ("=1", "is not key=values"),
        ("k=0.1,0.1", "a value twice"),
        ("k=1:2:0", "a step above 0"),
        ("k=2:1:1", "a step above 0"),
        ("k=0:1:0.00001", "more than 10,000"),
        ("k=3..1", "up to a higher one"),
        ("k=a..b", "up to a higher one"),
        ("k=,", "no value"),
    ],
)
def test_a_wrong_axis_is_named(text: str, said: str) -> None:
    with pytest.raises(RunError, match=said):
        read(text)


def test_a_grid_is_every_combination_once_the_last_axis_fastest() -> None:
    found = combinations([read("a=1,2"), read("b=x,y,z")], None, 1, 6)
    assert [tuple(one.values()) for one in found] == [(a, b) for a in (1.0, 2.0) for b in "xyz"]


def test_chance_draws_different_sets_within_the_axes_and_the_same_again() -> None:
    axes = [read("a=0.1..0.4"), read("n=2..5"), read("c=x,y")]
    found = combinations(axes, 200, 7, 1_000)
    assert found == combinations(axes, 200, 7, 1_000) != combinations(axes, 200, 8, 1_000)
    assert len({str(one) for one in found}) == 200
    drawn = np.array([one["a"] for one in found])
    assert drawn.min() >= 0.1 and drawn.max() <= 0.4 and abs(drawn.mean() - 0.25) < 0.03
    assert {one["n"] for one in found} == {2, 3, 4, 5} and {one["c"] for one in found} == {"x", "y"}


@pytest.mark.parametrize(
    ("texts", "count", "said"),
    [
        ([], None, "nothing is varied"),
        (["a=1,2", "a=3"], None, "a is named more than once"),
        (["a=1,2,3", "b=1,2,3"], None, "9 sets are more than the 8 allowed"),
        (["a=0.1..0.2"], None, "needs --random"),
        (["a=1,2"], 3, "only 2 different sets"),
        (["a=0.1..0.2"], 9, "9 sets are more than the 8"),
    ],
)
def test_what_can_not_be_combined_is_told(texts: list[str], count: int | None, said: str) -> None:
    with pytest.raises(RunError, match=said):
        combinations([read(one) for one in texts], count, 1, 8)


def test_equal_sets_are_known_whatever_they_are_called() -> None:
    other = replace(SPEC, name="b", group="g", driver="compiled")
    assert identity(other) == identity(SPEC) != identity(replace(SPEC, seed=2))
    assert identity(replace(SPEC, config={"n": 5})) == identity(replace(SPEC, config={"n": 5.0}))
    assert identity(replace(SPEC, config={"n": True})) != identity(replace(SPEC, config={"n": 1}))


def sets(count: int) -> list[RunSpec]:
    return [replace(SPEC, name=str(one), config={"n": one}, group="g") for one in range(count)]


def test_a_sweep_goes_on_where_it_was_stopped_and_does_nothing_twice(store: SqlRunStore) -> None:
    assert enter(store, "g", sets(4), 0).waiting == (1, 2, 3, 4)
    for run, end in ((1, "finish"), (2, "fail")):
        claimed = store.claim("w", 0, 60_000, "g")
        assert claimed is not None and claimed.id == run
        assert store.finish(run, "w", RESULT, 0) if end == "finish" else store.fail(run, "w", "torn", 0)
    store.claim("w", 0, 60_000, "g")
    stop_all(store, "g", 5)
    assert [one.status for one in sets_of(store, "g")] == [
        RunStatus.FINISHED, RunStatus.FAILED, RunStatus.RUNNING, RunStatus.CANCELLED,
    ]  # fmt: skip
    again = enter(store, "g", sets(5), 10)
    assert (again.done, again.elsewhere) == ((1, 2), (3,)) and len(again.waiting) == 2
    assert sorted(one.spec.config["n"] for one in sets_of(store, "g")) == [0, 1, 2, 3, 4]
    assert enter(store, "g", (), 10) == again  # by its name alone


def test_what_two_processes_queued_at_once_is_run_once(store: SqlRunStore) -> None:
    enter(store, "g", sets(2), 0)
    store.queue_all(sets(2), 0)
    store.claim("w", 0, 60_000, "g")
    assert (enter(store, "g", sets(2), 0).waiting, len(sets_of(store, "g"))) == ((2,), 2)


def test_a_set_whose_process_died_waits_again(store: SqlRunStore) -> None:
    enter(store, "g", sets(2), 0)
    store.claim("dead", 0, 1_000, "g")
    assert enter(store, "g", (), 500).elsewhere == (1,)
    assert enter(store, "g", (), 2_000).waiting == (1, 2)


def test_one_name_is_one_market(store: SqlRunStore) -> None:
    with pytest.raises(RunError, match="no sweep 'g'"):
        enter(store, "g", (), 0)
    enter(store, "g", sets(1), 0)
    with pytest.raises(RunError, match="another source, coins or period"):
        enter(store, "g", [replace(SPEC, end_ms=9)], 0)
    assert len(sets_of(store, "g")) == 1
