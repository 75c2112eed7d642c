"""The Data page and GET /api/data over real folders: coverage, quality, the harvester's state, and plain refusals."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi import FastAPI

from optionwriter.adapters.store.views import ViewStore
from optionwriter.adapters.tapes.harvest_files import HarvestFolder
from optionwriter.adapters.tapes.layouts import day_path
from optionwriter.adapters.tapes.sample_files import FOLDER
from optionwriter.bootstrap.catalogue import Catalogue
from optionwriter.core.market.instruments import MS_PER_DAY, utc_day
from optionwriter.core.report.harvester import Gap, GapReason, HarvesterState
from optionwriter.web.app import create_app
from tests.web.browsing import NOW_MS, TOKEN, Page, ask

FIRST_MS = 1_769_904_000_000  # 2026-02-01
DAYS = (0, 1, 2, 5)


def spoilt(folder: Path) -> Path:
    """Four days of the bundled BTC; the third writes volatilities as fractions."""
    for ahead in DAYS:
        path = day_path("BTC", utc_day(FIRST_MS + ahead * MS_PER_DAY))
        (folder / "live_deribit" / path).parent.mkdir(parents=True)
        shutil.copy(FOLDER / "live_deribit" / path, folder / "live_deribit" / path)
    path = folder / "live_deribit" / day_path("BTC", utc_day(FIRST_MS + 2 * MS_PER_DAY))
    pl.read_parquet(path).with_columns(pl.col("mark_iv") / 100).write_parquet(path)
    return folder


def app_of(folder: Path | None, views: Path) -> FastAPI:
    store = ViewStore(views / "views.sqlite", lambda: NOW_MS)
    opens = None if folder is None else lambda: Catalogue(folder)
    return create_app(store, kill=None, token=TOKEN, now_ms=lambda: NOW_MS, data=opens)


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return app_of(spoilt(tmp_path / "data"), tmp_path)


def test_the_api_tells_coverage_and_quality_of_each_day(app: FastAPI) -> None:
    found: Any = ask(app, "/api/data").json()
    assert [one["day"] for one in found["days"]] == [f"2026-02-0{1 + ahead}" for ahead in DAYS]
    assert [one["verdict"] for one in found["days"]] == ["pass", "pass", "fail", "pass"]
    assert found["unchecked"] == 0 and not found["bundled"]
    bad = found["days"][2]
    assert bad["score"] == 0 and bad["findings"][0]["name"] == "wrong units"
    assert found["days"][3]["longest_gap_ms"] > 2 * MS_PER_DAY
    rows = [pl.read_parquet(path).height for path in sorted(Path(found["where"]).rglob("BTC_*.parquet"))]
    assert [one["rows"] for one in found["days"]] == rows
    assert found["harvester"]["environment"] == "" and not found["harvester"]["is_running"]
    later = ask(app, "/api/data?from=2026-02-03&to=2026-02-04&asset=BTC&source=live_deribit").json()
    assert [one["day"] for one in later["days"]] == ["2026-02-03"]


@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        ("/api/data?asset=DOGE", 422, "there is no asset DOGE: there are BTC"),
        ("/api/data?source=tape", 422, "there is no source tape: there are live_deribit"),
        ("/api/data?from=2026-02-05&to=2026-02-01", 422, ": from is after to"),
        ("/api/data?day=1", 422, "day is no parameter"),
        (
            "/data/day?source=live_deribit&asset=BTC&day=2025-01-01",
            404,
            "there are no BTC chains of 2025-01-01",
        ),
        ("/data/day?source=live_deribit&asset=BTC&day=yesterday", 422, "day"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(app: FastAPI, path: str, code: int, told: str) -> None:
    reply = ask(app, path)
    assert reply.status_code == code and told in reply.text


def test_the_page_writes_every_score_and_colours_it_by_class_alone(app: FastAPI) -> None:
    page = Page(ask(app, "/data").text)
    page.assert_keeps_the_policy()
    cells = [
        (attributes.get("aria-label") or "")
        for tag, attributes in page.tags
        if tag == "a" and "hx-get" in attributes
    ]
    assert len(cells) == 4 and "fail, score 0" in cells[2] and "wrong units" in cells[2]
    kinds = [
        attributes.get("class") for tag, attributes in page.tags if tag == "td" and attributes.get("class")
    ]
    assert kinds[:6] == ["q-pass", "q-pass", "q-fail", "q-none", "q-none", "q-pass"]
    assert " Asset 1 2 3 4 5 6 BTC" in page.text
    assert "No harvester has run here" in page.text and "B a row" in page.text
    day = Page(ask(app, "/data/day?source=live_deribit&asset=BTC&day=2026-02-03").text)
    day.assert_keeps_the_policy()
    assert "volatilities are fractions, not percent" in day.text and "fault" in day.text


def test_days_outside_the_window_are_told_and_a_link_away(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Earlier days" not in ask(app, "/data").text  # all of it is shown
    monkeypatch.setattr("optionwriter.web.data.view.WINDOW_DAYS", 2)
    page = Page(ask(app, "/data?asset=BTC&source=&from=&to=").text)  # as the form sends it
    assert "of 2026-02-05 to 2026-02-06; recorded are 2026-02-01 to 2026-02-06" in page.text
    page.assert_keeps_the_policy()

    def links(page: Page) -> list[str]:
        found = (attributes.get("href") or "" for tag, attributes in page.tags if tag == "a")
        return [one for one in found if one.startswith("/data?")]

    assert links(page) == ["/data?asset=BTC&to=2026-02-03"]  # on the last recorded day, not in the gap
    earlier = Page(ask(app, links(page)[0]).text)
    assert "of 2026-02-02 to 2026-02-03;" in earlier.text and " Asset 2 3 BTC" in earlier.text
    assert links(earlier) == [
        "/data?asset=BTC&to=2026-02-01",
        "/data?asset=BTC&from=2026-02-06&to=2026-02-07",
    ]
    none = Page(ask(app, "/data?from=2025-01-01&to=2025-01-02").text)
    assert "Nothing is recorded from 2025-01-01 to 2025-01-02" in none.text


def test_only_so_many_days_are_checked_for_one_answer(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optionwriter.web.data.view.MOST_NEW", 1)
    assert ask(app, "/api/data").json()["unchecked"] == 3
    assert "2 days are not checked yet" in Page(ask(app, "/data").text).text
    last = [ask(app, "/api/data").json() for _ in range(2)][1]
    assert last["unchecked"] == 0 and [one["verdict"] for one in last["days"]].count("fail") == 1


def test_without_data_the_page_says_so(tmp_path: Path) -> None:
    assert ask(app_of(None, tmp_path), "/api/data").status_code == 503
    empty = tmp_path / "empty"
    empty.mkdir()
    reply = ask(app_of(empty, tmp_path), "/api/data")
    assert reply.status_code == 503 and "harvest or import some" in reply.json()["error"]
    torn = spoilt(tmp_path / "torn")
    (torn / "live_deribit" / day_path("BTC", utc_day(FIRST_MS))).write_bytes(b"PAR1 no")
    days = ask(app_of(torn, tmp_path), "/api/data").json()["days"]
    assert [one["verdict"] for one in days] == ["fail", "pass", "fail", "pass"] and days[0]["rows"] == 0
    assert "can't be read" in days[0]["findings"][0]["example"]
    page = Page(ask(app_of(torn, tmp_path), "/data").text)
    page.assert_keeps_the_policy()
    reply = ask(app_of(torn, tmp_path), "/data/day?source=live_deribit&asset=BTC&day=2026-02-01")
    assert reply.status_code == 200 and "unreadable files" in reply.text


def test_a_running_harvester_and_its_gaps_are_shown(tmp_path: Path, app: FastAPI) -> None:
    store = HarvestFolder(tmp_path / "data" / "live_deribit")
    store.put_state(
        HarvesterState("mainnet", 15, ("BTC",), last_slot_ms=FIRST_MS, next_slot_ms=FIRST_MS + 900_000)
    )
    store.add_gaps([Gap("BTC", FIRST_MS, FIRST_MS + 900_000, 2, GapReason.TORN, "3 of 900 rows")])
    store.hold()
    try:
        state = ask(app, "/api/data").json()["harvester"]
        page = Page(ask(app, "/data").text)
    finally:
        store.release()
    assert state == {
        "environment": "mainnet", "is_running": True, "interval_minutes": 15, "last_slot_ms": FIRST_MS,
        "next_slot_ms": FIRST_MS + 900_000, "missing_slots": 2,
    }  # fmt: skip
    assert "running on mainnet, every 15 min" in page.text and "torn 3 of 900 rows" in page.text
    assert "2026-02-01 00:15 UTC" in page.text
    assert not ask(app, "/api/data").json()["harvester"]["is_running"]
