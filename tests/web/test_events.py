"""The stream of version numbers, over a real socket: news, beats, and an end that holds nobody up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from optionwriter.adapters.store.views import ViewStore
from optionwriter.web.events import Versions
from optionwriter.web.server import RunningWeb, listen, url_of
from tests.patience import LONGEST_S
from tests.web.browsing import BEARER, made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ViewStore]:
    store = ViewStore(tmp_path / "views.sqlite", lambda: 0)
    store.publish({})
    yield store
    store.close()


@contextmanager
def served(store: ViewStore, beat_s: float = 3_600.0) -> Iterator[tuple[str, RunningWeb, threading.Thread]]:
    listener = listen("127.0.0.1", 0)
    app = made(store)
    versions = app.state.versions
    versions._poll_s, versions._beat_s = 0.01, beat_s
    running = RunningWeb(app, listener)
    running._server.config.timeout_graceful_shutdown = None  # what does not end by itself is not cut either
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield url_of(listener), running, thread
    finally:
        running.stop()
        thread.join(LONGEST_S)
        assert not thread.is_alive()


def events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Name and data of each event."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field in ("data", "data:") and name:
            yield name, value
            name = ""


def test_each_publication_is_told_and_the_stream_begins_with_the_present_one(store: ViewStore) -> None:
    with (
        served(store) as (url, _, _),
        httpx2.stream("GET", f"{url}api/events", headers=BEARER, timeout=LONGEST_S) as reply,
    ):
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-store"
        told = events(reply.iter_lines())
        assert next(told) == ("version", "1")
        store.publish({})
        assert next(told) == ("version", "2")
        with httpx2.stream("GET", f"{url}api/events", headers=BEARER, timeout=LONGEST_S) as second:
            assert next(events(second.iter_lines())) == ("version", "2")
        store.publish({})
        assert next(told) == ("version", "3")


def test_a_quiet_line_beats(store: ViewStore) -> None:
    with (
        served(store, beat_s=0.05) as (url, _, _),
        httpx2.stream("GET", f"{url}api/events", headers=BEARER, timeout=LONGEST_S) as reply,
    ):
        told = events(reply.iter_lines())
        while next(told)[0] != "version":
            pass  # a machine that is busy may beat before it has read the first number
        assert [next(told)[0] for _ in range(2)] == ["beat", "beat"]


def test_the_stream_ends_with_the_server_and_without_being_cut(store: ViewStore) -> None:
    with (
        served(store) as (url, running, thread),
        httpx2.stream("GET", f"{url}api/events", headers=BEARER, timeout=LONGEST_S) as reply,
    ):
        told = events(reply.iter_lines())
        next(told)
        running.stop()
        assert list(told) == []  # a whole end of the chunks: a cut would raise
        thread.join(LONGEST_S)
        assert not thread.is_alive()


def test_a_store_that_cannot_be_read_does_not_end_the_stream(store: ViewStore, tmp_path: Path) -> None:
    with (
        served(store) as (url, _, _),
        httpx2.stream("GET", f"{url}api/events", headers=BEARER, timeout=LONGEST_S) as reply,
    ):
        told = events(reply.iter_lines())
        assert next(told) == ("version", "1")
        store.close()
        for tail in ("-wal", "-shm"):
            (tmp_path / f"views.sqlite{tail}").unlink(missing_ok=True)
        (tmp_path / "views.sqlite").write_bytes(b"no database " * 500)
        assert next(told) == ("version", "0")
        again = ViewStore(tmp_path / "views.sqlite", lambda: 0)  # sets the broken file aside
        again.publish({})
        again.publish({})
        assert ("version", "2") in told  # at last
        again.close()


def test_nobody_listening_is_nothing_asked() -> None:
    asked: list[int] = []

    class Counting:
        def version(self) -> int:
            asked.append(1)
            return 1

    import asyncio

    async def go() -> None:
        versions = Versions(Counting(), poll_s=0.0)
        stream = versions.stream()
        assert (await anext(stream)).startswith(b"retry")
        assert b"event: version" in await anext(stream)
        await stream.aclose()
        assert versions._poll is not None
        await asyncio.wait_for(versions._poll, LONGEST_S)  # it ends by itself
        before = len(asked)
        await asyncio.sleep(0)
        assert len(asked) == before

    asyncio.run(go())
