"""Agent: GET /status: what the agent is, may do, sees and has."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from optionwriter.web.schemas.common import Fresh, Growing, Maybe


class Heartbeat(Growing):
    """How the agent's loop goes, since its process began."""

    cycles: int
    failed: int
    outcome: Literal["starting", "done", "failed", "stopped"]
    complaint: str = Field(description="Why the last cycle failed or the agent stopped, else empty.")
    complaint_at: str | None
    complaint_ms: int | None
    at: str | None
    at_ms: int | None
    expected_within_s: float | None


class Underlying(Growing):
    """The market as the last cycle saw it. Returns, volatilities and the rank are fractions."""

    underlying: str
    spot: Maybe
    regime: str
    volatility_index: float | None = Field(description="Percent points, as the exchange's index.")
    volatility_rank_1y: float | None
    realised_7d: float | None
    realised_30d: float | None
    return_1d: float | None
    return_7d: float | None
    return_30d: float | None
    data_age_ms: int | None = Field(description="Age of the quotes when the cycle used them.")


class Currency(BaseModel):
    """One currency of the account; `holding` is what mere deposits would be."""

    currency: str
    balance: Maybe
    equity: Maybe
    equity_usd: Maybe
    holding: Maybe
    holding_usd: Maybe
    option_pnl: Maybe
    option_pnl_usd: Maybe
    initial_margin: Maybe
    margin_used_pct: Maybe
    free_cover: Maybe


class Limit(Growing):
    """How much of a limit is used; `strategy_id` is "" for the account's, `external` what is not ours uses of it."""

    name: str
    subject: str
    used: Maybe
    limit: Maybe
    used_pct: Maybe
    external: Maybe
    strategy_id: str


class External(BaseModel):
    """A position on the account that is not ours."""

    instrument: str
    amount: Maybe
    option_type: str | None = None
    strike: Maybe = None
    expiry: str | None = None
    mark: Maybe = None
    worth: Maybe = Field(None, description="At the mark, in `currency`; negative for what is owed.")
    worth_usd: Maybe = None
    currency: str | None = None


class Kill(Growing):
    """A kill switch that the agent has seen engaged."""

    reason: str
    by: str
    at: str
    at_ms: int


class Agent(Growing):
    """What the agent is, may do, sees and has, as of its last good cycle."""

    account: str
    environment: str
    execution_mode: str
    dry_run: bool
    state: Literal["ACTIVE", "REDUCING", "HALTED"]
    state_reason: str
    state_lifted_by: str
    at: str
    at_ms: int
    open_chains: int
    unresolved_orders: int
    unresolved: list[str]
    underlyings: list[Underlying]
    equity_usd: Maybe
    holding_usd: Maybe
    over_holding_usd: Maybe
    option_usd: Maybe
    missing: str = Field(description="The price whose absence leaves sums unknown.")
    currencies: list[Currency]
    limits: list[Limit]
    external: list[External]
    foreign: list[str]
    contradictions: list[str]
    differences: list[str]
    kill: Kill | None = Field(
        None, description="The kill switch as the agent last saw it; null: not engaged."
    )
    commands_pending: int = Field(0, description="Commands that the agent has not obeyed yet.")


class Status(Fresh):
    """GET /status."""

    heartbeat: Heartbeat | None
    agent: Agent | None
