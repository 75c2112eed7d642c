"""Conversion: the purchase or sale of the coin that turns a wheel, on paper, at 08:00 UTC.

After a short linear put was settled in the money its coins are bought, after a short inverse call what its strike comes
to in coin is sold: at the index of that instant, `cost` above or below it. It is two cash movements of their own kind,
out of one currency and into the other, that are worth the same but for the cost; no order, and nobody's position.
Keeps: only cash is spent that covers nothing, so less than all is converted where it isn't there; amounts are rounded
to the account's disadvantage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from optionwriter.adapters.paper.idle import Short, idle_cash
from optionwriter.core.books.account import CONVERSION, CashMovement, Settlement
from optionwriter.core.market.instruments import Family, parse_instrument
from optionwriter.core.market.money import quantum

_ZERO = Decimal(0)
_USDC = "USDC"


@dataclass(frozen=True, slots=True)
class Conversion:
    """`cost`: fraction of the index that a conversion loses. Errors: ValueError for one outside [0, 1)."""

    cost: Decimal

    def __post_init__(self) -> None:
        if not 0 <= self.cost < 1:
            raise ValueError(f"the conversion cost is {self.cost}: it must lie between 0 and 1")

    def turned(
        self,
        ended: Sequence[Settlement],
        cash: Mapping[str, Decimal],
        shorts: Sequence[Short],
        usd_value: Callable[[str, int], Decimal],
        at_ms: int,
    ) -> list[CashMovement]:
        """The movements that turn the wheel after these settlements, `cash` and `shorts` being those after them."""
        left, found = dict(cash), []
        for one in ended:
            option = parse_instrument(one.instrument)
            coin, linear = option.product.underlying, option.product.family is Family.LINEAR
            if one.payoff >= 0 or one.position >= 0 or option.is_call is linear:
                continue
            usd = {name: usd_value(name, at_ms) for name in (coin, _USDC)}
            price = usd[coin] / usd[_USDC]
            if linear:
                price *= 1 + self.cost
                wanted = min(-one.position, idle_cash(_USDC, left.get(_USDC, _ZERO), shorts) / price)
                coins = wanted.quantize(quantum(coin), rounding=ROUND_FLOOR)
                moved = {
                    _USDC: -(coins * price).quantize(quantum(_USDC), rounding=ROUND_CEILING),
                    coin: coins,
                }
            else:
                price *= 1 - self.cost
                strike = -one.position * option.strike / one.delivery_price
                wanted = min(strike, idle_cash(coin, left.get(coin, _ZERO), shorts))
                coins = wanted.quantize(quantum(coin), rounding=ROUND_FLOOR)
                moved = {coin: -coins, _USDC: (coins * price).quantize(quantum(_USDC), rounding=ROUND_FLOOR)}
            if not coins:
                continue
            for currency, amount in moved.items():
                left[currency] = left.get(currency, _ZERO) + amount
                name = f"paper-{CONVERSION}-{one.instrument}-{currency}"
                found.append(CashMovement(name, currency, amount, CONVERSION, usd[currency], at_ms))
        return found
