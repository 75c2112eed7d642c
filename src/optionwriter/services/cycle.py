"""The one cycle: observe, propose, choose, review, execute. The same function live, on paper and in a backtest.

Who sits at the desk (which clock, market, broker, chooser) is decided in bootstrap and never asked here. Keeps: what
happened is booked before anything is decided; one strategy's failure is told and never stops the others; nothing is
sent that risk did not approve; the decision commits with its intents before the first order leaves; an engaged kill
switch is obeyed before anything else is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import structlog

from optionwriter.core.books.account import AccountSnapshot, Side
from optionwriter.core.books.facts import Decided, Intent
from optionwriter.core.books.reconcile import Difference
from optionwriter.core.decide.choosing import proposals, sift
from optionwriter.core.decide.cover import free_cover, net_cover_per_coin
from optionwriter.core.decide.execution import roll_open_amount
from optionwriter.core.decide.fingerprint import fingerprint
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.orders import decision_id, plan_orders, plans_of
from optionwriter.core.decide.risk import Approved, Review, capacity_of, review
from optionwriter.core.decide.state import AgentState, build_state
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.context import build_context
from optionwriter.core.market.instruments import PRODUCTS, parse_instrument
from optionwriter.core.market.term_structure import with_chains
from optionwriter.ports import (
    Broker,
    BrokerUnavailableError,
    Clock,
    DecisionSink,
    KillOrder,
    KillSwitch,
    Market,
)
from optionwriter.services.catch_up import CaughtUp, catch_up, check_books, indices, open_ledger
from optionwriter.services.execute import Decision, Execution, Plan, carry_out, commit
from optionwriter.services.kill import obey_kill
from optionwriter.services.proposed import Proposed, Seat
from optionwriter.services.recorder import Recorder
from optionwriter.services.records import decision_records

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everyone and everything that a cycle needs. `mode` is live or paper: a word for the record, never a branch."""

    clock: Clock
    market: Market
    broker: Broker
    recorder: Recorder
    sink: DecisionSink
    kill: KillSwitch
    seats: tuple[Seat, ...]
    products: tuple[str, ...]
    limits: Limits
    label_prefix: str
    order_validity_ms: int
    mode: str
    stopwatch: Callable[[], float]  # the machine's seconds: for how long things took, decides nothing
    nap_ms: int | None = None  # exchange time between looks at a wish to stop; None: sleep in one go


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What one cycle saw and did; the console, the log and the page tell it each in their way."""

    at_ms: int
    state: AgentState  # what was decided on
    after: AgentState  # the same market with account and books as the orders left them
    caught_up: CaughtUp
    proposed: tuple[Proposed, ...]
    review: Review
    executions: tuple[Execution, ...]
    differences: tuple[Difference, ...]
    decisions: tuple[Decision, ...]  # one for each of `proposed`, in its order
    kill: KillOrder | None  # the switch as it stood at the end


def run_cycle(desk: Desk) -> CycleReport:
    """One decision cycle. Errors: MarketUnavailableError, BrokerUnavailableError (nothing was risked), LedgerError."""
    obey_kill(desk.recorder, desk.broker, desk.kill)
    if not desk.recorder.book.seq:
        account = desk.broker.account()
        seen = _products(desk, [one.currency for one in account.currencies if one.balance])
        open_ledger(desk.recorder, desk.broker, account, desk.mode, indices(desk.market, seen))
        obey_kill(desk.recorder, desk.broker, desk.kill)
    caught = catch_up(desk.recorder, desk.broker)
    state = observe(desk)
    differences = check_books(desk.recorder, state.account, desk.label_prefix)
    if differences:
        log.warning("books and venue differ", differences=[str(one) for one in differences])
        state = with_book(state, desk)
    proposed = tuple(_propose(seat, state, desk.limits) for seat in desk.seats)
    reviewed = review(
        state,
        desk.limits,
        [one for each in proposed for one in proposals(each.menus, each.chosen)],
    )
    market = fingerprint(state)
    decisions = [_decide(desk, state, each, reviewed, market) for each in proposed]
    commit(desk.recorder, [one for one in decisions if one.fact.chosen])
    executions = carry_out(
        desk.recorder, desk.broker, desk.kill, decisions, lambda intent, most: _lowered(desk, intent, most)
    )
    if desk.sink.keeps:
        for record in decision_records(desk.mode, state, proposed, decisions, reviewed, executions, market):
            desk.sink.write(*record)
    return CycleReport(
        at_ms=state.at_ms,
        state=state,
        after=_after(desk, state, executions),
        caught_up=caught,
        proposed=proposed,
        review=reviewed,
        executions=tuple(executions),
        differences=differences,
        decisions=tuple(decisions),
        kill=desk.kill.read(),
    )


def _after(desk: Desk, state: AgentState, executions: Sequence[Execution]) -> AgentState:
    """What the orders left; the state before them while the account can't be read."""
    if not executions:
        return state
    try:
        account = desk.broker.account()
    except BrokerUnavailableError:
        return state
    return with_book(replace(state, account=account), desk)


def _products(desk: Desk, currencies: Iterable[str]) -> tuple[str, ...]:
    """What is read: the desk's products, and the book of every other coin on the account, for what it is worth."""
    more = sorted(set(currencies).intersection(PRODUCTS).difference(desk.products))
    return (*desk.products, *more)


def products_read(desk: Desk) -> tuple[str, ...]:
    """Codes of the products that a cycle reads."""
    return _products(desk, _held(desk))


def observe(desk: Desk) -> AgentState:
    """Everything a decision may rest on, read now. Errors: MarketUnavailableError, BrokerUnavailableError."""
    chains = {code: desk.market.chain(code) for code in products_read(desk)}
    underlyings = sorted({chain.product.underlying for chain in chains.values()})
    histories = {name: desk.market.history(name) for name in underlyings}
    account = desk.broker.account()
    now = desk.clock.now_ms()  # after all was read, however long it took: nothing is from the future
    contexts = {
        name: with_chains(build_context(histories[name], now), chains.values()) for name in underlyings
    }
    return build_state(now, account, desk.recorder.book, chains, contexts)


def _held(desk: Desk) -> list[str]:
    """The currencies of which the books have some."""
    return [currency for currency, amount in desk.recorder.book.cash.items() if amount]


def with_book(state: AgentState, desk: Desk) -> AgentState:
    """The same state with the book as it is now."""
    chains = {chain.product.code: chain for chain in _chains(state)}
    contexts = {name: one.context for name, one in state.underlyings.items()}
    return build_state(state.at_ms, state.account, desk.recorder.book, chains, contexts)


def _chains(state: AgentState) -> list[OptionChain]:
    return [one.chains[code] for one in state.underlyings.values() for code in sorted(one.chains)]


def _propose(seat: Seat, state: AgentState, limits: Limits) -> Proposed:
    """One strategy's menus and choice; its failure is its own."""
    try:
        offered = seat.strategy.propose(state, seat.config, capacity_of(state, limits, seat.config.id))
        menus, dropped = sift(seat.config.id, offered)
        for one in dropped:
            log.warning("left off the menu", strategy=seat.config.id, why=one)
        return Proposed(seat, menus, seat.choose(menus, seat.choice), dropped=dropped)
    except Exception as error:  # one bad strategy must not take the others down
        log.exception("strategy failed", strategy=seat.config.id)
        return Proposed(seat, (), failure=f"{type(error).__name__}: {error}")


def _decide(desk: Desk, state: AgentState, proposed: Proposed, reviewed: Review, market: str) -> Decision:
    """The fact and the plans of one strategy's decision."""
    strategy_id = proposed.seat.config.id
    mine = [one for one in reviewed.approved if one.proposal.strategy_id == strategy_id]
    refused = [one for one in reviewed.refused if one.proposal.strategy_id == strategy_id]
    keys = [one.proposal.item.key for one in mine] + [one.proposal.item.key for one in refused]
    ident = decision_id(state.account.account_id, strategy_id, state.at_ms, market, keys)
    fact = Decided(
        chosen=tuple(keys),
        refused=tuple((one.proposal.item.key, ",".join(one.codes)) for one in refused),
        fingerprint=market,
        summary="; ".join(f"{one.proposal.item.key}: {one.proposal.item.reason}" for one in mine),
    )
    return Decision(
        strategy_id, ident, fact, tuple(plan for one in mine for plan in _plans(desk, one, ident))
    )


def _plans(desk: Desk, approved: Approved, ident: str) -> list[Plan]:
    intents = plan_orders(approved, ident, desk.label_prefix, desk.clock.now_ms(), desk.order_validity_ms)
    strategy_id = approved.proposal.strategy_id
    return [Plan(strategy_id, ident, chain, mine) for chain, mine in plans_of(approved, ident, intents)]


def _lowered(desk: Desk, intent: Intent, most: Decimal) -> Decimal:
    """What a later sale may still have of `most`: whole lots within the cover that is seen free now."""
    option = parse_instrument(intent.instrument)
    if intent.reduce_only or intent.side is Side.BUY:
        return most
    account: AccountSnapshot = desk.broker.account()
    free = free_cover(account, desk.recorder.book, option.product.settlement_currency, {intent.label})
    each = net_cover_per_coin(option, intent.limit_price)
    return Decimal(0) if each is None else roll_open_amount(free, most, option.product, each)
