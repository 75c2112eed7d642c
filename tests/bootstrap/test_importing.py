"""A backtest on an imported month trades as one on the recording itself; imports say where they went."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from shared_data import shared

from optionwriter.adapters.tapes.importers.problem import ImportOptions
from optionwriter.bootstrap.backtests import runner
from optionwriter.bootstrap.importing import ImportingError, files_of, import_files
from optionwriter.core.report.run import RunResult, RunSpec
from optionwriter.settings import load

SIX_HOURLY = "data/chains_deribit_6h_btc_eth"


def spec(source: str, data: Path) -> RunSpec:
    start, end = (int(datetime(2026, 2, day, tzinfo=UTC).timestamp() * 1000) for day in (2, 8))
    config = {"data": str(data), "preset": "BALANCED", "exit_styles": "own"}
    return RunSpec("one", source, "income", ("BTC",), start, end, 1, config)


@pytest.mark.shared
@pytest.mark.slow
def test_an_imported_month_trades_as_the_recording_does(tmp_path: Path) -> None:
    month = shared(f"{SIX_HOURLY}/BTC/BTC_2026-02.parquet")
    told: list[float] = []
    report = import_files([month], "auto", ImportOptions(), tmp_path, lambda share, _text: told.append(share))
    assert (len(report.days), report.added, report.refused) == (28, 91_584, ())
    assert told == sorted(told) and told[-1] == pytest.approx(1.0)

    def run(source: str, data: Path) -> RunResult:
        return runner(load(environment={}).settings)(spec(source, data), lambda _share, _text: None)

    imported = run("real_scraper", tmp_path / "real_scraper")
    recorded = run("live_deribit", shared("data"))
    assert len(imported.chains) > 3 and imported.chains == recorded.chains
    assert imported.metrics == recorded.metrics


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "_imports").mkdir()
    (tmp_path / "_imports" / "report.json").write_text("{}")
    with pytest.raises(ImportingError, match="holds no files"):
        files_of([tmp_path])
    with pytest.raises(ImportingError, match="is not there"):
        files_of([tmp_path / "none.csv"])
    (tmp_path / "a.csv").write_text("a\n1\n")
    assert files_of([tmp_path]) == [tmp_path / "a.csv"]
