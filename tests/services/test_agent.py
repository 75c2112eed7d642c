"""The loop's waiting: naps, a wish to stop, an exchange that keeps the time and does not answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from optionwriter.core.books.book import Book
from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.ports import MarketUnavailableError
from optionwriter.services.agent import SETTLEMENT_PAUSE_MS, Timing, next_tick, run_agent, wait
from optionwriter.services.cycle import Desk, observe
from tests.core.decide.worlds import account, chain_at

NONE = np.zeros(0)
NO_CANDLES = Candles(NONE.astype(np.int64), NONE, NONE, NONE, NONE)
NO_INDEX = VolatilityIndex(NONE.astype(np.int64), NONE)
EIGHT = 20_000 * MS_PER_DAY + 8 * MS_PER_HOUR


@dataclass
class Clock:
    """Jumps, unless it is to fail."""

    now: int = 0
    fails: int = 0
    slept: list[int] = field(default_factory=list)

    def now_ms(self) -> int:
        return self.now

    def sleep_until(self, at_ms: int) -> None:
        if self.fails:
            self.fails -= 1
            raise MarketUnavailableError("no answer")
        self.slept.append(at_ms)
        self.now = at_ms


@dataclass
class Table:
    """As much of a desk as waiting needs."""

    clock: Clock
    nap_ms: int | None = None


def waited(
    table: Table, until_ms: int, stop_after: int = 10**9, look: Callable[[], bool] = lambda: False
) -> list[str]:
    told: list[str] = []
    wait(cast(Desk, table), until_ms, lambda: len(table.clock.slept) >= stop_after, told.append, look)
    return told


def test_in_naps_and_until_somebody_wants_to_stop() -> None:
    table = Table(Clock(), nap_ms=1_000)
    assert waited(table, 2_500) == [] and table.clock.slept == [1_000, 2_000, 2_500]
    assert waited(table, 9_000, stop_after=4) == [] and table.clock.now == 3_500


def test_an_exchange_that_does_not_answer_is_told_of_and_waited_for() -> None:
    table = Table(Clock(fails=2))
    told = waited(table, 5_000)
    assert told == ["waiting for the exchange: no answer"] * 2 and table.clock.now == 5_000


def test_what_is_seen_in_a_nap_ends_the_waiting() -> None:
    table = Table(Clock(now=5_000), nap_ms=1_000)
    looks: list[int] = []

    def look() -> bool:
        looks.append(table.clock.now)
        return len(looks) == 4

    waited(table, 60_000, look=look)
    assert looks == [5_000, 6_000, 7_000, 8_000] and table.clock.now == 8_000


@pytest.mark.parametrize("nap_ms", [None, 1_000])
def test_two_cycles_never_share_an_instant(nap_ms: int | None) -> None:
    table = Table(Clock(now=5_000), nap_ms)
    waited(table, 60_000, look=lambda: True)
    assert table.clock.now == 5_001


def cycles_of(monkeypatch: pytest.MonkeyPatch, takes_ms: list[int], fails: bool = False) -> list[Timing]:
    """How cycles that take so long keep to a loop of ten seconds; the machine's watch runs a hundredth as fast."""
    table = Table(Clock(now=20_003))
    left = list(takes_ms)

    def cycle(_: object) -> str:
        table.clock.now += left.pop(0)
        if fails:
            raise MarketUnavailableError("no answer")
        return "report"

    monkeypatch.setattr("optionwriter.services.agent.run_cycle", cycle)
    desk = cast(Any, table)
    desk.stopwatch = lambda: table.clock.now / 100_000
    timings: list[Timing] = []
    run_agent(
        desk, until_ms=None, interval_ms=10_000, cycles=len(takes_ms), tell=lambda _: None,
        complain=lambda _: None, stop=lambda: False, timed=timings.append,
    )  # fmt: skip
    return timings


@pytest.mark.parametrize("fails", [False, True])
def test_how_late_a_cycle_began_and_how_long_it_took(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """From 20,003 on: due at 30,000 and there; the second takes 21 s, so that the third, due at 40,000, comes at
    60,000."""
    timings = cycles_of(monkeypatch, [500, 21_000, 100, 100], fails)
    assert [one.late_ms for one in timings] == [None, 0, 20_000, 0]
    assert [one.took_ms for one in timings] == pytest.approx([5.0, 210.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("now", "interval", "tick"),
    [
        (EIGHT - 1, MS_PER_HOUR, EIGHT + SETTLEMENT_PAUSE_MS),
        (EIGHT, MS_PER_HOUR, EIGHT + MS_PER_HOUR),
        (EIGHT + 1, 5_000, EIGHT + SETTLEMENT_PAUSE_MS),
        (EIGHT + SETTLEMENT_PAUSE_MS, 5_000, EIGHT + SETTLEMENT_PAUSE_MS + 5_000),
        (EIGHT - MS_PER_HOUR - 1, 300_000, EIGHT - MS_PER_HOUR),
    ],
)
def test_loops_keep_to_the_clock_and_stay_out_of_the_settlement(now: int, interval: int, tick: int) -> None:
    assert next_tick(now, interval) == tick


def test_the_fakes_fit() -> None:
    names: Any = Desk.__dataclass_fields__
    assert {"clock", "nap_ms", "stopwatch"} <= set(names)


def test_nothing_that_was_read_slowly_is_from_the_future() -> None:
    """A first reading of the past may take seconds; the state's instant is the end of all reading."""
    clock = Clock(now=1_000)

    def slow(answer: Callable[[], Any]) -> Any:
        clock.now += 3_000
        return answer()

    market = SimpleNamespace(
        chain=lambda _: slow(lambda: chain_at(at_ms=clock.now)),
        history=lambda name: slow(lambda: PriceHistory(name, clock.now, NO_CANDLES, NO_INDEX)),
    )
    broker = SimpleNamespace(account=lambda: slow(lambda: replace(account(), at_ms=clock.now)))
    desk = SimpleNamespace(
        clock=clock, market=market, broker=broker, products=("BTC",), recorder=SimpleNamespace(book=Book())
    )
    state = observe(cast(Desk, desk))
    assert state.account.at_ms <= state.at_ms == clock.now
    assert state.underlyings["BTC"].chains["BTC"].at_ms <= state.at_ms
