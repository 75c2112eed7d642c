"""Explanations over HTTP and on the page, of a real run; and the upside ledger in a position's panel."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from fastapi import FastAPI

from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap.explaining import explain_decision
from optionwriter.bootstrap.parts import LEDGER_FILE
from optionwriter.settings import Settings
from optionwriter.web.app import create_app
from tests.web.browsing import NOW_MS, TOKEN, ask, got
from tests.web.conftest import World

D = Decimal


@pytest.fixture
def store(world: World, tmp_path: Path) -> ViewStore:
    return world.copy(tmp_path)


def app(store: ViewStore, folder: Path) -> FastAPI:
    settings = Settings(data_dir=folder)
    return create_app(
        store, kill=None, token=TOKEN, now_ms=lambda: NOW_MS,
        explain=lambda decision, option: explain_decision(settings, decision, instrument=option),
    )  # fmt: skip


def traded(store: ViewStore) -> str:
    """The oldest published decision that opened something."""
    decisions = got(store, "/api/decisions?limit=100")["decisions"]
    return str(next(one["decision_id"] for one in reversed(decisions) if one["approved"]))


def test_a_published_decision_is_explained_from_the_log(world: World, store: ViewStore) -> None:
    made = app(store, world.folder)
    ident = traded(store)
    reply = ask(made, f"/api/explain/{ident}")
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert told["decision_id"] == ident and told["why_this"] and told["what_would_change"]["words"]
    ended = [one for one in told["after_expiry"]["candidates"] if one["earned"] is not None]
    assert ended and told["upside"]["chains"]
    name = told["why_not"][0]["instrument"]
    (why,) = ask(made, f"/api/explain/{ident}?instrument={name}").json()["why_not"]
    assert why["instrument"] == name and why["words"] == told["why_not"][0]["words"]
    page = ask(made, f"/live/explain/{ident}").text
    assert "What would have to change" in page and name in page and "After expiry" in page
    assert f'hx-get="/live/explain/{ident}"' in ask(made, f"/live/decision/{ident}").text


def test_what_is_not_there_is_not_found_and_what_cannot_be_read_is_said(
    world: World, store: ViewStore, tmp_path: Path
) -> None:
    made, ident = app(store, world.folder), traded(store)
    for path, says in (("dnothing", "no decision dnothing in the log; nearest: d"),
                       (f"{ident}?instrument=BTC-30JAN26-1-C", "was not looked at")):  # fmt: skip
        reply = ask(made, f"/api/explain/{path}")
        assert reply.status_code == 404 and says in reply.json()["error"]
    assert ask(made, f"/api/explain/{ident}?strike=1").status_code == 422
    assert ask(made, "/api/explain/x", headers={}).status_code == 401
    assert "no decision dnothing" in ask(made, "/live/explain/dnothing").text
    assert ask(store, f"/api/explain/{ident}").status_code == 404  # nobody gave it a log
    broken = tmp_path / "broken"
    (broken / "logs").mkdir(parents=True)
    for path_ in (world.folder / "logs").glob("agent_decisions_*"):
        (broken / "logs" / path_.name).write_bytes(path_.read_bytes())
    (broken / LEDGER_FILE).write_bytes(b"not a database " * 100)
    reply = ask(app(store, broken), f"/api/explain/{ident}")
    assert reply.status_code == 503 and LEDGER_FILE in reply.json()["error"]


def test_a_positions_panel_sets_what_was_given_up_against_what_was_kept(
    world: World, store: ViewStore
) -> None:
    closed = got(store, "/api/positions/bot/closed")["positions"]
    assert closed
    for one in closed:
        detail = got(store, f"/api/positions/bot/{one['position_id']}")
        assert D(detail["premium_kept"]) - D(detail["upside_given_up"]) == D(one["realized_pnl_abs"])
        assert D(detail["premium_kept_usd"]) - D(detail["upside_given_up_usd"]) == D(
            one["realized_pnl_abs_usd"]
        )
        payoffs = [D(flow["amount"]) for flow in detail["flows"] if flow["kind"] == "payoff"]
        assert D(detail["upside_given_up"]) >= -sum(payoffs, D(0)) >= 0
    page = ask(store, f"/live/position/{closed[0]['position_id']}").text
    assert "Given up beyond the strike" in page and "Premium kept" in page
