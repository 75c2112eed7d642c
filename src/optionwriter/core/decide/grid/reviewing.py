"""Reviewing: may the item become orders? The checks of risk.py that can say no within the loop's bounds.

Asked: recent chains, the price collar, cash for what is bought, cover, chains, margin, net delta, notional by type,
expiry and in all, covered share, vega, stress, lots. What can't arise here (foreign positions, unresolved orders, other
strategies, a halted account) is not.
"""

from __future__ import annotations

import math

from optionwriter.core.compiled import compiled_part
from optionwriter.core.decide.grid.columns import Quotes, Steps
from optionwriter.core.decide.grid.money import exceeds
from optionwriter.core.decide.grid.offering import (
    OPEN,
    Item,
    Sums,
    at_expiry,
    cash_of,
    no_sums,
    plus,
)
from optionwriter.core.decide.grid.standing import (
    CALL,
    NOTHING,
    Account,
    Books,
    Place,
    cap_usd,
    fee_bound,
    freed_per_coin,
    net_cover_per_coin,
    weigh,
)
from optionwriter.core.decide.grid.terms import LimitTerms, Terms


@compiled_part
def within_collar(q: Quotes, row: int, units: int, sells: bool, limits: LimitTerms) -> bool:
    """Whether a limit price is not too far from the mark (checks.collar)."""
    mark = q.mark[row]
    if not (math.isfinite(mark) and mark >= 0.0):
        return False
    step = q.coarse if mark * q.per_coin > q.turn else q.fine
    band = max(mark * limits.collar_pct / 100.0, limits.collar_ticks * step / q.per_coin)
    price = units / q.per_coin
    # The two differences are near in size: what rounding leaves is of the price's size, not theirs.
    over = mark - price - band if sells else price - mark - band
    return not over > 1e-12 * max(price, mark)


@compiled_part
def new_risk_fits(
    item: Item, side: int, q: Quotes, step: int, steps: Steps, terms: Terms, books: Books, account: Account,
    before: Sums,
) -> bool:  # fmt: skip
    """The checks of what opens (newrisk.py, budgets.py). `before`: what is short, what was approved before it too."""
    limits = terms.limits
    new = Place(item.slice, item.row)
    coins = item.lots * q.lot
    expiry_ms = q.slice_expiry[new.slice]
    each = weigh(q, new, step, steps, terms)
    change = plus(no_sums(), q.is_call, expiry_ms, coins, each)
    freed = 0.0
    back_expiry_ms = 0
    back_usd = 0.0
    if item.back_row >= 0:
        back = Place(item.back_slice, item.back_row)
        back_coins = item.back_lots * q.lot
        its = weigh(q, back, step, steps, terms)
        change = plus(change, q.is_call, expiry_ms, -back_coins, its)
        back_expiry_ms, back_usd = q.slice_expiry[back.slice], back_coins * its.notional
        freed = back_coins * freed_per_coin(q, books.option[side], q.ask[back.row] / q.per_coin)
    claim = coins * net_cover_per_coin(q, q.option[new.row], q.bid[new.row] / q.per_coin)
    cash, claims = cash_of(account, side)
    if exceeds(max(0.0, -freed, claim - freed), cash - claims):
        return False
    margin = account.coin_margin if side == CALL else account.usdc_margin
    if change.margin > 0.0 and (
        cash <= 0.0 or exceeds((margin + change.margin) * 100.0, limits.margin_pct * cash)
    ):
        return False
    net = abs(before.delta)
    # risk takes the worst of the sale with what it buys back, and of no change at all (there are no wings)
    after = max(abs(before.delta + change.delta), net)
    if exceeds(after, limits.net_delta) and exceeds(after, net):
        return False
    if not _notional_fits(
        q, expiry_ms, coins * each.notional, back_expiry_ms, back_usd, before, account, limits
    ):
        return False
    if item.kind == OPEN and _too_many(side, books, limits):
        return False
    if item.lots > item.back_lots and exceeds(float(item.lots), limits.lots_per_order):
        return False
    if not item.mandatory and q.is_call and limits.calls_per_expiry < 1.0:
        return False
    return _sums_fit(change, claim - freed, q.is_call, cash, claims, before, account, limits)


@compiled_part
def _too_many(side: int, books: Books, limits: LimitTerms) -> bool:
    held = 0
    for one in range(2):
        held += 1 if books.option[one] >= 0 else 0
    mine = 1.0 if books.option[side] >= 0 else 0.0
    most = limits.call_chains if side == CALL else limits.put_chains
    return mine + 1.0 > most or held + 1.0 > limits.chains_total


@compiled_part
def _notional_fits(
    q: Quotes, expiry_ms: int, sold_usd: float, back_expiry_ms: int, back_usd: float, before: Sums,
    account: Account, limits: LimitTerms,
) -> bool:  # fmt: skip
    """Notional at the expiries that the item changes, and of its type."""
    most = cap_usd(limits.expiry, account.equity_usd)
    was = at_expiry(before, expiry_ms)
    after = was + sold_usd - (back_usd if back_expiry_ms == expiry_ms else 0.0)
    if exceeds(after, most) and exceeds(after, was):
        return False
    was = before.call_usd if q.is_call else before.put_usd
    after = was + sold_usd - back_usd
    most = cap_usd(limits.calls if q.is_call else limits.puts, account.equity_usd)
    return not (exceeds(after, most) and exceeds(after, was))


@compiled_part
def _sums_fit(
    change: Sums, claim: float, is_call: bool, cash: float, claims: float, before: Sums, account: Account,
    limits: LimitTerms,
) -> bool:  # fmt: skip
    """The sums over all short options: each fits, or is not raised (budgets.account_sums)."""
    more = change.call_usd + change.put_usd
    held = before.call_usd + before.put_usd
    if more > 0.0 and exceeds(held + more, cap_usd(limits.total, account.equity_usd)):
        return False
    most = limits.covered_share * max(0.0, cash)
    if is_call and limits.covered_share != 1.0 and claim > 0.0 and exceeds(claims + claim, most):
        return False
    if change.vega > 0.0 and exceeds(before.vega + change.vega, limits.vega_usd):
        return False
    most = cap_usd(limits.stress, account.equity_usd)
    if change.down > 0.0 and exceeds(before.down + change.down, most):
        return False
    if change.unmoved > 0.0 and exceeds(before.unmoved + change.unmoved, most):
        return False
    return not (change.up > 0.0 and exceeds(before.up + change.up, most))


@compiled_part
def approved(
    item: Item, side: int, q: Quotes, step: int, steps: Steps, terms: Terms, books: Books, account: Account,
    before: Sums,
) -> bool:  # fmt: skip
    """Whether risk lets the item pass."""
    if not q.fresh[step]:
        return False
    if item.back_row >= 0:
        units = q.ask[item.back_row]
        if not within_collar(q, item.back_row, units, False, terms.limits):
            return False
        price = units / q.per_coin
        cost = item.back_lots * q.lot * (price + fee_bound(q, price))
        cash, _ = cash_of(account, side)
        if exceeds(cost, cash):
            return False
    if item.row == NOTHING:
        return True
    if not within_collar(q, item.row, q.bid[item.row], True, terms.limits):
        return False
    return new_risk_fits(item, side, q, step, steps, terms, books, account, before)
