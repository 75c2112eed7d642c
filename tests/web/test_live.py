"""The Live page with everything that can be published, and each part that a new publication replaces."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from optionwriter.adapters.store.views import ViewStore
from optionwriter.ports import FeedEntry
from optionwriter.web.live.rules import rules_of
from tests.web.browsing import Page, ask, got
from tests.web.conftest import World
from tests.web.rich import CALL, PUT, curve, enrich, opened, panel
from tests.web.test_pages import HOSTILE, hostile

HOOKS = {
    "badge-env", "badge-mode", "badge-state", "heartbeat", "underlying-BTC", "underlying-ETH", "equity-chart",
    "equity-switch", "open-positions", "closed-positions", "external-positions", "position-c1call", "decisions",
    "decision-drefused", "rules", "kill-open", "kill-reason", "kill-confirm", "theme-toggle", "position-detail",
}  # fmt: skip


@pytest.fixture
def store(world: World, tmp_path: Path) -> ViewStore:
    return enrich(world.copy(tmp_path))


def page(store: ViewStore, path: str = "/") -> Page:
    reply = ask(store, path)
    assert reply.status_code == 200, reply.text
    found = Page(reply.text)
    found.assert_keeps_the_policy()
    return found


def test_every_part_is_on_the_page(store: ViewStore) -> None:
    seen = page(store)
    assert seen.ids() >= HOOKS
    for words in (
        "TESTNET", "LIVE", "ACTIVE", "Strangle", "Short put", "Short call", CALL, PUT, "BTC-26JUN26-120000-C",
        "Pump risk", "12.0% · 20.0%", "7.1% · 15.0%", "contango",
        "+0.005632 BTC", "+478.75 USD", "−52.88 USDC", "2026-03-26", "in 15.9 d",
        "refused by risk: NO_COVER", "−0.008480 BTC", "128,850 of 150,000 USD", "Take profit share", "70%",
    ):  # fmt: skip
        assert words in seen.text, words
    assert "None" not in re.findall(r"\w+", seen.text)


@pytest.mark.parametrize(
    ("state", "shows", "hides"),
    [
        ({"environment": "mainnet", "dry_run": True, "execution_mode": "paper"}, "MAINNET", "TESTNET"),
        ({"dry_run": True}, "DRY RUN", "Orders: LIVE"),
        ({"state": "REDUCING", "state_reason": "margin 82 %", "state_lifted_by": "margin 76 %"}, "REDUCING", "ACTIVE"),
        ({"state": "HALTED", "state_reason": "books differ", "state_lifted_by": "reconcile"}, "HALTED", "ACTIVE"),
    ],
)  # fmt: skip
def test_modes_are_said_in_words_with_reason_and_cure(
    world: World, tmp_path: Path, state: dict[str, Any], shows: str, hides: str
) -> None:
    seen = page(enrich(world.copy(tmp_path), **state))
    assert shows in seen.text and hides not in seen.text
    if "state_reason" in state:
        assert state["state_reason"] in seen.text and f"Lifted when: {state['state_lifted_by']}" in seen.text


def test_what_an_older_agent_does_not_publish_is_a_dash(world: World, tmp_path: Path) -> None:
    store = world.copy(tmp_path)
    views: dict[str, Any] = {}
    for name in ("status", "positions-open", "positions-closed", "strategies"):
        views[name] = store.read(name)
    for row in views["positions-open"]["positions"]:
        for field in ("fees", "fees_usd", "net_premium", "net_premium_usd"):
            row.pop(field, None)
    for field in ("kill", "commands_pending"):
        views["status"].pop(field, None)
    for one in views["strategies"]["strategies"]:
        for field in (
            "roll_gates",
            "score",
            "manage",
            "roll",
            "limits",
            "chooser",
            "epsilon",
            "profile",
            "enabled",
        ):
            one.pop(field, None)
    store.publish(
        {**views, **{f"position/{row['position_id']}": None for row in views["positions-open"]["positions"]}}
    )
    store.close()
    seen = page(store)
    row = views["positions-open"]["positions"][0]
    assert row["instrument"] in seen.text and "—" in seen.text
    detail = page(store, f"/live/position/{row['position_id']}")
    assert row["legs"][0]["label"] in detail.text and "No picture is published" in detail.text


def test_the_parts_are_those_of_the_page(store: ViewStore) -> None:
    whole, parts = page(store), page(store, "/live/parts?strategy=&only=all")
    targets = [attributes["hx-target"] for tag, attributes in parts.tags if tag == "hx-partial"]
    ids = {attributes.get("id") for _, attributes in whole.tags}
    assert len(targets) == len(set(targets)) == 10
    assert {str(one)[1:] for one in targets} <= ids
    known = {one for one in parts.ids() if one}
    assert known <= whole.ids() and {"position-c1call", "badge-env", "decision-drefused"} <= known
    pulse = page(store, "/live/pulse")
    assert {"badge-env", "heartbeat"} <= pulse.ids() and "decisions" not in pulse.ids()


def test_ids_are_there_once(store: ViewStore) -> None:
    ids = [attributes["id"] for _, attributes in page(store).tags if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_decisions_are_filtered_on_the_page_and_in_its_parts(store: ViewStore) -> None:
    for path in ("/", "/live/parts"):
        everything, actions = page(store, path), page(store, f"{path}?only=actions")
        shown = {one for one in actions.ids() if one and one.startswith("decision-")}
        assert 1 <= len(shown) < len([one for one in everything.ids() if one and one.startswith("decision-")])
        assert "decision-drefused" in shown
        assert "No decision of that kind" in page(store, f"{path}?strategy=nobody").text
    assert ask(store, "/?only=some").status_code == 422


def test_a_decision_opens_to_scores_gates_and_misses(world: World, store: ViewStore) -> None:
    kept: Any = store.entries("decisions", 200)
    chosen = next(one for one in kept if one["chosen"] and one["orders"])
    seen = page(store, f"/live/decision/{chosen['decision_id']}")
    (menu, *_) = [one for one in chosen["menus"] if one["items"]]
    best = menu["items"][0]
    assert f"{best['score']:.3f}" in seen.text and "chosen" in seen.text
    for name in ("Edge", "Tenor", "Liquidity", "Nearest misses", "Rejected, by the first gate that failed"):
        assert name in seen.text, name
    for gate, number in menu["counts_by_gate"].items():
        assert str(number) in seen.text, gate
    assert menu["nearest"][0]["instrument"] in seen.text
    refused = page(store, "/live/decision/drefused")
    assert "NO_COVER: cover is 0.3 BTC short" in refused.text
    assert "no longer kept" in page(store, "/live/decision/d0").text


def test_a_position_opens_to_its_legs_fills_flows_and_picture(store: ViewStore) -> None:
    seen = page(store, "/live/position/c1call")
    for words in ("Short call", "CCBOT_fill", "premium", "+0.018750", "+1,593.75", "85,000.00", "−38.25 USD",
                  "128,850.00", "3 d ago", "1 roll"):  # fmt: skip
        assert words in seen.text, words
    (box,) = (attributes for _, attributes in seen.tags if attributes.get("data-testid") == "payoff")
    shown = json.loads(box["data-payoff"] or "")
    assert shown == panel(opened()["positions"][0])["payoff"] and box["data-currency"] == "BTC"
    assert "There is no position nobody" in page(store, "/live/position/nobody").text


def test_hostile_text_in_a_decision_and_a_position_is_text(store: ViewStore) -> None:
    decision: Any = hostile(store.entries("decisions", 200)[-1])
    decision["refused"] = [{"key": HOSTILE, "codes": [HOSTILE], "reasons": [HOSTILE]}]
    decision["failure"] = HOSTILE
    decision["menus"][0]["held"] = [
        {
            "chain_id": "c",
            "instrument": HOSTILE,
            "verdict": HOSTILE,
            "reason": HOSTILE,
            "value": None,
            "threshold": None,
        }
    ]
    decision["decision_id"] = "dhostile"
    detail: Any = hostile(store.read("position/c1call"))
    store.publish({"position/chostile": detail}, [FeedEntry("decisions", "x", decision)])
    store.close()
    for path, least in (("/live/decision/dhostile", 12), ("/live/position/chostile", 6)):
        seen = page(store, path)
        assert seen.text.count("<script>alert(1)</script>") >= least
        assert not [tag for tag, _ in seen.tags if tag in ("script", "img")]


def test_a_position_over_the_api(store: ViewStore) -> None:
    answer = got(store, "/api/positions/bot/c1call")
    published: Any = store.read("position/c1call")
    assert {name: answer[name] for name in published} == published
    reply = ask(store, "/api/positions/bot/nobody")
    assert reply.status_code == 404
    assert reply.json() == {"error": "there is no position nobody: see /api/positions/bot/open"}


def test_the_equity_curve_over_the_api(store: ViewStore, tmp_path: Path) -> None:
    answer = got(store, "/api/equity")
    assert {name: answer[name] for name in curve()} == curve() and answer["equity_usd"][103] is None
    empty = got(ViewStore(tmp_path / "none.sqlite", lambda: 0), "/api/equity")
    assert (empty["at_ms"], empty["currencies"], empty["stale"]) == ([], {}, True)


def test_a_page_that_fails_says_so_as_a_page_and_an_address_as_json(store: ViewStore, tmp_path: Path) -> None:
    (tmp_path / "bad.sqlite").write_bytes(b"not a database " * 100)
    broken = ViewStore(tmp_path / "bad.sqlite", lambda: 0)
    headers = {"Authorization": "Bearer a-token-of-the-tests-0123456789abcdef", "Accept": "text/html"}
    reply = ask(broken, "/", headers=headers)
    assert reply.status_code == 503 and "bad.sqlite can't be read" in Page(reply.text).text.replace("’", "'")
    assert ask(broken, "/status", headers=headers).json()["error"]
    assert "Nothing is here" in Page(ask(store, "/nowhere", headers=headers).text).text


def test_rules_are_said_with_both_ends_and_a_unit() -> None:
    made = rules_of(
        {
            "writes": ["covered_call"], "underlyings": ["BTC"], "min_score": 0.1, "epsilon": 0.0,
            "gates": {"dte_min": 2, "dte_max": 30.0, "spread_max": 0.35, "premium_min_usd": 5, "otm_min": 0.0},
            "manage": {"take_profit_share": 0.8, "nested": {"delta_min": 0.05, "delta_max": 0.3}, "rolls": True},
        }
    )  # fmt: skip
    gates = {row["label"]: (row["text"], row["unit"]) for row in made["groups"][0]["rows"]}
    assert gates == {
        "Days to expiry": ("2 – 30", "d"),
        "Spread ÷ mid": ("≤ 35%", ""),
        "Premium per coin, net": ("≥ 5", "USD"),
        "Out of the money": ("≥ 0%", ""),
    }
    manage = [(row["label"], row["text"]) for row in made["groups"][1]["rows"]]
    assert manage == [("Take profit share", "80%"), ("Nested: delta", "0.05 – 0.3"), ("Rolls", "yes")]
    assert ("Exploration", "0") in made["facts"] and ("Writes", "Covered call") in made["facts"]
