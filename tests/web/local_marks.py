"""The local exchange, served in this process, for pages and services that read its public marks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from optionwriter.adapters.clocks import SystemClock, sleep_s
from optionwriter.adapters.deribit.session import Session
from optionwriter.bootstrap.exchange import open_local_exchange
from optionwriter.settings import Settings
from tests.patience import LONGEST_S

START = "2026-02-10T12:00:00Z"


class _Time(msgspec.Struct):
    now_ms: int


@dataclass(frozen=True, slots=True)
class LocalMarks:
    """A served exchange whose time stands still but for `advance`; `settings` are of who asks it."""

    settings: Settings
    url: str
    start_ms: int

    def advance(self, to_ms: int) -> None:
        """Moves its time there."""
        session = Session("local", SystemClock().monotonic, sleep_s, base_url=self.url)
        try:
            session.client.call("local/advance", {"to_ms": to_ms}, _Time)
        finally:
            session.close()


@contextmanager
def local_marks(folder: Path, smile: str = "surface") -> Iterator[LocalMarks]:
    """It answers until it is left."""
    settings = Settings.model_validate(
        {"data_dir": folder, "local_port": 0, "local_smile": smile, "local_start": START}
    )
    with open_local_exchange(settings, frozen=True, fresh=True) as opened:
        served = threading.Thread(target=opened.server.run)
        served.start()
        try:
            port = int(opened.url.rpartition(":")[2])
            yield LocalMarks(settings.model_copy(update={"local_port": port}), opened.url, opened.now_ms)
        finally:
            opened.server.stop()
            served.join(LONGEST_S)
