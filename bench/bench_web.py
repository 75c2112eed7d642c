"""The page's weight and first paint; the API under load while the demo's agent trades, and what that costs the loop.

Needs the browser of the browser tests. Latencies are counted from when a request was due, so that a slow answer delays
no other one's clock. `python -m bench.bench_web 20` takes 20 s a phase instead of 120.
"""

from __future__ import annotations

import http.client
import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, sync_playwright
from scripts.browser import needed
from tests.browser.conftest import ARGUMENTS
from tests.browser.demo import Demo

from bench import Row
from bench.__main__ import show
from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap.parts import VIEWS_FILE
from optionwriter.services.publish import HEARTBEAT

SECONDS = 120.0
A_SECOND = 50
PATHS = ("/status", "/api/positions/bot/open", "/api/positions/bot/closed")
CLIENTS = 10  # each with a connection that it keeps
LOADS = 5
SPEED = {"LOCAL_SPEED": "720", "LOOP_INTERVAL_SEC": "1800"}  # the demo preset's own: a cycle in 2.5 s
PAINTS = """
window.__paints = {};
new PerformanceObserver(list => list.getEntries().forEach(one => { window.__paints[one.name] = one.startTime; }))
  .observe({type: "paint", buffered: true});
new PerformanceObserver(list => list.getEntries().forEach(one => { window.__paints.largest = one.startTime; }))
  .observe({type: "largest-contentful-paint", buffered: true});
"""


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least so large a share is not above."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


class Beats(threading.Thread):
    """Reads the heartbeat from the store, beside any server, until it is stopped: one row a cycle."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._store = ViewStore(folder / VIEWS_FILE, lambda: time.time_ns() // 1_000_000)
        self._over = threading.Event()
        self.seen: dict[int, dict[str, Any]] = {}

    def run(self) -> None:
        while not self._over.wait(0.25):
            beat: Any = self._store.read(HEARTBEAT)
            if beat:
                self.seen[beat["cycles"]] = beat

    def stop(self) -> list[dict[str, Any]]:
        """The beats, without the first: that cycle began before."""
        self._over.set()
        self.join()
        return [self.seen[number] for number in sorted(self.seen)][1:]


class Client(threading.Thread):
    """Every CLIENTS-th request of the load: those numbered `first`, `first` + CLIENTS, …"""

    def __init__(self, demo: Demo, first: int, count: int, begin: float) -> None:
        super().__init__()
        self._connection = http.client.HTTPConnection(urlsplit(demo.base).netloc, timeout=30)
        self._headers, self._first, self._count, self._begin = dict(demo.headers), first, count, begin
        self.took: list[tuple[str, float]] = []
        self.bad: list[str] = []

    def run(self) -> None:
        for number in range(self._first, self._count, CLIENTS):
            due = self._begin + number / A_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            path = PATHS[number % len(PATHS)]
            try:
                self._connection.request("GET", path, headers=self._headers)
                reply = self._connection.getresponse()
                body = reply.read()
            except OSError as error:
                self._connection.close()
                self.bad.append(f"{path}: {error}")
                continue
            if reply.status != 200 or not body:
                self.bad.append(f"{path}: {reply.status}")
            self.took.append((path, time.perf_counter() - due))
        self._connection.close()


def loaded(demo: Demo, seconds: float) -> list[tuple[str, float]]:
    """Asks A_SECOND times a second; path and seconds of each answer. RuntimeError when any was no answer."""
    count, begin = int(seconds * A_SECOND), time.perf_counter() + 0.5
    clients = [Client(demo, first, count, begin) for first in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    bad = [text for one in clients for text in one.bad]
    if bad:
        raise RuntimeError(f"{len(bad)} of {count} requests failed: {bad[:3]}")
    return [took for one in clients for took in one.took]


def beats(name: str, found: list[dict[str, Any]]) -> list[Row]:
    """Rows of a phase's cycles."""
    late = [float(one["lateness_ms"]) for one in found if one["lateness_ms"] is not None]
    took = [float(one["cycle_ms"]) for one in found if one["cycle_ms"] is not None]
    return [
        Row(f"Loop {name}, {len(found)} cycles: a cycle, median", quantile(took, 0.5), "ms"),
        Row(f"Loop {name}: a cycle, longest", max(took), "ms"),
        Row(f"Loop {name}: begun late, median", quantile(late, 0.5), "ms, exchange time"),
        Row(f"Loop {name}: begun late, most", max(late), "ms, exchange time"),
    ]


def load(demo: Demo, seconds: float) -> list[Row]:
    """The loop left alone, then under load, and the answers meanwhile."""
    alone = Beats(demo.folder / "data")
    alone.start()
    time.sleep(seconds)
    rows = beats("left alone", alone.stop())
    beside = Beats(demo.folder / "data")
    beside.start()
    took = loaded(demo, seconds)
    rows += beats(f"at {A_SECOND} requests/s", beside.stop())
    for path in PATHS:
        mine = [1_000 * one for where, one in took if where == path]
        rows += [
            Row(f"GET {path}, {len(mine)} answers, p50", quantile(mine, 0.5), "ms"),
            Row(f"GET {path}, p99", quantile(mine, 0.99), "ms"),
        ]
    return rows


def weigh(browser: Browser, demo: Demo) -> list[Row]:
    """What a first visit loads and when it paints, with nothing in the cache; medians."""
    sizes: list[float] = []
    counts: list[float] = []
    first: list[float] = []
    largest: list[float] = []
    for _ in range(LOADS):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.request.get(demo.link)  # signed in before, so that one load is measured
        context.add_init_script(PAINTS)
        page = context.new_page()
        wire = context.new_cdp_session(page)
        wire.send("Network.enable")
        loads: list[float] = []
        wire.on(
            "Network.loadingFinished", lambda event, loads=loads: loads.append(event["encodedDataLength"])
        )
        page.goto(demo.base, wait_until="load")
        page.locator("[data-testid=equity-chart] canvas").first.wait_for()
        page.wait_for_timeout(300)
        paints = page.evaluate("window.__paints")
        sizes.append(sum(loads) / 1_000)
        counts.append(len(loads))
        first.append(paints["first-contentful-paint"])
        largest.append(paints["largest"])
        context.close()
    return [
        Row("Live page, first visit, transferred", quantile(sizes, 0.5), "kB"),
        Row("Live page, first visit, requests", quantile(counts, 0.5), "requests"),
        Row("Live page, first contentful paint", quantile(first, 0.5), "ms"),
        Row("Live page, largest contentful paint", quantile(largest, 0.5), "ms"),
    ]


def run(seconds: float = SECONDS) -> list[Row]:
    """Twice `seconds` and about a minute; starts a demo of its own."""
    program = needed(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(Path(folder), **SPEED)
        demo.prepare()
        with demo:
            demo.until_it_trades()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=program, args=list(ARGUMENTS), chromium_sandbox=os.geteuid() != 0
                )
                rows = weigh(browser, demo)
                browser.close()
            return rows + load(demo, seconds)


if __name__ == "__main__":
    for row in run(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS):
        print(show(row), flush=True)
