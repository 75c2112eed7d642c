"""Kill and resume over HTTP: the switch first, then the agent; and what the page says until he confirms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from optionwriter.adapters.files.kill_file import KillFile
from optionwriter.adapters.store.views import ViewStore
from optionwriter.ports import KillOrder
from tests.web.browsing import NOW_MS, Page, ask
from tests.web.conftest import World


@pytest.fixture
def store(world: World, tmp_path: Path) -> ViewStore:
    return world.copy(tmp_path)


@pytest.fixture
def switch(tmp_path: Path) -> KillFile:
    return KillFile(tmp_path / "KILL")


def post(store: ViewStore, kill: KillFile | None, body: Any) -> httpx2.Response:
    return ask(store, "/api/commands", method="POST", kill=kill, json=body)


def test_a_kill_engages_the_switch_and_leaves_the_command(store: ViewStore, switch: KillFile) -> None:
    reply = post(store, switch, {"kind": "kill", "reason": "  the market looks wrong "})
    (left,) = store.pending_commands()
    assert (reply.status_code, reply.json()) == (202, {"id": left.id, "kind": "kill"})
    assert (left.kind, left.reason, left.at_ms) == ("kill", "the market looks wrong", NOW_MS)
    assert switch.read() == KillOrder("the market looks wrong", "page", NOW_MS)


def test_a_resume_is_only_asked_for(store: ViewStore, switch: KillFile) -> None:
    switch.engage("before", "page", 1)
    assert post(store, switch, {"kind": "resume", "reason": "all is well"}).status_code == 202
    assert [one.kind for one in store.pending_commands()] == ["resume"]
    assert switch.read() == KillOrder("before", "page", 1)


def test_a_kill_works_where_no_agent_has_run_and_a_resume_says_why_not(
    tmp_path: Path, switch: KillFile
) -> None:
    empty = ViewStore(tmp_path / "views.sqlite", lambda: 0)
    assert post(empty, switch, {"kind": "kill", "reason": "at once"}).json() == {"id": None, "kind": "kill"}
    assert switch.read() is not None
    reply = post(empty, switch, {"kind": "resume", "reason": "go on"})
    assert reply.status_code == 503 and "no agent has run" in reply.json()["error"]


def test_a_switch_that_cannot_be_written_is_said(store: ViewStore, tmp_path: Path) -> None:
    reply = post(store, KillFile(tmp_path / "missing" / "KILL"), {"kind": "kill", "reason": "at once"})
    assert reply.status_code == 503 and "end the agent's process" in reply.json()["error"]
    assert store.pending_commands()[0].kind == "kill"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"kind": "kill", "reason": "no"}, "reason"),
        ({"kind": "kill", "reason": "   a   "}, "reason"),
        ({"kind": "kill", "reason": "x" * 501}, "reason"),
        ({"kind": "kill"}, "reason"),
        ({"kind": "sell", "reason": "because"}, "kind"),
        ({"kind": "kill", "reason": "because", "force": True}, "force is no parameter"),
        ([], "the body"),
    ],
)
def test_a_bad_command_is_named_and_does_nothing(
    store: ViewStore, switch: KillFile, body: Any, says: str
) -> None:
    reply = post(store, switch, body)
    assert reply.status_code == 422 and says in reply.json()["error"]
    assert switch.read() is None and store.pending_commands() == ()


def page(store: ViewStore, switch: KillFile) -> Page:
    return Page(ask(store, "/", kill=switch).text)


def test_the_page_follows_the_switch_until_the_agent_confirms(store: ViewStore, switch: KillFile) -> None:
    base: Any = store.read("status")
    assert "kill-banner" not in page(store, switch).ids()

    switch.engage("looks wrong", "page", NOW_MS)
    seen = page(store, switch)
    assert "has not confirmed it yet" in seen.text and "“looks wrong”" in seen.text
    assert {"badge-kill", "resume-open"} <= seen.ids()

    kill = {"reason": "looks wrong", "by": "page", "at": "2026-01-05T08:00:00Z", "at_ms": 1_767_600_000_000}
    halted = {
        **base,
        "state": "HALTED",
        "state_reason": "killed by page",
        "state_lifted_by": "resume",
        "kill": kill,
    }
    store.publish({"status": halted})
    seen = page(store, switch)
    assert "Confirmed by the agent" in seen.text and "since 2026-01-05 08:00 UTC" in seen.text
    assert "resume-open" in seen.ids() and "state-banner" not in seen.ids()

    switch.clear()
    assert "Waiting for the agent to confirm" in page(store, switch).text
    store.publish({"status": {**halted, "kill": None}})  # the file was taken away by hand: the halt stays
    seen = page(store, switch)
    assert "kill-banner" not in seen.ids() and {"state-banner", "resume-open"} <= seen.ids()

    store.publish({"status": {**base, "kill": None, "commands_pending": 2}})
    seen = page(store, switch)
    assert not {"kill-banner", "resume-open", "badge-kill"} & seen.ids()
    assert "2 commands not obeyed yet" in seen.text
    store.close()
