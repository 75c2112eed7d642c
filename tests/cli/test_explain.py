"""optionwriter explain over a folder that a run left: what it says is so, as a second run with the change shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from simulation.runs import simulate
from typer.testing import CliRunner, Result

from optionwriter.cli.main import app

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traded")
    simulate(
        folder, 2.5, live=False, settings={"dte_min": 1.0, "dte_max": 2.0, "delta_max": 0.4, "ivrv_min": 0.5}
    )
    return folder


def explain(folder: Path, *arguments: str) -> Result:
    return RUNNER.invoke(app, ["explain", "--data-dir", str(folder), *arguments])


def answer(folder: Path, *arguments: str) -> dict[str, Any]:
    result = explain(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def first_trade(folder: Path) -> str:
    for path in sorted((folder / "logs").glob("agent_decisions_*.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if record["final"]["keys"]:
                return str(record["decision_id"])
    raise AssertionError("nothing was traded")


def test_a_trade_is_explained_and_what_became_of_the_others(traded: Path) -> None:
    ident = first_trade(traded)
    found = answer(traded, ident)
    assert found["decision_id"] == ident and found["why_this"] and found["why_not"]
    (why, *_) = found["why_this"]
    assert sum(why["parts"].values()) == pytest.approx(why["score"])
    outcomes = found["after_expiry"]["candidates"]
    known = [one for one in outcomes if one["earned"] is not None]
    assert known and any(one["why"] == "its delivery price is not known yet" for one in outcomes)
    chain = found["upside"]["chains"][0]
    assert float(chain["given_up"]["coin"]) >= 0 and float(chain["kept"]["coin"]) != 0
    text = explain(traded, ident).stdout
    assert ident in text and "Why this:" in text and "Why not" in text and "After expiry" in text


def test_one_option_can_be_asked_after_by_name(traded: Path) -> None:
    ident = first_trade(traded)
    name = answer(traded, ident)["why_not"][0]["instrument"]
    found = answer(traded, ident, "--instrument", name)
    assert {one["instrument"] for one in found["why_not"]} == {name}
    wrong = explain(traded, ident, "--instrument", "BTC-30JAN26-1-C")
    assert wrong.exit_code == 2 and "was not looked at in this decision; nearest: BTC-" in wrong.stderr


def test_what_would_have_to_change_is_enough(tmp_path: Path) -> None:
    """Nothing passes IVRV_MIN 3; the run whose IVRV_MIN is the one it names puts that very option on the menu."""
    start: dict[str, object] = {"ivrv_min": 3.0}
    simulate(tmp_path / "before", 0.0, live=False, settings=start)
    found = answer(tmp_path / "before")
    assert found["action"] == "DO_NOTHING"
    changes = [one["change"] for one in found["what_would_change"]["sides"] if one["change"]]
    bounds = [one for one in changes if one["name"] == "IVRV_MIN"]
    assert bounds and all(one["value"] == 3.0 and one["wanted"] < 3.0 for one in bounds)
    for place, change in enumerate(bounds):
        folder = tmp_path / f"after{place}"
        simulate(folder, 0.0, live=False, settings={**start, "ivrv_min": change["wanted"]})
        (log,) = (folder / "logs").glob("agent_decisions_*.jsonl")
        menu = json.loads(log.read_text().splitlines()[0])["menu"]
        assert change["instrument"] in {item["legs"][0]["instrument"] for item in menu}


def test_a_dry_spell_is_told(tmp_path: Path) -> None:
    simulate(tmp_path / "dry", 0.3, live=False, settings={"ivrv_min": 3.0})
    found = answer(tmp_path / "dry", "--days", "2")
    assert found["trades"] == 0 and found["decisions"] >= 7 and found["days_since_trade"] is None
    assert found["tightest"]["gate"] == "ivrv" and sum(
        one["share"] for one in found["gates"]
    ) == pytest.approx(1)
    text = explain(tmp_path / "dry", "--days", "2").stdout
    assert "There was no trade at all, because candidates failed at:" in text and "Tightest: ivrv" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("dnothing",), "no decision dnothing in the log; nearest: d"),
        (("--strategy", "puts"), "the log holds no decision of puts: it has income"),
        (("--days", "3", "--instrument", "BTC-30JAN26-1-C"), "leave out the decision and --instrument"),
    ],
)
def test_what_is_not_there_is_one_clear_line(traded: Path, arguments: tuple[str, ...], says: str) -> None:
    result = explain(traded, *arguments)
    assert result.exit_code == 2 and says in result.stderr and len(result.stderr.splitlines()) == 1


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    for arguments in ((), ("--days", "3")):
        result = explain(tmp_path, *arguments)
        assert result.exit_code == 2 and "run the agent first" in result.stderr
