"""DecisionRecord: what one strategy decided in one iteration, and what it all rested on.

Owns the fields of a line of the decision log. Values are plain (text, numbers, Decimal, lists, mappings of them):
the cycle makes them, a log writes them, a page shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Plain = object  # str | int | float | bool | None | Decimal | sequences and mappings of these
Row = Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """The numbers an owner asks for first, of the item acted on or looked at; None where there is none."""

    delta: float | None = None
    dte: float | None = None  # days to expiry
    premium_usd: float | None = None
    ivrv: float | None = None  # implied over realised volatility


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One iteration of one strategy instance. `at_ms` is exchange time."""

    decision_id: str
    at_ms: int
    strategy_id: str
    mode: str  # live, paper, backtest
    fingerprint: str  # of the market it saw
    state: Row  # summary of account and state
    menu: tuple[Row, ...]  # the items, best first
    gate_counts: Mapping[str, int]  # candidates that failed first at each gate
    nearest_rejects: tuple[Row, ...]  # gate, value, threshold and distance, nearest first
    proposed: Row  # what the chooser answered
    risk: Row  # approved, or refused with its codes
    final: Row  # what was done
    execution: Row  # how it ended at the broker
    reasoning: str
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    choice: Row = field(
        default_factory=dict
    )  # how the answer came about: who chose, how likely it was, by chance or not
