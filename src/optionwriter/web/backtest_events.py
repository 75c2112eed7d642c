"""Backtest events: tells open pages that a run was queued, got on, ended or went.

The run database's rows are the truth. What a page shows of them is boiled down to a fingerprint; its number grows
whenever that changes. A lease that ran out changes it too, so that the page asks again and the lost run is settled.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from optionwriter.bootstrap.lab import Lab
from optionwriter.core.report.run import RunFilter, RunState, RunStatus
from optionwriter.ports import RunStoreError
from optionwriter.web.events import STREAMED, Versions

MOST_RUNNING = 50


class RunVersions:
    """The runs' version number: asked from one thread at a time."""

    def __init__(self, lab: Lab | None, now_ms: Callable[[], int]) -> None:
        self._lab, self._now_ms = lab, now_ms
        self._seen: tuple[object, ...] = ()
        self._number = 0

    def version(self) -> int:
        """Grows with every change that a page can show; what can't be read is a change as well."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            self._number += 1
        return self._number

    def _look(self) -> tuple[object, ...]:
        if self._lab is None:
            return ("none",)
        try:
            store = self._lab.store
            counts = store.counts()
            latest = store.list(limit=1)
            running = (
                store.list(RunFilter(RunStatus.RUNNING), MOST_RUNNING) if counts[RunStatus.RUNNING] else ()
            )
        except RunStoreError as error:
            return ("broken", str(error))
        now_ms = self._now_ms()
        return (*counts.items(), *(one.id for one in latest), *(_told(one, now_ms) for one in running))


def _told(one: RunState, now_ms: int) -> tuple[object, ...]:
    is_lost = one.lease_until_ms is not None and one.lease_until_ms < now_ms
    return one.id, one.attempts, one.progress, one.progress_text, one.cancel_requested, is_lost


def run_events(versions: Versions) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.get("/api/backtests/events", response_class=StreamingResponse, responses=STREAMED)
    async def stream() -> StreamingResponse:
        """Server-sent events: `version` whenever a backtest was queued, got on, ended or went; `beat` in between."""
        return StreamingResponse(versions.stream(), media_type="text/event-stream")

    return routes
