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
    (row,) = (line for line in shown.output.splitlines() if "live_deribit" in line and "│" in line)
    assert "2026-02-01 " in row and "2026-02-06 " in row and "…" not in row
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
    state = tmp_path / "live_deribit" / "harvester.json"
    known = {
        "version": 1,
        "environment": "local",
        "assets": [],
        "results": {},
        "last_slot_ms": 1_770_120_000_000,
    }
    state.write_text(json.dumps(known))  # by the local exchange's own time it is noon of that day
    assert "Nothing to compact" in told("compact", str(tmp_path)).output
    state.write_text(json.dumps({**known, "last_slot_ms": 1_770_163_200_000}))  # midnight
    shown = told("compact", str(tmp_path))
    assert shown.exit_code == 0 and "4 files, 3,004 rows" in shown.output
    assert [path.name for path in path.parent.iterdir()] == ["BTC_2026-02-03.parquet"]
    assert judged(tmp_path) == before
    assert "Nothing to compact" in told("compact", str(tmp_path)).output


def test_a_file_that_cant_be_read_or_is_empty_fails_its_own_day_and_no_other(tmp_path: Path) -> None:
    folder = spoilt(tmp_path) / "live_deribit"
    whole = pl.read_parquet(folder / day_path("BTC", date(2026, 2, 2)))
    (folder / day_path("BTC", date(2026, 2, 2))).unlink()
    for minute, (_, rows) in enumerate(whole.group_by("harvest_time", maintain_order=True)):
        rows.write_parquet(folder / snapshot_path("BTC", date(2026, 2, 2), 4, minute))
    torn = folder / snapshot_path("BTC", date(2026, 2, 2), 4, 1)
    torn.write_bytes(torn.read_bytes()[:500])
    bad = folder / day_path("BTC", date(2026, 2, 6))
    bad.write_bytes(b"")
    empty = folder / day_path("BTC", date(2026, 2, 7))
    empty.parent.mkdir()
    whole.clear().write_parquet(empty)
    for beside in ("_imports", ".importing", ".quality"):
        (folder / beside).mkdir()
        (folder / beside / "rows.parquet").write_bytes(b"PAR1")
    (folder / "BTC" / "2026" / "02" / "01" / ".BTC_2026-02-01.parquet.part").write_bytes(b"PAR1")
    shown = told("check", str(tmp_path), "--json")
    assert shown.exit_code == 1, shown.output
    days = {one["day"]: one for one in json.loads(shown.stdout)["days"]}
    assert [days[f"2026-02-0{day}"]["verdict"] for day in (1, 2, 3, 6, 7)] == ["pass", *["fail"] * 4]
    one, two, three = (days[f"2026-02-0{day}"]["findings"][0] for day in (2, 6, 7))
    assert one["name"] == two["name"] == "unreadable files" and (one["count"], one["of"]) == (1, 3)
    assert str(torn) in one["example"] and str(bad) in two["example"] and three["name"] == "no rows"
    assert days["2026-02-02"]["snapshots"] == 2 and days["2026-02-06"]["rows"] == 0
    listed = json.loads(told("list", str(tmp_path), "--json").stdout)["days"]
    assert [(one["day"][-1], one["snapshots"]) for one in listed][-2:] == [("6", 0), ("7", 0)]
    assert told("list", str(tmp_path)).exit_code == 0
    refused = told("compact", str(tmp_path))
    assert refused.exit_code == 2 and str(torn) in refused.output
    named = told("check", str(torn))
    assert named.exit_code == 2 and "can't be read" in named.output
