"""Quotes: from a volatility to what the wire would show: mark, bid, ask, sizes, open interest.

Marks are Black-76 on the expiry's forward, ACT/365 (FACTS §4), as premium has it, rounded to 8 decimals in coin
(inverse) or 6 in USDC (linear), mark volatility to 0.01 points; both as recorded. Bids and asks lie around the
mark as far as recorded books of the same tenor and delta did at the median, on the tick grid:

- bid < ask, bid <= mark <= ask, both at least a tick
- there is no bid below half a tick, and no side that recorded books mostly lacked

Nothing is random: the same inputs give the same quotes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.compiled import compiled_exact
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import F64, I64, Bools, InstrumentTable
from optionwriter.core.market.instruments import Family, Product
from optionwriter.core.market.premium import premium

TENOR_EDGES = (1.0, 2.0, 8.0, 22.0, 60.0, 180.0)  # days; buckets lie between
DELTA_EDGES = (0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99)  # |delta|
BUCKETS = (len(TENOR_EDGES) + 1) * (len(DELTA_EDGES) + 1)
_MARK_DECIMALS = {Family.INVERSE: 8, Family.LINEAR: 6}
_PER_TENOR = len(DELTA_EDGES) + 1
_T0, _T1, _T2, _T3, _T4, _T5 = TENOR_EDGES
_D0, _D1, _D2, _D3, _D4, _D5, _D6, _D7, _D8, _D9, _D10 = DELTA_EDGES
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
    value, delta = price_delta(forward, strike, years, iv, is_call)
    price = premium(books.product.family is Family.INVERSE, value, forward, index)
    rows = QuoteRows.empty(len(iv))
    price, delta, years, iv = (np.ascontiguousarray(one) for one in (price, delta, years, iv))
    fill_quotes(price, delta, years, iv, rules_of(books.product), books.below, books.above, rows)
    per_coin, bucket = tick_grid(books.product).per_coin, rows.bucket
    return QuoteColumns(
        mark=rows.mark,
        mark_iv=rows.mark_iv,
        bid=rows.bid_units / per_coin,
        ask=rows.ask_units / per_coin,
        bid_size=np.where(np.isnan(rows.bid_units), np.nan, books.bid_size[bucket]),
        ask_size=np.where(np.isnan(rows.ask_units), np.nan, books.ask_size[bucket]),
        open_interest=books.open_interest[bucket],
        volume=books.volume[bucket],
    )


class QuoteRows(NamedTuple):
    """Quotes in whole units of the product's grid (NaN: no such side); `bucket` is the row of the QuoteTable."""

    mark: F64
    mark_iv: F64
    bid_units: F64
    ask_units: F64
    bucket: I64

    @staticmethod
    def empty(count: int) -> QuoteRows:
        """Room for so many rows."""
        mark, mark_iv, bid, ask = np.empty((4, count))
        return QuoteRows(mark, mark_iv, bid, ask, np.empty(count, dtype=np.int64))


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


class QuoteRules(NamedTuple):
    """What a product's quotes are rounded to: marks to 1 / `mark_scale`, prices to the tick grid."""

    mark_scale: float
    per_coin: float
    fine: float
    coarse: float
    turn: float


def rules_of(product: Product) -> QuoteRules:
    """The product's."""
    return QuoteRules(10.0 ** _MARK_DECIMALS[product.family], *tick_grid(product))


@compiled_exact
def fill_quotes(
    price: F64, delta: F64, years: F64, iv: F64, rules: QuoteRules, below: F64, above: F64, rows: QuoteRows
) -> None:
    """Fills `rows` (n,) for options of this `price` before rounding, in the currency they settle in; unchecked."""
    mark, mark_iv, bids, asks, buckets = rows.mark, rows.mark_iv, rows.bid_units, rows.ask_units, rows.bucket
    for i in range(price.size):
        mark[i] = np.rint(price[i] * rules.mark_scale) / rules.mark_scale
        # percent on the wire, so the same float as read back from it
        mark_iv[i] = np.rint(iv[i] * 100.0 * 100.0) / 100.0 / 100.0
        buckets[i] = _bucket(years[i] * 365.0, abs(delta[i]))
    for i in range(price.size):
        bucket = np.uint64(buckets[i])
        bids[i], asks[i] = sides_one(mark[i], below[bucket], above[bucket], rules)


@compiled_exact
def _bucket(days: float, delta: float) -> int:
    """As `bucket_of`; no loop, so that the caller's becomes vector instructions."""
    days, delta = float(days), float(delta)  # comparisons of numpy's floats don't add up
    tenor = (days >= _T0) + (days >= _T1) + (days >= _T2) + (days >= _T3) + (days >= _T4) + (days >= _T5)
    low = (delta >= _D0) + (delta >= _D1) + (delta >= _D2) + (delta >= _D3) + (delta >= _D4) + (delta >= _D5)
    high = (delta >= _D6) + (delta >= _D7) + (delta >= _D8) + (delta >= _D9) + (delta >= _D10)
    return tenor * (_PER_TENOR) + low + high


@compiled_exact
def sides_one(mark: float, below: float, above: float, rules: QuoteRules) -> tuple[float, float]:
    """(bid, ask) in units, this share of the mark below and above it, on the tick grid; NaN where there is none."""
    fine, coarse, turn = rules.fine, rules.coarse, rules.turn
    units = mark * rules.per_coin
    wanted_bid, wanted_ask = units * (1.0 - below), units * (1.0 + above)
    step = coarse if units > turn else fine
    bid_step = coarse if wanted_bid > turn else fine
    ask_step = coarse if wanted_ask > turn else fine
    most, bid = np.floor(units / step) * step, np.rint(wanted_bid / bid_step) * bid_step
    bid = most if bid > most else bid  # NaN stays
    bid = bid if bid >= fine else math.nan
    least, ask = np.ceil(units / step) * step, np.rint(wanted_ask / ask_step) * ask_step
    ask = least if ask < least else ask
    floor = bid + (coarse if bid >= turn else fine) if bid >= fine else fine
    return bid, floor if ask < floor else ask


def sides(product: Product, mark: F64, below: F64, above: F64) -> tuple[F64, F64]:
    """(bid, ask) this share of their marks below and above them, on the tick grid; NaN where there is no such side."""
    rules = rules_of(product)
    bid, ask = np.empty(len(mark)), np.empty(len(mark))
    fill_sides(mark, below, above, rules, bid, ask)
    return bid / rules.per_coin, ask / rules.per_coin


@compiled_exact
def fill_sides(mark: F64, below: F64, above: F64, rules: QuoteRules, bid: F64, ask: F64) -> None:
    """The loop of `sides`, in units."""
    for i in range(mark.size):
        bid[i], ask[i] = sides_one(mark[i], below[i], above[i], rules)
