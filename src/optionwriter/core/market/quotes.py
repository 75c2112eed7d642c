"""Quotes: from a volatility to what the wire would show: mark, bid, ask, sizes, open interest.

Marks are Black-76 on the expiry's forward, ACT/365 (FACTS §4), as premium has it, rounded to 8 decimals in coin
(inverse) or 6 in USDC (linear), mark volatility to 0.01 points; both as recorded. Bids and asks lie around the
mark as far as recorded books of the same tenor and delta did at the median, on the tick grid:

- bid < ask, bid <= mark <= ask, both at least a tick
- there is no bid below half a tick, and no side that recorded books mostly lacked

Nothing is random: the same inputs give the same quotes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import F64, Bools, InstrumentTable
from optionwriter.core.market.instruments import Family, Product
from optionwriter.core.market.premium import premium

TENOR_EDGES = (1.0, 2.0, 8.0, 22.0, 60.0, 180.0)  # days; buckets lie between
DELTA_EDGES = (0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99)  # |delta|
BUCKETS = (len(TENOR_EDGES) + 1) * (len(DELTA_EDGES) + 1)
_MARK_DECIMALS = {Family.INVERSE: 8, Family.LINEAR: 6}
_TENORS, _DELTAS = np.array(TENOR_EDGES), np.array(DELTA_EDGES)


@dataclass(frozen=True, slots=True, eq=False)
class QuoteTable:
    """How one product's books stood, by bucket of tenor and |delta|: columns (BUCKETS,), tenor-major.

    `below`, `above`: (mark - bid) / mark and (ask - mark) / mark at the median, NaN where most books lacked that side.
    Sizes, open interest and volume in coins. `assumed` names the columns that no recording backs.
    """

    product: Product
    below: F64
    above: F64
    bid_size: F64
    ask_size: F64
    open_interest: F64
    volume: F64
    assumed: tuple[str, ...]


class QuoteColumns(NamedTuple):
    """As the columns of OptionChain."""

    mark: F64
    mark_iv: F64
    bid: F64
    ask: F64
    bid_size: F64
    ask_size: F64
    open_interest: F64
    volume: F64


def bucket_of(days_to_expiry: F64, abs_delta: F64) -> NDArray[np.intp]:
    """The row of a QuoteTable; a bucket's lower edge belongs to it."""
    tenor = np.searchsorted(_TENORS, days_to_expiry, side="right")
    return tenor * (len(DELTA_EDGES) + 1) + np.searchsorted(_DELTAS, abs_delta, side="right")


def quote_columns(
    table: InstrumentTable, books: QuoteTable, index: F64 | float, forward: F64, years: F64, iv: F64
) -> QuoteColumns:
    """Quotes of the table's options; every column (n,), `index` and `forward` in USD, `iv` a fraction."""
    return quotes_of(books, table.strike, table.is_call, index, forward, years, iv)


def quotes_of(
    books: QuoteTable,
    strike: F64,
    is_call: Bools | bool,
    index: F64 | float,
    forward: F64,
    years: F64,
    iv: F64,
) -> QuoteColumns:
    """Quotes of options of the books' product; every column (n,), each row by itself."""
    price_usd, delta = price_delta(forward, strike, years, iv, is_call)
    family = books.product.family
    price = premium(family is Family.INVERSE, price_usd, forward, index)
    mark = np.round(price, _MARK_DECIMALS[family])
    bucket = bucket_of(years * 365.0, np.abs(delta))
    bid, ask = sides(books.product, mark, books.below[bucket], books.above[bucket])
    return QuoteColumns(
        mark=mark,
        mark_iv=np.round(iv * 100, 2) / 100,  # percent on the wire, so the same float as read back from it
        bid=bid,
        ask=ask,
        bid_size=np.where(np.isnan(bid), np.nan, books.bid_size[bucket]),
        ask_size=np.where(np.isnan(ask), np.nan, books.ask_size[bucket]),
        open_interest=books.open_interest[bucket],
        volume=books.volume[bucket],
    )


class TickGrid(NamedTuple):
    """A product's price grid in whole units: a price is units / per_coin; above `turn` units `coarse` is the step."""

    per_coin: float
    fine: float
    coarse: float
    turn: float


@lru_cache(maxsize=16)
def tick_grid(product: Product) -> TickGrid:
    """The product's grid (tick_size and its one tick step, FACTS §3)."""
    scale = 10 ** max(0, -int(product.tick_size.normalize().as_tuple().exponent))
    fine = float(product.tick_size * scale)
    if not product.tick_steps:
        return TickGrid(float(scale), fine, fine, np.inf)
    (step,) = product.tick_steps
    return TickGrid(float(scale), fine, float(step.tick * scale), float(step.above * scale))


def sides(product: Product, mark: F64, below: F64, above: F64) -> tuple[F64, F64]:
    """(bid, ask) this share of their marks below and above them, on the tick grid; NaN where there is no such side."""
    grid = tick_grid(product)
    units = mark * grid.per_coin
    wanted_bid, wanted_ask = units * (1.0 - below), units * (1.0 + above)
    bid = np.minimum(_on_grid(wanted_bid, grid, np.rint), _on_grid(units, grid, np.floor))
    ask = np.maximum(_on_grid(wanted_ask, grid, np.rint), _on_grid(units, grid, np.ceil))
    bid = np.where(bid >= grid.fine, bid, np.nan)
    floor = np.where(np.isnan(bid), grid.fine, bid + np.where(bid >= grid.turn, grid.coarse, grid.fine))
    ask = np.where(np.isnan(ask), np.nan, np.maximum(ask, floor))
    return bid / grid.per_coin, ask / grid.per_coin


def _on_grid(units: F64, grid: TickGrid, rounding: np.ufunc) -> F64:
    """Units on the grid; the fine step up to and with the turn, the coarse one above it."""
    step = np.where(units > grid.turn, grid.coarse, grid.fine)
    return np.asarray(rounding(units / step) * step, dtype=np.float64)
