"""Exposure: how much risk the account carries, in the units in which limits are written.

Counts every short leg, ours or external, and every order that may still fill as if it had; what would reduce counts
only once it has filled, except inside a bundle, whose closing leg fills before its opening leg goes out. Where a
delta is unknown the worst one (1 a coin) stands in. Decimal throughout; a delta crosses from float by its spelling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.fees import coin_value
from optionwriter.core.books.margin import initial_margin, maintenance_margin
from optionwriter.core.decide.cover import Pending
from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.state import AgentState, price_of
from optionwriter.core.market.instruments import Instrument, OptionType, parse_instrument

_ZERO = Decimal(0)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Short:
    """An amount of one option that is short, or would be; negative where a closing leg takes some away."""

    option: Instrument
    amount: Decimal


class ExposureError(ValueError):
    """A number that the exposure needs is missing."""


def shorts_of(state: AgentState, pending: Iterable[Pending]) -> list[Short]:
    """All short options of the account, with the sells that may still fill."""
    found = [
        Short(one.option, max(_ZERO, -min(one.amount, one.ours)))
        for one in state.held
        if min(one.amount, one.ours) < 0
    ]
    found += [
        Short(parse_instrument(order.instrument), order.amount)
        for order in pending
        if order.side is Side.SELL and not order.reduce_only and _known(state, order.instrument)
    ]
    return found


def notional_usd(state: AgentState, short: Short) -> Decimal:
    """amount × index for a call, amount × strike for a put, USD. Errors: ExposureError without an index."""
    if not short.option.is_call:
        return short.amount * short.option.strike
    return short.amount * index_of(state, short.option)


def notional_of(state: AgentState, shorts: Iterable[Short], underlying: str, kind: OptionType) -> Decimal:
    """Short notional of one type on one underlying, over both families, USD."""
    return sum(
        (
            notional_usd(state, one)
            for one in shorts
            if one.option.product.underlying == underlying and one.option.option_type is kind
        ),
        _ZERO,
    )


def expiry_notional(state: AgentState, shorts: Iterable[Short], underlying: str, expiry_ms: int) -> Decimal:
    """Short notional of one underlying at one expiry, both types, USD."""
    return sum(
        (
            notional_usd(state, one)
            for one in shorts
            if one.option.product.underlying == underlying and one.option.expiry_ms == expiry_ms
        ),
        _ZERO,
    )


def net_delta(state: AgentState, shorts: Iterable[Short], underlying: str) -> Decimal:
    """Net delta of the options alone, coins: what is short with its delta turned, what is long with its own."""
    total = sum(
        (
            -one.amount * delta_of(state, one.option)
            for one in shorts
            if one.option.product.underlying == underlying
        ),
        _ZERO,
    )
    return total + sum(
        (
            one.amount * delta_of(state, one.option)
            for one in state.held
            if one.amount > 0 and one.option.product.underlying == underlying
        ),
        _ZERO,
    )


def delta_of(state: AgentState, option: Instrument) -> Decimal:
    """Delta of one coin held, signed; ±1 where the chain doesn't give it."""
    worst = _ONE if option.is_call else -_ONE
    chain = state.chain(option.product.code)
    row = chain.table.row_of.get(option.name) if chain is not None else None
    if chain is None or row is None:
        return worst
    _, _, delta = price_of(chain, row, state.at_ms)
    return exact(delta) if math.isfinite(delta) else worst


def margin_of(state: AgentState, option: Instrument, amount: Decimal) -> Decimal:
    """Standard initial margin of `amount` coins short, settlement currency. Errors: ExposureError without a mark."""
    chain = state.chain(option.product.code)
    row = chain.table.row_of.get(option.name) if chain is not None else None
    if chain is None or row is None or not math.isfinite(float(chain.mark[row])):
        raise ExposureError(f"{option.name} has no mark, so its margin is unknown")
    mark = exact(float(chain.mark[row]))
    forward = exact(float(chain.forward[row]))
    worth = coin_value(option.product, forward)
    keeping = maintenance_margin(mark, worth, option.is_call)
    return amount * initial_margin(option.strike, forward, mark, worth, option.is_call, keeping)


def index_of(state: AgentState, option: Instrument) -> Decimal:
    """The index of the option's underlying, USD. Errors: ExposureError."""
    index = state.index(option.product.underlying)
    if index is None or index <= 0:
        raise ExposureError(f"{option.product.underlying} has no index, so {option.name} can't be valued")
    return index


def _known(state: AgentState, name: str) -> bool:
    return name not in state.foreign
