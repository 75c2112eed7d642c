"""Publish: after each cycle, what other processes may see of it, as plain values that JSON can hold.

Owns the published shapes: names as in DESIGN §7, Decimals as text, instants as epoch milliseconds of exchange time and
as UTC text. Keeps: numbers come from core's views, none is computed here; a page that can't be made or published
is told in the log and never stops the agent. What a restart would lose (drawdowns on the way) is read back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import structlog

from optionwriter.core.books.facts import TradingState
from optionwriter.core.books.pnl import Drawdown
from optionwriter.core.report.decisions import decision_view, plain, status_view
from optionwriter.core.report.views import (
    ClosedPosition,
    OpenPosition,
    account_view,
    closed_positions,
    observe,
    open_positions,
    totals,
)
from optionwriter.ports import FeedEntry, ViewSink
from optionwriter.services.cycle import CycleReport, Desk
from optionwriter.services.execute import Decision
from optionwriter.services.proposed import Proposed
from optionwriter.services.records import execution_row, reasoning

STATUS, HEARTBEAT, OPEN, CLOSED, STRATEGIES = (
    "status",
    "heartbeat",
    "positions-open",
    "positions-closed",
    "strategies",
)
DRAWDOWNS = "drawdowns"  # the publisher's own memory
DECISIONS = "decisions"  # a feed
MOST_ITEMS, NEAREST = 6, 5  # of a menu, in a published decision
_MOST_WAITING = 200  # decisions that wait for a store that fails

Row = dict[str, Any]
log = structlog.get_logger(__name__)


@dataclass
class _Beat:
    """How the loop goes, since this process began."""

    cycles: int = 0
    failed: int = 0
    outcome: str = "starting"  # starting, done, failed, stopped
    complaint: str = ""
    complaint_ms: int | None = None
    at_ms: int | None = None
    expected_within_s: float | None = None


@dataclass
class _Memory:
    """What is kept between cycles."""

    drawdowns: dict[str, Drawdown] = field(default_factory=dict)
    closed_at_seq: int = -1  # the book whose closed positions were published
    closed: tuple[ClosedPosition, ...] = ()
    waiting: list[FeedEntry] = field(default_factory=list)


class Publisher:
    """Tells the sink of each cycle. One for each run of the agent; nothing here raises."""

    def __init__(self, sink: ViewSink, expected_within_s: float | None = None) -> None:
        """`expected_within_s`: seconds of the machine's clock within which a next cycle should follow."""
        self._sink = sink
        self._beat = _Beat(expected_within_s=expected_within_s)
        self._kept = _Memory(_read_back(sink.last(DRAWDOWNS)))

    def after_cycle(self, desk: Desk, report: CycleReport) -> None:
        """Publishes a cycle that went through."""
        beat = self._beat
        beat.cycles, beat.outcome, beat.at_ms = beat.cycles + 1, "done", report.at_ms
        beat.complaint, beat.complaint_ms = "", None
        try:
            views = self._views(desk, report)
            self._kept.waiting += decision_entries(desk.mode, report)
        except Exception as error:  # what is only shown must not stop what trades
            log.exception("views not made", error=str(error))
            self.complain(f"the page can't be made: {type(error).__name__}: {error}", report.at_ms)
            return
        self._publish(views)

    def complain(self, text: str, at_ms: int) -> None:
        """Publishes that a cycle did not go through, and why; the last good views stay."""
        beat = self._beat
        beat.failed, beat.outcome = beat.failed + 1, "failed"
        beat.complaint, beat.complaint_ms, beat.at_ms = text, at_ms, at_ms
        self._publish({})

    def stopped(self, reason: str, at_ms: int) -> None:
        """Publishes that the agent has ended in order."""
        self._beat.outcome, self._beat.complaint, self._beat.at_ms = "stopped", reason, at_ms
        self._publish({})

    def _views(self, desk: Desk, report: CycleReport) -> dict[str, object]:
        kept, book = self._kept, report.state.book
        kept.drawdowns = observe(kept.drawdowns, report.state)
        views: dict[str, object] = {
            STATUS: status(desk, report),
            OPEN: positions(open_positions(report.state)),
            DRAWDOWNS: plain(kept.drawdowns),
        }
        if book.seq != kept.closed_at_seq:  # closed chains change only with the ledger
            kept.closed = closed_positions(book, kept.drawdowns)
            kept.closed_at_seq = book.seq
            views[CLOSED] = positions(kept.closed)
        views[STRATEGIES] = strategies(report, kept.closed)
        return views

    def _publish(self, views: Mapping[str, object]) -> None:
        kept = self._kept
        del kept.waiting[:-_MOST_WAITING]
        if self._sink.publish({**views, HEARTBEAT: _heartbeat(self._beat)}, kept.waiting):
            kept.waiting = []
        else:
            kept.closed_at_seq = -1  # it may not be there: next time all of it


def when(at_ms: int) -> str:
    """An instant as UTC text, 2026-01-17T08:00:00Z."""
    return f"{datetime.fromtimestamp(at_ms // 1000, tz=UTC):%Y-%m-%dT%H:%M:%SZ}"


def status(desk: Desk, report: CycleReport) -> Row:
    """What the agent is, may do, sees and has."""
    state = report.state
    shown = _row(status_view(state, desk.limits))
    account = _row(account_view(state))
    return {
        "account": state.account.account_id,
        "environment": shown["environment"],
        "execution_mode": shown["mode"],
        "dry_run": desk.mode == "paper",
        "state": shown["state"],
        "state_reason": shown["state_reason"],
        "state_lifted_by": shown["state_lifted_by"] if state.book.state is not TradingState.ACTIVE else "",
        "at_ms": report.at_ms,
        "at": when(report.at_ms),
        "open_chains": shown["open_chains"],
        "unresolved_orders": shown["unresolved_orders"],
        "unresolved": list(report.caught_up.unresolved),
        "underlyings": [_underlying(report, name) for name in sorted(state.underlyings)],
        "equity_usd": account["equity_usd"],
        "holding_usd": account["holding_usd"],
        "over_holding_usd": account["over_holding_usd"],
        "option_usd": account["option_usd"],
        "missing": account["missing"],
        "currencies": [_currency(one, shown["free_cover"]) for one in account["currencies"]],
        "limits": [_limit(one) for one in shown["limits"]],
        "external": [{"instrument": name, "amount": amount} for name, amount in shown["external"].items()],
        "foreign": shown["foreign"],
        "contradictions": shown["contradictions"],
        "differences": [str(one) for one in report.differences],
    }


def _underlying(report: CycleReport, name: str) -> Row:
    found = report.state.underlyings[name]
    context = found.context
    oldest = min((chain.at_ms for chain in found.chains.values()), default=None)
    return {
        "underlying": name,
        "spot": plain(found.index),
        "regime": str(context.regime),
        "volatility_index": plain(context.volatility_index),
        "volatility_rank_1y": plain(context.volatility_rank_1y),
        "realised_7d": plain(context.realised_7d),
        "realised_30d": plain(context.realised_30d),
        "return_1d": plain(context.return_1d),
        "return_7d": plain(context.return_7d),
        "return_30d": plain(context.return_30d),
        "data_age_ms": None if oldest is None else max(0, report.at_ms - oldest),
    }


def _currency(one: Row, free_cover: Row) -> Row:
    pnl = one["pnl"] or {}
    equity, option = pnl.get("equity") or {}, pnl.get("option") or {}
    return {
        "currency": one["currency"],
        "balance": one["balance"],
        "equity": one["equity"],
        "equity_usd": equity.get("usd"),
        "holding": pnl.get("deposited"),
        "holding_usd": pnl.get("benchmark_usd"),
        "option_pnl": option.get("coin"),
        "option_pnl_usd": option.get("usd"),
        "initial_margin": one["initial_margin"],
        "margin_used_pct": _short(one["margin_used_pct"]),
        "free_cover": free_cover.get(one["currency"]),
    }


def _limit(one: Row) -> Row:
    used, limit = one["used"], one["limit"]
    share: str | None = None
    if used is not None and limit is not None and Decimal(limit) > 0:
        share = format(Decimal(used) / Decimal(limit) * 100, "f")
    return {
        "name": one["name"],
        "subject": one["subject"],
        "used": _short(used),
        "limit": limit,
        "used_pct": _short(share),
    }


def positions(found: tuple[OpenPosition, ...] | tuple[ClosedPosition, ...]) -> Row:
    """Positions with their totals by settlement currency; a bundle is one row with its legs inside."""
    return {"positions": [_position(one) for one in found], "totals": plain(totals(found))}


def _position(one: OpenPosition | ClosedPosition) -> Row:
    row = _timed(_row(one))
    row["legs"] = [_timed(leg) for leg in row["legs"]]
    for name in row:
        if "_pct" in name:
            row[name] = _short(row[name])
    return row


def _timed(row: Row) -> Row:
    """Instants as UTC text, with the milliseconds beside them."""
    timed: Row = {}
    for name, value in row.items():
        if name in ("created_at", "closed_at", "opened_ms", "closed_ms", "expiry_ms"):
            base = name.removesuffix("_ms").removesuffix("_at")
            word = base if base == "expiry" else f"{base}_at"
            timed[word] = None if value is None else when(value)
            timed[f"{base}_ms"] = value
        else:
            timed[name] = value
    return timed


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
        **_row(view),
        "reasoning": reasoning(each, decision),
        "failure": each.failure,
        "orders": plain([execution_row(one) for one in orders]),
    }


def strategies(report: CycleReport, closed: Sequence[ClosedPosition]) -> Row:
    """Each instance at the desk: its rules in force, what it decided last, what it holds and has brought."""
    held = open_positions(report.state)
    return {
        "strategies": [
            _strategy(report, each, decision, held, closed)
            for each, decision in zip(report.proposed, report.decisions, strict=True)
        ]
    }


def _strategy(
    report: CycleReport,
    each: Proposed,
    decision: Decision,
    held: Sequence[OpenPosition],
    closed: Sequence[ClosedPosition],
) -> Row:
    config = each.seat.config
    view = decision_view(config.id, report.at_ms, each.menus, each.chosen, report.review)
    counts: dict[str, int] = {}
    for menu in view.menus:
        for gate, number in menu.counts_by_gate.items():
            counts[gate] = counts.get(gate, 0) + number
    mine = tuple(one for one in held if one.strategy_id == config.id)
    over = tuple(one for one in closed if one.strategy_id == config.id)
    return {
        "strategy_id": config.id,
        "strategy_type": config.kind,
        "underlyings": list(config.underlyings),
        "writes": list(config.writes),
        "style": str(config.style),
        "min_score": config.min_score,
        "gates": plain(config.gates),
        "at_ms": report.at_ms,
        "at": when(report.at_ms),
        "last_action": view.action,
        "last_reasoning": reasoning(each, decision),
        "failure": each.failure,
        "rejected_by_gate": counts,
        "positions_open": len(mine),
        "positions_closed": len(over),
        "unrealized": plain(totals(mine)),
        "realized": plain(totals(over)),
    }


def _heartbeat(beat: _Beat) -> Row:
    row = {one.name: getattr(beat, one.name) for one in fields(beat)}
    row["at"] = None if beat.at_ms is None else when(beat.at_ms)
    row["complaint_at"] = None if beat.complaint_ms is None else when(beat.complaint_ms)
    return row


def _row(view: object) -> Row:
    row = plain(view)
    assert isinstance(row, dict)
    return row


def _short(number: str | None) -> str | None:
    """A quotient of 28 digits, for show: four places."""
    return None if number is None else format(Decimal(number).quantize(Decimal("0.0001")), "f")


def _read_back(kept: object) -> dict[str, Drawdown]:
    """The drawdowns of an earlier process; what can't be read is left out."""
    found: dict[str, Drawdown] = {}
    for chain, one in kept.items() if isinstance(kept, dict) else ():
        try:
            found[str(chain)] = Drawdown(Decimal(one["peak"]), Decimal(one["worst"]))
        except (KeyError, TypeError, InvalidOperation):
            log.warning("drawdown not read back", chain=chain)
    return found
