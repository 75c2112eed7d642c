"""Running: one run of the loop over a grid, with its arrays; gone on with after every order that rested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from optionwriter.core.decide.grid.bands import Bands, bands_of
from optionwriter.core.decide.grid.columns import QuoteGrid
from optionwriter.core.decide.grid.loop import Looks, run_loop
from optionwriter.core.decide.grid.resting import Ask, fills_of, nothing_rested
from optionwriter.core.decide.grid.sifting import Scratch
from optionwriter.core.decide.grid.standing import NOTHING, Books
from optionwriter.core.decide.grid.terms import Terms
from optionwriter.core.decide.grid.trading import (
    EVENT_COLUMNS,
    EVENTS,
    FILLED,
    FULL_LOG,
    NO_DELIVERY,
    REST_COLUMNS,
    RESTS,
    TAKEN_COLUMNS,
    Log,
)
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.money import quantise, quantum

_FIRST_EVENTS = 1_024
_ROUND_NUMBERS = 64  # of the log's growth: a resting order has at most a step's minutes of fills


class LoopStoppedError(RuntimeError):
    """The loop met what it can't go on from; the message says what and when."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What a run did: its events (n, EVENT_COLUMNS) with index and mark (n, 2), as trading.Log has them, and its looks,
    as long as the grid. `opening`: cash in booked units, coin and USDC."""

    events: I64
    prices: F64
    looks: Looks
    opening: tuple[int, int]


class Ready(NamedTuple):
    """What runs of a grid share besides it: the bands of its calls and puts, the most rows of a step."""

    calls: Bands
    puts: Bands
    widest: int


def ready_of(grid: QuoteGrid) -> Ready:
    """Made once, for any number of runs."""
    widest = max(_widest(one.first_slice, one.first_row) for one in (grid.calls, grid.puts))
    return Ready(bands_of(grid.calls), bands_of(grid.puts), widest)


def run_grid(grid: QuoteGrid, ready: Ready, terms: Terms, opening: Mapping[str, Decimal], ask: Ask) -> Trace:
    """One run with that opening cash by currency; `ask` tells of single minutes. Errors: LoopStoppedError."""
    cash = (
        _units(opening, grid.call_product.settlement_currency),
        _units(opening, grid.put_product.settlement_currency),
    )
    size = len(grid)
    widest = ready.widest
    found = Scratch(np.empty(widest), np.empty(widest, dtype=np.int64), np.empty(widest, dtype=np.int64))
    books, log = _books(cash), _log(_FIRST_EVENTS)
    looks = Looks(
        np.zeros(size, dtype=np.bool_), np.full(size, np.nan), np.full(size, np.nan), np.zeros(size)
    )
    first, rested = 0, nothing_rested()
    while True:
        ended = run_loop(
            first, rested, grid.steps, grid.calls, grid.puts, terms, books, log, looks, ready.calls, ready.puts, found
        )  # fmt: skip
        if ended.code == FULL_LOG:
            log, same = _grown(log, len(rested)), ended.step == first
            first, rested = ended.step, rested if same else nothing_rested()
        elif ended.code == RESTS:
            rested = fills_of(grid, ask, ended.step, terms.fill_share, books)
            first = ended.step + 1
        else:
            break
    if ended.code == NO_DELIVERY:
        at_ms = int(grid.steps.at_ms[ended.step])
        raise LoopStoppedError(f"an option that ended by {at_ms} has no delivery price")
    assert ended.code == FILLED
    count = int(books.counted[EVENTS])
    return Trace(log.whole[:count], log.prices[:count], looks, cash)


def _units(opening: Mapping[str, Decimal], currency: str) -> int:
    return int(quantise(opening.get(currency, Decimal(0)), currency) / quantum(currency))


def _log(room: int) -> Log:
    return Log(np.zeros((room, EVENT_COLUMNS), dtype=np.int64), np.zeros((room, 2)))


def _grown(log: Log, more: int) -> Log:
    grown = _log(4 * len(log.whole) + more + _ROUND_NUMBERS)
    grown.whole[: len(log.whole)] = log.whole
    grown.prices[: len(log.prices)] = log.prices
    return grown


def _books(cash: tuple[int, int]) -> Books:
    def zeros(*columns: int) -> I64:
        return np.zeros((2, *columns), dtype=np.int64)

    return Books(
        option=np.full(2, NOTHING, dtype=np.int64),
        lots=zeros(),
        entry=np.zeros(2),
        bound=np.full(2, np.nan),
        rolls=zeros(),
        opened_ms=zeros(),
        chain=zeros(),
        cash=np.array(cash, dtype=np.int64),
        counted=zeros(),
        rest=zeros(REST_COLUMNS),
        taken=np.full((2, TAKEN_COLUMNS), NOTHING, dtype=np.int64),
    )


def _widest(first_slice: I64, first_row: I64) -> int:
    """The most rows of a step."""
    return int(np.max(np.diff(first_row[first_slice]), initial=0))
