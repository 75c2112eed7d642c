"""GET and POST /login, POST /logout: the token for a session, and back."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from optionwriter.web.auth import SESSION_S, Auth
from optionwriter.web.guard import Asgi, Receive, Scope, Send
from optionwriter.web.pages import Pages

WRONG = "That is not the token of this data folder."
SLOW = "Too many tries that failed: wait {seconds} s and try again."


def login(auth: Auth, pages: Pages) -> APIRouter:
    """The routes."""
    routes = APIRouter(include_in_schema=False)

    def answer(given: str) -> Response:
        if seconds := auth.wait_s():
            return _page(pages, 429, SLOW.format(seconds=seconds), {"retry-after": str(seconds)})
        if not auth.knows(given):
            auth.failed()
            return _page(pages, 401, WRONG)
        reply = RedirectResponse("/", 303)
        reply.set_cookie(
            auth.cookie, auth.session(), max_age=SESSION_S, path="/", httponly=True, samesite="strict"
        )
        return reply

    @routes.get("/login")
    def by_link(request: Request) -> Response:
        given = request.query_params.get("token")
        shown = request.headers.get("sec-fetch-dest", "document") == "document"
        if given is None or not shown:  # a picture on a foreign page shall not use up anybody's tries
            return _page(pages, 200 if shown else 403)
        return answer(given)

    @routes.post("/login")
    async def by_form(request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        return answer(form.get("token", [""])[0].strip())

    @routes.post("/logout")
    def out() -> Response:
        reply = RedirectResponse("/login", 303)
        reply.delete_cookie(auth.cookie, path="/", httponly=True, samesite="strict")
        return reply

    return routes


def sign_in(pages: Pages) -> Asgi:
    """What a stranger is shown in place of a page."""

    async def shown(scope: Scope, receive: Receive, send: Send) -> None:
        reply: Any = _page(pages, 401)
        await reply(scope, receive, send)

    return shown


def _page(pages: Pages, status: int, error: str = "", headers: dict[str, str] | None = None) -> HTMLResponse:
    reply = pages.render("login/login.html", error=error)
    reply.status_code = status
    reply.headers.update(headers or {})
    return reply
