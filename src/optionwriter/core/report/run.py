"""Run: a backtest as it is asked for, as it goes, and what it found; plain values that every store keeps alike.

A run's row is the job too: who works on it, until when that claim holds, how far it is, whether it is to stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Plain = object  # what JSON can hold
USD = "USD"  # a metric's currency where it is of all of them together
MOST_ATTEMPTS = 2  # a run whose worker was lost is queued again once


class RunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self not in (RunStatus.QUEUED, RunStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What is asked for. `config` holds everything that decides the result, as JSON can hold it.

    `group` names a sweep or a comparison that several runs belong to. Instants are epoch milliseconds.
    """

    name: str
    source: str  # synthetic, live_deribit, real_scraper, sample
    strategy: str  # instance name
    underlyings: tuple[str, ...]
    start_ms: int
    end_ms: int
    seed: int
    config: Mapping[str, Plain] = field(default_factory=dict)
    driver: str = "event"
    group: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a result rests on beside its spec: equal ones must give equal results, to the last digit."""

    data_fingerprint: str
    code_version: str
    settings: Mapping[str, Plain] = field(
        default_factory=dict
    )  # dotted keys: strategy table and limits in force


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as stored."""

    id: int
    spec: RunSpec
    status: RunStatus
    created_ms: int
    started_ms: int | None = None
    finished_ms: int | None = None
    attempts: int = 0
    worker: str = ""
    lease_until_ms: int | None = None
    progress: float = 0.0  # 0 to 1
    progress_text: str = ""
    cancel_requested: bool = False
    error: str = ""
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One number of a result: `currency` is a coin, USDC or USD; None is what can't be known."""

    exit_style: str
    currency: str
    name: str
    value: float | None
    error: float | None = None


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One position of a result. Amounts are decimal text; `detail` has legs and flows."""

    exit_style: str
    chain_id: str
    strategy_id: str
    strategy_type: str
    underlying: str
    option_type: str
    currency: str
    opened_ms: int
    closed_ms: int | None
    pnl: str
    pnl_usd: str
    detail: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run found. By exit style `curves`, columns of equal length, and `returns`, each day's return over holding
    (core/report/likeness)."""

    provenance: Provenance
    metrics: tuple[MetricRow, ...]
    chains: tuple[ChainRow, ...]
    curves: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    returns: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs; an empty field asks for any. `before_id` pages backwards; `folded` asks of each group for its latest
    run only."""

    status: RunStatus | None = None
    source: str = ""
    strategy: str = ""
    underlying: str = ""
    group: str = ""
    before_id: int | None = None
    folded: bool = False
