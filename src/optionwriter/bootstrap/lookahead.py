"""Seats both desks of a lookahead check: on a source as it is, and as it was known at an instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from optionwriter.bootstrap.backtest_config import BacktestConfig, instance_of, read_config
from optionwriter.bootstrap.backtests import desk_for
from optionwriter.bootstrap.source import Source
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.decide.strategies.exits import with_exit_style
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import DecisionSink
from optionwriter.services.cycle import Desk
from optionwriter.services.lookahead import Checked, check_lookahead, windows
from optionwriter.settings import Settings

Opener = Callable[[Settings, RunSpec, BacktestConfig, int | None], Source]


def lookahead_check(
    settings: Settings,
    spec: RunSpec,
    cuts: int,
    lead_ms: int,
    told: Callable[[int], None] = lambda _done: None,
    opener: Opener = open_source,
) -> Checked:
    """Cuts the spec's source at `cuts` random instants (its seed) and compares the decisions of the `lead_ms` before
    each. Errors: RunError."""
    config = read_config(spec.config)
    instance = with_exit_style(
        instance_of(settings, spec.strategy, spec.underlyings, config), config.exit_styles[0]
    )
    whole = opener(settings, spec, config, None)

    def seat(until_ms: int | None, begin_ms: int, sink: DecisionSink) -> Desk:
        source = whole if until_ms is None else opener(settings, spec, config, until_ms)
        seated = desk_for(settings, config, replace(source, instants=(begin_ms,)), instance, spec.seed)
        return replace(seated, sink=sink, stopwatch=lambda: 0.0)

    chosen = windows(whole.instants, cuts, lead_ms, np.random.default_rng(spec.seed))
    return check_lookahead(seat, chosen, told)
