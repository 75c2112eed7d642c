"""Exchange time, from the exchange (FAULTS F40).

ExchangeClock holds the exchange's time against this machine's monotonic clock, not against the time of day: somebody
who sets the machine's clock changes nothing. The time of day is used for two things only: to say how wrong it is, and
to notice that the machine was suspended (the monotonic clock stands still then), after which the exchange is asked
anew. Orders' valid_until and everything signed come from this clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import MalformedReplyError, VenueError
from optionwriter.ports import Clock, MarketUnavailableError

_NAP_S = 1.0
_FIRST_MS, _LAST_MS = 1_230_768_000_000, 7_258_118_400_000  # 2009 and 2200: no exchange lives outside


def exchange_time(client: DeribitClient) -> int:
    """public/get_time, ms. Raises VenueError."""
    at_ms = client.call("public/get_time", {}, int)
    if not _FIRST_MS <= at_ms < _LAST_MS:
        raise MalformedReplyError(f"public/get_time: the exchange's time is {at_ms}")
    return at_ms


class Estimate(NamedTuple):
    """The exchange's time at an instant of the monotonic clock, and by how much it may be off, all in ms."""

    at_ms: float
    monotonic_ms: float
    error_ms: float


def estimate(ask_ms: Callable[[], int], monotonic: Callable[[], float], samples: int) -> Estimate:
    """Asks `samples` times and takes the quickest answer: its time was that of the middle of the round trip."""
    best: Estimate | None = None
    for _ in range(samples):
        begun = monotonic() * 1000
        at_ms = ask_ms() + 0.5  # whole milliseconds, cut off
        ended = monotonic() * 1000
        if best is None or ended - begun < 2 * best.error_ms:
            best = Estimate(at_ms, (begun + ended) / 2, (ended - begun) / 2)
    assert best is not None
    return best


class ExchangeClock:
    """The exchange's clock. Implements ports.Clock."""

    def __init__(
        self,
        ask_ms: Callable[[], int],
        machine: Clock,
        sleep: Callable[[float], None],
        skew_limit_ms: int = 5_000,
        every_s: float = 600.0,
        samples: int = 5,
    ) -> None:
        """`ask_ms` asks the exchange, `sleep` waits seconds. Asks at once: raises what `ask_ms` raises."""
        self._ask_ms = ask_ms
        self._machine = machine
        self._sleep = sleep
        self._skew_limit_ms = skew_limit_ms
        self._every_s = every_s
        self._samples = samples
        self._last_ms = 0
        self.synchronise()

    def synchronise(self) -> None:
        """Asks the exchange for its time. Raises what `ask_ms` raises; the old estimate stays then."""
        found = estimate(self._ask_ms, self._machine.monotonic, self._samples)
        self._estimate = found
        self._machine_ms = self._machine.now_ms()
        self._asked_at = self._machine.monotonic()
        if (
            self._last_ms - self.now_ms() > self._skew_limit_ms
        ):  # the exchange itself went back: it was started anew
            self._last_ms = 0

    def now_ms(self) -> int:
        """Exchange time; never earlier than it was said to be before."""
        elapsed_ms = self._machine.monotonic() * 1000 - self._estimate.monotonic_ms
        at_ms = int(self._estimate.at_ms + elapsed_ms)
        self._last_ms = max(self._last_ms, at_ms) if self._is_slip(at_ms) else at_ms
        return self._last_ms

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._machine.monotonic()

    def sleep_until(self, at_ms: int) -> None:
        """Returns when exchange time is `at_ms` or later; keeps its estimate fresh meanwhile."""
        while (rest_ms := at_ms - self.now_ms()) > 0:
            self._sleep(min(rest_ms / 1000, _NAP_S))
            self.refresh()

    def refresh(self) -> bool:
        """Asks the exchange when the estimate is old or the machine was suspended; False when it did not answer.

        For the start of a cycle. A failure leaves the estimate as it was, and the next refresh asks again.
        """
        if not self.is_due:
            return True
        try:
            self.synchronise()
        except VenueError:
            return False
        return True

    @property
    def is_due(self) -> bool:
        """Whether the estimate is older than it should be, or the machine's clocks went apart since."""
        elapsed_s = self._machine.monotonic() - self._asked_at
        apart_ms = self._machine.now_ms() - self._machine_ms - elapsed_s * 1000
        return elapsed_s >= self._every_s or abs(apart_ms) > self._skew_limit_ms

    @property
    def error_ms(self) -> float:
        """By how much now_ms may be off: half the round trip of the estimate."""
        return self._estimate.error_ms

    @property
    def skew_ms(self) -> int:
        """The machine's time of day minus the exchange's."""
        return self._machine.now_ms() - self.now_ms()

    @property
    def warning(self) -> str:
        """One line when the machine's time of day is off by more than the limit, else empty."""
        skew_ms = self.skew_ms
        if abs(skew_ms) <= self._skew_limit_ms:
            return ""
        return (
            f"this machine's clock is {_length(abs(skew_ms))} {'ahead of' if skew_ms > 0 else 'behind'} the "
            "exchange's: set it (for example by NTP); until then everything here goes by the exchange's time"
        )

    def _is_slip(self, at_ms: int) -> bool:
        return self._last_ms - at_ms <= self._skew_limit_ms


class LocalClock:
    """The local exchange's clock, which goes at real time within a cycle and jumps between. Implements ports.Clock.

    sleep_until asks the exchange to jump, in steps, so that `speed` exchange seconds pass in a real second. With
    `frozen` the exchange's time stands still between jumps, and so does this clock.
    """

    def __init__(
        self,
        ask_ms: Callable[[], int],
        advance: Callable[[int], int],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        speed: float,
        frozen: bool = False,
        step_s: float = 0.2,
        patience_s: float = 10.0,
    ) -> None:
        """`advance` asks for a jump to an instant and gives the exchange's time after it; `monotonic` and `sleep` are
        real. Asks for the time at once: raises what `ask_ms` raises. ValueError for a speed not above 0."""
        if not speed > 0:
            raise ValueError(f"the speed is {speed}: it must be above 0 exchange seconds a second")
        self._ask_ms = ask_ms
        self._advance = advance
        self._monotonic = monotonic
        self._sleep = sleep
        self._speed = speed
        self._frozen = frozen
        self._step_s = step_s
        self._patience_s = patience_s
        self._jumped_s = 0.0
        self._begun_at = monotonic()
        self._set(ask_ms())

    def now_ms(self) -> int:
        """Exchange time."""
        since_s = 0.0 if self._frozen else self._monotonic() - self._set_at
        return self._set_ms + int(since_s * 1000)

    def monotonic(self) -> float:
        """Exchange seconds that passed: real ones within a cycle, and those of the jumps. Never goes back."""
        return self._jumped_s + (0.0 if self._frozen else self._monotonic() - self._begun_at)

    def synchronise(self) -> None:
        """Takes the exchange's own time, for instance after it was started anew. Raises what `ask_ms` raises."""
        self._jump(self._ask_ms())

    def sleep_until(self, at_ms: int) -> None:
        """Returns when exchange time is `at_ms` or later.

        An exchange that does not answer is waited for, at real time; raises MarketUnavailableError when `patience_s`
        real seconds brought no answer.
        """
        start_ms, begun = self.now_ms(), self._monotonic()
        heard_at = begun
        while (rest_ms := at_ms - self.now_ms()) > 0:
            nap_s = min(self._step_s, rest_ms / 1000 / self._speed)
            self._sleep(nap_s)
            paced_ms = start_ms + (self._monotonic() - begun) * 1000 * self._speed
            target_ms = min(at_ms, max(int(paced_ms), self.now_ms() + 1))
            if target_ms <= self.now_ms():
                continue
            try:
                reached_ms = self._advance(target_ms)
            except VenueError as error:
                if self._monotonic() - heard_at > self._patience_s:
                    raise MarketUnavailableError(f"no answer for {self._patience_s:g} s: {error}") from error
                self._sleep(self._step_s)
                continue
            heard_at = self._monotonic()
            self._jump(reached_ms)

    def _jump(self, to_ms: int) -> None:
        self._jumped_s += max(0.0, (to_ms - self.now_ms()) / 1000)
        self._set(to_ms)

    def _set(self, at_ms: int) -> None:
        self._set_ms, self._set_at = at_ms, self._monotonic()


def _length(ms: int) -> str:
    """A span in its two largest units."""
    seconds = round(ms / 1000)
    for size, unit, small_size, small in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // small_size} {small}"
    return f"{seconds} s"
