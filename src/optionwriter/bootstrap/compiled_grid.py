"""The quote grid of a source: asked instant after instant as the cycle asks it, or, where it can, a listing at a time.

Keeps: both ways give the same grid, to the last digit. A stretch that can't be shown at once is asked for by instants,
so that what fails, and why, is the same too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.adapters.tapes.synthetic import SyntheticFeed
from optionwriter.bootstrap.source import Source
from optionwriter.core.decide.grid.columns import QuoteGrid
from optionwriter.core.decide.grid.making import GridError, GridMaker
from optionwriter.core.decide.strategies.base import WRITES, product_of
from optionwriter.core.decide.strategies.view import forecast_of
from optionwriter.core.market.chain import F64
from optionwriter.core.market.chains_over import ChainsOver
from optionwriter.core.market.context import build_context, realised_over, risk_over
from optionwriter.core.market.event_risk import RisksOver
from optionwriter.core.market.history import history_start
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.ports import Feed, MarketUnavailableError
from optionwriter.services.jobs import Progress

_MOST_AT_ONCE = 96  # steps: what is reckoned at once stays in the processor's cache
_FEWEST_AT_ONCE = 24
_THREADS = 2


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
    one_by_one = _by_instant(source.feed, underlying, codes, maker)
    at_once: Stretched | None = None
    count = len(source.instants)
    stretches = [(first, min(first + _MOST_AT_ONCE, count)) for first in range(0, count, _MOST_AT_ONCE)]
    if isinstance(source.feed, SyntheticFeed) and count:
        at_once = _stretched(source.feed, underlying, codes, maker, source.instants, stretches)
    for first, last in stretches:
        if progress is not None:
            progress(first / count, "making the quote grid")
        _add(first, last, source.instants, at_once, one_by_one)
    return maker.grid(source.feed.delivery_price)


def _add(
    first: int,
    last: int,
    instants: Sequence[int],
    at_once: Stretched | None,
    one_by_one: Callable[[int], None],
) -> None:
    """The instants from `first` to before `last`: at once where that can be done, else in ever smaller parts."""
    if at_once is not None and at_once(first, last):
        return
    if at_once is not None and last - first > _FEWEST_AT_ONCE:
        middle = (first + last) // 2
        _add(first, middle, instants, at_once, one_by_one)
        _add(middle, last, instants, at_once, one_by_one)
        return
    for at_ms in instants[first:last]:
        one_by_one(at_ms)


Stretched = Callable[
    [int, int], bool
]  # takes the instants from one number to before another; False: it can't


def _by_instant(
    feed: Feed, underlying: str, codes: tuple[str, ...], maker: GridMaker
) -> Callable[[int], None]:
    """Any source, one instant at a time."""
    clock = SimulatedClock(0)
    market = TapeMarket(feed, clock)

    def add(at_ms: int) -> None:
        clock.sleep_until(at_ms)
        try:
            chains = {code: feed.chain(code, at_ms) for code in codes}
            context = build_context(market.history(underlying), at_ms)
        except (MarketUnavailableError, ValueError) as error:
            maker.fail(at_ms, str(error))
        else:
            maker.add(at_ms, chains, context)

    return add


def _stretched(
    feed: SyntheticFeed,
    underlying: str,
    codes: tuple[str, ...],
    maker: GridMaker,
    every: Sequence[int],
    stretches: Sequence[tuple[int, int]],
) -> Stretched | None:
    """The made market, many instants at once; None where it can't be asked so.

    All `stretches` are made ahead, in threads: nearly all of it is compiled code, which needs no interpreter lock.
    """
    instants = np.array(every, dtype=np.int64)
    overs: dict[str, ChainsOver] = {}
    for side, code in enumerate(codes):
        over = feed.chains_over(code, side == 0, instants)
        if over is None:
            return None
        overs[code] = over
    first, *others = maker.ahead(overs, stretches)
    first()  # by itself, so that it compiles what is not yet
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda task: task(), others))
    past = feed.candles(underlying, history_start(every[0]), every[-1])
    index = feed.volatility_index(underlying, history_start(every[0]), every[-1])
    realised = np.array([forecast_of(*both) for both in zip(*realised_over(past, instants), strict=True)])
    midnights, midnight = np.unique(instants // MS_PER_DAY, return_inverse=True)
    known = RisksOver(past, index, every[-1])
    curves = [
        known.curves(side, midnights * MS_PER_DAY, over.most_days) for side, over in enumerate(overs.values())
    ]

    def risk_of(side: int, over: ChainsOver, first: int, last: int) -> F64:
        slices = slice(int(over.first_slice[first]), int(over.first_slice[last]))
        at = over.instant[slices]
        days = (over.expiry_ms[slices] - over.at_ms[at]) / MS_PER_DAY
        return risk_over(curves[side], midnight[at], days)

    def add(first: int, last: int) -> bool:
        taken = {
            code: (over, risk_of(side, over, first, last)) for side, (code, over) in enumerate(overs.items())
        }
        try:
            maker.add_over(taken, first, last, realised[first:last])
        except GridError:
            raise
        except ValueError:  # asked one by one, each instant says for itself what fails
            return False
        return True

    return add
