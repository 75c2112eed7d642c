"""optionwriter up with real processes: it trades, survives its children's deaths, stops whole, goes on."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.bootstrap.backtests import RUNS_FILE
from optionwriter.bootstrap.stores import prove_ledger
from optionwriter.cli import up as up_module
from optionwriter.cli.output import UserError
from optionwriter.cli.presets import load_preset
from optionwriter.core.report.run import RunStatus
from tests.cli.house import QUICK, House, environment, is_alive
from tests.patience import LONGEST_S

pytestmark = pytest.mark.slow


def ran(folder: Path, *arguments: str, **changes: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "optionwriter", "up", "--web-port", "0", *arguments],
        cwd=folder,
        env=environment(**{**QUICK, **changes}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * LONGEST_S,
    )
    return done.returncode, done.stdout


def test_it_trades_survives_and_goes_on(tmp_path: Path) -> None:
    with House(tmp_path, "--fresh") as house:
        assert "opened with 2 BTC, 20 ETH, 200,000 USDC" in house.says(r"^  account .*$")[0]
        shown = house.until(
            "open positions", lambda: (house.ask("/api/positions/bot/open") or {}).get("positions")
        )
        assert {one["underlying"] for one in shown} <= {"BTC", "ETH"}
        assert house.ask("/status")
        children = house.children()
        assert set(children) == {"exchange", "run", "web", "worker"}

        os.kill(children["exchange"], signal.SIGKILL)
        house.says(r"\[exchange\] was ended by SIGKILL; started again")
        before = len(house.cycles())
        house.until("cycles after the exchange's death", lambda: len(house.cycles()) > before + 3)

        os.kill(children["run"], signal.SIGKILL)
        house.says(r"\[agent\] was ended by SIGKILL; started again")
        before = len(house.cycles())
        house.until("cycles after the agent's death", lambda: len(house.cycles()) > before + 3)
        house.says(r"settled booked\)", 2 * LONGEST_S)

        known = set(children.values()) | set(house.children().values())
        assert house.stop() == 0
        assert not [pid for pid in known if is_alive(pid)]
        assert "Traceback" not in house.output and "was killed" not in house.output
        first = house.cycles()
        assert first == sorted(set(first))  # no instant had two cycles, none went back
    _, book = prove_ledger(tmp_path / "data" / "ledger.sqlite")
    facts = book.seq

    with House(tmp_path) as again:
        again.until("a cycle", lambda: len(again.cycles()) > 1)
        assert again.cycles()[0] > first[-1]
        assert again.stop(signal.SIGINT) == 0
    assert prove_ledger(tmp_path / "data" / "ledger.sqlite")[1].seq >= facts


def test_a_queued_backtest_is_done_and_one_under_way_is_given_back(tmp_path: Path) -> None:
    asked = {"source": "synthetic", "strategy": "demo", "underlyings": ["BTC"], "start_ms": 1_767_571_200_000,
             "config": {"step_minutes": 240}}  # fmt: skip
    with House(tmp_path, "--fresh") as house:
        short = house.post("/api/backtests", {**asked, "end_ms": 1_767_830_400_000})
        assert short == {"id": 1}
        house.says(r"^\[worker\] +run 1 demo on synthetic: finished")
        long = {**asked, "end_ms": 1_777_000_000_000, "config": {"step_minutes": 5}}
        assert house.post("/api/backtests", long) == {"id": 2}
        house.until("progress", lambda: house.ask("/api/backtests/2")["run"]["progress"] > 0)
        assert house.stop() == 0
    store = SqlRunStore(f"sqlite:///{tmp_path / 'data' / RUNS_FILE}")
    assert store.get(1).status is RunStatus.FINISHED
    assert (store.get(2).status, store.get(2).attempts) == (RunStatus.QUEUED, 0)
    store.close()


def test_trading_goes_on_without_a_run_database(tmp_path: Path) -> None:
    with House(tmp_path, "--fresh", DATABASE_URL="mysql://nowhere/x") as house:
        house.says(r"^\[worker\] +error: DATABASE_URL names mysql")
        house.says("Queued backtests wait until that is mended")
        house.until("a cycle", house.cycles)
        assert house.stop() == 0


def test_children_end_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    with House(tmp_path) as house:
        house.until("a cycle", house.cycles)
        children = house.children()
        _, text = ran(tmp_path, "--data-dir", "data", "--port", "0")
        assert "in use by another optionwriter up" in text
        house.process.kill()
        house.process.wait()
        deadline = time.monotonic() + LONGEST_S
        while any(is_alive(pid) for pid in children.values()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not [name for name, pid in children.items() if is_alive(pid)]


def test_the_end_of_the_sample_is_said_and_the_page_stays(tmp_path: Path) -> None:
    with House(tmp_path, LOCAL_START=_last_hours()) as house:
        house.says(r"The recorded sample has ended.*\n.*up --fresh")
        assert house.ask("/status") is not None
        assert "run" not in house.children()
        assert house.stop() == 0


def _last_hours() -> str:
    from datetime import UTC, datetime

    from optionwriter.bootstrap.recorded import sample_feed
    from optionwriter.settings import Settings

    end_ms = sample_feed(Settings()).end_ms
    return datetime.fromtimestamp(end_ms / 1000 - 6 * 3_600, tz=UTC).strftime("%Y-%m-%dT%H:00:00Z")


def test_it_stops_by_itself_after_some_days(tmp_path: Path) -> None:
    code, text = ran(tmp_path, "--port", "0", "--no-web", "--days", "0.5")
    assert code == 0 and "end of the period" in text and "[web]" not in text, text


@pytest.mark.parametrize(("name", "option"), [("LOCAL_PORT", "--port"), ("WEB_PORT", "--web-port")])
def test_a_taken_port_is_named(tmp_path: Path, name: str, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        both = {"--port": "0", "--web-port": "0", option: port}
        code, text = ran(tmp_path, *[word for pair in both.items() for word in pair])
    assert code == 2 and f"error: port {port} ({name}) is taken" in text and option in text
    assert "Traceback" not in text and "[agent]" not in text


def test_a_taken_default_port_is_replaced_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = up_module._free_port("LOCAL_PORT", "--port", "127.0.0.1", port, {})
    assert found != port
    assert f"Port {port} (LOCAL_PORT) is taken: {found}" in capsys.readouterr().out


def test_a_child_that_can_not_start_ends_all_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[mine]\nkind = "covered_call"\n[mine.gates]\ndelta_mx = 0.3\n')
    code, text = ran(tmp_path, "--port", "0", STRATEGIES_FILE="mine.toml")
    assert code == 2 and "Traceback" not in text
    errors = [line for line in text.splitlines() if line.startswith("error: [")]
    assert len(errors) == 1 and "[agent] ended with exit code 2" in errors[0]
    assert "did you mean delta_max?" in text


@pytest.mark.parametrize(
    ("arguments", "changes", "says"),
    [
        (("--fresh",), {"DERIBIT_ENV": "testnet"}, "can't be made anew"),
        (("--preset", "demo"), {"DERIBIT_ENV": "mainnet"}, "for the local exchange"),
        (("--preset", "moon"), {}, "known are demo, research, none"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], changes: dict[str, str], says: str
) -> None:
    code, text = ran(tmp_path, *arguments, **changes)
    assert code == 2 and says in text and re.match("error: ", text), text


def test_only_the_local_exchange_is_started_and_traded_on_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRY_RUN", raising=False)

    def planned(env: str, **given: str) -> tuple[list[str], str | None]:
        monkeypatch.setenv("DERIBIT_ENV", env)
        for key, value in given.items():
            monkeypatch.setenv(key, value)
        loaded, name = load_preset(None, {"local_port": 0, "web_port": 0})
        plan = up_module._plan(loaded, name, True, True)
        return [one.name for one in up_module._programs(plan, None, lambda: True)], plan.environment.get(
            "DRY_RUN"
        )

    assert planned("local") == (["exchange", "agent", "web", "worker"], "false")
    assert planned("testnet") == (["agent", "web", "worker"], None)
    assert planned("mainnet") == (["agent", "web", "worker"], None)
    assert planned("local", DRY_RUN="true") == (["exchange", "agent", "web", "worker"], "true")


def test_a_users_setting_goes_before_the_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCAL_SPEED", "33")
    loaded, name = load_preset(None, {})
    assert name == "demo" and loaded.settings.local_speed == 33
    assert loaded.origins["loop_interval_sec"] == "preset"
    strategies = loaded.settings.strategies_file
    assert strategies is not None and strategies.exists()
    plain, none = load_preset("none", {})
    assert none == "" and plain.settings.strategies_file is None
    with pytest.raises(UserError, match="moon"):
        load_preset("moon", {})
