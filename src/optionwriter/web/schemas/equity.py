"""Equity: curves as columns."""

from __future__ import annotations

from pydantic import BaseModel

from optionwriter.web.schemas.common import Fresh, Growing


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
