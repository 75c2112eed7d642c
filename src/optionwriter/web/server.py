"""Server: the application on a socket, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI


class WebError(Exception):
    """The page can't be served; the message names the address and the cure."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 lets the system choose. Errors: WebError naming the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only where it is.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        return listener
    except OSError as error:
        listener.close()
        raise WebError(
            f"the web page can't listen on {host}, port {port} ({error.strerror}): "
            "free the port, or name another with --port or WEB_PORT (0 lets the system choose)"
        ) from None


def url_of(listener: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


class _Server(uvicorn.Server):
    """uvicorn's server, whose signals end it and let the caller tidy up; open streams end with it."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the streams first: they would not end by themselves."""
        app: FastAPI = self.config.app  # type: ignore[assignment]
        app.state.versions.close()
        app.state.run_versions.close()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop it; only the main thread can hear them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.should_exit = True


class RunningWeb:
    """The application on a socket: `run` serves until `stop`, from a signal or another thread."""

    def __init__(self, app: FastAPI, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
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


def serve(app: FastAPI, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT; says once at which address. Errors: WebError when it can't listen."""
    listener = listen(host, port)
    say(url_of(listener))
    RunningWeb(app, listener).run()
