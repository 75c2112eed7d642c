"""Guard: what every request must be and every answer must carry, whatever page it is for.

In this order: on loopback only a name of this machine (a foreign site that points its own name here gets nothing: DNS
rebinding); only GET, POST and DELETE; what changes something comes from our own page, or from a program with the token,
and is short; then a session or the token, without which there are only the sign-in page and what it needs. No answer
may be kept, framed, sniffed or read by another site, and no page may load anything from elsewhere or run a script
within itself.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from optionwriter.web.auth import Auth

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK_NAMES = frozenset(("127.0.0.1", "localhost", "[::1]", "::1"))
METHODS = frozenset(("GET", "POST", "DELETE"))
CHANGING = METHODS - {"GET"}
MAX_BODY = 16_384
OPEN_PATHS = ("/login", "/static/")
API_PATHS = ("/api/", "/status", "/openapi.json", "/metrics")
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),  # none at all would also make a form's Origin "null"
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
KEPT = ((b"cache-control", b"private, no-cache"),)  # a file of ours: asked for again each time, sent once
NOT_KEPT = ((b"cache-control", b"no-store"),)
CURE = (
    "sign in: open the link that optionwriter web or up printed, or send the header "
    "Authorization: Bearer TOKEN (the token is in web.token of the data folder)"
)


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: Asgi, auth: Auth, sign_in: Asgi, loopback_only: bool = True) -> None:
        """`sign_in` answers in place of a page that a stranger asks for."""
        self._app, self._auth, self._sign_in = app, auth, sign_in
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the page does not speak {scope['type']}")
        kept = KEPT if scope["path"].startswith("/static/") else NOT_KEPT

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS, *kept]
            await send(message)

        method, path = scope["method"], scope["path"]
        bearer = self._auth.has_bearer(_header(scope, b"authorization"))
        if self._loopback_only and _name(scope) not in LOOPBACK_NAMES:
            text = "this page answers only under a name of this machine: use http://127.0.0.1 or http://localhost"
            return await refuse(guarded, 421, text)
        if method not in METHODS:
            text = f"{method} is not answered here: only GET, POST and DELETE"
            return await refuse(guarded, 405, text, (b"allow", b"GET, POST, DELETE"))
        if method in CHANGING:
            if not _from_our_page(scope, bearer):
                return await refuse(
                    guarded, 403, "this may be asked only from the page itself, or with the token"
                )
            body = await _body(scope, receive)
            if body is None:
                return await refuse(guarded, 413, f"the request is too long: at most {MAX_BODY:,} bytes")
            receive = _again(body, receive)
        if bearer or path.startswith(OPEN_PATHS) or self._auth.has_session(_header(scope, b"cookie")):
            return await self._app(scope, receive, guarded)
        if path.startswith(API_PATHS):
            return await refuse(guarded, 401, CURE, (b"www-authenticate", b"Bearer"))
        return await self._sign_in(scope, receive, guarded)


def _header(scope: Scope, wanted: bytes) -> str:
    """The header's value, "" for none; of several the parts are joined, which no check of ours lets through."""
    return "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == wanted)


def _name(scope: Scope) -> str:
    """The host's name that was asked for, without the port; "" when there is not exactly one."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        return ""
    host = str(hosts[0].decode("latin-1").lower())
    name, _, port = host.rpartition(":")
    return name if port.isdigit() and name else host


def _from_our_page(scope: Scope, bearer: bool) -> bool:
    """Whether a request that changes something comes from our own page; a program with the token names no origin."""
    origin, site = _header(scope, b"origin"), _header(scope, b"sec-fetch-site")
    if not origin:
        return bearer and not site
    ours = {f"{scheme}://{_header(scope, b'host')}".lower() for scheme in ("http", "https")}
    return origin.lower() in ours and site in ("", "same-origin")


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body; None when it is too long or was broken off."""
    length = _header(scope, b"content-length")
    if length.isdigit() and int(length) > MAX_BODY:
        return None
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, then what else comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


async def refuse(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    """Answers with one sentence."""
    body = json.dumps({"error": text}).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
