"""The transaction log and the settlement history: what the exchange tells an account about its money.

Owns the shapes of both records. Type strings of the two-step delivery (`exercise`, then `delivery` of the future) and
the entry that bears the fee are ASSUMED: FACTS §0 and §10 know the extra entry but not its words.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from optionwriter.venue.values import Json


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry. `change` is what the balance moved by: `cashflow` less `commission` (FACTS §2).

    `details` are the type's further fields, as the wire names them.
    """

    entry_id: int
    user_seq: int
    at_ms: int
    currency: str
    kind: str
    instrument: str | None
    side: str
    cashflow: Decimal
    commission: Decimal
    change: Decimal
    balance: Decimal
    equity: Decimal
    details: Json


@dataclass(frozen=True, slots=True)
class SettlementEntry:
    """One instrument's settlement in one account; `position` is signed, options in coins, inverse futures in USD."""

    number: int
    at_ms: int
    kind: str
    instrument: str
    currency: str
    position: Decimal
    index: Decimal
    mark: Decimal
    profit: Decimal
    session_profit: Decimal
