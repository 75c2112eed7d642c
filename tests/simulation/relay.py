"""A relay between agent and exchange that holds back an order, or the answer to one, so that a kill comes between."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Literal

from tests.patience import LONGEST_S

Hold = Literal["", "request", "reply"]
ORDERS = (b"/private/sell ", b"/private/buy ")


class Relay:
    """Passes every byte, until it is armed: then an order's request, or the reply to it, goes no further.

    `caught` is set when that has happened; with "reply" the exchange has then acted. `release` begins anew.
    """

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.hold: Hold = ""
        self.skip = 0
        self.caught = threading.Event()

    def arm(self, hold: Hold, skip: int) -> None:
        """Holds back the order after `skip` more, or the reply to it."""
        self.hold, self.skip = hold, skip

    def release(self) -> None:
        """Holds nothing back any more; what was held back is lost."""
        self.hold = ""
        self.caught.clear()

    def accept(self) -> None:
        """Serves connections until the listener is closed."""
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            try:
                outer = socket.create_connection(("127.0.0.1", self._to_port), LONGEST_S)
            except OSError:
                inner.close()  # the exchange is away
                continue
            outer.settimeout(None)
            threading.Thread(target=_Link(self, inner, outer).run, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections; those that are end with either side."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class _Link:
    """One connection: two directions."""

    def __init__(self, relay: Relay, inner: socket.socket, outer: socket.socket) -> None:
        self._relay, self._inner, self._outer = relay, inner, outer
        self._ordered = self._lost = False
        for one in (inner, outer):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> None:
        """Passes both ways until either side is gone; then both are."""
        back = threading.Thread(target=self._pass, args=(self._outer, self._inner, self._reply), daemon=True)
        back.start()
        self._pass(self._inner, self._outer, self._request)
        back.join()
        self._inner.close()
        self._outer.close()

    def _request(self, piece: bytes) -> None:
        if self._relay.hold and not self._relay.caught.is_set() and any(one in piece for one in ORDERS):
            self._ordered = self._relay.skip <= 0
            self._relay.skip -= 1
        if self._ordered and self._relay.hold == "request":
            self._lose()

    def _reply(self, _: bytes) -> None:
        if self._ordered and self._relay.hold == "reply":
            self._lose()

    def _lose(self) -> None:
        self._lost = True
        self._relay.caught.set()

    def _pass(self, source: socket.socket, sink: socket.socket, look: Callable[[bytes], None]) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65_536):
                look(piece)
                if not self._lost:
                    sink.sendall(piece)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relay(to_port: int) -> Iterator[Relay]:
    """A running relay to a port of this machine."""
    one = Relay(to_port)
    thread = threading.Thread(target=one.accept, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.close()
        thread.join(LONGEST_S)
