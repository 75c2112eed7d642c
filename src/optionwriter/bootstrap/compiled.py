"""The compiled driver at a backtest's desk: opens its market as a quote grid, refuses what is not its own, and runs.

The grid (compiled_grid) holds what the cycle would see; runs share it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import numpy as np

from optionwriter.adapters.paper.tape import PaperQuote, Tape
from optionwriter.bootstrap.backtest_config import BacktestConfig, instance_of
from optionwriter.bootstrap.compiled_grid import grid_of
from optionwriter.bootstrap.parts import limits_of
from optionwriter.bootstrap.source import Source
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.decide.choosing import ChoiceParams, choose_best
from optionwriter.core.decide.grid.columns import QuoteGrid
from optionwriter.core.decide.grid.making import GridError
from optionwriter.core.decide.grid.refusing import fill_share, why_not
from optionwriter.core.decide.grid.resting import Ask, MinuteQuote
from optionwriter.core.decide.grid.running import LoopStoppedError, Ready, Trace, ready_of, run_grid
from optionwriter.core.decide.grid.terms import Terms, terms_of
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.decide.strategies.exits import ExitStyle, with_exit_style
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.report.benchmarks import rules
from optionwriter.core.report.results import Outcome
from optionwriter.core.report.run import RunSpec
from optionwriter.core.report.sweep_figures import SweepFigures, figures_of
from optionwriter.core.report.traced import Owner, TraceError
from optionwriter.core.report.traced_looks import outcome_of
from optionwriter.ports import Feed
from optionwriter.services.backtest import MOST_FAILED
from optionwriter.services.jobs import Progress, RunError
from optionwriter.services.proposed import Seat
from optionwriter.settings import Settings

ACCOUNT = "backtest"
EVENT, COMPILED, AUTO = "event", "compiled", "auto"
DRIVERS = (EVENT, COMPILED, AUTO)
# what a config may say that the compiled driver knows; anything else it must not pass over
_KNOWN = frozenset({
    "preset", "changes", "exit_styles", "mode", "step_minutes", "spread_share", "fill", "wait_minutes", "btc", "eth",
    "usdc", "model", "iv_multiplier", "listing", "data", "smile", "skew", "failed_days", "fast_forward", "convert_cost",
})  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class CompiledMarket:
    """An opened source and its grid, for any number of runs."""

    settings: Settings
    source: Source
    grid: QuoteGrid
    ready: Ready
    ask: Ask


def open_compiled(
    settings: Settings, spec: RunSpec, config: BacktestConfig, progress: Progress | None = None
) -> CompiledMarket:
    """The source opened and its grid made, once. Errors: RunError."""
    if len(spec.underlyings) != 1:
        raise RunError("the compiled driver takes one underlying: name one, or take the event driver")
    source = open_source(settings, spec, config)
    instance = instance_of(settings, spec.strategy, spec.underlyings, config)
    return market_of(settings, source, instance, spec.underlyings[0], progress)


def market_of(
    settings: Settings,
    source: Source,
    instance: StrategyConfig,
    underlying: str,
    progress: Progress | None = None,
) -> CompiledMarket:
    """An opened source with its grid. Errors: RunError."""
    if len(source.instants) < 2:
        raise RunError(
            "the period has fewer than two steps with quotes: choose a longer one, or a smaller step"
        )
    limits = limits_of(settings)
    writes_puts = "cash_secured_put" in instance.writes
    try:
        grid = grid_of(
            source,
            underlying,
            writes_puts,
            limits.max_data_age_ms,
            limits.max_clock_ahead_ms,
            progress,
        )
    except GridError as error:
        raise RunError(f"no grid can be made of this source: {error}; take the event driver") from None
    return CompiledMarket(settings, source, grid, ready_of(grid), _asker(source.feed, grid))


def run_compiled(
    market: CompiledMarket,
    config: BacktestConfig,
    instance: StrategyConfig,
    exit_style: ExitStyle,
    seed: int,
    watch: Callable[[float], None] = lambda _: None,
) -> Outcome:
    """One run, whole: as the event driver's outcome. `seed` is taken as there; fills that are certain don't ask it.

    Errors: RunError.
    """
    trace = trace_of(market, config, instance, exit_style)
    owner = Owner(ACCOUNT, instance.id, market.settings.managed_client_id_prefix)
    beside = rules(market.source.feed.delivery_price)
    try:
        return outcome_of(market.grid, trace, str(exit_style), owner, beside, watch)
    except TraceError as error:
        raise RunError(f"{error}; take the event driver") from None


def figures_compiled(
    market: CompiledMarket, config: BacktestConfig, instance: StrategyConfig, exit_style: ExitStyle
) -> SweepFigures:
    """A sweep's run: the loop and its few figures. Errors: RunError."""
    return figures_of(market.grid, trace_of(market, config, instance, exit_style))


def trace_of(
    market: CompiledMarket, config: BacktestConfig, instance: StrategyConfig, exit_style: ExitStyle
) -> Trace:
    """One run of the loop. Errors: RunError."""
    terms = _terms(market, config, instance, exit_style)
    try:
        trace = run_grid(market.grid, market.ready, terms, config.opening, market.ask)
    except LoopStoppedError as error:
        raise RunError(f"{error}: choose another period, or the event driver") from None
    failed = len(market.grid) - int(np.count_nonzero(trace.looks.seen))
    if failed > MOST_FAILED * len(market.grid):
        raise RunError(f"{failed} of {len(market.grid)} steps failed{_first(market.grid)}: choose other data")
    if not trace.looks.seen[-1]:
        raise RunError("the run's end can't be valued: end it at another instant")
    return trace


def _first(grid: QuoteGrid) -> str:
    if not grid.failures:
        return ""
    step = min(grid.failures)
    return f", the first at {int(grid.steps.at_ms[step])}: {grid.failures[step]}"


def _terms(
    market: CompiledMarket, config: BacktestConfig, instance: StrategyConfig, exit_style: ExitStyle
) -> Terms:
    why = why_event(market.settings, config, instance, (market.grid.underlying,))
    if why is not None:
        raise RunError(f"{why}; take the event driver")
    if "cash_secured_put" in instance.writes and not market.grid.put_names:
        raise RunError(f"the grid was made without puts: open the market for {instance.id}")
    styled = with_exit_style(instance, exit_style)
    return terms_of(styled, _limits(market.settings, instance), fill_share(config.fill, config.spread_share))


def why_event(
    settings: Settings, config: BacktestConfig, instance: StrategyConfig, underlyings: tuple[str, ...]
) -> str | None:
    """Why the compiled driver can't take the run, in words; None when it can."""
    if len(underlyings) != 1:
        return f"{', '.join(underlyings)} are {len(underlyings)} underlyings: compiled is one"
    for name, field in BacktestConfig.model_fields.items():
        if name not in _KNOWN and getattr(config, name) != field.get_default(call_default_factory=True):
            return f"{name} is not compiled"
    return why_not(instance, _limits(settings, instance), config.fill)


def _limits(settings: Settings, instance: StrategyConfig) -> Limits:
    params = ChoiceParams(instance.min_score)
    return limits_of(settings, (Seat(strategy(instance.kind), instance, choose_best, params),))


def _asker(feed: Feed, grid: QuoteGrid) -> Ask:
    """Single options in single minutes, as paper sees them, each asked of the tape once; several threads may ask."""
    tape, lock = Tape(feed), Lock()
    kept: dict[tuple[int, int, int], MinuteQuote | None] = {}

    def ask(side: int, option: int, at_ms: int) -> MinuteQuote | None:
        key = (side, option, at_ms)
        if key not in kept:
            with lock:
                quote = tape.quote(grid.names(side)[option], at_ms)
            kept[key] = None if quote is None else _minute(quote, int(grid.quotes(side).per_coin))
        return kept[key]

    return ask


def _minute(quote: PaperQuote, per_coin: int) -> MinuteQuote:
    product = quote.option.product
    return MinuteQuote(
        int((quote.bid or 0) * per_coin),
        int((quote.ask or 0) * per_coin),
        int(quote.bid_size / product.amount_step),
        int(quote.ask_size / product.amount_step),
        float(quote.index),
        float(quote.mark),
    )
