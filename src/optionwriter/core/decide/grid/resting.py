"""Resting: what becomes of an order between two steps, minute by minute, as on paper (adapters/paper/broker).

Owns the minutes that the grid has not. Keeps: an order fills at its own price when the quote comes to it, up to its
size each minute; it ends with the next step, or with its option.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from optionwriter.core.decide.grid.columns import QuoteGrid
from optionwriter.core.decide.grid.standing import Books
from optionwriter.core.decide.grid.trading import (
    REST_LIMIT,
    REST_LOTS,
    REST_OPTION,
    REST_WHAT,
    SELL,
    fill_units,
)
from optionwriter.core.market.chain import F64

MINUTE_MS = 60_000
_COLUMNS = 6  # side, instant, lots, index, mark, whether it is the next step's minute


class MinuteQuote(NamedTuple):
    """One option in one minute: units and lots (0: not quoted), index and mark."""

    bid: int
    ask: int
    bid_lots: int
    ask_lots: int
    index_usd: float
    mark: float


Ask = Callable[[int, int, int], MinuteQuote | None]  # side, option, instant; None: it has no mark


def nothing_rested() -> F64:
    """No fills."""
    return np.zeros((0, _COLUMNS))


def fills_of(grid: QuoteGrid, ask: Ask, step: int, share: float, books: Books) -> F64:
    """(n, 6) fills until the next step of what rests since `step`, by time and then side."""
    begun, end = int(grid.steps.at_ms[step]), int(grid.steps.at_ms[step + 1])
    left = {side: int(books.rest[side, REST_LOTS]) for side in (0, 1)}
    found: list[tuple[float, ...]] = []
    for at_ms in range((begun // MINUTE_MS + 1) * MINUTE_MS, end + 1, MINUTE_MS):
        for side, lots in left.items():
            quote = _quote(grid, ask, side, at_ms, books) if lots else None
            taken = 0 if quote is None else _taken(grid, side, quote, lots, share, books)
            if quote is not None and taken:
                left[side] -= taken
                found.append((side, at_ms, taken, quote.index_usd, quote.mark, at_ms == end))
        if not any(left.values()):
            break
    return np.array(found, dtype=np.float64).reshape(-1, _COLUMNS)


def _quote(grid: QuoteGrid, ask: Ask, side: int, at_ms: int, books: Books) -> MinuteQuote | None:
    """The minute's quote of what rests; None from its expiry on."""
    option = int(books.rest[side, REST_OPTION])
    return ask(side, option, at_ms) if grid.quotes(side).expiry_ms[option] > at_ms else None


def _taken(grid: QuoteGrid, side: int, quote: MinuteQuote, lots: int, share: float, books: Books) -> int:
    """How much of the rest the minute fills."""
    q, limit = grid.quotes(side), int(books.rest[side, REST_LIMIT])
    sells = int(books.rest[side, REST_WHAT]) == SELL
    units = int(fill_units(quote.bid, quote.ask, sells, share, q.fine, q.coarse, q.turn))
    if units <= 0 or (units < limit if sells else units > limit):
        return 0
    return min(lots, quote.bid_lots if sells else quote.ask_lots)
