"""Tilting: what the account carries already, and how selling more of an option would tilt it.

Owns the figures behind the penalties that depend on size: share of the coins covered, puts' loss at the stress, the
coin's share of equity if assigned. All short options of the account count, ours and others', and orders that may fill.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from optionwriter.core.decide.cover import pending_orders
from optionwriter.core.decide.exposure import shorts_of
from optionwriter.core.decide.scoring import (
    PART_NAMES,
    SIZELESS,
    ScoreParts,
    Tilt,
    sale_parts,
    total,
)
from optionwriter.core.decide.screening import Screen
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.view import View
from optionwriter.core.market.instruments import Instrument

_ZERO = Decimal(0)
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Carried:
    """What the account carries before a sale, for one view. USD, and coins of the underlying."""

    equity_usd: float
    puts_loss_usd: float  # of all short puts, every index fallen by the stress
    coin_usd: float  # the coin's equity, and the coins that its short puts would bring
    coins: float  # cash of the coin
    covered: float  # coins that short calls and orders claim


@lru_cache(maxsize=2)
def carried(view: View) -> Carried:
    """The figures now; a view never changes, so all its candidates share one answer."""
    state, name = view.state, view.product.underlying
    shorts = shorts_of(state, pending_orders(state.account, state.book))
    puts = [one for one in shorts if not one.option.is_call]
    coin = state.account.currency(name)
    assigned = sum((one.amount for one in puts if one.option.product.underlying == name), _ZERO)
    cover = view.capacity.cover.get(view.product.settlement_currency)
    return Carried(
        equity_usd=float(state.equity_usd),
        puts_loss_usd=float(sum((one.amount * loss_of(view, one.option) for one in puts), _ZERO)),
        coin_usd=float(((coin.equity if coin else _ZERO) + assigned) * view.underlying.index),
        coins=float(cover.cash) if cover else _NAN,
        covered=float(cover.positions + cover.orders) if cover else _NAN,
    )


def loss_of(view: View, put: Instrument) -> Decimal:
    """What one coin's put costs at the stress, USD: strike less the fallen index; all of it without an index."""
    index = _index(view.state, put)
    fallen = index * (1 - Decimal(repr(view.config.downside.stress)))
    return max(_ZERO, put.strike - fallen)


def _index(state: AgentState, option: Instrument) -> Decimal:
    return state.index(option.product.underlying) or _ZERO


def tilt_of(view: View, before: Carried, option: Instrument, amount: Decimal, risk: float) -> Tilt:
    """The tilt of selling `amount` coins of the option."""
    config, coins = view.config, float(amount)
    if view.is_call:
        covered = (before.covered + coins) / before.coins if before.coins > 0 else _NAN
        return Tilt(risk, covered, _NAN, _NAN, _NAN, _NAN)
    equity = before.equity_usd
    if not equity > 0:
        return Tilt(risk, _NAN, _NAN, _NAN, _NAN, _NAN)
    return Tilt(
        risk=risk,
        covered=_NAN,
        drawdown=(before.puts_loss_usd + coins * float(loss_of(view, option))) / equity,
        max_drawdown=config.downside.max_drawdown,
        allocation=(before.coin_usd + coins * float(view.underlying.index)) / equity,
        target_allocation=config.target(view.product.underlying),
    )


def sale_score(
    view: View, screened: Screen, row: int, before: Carried, option: Instrument, amount: Decimal
) -> tuple[float, tuple[tuple[str, float], ...]]:
    """(score, named parts) of selling `amount` of a screened row: its merits, and what that size weighs."""
    tilt = tilt_of(view, before, option, amount, float(view.risk[row]))
    sizeless = screened.parts[row, :SIZELESS].tolist()
    parts = ScoreParts._make((*sizeless, *sale_parts(view.is_call, tilt, view.config.score)))
    return total(parts), tuple(zip(PART_NAMES, parts, strict=True))
