"""What to do with a spread: the rules judge its sold leg, and whatever is done is done to both legs.

Keeps: the sale is bought back first and the wing sold after it. A wing that stands alone (the sale beside it never
filled, or filled less) is finished at today's prices where that is still acceptable, or sold; one whose sale is closed
is only sold. What nobody bids for is left to expire: it can only gain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import Chain, Leg, LegStatus
from optionwriter.core.decide.cover import coverable, freed_per_coin
from optionwriter.core.decide.managing import (
    DEFENSIVE,
    HOLD,
    NEAR_EXPIRY,
    REASONS,
    ROLL,
    TAKE_PROFIT,
    VERDICTS,
    ManageParams,
    Order,
    manage,
)
from optionwriter.core.decide.menu import Held, MenuItem, Metrics, OrderLeg, Size
from optionwriter.core.decide.rules import PASSED, clamp, trade_fee
from optionwriter.core.decide.scoring import PART_NAMES
from optionwriter.core.decide.screening import Screen
from optionwriter.core.decide.state import price_of
from optionwriter.core.decide.strategies.bundle import bought, pair, wing_claim
from optionwriter.core.decide.strategies.holding import (
    COOLING,
    NO_ROLL,
    ORDER_OPEN,
    Tended,
    bounds_of,
    close_leg,
    gives_up,
    holding_of,
    restrict,
    roll_gates,
    under_cap,
)
from optionwriter.core.decide.strategies.opening import fail, ranked, rejections
from optionwriter.core.decide.strategies.tilting import carried, sale_score
from optionwriter.core.decide.strategies.view import View, leg_of, metrics_of
from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import Family, Instrument, parse_instrument

_ZERO = Decimal(0)
_NAN = float("nan")
WING, FINISH, UNWIND = "wing", "finish", "unwind"  # reasons


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """A sold leg under judgement, with the wing that is held beside it (None: none)."""

    chain: Chain
    leg: Leg
    option: Instrument
    wing: Leg | None
    order: Order


def tend_spread(view: View, chain: Chain) -> Tended:
    """Judges the chain's legs and finds what is due."""
    tended = Tended([], [])
    if chain.chain_id in view.capacity.busy:
        for leg in chain.open_legs:
            tended.held.append(Held(chain.chain_id, leg.instrument, VERDICTS[HOLD], ORDER_OPEN, 0.0, 0.0))
        return tended
    for leg in chain.open_legs:
        if leg.sold:
            _tend_sale(view, chain, leg, tended)
    for leg in chain.open_legs:
        if not leg.sold:
            _tend_wing(view, chain, leg, tended)
    return tended


def _tend_sale(view: View, chain: Chain, leg: Leg, tended: Tended) -> None:
    option = parse_instrument(leg.instrument)
    wing = next((one for one in chain.open_legs if not one.sold and _together(one, option)), None)
    case = _Case(chain, leg, option, wing, judge_spread(view, leg, wing, view.config.manage))
    acted = _act(view, case, tended)
    if not acted and case.order.reason == NEAR_EXPIRY:  # no roll worth making: as if none were asked for
        never = view.config.manage._replace(roll_days=0.0)
        case = replace(case, order=judge_spread(view, leg, wing, never))
        acted = _act(view, case, tended)
    order = case.order
    reason = REASONS[order.reason]
    if not acted and order.verdict in (ROLL, TAKE_PROFIT):
        bounds = bounds_of(view, chain, option, order.reason)
        reason = COOLING if bounds.hours_since_roll < view.config.roll.cooldown_hours else NO_ROLL
    tended.held.append(
        Held(chain.chain_id, leg.instrument, VERDICTS[order.verdict], reason, order.value, order.threshold)
    )


def _together(wing: Leg, sold: Instrument) -> bool:
    return parse_instrument(wing.instrument).expiry_ms == sold.expiry_ms


def judge_spread(view: View, leg: Leg, wing: Leg | None, params: ManageParams) -> Order:
    """What the rules say of a sold leg; profit is counted on the net credit, after selling the wing at its bid."""
    holding = holding_of(view, leg)
    row = None if wing is None else view.chain.table.row_of.get(wing.instrument)
    if wing is not None and row is not None:
        bid = max(0.0, float(np.nan_to_num(view.chain.bid[row])))
        back = bid - trade_fee(holding.is_inverse, holding.index_price, bid) if bid > 0 else 0.0
        holding = holding._replace(
            entry_price=holding.entry_price - float(wing.entry_price),
            ask=max(holding.ask - back, float(view.product.tick_size)) if holding.ask > 0 else holding.ask,
        )
    return manage(holding, params)


def _act(view: View, case: _Case, tended: Tended) -> bool:
    """Adds the item that the verdict asks for; False when there is none to be had, or none is asked for."""
    if case.order.verdict not in (ROLL, TAKE_PROFIT):
        return False
    row = view.chain.table.row_of.get(case.leg.instrument)
    if row is None or not view.chain.ask[row] > 0:
        return False
    back = close_leg(view, row, -case.leg.position)
    if case.order.verdict == ROLL:
        roll = None if view.config.roll.close_only else _best_roll(view, case, back, tended)
        if roll is not None:
            tended.items.append(roll)
            return True
        if not gives_up(view, case.chain, case.option, case.order):
            return False
    tended.items.append(_close(view, case, back, row))
    return True


def unwind_leg(view: View, wing: Leg | None, amount: Decimal) -> OrderLeg | None:
    """The order that sells so much of a held wing; None where nobody bids for it."""
    row = None if wing is None else view.chain.table.row_of.get(wing.instrument)
    if row is None or amount <= 0 or not (view.chain.bid[row] > 0 and view.chain.ask[row] > 0):
        return None
    return leg_of(view, row, Side.SELL, amount, reduce_only=True)


def _back(view: View, case: _Case, back: OrderLeg) -> tuple[OrderLeg, ...]:
    """The orders that end both legs: the sale first."""
    sold = None if case.wing is None else unwind_leg(view, case.wing, case.wing.position)
    return (back,) if sold is None else (back, sold)


def _close(view: View, case: _Case, back: OrderLeg, row: int) -> MenuItem:
    reason = REASONS[case.order.reason]
    _, iv, delta = price_of(view.chain, row, view.state.at_ms)
    days = case.option.days_to_expiry(view.state.at_ms)
    ivrv = iv / view.realised if view.realised > 0 else _NAN
    return MenuItem(
        key=f"{view.config.id}/{view.product.underlying}/close/{case.chain.chain_id}/{case.leg.instrument}",
        action=view.writes.closes,
        reason=reason,
        legs=_back(view, case, back),
        size=Size.FULL,
        score=1.0,
        parts=((reason, 1.0),),
        mandatory=case.order.reason in DEFENSIVE,
        metrics=Metrics(abs(delta), days, _NAN, ivrv, _NAN, _NAN),
        chain_id=case.chain.chain_id,
        value=case.order.value,
        threshold=case.order.threshold,
    )


def _best_roll(view: View, case: _Case, back: OrderLeg, tended: Tended) -> MenuItem | None:
    """The acceptable roll of both legs with the highest score, its credit counted; the others are kept as rejected."""
    config, ended = view.config, _back(view, case, back)
    screened = view.screened(roll_gates(config))
    wings = pair(view, screened)
    credit = _credit(view, screened, wings, ended)
    restrict(view, case.option, screened, credit, bounds_of(view, case.chain, case.option, case.order.reason))
    scale = max(config.roll.credit_scale, 1e-9)
    bonus = np.array([config.roll.credit_weight * clamp(one / scale, -1.0, 1.0) for one in credit.tolist()])
    best: MenuItem | None = None
    for row in ranked(screened, screened.score + bonus).tolist():
        if best is not None:
            worth = float(screened.score[row] + bonus[row])
            fail(screened, row, "rank", worth, best.score, min(worth - best.score, 0.0))
        elif view.chain.table.names[row] in view.capacity.taken:
            fail(screened, row, "taken", 1.0, 0.0, -1.0)
        else:
            best = _roll(view, case, ended, screened, row, wings[row], float(bonus[row]))
    tended.rejected = rejections(screened)
    return best


def _credit(view: View, screened: Screen, wings: object, ended: tuple[OrderLeg, ...]) -> F64:
    """What a coin rolled into each row brings, net of all fees, as a share of the collateral."""
    inverse, index = view.product.family is Family.INVERSE, float(view.underlying.index)
    in_usd = index if inverse else 1.0
    cost = 0.0
    for leg in ended:
        price = float(leg.limit_price)
        cost += leg.side.sign * price + trade_fee(inverse, index, price)
    credit = np.full(len(view.chain), np.nan)
    premium = screened.metrics[:, 2]  # net credit of sale and wing, USD
    for row in np.flatnonzero(screened.gate == PASSED).tolist():
        collateral = 1.0 if inverse else float(view.chain.table.strike[row])
        credit[row] = (float(premium[row]) / in_usd - cost) / collateral
    return credit


def _roll(
    view: View, case: _Case, ended: tuple[OrderLeg, ...], screened: Screen, row: int, wing: int, bonus: float
) -> MenuItem | None:
    sale, other = leg_of(view, row, Side.SELL, _ZERO, reduce_only=False), bought(view, wing, _ZERO)
    amount = _roll_amount(view, case, ended[0], sale, wing_claim(other))
    most = under_cap(view, case.option, ended[0], sale)
    if min(amount, most) <= 0:
        gate = "size" if amount <= 0 else "roll_cover"
        fail(screened, row, gate, 0.0, float(view.product.min_amount), -1.0)
        return None
    amount = min(amount, most)
    parts = (*zip(PART_NAMES, screened.parts[row].tolist(), strict=True), ("credit", bonus))
    new = tuple(replace(leg, amount=amount) for leg in (sale, other))
    return MenuItem(
        key=f"{view.config.id}/{view.product.underlying}/roll/{case.chain.chain_id}/{sale.instrument}",
        action=view.writes.rolls,
        reason=REASONS[case.order.reason],
        legs=(*ended, *new),
        size=Size.FULL,
        score=sum(part for _, part in parts),
        parts=parts,
        mandatory=case.order.reason in DEFENSIVE,
        metrics=metrics_of(screened, row),
        chain_id=case.chain.chain_id,
        value=case.order.value,
        threshold=case.order.threshold,
    )


def _roll_amount(view: View, case: _Case, back: OrderLeg, sale: OrderLeg, beside: Decimal) -> Decimal:
    """No more than is bought back, and what its freed cover and the free cash hold together, the wing paid."""
    currency = view.product.settlement_currency
    cover = view.capacity.cover.get(currency)
    if cover is None or currency in view.capacity.closed_to_new:
        return _ZERO
    free = cover.free + back.amount * freed_per_coin(case.option, back.limit_price)
    amount = coverable(parse_instrument(sale.instrument), sale.limit_price, free, beside)
    return min(amount, view.product.floor_amount(back.amount))


# -- wings that stand alone -------------------------------------------------------------------------------------------


def _tend_wing(view: View, chain: Chain, wing: Leg, tended: Tended) -> None:
    option = parse_instrument(wing.instrument)
    sold = chain.held(option.option_type, option.expiry_ms, sold=True)
    excess = wing.position - sold
    reason, due = WING, VERDICTS[HOLD]
    ended = any(item.chain_id == chain.chain_id for item in tended.items)
    if excess > 0 and not ended and option.expiry_ms > view.state.at_ms:
        finish = _finish(view, chain, wing, excess)
        # what to do when it can't be finished, else the second choice
        unwind = _unwind(view, chain, wing, excess, 1.0 if finish is None else finish.score - 1.0)
        tended.items += [one for one in (finish, unwind) if one is not None]
        reason = FINISH if finish is not None else UNWIND if unwind is not None else "no_bid"
        due = "finish" if finish is not None else "close" if unwind is not None else VERDICTS[HOLD]
    tended.held.append(Held(chain.chain_id, wing.instrument, due, reason, float(excess), 0.0))


def _finish(view: View, chain: Chain, wing: Leg, excess: Decimal) -> MenuItem | None:
    """The best sale beside the wing at today's prices; None when its sale was closed, or none is good enough."""
    option = parse_instrument(wing.instrument)
    beside = [leg for leg in chain.legs if leg.sold and _together(leg, option)]
    if any(leg.status is not LegStatus.OPEN for leg in beside):
        return None
    row_of = view.chain.table.row_of
    wing_at = row_of.get(wing.instrument)
    slot = view.capacity.slots.get((view.product.underlying, view.writes.option_type), 0)
    if wing_at is None or (not beside and slot <= 0):
        return None
    screened = view.screened(view.config.gates)
    pair(view, screened, wing_at)
    for row in ranked(screened, screened.score).tolist():
        name = view.chain.table.names[row]
        mine = any(leg.instrument == name for leg in beside)
        if (beside and not mine) or (name in view.capacity.taken and not mine):
            continue
        sale = leg_of(view, row, Side.SELL, _ZERO, reduce_only=False)
        free = view.capacity.free(view.product.settlement_currency)
        amount = min(excess, coverable(parse_instrument(name), sale.limit_price, free))
        if amount <= 0:
            return None
        item = _finishing(view, chain, screened, row, sale, amount)
        return item if item.score >= view.config.min_score else None
    return None


def _finishing(
    view: View, chain: Chain, screened: Screen, row: int, sale: OrderLeg, amount: Decimal
) -> MenuItem:
    option = parse_instrument(sale.instrument)
    score, parts = sale_score(view, screened, row, carried(view), option, amount)
    return MenuItem(
        key=f"{view.config.id}/{view.product.underlying}/finish/{chain.chain_id}/{sale.instrument}",
        action=view.writes.opens,
        reason=FINISH,
        legs=(replace(sale, amount=amount),),
        size=Size.FULL,
        score=score,
        parts=parts,
        mandatory=False,
        metrics=metrics_of(screened, row),
        chain_id=chain.chain_id,
        value=score,
        threshold=view.config.min_score,
    )


def _unwind(view: View, chain: Chain, wing: Leg, excess: Decimal, score: float) -> MenuItem | None:
    """Selling what stands alone of the wing."""
    leg = unwind_leg(view, wing, excess)
    if leg is None:
        return None
    option = parse_instrument(wing.instrument)
    return MenuItem(
        key=f"{view.config.id}/{view.product.underlying}/unwind/{chain.chain_id}/{wing.instrument}",
        action=view.writes.closes,
        reason=UNWIND,
        legs=(leg,),
        size=Size.FULL,
        score=score,
        parts=((UNWIND, score),),
        mandatory=False,
        metrics=Metrics(_NAN, option.days_to_expiry(view.state.at_ms), _NAN, _NAN, _NAN, _NAN),
        chain_id=chain.chain_id,
        value=float(excess),
    )
