"""Valuation: an account's currencies at an instant, and whether an order may be taken.

Uses core.books.margin for every formula; owns what goes into it (positions, resting orders) and the admission rule.
"""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.account import CurrencyAccount, Side
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.books.margin import MarginLine, available_funds, currency_account
from optionwriter.core.market.instruments import parse_instrument
from optionwriter.core.market.money import quantise
from optionwriter.venue.accounts import Account
from optionwriter.venue.errors import VenueError
from optionwriter.venue.orders import Order
from optionwriter.venue.quotes import MarketView
from optionwriter.venue.values import ZERO

Resting = tuple[Side, Decimal, Decimal]


def currency_of(name: str) -> str:
    """The currency in which an option settles."""
    return parse_instrument(name).product.settlement_currency


def margin_lines(
    market: MarketView,
    account: Account,
    currency: str,
    at_ms: int,
    extra: Order | None = None,
    leave_out_expiry_ms: int | None = None,
) -> list[MarginLine]:
    """What each of the account's instruments in `currency` adds: its position, its resting orders and `extra`.

    `extra` stands for itself: a resting order with the same id is not counted beside it.
    """
    resting: dict[str, list[Resting]] = {}
    working = [one for one in account.open_orders.values() if extra is None or one.order_id != extra.order_id]
    for order in [*working, *([extra] if extra else [])]:
        resting.setdefault(order.instrument.name, []).append(
            (order.side, order.amount - order.filled, order.price)
        )
    names = [one for one in dict.fromkeys([*account.positions, *resting]) if currency_of(one) == currency]
    if leave_out_expiry_ms is not None:
        names = [one for one in names if parse_instrument(one).expiry_ms != leave_out_expiry_ms]
    quotes = market.quotes(names, at_ms)
    return [
        MarginLine(
            instrument=quotes[name].instrument,
            position=account.size(name),
            mark=quotes[name].mark,
            underlying=quotes[name].forward,
            orders=tuple(resting.get(name, ())),
        )
        for name in names
    ]


def currency_view(market: MarketView, account: Account, currency: str, at_ms: int) -> CurrencyAccount:
    """One currency of the account, marked at `at_ms` (FACTS §4)."""
    lines = margin_lines(market, account, currency, at_ms)
    return currency_account(currency, account.cash.get(currency, ZERO), lines)


def equity(market: MarketView, account: Account, currency: str, at_ms: int) -> Decimal:
    """balance + options_value."""
    held = [name for name in account.positions if currency_of(name) == currency]
    quotes = market.quotes(held, at_ms)
    worth = sum((account.positions[name].size * quotes[name].mark for name in held), ZERO)
    return account.cash.get(currency, ZERO) + quantise(worth, currency)


def admit(market: MarketView, account: Account, order: Order, at_ms: int) -> None:
    """Refuses (10009) an order that the account can't carry.

    An order that adds to the initial margin needs available funds for it and for its fee, counted as if it rested
    (open orders reserve initial margin, FACTS §4); its own premium is credited only when it fills. A buy must also be
    payable in cash at its limit: there is no credit for closing (assumed; liquidation is not modelled).
    """
    product = order.instrument.product
    currency = product.settlement_currency
    balance = account.cash.get(currency, ZERO)
    before = currency_account(currency, balance, margin_lines(market, account, currency, at_ms))
    after = currency_account(currency, balance, margin_lines(market, account, currency, at_ms, extra=order))
    rest = order.amount - order.filled
    index = market.quote(order.instrument.name, at_ms).index
    fee = trading_fee(product, rest, order.price, index)
    if after.initial_margin > before.initial_margin and available_funds(after) < fee:
        raise VenueError(10009)
    if order.side is Side.BUY and rest * order.price + fee > balance:
        raise VenueError(10009)
