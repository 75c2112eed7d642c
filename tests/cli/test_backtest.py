"""backtest, worker and runs over a real database file, from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.bootstrap.backtests import RUNS_FILE
from optionwriter.bootstrap.parts import config_path
from optionwriter.cli.main import app
from optionwriter.core.report.glossary import GLOSSARY

SHORT = ["--source", "synthetic", "--from", "2026-01-05", "--to", "2026-01-09", "--underlyings", "BTC",
         "-o", "step_minutes=240"]  # fmt: skip


def invoke(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*words])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


def test_a_run_is_stored_shown_compared_exported_repeated_and_deleted(tmp_path: Path) -> None:
    first = json.loads(invoke("backtest", *SHORT, "--json"))
    assert first["run"]["status"] == "finished" and first["run"]["id"] == 1
    told = invoke(
        "backtest", *SHORT, "--preset", "AGGRESSIVE", "--exit-style", "own,hold_to_expiry", "--name", "bold"
    )
    assert "Run 2: bold" in told and "net profit" in told and "hold_to_expiry" in told
    listed = json.loads(invoke("runs", "list", "--json"))
    assert [(one["id"], one["spec"]["name"]) for one in listed] == [(2, "bold"), (1, "income on synthetic")]
    assert "CUSTOM" not in invoke("runs", "show", "2") and "AGGRESSIVE" in invoke("runs", "show", "2")
    found = json.loads(invoke("runs", "diff", "1", "2", "--exit-style", "own", "--json"))
    row = next(one for one in found if (one["currency"], one["name"]) == ("USD", "net_profit"))
    metrics = {(one["currency"], one["name"]): one["value"] for one in first["metrics"]}
    assert row["first"] == metrics["USD", "net_profit"] and row["second"] is not None
    invoke("runs", "export", "1", str(tmp_path / "one.json"))
    whole = json.loads((tmp_path / "one.json").read_text())
    assert whole["metrics"] == first["metrics"] and len(whole["positions"]) == first["positions"]
    assert len(whole["curves"]["own"]["at_ms"]) == len(whole["curves"]["own"]["equity_usd"])
    invoke("runs", "export", "1", str(tmp_path / "one.csv"))
    lines = list(csv.DictReader((tmp_path / "one.csv").read_text().splitlines()))
    assert [line["pnl"] for line in lines] == [one["pnl"] for one in whole["positions"]]
    for name in ("repriced", "converted"):
        assert [int(line[name]) for line in lines] == [one["detail"][name] for one in whole["positions"]]
    assert "repeats to the last digit" in invoke("runs", "repeat", "2")
    invoke("runs", "delete", "1")
    assert "there is no run 1" in invoke("runs", "show", "1", code=2)


def test_one_strategy_is_compared_on_two_sources() -> None:
    period = [
        "--sources", "synthetic,sample", "--from", "2026-01-05", "--to", "2026-01-09", "--underlyings", "BTC",
        "-o", "step_minutes=240",
    ]  # fmt: skip
    told = json.loads(invoke("runs", "compare", *period, "--json"))
    listed = json.loads(invoke("runs", "list", "--json"))
    assert [(one["id"], one["spec"]["source"]) for one in listed] == [(2, "sample"), (1, "synthetic")]
    first, second = (one["spec"] for one in reversed(listed))
    assert first["group"] == second["group"] == told["group"]
    assert {**first, "source": "", "name": ""} == {**second, "source": "", "name": ""}
    metrics = {
        run: {
            (one["currency"], one["name"]): one["value"]
            for one in json.loads(invoke("runs", "show", run, "--json"))["metrics"]
        }
        for run in ("1", "2")
    }
    for row in told["metrics"]:
        key = row["currency"], row["name"]
        assert (row["first"], row["second"]) == (metrics["1"].get(key), metrics["2"].get(key))
    holding = next(one for one in told["metrics"] if one["name"] == "holding_net_profit")
    assert holding["change"] == pytest.approx(
        0, abs=abs(holding["first"]) * 0.05
    )  # one market, two option books
    assert "synthetic" in invoke("runs", "compare", *period) and "4 " in invoke("runs", "list")


@pytest.mark.parametrize("sources", ["synthetic", "sample,sample", "synthetic,sample,other"])
def test_a_comparison_needs_two_sources(tmp_path: Path, sources: str) -> None:
    assert "is not two sources" in invoke("runs", "compare", "--sources", sources, code=2)
    assert "source 'magic' is not there" in invoke("runs", "compare", "--sources", "sample,magic", code=2)
    assert not (tmp_path / "data" / RUNS_FILE).exists()


def test_a_repetition_that_differs_says_what_changed(tmp_path: Path) -> None:
    invoke("backtest", *SHORT)
    import sqlite3

    with sqlite3.connect(tmp_path / "data" / RUNS_FILE) as database:
        database.execute(
            "UPDATE backtest_metrics SET value = value + 1 WHERE name = 'net_profit' AND currency = 'BTC'"
        )
        database.execute("UPDATE backtest_runs SET code_version = '0.0.1+old'")
    told = invoke("runs", "repeat", "1", code=1)
    assert (
        "the code changed: 0.0.1+old then" in told and "own BTC net_profit:" in told and "sharpe" not in told
    )


def test_a_repetition_names_the_setting_that_was_edited_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("backtest", *SHORT)
    shipped = config_path("strategies.toml").read_text(encoding="utf-8")
    edited = shipped.replace('profile = "balanced"', 'profile = "balanced"\nsize_share = 0.4', 1)
    (tmp_path / "mine.toml").write_text(edited, encoding="utf-8")
    monkeypatch.setenv("STRATEGIES_FILE", str(tmp_path / "mine.toml"))
    told = invoke("runs", "repeat", "1", code=1)
    assert "the settings changed: strategy.size_share: 1 then, 0.4 now" in told
    assert told.count("changed") == 1 and "the positions differ" in told


def test_every_metric_of_a_run_is_in_the_glossary() -> None:
    told = json.loads(invoke("backtest", *SHORT, "-o", "model=realised", "--json"))
    assert {one["name"] for one in told["metrics"]} == set(GLOSSARY)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "btc=0", "-o", "usdc=0"], "there is nothing to trade with"),
        (["-o", "preset=AGGRESSIVE"], "--option preset: say it with --preset"),
        (["-o", "exit_styles=all"], "--option exit_styles: say it with --exit-style"),
        (["-o", "data=/no/such"], "-o data=/no/such is no folder"),
        (["-o", "skew=/no/such"], "-o skew=/no/such is no folder"),
        (["--underlyings", ""], "no coin is named"),
        (["-o", "wheel_convert=true"], "income is of kind income"),
    ],
)
def test_what_would_pass_unheard_or_break_later_is_refused(
    tmp_path: Path, words: list[str], said: str
) -> None:
    assert said in invoke("backtest", *SHORT, *words, code=2)
    assert not (tmp_path / "data" / RUNS_FILE).exists()


def test_a_data_folder_that_is_a_file_and_a_torn_database_are_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("", encoding="utf-8")
    told = invoke("runs", "list", code=2)
    assert "folder" in told and "can't be made (File exists): name another DATA_DIR" in told
    (tmp_path / "data").unlink()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / RUNS_FILE).write_bytes(b"torn" * 300)
    assert "move it away (its runs are lost)" in invoke("runs", "list", code=2)


def test_a_queued_run_waits_for_a_worker_and_can_be_cancelled() -> None:
    assert "Run 1 is queued" in invoke("backtest", *SHORT, "--queue")
    assert "Run 2 is queued" in invoke("backtest", *SHORT, "--queue")
    assert "Run 2 is cancelled" in invoke("runs", "cancel", "2")
    told = invoke("worker", "--once")
    assert "run 1 income on synthetic: finished" in told and "run 2" not in told
    assert json.loads(invoke("runs", "list", "--status", "cancelled", "--json"))[0]["id"] == 2


def test_a_run_that_fails_says_why_and_is_kept(tmp_path: Path) -> None:
    invoke("backtest", *SHORT, "--queue")
    store = SqlRunStore(f"sqlite:///{tmp_path / 'data' / RUNS_FILE}")
    store.queue(store.get(1).spec.__class__("bad", "gone", "income", ("BTC",), 0, 1, 1), 0)
    store.close()
    told = invoke("worker", "--once")
    assert "run 2 bad: failed: source 'gone' is not there" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "January"], "--from 'January' is no day"),
        (["--from", "2026-02-01", "--to", "2026-01-01"], "ends before it starts"),
        (["--from", "2019-01-01", "--to", "2019-02-01"], "choose a period within it"),
        (["--source", "magic"], "source 'magic' is not there"),
        (["--preset", "SAFE"], "preset 'SAFE' is not there"),
        (["--set", "gates.delta_max"], "is not name=value"),
        (["-o", "stepp=5"], "stepp is nothing that a backtest knows"),
        (["--strategy", "nobody"], "no strategy instance 'nobody'"),
    ],
)
def test_bad_input_is_named_and_nothing_is_stored(tmp_path: Path, words: list[str], said: str) -> None:
    assert said in invoke("backtest", *words, code=2).replace("\n", " ")
    assert not (tmp_path / "data" / RUNS_FILE).exists()


def test_a_database_that_can_not_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/x")
    told = invoke("runs", "list", code=2)
    assert "check DATABASE_URL" in told and "secret" not in told


def test_what_is_not_there_is_named() -> None:
    for words in (["diff", "1", "2"], ["show", "7"], ["delete", "7"], ["repeat", "7"], ["cancel", "7"]):
        assert "there is no run" in invoke("runs", *words, code=2)
    assert "choose from queued" in invoke("runs", "list", "--status", "done", code=2)
