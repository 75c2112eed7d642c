"""Strategies: each instance's rules in force, and what it holds and has brought."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from optionwriter.web.schemas.agent import Limit
from optionwriter.web.schemas.common import Fresh, Growing
from optionwriter.web.schemas.positions import Total


class StrategyRow(Growing):
    """One strategy instance: its rules in force, its last decision, what it holds and has brought."""

    strategy_id: str
    strategy_type: str
    underlyings: list[str]
    writes: list[str]
    style: str
    min_score: float
    gates: dict[str, float | None]
    at: str
    at_ms: int
    last_action: str
    last_reasoning: str
    failure: str
    rejected_by_gate: dict[str, int]
    roll_gates: dict[str, Any] | None = None
    score: dict[str, Any] | None = Field(None, description="The score's weights and scales.")
    manage: dict[str, Any] | None = None
    roll: dict[str, Any] | None = None
    limits: list[Limit] | None = None
    chooser: str | None = None
    epsilon: float | None = None
    profile: str | None = None
    enabled: bool | None = None
    positions_open: int
    positions_closed: int
    unrealized: list[Total]
    realized: list[Total]


class Strategies(Fresh):
    """GET /api/strategy-status."""

    strategies: list[StrategyRow]
    limits: list[Limit] = Field(description="All limits with their use: the account's and each strategy's.")
