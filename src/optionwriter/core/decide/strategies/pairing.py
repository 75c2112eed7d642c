"""Pairing: which calls and puts could be sold together now, and which side of a strangle could be sold to complete it.

Keeps: a pair has one expiry and one amount, the largest that both sides allow; its parts are the sides' parts, each
weighted by the collateral that it binds, so they add up to its score. Every candidate of either side is on the menu or
rejected: at `wing` when there is nothing to sell it with, at `rank` when better pairs fill the menu.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import Chain, bundled_chain_id
from optionwriter.core.books.facts import Action
from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.menu import MenuItem, Metrics, Rejected
from optionwriter.core.decide.rules import PASSED
from optionwriter.core.decide.scoring import PART_NAMES, ScoreParts, total
from optionwriter.core.decide.screening import Screen
from optionwriter.core.decide.strategies.opening import amounts_of, fail, largest, ranked, rejections
from optionwriter.core.decide.strategies.tilting import Carried, carried, sale_score
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
    before: Carried

    @property
    def names(self) -> tuple[str, ...]:
        return self.half.view.chain.table.names

    def expiry(self, row: int) -> int:
        return int(self.half.view.chain.table.expiry_ms[row])

    def sale(self, row: int, amount: Decimal) -> tuple[float, tuple[tuple[str, float], ...]]:
        """Score and parts of selling so much of it alone."""
        option = parse_instrument(self.names[row])
        return sale_score(self.half.view, self.screened, row, self.before, option, amount)

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
    return _Desk(half, screened, most, set(), carried(view))


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
    score, parts = side.sale(row, amount)
    return MenuItem(
        key=f"{view.config.id}/{view.product.underlying}/complete/{chain_id}/{leg.instrument}",
        action=Action.OPEN_STRANGLE,
        reason="complete",
        legs=(leg,),
        size=view.config.sizes[0],
        score=score,
        parts=parts,
        mandatory=False,
        metrics=metrics_of(screened, row),
        chain_id=chain_id,
        value=score,
        threshold=view.config.min_score,
    )


# -- both sides -------------------------------------------------------------------------------------------------------


def _pairs(call: _Desk, put: _Desk) -> list[MenuItem]:
    """The best pairs, at most as many as the menu takes; candidates that are in none of them fail at `rank`."""
    found: list[tuple[float, int, int]] = []
    for one in call.most:
        for other in put.most:
            if call.expiry(one) == put.expiry(other):
                share = _share(call, one, put, other)
                worth = share * call.screened.score[one] + (1.0 - share) * put.screened.score[other]
                found.append((-float(worth), one, other))
    found.sort()
    items: list[MenuItem] = []
    shown, last = 0, 0.0
    for worth, one, other in found:
        if shown >= call.half.view.config.max_items:
            for side, row in ((call, one), (put, other)):
                if row not in side.used and side.screened.gate[row] == PASSED:
                    fail(side.screened, row, "rank", -worth, last, min(-worth - last, 0.0))
            continue
        made = _pair_items(call, one, put, other)
        if made:
            items += made
            shown, last = shown + 1, -worth
            call.used.add(one)
            put.used.add(other)
    return items


def _share(call: _Desk, one: int, put: _Desk, other: int) -> float:
    """The call's share of the collateral that a coin of each binds."""
    mine, theirs = call.weight(one), put.weight(other)
    return mine / (mine + theirs)


def _together(call: _Desk, one: int, put: _Desk, other: int) -> Decimal:
    """The amount of each: what both sides allow, and what the cap on their expiry leaves for the two."""
    capacity, name = call.half.view.capacity, call.half.view.product.underlying
    most = min(call.most[one], put.most[other])
    used = capacity.expiry_used_usd.get((name, call.expiry(one)), _ZERO)
    each = exact(call.weight(one)) + exact(put.weight(other))
    most = min(most, max(_ZERO, capacity.expiry_cap_usd - used) / each)
    return put.half.view.product.floor_amount(call.half.view.product.floor_amount(most))


def _pair_items(call: _Desk, one: int, put: _Desk, other: int) -> list[MenuItem]:
    view = call.half.view
    legs = (
        leg_of(view, one, Side.SELL, _ZERO, reduce_only=False),
        leg_of(put.half.view, other, Side.SELL, _ZERO, reduce_only=False),
    )
    names = "+".join(leg.instrument for leg in legs)
    items = []
    for amount, size in amounts_of(view, _together(call, one, put, other)):
        parts = _parts(call, one, put, other, amount)
        score = total(parts)
        items.append(
            MenuItem(
                key=f"{view.config.id}/{view.product.underlying}/open/{names}/{size}",
                action=Action.OPEN_STRANGLE,
                reason="open",
                legs=tuple(replace(leg, amount=amount) for leg in legs),
                size=size,
                score=score,
                parts=tuple(zip(PART_NAMES, parts, strict=True)),
                mandatory=False,
                metrics=_metrics(call, one, put, other),
                value=score,
                threshold=view.config.min_score,
            )
        )
    return items


def _parts(call: _Desk, one: int, put: _Desk, other: int, amount: Decimal) -> ScoreParts:
    """The sides' parts at that amount, weighted by the collateral that they bind."""
    share = _share(call, one, put, other)
    mine, theirs = call.sale(one, amount)[1], put.sale(other, amount)[1]
    return ScoreParts._make(
        share * first + (1.0 - share) * second for (_, first), (_, second) in zip(mine, theirs, strict=True)
    )


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
