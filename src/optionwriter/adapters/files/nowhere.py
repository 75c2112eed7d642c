"""Nowhere: a decision sink that keeps nothing and a kill switch that nobody engages, for backtests.

A backtest's decisions are made anew by repeating the run, and nothing of it reaches an exchange.
"""

from __future__ import annotations

from collections.abc import Mapping

from optionwriter.core.report.decision import DecisionRecord
from optionwriter.ports import KillOrder


class NoDecisionFiles:
    """ports.DecisionSink."""

    keeps = False

    def write(self, record: DecisionRecord, candidates: Mapping[str, object]) -> None:
        """Keeps nothing."""


class NeverKilled:
    """ports.KillSwitch."""

    def read(self) -> KillOrder | None:
        """None."""
        return None

    def engage(self, reason: str, by: str, at_ms: int) -> None:
        """There is nothing to stop."""

    def clear(self) -> None:
        """There is nothing to lift."""
