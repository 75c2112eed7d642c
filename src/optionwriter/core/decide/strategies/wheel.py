"""wheel: puts until one is settled in the money, then calls until one is, and round again, on one chain at a time.

Keeps: no spot order, ever: on a cash-settled exchange the conversion that turns a wheel is told as advice (turning.py).
The side that is written is the one whose turn it is, where the collateral is there, else the other. While the turn has
a cost basis no call below it is sold (bundle.basis_floor).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial

import numpy as np

from optionwriter.core.books.chains import Chain
from optionwriter.core.decide.menu import Held, Menu
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.rules import PASSED
from optionwriter.core.decide.screening import Screen
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import WRITES, ConfigError, StrategyConfig, product_of
from optionwriter.core.decide.strategies.bundle import Draft
from optionwriter.core.decide.strategies.holding import tend
from optionwriter.core.decide.strategies.opening import fail, offer
from optionwriter.core.decide.strategies.turning import Turn, advice, turn_of
from optionwriter.core.decide.strategies.view import View, view_of
from optionwriter.core.decide.strategies.writing import own_chains
from optionwriter.core.market.instruments import OptionType, parse_instrument

_CENT = Decimal("0.01")


class Wheel:
    """Writes puts and calls in turn."""

    writes: tuple[str, ...] = ("cash_secured_put", "covered_call")

    def propose(self, state: AgentState, config: StrategyConfig, capacity: Capacity) -> Sequence[Menu]:
        """One menu for each underlying. Errors: ConfigError when the configuration asks it to write anything else."""
        if sorted(config.writes) != sorted(self.writes):
            raise ConfigError(
                f"{config.id}: a {config.kind} strategy writes {' and '.join(self.writes)}: leave writes out"
            )
        return [_menu(state, config, capacity, underlying) for underlying in config.underlyings]


def _menu(state: AgentState, config: StrategyConfig, capacity: Capacity, underlying: str) -> Menu:
    turn = turn_of(state.book.chains.values(), config.id, underlying)
    draft = Draft([], [], [], [capacity.broken] if capacity.broken else [])
    views: list[View] = []
    open_now: list[Chain] = []
    rolled: set[OptionType] = set()
    for name in Wheel.writes:
        writes = WRITES[name]
        view = view_of(state, config, capacity, underlying, writes)
        if view is None:
            draft.notes.append(f"no quotes of {product_of(writes, underlying).code}")
            continue
        views.append(view)
        for chain in own_chains(state, config, view.product.code, writes):
            open_now.append(chain)
            tended = tend(view, chain)
            draft.items += tended.items
            draft.held += [*tended.held, *_basis_rows(chain, turn)]
            if tended.rejected is not None:
                rolled.add(writes.option_type)
                draft.rejected.append(tended.rejected)
    if not views:
        return Menu(config.id, config.kind, underlying, state.at_ms, (), notes=tuple(draft.notes))
    side = writes_now(turn, views)
    basis = turn.basis if config.bundle.basis_floor else None
    for view in views:
        kind = view.writes.option_type
        mine = kind is side and not open_now
        opening = offer(view, 0 if mine else config.max_chains, partial(floor, basis=basis))
        draft.items += opening.items
        if opening.items or kind not in rolled:  # each candidate once
            draft.rejected.append(opening.rejected)
    draft.notes += notes_of(turn, views[0].underlying.index, chains_since(state, config, views, turn))
    return draft.menu(views[0])


def writes_now(turn: Turn, views: Sequence[View]) -> OptionType | None:
    """The side to write: the one whose turn it is, else the other; None where neither has the collateral of a lot.

    Before anything was settled in the money it begins with puts.
    """
    able = [view.writes.option_type for view in views if holds_a_lot(view)]
    first = turn.writes or OptionType.PUT
    return first if first in able else next(iter(able), None)


def holds_a_lot(view: View) -> bool:
    """Whether free collateral is there for the smallest lot: a coin a call, about the index a put."""
    each = Decimal(1) if view.is_call else view.underlying.index
    return view.capacity.free(view.product.settlement_currency) >= view.product.min_amount * each


def floor(screened: Screen, basis: Decimal | None) -> None:
    """Fails calls below the cost basis at `basis`; none where there is no basis."""
    table = screened.chain.table
    for row in np.flatnonzero(screened.gate == PASSED).tolist():
        strike = float(table.strike[row])
        if basis is not None and bool(table.is_call[row]) and strike < basis:
            fail(screened, row, "basis", strike, float(basis), strike / float(basis) - 1.0)


def chains_since(state: AgentState, config: StrategyConfig, views: Sequence[View], turn: Turn) -> int:
    """How many chains the wheel began since something was last settled in the money."""
    since = 0 if turn.ended is None else turn.ended.closed_ms or 0
    products = {view.product.code for view in views}
    return sum(
        chain.strategy_id == config.id and chain.product in products and chain.created_ms >= since
        for chain in state.book.chains.values()
    )


def notes_of(turn: Turn, index: Decimal, chains: int) -> list[str]:
    """What the owner should know of the turn: the advice while the first chain after it lives, and the cost basis."""
    told = [advice(turn, index)] if chains <= 1 else []
    if turn.basis is not None and turn.coins:
        told.append(
            f"cost basis {turn.basis.quantize(_CENT):f} USD a coin: {turn.price:f} at the settlement, "
            f"less {turn.result_usd.quantize(_CENT):f} USD of this turn's options over {turn.coins:f} coins"
        )
    return [one for one in told if one]


def _basis_rows(chain: Chain, turn: Turn) -> list[Held]:
    """The cost basis beside each call that is held."""
    if turn.basis is None:
        return []
    return [
        Held(chain.chain_id, leg.instrument, "hold", "cost_basis", float(turn.basis),
             float(parse_instrument(leg.instrument).strike))
        for leg in chain.open_legs
        if parse_instrument(leg.instrument).is_call
    ]  # fmt: skip
