"""The account as the venue shows it: cash, margin, positions, resting orders, at one instant.

Owns the shapes only; what is ours among them is the ledger's to say. Amounts are Decimal in the currency's unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Side(StrEnum):
    """Direction of an order or a trade, as Deribit spells it."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: what it does to the position."""
        return 1 if self is Side.BUY else -1


@dataclass(frozen=True, slots=True)
class CurrencyAccount:
    """One currency of the account (get_account_summary, FACTS §4: margin_balance = equity - options_value)."""

    currency: str
    balance: Decimal
    equity: Decimal
    margin_balance: Decimal
    options_value: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal


@dataclass(frozen=True, slots=True)
class Position:
    """A net position of the account. `amount` is signed, in coins of the underlying (negative: short)."""

    instrument: str
    amount: Decimal
    average_price: Decimal
    mark_price: Decimal


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue reports it. `state` is Deribit's: open, filled, rejected, cancelled."""

    order_id: str
    label: str  # "" when it was placed without one
    instrument: str
    side: Side
    amount: Decimal
    filled_amount: Decimal
    price: Decimal
    state: str
    reduce_only: bool
    created_ms: int


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """The whole account at one instant of exchange time."""

    at_ms: int
    account_id: str
    environment: str  # local, testnet, mainnet
    margin_model: str  # segregated_sm, segregated_pm, cross_sm, cross_pm
    cross_collateral: bool
    currencies: tuple[CurrencyAccount, ...]
    positions: tuple[Position, ...]
    open_orders: tuple[VenueOrder, ...]

    def currency(self, code: str) -> CurrencyAccount | None:
        """That currency's account, None when the venue shows none."""
        return next((one for one in self.currencies if one.currency == code), None)


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of ours. `fee` is positive when paid; `index` is the product's index at the trade, USD."""

    trade_id: str
    order_id: str
    label: str
    instrument: str
    side: Side
    amount: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    index: Decimal
    mark: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """One position's end at expiry. `position` is signed; `payoff` and `fee` are in the settlement currency;
    `payoff` is signed as a cash flow (a short call in the money has a negative one), `fee` positive when paid."""

    instrument: str
    position: Decimal
    delivery_price: Decimal
    payoff: Decimal
    fee: Decimal
    at_ms: int


# kinds of movements that only a backtest knows
YIELD = "yield"  # what idle cash earned
CONVERSION = "conversion"  # one side of a purchase or sale of coin that turns a wheel


@dataclass(frozen=True, slots=True)
class CashMovement:
    """Cash that came or went without a trade. `amount` is signed; `kind` is the venue's word (deposit, withdrawal…)."""

    movement_id: str
    currency: str
    amount: Decimal
    kind: str
    index: Decimal
    at_ms: int


VenueEvent = Fill | Settlement | CashMovement


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The venue took the order; `fills` are those it reported with the reply."""

    order: VenueOrder
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue refused it for certain: nothing rests, nothing filled."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows: counts as filled, is never resent, blocks its chain until it is found or proven absent."""

    reason: str


Outcome = Acknowledged | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """A look-up by label that found the order and all its fills."""

    order: VenueOrder
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """Every look-up (label, open orders, recent and old orders, trades) succeeded and shows nothing."""

    looked_ms: int


@dataclass(frozen=True, slots=True)
class LookupFailed:
    """A look-up failed, so it says nothing."""

    reason: str


Lookup = Found | Absent | LookupFailed
