"""Money: an exact amount in one currency, and the grain in which a currency is booked.

Owns the quantum of each currency. Coin is booked to 1e-8 and USDC to 1e-6, half-even, at the moment when a
fact is made and never later (DESIGN §3); USD values are products of exact numbers and are not rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact

QUANTA: dict[str, Decimal] = {
    "BTC": Decimal("1e-8"),
    "ETH": Decimal("1e-8"),
    "USDC": Decimal("1e-6"),
}

# Sums and products of booked amounts must come out exact; an inexact one is a bug, so it raises.
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[Inexact])


class CurrencyError(ValueError):
    """Two currencies met in one sum, or a currency that is not known."""


def quantum(currency: str) -> Decimal:
    """The smallest booked amount of `currency`."""
    try:
        return QUANTA[currency]
    except KeyError:
        raise CurrencyError(f"unknown currency {currency!r}: known are {', '.join(QUANTA)}") from None


def quantise(amount: Decimal, currency: str) -> Decimal:
    """`amount` on the booking grain of `currency`, half-even."""
    return amount.quantize(quantum(currency), rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency. Sums of different currencies raise CurrencyError."""

    amount: Decimal
    currency: str

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyError(f"{self.currency} and {other.currency} cannot be added: convert one first")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(EXACT.add(self.amount, other.amount), self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(EXACT.subtract(self.amount, other.amount), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def times(self, factor: Decimal) -> Money:
        """The exact product; not quantised."""
        return Money(EXACT.multiply(self.amount, factor), self.currency)

    def quantised(self) -> Money:
        """On the booking grain of its currency."""
        return Money(quantise(self.amount, self.currency), self.currency)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"
