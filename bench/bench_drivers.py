"""The drivers on one market: hourly steps of the synthetic source on the bundled prices, Bitcoin's listed calls.

`BENCH_STEPS` hours (default 2,190, a twelfth of DESIGN's 26,280) of some 650 calls; a run is linear in its steps, so
its figure is also given for 26,280. CPU seconds of this process, except for the threads' line, which is by the clock.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir

from bench import Row
from optionwriter.bootstrap.backtest_config import instance_of, read_config
from optionwriter.bootstrap.backtests import desk_for
from optionwriter.bootstrap.compiled import figures_compiled, open_compiled, trace_of
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.decide.strategies.exits import ExitStyle, with_exit_style
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.core.report.run import RunSpec
from optionwriter.services.backtest import run_backtest
from optionwriter.settings import Settings

STEPS = int(os.environ.get("BENCH_STEPS", "2190"))
EVENT_STEPS = 240
DESIGN_STEPS = 26_280
BEGIN = 1_672_617_600_000  # 2023-01-02
SETS, THREADS = 200, 2
STYLE = ExitStyle.OWN


def _cpu(action: object, repeats: int = 1) -> float:
    """The least CPU seconds of a call."""
    assert callable(action)
    best = float("inf")
    for _ in range(repeats):
        begun = time.process_time()
        action()
        best = min(best, time.process_time() - begun)
    return best


def _varied(instance: StrategyConfig, number: int) -> StrategyConfig:
    """One of the parameter sets: twenty bounds of delta, ten of profit."""
    low, share = 0.05 + 0.005 * (number % 20), 0.5 + 0.04 * (number // 20)
    gates = instance.gates._replace(delta_min=low, delta_max=low + 0.15)
    return replace(instance, gates=gates, manage=instance.manage._replace(take_profit_share=share))


def run() -> list[Row]:
    """Measures grid, run, sweep and, on fewer steps, the event driver."""
    values = {"preset": "BALANCED"}
    settings, config = Settings(data_dir=Path(gettempdir())), read_config(values)
    spec = RunSpec(
        "bench",
        "synthetic",
        "covered_call_aggressive",
        ("BTC",),
        BEGIN,
        BEGIN + (STEPS - 1) * MS_PER_HOUR,
        1,
        values,
    )
    instance = instance_of(settings, spec.strategy, spec.underlyings, config)
    begun = time.process_time()
    market = open_compiled(settings, spec, config)
    made = time.process_time() - begun
    first = _cpu(lambda: trace_of(market, config, instance, STYLE))
    again = _cpu(lambda: trace_of(market, config, instance, STYLE), 20)
    sets = [_varied(instance, number) for number in range(SETS)]
    one = _cpu(lambda: [figures_compiled(market, config, each, STYLE) for each in sets])

    def threaded() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda each: figures_compiled(market, config, each, STYLE), sets))

    begun = time.perf_counter()
    threaded()
    waited = time.perf_counter() - begun
    desk = desk_for(settings, config, market.source, with_exit_style(instance, STYLE))
    instants = market.source.instants[:EVENT_STEPS]
    event = _cpu(lambda: run_backtest(desk, instants, str(STYLE), lambda *_: None))
    share = STEPS / DESIGN_STEPS
    rows = len(market.grid.calls.option) / STEPS
    where = f"{STEPS:,} steps x {rows:.0f} calls"
    return [
        Row(f"quote grid, {where}, CPU", made, "s", 0.1 * share),
        Row("compiled run, the first (compiles or loads), CPU", first, "s"),
        Row(f"compiled run, {where}, CPU", again * 1e3, "ms", 6 * share),
        Row(f"compiled run, as for {DESIGN_STEPS:,} steps, CPU", again / share * 1e3, "ms", 6),
        Row(f"{SETS} parameter sets with figures, one thread, CPU", one, "s"),
        Row(f"{SETS} parameter sets with figures, {THREADS} threads, clock", waited, "s", 1.0 * share),
        Row(f"event driver, {EVENT_STEPS} of these steps, CPU", event, "s"),
        Row("event driver over compiled, a step", event / EVENT_STEPS / (again / STEPS), "x"),
    ]
