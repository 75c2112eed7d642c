"""Sets of a sweep by the compiled driver: figures for every one, the whole result for the best.

Keeps: metrics have the names that the event driver's have, so that both rank alike; sets that see one market share it.
"""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from optionwriter.bootstrap import compiled
from optionwriter.bootstrap.backtest_config import BacktestConfig, instance_of, read_config
from optionwriter.bootstrap.backtests import code_version, runner
from optionwriter.bootstrap.compiled import EVENT
from optionwriter.bootstrap.in_force import in_force
from optionwriter.bootstrap.source import Source
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.decide.strategies.exits import ExitStyle
from optionwriter.core.report.likeness import returns_over_holding
from optionwriter.core.report.ranking import SHARPE, ranked, trials_of
from optionwriter.core.report.results import Outcome, chain_rows, curve_columns, metric_rows
from optionwriter.core.report.run import (
    USD,
    ChainRow,
    MetricRow,
    Plain,
    Provenance,
    RunResult,
    RunSpec,
    RunStatus,
)
from optionwriter.ports import RunStore
from optionwriter.services.jobs import Progress, RunError
from optionwriter.services.sweep import sets_of
from optionwriter.settings import Settings

WHOLE = 5  # of the best sets, which are stored with errors, positions and curves
_FIGURES = {
    "net_profit_usd": (USD, "net_profit"),
    "over_holding_usd": (USD, "over_holding"),
    "max_drawdown": (USD, "max_drawdown"),
    "sharpe": (USD, "sharpe"),
    "trades": (USD, "trades"),
    "win_rate": (USD, "win_rate"),
    "fees_usd": (USD, "fees"),
    "premium_usd": (USD, "premium_sold"),
}


class Figures(Protocol):
    """What the compiled driver tells of a set without keeping its curve."""

    @property
    def net_profit_coin(self) -> float: ...
    @property
    def net_profit_usd(self) -> float: ...
    @property
    def over_holding_usd(self) -> float: ...
    @property
    def max_drawdown(self) -> float: ...
    @property
    def sharpe(self) -> float: ...
    @property
    def trades(self) -> float: ...
    @property
    def win_rate(self) -> float: ...
    @property
    def fees_usd(self) -> float: ...
    @property
    def premium_usd(self) -> float: ...
    @property
    def final_equity_usd(self) -> float: ...
    @property
    def over_holding_daily(self) -> tuple[float, ...]: ...


class CompiledMarket(Protocol):
    """A market as the compiled driver holds it."""

    @property
    def source(self) -> Source:
        """What it was made of."""
        ...


class CompiledEngine(Protocol):
    """The compiled driver, as bootstrap/compiled.py has it; a market is its own, and only handed back to it."""

    def why_event(
        self,
        settings: Settings,
        config: BacktestConfig,
        instance: StrategyConfig,
        underlyings: tuple[str, ...],
    ) -> str | None:
        """Why it can't run this; None when it can."""
        ...

    def open_compiled(
        self, settings: Settings, spec: RunSpec, config: BacktestConfig, progress: Progress | None = None
    ) -> CompiledMarket:
        """The market, precomputed."""
        ...

    def run_compiled(
        self, market: Any, config: BacktestConfig, instance: StrategyConfig, exit_style: ExitStyle, seed: int
    ) -> Outcome:
        """One run, whole."""
        ...

    def figures_compiled(
        self, market: Any, config: BacktestConfig, instance: StrategyConfig, exit_style: ExitStyle
    ) -> Figures:
        """One run, its figures only."""
        ...


def compiled_engine() -> CompiledEngine:
    """The compiled driver."""
    return compiled


def figure_rows(style: str, coin: str, figures: Figures) -> tuple[MetricRow, ...]:
    """The figures under the names that core/report/results gives them."""
    rows = [MetricRow(style, coin, "net_profit", float(figures.net_profit_coin))]
    rows += [
        MetricRow(style, currency, name, float(getattr(figures, field)))
        for field, (currency, name) in _FIGURES.items()
    ]
    return tuple(rows)


class CompiledSets:
    """Runs sets, from several threads at once; holds the market that the last set saw."""

    def __init__(self, settings: Settings, by: str, currency: str = USD) -> None:
        """`by` and `currency` rank the sets: where figures don't have it, every set is run whole."""
        self._settings, self._engine = settings, compiled_engine()
        self._version = code_version()
        known = {one[1] for one in _FIGURES.values()} if currency == USD else {"net_profit"}
        self._by, self._figures_suffice = by, by in known
        self._lock = threading.Lock()
        self._market: tuple[str, CompiledMarket] | None = None

    def run(self, spec: RunSpec, progress: Progress) -> RunResult:
        """The figures of a set, in every exit style; by the event driver, and saying so, where the compiled one finds
        only now that it can't. Errors: RunError."""
        try:
            return self._figures(spec, progress) if self._figures_suffice else self.whole(spec, progress)
        except RunError as error:
            found = runner(self._settings)(replace(spec, driver=EVENT), progress)
            return replace(found, notes=(*found.notes, f"Run by the event driver: {error}"))

    def _figures(self, spec: RunSpec, progress: Progress) -> RunResult:
        config, instance = self._read(spec)
        market = self._opened(spec, config, progress)
        rows: list[MetricRow] = []
        returns: dict[str, tuple[float, ...]] = {}
        for place, style in enumerate(config.exit_styles):
            progress(place / len(config.exit_styles), str(style))
            figures = self._engine.figures_compiled(market, config, instance, style)
            rows += figure_rows(str(style), spec.underlyings[0], figures)
            returns[str(style)] = figures.over_holding_daily
        told = self._provenance(market, instance)
        return RunResult(told, tuple(rows), (), notes=market.source.notes, returns=returns)

    def deepen_best(self, store: RunStore, group: str) -> None:
        """Stores the best finished sets whole: with standard errors, positions and curves."""
        compiled = {
            one.id: one
            for one in sets_of(store, group)
            if one.spec.driver == "compiled" and one.status is RunStatus.FINISHED
        }
        trials = [trial for one in compiled for trial in trials_of(one, "compiled", {}, store.metrics(one))]
        best = dict.fromkeys(
            one.run_id for name in (self._by, SHARPE) for one in ranked(trials, name)[:WHOLE]
        )
        for run_id in best:
            if not store.curves(run_id):
                store.deepen(run_id, self.whole(compiled[run_id].spec))

    def whole(self, spec: RunSpec, progress: Progress = lambda _share, _text: None) -> RunResult:
        """The whole result of a set. Errors: RunError."""
        config, instance = self._read(spec)
        market = self._opened(spec, config, progress)
        metrics: list[MetricRow] = []
        chains: list[ChainRow] = []
        curves: dict[str, dict[str, Plain]] = {}
        returns: dict[str, tuple[float, ...]] = {}
        for style in config.exit_styles:
            ran = self._engine.run_compiled(market, config, instance, style, spec.seed)
            outcome = replace(ran, origins=market.source.origins)
            rng = np.random.default_rng([spec.seed, list(ExitStyle).index(style)])
            metrics += metric_rows(outcome, rng)
            chains += chain_rows(outcome)
            curves[str(style)] = curve_columns(outcome.curve, outcome.benchmarks)
            returns[str(style)] = returns_over_holding(outcome.curve)
        told = self._provenance(market, instance)
        return RunResult(told, tuple(metrics), tuple(chains), curves, market.source.notes, returns)

    def _provenance(self, market: CompiledMarket, instance: StrategyConfig) -> Provenance:
        return Provenance(market.source.fingerprint, self._version, in_force(self._settings, instance))

    def _read(self, spec: RunSpec) -> tuple[BacktestConfig, StrategyConfig]:
        config = read_config(spec.config)
        return config, instance_of(self._settings, spec.strategy, spec.underlyings, config)

    def _opened(self, spec: RunSpec, config: BacktestConfig, progress: Progress) -> CompiledMarket:
        key = market_key(spec, config)
        with self._lock:
            if self._market is None or self._market[0] != key:
                self._market = (key, self._engine.open_compiled(self._settings, spec, config, progress))
            return self._market[1]


def market_key(spec: RunSpec, config: BacktestConfig) -> str:
    """Equal for sets that see one market: all but the strategy, its preset and changes, and the exit styles."""
    options = config.model_dump(mode="json", exclude={"preset", "changes", "exit_styles", "mode"})
    period = (spec.source, spec.underlyings, spec.start_ms, spec.end_ms, spec.seed)
    return json.dumps([*period, options], sort_keys=True)
