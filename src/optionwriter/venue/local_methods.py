"""Local methods: what no exchange offers, for tests and manual play. Off unless the engine was told to allow them."""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.margin import available_funds
from optionwriter.core.market.money import QUANTA, quantise
from optionwriter.venue.errors import VenueError, invalid
from optionwriter.venue.execution import record
from optionwriter.venue.request import Request
from optionwriter.venue.shapes import log_shape
from optionwriter.venue.state import EventKind
from optionwriter.venue.valuation import currency_view
from optionwriter.venue.values import JsonValue


def deposit(request: Request) -> JsonValue:
    """Cash in (amount above 0) or out (below 0); no more goes out than available_funds. Shows the log entry."""
    account = request.authorised()
    currency = request.params.required("currency").upper()
    if currency not in QUANTA:
        raise invalid("currency", f"must be one of {', '.join(QUANTA)}")
    amount = request.params.number("amount")
    if not amount or quantise(amount, currency) != amount:
        raise invalid("amount", f"must be a number other than 0, in steps of {QUANTA[currency]:f}")
    if (
        amount < 0
        and available_funds(currency_view(request.state.market, account, currency, request.now_ms)) < -amount
    ):
        raise VenueError(10009)
    kind = "deposit" if amount > 0 else "withdrawal"
    details = {
        "price": None,
        "position": None,
        "order_id": None,
        "trade_id": None,
        "interest_pl": None,
        "info": {"deposit_type" if amount > 0 else "withdrawal_type": "local"},
    }
    entry = record(
        request.state,
        account,
        kind,
        currency,
        None,
        "-",
        quantise(amount, currency),
        Decimal(0),
        dict(details),
    )
    request.state.emit(EventKind.CASH, account, "", str(entry.entry_id))
    return log_shape(entry, account)
