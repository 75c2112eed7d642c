"""The run store: the same suite on SQLite and on PostgreSQL, and the same rows in both."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from optionwriter.adapters.store.runs.database import open_database
from optionwriter.adapters.store.runs.schema import metadata
from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.core.report.run import (
    ChainRow,
    MetricRow,
    Provenance,
    RunFilter,
    RunResult,
    RunSpec,
    RunStatus,
)
from optionwriter.ports import RunBusyError, RunMissingError, RunStore, RunStoreError
from tests.contracts.databases import empty_database

NOW, LEASE = 1_790_000_000_000, 30_000
SPEC = RunSpec(
    name="income on February",
    source="synthetic",
    strategy="income",
    underlyings=("BTC", "ETH"),
    start_ms=1_769_904_000_000,
    end_ms=1_772_323_200_000,
    seed=7,
    config={"preset": "BALANCED", "delta_max": 0.25, "styles": ["hold_to_expiry", "own"], "öde": None},
)
RESULT = RunResult(
    provenance=Provenance(
        "f" * 64, "0.3.0+abc", {"strategy.size_share": "0.5", "strategy.writes": ["covered_call"]}
    ),
    metrics=(
        MetricRow("own", "BTC", "net_profit", 0.031_415_926_535, 0.01),
        MetricRow("own", "BTC", "sharpe", 1 / 3, math.nan),
        MetricRow("hold_to_expiry", "USD", "profit_factor", math.inf, None),
    ),
    chains=(
        ChainRow(
            "own",
            "c2",
            "income",
            "covered_call",
            "BTC",
            "call",
            "BTC",
            5,
            None,
            "-0.00000001",
            "1.5",
            {"legs": [1]},
        ),
        ChainRow(
            "own", "c1", "income", "cash_secured_put", "ETH", "put", "USDC", 4, 9, "12.000001", "12.000001"
        ),
        ChainRow("hold_to_expiry", "c1", "income", "covered_call", "BTC", "call", "BTC", 1, 2, "0", "0"),
    ),
    curves={"own": {"at_ms": [1, 2], "equity_usd": [100.25, 1e-17]}},
    notes=("Prices of options are a model's.", "Zweite Zeile"),
    returns={"own": (0.001, -1e-9, 0.1 + 0.2), "hold_to_expiry": ()},
)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'sub' / 'runs.db'}"
        return
    with empty_database(request.getfixturevalue("server"), f"runs_{os.getpid()}") as found:
        yield found


@pytest.fixture
def store(address: str) -> Iterator[SqlRunStore]:
    found = SqlRunStore(address)
    yield found
    found.close()


def test_a_run_goes_from_queued_to_finished_with_all_that_it_found(store: SqlRunStore) -> None:
    port: RunStore = store
    ident = port.queue(SPEC, NOW)
    state = port.get(ident)
    assert (state.spec, state.status, state.created_ms, state.attempts) == (SPEC, RunStatus.QUEUED, NOW, 0)
    claimed = port.claim("w1", NOW + 5, LEASE)
    assert claimed is not None and claimed.id == ident and claimed.status is RunStatus.RUNNING
    assert (claimed.attempts, claimed.lease_until_ms, claimed.started_ms) == (1, NOW + 5 + LEASE, NOW + 5)
    assert port.claim("w2", NOW + 6, LEASE) is None
    assert port.beat(ident, "w1", NOW + 10, LEASE, 0.25, "day 7 of 28")
    state = port.get(ident)
    assert (state.progress, state.progress_text, state.lease_until_ms) == (
        0.25,
        "day 7 of 28",
        NOW + 10 + LEASE,
    )
    assert port.finish(ident, "w1", RESULT, NOW + 99)
    state = port.get(ident)
    assert (state.status, state.finished_ms, state.progress) == (RunStatus.FINISHED, NOW + 99, 1.0)
    assert state.progress_text == ""  # no run that is over is still doing something
    assert state.provenance == RESULT.provenance and state.lease_until_ms is None
    assert port.metrics(ident) == (
        MetricRow("hold_to_expiry", "USD", "profit_factor", None, None),
        RESULT.metrics[0],
        MetricRow("own", "BTC", "sharpe", 1 / 3, None),
    )
    assert port.chains(ident) == (RESULT.chains[2], RESULT.chains[0], RESULT.chains[1])
    assert port.curves(ident) == RESULT.curves
    assert port.notes(ident) == "\n".join(RESULT.notes)
    assert port.counts()[RunStatus.FINISHED] == 1 and port.counts()[RunStatus.QUEUED] == 0


def test_one_run_can_be_taken_by_its_id_past_older_ones(store: SqlRunStore) -> None:
    older, wanted = store.queue(SPEC, NOW), store.queue(SPEC, NOW)
    claimed = store.claim("w1", NOW, LEASE, run_id=wanted)
    assert claimed is not None and claimed.id == wanted
    assert store.claim("w2", NOW, LEASE, run_id=wanted) is None
    assert store.get(older).status is RunStatus.QUEUED


def test_a_group_goes_whole_once_it_is_over_and_takes_nothing_else_along(
    store: SqlRunStore, address: str
) -> None:
    specs = [replace(SPEC, group=name) for name in ("g", "g", "g", "h", "")]
    first, second, third, other, alone = store.queue_all(specs, NOW)
    store.claim("w1", NOW, LEASE, run_id=first)
    assert store.finish(first, "w1", RESULT, NOW)
    for ident in (other, alone):
        store.claim("w1", NOW, LEASE, run_id=ident)
        assert store.finish(ident, "w1", RESULT, NOW)
    store.claim("w1", NOW, LEASE, run_id=second)
    with pytest.raises(
        RunBusyError, match=r"'g' has runs that are not over \(.*1 queued.*\): cancel it first"
    ):
        store.delete_group("g")
    store.cancel(third, NOW)
    with pytest.raises(RunBusyError, match=r"\(1 running\)"):
        store.delete_group("g")
    assert store.metrics(first) and len(store.list(RunFilter(group="g"))) == 3  # all or none
    store.fail(second, "w1", "went wrong", NOW)

    assert store.delete_group("g") == 3
    assert [one.id for one in store.list()] == [alone, other]
    for ident in (other, alone):
        assert store.chains(ident) == (RESULT.chains[2], RESULT.chains[0], RESULT.chains[1])
        assert store.curves(ident) == RESULT.curves and len(store.metrics(ident)) == len(RESULT.metrics)
    engine = open_database(address)
    with engine.connect() as connection:
        for name in ("backtest_metrics", "backtest_chains", "backtest_curves", "backtest_returns"):
            rows = connection.execute(text(f"SELECT DISTINCT run_id FROM {name} ORDER BY run_id")).scalars()
            assert list(rows) == [other, alone], name
    engine.dispose()
    for name in ("g", ""):  # without a name it would be every run that is of no group
        with pytest.raises(RunMissingError, match="there is no sweep or comparison"):
            store.delete_group(name)


def test_the_runs_of_a_group_are_folded_counted_and_read_at_once(store: SqlRunStore) -> None:
    grouped, alone = replace(SPEC, group="g"), SPEC
    ids = [store.queue(one, NOW) for one in (grouped, alone, grouped, replace(SPEC, group="h"), grouped)]
    store.cancel(ids[4], NOW)
    store.claim("w", NOW, LEASE, "g")
    assert store.finish(ids[0], "w", RESULT, NOW)

    def listed(limit: int = 50, **asked: object) -> list[int]:
        return [one.id for one in store.list(RunFilter(folded=True, **asked), limit)]

    assert listed() == [ids[4], ids[3], ids[1]]
    assert listed(2) == [ids[4], ids[3]] and listed(before_id=ids[3]) == [
        ids[1]
    ]  # the group is not told again
    assert listed(status=RunStatus.QUEUED) == [ids[3], ids[2], ids[1]]  # the latest of those asked for
    assert listed(status=RunStatus.FINISHED) == [ids[0]] and listed(source="none") == []
    assert store.groups(["g", "h", "none"]) == {
        "g": {RunStatus.QUEUED: 1, RunStatus.FINISHED: 1, RunStatus.CANCELLED: 1}, "h": {RunStatus.QUEUED: 1},
    }  # fmt: skip
    assert store.groups([]) == {}
    assert store.figures("g", "BTC", ["sharpe", "net_profit"]) == {
        ids[0]: (RESULT.metrics[0], MetricRow("own", "BTC", "sharpe", 1 / 3, None))
    }
    assert store.figures("g", "BTC", ["none"]) == store.figures("h", "BTC", ["sharpe"]) == {}
    assert store.returns("g") == {ids[0]: RESULT.returns} and store.returns("h") == {}


def test_only_the_worker_that_holds_a_run_may_tell_of_it(store: SqlRunStore) -> None:
    ident = store.queue(SPEC, NOW)
    store.claim("w1", NOW, LEASE)
    assert not store.beat(ident, "w2", NOW, LEASE, 0.5)
    assert not store.finish(ident, "w2", RESULT, NOW)
    assert not store.fail(ident, "w2", "no", NOW)
    assert not store.give_back(ident, "w2")
    assert store.metrics(ident) == () and store.get(ident).progress == 0.0


def test_a_lost_worker_s_run_is_queued_once_more_and_then_failed(store: SqlRunStore) -> None:
    ident = store.queue(SPEC, NOW)
    store.claim("w1", NOW, LEASE)
    assert store.settle_lost(NOW + LEASE) == ()
    assert store.settle_lost(NOW + LEASE + 1) == (ident,)
    assert store.get(ident).status is RunStatus.QUEUED and store.get(ident).started_ms is None
    assert not store.finish(ident, "w1", RESULT, NOW + LEASE + 2)  # it comes back from the dead
    again = store.claim("w2", NOW + LEASE + 3, LEASE)
    assert again is not None and again.attempts == 2
    assert store.settle_lost(NOW + 3 * LEASE) == (ident,)
    over = store.get(ident)
    assert over.status is RunStatus.FAILED and "worker was lost 2 times" in over.error
    assert store.settle_lost(NOW + 9 * LEASE) == ()


def test_a_beat_keeps_a_run_alive(store: SqlRunStore) -> None:
    ident = store.queue(SPEC, NOW)
    store.claim("w1", NOW, LEASE)
    assert store.beat(ident, "w1", NOW + LEASE - 1, LEASE, 0.1)
    assert store.settle_lost(NOW + LEASE + 5) == ()


def test_cancelling(store: SqlRunStore) -> None:
    waiting, running = store.queue_all([SPEC, SPEC], NOW)
    first = store.claim("w1", NOW, LEASE)
    assert first is not None and first.id == waiting
    assert store.cancel(running, NOW + 1).status is RunStatus.CANCELLED
    asked = store.cancel(waiting, NOW + 1)
    assert asked.status is RunStatus.RUNNING and asked.cancel_requested
    assert not store.beat(waiting, "w1", NOW + 2, LEASE, 0.5)  # the worker is told to stop
    assert store.fail(waiting, "w1", "Stopped", NOW + 3)
    assert (store.get(waiting).status, store.get(waiting).error) == (RunStatus.CANCELLED, "")
    assert store.cancel(waiting, NOW + 9).finished_ms == NOW + 3


def test_a_cancelled_run_whose_worker_is_lost_is_not_begun_again(store: SqlRunStore) -> None:
    ident = store.queue(SPEC, NOW)
    store.claim("w1", NOW, LEASE)
    store.cancel(ident, NOW + 1)
    assert store.settle_lost(NOW + LEASE + 1) == (ident,)
    assert store.get(ident).status is RunStatus.CANCELLED


def test_a_run_given_back_waits_again_and_loses_no_attempt(store: SqlRunStore) -> None:
    ident = store.queue(SPEC, NOW)
    store.claim("w1", NOW, LEASE)
    assert store.give_back(ident, "w1")
    state = store.get(ident)
    assert (state.status, state.attempts, state.worker) == (RunStatus.QUEUED, 0, "")


def test_a_failure_keeps_its_reason(store: SqlRunStore) -> None:
    ident = store.queue(SPEC, NOW)
    store.claim("w1", NOW, LEASE)
    assert store.fail(ident, "w1", "no prices of BTC before 2021-01-01: choose a later start", NOW)
    assert "choose a later start" in store.get(ident).error


def test_deleting_takes_everything_along_but_no_running_one(store: SqlRunStore, address: str) -> None:
    ident = store.queue(SPEC, NOW)
    store.claim("w1", NOW, LEASE)
    with pytest.raises(RunStoreError, match="is running: cancel it first"):
        store.delete(ident)
    store.finish(ident, "w1", RESULT, NOW)
    store.delete(ident)
    with pytest.raises(RunStoreError, match=f"there is no run {ident}"):
        store.get(ident)
    with pytest.raises(RunStoreError, match="there is no run"):
        store.delete(ident)
    engine = open_database(address)
    with engine.connect() as connection:
        left = {
            name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar()
            for name in ("backtest_metrics", "backtest_chains", "backtest_curves", "backtest_returns")
        }
    engine.dispose()
    assert left == dict.fromkeys(left, 0)


def test_lists_by_what_is_asked_latest_first(store: SqlRunStore) -> None:
    kinds = [
        SPEC,
        replace(SPEC, source="live_deribit", underlyings=("BTC",)),
        replace(SPEC, strategy="puts_experimental", group="sweep-1"),
        replace(SPEC, underlyings=("BTC_USDC",)),
    ]
    a, b, c, d = store.queue_all(kinds, NOW)

    def ids(**wanted: object) -> list[int]:
        return [one.id for one in store.list(RunFilter(**wanted))]

    assert ids() == [d, c, b, a]
    assert ids(source="live_deribit") == [b]
    assert ids(strategy="puts_experimental") == [c] == ids(group="sweep-1")
    assert ids(underlying="BTC") == [c, b, a]
    assert ids(underlying="BT%") == []
    assert ids(status=RunStatus.FINISHED) == []
    assert ids(before_id=c) == [b, a]
    assert [one.id for one in store.list(limit=2)] == [d, c]


def test_workers_at_once_never_share_a_run(store: SqlRunStore, address: str) -> None:
    wanted = store.queue_all([SPEC] * 24, NOW)
    got: list[int] = []
    lock = threading.Lock()

    def work(name: str) -> None:
        own = SqlRunStore(address)
        while (run := own.claim(name, NOW, LEASE)) is not None:
            with lock:
                got.append(run.id)
        own.close()

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(got) == sorted(wanted)


def test_a_result_is_stored_whole_or_not_at_all(store: SqlRunStore) -> None:
    ident = store.queue(SPEC, NOW)
    store.claim("w1", NOW, LEASE)
    twice = replace(RESULT, metrics=(RESULT.metrics[0], RESULT.metrics[0]))
    with pytest.raises(RunStoreError):
        store.finish(ident, "w1", twice, NOW)
    assert store.get(ident).status is RunStatus.RUNNING and store.chains(ident) == ()


def test_what_json_can_not_hold_is_refused_before_anything_is_written(store: SqlRunStore) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.queue(replace(SPEC, config={"x": math.nan}), NOW)
    with pytest.raises(ValueError, match="JSON"):
        store.queue(replace(SPEC, config={"x": object()}), NOW)
    assert store.list() == ()


def test_opening_again_changes_nothing_and_the_migrated_tables_are_the_described_ones(
    store: SqlRunStore, address: str
) -> None:
    ident = store.queue(SPEC, NOW)
    again = SqlRunStore(address)
    assert again.get(ident) == store.get(ident)
    again.close()
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    engine = open_database(address)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert differences == []


def test_sqlite_and_postgresql_hold_identical_rows(server: str, tmp_path: Path) -> None:
    def told(address: str) -> object:
        store = SqlRunStore(address)
        ident = store.queue(SPEC, NOW)
        store.claim("w1", NOW, LEASE)
        store.finish(ident, "w1", RESULT, NOW + 1)
        store.close()
        engine = open_database(address)
        with engine.connect() as connection:
            rows = {
                name: [
                    tuple(row) for row in connection.execute(text(f"SELECT * FROM {name} ORDER BY 1, 2, 3"))
                ]
                for name in (
                    "backtest_runs",
                    "backtest_metrics",
                    "backtest_chains",
                    "backtest_curves",
                    "backtest_returns",
                )
            }
        engine.dispose()
        # SQLite has no booleans: 0 is false
        rows["backtest_runs"] = [
            tuple(bool(v) if v is False or v is True else v for v in row) for row in rows["backtest_runs"]
        ]
        return rows

    with empty_database(server, f"same_{os.getpid()}") as address:
        assert told(address) == told(f"sqlite:///{tmp_path / 'runs.db'}")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense", "no database address"),
        ("mysql://x/y", "only sqlite and postgresql"),
        ("postgresql://nobody:secret@127.0.0.1:1/none", "check DATABASE_URL"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_its_password(address: str, said: str) -> None:
    with pytest.raises(RunStoreError, match=said) as error:
        SqlRunStore(address)
    assert "secret" not in str(error.value)


def test_a_newer_program_s_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    SqlRunStore(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RunStoreError, match="newer optionwriter"):
        SqlRunStore(f"sqlite:///{path}")


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.write_text("this is no database, but text that is long enough to look at " * 20)
    with pytest.raises(RunStoreError, match="can't be used"):
        SqlRunStore(f"sqlite:///{path}")


def test_a_worker_may_ask_for_the_runs_of_one_group_and_driver(store: SqlRunStore) -> None:
    store.queue_all(
        [
            SPEC,
            replace(SPEC, group="g"),
            replace(SPEC, group="g", driver="compiled"),
            replace(SPEC, group="h"),
        ],
        NOW,
    )
    taken = [store.claim("w", NOW, LEASE, "g", "compiled"), store.claim("w", NOW, LEASE, "g")]
    assert [one.id if one else None for one in taken] == [3, 2]
    assert (
        store.claim("w", NOW, LEASE, "g") is None and store.claim("w", NOW, LEASE, driver="compiled") is None
    )
    rest = [store.claim("w", NOW, LEASE), store.claim("w", NOW, LEASE)]
    assert [one.id if one else None for one in rest] == [1, 4]


def test_a_finished_runs_result_can_be_made_fuller_and_no_other(store: SqlRunStore) -> None:
    ident = store.queue(SPEC, NOW)
    assert not store.deepen(ident, RESULT)
    store.claim("w", NOW, LEASE)
    assert not store.deepen(ident, RESULT) and store.metrics(ident) == ()
    figures = RunResult(Provenance("0" * 64, "c"), (MetricRow("own", "BTC", "net_profit", 0.03),), ())
    store.finish(ident, "w", figures, NOW + 9)
    assert store.deepen(ident, RESULT)
    state = store.get(ident)
    assert (state.status, state.finished_ms, state.provenance) == (
        RunStatus.FINISHED,
        NOW + 9,
        RESULT.provenance,
    )
    assert (
        len(store.metrics(ident)) == 3
        and len(store.chains(ident)) == 3
        and store.curves(ident) == RESULT.curves
    )
    assert store.returns(SPEC.group) == {ident: RESULT.returns}
    assert store.notes(ident).splitlines() == list(RESULT.notes)
