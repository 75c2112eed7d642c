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


def next_tick(now_ms: int, interval_ms: int) -> int:
    """The next multiple of the interval after `now_ms`: loops keep to the clock, however long a cycle took.

    A loop that falls on the settlement waits until it is over and the new series are listed (FACTS §3, §4).
    """
    tick = (now_ms // interval_ms + 1) * interval_ms
    over = next_expiry_instant(tick) - MS_PER_DAY + SETTLEMENT_PAUSE_MS
    return max(tick, over) if tick >= over - SETTLEMENT_PAUSE_MS else tick


def wait(desk: Desk, until_ms: int, stop: Callable[[], bool]) -> None:
    """Sleeps in naps, so that a wish to stop is heard within one; at a clock that jumps, in one go."""
    while not stop() and (now := desk.clock.now_ms()) < until_ms:
        desk.clock.sleep_until(until_ms if desk.nap_ms is None else min(until_ms, now + desk.nap_ms))


def run_agent(
    desk: Desk,
    *,
    until_ms: int | None,
    interval_ms: int,
    tell: Callable[[CycleReport], None],
    complain: Callable[[str], None],
    stop: Callable[[], bool],
    cycles: int | None = None,
) -> Ended:
    """Runs cycles until `until_ms`, `cycles` of them, or `stop()`; each starts on a multiple of `interval_ms`.

    Errors: LedgerError ends the run and is raised to the caller.
    """
    clock = desk.clock
    done = failed = 0
    while True:
        if stop():
            return Ended(done, failed, "told to stop")
        if until_ms is not None and clock.now_ms() > until_ms:
            return Ended(done, failed, "end of the period")
        try:
            tell(run_cycle(desk))
            done += 1
        except LedgerError:
            raise
        except (MarketUnavailableError, BrokerUnavailableError) as error:
            failed += 1
            complain(f"cycle skipped: {error}")
        except Exception as error:  # a bad cycle must not end the agent; the traceback goes to the log
            failed += 1
            log.exception("cycle failed", error=str(error))
            complain(f"cycle failed: {type(error).__name__}: {error}")
        if cycles is not None and done + failed >= cycles:
            return Ended(done, failed, "as many cycles as asked")
        try:
            wait(desk, next_tick(clock.now_ms(), interval_ms), stop)
        except (
            Exception
        ) as error:  # a clock that asks the exchange has been patient already: a cycle tries again
            complain(f"the exchange keeps no time, it is waited for: {error}")
