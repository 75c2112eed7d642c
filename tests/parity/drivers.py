"""Both drivers on one market: random configurations, and where the two first part, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from optionwriter.bootstrap.backtest_config import BacktestConfig, instance_of, read_config
from optionwriter.bootstrap.backtests import desk_for
from optionwriter.bootstrap.compiled import CompiledMarket, open_compiled, run_compiled
from optionwriter.core.books.facts import Fact, Filled, IntentPrepared, Settled
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.decide.strategies.exits import ExitStyle, with_exit_style
from optionwriter.core.market.instruments import MS_PER_DAY, parse_instrument
from optionwriter.core.report.benchmarks import rules
from optionwriter.core.report.results import Outcome
from optionwriter.core.report.run import RunSpec
from optionwriter.services.backtest import run_backtest
from optionwriter.settings import Settings

SYNTHETIC_FROM = 19_000 * MS_PER_DAY  # 2022-01-08
SYNTHETIC_DAYS = 1_500
RECORDED_FROM = 20_486 * MS_PER_DAY  # 2026-02-02, in the month of bundled chains
NEAR = 1e-9
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Case:
    """One run that both drivers are asked for."""

    settings: Settings
    spec: RunSpec
    config: BacktestConfig
    instance: StrategyConfig
    style: ExitStyle

    def __str__(self) -> str:
        return (
            f"{self.spec.strategy} {self.spec.source} {self.spec.underlyings} {self.style} {self.spec.config}"
        )


def case(
    folder: Path, strategy: str, coin: str, style: ExitStyle, begin_ms: int, days: int, values: dict[str, Any],
    source: str = "synthetic", seed: int = 1,
) -> Case:  # fmt: skip
    """A named case."""
    settings, config = Settings(data_dir=folder), read_config(values)
    spec = RunSpec("t", source, strategy, (coin,), begin_ms, begin_ms + days * MS_PER_DAY, seed, values)
    return Case(settings, spec, config, instance_of(settings, strategy, (coin,), config), style)


def random_case(seed: int, folder: Path) -> Case:
    """A case of that number: every fourth on recorded chains, the others on prices since 2022."""
    rng = np.random.default_rng([20_261_121, seed])

    def one_of(*choices: T) -> T:
        return choices[int(rng.integers(len(choices)))]

    changes = {
        "gates.ivrv_min": one_of(0.6, 0.9),
        "gates.delta_max": float(rng.uniform(0.2, 0.45)),
        "roll.cooldown_hours": one_of(0, 12, 48),
        "roll.cover_cap": one_of(0.8, 1.0),
        "roll.close_if_unable": one_of(True, False),
        "roll.close_only": one_of(False, False, True),
        "manage.roll_days": one_of(0.0, 2.0),
        "manage.take_profit_share": one_of(0.3, 0.6, 0.8),
        "max_items": one_of(2, 12),
        "sizes": one_of(["full"], ["full", "half", "minimum"]),
        "size_share": one_of(0.5, 1.0),
        "score.capacity_weight": one_of(0.05, 0.6),
    }
    recorded = seed % 4 == 3
    values = {
        "preset": one_of("ULTRA_SAFE", "BALANCED", "AGGRESSIVE", "CUSTOM", "CUSTOM"),
        "step_minutes": one_of(240, 360),
        "fill": one_of("cross", "mid", "share"),
        "spread_share": one_of("0", "0.25", "0.5"),
        "model": one_of("anchored", "realised"),
        "iv_multiplier": float(rng.uniform(1.1, 1.6)),
        "listing": one_of("exchange", "plain"),
        "btc": str(round(float(rng.uniform(0.1, 5.0)), 8)),
        "eth": str(round(float(rng.uniform(1.0, 60.0)), 8)),
        "usdc": str(round(float(rng.uniform(20_000, 500_000)), 2)),
    }
    if values["preset"] == "CUSTOM":
        values["changes"] = changes
    strategy = one_of(
        "income", "income", "covered_call_conservative", "covered_call_aggressive", "puts_experimental"
    )
    begin = RECORDED_FROM if recorded else SYNTHETIC_FROM + int(rng.integers(SYNTHETIC_DAYS)) * MS_PER_DAY
    source = "live_deribit" if recorded else "synthetic"
    return case(folder, strategy, one_of("BTC", "ETH"), one_of(*ExitStyle), begin, 10, values, source, seed)


def market_of(asked: Case) -> CompiledMarket:
    """The market, opened once for both drivers."""
    return open_compiled(asked.settings, asked.spec, asked.config)


def by_event(asked: Case, market: CompiledMarket) -> Outcome:
    """The cycle's outcome on the market's own feed."""
    styled = with_exit_style(asked.instance, asked.style)
    desk = desk_for(asked.settings, asked.config, market.source, styled, asked.spec.seed)
    beside = rules(market.source.feed.delivery_price)
    instants = market.source.instants
    return run_backtest(desk, instants, str(asked.style), lambda *_: None, benchmarks=beside).outcome


def by_loop(asked: Case, market: CompiledMarket) -> Outcome:
    """The compiled driver's outcome."""
    return run_compiled(market, asked.config, asked.instance, asked.style, asked.spec.seed)


def trades(facts: tuple[Fact, ...]) -> Iterator[tuple[object, ...]]:
    """(instant, instrument, side, lots, ticks, reason), cash and fee of each trade, and every settlement."""
    reasons = {
        one.body.intent.label: one.body.intent.reason for one in facts if isinstance(one.body, IntentPrepared)
    }
    for fact in facts:
        body = fact.body
        if isinstance(body, Filled):
            lots, ticks = body.amount / _lot(body.instrument), body.price / _tick(body)
            yield (
                fact.at_ms, body.instrument, str(body.side), lots, ticks, reasons[body.label], body.cash, body.fee,
            )  # fmt: skip
        elif isinstance(body, Settled):
            yield (
                fact.at_ms,
                body.instrument,
                "settled",
                body.position,
                body.delivery_price,
                body.payoff,
                body.fee,
            )


def divergence(event: Outcome, compiled: Outcome) -> str:
    """The first thing in which the compiled run differs, in words; "" when nothing does."""
    for place, (a, b) in enumerate(zip_longest(trades(event.facts), trades(compiled.facts))):
        if a != b:
            return f"trade {place}:\n  event    {a}\n  compiled {b}"
    mine, its = compiled.curve, event.curve
    if not np.array_equal(mine.at_ms, its.at_ms):
        return f"the event driver looked {len(its.at_ms)} times, the compiled one {len(mine.at_ms)}"
    for name in sorted({*mine.equity, *its.equity}):
        if name not in mine.equity or name not in its.equity:
            return f"only one of the two has {name}"
        apart = np.abs(mine.equity[name] - its.equity[name]) / np.maximum(np.abs(its.equity[name]), 1.0)
        worst = int(np.argmax(apart > NEAR))
        if apart[worst] > NEAR:
            return (
                f"{name} at {int(its.at_ms[worst])}: event {float(its.equity[name][worst])!r}, "
                f"compiled {float(mine.equity[name][worst])!r}"
            )
    return ""


def check(asked: Case, patch: Callable[[], None] = lambda: None) -> tuple[str, Outcome]:
    """Both drivers on the case: where they part, and the compiled outcome. `patch` changes the event driver alone."""
    market = market_of(asked)
    compiled = by_loop(asked, market)
    patch()
    return divergence(by_event(asked, market), compiled), compiled


def _lot(instrument: str) -> Any:
    return parse_instrument(instrument).product.amount_step


def _tick(body: Filled) -> Any:
    return parse_instrument(body.instrument).product.tick_at(body.price)
