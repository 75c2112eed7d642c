"""A decision sink that keeps nothing: a backtest's decisions are made anew by repeating the run."""

from __future__ import annotations

from collections.abc import Mapping

from optionwriter.core.report.decision import DecisionRecord


class NoDecisionFiles:
    """ports.DecisionSink."""

    def write(self, record: DecisionRecord, candidates: Mapping[str, object]) -> None:
        """Keeps nothing."""
