"""Chain and Leg: one position through its life, from its first sale over its rolls to its end.

Owns the shapes and their derived quantities; how facts change them is the ledger's, P&L is pnl's.
A chain is one strategy's position in one product and option type; its legs follow each other (rolls) or, in a
spread, stand beside each other. Two chains of a strangle share a bundle, which their ids name, so that each keeps one
currency and its own exact P&L. Amounts are coins of the underlying, prices and flows the settlement currency.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from optionwriter.core.market.instruments import OptionType, parse_instrument

_BUNDLED = re.compile(r"(b[0-9a-f]{20})\.(call|put)")


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
    TAKEN_OVER = "taken_over"  # what an adopted position was worth when it came: value, not cash


@dataclass(frozen=True, slots=True)
class Flow:
    """One cash flow, booked (quantised); `index` is the USD price of one unit of its currency, which fixes its USD
    value for good."""

    at_ms: int
    kind: FlowKind
    amount: Decimal
    index: Decimal
    instrument: str


@dataclass(frozen=True, slots=True)
class Leg:
    """One option held or owed. `position` is signed and open now; `opened` is the unsigned total ever opened. `sold`
    says which way it was opened, and stays when the leg has ended; `settled` coins ended at `delivery_price`.

    `basis` (and `basis_usd`, at the flows' own indices) is the cash that the open part brought when it was opened,
    signed: what splits a P&L into realised and unrealised. Both are 0 when nothing is open.
    """

    instrument: str
    position: Decimal
    opened: Decimal
    basis: Decimal
    basis_usd: Decimal
    entry_price: Decimal  # average, exact quotient kept to 28 digits: for show, never for P&L
    exit_price: Decimal | None  # average of buy-backs, or the settlement value per coin
    opened_ms: int
    closed_ms: int | None
    label: str
    status: LegStatus
    sold: bool = True
    settled: Decimal = Decimal(0)
    delivery_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """A position as the owner sees it. `flows` hold every cash flow it ever had, in order.

    `closed_ms` is set while no leg is open and no order of the chain can still fill; a roll whose new leg is not
    yet ordered may stand closed for a moment and opens again.
    """

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
        """Whether a leg is open or an order of the chain could still open one."""
        return self.closed_ms is None

    @property
    def bundle(self) -> str:
        """The bundle that the chain belongs to, "" for one that stands alone."""
        return bundle_of(self.chain_id)

    @property
    def open_legs(self) -> tuple[Leg, ...]:
        """The legs that are open now."""
        return tuple(leg for leg in self.legs if leg.status is LegStatus.OPEN)

    def open_leg(self, instrument: str) -> Leg | None:
        """The open leg in that instrument; there is at most one."""
        return next((leg for leg in self.open_legs if leg.instrument == instrument), None)

    def held(self, option_type: OptionType, expiry_ms: int, *, sold: bool) -> Decimal:
        """Coins (unsigned) of the open legs of that type and expiry that were sold, or that were bought."""
        total = Decimal(0)
        for leg in self.open_legs:
            option = parse_instrument(leg.instrument)
            if option.option_type is option_type and option.expiry_ms == expiry_ms and leg.sold is sold:
                total += abs(leg.position)
        return total


def bundled_chain_id(bundle: str, option_type: OptionType) -> str:
    """The id of a bundle's chain of that type: the bundle's own, a dot, call or put."""
    return f"{bundle}.{option_type}"


def bundle_of(chain_id: str) -> str:
    """The bundle that a chain id names, "" when it names none."""
    match = _BUNDLED.fullmatch(chain_id)
    return match[1] if match else ""
