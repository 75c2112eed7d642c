"""The drivers on DESIGN's workload: three years of hourly steps of the synthetic source, some 400 listed calls.

`BENCH_STEPS` hours (26,280) from 2023 on the bundled Bitcoin prices; a plain listing of a fortnight, with strikes
every two percent to a seventh on either side. The event driver is asked for some of these steps, every one in full.
Processor seconds of this process and seconds of the clock, the second beside the first.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir

from bench import Row
from optionwriter.adapters.tapes.synthetic import SyntheticFeed
from optionwriter.adapters.tapes.synthetic_models import Anchored
from optionwriter.bootstrap.backtest_config import BacktestConfig, instance_of, read_config
from optionwriter.bootstrap.backtests import desk_for
from optionwriter.bootstrap.compiled import figures_compiled, market_of, trace_of
from optionwriter.bootstrap.source import Source, market_data, steps
from optionwriter.bootstrap.sources import past_of, surfaces_of
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.decide.strategies.exits import ExitStyle, with_exit_style
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.core.market.listing_plain import plain_policy
from optionwriter.core.market.synthetic import typical_shape
from optionwriter.core.report.run import RunSpec
from optionwriter.services.backtest import run_backtest
from optionwriter.settings import Settings

STEPS = int(os.environ.get("BENCH_STEPS", "26280"))
EVENT_STEPS = 240
DESIGN_STEPS = 26_280
BEGIN = 1_672_617_600_000  # 2023-01-02
SETS, THREADS = 200, 2
STYLE = ExitStyle.OWN
POLICY = plain_policy(days=14, reach=0.14, step=0.02)


def _timed(action: Callable[[], object], repeats: int = 1) -> tuple[float, float]:
    """The least processor seconds of a call, and the least by the clock."""
    cpu = wall = float("inf")
    for _ in range(repeats):
        begun, ticked = time.process_time(), time.perf_counter()
        action()
        cpu, wall = min(cpu, time.process_time() - begun), min(wall, time.perf_counter() - ticked)
    return cpu, wall


def _varied(instance: StrategyConfig, number: int) -> StrategyConfig:
    """One of the parameter sets: twenty bounds of delta, ten of profit."""
    low, share = 0.05 + 0.005 * (number % 20), 0.5 + 0.04 * (number // 20)
    gates = instance.gates._replace(delta_min=low, delta_max=low + 0.15)
    return replace(instance, gates=gates, manage=instance.manage._replace(take_profit_share=share))


def _source(spec: RunSpec, config: BacktestConfig) -> Source:
    """The synthetic market with the bench's own listing."""
    data, _ = market_data(spec, config)
    own = data.recorded["BTC"]
    feed = SyntheticFeed(
        {"BTC": past_of(own)},
        data.books,
        Anchored({"BTC": typical_shape(surfaces_of(own))}),
        start_ms=spec.start_ms,
        end_ms=spec.end_ms,
        policy=POLICY,
    )
    return Source(feed, steps(spec, config), (), "bench")


def _rows(name: str, took: tuple[float, float], unit: str, aim: float | None = None) -> list[Row]:
    """Two rows of what was timed in seconds."""
    scale = 1e3 if unit == "ms" else 1.0
    return [
        Row(f"{name}, CPU", took[0] * scale, unit, aim),
        Row(f"{name}, clock", took[1] * scale, unit, aim),
    ]


def run() -> list[Row]:
    """Measures grid, run, sweep and, on fewer steps, the event driver."""
    values = {"preset": "BALANCED"}
    settings, config = Settings(data_dir=Path(gettempdir())), read_config(values)
    end = BEGIN + (STEPS - 1) * MS_PER_HOUR
    spec = RunSpec("bench", "synthetic", "covered_call_aggressive", ("BTC",), BEGIN, end, 1, values)
    instance = instance_of(settings, spec.strategy, spec.underlyings, config)
    source = _source(spec, config)
    cold = _timed(lambda: market_of(settings, source, instance, "BTC"))
    source, begun, ticked = _source(spec, config), time.process_time(), time.perf_counter()
    market = market_of(settings, source, instance, "BTC")
    made = time.process_time() - begun, time.perf_counter() - ticked
    first = _timed(lambda: trace_of(market, config, instance, STYLE))
    again = _timed(lambda: trace_of(market, config, instance, STYLE), 10)
    sets = [_varied(instance, number) for number in range(SETS)]
    one = _timed(lambda: [figures_compiled(market, config, each, STYLE) for each in sets])

    def threaded() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda each: figures_compiled(market, config, each, STYLE), sets))

    shared = _timed(threaded)
    desk = desk_for(settings, config, source, with_exit_style(instance, STYLE))
    instants = source.instants[:EVENT_STEPS]
    event = _timed(lambda: run_backtest(desk, instants, str(STYLE), lambda *_: None))
    share = STEPS / DESIGN_STEPS
    where = f"{STEPS:,} steps x {len(market.grid.calls.option) / STEPS:.0f} calls"
    return [
        *_rows("quote grid, the first (compiles or loads)", cold, "s"),
        *_rows(f"quote grid, {where}", made, "s", 0.1 * share),
        *_rows("compiled run, the first (compiles or loads)", first, "s"),
        *_rows(f"compiled run, {where}", again, "ms", 6 * share),
        *_rows(f"{SETS} sets with figures, 1 thread", one, "s", 1.0 * share),
        *_rows(f"{SETS} sets with figures, {THREADS} threads", shared, "s", 1.0 * share),
        *_rows(f"event driver, {EVENT_STEPS} of these steps, all in full", event, "s"),
        Row("event driver over compiled, a step, CPU", event[0] / EVENT_STEPS / (again[0] / STEPS), "x"),
    ]
