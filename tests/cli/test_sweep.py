"""sweep over a real database file, from the command line, by the event driver."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.bootstrap import sweeps
from optionwriter.bootstrap.backtests import RUNS_FILE
from optionwriter.cli.main import app
from optionwriter.core.report.run import RunFilter, RunResult, RunSpec
from optionwriter.services.jobs import Progress, Runner
from optionwriter.settings import Settings

SHORT = ["sweep", "--source", "synthetic", "--from", "2026-01-05", "--to", "2026-01-08", "--underlyings", "BTC",
         "--driver", "event", "-o", "step_minutes=480", "--threads", "1"]  # fmt: skip
GRID = ["--vary", "gates.delta_max=0.12,0.3"]


def invoke(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*words])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


def told(*words: str, code: int = 0) -> dict:
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_a_sweep_is_stored_ranked_and_never_run_twice(tmp_path: Path) -> None:
    found = told(*SHORT, *GRID, "--by", "net_profit", "--export", str(tmp_path / "sets.csv"))
    assert found["sets"] == {"queued": 0, "running": 0, "finished": 2, "failed": 0, "cancelled": 0}
    profits = [one["metrics"]["net_profit"]["value"] for one in found["ranking"]]
    assert profits == sorted(profits, reverse=True) and len(set(profits)) == 2
    assert {one["varied"]["gates.delta_max"] for one in found["ranking"]} == {0.12, 0.3}
    rows = list(csv.DictReader((tmp_path / "sets.csv").read_text().splitlines()))
    assert [float(one["net_profit"]) for one in rows] == profits and rows[0]["driver"] == "event"

    # A set is the very run that backtest makes of the same words.
    alone = json.loads(
        invoke("backtest", *SHORT[1:-2], "--preset", "CUSTOM", "--set", "gates.delta_max=0.3", "--json")
    )
    best = next(one for one in found["ranking"] if one["varied"]["gates.delta_max"] == 0.3)
    assert {one["name"]: one["value"] for one in alone["metrics"] if one["currency"] == "USD"} == {
        name: one["value"] for name, one in best["metrics"].items()
    }
    store = SqlRunStore(f"sqlite:///{tmp_path / 'data' / RUNS_FILE}")
    state = store.get(best["run"])
    assert (
        state.provenance is not None and state.spec.group == found["sweep"] and state.spec.driver == "event"
    )
    store.close()

    again = told(*SHORT, *GRID, "--by", "net_profit")
    assert again["ranking"] == found["ranking"]
    listed = json.loads(invoke("runs", "list", "--group", found["sweep"], "--json"))
    assert sorted(one["id"] for one in listed) == sorted(one["run"] for one in found["ranking"])
    said = invoke("sweep", "--resume", found["sweep"])
    assert "2 done before" in said and "2 sets were tried" in said and "Deflated Sharpe ratio" in said


def test_queued_sets_are_run_by_a_worker_and_a_stopped_sweep_goes_on(tmp_path: Path) -> None:
    queued = told(*SHORT, *GRID, "--name", "mine", "--queue")
    assert queued["sets"]["queued"] == 2 and queued["ranking"] == []
    invoke("runs", "cancel", "2")
    assert "finished" in invoke("worker", "--once")
    said = invoke("sweep", "--resume", "mine", "--threads", "1", "--by", "max_drawdown")
    assert "1 to run, 1 done before" in said and "2 sets were tried" in said

    def states() -> list[tuple[str, int]]:
        with sqlite3.connect(tmp_path / "data" / RUNS_FILE) as database:
            return database.execute("SELECT status, count(*) FROM backtest_runs GROUP BY status").fetchall()

    assert states() == [("finished", 2)]
    told(*SHORT, *GRID, "--vary", "seed=5", "--name", "mine", "--queue")
    assert "has runs that are not over (2 queued): cancel it first" in invoke(
        "runs", "delete", "--sweep", "mine", code=2
    )
    assert "2 runs are cancelled" in invoke("runs", "cancel", "--sweep", "mine")
    for words in (["--sweep", "mine", "1"], []):
        assert "name one run by its number, or a sweep" in invoke("runs", "delete", *words, code=2)
    assert "no sweep or comparison 'none'" in invoke("runs", "cancel", "--sweep", "none", code=2)
    assert "mine is gone: 4 runs" in invoke("runs", "delete", "--sweep", "mine") and states() == []


def test_ctrl_c_in_the_middle_of_a_set_leaves_no_row_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sweeps.runner
    begun: list[str] = []

    def interrupted(settings: Settings) -> Runner:
        def run(spec: RunSpec, progress: Progress) -> RunResult:
            begun.append(spec.name)

            def tell(share: float, text: str) -> None:
                if len(begun) == 2 and share > 0.3:
                    os.kill(os.getpid(), signal.SIGINT)
                progress(share, text)

            return real(settings)(spec, tell)

        return run

    monkeypatch.setattr(sweeps, "runner", interrupted)
    said = invoke(*SHORT, "--vary", "gates.delta_max=0.12,0.3,0.2", "--name", "mine", code=1)
    assert "Stopped; the rest: optionwriter sweep --resume mine" in said and len(begun) == 2
    with sqlite3.connect(tmp_path / "data" / RUNS_FILE) as database:
        query = "SELECT status, worker = '', lease_until_ms FROM backtest_runs ORDER BY id"
        states = database.execute(query).fetchall()
        assert [one[0] for one in states] == ["finished", "cancelled", "cancelled"]
        assert all(one[2] is None for one in states)
        assert database.execute("SELECT count(DISTINCT run_id) FROM backtest_metrics").fetchone() == (1,)
    assert told("sweep", "--resume", "mine", "--threads", "1")["sets"]["finished"] == 3 and len(begun) == 4


@pytest.mark.slow
def test_a_file_that_fails_in_the_end_takes_no_ranking_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills while the sets run: what they found is printed, and the file is named."""
    invoke(*SHORT, *GRID, "--name", "mine")
    export = tmp_path / "sets.csv"

    def full(*_words: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(csv, "writer", full)
    said = invoke("sweep", "--resume", "mine", "--by", "net_profit", "--export", str(export), code=2)
    assert "by net profit" in said and "2 sets were tried" in said
    assert said.rstrip().endswith("can't be written: No space left on device")


def test_sets_of_a_killed_process_are_told_until_when(tmp_path: Path) -> None:
    told(*SHORT, *GRID, "--name", "mine", "--queue")
    with closing(SqlRunStore(f"sqlite:///{tmp_path / 'data' / RUNS_FILE}")) as store:
        for one in store.list(RunFilter(group="mine")):
            assert store.claim("killed", 4_102_444_799_001, 7_000, run_id=one.id)  # 2099-12-31 23:59:59.001
    said = " ".join(invoke("sweep", "--resume", "mine").split())
    assert "0 to run, 2 run by another process" in said
    assert "can be taken from 00:00:07 UTC on: optionwriter sweep --resume mine" in said


def test_both_drivers_rank_alike() -> None:
    both = [
        told(*SHORT, *GRID, "--driver", driver, "--name", driver, "--by", "sharpe")["ranking"]
        for driver in ("event", "compiled")
    ]
    event, compiled = ([(one["varied"], one["metrics"]) for one in ranking] for ranking in both)
    assert [one for one, _ in event] == [one for one, _ in compiled]
    for (_, left), (_, right) in zip(event, compiled, strict=True):
        for name in ("net_profit", "sharpe", "max_drawdown", "fees", "trades"):
            assert left[name]["value"] == pytest.approx(right[name]["value"], rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vary", "gates.delta_mx=1,2"], "did you mean gates.delta_max"),
        (["--vary", "delta_max=0.1,0.2"], "did you mean gates.delta_max"),
        (["--vary", "step_minute=60,120"], "did you mean step_minutes"),
        (["--vary", "gates.delta_max=a,0.2"], "income.gates.delta_max: 'a' is no number"),
        (["--vary", "preset=BALANCED,SAFE"], "preset 'SAFE' is not there"),
        (["--vary", "gates.delta_max=0.1,0.2", "--preset", "BALANCED"], "changes go with preset CUSTOM"),
        (["--vary", "btc=1,-2"], "the set btc=-2: btc:"),
        (["--vary", "seed=1,x"], "seed: 'x' is no whole number"),
        (["--vary", "gates.delta_max=0.1..0.3"], "needs --random"),
        (["--vary", "seed=1:2000:1"], "2,000 sets are more than the 1,000 allowed"),
        (["--vary", "btc=1,2", "--driver", "quick"], "choose from auto, event, compiled"),
        (["--vary", "fill=probability,cross", "--driver", "compiled"], "can't run fill=probability: fill"),
        (
            ["--vary", "btc=1,2", "--driver", "compiled", "--queue"],
            "workers, each of which would make the market anew",
        ),
        (["--vary", "btc=1,2", "--export", "a.txt"], ".csv"),
        (["--vary", "btc=1,2", "--export", "none/a.csv"], "there is no folder none"),
        (["--vary", "btc=1,2", "--export", f"{'a' * 300}.csv"], "can't be written (File name too long)"),
        (["--vary", "btc=1,2", "--resume", "x"], "leave --vary and --name out"),
        (["--resume", "x"], "there is no sweep 'x'"),
        ([], "nothing is varied"),
    ],
)
def test_bad_input_is_named_and_nothing_is_stored(tmp_path: Path, words: list[str], said: str) -> None:
    assert said in invoke(*SHORT, *words, code=2).replace("\n", " ")
    database = tmp_path / "data" / RUNS_FILE
    if database.exists():
        with sqlite3.connect(database) as found:
            assert found.execute("SELECT count(*) FROM backtest_runs").fetchone() == (0,)
