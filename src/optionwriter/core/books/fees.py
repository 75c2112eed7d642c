"""Fees: what Deribit charges for trading an option and for its delivery.

Owns the one formula of both (FACTS §4): a rate on the underlying, capped at an eighth (12.5 %) of the option's own
value. The formula is type-neutral arithmetic: the books call it with Decimal, the rules with float. The booking faces
quantise as money is booked (DESIGN §3). A fee is positive when it is paid.

Combos: of the legs that are bought and those that are sold, the side whose fees are lower pays nothing (FACTS §4). The
agent sends legs, which pay in full; only a backtest that is told so (`combo`) trades combos.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from optionwriter.core.market.instruments import Family, Product
from optionwriter.core.market.money import quantise

N = TypeVar("N", float, Decimal)

# maker and taker alike, inverse and linear alike (recorded 2026-09-20; FACTS §4)
TRADING_RATE = Decimal("0.0003")
CAP_DIVISOR = 8  # no fee is more than an eighth of the option's own value (FACTS §4)
# in the money only; dailies pay nothing (FACTS §4, fee page before August 2026)
DELIVERY_RATE = Decimal("0.00015")
DAILY_DELIVERY_RATE = Decimal(0)


def option_fee(amount: N, price: N, coin_value: N, rate: N) -> N:
    """The fee of `amount` coins of an option worth `price` a coin, unrounded; source FACTS §4.

    `price`, `coin_value` and the result are in the settlement currency. `coin_value` is one coin of the underlying:
    1 for an inverse option, the index in USDC for a linear one. `rate` is the fraction of it that is charged.
    The cap is `price / CAP_DIVISOR`: an option worth nothing costs nothing, so delivery out of the money is free.
    """
    charged = rate * coin_value
    cap = price / CAP_DIVISOR
    return amount * (charged if charged < cap else cap)


def coin_value(product: Product, index: Decimal) -> Decimal:
    """One coin of the underlying in the product's settlement currency: 1, or `index` for a linear product."""
    return Decimal(1) if product.family is Family.INVERSE else index


def trading_fee(
    product: Product, amount: Decimal, price: Decimal, index: Decimal, rate: Decimal = TRADING_RATE
) -> Decimal:
    """The fee of a trade of `amount` (unsigned) coins at `price`, booked in the settlement currency.

    `index` (USD) matters for linear products only. The sense in which Deribit rounds is assumed (half-even).
    """
    return quantise(option_fee(amount, price, coin_value(product, index), rate), product.settlement_currency)


def delivery_fee(
    product: Product, amount: Decimal, value: Decimal, delivery_price: Decimal, is_daily: bool
) -> Decimal:
    """The fee of delivering `amount` (unsigned) coins of an option that ends worth `value` a coin, booked.

    `is_daily` is the instrument's settlement_period `day`. Source FACTS §4 (the cap on `value` as in trading).
    """
    rate = DAILY_DELIVERY_RATE if is_daily else DELIVERY_RATE
    return quantise(
        option_fee(amount, value, coin_value(product, delivery_price), rate), product.settlement_currency
    )


@dataclass(frozen=True, slots=True)
class ComboSide:
    """The legs of a combo that were bought, or those that were sold: coins, and what they would pay as single legs."""

    amount: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)


def combo_waived(bought: ComboSide, sold: ComboSide, currency: str) -> Decimal:
    """What a combo saves over its single legs, booked: the fees of the cheaper side, of as many coins as match.

    Source FACTS §4: legs are grouped in bought and sold, and the option fees of the cheaper group are waived in full
    (Deribit's release note of 18 August 2022; its fee page still said "100 % discount on cheapest leg" before August
    2026). Each leg's fee is capped before the groups are compared. Legs of one side only, as a strangle's two sales,
    save nothing: their other group is empty.
    """
    matched = min(bought.amount, sold.amount)
    if not matched:
        return quantise(Decimal(0), currency)
    return quantise(min(bought.fees * matched / bought.amount, sold.fees * matched / sold.amount), currency)
