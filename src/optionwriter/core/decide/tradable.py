"""Tradable: how much of a balance options can be written against, since they come in lots and every short is covered.

Owns the sizing that needs no market: cover as cover.py has it, lots as the exchange has them, caps as Limits has them.
A premium is not counted, though an order's own counts when it is sized: what is tradable here is tradable at any price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.decide.cover import cover_per_coin, coverable
from optionwriter.core.decide.crossing import lots
from optionwriter.core.decide.limits import Limits
from optionwriter.core.market.instruments import Instrument, OptionType, Product, option_name
from optionwriter.core.market.money import EXACT

_ZERO = Decimal(0)
TYPICAL_STRIKE = Decimal(
    "0.9"
)  # of the index: where a put is sold that has a delta of 0.1 to 0.3 some weeks out


@dataclass(frozen=True, slots=True)
class Tradable:
    """What `budget` of a settlement currency lets be written of one kind of option.

    `amount` is in coins, whole lots, 0 when not even one fits; `capped_by` names the limit that holds it below what
    the cash covers, with its USD.
    """

    option: Instrument
    budget: Decimal
    amount: Decimal
    capped_by: str = ""
    cap_usd: Decimal | None = None

    @property
    def product(self) -> Product:
        """The option's book."""
        return self.option.product

    @property
    def currency(self) -> str:
        """In which it is covered."""
        return self.option.product.settlement_currency

    @property
    def lot(self) -> Decimal:
        """The smallest tradable amount, coins."""
        return self.option.product.min_amount

    @property
    def lot_cover(self) -> Decimal:
        """What one smallest amount binds."""
        return self.lot * (cover_per_coin(self.option) or _ZERO)

    @property
    def bound(self) -> Decimal:
        """What `amount` binds."""
        return self.amount * (cover_per_coin(self.option) or _ZERO)

    @property
    def remainder(self) -> Decimal:
        """What of the budget stays unused, because it is less than another lot or because a limit holds it."""
        return max(_ZERO, self.budget - self.bound)

    @property
    def missing(self) -> Decimal:
        """What the budget lacks for one lot."""
        return max(_ZERO, self.lot_cover - self.budget)


def sample_option(product: Product, option_type: OptionType, index: Decimal) -> Instrument:
    """An option of the kind as it is typically sold: a call at the index, a put at TYPICAL_STRIKE of it, whole USD."""
    share = Decimal(1) if option_type is OptionType.CALL else TYPICAL_STRIKE
    strike = max(Decimal(1), (index * share).quantize(Decimal(1)))
    return Instrument(option_name(product.code, 0, strike, option_type), product, 0, strike, option_type)


def tradable(
    option: Instrument, budget: Decimal, limits: Limits, index: Decimal, equity_usd: Decimal
) -> Tradable:
    """How much of the option `budget` covers within the limits on notional; nothing else is held or waits.

    `index` and `equity_usd` in USD: notional is amount × index for a call, amount × strike for a put (Limits).
    """
    covered = coverable(option, _ZERO, budget)
    each_usd = index if option.is_call else option.strike
    caps = {
        f"MAX_{option.option_type.upper()}_NOTIONAL_PER_UNDERLYING": limits.notional(option.option_type),
        "MAX_EXPIRY_EXPOSURE": limits.max_expiry_exposure,
    }
    name, usd = min(((one, cap.in_usd(equity_usd)) for one, cap in caps.items()), key=lambda each: each[1])
    capped = lots(option.product, usd / each_usd)
    if capped < covered:
        return Tradable(option, budget, capped, name, usd)
    return Tradable(option, budget, covered)


def equity_usd(cash: Mapping[str, Decimal], index: Mapping[str, Decimal], dollars: Sequence[str]) -> Decimal:
    """The cash in USD at the index of each coin; `dollars` count at 1. Coins without an index count nothing."""
    return sum(
        (EXACT.multiply(amount, Decimal(1) if name in dollars else index.get(name, _ZERO))
         for name, amount in cash.items()),
        _ZERO,
    )  # fmt: skip
