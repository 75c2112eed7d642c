"""Schemas: what the API answers. Stable: fields are added, never renamed or dropped.

Amounts and prices are decimal numbers as text, exact; None is what can't be known now. `_abs` is the settlement
currency (coin, or USDC for linear options), `_abs_usd` dollars with each flow at the index of its own instant; `_pct`
percent of the collateral that the position's first leg bound. Instants are exchange time: UTC text, and
`_ms` since 1970.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Amount = Annotated[str, Field(description="Decimal number as text, exact.")]
Maybe = Amount | None


class Fresh(BaseModel):
    """How old the answer is, and in words what to think of it."""

    version: int = Field(description="Grows with every publication; 0 before the first.")
    age_s: float | None = Field(
        description="Seconds since the agent last published, by this machine's clock."
    )
    stale: bool = Field(description="The agent has stopped, hangs, or has not published yet.")
    message: str


class Growing(BaseModel):
    """A row to which the agent may add fields that are not named here yet; they are passed on."""

    model_config = ConfigDict(extra="allow")


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


class Leg(Growing):
    """One leg; `quantity` is signed, negative is short; `side` is how it was opened."""

    instrument: str
    side: str
    currency: str
    strike: Amount
    expiry: str
    expiry_ms: int
    quantity: Amount
    entry_price: Amount
    exit_price: Maybe
    current_mark: Maybe
    status: str
    opened_at: str
    opened_ms: int
    closed_at: str | None
    closed_ms: int | None
    label: str
    pnl_abs: Maybe
    pnl_abs_usd: Maybe


class Total(BaseModel):
    """A sum over positions that settle in one currency."""

    currency: str
    pnl_abs: Maybe
    pnl_abs_usd: Maybe


class OpenRow(Growing):
    """An open position of the bot; a bundle is one row with its legs inside."""

    position_id: str
    underlying: str
    option_type: str
    strategy_type: str
    strategy_id: str
    instrument: str
    strike: Amount
    expiry: str
    expiry_ms: int
    days_to_expiry: float
    quantity: Amount
    entry_price: Amount
    current_mark: Maybe
    unrealized_pnl_abs: Maybe
    unrealized_pnl_abs_usd: Maybe
    unrealized_pnl_pct: Maybe
    unrealized_pnl_pct_usd: Maybe
    realized_pnl_abs: Maybe
    realized_pnl_abs_usd: Maybe
    fees: Maybe = Field(None, description="A flow: negative what was paid.")
    fees_usd: Maybe = None
    net_premium: Maybe = None
    net_premium_usd: Maybe = None
    currency: str
    execution_mode: str
    created_at: str
    created_ms: int
    number_of_rolls: int
    legs: list[Leg]


class ClosedRow(Growing):
    """A position that is over."""

    position_id: str
    underlying: str
    option_type: str
    strategy_type: str
    strategy_id: str
    currency: str
    execution_mode: str
    created_at: str
    created_ms: int
    closed_at: str
    closed_ms: int
    net_premium: Amount
    net_premium_usd: Amount
    realized_pnl_abs: Amount
    realized_pnl_abs_usd: Amount
    realized_pnl_pct: Amount
    realized_pnl_pct_usd: Amount
    fees: Amount = Field(description="A flow: negative what was paid.")
    fees_usd: Maybe = None
    number_of_rolls: int
    days_in_trade: float
    max_drawdown: Amount = Field(description="Worst fall of its result from its best, settlement currency.")
    legs: list[Leg]


class OpenPositions(Fresh):
    """GET /api/positions/bot/open."""

    positions: list[OpenRow]
    totals: list[Total]


class ClosedPositions(Fresh):
    """GET /api/positions/bot/closed."""

    positions: list[ClosedRow]
    totals: list[Total]


class OrderLeg(BaseModel):
    """One order of a menu item."""

    instrument: str
    side: str
    amount: Amount
    limit_price: Amount
    start_price: Amount
    reduce_only: bool
    chain_id: str = Field("", description="The chain it belongs to, where it is not the item's own.")


class Metrics(Growing):
    """What an item's option looks like."""

    delta: float | None
    dte: float | None
    premium_usd: float | None
    ivrv: float | None
    otm_pct: float | None
    spread: float | None


class Item(Growing):
    """One thing that could be done; its parts add up to its score."""

    key: str
    action: str
    reason: str
    legs: list[OrderLeg]
    size: str
    score: float | None
    parts: list[tuple[str, float | None]]
    mandatory: bool
    metrics: Metrics
    chain_id: str
    value: float | None
    threshold: float | None


class Held(Growing):
    """What the rules say of a position."""

    chain_id: str
    instrument: str
    verdict: str
    reason: str
    value: float | None
    threshold: float | None


class Miss(BaseModel):
    """A candidate that failed, with the first gate it failed; `distance` is negative."""

    instrument: str
    gate: str
    value: float | None
    threshold: float | None
    distance: float | None


class Menu(Growing):
    """One underlying: what could be done, what is held and why, what nearly could be done."""

    underlying: str
    items: list[Item]
    items_left_out: int
    held: list[Held]
    counts_by_gate: dict[str, int]
    nearest: list[Miss]
    notes: list[str]


class Refusal(BaseModel):
    """An item that was chosen and not allowed."""

    key: str
    codes: list[str]
    reasons: list[str]


class Order(Growing):
    """What became of an order of the decision."""

    label: str
    instrument: str
    side: str
    amount: Amount
    limit_price: Amount
    filled: Amount
    outcome: str
    detail: str


class Decision(Growing):
    """One strategy's decision in one cycle."""

    decision_id: str
    strategy_id: str
    at: str
    at_ms: int
    execution_mode: str
    action: str
    chosen: list[str]
    approved: list[str]
    refused: list[Refusal]
    menus: list[Menu]
    reasoning: str
    failure: str
    orders: list[Order]


class Decisions(Fresh):
    """GET /api/decisions: the latest, latest first."""

    decisions: list[Decision]


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


class Flow(Growing):
    """A cash flow of a position: what came in is positive. `index` is the index of its instant."""

    at: str
    at_ms: int
    kind: str
    instrument: str | None = None
    amount: Maybe
    amount_usd: Maybe = None
    index: Maybe = None
    currency: str | None = None


class Fill(Growing):
    """A fill of one of a position's orders."""

    at: str
    at_ms: int
    instrument: str
    side: str
    amount: Maybe
    price: Maybe
    fee: Maybe = None
    index: Maybe = None
    label: str | None = None
    currency: str | None = None


class Payoff(Growing):
    """A position's result at expiry over the underlying's price: columns of equal length."""

    at_ms: int | None = None
    expiry: str | None = None
    underlying_price: list[float | None]
    pnl: list[float | None] = Field(description="Settlement currency.")
    pnl_usd: list[float | None]
    breakevens: list[float] = Field(description="Of `pnl`, prices of the underlying.")
    breakevens_usd: list[float] | None = Field(None, description="Of `pnl_usd`.")
    strikes: list[float]
    spot: float | None = None


class PositionDetail(Fresh):
    """GET /api/positions/bot/{position_id}."""

    model_config = ConfigDict(extra="allow")

    position: dict[str, Any] = Field(description="The row of the list it stands in, open or closed.")
    flows: list[Flow]
    fills: list[Fill]
    fees: Maybe = None
    fees_usd: Maybe = None
    net_premium: Maybe = None
    net_premium_usd: Maybe = None
    collateral: Maybe = None
    collateral_usd: Maybe = None
    upside_given_up: Maybe = Field(
        None, description="Owed beyond its strikes: payoffs paid, and of buy-backs what was in the money."
    )
    upside_given_up_usd: Maybe = None
    premium_kept: Maybe = Field(None, description="Every other flow; less what was given up, all flows.")
    premium_kept_usd: Maybe = None
    currency: str | None = None
    payoff: Payoff | None = None


class CurrencyCurve(Growing):
    """One currency's equity and what merely holding would be, in that currency."""

    equity: list[float | None]
    holding: list[float | None]


class Columns(BaseModel):
    """An equity curve: columns of equal length, oldest first; null is a gap."""

    at_ms: list[int]
    equity_usd: list[float | None]
    holding_usd: list[float | None]
    currencies: dict[str, CurrencyCurve]


class Equity(Columns, Fresh):
    """GET /api/equity."""


class CommandGiven(BaseModel):
    """POST /api/commands."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    kind: Literal["kill", "resume"]
    reason: str = Field(min_length=3, max_length=500, description="Why, in the words that the log will keep.")


class CommandTaken(BaseModel):
    """The command was left for the agent, which obeys it with its next cycle."""

    id: int | None = Field(
        description="null where no agent has run yet; the kill switch is engaged all the same."
    )
    kind: str


class Problem(BaseModel):
    """Any answer that is not 200: one sentence that names what is wrong and the cure."""

    error: str


class DecisionsQuery(BaseModel):
    """What GET /api/decisions may be asked for; another name is refused."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="How many, at most.")
    strategy: str | None = Field(None, max_length=100, description="Only this strategy_id.")


class NoQuery(BaseModel):
    """The address takes no parameter; any is refused."""

    model_config = ConfigDict(extra="forbid")


class Explanation(BaseModel):
    """GET /api/explain/{decision_id}: one decision of the log, explained (docs/explain.md)."""

    decision_id: str
    at_ms: int
    strategy_id: str
    action: str
    reasoning: str
    why_this: list[dict[str, Any]] = Field(
        description="Each approved item against its runner-up, part by part."
    )
    refused: dict[str, list[str]] = Field(description="What risk refused, with its reasons.")
    why_not: list[dict[str, Any]] = Field(description="Gate, value, threshold and distance, nearest first.")
    what_would_change: dict[str, Any] = Field(description="By coin and type the smallest single change.")
    after_expiry: dict[str, Any] = Field(description="What each candidate would have earned, per coin.")
    upside: dict[str, Any] | None = Field(
        description="Given up beyond the strikes, against the premium kept."
    )
