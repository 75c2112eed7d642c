"""Backtests: seats the desk for one, by what its row asks for; the runner that workers are given.

The desk is the live one with a simulated clock, a tape, the paper broker and a ledger in memory; below this file nobody
knows that it is a backtest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from optionwriter import __version__
from optionwriter.adapters.clocks import SimulatedClock, SystemClock
from optionwriter.adapters.files.nowhere import NeverKilled, NoDecisionFiles
from optionwriter.adapters.paper import PaperBroker
from optionwriter.adapters.paper.conversion import Conversion
from optionwriter.adapters.paper.fills import FillModel
from optionwriter.adapters.paper.idle import IdleYield
from optionwriter.adapters.store.memory import MemoryLedger
from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.bootstrap.backtest_config import BacktestConfig, instance_of, read_config
from optionwriter.bootstrap.compiled import (
    ACCOUNT,
    AUTO,
    COMPILED,
    DRIVERS,
    EVENT,
    CompiledMarket,
    open_compiled,
    run_compiled,
    why_event,
)
from optionwriter.bootstrap.in_force import in_force
from optionwriter.bootstrap.parts import limits_of
from optionwriter.bootstrap.second_pass import at_one, unmultiplied
from optionwriter.bootstrap.source import Source
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.decide.choosing import ChoiceParams, choose_best
from optionwriter.core.decide.strategies.base import StrategyConfig, products_written
from optionwriter.core.decide.strategies.exits import ExitStyle, with_exit_style
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.instruments import PRODUCTS, Family
from optionwriter.core.report.benchmarks import rules
from optionwriter.core.report.likeness import returns_over_holding
from optionwriter.core.report.origins import told as origins_told
from optionwriter.core.report.results import chain_rows, curve_columns, metric_rows
from optionwriter.core.report.run import ChainRow, MetricRow, Plain, Provenance, RunResult, RunSpec
from optionwriter.services.backtest import Ran, run_backtest
from optionwriter.services.cycle import Desk
from optionwriter.services.jobs import Progress, RunError, Runner, part_of
from optionwriter.services.proposed import Seat
from optionwriter.services.recorder import Recorder
from optionwriter.settings import Settings

RUNS_FILE = "runs.sqlite"
_MOST_TOLD = 5  # failures in a run's notes


def run_store(settings: Settings) -> SqlRunStore:
    """The run database: DATABASE_URL, else a file in the data folder. Errors: RunStoreError."""
    return SqlRunStore(settings.database_url or f"sqlite:///{settings.data_dir / RUNS_FILE}")


def code_version() -> str:
    """This program's version and a hash of its sources: equal code, equal text."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:16]}"


def check(settings: Settings, spec: RunSpec) -> BacktestConfig:
    """What can be known to be wrong before a run begins. Errors: RunError."""
    if spec.driver not in DRIVERS:
        text = f"driver {spec.driver!r} is not there: choose from {', '.join(DRIVERS)}"
        raise RunError.at("driver", text)
    config = read_config(spec.config)
    instance = instance_of(settings, spec.strategy, spec.underlyings, config)
    why = why_event(settings, config, instance, spec.underlyings)
    if spec.driver == COMPILED and why is not None:
        text = f"the compiled driver can't take this run: {why}; take the event driver, or auto"
        raise RunError.at("driver", text)
    open_source(settings, spec, config)
    return config


def runner(settings: Settings) -> Runner:
    """Runs what a row asks for, by the driver that it asks for, every exit style after the other."""

    def run(spec: RunSpec, progress: Progress) -> RunResult:
        config = read_config(spec.config)
        instance = instance_of(settings, spec.strategy, spec.underlyings, config)
        metrics: list[MetricRow] = []
        chains: list[ChainRow] = []
        curves: dict[str, dict[str, Plain]] = {}
        returns: dict[str, tuple[float, ...]] = {}
        second = unmultiplied(spec, config)
        first = progress if second is None else part_of(progress, 0.0, 0.5)
        source, driven, told = _driven(settings, spec, config, instance, first)
        notes = [*source.notes, *told]

        def chances(style: ExitStyle) -> np.random.Generator:
            return np.random.default_rng([spec.seed, list(ExitStyle).index(style)])

        for style, ran in driven:
            outcome = replace(ran.outcome, origins=source.origins)
            metrics += metric_rows(outcome, chances(style))
            chains += chain_rows(outcome)
            curves[str(style)] = curve_columns(outcome.curve, outcome.benchmarks)
            returns[str(style)] = returns_over_holding(outcome.curve)
            notes += [*_told(style, ran), *origins_told(str(style), outcome.origins, outcome.facts)]

        def again(changed: BacktestConfig, style: ExitStyle, place: int) -> tuple[MetricRow, ...]:
            share = 0.5 / len(config.exit_styles)
            rest = part_of(progress, place * share, share)
            one = changed.model_copy(update={"exit_styles": (style,)})
            _, passes, _ = _driven(settings, spec, one, instance, rest, benchmarks=False)
            return tuple(row for _, ran in passes for row in metric_rows(ran.outcome, chances(style)))

        for found in at_one(second, again) if second is not None else ():
            if isinstance(found, MetricRow):
                metrics.append(found)
            else:
                notes.append(found)
        provenance = Provenance(source.fingerprint, code_version(), in_force(settings, instance))
        told_once = tuple(dict.fromkeys(notes))
        return RunResult(provenance, tuple(metrics), tuple(chains), curves, told_once, returns)

    return run


_Driven = Iterator[tuple[ExitStyle, Ran]]


def _driven(
    settings: Settings,
    spec: RunSpec,
    config: BacktestConfig,
    instance: StrategyConfig,
    progress: Progress,
    benchmarks: bool = True,
) -> tuple[Source, _Driven, list[str]]:
    """The source, each exit style's run, and what is to be told of the driver. Errors: RunError."""
    why = why_event(settings, config, instance, spec.underlyings)
    if spec.driver == COMPILED and why is not None:
        raise RunError(f"the compiled driver can't take this run: {why}; take the event driver, or auto")
    if spec.driver == EVENT or why is not None:
        source = open_source(settings, spec, config)
        told = [f"Event driver, because {why}."] if spec.driver == AUTO else []
        return source, _by_event(settings, spec, config, source, instance, progress, benchmarks), told
    market = open_compiled(settings, spec, config, part_of(progress, 0.0, 0.5))
    said = f"Compiled driver{', which can take all of this run' if spec.driver == AUTO else ''}."
    return market.source, _by_loop(market, spec, config, instance, progress), [said]


def _by_event(
    settings: Settings,
    spec: RunSpec,
    config: BacktestConfig,
    source: Source,
    instance: StrategyConfig,
    progress: Progress,
    benchmarks: bool,
) -> _Driven:
    share = 1.0 / len(config.exit_styles)
    for place, style in enumerate(config.exit_styles):
        desk = desk_for(settings, config, source, with_exit_style(instance, style), spec.seed)
        beside = rules(source.feed.delivery_price) if benchmarks else ()
        parts = TapeMarket(source.feed, desk.clock) if config.fast_forward else None
        yield (
            style,
            run_backtest(desk, source.instants, str(style), progress, place * share, share, beside, parts),
        )


def _by_loop(
    market: CompiledMarket,
    spec: RunSpec,
    config: BacktestConfig,
    instance: StrategyConfig,
    progress: Progress,
) -> _Driven:
    share = 0.5 / len(config.exit_styles)
    grid = market.grid
    failures = tuple(f"{int(grid.steps.at_ms[step])}: {why}" for step, why in grid.failures.items())
    for place, style in enumerate(config.exit_styles):
        begun = 0.5 + place * share

        def watch(done: float, begun: float = begun, style: ExitStyle = style) -> None:
            progress(begun + share * done, f"{style}: telling what moved it")

        outcome = run_compiled(market, config, instance, style, spec.seed, watch)
        yield style, Ran(outcome, len(grid), failures)


def desk_for(
    settings: Settings, config: BacktestConfig, source: Source, instance: StrategyConfig, seed: int = 0
) -> Desk:
    """The desk of one run in one exit style; `seed` is that of its chances."""
    clock = SimulatedClock(source.instants[0])
    seat = Seat(
        strategy(instance.kind),
        replace(instance, enabled=True),
        choose_best,
        ChoiceParams(instance.min_score),
    )
    broker = PaperBroker(
        source.feed,
        clock,
        ACCOUNT,
        {
            name: amount
            for name, amount in config.opening.items()
            if name == "USDC" or name in instance.underlyings
        },
        fill=FillModel(config.fill, config.spread_share, config.wait_minutes, seed),
        combo=config.combo,
        idle=IdleYield(config.idle_yields) if config.idle_yields else None,
        conversion=Conversion(config.convert_cost) if config.wheel_convert else None,
    )
    written = products_written(instance)
    return Desk(
        clock=clock,
        market=TapeMarket(source.feed, clock, until_ms=source.instants[-1]),
        broker=broker,
        recorder=Recorder(MemoryLedger(ACCOUNT), clock, ACCOUNT),
        sink=NoDecisionFiles(),
        kill=NeverKilled(),
        seats=(seat,),
        products=tuple(
            one.code
            for one in PRODUCTS.values()
            if one.underlying in instance.underlyings
            and (one.family is Family.INVERSE or one.code in written)
        ),
        limits=limits_of(settings, (seat,)),
        label_prefix=settings.managed_client_id_prefix,
        order_validity_ms=settings.order_validity_sec * 1_000,
        mode="backtest",
        stopwatch=SystemClock().monotonic,
    )


def _told(style: ExitStyle, ran: Ran) -> list[str]:
    """What a reader must know of a run's steps."""
    told = []
    if ran.failures:
        few = "; ".join(ran.failures[:_MOST_TOLD])
        told.append(f"{style}: {len(ran.failures)} of {ran.steps} steps failed: {few}")
    if ran.passed_over:
        told.append(
            f"{style}: {ran.steps - ran.passed_over} of {ran.steps} steps were looked at in full; at the others "
            "nothing could be proposed (fast_forward)."
        )
    return told
