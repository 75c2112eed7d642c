"""The loop's waiting: naps, a wish to stop, an exchange that keeps the time and does not answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.ports import MarketUnavailableError
from optionwriter.services.agent import SETTLEMENT_PAUSE_MS, next_tick, wait
from optionwriter.services.cycle import Desk

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


def waited(table: Table, until_ms: int, stop_after: int = 10**9) -> list[str]:
    told: list[str] = []
    wait(cast(Desk, table), until_ms, lambda: len(table.clock.slept) >= stop_after, told.append)
    return told


def test_in_naps_and_until_somebody_wants_to_stop() -> None:
    table = Table(Clock(), nap_ms=1_000)
    assert waited(table, 2_500) == [] and table.clock.slept == [1_000, 2_000, 2_500]
    assert waited(table, 9_000, stop_after=4) == [] and table.clock.now == 3_500


def test_an_exchange_that_does_not_answer_is_told_of_and_waited_for() -> None:
    table = Table(Clock(fails=2))
    told = waited(table, 5_000)
    assert told == ["waiting for the exchange: no answer"] * 2 and table.clock.now == 5_000


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
    assert {"clock", "nap_ms"} <= set(names)
