"""Checks of every proposal, closing ones included: a fresh and coherent view, a sane order, our own position.

Each asks one question and yields what it finds wrong; pure; risk.py folds over them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.book import open_chains
from optionwriter.core.books.chains import bundle_of
from optionwriter.core.books.facts import TradingState
from optionwriter.core.decide.choosing import Proposal
from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.desk import Check, Desk, costs, legs_pending
from optionwriter.core.decide.limits import Code, Finding
from optionwriter.core.decide.state import AgentState, StateFlag
from optionwriter.core.market.instruments import Instrument, InstrumentError, parse_instrument

_ZERO = Decimal(0)


def trading_state(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """HALTED refuses everything (closing is then the owner's own act); REDUCING lets only reduce-only items pass."""
    book = desk.state.book
    if book.state is TradingState.HALTED:
        yield Finding(
            Code.HALTED, f"{book.state_reason or 'halted'}; lifted by {book.state_lifted_by or 'resume'}"
        )
    elif book.state is TradingState.REDUCING and proposal.item.opening_leg is not None:
        yield Finding(Code.REDUCING, f"{book.state_reason or 'reducing'}: nothing new is opened")


def shape(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """Legs that are options of known products, on their grids, not expired, in an order that makes sense."""
    item = proposal.item
    if not item.legs:
        yield Finding(Code.MALFORMED, f"{item.key} has no legs")
    for leg in item.legs:
        try:
            option = parse_instrument(leg.instrument)
        except InstrumentError as error:
            yield Finding(Code.MALFORMED, str(error))
            continue
        if not leg.amount.is_finite() or not option.product.amount_on_grid(leg.amount):
            yield Finding(Code.MALFORMED, f"{leg.instrument}: no tradable amount", leg.amount)
        for price in (leg.limit_price, leg.start_price):
            if not price.is_finite() or not option.product.price_on_grid(price):
                yield Finding(Code.MALFORMED, f"{leg.instrument}: no price on the grid", price)
        if (leg.start_price - leg.limit_price) * leg.side.sign > 0:
            yield Finding(
                Code.MALFORMED, f"{leg.instrument}: the start is worse than the limit", leg.start_price
            )
        if option.expiry_ms <= desk.state.at_ms:
            yield Finding(Code.EXPIRED, f"{leg.instrument} has expired")
        if option.product.underlying != proposal.underlying:
            yield Finding(Code.MALFORMED, f"{leg.instrument} on a menu of {proposal.underlying}")
    names = [leg.instrument for leg in item.legs]
    if len(set(names)) != len(names):
        yield Finding(Code.MALFORMED, f"{item.key} names an instrument twice")


def freshness(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """The account and every chain that a leg needs: there, recent, not from the future."""
    state, limits = desk.state, desk.limits
    age = state.at_ms - state.account.at_ms
    if age > limits.max_account_age_ms:
        yield Finding(
            Code.ACCOUNT_STALE,
            "the account was seen too long ago (ms)",
            Decimal(age),
            Decimal(limits.max_account_age_ms),
        )
    if age < -limits.max_clock_ahead_ms:
        yield Finding(Code.DATA_CONTRADICTORY, "the account is from the future (ms)", Decimal(-age))
    for code in sorted({parse_instrument(leg.instrument).product.code for leg in proposal.item.legs}):
        chain = state.chain(code)
        if chain is None:
            yield Finding(Code.DATA_MISSING, f"no chain of {code}")
            continue
        old = state.at_ms - chain.at_ms
        if old > limits.max_data_age_ms:
            yield Finding(
                Code.DATA_STALE,
                f"the chain of {code} is too old (ms)",
                Decimal(old),
                Decimal(limits.max_data_age_ms),
            )
        if old < -limits.max_clock_ahead_ms:
            yield Finding(
                Code.DATA_CONTRADICTORY, f"the chain of {code} is from the future (ms)", Decimal(-old)
            )


def contradictions(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """Nothing rests on input that contradicts itself (state.flags)."""
    for flag in desk.state.flags:
        if any(_concerns(flag, parse_instrument(leg.instrument)) for leg in proposal.item.legs):
            yield Finding(Code.DATA_CONTRADICTORY, flag.detail)


def collar(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """A limit price may be worse than the mark by a share of it or some ticks, not more. The mark must be known."""
    limits = desk.limits
    for leg in proposal.item.legs:
        option = parse_instrument(leg.instrument)
        mark = _mark(desk.state, option)
        if mark is None:
            yield Finding(Code.DATA_MISSING, f"{leg.instrument} has no mark to hold its price against")
            continue
        ticks = limits.price_collar_ticks * option.product.tick_at(mark)
        band = max(mark * limits.price_collar_pct / 100, ticks)
        if (leg.limit_price - mark) * leg.side.sign > band:
            worst = mark + band * leg.side.sign
            yield Finding(
                Code.PRICE_COLLAR,
                f"{leg.side} {leg.instrument} too far from its mark",
                leg.limit_price,
                worst,
            )


def ours_to_close(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """A reduce-only leg closes no more than its own chain holds, and the venue shows."""
    book, item = desk.state.book, proposal.item
    for leg in item.legs:
        if not leg.reduce_only:
            continue
        chain = book.chains.get(item.chain_of(leg))
        own = (
            sum((one.position for one in chain.open_legs if one.instrument == leg.instrument), _ZERO)
            if chain
            else _ZERO
        )
        seen = next((one.amount for one in desk.state.held if one.option.name == leg.instrument), _ZERO)
        closable = max(_ZERO, min(-own * leg.side.sign, -seen * leg.side.sign))
        if leg.amount > closable:
            yield Finding(Code.NOT_OURS, f"closing {leg.instrument}", leg.amount, closable)
    for name in item.chains:
        same = [book.chains[name]] if name in book.chains else []
        same += [one for one in open_chains(book) if one.bundle and one.bundle == bundle_of(name)]
        for chain in dict.fromkeys(one for one in same if one.strategy_id != proposal.strategy_id):
            yield Finding(Code.NOT_OURS, f"chain {chain.chain_id} belongs to {chain.strategy_id}")


def chain_busy(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """One working order a chain; an unresolved one blocks its chain until it is resolved."""
    for chain_id in proposal.item.chains:
        waiting = [one for one in desk.waiting if one.chain_id == chain_id]
        if not waiting:
            continue
        yield Finding(
            Code.CHAIN_BUSY, f"chain {chain_id} has {waiting[0].label or 'an order'} open or unresolved"
        )


def taken(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """An instrument belongs to one chain of one strategy at a time; the venue nets positions and bars self-trades."""
    state = desk.state
    for leg in proposal.item.legs:
        chain_id, sold = proposal.item.chain_of(leg), leg.side is Side.SELL
        owners = {
            f"{chain.strategy_id}/{chain.chain_id}"
            for chain in open_chains(state.book)
            for one in chain.open_legs
            if one.instrument == leg.instrument
            # its own chain may close it, or add to it
            and not (chain.chain_id == chain_id and (leg.reduce_only or one.sold is sold))
        }
        owners |= {
            one.label or "an order that is not ours"
            for one in desk.waiting
            if one.instrument == leg.instrument
        }
        if not leg.reduce_only and any(
            one.option.name == leg.instrument and one.external for one in state.held
        ):
            owners.add("a position that is not ours")
        for owner in sorted(owners):
            yield Finding(Code.INSTRUMENT_TAKEN, f"{leg.instrument} is held by {owner}")


def cash(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """What is bought is paid from cash that is there, beside every other buy that may fill."""
    for currency, cost in costs(legs_pending(proposal)).items():
        found = desk.state.account.currency(currency)
        balance = found.balance if found else _ZERO
        left = balance - costs(desk.waiting).get(currency, _ZERO)
        if cost > left:
            yield Finding(Code.CASH, f"{currency} to pay for what is bought", cost, left)


ALWAYS: tuple[Check, ...] = (
    freshness,
    contradictions,
    collar,
    ours_to_close,
    chain_busy,
    taken,
    cash,
)


def _mark(state: AgentState, option: Instrument) -> Decimal | None:
    chain = state.chain(option.product.code)
    row = chain.table.row_of.get(option.name) if chain is not None else None
    if chain is None or row is None:
        return None
    mark = float(chain.mark[row])
    return exact(mark) if math.isfinite(mark) and mark >= 0 else None


def _concerns(flag: StateFlag, option: Instrument) -> bool:
    product = option.product
    if flag.subject in ("", option.name, product.code, product.underlying, product.settlement_currency):
        return True
    try:
        return parse_instrument(flag.subject).product.settlement_currency == product.settlement_currency
    except InstrumentError:
        return False
