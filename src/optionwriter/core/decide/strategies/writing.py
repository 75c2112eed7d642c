"""Writing: the menu of a premium seller for one underlying, whatever it writes.

Owns the joining of the two halves, positions to manage (holding.py) and options to sell (opening.py), and the merge
of all that a strategy writes into one menu. Keeps: every candidate is an item or a rejection, never neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from optionwriter.core.books.book import open_chains
from optionwriter.core.books.chains import Chain
from optionwriter.core.decide.menu import Held, Menu, MenuItem, Rejected, ordered
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import (
    WRITES,
    ConfigError,
    StrategyConfig,
    Writes,
    product_of,
)
from optionwriter.core.decide.strategies.holding import tend
from optionwriter.core.decide.strategies.opening import offer
from optionwriter.core.decide.strategies.view import View, view_of


@dataclass(slots=True)
class _Draft:
    items: list[MenuItem] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def write_menus(
    kinds: Sequence[str], state: AgentState, config: StrategyConfig, capacity: Capacity
) -> list[Menu]:
    """One menu for each underlying, of a strategy that writes `kinds` and nothing else. Errors: ConfigError."""
    if sorted(config.writes) != sorted(kinds):
        raise ConfigError(
            f"{config.id}: a {config.kind} strategy writes {' and '.join(kinds)} and nothing else: "
            "leave writes out, or take another kind"
        )
    return [write_menu(state, config, capacity, underlying) for underlying in config.underlyings]


def write_menu(state: AgentState, config: StrategyConfig, capacity: Capacity, underlying: str) -> Menu:
    """The strategy's menu for one underlying: all that it writes, merged, best first."""
    draft = _Draft(notes=[capacity.broken] if capacity.broken else [])
    for name in config.writes:
        writes = WRITES[name]
        view = view_of(state, config, capacity, underlying, writes)
        if view is None:
            draft.notes.append(f"no quotes of {product_of(writes, underlying).code}")
            continue
        _write(view, own_chains(state, config, view.product.code, writes), draft)
    return Menu(
        strategy_id=config.id,
        strategy_type=config.kind,
        underlying=underlying,
        at_ms=state.at_ms,
        items=ordered(draft.items),
        rejected=tuple(draft.rejected),
        held=tuple(draft.held),
        notes=tuple(draft.notes),
    )


def own_chains(
    state: AgentState, config: StrategyConfig, product_code: str, writes: Writes
) -> tuple[Chain, ...]:
    """The strategy's open chains of that kind, oldest first."""
    return tuple(
        chain
        for chain in open_chains(state.book)
        if chain.strategy_id == config.id
        and chain.product == product_code
        and chain.option_type is writes.option_type
    )


def _write(view: View, chains: tuple[Chain, ...], draft: _Draft) -> None:
    rolled = False
    for chain in chains:
        tended = tend(view, chain)
        draft.items.extend(tended.items)
        draft.held.extend(tended.held)
        if tended.rejected is not None:
            rolled = True
            draft.rejected.append(tended.rejected)
    opening = offer(view, len(chains))
    draft.items.extend(opening.items)
    if opening.items or not rolled:
        draft.rejected.append(opening.rejected)
