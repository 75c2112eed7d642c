"""An exchange for the server's tests: a desk without a wire, and a real server on loopback in a thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from optionwriter.venue.auth import ApiKey
from optionwriter.venue.opening import DEMO_CASH, DEMO_KEY, Exchange, open_exchange
from optionwriter.venue.server import RunningServer, listen, url_of
from tests.patience import LONGEST_S
from tests.venue.flat_feed import START, FlatFeed

OPENED = START + 10 * 3_600_000
KEYS = (
    DEMO_KEY,
    ApiKey("reader", "r-secret", "local", "account:read trade:read"),
    ApiKey("AMANDA", "AMANDASECRECT", "other"),
)
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class HandClock:
    """Monotonic seconds and wall milliseconds that move when told."""

    def __init__(self, wall_ms: int = 1_800_000_000_000) -> None:
        self.seconds, self.start_ms = 0.0, wall_ms

    def monotonic(self) -> float:
        return self.seconds

    def wall_ms(self) -> int:
        return self.start_ms + round(self.seconds * 1_000)


def machine_ms() -> int:
    return time.time_ns() // 1_000_000


def exchange(
    folder: Path | None = None, clock: HandClock | None = None, feed: FlatFeed | None = None, **more: Any
) -> Exchange:
    """Accounts `local` and `other` with the demo's cash; local methods allowed unless told otherwise."""
    monotonic, wall_ms = (clock.monotonic, clock.wall_ms) if clock else (time.monotonic, machine_ms)
    accounts = {"local": DEMO_CASH, "other": DEMO_CASH}
    settings: dict[str, Any] = {"allow_local": True, **more}
    return open_exchange(feed or FlatFeed(), accounts, KEYS, OPENED, monotonic, wall_ms, folder, **settings)


@contextlib.contextmanager
def serving(opened: Exchange) -> Iterator[str]:
    """The base URL of a server in a thread; it is stopped and the exchange closed at the end."""
    listener = listen("127.0.0.1", 0)
    server = RunningServer(opened.desk, listener)
    url = url_of(listener)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield url
    finally:
        server.stop()
        thread.join(LONGEST_S)
        assert not thread.is_alive()
        opened.close()


def decoded(reply: httpx2.Response) -> Any:
    """A reply's envelope, numbers as Decimal."""
    return _DECODER.decode(reply.content)
