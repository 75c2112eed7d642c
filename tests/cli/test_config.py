"""The config commands, driven as a user does."""

import json

import pytest
from typer.testing import CliRunner

from optionwriter.cli.main import app


@pytest.fixture
def here(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(str(tmp_path))
    return CliRunner()


def test_show_masks_secrets_and_names_origins(here: CliRunner) -> None:
    ran = here.invoke(
        app, ["config", "show", "--json"], env={"DERIBIT_CLIENT_SECRET": "canary-77", "DTE_MAX": "9"}
    )
    rows = json.loads(ran.stdout)
    assert ran.exit_code == 0 and "canary-77" not in ran.output
    assert rows["DERIBIT_CLIENT_SECRET"]["value"] == "(set, not shown)"
    assert rows["DTE_MAX"] == {"value": "9.0", "origin": "environment", "group": "gates"}


def test_check_fails_with_one_line_a_problem(here: CliRunner) -> None:
    ran = here.invoke(app, ["config", "check"], env={"DRY_RUN": "flase"})
    assert ran.exit_code == 2 and "DRY_RUN: is neither true nor false" in ran.stderr
    assert "Traceback" not in ran.output


def test_check_passes_on_defaults(here: CliRunner) -> None:
    assert here.invoke(app, ["config", "check"]).exit_code == 0
