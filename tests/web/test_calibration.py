"""/api/calibration and its page: the service's numbers, and plain words for what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap.calibrating import Asked, UnreachableError, calibration
from optionwriter.bootstrap.calibrator import Calibrator
from optionwriter.services.calibrate import Look
from optionwriter.services.calibrated import report_json
from optionwriter.settings import Settings
from optionwriter.web.app import create_app
from optionwriter.web.calibration.smile_chart import HIGH, LEFT, WIDE, smile_charts
from tests.web.browsing import BEARER, NOW_MS, TOKEN, Page, ask
from tests.web.local_marks import local_marks

AT_MS = int(np.datetime64("2026-02-10T12:00", "ms").astype(np.int64))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    folder: Path = tmp_path_factory.mktemp("calibration")
    settings = Settings(data_dir=folder)
    views = ViewStore(folder / "views.sqlite", lambda: NOW_MS)
    yield create_app(views, kill=None, token=TOKEN, now_ms=lambda: NOW_MS, calibrator=Calibrator(settings))


def told(app: FastAPI, query: str, code: int = 200) -> Any:
    reply = ask(app, f"/api/calibration{query}")
    assert reply.status_code == code, reply.text
    return reply.json()


def page(app: FastAPI, path: str, code: int = 200) -> Page:
    reply = ask(app, path, headers={"Accept": "text/html", **BEARER})
    assert reply.status_code == code and reply.headers["content-type"].startswith("text/html"), reply.text
    found = Page(reply.text)
    found.assert_keeps_the_policy()
    return found


def test_the_api_tells_what_the_service_found(house: FastAPI) -> None:
    found = told(house, f"?underlying=btc&at_ms={AT_MS}&iv_multiplier=0.6")
    report = calibration(Settings(), Asked("BTC", start_ms=AT_MS, end_ms=AT_MS, multiplier=0.6))
    wanted = report_json(report.found, report.notes)
    assert found["product"] == "BTC" and found["at_ms"] == wanted["last_ms"] <= AT_MS
    assert found["models"] == wanted["models"] and found["best"] == wanted["best"]
    other = told(house, f"?at_ms={AT_MS}&iv_multiplier=0.7")
    by_name = [{one["name"]: one["overall"] for one in seen["models"]} for seen in (found, other)]
    moved = {name for name in by_name[0] if by_name[0][name] != by_name[1][name]}
    assert moved == {"flat", "skew"} and found["best"] == other["best"]
    latest = told(house, "?underlying=ETH")
    assert latest["product"] == "ETH" and latest["at_ms"] // 86_400_000 == 20_512  # 28 February 2026


def test_what_is_missing_or_wrong_is_said_plainly(house: FastAPI) -> None:
    for query, code, text in (
        ("?family=linear", 404, r"holds no chain of BTC_USDC: harvest or import"),
        (f"?family=linear&source=sample&at_ms={AT_MS}", 200, ""),
        ("?underlying=DOGE", 404, "choose from .*BTC"),
        ("?at_ms=1700000000000", 404, "name another folder or period"),
        ("?iv_multiplier=99", 422, "iv_multiplier: .*less than or equal to 10"),
        ("?iv_multiplier=nan", 422, "iv_multiplier"),
        ("?source=tape", 422, "source"),
        ("?colour=red", 422, "colour is no parameter"),
    ):
        found = told(house, query, code)
        assert code == 200 or re.search(text, found["error"]), (query, found)
    bare = create_app(ViewStore(Path("/nowhere/v"), lambda: 0), kill=None, token=TOKEN, now_ms=lambda: NOW_MS)
    assert "start the page with optionwriter web" in told(bare, "", 503)["error"]


def test_the_page_shows_the_slider_the_tables_and_a_smile_an_expiry(house: FastAPI) -> None:
    seen = page(house, "/calibration?at=2026-02-10T12:00&iv_multiplier=0.60")
    found = told(house, f"?at_ms={AT_MS}&iv_multiplier=0.6")
    sliders = [one for tag, one in seen.tags if tag == "input" and one.get("type") == "range"]
    assert sliders[0]["value"] == "0.6" and sliders[0]["name"] == "iv_multiplier"
    flat = next(one for one in found["models"] if one["name"] == "flat")["overall"]
    assert (
        f"{flat['mae']['points']:.2f}" in seen.text and f"{found['best']['flat']['points']:.3f}" in seen.text
    )
    assert f"{found['realised_7d']:.1f}" in seen.text and f"{found['volatility_index']:.1f}" in seen.text
    pictures = [one for tag, one in seen.tags if tag == "svg" and one.get("role") == "img"]
    assert len(pictures) == len([one for one in found["smiles"] if len(one["strike"]) >= 3]) > 5
    marks = [one for tag, one in seen.tags if "mark" in str(one.get("class")) and one.get("r") == "2.6"]
    assert len(marks) == sum(sum(one["is_call"]) for one in found["smiles"] if len(one["strike"]) >= 3)
    part = page(house, "/calibration/result?at=2026-02-10T12:00&iv_multiplier=0.60")
    assert f"{flat['mae']['points']:.2f}" in part.text and "<html" not in part.text


@pytest.mark.slow
def test_live_marks_are_the_exchanges_kept_for_a_minute_and_its_silence_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views, machine = ViewStore(tmp_path / "views.sqlite", lambda: NOW_MS), [1_000.0]
    with local_marks(tmp_path) as exchange:
        calibrator = Calibrator(exchange.settings, lambda: machine[0])
        app = create_app(views, kill=None, token=TOKEN, now_ms=lambda: NOW_MS, calibrator=calibrator)
        first = told(app, "?source=live&iv_multiplier=0.6")
        assert (first["source"], first["environment"], first["age_s"]) == ("live", "local", 0.0)
        assert abs(first["at_ms"] - AT_MS) < 3_600_000 and first["marks"] > 150
        machine[0] += 59.0
        exchange.advance(AT_MS + 3 * 3_600_000)
        again = told(app, "?source=live&iv_multiplier=0.7")
        assert again["at_ms"] == first["at_ms"] and again["age_s"] == 59.0
        assert again["best"] == first["best"] and again["iv_multiplier"] == 0.7
        seen = page(app, "/calibration?source=live")
        assert "live marks of the local exchange, read 59 s ago" in seen.text
        machine[0] += 1.0
        anew = told(app, "?source=live")
        assert anew["at_ms"] == AT_MS + 3 * 3_600_000 and anew["age_s"] == 0.0
        report = calibration(exchange.settings, Asked("BTC", source="live", environment="local"))
        assert anew["models"] == report_json(report.found, report.notes)["models"]
        assert told(app, "?source=live&family=linear")["product"] == "BTC_USDC"
        assert "empty the instant" in page(app, "/calibration?source=live&at=2026-02-10T12:00").text
        assert "leave it out" in told(app, f"?source=live&at_ms={AT_MS}", 422)["error"]
    assert told(app, "?source=live")["age_s"] == 0.0  # still at hand
    machine[0] += 60.0
    silent = told(app, "?source=live", 502)["error"]
    assert re.fullmatch(
        r"the local exchange gives no chain of BTC \(.*\): start it with optionwriter up, or choose a recorded source",
        silent,
    )
    shown = page(app, "/calibration?source=live")
    assert silent in shown.text and "calibration-form" in shown.ids()
    asked: list[str] = []

    def refuses(*_: object) -> Look:
        asked.append("again")
        raise UnreachableError("still silent")

    monkeypatch.setattr("optionwriter.bootstrap.calibrator.live_look", refuses)
    machine[0] += 4.9  # it is left alone for 5 s
    assert told(app, "?source=live", 502)["error"] == silent and not asked
    machine[0] += 0.1
    assert told(app, "?source=live", 502)["error"] == "still silent" and asked == ["again"]


def test_the_page_stays_usable_where_nothing_was_recorded(house: FastAPI) -> None:
    seen = page(house, "/calibration?family=linear")
    assert "harvest or import some" in seen.text and "calibration-form" in seen.ids()
    page(house, "/calibration?at=yesterday", 422)
    hostile = page(house, "/calibration?underlying=%3Cscript%3E")
    assert "there are no inverse options on <SCRIPT>" in hostile.text  # as text: the policy was kept


def test_a_smile_lies_within_its_picture_and_higher_volatility_is_higher() -> None:
    smile = {
        "expiry_ms": 10 * 86_400_000, "strike": [80.0, 100.0, 120.0], "iv": [60.0, 50.0, 55.0],
        "is_call": [False, True, True], "line_strike": [80.0, 120.0], "lines": {"flat": [40.0, 40.0]},
    }  # fmt: skip
    (chart,) = smile_charts([smile, {**smile, "strike": [1.0]}], 0)
    places = [(float(one["x"]), float(one["y"])) for one in chart["points"]]
    assert chart["days"] == "10.0" and places[0][0] == LEFT and places[0][1] < places[2][1] < places[1][1]
    assert places[1][0] == pytest.approx(
        LEFT + np.log(100 / 80) / np.log(120 / 80) * (places[2][0] - LEFT), abs=0.1
    )
    (line,) = chart["lines"]
    ends = [[float(one) for one in point.split(",")] for point in line["points"].split()]
    assert ends[0][1] == ends[1][1] > max(y for _, y in places)
    assert all(0 <= x <= WIDE and 0 <= y <= HIGH for x, y in [*places, *ends])
