"""Position: one instrument's net position in one account.

Owns the averaging: adding moves the average, reducing keeps it and realises, 08:00 UTC re-bases the session to the
mark (FACTS §4: session figures reset at 08:00). A fill that crosses zero is split by the caller, so that every fill
here either adds or reduces.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from optionwriter.venue.values import ZERO


@dataclass(slots=True)
class Position:
    """`size` is signed, in coins; averages are in the settlement currency, `average_usd` at the index of each trade."""

    size: Decimal = ZERO
    average: Decimal = ZERO
    average_usd: Decimal = ZERO
    session_average: Decimal = ZERO
    realised: Decimal = ZERO

    def fill(self, signed: Decimal, price: Decimal, price_usd: Decimal) -> tuple[Decimal, Decimal]:
        """Takes a fill that doesn't cross zero; returns the profit it realises (since entry, since 08:00 UTC)."""
        size = self.size + signed
        if self.size * signed >= 0:
            self.average = (self.average * self.size + price * signed) / size
            self.average_usd = (self.average_usd * self.size + price_usd * signed) / size
            self.session_average = (self.session_average * self.size + price * signed) / size
            profit = session = ZERO
        else:
            profit = -signed * (price - self.average)
            session = -signed * (price - self.session_average)
        self.size = size
        self.realised += profit
        return profit, session

    def rebase(self, mark: Decimal) -> None:
        """A new session begins at `mark`."""
        self.session_average = mark
        self.realised = ZERO


def split_at_zero(position: Decimal, signed: Decimal) -> tuple[Decimal, ...]:
    """A fill's parts: what closes first, what opens second; one part unless it crosses zero (FACTS §2)."""
    if position * signed < 0 and abs(signed) > abs(position):
        return (-position, signed + position)
    return (signed,)
