"""The agent's loop: cycle after cycle, until told to stop; a bad cycle is told and never ends it.

The exception is the ledger: when facts can't be committed, nothing may be risked, so the loop stops and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from optionwriter.core.market.instruments import MS_PER_DAY, next_expiry_instant
from optionwriter.ports import BrokerUnavailableError, LedgerError, MarketUnavailableError
from optionwriter.services.cycle import CycleReport, Desk, run_cycle

SETTLEMENT_PAUSE_MS = 20_000  # orders are refused for seconds after 08:00, new series come some 15 s after it

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: cycles that went through, cycles that failed, and why it stopped."""

    cycles: int
    failed: int
    reason: str


@dataclass(frozen=True, slots=True)
class Timing:
    """How a cycle kept to the clock. `late_ms`: exchange time from when it was due to when it began, None for one
    that nobody waited for; `took_ms`: milliseconds of the machine."""

    late_ms: int | None
    took_ms: float


def next_tick(now_ms: int, interval_ms: int) -> int:
    """The next multiple of the interval after `now_ms`: loops keep to the clock, however long a cycle took.

    A loop that falls on the settlement waits until it is over and the new series are listed (FACTS §3, §4).
    """
    tick = (now_ms // interval_ms + 1) * interval_ms
    over = next_expiry_instant(tick) - MS_PER_DAY + SETTLEMENT_PAUSE_MS
    return max(tick, over) if tick >= over - SETTLEMENT_PAUSE_MS else tick


def wait(
    desk: Desk,
    until_ms: int,
    stop: Callable[[], bool],
    complain: Callable[[str], None],
    look: Callable[[], bool] = lambda: False,
) -> None:
    """Sleeps in naps, so that a wish to stop is heard within one; at a clock that jumps, in one go.

    `look` is asked before each nap; when it says yes the waiting is over, a millisecond after it began at the
    earliest: two cycles never share an instant. An exchange that keeps the time and does not answer is told of, and
    waited for.
    """
    begun_ms = desk.clock.now_ms()
    while not stop() and (now := desk.clock.now_ms()) < until_ms:
        if look():
            until_ms = min(until_ms, begun_ms + 1)
            if now >= until_ms:
                return
        try:
            desk.clock.sleep_until(until_ms if desk.nap_ms is None else min(until_ms, now + desk.nap_ms))
        except MarketUnavailableError as error:
            complain(f"waiting for the exchange: {error}")


def run_agent(
    desk: Desk,
    *,
    until_ms: int | None,
    interval_ms: int,
    tell: Callable[[CycleReport], None],
    complain: Callable[[str], None],
    stop: Callable[[], bool],
    cycles: int | None = None,
    look: Callable[[], bool] = lambda: False,
    timed: Callable[[Timing], None] = lambda _: None,
) -> Ended:
    """Runs cycles until `until_ms`, `cycles` of them, or `stop()`; each starts on a multiple of `interval_ms`.

    `look` is asked before each cycle and each nap; when it says yes in between, a cycle follows at once. `timed` is
    told how long a cycle took, before `tell` or `complain`. Errors: LedgerError ends the run and is raised.
    """
    clock = desk.clock
    done = failed = 0
    due_ms: int | None = None
    while True:
        if stop():
            return Ended(done, failed, "told to stop")
        if until_ms is not None and clock.now_ms() > until_ms:
            return Ended(done, failed, "end of the period")
        look()
        begun_ms, begun = clock.now_ms(), desk.stopwatch()
        late_ms = None if due_ms is None or begun_ms < due_ms else begun_ms - due_ms

        def went_through(report: CycleReport, late_ms: int | None = late_ms, begun: float = begun) -> None:
            timed(Timing(late_ms, (desk.stopwatch() - begun) * 1000))
            tell(report)

        complaint = _try_cycle(desk, went_through)
        done, failed = (done, failed + 1) if complaint else (done + 1, failed)
        if complaint:
            timed(Timing(late_ms, (desk.stopwatch() - begun) * 1000))
            complain(complaint)
        if cycles is not None and done + failed >= cycles:
            return Ended(done, failed, "as many cycles as asked")
        due_ms = next_tick(begun_ms, interval_ms)
        wait(desk, next_tick(clock.now_ms(), interval_ms), stop, complain, look)


def _try_cycle(desk: Desk, tell: Callable[[CycleReport], None]) -> str:
    """One cycle, told; why it did not go through, else "". Errors: LedgerError."""
    try:
        tell(run_cycle(desk))
    except LedgerError:
        raise
    except (MarketUnavailableError, BrokerUnavailableError) as error:
        return f"cycle skipped: {error}"
    except Exception as error:  # a bad cycle must not end the agent; the traceback goes to the log
        log.exception("cycle failed", error=str(error))
        return f"cycle failed: {type(error).__name__}: {error}"
    return ""
