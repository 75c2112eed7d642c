"""The application on a socket over views that a test makes up: states which no demo comes into by itself."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap import VIEWS_FILE
from optionwriter.ports import FeedEntry
from optionwriter.web.app import create_app
from optionwriter.web.server import RunningWeb, listen, url_of

TOKEN = "a-token-for-tests-of-32-letters-"
NOW_MS = 1_800_000_000_000


class Crafted:
    """`with Crafted(folder) as page`: it serves; `publish` changes what it shows, `age_s` how old that looks."""

    def __init__(self, folder: Path) -> None:
        self.age_s = 2.0
        self._sink = ViewStore(folder / VIEWS_FILE, lambda: NOW_MS)
        source = ViewStore(folder / VIEWS_FILE, lambda: NOW_MS + int(self.age_s * 1000))
        signs_in = "token" in inspect.signature(create_app).parameters
        more: dict[str, Any] = {"kill": None, "token": TOKEN} if signs_in else {}
        listener = listen("127.0.0.1", 0)
        self.base = url_of(listener)
        self.link = f"{self.base}login?token={TOKEN}" if signs_in else self.base
        self._server = RunningWeb(create_app(source, **more), listener)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Crafted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join(20)
        self._sink.close()
        assert not self._thread.is_alive(), "the page's server did not stop"

    def publish(self, views: Mapping[str, object], entries: Sequence[FeedEntry] = ()) -> None:
        """Publishes; fails where the store refuses."""
        assert self._sink.publish(views, entries)
