"""Server: the front desk behind HTTP (FACTS §1).

Owns the wire only: paths, bodies, sizes, statuses, who may connect. One event loop, one process; a request is served
between two awaits, so requests are served in order. Only names of this machine are answered while it listens on
loopback, and control methods refuse what a web page of another site sends.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn

from optionwriter.venue.auth import Signed
from optionwriter.venue.calls import BASE, MalformedError, read_call
from optionwriter.venue.errors import METHOD_NOT_FOUND, VenueError
from optionwriter.venue.front import FrontDesk, Served, Visit
from optionwriter.venue.http_errors import BODY_LIMIT, status_of, too_large
from optionwriter.venue.opening import Exchange

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LOOPBACK_NAMES = frozenset(("127.0.0.1", "localhost", "[::1]", "::1"))
KEEP_ALIVE_S = 900  # HTTP connections live 15 minutes (FACTS §1)


class ServerError(Exception):
    """The exchange can't listen; the message names the address and the cure."""


class Application:
    """The ASGI application."""

    def __init__(self, desk: FrontDesk, loopback_only: bool = True) -> None:
        self._desk = desk
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the local exchange does not speak {scope['type']}")
        headers: dict[bytes, bytes] = dict(scope["headers"])
        body = await _read_body(receive)
        status, served = self._answer(scope, headers, body)
        await _reply(send, status, served)
        self._desk.rest()

    def _answer(self, scope: Scope, headers: dict[bytes, bytes], body: bytes | None) -> tuple[int, Served]:
        path: str = scope["path"]
        if self._loopback_only and _host(headers) not in LOOPBACK_NAMES:
            return self._refused(VenueError(11050), 421)
        if path != BASE and not path.startswith(f"{BASE}/"):
            return self._refused(VenueError(METHOD_NOT_FOUND), 404)
        if scope["method"] not in ("GET", "POST"):
            return self._refused(VenueError(11050), 405)
        if body is None:
            return self._refused(too_large(), 413)
        query: bytes = scope["query_string"]
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        try:
            call = read_call(scope["method"], path, query, content_type, body)
        except MalformedError as error:
            served = self._desk.refuse(error.refusal, error.request_id)
            return status_of(served.error), served
        if call.method.startswith("local/") and headers.get(b"sec-fetch-site", b"none") not in (
            b"none",
            b"same-origin",
        ):
            return self._refused(VenueError(11050), 403)
        uri = scope["raw_path"].decode("latin-1") + ("?" + query.decode("latin-1") if query else "")
        client = scope.get("client")
        visit = Visit(
            headers.get(b"authorization", b"").decode("latin-1"),
            client[0] if client else "",
            Signed(scope["method"], uri, body),
        )
        served = self._desk.serve(call, visit)
        return status_of(served.error), served

    def _refused(self, refusal: VenueError, status: int) -> tuple[int, Served]:
        return status, self._desk.refuse(refusal)


async def _read_body(receive: Receive) -> bytes | None:
    """The body; None when it is over the limit, of which no more is kept."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        part: bytes = message.get("body", b"")
        size += len(part)
        if size <= BODY_LIMIT:
            parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts) if size <= BODY_LIMIT else None


async def _reply(send: Send, status: int, served: Served) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(served.body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if served.error is not None and served.error.code in (10028, -32600):
        headers.append((b"connection", b"close"))  # the session ends with them (FACTS §5)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": served.body})


def _host(headers: dict[bytes, bytes]) -> str:
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name, _, port = host.rpartition(":")
    return name if port.isdigit() and name else host


class _Server(uvicorn.Server):
    """uvicorn's server, whose signals end it and let the caller tidy up."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop it; only the main thread can hear them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self._stop)
        try:
            yield
        finally:
            for one in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(one)

    def _stop(self) -> None:
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 lets the system choose. Errors: ServerError naming the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off (40 ms a reply) only where it is.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        return listener
    except OSError as error:
        listener.close()
        raise ServerError(
            f"the local exchange can't listen on {host}:{port} ({error.strerror}): "
            "free the port, name another, or 0 to let the system choose"
        ) from None


def url_of(listener: socket.socket) -> str:
    """The base of its URLs."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class RunningServer:
    """A server on a socket: `run` serves until `stop` is called, from a signal or another thread."""

    def __init__(self, desk: FrontDesk, listener: socket.socket) -> None:
        host = listener.getsockname()[0]
        config = uvicorn.Config(
            Application(desk, loopback_only=host in LOOPBACK_NAMES),
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=5,
            h11_max_incomplete_event_size=2 * BODY_LIMIT,
        )
        self._server, self._listener = _Server(config), listener

    def run(self) -> None:
        """Serves; returns once it was stopped and open requests are done."""
        try:
            asyncio.run(self._server.serve(sockets=[self._listener]))
        finally:
            self._listener.close()

    def stop(self) -> None:
        """Asks it to end."""
        self._server.should_exit = True


def serve(exchange: Exchange, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT, then closes the exchange. Says where it listens, then who has what.

    Errors: ServerError when it can't listen; the exchange is closed then too.
    """
    try:
        listener = listen(host, port)
        for line in (f"The local exchange listens on {url_of(listener)}{BASE}", *exchange.greeting()):
            say(line)
        RunningServer(exchange.desk, listener).run()
    finally:
        exchange.close()
