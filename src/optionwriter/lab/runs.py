"""Runs from Python: one backtest, its result as the command line and the API give it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from optionwriter.bootstrap.backtests import check as check_run
from optionwriter.bootstrap.backtests import runner
from optionwriter.core.report.run import RunResult, RunSpec
from optionwriter.settings import Settings, load


def run_backtest(
    strategy: str,
    start: str,
    end: str,
    underlyings: Sequence[str] = ("BTC",),
    source: str = "synthetic",
    seed: int = 1,
    settings: Settings | None = None,
    **config: Any,
) -> RunResult:
    """Runs a strategy instance over [start, end) and gives its result; nothing is stored.

    Days are UTC, as 2026-02-02. `config`: the fields of a backtest (preset, exit_styles, step_minutes, data, btc, …).
    Errors: services.jobs.RunError names what is wrong; ValueError for no day.
    """
    chosen = settings or load().settings
    spec = RunSpec(
        f"{strategy} on {source}", source, strategy, tuple(underlyings), day_ms(start), day_ms(end), seed, config
    )  # fmt: skip
    check_run(chosen, spec)
    return runner(chosen)(spec, lambda _share, _text: None)


def day_ms(text: str) -> int:
    """A UTC day (or an instant with its zone) as epoch milliseconds. Errors: ValueError."""
    found = datetime.fromisoformat(text)
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
