"""Pairing: which calls and puts could be sold together now, and which side of a strangle could be sold to complete it.

Keeps: a pair has one expiry and one amount, the largest that both sides allow; its parts are the sides' parts, each
weighted by the collateral that it binds, so they add up to its score. Every candidate of either side is on the menu or
rejected: at `wing` when there is nothing to sell it with, at `rank` when better pairs fill the menu.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import Chain, bundled_chain_id
from optionwriter.core.books.facts import Action
from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.menu import MenuItem, Metrics, OrderLeg, Rejected
from optionwriter.core.decide.rules import PASSED
from optionwriter.core.decide.scoring import PART_NAMES
from optionwriter.core.decide.screening import Screen
from optionwriter.core.decide.strategies.opening import amounts_of, fail, largest, ranked, rejections
from optionwriter.core.decide.strategies.view import View, leg_of, metrics_of
from optionwriter.core.market.instruments import MS_PER_DAY, OptionType, parse_instrument

_ZERO = Decimal(0)


@dataclass(slots=True, eq=False)
class Half:
    """One side of a strangle: what it is sold in, and the strategy's open chains of it."""

    view: View
    chains: tuple[Chain, ...]
    looked_at: bool = False  # its candidates were rejected for a roll already

    @property
    def kind(self) -> OptionType:
        """Call or put."""
        return self.view.writes.option_type


@dataclass(slots=True, eq=False)
class _Desk:
    """One side's candidates: what passed, and how much of each could be sold at most."""

    half: Half
    screened: Screen
    most: dict[int, Decimal]  # of the rows that may be sold
    used: set[int]

    @property
    def names(self) -> tuple[str, ...]:
        return self.half.view.chain.table.names

    def expiry(self, row: int) -> int:
        return int(self.half.view.chain.table.expiry_ms[row])

    def weight(self, row: int) -> float:
        """The collateral of a coin, USD."""
        view = self.half.view
        return float(view.underlying.index) if view.is_call else float(view.chain.table.strike[row])


def offer_pairs(call: Half, put: Half) -> tuple[list[MenuItem], tuple[Rejected, Rejected]]:
    """The opening items, and each side's rejected candidates."""
    sides = (_desk(call), _desk(put))
    items = _completing(sides[0], put) + _completing(sides[1], call)
    items += _pairs(*sides)
    for side in sides:
        for row in side.most:
            if row in side.used or side.screened.gate[row] != PASSED:
                continue
            fail(side.screened, row, "wing", 0.0, 1.0, -1.0)
    return items, (rejections(sides[0].screened), rejections(sides[1].screened))


def _desk(half: Half) -> _Desk:
    """The side's candidates; those without a slot, taken or without a lot fail here."""
    view = half.view
    screened = view.screened(view.config.gates)
    kind = (view.product.underlying, half.kind)
    slots = min(view.capacity.slots.get(kind, 0), view.config.max_chains - len(half.chains))
    most: dict[int, Decimal] = {}
    for row in ranked(screened, screened.score).tolist():
        if slots <= 0:
            fail(screened, row, "slot", float(len(half.chains)), float(view.config.max_chains), -1.0)
        elif view.chain.table.names[row] in view.capacity.taken:
            fail(screened, row, "taken", 1.0, 0.0, -1.0)
        else:
            leg = leg_of(view, row, Side.SELL, _ZERO, reduce_only=False)
            amount = largest(view, leg, abs(float(screened.metrics[row, 0])))
            if amount > 0:
                most[row] = amount
            else:
                free = float(view.capacity.free(view.product.settlement_currency))
                fail(screened, row, "size", free, float(view.product.min_amount), -1.0)
    return _Desk(half, screened, most, set())


# -- a side to complete -----------------------------------------------------------------------------------------------


def _completing(side: _Desk, other: Half) -> list[MenuItem]:
    """Sales that complete the bundles whose other side stands alone, at its expiry."""
    view = side.half.view
    items: list[MenuItem] = []
    for chain in other.chains:
        mine = bundled_chain_id(chain.bundle, side.half.kind)
        if (
            not chain.bundle
            or mine in view.capacity.busy
            or any(one.chain_id == mine for one in side.half.chains)
        ):
            continue
        sold = [leg for leg in chain.open_legs if leg.sold]
        expiries = {parse_instrument(leg.instrument).expiry_ms for leg in sold}
        wanted = sum((abs(leg.position) for leg in sold), _ZERO)
        rows = [row for row in side.most if side.expiry(row) in expiries]
        rows.sort(key=lambda row: -float(side.screened.score[row]))
        for row in rows[: view.config.max_items]:
            amount = view.product.floor_amount(min(side.most[row], wanted))
            if amount > 0:
                items.append(_completion(side, row, amount, mine))
                side.used.add(row)
    return items


def _completion(side: _Desk, row: int, amount: Decimal, chain_id: str) -> MenuItem:
    view, screened = side.half.view, side.screened
    leg = leg_of(view, row, Side.SELL, amount, reduce_only=False)
    return MenuItem(
        key=f"{view.config.id}/{view.product.underlying}/complete/{chain_id}/{leg.instrument}",
        action=Action.OPEN_STRANGLE,
        reason="complete",
        legs=(leg,),
        size=view.config.sizes[0],
        score=float(screened.score[row]),
        parts=tuple(zip(PART_NAMES, screened.parts[row].tolist(), strict=True)),
        mandatory=False,
        metrics=metrics_of(screened, row),
        chain_id=chain_id,
        value=float(screened.score[row]),
        threshold=view.config.min_score,
    )


# -- both sides -------------------------------------------------------------------------------------------------------


def _pairs(call: _Desk, put: _Desk) -> list[MenuItem]:
    """The best pairs, at most as many as the menu takes; candidates that are in none of them fail at `rank`."""
    found: list[tuple[float, int, int]] = []
    for one in call.most:
        for other in put.most:
            if call.expiry(one) == put.expiry(other):
                found.append((-sum(_parts(call, one, put, other)), one, other))
    found.sort()
    items: list[MenuItem] = []
    shown = 0
    for worth, one, other in found:
        if shown >= call.half.view.config.max_items:
            for side, row in ((call, one), (put, other)):
                if row not in side.used and side.screened.gate[row] == PASSED:
                    behind = min(-worth - items[-1].score, 0.0)
                    fail(side.screened, row, "rank", -worth, items[-1].score, behind)
            continue
        made = _pair_items(call, one, put, other)
        if made:
            items += made
            shown += 1
            call.used.add(one)
            put.used.add(other)
    return items


def _parts(call: _Desk, one: int, put: _Desk, other: int) -> list[float]:
    """The sides' parts, weighted by the collateral of a coin of each."""
    mine, theirs = call.weight(one), put.weight(other)
    share = mine / (mine + theirs)
    parts = share * call.screened.parts[one] + (1.0 - share) * put.screened.parts[other]
    return [float(part) for part in parts]


def _together(call: _Desk, one: int, put: _Desk, other: int) -> Decimal:
    """The amount of each: what both sides allow, and what the cap on their expiry leaves for the two."""
    capacity, name = call.half.view.capacity, call.half.view.product.underlying
    most = min(call.most[one], put.most[other])
    used = capacity.expiry_used_usd.get((name, call.expiry(one)), _ZERO)
    each = exact(call.weight(one)) + exact(put.weight(other))
    most = min(most, max(_ZERO, capacity.expiry_cap_usd - used) / each)
    return put.half.view.product.floor_amount(call.half.view.product.floor_amount(most))


def _pair_items(call: _Desk, one: int, put: _Desk, other: int) -> list[MenuItem]:
    view, parts = call.half.view, _parts(call, one, put, other)
    legs = (
        leg_of(view, one, Side.SELL, _ZERO, reduce_only=False),
        leg_of(put.half.view, other, Side.SELL, _ZERO, reduce_only=False),
    )
    names = "+".join(leg.instrument for leg in legs)
    return [
        MenuItem(
            key=f"{view.config.id}/{view.product.underlying}/open/{names}/{size}",
            action=Action.OPEN_STRANGLE,
            reason="open",
            legs=tuple(
                OrderLeg(leg.instrument, leg.side, amount, leg.limit_price, leg.start_price, False)
                for leg in legs
            ),
            size=size,
            score=sum(parts),
            parts=tuple(zip(PART_NAMES, parts, strict=True)),
            mandatory=False,
            metrics=_metrics(call, one, put, other),
            value=sum(parts),
            threshold=view.config.min_score,
        )
        for amount, size in amounts_of(view, _together(call, one, put, other))
    ]


def _metrics(call: _Desk, one: int, put: _Desk, other: int) -> Metrics:
    """Of the pair: the delta that is left (short of the coin when positive), the premium of both, the nearer strike."""
    first, second = metrics_of(call.screened, one), metrics_of(put.screened, other)
    premiums = np.array([first.premium_usd, second.premium_usd])
    widths = np.array([first.spread, second.spread])
    return Metrics(
        delta=first.delta - second.delta,
        dte=(call.expiry(one) - call.half.view.state.at_ms) / MS_PER_DAY,
        premium_usd=float(premiums.sum()),
        ivrv=(first.ivrv + second.ivrv) / 2,
        otm_pct=min(first.otm_pct, second.otm_pct),
        spread=float((widths * premiums).sum() / premiums.sum()) if premiums.sum() > 0 else float("nan"),
    )
