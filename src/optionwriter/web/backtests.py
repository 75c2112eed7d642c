"""/api/backtests: runs queued, listed, shown, compared, cancelled, downloaded and dropped.

Every route is a plain function, which the server runs beside its loop: the run database may keep it waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi import Path as InPath

from optionwriter.bootstrap.lab import Lab
from optionwriter.core.report.decisions import plain
from optionwriter.core.report.run import RunSpec, RunState, RunStatus
from optionwriter.core.report.run_diff import Difference, differences
from optionwriter.ports import RunBusyError, RunStore, RunStoreError
from optionwriter.services.run_export import chains_csv, headline, run_json, whole_run
from optionwriter.services.sweep import stop_all
from optionwriter.web import backtest_schemas as shapes
from optionwriter.web import schemas
from optionwriter.web.lab.report import run_report
from optionwriter.web.run_curves import NOTHING, columns

MOST_ID = 2_147_483_647
RunId = Annotated[int, InPath(ge=1, le=MOST_ID)]
_NONE = Annotated[schemas.NoQuery, Query()]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": schemas.Problem, "description": "Neither session nor token."},
    422: {"model": schemas.Problem, "description": "Something that is unknown, wrong or out of bounds."},
    503: {"model": schemas.Problem, "description": "The run database can't be used."},
}
_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "No such run."}}
_BUSY: dict[int | str, dict[str, Any]] = {
    409: {"model": schemas.Problem, "description": "Not while the run stands as it does."}
}
_CHANGED: dict[int | str, dict[str, Any]] = {
    403: {"model": schemas.Problem, "description": "Asked from another site."}
}

_FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {}, "text/csv": {}, "text/html": {}}, "description": "The file."}
}


def store_of(lab: Lab | None) -> RunStore:
    """The run database. Errors: RunStoreError."""
    if lab is None:
        raise RunStoreError("no run database is at hand: start the page with optionwriter web")
    return lab.store


def listed(store: RunStore, query: shapes.RunsQuery, now_ms: int) -> tuple[RunState, ...]:
    """The runs asked for, latest first; those whose worker was lost are settled first."""
    found = store.list(query.wanted, query.limit)
    lost = [one for one in found if one.lease_until_ms is not None and one.lease_until_ms < now_ms]
    if any(one.status is RunStatus.RUNNING for one in lost):
        store.settle_lost(now_ms)
        found = store.list(query.wanted, query.limit)
    return found


def list_row(store: RunStore, state: RunState) -> dict[str, Any]:
    """A run as lists show it: with its first figures, without the settings in force (the run itself tells them)."""
    told = headline(store, state.id) if state.status is RunStatus.FINISHED else []
    short = state.provenance and replace(state.provenance, settings={})
    return {**plain_row(replace(state, provenance=short)), "headline": told}


def plain_row(one: RunState | Difference) -> dict[str, Any]:
    """A run's state, or one figure of two, as JSON can hold it."""
    found: Any = plain(one)
    return dict(found)


def finished(store: RunStore, run_id: int) -> RunState:
    """The run, which must have a result. Errors: RunBusyError says how it stands; RunStoreError."""
    state = store.get(run_id)
    if state.status is not RunStatus.FINISHED:
        raise RunBusyError(f"run {run_id} is {state.status}: only a finished run has a result")
    return state


def backtests(lab: Lab | None, now_ms: Callable[[], int]) -> APIRouter:
    """The routes over `lab`; without one they say so. `now_ms` is the machine's clock."""
    routes = APIRouter(prefix="/api/backtests", responses=_PROBLEMS)
    _changing(routes, lab, now_ms)

    @routes.get("", response_model=shapes.Runs)
    def runs(query: Annotated[shapes.RunsQuery, Query()]) -> Any:
        """Stored backtests, latest first, with their first figures in USD."""
        store = store_of(lab)
        found = listed(store, query, now_ms())
        before = found[-1].id if len(found) == query.limit else None
        return {"runs": [list_row(store, one) for one in found], "before": before}

    @routes.get("/{run_id}", response_model=shapes.Run, responses=_MISSING)
    def run(run_id: RunId, _: _NONE) -> Any:
        """One backtest: its state, metrics by exit style and currency, positions, and curves."""
        store = store_of(lab)
        return whole_run(store, store.get(run_id))

    @routes.get("/{run_id}/equity", response_model=shapes.RunColumns, responses=_MISSING)
    def equity(run_id: RunId, asked: Annotated[shapes.StyleQuery, Query()]) -> Any:
        """The account's equity through a backtest against holding and two plain rules, in USD and in each currency."""
        store = store_of(lab)
        store.get(run_id)
        found = store.curves(run_id)
        if not found:
            return NOTHING
        style = asked.exit_style or next(iter(found))
        if style not in found:
            raise HTTPException(404, f"run {run_id} has no exit style {style!r}: it has {', '.join(found)}")
        return columns(found[style])

    @routes.get("/{run_id}/download", response_class=Response, responses=_MISSING | _BUSY | _FILES)
    def download(run_id: RunId, asked: Annotated[shapes.DownloadQuery, Query()]) -> Response:
        """Everything of a backtest as a file: JSON, its positions as CSV, or a finished one as an HTML report."""
        store = store_of(lab)
        state = store.get(run_id)
        if asked.format == "csv":
            text, kind = chains_csv(store, run_id), "text/csv; charset=utf-8"
        elif asked.format == "html":
            text, kind = run_report(store, finished(store, run_id)), "text/html; charset=utf-8"
        else:
            text, kind = run_json(store, state), "application/json"
        name = f"optionwriter-run-{run_id}.{asked.format}"
        return Response(
            text, headers={"Content-Disposition": f'attachment; filename="{name}"'}, media_type=kind
        )

    @routes.get("/{first}/diff/{second}", response_model=shapes.RunDiff, responses=_MISSING | _BUSY)
    def diff(first: RunId, second: RunId, asked: Annotated[shapes.StyleQuery, Query()]) -> Any:
        """Every metric of two finished backtests: the first, the second, and second less first."""
        store = store_of(lab)
        one, other = finished(store, first), finished(store, second)
        found = [
            {**plain_row(row), "change": row.change}
            for row in differences(store.metrics(first), store.metrics(second))
            if asked.exit_style in ("", row.exit_style)
        ]
        return {"first": plain_row(one), "second": plain_row(other), "metrics": found}

    return routes


def _changing(routes: APIRouter, lab: Lab | None, now_ms: Callable[[], int]) -> None:
    """Adds what queues, cancels and drops."""

    @routes.post("", status_code=202, response_model=shapes.RunQueued, responses=_CHANGED)
    def queue(body: shapes.RunAsked) -> Any:
        """Queues a backtest after checking all that can be known of it beforehand; a worker takes it."""
        store_of(lab)
        assert lab is not None
        name = body.name or f"{body.strategy} on {body.source}"
        spec = RunSpec(
            name, body.source, body.strategy, tuple(one.upper() for one in body.underlyings),
            body.start_ms, body.end_ms, body.seed, body.config, driver=body.driver, group=body.group,
        )  # fmt: skip
        return {"id": lab.queue(spec, now_ms())}

    @routes.delete("", response_model=shapes.GroupGone, responses=_MISSING | _BUSY | _CHANGED)
    def delete_group(asked: Annotated[shapes.GroupQuery, Query()]) -> Any:
        """Drops all runs of a sweep or comparison, all or none; one that is not over must be cancelled first."""
        return {"group": asked.group, "runs": store_of(lab).delete_group(asked.group)}

    @routes.delete("/{run_id}", response_model=shapes.RunGone, responses=_MISSING | _BUSY | _CHANGED)
    def delete(run_id: RunId, _: _NONE) -> Any:
        """Drops a backtest and all that it found; one that runs must be cancelled first."""
        store_of(lab).delete(run_id)
        return {"id": run_id}

    @routes.post("/cancel", response_model=shapes.GroupStopped, responses=_MISSING | _CHANGED)
    def cancel_group(body: shapes.GroupAsked) -> Any:
        """Cancels all runs of a sweep that wait, and asks those that run to stop."""
        store = store_of(lab)
        found = store.groups([body.group]).get(body.group)
        if found is None:
            raise HTTPException(404, f"there is no group of runs {body.group!r}")
        stop_all(store, body.group, now_ms())
        return {"group": body.group, "runs": sum(n for status, n in found.items() if not status.is_over)}

    @routes.post("/{run_id}/cancel", response_model=shapes.RunState, responses=_MISSING | _BUSY | _CHANGED)
    def cancel(run_id: RunId, _: _NONE) -> Any:
        """Cancels a queued backtest at once, and asks a running one to stop at its next step."""
        state = store_of(lab).cancel(run_id, now_ms())
        if state.status.is_over and state.status is not RunStatus.CANCELLED:
            raise RunBusyError(f"run {run_id} is {state.status}: there is nothing to cancel")
        return plain_row(state)
