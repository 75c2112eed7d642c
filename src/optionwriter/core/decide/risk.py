"""Risk: the last pure function before the wire. review() is a fold: accept or refuse, never resize.

Keeps: proposals are judged in the order in which they are declared, each against what the ones approved before it have
left; every refusal has codes, with the value found and the limit; whatever breaks while it is judged is refused
(CHECK_FAILED), because nothing was shown to be safe. Only this file can make an Approved, and only an Approved can
become an order. No mode, flag or strategy lifts any of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from optionwriter.core.books.facts import TradingState
from optionwriter.core.decide import exposure
from optionwriter.core.decide.budgets import BUDGETS, Room, room_of
from optionwriter.core.decide.bundles import bundle_shape
from optionwriter.core.decide.checks import ALWAYS, shape, trading_state
from optionwriter.core.decide.choosing import Proposal
from optionwriter.core.decide.cover import Cover, cover_of, pending_orders
from optionwriter.core.decide.desk import Check, Desk, claims_of, legs_pending, shorts_after
from optionwriter.core.decide.limits import Code, Finding, Limits
from optionwriter.core.decide.menu import MenuItem
from optionwriter.core.decide.newrisk import (
    NEW_RISK,
    chains_used,
    margin_change,
    settles_in,
    slots_taken,
)
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.instruments import PRODUCTS, Instrument, OptionType

_ZERO = Decimal(0)
_SEAL = object()


@dataclass(frozen=True, slots=True)
class Approved:
    """A proposal that may become orders. Made by review() and by nothing else."""

    proposal: Proposal
    _seal: object = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise TypeError("only risk.review approves")

    @property
    def item(self) -> MenuItem:
        """What was approved."""
        return self.proposal.item


@dataclass(frozen=True, slots=True)
class Refused:
    """A proposal that may not, and every reason."""

    proposal: Proposal
    findings: tuple[Finding, ...]

    @property
    def codes(self) -> tuple[Code, ...]:
        """The reasons' codes, each once, in the order of the checks."""
        return tuple(dict.fromkeys(finding.code for finding in self.findings))


@dataclass(frozen=True, slots=True)
class Review:
    """What a cycle may do, and what it may not."""

    approved: tuple[Approved, ...]
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Capacity:
    """What is left now, for strategies to size by; risk judges again whatever they make of it.

    `cover` by currency; `slots` and `notional_usd` by (underlying, type); `taken` are instruments that belong to
    someone, `busy` chains with an order open or unresolved, `closed_to_new` currencies in which nothing new is sold.
    """

    state: TradingState
    cover: Mapping[str, Cover]
    slots: Mapping[tuple[str, OptionType], int]
    notional_usd: Mapping[tuple[str, OptionType], Decimal]
    expiry_cap_usd: Decimal  # for one expiry of one underlying
    expiry_used_usd: Mapping[tuple[str, int], Decimal]
    net_delta: Mapping[str, Decimal]  # of the options on an underlying, coins, signed
    net_delta_cap: Mapping[str, Decimal]
    taken: frozenset[str]
    busy: frozenset[str]
    closed_to_new: frozenset[str]
    broken: str = ""  # why nothing could be reckoned: then nothing is left either
    room: Room | None = None  # of the sums over all short options, the strategy's own limits included

    def free(self, currency: str) -> Decimal:
        """Cover of the currency that nothing claims, never below 0."""
        found = self.cover.get(currency)
        return _ZERO if found is None or currency in self.closed_to_new else max(_ZERO, found.free)

    def room_usd(self, underlying: str, kind: OptionType, expiry_ms: int) -> Decimal:
        """Short notional that the caps of the type and of the expiry leave, USD."""
        at_expiry = self.expiry_cap_usd - self.expiry_used_usd.get((underlying, expiry_ms), _ZERO)
        return max(_ZERO, min(self.notional_usd.get((underlying, kind), _ZERO), at_expiry))

    def room_delta(self, underlying: str, kind: OptionType) -> Decimal:
        """Delta, coins, that selling options of the type may still move the net towards its bound."""
        cap, now = self.net_delta_cap.get(underlying, _ZERO), self.net_delta.get(underlying, _ZERO)
        return max(_ZERO, cap + now if kind is OptionType.CALL else cap - now)

    def room_coins(self, option: Instrument, price: Decimal) -> Decimal:
        """Coins of the option, sold at `price`, that the sums of account and strategy leave; 0 where unknown."""
        if self.room is None:
            return _ZERO
        try:
            return self.room.coins(option, price)
        except exposure.ExposureError:
            return _ZERO

    def calls_left(self, underlying: str, expiry_ms: int) -> int:
        """How many more calls may be opened on the underlying at the expiry."""
        return 0 if self.room is None else self.room.calls_left(underlying, expiry_ms)


def review(state: AgentState, limits: Limits, proposals: Iterable[Proposal]) -> Review:
    """Judges the proposals in their order; each approved one spends what is left for the next."""
    desk: Desk | None = None
    approved: list[Approved] = []
    refused: list[Refused] = []
    for proposal in proposals:
        try:
            desk = desk or open_desk(state, limits)
            findings = judge(desk, proposal)
            after = desk if findings else spend(desk, proposal)
        except Exception as error:
            findings = (_broke("review", error),)
        if findings:
            refused.append(Refused(proposal, findings))
        else:
            desk = after
            approved.append(Approved(proposal, _SEAL))
    return Review(tuple(approved), tuple(refused))


def open_desk(state: AgentState, limits: Limits) -> Desk:
    """The desk before anything is approved."""
    pending = pending_orders(state.account, state.book)
    return Desk(state, limits, pending, tuple(exposure.shorts_of(state, pending)))


def judge(desk: Desk, proposal: Proposal) -> tuple[Finding, ...]:
    """Everything that speaks against the proposal. A malformed one is not looked at further."""
    findings = _ask(desk, proposal, (trading_state, shape))
    if any(finding.code in (Code.MALFORMED, Code.CHECK_FAILED) for finding in findings):
        return findings
    findings += _ask(desk, proposal, (bundle_shape, *ALWAYS))
    if proposal.item.opening_leg is not None:
        findings += _ask(desk, proposal, (*NEW_RISK, *BUDGETS))
    return findings


def spend(desk: Desk, proposal: Proposal) -> Desk:
    """The desk after the proposal was approved."""
    claims, margins = dict(desk.spent_cover), dict(desk.spent_margin)
    for currency, claim in claims_of(proposal).items():
        claims[currency] = claims.get(currency, _ZERO) + claim
    for currency, margin in margin_change(desk, proposal).items():
        margins[currency] = margins.get(currency, _ZERO) + max(_ZERO, margin)
    opened = slots_taken(desk, proposal)
    return replace(
        desk,
        approved=(*desk.approved, *legs_pending(proposal)),
        shorts=(*desk.shorts, *(one for one in shorts_after(proposal) if one.amount > 0)),
        spent_cover=claims,
        spent_margin=margins,
        opened=(*desk.opened, *((proposal.underlying, kind) for kind in opened)),
    )


def capacity_of(state: AgentState, limits: Limits, strategy_id: str = "") -> Capacity:
    """What is left before any proposal, for that strategy; nothing at all where it can't be reckoned."""
    try:
        return _capacity(state, limits, strategy_id)
    except Exception as error:
        nothing = frozenset[str]()
        why = f"what is left can't be reckoned: {type(error).__name__}: {error}"
        return Capacity(state.book.state, {}, {}, {}, _ZERO, {}, {}, {}, nothing, nothing, nothing, why)


def _capacity(state: AgentState, limits: Limits, strategy_id: str) -> Capacity:
    desk = open_desk(state, limits)
    room = room_of(desk, strategy_id)
    currencies = sorted({product.settlement_currency for product in PRODUCTS.values()})
    cover = {one: cover_of(one, state.account, state.book, desk.pending) for one in currencies}
    closed = {one.currency for one in cover.values() if one.unbounded}
    for name in state.foreign:
        settled = settles_in(name)
        closed |= set(currencies) if settled is None else {settled}
    equity = state.equity_usd
    slots, notional = {}, {}
    for underlying in state.underlyings:
        for kind in OptionType:
            key = (underlying, kind)
            slots[key] = max(0, min(room.chains, limits.chains(kind) - chains_used(desk, underlying, kind)))
            used = exposure.notional_of(state, desk.shorts, underlying, kind)
            notional[key] = max(_ZERO, limits.notional(kind).in_usd(equity) - used)
    taken = {one.option.name for one in state.held if one.amount or one.ours}
    taken |= {one.instrument for one in desk.pending}
    busy = {one.chain_id for one in desk.pending if one.chain_id}
    return Capacity(
        state=state.book.state,
        cover=cover,
        slots=slots,
        notional_usd=notional,
        expiry_cap_usd=limits.max_expiry_exposure.in_usd(equity),
        expiry_used_usd=used_by_expiry(desk),
        net_delta={one: exposure.net_delta(state, desk.shorts, one) for one in state.underlyings},
        net_delta_cap={one: limits.net_delta(one) for one in state.underlyings},
        taken=frozenset(taken),
        busy=frozenset(busy),
        closed_to_new=frozenset(closed),
        room=room,
    )


def used_by_expiry(desk: Desk) -> dict[tuple[str, int], Decimal]:
    """Short notional at each expiry, USD; shorts on an underlying that was not seen are left to the checks."""
    used: dict[tuple[str, int], Decimal] = {}
    for one in desk.shorts:
        if one.option.product.underlying in desk.state.underlyings:
            key = (one.option.product.underlying, one.option.expiry_ms)
            used[key] = used.get(key, _ZERO) + exposure.notional_usd(desk.state, one)
    return used


def _ask(desk: Desk, proposal: Proposal, checks: Iterable[Check]) -> tuple[Finding, ...]:
    found: list[Finding] = []
    for check in checks:
        try:
            found.extend(check(desk, proposal))
        except exposure.ExposureError as error:
            found.append(Finding(Code.DATA_MISSING, str(error)))
        except Exception as error:
            found.append(_broke(check.__name__, error))
    return tuple(found)


def _broke(name: str, error: Exception) -> Finding:
    return Finding(Code.CHECK_FAILED, f"{name} could not be answered: {type(error).__name__}: {error}")
