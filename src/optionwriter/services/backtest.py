"""Backtest, event driver: the cycle that trades, over a tape, step after step, and what is to be kept of it.

The desk is handed in: what makes this a backtest is who sits at it. Keeps: positions and their P&L come from the books
alone; a step that the market failed is counted and told, never papered over; the run can be stopped at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optionwriter.core.books.book import Book
from optionwriter.core.decide.state import AgentState
from optionwriter.core.report.attribution import AttributionMaker
from optionwriter.core.report.benchmarks import CallRule
from optionwriter.core.report.curve import CurveMaker
from optionwriter.core.report.glimpse import Glimpses, Passing
from optionwriter.core.report.results import Outcome
from optionwriter.core.report.views import prices_of
from optionwriter.ports import BrokerUnavailableError, MarketUnavailableError, Parts
from optionwriter.services.catch_up import catch_up
from optionwriter.services.cycle import Desk, observe, run_cycle
from optionwriter.services.fast_forward import FastForward
from optionwriter.services.jobs import Progress, RunError

_DAY_MS = 86_400_000
MOST_FAILED = 0.2  # of the steps: beyond it a result would speak of another period than asked for


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """What a run left: its outcome, how many steps there were, and the steps that failed, in words."""

    outcome: Outcome
    steps: int
    failures: tuple[str, ...]
    passed_over: int = 0  # steps at which nobody had anything to propose (fast_forward)


def run_backtest(
    desk: Desk,
    instants: Sequence[int],
    exit_style: str,
    progress: Progress,
    begun: float = 0.0,
    share: float = 1.0,
    benchmarks: Sequence[CallRule] = (),
    parts: Parts | None = None,
) -> Ran:
    """One cycle at each of `instants`, ascending, and a last look at the end.

    `begun` and `share` place this run's progress within a larger one; `benchmarks` look at every step too. With
    `parts`, the desk's market in rows, steps at which nobody has anything to propose are passed over (fast_forward).
    Errors: RunError for an empty period, or one in which too many steps failed; whatever `progress` raises.
    """
    if len(instants) < 2:
        raise RunError(
            "the period has fewer than two steps with quotes: choose a longer one, or a smaller step"
        )
    looks = _Looks(CurveMaker(), AttributionMaker(), tuple(benchmarks))
    forward = FastForward(desk, parts, benchmarks, instants) if parts is not None else None
    failures: list[str] = []
    passed = 0
    for done, at_ms in enumerate(instants):
        desk.clock.sleep_until(at_ms)
        if forward is not None and _passed_over(looks, forward, done):
            passed += 1
        else:
            failures += _full(desk, looks, forward, at_ms)
        progress(
            begun + share * done / len(instants), f"{exit_style}: day {(at_ms - instants[0]) // _DAY_MS + 1}"
        )
    if forward is not None:
        _catch_up(looks, forward)
    if len(failures) > MOST_FAILED * len(instants):
        raise RunError(
            f"{len(failures)} of {len(instants)} steps failed, the first at {failures[0]}: choose other data"
        )
    return Ran(_end(desk, looks, exit_style), len(instants), tuple(failures), passed)


def _passed_over(looks: _Looks, forward: FastForward, place: int) -> bool:
    """Whether the step of that place could be passed over; it is then looked at."""
    if forward.passes(place):
        return True
    _catch_up(looks, forward)
    state = forward.glance()
    if state is None:
        return False
    looks.look(state, state.book)
    forward.look_ahead(state, place + 1)
    return True


def _catch_up(looks: _Looks, forward: FastForward) -> None:
    """Looks at the steps that were passed over together, as late as possible: many at a time is quicker."""
    for seen in forward.passed():
        looks.pass_over(seen)


def _full(desk: Desk, looks: _Looks, forward: FastForward | None, at_ms: int) -> list[str]:
    """One cycle and a look at it; what failed in it, in words."""
    try:
        report = run_cycle(desk)
    except (MarketUnavailableError, BrokerUnavailableError) as error:
        if forward is not None:
            forward.failed()
        return [f"{at_ms}: {error}"]
    looks.look(report.state, report.after.book)
    if forward is not None:
        forward.after(report)
    return [f"{at_ms}: {one.seat.config.id}: {one.failure}" for one in report.proposed if one.failure]


@dataclass(slots=True, eq=False)
class _Looks:
    """Everyone who looks at each step."""

    curve: CurveMaker
    attribution: AttributionMaker
    benchmarks: tuple[CallRule, ...]
    _last: tuple[AgentState, Book] | None = None
    _passing: tuple[Passing, ...] = ()  # made ready after the last look

    def look(self, state: AgentState, book: Book) -> None:
        """At the state of a step, and the books as its orders left them."""
        self.curve.look(state)
        self.attribution.look(state, book)
        for one in self.benchmarks:
            one.look(state)
        self._last, self._passing = (state, book), ()

    def pass_over(self, seen: Glimpses) -> None:
        """At steps after the last look, with account and books as they were at it."""
        if self._last is not None and not self._passing:
            state, book = self._last
            rules = (one.passing(state) for one in self.benchmarks)
            self._passing = (self.curve.passing(state), self.attribution.passing(state, book), *rules)
        for one in self._passing:
            one.look(seen)


def _end(desk: Desk, looks: _Looks, exit_style: str) -> Outcome:
    """The books after the last orders, at the last prices."""
    catch_up(desk.recorder, desk.broker)
    try:
        state = observe(desk)
    except (MarketUnavailableError, BrokerUnavailableError) as error:
        raise RunError(f"the run's end can't be valued ({error}): end it at another instant") from None
    looks.look(state, state.book)
    try:
        curve = looks.curve.curve()
    except ValueError as error:
        raise RunError(str(error)) from None
    return Outcome(
        exit_style,
        curve,
        state.book,
        tuple(desk.recorder.facts()),
        prices_of(state),
        tuple(one.found() for one in looks.benchmarks),
        looks.attribution.found(),
    )
