"""Facts: what happened, appended and never changed, each in an envelope.

Owns the kinds and their versions. Amounts are Decimal in the settlement currency, already quantised (DESIGN §3);
every fact that moves money carries the USD price of one unit of its currency at its instant (the coin's index, or
USDC's own), so that its USD value is fixed when it is made.
A fact with a version this code doesn't know is refused, never guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from optionwriter.core.books.account import Side


class FactError(ValueError):
    """A fact that can't be written or read: a wrong shape, or a kind or version this code doesn't know."""


class Action(StrEnum):
    """What an intent is part of (DESIGN §7)."""

    OPEN_COVERED_CALL = "OPEN_COVERED_CALL"
    ROLL_CALL = "ROLL_CALL"
    CLOSE_CALL = "CLOSE_CALL"
    OPEN_CASH_SECURED_PUT = "OPEN_CASH_SECURED_PUT"
    ROLL_PUT = "ROLL_PUT"
    CLOSE_PUT = "CLOSE_PUT"
    OPEN_CALL_SPREAD = "OPEN_CALL_SPREAD"
    ROLL_CALL_SPREAD = "ROLL_CALL_SPREAD"
    CLOSE_CALL_SPREAD = "CLOSE_CALL_SPREAD"
    OPEN_PUT_SPREAD = "OPEN_PUT_SPREAD"
    ROLL_PUT_SPREAD = "ROLL_PUT_SPREAD"
    CLOSE_PUT_SPREAD = "CLOSE_PUT_SPREAD"
    OPEN_STRANGLE = "OPEN_STRANGLE"
    ROLL_STRANGLE = "ROLL_STRANGLE"
    CLOSE_STRANGLE = "CLOSE_STRANGLE"
    DO_NOTHING = "DO_NOTHING"


class TradingState(StrEnum):
    """What the agent may do: everything, only reduce, or nothing but watch."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True)
class Intent:
    """An order we mean to send. `reason` is the rule that asked for it (open, take_profit, defensive_roll, …).

    `plan` groups the intents of one bundle (a roll's close and open share it); `step` is its order within.
    """

    label: str
    plan: str
    step: int
    action: Action
    reason: str
    instrument: str
    side: Side
    amount: Decimal
    limit_price: Decimal
    reduce_only: bool
    valid_until_ms: int


@dataclass(frozen=True, slots=True)
class LedgerOpened:
    """The first fact: whose ledger this is. `mode` is live or paper."""

    environment: str
    mode: str


@dataclass(frozen=True, slots=True)
class Deposited:
    """Cash that came (amount > 0) or went (< 0) without a trade: opening, deposit, withdrawal, correction.

    `index` is the USD price of one unit of `currency`.
    """

    movement_id: str
    currency: str
    amount: Decimal
    reason: str
    index: Decimal


@dataclass(frozen=True, slots=True)
class Decided:
    """A strategy's cycle that chose something: item keys chosen, refused (key, codes), and what it all rested on."""

    chosen: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    fingerprint: str
    summary: str


@dataclass(frozen=True, slots=True)
class IntentPrepared:
    """Committed before the order is sent; counts as filled until something better is known."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class OrderAcknowledged:
    """The venue took it."""

    label: str
    order_id: str


@dataclass(frozen=True, slots=True)
class OrderRejected:
    """The venue refused it for certain."""

    label: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrderUnknown:
    """Nobody knows whether the venue took it."""

    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class OrderProvenAbsent:
    """It never reached the venue and no longer can."""

    label: str


@dataclass(frozen=True, slots=True)
class OrderClosed:
    """It rests no more: cancelled, or filled to the end. `filled` is its total."""

    label: str
    order_id: str
    state: str
    filled: Decimal


@dataclass(frozen=True, slots=True)
class Filled:
    """A trade. `label` is "" for a trade that is not ours. `cash` is the signed flow before the fee.

    `index` is the underlying's index; `currency_index` the USD price of one unit of the settlement currency, which is
    the same for inverse options and USDC's own index for linear ones.
    """

    label: str
    order_id: str
    trade_id: str
    instrument: str
    side: Side
    amount: Decimal
    price: Decimal
    cash: Decimal
    fee: Decimal
    index: Decimal
    currency_index: Decimal
    mark: Decimal


@dataclass(frozen=True, slots=True)
class Settled:
    """A leg's end at expiry, or with no chain id that of a position not ours. `position` is what ended, signed;
    `payoff` a signed flow; `fee` positive when paid.

    `currency_index` is the USD price of one unit of the settlement currency: the delivery price for inverse options.
    """

    instrument: str
    position: Decimal
    delivery_price: Decimal
    currency_index: Decimal
    payoff: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Adopted:
    """A position that we didn't open is managed from here on, taken over at `average_price`; no cash moves."""

    instrument: str
    position: Decimal
    average_price: Decimal
    currency_index: Decimal


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The agent may do more or less than before; `lifted_by` names the rule that lifts it."""

    state: TradingState
    reason: str
    lifted_by: str


Body = (
    LedgerOpened
    | Deposited
    | Decided
    | IntentPrepared
    | OrderAcknowledged
    | OrderRejected
    | OrderUnknown
    | OrderProvenAbsent
    | OrderClosed
    | Filled
    | Settled
    | Adopted
    | StateChanged
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the ledger. `seq` counts from 1 without gaps; ids are "" where they don't apply."""

    seq: int
    at_ms: int  # exchange time
    recorded_ms: int  # when we wrote it
    account: str
    strategy_id: str
    decision_id: str
    chain_id: str
    body: Body
    version: int = 1

    @property
    def kind(self) -> str:
        """The body's name, as stored."""
        return type(self.body).__name__
