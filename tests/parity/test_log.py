"""Parity with the log: a live run on the local exchange, replayed from what it left, is the same run; and what is not
the same is told.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from optionwriter.adapters.paper import broker as paper_broker
from optionwriter.adapters.store.ledger import SqliteLedger, read_ledger
from optionwriter.bootstrap.desks import seat_sample
from optionwriter.bootstrap.parts import KILL_FILE, LEDGER_FILE, LOG_FOLDER
from optionwriter.cli.main import app
from optionwriter.core.books.chains import FlowKind
from optionwriter.core.books.facts import (
    Deposited,
    Fact,
    Filled,
    IntentPrepared,
    LedgerOpened,
    OrderClosed,
    Settled,
    StateChanged,
)
from optionwriter.core.books.ledger import replay
from optionwriter.core.books.pnl import Prices
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.core.report.parity import Logged, Parity, compare
from optionwriter.services.agent import run_agent
from optionwriter.services.cycle import CycleReport
from optionwriter.services.kill import lift
from optionwriter.settings import Settings
from optionwriter.venue.wire import InProcessVenue

STRATEGIES = Path(__file__).parents[1] / "simulation" / "restless.toml"
HOURS = 30
TRADED = (FlowKind.PREMIUM, FlowKind.FEE)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live run on the exchange engine that trades, rests, is killed, resumed and paid into."""
    folder = tmp_path_factory.mktemp("run")
    settings = Settings(data_dir=folder, dry_run=False, strategies_file=STRATEGIES)
    complaints: list[str] = []
    with seat_sample(settings, fresh=False, interval_ms=MS_PER_HOUR) as seated:
        desk = seated.desk
        done: list[int] = []

        def tell(report: CycleReport) -> None:
            done.append(report.at_ms)
            if len(done) == 12:
                assert isinstance(seated.transport, InProcessVenue)
                seated.transport.engine.allow_local = True
                for currency, amount in (("BTC", "0.7"), ("USDC", "-1000")):
                    reply = seated.transport.call(
                        "local/deposit", {"currency": currency, "amount": Decimal(amount)}
                    )
                    assert b'"result"' in reply, reply
            if len(done) == 15:
                desk.kill.engage("a test", "the test", desk.clock.now_ms())
            if len(done) == 18:
                desk.kill.clear()
                lift(desk.recorder, "the test is over")

        run_agent(
            desk,
            until_ms=desk.clock.now_ms() + HOURS * MS_PER_HOUR,
            interval_ms=MS_PER_HOUR,
            tell=tell,
            complain=complaints.append,
            stop=seated.at_the_end,
        )
    assert not complaints, complaints
    assert not (folder / KILL_FILE).exists()
    return folder


@pytest.fixture
def run(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to be spoilt, with its settings in force."""
    monkeypatch.setenv("STRATEGIES_FILE", str(STRATEGIES))
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(recorded, tmp_path / "run"))


def said(*words: object, code: int) -> str:
    result = CliRunner().invoke(app, ["parity", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.output


def told(run: Path, code: int) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["parity", str(run), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def change_line(
    run: Path, which: Callable[[dict[str, Any]], bool], change: Callable[[dict[str, Any]], None]
) -> None:
    """Changes the first line of the log that is `which`."""
    for path in sorted((run / LOG_FOLDER).glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for one in lines:
            if which(one):
                change(one)
                path.write_text("".join(json.dumps(each) + "\n" for each in lines))
                return
    raise AssertionError("no such line")


def log_of(run: Path) -> Path:
    return min((run / LOG_FOLDER).glob("agent_decisions_*.jsonl"))


@pytest.mark.slow
def test_the_replay_is_the_run(run: Path) -> None:
    facts = read_ledger(run / LEDGER_FILE)
    kinds = Counter(type(one.body) for one in facts)
    rested = [one for one in facts if isinstance(one.body, OrderClosed) and one.body.state == "cancelled"]
    decided = {one.body.intent.label: one.at_ms for one in facts if isinstance(one.body, IntentPrepared)}
    late = [one for one in facts if isinstance(one.body, Filled) and one.at_ms > decided[one.body.label]]
    assert kinds[Filled] > 20 and kinds[StateChanged] == 2
    assert len(rested) > 1 and late, "no order rested until the next cycle, or filled while it rested"
    assert sum(isinstance(one.body, Deposited) and one.body.reason != "opening" for one in facts) == 2
    found = told(run, 0)
    lines = sum(len(path.read_text().splitlines()) for path in (run / LOG_FOLDER).glob("*.jsonl"))
    assert (found["equal"], found["score"], found["decisions"], found["fills"]) == (
        True,
        1.0,
        lines,
        kinds[Filled],
    )
    cash = {one["name"]: one["run"] for one in found["figures"]}
    assert Decimal(cash["cash BTC"]) == sum(
        _cash(one, "BTC") for one in facts
    )  # added up by hand, from the facts
    assert "The replay is the run." in said(log_of(run), code=0)  # a log of the folder names it as well


def _cash(fact: Fact, currency: str) -> Decimal:
    body = fact.body
    if isinstance(body, Deposited) and body.currency == currency:
        return body.amount
    if isinstance(body, Filled) and body.instrument.startswith(f"{currency}-"):
        return body.cash - body.fee
    payoff = getattr(body, "payoff", None)
    return (
        payoff - body.fee if payoff is not None and body.instrument.startswith(f"{currency}-") else Decimal(0)
    )


@pytest.mark.slow
def test_each_thing_that_differs_is_told_and_costs_its_decision(run: Path) -> None:
    def traded(one: dict[str, Any]) -> bool:
        return any(order["outcome"] == "filled" for order in one["execution"]["orders"])

    seen: list[dict[str, Any]] = []

    def spoil(one: dict[str, Any]) -> None:
        seen.append(one)
        one["execution"]["orders"][0]["amount"] = "99"

    change_line(run, traded, spoil)
    whole = told(run, 1)
    assert whole["equal_decisions"] == whole["decisions"] - 1 and whole["timing_decisions"] == 0
    (only,) = whole["differences"]
    assert (only["aspect"], only["at_ms"], only["strategy"]) == (
        "orders",
        seen[0]["at_ms"],
        seen[0]["strategy_id"],
    )
    assert "99" in only["run"] and "99" not in only["replay"]
    assert whole["first"].count("orders: the run has") == 1 and all(one["equal"] for one in whole["figures"])

    # Another reading of the market is counted by itself while its prices are those of the minute, and is not equal.
    def quiet(one: dict[str, Any]) -> bool:
        return not one["execution"]["orders"]

    change_line(run, quiet, lambda one: one.update(fingerprint="0" * 16))
    assert [told(run, 1)[name] for name in ("equal_decisions", "timing_decisions")] == [
        whole["decisions"] - 2,
        1,
    ]
    change_line(
        run, lambda one: one["fingerprint"] == "0" * 16, lambda one: one["state"]["spot"].update(BTC="1")
    )
    assert [told(run, 1)[name] for name in ("equal_decisions", "timing_decisions")] == [
        whole["decisions"] - 2,
        0,
    ]


@pytest.mark.slow
def test_a_market_read_an_instant_apart_agrees_and_is_not_equal(run: Path) -> None:
    change_line(run, lambda one: not one["execution"]["orders"], lambda one: one.update(fingerprint="0" * 16))
    found = told(run, 0)
    assert found["agrees"] and not found["equal"] and found["timing_decisions"] == 1


@pytest.mark.slow
def test_a_broker_that_charges_otherwise_is_seen_in_fills_cash_and_results(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fee = paper_broker.trading_fee
    monkeypatch.setattr(paper_broker, "trading_fee", lambda *words: fee(*words) + Decimal("0.00000001"))
    found = told(run, 1)
    assert {"fills", "cash"} <= {one["aspect"] for one in found["differences"]} and found["score"] < 0.5
    apart = {one["name"].split(",")[0] for one in found["figures"] if not one["equal"]}
    assert "cash BTC" in apart and any(one.startswith("P&L of rolls covered_call BTC 1") for one in apart)
    assert " fills: the run has" in found["first"]


@pytest.mark.slow
def test_other_settings_are_named(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.toml"
    other.write_text(STRATEGIES.read_text().replace("dte_max = 10.0", "dte_max = 4.0", 1))
    monkeypatch.setenv("STRATEGIES_FILE", str(other))
    shown = said(run, code=1)
    assert (
        "First divergence: 2026-01-01" in shown and "note: rolls: gates.dte_max was 10.0 in the run" in shown
    )
    monkeypatch.delenv("STRATEGIES_FILE")
    assert "the run had the strategies rolls, waits" in said(run, code=2)


Change = tuple[
    Callable[[Fact], Fact], Callable[[dict[str, Any]], None]
]  # of the facts, and of a line of the log


def as_it_is(one: Fact) -> Fact:
    return one


def parity_with(recorded: Path, ours: Change, other: Change) -> Parity:
    """The run against itself, each side changed as is said."""
    facts = read_ledger(recorded / LEDGER_FILE)
    paths = sorted((recorded / LOG_FOLDER).glob("*.jsonl"))
    sides: list[Logged] = []
    for change, spoil in (ours, other):
        lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
        spoil(lines[5])
        changed = tuple(change(one) for one in facts)
        sides.append(Logged(tuple(lines), changed, replay(changed)))
    return compare(*sides, Prices({}, {}))


@pytest.mark.parametrize(
    ("later", "cash", "alike"), [("1.0005", "1", True), ("1.005", "1", False), ("1.0005", "1.01", False)]
)
def test_a_fill_at_the_index_of_a_later_instant_is_told_by_itself(
    recorded: Path, later: str, cash: str, alike: bool
) -> None:
    closed = {
        leg.instrument: one
        for one in replay(read_ledger(recorded / LEDGER_FILE)).chains.values()
        for leg in one.legs
        if not one.open_legs and "USDC" not in leg.instrument
    }
    name = min(closed)

    def moved(one: Fact) -> Fact:
        body = one.body
        if not isinstance(body, Filled) or body.instrument != name:
            return one
        index = body.index * Decimal(later)
        return replace(
            one, body=replace(body, index=index, currency_index=index, cash=body.cash * Decimal(cash))
        )

    found = parity_with(recorded, (as_it_is, lambda _: None), (moved, lambda _: None))
    apart = [one for one in found.pairs if not one.is_equal]
    assert found.agrees is alike and not found.is_equal and apart
    if alike:
        (only,) = apart
        flows = [one for one in closed[name].flows if one.instrument == name and one.kind in TRADED]
        gap = sum(one.amount * one.index for one in flows) * (Decimal(later) - 1)
        assert only.is_timing and only.run is not None and only.replay is not None
        assert only.replay - only.run == gap != 0


def test_a_worthless_end_is_nothing_with_either_sign(recorded: Path) -> None:
    facts = read_ledger(recorded / LEDGER_FILE)
    chain = next(one for one in replay(facts).chains.values() if one.open_legs and one.product == "BTC")
    leg = chain.open_legs[0]

    def ended(payoff: str) -> Logged:
        body = Settled(
            leg.instrument, leg.position, Decimal(90_000), Decimal(90_000), Decimal(payoff), Decimal(0)
        )
        last = replace(facts[-1], seq=facts[-1].seq + 1, chain_id=chain.chain_id, body=body)
        return Logged((), (*facts, last), replay((*facts, last)))

    assert compare(ended("0.00000000"), ended("-0E-8"), Prices({}, {})).is_equal
    assert compare(ended("0.00000000"), ended("-1E-8"), Prices({}, {})).settlements


def test_the_prices_that_a_refusal_tells_are_those_of_the_market_that_was_read(recorded: Path) -> None:
    def refused(words: str, fingerprint: str) -> Change:
        def spoil(line: dict[str, Any]) -> None:
            line["fingerprint"] = fingerprint
            line["risk"]["refused"] = {"an item": [words]}

        return as_it_is, spoil

    ours = refused("PRICE_COLLAR: too far from its mark (40 against 37.5)", "1")
    other = refused("PRICE_COLLAR: too far from its mark (40 against 37.6)", "2")
    found = parity_with(recorded, ours, other)
    assert found.timing == 1 and found.equal == found.decisions - 1 and found.agrees
    here = refused("PRICE_COLLAR: too far from its mark (40 against 37.6)", "1")  # of the same market
    for unlike in (here, refused("STALE_DATA: 40 against 37.6", "2")):
        found = parity_with(recorded, ours, unlike)
        assert found.timing == 0 and found.equal == found.decisions - 1 and not found.agrees


def test_a_damaged_log_is_refused_in_one_line(run: Path) -> None:
    log = log_of(run)
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b'{"', b"{", 1))
    assert "line 1: no JSON" in (shown := said(run, code=2)) and len(shown.splitlines()) == 1
    log.write_bytes(b'{"decision_id":"x"}\n' + whole)
    assert "record 1: it has no at_ms" in said(run, code=2)


def test_an_empty_or_missing_log_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / LOG_FOLDER)
    assert "the decision log is empty" in said(run, code=2)
    (run / LEDGER_FILE).unlink()
    assert f"no {LEDGER_FILE} beside it" in said(run, code=2).replace("\n", " ")
    assert "does not exist" in said(tmp_path / "nowhere", code=2)


def test_a_log_of_another_run_is_refused(run: Path) -> None:
    for path in (run / LOG_FOLDER).glob("*.jsonl"):
        path.write_text(path.read_text().replace('"decision_id":"', '"decision_id":"other'))
    assert "log and ledger are not of one run" in said(run, code=2)


def test_a_run_elsewhere_has_no_recorded_market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqliteLedger(tmp_path / LEDGER_FILE, "me", "testnet", "live")
    store.append([Fact(1, 5, 5, "me", "", "", "", LedgerOpened("testnet", "live"))])
    store.close()
    assert "the run was on testnet" in said(tmp_path, code=2)


def test_an_altered_ledger_is_refused(run: Path) -> None:
    path = run / LEDGER_FILE
    raw = bytearray(path.read_bytes())
    place = raw.index(b"rolls", len(raw) // 2)
    raw[place : place + 5] = b"rollt"
    path.write_bytes(bytes(raw))
    assert "ledger" in said(run, code=2)
