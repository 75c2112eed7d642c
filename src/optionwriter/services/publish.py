"""Publish: after each cycle, and when something happens in between, what other processes may see of it.

Owns what is published when, and what is kept between cycles; the shapes are in `published`. Keeps: numbers come from
core's views, none is computed here; what has not changed is not written again; a page that can't be made or published
is told in the log and never stops the agent. What a restart would lose (drawdowns on the way, the equity curve) is
read back from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation

import structlog

from optionwriter.core.books.book import Book, open_chains
from optionwriter.core.books.pnl import Drawdown
from optionwriter.core.report.bundled import grouped
from optionwriter.core.report.decisions import plain
from optionwriter.core.report.equity import Point, columns, point_of, points_of, with_point
from optionwriter.core.report.views import (
    ClosedPosition,
    OpenPosition,
    account_view,
    closed_row,
    observe,
    open_positions,
)
from optionwriter.ports import FeedEntry, ViewSink
from optionwriter.services.agent import Timing
from optionwriter.services.cycle import CycleReport, Desk
from optionwriter.services.published.decisions import (
    DECISIONS,
    Realized,
    decision_entries,
    realized,
    strategies,
)
from optionwriter.services.published.positions import (
    DETAIL,
    Opened,
    detail,
    opened,
    position,
    positions,
    table,
    with_payoff,
)
from optionwriter.services.published.rows import Row, when
from optionwriter.services.published.status import seen_between, status
from optionwriter.services.recorder import Recorder

__all__ = [
    "CLOSED",
    "DECISIONS",
    "DETAIL",
    "DRAWDOWNS",
    "EQUITY",
    "HEARTBEAT",
    "OPEN",
    "STATUS",
    "STRATEGIES",
    "Publisher",
    "when",
]

STATUS, HEARTBEAT, STRATEGIES, EQUITY = "status", "heartbeat", "strategies", "equity-curve"
OPEN, CLOSED = "positions-open", "positions-closed"
DRAWDOWNS = "drawdowns"  # the publisher's own memory, of the positions that are open
MOST_DETAILED = 200  # closed positions that can be opened up, the latest
_MOST_WAITING = 200  # decisions that wait for a store that fails

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
    lateness_ms: int | None = None  # exchange time from when the last cycle was due to its begin
    lateness_max_ms: int | None = None
    cycle_ms: float | None = None  # the machine's time that it took
    cycle_max_ms: float | None = None


@dataclass
class _Closed:
    """The chains that are over: they change only when one ends, so each is added up once."""

    key: object = None  # what of the book they were read from
    found: dict[str, ClosedPosition] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    realized: dict[str, Realized] = field(default_factory=dict)  # by strategy
    detailed: frozenset[str] | None = None  # those whose own view stands in the store; None: who knows

    def latest(self) -> list[str]:
        """Their ids, the latest first."""
        return sorted(self.found, key=lambda one: (-self.found[one].closed_at, one))


class Publisher:
    """Tells the sink of each cycle. One for each run of the agent; nothing here raises."""

    def __init__(self, sink: ViewSink, expected_within_s: float | None = None) -> None:
        """`expected_within_s`: seconds of the machine's clock within which a next cycle should follow."""
        self._sink = sink
        self._beat = _Beat(expected_within_s=expected_within_s)
        self._drawdowns = _drawdowns(sink.last(DRAWDOWNS))
        self._ended = _ended(sink.last(CLOSED))
        self._curve = _curve(sink.last(EQUITY))
        shown = sink.last(STATUS)
        self._status: Row = shown if isinstance(shown, dict) else {}
        self._closed = _Closed()
        self._opened: dict[str, Opened] = {}
        self._sent: dict[str, object] = {}  # what stands in the store, as far as it may change
        self._waiting: list[FeedEntry] = []

    def timed(self, timing: Timing) -> None:
        """Takes how the cycle that just ended kept to the clock; published with it."""
        beat = self._beat
        beat.lateness_ms = timing.late_ms
        if timing.late_ms is not None:
            beat.lateness_max_ms = max(timing.late_ms, beat.lateness_max_ms or 0)
        beat.cycle_ms = round(timing.took_ms, 1)
        beat.cycle_max_ms = max(beat.cycle_ms, beat.cycle_max_ms or 0.0)

    def after_cycle(self, desk: Desk, report: CycleReport) -> None:
        """Publishes a cycle that went through."""
        beat = self._beat
        beat.cycles, beat.outcome, beat.at_ms = beat.cycles + 1, "done", report.at_ms
        beat.complaint, beat.complaint_ms = "", None
        views = self._made(lambda: self._views(desk, report), report.at_ms)
        if views is not None:
            self._publish(views)

    def watched(self, desk: Desk) -> None:
        """Publishes what was seen between two cycles: the kill switch, commands, the state they led to."""
        views = self._made(lambda: self._between(desk), desk.clock.now_ms())
        if views:
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

    def _made(self, make: Callable[[], dict[str, object]], at_ms: int) -> dict[str, object] | None:
        try:
            return make()
        except Exception as error:  # what is only shown must not stop what trades
            log.exception("views not made", error=str(error))
            self._closed.key = self._closed.detailed = None
            self.complain(f"the page can't be made: {type(error).__name__}: {error}", at_ms)
            return None

    def _views(self, desk: Desk, report: CycleReport) -> dict[str, object]:
        state = report.after
        book, held = state.book, open_positions(state)
        alive = {chain.bundle or chain.chain_id for chain in open_chains(book)}
        seen = observe({one: fall for one, fall in self._drawdowns.items() if one in alive}, state)
        self._ended |= {one: fall.worst for one, fall in self._drawdowns.items() if one not in seen}
        self._drawdowns = seen
        self._status = status(desk, report, len(self._sink.pending_commands()))
        self._curve = with_point(self._curve, point_of(account_view(state)))
        views: dict[str, object] = {
            STATUS: self._status,
            OPEN: positions(held),
            EQUITY: columns(self._curve),
            DRAWDOWNS: plain(seen),
        }
        views |= self._closed_views(desk.recorder, book)
        views |= self._details(desk.recorder, report, held)
        views[STRATEGIES] = strategies(report, self._closed.realized, self._status["limits"])
        self._waiting += decision_entries(desk.mode, report)
        return views

    def _between(self, desk: Desk) -> dict[str, object]:
        if not self._status:
            return {}
        pending = len(self._sink.pending_commands())
        self._status = seen_between(self._status, desk.recorder.book, desk.kill.read(), pending)
        return {STATUS: self._status}

    def _closed_views(self, recorder: Recorder, book: Book) -> dict[str, object]:
        """All closed positions, and each one's own view, when one ended since; else nothing."""
        closed = self._closed
        key = (len(book.chains), book.open_ids)
        if key == closed.key:
            return {}
        over = {
            name: chains
            for name, chains in grouped(one for one in book.chains.values() if one.legs).items()
            if not any(one.is_open for one in chains)
        }
        for name in closed.found.keys() - over.keys():  # one that opened again
            del closed.found[name], closed.rows[name]
        for name in over.keys() - closed.found.keys():
            fall = Drawdown(worst=self._ended[name]) if name in self._ended else None
            closed.found[name] = closed_row(name, over[name], book.mode, fall)
            closed.rows[name] = position(closed.found[name])
        closed.realized = realized(closed.found.values())
        latest = closed.latest()
        detailed = frozenset(latest[:MOST_DETAILED])
        views: dict[str, object] = {
            CLOSED: table([closed.rows[one] for one in latest], tuple(closed.found[one] for one in latest))
        }
        before = frozenset(latest) if closed.detailed is None else closed.detailed
        views |= {DETAIL + one: None for one in before - detailed if one in over}  # nobody looks so far back
        for name in detailed if closed.detailed is None else detailed - closed.detailed:
            views[DETAIL + name] = detail(closed.rows[name], opened(over[name], recorder.fills_of))
        closed.key, closed.detailed = key, detailed
        return views

    def _details(
        self, recorder: Recorder, report: CycleReport, held: tuple[OpenPosition, ...]
    ) -> dict[str, object]:
        """The own view of each open position."""
        book = report.after.book
        bundles = {chain.bundle for chain in open_chains(book)} - {""}
        chains = grouped(one for one in book.chains.values() if one.legs and one.bundle in bundles) | {
            chain.chain_id: [chain] for chain in open_chains(book) if not chain.bundle
        }
        before, self._opened = self._opened, {}
        views: dict[str, object] = {}
        for one in held:
            name = one.position_id
            found = opened(chains[name], recorder.fills_of, before.get(name))
            self._opened[name] = with_payoff(found, report.after)
            views[DETAIL + name] = detail(position(one), self._opened[name])
        return views

    def _publish(self, views: Mapping[str, object]) -> None:
        del self._waiting[:-_MOST_WAITING]
        nothing = object()
        changed = {name: body for name, body in views.items() if self._sent.get(name, nothing) != body}
        if self._sink.publish({**changed, HEARTBEAT: _heartbeat(self._beat)}, self._waiting):
            self._waiting = []
            self._sent |= changed
        else:  # it may not be there: next time all of it
            self._sent = {}
            self._closed.key = self._closed.detailed = None


def _heartbeat(beat: _Beat) -> Row:
    row = {one.name: getattr(beat, one.name) for one in fields(beat)}
    row["at"] = None if beat.at_ms is None else when(beat.at_ms)
    row["complaint_at"] = None if beat.complaint_ms is None else when(beat.complaint_ms)
    return row


def _drawdowns(kept: object) -> dict[str, Drawdown]:
    """The drawdowns of an earlier process; what can't be read is left out."""
    found: dict[str, Drawdown] = {}
    for chain, one in kept.items() if isinstance(kept, dict) else ():
        try:
            found[str(chain)] = Drawdown(Decimal(one["peak"]), Decimal(one["worst"]))
        except (KeyError, TypeError, InvalidOperation):
            log.warning("drawdown not read back", chain=chain)
    return found


def _ended(kept: object) -> dict[str, Decimal]:
    """The worst falls of chains that are over, from what an earlier process published of them."""
    found: dict[str, Decimal] = {}
    rows = kept.get("positions") if isinstance(kept, dict) else None
    for row in rows if isinstance(rows, list) else ():
        try:
            found[str(row["position_id"])] = Decimal(row["max_drawdown"])
        except (KeyError, TypeError, InvalidOperation):
            log.warning("drawdown not read back", row=str(row)[:80])
    return found


def _curve(kept: object) -> list[Point]:
    """The equity curve of an earlier process; one that can't be read begins anew."""
    if kept is None:
        return []
    try:
        return points_of(kept)
    except ValueError as error:
        log.warning("equity curve not read back", error=str(error))
        return []
