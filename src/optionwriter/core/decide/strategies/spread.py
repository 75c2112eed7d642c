"""call_spread and put_spread: sell an option and buy one further out with the same expiry, for a net credit.

Keeps: the sold leg binds its full cover, as if it stood alone (segregated standard margin gives no offset), so a spread
costs premium and saves no collateral: what it buys is an end to the loss. The wing's price comes out of the same cash.
Calls are inverse, puts linear; an inverse put is no more allowed inside a spread than alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.decide.menu import Menu, MenuItem, OrderLeg, Size
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.screening import Screen
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import WRITES, ConfigError, StrategyConfig, product_of
from optionwriter.core.decide.strategies.bundle import Draft, bought, pair, wing_claim
from optionwriter.core.decide.strategies.opening import Offer, amounts_of, fail, largest, offer
from optionwriter.core.decide.strategies.spread_holding import tend_spread
from optionwriter.core.decide.strategies.tilting import Carried, carried, sale_score
from optionwriter.core.decide.strategies.view import View, leg_of, metrics_of, view_of
from optionwriter.core.decide.strategies.writing import own_chains
from optionwriter.core.market.instruments import parse_instrument

_ZERO = Decimal(0)


class CreditSpread:
    """Writes one kind of spread."""

    def __init__(self, kind: str) -> None:
        """`kind`: call_spread or put_spread."""
        self.writes: tuple[str, ...] = (kind,)

    def propose(self, state: AgentState, config: StrategyConfig, capacity: Capacity) -> Sequence[Menu]:
        """One menu for each underlying. Errors: ConfigError when the configuration asks it to write anything else."""
        if config.writes != self.writes:
            raise ConfigError(
                f"{config.id}: a {config.kind} strategy writes {self.writes[0]} and nothing else: leave writes out"
            )
        return [_menu(state, config, capacity, underlying) for underlying in config.underlyings]


def _menu(state: AgentState, config: StrategyConfig, capacity: Capacity, underlying: str) -> Menu:
    writes = WRITES[config.writes[0]]
    notes = [capacity.broken] if capacity.broken else []
    view = view_of(state, config, capacity, underlying, writes)
    if view is None:
        notes.append(f"no quotes of {product_of(writes, underlying).code}")
        return Menu(config.id, config.kind, underlying, state.at_ms, (), notes=tuple(notes))
    draft = Draft([], [], [], notes)
    chains = own_chains(state, config, view.product.code, writes)
    for chain in chains:
        tended = tend_spread(view, chain)
        draft.items += tended.items
        draft.held += tended.held
        draft.rejected += [tended.rejected] if tended.rejected is not None else []
    opening = offer_spreads(view, len(chains))
    if opening.items or not draft.rejected:  # each candidate once
        draft.rejected.append(opening.rejected)
    draft.items += opening.items
    return draft.menu(view)


def offer_spreads(view: View, chains_open: int) -> Offer:
    """The spreads that could be opened now, and every sale that could not, with the gate that it failed."""
    wings: Mapping[int, int] = {}

    def prepare(screened: Screen) -> None:
        nonlocal wings
        wings = pair(view, screened)

    def build(of: View, screened: Screen, row: int) -> list[MenuItem]:
        return spread_items(of, screened, row, wings[row])

    return offer(view, chains_open, prepare, build)


def spread_items(view: View, screened: Screen, row: int, wing: int) -> list[MenuItem]:
    """The spread's items, one for each size that is different; none (and rejected at `size`) without a lot."""
    sale = leg_of(view, row, Side.SELL, _ZERO, reduce_only=False)
    other = bought(view, wing, _ZERO)
    most = largest(view, sale, abs(float(screened.metrics[row, 0])), wing_claim(other))
    if most <= 0:
        free = float(view.capacity.free(view.product.settlement_currency))
        fail(screened, row, "size", free, float(view.product.min_amount), -1.0)
        return []
    before = carried(view)
    items = []
    for amount, size in amounts_of(view, most):
        legs = tuple(replace(leg, amount=amount) for leg in (sale, other))
        items.append(_open_item(view, screened, row, before, legs, size))
    return items


def _open_item(
    view: View, screened: Screen, row: int, before: Carried, legs: tuple[OrderLeg, ...], size: Size
) -> MenuItem:
    sale, wing = (parse_instrument(leg.instrument) for leg in legs)
    score, parts = sale_score(view, screened, row, before, sale, legs[0].amount)
    return MenuItem(
        key=f"{view.config.id}/{view.product.underlying}/open/{sale.name}+{wing.strike:f}/{size}",
        action=view.writes.opens,
        reason="open",
        legs=legs,
        size=size,
        score=score,
        parts=parts,
        mandatory=False,
        metrics=metrics_of(screened, row),
        value=score,
        threshold=view.config.min_score,
    )
