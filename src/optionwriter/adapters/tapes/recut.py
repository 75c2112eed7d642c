"""RecutFeed: a market with parts of a recorded one put in its place: spreads, delivery prices, the hours of quotes.

Everything that is not taken from the recording is the first market's. Nothing later than the instant is used: spreads
are those of the last recorded chain at or before it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optionwriter.core.market.chain import F64, OptionChain
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.quotes import sides
from optionwriter.ports import Feed

_KEPT = 16


@dataclass(frozen=True, slots=True)
class Parts:
    """What is the recording's: shares of the mark by which bids and asks lie off it, delivery prices, and when anybody
    bids (only at the recorded instants; asks stay, as where recorded chains are repriced)."""

    spreads: bool = False
    settlement: bool = False
    hours: bool = False


class RecutFeed:
    """`feed` with `parts` of `recorded`, whose chains were recorded at `instants` (ascending), as ports.Feed."""

    def __init__(self, feed: Feed, recorded: Feed, instants: Sequence[int], parts: Parts) -> None:
        self._feed, self._recorded, self._parts = feed, recorded, parts
        self._instants = np.array(instants, dtype=np.int64)
        self._kept: OrderedDict[tuple[str, int], OptionChain] = OrderedDict()

    @property
    def start_ms(self) -> int:
        """First instant with option quotes."""
        return self._feed.start_ms

    @property
    def end_ms(self) -> int:
        """Last instant with option quotes."""
        return self._feed.end_ms

    @property
    def products(self) -> tuple[str, ...]:
        """Product codes that are quoted."""
        return self._feed.products

    def index(self, index_name: str, at_ms: int) -> float:
        """The first market's."""
        return self._feed.index(index_name, at_ms)

    def listed(self, product_code: str, at_ms: int) -> tuple[str, ...]:
        """The first market's."""
        return self._feed.listed(product_code, at_ms)

    def forward(self, product_code: str, expiry_ms: int, at_ms: int) -> float:
        """The first market's."""
        return self._feed.forward(product_code, expiry_ms, at_ms)

    def quotes(self, product_code: str, names: Sequence[str], at_ms: int) -> OptionChain:
        """Quotes of the named options. Errors: as the first market's."""
        return self._cut(self._feed.quotes(product_code, names, at_ms))

    def chain(self, product_code: str, at_ms: int) -> OptionChain:
        """Quotes of everything listed."""
        return self._cut(self._feed.chain(product_code, at_ms))

    def delivery_price(self, index_name: str, expiry_ms: int) -> float:
        """The recorded one, or the first market's."""
        source = self._recorded if self._parts.settlement else self._feed
        return source.delivery_price(index_name, expiry_ms)

    def estimated_delivery_price(self, index_name: str, at_ms: int) -> float:
        """The first market's."""
        return self._feed.estimated_delivery_price(index_name, at_ms)

    def candles(self, underlying: str, start_ms: int, end_ms: int) -> Candles:
        """The first market's."""
        return self._feed.candles(underlying, start_ms, end_ms)

    def volatility_index(self, underlying: str, start_ms: int, end_ms: int) -> VolatilityIndex:
        """The first market's."""
        return self._feed.volatility_index(underlying, start_ms, end_ms)

    def _cut(self, chain: OptionChain) -> OptionChain:
        row = int(np.searchsorted(self._instants, chain.at_ms, side="right")) - 1
        if self._parts.spreads and row >= 0:
            chain = with_spreads(chain, self._last(chain.product.code, int(self._instants[row])))
        if self._parts.hours and (row < 0 or int(self._instants[row]) != chain.at_ms):
            nobody: F64 = np.full(len(chain), np.nan)
            chain = replace(chain, bid=nobody, bid_size=nobody)
        return chain

    def _last(self, code: str, at_ms: int) -> OptionChain:
        found = self._kept.get((code, at_ms))
        if found is None:
            found = self._kept[code, at_ms] = self._recorded.chain(code, at_ms)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def with_spreads(chain: OptionChain, recorded: OptionChain) -> OptionChain:
    """The recorded shares around the chain's own marks; options that were not recorded, or had no mark, keep theirs."""
    rows = np.array([recorded.table.row_of.get(name, -1) for name in chain.table.names], dtype=np.intp)
    known = (rows >= 0) & (np.where(rows >= 0, recorded.mark[rows], 0.0) > 0)
    mark = np.where(known, recorded.mark[rows], 1.0)
    bid, ask = sides(
        chain.product,
        chain.mark,
        (mark - recorded.bid[rows]) / mark,
        (recorded.ask[rows] - mark) / mark,
    )
    bid, ask = np.where(known, bid, chain.bid), np.where(known, ask, chain.ask)
    sizes = (
        np.where(np.isnan(price), np.nan, np.where(np.isnan(own), recorded_size[rows], own))
        for price, own, recorded_size in (
            (bid, chain.bid_size, recorded.bid_size),
            (ask, chain.ask_size, recorded.ask_size),
        )
    )
    bid_size, ask_size = sizes
    return replace(chain, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)
