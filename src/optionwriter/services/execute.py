"""Execute: from approved items to orders at the venue, each step durably in the ledger before it is taken.

The decision commits with its first intents in one transaction; then they are sent, one after the other. A chain's
later step (a roll's sale, a spread's sale beside its wing) is prepared only when the fill before it is seen, and only
for what that fill and the cover seen allow. The kill switch is read at the last moment before every send; what it
holds back is booked as never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.books.account import Acknowledged, Found, Rejected
from optionwriter.core.books.facts import (
    Decided,
    Intent,
    IntentPrepared,
    OrderProvenAbsent,
    OrderRejected,
    OrderUnknown,
)
from optionwriter.core.books.ledger import OrderStatus
from optionwriter.core.decide.execution import later_step, lowered
from optionwriter.ports import Broker, KillSwitch
from optionwriter.services.catch_up import close_order
from optionwriter.services.kill import words
from optionwriter.services.recorder import Entry, Recorder

Lower = Callable[[Intent, Decimal], Decimal]


@dataclass(frozen=True, slots=True)
class Plan:
    """One approved item's intents for one chain, in order, with the ids that place their facts."""

    strategy_id: str
    decision_id: str
    chain_id: str
    intents: tuple[Intent, ...]

    @property
    def ids(self) -> tuple[str, str, str]:
        """Strategy, decision and chain, as an Entry takes them."""
        return self.strategy_id, self.decision_id, self.chain_id


@dataclass(frozen=True, slots=True)
class Decision:
    """A strategy's decision of this cycle: its fact, and the plans of what was approved."""

    strategy_id: str
    decision_id: str
    fact: Decided
    plans: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Execution:
    """What became of one intent, for the log and the summary."""

    strategy_id: str
    intent: Intent
    filled: Decimal
    outcome: str  # filled, working, cancelled, rejected, unknown, not sent
    detail: str = ""


def commit(recorder: Recorder, decisions: Sequence[Decision]) -> None:
    """The decisions and their first intents, in one transaction: nothing is sent before. Errors: LedgerError."""
    entries: list[Entry] = []
    for decision in decisions:
        entries.append(Entry(decision.fact, decision.strategy_id, decision.decision_id))
        entries += [
            Entry(IntentPrepared(plan.intents[0]), *plan.ids) for plan in decision.plans if plan.intents
        ]
    recorder.record(entries)


def carry_out(
    recorder: Recorder, broker: Broker, kill: KillSwitch, decisions: Sequence[Decision], lower: Lower
) -> list[Execution]:
    """Sends what was committed. `lower(intent, most)` is what cover leaves of `most` of a later step.

    A later step goes out only when the one before it is done, for no more than what those before it filled allow.
    """
    done: list[Execution] = []
    for decision in decisions:
        for plan in decision.plans:
            done += _carry_out_plan(recorder, broker, kill, plan, lower)
    return done


def _carry_out_plan(
    recorder: Recorder, broker: Broker, kill: KillSwitch, plan: Plan, lower: Lower
) -> list[Execution]:
    done: list[Execution] = []
    for step, intent in enumerate(plan.intents):
        sized: Intent | None = intent
        if step:
            before = done[-1]
            if before.outcome != "filled" and before.outcome != "cancelled":
                reason = f"the step before it is {before.outcome}"
                done.append(Execution(plan.strategy_id, intent, Decimal(0), "not sent", reason))
                continue
            chain = recorder.book.chains.get(plan.chain_id)
            most = later_step(plan.intents, step, [one.filled for one in done], chain)
            sized = lowered(intent, lower(intent, most))
            if sized is None:
                reason = "no cover was freed for it" if most else "what stands beside it has not filled"
                done.append(Execution(plan.strategy_id, intent, Decimal(0), "not sent", reason))
                continue
            recorder.record([Entry(IntentPrepared(sized), *plan.ids)])
        done.append(_send(recorder, broker, kill, plan, sized if sized is not None else intent))
    return done


def _send(recorder: Recorder, broker: Broker, kill: KillSwitch, plan: Plan, intent: Intent) -> Execution:
    """Sends one prepared intent and books what is known of it; under a kill it is booked as never sent."""
    order = kill.read()
    if order is not None:
        recorder.record([Entry(OrderProvenAbsent(intent.label), *plan.ids)])
        return Execution(plan.strategy_id, intent, Decimal(0), "not sent", words(order))
    outcome = broker.send(intent)
    detail = ""
    if isinstance(outcome, Acknowledged):
        close_order(recorder, recorder.book.orders[intent.label], Found(outcome.order, outcome.fills))
        word = "working" if outcome.order.state == "open" else outcome.order.state
    elif isinstance(outcome, Rejected):
        recorder.record([Entry(OrderRejected(intent.label, outcome.code, outcome.reason), *plan.ids)])
        word, detail = "rejected", f"{outcome.code} {outcome.reason}"
    else:
        recorder.record([Entry(OrderUnknown(intent.label, outcome.reason), *plan.ids)])
        word, detail = "unknown", outcome.reason
    record = recorder.book.orders.get(intent.label)
    filled = record.filled if record is not None else Decimal(0)
    if record is not None and record.status is OrderStatus.DONE and filled == intent.amount:
        word = "filled"
    return Execution(plan.strategy_id, intent, filled, word, detail)
