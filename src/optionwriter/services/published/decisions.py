"""Decisions as they come, and the strategies at the desk with their rules in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from optionwriter.core.report.decisions import decision_view, plain
from optionwriter.core.report.views import ClosedPosition, OpenPosition, open_positions, totals
from optionwriter.ports import FeedEntry
from optionwriter.services.cycle import CycleReport
from optionwriter.services.execute import Decision
from optionwriter.services.proposed import Proposed
from optionwriter.services.published.rows import Row, row_of, when
from optionwriter.services.records import execution_row, reasoning

DECISIONS = "decisions"  # a feed
MOST_ITEMS, NEAREST = 6, 5  # of a menu, in a published decision


def decision_entries(mode: str, report: CycleReport) -> list[FeedEntry]:
    """One entry a strategy: what it chose, what it could have, what nearly was possible, and why."""
    return [
        FeedEntry(DECISIONS, each.seat.config.id, _decision(mode, report, each, decision))
        for each, decision in zip(report.proposed, report.decisions, strict=True)
    ]


def _decision(mode: str, report: CycleReport, each: Proposed, decision: Decision) -> Row:
    view = decision_view(
        each.seat.config.id, report.at_ms, each.menus, each.chosen, report.review, MOST_ITEMS, NEAREST
    )
    orders = [one for one in report.executions if one.strategy_id == each.seat.config.id]
    return {
        "decision_id": decision.decision_id,
        "at": when(report.at_ms),
        "execution_mode": mode,
        **row_of(view),
        "reasoning": reasoning(each, decision),
        "failure": each.failure,
        "orders": plain([execution_row(one) for one in orders]),
    }


class Realized(NamedTuple):
    """What a strategy's closed positions brought: how many they are, and their totals as rows."""

    positions: int = 0
    totals: Sequence[Row] = ()


def realized(closed: Iterable[ClosedPosition]) -> dict[str, Realized]:
    """By strategy."""
    mine: dict[str, list[ClosedPosition]] = {}
    for one in closed:
        mine.setdefault(one.strategy_id, []).append(one)
    return {
        name: Realized(len(found), [row_of(one) for one in totals(tuple(found))])
        for name, found in mine.items()
    }


def strategies(report: CycleReport, over: Mapping[str, Realized], limits: Sequence[Row]) -> Row:
    """Each instance at the desk: its rules in force, what it decided last, what it holds and has brought.

    `limits`: the rows of all limits, of which each strategy shows its own.
    """
    held = open_positions(report.after)
    return {
        "strategies": [
            _strategy(report, each, decision, held, over.get(each.seat.config.id, Realized()), limits)
            for each, decision in zip(report.proposed, report.decisions, strict=True)
        ]
    }


def _strategy(
    report: CycleReport,
    each: Proposed,
    decision: Decision,
    held: Sequence[OpenPosition],
    over: Realized,
    limits: Sequence[Row],
) -> Row:
    config = each.seat.config
    view = decision_view(config.id, report.at_ms, each.menus, each.chosen, report.review)
    counts: dict[str, int] = {}
    for menu in view.menus:
        for gate, number in menu.counts_by_gate.items():
            counts[gate] = counts.get(gate, 0) + number
    mine = tuple(one for one in held if one.strategy_id == config.id)
    return {
        "strategy_id": config.id,
        "strategy_type": config.kind,
        "underlyings": list(config.underlyings),
        "writes": list(config.writes),
        "style": str(config.style),
        "min_score": config.min_score,
        "enabled": config.enabled,
        "gates": plain(config.gates),
        "roll_gates": plain(config.roll_gates),
        "score": plain(config.score),
        "manage": plain(config.manage),
        "roll": plain(config.roll),
        "limits": [one for one in limits if one["strategy_id"] == config.id],
        "chooser": each.seat.chooser,
        "epsilon": each.seat.epsilon,
        "profile": config.profile,
        "at_ms": report.at_ms,
        "at": when(report.at_ms),
        "last_action": view.action,
        "last_reasoning": reasoning(each, decision),
        "failure": each.failure,
        "rejected_by_gate": counts,
        "positions_open": len(mine),
        "positions_closed": over.positions,
        "unrealized": plain(totals(mine)),
        "realized": list(over.totals),
    }
