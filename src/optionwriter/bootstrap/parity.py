"""Parity: seats the event driver's desk for the replay of a run on the local exchange: the paper broker on the same
recorded market, opened with the run's cash, under the settings that are in force now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optionwriter.adapters.clocks import SimulatedClock, SystemClock
from optionwriter.adapters.files.decision_log import DecisionLogError, encode_line, read_decisions
from optionwriter.adapters.paper import PaperBroker
from optionwriter.adapters.store.ledger import read_ledger
from optionwriter.adapters.store.memory import MemoryLedger
from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.bootstrap.parts import LEDGER_FILE, LOG_FOLDER, limits_of, products_of, seats_of
from optionwriter.bootstrap.recorded import sample_feed
from optionwriter.core.books.facts import Deposited, Fact, LedgerOpened, StateChanged, TradingState
from optionwriter.core.books.ledger import replay
from optionwriter.core.report.decision import DecisionRecord
from optionwriter.core.report.parity import Logged, Parity, Record
from optionwriter.ports import KillOrder
from optionwriter.services.cycle import Desk
from optionwriter.services.kill import obey_kill
from optionwriter.services.parity import OPENING, ParityError, check, parity_of
from optionwriter.services.proposed import Seat
from optionwriter.services.recorder import Entry, Recorder
from optionwriter.settings import Settings

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Found:
    """A run's parity, and what a reader of it must know."""

    parity: Parity
    notes: tuple[str, ...]


def folder_of(log: Path) -> Path:
    """The run's data folder: itself, its logs folder, its ledger, or a decision log of it. Errors: ParityError."""
    for folder in (log, log.parent, log.parent.parent):
        if (folder / LEDGER_FILE).is_file():
            return folder
    if not log.exists():
        raise ParityError(f"{log} does not exist: name the data folder of a run, or a decision log in it")
    raise ParityError(
        f"{log} has no {LEDGER_FILE} beside it: name the data folder of a run, or a decision log in it"
    )


def read_run(folder: Path) -> tuple[Logged, tuple[str, ...]]:
    """What the run left, and notes. Errors: ParityError names a damaged or foreign file; LedgerError."""
    facts = read_ledger(folder / LEDGER_FILE)
    opened = facts[0].body if facts else None
    if isinstance(opened, LedgerOpened) and opened.environment != LOCAL:
        raise ParityError(
            f"the run was on {opened.environment}: only the local exchange has a recorded market to replay it on"
        )
    records: list[Record] = []
    notes: list[str] = []
    for path in sorted((folder / LOG_FOLDER).glob("agent_decisions_*.jsonl")):
        try:
            found = read_decisions(path)
        except DecisionLogError as error:
            raise ParityError(str(error)) from None
        if found.bad_lines:
            bad = found.bad_lines[0]
            raise ParityError(
                f"{path}, line {bad.number}: {bad.reason}: the log is damaged there, take the line out"
            )
        for number, one in enumerate(found.records, 1):
            if missing := [name for name in _NEEDED if name not in one]:
                raise ParityError(
                    f"{path}, record {number}: it has no {', '.join(missing)}: not a log of this agent"
                )
        if found.torn_tail:
            notes.append(
                f"{path.name} ends in the middle of a line, as a crash leaves it: that decision is not there"
            )
        records += found.records
    return Logged(tuple(records), facts, replay(facts)), tuple(notes)


_NEEDED = ("at_ms", "strategy_id", "fingerprint", "state", "proposed", "risk", "execution", "choice")


def check_parity(settings: Settings, log: Path, tell: Callable[[float], None] = lambda _: None) -> Found:
    """Replays the run that left `log` and compares. Errors: ParityError, LedgerError, BootError."""
    run, notes = read_run(folder_of(log))
    seats = seats_of(settings)
    check(run, (one.config.id for one in seats))
    gathered = _Gathered()
    kill = _RecordedKill()
    desk, broker = _seat(settings, run, seats, gathered, kill)

    def apply(fact: Fact) -> None:
        body = fact.body
        if isinstance(body, Deposited):
            broker.deposit(body.currency, body.amount)
        elif isinstance(body, StateChanged) and body.state is TradingState.HALTED:
            kill.order = _order_of(body, fact.at_ms)
            obey_kill(desk.recorder, broker, kill)
        elif isinstance(body, StateChanged):
            kill.order = None
            desk.recorder.record([Entry(body)])

    parity = parity_of(run, desk, gathered.records, apply, tell)
    return Found(parity, (*notes, *_other_settings(run.records, gathered.records)))


def _seat(
    settings: Settings, run: Logged, seats: tuple[Seat, ...], sink: _Gathered, kill: _RecordedKill
) -> tuple[Desk, PaperBroker]:
    """The desk as it stood when the run's ledger was opened."""
    first = run.facts[0]
    opened = first.body
    assert isinstance(opened, LedgerOpened)
    feed, clock = sample_feed(settings), SimulatedClock(first.at_ms)
    cash = {
        one.body.currency: one.body.amount
        for one in run.facts
        if isinstance(one.body, Deposited) and one.body.reason == OPENING
    }
    broker = PaperBroker(feed, clock, first.account, cash, environment=LOCAL)
    desk = Desk(
        clock=clock,
        market=TapeMarket(feed, clock),
        broker=broker,
        recorder=Recorder(MemoryLedger(first.account), clock, first.account),
        sink=sink,
        kill=kill,
        seats=seats,
        products=products_of(settings),
        limits=limits_of(settings, seats),
        label_prefix=settings.managed_client_id_prefix,
        order_validity_ms=settings.order_validity_sec * 1_000,
        mode=opened.mode,
        stopwatch=SystemClock().monotonic,
    )
    return desk, broker


class _Gathered:
    """ports.DecisionSink that keeps the records in memory, as the log would give them back."""

    keeps = True

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, record: DecisionRecord, candidates: Mapping[str, object]) -> None:
        """Keeps one."""
        line: dict[str, Any] = json.loads(encode_line(record))
        self.records.append(line)


class _RecordedKill:
    """ports.KillSwitch that stands as the run's stood."""

    def __init__(self) -> None:
        self.order: KillOrder | None = None

    def read(self) -> KillOrder | None:
        """The order in force at that time."""
        return self.order

    def engage(self, reason: str, by: str, at_ms: int) -> None:
        """Only the run's own kills count."""

    def clear(self) -> None:
        """Only the run's own resumes count."""


def _order_of(body: StateChanged, at_ms: int) -> KillOrder:
    """The kill that halted the run, out of its words (services/kill.words)."""
    by, _, reason = body.reason.removeprefix("killed by ").partition(": ")
    return KillOrder(reason, by, at_ms)


def _other_settings(run: tuple[Record, ...], replay: list[Record]) -> tuple[str, ...]:
    """What the strategies' settings were then and are now, where the log tells."""
    now = {one["strategy_id"]: _settings_in(one) for one in reversed(replay)}
    told: dict[str, None] = {}
    for one in run:
        strategy = one["strategy_id"]
        for key, value in _settings_in(one).items():
            if strategy in now and now[strategy].get(key) != value:
                told[f"{strategy}: {key} was {value} in the run and is {now[strategy].get(key)} now"] = None
    return tuple(told)


def _settings_in(record: Record) -> dict[str, object]:
    choice = record["choice"]
    plain = {name: choice.get(name) for name in ("chooser", "epsilon", "min_score")}
    return {**plain, **{f"gates.{name}": value for name, value in (choice.get("gates") or {}).items()}}
