"""The local exchange as a process: open, listening, and going on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from optionwriter.adapters.clocks import SystemClock
from optionwriter.bootstrap.parts import (
    EXCHANGE_FOLDER,
    BootError,
    prepare_folder,
)
from optionwriter.bootstrap.recorded import LOCAL_ACCOUNT, opening_cash, sample_feed, start_ms_of
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.settings import Settings
from optionwriter.venue.journal import JournalError
from optionwriter.venue.opening import DEMO_KEY, open_exchange, recorded_start
from optionwriter.venue.server import RunningServer, ServerError, listen, url_of


@dataclass(frozen=True, slots=True)
class LocalExchange:
    """The local exchange, open and listening; `server.run()` serves until it is stopped."""

    server: RunningServer
    url: str
    accounts: tuple[str, ...]
    now_ms: int


@contextmanager
def open_local_exchange(settings: Settings, *, frozen: bool, fresh: bool) -> Iterator[LocalExchange]:
    """The local exchange of the data folder, listening on loopback. Errors: BootError.

    It goes on where it stopped or was killed; `frozen` lets its time stand still while a request is in flight.
    """
    prepare_folder(settings.data_dir, fresh)
    feed = sample_feed(settings, begins=True)
    folder = settings.data_dir / EXCHANGE_FOLDER
    machine = SystemClock()
    accounts = {LOCAL_ACCOUNT: opening_cash(settings)}
    try:
        listener = listen("127.0.0.1", settings.local_port)
        start = recorded_start(folder)
        if start is None:
            start = start_ms_of(settings, feed, MS_PER_HOUR)
        exchange = open_exchange(
            feed, accounts, (DEMO_KEY,), start, machine.monotonic, machine.now_ms, folder, True, frozen
        )
    except (ServerError, JournalError) as error:
        raise BootError(str(error)) from error
    try:
        yield LocalExchange(
            RunningServer(exchange.desk, listener),
            url_of(listener),
            tuple(exchange.greeting()),
            exchange.engine.now_ms,
        )
    finally:
        exchange.close()
