"""Chain and Leg: one position through its life, from its first sale over its rolls to its end.

Owns the shapes and their derived quantities; how facts change them is the ledger's, P&L is pnl's.
A chain is one strategy's position in one product and option type; its legs follow each other (rolls) or, in a
bundle, stand beside each other. Amounts are coins of the underlying, prices and flows the settlement currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from optionwriter.core.market.instruments import OptionType


class LegStatus(StrEnum):
    """Where a leg stands."""

    OPEN = "open"
    CLOSED = "closed"  # bought back (or sold out)
    SETTLED = "settled"  # ended at expiry


class FlowKind(StrEnum):
    """What a cash flow was for."""

    PREMIUM = "premium"  # trades, before fees, signed
    FEE = "fee"  # trading fees, negative
    PAYOFF = "payoff"  # settlement, signed
    DELIVERY_FEE = "delivery_fee"  # negative


@dataclass(frozen=True, slots=True)
class Flow:
    """One cash flow, booked (quantised), with the index that fixes its USD value for good."""

    at_ms: int
    kind: FlowKind
    amount: Decimal
    index: Decimal
    instrument: str


@dataclass(frozen=True, slots=True)
class Leg:
    """One option held or owed. `position` is signed and open now; `opened` is the unsigned total ever opened."""

    instrument: str
    position: Decimal
    opened: Decimal
    entry_price: Decimal  # average, exact quotient kept to 28 digits: for show, never for P&L
    exit_price: Decimal | None  # average of buy-backs, or the settlement value per coin
    opened_ms: int
    closed_ms: int | None
    label: str
    status: LegStatus


@dataclass(frozen=True, slots=True)
class Chain:
    """A position as the owner sees it. `flows` hold every cash flow it ever had, in order."""

    chain_id: str
    strategy_id: str
    strategy_type: str  # covered_call, cash_secured_put, …
    product: str
    option_type: OptionType
    legs: tuple[Leg, ...]
    flows: tuple[Flow, ...]
    created_ms: int
    closed_ms: int | None
    rolls: int

    @property
    def is_open(self) -> bool:
        """Whether any leg is open."""
        return self.closed_ms is None

    @property
    def open_legs(self) -> tuple[Leg, ...]:
        """The legs that are open now."""
        return tuple(leg for leg in self.legs if leg.status is LegStatus.OPEN)
