"""Costs: what is no position's P&L and yet belongs to a run: fees that combos saved, what idle cash earned, and what a
wheel's conversions moved."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from optionwriter.core.books.account import CONVERSION, YIELD
from optionwriter.core.books.facts import Deposited, Fact, Filled
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.market.instruments import parse_instrument
from optionwriter.core.report.run import USD

_ZERO = Decimal(0)


def fees_saved(facts: Iterable[Fact], currency: str) -> Decimal:
    """What these fills paid less than single legs would have, in their currency, or in USD at each fill's price.

    The facts are those of one currency where `currency` isn't USD.
    """
    total = _ZERO
    for one in facts:
        body = one.body
        if isinstance(body, Filled):
            option = parse_instrument(body.instrument)
            saved = trading_fee(option.product, body.amount, body.price, body.index) - body.fee
            total += saved * body.currency_index if currency == USD else saved
    return total


def idle_yield(facts: Iterable[Fact], currency: str) -> Decimal:
    """What idle cash earned in a currency; in USD all of them, each at the price of its instant."""
    return _moved(facts, currency, YIELD)


def converted(facts: Iterable[Fact], currency: str) -> Decimal:
    """What conversions brought (or took) of a currency; in USD what all of them cost, which is below 0."""
    return _moved(facts, currency, CONVERSION)


def _moved(facts: Iterable[Fact], currency: str, kind: str) -> Decimal:
    total = _ZERO
    for one in facts:
        body = one.body
        if isinstance(body, Deposited) and body.reason == kind and currency in (USD, body.currency):
            total += body.amount * body.index if currency == USD else body.amount
    return total
