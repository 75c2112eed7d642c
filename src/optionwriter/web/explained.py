"""GET /api/explain/{decision_id}, and the same as a part of the page: the log's answer to why and why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from optionwriter.adapters.files.candidates import CandidateStoreError
from optionwriter.adapters.files.decision_log import DecisionLogError
from optionwriter.bootstrap.explaining import ExplainError
from optionwriter.bootstrap.parts import BootError
from optionwriter.ports import LedgerError
from optionwriter.web import schemas
from optionwriter.web.pages import Pages

Explain = Callable[
    [str, str | None], dict[str, Any]
]  # decision id, and an option to ask after, to the explanation
_UNREADABLE = (BootError, LedgerError, DecisionLogError, CandidateStoreError)
_Id = Annotated[str, InPath(max_length=100)]


class Asked(BaseModel):
    """What may be asked beside the decision."""

    model_config = ConfigDict(extra="forbid")

    instrument: str | None = Field(None, max_length=60, description="Why not this option, by its name.")


def explained(explain: Explain | None, pages: Pages) -> APIRouter:
    """The routes over `explain`; without one every decision is unknown."""
    routes = APIRouter()

    @routes.get(
        "/api/explain/{decision_id}",
        response_model=schemas.Explanation,
        responses={
            401: {"model": schemas.Problem, "description": "Neither session nor token."},
            404: {"model": schemas.Problem, "description": "No such decision, or it saw no such option."},
            422: {"model": schemas.Problem, "description": "A parameter that is unknown or out of bounds."},
            503: {"model": schemas.Problem, "description": "Log or ledger can't be read."},
        },
    )
    def explanation(decision_id: _Id, asked: Annotated[Asked, Query()]) -> Any:
        """Why this, why not that strike, what would have to change, and after expiry what the others earned."""
        return _told(decision_id, asked.instrument)

    @routes.get("/live/explain/{decision_id}", include_in_schema=False)
    def part(decision_id: _Id) -> HTMLResponse:
        try:
            told: dict[str, Any] | None = _told(decision_id, None)
            problem = ""
        except HTTPException as error:
            told, problem = None, str(error.detail)
        return pages.render("live/explained.html", told=told, problem=problem)

    def _told(decision_id: str, instrument: str | None) -> dict[str, Any]:
        if explain is None:
            raise HTTPException(404, f"no log is at hand to explain {decision_id}")
        try:
            return explain(decision_id, instrument)
        except ExplainError as error:
            raise HTTPException(404, str(error)) from None
        except _UNREADABLE as error:
            raise HTTPException(503, str(error)) from None

    return routes
