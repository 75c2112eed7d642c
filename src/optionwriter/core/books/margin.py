"""Margin: Deribit's standard margin of short options, and the identities of a currency's account.

Owns the formulas of FACTS §4 (standard margin as last published; whether August 2026 changed the options' part is
open). Inverse is documented; linear takes the same percentages of the underlying and is ASSUMED. Standard margin
knows no cover: a short call costs the same whether or not the coin lies beside it, and a bought leg gives no offset.
The per-coin formulas are type-neutral: Decimal or float.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.books.account import CurrencyAccount, Side
from optionwriter.core.books.fees import N, coin_value
from optionwriter.core.market.instruments import Instrument
from optionwriter.core.market.money import quantise

_NONE = Decimal(0)


def maintenance_margin(mark: N, coin_value: N, is_call: bool) -> N:
    """Maintenance margin of one coin short, in the settlement currency; source FACTS §4.

    Call 0.075 + mark; put max(0.075, 0.075 mark) + mark; times `coin_value`: 1 inverse, the underlying in USDC linear
    (assumed).
    """
    floor = coin_value * 75 / 1000
    share = mark * 75 / 1000
    return (floor if is_call or share < floor else share) + mark


def initial_margin(strike: N, underlying: N, mark: N, coin_value: N, is_call: bool, maintenance: N) -> N:
    """Initial margin of one coin short, in the settlement currency; source FACTS §4.

    max(0.15 - OTM/S, 0.10) + mark and never less than `maintenance` (the same option's), where S is `underlying`, its
    mark price in USD, and OTM max(0, K-S) for a call, max(0, S-K) for a put. `coin_value` as in maintenance_margin
    (linear assumed).
    """
    away = strike - underlying if is_call else underlying - strike
    out = away if away > 0 else away - away
    reduced = coin_value * 15 / 100 - coin_value * out / underlying
    least = coin_value * 10 / 100
    opening = (reduced if reduced > least else least) + mark
    return opening if opening > maintenance else maintenance


@dataclass(frozen=True, slots=True)
class MarginLine:
    """What one instrument adds to an account: its net position (signed) and the rest of each resting order.

    `mark` is in the settlement currency, `underlying` the mark price of the underlying (USD). Each order is its side,
    its unfilled amount and its limit price.
    """

    instrument: Instrument
    position: Decimal
    mark: Decimal
    underlying: Decimal
    orders: tuple[tuple[Side, Decimal, Decimal], ...] = ()


def line_margin(line: MarginLine) -> tuple[Decimal, Decimal]:
    """(initial, maintenance) margin of one instrument, unrounded.

    Resting sells count as filled as far as they go beyond a long position (open orders reserve initial margin, FACTS
    §4); a resting buy reserves its premium as far as it goes beyond a short one (assumed).
    """
    short, long = max(_NONE, -line.position), max(_NONE, line.position)
    worth = coin_value(line.instrument.product, line.underlying)
    is_call = line.instrument.is_call
    initial = maintenance = _NONE
    sells = sum((amount for side, amount, _ in line.orders if side is Side.SELL), _NONE)
    newly_short = max(_NONE, sells - long)
    if short or newly_short:
        keeping = maintenance_margin(line.mark, worth, is_call)
        opening = initial_margin(line.instrument.strike, line.underlying, line.mark, worth, is_call, keeping)
        initial = (short + newly_short) * opening
        maintenance = short * keeping
    return initial + _premium_reserved(line, short), maintenance


def _premium_reserved(line: MarginLine, short: Decimal) -> Decimal:
    """Premium of the resting buys, dearest first, after the part of them that only buys back."""
    buys = sorted(((price, amount) for side, amount, price in line.orders if side is Side.BUY), reverse=True)
    spare, reserved = sum((amount for _, amount in buys), _NONE) - short, _NONE
    for price, amount in buys:
        if spare <= 0:
            break
        taken = min(amount, spare)
        reserved += taken * price
        spare -= taken
    return reserved


def currency_account(currency: str, balance: Decimal, lines: Iterable[MarginLine]) -> CurrencyAccount:
    """One currency's account from its cash and the lines that settle in it (others are left out).

    Holds by construction (FACTS §4, recorded): equity = balance + options_value; margin_balance = equity -
    options_value (nothing here holds futures). Each figure is on the currency's grain.
    """
    options_value = initial = maintenance = _NONE
    for line in lines:
        if line.instrument.product.settlement_currency != currency:
            continue
        options_value += line.position * line.mark
        opening, keeping = line_margin(line)
        initial += opening
        maintenance += keeping
    worth = quantise(options_value, currency)
    equity = balance + worth
    return CurrencyAccount(
        currency=currency,
        balance=balance,
        equity=equity,
        margin_balance=equity - worth,
        options_value=worth,
        initial_margin=quantise(initial, currency),
        maintenance_margin=quantise(maintenance, currency),
    )


def available_funds(account: CurrencyAccount) -> Decimal:
    """margin_balance - initial_margin (FACTS §4, recorded)."""
    return account.margin_balance - account.initial_margin
