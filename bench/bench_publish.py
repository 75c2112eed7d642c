"""What a publication costs the loop: 20 open and 500 closed chains, a full equity curve, and the store on the disk."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path

from bench import Row, best_seconds
from optionwriter.adapters.store.memory import MemoryLedger
from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap.desks import seat_sample
from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import (
    Action,
    Body,
    Fact,
    Filled,
    Intent,
    IntentPrepared,
    LedgerOpened,
    OrderAcknowledged,
    Settled,
)
from optionwriter.core.decide.state import AgentState, HeldOption
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, option_name, parse_instrument
from optionwriter.core.report.equity import MOST_POINTS, Point
from optionwriter.services.cycle import CycleReport, Desk, run_cycle
from optionwriter.services.publish import Publisher
from optionwriter.services.recorder import Recorder
from optionwriter.settings import Settings

OPEN, CLOSED = 20, 500
ACCOUNT, STRATEGY = "local", "income"
_D = Decimal


def facts(state: AgentState, closed: int, held: list[str]) -> Iterator[Fact]:
    """A ledger of so many chains that were settled, and one for each option held; every one was traded twice."""
    number = count(1)
    instant = state.at_ms - 400 * MS_PER_DAY

    def fact(body: Body, at_ms: int, chain: str = "") -> Fact:
        return Fact(next(number), at_ms, at_ms, ACCOUNT, STRATEGY if chain else "", "d", chain, body)

    def sold(name: str, chain: str, at_ms: int) -> Iterator[Fact]:
        for part in (1, 2):
            label = f"CCBOT_{chain}.{part}"
            intent = Intent(
                label, chain, 0, Action.OPEN_COVERED_CALL, "open", name, Side.SELL, _D("0.1"), _D("0.005"), False,
                at_ms + 5_000,
            )  # fmt: skip
            yield fact(IntentPrepared(intent), at_ms, chain)
            yield fact(OrderAcknowledged(label, label), at_ms, chain)
            yield fact(
                Filled(label, label, f"{label}t", name, Side.SELL, _D("0.1"), _D("0.005"), _D("0.0005"),
                       _D("0.00003"), _D(90_000), _D(90_000), _D("0.005")),
                at_ms, chain,
            )  # fmt: skip

    yield fact(LedgerOpened("local", "live"), instant)
    for place in range(closed):
        at_ms = instant + place * MS_PER_HOUR * 12
        day = at_ms // MS_PER_DAY * MS_PER_DAY + 2 * MS_PER_DAY + 8 * MS_PER_HOUR
        name = option_name("BTC", day, _D(60_000 + place * 10), parse_instrument(held[0]).option_type)
        chain = f"c{place:05d}"
        yield from sold(name, chain, at_ms)
        yield fact(Settled(name, _D("-0.2"), _D(91_000), _D(91_000), _D("-0.001"), _D("0.00003")), day, chain)
    for place, name in enumerate(held):
        yield from sold(name, f"o{place:05d}", state.at_ms - MS_PER_DAY)


def crowded(desk: Desk, report: CycleReport, closed: int) -> tuple[Desk, CycleReport]:
    """The desk and the cycle with a book of many chains."""
    state = report.after
    table = state.underlyings["BTC"].chains["BTC"].table
    held = [name for name in table.names if name.endswith("-C")][-OPEN:]
    store = MemoryLedger(ACCOUNT)
    store.append(list(facts(state, closed, held)))
    recorder = Recorder(store, desk.clock, ACCOUNT)
    options = tuple(
        HeldOption(parse_instrument(name), _D("-0.2"), _D("-0.2"), _D(0), 10.0, 0.1, 0.004, 0.5, 0.2)
        for name in held
    )
    return replace(desk, recorder=recorder), replace(
        report, after=replace(state, book=recorder.book, held=options)
    )


def run() -> list[Row]:
    """A usual publication, one in which a chain has just ended, and the first of a process."""
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(data_dir=Path(name), dry_run=False)
        with seat_sample(settings, fresh=False, interval_ms=MS_PER_HOUR) as seated:
            start = time.perf_counter()
            report = run_cycle(seated.desk)
            cycle_s = time.perf_counter() - start
            seated.desk.clock.sleep_until(report.at_ms + MS_PER_HOUR)
            start = time.perf_counter()
            report = run_cycle(seated.desk)
            cycle_s = time.perf_counter() - start
            desk, full = crowded(seated.desk, report, CLOSED)
        store = ViewStore(Path(name) / "bench.sqlite", lambda: 0)
        publisher = Publisher(store)
        coins = ("BTC", "ETH", "USDC")
        publisher._curve = [
            Point(
                at, 1e5 + at % 977 / 7, 1e5 + at % 613 / 3, dict.fromkeys(coins, (1.5 + at % 31 / 1e6, 1.0))
            )
            for at in range(MOST_POINTS - 1)
        ]
        instant = count(full.at_ms, 60_000)

        def later() -> CycleReport:
            at_ms = next(instant)
            return replace(full, at_ms=at_ms, after=replace(full.after, at_ms=at_ms))

        def usual() -> None:
            publisher.after_cycle(desk, later())

        def ended() -> None:
            publisher._closed.key = None
            publisher.after_cycle(desk, later())

        start = time.perf_counter()
        usual()
        first_s = time.perf_counter() - start
        rows = [
            Row(
                f"publication, {OPEN} open and {CLOSED} closed chains",
                best_seconds(usual, 30) * 1e3,
                "ms",
                100.0,
            ),
            Row("the same when a chain has just ended", best_seconds(ended, 10) * 1e3, "ms"),
            Row("the first of a process (200 closed ones opened up)", first_s * 1e3, "ms"),
            Row("a cycle on the sample, in-process", cycle_s * 1e3, "ms"),
        ]
        store.close()
        return rows
