"""The run command as a user drives it: it works, goes on where it stopped, and says what is wrong in one sentence."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

import optionwriter.adapters.tapes.sample_files as sample_files
from optionwriter.adapters.store.ledger import SqliteLedger
from optionwriter.cli.main import app


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*arguments: str, **environment: str) -> Result:
    market = () if "--market" in arguments else ("--market", "sample")
    return CliRunner().invoke(app, ["run", *market, *arguments], env=environment)


def refused(result: Result, *says: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ") and "Traceback" not in result.output
    for words in says:
        assert words in result.stderr, result.stderr


def test_once_sells_and_the_next_time_goes_on(here: Path) -> None:
    first = ran("--once", "--live", "--json")
    assert first.exit_code == 0, first.output
    again = ran("--once", "--live", "--json")
    one, two = json.loads(first.stdout), json.loads(again.stdout)
    # each coin's better side, and an hour later the other: a third time there is no slot left
    assert (one["fills"], one["chains_open"]) == (2, 2) and (two["fills"], two["chains_open"]) == (4, 4)
    assert one["at"] < two["at"]
    assert json.loads(ran("--once", "--live", "--json").stdout)["fills"] == 4
    verified = CliRunner().invoke(app, ["ledger", "verify", "--json"])
    assert json.loads(verified.stdout)["open_chains"] == 4


def test_paper_goes_on_too(here: Path) -> None:
    one = json.loads(ran("--once", "--json").stdout)
    two = json.loads(ran("--once", "--json").stdout)
    assert (one["fills"], two["fills"]) == (2, 4) and one["at"] < two["at"]
    three = json.loads(ran("--once", "--json").stdout)
    assert three["fills"] == 4
    assert two["currencies"]["BTC"]["cash"] == three["currencies"]["BTC"]["cash"]


def test_a_summary_line_a_loop(here: Path) -> None:
    result = ran("--days", "0.1", "--live")
    lines = [line for line in result.stdout.splitlines() if line.startswith("2026-01-01")]
    assert result.exit_code == 0 and len(lines) == 3
    assert "OPEN_COVERED_CALL: sell" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (("--once", "--days", "2"), {}, ("--once or --days",)),
        ((), {}, ("--once or --days",)),
        (("--once", "--market", "moon"), {}, ("--market moon",)),
        (("--once",), {"DERIBIT_ENV": "mainnet"}, ("DERIBIT_ENV=mainnet",)),
        (("--once",), {"DRY_RUN": "flase"}, ("DRY_RUN",)),
        (("--once",), {"LOCAL_START": "yesterday"}, ("LOCAL_START",)),
        (("--once",), {"LOCAL_START": "2031-01-01T00:00:00Z"}, ("outside the sample",)),
        (("--once",), {"STRATEGIES_FILE": "nowhere.toml"}, ("nowhere.toml",)),
    ],
)
def test_a_wrong_word_is_answered(
    here: Path, arguments: tuple[str, ...], environment: dict[str, str], says: tuple[str, ...]
) -> None:
    refused(ran(*arguments, **environment), *says)


def test_a_misspelt_strategy_key_is_named(here: Path) -> None:
    (here / "mine.toml").write_text('[mine]\nkind = "covered_call"\n[mine.gates]\ndelta_mx = 0.3\n')
    refused(ran("--once", STRATEGIES_FILE="mine.toml"), "mine.gates.delta_mx", "did you mean delta_max?")


def test_no_enabled_strategy_is_said(here: Path) -> None:
    (here / "mine.toml").write_text('[mine]\nkind = "covered_call"\nenabled = false\n')
    refused(ran("--once", STRATEGIES_FILE="mine.toml"), "no strategy instance is enabled")


def test_a_locked_ledger_is_said_and_stays_whole(here: Path) -> None:
    ran("--once", "--live", "--data-dir", "data")
    held = SqliteLedger(here / "data" / "ledger.sqlite", "local", "local", "live")
    before = list(held.read())
    refused(ran("--once", "--live", "--data-dir", "data"), "locked")
    assert list(held.read()) == before
    held.close()


def test_a_torn_ledger_is_said(here: Path) -> None:
    ran("--once", "--live", "--data-dir", "data")
    path = here / "data" / "ledger.sqlite"
    db = sqlite3.connect(path)
    table = next(name for (name,) in db.execute("select name from sqlite_master where type='table'")
                 if db.execute(f"select count(*) from {name}").fetchone()[0] > 2)  # fmt: skip
    db.execute(f"delete from {table} where rowid = 2")
    db.commit()
    db.close()
    refused(ran("--once", "--live", "--data-dir", "data"), "2")
    verified = CliRunner().invoke(app, ["ledger", "verify", "--data-dir", "data"])
    assert verified.exit_code == 2


def test_paper_does_not_write_a_live_ledger(here: Path) -> None:
    ran("--once", "--live", "--data-dir", "data")
    refused(ran("--once", "--dry-run", "--data-dir", "data"), "live")


def test_a_damaged_exchange_log_is_said(here: Path) -> None:
    ran("--once", "--live", "--data-dir", "data")
    path = here / "data" / "exchange.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"nonsense\n", *lines[1:]]))
    refused(ran("--once", "--live", "--data-dir", "data"), "exchange.jsonl", "line 2", "--fresh")


def test_fresh_leaves_what_is_not_ours(here: Path) -> None:
    (here / "photos").mkdir()
    (here / "photos" / "cat.png").write_bytes(b"x")
    refused(ran("--once", "--fresh", "--data-dir", "photos"), "not ours")
    assert (here / "photos" / "cat.png").exists()


def test_a_torn_sample_is_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = here / "sample"
    shutil.copytree(sample_files.FOLDER, copy)
    prices = copy / "prices.parquet"
    prices.write_bytes(prices.read_bytes()[:-100])
    monkeypatch.setattr("optionwriter.bootstrap.recorded.SAMPLE_FOLDER", copy)
    refused(ran("--once", "--live"), "prices.parquet")


@pytest.mark.parametrize(
    "nonsense",
    [b"<html>502</html>", b'{"jsonrpc": "2.0", "result": [', b"", b'{"jsonrpc":"2.0","result":NaN,"testnet":true}',
     b'{"jsonrpc":"2.0","id":1,"result":[],"testnet":false}'],
)  # fmt: skip
def test_nonsense_from_the_exchange_is_said_and_loses_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, nonsense: bytes
) -> None:
    ran("--once", "--live", "--data-dir", "data")
    before = CliRunner().invoke(app, ["ledger", "verify", "--json", "--data-dir", "data"]).stdout
    with monkeypatch.context() as broken:
        broken.setattr("optionwriter.venue.wire.InProcessVenue.call", lambda *_: nonsense)
        result = ran("--once", "--live", "--data-dir", "data")
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert "cycle skipped: " in result.stderr and "no cycle went through" in result.stderr
    assert CliRunner().invoke(app, ["ledger", "verify", "--json", "--data-dir", "data"]).stdout == before
    assert ran("--once", "--live", "--data-dir", "data").exit_code == 0


def test_a_newer_ledger_is_refused(here: Path) -> None:
    ran("--once", "--live", "--data-dir", "data")
    db = sqlite3.connect(here / "data" / "ledger.sqlite")
    (version,) = db.execute("pragma user_version").fetchone()
    db.execute(f"pragma user_version = {version + 1}")
    db.commit()
    db.close()
    refused(ran("--once", "--live", "--data-dir", "data"), "upgrade optionwriter")


def test_fresh_never_drops_a_real_exchanges_ledger(here: Path) -> None:
    result = CliRunner().invoke(app, ["run", "--once", "--fresh"], env={"DERIBIT_ENV": "testnet"})
    refused(result, "--fresh would drop the ledger of testnet")


def test_live_orders_to_mainnet_are_refused(here: Path) -> None:
    result = CliRunner().invoke(app, ["run", "--once", "--live"], env={"DERIBIT_ENV": "mainnet"})
    refused(result, "live orders to mainnet are refused")


def test_live_orders_to_testnet_need_a_key(here: Path) -> None:
    result = CliRunner().invoke(app, ["run", "--once", "--live"], env={"DERIBIT_ENV": "testnet"})
    refused(result, "live orders to testnet need a key")


def test_an_exchange_that_is_not_there_is_said_with_the_cure(here: Path) -> None:
    result = CliRunner().invoke(app, ["run", "--once", "--live"], env={"LOCAL_PORT": "1"})
    refused(result, "the local exchange can't be reached", "optionwriter exchange")
