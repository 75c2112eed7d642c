"""What the desk says of its clock before the first cycle."""

from __future__ import annotations

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.server_time import ExchangeClock
from optionwriter.bootstrap.desks import clock_warning

HOUR_MS = 3_600_000
NOW = 1_767_225_600_000


def test_a_machine_that_is_hours_off_is_told_and_exchange_time_is_kept() -> None:
    machine = SimulatedClock(NOW + 3 * HOUR_MS)
    clock = ExchangeClock(lambda: NOW, machine, lambda _: None)
    (line,) = clock_warning(clock)
    assert "3" in line and abs(clock.now_ms() - NOW) < 5


def test_a_machine_that_is_right_is_not_worth_a_line() -> None:
    assert clock_warning(ExchangeClock(lambda: NOW, SimulatedClock(NOW), lambda _: None)) == ()
    assert clock_warning(SimulatedClock(NOW)) == ()
