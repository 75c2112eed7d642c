"""Explaining a backtest: seats the same strategy on a chain of markets from the synthetic one to the recorded one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from optionwriter.adapters.tapes.captured import CapturedFeed
from optionwriter.adapters.tapes.recorded_models import RecordedLevel, RecordedSmile, RecordedSurfaces
from optionwriter.adapters.tapes.recut import Parts, RecutFeed
from optionwriter.adapters.tapes.sample_files import load_sample
from optionwriter.adapters.tapes.synthetic import SyntheticFeed
from optionwriter.adapters.tapes.synthetic_models import Anchored, Model
from optionwriter.bootstrap.backtest_config import BacktestConfig, instance_of, read_config
from optionwriter.bootstrap.backtests import desk_for
from optionwriter.bootstrap.same_trades import SameTrades, same_trades
from optionwriter.bootstrap.source import Source
from optionwriter.bootstrap.sources import open_source, past_of, surfaces_of
from optionwriter.core.decide.strategies.exits import with_exit_style
from optionwriter.core.market.synthetic import typical_shape
from optionwriter.core.report.explained_difference import FIRST, LAST, StepResult
from optionwriter.core.report.results import metric_rows
from optionwriter.core.report.run import RunSpec
from optionwriter.services.backtest import run_backtest
from optionwriter.services.jobs import Progress, RunError
from optionwriter.settings import Settings

Told = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Chain:
    """The runs in order, the last one's trades at the others' prices, and what a reader must know of both ends."""

    steps: tuple[StepResult, ...]
    same: SameTrades
    notes: tuple[str, ...]


def explain_backtest(
    settings: Settings,
    spec: RunSpec,
    told: Told = lambda _step, _share: None,
    only_last: bool = False,
) -> Chain:
    """Runs the spec (its source is the recorded one) on every market of the chain, in its first exit style.

    `only_last` runs the recorded one alone, for its trades.
    Errors: RunError.
    """
    config = read_config(spec.config)
    if config.model != "anchored" or config.smile != "own":
        raise RunError("the chain begins with model=anchored and its own smile: leave model and smile out")
    real = open_source(settings, spec, config)
    if not isinstance(real.feed, CapturedFeed):
        raise RunError(f"{spec.source} is not recorded: explain against live_deribit or real_scraper")
    instance = with_exit_style(
        instance_of(settings, spec.strategy, spec.underlyings, config), config.exit_styles[0]
    )
    first = open_source(settings, replace(spec, source="synthetic"), config)
    found = []
    for name, source in [(LAST, real)] if only_last else _markets(spec, config, first, real):
        desk = desk_for(settings, config, source, instance, spec.seed)
        ran = run_backtest(desk, source.instants, str(config.exit_styles[0]), _told(told, name))
        rows = metric_rows(ran.outcome, np.random.default_rng(spec.seed))
        figures = {(row.currency, row.name): row.value for row in rows if row.value is not None}
        found.append(StepResult(name, figures))
    recorded = sorted(at for at in real.instants if at not in real.repriced)
    same = same_trades(spec, real.feed, recorded, ran.outcome.facts)
    return Chain(tuple(found), same, (*first.notes, *real.notes))


def _told(told: Told, name: str) -> Progress:
    return lambda share, _text: told(name, share)


def _markets(
    spec: RunSpec, config: BacktestConfig, first: Source, real: Source
) -> Iterator[tuple[str, Source]]:
    """Each market by the step's name; from the second on one thing more is the recording's."""
    sample = load_sample()
    known = {name: surfaces_of(sample.recorded[name]) for name in spec.underlyings}
    shapes = {name: typical_shape(ones) for name, ones in known.items()}
    surfaces = {name: RecordedSurfaces(ones) for name, ones in known.items()}
    if spec.start_ms < max(ones[0].at_ms for ones in known.values()):
        raise RunError("recorded smiles begin on 2025-12-30: begin later")
    recorded = sorted(at for at in real.instants if at not in real.repriced)

    def made(model: Model) -> SyntheticFeed:
        return SyntheticFeed(
            {name: past_of(sample.recorded[name]) for name in spec.underlyings}, sample.books, model,
            start_ms=spec.start_ms, end_ms=spec.end_ms, seed=spec.seed,
        )  # fmt: skip

    def cut(parts: Parts) -> RecutFeed:
        return RecutFeed(made(RecordedSmile(surfaces)), real.feed, recorded, parts)

    yield FIRST, replace(first, feed=made(Anchored(shapes)))
    yield "level", replace(first, feed=made(RecordedLevel(surfaces, shapes)))
    yield "skew", replace(first, feed=made(RecordedSmile(surfaces)))
    yield "spread", replace(first, feed=cut(Parts(spreads=True)))
    yield "settlement", replace(first, feed=cut(Parts(spreads=True, settlement=True)))
    yield "hours", replace(first, feed=cut(Parts(True, True, True)), instants=real.instants)
    yield LAST, real
