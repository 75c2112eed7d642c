"""Positions: the bot's open and closed ones, and one of them whole."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from optionwriter.web.schemas.common import Amount, Fresh, Growing, Maybe


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
