"""Idle cash: what a yearly rate pays on cash that covers nothing.

Idle is the cash of a currency less the worst case of every option that is short in it, and of every sale that rests
(core/decide/cover: a coin a call, the strike a put), whatever was bought against it: a wing's relief is not counted.
A day's interest is the rate on the lower of its idle cash at both ends, seen just after 08:00 UTC and just before the
next, simple, on 365 days, rounded down to the currency's grain. A short without a bound leaves nothing idle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal

from optionwriter.core.books.account import YIELD, CashMovement
from optionwriter.core.decide.cover import cover_per_coin
from optionwriter.core.market.instruments import MS_PER_YEAR, Instrument
from optionwriter.core.market.money import quantum

_ZERO = Decimal(0)
Short = tuple[Instrument, Decimal]  # and its unsigned coins


def idle_cash(currency: str, cash: Decimal, shorts: Iterable[Short]) -> Decimal:
    """Cash that no short of that currency claims; never below 0."""
    free = cash
    for option, amount in shorts:
        if option.product.settlement_currency == currency:
            each = cover_per_coin(option)
            if each is None:
                return _ZERO
            free -= each * amount
    return max(_ZERO, free)


@dataclass(slots=True)
class IdleYield:
    """`rates`: fraction a year by currency. Errors: ValueError for a rate outside [0, 1]."""

    rates: Mapping[str, Decimal]
    _since: dict[str, tuple[int, Decimal]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for currency, rate in self.rates.items():
            if not 0 <= rate <= 1:
                raise ValueError(
                    f"the idle yield of {currency} is {rate}: it must lie between 0 and 1 a year"
                )

    def begin(self, cash: Mapping[str, Decimal], shorts: Sequence[Short], at_ms: int) -> None:
        """A day begins with that cash and those shorts."""
        for currency in self.rates:
            self._since[currency] = (at_ms, idle_cash(currency, cash.get(currency, _ZERO), shorts))

    def paid(
        self,
        cash: Mapping[str, Decimal],
        shorts: Sequence[Short],
        usd_value: Callable[[str, int], Decimal],
        at_ms: int,
    ) -> list[CashMovement]:
        """The movements of the day that ends with that cash and those shorts; none of a currency that earned nothing.

        `usd_value` gives one unit's price at an instant.
        """
        found = []
        for currency, rate in self.rates.items():
            since_ms, before = self._since[currency]
            idle = min(before, idle_cash(currency, cash.get(currency, _ZERO), shorts))
            interest = idle * rate * (at_ms - since_ms) / MS_PER_YEAR
            amount = interest.quantize(quantum(currency), rounding=ROUND_FLOOR)
            if amount:
                index = usd_value(currency, at_ms)
                name = f"paper-{YIELD}-{currency}-{at_ms}"
                found.append(CashMovement(name, currency, amount, YIELD, index, at_ms))
        return found
