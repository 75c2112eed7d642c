"""Commands: what a person asks of the agent from the page: kill and resume.

Keeps: a kill engages the switch itself first, which the agent reads before every send, so that it works whatever the
agent or the views do; a resume is only asked for, and the agent checks it and lifts the switch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from optionwriter.ports import KillSwitch, ViewsError, ViewSource
from optionwriter.web import schemas

BY = "page"
log = structlog.get_logger(__name__)


class Commands:
    """Passes commands on. `kill` is None where there is no switch beside the agent's own."""

    def __init__(self, source: ViewSource, kill: KillSwitch | None, now_ms: Callable[[], int]) -> None:
        self._source, self._kill, self._now_ms = source, kill, now_ms

    def give(self, kind: str, reason: str) -> int | None:
        """The command's id; None for a kill that is engaged where no agent has run yet.

        Errors: ViewsError; OSError when the switch could not be engaged (the agent is asked all the same).
        """
        at_ms = self._now_ms()
        log.warning("command from the page", kind=kind, reason=reason)
        if kind != "kill" or self._kill is None:
            return self._source.command(kind, reason, at_ms)
        try:
            self._kill.engage(reason, BY, at_ms)
        finally:
            left = self._left(kind, reason, at_ms)
        return left

    def _left(self, kind: str, reason: str, at_ms: int) -> int | None:
        """The command's id; None where it can't be left: the switch itself is what counts."""
        try:
            return self._source.command(kind, reason, at_ms)
        except ViewsError as error:
            log.warning("kill not left for the agent", error=str(error))
            return None


def commands(given: Commands) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.post(
        "/api/commands",
        status_code=202,
        response_model=schemas.CommandTaken,
        responses={
            403: {"model": schemas.Problem, "description": "Asked from another site."},
            503: {"model": schemas.Problem, "description": "It could not be left for the agent."},
        },
    )
    def command(body: schemas.CommandGiven) -> Any:
        """Leaves a command for the agent. A kill takes effect at once, also while the agent hangs; a resume waits."""
        try:
            return {"id": given.give(body.kind, body.reason), "kind": body.kind}
        except OSError as error:
            text = f"the kill switch could not be written ({error.strerror or error}): end the agent's process instead"
            return JSONResponse({"error": text}, 503)

    return routes
