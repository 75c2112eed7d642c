"""Chains over time: one product's calls or puts at many instants, made column by column instead of chain by chain.

Owns what the instants' slices are and how a stretch of them is quoted. Keeps: every number is the one that the chain of
its instant shows, because the same loops make both (smile, black76, quotes).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.compiled import compiled_exact
from optionwriter.core.market.black76 import fill_price_delta
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.instruments import MS_PER_DAY, Family
from optionwriter.core.market.listing_over import I32, ListedOver
from optionwriter.core.market.premium import premium
from optionwriter.core.market.quotes import QuoteRows, QuoteTable, fill_quotes, rules_of
from optionwriter.core.market.surface import Stretch, years_to


class Rows(NamedTuple):
    """Options of a stretch, (n,): what their columns are made of."""

    strike: F64
    slice: NDArray[np.intp]
    forward: F64
    index_usd: F64
    years: F64


@dataclass(frozen=True, slots=True, eq=False)
class ChainsOver:
    """Of t instants s slices, of one instant and one expiry each, strikes ascending within.

    By instant: `at_ms`, `index_price`, and `first_slice`, with an end. By slice: its `instant`, its `series` in
    `listed`, `expiry_ms`, `forward` (USD), and `first_row`, with an end. `iv` gives the volatilities of a stretch.
    """

    books: QuoteTable
    is_call: bool
    listed: ListedOver
    at_ms: I64
    index_price: F64
    first_slice: I64
    instant: NDArray[np.intp]
    series: I64
    expiry_ms: I64
    forward: F64
    first_row: I64
    iv: Callable[[Stretch], F64]

    @property
    def most_days(self) -> float:
        """The longest life that an option has left."""
        return float(np.max((self.expiry_ms - self.at_ms[self.instant]) / MS_PER_DAY, initial=0.0))

    def quotes(self, first: int, last: int, option: I32, mark: F64, mark_iv: F64) -> tuple[Rows, QuoteRows]:
        """The options of the instants from `first` to before `last`; the columns given are filled too.

        Errors: those of `iv`.
        """
        slices = slice(int(self.first_slice[first]), int(self.first_slice[last]))
        rows = self._rows(first, slices, option)
        asked = Stretch(
            self.at_ms[first:last], self.index_price[first:last], self.instant[slices] - first,
            self.expiry_ms[slices], self.forward[slices], rows.strike, rows.slice,
        )  # fmt: skip
        iv, count = self.iv(asked), len(rows.strike)
        value, delta = np.empty((2, count))
        types = np.full(count, self.is_call)
        fill_price_delta(rows.forward, rows.strike, rows.years, iv, types, value, delta)
        product = self.books.product
        price = premium(product.family is Family.INVERSE, value, rows.forward, rows.index_usd)
        found = QuoteRows.empty(count)._replace(mark=mark, mark_iv=mark_iv)
        fill_quotes(
            price, delta, rows.years, iv, rules_of(product), self.books.below, self.books.above, found
        )
        return rows, found

    def _rows(self, first: int, slices: slice, option: I32) -> Rows:
        count = int(self.first_row[slices.stop] - self.first_row[slices.start])
        strike, forward, index, years = np.empty((4, count))
        one = np.empty(count, dtype=np.intp)
        instant = self.instant[slices]
        left = years_to(self.expiry_ms[slices], self.at_ms[instant])
        _fill_rows(
            self.series[slices], self.listed.first_row, self.listed.strike, self.listed.option,
            self.forward[slices], self.index_price[instant], left, strike, one, forward, index, years, option,
        )  # fmt: skip
        return Rows(strike, one, forward, index, years)


def slices_over(listed: ListedOver, count: int) -> tuple[I64, NDArray[np.intp], I64, I64]:
    """(first slice of each of `count` instants, each slice's instant, its series, its first row)."""
    block = np.repeat(np.arange(len(listed.first_instant) - 1), np.diff(listed.first_instant))
    many = np.diff(listed.first_series)[block]
    first = np.concatenate([[0], np.cumsum(many)]).astype(np.int64)
    instant = np.repeat(np.arange(count), many)
    series = np.arange(first[-1]) - first[instant] + listed.first_series[block[instant]]
    sizes = np.diff(listed.first_row)[series]
    return first, instant, series, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


@compiled_exact
def _fill_rows(
    series: I64,
    first_row: I64,
    strikes: F64,
    options: I32,
    forwards: F64,
    indices: F64,
    left: F64,
    strike: F64,
    one: NDArray[np.intp],
    forward: F64,
    index: F64,
    years: F64,
    option: I32,
) -> None:
    """Spreads what is known of the slices over their rows."""
    row = 0
    for place in range(series.size):
        for known in range(first_row[series[place]], first_row[series[place] + 1]):
            strike[row], option[row], one[row] = strikes[known], options[known], place
            forward[row], index[row], years[row] = forwards[place], indices[place], left[place]
            row += 1
