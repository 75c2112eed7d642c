"""Decision records: what a cycle's decisions look like in the log, a record a strategy.

Keeps: a strategy whose record can't be made still has one, which says so, and takes no other's away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import structlog

from optionwriter.core.decide.choosing import NOTHING, Choice
from optionwriter.core.decide.menu import Menu, MenuItem, Rejection
from optionwriter.core.decide.risk import Review
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.view import forecast_volatility
from optionwriter.core.report.candidates import candidate_columns
from optionwriter.core.report.decision import DecisionRecord, Diagnostics, Row
from optionwriter.services.execute import Decision, Execution
from optionwriter.services.proposed import Proposed

log = structlog.get_logger(__name__)

NEAREST = 10


def decision_records(
    mode: str,
    state: AgentState,
    proposed: Sequence[Proposed],
    decisions: Sequence[Decision],
    reviewed: Review,
    executions: Sequence[Execution],
    fingerprint: str,
) -> Iterator[tuple[DecisionRecord, Mapping[str, object]]]:
    """For each strategy its record and its candidates' columns."""
    summary = state_row(state)
    for each, decision in zip(proposed, decisions, strict=True):
        mine = [one for one in executions if one.strategy_id == decision.strategy_id]
        bare = DecisionRecord(
            decision_id=decision.decision_id,
            at_ms=state.at_ms,
            strategy_id=decision.strategy_id,
            mode=mode,
            fingerprint=fingerprint,
            state=summary,
            menu=(),
            gate_counts={},
            nearest_rejects=(),
            proposed={"action": "", "keys": list(decision.fact.chosen)},
            risk={},
            final={},
            execution={"orders": [execution_row(one) for one in mine]},
            reasoning="",
        )
        try:
            record = _filled_in(bare, each, decision, reviewed)
            columns = candidate_columns(state, each.menus, decision.fact.chosen, each.choice)
        except Exception as error:  # what one strategy put on its menu must not cost the others their record
            log.exception("no record could be made", strategy=decision.strategy_id)
            record = replace(bare, reasoning=f"no record could be made: {type(error).__name__}: {error}")
            columns = {}
        yield record, columns


def _filled_in(bare: DecisionRecord, each: Proposed, decision: Decision, reviewed: Review) -> DecisionRecord:
    items = [item for menu in each.menus for item in menu.items]
    approved = [one for one in reviewed.approved if one.proposal.strategy_id == decision.strategy_id]
    refused = [one for one in reviewed.refused if one.proposal.strategy_id == decision.strategy_id]
    chosen = [one for one in items if one.key in decision.fact.chosen]
    allowed = [one.proposal.item.key for one in approved]
    return replace(
        bare,
        menu=tuple(item_row(item) for item in items),
        gate_counts=_gate_counts(each.menus),
        nearest_rejects=tuple(rejection_row(one) for menu in each.menus for one in menu.nearest(NEAREST)),
        proposed={
            "action": _action(items, decision.fact.chosen),
            "keys": list(decision.fact.chosen),
            "actions": [action_row(item, each.choice) for item in chosen],
        },
        risk={
            "approved": allowed,
            "refused": {one.proposal.item.key: [str(finding) for finding in one.findings] for one in refused},
        },
        final={"action": _action(items, allowed), "keys": allowed},
        reasoning=reasoning(each, decision),
        diagnostics=_diagnostics(next(iter([*chosen, *items]), None)),
        choice=choice_row(each),
    )


def action_row(item: MenuItem, choice: Choice) -> Row:
    """One chosen item in a few numbers: what an owner asks of it first, and why it was taken."""
    found = _diagnostics(item)
    return {
        "key": item.key,
        "action": item.action.value,
        "because": choice.because.get(item.key, item.reason),
        "delta": found.delta,
        "dte": found.dte,
        "premium_usd": found.premium_usd,
        "ivrv": found.ivrv,
    }


def choice_row(each: Proposed) -> Row:
    """How the choice came about, as plain values; the chances of all that was on the menu stand with the candidates."""
    choice = each.choice
    return {
        "chooser": each.seat.chooser,
        "epsilon": each.seat.epsilon,
        "propensity": choice.propensity,
        "support": choice.support,
        "explored": choice.explored,
        "note": choice.note,
        "min_score": each.seat.choice.min_score,
        "gates": each.seat.config.gates._asdict(),
        "draws": [
            {
                "underlying": one.underlying,
                "key": one.key,
                "propensity": one.propensity,
                "nothing": one.chances.get(NOTHING, 0.0),
                "support": sum(chance > 0 for chance in one.chances.values()),
                "explored": one.explored,
            }
            for one in choice.draws
        ],
    }


def state_row(state: AgentState) -> Row:
    """The state in a few numbers."""
    return {
        "trading_state": state.book.state.value,
        "equity_usd": state.equity_usd,
        "balances": {one.currency: one.balance for one in state.account.currencies},
        "spot": {name: one.index for name, one in state.underlyings.items()},
        "forecast_volatility": {
            name: forecast_volatility(one.context) for name, one in state.underlyings.items()
        },
        "positions": [
            {
                "instrument": one.option.name,
                "amount": one.amount,
                "ours": one.ours,
                "delta": one.delta,
                "mark": one.mark,
            }
            for one in state.held
        ],
        "flags": [f"{flag.subject}: {flag.detail}" for flag in state.flags],
    }


def item_row(item: MenuItem) -> Row:
    """A menu item as plain values."""
    return {
        "key": item.key,
        "action": item.action.value,
        "reason": item.reason,
        "size": item.size.value,
        "score": item.score,
        "parts": dict(item.parts),
        "mandatory": item.mandatory,
        "value": item.value,
        "threshold": item.threshold,
        "metrics": item.metrics._asdict(),
        "legs": [
            {
                "instrument": leg.instrument,
                "side": leg.side.value,
                "amount": leg.amount,
                "limit_price": leg.limit_price,
            }
            for leg in item.legs
        ],
    }


def rejection_row(one: Rejection) -> Row:
    """A rejected candidate as plain values."""
    return one._asdict()


def execution_row(one: Execution) -> Row:
    """What became of an intent, as plain values."""
    return {
        "label": one.intent.label,
        "instrument": one.intent.instrument,
        "side": one.intent.side.value,
        "amount": one.intent.amount,
        "limit_price": one.intent.limit_price,
        "filled": one.filled,
        "outcome": one.outcome,
        "detail": one.detail,
    }


def _gate_counts(menus: Sequence[Menu]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for menu in menus:
        for gate, number in menu.counts_by_gate().items():
            counts[gate] = counts.get(gate, 0) + number
    return counts


def _action(items: Sequence[MenuItem], keys: Sequence[str]) -> str:
    found = [item.action.value for item in items if item.key in keys]
    return "+".join(found) if found else "DO_NOTHING"


def reasoning(each: Proposed, decision: Decision) -> str:
    """Why a strategy did what it did, or did nothing, in words."""
    if each.failure:
        return each.failure
    menus = each.menus
    notes = [note for menu in menus for note in menu.notes]
    notes += [each.choice.note] if each.choice.note else []
    notes += [f"left off the menu: {one}" for one in each.dropped]
    if decision.fact.summary:
        return "; ".join([decision.fact.summary, *notes])
    held = [f"{one.instrument} {one.verdict}: {one.reason}" for menu in menus for one in menu.held]
    return "; ".join(held + notes) or "nothing on the menu reaches the least score"


def _diagnostics(item: MenuItem | None) -> Diagnostics:
    if item is None:
        return Diagnostics()
    metrics = item.metrics
    return Diagnostics(metrics.delta, metrics.dte, metrics.premium_usd, metrics.ivrv)
