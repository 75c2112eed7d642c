"""GET /lab and its parts: the form, the queue, the runs, one run, and two compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, Response

from optionwriter.bootstrap.lab import Lab
from optionwriter.core.report.run import RunStatus
from optionwriter.core.report.run_diff import differences
from optionwriter.services.jobs import RunError
from optionwriter.web.backtest_schemas import DiffQuery, LabQuery, StyleQuery, SweepQuery
from optionwriter.web.backtests import RunId, finished, listed, store_of
from optionwriter.web.lab.asked import form
from optionwriter.web.lab.figures import differences_shown
from optionwriter.web.lab.sweep import sweep
from optionwriter.web.lab.view import going, listed_lines, queue_lines, run_line, whole
from optionwriter.web.pages import Pages
from optionwriter.web.schemas import NoQuery

PARTS = ("queue", "runs")


def lab_pages(lab: Lab | None, now_ms: Callable[[], int], pages: Pages) -> APIRouter:
    """The pages over `lab`; without one they say so. `now_ms` is the machine's clock."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/lab")
    def page(query: Annotated[LabQuery, Query()]) -> HTMLResponse:
        store_of(lab)
        assert lab is not None
        try:
            asked = form(lab.choices())
        except RunError as error:
            raise HTTPException(503, str(error)) from None
        return pages.render("lab/lab.html", tab="lab", form=asked, parts=PARTS, **_lists(query))

    @routes.get("/lab/parts")
    def parts(query: Annotated[LabQuery, Query()]) -> HTMLResponse:
        return pages.render("lab/parts.html", parts=PARTS, **_lists(query))

    @routes.get("/lab/runs/{run_id}")
    def run(run_id: RunId, asked: Annotated[StyleQuery, Query()]) -> HTMLResponse:
        store = store_of(lab)
        found = whole(store, store.get(run_id), asked.exit_style, now_ms())
        return pages.render("lab/run.html", tab="lab", **found)

    @routes.get("/lab/runs/{run_id}/progress")
    def progress(run_id: RunId, _: Annotated[NoQuery, Query()]) -> Response:
        """How far it is, as a part of its page; 204 once it is over."""
        state = store_of(lab).get(run_id)
        if state.status.is_over:
            return Response(status_code=204)
        return pages.render("lab/progress.html", run=run_line(state), going=going(state, now_ms()))

    @routes.get("/lab/sweep")
    def ranking(asked: Annotated[SweepQuery, Query()]) -> HTMLResponse:
        return pages.render("lab/sweep.html", tab="lab", **sweep(store_of(lab), asked.group, asked.by))

    @routes.get("/lab/sweep/parts")
    def ranking_part(asked: Annotated[SweepQuery, Query()]) -> HTMLResponse:
        found = sweep(store_of(lab), asked.group, asked.by)
        return pages.render("lab/parts.html", parts=("ranking",), **found)

    @routes.get("/lab/diff")
    def diff(asked: Annotated[DiffQuery, Query()]) -> HTMLResponse:
        store = store_of(lab)
        if len(asked.run) != 2:
            raise HTTPException(422, "choose exactly two finished runs to compare")
        first, second = (finished(store, one) for one in asked.run)
        found = differences(store.metrics(first.id), store.metrics(second.id))
        return pages.render(
            "lab/diff.html",
            tab="lab",
            first=run_line(first),
            second=run_line(second),
            rows=differences_shown(found),
        )

    def _lists(query: LabQuery) -> dict[str, Any]:
        store = store_of(lab)
        found = listed(store, query, now_ms())
        return {
            "queue": queue_lines(store, now_ms()),
            "runs": listed_lines(store, found, query.wanted.folded),
            "paged": query.paged,
            "older": found[-1].id if len(found) == query.limit else None,
            "query": query,
            "statuses": [str(one) for one in RunStatus],
        }

    return routes
