"""Replay: the plain cycle over a tape, from one recorded instant to the next, to a result.

The cycle is the one that trades; what differs is who sits at the desk. After each cycle the books and limits are looked
at, where orders went out once more after them. A cycle that the market or the account failed is told and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from optionwriter.core.books.pnl import PriceMissingError
from optionwriter.core.decide.risk import capacity_of
from optionwriter.core.report.decisions import status_view
from optionwriter.core.report.evidence import Look, Results, Round, able_scores, offered_scores
from optionwriter.core.report.views import prices_of
from optionwriter.ports import BrokerUnavailableError, MarketUnavailableError
from optionwriter.services.cycle import CycleReport, Desk, run_cycle
from optionwriter.services.execute import Execution


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay gathered: a round for each strategy and cycle, a look at each instant, failures in words."""

    rounds: tuple[Round, ...]
    looks: tuple[Look, ...]
    failures: tuple[str, ...]


def replay(
    desk: Desk, instants: Iterable[int], tell: Callable[[CycleReport], None] = lambda _: None
) -> Replayed:
    """Runs one cycle at each of `instants`, ascending. Errors: LedgerError."""
    rounds: list[Round] = []
    looks: list[Look] = []
    failures: list[str] = []
    results = Results()
    for at_ms in instants:
        desk.clock.sleep_until(at_ms)
        try:
            report = run_cycle(desk)
            looks.append(_look(desk, report, results))
        except (MarketUnavailableError, BrokerUnavailableError, PriceMissingError) as error:
            failures.append(f"{at_ms}: {error}")
            continue
        failures += [
            f"{at_ms}: {one.seat.config.id}: {one.failure}" for one in report.proposed if one.failure
        ]
        failures += [f"{at_ms}: {one}" for one in report.differences]
        rounds += _rounds(desk, report)
        tell(report)
    return Replayed(tuple(rounds), tuple(looks), tuple(failures))


def _look(desk: Desk, report: CycleReport, results: Results) -> Look:
    """The books after the cycle's orders, and the limits before and after them."""
    before = status_view(report.state, desk.limits).limits
    state = report.after
    return Look(
        at_ms=report.at_ms,
        results=results.at(state.book, prices_of(state)),
        equity_usd=float(state.equity_usd),
        before=before,
        after=status_view(state, desk.limits).limits if report.executions else before,
    )


def _rounds(desk: Desk, report: CycleReport) -> list[Round]:
    """Each strategy's decision of the cycle, and what was filled of it."""
    capacity = capacity_of(report.state, desk.limits)
    return [
        Round(
            at_ms=report.at_ms,
            strategy_id=each.seat.config.id,
            actions=_filled([one for one in report.executions if one.strategy_id == each.seat.config.id]),
            refused=sum(one.proposal.strategy_id == each.seat.config.id for one in report.review.refused),
            offered=offered_scores(each.menus),
            able=able_scores(report.state, each.seat.config, capacity),
        )
        for each in report.proposed
    ]


def _filled(executions: Sequence[Execution]) -> tuple[str, ...]:
    """The actions of which at least a lot was filled; the intents of one plan are one action."""
    plans = {one.intent.plan: one.intent.action.value for one in executions if one.filled}
    return tuple(plans.values())
