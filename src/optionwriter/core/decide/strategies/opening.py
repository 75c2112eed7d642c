"""Opening: which options a writer could sell now, and how much of each.

Sizes come from free cover (own premium counted), the strategy's share and cap, and the limits on notional; risk judges
again. Keeps: at most `max_items` candidates, the best before size weighs in; the others are rejected by name at `rank`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from optionwriter.core.books.account import Side
from optionwriter.core.decide.cover import (
    Cover,
    cover_per_coin,
    coverable,
    net_cover_per_coin,
    pending_orders,
)
from optionwriter.core.decide.crossing import exact, lots
from optionwriter.core.decide.menu import GATE_CODE, ROWS, MenuItem, OrderLeg, Rejected, Size
from optionwriter.core.decide.rules import PASSED
from optionwriter.core.decide.screening import Screen
from optionwriter.core.decide.strategies.base import product_of
from optionwriter.core.decide.strategies.tilting import Carried, carried, sale_score
from optionwriter.core.decide.strategies.view import View, leg_of, metrics_of
from optionwriter.core.market.instruments import parse_instrument

_ZERO = Decimal(0)
_SMALLEST_DELTA = Decimal("0.000001")


Prepare = Callable[[Screen], object]
Build = Callable[[View, Screen, int], list[MenuItem]]


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """What can be opened, and every other candidate with the gate that it failed."""

    items: tuple[MenuItem, ...]
    rejected: Rejected


def offer(view: View, chains_open: int, prepare: Prepare | None = None, build: Build | None = None) -> Offer:
    """The opening items for a strategy that has `chains_open` chains of this kind here.

    `prepare` may fail or score anew what passed the rules; `build` makes a candidate's items (open_items).
    """
    screened = view.screened(view.config.gates)
    if prepare is not None:
        prepare(screened)
    kind = (view.product.underlying, view.writes.option_type)
    slots = min(view.capacity.slots.get(kind, 0), view.config.max_chains - chains_open)
    best = ranked(screened, screened.score)
    items: list[MenuItem] = []
    chosen, last = 0, 0.0
    worse: list[int] = []  # than the best that were chosen
    for row in best.tolist():
        if slots <= 0:
            fail(screened, row, "slot", float(chains_open), float(view.config.max_chains), -1.0)
        elif view.chain.table.names[row] in view.capacity.taken:
            fail(screened, row, "taken", 1.0, 0.0, -1.0)
        elif view.is_call and not view.capacity.calls_left(kind[0], int(view.chain.table.expiry_ms[row])):
            fail(screened, row, "slot", 1.0, 0.0, -1.0)  # the expiry has all the calls that it may have
        elif chosen >= view.config.max_items:
            worse.append(row)
        else:
            found = (build or open_items)(view, screened, row)
            items.extend(found)
            if found:
                chosen, last = chosen + 1, float(screened.score[row])
    if worse:
        _outrank(screened, worse, last)
    return Offer(tuple(items), rejections(screened))


def _outrank(screened: Screen, rows: list[int], last: float) -> None:
    """Marks rows as failed at `rank`: their score against the last one that was chosen."""
    worth = screened.score[rows]
    screened.gate[rows] = GATE_CODE["rank"]
    screened.verdict[rows] = np.column_stack((worth, np.full(len(rows), last), np.minimum(worth - last, 0.0)))


def open_items(view: View, screened: Screen, row: int) -> list[MenuItem]:
    """The candidate's items, one for each size that is different; none (and rejected at `size`) without a lot."""
    leg = leg_of(view, row, Side.SELL, _ZERO, reduce_only=False)
    most = largest(view, leg, abs(float(screened.metrics[row, 0])))
    if most <= 0:
        free = float(view.capacity.free(view.product.settlement_currency))
        fail(screened, row, "size", free, float(view.product.min_amount), -1.0)
        return []
    before = carried(view)
    return [
        _open_item(view, screened, row, before, leg, amount, size) for amount, size in amounts_of(view, most)
    ]


def _open_item(
    view: View, screened: Screen, row: int, before: Carried, leg: OrderLeg, amount: Decimal, size: Size
) -> MenuItem:
    score, parts = sale_score(view, screened, row, before, parse_instrument(leg.instrument), amount)
    return MenuItem(
        key=f"{view.config.id}/{view.product.underlying}/open/{leg.instrument}/{size}",
        action=view.writes.opens,
        reason="open",
        legs=(OrderLeg(leg.instrument, leg.side, amount, leg.limit_price, leg.start_price, False),),
        size=size,
        score=score,
        parts=parts,
        mandatory=False,
        metrics=metrics_of(screened, row),
        value=score,
        threshold=view.config.min_score,
    )


def largest(view: View, leg: OrderLeg, delta: float, beside: Decimal = _ZERO) -> Decimal:
    """The most that cover, share, cap, notional and net delta allow of this option at this price, in tradable lots.

    `beside` is what each coin takes of the cover besides (a wing).
    """
    option = parse_instrument(leg.instrument)
    currency = view.product.settlement_currency
    cover = view.capacity.cover.get(currency)
    if cover is None:
        return _ZERO
    budget = min(budget_of(view, cover), view.capacity.free(currency))
    most = coverable(option, leg.limit_price, budget, beside)
    if most <= 0:
        return _ZERO  # whatever else would allow
    if view.config.size_cap is not None:
        most = min(most, view.config.size_cap)
    each_usd = view.underlying.index if view.is_call else option.strike
    name, kind = view.product.underlying, view.writes.option_type
    room = view.capacity.room_usd(name, kind, option.expiry_ms) / each_usd
    by_delta = view.capacity.room_delta(name, kind) / max(exact(delta), _SMALLEST_DELTA)
    in_all = view.capacity.room_coins(option, leg.limit_price)
    return lots(view.product, min(most, room, by_delta, in_all))


def budget_of(view: View, cover: Cover) -> Decimal:
    """What this product may still bind: the strategy's share of the currency, and of that its equal part.

    Underlyings that are written in one currency (puts in USDC) share it equally, so that the first can't take it all.
    """
    share = cover.cash * view.config.size_share
    left = share - cover.positions - cover.orders
    sharing = sum(
        product_of(view.writes, one).settlement_currency == cover.currency for one in view.config.underlyings
    )
    if sharing < 2:
        return left
    return min(left, share / sharing - bound_by(view))


def bound_by(view: View) -> Decimal:
    """What the shorts of this product claim already, positions and orders, settlement currency."""
    total = _ZERO
    for one in view.state.held:
        if one.option.product.code == view.product.code:
            total += max(_ZERO, -min(one.amount, one.ours)) * (cover_per_coin(one.option) or _ZERO)
    for order in pending_orders(view.state.account, view.state.book):
        if order.side is Side.SELL and not order.reduce_only and order.instrument in view.chain.table.row_of:
            option = parse_instrument(order.instrument)
            total += order.amount * (net_cover_per_coin(option, order.price) or _ZERO)
    return total


def amounts_of(view: View, most: Decimal) -> list[tuple[Decimal, Size]]:
    """The different amounts that the configured sizes make of `most`, each under its first size, none of nothing."""
    found: dict[Decimal, Size] = {}
    for size in view.config.sizes:
        found.setdefault(sized(view, most, size), size)
    return [(amount, size) for amount, size in found.items() if amount > 0]


def sized(view: View, most: Decimal, size: Size) -> Decimal:
    """`most`, half of it, or the smallest tradable amount; never more than `most`."""
    if size is Size.FULL:
        return most
    if size is Size.HALF:
        return lots(view.product, most / 2)
    return min(most, view.product.min_amount)


def ranked(screened: Screen, score: np.ndarray[tuple[int], np.dtype[np.float64]]) -> ROWS:
    """Rows that passed every gate, best first: score, then earlier expiry, then lower strike."""
    rows = np.flatnonzero(screened.gate == PASSED)
    table = screened.chain.table
    return rows[np.lexsort((table.strike[rows], table.expiry_ms[rows], -score[rows]))]


def fail(screened: Screen, row: int, gate: str, value: float, threshold: float, distance: float) -> None:
    """Marks a row that passed the rules as failed at one of the menu's own gates."""
    screened.gate[row] = GATE_CODE[gate]
    screened.verdict[row] = (value, threshold, distance)


def rejections(screened: Screen) -> Rejected:
    """Every candidate row that failed a gate, in the chain's order."""
    rows = np.flatnonzero(screened.gate > PASSED)
    value, threshold, distance = screened.verdict[rows].T
    return Rejected(screened.chain.table, rows, screened.gate[rows], value, threshold, distance)
