"""The quote grid of a source: asked instant after instant as the cycle asks it, or, where it can, a listing at a time.

Keeps: both ways give the same grid, to the last digit. A stretch that can't be shown at once is asked for by instants,
so that what fails, and why, is the same too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.adapters.tapes.synthetic import SyntheticFeed
from optionwriter.bootstrap.source import Source
from optionwriter.core.decide.grid.columns import QuoteGrid
from optionwriter.core.decide.grid.making import GridMaker
from optionwriter.core.decide.strategies.base import WRITES, product_of
from optionwriter.core.decide.strategies.view import forecast_of
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.context import build_context, realised_over, risk_over
from optionwriter.core.market.event_risk import RisksOver
from optionwriter.core.market.history import history_start
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.ports import Feed, MarketUnavailableError
from optionwriter.services.jobs import Progress

_MOST_AT_ONCE = 24  # steps: what is reckoned at once stays in the processor's cache


def grid_of(
    source: Source,
    underlying: str,
    writes_puts: bool,
    most_age_ms: int,
    most_ahead_ms: int,
    progress: Progress | None = None,
) -> QuoteGrid:
    """The grid of the source's instants; calls alone unless `writes_puts`. Errors: GridError."""
    calls = product_of(WRITES["covered_call"], underlying)
    puts = product_of(WRITES["cash_secured_put"], underlying)
    maker = GridMaker(underlying, calls, puts, most_age_ms, most_ahead_ms)
    codes = (calls.code, puts.code) if writes_puts else (calls.code,)
    add = _by_instant(source.feed, underlying, codes, maker)
    if isinstance(source.feed, SyntheticFeed) and len(source.instants):
        add = _by_listing(source.feed, underlying, codes, maker, source.instants, add)
    done, told = 0, -1
    while done < len(source.instants):
        if progress is not None and done // 24 > told:
            told = done // 24
            progress(done / len(source.instants), "making the quote grid")
        done += add(source.instants[done : done + _MOST_AT_ONCE])
    return maker.grid(source.feed.delivery_price)


Add = Callable[[Sequence[int]], int]  # takes the first of some instants, and says how many


def _by_instant(feed: Feed, underlying: str, codes: tuple[str, ...], maker: GridMaker) -> Add:
    """Any source, one instant at a time."""
    clock = SimulatedClock(0)
    market = TapeMarket(feed, clock)

    def add(instants: Sequence[int]) -> int:
        at_ms = instants[0]
        clock.sleep_until(at_ms)
        try:
            chains = {code: feed.chain(code, at_ms) for code in codes}
            context = build_context(market.history(underlying), at_ms)
        except (MarketUnavailableError, ValueError) as error:
            maker.fail(at_ms, str(error))
        else:
            maker.add(at_ms, chains, context)
        return 1

    return add


def _by_listing(
    feed: SyntheticFeed,
    underlying: str,
    codes: tuple[str, ...],
    maker: GridMaker,
    every: Sequence[int],
    one_by_one: Add,
) -> Add:
    """The made market, as many instants at once as have the same options listed."""
    past = feed.candles(underlying, history_start(every[0]), every[-1])
    seven, thirty = (one.tolist() for one in realised_over(past, np.array(every, dtype=np.int64)))
    realised = {at: forecast_of(short, long) for at, short, long in zip(every, seven, thirty, strict=True)}

    index = feed.volatility_index(underlying, history_start(every[0]), every[-1])
    known = RisksOver(past, index, every[-1])

    @lru_cache(maxsize=4)
    def curve(side: int, midnight_ms: int) -> tuple[float, ...]:
        return known.of(side, midnight_ms).curve

    def risk_of(side: int, expiry_ms: I64, instants: Sequence[int]) -> F64:
        days = [(expiry_ms - at) / MS_PER_DAY for at in instants]
        curves = [curve(side, at // MS_PER_DAY * MS_PER_DAY) for at in instants]
        return np.array([risk_over(curve, each) for curve, each in zip(curves, days, strict=True)])

    def add(instants: Sequence[int]) -> int:
        same = min(feed.listed_alike(code, instants) for code in codes)
        if not same:
            return one_by_one(instants)
        chosen = instants[:same]
        try:
            shown = {code: feed.block(code, side == 0, chosen) for side, code in enumerate(codes)}
            blocks = {
                code: (block, risk_of(side, block.expiry_ms, chosen))
                for side, (code, block) in enumerate(shown.items())
            }
        except ValueError:
            return one_by_one(instants)
        maker.add_block(chosen, [realised[at] for at in chosen], blocks)
        return same

    return add
