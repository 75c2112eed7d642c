"""import from the command line: report, refusals, dry run, and a second import that changes nothing."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from adapters.tapes.importers.truth import AT, chain
from typer.testing import CliRunner

from optionwriter.adapters.tapes.importers import writing
from optionwriter.cli.main import app


def invoke(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["import", *words])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    chain().write_csv("in/chain.csv")


def files() -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in sorted(Path("data").rglob("*")) if one.is_file()}


def test_a_folder_is_imported_reported_and_importing_again_changes_nothing() -> None:
    Path("in/notes.md").write_text("not data")
    packed = gzip.compress(Path("in/chain.csv").read_bytes() * 30)
    Path("in/cut.csv.gz").write_bytes(packed[:-40])
    told = invoke("auto", "in", code=2)
    assert "in/chain.csv: chain_table: 36 rows read, 36 kept, 0 dropped" in told
    assert "mark_iv is a fraction: 100% of" in told and "36 rows added to 1 of 1 files in data" in told
    assert "in/cut.csv.gz: refused: its gzip data are cut off or damaged" in told and "notes.md" not in told
    before = files()
    assert [one for one in before if one.endswith(".parquet")] == [
        "data/real_scraper/BTC/2026-03-03/BTC_2026-03-03.parquet"
    ]
    (report,) = (json.loads(one) for name, one in before.items() if "/_imports/" in name)
    assert [(one["path"], one["kept"], bool(one["refused"])) for one in report["files"]] == [
        ("in/chain.csv", 36, False), ("in/cut.csv.gz", 0, True),
    ]  # fmt: skip
    assert "0 rows added" in invoke("auto", "in/chain.csv") and files() == before


def test_json_dry_run_and_options() -> None:
    pl.read_csv("in/chain.csv").head(4).write_csv("in/few.csv")
    told = json.loads(CliRunner().invoke(app, ["import", "auto", "in/few.csv", "--json", "--dry-run"]).output)
    assert told["dry_run"] and "--iv percent or --iv decimal" in told["files"][0]["refused"]
    assert "36 kept" in invoke("chain_table", "in/chain.csv", "--dry-run") and not files()
    assert "4 rows added" in invoke("auto", "in/few.csv", "--iv", "decimal", "--price", "coin", "-o", "data")
    assert "no rows of ETH" in invoke("auto", "in/chain.csv", "--underlying", "ETH", code=2)


def test_wrong_use_is_one_line() -> None:
    assert "choose from auto" in invoke("chains", "in/chain.csv", code=2)
    assert "is not there" in invoke("auto", "in/none.csv", code=2)
    assert "nothing to import" in invoke("auto", code=2)
    assert "no instant such as" in invoke("auto", "in/chain.csv", "--at", "noon", code=2)
    assert "--download is for tardis" in invoke("auto", "--download", code=2)
    assert "--to is not after --from" in invoke(
        "tardis", "--download", "--from", "2024-03-02", "--to", "2024-03-02", code=2
    )


def test_a_stop_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_given: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("optionwriter.bootstrap.importing.open_file", stopped)
    assert "stopped before anything was written" in invoke("auto", "in/chain.csv", code=2)
    assert not files() and not list(Path("data/real_scraper").iterdir())


@pytest.mark.parametrize(
    ("fault", "told"),
    [(KeyboardInterrupt(), "stopped"), (OSError(28, "No space left on device"), "No space")],
)
def test_an_import_that_is_broken_off_reports_the_days_that_it_wrote(
    monkeypatch: pytest.MonkeyPatch, fault: BaseException, told: str
) -> None:
    pl.concat([chain(), chain(AT + timedelta(days=1))]).write_csv("in/chain.csv")
    whole, seen = writing.write_whole, list[Path]()

    def second_fails(frame: pl.DataFrame, path: Path) -> int:
        seen.append(path)
        if len(seen) == 2:
            raise fault
        return whole(frame, path)

    monkeypatch.setattr(writing, "write_whole", second_fails)
    said = invoke("auto", "in/chain.csv", code=2)
    assert f"Broken off: {told}" in said.replace("[Errno 28] ", "") and "import again to go on" in said
    (stored,) = (one for one in files() if one.endswith(".parquet"))
    (report,) = (json.loads(one) for name, one in files().items() if "/_imports/" in name)
    assert [one["path"] for one in report["days"]] == [stored.removeprefix("data/")] and told in report[
        "broken_off"
    ]
    assert not Path("data/real_scraper/.importing").exists()
    monkeypatch.setattr(writing, "write_whole", whole)
    assert "36 rows added to 1 of 2 files" in invoke("auto", "in/chain.csv")
