"""Agent and exchange as processes of their own, over real sockets: started, watched, killed and compared."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
from simulation.relay import Relay, relay

from optionwriter.adapters.store.ledger import SqliteLedger
from optionwriter.bootstrap.desks import seat_exchange
from optionwriter.bootstrap.parts import LEDGER_FILE
from optionwriter.bootstrap.stores import prove_ledger
from optionwriter.core.books.book import Book, positions
from optionwriter.core.books.facts import Fact
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.services.agent import run_agent
from optionwriter.settings import Settings
from tests.patience import LONGEST_S

ROOT = Path(__file__).parents[2]
CURRENCIES = ("BTC", "ETH", "USDC")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Child:
    """One command of ours in a process of its own; what it says goes to a file."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    said: Path
    process: subprocess.Popen[bytes] | None = None
    from_byte: int = 0
    starts: int = 0

    def start(self) -> None:
        """Starts it; what it said before stays in the file."""
        self.from_byte = self.said.stat().st_size if self.said.exists() else 0
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONUNBUFFERED": "1",
            **self.environment,
        }
        with self.said.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "optionwriter", *self.arguments],
                stdout=out,
                stderr=out,
                env=environment,
            )
        self.starts += 1

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def words(self) -> str:
        """What it said since it was started last."""
        with self.said.open("rb") as file:
            file.seek(self.from_byte)
            return file.read().decode("utf-8", "replace")

    def wait_for(self, words: str, seconds: float = LONGEST_S) -> None:
        """Returns once it said `words`; fails when it ended before, or took too long."""
        end = time.monotonic() + seconds
        while words not in self.words():
            assert self.process is not None and self.process.poll() is None, (
                f"it ended: {self.words()[-2000:]}"
            )
            assert time.monotonic() < end, f"{seconds} s without {words!r}: {self.words()[-2000:]}"
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9, at once; `buried` waits for its end."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)

    def buried(self) -> None:
        """Returns when the process is gone."""
        if self.process is not None:
            self.process.wait(LONGEST_S)

    def end(self, seconds: float = LONGEST_S) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Pair:
    """An exchange and an agent that trades on it, both in one data folder."""

    folder: Path
    exchange: Child
    agent: Child
    relay: Relay
    url: str
    environment: Mapping[str, str]

    @property
    def inputs(self) -> Path:
        """The exchange's input log."""
        return self.folder / "exchange" / "inputs.jsonl"

    @property
    def ledger(self) -> Path:
        return self.folder / LEDGER_FILE

    def start_exchange(self) -> None:
        self.exchange.start()
        self.exchange.wait_for("listens on")

    def once(self) -> str:
        """One cycle of the agent, in a process of its own; what it said."""
        child = Child(("run", "--live", "--once", "--data-dir", str(self.folder)), self.agent.environment,
                      self.folder / "once.txt")  # fmt: skip
        child.start()
        assert child.process is not None and child.process.wait(2 * LONGEST_S) == 0, child.words()
        return child.words()

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a call to the exchange, digits kept."""
        reply = httpx2.post(f"{self.url}/api/v2/{method}", auth=("local", "local"), timeout=LONGEST_S,
                            json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})  # fmt: skip
        body = json.loads(reply.content, parse_float=Decimal)
        assert "result" in body, body
        return body["result"]

    def log(self, currency: str) -> list[dict[str, Any]]:
        """The exchange's whole transaction log of a currency, oldest first."""
        entries: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        while True:
            page = self.ask("private/get_transaction_log", currency=currency, start_timestamp=0,
                            end_timestamp=2**42, count=250, **more)  # fmt: skip
            entries += page["logs"]
            if page["continuation"] is None:
                return sorted(entries, key=lambda entry: int(entry["id"]))
            more = {"continuation": page["continuation"]}
            now = self.ask("local/time")["now_ms"]
            self.ask("local/advance", to_ms=now + 2_000)  # a page costs a second's credits

    def facts(self) -> list[Fact]:
        """The ledger's facts; the agent must have stopped."""
        with closing(SqliteLedger(self.ledger, "local", "local", "live")) as store:
            return list(store.read())

    def book(self) -> Book:
        """The ledger read whole, proven and added up; the agent must have stopped."""
        return prove_ledger(self.ledger)[1]


@contextmanager
def pair(
    folder: Path, strategies: Path | None, speed: float, every: int = 60, frozen: bool = False
) -> Iterator[Pair]:
    """Both, not started, with a relay between; whatever still runs at the end is killed."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    still = ("--frozen",) if frozen else ()
    with relay(port) as between:
        environment = {"DERIBIT_ENV": "local", "LOCAL_PORT": str(between.port), "LOCAL_SPEED": str(speed)}
        if strategies is not None:
            environment["STRATEGIES_FILE"] = str(strategies)
        serve = ("exchange", "--data-dir", str(folder), "--port", str(port), *still)
        trade = ("run", "--live", "--data-dir", str(folder), "--every", str(every))
        found = Pair(
            folder,
            Child(serve, environment, folder / "exchange.txt"),
            Child(trade, environment, folder / "agent.txt"),
            between,
            f"http://127.0.0.1:{port}",
            environment,
        )
        try:
            yield found
        finally:
            for one in (found.agent, found.exchange):
                if one.alive():
                    one.kill()
                    one.buried()


def watch_writes(path: Path, seconds: float, count: int) -> bool:
    """Returns at the `count`-th write to `path` that it sees; False when they didn't come in time."""
    end = time.monotonic() + seconds
    last = path.stat().st_mtime_ns if path.exists() else 0
    while time.monotonic() < end:
        now = path.stat().st_mtime_ns if path.exists() else 0
        if now != last:
            last, count = now, count - 1
            if count <= 0:
                return True
    return False


def sent_labels(pair: Pair) -> list[str]:
    """The label of every order that ever reached the exchange, by its input log, once for each time."""
    found = []
    for line in pair.inputs.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n") and (entry := json.loads(line)).get("method") in (
            "private/buy",
            "private/sell",
        ):
            found.append(entry["params"]["label"])
    return found


def held_by(pair: Pair) -> dict[str, Decimal]:
    """The exchange's option positions."""
    rows = pair.ask("private/get_positions", currency="any")
    return {row["instrument_name"]: Decimal(str(row["size"])) for row in rows if row["size"] != 0}


def balances_of(pair: Pair) -> dict[str, Decimal]:
    """The exchange's cash."""
    rows = pair.ask("private/get_account_summaries", extended=True)["summaries"]
    return {row["currency"]: Decimal(str(row["balance"])) for row in rows if row["currency"] in CURRENCIES}


def book_positions(book: Book) -> dict[str, Decimal]:
    """Our positions by the ledger, none that is zero."""
    return {name: amount for name, amount in positions(book).items() if amount != 0}


def simulate_over_http(both: Pair, days: float) -> tuple[Fact, ...]:
    """`days` of hourly cycles by an agent in this process on the pair's exchange; its facts."""
    chosen = Settings(
        data_dir=both.folder,
        dry_run=False,
        local_port=int(both.environment["LOCAL_PORT"]),
        local_speed=float(both.environment["LOCAL_SPEED"]),
        strategies_file=Path(both.environment["STRATEGIES_FILE"])
        if "STRATEGIES_FILE" in both.environment
        else None,
    )
    complaints: list[str] = []
    with seat_exchange(chosen, fresh=False) as seated:
        run_agent(
            seated.desk,
            until_ms=seated.desk.clock.now_ms() + int(days * MS_PER_DAY),
            interval_ms=MS_PER_HOUR,
            tell=lambda _: None,
            complain=complaints.append,
            stop=seated.at_the_end,
        )
        assert not complaints, complaints[:3]
        return tuple(seated.desk.recorder.facts())
