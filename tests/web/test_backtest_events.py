"""The stream of the run database: its number grows with what a page shows of it, and with nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from optionwriter.bootstrap.lab import Lab
from optionwriter.ports import RunStore, RunStoreError
from optionwriter.web.backtest_events import RunVersions
from optionwriter.web.server import RunningWeb, listen, url_of
from tests.patience import LONGEST_S
from tests.web.browsing import BEARER, NOW_MS
from tests.web.laboratory import House
from tests.web.test_events import events

LEASE_MS = 60_000


def test_it_grows_with_each_step_of_a_run_and_rests_in_between(house: House) -> None:
    now = [NOW_MS]
    versions, store = RunVersions(house.lab, lambda: now[0]), house.lab.store
    seen = [versions.version()]

    def grew() -> bool:
        assert versions.version() == versions.version()  # nothing happened in between
        seen.append(versions.version())
        return seen[-1] == seen[-2] + 1

    first, second = house.queue(), house.queue()
    assert grew()  # two at once are one piece of news
    store.claim("w", NOW_MS, LEASE_MS)
    assert grew()
    store.beat(first, "w", NOW_MS, LEASE_MS, 0.25, "day 7")
    assert grew()
    store.beat(first, "w", NOW_MS + 1, LEASE_MS, 0.25, "day 7")  # its lease alone is no news
    assert not grew()
    store.beat(first, "w", NOW_MS, LEASE_MS, 0.25, "day 8")
    assert grew()
    store.cancel(first, NOW_MS)
    assert grew()
    now[0] += LEASE_MS + 1  # the worker is lost: nothing is written, yet the page must ask
    assert grew()
    store.settle_lost(now[0])
    assert grew()
    store.delete(second)
    assert grew()
    house.queue()
    store.delete(first)  # as many as before
    assert grew()


def test_a_database_that_is_not_there_is_news_once(house: House) -> None:
    class Broken(Lab):
        @property
        def store(self) -> RunStore:
            raise RunStoreError("gone")

    for lab in (None, Broken(house.settings)):
        versions = RunVersions(lab, lambda: NOW_MS)
        assert versions.version() == versions.version() == 1


@contextmanager
def served(house: House) -> Iterator[tuple[str, RunningWeb]]:
    listener = listen("127.0.0.1", 0)
    versions = house.app.state.run_versions
    versions._poll_s, versions._beat_s = 0.01, 3_600.0
    running = RunningWeb(house.app, listener)
    running._server.config.timeout_graceful_shutdown = None  # what does not end by itself is not cut either
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield url_of(listener), running
    finally:
        running.stop()
        thread.join(LONGEST_S)
        assert not thread.is_alive()


def test_the_stream_tells_at_once_unpacked_and_ends_with_the_server(house: House) -> None:
    with (
        served(house) as (url, running),
        httpx2.stream(
            "GET",
            f"{url}api/backtests/events",
            headers={**BEARER, "Accept-Encoding": "gzip"},
            timeout=LONGEST_S,
        ) as reply,
    ):
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in reply.headers and reply.headers["cache-control"] == "no-store"
        told = events(reply.iter_lines())
        name, before = next(told)
        store = house.lab.store
        ident = store.queue(house.spec(), NOW_MS)
        assert next(told) == (name, str(int(before) + 1)) == ("version", str(int(before) + 1))
        store.claim("w", NOW_MS, LEASE_MS)
        assert next(told)[1] == str(int(before) + 2)
        store.beat(ident, "w", NOW_MS, LEASE_MS, 0.5, "half")
        assert next(told)[1] == str(int(before) + 3)
        running.stop()
        assert list(told) == []
