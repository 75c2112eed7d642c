"""Terms: one run as plain numbers: the strategy's rules, the account's limits, and how orders fill.

Owns the translation from configuration to what the loop takes. Every field has one type whatever the configuration
spelt (12 or 12.0), so the loop is compiled once.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import numpy as np

from optionwriter.core.decide.limits import Cap, Limits
from optionwriter.core.decide.managing import ManageParams
from optionwriter.core.decide.menu import Size
from optionwriter.core.decide.rolling import RollParams
from optionwriter.core.decide.rules import GateParams
from optionwriter.core.decide.scoring import ScoreParams
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.decide.strategies.holding import roll_gates
from optionwriter.core.market.chain import I64

_SIZES = list(Size)
P = TypeVar("P", GateParams, ScoreParams, ManageParams, RollParams)


class CapTerms(NamedTuple):
    """A cap: `usd`, or below 0 `share` of equity."""

    usd: float
    share: float


class LimitTerms(NamedTuple):
    """The account's limits, in the units of Limits; lots and counts as floats."""

    margin_pct: float
    net_delta: float
    expiry: CapTerms
    calls: CapTerms
    puts: CapTerms
    total: CapTerms
    covered_share: float
    vega_usd: float
    stress: CapTerms
    spot_move: float
    volatility_move: float
    call_chains: float
    put_chains: float
    chains_total: float
    calls_per_expiry: float
    lots_per_order: float
    collar_pct: float
    collar_ticks: float


class Terms(NamedTuple):
    """One run. `size_cap` in coins, infinite for none; `sizes` are ranks of menu.Size in their order."""

    writes_calls: bool
    writes_puts: bool
    gates: GateParams
    roll_gates: GateParams
    score: ScoreParams
    manage: ManageParams
    roll: RollParams
    limits: LimitTerms
    min_score: float
    size_share: float
    size_cap: float
    sizes: I64
    max_items: int
    max_chains: int
    downside_stress: float
    max_drawdown: float
    target: float
    fill_share: float


def terms_of(config: StrategyConfig, limits: Limits, fill_share: Decimal) -> Terms:
    """The terms of an instance that writes on one underlying; `fill_share` of the spread is kept by every fill."""
    (underlying,) = config.underlyings
    return Terms(
        writes_calls="covered_call" in config.writes,
        writes_puts="cash_secured_put" in config.writes,
        gates=_typed(config.gates),
        roll_gates=_typed(roll_gates(config)),
        score=_typed(config.score),
        manage=_typed(config.manage),
        roll=_typed(config.roll),
        limits=_limits(limits, underlying),
        min_score=float(config.min_score),
        size_share=float(config.size_share),
        size_cap=float("inf") if config.size_cap is None else float(config.size_cap),
        sizes=np.array([_SIZES.index(one) for one in config.sizes], dtype=np.int64),
        max_items=int(config.max_items),
        max_chains=int(config.max_chains),
        downside_stress=float(config.downside.stress),
        max_drawdown=float(config.downside.max_drawdown),
        target=float(config.target(underlying)),
        fill_share=float(fill_share),
    )


def _typed(params: P) -> P:
    """Every number a float; only what is a choice by default stays one."""
    defaults: Mapping[str, Any] = type(params)._field_defaults
    return type(params)._make(
        bool(value) if isinstance(defaults[name], bool) else float(value)
        for name, value in zip(params._fields, params, strict=True)
    )


def _limits(limits: Limits, underlying: str) -> LimitTerms:
    return LimitTerms(
        margin_pct=float(limits.max_margin_used_pct),
        net_delta=float(limits.net_delta(underlying)),
        expiry=_cap(limits.max_expiry_exposure),
        calls=_cap(limits.max_call_notional_per_underlying),
        puts=_cap(limits.max_put_notional_per_underlying),
        total=_cap(limits.max_total_short_notional),
        covered_share=float(limits.max_covered_share),
        vega_usd=float(limits.max_vega_usd),
        stress=_cap(limits.max_stress_loss),
        spot_move=float(limits.stress.spot_pct) / 100,
        volatility_move=float(limits.stress.vol_points) / 100,
        call_chains=float(limits.max_call_chains),
        put_chains=float(limits.max_put_chains),
        chains_total=float(limits.max_chains_total),
        calls_per_expiry=float(limits.max_calls_per_expiry),
        lots_per_order=float(limits.max_lots_per_order),
        collar_pct=float(limits.price_collar_pct),
        collar_ticks=float(limits.price_collar_ticks),
    )


def _cap(cap: Cap) -> CapTerms:
    if cap.amount_usd is not None:
        return CapTerms(float(cap.amount_usd), 0.0)
    assert cap.pct_of_equity is not None
    return CapTerms(-1.0, float(cap.pct_of_equity) / 100)
