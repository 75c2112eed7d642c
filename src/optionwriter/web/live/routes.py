"""GET / and its parts: the page, what a new publication replaces, a decision's reasons, a position's panel."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from optionwriter.ports import KillSwitch, ViewSource
from optionwriter.services.publish import CLOSED, DETAIL, HEARTBEAT, OPEN, STATUS
from optionwriter.web.freshness import freshness
from optionwriter.web.live.board import board, decision_of, kill_state
from optionwriter.web.pages import Pages

PARTS = (
    "pulse",
    "alerts",
    "summary",
    "market",
    "account",
    "open",
    "closed",
    "external",
    "decisions",
    "rules",
)


class Wanted(BaseModel):
    """What of the decisions is shown."""

    model_config = ConfigDict(extra="forbid")

    strategy: str = Field("", max_length=100)
    only: Literal["all", "actions"] = "all"


_Asked = Annotated[Wanted, Query()]


def live(source: ViewSource, kill: KillSwitch | None, pages: Pages) -> APIRouter:
    """The page's routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    def page(wanted: _Asked) -> HTMLResponse:
        return pages.render("live/live.html", tab="live", parts=PARTS, **_board(wanted))

    @routes.get("/live/parts")
    def parts(wanted: _Asked) -> HTMLResponse:
        return pages.render("live/parts.html", parts=PARTS, **_board(wanted))

    @routes.get("/live/pulse")
    def pulse() -> HTMLResponse:
        seen = source.snapshot(HEARTBEAT, STATUS)
        agent: Any = seen.views.get(STATUS)
        return pages.render(
            "live/parts.html", parts=("pulse", "alerts"), fresh=freshness(seen), agent=agent,
            beat=seen.views.get(HEARTBEAT), switch=kill_state(agent, kill),
        )  # fmt: skip

    @routes.get("/live/decision/{decision_id}")
    def decision(decision_id: str) -> HTMLResponse:
        return pages.render("live/decision.html", one=decision_of(source, decision_id))

    @routes.get("/live/position/{position_id}")
    def position(position_id: str) -> HTMLResponse:
        seen = source.snapshot(HEARTBEAT, STATUS, OPEN, CLOSED, DETAIL + position_id)
        agent: Any = seen.views.get(STATUS) or {}
        detail: Any = seen.views.get(DETAIL + position_id) or _row_alone(seen.views, position_id)
        return pages.render(
            "live/position.html", detail=detail, position_id=position_id, now_ms=agent.get("at_ms")
        )

    def _board(wanted: Wanted) -> dict[str, Any]:
        return board(source, kill, wanted.strategy, wanted.only)

    def _row_alone(views: Any, position_id: str) -> dict[str, Any] | None:
        """The position's row, where an agent publishes no more of it."""
        rows = [row for name in (OPEN, CLOSED) for row in (views.get(name) or {}).get("positions", [])]
        found = next((one for one in rows if one["position_id"] == position_id), None)
        return None if found is None else {"position": found, "flows": [], "fills": [], "payoff": None}

    return routes
