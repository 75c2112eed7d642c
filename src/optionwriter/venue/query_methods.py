"""Private methods that look back: orders, trades, settlements, the transaction log.

Owns retention and paging (FACTS §2): recent orders are those of the last 30 minutes and recent trades those of the
last 24 hours; `historical` shows the archive, which excludes the recent ones, so that a reconciler must ask for both.
The archive's indexing delay is taken as none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optionwriter.venue.errors import VenueError
from optionwriter.venue.listing import KINDS
from optionwriter.venue.orders import Order, OrderState, Trade
from optionwriter.venue.params import Params, currency_of
from optionwriter.venue.request import Request
from optionwriter.venue.rules import OLD_ORDERS_MS, RECENT_ORDERS_MS, RECENT_TRADES_MS
from optionwriter.venue.shapes import log_shape, order_shape, settlement_shape, trade_shape
from optionwriter.venue.translog import LogEntry, SettlementEntry
from optionwriter.venue.values import Json, JsonValue


def get_open_orders(request: Request) -> JsonValue:
    """Every open order."""
    return _open(request, lambda _: True)


def get_open_orders_by_currency(request: Request) -> JsonValue:
    """Open orders that settle in a currency."""
    currency = currency_of(request.params)
    return _open(request, lambda one: _settles(one) == currency)


def get_open_orders_by_instrument(request: Request) -> JsonValue:
    """Open orders in an instrument."""
    name = request.params.required("instrument_name")
    return _open(request, lambda one: one.instrument.name == name)


def get_open_orders_by_label(request: Request) -> JsonValue:
    """Open orders with a label."""
    currency, label = currency_of(request.params), request.params.text("label")
    return _open(request, lambda one: _settles(one) == currency and one.label == label)


def get_order_state(request: Request) -> JsonValue:
    """One order. An order that ended unfilled is forgotten after 30 minutes (assumed): 10004."""
    account = request.authorised()
    order = account.orders.get(request.params.required("order_id"))
    if order is None or not (order.filled or _recent(order, request.now_ms)):
        raise VenueError(10004)
    return order_shape(order, account)


def get_order_state_by_label(request: Request) -> JsonValue:
    """Recent orders with a label, newest first; open ones are always recent."""
    account = request.authorised()
    currency, label = currency_of(request.params), request.params.text("label")
    found = [
        one
        for one in account.orders.values()
        if one.label == label and _settles(one) == currency and _recent(one, request.now_ms)
    ]
    return [order_shape(one, account) for one in reversed(found)]


def get_order_history_by_currency(request: Request) -> JsonValue:
    """Closed orders that settle in a currency, newest first."""
    currency = currency_of(request.params)
    return _order_history(request, lambda one: _settles(one) == currency)


def get_order_history_by_instrument(request: Request) -> JsonValue:
    """Closed orders in an instrument, newest first."""
    name = request.params.required("instrument_name")
    return _order_history(request, lambda one: one.instrument.name == name)


def get_user_trades_by_currency(request: Request) -> JsonValue:
    """Trades that settle in a currency."""
    currency = currency_of(request.params)
    return _user_trades(request, lambda one: _settles(one.order) == currency)


def get_user_trades_by_instrument(request: Request) -> JsonValue:
    """Trades in an instrument."""
    name = request.params.required("instrument_name")
    return _user_trades(request, lambda one: one.order.instrument.name == name)


def get_user_trades_by_order(request: Request) -> JsonValue:
    """Trades of an order: a bare array (FACTS §2)."""
    account = request.authorised()
    order_id = request.params.required("order_id")
    historical = request.params.flag("historical")
    found = [
        one
        for one in account.trades
        if one.order.order_id == order_id and _in_store(one.at_ms, request.now_ms, historical)
    ]
    return [trade_shape(one, account) for one in found]


def get_settlement_history_by_currency(request: Request) -> JsonValue:
    """Settlements in a currency, newest first."""
    currency = currency_of(request.params)
    return _settlements(request, lambda one: one.currency == currency)


def get_settlement_history_by_instrument(request: Request) -> JsonValue:
    """Settlements of an instrument, newest first."""
    name = request.params.required("instrument_name")
    return _settlements(request, lambda one: one.instrument == name)


def get_transaction_log(request: Request) -> JsonValue:
    """Entries of a currency in [start, end], newest first; `continuation` is the next older entry's id."""
    account, params = request.authorised(), request.params
    currency = currency_of(params)
    start, end = params.instant("start_timestamp"), params.instant("end_timestamp")
    count = params.integer("count", 100, 1, 250)
    below = params.integer("continuation", 0)
    words = params.text("query").split()
    found = [
        one
        for one in reversed(account.log)
        if one.currency == currency
        and start <= one.at_ms <= end
        and (not below or one.entry_id <= below)
        and all(_mentions(one, word) for word in words)
    ]
    return {
        "logs": [log_shape(one, account) for one in found[:count]],
        "continuation": found[count].entry_id if len(found) > count else None,
    }


def _settles(order: Order) -> str:
    return order.instrument.product.settlement_currency


def _recent(order: Order, now_ms: int) -> bool:
    return order.state is OrderState.OPEN or order.updated_ms >= now_ms - RECENT_ORDERS_MS


def _kind_is_option(params: Params) -> bool:
    return params.choice("kind", KINDS, "any") in ("option", "any")


def _open(request: Request, chosen: Callable[[Order], bool]) -> JsonValue:
    account = request.authorised()
    if not _kind_is_option(request.params):
        return []
    return [order_shape(one, account) for one in account.open_orders.values() if chosen(one)]


def _order_history(request: Request, chosen: Callable[[Order], bool]) -> JsonValue:
    account, params, now = request.authorised(), request.params, request.now_ms
    count = params.integer("count", 20, 1, 1_000)
    offset = params.integer("offset", 0, 0)
    historical, unfilled = params.flag("historical"), params.flag("include_unfilled")
    oldest = -1 if params.flag("include_old") else now - OLD_ORDERS_MS
    if params.has("continuation"):
        offset = params.integer("continuation", 0, 0)
    found: list[Order] = []
    if _kind_is_option(params):
        found = [
            one
            for one in reversed(account.orders.values())
            if one.state is not OrderState.OPEN
            and _recent(one, now) is not historical
            and (one.filled or unfilled)
            and one.updated_ms >= oldest
            and chosen(one)
        ]
    page = [order_shape(one, account) for one in found[offset : offset + count]]
    if not params.flag("with_continuation"):
        return page
    more = str(offset + count) if len(found) > offset + count else None
    return {"orders": page, "continuation": more}


def _in_store(at_ms: int, now_ms: int, historical: bool) -> bool:
    return (at_ms < now_ms - RECENT_TRADES_MS) is historical


def _trade_number(params: Params, name: str, default: int) -> int:
    """The counter of a trade id such as 500001 or ETH-500001."""
    if not params.has(name):
        return default
    digits = params.text(name).rpartition("-")[2]
    if not digits.isdigit():
        raise VenueError(-32602, data={"reason": "wrong format", "param": name})
    return int(digits)


def _user_trades(request: Request, chosen: Callable[[Trade], bool]) -> JsonValue:
    """Oldest first when a start is given, else newest first; `sorting` overrules."""
    account, params, now = request.authorised(), request.params, request.now_ms
    count = params.integer("count", 10, 1, 1_000)
    start, end = params.integer("start_timestamp", 0), params.integer("end_timestamp", now)
    low, high = _trade_number(params, "start_id", 0), _trade_number(params, "end_id", 1 << 62)
    historical = params.flag("historical")
    found: Sequence[Trade] = [
        one
        for one in account.trades
        if chosen(one)
        and _in_store(one.at_ms, now, historical)
        and start <= one.at_ms <= end
        and low <= one.number <= high
    ]
    if not _kind_is_option(params):
        found = []
    sorting = params.choice("sorting", ("asc", "desc", "default"), "default")
    from_start = params.has("start_timestamp") or params.has("start_id")
    ascending = sorting == "asc" or (sorting == "default" and from_start)
    ordered = found if ascending else found[::-1]
    return {
        "trades": [trade_shape(one, account) for one in ordered[:count]],
        "has_more": len(found) > count,
    }


def _settlements(request: Request, chosen: Callable[[SettlementEntry], bool]) -> JsonValue:
    """`type` filters where it is given; `continuation` is the number of the next older entry (assumed form)."""
    account, params = request.authorised(), request.params
    count = params.integer("count", 20, 1, 1_000)
    latest = params.integer("search_start_timestamp", request.now_ms)
    below = params.integer("continuation", 1 << 62)
    kind = params.text("type")
    found = [
        one
        for one in reversed(account.settlements)
        if chosen(one) and one.at_ms <= latest and one.number <= below and kind in ("", one.kind)
    ]
    shapes: list[Json] = [settlement_shape(one) for one in found[:count]]
    return {
        "settlements": shapes,
        "continuation": str(found[count].number) if len(found) > count else None,
    }


def _mentions(entry: LogEntry, word: str) -> bool:
    """Whether a query's word fits an entry: its type, its role, or a word of its side."""
    role = entry.details.get("user_role")
    return word in (entry.kind, role, *entry.side.split()) or (
        word == "option" and entry.instrument is not None
    )
