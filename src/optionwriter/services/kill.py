"""Kill: what an engaged kill switch demands, and what a resume may lift.

Needs neither market nor model, page or P&L: only the switch, the orders and the ledger. Keeps: what rests is asked to
be cancelled before anything is booked, so that no failing book stands in a cancellation's way; the halt is a fact
that outlives the switch's file; a resume lifts what a kill did and gives back whatever state was there before.
"""

from __future__ import annotations

from dataclasses import dataclass

from optionwriter.core.books.book import working
from optionwriter.core.books.facts import StateChanged, TradingState
from optionwriter.ports import Broker, KillOrder, KillSwitch
from optionwriter.services.catch_up import book_cancelled, cancel_all, settle_unresolved
from optionwriter.services.recorder import Entry, Recorder

RESUME = "resume"  # the cure of a kill


@dataclass(frozen=True, slots=True)
class Killed:
    """An engaged switch and what it left: orders whose end is not certain yet, in words."""

    order: KillOrder
    left: tuple[str, ...]


def words(order: KillOrder) -> str:
    """Why nothing is sent."""
    return f"killed by {order.by}: {order.reason}"


def obey_kill(recorder: Recorder, broker: Broker, kill: KillSwitch) -> Killed | None:
    """Cancels what rests, halts, and books how the orders ended; None when the switch is not engaged.

    May be repeated until nothing is left. Errors: LedgerError, after every cancellation was asked for.
    """
    order = kill.read()
    if order is None:
        return None
    answers = cancel_all(recorder.book, broker)
    halt(recorder, order)
    left = book_cancelled(recorder, answers)
    known = {one.intent.label for one in working(recorder.book)}
    unclear = settle_unresolved(recorder, broker)
    if any(one.intent.label not in known for one in working(recorder.book)):  # found, and it rests
        left = book_cancelled(recorder, cancel_all(recorder.book, broker))
    return Killed(order, left + unclear)


def halt(recorder: Recorder, order: KillOrder) -> None:
    """Records the halt, once; a ledger that is not open yet has nothing to halt."""
    book, reason = recorder.book, words(order)
    if not book.seq or (book.state is TradingState.HALTED and book.state_reason == reason):
        return
    recorder.record([Entry(StateChanged(TradingState.HALTED, reason, RESUME))])


def lift(recorder: Recorder, reason: str) -> str:
    """Lifts a halt whose cure is a resume, back to the state before it; says what is so now."""
    book = recorder.book
    if book.state is TradingState.HALTED and book.state_lifted_by == RESUME:
        recorder.record([Entry(_before(recorder, reason))])
        book = recorder.book
    if book.state is TradingState.ACTIVE:
        return f"resumed: {reason}"
    return (
        f"the kill is lifted ({reason}), but the agent stays {book.state}: {book.state_reason}; "
        f"lifted when {book.state_lifted_by}"
    )


def _before(recorder: Recorder, reason: str) -> StateChanged:
    """The state that a kill found, which may be a halt with a cure of its own."""
    found = StateChanged(TradingState.ACTIVE, "", "")
    for fact in recorder.facts():
        if isinstance(fact.body, StateChanged) and fact.body.lifted_by != RESUME:
            found = fact.body
    if found.state is TradingState.ACTIVE:
        return StateChanged(TradingState.ACTIVE, f"resumed: {reason}", "")
    return found
