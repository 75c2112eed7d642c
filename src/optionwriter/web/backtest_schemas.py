"""Backtest schemas: what /api/backtests takes and answers. Stable: fields are added, never renamed or dropped.

Instants are epoch milliseconds UTC. Ratios and shares are fractions; a metric that can't be known is null.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from optionwriter.core.report.run import RunFilter, RunStatus
from optionwriter.web.schemas import Columns, Growing

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]
Instant = Annotated[int, Field(ge=0, le=4_102_444_800_000)]


class RunsQuery(BaseModel):
    """Which backtests; another name is refused."""

    model_config = ConfigDict(extra="forbid")

    status: RunStatus | None = Field(None, description="queued, running, finished, failed or cancelled.")
    source: Name = Field("", description="Only this source.")
    strategy: Name = Field("", description="Only this strategy instance.")
    underlying: Name = Field("", description="Only runs with this coin.")
    group: Name = Field("", description="Only runs of this sweep or comparison.")
    before: int | None = Field(None, ge=1, le=2_147_483_647, description="Only runs older than this id.")
    limit: int = Field(50, ge=1, le=200, description="How many, at most.")

    @property
    def wanted(self) -> RunFilter:
        """As the store is asked."""
        return RunFilter(
            self.status, self.source, self.strategy, self.underlying.upper(), self.group, self.before
        )


class StyleQuery(BaseModel):
    """One exit style of a run."""

    model_config = ConfigDict(extra="forbid")

    exit_style: Name = Field("", description="hold_to_expiry, tp_and_roll or own.")


class DownloadQuery(BaseModel):
    """The file's kind."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "csv", "html"] = Field(
        "json", description="Everything as JSON, the positions as CSV, or a report to read."
    )


class RunAsked(BaseModel):
    """POST /api/backtests: what is to be run."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field("", description="To find it again.")
    source: Name = Field(description="Where the market comes from, as synthetic or sample.")
    strategy: Name = Field(description="An instance of the strategy file by its name, switched on or not.")
    underlyings: list[Annotated[str, Field(min_length=1, max_length=20)]] = Field(
        min_length=1, max_length=20, description="Coins."
    )
    start_ms: Instant = Field(description="The period's first instant.")
    end_ms: Instant = Field(description="The period's end.")
    seed: int = Field(1, ge=0, le=2_147_483_647, description="Of the price path and the resampling.")
    group: Name = Field("", description="A name for runs that belong together.")
    driver: Name = Field(
        "event", description="event, compiled, or auto: compiled where it can take the run, else event."
    )
    config: dict[str, Any] = Field(
        default_factory=dict, description="preset, exit_styles, changes and the rest, as docs/backtesting.md."
    )


class RunQueued(BaseModel):
    """The run is queued; a worker takes it."""

    id: int


class GroupAsked(BaseModel):
    """POST /api/backtests/cancel: the sweep or comparison whose runs are to stop."""

    model_config = ConfigDict(extra="forbid")

    group: Annotated[str, Field(min_length=1, max_length=100)]


class GroupStopped(BaseModel):
    """How many runs were cancelled, or asked to stop."""

    group: str
    runs: int


class GroupQuery(BaseModel):
    """DELETE /api/backtests: the sweep or comparison whose runs are to be dropped."""

    model_config = ConfigDict(extra="forbid")

    group: Annotated[str, Field(min_length=1, max_length=100)]


class GroupGone(BaseModel):
    """How many runs were dropped."""

    group: str
    runs: int


class RunGone(BaseModel):
    """The run that was dropped."""

    id: int


class RunSpec(Growing):
    """What was asked for."""

    name: str
    source: str
    strategy: str
    underlyings: list[str]
    start_ms: int
    end_ms: int
    seed: int
    driver: str
    group: str
    config: dict[str, Any] = Field(description="All that decides the result beside the rest.")


class RunProvenance(Growing):
    """What a result rests on beside what was asked for."""

    data_fingerprint: str
    code_version: str
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Strategy table and limits as they were in force, by dotted key."
    )


class RunState(Growing):
    """How a run stands."""

    id: int
    spec: RunSpec
    status: RunStatus
    created_ms: int
    started_ms: int | None
    finished_ms: int | None
    attempts: int
    progress: float = Field(description="0 to 1.")
    progress_text: str
    cancel_requested: bool
    error: str = Field(description="Why it failed, else empty.")
    provenance: RunProvenance | None


class RunHeadline(Growing):
    """A finished run's first figures in one exit style, in USD."""

    exit_style: str
    net_profit: float | None
    total_return: float | None
    max_drawdown: float | None = Field(description="Deepest fall as a share of the top before it.")
    sharpe: float | None
    sharpe_error: float | None = Field(description="Its standard error.")
    over_holding: float | None
    trades: float | None


class ListedRun(RunState):
    """A run in a list."""

    headline: list[RunHeadline]


class Runs(BaseModel):
    """GET /api/backtests."""

    runs: list[ListedRun]
    before: int | None = Field(description="Ask with it for older ones; null when these are the last.")


class RunMetric(Growing):
    """One figure of a run."""

    exit_style: str
    currency: str = Field(description="A coin, USDC or USD.")
    name: str
    value: float | None
    error: float | None = Field(description="Standard error, where one is known.")


class RunPosition(Growing):
    """One position of a run; amounts are exact decimal text."""

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
    detail: dict[str, Any] = Field(description="Legs, flows, rolls, P&L by part.")


class Run(BaseModel):
    """GET /api/backtests/{run_id}, and the download."""

    run: RunState
    metrics: list[RunMetric]
    positions: list[RunPosition]
    curves: dict[str, dict[str, Any]] = Field(description="By exit style, columns of equal length.")
    notes: list[str]


class RunBenchmark(BaseModel):
    """A plain rule's equity beside a run's: columns as long as the run's."""

    name: str
    title: str
    about: str = Field(description="What the rule does.")
    usd: list[float | None]
    currencies: dict[str, list[float | None]]


class RunColumns(Columns):
    """GET /api/backtests/{run_id}/equity: at most some 2,000 points."""

    benchmarks: list[RunBenchmark]


class RunDifference(Growing):
    """One figure of two runs."""

    exit_style: str
    currency: str
    name: str
    first: float | None
    second: float | None
    change: float | None = Field(description="Second less first; null unless both are known.")


class RunDiff(BaseModel):
    """GET /api/backtests/{first}/diff/{second}."""

    first: RunState
    second: RunState
    metrics: list[RunDifference]


class LabQuery(RunsQuery):
    """Which backtests the Lab's list shows."""

    limit: int = Field(20, ge=1, le=100)
    status: RunStatus | Literal[""] | None = None  # type: ignore[assignment]  # a form sends its empty choice

    @property
    def wanted(self) -> RunFilter:
        """As the store is asked: a sweep's runs as one, unless it is that sweep's list."""
        found = RunsQuery(**{**self.model_dump(), "status": self.status or None}).wanted
        return replace(found, folded=not self.group)

    @property
    def paged(self) -> str:
        """What a link to another page of the list keeps, as an address has it."""
        kept = {"status": self.status, "source": self.source, "strategy": self.strategy, "group": self.group}
        return urlencode({name: str(value) for name, value in kept.items() if value})


class SweepQuery(BaseModel):
    """Which sweep, and what it is ranked by."""

    model_config = ConfigDict(extra="forbid")

    group: Annotated[str, Field(min_length=1, max_length=100)]
    by: Literal["net_profit", "over_holding", "sharpe", "max_drawdown", "trades", "win_rate", "fees"] = (
        "sharpe"
    )


class DiffQuery(BaseModel):
    """The two runs that are compared."""

    model_config = ConfigDict(extra="forbid")

    run: list[Annotated[int, Field(ge=1, le=2_147_483_647)]] = Field(default_factory=list)
