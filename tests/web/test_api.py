"""Every endpoint over a real run, held against the exchange's own word; and with nothing, old or broken views."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optionwriter.adapters.store.views import ViewStore
from optionwriter.services.publish import Publisher
from tests.web.browsing import ask, got
from tests.web.conftest import AGE_MS, CYCLES, World

D = Decimal
ENDPOINTS = (
    "/status",
    "/api/positions/bot/open",
    "/api/positions/bot/closed",
    "/api/decisions",
    "/api/strategy-status",
)


@pytest.fixture
def store(world: World, tmp_path: Path) -> ViewStore:
    return world.copy(tmp_path)


def test_status_agrees_with_the_exchange(world: World, store: ViewStore) -> None:
    status = got(store, "/status")
    assert (status["version"], status["age_s"], status["stale"]) == (CYCLES, 2.0, False)
    assert status["message"] == "Last cycle 2 s ago."
    assert (status["heartbeat"]["cycles"], status["heartbeat"]["outcome"]) == (CYCLES, "done")
    agent = status["agent"]
    assert (agent["environment"], agent["execution_mode"], agent["dry_run"]) == ("local", "live", False)
    assert (agent["state"], agent["account"], agent["open_chains"]) == (
        "ACTIVE",
        "local",
        len(world.positions),
    )
    assert agent["at_ms"] == world.last.at_ms and agent["at"].endswith("Z")
    by_name = {one["currency"]: one for one in agent["currencies"]}
    spot = {one["underlying"]: D(one["spot"]) for one in agent["underlyings"]}
    for currency, equity in world.equities.items():
        assert D(by_name[currency]["equity"]) == equity
        assert math.isclose(D(by_name[currency]["equity_usd"]), equity * spot[currency], rel_tol=1e-5)
    assert [D(by_name[one]["holding"]) for one in ("BTC", "ETH", "USDC")] == [2, 20, 200_000]
    held_usd = 2 * spot["BTC"] + 20 * spot["ETH"] + 200_000
    assert D(agent["holding_usd"]) == held_usd
    assert D(agent["over_holding_usd"]) == D(agent["equity_usd"]) - held_usd
    assert {one["regime"] for one in agent["underlyings"]} <= {"bull", "bear", "sideways"}
    assert all(10 < one["volatility_index"] < 200 for one in agent["underlyings"])
    used = {(one["name"], one["subject"]): one for one in agent["limits"]}
    call = used["call_notional_usd", "BTC"]
    assert D(call["used"]) == pytest.approx(2 * spot["BTC"], rel=D("0.001"))
    assert D(call["used_pct"]) == pytest.approx(D(call["used"]) / D(call["limit"]) * 100, rel=D("0.001"))


def test_open_positions_are_those_of_the_exchange(world: World, store: ViewStore) -> None:
    answer = got(store, "/api/positions/bot/open")
    assert {one["instrument"]: D(one["quantity"]) for one in answer["positions"]} == world.positions
    types = {"C": ("call", "covered_call"), "P": ("put", "cash_secured_put")}
    assert {name[-1] for name in world.positions} == set(types)
    for one in answer["positions"]:
        name, day, strike, kind = one["instrument"].split("-")
        assert (one["underlying"], one["strike"]) == (name.removesuffix("_USDC"), strike)
        assert (one["option_type"], one["strategy_type"]) == types[kind] and one["strategy_id"] == "income"
        _, _, first, _ = one["legs"][0]["instrument"].split("-")  # a roll leaves the strike that was bound
        each = D(1) if kind == "C" else D(first)  # the collateral of a coin
        assert one["expiry"] == f"2026-01-{int(day.removesuffix('JAN26')):02}T08:00:00Z"
        assert one["execution_mode"] == "live"
        worth = D(one["quantity"]) * (D(one["current_mark"]) - D(one["entry_price"]))
        assert D(one["unrealized_pnl_abs"]) == worth
        assert D(one["unrealized_pnl_pct"]) == pytest.approx(
            worth / (-D(one["quantity"]) * each) * 100, abs=D("0.0001")
        )
        (leg,) = (leg for leg in one["legs"] if leg["status"] == "open")
        assert (leg["instrument"], leg["closed_at"]) == (one["instrument"], None)
    for total in answer["totals"]:
        mine = [one for one in answer["positions"] if one["currency"] == total["currency"]]
        assert D(total["pnl_abs"]) == sum(D(one["unrealized_pnl_abs"]) for one in mine)


def test_closed_positions_brought_what_the_exchange_booked(world: World, store: ViewStore) -> None:
    answer = got(store, "/api/positions/bot/closed")
    assert len(answer["positions"]) >= 2
    for one in answer["positions"]:
        names = {leg["instrument"] for leg in one["legs"]}
        booked = sum(
            (
                D(str(entry["change"]))
                for entry in world.log[one["currency"]]
                if entry.get("instrument_name") in names
            ),
            D(0),
        )
        assert D(one["realized_pnl_abs"]) == booked
        assert one["closed_ms"] > one["created_ms"] and one["closed_at"] > one["created_at"]
        assert D(one["max_drawdown"]) >= max(D(0), -booked) and isinstance(one["number_of_rolls"], int)
        assert one["days_in_trade"] == pytest.approx((one["closed_ms"] - one["created_ms"]) / 86_400_000)
    assert [one["closed_ms"] for one in answer["positions"]] == sorted(
        (one["closed_ms"] for one in answer["positions"]), reverse=True
    )
    assert any(D(one["max_drawdown"]) > 0 for one in answer["positions"])


def test_decisions_are_those_of_the_decision_log(world: World, store: ViewStore) -> None:
    lines = [
        json.loads(line)
        for path in sorted((world.folder / "logs").glob("agent_decisions_*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    answer = got(store, "/api/decisions?limit=200")["decisions"]
    assert [one["decision_id"] for one in answer] == [one["decision_id"] for one in reversed(lines)]
    assert len(answer) == CYCLES
    assert [one["reasoning"] for one in answer] == [one["reasoning"] for one in reversed(lines)]
    opened = [one for one in answer if one["action"] == "OPEN_COVERED_CALL"]
    assert opened and all(order["outcome"] == "filled" for one in opened for order in one["orders"])
    idle = next(one for one in answer if one["action"] == "DO_NOTHING")
    assert sum(sum(menu["counts_by_gate"].values()) for menu in idle["menus"]) > 100
    assert all(
        miss["distance"] is None or miss["distance"] <= 0
        for menu in idle["menus"]
        for miss in menu["nearest"]
    )


def test_decisions_can_be_limited_and_filtered(store: ViewStore) -> None:
    everything = got(store, "/api/decisions?limit=200")["decisions"]
    assert got(store, "/api/decisions?limit=3")["decisions"] == everything[:3]
    assert got(store, "/api/decisions?limit=200&strategy=income")["decisions"] == everything
    assert got(store, "/api/decisions?strategy=nobody")["decisions"] == []


def test_strategy_status(world: World, store: ViewStore) -> None:
    answer = got(store, "/api/strategy-status")
    assert answer["limits"] == got(store, "/status")["agent"]["limits"]
    assert {("margin_used_pct", "BTC"), ("chains_total", "account")} <= {
        (limit["name"], limit["subject"]) for limit in answer["limits"] if limit["used_pct"] is not None
    }
    (one,) = answer["strategies"]
    assert (one["strategy_id"], one["strategy_type"], one["positions_open"]) == (
        "income",
        "income",
        len(world.positions),
    )
    assert (one["gates"]["dte_max"], one["gates"]["delta_min"]) == (2.0, 0.05)
    closed = got(store, "/api/positions/bot/closed")
    assert one["positions_closed"] == len(closed["positions"]) and one["realized"] == closed["totals"]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_nothing_published_is_said(tmp_path: Path, path: str) -> None:
    answer = got(ViewStore(tmp_path / "views.sqlite", lambda: 0), path)
    assert (answer["version"], answer["age_s"], answer["stale"]) == (0, None, True)
    assert "not published anything yet" in answer["message"]
    assert not list(tmp_path.iterdir())
    for name in ("positions", "decisions", "strategies", "totals"):
        assert answer.get(name, []) == []


@pytest.mark.parametrize(("age_s", "stale", "says"), [(14, False, "Last cycle 14 s ago."), (16, True, "for 16 s"),
                                                      (7_300, True, "for 2 h")])  # fmt: skip
def test_old_views_are_called_old(store: ViewStore, age_s: int, stale: bool, says: str) -> None:
    AGE_MS[0] = age_s * 1000  # a cycle was due every 5 s
    answer = got(store, "/api/positions/bot/open")
    assert answer["stale"] is stale and says in answer["message"] and len(answer["positions"]) >= 2


def test_a_failed_cycle_and_a_stop_are_said_and_the_figures_stay(world: World, store: ViewStore) -> None:
    AGE_MS[0] = 0
    publisher = Publisher(store, expected_within_s=5.0)
    publisher.complain("cycle skipped: the exchange answered HTML", world.last.at_ms + 1000)
    answer = got(store, "/status")
    assert answer["heartbeat"]["outcome"] == "failed" and not answer["stale"]
    assert "did not go through: cycle skipped: the exchange answered HTML" in answer["message"]
    assert answer["heartbeat"]["complaint_ms"] == world.last.at_ms + 1000
    assert answer["agent"]["at_ms"] == world.last.at_ms
    publisher.after_cycle(world.desk, world.last)
    answer = got(store, "/status")
    assert (answer["heartbeat"]["outcome"], answer["heartbeat"]["complaint"], answer["heartbeat"]["failed"]) == (
        "done", "", 1)  # fmt: skip
    publisher.stopped("told to stop", world.last.at_ms)
    answer = got(store, "/status")
    assert answer["stale"] and "The agent stopped 0 s ago (told to stop)" in answer["message"]
    store.close()


def test_a_complaint_before_the_first_cycle(tmp_path: Path) -> None:
    store = ViewStore(tmp_path / "views.sqlite", lambda: 0)
    Publisher(store).complain("cycle skipped: no exchange at 127.0.0.1", 1_767_225_600_000)
    answer = got(store, "/status")
    assert answer["agent"] is None and "no exchange at 127.0.0.1" in answer["message"]
    assert answer["heartbeat"]["complaint_at"] == "2026-01-01T00:00:00Z"
    store.close()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/api/decisions?limit=0", "limit"),
        ("/api/decisions?limit=201", "limit"),
        ("/api/decisions?limit=ten", "limit"),
        ("/api/decisions?limt=5", "limt is no parameter of this address"),
        (f"/api/decisions?strategy={'x' * 101}", "strategy"),
        ("/status?verbose=1", "verbose is no parameter"),
    ],
)
def test_a_bad_query_is_named(store: ViewStore, path: str, says: str) -> None:
    reply = ask(store, path)
    assert reply.status_code == 422 and set(reply.json()) == {"error"} and says in reply.json()["error"]


def test_an_unknown_address_is_named(store: ViewStore) -> None:
    reply = ask(store, "/api/positions")
    assert (reply.status_code, reply.json()) == (
        404,
        {"error": "there is nothing at /api/positions: see /docs"},
    )


@pytest.mark.parametrize("path", [*ENDPOINTS, "/"])
def test_a_view_file_that_cannot_be_read_is_said(tmp_path: Path, path: str) -> None:
    (tmp_path / "views.sqlite").write_bytes(b"not a database " * 100)
    reply = ask(ViewStore(tmp_path / "views.sqlite", lambda: 0), path)
    assert reply.status_code == 503 and "views.sqlite can't be read" in reply.json()["error"]


def test_the_openapi_document_names_every_endpoint_and_shape(store: ViewStore) -> None:
    document = got(store, "/openapi.json")
    more = {"/api/commands", "/api/data", "/api/equity", "/api/events", "/api/explain/{decision_id}"}
    more |= {"/api/positions/bot/{position_id}", "/api/calibration"}
    parts = (
        "",
        "/{run_id}",
        "/{run_id}/cancel",
        "/{run_id}/download",
        "/{run_id}/equity",
        "/cancel",
        "/events",
        "/{first}/diff/{second}",
    )
    more |= {f"/api/backtests{part}" for part in parts}
    assert set(document["paths"]) == set(ENDPOINTS) | more
    assert document["security"] == [{"token": []}]
    shapes: dict[str, Any] = document["components"]["schemas"]
    both = {"underlying", "option_type", "strategy_type", "strategy_id", "execution_mode"}
    open_ones = {"strike", "expiry", "quantity", "entry_price", "current_mark"}
    unrealized = {
        "unrealized_pnl_abs",
        "unrealized_pnl_pct",
        "unrealized_pnl_abs_usd",
        "unrealized_pnl_pct_usd",
    }
    assert both | open_ones | unrealized <= set(shapes["OpenRow"]["properties"])
    over = {"created_at", "closed_at", "net_premium", "number_of_rolls", "days_in_trade", "max_drawdown"}
    realized = {"realized_pnl_abs", "realized_pnl_pct", "realized_pnl_abs_usd", "realized_pnl_pct_usd"}
    assert both | over | realized <= set(shapes["ClosedRow"]["properties"])


def passes_on(answer: Any, published: Any) -> None:
    """Everything that was published is in the answer as it is; what the answer has beyond it is unknown."""
    if isinstance(published, dict) and isinstance(answer, dict):
        assert not {name: one for name, one in answer.items() if name not in published and one is not None}
        for name, one in published.items():
            passes_on(answer[name], one)
    elif isinstance(published, list) and isinstance(answer, list):
        assert len(answer) == len(published)
        for one, other in zip(answer, published, strict=True):
            passes_on(one, other)
    else:
        assert answer == published


def test_what_is_published_is_what_the_shapes_name(store: ViewStore) -> None:
    """A field that the schema doesn't know would be dropped silently."""
    for path, view in (("open", "positions-open"), ("closed", "positions-closed")):
        passes_on(got(store, f"/api/positions/bot/{path}")["positions"], store.read(view)["positions"])
    passes_on(got(store, "/status")["agent"], store.read("status"))
    passes_on(got(store, "/status")["heartbeat"], store.read("heartbeat"))
    passes_on(got(store, "/api/strategy-status")["strategies"], store.read("strategies")["strategies"])
    passes_on(got(store, "/api/decisions?limit=200")["decisions"], list(store.entries("decisions", 200)))
