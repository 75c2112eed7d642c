"""Exchange time: right within its stated error, blind to the machine's time of day, honest about skew and suspension;
and the local exchange's clock, which jumps at a pace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import MalformedReplyError, NoReplyError, VenueError
from optionwriter.adapters.deribit.server_time import ExchangeClock, LocalClock, estimate, exchange_time
from optionwriter.ports import MarketUnavailableError
from tests.adapters.deribit.scripted import Scripted, ok

HOUR = 3_600_000
START = 1_770_000_000_000


class World:
    """True time, a machine whose clock and monotonic clock are as they are, and an exchange some way off."""

    def __init__(self, skew_ms: float = 0.0) -> None:
        self.true_ms = float(START)  # the exchange's
        self.skew_ms = skew_ms
        self.suspended_ms = 0.0
        self.trips: list[tuple[float, float]] = []  # milliseconds out and back; the last stays
        self.asked = 0
        self.down = False

    # the machine (a Clock)
    def now_ms(self) -> int:
        return int(self.true_ms + self.skew_ms)

    def monotonic(self) -> float:
        return (self.true_ms - self.suspended_ms - START) / 1000 + 12_345

    def sleep_until(self, at_ms: int) -> None:
        raise AssertionError("the machine's time of day is not to be slept by")

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.true_ms += seconds * 1000

    # the exchange
    def ask(self) -> int:
        self.asked += 1
        if self.down:
            raise NoReplyError("down")
        out, back = (
            (self.trips.pop(0) if len(self.trips) > 1 else self.trips[0]) if self.trips else (1.0, 1.0)
        )
        self.true_ms += out
        stamped = int(self.true_ms)
        self.true_ms += back
        return stamped

    def clock(self, **more: float) -> ExchangeClock:
        return ExchangeClock(self.ask, self, self.sleep, **more)

    def suspend(self, ms: float) -> None:
        self.true_ms += ms
        self.suspended_ms += ms


trip = st.tuples(st.floats(0.1, 2_000), st.floats(0.1, 2_000))


@given(st.lists(trip, min_size=5, max_size=5), st.floats(-1e9, 1e9), st.floats(0, 1e7))
def test_now_is_within_its_stated_error_whatever_the_machine_believes(
    trips: list[tuple[float, float]], skew_ms: float, later_ms: float
) -> None:
    world = World(skew_ms)
    world.trips = list(trips)
    clock = world.clock()
    assert world.asked == 5
    assert clock.error_ms == pytest.approx(min(sum(one) for one in trips) / 2, rel=0.01, abs=0.01)
    world.true_ms += later_ms
    assert abs(clock.now_ms() - world.true_ms) <= clock.error_ms + 2


def test_the_quickest_answer_counts() -> None:
    world = World()
    world.trips = [(900.0, 5.0), (2.0, 2.0), (5.0, 700.0)]
    found = estimate(world.ask, world.monotonic, 3)
    assert found.error_ms == pytest.approx(2.0)
    assert found.at_ms - found.monotonic_ms == pytest.approx(START - 12_345_000, abs=1.0)


def test_someone_sets_the_machines_clock_and_exchange_time_does_not_care() -> None:
    world = World()
    clock = world.clock()
    for jump in (HOUR, -2 * HOUR, 24 * HOUR, -48 * HOUR):
        world.skew_ms += jump
        assert abs(clock.now_ms() - world.true_ms) < 5


def test_a_clock_that_is_hours_off_gets_a_clear_line_and_exchange_time_all_the_same() -> None:
    for skew, words in (
        (2.5 * HOUR, "2 h 30 min ahead of"),
        (-50 * HOUR, "2 d 2 h behind"),
        (6_000, "6 s ahead of"),
    ):
        world = World(skew)
        clock = world.clock()
        assert words in clock.warning
        assert "NTP" in clock.warning
        assert clock.skew_ms == pytest.approx(skew, abs=5)
        assert abs(clock.now_ms() - START) < 50
    assert World(4_900).clock().warning == ""
    assert World(2_000).clock(skew_limit_ms=1_000).warning != ""


def test_after_a_suspension_the_exchange_is_asked_anew() -> None:
    world = World()
    clock = world.clock()
    world.suspend(3 * HOUR)
    assert clock.is_due
    assert clock.refresh()
    assert world.asked == 10
    assert abs(clock.now_ms() - world.true_ms) < 5
    assert not clock.is_due


def test_a_suspension_during_a_sleep_ends_it_at_the_right_time() -> None:
    world = World()
    clock = world.clock()
    real_sleep = world.sleep

    def sleep(seconds: float) -> None:
        real_sleep(seconds)
        if world.suspended_ms == 0:
            world.suspend(HOUR)

    clock = ExchangeClock(world.ask, world, sleep)
    clock.sleep_until(START + HOUR + 60_000)
    assert START + HOUR + 60_000 - 5 <= world.true_ms < START + HOUR + 62_000


def test_the_estimate_is_renewed_when_old_and_kept_when_the_exchange_is_away() -> None:
    world = World()
    clock = world.clock()
    clock.sleep_until(START + 599_000)
    assert world.asked == 5
    clock.sleep_until(START + 601_500)
    assert world.asked == 10
    world.down = True
    world.true_ms += 700_000
    assert not clock.refresh()
    assert abs(clock.now_ms() - world.true_ms) < 5
    world.down = False
    assert clock.refresh()


def test_time_never_goes_back_by_a_better_estimate_but_follows_an_exchange_that_was_started_anew() -> None:
    world = World()
    world.trips = [(0.1, 3_000.0)]  # lopsided: a second and a half fast
    clock = world.clock(samples=1)
    before = clock.now_ms()
    assert before - world.true_ms < -1_000
    world.trips = [(3_000.0, 0.1)]
    clock.synchronise()
    ahead = clock.now_ms()
    assert ahead - world.true_ms > 1_000
    world.trips = [(1.0, 1.0)]
    clock.synchronise()
    assert clock.now_ms() == ahead  # stands until time has caught up
    world.sleep(3)
    assert abs(clock.now_ms() - world.true_ms) < 5
    offset = clock.now_ms()
    clock._ask_ms = lambda: offset - HOUR
    clock.synchronise()
    assert clock.now_ms() < offset - HOUR + 1_000


def test_a_clock_is_not_made_without_the_exchange() -> None:
    world = World()
    world.down = True
    with pytest.raises(VenueError):
        world.clock()


@pytest.mark.parametrize("at_ms", [0, -1, 1_770_000_000, 1_770_000_000_000_000])
def test_a_time_that_is_none(at_ms: int) -> None:
    """Seconds or microseconds, for instance."""
    with pytest.raises(MalformedReplyError, match="exchange's time is"):
        exchange_time(DeribitClient(Scripted(public__get_time=ok(at_ms)), "testnet"))
    assert exchange_time(DeribitClient(Scripted(public__get_time=ok(START)), "testnet")) == START


# -- the local exchange -----------------------------------------------------------------------------------------


class LocalExchange:
    """Exchange time as the local exchange keeps it: the last jump's instant, and real time since unless frozen."""

    def __init__(self, frozen: bool = False) -> None:
        self.real = 50.0
        self.frozen = frozen
        self.base_ms, self.base_s = START, self.real
        self.jumps: list[tuple[float, int]] = []
        self.down_until = 0.0

    def now_ms(self) -> int:
        return self.base_ms + (0 if self.frozen else int((self.real - self.base_s) * 1000))

    def ask(self) -> int:
        self.real += 0.001
        return self.now_ms()

    def advance(self, to_ms: int) -> int:
        self.real += 0.002
        if self.real < self.down_until:
            raise NoReplyError("down")
        if to_ms > self.now_ms():
            self.base_ms, self.base_s = to_ms, self.real
        self.jumps.append((self.real, to_ms))
        return self.now_ms()

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.real += seconds

    def clock(self, speed: float) -> LocalClock:
        return LocalClock(self.ask, self.advance, lambda: self.real, self.sleep, speed, self.frozen)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("speed", [1.0, 60.0, 3_600.0])
def test_exchange_time_passes_at_the_pace_that_was_asked(speed: float, frozen: bool) -> None:
    exchange = LocalExchange(frozen)
    clock = exchange.clock(speed)
    begun, seconds = exchange.real, 10.0
    clock.sleep_until(START + int(speed * seconds * 1000))
    assert exchange.now_ms() >= START + speed * seconds * 1000
    assert clock.now_ms() >= START + speed * seconds * 1000
    assert exchange.real - begun == pytest.approx(seconds, rel=0.05)
    assert clock.now_ms() == pytest.approx(exchange.now_ms(), abs=5)


def test_the_way_is_gone_in_steps_forward_only() -> None:
    exchange = LocalExchange()
    exchange.clock(600).sleep_until(START + HOUR)
    instants = [to_ms for _, to_ms in exchange.jumps]
    assert instants == sorted(instants)
    assert instants[-1] == START + HOUR
    assert 25 <= len(instants) <= 35  # six seconds in steps of a fifth


def test_within_a_cycle_it_goes_at_real_time_or_stands_still() -> None:
    for frozen, passed in ((False, 1_500), (True, 0)):
        exchange = LocalExchange(frozen)
        clock = exchange.clock(600)
        begun, began = clock.now_ms(), clock.monotonic()
        exchange.real += 1.5
        assert clock.now_ms() - begun == pytest.approx(passed, abs=2)
        assert clock.monotonic() - began == pytest.approx(passed / 1000, abs=0.01)


def test_its_seconds_are_the_exchanges_so_that_a_token_ages_by_the_jumps() -> None:
    exchange = LocalExchange()
    clock = exchange.clock(600)
    began = clock.monotonic()
    clock.sleep_until(START + HOUR)
    assert clock.monotonic() - began == pytest.approx(3600, rel=0.01)


def test_a_time_that_has_passed_is_not_slept_for() -> None:
    exchange = LocalExchange()
    clock = exchange.clock(600)
    begun = exchange.real
    clock.sleep_until(START - 1)
    assert (exchange.real, exchange.jumps) == (begun, [])


def test_an_exchange_that_comes_back_is_waited_for_and_one_that_does_not_ends_the_sleep() -> None:
    exchange = LocalExchange()
    clock = exchange.clock(600)
    exchange.down_until = exchange.real + 5
    clock.sleep_until(START + HOUR)
    assert exchange.now_ms() >= START + HOUR
    exchange.down_until = float("inf")
    begun = exchange.real
    with pytest.raises(MarketUnavailableError, match="no answer for 10 s: down"):
        clock.sleep_until(START + 3 * HOUR)
    assert 10 < exchange.real - begun < 12


def test_an_exchange_that_was_started_anew_is_followed() -> None:
    exchange = LocalExchange()
    clock = exchange.clock(600)
    clock.sleep_until(START + HOUR)
    seconds = clock.monotonic()
    exchange.base_ms, exchange.base_s = START + HOUR // 2, exchange.real
    clock.synchronise()
    assert clock.now_ms() == pytest.approx(START + HOUR // 2, abs=5)
    assert clock.monotonic() >= seconds


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_that_is_none(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        LocalExchange().clock(speed)
