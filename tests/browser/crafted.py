"""The application on a socket over views that a test makes up: states which no demo comes into by itself."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from optionwriter.adapters.files.kill_file import KillFile
from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap.parts import KILL_FILE, VIEWS_FILE
from optionwriter.ports import FeedEntry
from optionwriter.web.app import create_app
from optionwriter.web.server import RunningWeb, listen
from optionwriter.web.token import login_link
from tests.patience import LONGEST_S

TOKEN = "a-token-for-tests-of-32-letters-"
NOW_MS = 1_800_000_000_000


class Crafted:
    """`with Crafted(folder) as page`: it serves; `publish` changes what it shows, `age_s` how old that looks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.age_s = 2.0
        self.kill = KillFile(folder / KILL_FILE)
        self._sink = ViewStore(folder / VIEWS_FILE, lambda: NOW_MS)
        self._port = 0
        self._server: RunningWeb | None = None
        self.start()

    def __enter__(self) -> Crafted:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._sink.close()

    @property
    def base(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self._port}/"

    @property
    def link(self) -> str:
        """The address that signs in."""
        return login_link(self.base, TOKEN)

    def ask(self, path: str) -> Any:
        """What the API answers."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx2.get(self.base + path.lstrip("/"), headers=headers, timeout=LONGEST_S, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start(self) -> None:
        """Serves; again, after a stop, under the same address."""
        source = ViewStore(self.folder / VIEWS_FILE, lambda: NOW_MS + int(self.age_s * 1000))
        listener = listen("127.0.0.1", self._port)
        self._port = listener.getsockname()[1]
        self._server = RunningWeb(create_app(source, kill=self.kill, token=TOKEN), listener)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()

    def stop(self) -> None:
        """Serves no more."""
        if self._server is not None:
            self._server.stop()
            self._thread.join(LONGEST_S)
            assert not self._thread.is_alive(), "the page's server did not stop"
        self._server = None

    def publish(self, views: Mapping[str, object], entries: Sequence[FeedEntry] = ()) -> None:
        """Publishes; fails where the store refuses."""
        assert self._sink.publish(views, entries)
