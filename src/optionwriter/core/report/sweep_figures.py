"""Sweep figures: the few numbers of a compiled run that a sweep keeps, straight from the loop's columns.

Definitions are those of results.metric_rows (a test holds both together); no facts are made and nothing is resampled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optionwriter.core.decide.grid.columns import QuoteGrid
from optionwriter.core.decide.grid.running import Trace
from optionwriter.core.decide.grid.trading import CASH, CHAIN, FEE, SELL, SETTLE, SIDE, WHAT
from optionwriter.core.market.chain import F64
from optionwriter.core.report.likeness import over_holding
from optionwriter.core.report.metrics import daily_returns, fall_of, sharpe_ratio
from optionwriter.core.report.traced import curve_of


class SweepFigures(NamedTuple):
    """`net_profit_coin` in the underlying, the others USD or shares; drawdown is a share of the highest value."""

    net_profit_coin: float
    net_profit_usd: float
    over_holding_usd: float
    max_drawdown: float
    sharpe: float
    trades: float  # chains that traded
    win_rate: float
    fees_usd: float
    premium_usd: float  # of all sales, before fees
    final_equity_usd: float
    over_holding_daily: tuple[float, ...]  # each day's return over holding, as core/report/likeness has it


def figures_of(grid: QuoteGrid, trace: Trace) -> SweepFigures:
    """The figures of one run; NaN for what can't be known."""
    curve = curve_of(grid, trace)
    equity, holding = curve.equity_usd, curve.holding_usd
    none = np.zeros(len(equity))
    coin = curve.equity.get(grid.underlying)
    over = equity - holding
    daily = daily_returns(curve.at_ms, equity, none)
    results, fees, premium = _trades(grid, trace)
    return SweepFigures(
        net_profit_coin=float(coin[-1] - coin[0]) if coin is not None else 0.0,
        net_profit_usd=float(equity[-1] - equity[0]),
        over_holding_usd=float(over[-1] - over[0]),
        max_drawdown=fall_of(curve.at_ms, equity, none).share,
        sharpe=sharpe_ratio(daily),
        trades=float(len(results)),
        win_rate=float(np.mean(results > 0)) if len(results) else float("nan"),
        fees_usd=fees,
        premium_usd=premium,
        final_equity_usd=float(equity[-1]),
        over_holding_daily=over_holding(daily, daily_returns(curve.at_ms, holding, none)),
    )


def _trades(grid: QuoteGrid, trace: Trace) -> tuple[F64, float, float]:
    """(USD result of each chain, all fees, all premium sold): every flow at its own index, what is open at the last."""
    events, side = trace.events, trace.events[:, SIDE]
    grain = np.array([grid.calls.grain, grid.puts.grain])[side]
    price = np.where(side == 0, trace.prices[:, 0], 1.0)
    cash, fee = events[:, CASH] / grain * price, events[:, FEE] / grain * price
    count = int(events[:, CHAIN].max()) + 1 if len(events) else 0
    results = np.zeros(count)
    np.add.at(results, events[:, CHAIN], cash - fee)
    last = int(np.flatnonzero(trace.looks.seen)[-1])
    for place, equity, now in ((0, trace.looks.coin, grid.steps.index_usd[last]), (1, trace.looks.usdc, 1.0)):
        own = np.flatnonzero(side == place)
        if len(own) and events[own[-1], WHAT] != SETTLE:
            paid = int((events[own, CASH] - events[own, FEE]).sum()) + trace.opening[place]
            worth = equity[last] - paid / (grid.puts.grain if place else grid.calls.grain)
            results[events[own[-1], CHAIN]] += worth * now
    sold = events[:, WHAT] == SELL
    return results, float(fee.sum()), float(cash[sold].sum())
