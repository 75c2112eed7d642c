"""A real HTTP server on loopback that answers by a script, one step a request, and remembers what it was sent."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.patience import LONGEST_S


@dataclass
class Asked:
    """One HTTP request, whole."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int  # which TCP connection it came on

    @property
    def call(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def method(self) -> str:
        return str(self.call["method"])

    @property
    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.call["params"]
        return params


Step = Callable[[socket.socket, Asked], bool]  # True: the connection stays open


class Loopback:
    """`script` is taken from the front; when it is empty `default` answers."""

    def __init__(self, *script: Step, default: Step | None = None) -> None:
        self.script = list(script)
        self.default = default
        self.asked: list[Asked] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self) -> Loopback:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._accepting.join(LONGEST_S)
        for thread in self._threads:
            thread.join(LONGEST_S)

    @property
    def methods(self) -> list[str]:
        return [one.method for one in self.asked]

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            self._open.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket, number: int) -> None:
        reader = peer.makefile("rb")
        with peer, reader, contextlib.suppress(OSError):
            while (asked := _read(reader, number)) is not None:
                self.asked.append(asked)
                step = self.script.pop(0) if self.script else self.default
                assert step is not None, f"the script has no answer to {asked.body!r}"
                if not step(peer, asked):
                    return


def _read(reader: Any, number: int) -> Asked | None:
    line = reader.readline()
    if not line:
        return None
    headers: dict[str, str] = {}
    while (text := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Asked(line.decode("latin-1").strip(), headers, body, number)


def http(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None, length: int | None = None
) -> bytes:
    """One HTTP response; `length` says another Content-Length than the true one."""
    fields = {"Content-Type": "application/json", **(headers or {})}
    fields["Content-Length"] = str(len(body) if length is None else length)
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return head.encode() + b"\r\n" + body


def envelope(asked: Asked, **fields: Any) -> bytes:
    """A JSON-RPC reply to the request, as the exchange writes it."""
    return json.dumps(
        {
            "jsonrpc": "2.0",
            "id": asked.call["id"],
            "usIn": 1,
            "usOut": 2,
            "usDiff": 1,
            "testnet": True,
            **fields,
        }
    ).encode()


def result(value: Any, **fields: Any) -> Step:
    def step(peer: socket.socket, asked: Asked) -> bool:
        peer.sendall(http(envelope(asked, result=value, **fields)))
        return True

    return step


def refusal(code: int, message: str, status: int = 400, close: bool = False, **error: Any) -> Step:
    def step(peer: socket.socket, asked: Asked) -> bool:
        body = envelope(asked, error={"code": code, "message": message, **error})
        peer.sendall(http(body, status, {"Connection": "close"} if close else {}))
        return not close

    return step


def raw(response: bytes) -> Step:
    """Exactly these bytes; the connection stays."""

    def step(peer: socket.socket, asked: Asked) -> bool:
        peer.sendall(response)
        return True

    return step


def reset(after: bytes = b"") -> Step:
    """Sends `after`, then breaks the connection with RST."""

    def step(peer: socket.socket, asked: Asked) -> bool:
        peer.sendall(after)
        time.sleep(0.02)  # so that what was sent arrives before the reset
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return step


def hang_up(peer: socket.socket, asked: Asked) -> bool:
    """Closes without a word."""
    return False


def silence(peer: socket.socket, asked: Asked) -> bool:
    """Never answers; ends when the client or the test hangs up."""
    with contextlib.suppress(OSError):
        peer.recv(1)
    return False


def drip(response: bytes, every_s: float) -> Step:
    """One byte at a time."""

    def step(peer: socket.socket, asked: Asked) -> bool:
        for byte in response:
            peer.sendall(bytes((byte,)))
            time.sleep(every_s)
        return True

    return step


def in_turn(**by_method: Step) -> Step:
    """Answers by method: `public__auth=…`."""
    steps = {name.replace("__", "/"): step for name, step in by_method.items()}

    def step(peer: socket.socket, asked: Asked) -> bool:
        return steps[asked.method](peer, asked)

    return step
