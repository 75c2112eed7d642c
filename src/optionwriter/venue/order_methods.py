"""Private methods that change orders: buy, sell, edit, cancel and their variants."""

from __future__ import annotations

from collections.abc import Callable

from optionwriter.core.books.account import Side
from optionwriter.venue.accounts import Account
from optionwriter.venue.errors import VenueError, invalid
from optionwriter.venue.listing import KINDS
from optionwriter.venue.matching import cancel
from optionwriter.venue.orders import Order, Trade
from optionwriter.venue.params import Params, currency_of
from optionwriter.venue.request import Request
from optionwriter.venue.shapes import order_shape, trade_shape
from optionwriter.venue.trading import cancel_many, edit, find_open, submit
from optionwriter.venue.values import JsonValue


def buy(request: Request) -> JsonValue:
    """A limit order to buy."""
    account = request.authorised()
    return _placed(account, *submit(request.state, account, Side.BUY, request.params))


def sell(request: Request) -> JsonValue:
    """A limit order to sell."""
    account = request.authorised()
    return _placed(account, *submit(request.state, account, Side.SELL, request.params))


def edit_order(request: Request) -> JsonValue:
    """A new price and total amount of one order."""
    account = request.authorised()
    order = find_open(account, request.params.required("order_id"), request.state)
    return _placed(account, *edit(request.state, account, order, request.params))


def edit_by_label(request: Request) -> JsonValue:
    """The same for the one open order with a label. Refusals: 10004 for none, 13032 for several."""
    account = request.authorised()
    label, name = request.params.required("label"), request.params.required("instrument_name")
    found = [one for one in account.working(name) if one.label == label]
    if len(found) != 1:
        raise VenueError(13032 if found else 10004)
    return _placed(account, *edit(request.state, account, found[0], request.params))


def cancel_order(request: Request) -> JsonValue:
    """Cancels one order and shows it, bare."""
    account = request.authorised()
    order = find_open(account, request.params.required("order_id"), request.state)
    cancel(request.state, order, "user_request")
    return order_shape(order, account)


def cancel_all(request: Request) -> JsonValue:
    """Cancels everything; how many."""
    return _cancel_where(request, lambda _: True)


def cancel_all_by_currency(request: Request) -> JsonValue:
    """Cancels what settles in a currency."""
    currency = currency_of(request.params)
    return _cancel_where(request, lambda one: one.instrument.product.settlement_currency == currency)


def cancel_all_by_instrument(request: Request) -> JsonValue:
    """Cancels what rests in an instrument."""
    name = request.params.required("instrument_name")
    return _cancel_where(request, lambda one: one.instrument.name == name)


def cancel_all_by_kind_or_type(request: Request) -> JsonValue:
    """Cancels by currencies (one, a list, or `any`), kind and order type; every order here is a limit order."""
    currencies = request.params.texts("currency")
    known = {currency_of(Params({"currency": one}), extra=("any",)) for one in currencies}
    if not known:
        raise invalid("currency", "value required")
    kind = request.params.choice("kind", KINDS, "any")
    order_type = request.params.choice("type", ("all", "limit", "trigger_all", "stop", "take"), "all")
    fits = kind in ("option", "any") and order_type in ("all", "limit")
    return _cancel_where(
        request, lambda one: fits and bool(known & {"any", one.instrument.product.settlement_currency})
    )


def cancel_by_label(request: Request) -> JsonValue:
    """Cancels every order with that label, in a currency when one is named."""
    label = request.params.required("label")
    currency = currency_of(request.params, default="any", extra=("any",))
    return _cancel_where(
        request,
        lambda one: one.label == label and currency in ("any", one.instrument.product.settlement_currency),
    )


def _cancel_where(request: Request, chosen: Callable[[Order], bool]) -> int:
    account = request.authorised()
    if request.params.flag("detailed"):
        raise VenueError(10033, "detailed")
    return cancel_many(request.state, [one for one in account.open_orders.values() if chosen(one)])


def _placed(account: Account, order: Order, trades: list[Trade]) -> JsonValue:
    return {
        "order": order_shape(order, account),
        "trades": [trade_shape(one, account) for one in trades],
    }
