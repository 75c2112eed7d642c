"""The application: routes, pages and what goes wrong, behind the guard."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from optionwriter.ports import ViewsError, ViewSource
from optionwriter.web.api import api
from optionwriter.web.guard import Guard
from optionwriter.web.live.routes import live
from optionwriter.web.pages import HERE, Pages
from optionwriter.web.reference.routes import reference

API_VERSION = "1"

log = structlog.get_logger(__name__)


def create_app(source: ViewSource, *, loopback_only: bool = True) -> FastAPI:
    """The page and the API over `source`; with `loopback_only` under this machine's names alone."""
    app = FastAPI(
        title="optionwriter",
        version=API_VERSION,
        description="What the agent is, sees, holds and decides. Read only.",
        docs_url=None,  # FastAPI's own page loads its script from elsewhere
        redoc_url=None,
    )
    pages = Pages()
    app.include_router(api(source))
    app.include_router(live(source, pages))
    app.include_router(reference(app, pages))
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.add_middleware(Guard, loopback_only=loopback_only)
    app.add_exception_handler(RequestValidationError, _bad_query)
    app.add_exception_handler(ViewsError, _unreadable)
    app.add_exception_handler(404, _not_found)
    app.add_exception_handler(Exception, _broken)
    return app


def _bad_query(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    told = []
    for one in error.errors():
        name = ".".join(str(part) for part in one["loc"][1:])
        unknown = one["type"] == "extra_forbidden"
        told.append(
            f"{name} is no parameter of this address: see /docs" if unknown else f"{name}: {one['msg']}"
        )
    return JSONResponse({"error": "; ".join(told)}, 422)


def _unreadable(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 503)


def _not_found(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException) or hasattr(error, "status_code")
    return JSONResponse({"error": f"there is nothing at {request.url.path}: see /docs"}, 404)


def _broken(request: Request, error: Exception) -> JSONResponse:
    log.error("page failed", path=request.url.path, error=f"{type(error).__name__}: {error}")
    return JSONResponse({"error": "the page failed; the log says why"}, 500)
