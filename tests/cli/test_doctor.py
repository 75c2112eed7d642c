"""The doctor, asked as a user asks: each fault that it knows is made, and named with its cure."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from optionwriter.adapters.files.kill_file import KillFile
from optionwriter.adapters.store.ledger import SqliteLedger
from optionwriter.bootstrap import doctor
from optionwriter.bootstrap.exchange import open_local_exchange
from optionwriter.bootstrap.parts import KILL_FILE, LEDGER_FILE
from optionwriter.cli.main import app
from optionwriter.settings import Settings
from tests.patience import LONGEST_S


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def asked(*arguments: str, code: int = 0, **environment: str) -> dict[str, dict[str, str]]:
    """The findings by name; of several under one name the worst."""
    ran = CliRunner().invoke(app, ["doctor", "--json", *arguments], env=environment)
    assert ran.exit_code == code, ran.output
    answer: dict[str, Any] = json.loads(ran.stdout)
    assert answer["ok"] is (code == 0)
    order = ("OK", "WARN", "FAIL")
    return {one["name"]: one for one in sorted(answer["findings"], key=lambda one: order.index(one["level"]))}


def levels(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: one["level"] for name, one in found.items()}


def test_a_new_house_is_well(tmp_path: Path) -> None:
    found = asked()
    assert "FAIL" not in levels(found).values()
    assert "up to 2 BTC" in found["BTC calls"]["text"] and "up to 20 ETH" in found["ETH calls"]["text"]
    assert not list(tmp_path.iterdir())  # it looks, and makes nothing


def test_too_little_is_said_with_what_is_missing() -> None:
    found = asked(LOCAL_BTC="0.0734", LOCAL_ETH="7.4")
    assert found["BTC calls"]["level"] == "WARN"
    assert "0.1 BTC binds 0.1 BTC, there are 0.0734" in found["BTC calls"]["text"]
    assert "add 0.0266 BTC" in found["BTC calls"]["cure"]
    assert found["ETH calls"]["level"] == "OK"
    assert "up to 7 ETH" in found["ETH calls"]["text"]
    assert "0.4 ETH are less than a lot" in found["ETH calls"]["text"]


def test_nothing_that_can_trade_fails() -> None:
    found = asked(code=1, LOCAL_BTC="0.09", LOCAL_ETH="0.9", LOCAL_USDC="100")
    assert found["balances"]["level"] == "FAIL" and "no option can be written" in found["balances"]["text"]


def test_puts_name_the_dollars_of_a_lot(tmp_path: Path) -> None:
    (tmp_path / "puts.toml").write_text('[puts]\nkind = "covered_call"\nwrites = ["cash_secured_put"]\n')
    found = asked(STRATEGIES_FILE="puts.toml", LOCAL_USDC="100", code=1)
    text = found["BTC puts"]["text"]
    # the recorded index of 1 January 2026 is 87,5xx: a lot of 0.01 at 90 % of it is just below 790
    assert found["BTC puts"]["level"] == "WARN" and "a lot" not in text and "there are 100" in text
    strike = Decimal(text.split("a strike of ")[1].split(" ")[0].replace(",", ""))
    assert 70_000 < strike < 90_000
    needs = strike / 100 - 100
    assert f"add {needs:,f}".rstrip("0").rstrip(".") + " USDC" in found["BTC puts"]["cure"]
    assert found["BTC"]["level"] == "WARN" and "no enabled strategy uses it" in found["BTC"]["text"]


def test_a_limit_that_lets_no_lot_through_is_named() -> None:
    found = asked(MAX_CALL_NOTIONAL_PER_UNDERLYING="5000")
    assert "MAX_CALL_NOTIONAL_PER_UNDERLYING is 5,000 USD, below one lot" in found["BTC calls"]["text"]
    assert found["ETH calls"]["level"] == "OK"  # a lot of 1 ETH is about 3,000 USD


def test_a_share_of_the_cash_is_the_budget(tmp_path: Path) -> None:
    (tmp_path / "half.toml").write_text('[half]\nkind = "covered_call"\nsize_share = 0.5\n')
    found = asked(STRATEGIES_FILE="half.toml", LOCAL_BTC="0.18")
    assert found["BTC calls"]["level"] == "WARN" and "there are 0.09" in found["BTC calls"]["text"]
    assert "add 0.02 BTC" in found["BTC calls"]["cure"]  # 0.2 BTC × 0.5 is a lot


def test_the_ledger_is_read_beside_a_running_agent(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["run", "--market", "sample", "--once", "--live", "--quiet"])
    path = tmp_path / "var/run" / LEDGER_FILE
    with closing(SqliteLedger(path, "local", "local", "live")):  # holds the lock, as an agent does
        found = asked(DRY_RUN="false")
    assert found["ledger"]["level"] == "OK" and "whole" in found["ledger"]["text"]
    balances = [found[currency]["text"] for currency in ("BTC", "ETH", "USDC")]
    assert any("bound by open positions" in one for one in balances)
    assert all("(ledger)" in one for one in balances)
    assert levels(asked())["ledger"] == "WARN"  # paper settings on a ledger of the play exchange
    other = asked(code=1, DERIBIT_ENV="testnet")
    assert other["ledger"]["level"] == "FAIL" and "DATA_DIR" in other["ledger"]["cure"]


def test_a_ledger_that_was_changed_by_hand_fails(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["run", "--market", "sample", "--once", "--live", "--quiet"])
    with closing(sqlite3.connect(tmp_path / "var/run" / LEDGER_FILE)) as db:
        db.execute("UPDATE fact SET line = replace(line, '\"2\"', '\"3\"') WHERE seq = 1")
        db.execute("UPDATE fact SET line = line || ' ' WHERE seq = 1")
        db.commit()
    found = asked(code=1, DRY_RUN="false")
    assert found["ledger"]["level"] == "FAIL" and "fact 1" in found["ledger"]["text"]


def test_what_is_wrong_with_the_settings_is_a_line_each(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["doctor"], env={"DRY_RUN": "flase", "DTE_MIN": "9", "DTE_MAX": "3"})
    assert ran.exit_code == 1 and "FAIL settings" in ran.output and "DRY_RUN" in ran.output
    (tmp_path / "bad.toml").write_text('[mine]\nkind = "covered_call"\nenabled = false\n')
    found = asked(code=1, STRATEGIES_FILE="bad.toml")
    assert "no strategy instance is enabled" in found["strategies"]["text"]


@pytest.mark.parametrize(
    ("environment", "name", "says"),
    [
        ({"DERIBIT_ENV": "testnet", "DRY_RUN": "false"}, "exchange key", "need a key"),
        ({"DERIBIT_ENV": "mainnet", "DRY_RUN": "false"}, "exchange key", "refused"),
        ({"DATA_DIR": "file/below"}, "data folder", "is no folder"),
    ],
)
def test_faults_of_the_settings(tmp_path: Path, environment: dict[str, str], name: str, says: str) -> None:
    (tmp_path / "file").write_text("")
    found = asked(code=1, **environment)
    assert found[name]["level"] == "FAIL" and says in found[name]["text"] and found[name]["cure"]


def test_an_engaged_kill_switch_is_told_with_who_and_why(tmp_path: Path) -> None:
    assert asked()["kill switch"]["level"] == "OK"
    (tmp_path / "var/run").mkdir(parents=True)
    KillFile(tmp_path / "var/run" / KILL_FILE).engage("the drill", "page", 1_800_000_000_000)
    found = asked()["kill switch"]
    assert found["level"] == "WARN" and "engaged by page: the drill" in found["text"]
    assert "optionwriter resume" in found["cure"]


def test_a_key_is_never_shown() -> None:
    environment = {"DERIBIT_ENV": "testnet", "DRY_RUN": "false", "DERIBIT_CLIENT_ID": "me"}
    ran = CliRunner().invoke(app, ["doctor"], env={**environment, "DERIBIT_CLIENT_SECRET": "canary-77"})
    assert "canary-77" not in ran.output and "a key for live orders to testnet is set" in ran.output


def test_warnings_alone_are_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_DISK_BYTES", 10**18)
    found = asked(WEB_HOST="0.0.0.0")
    assert (found["disk"]["level"], found["page"]["level"]) == ("WARN", "WARN")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(data_dir=tmp_path / "ex", local_port=0)
    with open_local_exchange(settings, frozen=False, fresh=True) as local:
        thread = threading.Thread(target=local.server.run)
        thread.start()
        yield settings.model_copy(update={"local_port": int(local.url.split(":")[2].split("/")[0])})
        local.server.stop()
        thread.join(LONGEST_S)


def test_online_it_asks_the_exchange(exchange: Settings) -> None:
    port = str(exchange.local_port)
    found = asked("--online", LOCAL_PORT=port, DRY_RUN="false")
    assert found["exchange"]["level"] == "OK" and "answers in" in found["exchange"]["text"]
    assert found["clock"]["level"] == "OK"
    wrong = asked(
        "--online",
        code=1,
        LOCAL_PORT=port,
        DRY_RUN="false",
        DERIBIT_CLIENT_ID="no",
        DERIBIT_CLIENT_SECRET="no",
    )
    assert (
        wrong["exchange key"]["level"] == "FAIL"
        and "does not let the key in" in wrong["exchange key"]["text"]
    )


def test_online_an_exchange_that_does_not_answer_fails() -> None:
    found = asked("--online", code=1, LOCAL_PORT="1")
    assert "can't be reached" in found["exchange"]["text"] and "optionwriter up" in found["exchange"]["cure"]
