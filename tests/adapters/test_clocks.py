"""Clocks: exchange time forward only; sleeping to an instant."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from optionwriter.adapters.clocks import SimulatedClock, SystemClock
from tests.patience import LONGEST_S


def test_the_systems_clock_is_moved_by_its_offset_and_sleeps_no_longer_than_asked() -> None:
    clock = SystemClock(offset_ms=3_600_000)
    before = time.time_ns() // 1_000_000 + 3_600_000
    assert before <= clock.now_ms() <= time.time_ns() // 1_000_000 + 3_600_000
    begun, wanted = clock.monotonic(), clock.now_ms() + 30
    clock.sleep_until(wanted)
    assert clock.now_ms() >= wanted
    assert 0.02 <= clock.monotonic() - begun < LONGEST_S
    begun = clock.monotonic()
    clock.sleep_until(wanted - 60_000_000)
    assert clock.monotonic() - begun < LONGEST_S


@given(st.lists(st.integers(0, 10**7), max_size=20))
def test_the_simulated_clock_jumps_forward_only_and_tells_each_jump_once(asked: list[int]) -> None:
    told: list[int] = []
    clock = SimulatedClock(5_000_000, told.append)
    for at_ms in asked:
        before = clock.now_ms()
        clock.sleep_until(at_ms)
        assert clock.now_ms() == max(before, at_ms)
    climbs = [at for i, at in enumerate(asked) if at > max([5_000_000, *asked[:i]])]
    assert told == climbs
    assert clock.monotonic() == (max([5_000_000, *asked]) - 5_000_000) / 1000
