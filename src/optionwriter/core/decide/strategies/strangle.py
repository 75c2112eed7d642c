"""strangle: a covered call in coin and a cash-secured put in USDC on one underlying and expiry, sold together.

Keeps: each side is covered by itself, in its own currency, so either may fill alone; the two are two chains (each one
currency, one product, its own P&L) that share a bundle. Each side is managed as what it is, by the rules of a single
option; where both are closed or rolled for profit, that is one item. A side that is missing may be offered again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optionwriter.core.books.chains import Chain
from optionwriter.core.books.facts import Action
from optionwriter.core.decide.menu import Menu, MenuItem
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import WRITES, ConfigError, StrategyConfig, product_of
from optionwriter.core.decide.strategies.bundle import Draft
from optionwriter.core.decide.strategies.holding import tend
from optionwriter.core.decide.strategies.pairing import Half, offer_pairs
from optionwriter.core.decide.strategies.view import view_of
from optionwriter.core.decide.strategies.writing import own_chains

_JOINED = {
    (Action.CLOSE_CALL, Action.CLOSE_PUT): Action.CLOSE_STRANGLE,
    (Action.ROLL_CALL, Action.ROLL_PUT): Action.ROLL_STRANGLE,
}


class Strangle:
    """Writes calls and puts together, and only together."""

    writes: tuple[str, ...] = ("covered_call", "cash_secured_put")

    def propose(self, state: AgentState, config: StrategyConfig, capacity: Capacity) -> Sequence[Menu]:
        """One menu for each underlying. Errors: ConfigError when the configuration asks it to write anything else."""
        if sorted(config.writes) != sorted(self.writes):
            raise ConfigError(
                f"{config.id}: a {config.kind} strategy writes {' and '.join(self.writes)}: leave writes out"
            )
        return [_menu(state, config, capacity, underlying) for underlying in config.underlyings]


def _menu(state: AgentState, config: StrategyConfig, capacity: Capacity, underlying: str) -> Menu:
    draft = Draft([], [], [], [capacity.broken] if capacity.broken else [])
    halves: list[Half] = []
    for name in Strangle.writes:
        writes = WRITES[name]
        view = view_of(state, config, capacity, underlying, writes)
        if view is None:
            draft.notes.append(f"no quotes of {product_of(writes, underlying).code}: nothing new is opened")
            continue
        half = Half(view, own_chains(state, config, view.product.code, writes))
        halves.append(half)
        for chain in half.chains:
            tended = tend(view, chain)
            draft.items += tended.items
            draft.held += tended.held
            if tended.rejected is not None:
                half.looked_at = True
                draft.rejected.append(tended.rejected)
    draft.items = join(draft.items, [chain for half in halves for chain in half.chains])
    if len(halves) == len(Strangle.writes):
        items, rejected = offer_pairs(halves[0], halves[1])
        draft.items += items
        for half, part in zip(halves, rejected, strict=True):
            if items or not half.looked_at:  # each candidate once
                draft.rejected.append(part)
    if not halves:
        return Menu(config.id, config.kind, underlying, state.at_ms, (), notes=tuple(draft.notes))
    return draft.menu(halves[0].view)


def join(items: Sequence[MenuItem], chains: Sequence[Chain]) -> list[MenuItem]:
    """The items, with both sides of a bundle as one where both close, or both roll, and neither has to.

    What has to be done is left apart: a refusal of one side must not hold up the other.
    """
    bundle = {chain.chain_id: chain.bundle for chain in chains}
    left = list(items)
    for first in items:
        for other in items:
            action = _JOINED.get((first.action, other.action))
            same = bundle.get(first.chain_id) and bundle.get(first.chain_id) == bundle.get(other.chain_id)
            if action is None or not same or first.mandatory or other.mandatory:
                continue
            left = [one for one in left if one is not first and one is not other]
            left.append(_joined(first, other, action, bundle[first.chain_id]))
    return left


def _joined(first: MenuItem, other: MenuItem, action: Action, bundle: str) -> MenuItem:
    """Both items in one, each leg with its chain; every part counts half, so that the score is the mean."""
    parts: dict[str, float] = {}
    for name, value in (*first.parts, *other.parts):
        parts[name] = parts.get(name, 0.0) + value / 2
    head = first.key.split(f"/{first.chain_id}/")[0]
    tails = "+".join(one.key.rsplit("/", 1)[-1] for one in (first, other))
    return replace(
        first,
        key=f"{head}/{bundle}/{tails}",
        action=action,
        reason=first.reason if first.reason == other.reason else f"{first.reason} and {other.reason}",
        legs=tuple(replace(leg, chain_id=one.chain_of(leg)) for one in (first, other) for leg in one.legs),
        score=sum(parts.values()),
        parts=tuple(parts.items()),
        chain_id="",
    )
