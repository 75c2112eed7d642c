"""The harvest command as a user drives it, on a local exchange over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from optionwriter.adapters.tapes.harvest_files import HarvestFolder, harvester_state
from optionwriter.bootstrap.harvesting import seat_harvester
from optionwriter.cli.main import app
from optionwriter.services.harvest import run_harvester
from optionwriter.settings import load
from tests.cli.house import environment
from tests.patience import LONGEST_S
from tests.venue.server.house import exchange, serving


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A local exchange's; its time stands still between jumps. The user is in an empty folder."""
    monkeypatch.chdir(tmp_path)
    with serving(exchange(frozen=True)) as url:
        yield url.rpartition(":")[2]


def ran(port: str, *arguments: str, **more: str) -> Result:
    settings = {"LOCAL_PORT": port, "LOCAL_SPEED": "1000000", "DERIBIT_ENV": "mainnet", **more}
    return CliRunner().invoke(app, ["harvest", "--env", "local", *arguments], env=settings)


def test_once_writes_every_asset_and_status_tells_it(port: str) -> None:
    first = ran(port, "--once", "--json")
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert told["slot"] == "2026-01-01 10:00:00"
    assert {name: one["rows"] for name, one in told["results"].items()} == dict.fromkeys(
        ("BTC", "ETH", "BTC_USDC", "ETH_USDC"), 90
    )
    for asset in told["results"]:
        path = Path(f"data/local/live_deribit/{asset}/2026/01/01/{asset}_2026-01-01_1000.parquet")
        assert pl.read_parquet(path).height == 90
    again = ran(port, "--once", "--json")
    assert again.exit_code == 0 and len(json.loads(again.stdout)["there"]) == 4
    status = json.loads(ran(port, "--status", "--json").stdout)
    assert (status["environment"], status["is_running"], status["gaps"]) == ("local", False, [])
    assert "every 15 minutes: stopped" in ran(port, "--status").stdout


def test_history_comes_to_its_own_folder_and_goes_on(port: str) -> None:
    first = ran(port, "--history", "--from", "2025-12-20", "--assets", "BTC,BTC_USDC", "--json")
    assert first.exit_code == 0, first.output
    added = {(one["kind"], one["name"]): one["added"] for one in json.loads(first.stdout)}
    hours = 12 * 24 + 10
    assert added[("prices", "BTC")] == hours and added[("volatility_index", "BTC")] >= hours - 1
    assert {("delivery_prices", "btc_usd"), ("delivery_prices", "btc_usdc")} < set(added)
    assert pl.read_parquet("data/local/history/prices/BTC.parquet").height == hours
    assert all(
        one["added"] == 0 for one in json.loads(ran(port, "--history", "--assets", "BTC", "--json").stdout)
    )


def test_history_fills_the_holes_of_its_files(port: str) -> None:
    ran(port, "--history", "--from", "2025-12-01", "--assets", "BTC")
    lost = {"prices/BTC": [*range(5, 9), 30, 700], "volatility_index/BTC": [40]}
    whole = {}
    for name, rows in lost.items():
        path = Path(f"data/local/history/{name}.parquet")
        whole[path] = pl.read_parquet(path)
        whole[path].with_row_index().filter(~pl.col("index").is_in(rows)).drop("index").write_parquet(path)
    again = json.loads(ran(port, "--history", "--assets", "BTC", "--json").stdout)
    assert {f"{one['kind']}/{one['name']}": one["added"] for one in again} == {
        **{name: len(rows) for name, rows in lost.items()},
        "delivery_prices/btc_usd": 0,
    }
    assert all(pl.read_parquet(path).equals(frame) for path, frame in whole.items())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--once", "--assets", "SOL_USDC"), "local has no options of SOL_USDC: choose from BTC, ETH"),
        (("--env", "moon", "--once"), "choose from mainnet, testnet, local"),
        (("--json",), "--json is for --once"),
        (("--once", "--status"), "say one of"),
        (("--once", "--from", "2026-01-01"), "--from is for --history"),
        (("--once", "--every", "7"), "HARVESTER_INTERVAL_MINUTES: a day (1,440 minutes) must be"),
    ],
)
def test_what_makes_no_sense_is_one_error(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = ran("1", *arguments)
    assert result.exit_code == 2 and says in result.stderr, result.output


def test_an_exchange_that_is_away_or_a_folder_in_use_is_one_error(port: str, tmp_path: Path) -> None:
    ahead = ran(port, "--history", "--from", "2026-01-02")
    assert ahead.exit_code == 2 and "--from is not in the past: on local it is 2026-01-01" in ahead.stderr
    away = ran("1", "--once")
    assert away.exit_code == 2 and "can't be reached" in away.stderr
    held = HarvestFolder(tmp_path / "data/local/live_deribit")
    held.hold()
    in_use = ran(port, "--once")
    held.release()
    assert in_use.exit_code == 2 and "in use by another harvester" in in_use.stderr


@pytest.mark.slow
def test_what_was_harvested_is_listed_checked_asked_and_traded_on(
    port: str,
) -> None:
    overrides = {"local_port": int(port), "local_speed": 1e6, "harvester_interval_minutes": 240}
    folder = Path("data/local/live_deribit")
    with seat_harvester(load(overrides=overrides).settings, "local", folder, ("BTC", "BTC_USDC")) as desk:
        assert run_harvester(desk, slots=15) == 15

    def said(*words: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, [*words, "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if code < 2 else result.output

    days = said("data", "list", "data/local", "BTC")["days"]
    assert [(one["day"], one["snapshots"]) for one in days][1:3] == [("2026-01-02", 6), ("2026-01-03", 6)]
    counts = "count(*) AS options, count(DISTINCT harvest_time) AS slots"
    asked = f"SELECT {counts} FROM chains_live_deribit WHERE underlying = 'BTC'"
    (row,) = said("data", "sql", asked, "--data", "data/local")["rows"]
    assert row == {"options": sum(one["rows"] for one in days), "slots": 15}
    checked = said("data", "check", "data/local", code=1)["days"]  # this exchange lists 5 expiries of 12
    faults = [{each["name"] for each in one["findings"] if each["severity"] == "fault"} for one in checked]
    assert faults == [{"missing expiries"}] * 2 * len(days)
    words = ("--from", "2026-01-02", "--to", "2026-01-04", "--underlyings", "BTC")
    real = ("backtest", "--source", "live_deribit", *words, "-o", "data=data/local", "--data-dir", "runs")
    assert "BTC 2026-01-02 (missing expiries" in said(*real, code=2)
    run = said(*real, "-o", "failed_days=take")
    assert any("decisions at 12 snapshots" in one for one in run["notes"]), run["notes"]
    exam = ("--data", "data/local", "--folder", "exam", "--take-failed")
    built = said("data", "exam", "build", *words, *exam)
    assert sum("/BTC_USDC_" in one for one in built["files"]) == 7  # a compacted day, and six snapshots


@pytest.mark.slow
def test_a_signal_stops_it_in_order(port: str, tmp_path: Path) -> None:
    command = (*(sys.executable, "-m", "optionwriter", "harvest"), *("--env", "local", "--every", "5"))
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(LOCAL_PORT=port, LOCAL_SPEED="2000", PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if sum("BTC 90" in one for one in said) == 2:
                break
        os.kill(process.pid, signal.SIGTERM)
        rest = process.communicate(timeout=LONGEST_S)[0]
    finally:
        process.kill()
    assert process.returncode == 0, "".join(said) + rest
    state = harvester_state(tmp_path / "data/local/live_deribit")
    assert not state.is_running and state.stopped_ms >= state.last_slot_ms
    whole = {path.name.split("_2026")[0] for path in tmp_path.rglob("*.parquet")}
    assert whole == {"BTC", "ETH", "BTC_USDC", "ETH_USDC"} and not list(tmp_path.rglob("*.part"))
