"""The agent over HTTP: wire bytes to chosen item, a loop's wall time and credits, and the memory of both processes.

`python -m bench.bench_wire_loop DAYS` watches agent and exchange for so many days of five-minute loops and tells how
much memory each holds at a tenth, in the middle and at the end.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench import Row, best_seconds
from bench.__main__ import show
from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.credits import LOWEST_TIER, Credits
from optionwriter.adapters.deribit.market import DeribitMarket
from optionwriter.bootstrap.desks import seat_exchange, seat_sample
from optionwriter.core.books.book import Book
from optionwriter.core.decide.choosing import ChoiceParams, choose_best
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.risk import capacity_of
from optionwriter.core.decide.state import build_state
from optionwriter.core.decide.strategies.base import Mode, defaults
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.context import build_context
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.ports import Transport
from optionwriter.services.cycle import run_cycle
from optionwriter.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
LOOPS = 40
SPEED = 1e6
LOOP_SEC = 300
RUSH_SPEED = (
    1_000.0  # exchange seconds a second in the watch of memory: 86 s a day, the loops themselves not counted
)


class _Replayed:
    """A transport that gives the bytes that another gave before."""

    def __init__(self, source: Transport) -> None:
        self._source = source
        self._bodies: dict[str, bytes] = {}

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        if method not in self._bodies:
            self._bodies[method] = self._source.call(method, params)
        return self._bodies[method]

    @property
    def size(self) -> int:
        """Bytes of the book summary."""
        return len(self._bodies["public/get_book_summary_by_currency"])


def _bytes_to_item() -> list[Row]:
    """The recorded BTC chain's wire bytes decoded, screened, scored and chosen from."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), dry_run=False)
        with seat_sample(settings, fresh=False, interval_ms=MS_PER_HOUR) as seated:
            assert seated.transport is not None
            now = seated.desk.clock.now_ms()
            wire = _Replayed(seated.transport)
            market = DeribitMarket(DeribitClient(wire, "local"), SimulatedClock(now))
            contexts = {"BTC": build_context(seated.desk.market.history("BTC"), now)}
            account = seated.desk.broker.account()
            config = replace(defaults(Mode.RESEARCH), underlyings=("BTC",))
            limits, seller, params = Limits(), strategy(config.kind), ChoiceParams(config.min_score)

            def decode() -> int:
                return len(market.chain("BTC"))

            def choose() -> tuple[str, ...]:
                state = build_state(now, account, Book(), {"BTC": market.chain("BTC")}, contexts)
                return choose_best(seller.propose(state, config, capacity_of(state, limits)), params).keys

            if not choose():
                raise RuntimeError("nothing was chosen: the bench measures the wrong thing")
            options = decode()
            return [
                Row(f"Wire, BTC chain of {options} ({wire.size // 1024} kB) decoded", best_seconds(decode) * 1e3, "ms"),
                Row("Wire, the same bytes to the chosen item", best_seconds(choose) * 1e3, "ms", 2.0),
            ]  # fmt: skip


@contextmanager
def _exchange(folder: Path, *flags: str) -> Iterator[tuple[int, int]]:
    """An exchange in a process of its own: its port and process id."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    command = [
        sys.executable,
        "-m",
        "optionwriter",
        "exchange",
        "--data-dir",
        str(folder),
        "--port",
        str(port),
        *flags,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            if not any("listens on" in line for line in iter(process.stdout.readline, "")):
                raise RuntimeError("the exchange did not start")
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@contextmanager
def _counted() -> Iterator[Counter[str]]:
    """Calls by bucket while it lasts (FACTS §5)."""
    counts: Counter[str] = Counter()
    true_take = Credits.take

    def take(self: Credits, method: str) -> None:
        if not method.startswith("local/"):
            counts[LOWEST_TIER.bucket(method)] += 1
        true_take(self, method)

    Credits.take = take  # type: ignore[method-assign]
    try:
        yield counts
    finally:
        Credits.take = true_take  # type: ignore[method-assign]


def _loops() -> list[Row]:
    """Hourly loops of both coins over HTTP; the first reads the past and is told on its own."""
    with tempfile.TemporaryDirectory() as name, _exchange(Path(name)) as (port, _), _counted() as calls:
        settings = Settings(data_dir=Path(name), dry_run=False, local_port=port, local_speed=SPEED)
        with seat_exchange(settings, fresh=False) as seated:
            seconds, spent = [], []
            for _ in range(LOOPS):
                before, began = calls.copy(), time.perf_counter()
                run_cycle(seated.desk)
                seconds.append(time.perf_counter() - began)
                spent.append(calls - before)
                seated.desk.clock.sleep_until(seated.desk.clock.now_ms() + MS_PER_HOUR)
    usual = sorted(seconds[1:])
    mean = {bucket: sum(one[bucket] for one in spent[1:]) / (LOOPS - 1) for bucket in sorted(calls)}
    most = max(sum(one.values()) for one in spent[1:])
    return [
        Row("Wire, the first loop over HTTP, with 400 days of past", seconds[0] * 1e3, "ms"),
        Row("Wire, a loop over HTTP, both coins, median", usual[len(usual) // 2] * 1e3, "ms"),
        Row("Wire, a loop over HTTP, slowest", usual[-1] * 1e3, "ms"),
        *[Row(f"Wire, calls a loop from the bucket {bucket}", count, "calls") for bucket, count in mean.items()],
        Row("Wire, calls of the busiest loop", most, "calls"),
        Row("Wire, ordinary credits of a usual loop", 500 * mean["ordinary"], "credits", 50_000.0),
    ]  # fmt: skip


def run() -> list[Row]:
    """About a quarter of a minute; the exchange in a process of its own."""
    return [*_bytes_to_item(), *_loops()]


def _resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def watch_memory(days: float) -> list[Row]:
    """RSS of agent and exchange over `days` of five-minute loops, at a tenth, the middle and the end."""
    with tempfile.TemporaryDirectory() as name, _exchange(Path(name)) as (port, exchange_pid):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "LOCAL_PORT": str(port),
                       "LOCAL_SPEED": str(RUSH_SPEED), "PYTHONUNBUFFERED": "1"}  # fmt: skip
        command = [sys.executable, "-m", "optionwriter", "run", "--live", "--days", str(days), "--every", str(LOOP_SEC),
                   "--data-dir", name]  # fmt: skip
        total = int(days * 86_400 / LOOP_SEC)
        marks = {total // 10: "a tenth", total // 2: "the middle", total - 5: "the end"}
        rows: list[Row] = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as agent:
            assert agent.stdout is not None
            cycles, began = 0, time.perf_counter()
            for line in agent.stdout:
                cycles += "Z  BTC" in line
                if "Z  BTC" in line and cycles in marks:
                    for who, pid in (("agent", agent.pid), ("exchange", exchange_pid)):
                        rows.append(
                            Row(
                                f"Memory of the {who} at {marks[cycles]} ({cycles} loops)",
                                _resident_mb(pid),
                                "MB",
                            )
                        )
                        print(show(rows[-1]), flush=True)
            rows.append(Row(f"{cycles} loops took", time.perf_counter() - began, "s"))
            print(show(rows[-1]), flush=True)
        return rows


if __name__ == "__main__":
    watch_memory(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0)
