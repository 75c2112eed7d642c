"""The front door loads the verb that is asked for and no other, and tells of each what it tells of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optionwriter.cli.main import app
from optionwriter.cli.verbs import VERBS, Verb, load

SOURCE = Path(__file__).resolve().parents[2] / "src"


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a process has loaded when its command line ends."""
    code = (
        "import sys\nfrom optionwriter.cli.main import app\n"
        f"try:\n    app({list(arguments)!r})\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        "print('LOADED', *sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.partition("LOADED")[2].split())


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_line_of_a_verb_is_its_own(verb: Verb) -> None:
    found = load(verb)
    assert found.name == verb.name
    assert " ".join((found.help or "").split("\n\n")[0].split()) == verb.help


def test_help_loads_no_verb_and_one_verb_no_other() -> None:
    def verbs(loaded: set[str]) -> set[str]:
        return {one.module for one in VERBS if f"optionwriter.cli.{one.module}" in loaded}

    helped = loaded_by("--help")
    assert verbs(helped) == set() and "numpy" not in helped
    killing = loaded_by("kill", "--help")
    assert verbs(killing) == {"kill"} and not killing & {"fastapi", "polars", "duckdb", "sqlalchemy"}


def test_a_mistyped_verb_is_refused_and_the_nearest_named() -> None:
    answer = CliRunner().invoke(app, ["bactest"])
    assert answer.exit_code == 2 and "backtest" in answer.output
