"""Guard: what every request must be and every answer must carry, whatever page it is for.

Only GET; on loopback only under a name of this machine, so that a foreign site that points its own name here gets
nothing (DNS rebinding); no answer may be kept, framed, sniffed or read by another site, and no page may load anything
from elsewhere or run a script.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK_NAMES = frozenset(("127.0.0.1", "localhost", "[::1]", "::1"))
POLICY = (
    b"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: Asgi, loopback_only: bool = True) -> None:
        self._app = app
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the page does not speak {scope['type']}")

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        if self._loopback_only and not _ours(scope):
            text = "this page answers only under a name of this machine: use http://127.0.0.1 or http://localhost"
            await _refuse(guarded, 421, text)
        elif scope["method"] != "GET":
            await _refuse(
                guarded, 405, f"{scope['method']} is not answered here: only GET", (b"allow", b"GET")
            )
        else:
            await self._app(scope, receive, guarded)


def _ours(scope: Scope) -> bool:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        return False
    host = hosts[0].decode("latin-1").lower()
    name, _, port = host.rpartition(":")
    return (name if port.isdigit() and name else host) in LOOPBACK_NAMES


async def _refuse(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    body = json.dumps({"error": text}).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
