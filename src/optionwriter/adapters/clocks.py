"""Clocks: the machine's and a simulated one. The only file that reads the machine's time.

Both give exchange time in epoch milliseconds UTC. Durations are measured with monotonic(), never with now_ms(), so
a jump of the machine's clock can't stretch or shrink them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_LONGEST_NAP_S = 1.0  # so that a clock that is set forward during a sleep is noticed


def sleep_s(seconds: float) -> None:
    """Waits so many real seconds."""
    time.sleep(max(0.0, seconds))


class SystemClock:
    """The machine's clock, moved by what is known of its distance from the exchange's."""

    def __init__(self, offset_ms: int = 0) -> None:
        """`offset_ms` is exchange time minus the machine's."""
        self._offset_ms = offset_ms

    def now_ms(self) -> int:
        """Exchange time."""
        return time.time_ns() // 1_000_000 + self._offset_ms

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep_until(self, at_ms: int) -> None:
        """Returns when exchange time is `at_ms` or later; at once when it already is."""
        while (rest_ms := at_ms - self.now_ms()) > 0:
            time.sleep(min(rest_ms / 1000, _LONGEST_NAP_S))


class SimulatedClock:
    """A clock that stands still until it is asked to sleep, and then jumps. Time moves only forward.

    `on_advance` is told the new instant after each jump, before sleep_until returns: the local exchange moves there.
    """

    def __init__(self, start_ms: int, on_advance: Callable[[int], None] | None = None) -> None:
        self._start_ms = start_ms
        self._now_ms = start_ms
        self._on_advance = on_advance

    def now_ms(self) -> int:
        """Exchange time."""
        return self._now_ms

    def monotonic(self) -> float:
        """Simulated seconds since the start."""
        return (self._now_ms - self._start_ms) / 1000

    def sleep_until(self, at_ms: int) -> None:
        """Jumps to `at_ms`; an instant that has passed leaves the clock where it is."""
        if at_ms <= self._now_ms:
            return
        self._now_ms = at_ms
        if self._on_advance is not None:
            self._on_advance(at_ms)
