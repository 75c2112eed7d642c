"""Running: one run of the loop over a grid, with its arrays, and why it could not go through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from optionwriter.core.decide.grid.columns import QuoteGrid
from optionwriter.core.decide.grid.loop import Ended, Looks, run_loop
from optionwriter.core.decide.grid.offering import Scratch
from optionwriter.core.decide.grid.standing import NOTHING, Books
from optionwriter.core.decide.grid.terms import Terms
from optionwriter.core.decide.grid.trading import EVENT_COLUMNS, FULL_LOG, NO_DELIVERY, RESTS
from optionwriter.core.market.chain import I64
from optionwriter.core.market.money import quantise, quantum

_FIRST_EVENTS = 1_024


class LoopStoppedError(RuntimeError):
    """The loop met what it does not follow: the event driver has to take the run. The message says what and when."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What a run did: its events (n, EVENT_COLUMNS; trading.py) and its looks, as long as the grid."""

    events: I64
    looks: Looks
    opening: tuple[int, int]  # booked units of the coin and of USDC


def run_grid(grid: QuoteGrid, terms: Terms, opening: Mapping[str, Decimal]) -> Trace:
    """One run with that opening cash by currency. Errors: LoopStoppedError."""
    cash = tuple(
        int(quantise(opening.get(name, Decimal(0)), name) / quantum(name))
        for name in (grid.call_product.settlement_currency, grid.put_product.settlement_currency)
    )
    size = len(grid)
    widest = max((_widest(one.first_slice, one.first_row) for one in (grid.calls, grid.puts)), default=0)
    found = Scratch(np.empty(widest), np.empty(widest, dtype=np.int64), np.empty(widest, dtype=np.int64))
    room = _FIRST_EVENTS
    while True:
        books = _books(cash)
        log = np.zeros((room, EVENT_COLUMNS), dtype=np.int64)
        looks = Looks(
            np.zeros(size, dtype=np.bool_), np.full(size, np.nan), np.full(size, np.nan), np.zeros(size)
        )
        ended = run_loop(grid.steps, grid.calls, grid.puts, terms, books, log, looks, found)
        if ended.code != FULL_LOG:
            break
        room *= 4
    _check(grid, ended)
    return Trace(log[: int(books.counted[1])], looks, (cash[0], cash[1]))


def _check(grid: QuoteGrid, ended: Ended) -> None:
    at_ms = int(grid.steps.at_ms[ended.step])
    if ended.code == RESTS:
        raise LoopStoppedError(
            f"at {at_ms} an order for {grid.product(ended.side).code} options is larger than what is quoted, and would "
            "rest"
        )
    if ended.code == NO_DELIVERY:
        raise LoopStoppedError(f"an option that ended by {at_ms} has no delivery price")


def _books(cash: tuple[int, ...]) -> Books:
    def zeros() -> I64:
        return np.zeros(2, dtype=np.int64)

    return Books(
        option=np.full(2, NOTHING, dtype=np.int64),
        lots=zeros(),
        entry=zeros(),
        bound=np.full(2, np.nan),
        rolls=zeros(),
        opened_ms=zeros(),
        chain=zeros(),
        cash=np.array(cash, dtype=np.int64),
        counted=zeros(),
    )


def _widest(first_slice: I64, first_row: I64) -> int:
    """The most rows of a step."""
    ends = first_row[first_slice]
    return int(np.max(np.diff(ends), initial=0))
