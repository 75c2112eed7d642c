"""Trails: what a run reads, step after step, of the option that it holds, laid out by option.

A grid keeps a step's options side by side; what one of them was quoted hour after hour lies far apart, and a run that
follows it waits for memory at every step. Made once of a grid, shared by its runs; the numbers are the grid's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from optionwriter.core.compiled import compiled, compiled_part
from optionwriter.core.decide.grid.columns import I32, Quotes
from optionwriter.core.market.chain import F64, I64

MARK, IV, DELTA, ASK = range(4)  # columns of a trail
_COLUMNS = 4


class Trails(NamedTuple):
    """By option: the first step that lists it, where its trail begins, and the end of all (n + 1).

    `quote` (steps of all trails, 4): mark, NaN where paper could not value it; implied volatility; signed delta, NaN
    where there is none (state.price_of); ask in the currency, NaN where there is none. All NaN where it isn't listed.
    """

    first_step: I64
    begin: I64
    quote: F64


class HeldQuote(NamedTuple):
    """One step of a trail."""

    mark: float
    iv: float
    delta: float
    ask: float


def trails_of(q: Quotes) -> Trails:
    """Of one side's options."""
    first = np.full(len(q.strike), -1, dtype=np.int64)
    last = np.full(len(q.strike), -2, dtype=np.int64)
    _fill_span(q.option, q.first_slice, q.first_row, first, last)
    begin = np.concatenate(([0], np.cumsum(last - first + 1)))
    whole = begin[-1] == len(q.option)
    size = (int(begin[-1]), _COLUMNS)
    trails = Trails(first, begin, np.empty(size) if whole else np.full(size, np.nan))
    _fill(
        q.option, q.mark, q.iv, q.delta, q.ask, q.per_coin, q.forward, q.first_slice, q.first_row,
        trails.first_step, trails.begin, trails.quote,
    )  # fmt: skip
    return trails


@compiled
def _fill_span(option: I32, first_slice: I64, first_row: I64, first: I64, last: I64) -> None:
    for step in range(len(first_slice) - 1):
        for row in range(first_row[first_slice[step]], first_row[first_slice[step + 1]]):
            one = option[row]
            if first[one] < 0:
                first[one] = step
            last[one] = step


@compiled
def _fill(
    option: I32, mark: F64, iv: F64, delta: F64, ask: I32, per_coin: float, forward: F64, first_slice: I64,
    first_row: I64, first: I64, begin: I64, quote: F64,
) -> None:  # fmt: skip
    for step in range(len(first_slice) - 1):
        for slice_ in range(first_slice[step], first_slice[step + 1]):
            future = forward[slice_]
            known = future > 0.0 and math.isfinite(future)
            for row in range(first_row[slice_], first_row[slice_ + 1]):
                at = begin[option[row]] + step - first[option[row]]
                quote[at, MARK] = math.nan if math.isnan(future) else mark[row]
                quote[at, IV] = iv[row]
                sure = known and iv[row] > 0.0 and math.isfinite(iv[row])
                quote[at, DELTA] = delta[row] if sure else math.nan
                quote[at, ASK] = ask[row] / per_coin if ask[row] > 0 else math.nan


@compiled_part
def followed(trails: Trails, option: int, step: int) -> HeldQuote:
    """The option's quote at the step; nothing is known of one that isn't listed, or of none (an option below 0)."""
    if option >= 0:
        at = trails.begin[option] + step - trails.first_step[option]
        if at >= trails.begin[option] and at < trails.begin[option + 1]:
            quote = trails.quote
            return HeldQuote(quote[at, MARK], quote[at, IV], quote[at, DELTA], quote[at, ASK])
    return HeldQuote(math.nan, math.nan, math.nan, math.nan)
