"""The API: the published views as JSON, each with how fresh it is."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi import Path as InPath

from optionwriter.ports import ViewSource
from optionwriter.services.publish import (
    CLOSED,
    DECISIONS,
    DETAIL,
    EQUITY,
    HEARTBEAT,
    OPEN,
    STATUS,
    STRATEGIES,
)
from optionwriter.web import schemas
from optionwriter.web.freshness import freshness

_NONE = Annotated[schemas.NoQuery, Query()]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": schemas.Problem, "description": "Neither session nor token."},
    422: {"model": schemas.Problem, "description": "A parameter that is unknown or out of bounds."},
    503: {"model": schemas.Problem, "description": "The agent's views can't be read."},
}


def api(source: ViewSource) -> APIRouter:
    """The routes over `source`. Each reads one publication whole."""
    routes = APIRouter(responses=_PROBLEMS)

    @routes.get("/status", response_model_exclude_unset=True, response_model=schemas.Status)
    def status(_: _NONE) -> Any:
        """What the agent is, may do, sees and has; how its loop goes and how old all that is."""
        seen = source.snapshot(HEARTBEAT, STATUS)
        return {**freshness(seen), "heartbeat": seen.views.get(HEARTBEAT), "agent": seen.views.get(STATUS)}

    @routes.get(
        "/api/positions/bot/open", response_model_exclude_unset=True, response_model=schemas.OpenPositions
    )
    def open_positions(_: _NONE) -> Any:
        """The bot's open positions, oldest first, with totals by settlement currency."""
        return _positions(OPEN)

    @routes.get(
        "/api/positions/bot/closed", response_model_exclude_unset=True, response_model=schemas.ClosedPositions
    )
    def closed_positions(_: _NONE) -> Any:
        """The bot's closed positions, latest first, with totals by settlement currency."""
        return _positions(CLOSED)

    @routes.get(
        "/api/positions/bot/{position_id}",
        response_model_exclude_unset=True,
        response_model=schemas.PositionDetail,
        responses={404: {"model": schemas.Problem, "description": "No position of that id."}},
    )
    def position(position_id: Annotated[str, InPath(max_length=100)], _: _NONE) -> Any:
        """One position of the bot, open or closed: its fills and cash flows, and its picture at expiry."""
        seen = source.snapshot(HEARTBEAT, DETAIL + position_id)
        found: Any = seen.views.get(DETAIL + position_id)
        if found is None:
            raise HTTPException(404, f"there is no position {position_id}: see /api/positions/bot/open")
        return {**freshness(seen), **found}

    @routes.get(
        "/api/equity",
        response_model_exclude_unset=True,
        response_model=schemas.Equity,
    )
    def equity(_: _NONE) -> Any:
        """The account's equity over time against merely holding, in USD and in each currency."""
        seen = source.snapshot(HEARTBEAT, EQUITY)
        empty: dict[str, Any] = {"at_ms": [], "equity_usd": [], "holding_usd": [], "currencies": {}}
        return {**freshness(seen), **_view(seen.views, EQUITY, empty)}

    @routes.get("/api/decisions", response_model_exclude_unset=True, response_model=schemas.Decisions)
    def decisions(query: Annotated[schemas.DecisionsQuery, Query()]) -> Any:
        """The latest decisions: what was chosen, what else could be, what was refused, what nearly passed, and why."""
        seen = source.snapshot(HEARTBEAT)
        return {**freshness(seen), "decisions": source.entries(DECISIONS, query.limit, query.strategy)}

    @routes.get("/api/strategy-status", response_model_exclude_unset=True, response_model=schemas.Strategies)
    def strategy_status(_: _NONE) -> Any:
        """Each strategy instance: its rules in force, its last decision, what it holds; and the use of every limit."""
        seen = source.snapshot(HEARTBEAT, STRATEGIES, STATUS)
        limits = _view(seen.views, STATUS, {}).get("limits", [])
        return {**freshness(seen), **_view(seen.views, STRATEGIES, {"strategies": []}), "limits": limits}

    def _positions(name: str) -> dict[str, Any]:
        seen = source.snapshot(HEARTBEAT, name)
        return {**freshness(seen), **_view(seen.views, name, {"positions": [], "totals": []})}

    return routes


def _view(views: Any, name: str, empty: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = views.get(name) or empty
    return found
