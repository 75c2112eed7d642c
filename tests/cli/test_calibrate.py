"""optionwriter calibrate: what it prints, its JSON, its plain errors; and the chain from synthetic to recorded."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from optionwriter.adapters.tapes.layouts import day_path
from optionwriter.adapters.tapes.sample_files import FOLDER
from optionwriter.bootstrap.explaining_backtest import Chain
from optionwriter.bootstrap.same_trades import PRICES, SameTrades
from optionwriter.cli import calibrate as cli
from optionwriter.cli.main import app
from optionwriter.core.report.explained_difference import STEPS, StepResult


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    found = CliRunner().invoke(app, ["calibrate", *arguments, "--data-dir", str(folder)])
    assert found.exit_code == code, found.output
    return found.output


def test_one_chain_as_tables_and_as_json(tmp_path: Path) -> None:
    shown = run(tmp_path, "--at", "2026-02-10T12:00", "--iv-multiplier", "0.6")
    assert "BTC, 1 chains from 2026-02-10 09:54" in shown and "surface_before" in shown
    assert "fitted to the very marks" in shown and "realised volatility of 7 days" in " ".join(shown.split())
    told: Any = json.loads(run(tmp_path, "--at", "2026-02-10T12:00", "--iv-multiplier", "0.6", "--json"))
    assert told["iv_multiplier"] == 0.6 and told["chains"] == 1 and len(told["smiles"]) > 5
    flat = next(one for one in told["models"] if one["name"] == "flat")
    by = [one["marks"] for one in flat["by_tenor"].values()]
    assert sum(by) == flat["overall"]["marks"] == told["marks"] and flat["uses_multiplier"]
    assert f"{flat['overall']['mae']['points']:.2f}" in shown


def test_a_period_is_told_over_time(tmp_path: Path) -> None:
    line = ("--start", "2026-02-03", "--end", "2026-02-05", "--every", "720", "--underlying", "ETH")
    shown = run(tmp_path, *line)
    told: Any = json.loads(run(tmp_path, *line, "--json"))
    assert told["chains"] == len(told["over_time"]["at_ms"]) >= 3
    assert "ETH, " in shown and all(f"{one:.3f}" in shown for one in told["over_time"]["best_multiplier"])


def test_without_an_instant_the_latest_recorded_chain_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    harvested = tmp_path / "data" / "live_deribit"
    for day in (date(2026, 2, 9), date(2026, 2, 10)):
        path = harvested / day_path("BTC", day)
        path.parent.mkdir(parents=True)
        shutil.copy(FOLDER / "live_deribit" / day_path("BTC", day), path)
    shown = " ".join(run(tmp_path).split())
    assert "1 chains from 2026-02-10 2" in shown and "volatility index 5" in shown
    kept: Any = json.loads(run(tmp_path, "skew", "--source", "live_deribit", "--underlying", "BTC", "--json"))
    assert kept[0]["age_hours"] < 4


def test_what_is_not_known_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cli.calibration

    def without_index(*words: Any) -> Any:
        report = made(*words)
        moments = tuple(replace(one, volatility_index=math.nan) for one in report.found.moments)
        return replace(report, found=replace(report.found, moments=moments))

    monkeypatch.setattr(cli, "calibration", without_index)
    shown = " ".join(run(tmp_path, "--at", "2026-02-10T12:00").split())
    assert "volatility index unknown, 30 days at the money 5" in shown and "nan" not in shown


def test_plain_errors(tmp_path: Path) -> None:
    for arguments, text in (
        (("--start", "2026-02-03"), "both --start and --end"),
        (("--start", "2026-02-05", "--end", "2026-02-03"), "swap them"),
        (("--at", "yesterday"), "is no time such as"),
        (("--at", "2024-02-05"), "holds no live_deribit files of BTC from 2024-02-04 to 2024-02-05"),
        (("--family", "exotic"), "neither inverse nor linear"),
        (("--underlying", "DOGE"), "choose from"),
        (("--at", "2026-02-10", "--iv-multiplier", "0"), "within 0.1 and 10"),
        (("--source", "live", "--env", "moon"), "none of mainnet"),
        (("--at", "2026-02-10", "--failed-days", "mend"), "none of refuse, skip, take"),
        (("skew", "--source", "live_deribit", "--data", "/no/such"), "--data"),
    ):
        shown = run(tmp_path, *arguments, code=2)
        assert text in shown and "Traceback" not in shown, shown


def test_each_explained_figure_is_printed_in_its_own_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = tuple(
        StepResult(name, {("USD", "option_pnl"): 675.25 - 40.5521 * place, ("BTC", "option_pnl"): 0.0123456 + place,
                          ("USD", "trades"): 2.0 * place})
        for place, name in enumerate(STEPS)
    )  # fmt: skip
    flows = {**dict.fromkeys(PRICES, 5.0), "synthetic": 1_234.5678, "recorded": 9.0}
    same = SameTrades(3, 0, flows, dict.fromkeys(("synthetic", "recorded"), 0.0))
    monkeypatch.setattr(cli, "explain_backtest", lambda *_words: Chain(steps, same, ()))
    lines = [
        " ".join(one.replace("│", " ").split()) for one in run(tmp_path, "explain-backtest").splitlines()
    ]
    assert {"level -40.55 634.70", "synthetic 675.25", "level +1.000000 1.012346", "level +2 2"} <= set(lines)
    assert {"synthetic 1,234.57", "recorded 9.00"} <= set(lines)


@pytest.mark.slow
def test_the_chain_adds_up_and_ends_at_both_backtests(tmp_path: Path) -> None:
    line = ("--from", "2026-02-03", "--to", "2026-02-05", "--underlyings", "BTC", "-o", "step_minutes=360")
    told: Any = json.loads(
        run(tmp_path, "explain-backtest", *line, "--metric", "option_pnl,trades", "--json")
    )
    rows = {(row["metric"], row["currency"]): row for row in told["rows"]}
    for row in rows.values():
        assert row["first"] + sum(row["changes"].values()) == pytest.approx(row["last"], abs=1e-6)
        assert row["rest"] == pytest.approx(row["changes"]["hours"] + row["changes"]["recorded"])
    same = told["same_trades"]
    first, last = (same["flows_usd"][one] + same["payoffs_usd"][one] for one in ("synthetic", "recorded"))
    assert same["trades"] > 0 and first + sum(same["changes"].values()) == pytest.approx(last)
    ends = {}
    for source in ("synthetic", "live_deribit"):
        shown = CliRunner().invoke(
            app, ["backtest", "--source", source, *line, "--data-dir", str(tmp_path), "--json"]
        )
        assert shown.exit_code == 0, shown.output
        found: Any = json.loads(shown.output)
        ends[source] = {(m["name"], m["currency"]): m["value"] for m in found["metrics"]}
    for key in (("option_pnl", "USD"), ("option_pnl", "BTC"), ("trades", "USD")):
        assert rows[key]["first"] == pytest.approx(ends["synthetic"][key])
        assert rows[key]["last"] == pytest.approx(ends["live_deribit"][key])
    assert rows["option_pnl", "USD"]["changes"]["level"] != 0.0
