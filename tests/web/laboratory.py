"""A page over a data folder's own run database, and runs to ask it for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap.backtests import runner
from optionwriter.bootstrap.lab import Lab
from optionwriter.core.report.run import MetricRow, Provenance, RunResult, RunSpec
from optionwriter.services.jobs import MachineTime, Worker
from optionwriter.settings import Settings
from optionwriter.web.app import create_app
from tests.web.browsing import NOW_MS, TOKEN, ask

DAY_MS = 86_400_000
START_MS = 1_767_571_200_000  # 2026-01-05
ASKED: dict[str, Any] = {
    "name": "first", "source": "synthetic", "strategy": "income", "underlyings": ["btc"],
    "start_ms": START_MS, "end_ms": START_MS + 25 * DAY_MS, "seed": 3,
    "config": {"step_minutes": 240, "exit_styles": "own,hold_to_expiry", "preset": "CUSTOM",
               "changes": "gates.delta_max=0.4\n"},
}  # fmt: skip


class House:
    """A page over a data folder's run database."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.folder = folder
        self.settings = Settings(data_dir=folder, database_url=database_url)
        self.lab = Lab(self.settings)
        views = ViewStore(folder / "views.sqlite", lambda: NOW_MS)
        self.app: FastAPI = create_app(views, kill=None, token=TOKEN, now_ms=lambda: NOW_MS, lab=self.lab)

    def ask(self, path: str, method: str = "GET", code: int = 200, **more: Any) -> Any:
        reply = self.reply(path, method, **more)
        assert reply.status_code == code, reply.text
        return reply.json()

    def reply(self, path: str, method: str = "GET", **more: Any) -> httpx2.Response:
        return ask(self.app, f"/api/backtests{path}", method=method, **more)

    def spec(self, **changes: Any) -> RunSpec:
        """What would be queued, for a test that asks the store itself."""
        return RunSpec(**{**ASKED, "underlyings": ("BTC",), **changes})

    def queue(self, **changes: Any) -> int:
        return int(self.ask("", "POST", 202, json={**ASKED, **changes})["id"])

    def work(self) -> None:
        time = MachineTime(lambda: NOW_MS, lambda: 0.0)
        worker = Worker(self.lab.store, runner(self.settings), "test", time)
        while worker.work_once() is not None:
            pass


SHARPES = {0.2: 1.1, 0.3: 2.4, 0.4: -0.3}  # by what was varied


def swept(house: House, name: str = "by delta") -> dict[float, int]:
    """Three finished sets of a sweep, one failed, two that wait; the runs' ids by the delta."""
    store = house.lab.store
    deltas = [*SHARPES, 0.5, 0.6, 0.7]
    specs = [house.spec(name=f"d={one}", group=name, config={"preset": "CUSTOM", "changes": {"gates.delta_max": one}})
             for one in deltas]  # fmt: skip
    ids = dict(zip(deltas, store.queue_all(specs, NOW_MS), strict=True))
    for delta, sharpe in SHARPES.items():
        store.claim("w", NOW_MS, 60_000, name)
        told = (("sharpe", sharpe, 0.75), ("net_profit", 1_000 * sharpe), ("max_drawdown", delta / 10))
        rows = [MetricRow("own", currency, *row) for currency in ("USD", "BTC") for row in told]
        daily = {"own": tuple(math.sin(day * (1 + delta)) for day in range(30))}
        result = RunResult(Provenance("f", "c"), tuple(rows), (), returns=daily)
        assert store.finish(ids[delta], "w", result, NOW_MS)
    store.claim("w", NOW_MS, 60_000, name)
    assert store.fail(ids[0.5], "w", "its data are missing", NOW_MS)
    return ids
