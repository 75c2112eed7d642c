"""An exam is the same files for ever: built whole, proven by hash, and examined on exactly its period."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from optionwriter.adapters.tapes.layouts import day_path
from optionwriter.adapters.tapes.sample_files import FOLDER, load_sample
from optionwriter.bootstrap.exam import ExamError
from optionwriter.cli.main import app
from optionwriter.core.market.instruments import MS_PER_HOUR, utc_day
from optionwriter.lab import ExamDataset, build_live_deribit_exam_dataset, run_backtest
from optionwriter.services.jobs import RunError
from optionwriter.settings import Settings
from tests.bootstrap.test_sources import day_ms

PERIOD = ("2026-02-03", "2026-02-07")


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> ExamDataset:
    return build_live_deribit_exam_dataset(*PERIOD, ["BTC"], folder=tmp_path_factory.mktemp("exam") / "one")


def test_it_holds_the_files_as_they_were_and_the_periods_prices(exam: ExamDataset) -> None:
    exam.verify()
    for ahead in range(4):
        path = day_path("BTC", utc_day(day_ms(PERIOD[0]) + ahead * 86_400_000))
        assert (exam.folder / "live_deribit" / path).read_bytes() == (
            FOLDER / "live_deribit" / path
        ).read_bytes()
    own = load_sample().recorded["BTC"]
    prices = pl.read_parquet(exam.folder / "prices.parquet")
    hour = day_ms("2026-02-05") + 3 * MS_PER_HOUR
    assert (
        prices.filter(pl.col("open_ms") == hour)["close"].item()
        == own.close[np.searchsorted(own.candle_ms, hour)]
    )
    assert prices["open_ms"].max() == day_ms(PERIOD[1]) + MS_PER_HOUR
    settled = pl.read_parquet(exam.folder / "settlements.parquet")
    at = day_ms("2026-02-06") + 8 * MS_PER_HOUR
    row = settled.filter((pl.col("index") == "btc_usd") & (pl.col("expiry_ms") == at))
    assert row["price"].item() == pytest.approx(own.open[np.searchsorted(own.candle_ms, at)], rel=2e-3)
    assert {one["verdict"] for one in exam.manifest["quality"]} == {"pass"} and len(
        exam.manifest["quality"]
    ) == 4
    assert exam.manifest["code_version"].count("+") == 1


def test_the_same_period_gives_the_same_fingerprint_and_another_another(
    exam: ExamDataset, tmp_path: Path
) -> None:
    again = build_live_deribit_exam_dataset(*PERIOD, ["BTC"], folder=tmp_path / "again")
    assert again.manifest == exam.manifest and ExamDataset.open(again.folder).fingerprint == exam.fingerprint
    shorter = build_live_deribit_exam_dataset(
        "2026-02-03", "2026-02-05", ["BTC"], folder=tmp_path / "shorter"
    )
    assert shorter.fingerprint != exam.fingerprint
    with pytest.raises(ExamError, match="never changes"):
        build_live_deribit_exam_dataset(*PERIOD, ["BTC"], folder=again.folder)


def test_what_is_not_as_it_was_is_named(tmp_path: Path) -> None:
    exam = build_live_deribit_exam_dataset("2026-02-03", "2026-02-04", ["BTC"], folder=tmp_path / "one")
    chain = next((exam.folder / "live_deribit").rglob("*.parquet"))
    whole = chain.read_bytes()
    chain.write_bytes(whole[:-1] + b"x")
    with pytest.raises(ExamError, match=rf"{chain.name} was altered"):
        exam.verify()
    with pytest.raises(ExamError, match="was altered"):
        exam.examine()
    chain.write_bytes(whole)
    exam.verify()
    (exam.folder / "prices.parquet").unlink()
    (exam.folder / "extra.txt").write_text("x")
    with pytest.raises(ExamError, match=r"prices.parquet is missing; extra.txt is not of it"):
        exam.verify()
    manifest = exam.folder / "manifest.json"
    told = json.loads(manifest.read_text())
    told["end_ms"] += 1
    manifest.write_text(json.dumps(told))
    with pytest.raises(ExamError, match="was altered"):
        ExamDataset.open(exam.folder)
    with pytest.raises(ExamError, match="is no exam"):
        ExamDataset.open(tmp_path)


def test_nothing_half_built_is_left_when_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no live_deribit files of BTC"):
        build_live_deribit_exam_dataset("2024-01-01", "2024-01-05", ["BTC"], folder=tmp_path / "none")
    with pytest.raises(ExamError, match="'synthetic' is not captured"):
        build_live_deribit_exam_dataset(*PERIOD, ["BTC"], source="synthetic", folder=tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_examining_runs_both_on_exactly_the_period_and_repeats(exam: ExamDataset, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    asked = {"step_minutes": 720, "changes": {"gates.delta_max": 0.4}}
    report = exam.examine("income", "CUSTOM", settings=settings, **asked)
    assert report.exam == exam.fingerprint
    for name, run in (("synthetic", report.synthetic), ("live_deribit", report.real)):
        alone = run_backtest("income", *PERIOD, source=name, settings=settings, preset="CUSTOM", **asked)
        assert repr(alone.metrics) == repr(run.metrics)  # the frozen files give what the living ones gave
    trades = report.value("trades")
    assert trades.change == (trades.second or 0) - (trades.first or 0)
    assert "synthetic" in report.table() and "trades" in report.table()


def test_the_commands_build_prove_and_run(tmp_path: Path) -> None:
    folder, command = tmp_path / "exam", CliRunner()
    built = command.invoke(
        app, ["data", "exam", "build", "--from", "2026-02-03", "--to", "2026-02-05", "--underlyings", "BTC",
              "--folder", str(folder)],
    )  # fmt: skip
    assert built.exit_code == 0 and "fingerprint" in built.output
    assert command.invoke(app, ["data", "exam", "verify", str(folder)]).exit_code == 0
    run = command.invoke(
        app, ["data", "exam", "run", str(folder), "-o", "step_minutes=720", "--data-dir", str(tmp_path), "--json"]
    )  # fmt: skip
    told = json.loads(run.stdout)
    assert told["group"].startswith("exam-") and told["second"]["spec"]["source"] == "live_deribit"
    assert {one["name"] for one in told["metrics"]} >= {"trades", "net_profit"}
    (folder / "prices.parquet").write_bytes(b"")
    assert command.invoke(app, ["data", "exam", "verify", str(folder)]).exit_code == 2
