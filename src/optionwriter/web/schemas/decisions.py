"""Decisions: what each strategy could do, did, and was refused; one of them explained."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from optionwriter.web.schemas.common import Amount, Fresh, Growing


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


class DecisionsQuery(BaseModel):
    """What GET /api/decisions may be asked for; another name is refused."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="How many, at most.")
    strategy: str | None = Field(None, max_length=100, description="Only this strategy_id.")


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
