"""Problems: what goes wrong, in one sentence: as JSON for programs, as a page for people."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.responses import JSONResponse, Response

from optionwriter.ports import RunBusyError, RunMissingError, RunStoreError, ViewsError
from optionwriter.services.jobs import RunError
from optionwriter.web.guard import API_PATHS
from optionwriter.web.pages import Pages

log = structlog.get_logger(__name__)


def problems(app: FastAPI, pages: Pages) -> None:
    """Registers the handlers."""

    def told(
        request: Request,
        status: int,
        text: str,
        headers: dict[str, str] | None = None,
        fields: dict[str, str] | None = None,
    ) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "")
        if not wants_page or request.url.path.startswith(API_PATHS):
            return JSONResponse({"error": text, **({"fields": fields} if fields else {})}, status, headers)
        page = pages.render("problem.html", status=status, text=text)
        page.status_code = status
        page.headers.update(headers or {})
        return page

    def bad_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = error.errors()
        sent = [one for one in reversed(found) if one["loc"][0] == "body" and len(one["loc"]) > 1]
        fields = {str(one["loc"][1]): _message(one) for one in sent}
        return told(request, 422, "; ".join(_sentence(one) for one in found), fields=fields)

    def impossible(request: Request, error: Exception) -> Response:
        assert isinstance(error, RunError)
        return told(request, 422, str(error), fields=error.fields)

    def unreadable(request: Request, error: Exception) -> Response:
        return told(request, 503, str(error.detail if isinstance(error, HTTPException) else error))

    def missing(request: Request, error: Exception) -> Response:
        return told(request, 404, str(error))

    def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return told(request, error.status_code, str(error.detail))
        return told(request, 409, str(error))

    def not_found(request: Request, error: Exception) -> Response:
        named = isinstance(error, HTTPException) and error.detail != "Not Found"
        text = str(error.detail) if named else f"there is nothing at {request.url.path}: see /docs"  # type: ignore[attr-defined]
        return told(request, 404, text)

    def not_allowed(request: Request, error: Exception) -> Response:
        headers = dict(getattr(error, "headers", None) or {})
        only = headers.get("Allow", "GET")
        return told(
            request, 405, f"{request.method} is not answered at {request.url.path}: only {only}", headers
        )

    def broken(request: Request, error: Exception) -> Response:
        log.error("page failed", path=request.url.path, error=f"{type(error).__name__}: {error}")
        return told(request, 500, "the page failed; the log says why")

    app.add_exception_handler(RequestValidationError, bad_request)
    app.add_exception_handler(RunError, impossible)
    app.add_exception_handler(ViewsError, unreadable)
    app.add_exception_handler(503, unreadable)
    app.add_exception_handler(RunStoreError, unreadable)
    app.add_exception_handler(RunMissingError, missing)
    app.add_exception_handler(RunBusyError, refused)
    app.add_exception_handler(422, refused)
    app.add_exception_handler(502, refused)
    app.add_exception_handler(404, not_found)
    app.add_exception_handler(405, not_allowed)
    app.add_exception_handler(Exception, broken)


def _sentence(one: dict[str, object]) -> str:
    where = one["loc"]
    assert isinstance(where, tuple)
    name = ".".join(str(part) for part in where[1:]) or "the body"
    if one["type"] == "extra_forbidden":
        return f"{name} is no parameter of this address: see /docs"
    return f"{name}: {_message(one)}"


def _message(one: dict[str, object]) -> str:
    return str(one["msg"]).removeprefix("Value error, ")
