"""kill, resume and status as a user drives them, with an agent and without."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from simulation.wire_runs import Pair, pair
from typer.testing import CliRunner

from optionwriter.adapters.files.kill_file import KillFile
from optionwriter.cli.main import app
from optionwriter.core.books.facts import OrderClosed, StateChanged, TradingState
from tests.patience import LONGEST_S


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data-dir", "data"])


def run_once() -> dict[str, Any]:
    result = asked("run", "--market", "sample", "--once", "--live", "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def seen() -> dict[str, Any]:
    result = asked("status", "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def refused(result: Result, *says: str) -> None:
    assert result.exit_code == 2 and "Traceback" not in result.output
    for words in says:
        assert words in " ".join(result.stderr.split()), result.stderr


def test_killed_before_it_starts_it_sells_nothing_until_it_is_resumed(here: Path) -> None:
    run_once()
    killed = asked("kill", "--reason", "  holidays\n now ")
    assert killed.exit_code == 0 and "no order leaves from now on" in killed.stdout
    assert "No agent answers" in killed.stderr and "cancels first of all" in killed.stderr
    order = KillFile(here / "data" / "KILL").read()
    assert order is not None and (order.reason, order.by) == ("holidays now", "command line")
    before = seen()
    assert before["kill_switch"]["reason"] == "holidays now" and before["agent"]["kill"] is None
    assert run_once()["state"] == "HALTED"
    shown = seen()["agent"]
    assert (shown["state"], shown["state_lifted_by"]) == ("HALTED", "resume")
    assert shown["kill"]["reason"] == "holidays now" and shown["commands_pending"] == 0
    resumed = asked("resume", "--reason", "back")
    assert resumed.exit_code == 0 and "obeys when it starts" in resumed.stdout
    assert (here / "data" / "KILL").exists(), "only the agent lifts it"
    assert run_once()["state"] == "ACTIVE"
    assert not (here / "data" / "KILL").exists() and seen()["kill_switch"] is None


def test_a_kill_outlives_fresh(here: Path) -> None:
    run_once()
    (here / "data" / "KILL").touch()
    fresh = asked("run", "--market", "sample", "--once", "--live", "--json", "--fresh")
    assert json.loads(fresh.stdout)["state"] == "HALTED" and json.loads(fresh.stdout)["fills"] == 0


def test_without_an_agent_nobody_confirms(here: Path) -> None:
    run_once()
    refused(asked("kill", "--reason", "x", "--wait", "0"), "has not confirmed within 0 s")
    refused(asked("resume", "--reason", "x", "--wait", "0"), "has not confirmed within 0 s")


@pytest.mark.parametrize("command", ["kill", "resume"])
def test_a_folder_without_an_agent_is_refused(here: Path, command: str) -> None:
    (here / "data").mkdir()
    refused(asked(command, "--reason", "x"), "no agent keeps its data in data", "--data-dir")
    assert not list((here / "data").iterdir())


@pytest.mark.parametrize("command", ["kill", "resume"])
def test_a_reason_is_asked_for(here: Path, command: str) -> None:
    run_once()
    refused(asked(command, "--reason", " \n"), "say why")
    assert asked(command).exit_code == 2
    assert not (here / "data" / "KILL").exists()


def test_a_switch_that_cannot_be_written_is_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_once()

    def refuse(*_: object) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(KillFile, "engage", refuse)
    refused(
        asked("kill", "--reason", "x"), "KILL can't be written (Read-only file system)", "end the agent's"
    )


def test_a_kill_holds_where_the_page_is_broken(here: Path) -> None:
    run_once()
    (here / "data" / "views.sqlite").write_bytes(b"nonsense, long enough to be looked at as a database")
    killed = asked("kill", "--reason", "x")
    assert killed.exit_code == 0 and "the kill holds all the same" in killed.stderr
    assert run_once()["state"] == "HALTED"


def test_status_says_what_there_is(here: Path) -> None:
    nothing = asked("status")
    assert nothing.exit_code == 0 and "has not published anything yet" in nothing.stdout
    assert seen()["agent"] is None and seen()["stale"] is True
    last = run_once()
    shown = asked("status")
    assert shown.exit_code == 0 and "LOCAL · live · ACTIVE" in shown.stdout
    assert f"{last['chains_open']} positions open, {last['chains_closed']} closed" in shown.stdout
    assert last["chains_open"] >= 2 and "The agent stopped" in shown.stdout
    (here / "data" / "KILL").touch()
    assert "The kill switch is engaged by hand: the kill file is there" in asked("status").stdout


RESTING = """
[short]
kind = "covered_call"
underlyings = ["BTC", "ETH"]
style = "mid"
[short.gates]
dte_min = 0.1
dte_max = 10.0
ivrv_min = 0.0
open_interest_min = 0.0
premium_min_usd = 0.0
delta_max = 0.5
"""


@contextmanager
def trading(folder: Path) -> Iterator[Pair]:
    """An agent that loops once in an hour of exchange time and real time, with an order resting."""
    strategies = folder / "resting.toml"
    strategies.write_text(RESTING)
    with pair(folder / "data", strategies, speed=1.0, every=3_600) as both:
        both.start_exchange()
        both.agent.start()
        both.agent.wait_for("Z  BTC")
        yield both


@pytest.mark.slow
def test_over_http_a_kill_cancels_at_once_and_a_resume_goes_on(here: Path) -> None:
    """Both processes for real. The next cycle is most of an hour away; the kill does not wait for it."""
    with trading(here) as both:
        resting = both.ask("private/get_open_orders")
        assert resting
        killed = asked("kill", "--reason", "test", "--wait", str(LONGEST_S))
        assert killed.exit_code == 0, killed.output
        assert "The agent confirms" in killed.stdout and "The agent runs" in killed.stdout
        assert not both.ask("private/get_open_orders")
        shown = seen()
        assert shown["agent"]["state"] == "HALTED" and shown["agent"]["unresolved_orders"] == 0
        assert not shown["stale"] and shown["heartbeat"]["cycle_ms"] > 0
        both.agent.kill()
        both.agent.buried()
        both.agent.start()
        both.agent.wait_for("HALTED: killed by command line: test")
        assert not both.ask("private/get_open_orders")
        resumed = asked("resume", "--reason", "go on", "--wait", str(LONGEST_S))
        assert resumed.exit_code == 0 and "The agent confirms: it is lifted" in resumed.stdout
        both.agent.wait_for("resumed: go on")
        assert both.agent.end() == 0
        facts = both.facts()
        states = [fact.body for fact in facts if isinstance(fact.body, StateChanged)]
        assert [one.state for one in states] == [TradingState.HALTED, TradingState.ACTIVE]
        ended = {fact.body.order_id for fact in facts if isinstance(fact.body, OrderClosed)}
        assert {one["order_id"] for one in resting} <= ended
        sold = [one for one in both.ask("private/get_open_orders") if one["order_id"] not in ended]
        assert sold, "it trades again"


@pytest.mark.slow
def test_over_http_a_kill_while_the_exchange_is_gone(here: Path) -> None:
    with trading(here) as both:
        assert both.ask("private/get_open_orders")
        both.exchange.kill()
        both.exchange.buried()
        (here / "data" / "KILL").touch()
        both.agent.wait_for("Not certain yet, and tried again")
        assert seen()["agent"]["state"] == "HALTED"
        both.start_exchange()
        both.agent.wait_for("HALTED: killed by hand")  # the next cycle, whoever cancelled before it
        assert not both.ask("private/get_open_orders")
        assert both.agent.end() == 0
