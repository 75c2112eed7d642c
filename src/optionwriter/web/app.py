"""The application: routes and pages, behind the guard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.staticfiles import StaticFiles

from optionwriter.adapters.clocks import SystemClock
from optionwriter.bootstrap.calibrator import Calibrator
from optionwriter.bootstrap.lab import Lab
from optionwriter.ports import KillSwitch, ViewSource
from optionwriter.web.api import api
from optionwriter.web.auth import Auth
from optionwriter.web.backtest_events import RunVersions, run_events
from optionwriter.web.backtests import backtests
from optionwriter.web.calibration.api import calibration_api
from optionwriter.web.calibration.routes import calibration_pages
from optionwriter.web.commands import Commands, commands
from optionwriter.web.data.routes import Opens, data_api, data_pages
from optionwriter.web.events import Versions, events
from optionwriter.web.explained import Explain, explained
from optionwriter.web.guard import Guard
from optionwriter.web.lab.routes import lab_pages
from optionwriter.web.live.routes import live
from optionwriter.web.login.routes import login, sign_in
from optionwriter.web.pages import HERE, Pages
from optionwriter.web.problems import problems
from optionwriter.web.reference.routes import reference

API_VERSION = "1"
PACKED_FROM, PACKING = 1_024, 5  # bytes; how hard, of 9
RUNS_POLL_S = 0.5
ABOUT = (
    "What the agent is, sees, holds and decides, and the kill switch. Every address asks for the page's session, or "
    "for the header Authorization: Bearer TOKEN."
)


def create_app(
    source: ViewSource,
    *,
    kill: KillSwitch | None,
    token: str,
    loopback_only: bool = True,
    now_ms: Callable[[], int] | None = None,
    explain: Explain | None = None,
    lab: Lab | None = None,
    data: Opens | None = None,
    calibrator: Calibrator | None = None,
) -> FastAPI:
    """Pages and API over `source`; with `loopback_only` under this machine's names alone.

    `kill` is the switch that works without an agent; `now_ms` the machine's clock;
    `explain` answers for a decision of the log; `lab` holds the backtests, `calibrator` the recorded chains;
    `data` opens the folder of them.
    """
    clock = now_ms or SystemClock().now_ms
    app = FastAPI(
        title="optionwriter",
        version=API_VERSION,
        description=ABOUT,
        docs_url=None,  # FastAPI's own page loads its script from elsewhere
        redoc_url=None,
    )
    pages, auth = Pages(), Auth(token, clock)
    app.state.versions, app.state.run_versions = (
        Versions(source),
        Versions(RunVersions(lab, clock), RUNS_POLL_S),
    )
    app.include_router(api(source))
    app.include_router(commands(Commands(source, kill, clock)))
    app.include_router(events(app.state.versions))
    app.include_router(live(source, kill, pages))
    app.include_router(run_events(app.state.run_versions))  # before /api/backtests/{run_id}
    app.include_router(backtests(lab, clock))
    app.include_router(lab_pages(lab, clock, pages))
    app.include_router(data_api(data))
    app.include_router(data_pages(data, pages))
    app.include_router(calibration_api(calibrator))
    app.include_router(calibration_pages(calibrator, pages))
    app.include_router(explained(explain, pages))
    app.include_router(login(auth, pages))
    app.include_router(reference(app, pages))
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    # Within the guard, whose headers stand on every answer; a stream of events is never held back to be packed.
    app.add_middleware(GZipMiddleware, minimum_size=PACKED_FROM, compresslevel=PACKING)
    app.add_middleware(Guard, auth=auth, sign_in=sign_in(pages), loopback_only=loopback_only)
    problems(app, pages)
    _with_security(app)
    return app


def _with_security(app: FastAPI) -> None:
    """Says in the OpenAPI document that each operation asks for the token."""
    plain = app.openapi

    def document() -> dict[str, Any]:
        made = plain()
        schemes = made.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["token"] = {"type": "http", "scheme": "bearer"}
        made["security"] = [{"token": []}]
        return made

    app.openapi = document  # type: ignore[method-assign]
