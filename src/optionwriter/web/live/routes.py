"""GET /: the status page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from optionwriter.ports import ViewSource
from optionwriter.services.publish import CLOSED, DECISIONS, HEARTBEAT, OPEN, STATUS, STRATEGIES
from optionwriter.web.freshness import freshness
from optionwriter.web.pages import Pages
from optionwriter.web.schemas import NoQuery

DECISIONS_SHOWN = 20
CLOSED_SHOWN = 50
REFRESH_S = 5


def live(source: ViewSource, pages: Pages) -> APIRouter:
    """The page's route."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    def page(_: Annotated[NoQuery, Query()]) -> HTMLResponse:
        seen = source.snapshot(HEARTBEAT, STATUS, OPEN, CLOSED, STRATEGIES)
        nothing: dict[str, Any] = {"positions": [], "totals": []}
        strategies: Any = seen.views.get(STRATEGIES) or {"strategies": []}
        return pages.render(
            "live/live.html",
            fresh=freshness(seen),
            beat=seen.views.get(HEARTBEAT),
            agent=seen.views.get(STATUS),
            held=seen.views.get(OPEN) or nothing,
            closed=seen.views.get(CLOSED) or nothing,
            closed_shown=CLOSED_SHOWN,
            strategies=strategies["strategies"],
            decisions=source.entries(DECISIONS, DECISIONS_SHOWN),
            refresh=REFRESH_S,
        )

    return routes
