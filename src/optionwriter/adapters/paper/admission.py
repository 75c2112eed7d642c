"""Whether paper takes an order: the exchange's checks in the exchange's order, each with its code (FACTS §6).

Owns the refusals. Rules are those of the local exchange: an order that adds to the initial margin needs available
funds for it and its fee, its own premium not counted; a buy must be payable in cash at its limit.
"""

from __future__ import annotations

from decimal import Decimal

from optionwriter.adapters.paper.account import PaperAccount
from optionwriter.adapters.paper.tape import PaperQuote
from optionwriter.core.books.account import Rejected, Side
from optionwriter.core.books.facts import Intent
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.books.margin import MarginLine, available_funds

_ZERO = Decimal(0)


def refusal(
    intent: Intent, amount: Decimal, quote: PaperQuote, account: PaperAccount, lines: list[MarginLine]
) -> Rejected | None:
    """Why the order isn't taken, None when it is. `amount` is what a reduce-only order is cut to."""
    product = quote.option.product
    if intent.amount < product.min_amount:
        return Rejected(10002, f"10002 qty_too_low {intent.amount}")
    if not product.amount_on_grid(intent.amount):
        return Rejected(10021, f"10021 invalid_amount {intent.amount}")
    if intent.limit_price <= 0:
        return Rejected(10023, f"10023 invalid_price {intent.limit_price}")
    if not product.price_on_grid(intent.limit_price):
        return Rejected(10043, f"10043 price_wrong_tick {intent.limit_price}")
    if amount <= 0:
        return Rejected(11030, "11030 other_reject reduce_only order would not reduce the position")
    if not _affordable(intent, amount, quote, account, lines):
        return Rejected(10009, "10009 not_enough_funds")
    return None


def _affordable(
    intent: Intent, amount: Decimal, quote: PaperQuote, account: PaperAccount, lines: list[MarginLine]
) -> bool:
    product = quote.option.product
    currency = product.settlement_currency
    fee = trading_fee(product, amount, intent.limit_price, quote.index)
    before = account.view(currency, lines)
    after = account.view(currency, _with_order(intent, amount, quote, account, lines))
    if after.initial_margin > before.initial_margin and available_funds(after) < fee:
        return False
    due = amount * intent.limit_price + fee
    return intent.side is not Side.BUY or due <= account.cash.get(currency, _ZERO)


def _with_order(
    intent: Intent, amount: Decimal, quote: PaperQuote, account: PaperAccount, lines: list[MarginLine]
) -> list[MarginLine]:
    """The lines as if the order rested beside what is there."""
    added = (intent.side, amount, intent.limit_price)
    name = intent.instrument
    others = [line for line in lines if line.instrument.name != name]
    orders = next((line.orders for line in lines if line.instrument.name == name), ())
    line = MarginLine(quote.option, account.size(name), quote.mark, quote.forward, (*orders, added))
    return [*others, line]
