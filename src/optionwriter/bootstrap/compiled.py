"""The compiled driver at a backtest's desk: opens its market as a quote grid, refuses what is not its own, and runs.

The grid asks the very tape market and context that the cycle asks, instant after instant; runs share it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.paper.tape import Tape
from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.bootstrap.backtest_config import BacktestConfig
from optionwriter.bootstrap.parts import limits_of
from optionwriter.bootstrap.source import Source
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.decide.choosing import ChoiceParams, choose_best
from optionwriter.core.decide.grid.columns import QuoteGrid
from optionwriter.core.decide.grid.making import GridError, GridMaker, Sizes
from optionwriter.core.decide.grid.refusing import fill_share, why_not
from optionwriter.core.decide.grid.resting import Ask, MinuteQuote, Minutes
from optionwriter.core.decide.grid.running import Trace, run_grid
from optionwriter.core.decide.grid.terms import Terms, terms_of
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.strategies.base import WRITES, StrategyConfig, product_of
from optionwriter.core.decide.strategies.exits import ExitStyle, with_exit_style
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.context import build_context
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import Feed, MarketUnavailableError
from optionwriter.services.jobs import Progress, RunError
from optionwriter.services.proposed import Seat
from optionwriter.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class CompiledMarket:
    """An opened source and its grid, for any number of runs."""

    settings: Settings
    source: Source
    grid: QuoteGrid
    minutes: Minutes


def refusal(config: BacktestConfig, instance: StrategyConfig, underlyings: tuple[str, ...]) -> str | None:
    """Why the compiled driver can't take the run, in words; None when it can."""
    if len(underlyings) != 1:
        return f"{', '.join(underlyings)} are {len(underlyings)} underlyings: compiled is one"
    return why_not(instance, Limits(), config.fill)


def open_compiled(
    settings: Settings, spec: RunSpec, config: BacktestConfig, progress: Progress | None = None
) -> CompiledMarket:
    """The source opened and its grid made, once. Errors: RunError."""
    if len(spec.underlyings) != 1:
        raise RunError("the compiled driver takes one underlying: name one, or take the event driver")
    source = open_source(settings, spec, config)
    grid = _grid(settings, source, spec.underlyings[0], progress)
    return CompiledMarket(settings, source, grid, Minutes(_asker(source.feed, grid)))


def trace_of(
    market: CompiledMarket, config: BacktestConfig, instance: StrategyConfig, exit_style: ExitStyle
) -> Trace:
    """One run of the loop. Errors: LoopStoppedError."""
    terms = _terms(market, config, instance, exit_style)
    return run_grid(market.grid, terms, config.opening, market.minutes)


def _terms(
    market: CompiledMarket, config: BacktestConfig, instance: StrategyConfig, exit_style: ExitStyle
) -> Terms:
    seat = Seat(strategy(instance.kind), instance, choose_best, ChoiceParams(instance.min_score))
    limits = limits_of(market.settings, (seat,))
    why = why_not(instance, limits, config.fill)
    if why is not None:
        raise RunError(f"{why}; take the event driver")
    styled = with_exit_style(instance, exit_style)
    return terms_of(styled, limits, fill_share(config.fill, config.spread_share))


def _grid(settings: Settings, source: Source, underlying: str, progress: Progress | None) -> QuoteGrid:
    """Any source's grid, by asking it as the cycle does."""
    feed = source.feed
    calls = product_of(WRITES["covered_call"], underlying)
    puts = product_of(WRITES["cash_secured_put"], underlying)
    codes = [one.code for one in (calls, puts) if one.code in feed.products]
    limits = limits_of(settings)
    maker = GridMaker(underlying, calls, puts, limits.max_data_age_ms, limits.max_clock_ahead_ms)
    clock = SimulatedClock(source.instants[0])
    market = TapeMarket(feed, clock)
    try:
        for done, at_ms in enumerate(source.instants):
            clock.sleep_until(at_ms)
            _add(maker, market, feed, codes, underlying, at_ms)
            if progress is not None and done % 24 == 0:
                progress(done / len(source.instants), "making the quote grid")
        return maker.grid(feed.delivery_price)
    except GridError as error:
        raise RunError(f"no grid can be made of this source: {error}; take the event driver") from None


def _add(
    maker: GridMaker, market: TapeMarket, feed: Feed, codes: list[str], underlying: str, at_ms: int
) -> None:
    try:
        chains: Mapping[str, tuple[OptionChain, Sizes]] = {
            code: (market.chain(code), _sizes(feed, code, at_ms)) for code in codes
        }
        context = build_context(market.history(underlying), at_ms)
    except MarketUnavailableError as error:
        maker.fail(at_ms, str(error))
        return
    maker.add(at_ms, chains, context)


def _sizes(feed: Feed, code: str, at_ms: int) -> Sizes:
    """What paper sees: a chain as summarised has no sizes."""
    chain = feed.chain(code, at_ms)
    return chain.bid_size, chain.ask_size


def _asker(feed: Feed, grid: QuoteGrid) -> Ask:
    """Single options in single minutes, as paper sees them."""
    tape = Tape(feed)

    def ask(side: int, option: int, at_ms: int) -> MinuteQuote | None:
        quote = tape.quote(grid.names(side)[option], at_ms)
        if quote is None:
            return None
        product = quote.option.product
        per_coin = Decimal(int(grid.quotes(side).per_coin))
        return MinuteQuote(
            int((quote.bid or 0) * per_coin),
            int((quote.ask or 0) * per_coin),
            int(quote.bid_size / product.amount_step),
            int(quote.ask_size / product.amount_step),
            float(quote.index),
            float(quote.mark),
        )

    return ask
