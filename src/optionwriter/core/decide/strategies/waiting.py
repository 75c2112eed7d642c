"""Waiting: when a writer has nothing to propose, told from its books and the quotes of what it holds.

Nothing of its menus is chosen where no option passes the rules for a free slot, or none with the score that it takes,
and nothing can be done about any sold leg: the rules let it be, or ask for a roll that no option of its chain gives.
All are asked of the functions that the menus are made with (screening.py, managing.py, holding.py). A free slot and a
roll need the whole chain: where only rows are shown, its product is named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from optionwriter.core.books.chains import Chain, Leg
from optionwriter.core.books.facts import TradingState
from optionwriter.core.decide.managing import EXPIRE, HOLD, NEAR_EXPIRY, ROLL, Order, manage
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.rules import PASSED
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.ahead import SCORE_SLACK, allocation_penalty
from optionwriter.core.decide.strategies.base import (
    WRITES,
    Rolls,
    Sought,
    StrategyConfig,
    Wait,
    Watch,
    Watched,
    Writes,
    product_of,
)
from optionwriter.core.decide.strategies.holding import (
    bounds_of,
    close_leg,
    gives_up,
    holding_of,
    restrict,
    roll_credit,
    roll_gates,
    strike_bound,
)
from optionwriter.core.decide.strategies.view import View, forecast_volatility
from optionwriter.core.decide.strategies.writing import own_chains
from optionwriter.core.market.instruments import OptionType, parse_instrument

_ASK, _WAIT = Wait(False), Wait(True)
_NONE = frozenset[str]()
_UNASKED = Capacity(  # whether there is anything to roll into is no question of capacity
    TradingState.ACTIVE, {}, {}, {}, Decimal(0), {}, {}, {}, _NONE, _NONE, _NONE
)


def writer_waits(
    kinds: Sequence[str], state: AgentState, config: StrategyConfig, whole: frozenset[str]
) -> Wait:
    """Whether a strategy that writes `kinds` and nothing else has nothing to propose (base.Waiting)."""
    if sorted(config.writes) != sorted(kinds):
        return _ASK
    needs: set[str] = set()
    for underlying in config.underlyings:
        for name in config.writes:
            found = _kind_waits(state, config, underlying, WRITES[name], whole)
            if not found.waits and not found.needs:
                return _ASK
            needs |= found.needs
    return Wait(not needs, frozenset(needs))


def writer_watches(kinds: Sequence[str], state: AgentState, config: StrategyConfig) -> Watch | None:
    """What the waiting of such a strategy rests on (base.Watching)."""
    if sorted(config.writes) != sorted(kinds):
        return None
    legs: list[Watched] = []
    slots: list[Sought] = []
    for underlying in config.underlyings:
        for name in config.writes:
            writes = WRITES[name]
            product = product_of(writes, underlying)
            found = state.underlyings.get(underlying)
            chains = own_chains(state, config, product.code, writes)
            if found is None or product.code not in found.chains:
                return None
            if len(chains) < config.max_chains:
                is_call = writes.option_type is OptionType.CALL
                target = math.nan if is_call else config.target(underlying)
                slots.append(Sought(product, is_call, config.gates, config.score, config.min_score, target))
            legs += (
                watched_leg(config, chain, leg)
                for chain in chains
                for leg in chain.open_legs
                if leg.position < 0
            )
    return Watch(tuple(legs), tuple(slots))


def watched_leg(config: StrategyConfig, chain: Chain, leg: Leg) -> Watched:
    """One sold leg, with what its rolls must pass."""
    option = parse_instrument(leg.instrument)
    last = max(one.opened_ms for one in chain.legs) if chain.rolls else None
    rolls = Rolls(roll_gates(config), config.roll, strike_bound(chain, option, config.roll), last)
    return Watched(option, float(leg.entry_price), config.manage, config.style, rolls)


def _kind_waits(
    state: AgentState, config: StrategyConfig, underlying: str, writes: Writes, whole: frozenset[str]
) -> Wait:
    product = product_of(writes, underlying)
    found = state.underlyings.get(underlying)
    quotes = found.chains.get(product.code) if found is not None else None
    if found is None or quotes is None:
        return _ASK
    chains = own_chains(state, config, product.code, writes)
    realised, unknown = forecast_volatility(found.context), np.full(len(quotes), np.nan)
    view = View(state, config, _UNASKED, writes, product, found, quotes, realised, unknown)
    shown = product.code in whole
    answers = [
        _leg_waits(view, one, leg, shown) for one in chains for leg in one.open_legs if leg.position < 0
    ]
    if len(chains) < config.max_chains:
        answers.append(_slot_waits(view, shown))
    if any(not one.waits and not one.needs for one in answers):
        return _ASK
    return next((one for one in answers if one.needs), _WAIT)


def _slot_waits(view: View, shown: bool) -> Wait:
    """Of a free slot: nothing is chosen where no option passes the rules, whatever the risk, which is in no rule, or
    where none can have the score that it takes. Risk and size only lower a score; what the coin alone weighs is known.
    """
    if not shown:
        return Wait(False, frozenset((view.product.code,)))
    screened, config = view.screened(view.config.gates), view.config
    passed = screened.gate == PASSED
    if not passed.any():
        return _WAIT
    penalty = 0.0
    if not view.is_call:
        share = coin_share(view.state, view.product.underlying)
        penalty = allocation_penalty(share, config.target(view.product.underlying), config.score)
    best = float(screened.score[passed].max()) + penalty
    return _WAIT if best < config.min_score - SCORE_SLACK else _ASK


def coin_share(state: AgentState, underlying: str) -> float:
    """The coin's share of equity, by the account's cash and the marks of the instant; NaN where it isn't known."""
    coin_usd, total = 0.0, 0.0
    for one in state.account.currencies:
        price = state.price_usd(one.currency)
        if price is None:
            continue
        worth = float(one.balance)
        for held in state.held:
            if held.option.product.settlement_currency == one.currency:
                worth += float(held.amount) * held.mark
        total += worth * float(price)
        if one.currency == underlying:
            coin_usd = worth * float(price)
    return coin_usd / total if total > 0.0 else math.nan


def _leg_waits(view: View, chain: Chain, leg: Leg, shown: bool) -> Wait:
    """Of one sold leg; `shown`: its chain is there as a whole."""
    holding = holding_of(view, leg)
    order = manage(holding, view.config.manage)
    found = _order_waits(view, chain, leg, order, shown)
    if found.waits and order.reason == NEAR_EXPIRY:  # no roll worth making: as if none were asked for
        order = manage(holding, view.config.manage._replace(roll_days=0.0))
        found = _order_waits(view, chain, leg, order, shown)
    return found


def _order_waits(view: View, chain: Chain, leg: Leg, order: Order, shown: bool) -> Wait:
    if order.verdict in (HOLD, EXPIRE):
        return _WAIT
    row = view.chain.table.row_of.get(leg.instrument)
    if row is None or not view.chain.ask[row] > 0:
        return _WAIT  # it can't be bought back
    option = parse_instrument(leg.instrument)
    if order.verdict != ROLL or gives_up(view, chain, option, order):
        return _ASK
    if view.config.roll.close_only:
        return _WAIT
    if not shown:
        return Wait(False, frozenset((view.product.code,)))
    screened = view.screened(roll_gates(view.config))
    if not (screened.gate == PASSED).any():
        return _WAIT
    back = close_leg(view, row, -leg.position)
    credit = roll_credit(view, screened, float(back.limit_price))
    restrict(view, option, screened, credit, bounds_of(view, chain, option, order.reason))
    return _ASK if (screened.gate == PASSED).any() else _WAIT
