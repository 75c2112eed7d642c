"""Runs of the agent on the recorded market, for the simulation and parity suites."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from optionwriter.bootstrap.desks import Desktop, seat_sample
from optionwriter.bootstrap.parts import LEDGER_FILE, LOG_FOLDER
from optionwriter.core.books.account import AccountSnapshot
from optionwriter.core.books.book import Book
from optionwriter.core.books.codec import to_json
from optionwriter.core.books.facts import Fact
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.ports import Transport
from optionwriter.services.agent import run_agent
from optionwriter.services.cycle import CycleReport
from optionwriter.settings import Settings


@dataclass(frozen=True)
class Seen:
    """What a test needs of one cycle; a whole report holds its chains, and a thousand of them a gigabyte."""

    at_ms: int
    account: AccountSnapshot
    differences: tuple[str, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Ran:
    """What a run left: its facts, book, account and the exchange's own log by currency."""

    facts: tuple[Fact, ...]
    book: Book
    account: AccountSnapshot
    cycles: tuple[Seen, ...]
    last: CycleReport
    log: dict[str, list[dict[str, object]]]
    failed: int


def transaction_log(transport: Transport, currency: str) -> list[dict[str, object]]:
    """The exchange's whole transaction log of a currency, oldest first, digits kept."""
    entries: list[dict[str, object]] = []
    params: dict[str, object] = {
        "currency": currency,
        "start_timestamp": 0,
        "end_timestamp": 2**45,
        "count": 250,
    }
    while True:
        reply = json.loads(
            transport.call("private/get_transaction_log", params), parse_float=Decimal, parse_int=Decimal
        )
        page = reply["result"]
        entries += page["logs"]
        if page["continuation"] is None:
            return sorted(entries, key=lambda entry: entry["id"])
        params = {**params, "continuation": int(page["continuation"])}


def simulate(folder: Path, days: float, *, live: bool, settings: dict[str, object] | None = None) -> Ran:
    """`days` of hourly cycles in `folder`."""
    chosen = Settings(**{"data_dir": folder, "dry_run": not live, **(settings or {})})
    cycles: list[Seen] = []
    last: list[CycleReport] = []
    complaints: list[str] = []

    def tell(report: CycleReport) -> None:
        last[:] = [report]
        failures = tuple(one.failure for one in report.proposed if one.failure)
        cycles.append(
            Seen(report.at_ms, report.state.account, tuple(str(one) for one in report.differences), failures)
        )

    with seat_sample(chosen, fresh=False, interval_ms=MS_PER_HOUR) as seated:
        ended = run_agent(
            seated.desk,
            until_ms=seated.desk.clock.now_ms() + int(days * MS_PER_DAY),
            interval_ms=MS_PER_HOUR,
            tell=tell,
            complain=complaints.append,
            stop=seated.at_the_end,
        )
        assert not complaints, complaints[:3]
        return Ran(
            facts=tuple(_facts(seated)),
            book=seated.desk.recorder.book,
            account=seated.desk.broker.account(),
            cycles=tuple(cycles),
            last=last[0],
            log={} if seated.transport is None else {
                code: transaction_log(seated.transport, code) for code in ("BTC", "ETH", "USDC")
            },
            failed=ended.failed,
        )  # fmt: skip


def _facts(seated: Desktop) -> list[Fact]:
    return list(seated.desk.recorder.facts())


def fingerprint(folder: Path, ran: Ran) -> dict[str, str]:
    """A digest of every fact and of every file that a run wrote, the database's own bytes apart."""
    found = {"facts": hashlib.sha256("\n".join(to_json(fact) for fact in ran.facts).encode()).hexdigest()}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and LEDGER_FILE not in path.name:
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    assert any(name.startswith(LOG_FOLDER) for name in found)
    return found
