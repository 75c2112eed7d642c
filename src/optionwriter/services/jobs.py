"""Jobs: a worker that takes queued runs, one after the other, and tells the store how far each is.

Keeps: a run's lease is renewed by its own progress, so one that hangs is lost like one that died; a run that is
cancelled stops at its next step; what goes wrong in a run is its result (failed, with the reason) and never the
worker's end; a worker that is told to stop gives its run back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from optionwriter.core.report.run import RunResult, RunSpec, RunState, RunStatus
from optionwriter.ports import RunStore, RunStoreError

LEASE_MS = 60_000
BEAT_EVERY_S = 1.0
log = structlog.get_logger(__name__)

Progress = Callable[
    [float, str], None
]  # share done, what is being done; raises StoppedError when it is to end
Runner = Callable[[RunSpec, Progress], RunResult]


def part_of(progress: Progress, begun: float, share: float) -> Progress:
    """A progress whose whole is `share` of a larger one, from `begun` on."""
    return lambda done, text: progress(begun + share * done, text)


class StoppedError(Exception):
    """A run is to end at once: it was cancelled, its lease was lost, or its worker is to stop."""


class RunError(Exception):
    """A run can't be done as asked; the message names what is wrong and the cure.

    `fields` says it by the name of what was asked, where one thing alone is wrong, so that a form can point at it.
    """

    def __init__(self, text: str, fields: Mapping[str, str] | None = None, problem: str = "") -> None:
        super().__init__(text)
        self.fields = dict(fields or {})
        self.problem = problem or text  # without the cure, for who has another

    @classmethod
    def at(cls, field: str, text: str, cure: str = "") -> RunError:
        """Of one thing that was asked; `cure` in the words of a backtest's options."""
        told = f"{text}: {cure}" if cure else text
        return cls(told, {field: told}, text)


@dataclass(frozen=True, slots=True)
class MachineTime:
    """The machine's own time: epoch milliseconds, and seconds that never go back."""

    now_ms: Callable[[], int]
    monotonic: Callable[[], float]


class Worker:
    """One process's work on the store's runs, of one group, driver or id only when named.

    `name` must be its own among all workers.
    """

    def __init__(
        self,
        store: RunStore,
        runner: Runner,
        name: str,
        time: MachineTime,
        stop: Callable[[], bool] = lambda: False,
        lease_ms: int = LEASE_MS,
        group: str = "",
        driver: str = "",
        run_id: int | None = None,
    ) -> None:
        self._store, self._runner, self._name, self._run_id = store, runner, name, run_id
        self._time, self._stop, self._lease_ms = time, stop, lease_ms
        self._group, self._driver = group, driver

    def work_once(self) -> RunState | None:
        """Does one run if there is one, and says how it ended; an idle look only reads. Errors: RunStoreError."""
        standing = self._store.counts()
        if not (standing[RunStatus.QUEUED] or standing[RunStatus.RUNNING]):
            return None
        self._store.settle_lost(self._time.now_ms())
        now_ms = self._time.now_ms()
        run = self._store.claim(self._name, now_ms, self._lease_ms, self._group, self._driver, self._run_id)
        if run is None:
            return None
        try:
            result = self._runner(run.spec, self._progress_of(run))
            self._store.finish(run.id, self._name, result, self._time.now_ms())
        except StoppedError:
            self._ended_early(run)
        except RunStoreError:
            raise
        except RunError as error:
            self._store.fail(run.id, self._name, str(error), self._time.now_ms())
        except Exception as error:  # a run's fault must not end the worker; the traceback goes to the log
            log.exception("run failed", run=run.id)
            reason = f"it broke ({type(error).__name__}: {error}): the worker's log has the place"
            self._store.fail(run.id, self._name, reason, self._time.now_ms())
        return self._store.get(run.id)

    def _ended_early(self, run: RunState) -> None:
        """Cancelled runs end as such; of the others the store knows whose they are now."""
        if self._store.get(run.id).cancel_requested:
            self._store.fail(run.id, self._name, "", self._time.now_ms())
        else:
            self._store.give_back(run.id, self._name)

    def _progress_of(self, run: RunState) -> Progress:
        told_at = self._time.monotonic()

        def progress(share: float, text: str) -> None:
            nonlocal told_at
            if self._stop():
                raise StoppedError
            now = self._time.monotonic()
            if now - told_at < BEAT_EVERY_S:
                return
            told_at = now
            if not self._store.beat(run.id, self._name, self._time.now_ms(), self._lease_ms, share, text):
                raise StoppedError

        return progress
