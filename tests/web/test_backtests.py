"""/api/backtests over a real run database: a run that a worker did, and what is refused."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap.lab import Lab
from optionwriter.cli.main import app as cli
from optionwriter.settings import Settings
from optionwriter.web.app import create_app
from optionwriter.web.run_curves import columns
from tests.web.browsing import BASE, NOW_MS, TOKEN, ask
from tests.web.laboratory import ASKED, START_MS, House


def test_a_run_is_queued_done_and_told_as_the_command_line_tells_it(done: House, tmp_path: Path) -> None:
    whole = done.ask("/1")
    assert whole["run"]["status"] == "finished" and whole["run"]["spec"]["underlyings"] == ["BTC"]
    assert whole["run"]["spec"]["config"] == {
        "preset": "CUSTOM", "step_minutes": 240, "changes": {"gates.delta_max": 0.4},
        "exit_styles": ["own", "hold_to_expiry"],
    }  # fmt: skip
    options = ["--data-dir", str(done.folder)]
    file = tmp_path / "run.json"
    assert CliRunner().invoke(cli, ["runs", "export", "1", str(file), *options]).exit_code == 0
    assert json.loads(file.read_text()) == whole
    reply = done.reply("/1/download")
    assert reply.text == file.read_text()
    assert reply.headers["content-disposition"] == 'attachment; filename="optionwriter-run-1.json"'
    lines = list(csv.DictReader(done.reply("/1/download?format=csv").text.splitlines()))
    assert [one["pnl"] for one in lines] == [one["pnl"] for one in whole["positions"]] and lines


def test_the_curve_is_that_of_the_account(done: House) -> None:
    whole = done.ask("/1")
    curve = done.ask("/1/equity?exit_style=own")
    assert curve["at_ms"] == sorted(curve["at_ms"]) and curve["at_ms"][0] == START_MS
    metrics = {(one["exit_style"], one["currency"], one["name"]): one["value"] for one in whole["metrics"]}
    change = curve["equity_usd"][-1] - curve["equity_usd"][0]
    assert change == pytest.approx(metrics["own", "USD", "net_profit"], abs=1e-6)
    holding = curve["currencies"]["BTC"]["holding"]
    assert set(holding) == {2.0}  # what was deposited
    prices = whole["curves"]["own"]["price_BTC"]
    moved = [(b - a) * 2.0 for a, b in pairwise(prices)]
    told = [b - a for a, b in pairwise(curve["holding_usd"])]
    usdc = max(abs(one - other) for one, other in zip(moved, told, strict=True))
    assert usdc < 1e-3 * abs(prices[0])  # what is left is the USDC's own price
    assert "it has" in done.ask("/1/equity?exit_style=none", code=404)["error"]


def test_the_plain_rules_stand_beside_the_curve(done: House) -> None:
    curve = done.ask("/1/equity?exit_style=hold_to_expiry")
    metrics = {
        (one["exit_style"], one["currency"], one["name"]): one["value"] for one in done.ask("/1")["metrics"]
    }
    assert [one["name"] for one in curve["benchmarks"]] == ["benchmark_otm", "benchmark_atm"]
    count = len(curve["at_ms"])
    assert 2 < count <= 2_000
    for rule in curve["benchmarks"]:
        assert rule["title"] and rule["about"].endswith(".") and set(rule["currencies"]) == {"BTC"}
        for unit, values in (("USD", rule["usd"]), ("BTC", rule["currencies"]["BTC"])):
            told = metrics["hold_to_expiry", unit, f"{rule['name']}_net_profit"]
            assert len(values) == count and values[-1] - values[0] == pytest.approx(told, abs=1e-6)


def test_a_run_of_an_older_program_has_neither_rules_nor_holding_by_coin() -> None:
    old = {"at_ms": [1, 2], "equity_usd": [1.0, 2.0], "holding_usd": [1.0, 1.0], "equity_BTC": [1.0, 2.0],
           "price_BTC": [1.0, 1.0]}  # fmt: skip
    found = columns(old)
    assert found["benchmarks"] == [] and found["currencies"]["BTC"]["holding"] == [None, None]


def test_runs_are_listed_filtered_and_paged(done: House) -> None:
    found = done.ask("")
    assert [one["id"] for one in found["runs"]] == [2, 1] and found["before"] is None
    (first,) = done.ask("?before=2&limit=1")["runs"]
    assert first["id"] == 1 and {one["exit_style"] for one in first["headline"]} == {"own", "hold_to_expiry"}
    metrics = {(one["exit_style"], one["currency"], one["name"]): one for one in done.ask("/1")["metrics"]}
    for row in first["headline"]:
        sharpe = metrics[row["exit_style"], "USD", "sharpe"]
        assert (row["sharpe"], row["sharpe_error"]) == (sharpe["value"], sharpe["error"])
        assert row["total_return"] == metrics[row["exit_style"], "USD", "total_return"]["value"]
    for query, ids in (
        ("group=pair", [2]), ("status=finished&limit=1", [2]), ("status=queued", []), ("source=sample", []),
        ("strategy=income&underlying=btc&source=synthetic", [2, 1]), ("underlying=ETH", []),
    ):  # fmt: skip
        assert [one["id"] for one in done.ask(f"?{query}")["runs"]] == ids, query
    assert done.ask("?limit=1")["before"] == 2


def test_a_run_tells_the_settings_in_force_and_lists_leave_them_out(done: House) -> None:
    settings = done.ask("/1")["run"]["provenance"]["settings"]
    assert settings["strategy.gates.delta_max"] == 0.4 and settings["limits.max_covered_share"] == "1"
    assert all(one["provenance"]["settings"] == {} for one in done.ask("")["runs"] if one["provenance"])


def test_two_runs_are_compared(done: House) -> None:
    found = done.ask("/1/diff/2?exit_style=own")
    assert (found["first"]["id"], found["second"]["id"]) == (1, 2)
    one = {(row["currency"], row["name"]): row["value"] for row in done.ask("/1")["metrics"]
           if row["exit_style"] == "own"}  # fmt: skip
    other = {(row["currency"], row["name"]): row["value"] for row in done.ask("/2")["metrics"]}
    assert len(found["metrics"]) == len(one) == len(other)
    for row in found["metrics"]:
        key = row["currency"], row["name"]
        assert (row["first"], row["second"]) == (one[key], other[key])
        if one[key] is not None and other[key] is not None:
            assert row["change"] == other[key] - one[key]
    assert {row["exit_style"] for row in done.ask("/1/diff/2")["metrics"]} == {"own", "hold_to_expiry"}


@pytest.mark.parametrize(
    ("changes", "said", "field"),
    [
        ({"source": "magic"}, "source 'magic' is not there", "source"),
        ({"end_ms": START_MS - 1}, "ends before it starts", "end_ms"),
        ({"start_ms": 0}, "choose a period within it", "start_ms"),
        ({"end_ms": 4_000_000_000_000}, "choose a period within it", "end_ms"),
        ({"strategy": "nobody"}, "no strategy instance 'nobody'", "strategy"),
        ({"underlyings": ["DOGE"]}, "DOGE", "underlyings"),
        ({"source": "real_scraper", "config": {"data": "/nowhere"}}, "/nowhere", "data"),
        ({"config": {"stepp": 5}}, "stepp is nothing that a backtest knows", ""),
        ({"config": {"btc": -1}}, "btc: ", "btc"),
        ({"config": {"wheel_convert": True}}, "wheel_convert is for a wheel", "wheel_convert"),
        ({"config": {"preset": "SAFE"}}, "preset 'SAFE' is not there", "preset"),
        ({"config": {"changes": {"min_score": 0.3}}}, "changes go with preset CUSTOM", "changes"),
        ({"config": {"preset": "CUSTOM", "changes": "delta_max"}}, "'delta_max' is not name=value", "changes"),
        ({"config": {"preset": "CUSTOM", "changes": {"gates.delta_mx": 0.3}}}, "delta_m", "changes"),
        ({"driver": "fast"}, "driver 'fast' is not there", "driver"),
        ({"driver": "compiled", "underlyings": ["BTC", "ETH"]}, "can't take this run: BTC, ETH are 2", "driver"),
        ({"underlyings": []}, "underlyings: ", "underlyings"),
        ({"surprise": 1}, "surprise is no parameter", "surprise"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_is_queued(
    empty: House, changes: dict[str, Any], said: str, field: str
) -> None:
    told = empty.ask("", "POST", 422, json={**ASKED, **changes})
    assert said in told["error"]
    assert set(told.get("fields", {})) == ({field} if field else set())
    assert empty.ask("")["runs"] == []


@pytest.mark.parametrize(
    ("path", "said"),
    [("?status=done", "status: "), ("?limit=0", "limit: "), ("?before=x", "before: "), ("?colour=red", "colour is no"),
     ("/0", "run_id: "), ("/one", "run_id: "), ("/99999999999999999999", "run_id: "),
     ("/1/download?format=xls", "format: ")],
)  # fmt: skip
def test_a_wrong_question_is_named(empty: House, path: str, said: str) -> None:
    assert said in empty.ask(path, code=422)["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/7"), ("DELETE", "/7"), ("POST", "/7/cancel"), ("GET", "/7/download"), ("GET", "/7/equity"),
     ("GET", "/7/diff/8")],
)  # fmt: skip
def test_a_run_that_is_not_there_is_named(empty: House, method: str, path: str) -> None:
    assert "there is no run 7" in empty.ask(path, method, 404)["error"]


def test_queued_running_and_over_runs_are_cancelled_and_dropped(house: House) -> None:
    first, second = house.queue(), house.queue()
    assert house.ask(f"/{second}/cancel", "POST")["status"] == "cancelled"
    assert house.lab.store.claim("w", NOW_MS, 1_000) is not None
    assert "cancel it first" in house.ask(f"/{first}", "DELETE", 409)["error"]
    assert "only a finished run" in house.ask(f"/{first}/diff/{second}", code=409)["error"]
    assert house.ask(f"/{first}/equity")["at_ms"] == []
    asked = house.ask(f"/{first}/cancel", "POST")
    assert (asked["status"], asked["cancel_requested"]) == ("running", True)
    house.lab.store.fail(first, "w", "it broke", NOW_MS)
    house.ask(f"/{first}", "DELETE")
    assert [one["id"] for one in house.ask("")["runs"]] == [second]


def test_a_run_whose_worker_is_lost_is_not_running_for_ever(house: House) -> None:
    run = house.queue()
    for _ in range(2):
        assert house.lab.store.claim("w", NOW_MS - 10_000, 1_000) is not None
        (row,) = house.ask("")["runs"]
    assert (row["id"], row["status"]) == (run, "failed") and "its worker was lost" in row["error"]
    assert "nothing to cancel" in house.ask(f"/{run}/cancel", "POST", 409)["error"]


def test_only_our_own_page_or_the_token_may_change_something(house: House) -> None:
    run = house.queue()
    foreign = {"Origin": "http://evil.example", "Authorization": f"Bearer {TOKEN}"}
    assert house.reply(f"/{run}", "DELETE", headers=foreign).status_code == 403
    assert house.reply(f"/{run}", "DELETE", headers={"Origin": BASE}).status_code == 401
    assert house.reply(f"/{run}", "DELETE", headers={}).status_code == 403
    assert [one["id"] for one in house.ask("")["runs"]] == [run]


def test_without_a_database_the_cure_is_named(tmp_path: Path) -> None:
    views = ViewStore(tmp_path / "views.sqlite", lambda: NOW_MS)
    bad = Lab(Settings(data_dir=tmp_path, database_url="postgresql://me:secret@127.0.0.1:1/x"))
    for lab, said in ((None, "no run database is at hand"), (bad, "check DATABASE_URL")):
        app = create_app(views, kill=None, token=TOKEN, now_ms=lambda: NOW_MS, lab=lab)
        reply = ask(app, "/api/backtests")
        assert reply.status_code == 503 and said in reply.json()["error"] and "secret" not in reply.text
        assert ask(app, "/status").status_code == 200


def test_the_reference_names_every_address(house: House) -> None:
    told = ask(house.app, "/docs").text
    for words in ("/api/backtests/{run_id}/download", "/api/backtests/{first}/diff/{second}", "RunAsked"):
        assert words in told
