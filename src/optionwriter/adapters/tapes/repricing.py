"""Repricing: what a snapshot's options are worth some hours later, at the price of then; for exits, never for entries.

Rules, each against flattering a result:

- every strike keeps the volatility of the snapshot, time runs by the calendar. Measured over the bundled February,
  some six hours on: 1.2 points off at the median on BTC, 1.3 on ETH, and a smile that moves with its forward is no
  better (1.2, 1.4); a mark so repriced is 5 % off, one that stands still 16 %
- an option whose volatility was not recorded has that of the surface fitted to the others
- forwards are the price of the instant grown by the snapshot's own carry
- an ask lies above its mark as far as the recorded one did: the same share of it where the mark fell, and where it
  rose no less than the same distance; then on the nearest tick that is not below it. Where nobody asked, nobody asks
- nobody bids: whatever would be sold waits for the next snapshot. So a position can be bought back between two
  snapshots, and not opened, nor rolled
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optionwriter.adapters.tapes.snapshots import Snapshot
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import Family, Product
from optionwriter.core.market.premium import premium
from optionwriter.core.market.quotes import tick_grid
from optionwriter.core.market.smile import SmileError
from optionwriter.core.market.surface import Surface, fit_surface, years_to

_LEAST_MARKS = 5  # of an expiry, for a smile
_MOST_DAYS = (
    120.0  # beyond it a volatility hardly moves in a day, and a surface is flat after its last expiry
)
_LEAST_IV, _MOST_IV = 0.03, 5.0
_MOST_GROWTH = 0.5  # of a distance, as a share of what the mark grew by
_MARK_DECIMALS = {Family.INVERSE: 8, Family.LINEAR: 6}


def volatility(one: Snapshot) -> F64:
    """Every option's volatility: the recorded one, else the fitted surface's; NaN where an expiry has too few marks."""
    unknown = np.isnan(one.iv)
    if not unknown.any():
        return one.iv
    surface = _fitted(one)
    if surface is None:
        return one.iv
    table, filled = one.table, one.iv.copy()
    unknown &= np.isin(table.expiry_ms, surface.expiry_ms)
    filled[unknown] = surface.iv(table.strike[unknown], table.expiry_ms[unknown])
    return filled


def _fitted(one: Snapshot) -> Surface | None:
    """The surface of a snapshot's marks, one an expiry and strike, of the expiries that have enough of them."""
    table = one.table
    usable = np.isfinite(one.iv) & np.isfinite(one.forward) & (table.expiry_ms > one.at_ms)
    calls = usable & table.is_call
    rows = calls if np.count_nonzero(calls) >= np.count_nonzero(usable) / 3 else usable & ~table.is_call
    expiries, counts = np.unique(table.expiry_ms[rows], return_counts=True)
    rows = rows & np.isin(table.expiry_ms, expiries[counts >= _LEAST_MARKS])
    if not rows.any():
        return None
    columns = (table.expiry_ms[rows], table.strike[rows], one.forward[rows], one.iv[rows])
    try:
        return fit_surface(one.at_ms, one.index_price, *columns)
    except SmileError:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """Columns (n,) of a snapshot's options at a later instant, as in OptionChain."""

    forward: F64
    mark: F64
    iv: F64
    bid: F64
    ask: F64


def repriced(one: Snapshot, iv: F64, at_ms: int, index_price: float) -> Priced:
    """The snapshot at a later instant, where the index is `index_price`; `iv` is its `volatility`.

    What has expired is priced at its payoff.
    """
    table = one.table
    left, before = years_to(table.expiry_ms, at_ms), years_to(table.expiry_ms, one.at_ms)
    forward = np.round(index_price * (one.forward / one.index_price) ** (left / before), 4)
    value, _ = price_delta(forward, table.strike, left, iv, table.is_call)
    family = table.product.family
    price = premium(family is Family.INVERSE, value, forward, index_price)
    mark = np.round(price, _MARK_DECIMALS[family])
    return Priced(forward, mark, iv, np.zeros(len(table)), _asks(table.product, one, mark))


def _asks(own: Product, one: Snapshot, mark: F64) -> F64:
    """The asks around new marks, on the tick grid, upwards; NaN where nobody asked."""
    apart = np.maximum(one.ask - one.mark, 0.0)
    share = np.where(one.mark > 0, apart / np.where(one.mark > 0, one.mark, 1.0), 0.0)
    grown = np.maximum(mark - one.mark, 0.0)
    distance = np.where(mark < one.mark, share * mark, apart + np.minimum(share, _MOST_GROWTH) * grown)
    return on_grid(own, mark, mark + distance)


def on_grid(own: Product, mark: F64, price: F64) -> F64:
    """Prices on the product's tick grid: the nearest, but none below its mark or a tick; NaN stays."""
    grid = tick_grid(own)

    def rounded(values: F64, rounding: np.ufunc) -> F64:
        units = np.round(values * grid.per_coin, 6)  # what is on the grid but for the last bit stays there
        step = np.where(units > grid.turn, grid.coarse, grid.fine)
        return np.asarray(rounding(units / step) * step, dtype=np.float64)

    units = np.maximum(np.maximum(rounded(price, np.rint), rounded(mark, np.ceil)), grid.fine)
    return np.asarray(units / grid.per_coin, dtype=np.float64)
