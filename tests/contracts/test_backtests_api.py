"""/api/backtests and the Lab's pages over SQLite and over PostgreSQL: the same questions, the same answers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.databases import empty_database
from tests.web.browsing import BEARER, NOW_MS, ask
from tests.web.laboratory import ASKED, DAY_MS, House, swept

QUICK: dict[str, Any] = {
    "end_ms": ASKED["start_ms"] + 3 * DAY_MS, "config": {"step_minutes": 720, "exit_styles": "hold_to_expiry"},
}  # fmt: skip


def told_by(house: House) -> list[object]:
    """Queue, list with filters, cancel, run, view, diff, download, delete, refuse: all answers in order."""
    found: list[object] = [house.queue(**QUICK), house.queue(**QUICK, name="other", underlyings=["ETH"])]
    found.append(house.queue(**QUICK, name="third", group="g"))
    found.append(house.ask("/3/cancel", "POST"))
    found.append(house.ask("/1"))
    house.work()
    for query in ("", "?status=finished", "?status=cancelled", "?underlying=eth", "?group=g", "?limit=1", "?before=2",
                  "?source=synthetic&strategy=income", "?source=sample"):  # fmt: skip
        found.append(house.ask(query))
    found += [house.ask("/1"), house.ask("/2/equity"), house.ask("/1/diff/2")]
    found += [house.reply(f"/1/download?format={kind}").text for kind in ("json", "csv", "html")]
    swept(house)
    for path in (
        "/lab",
        "/lab?status=failed",
        "/lab/runs/1",
        "/lab/sweep?group=by+delta",
        "/lab/diff?run=1&run=2",
    ):
        reply = ask(house.app, path, headers={"Accept": "text/html", **BEARER})
        assert reply.status_code == 200
        found.append(reply.text)
    house.lab.store.claim("w", NOW_MS, 60_000)
    found.append(house.ask("/cancel", "POST", json={"group": "by delta"}))
    found += [
        house.ask("/3", "DELETE"),
        house.ask("/3", code=404),
        house.ask("/8", "DELETE", 409),
        house.ask("?group=by+delta", "DELETE", 409),
        house.ask("?group=none", "DELETE", 404),
        house.ask(""),
    ]
    return found


@pytest.mark.slow
def test_both_databases_give_the_same_answers(server: str, tmp_path: Path) -> None:
    answers = []
    with empty_database(server, f"api_{os.getpid()}") as address:
        for name, url in (("sqlite", ""), ("postgresql", address)):
            (tmp_path / name).mkdir()
            house = House(tmp_path / name, url)
            try:
                answers.append(told_by(house))
            finally:
                house.lab.close()
        assert not (tmp_path / "postgresql" / "runs.sqlite").exists()  # it really was the other
    first, second = answers
    assert len(first) == len(second) > 20
    for one, other in zip(first, second, strict=True):
        assert one == other
