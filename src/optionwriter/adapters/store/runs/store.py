"""SqlRunStore: runs as rows, which are the jobs too. Implements ports.RunStore.

Keeps: a claim is one statement, so two workers never share a run; only the worker that holds the lease may tell of
it; a run whose lease ran out is queued again once and then failed by name, so none is "running" for ever; a result
and the word "finished" are written in one transaction. Time is handed in, epoch milliseconds of the machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from optionwriter.adapters.store.runs.database import READS, open_database
from optionwriter.adapters.store.runs.rows import (
    as_json,
    chain_columns,
    chain_of,
    curve_of,
    metric_columns,
    metric_of,
    returns_of,
    spec_columns,
    state_of,
)
from optionwriter.adapters.store.runs.schema import chains, curves, metrics, returns, runs
from optionwriter.core.report.run import (
    MOST_ATTEMPTS,
    ChainRow,
    MetricRow,
    Plain,
    RunFilter,
    RunResult,
    RunSpec,
    RunState,
    RunStatus,
)
from optionwriter.ports import RunBusyError, RunMissingError, RunStoreError

_LONGEST_TEXT = 300  # of progress
_LONGEST_ERROR = 4_000


class SqlRunStore:
    """Runs in the database at `url`. Errors of every method: RunStoreError names what is wrong and the cure."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = open_database(url)

    def close(self) -> None:
        """Lets go of the database."""
        self._engine.dispose()

    # -- asking ------------------------------------------------------------------------------------------------

    def queue(self, spec: RunSpec, now_ms: int) -> int:
        """Adds a run; its id."""
        with self._writing() as connection:
            return self._add(connection, spec, now_ms)

    def queue_all(self, specs: Sequence[RunSpec], now_ms: int) -> tuple[int, ...]:
        """Adds runs, all or none; their ids in that order."""
        with self._writing() as connection:
            return tuple(self._add(connection, spec, now_ms) for spec in specs)

    def get(self, run_id: int) -> RunState:
        """A run; RunStoreError when it is not there."""
        with self._reading() as connection:
            row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
        if row is None:
            raise RunMissingError(f"there is no run {run_id}: see optionwriter runs list")
        return state_of(dict(row))

    def list(self, wanted: RunFilter = RunFilter(), limit: int = 50) -> tuple[RunState, ...]:  # noqa: B008
        """The latest runs of that kind, latest first."""
        query = select(runs).where(*_asked(wanted)).order_by(runs.c.id.desc()).limit(limit)
        if wanted.folded:
            latest = select(func.max(runs.c.id)).where(*_asked(wanted)).group_by(runs.c.run_group)
            query = query.where(or_(runs.c.run_group == "", runs.c.id.in_(latest)))
        if wanted.before_id is not None:
            query = query.where(runs.c.id < wanted.before_id)
        with self._reading() as connection:
            return tuple(state_of(dict(row)) for row in connection.execute(query).mappings())

    def groups(self, names: Sequence[str]) -> Mapping[str, Mapping[RunStatus, int]]:
        """How many runs of each of these groups stand where; a group without runs is left out."""
        query = (
            select(runs.c.run_group, runs.c.status, func.count().label("n"))
            .where(runs.c.run_group.in_([*names]))
            .group_by(runs.c.run_group, runs.c.status)
        )
        found: dict[str, dict[RunStatus, int]] = {}
        with self._reading() as connection:
            for row in connection.execute(query).mappings():
                found.setdefault(row["run_group"], {})[RunStatus(row["status"])] = int(row["n"])
        return found

    def figures(self, group: str, currency: str, names: Sequence[str]) -> Mapping[int, tuple[MetricRow, ...]]:
        """These metrics of all finished runs of the group, by run."""
        query = (
            select(metrics)
            .join(runs, runs.c.id == metrics.c.run_id)
            .where(runs.c.run_group == group, runs.c.status == RunStatus.FINISHED)
            .where(metrics.c.currency == currency, metrics.c.name.in_([*names]))
            .order_by(metrics.c.run_id, metrics.c.exit_style, metrics.c.name)
        )
        found: dict[int, list[MetricRow]] = {}
        with self._reading() as connection:
            for row in connection.execute(query).mappings():
                found.setdefault(int(row["run_id"]), []).append(metric_of(dict(row)))
        return {run_id: tuple(rows) for run_id, rows in found.items()}

    def returns(self, group: str) -> Mapping[int, Mapping[str, tuple[float, ...]]]:
        """Daily returns over holding of all finished runs of the group, by run and exit style, where they are kept."""
        query = (
            select(returns)
            .join(runs, runs.c.id == returns.c.run_id)
            .where(runs.c.run_group == group, runs.c.status == RunStatus.FINISHED)
            .order_by(returns.c.run_id, returns.c.exit_style)
        )
        found: dict[int, dict[str, tuple[float, ...]]] = {}
        with self._reading() as connection:
            for row in connection.execute(query).mappings():
                found.setdefault(int(row["run_id"]), {})[row["exit_style"]] = returns_of(dict(row))
        return found

    def metrics(self, run_id: int) -> tuple[MetricRow, ...]:
        """A run's numbers, by exit style, currency and name."""
        query = select(metrics).where(metrics.c.run_id == run_id)
        with self._reading() as connection:
            found = [metric_of(dict(row)) for row in connection.execute(query).mappings()]
        return tuple(sorted(found, key=lambda one: (one.exit_style, one.currency, one.name)))

    def chains(self, run_id: int) -> tuple[ChainRow, ...]:
        """A run's positions, in the order in which it told them."""
        query = select(chains).where(chains.c.run_id == run_id).order_by(chains.c.place)
        with self._reading() as connection:
            found = [chain_of(dict(row)) for row in connection.execute(query).mappings()]
        return tuple(sorted(found, key=lambda one: one.exit_style))  # a stable sort: the places stay

    def curves(self, run_id: int) -> Mapping[str, Mapping[str, Plain]]:
        """A run's curves by exit style."""
        query = select(curves).where(curves.c.run_id == run_id).order_by(curves.c.exit_style)
        with self._reading() as connection:
            return {row["exit_style"]: curve_of(dict(row)) for row in connection.execute(query).mappings()}

    def notes(self, run_id: int) -> str:
        """What a reader of the result must know, a line each."""
        with self._reading() as connection:
            found = connection.execute(select(runs.c.notes).where(runs.c.id == run_id)).scalar()
        return found or ""

    def cancel(self, run_id: int, now_ms: int) -> RunState:
        """Cancels a queued run at once; asks a running one to stop; a run that is over stays as it is."""
        with self._writing() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.id == run_id, runs.c.status == RunStatus.QUEUED)
                .values(status=RunStatus.CANCELLED, finished_ms=now_ms, cancel_requested=True)
            )
            connection.execute(
                update(runs)
                .where(runs.c.id == run_id, runs.c.status == RunStatus.RUNNING)
                .values(cancel_requested=True)
            )
        return self.get(run_id)

    def delete(self, run_id: int) -> None:
        """Drops a run and all that it found; RunStoreError while it runs, or when it is not there."""
        with self._writing() as connection:
            gone = connection.execute(
                delete(runs).where(runs.c.id == run_id, runs.c.status != RunStatus.RUNNING)
            ).rowcount
        if not gone:
            state = self.get(run_id)  # says so when it is not there
            raise RunBusyError(f"run {run_id} is {state.status}: cancel it first")

    def delete_group(self, group: str) -> int:
        """Drops all runs of a group and all that they found, all or none; how many.

        RunBusyError while one of them waits or runs, for a worker might take it; RunMissingError when there is none.
        What is queued into the group meanwhile stays.
        """
        mine = runs.c.run_group == group
        with self._writing() as connection:
            # Locked where rows can be: none of them is claimed between the look and the end.
            statuses = select(runs.c.status).where(mine).with_for_update()
            found = Counter(RunStatus(one) for one in connection.execute(statuses).scalars()) if group else {}
            waiting = [f"{found[one]} {one}" for one in found if not one.is_over]
            if found and not waiting:
                over = [one for one in RunStatus if one.is_over]
                return int(connection.execute(delete(runs).where(mine, runs.c.status.in_(over))).rowcount)
        if not found:
            raise RunMissingError(f"there is no sweep or comparison {group!r}: see optionwriter runs list")
        raise RunBusyError(f"{group!r} has runs that are not over ({', '.join(waiting)}): cancel it first")

    # -- working -----------------------------------------------------------------------------------------------

    def claim(
        self,
        worker: str,
        now_ms: int,
        lease_ms: int,
        group: str = "",
        driver: str = "",
        run_id: int | None = None,
    ) -> RunState | None:
        """Takes the oldest queued run for `worker`, of that group, driver and id when named, if any."""
        oldest = select(runs.c.id).where(runs.c.status == RunStatus.QUEUED).order_by(runs.c.id).limit(1)
        if run_id is not None:
            oldest = oldest.where(runs.c.id == run_id)
        if group:
            oldest = oldest.where(runs.c.run_group == group)
        if driver:
            oldest = oldest.where(runs.c.driver == driver)
        with self._writing() as connection:
            row = (
                connection.execute(
                    update(runs)
                    .where(runs.c.id == oldest.with_for_update(skip_locked=True).scalar_subquery())
                    .values(
                        status=RunStatus.RUNNING,
                        worker=worker,
                        started_ms=now_ms,
                        lease_until_ms=now_ms + lease_ms,
                        attempts=runs.c.attempts + 1,
                        progress=0.0,
                        progress_text="",
                    )
                    .returning(*runs.c)
                )
                .mappings()
                .first()
            )
        return None if row is None else state_of(dict(row))

    def beat(
        self, run_id: int, worker: str, now_ms: int, lease_ms: int, progress: float, text: str = ""
    ) -> bool:
        """Tells how far a run is and renews its lease; False when it is to stop: cancelled, or not this worker's."""
        with self._writing() as connection:
            row = (
                connection.execute(
                    update(runs)
                    .where(*self._held(run_id, worker))
                    .values(
                        lease_until_ms=now_ms + lease_ms,
                        progress=min(max(progress, 0.0), 1.0),
                        progress_text=text[:_LONGEST_TEXT],
                    )
                    .returning(runs.c.cancel_requested)
                )
                .mappings()
                .first()
            )
        return row is not None and not row["cancel_requested"]

    def finish(self, run_id: int, worker: str, result: RunResult, now_ms: int) -> bool:
        """Stores the result and ends the run, all at once; False (and nothing stored) when it is not this worker's."""
        with self._writing() as connection:
            mine = connection.execute(
                update(runs)
                .where(*self._held(run_id, worker))
                .values(
                    **_over(RunStatus.FINISHED, now_ms),
                    progress=1.0,
                    **_proven(result),
                )
            ).rowcount
            if not mine:
                return False
            self._keep(connection, run_id, result)
        return True

    def deepen(self, run_id: int, result: RunResult) -> bool:
        """Puts a fuller result in the place of a finished run's, all at once; False when it has not finished."""
        with self._writing() as connection:
            finished = connection.execute(
                update(runs)
                .where(runs.c.id == run_id, runs.c.status == RunStatus.FINISHED)
                .values(**_proven(result))
            ).rowcount
            if not finished:
                return False
            for table in (metrics, chains, curves, returns):
                connection.execute(delete(table).where(table.c.run_id == run_id))
            self._keep(connection, run_id, result)
        return True

    def fail(self, run_id: int, worker: str, error: str, now_ms: int) -> bool:
        """Ends a run that went wrong, or (when it was asked to) as cancelled; False when it is not this worker's."""
        with self._writing() as connection:
            asked = connection.execute(select(runs.c.cancel_requested).where(runs.c.id == run_id)).scalar()
            status = RunStatus.CANCELLED if asked else RunStatus.FAILED
            values = {**_over(status, now_ms), "error": "" if asked else error[:_LONGEST_ERROR]}
            return bool(
                connection.execute(update(runs).where(*self._held(run_id, worker)).values(**values)).rowcount
            )

    def give_back(self, run_id: int, worker: str) -> bool:
        """Queues a run again that its worker leaves unfinished on purpose; it counts as no attempt."""
        with self._writing() as connection:
            values = {**_idle(RunStatus.QUEUED), "attempts": runs.c.attempts - 1, "started_ms": None}
            return bool(
                connection.execute(update(runs).where(*self._held(run_id, worker)).values(**values)).rowcount
            )

    def settle_lost(self, now_ms: int) -> tuple[int, ...]:
        """Runs whose worker was lost: queued again once, then failed (or cancelled, when asked to); their ids."""
        lost = (runs.c.status == RunStatus.RUNNING, runs.c.lease_until_ms < now_ms)
        with self._writing() as connection:
            found: list[int] = []
            for extra, values in (
                ((runs.c.cancel_requested,), _over(RunStatus.CANCELLED, now_ms)),
                ((runs.c.attempts < MOST_ATTEMPTS,), {**_idle(RunStatus.QUEUED), "started_ms": None}),
                (
                    (),
                    {
                        **_over(RunStatus.FAILED, now_ms),
                        "error": f"its worker was lost {MOST_ATTEMPTS} times: see the worker's log, then queue it anew",
                    },
                ),
            ):
                query = update(runs).where(*lost, *extra).values(**values).returning(runs.c.id)
                found += [row["id"] for row in connection.execute(query).mappings()]
        return tuple(sorted(found))

    def counts(self) -> Mapping[RunStatus, int]:
        """How many runs stand where."""
        query = select(runs.c.status, func.count().label("n")).group_by(runs.c.status)
        with self._reading() as connection:
            found = {row["status"]: row["n"] for row in connection.execute(query).mappings()}
        return {status: int(found.get(status, 0)) for status in RunStatus}

    @staticmethod
    def _add(connection: Connection, spec: RunSpec, now_ms: int) -> int:
        values: dict[str, Any] = {
            **spec_columns(spec),
            **_idle(RunStatus.QUEUED),
            "created_ms": now_ms,
            "attempts": 0,
            "cancel_requested": False,
            "error": "",
            "notes": "",
        }
        return int(connection.execute(insert(runs).values(**values).returning(runs.c.id)).scalar_one())

    @staticmethod
    def _keep(connection: Connection, run_id: int, result: RunResult) -> None:
        found = [metric_columns(run_id, one) for one in result.metrics]
        told = [chain_columns(run_id, place, one) for place, one in enumerate(result.chains)]
        drawn = [
            {"run_id": run_id, "exit_style": style, "columns": as_json(columns)}
            for style, columns in sorted(result.curves.items())
        ]
        daily = [
            {"run_id": run_id, "exit_style": style, "over_holding": as_json(values)}
            for style, values in sorted(result.returns.items())
        ]
        for table, rows in ((metrics, found), (chains, told), (curves, drawn), (returns, daily)):
            if rows:
                connection.execute(insert(table), rows)

    @staticmethod
    def _held(run_id: int, worker: str) -> tuple[Any, ...]:
        return runs.c.id == run_id, runs.c.status == RunStatus.RUNNING, runs.c.worker == worker

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _told(error) from error

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect().execution_options(**{READS: True}) as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _told(error) from error


def _asked(wanted: RunFilter) -> list[ColumnElement[bool]]:
    """What a run must be, but for the page that is asked for."""
    columns = (
        (runs.c.status, wanted.status),
        (runs.c.source, wanted.source),
        (runs.c.strategy, wanted.strategy),
        (runs.c.run_group, wanted.group),
    )
    found = [column == str(value) for column, value in columns if value]
    if wanted.underlying:
        found.append(runs.c.underlyings.contains(f",{wanted.underlying},", autoescape=True))
    return found


def _idle(status: RunStatus) -> dict[str, Any]:
    return {"status": status, "worker": "", "lease_until_ms": None, "progress": 0.0, "progress_text": ""}


def _proven(result: RunResult) -> dict[str, Any]:
    return {
        "data_fingerprint": result.provenance.data_fingerprint,
        "code_version": result.provenance.code_version,
        "settings": as_json(result.provenance.settings),
        "notes": "\n".join(result.notes),
    }


def _over(status: RunStatus, now_ms: int) -> dict[str, Any]:
    return {"status": status, "finished_ms": now_ms, "lease_until_ms": None, "progress_text": ""}


def _told(error: SQLAlchemyError) -> RunStoreError:
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return RunStoreError(f"the run database did not take it ({reason}): check DATABASE_URL and its disk")
