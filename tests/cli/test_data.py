"""optionwriter data list, check, sql, compact: what they print, and what they refuse."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from optionwriter.adapters.tapes.layouts import day_path, snapshot_path
from optionwriter.adapters.tapes.sample_files import FOLDER
from optionwriter.cli.main import app
from tests.web.test_data import spoilt


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spoilt(tmp_path_factory.mktemp("data"))


def told(*words: str) -> Result:
    return CliRunner().invoke(app, ["data", *words])


def judged(folder: Path) -> Any:
    """What a check says of everything but which columns the files have."""
    (day,) = json.loads(told("check", str(folder), "--json").stdout)["days"]
    findings = [one for one in day["findings"] if one["name"] not in ("null columns", "absent columns")]
    return {**day, "findings": findings}


def test_list_tells_coverage_as_a_picture_and_as_json(data: Path) -> None:
    shown = told("list", str(data))
    assert shown.exit_code == 0
    assert "BTC █▇█··█" in shown.output and "2026-02-01 to 2026-02-06" in shown.output
    days = json.loads(told("list", str(data), "2026-02-02..2026-02-03", "--json").stdout)["days"]
    assert [one["day"] for one in days] == ["2026-02-02", "2026-02-03"]
    assert [one["snapshots"] for one in days] == [3, 4] and all(one["compacted"] for one in days)


def test_check_tells_each_day_and_exits_1_on_a_failed_one(data: Path) -> None:
    shown = told("check", str(data), "BTC", "--full")
    assert shown.exit_code == 1
    assert "wrong units" in shown.output and "3 pass, 1 fail" in shown.output
    good = told("check", str(data), "2026-02-01..2026-02-02", "--json")
    days = json.loads(good.stdout)["days"]
    assert good.exit_code == 0 and [one["verdict"] for one in days] == ["pass", "pass"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("check", "2026-13"), "2026-13 is no day, month or year"),
        (("check", "2026-02-05..2026-02-01"), "ends (2026-02-01) before it starts"),
        (("list", "{0}", "DOGE"), "has no asset DOGE: it has BTC"),
        (("list", "{0}", "--source", "tape"), "has no source tape: it has live_deribit"),
        (("list", "/nowhere/at/all"), "there is no folder or file"),
        (("list", "{0}", "/tmp"), "name one folder or file, not two"),
        (("sql", "SELEC 1", "--data", "{0}"), "syntax error"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_exit_2(
    data: Path, words: tuple[str, ...], message: str
) -> None:
    found = told(*(one.format(data) for one in words))
    assert found.exit_code == 2 and message in found.output.replace("\n", " ")
    assert found.output.count("error:") == 1


def test_sql_answers_as_csv_and_json_and_says_the_cut(data: Path) -> None:
    question = "SELECT strike, count(*) AS n FROM chains_live_deribit GROUP BY 1 ORDER BY 1"
    found = told("sql", question, "--data", str(data), "--limit", "2", "--format", "csv")
    lines = found.stdout.splitlines()
    assert lines[0] == "strike,n" and len(lines) == 3 and "cut after 2 rows" in found.stderr
    answer = json.loads(told("sql", question, "--data", str(data), "--json").stdout)
    assert not answer["cut"] and sum(one["n"] for one in answer["rows"]) == sum(
        pl.read_parquet(path).height for path in data.rglob("*.parquet")
    )


def test_compact_makes_one_file_of_each_day_that_is_over(tmp_path: Path) -> None:
    day = date(2026, 2, 3)
    whole = pl.read_parquet(FOLDER / "live_deribit" / day_path("BTC", day))
    for place, (_, part) in enumerate(whole.group_by("harvest_time", maintain_order=True)):
        path = tmp_path / "live_deribit" / snapshot_path("BTC", day, place, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_parquet(path)
    before = judged(tmp_path)
    shown = told("compact", str(tmp_path))
    assert shown.exit_code == 0 and "4 files, 3,004 rows" in shown.output
    assert [path.name for path in path.parent.iterdir()] == ["BTC_2026-02-03.parquet"]
    assert judged(tmp_path) == before
    assert "Nothing to compact" in told("compact", str(tmp_path)).output
