"""Parity: takes a run's decisions once more, each at its logged instant, with what came to the account from outside.

The cycle is the one that trades; the desk is handed in at the run's beginning. What the run's own orders did between
two cycles the desk's broker does too: time passes there as it passed for the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from optionwriter.core.books.facts import Decided, Deposited, Fact, LedgerOpened, StateChanged
from optionwriter.core.books.pnl import Prices
from optionwriter.core.report.parity import Logged, Parity, Record, compare, when
from optionwriter.core.report.views import prices_of
from optionwriter.ports import BrokerUnavailableError, MarketUnavailableError
from optionwriter.services.catch_up import catch_up
from optionwriter.services.cycle import Desk, observe, run_cycle
from optionwriter.services.kill import RESUME

OPENING = "opening"
_NOTHING = Prices({}, {})
_NEVER = -1  # the cycle of what no decision has seen


class ParityError(Exception):
    """The log can't be compared; the message names what is wrong with it and the cure."""


def check(run: Logged, strategies: Iterable[str]) -> None:
    """Errors: ParityError for what is empty, or of more than one run, or of strategies that the replay has not."""
    if not run.facts or not isinstance(run.facts[0].body, LedgerOpened):
        raise ParityError("the ledger is empty: the run never saw its account")
    if not run.records:
        raise ParityError("the decision log is empty: the run took no decision, or its logs were cleared")
    known = set(strategies)
    if missing := sorted({str(one["strategy_id"]) for one in run.records} - known):
        raise ParityError(
            f"the run had the strategies {', '.join(missing)}, these settings have {', '.join(sorted(known))}: "
            "set STRATEGIES_FILE and the rest as the run had them"
        )
    decided = {one.decision_id for one in run.facts if isinstance(one.body, Decided)}
    lines = {str(one["decision_id"]) for one in run.records}
    first, opened = int(run.records[0]["at_ms"]), run.facts[0].at_ms
    if (decided and not decided & lines) or first < opened:
        raise ParityError(
            f"log and ledger are not of one run: the log begins at {when(first)}, the ledger at {when(opened)}, with "
            f"{len(decided & lines)} of its {len(decided)} decisions in the log"
        )


def is_outside(fact: Fact) -> bool:
    """Whether it came to the run from outside: cash, or a person's kill and resume."""
    body = fact.body
    if isinstance(body, Deposited):
        return body.reason != OPENING
    return isinstance(body, StateChanged) and (body.lifted_by == RESUME or body.reason.startswith("resumed"))


def parity_of(
    run: Logged,
    desk: Desk,
    records: Sequence[Record],
    apply: Callable[[Fact], None],
    tell: Callable[[float], None] = lambda _: None,
) -> Parity:
    """Replays the run at `desk` and compares. Errors: LedgerError.

    `records` is what the desk's sink gathers; `apply` lets a fact from outside happen there; `tell` hears the
    share that is done.
    """
    instants = sorted({int(one["at_ms"]) for one in run.records})
    outside = _by_cycle(run, instants)
    failures: list[str] = []
    prices = _NOTHING
    for place, at_ms in enumerate(instants):
        for one in outside.get(at_ms, ()):
            desk.clock.sleep_until(one.at_ms)
            apply(one)
        desk.clock.sleep_until(at_ms)
        try:
            prices = prices_of(run_cycle(desk).after)
        except (MarketUnavailableError, BrokerUnavailableError) as error:
            failures.append(f"{when(at_ms)}: the replay's cycle failed: {error}")
        tell((place + 1) / len(instants))
    if run.facts[-1].at_ms > instants[-1]:  # booked by a cycle that left no decision
        for one in outside.get(_NEVER, ()):
            desk.clock.sleep_until(one.at_ms)
            apply(one)
        desk.clock.sleep_until(run.facts[-1].at_ms)
        try:
            catch_up(desk.recorder, desk.broker)
            prices = prices_of(observe(desk))
        except (MarketUnavailableError, BrokerUnavailableError) as error:
            failures.append(f"the replay's end can't be valued: {error}")
    replay = Logged(tuple(records), tuple(desk.recorder.facts()), desk.recorder.book)
    return compare(run, replay, prices, failures)


def _by_cycle(run: Logged, instants: Sequence[int]) -> dict[int, list[Fact]]:
    """What came from outside, by the instant of the first decision that saw it.

    That is the first one after it was written down; of a kill or resume in a decision's very instant the log says
    whether it came before.
    """
    states = {int(one["at_ms"]): str(one["state"]["trading_state"]) for one in run.records}
    found: dict[int, list[Fact]] = {}
    for fact in run.facts:
        if is_outside(fact):
            at_ms = next(
                (one for one in instants if one >= fact.recorded_ms and _seen(fact, one, states)), _NEVER
            )
            found.setdefault(at_ms, []).append(fact)
    return found


def _seen(fact: Fact, at_ms: int, states: Mapping[int, str]) -> bool:
    """Whether the decision at an instant at or after the fact's knew of it."""
    body = fact.body
    return not isinstance(body, StateChanged) or at_ms > fact.recorded_ms or states[at_ms] == body.state.value
