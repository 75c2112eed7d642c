"""Trading: buy, sell, edit, cancel: from a request's parameters to the book.

Owns the order of the checks and their refusals (FACTS §6, §7): the instrument, the settlement window, the amount, the
price, the flags, the funds. Nothing changes before the last check has passed.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.market.instruments import Instrument
from optionwriter.venue.accounts import Account
from optionwriter.venue.errors import VenueError, invalid
from optionwriter.venue.greeks import greeks_of
from optionwriter.venue.matching import cancel, crosses, place, post_only_price, reducible
from optionwriter.venue.orders import Order, OrderState, TimeInForce, Trade
from optionwriter.venue.params import Params
from optionwriter.venue.quotes import Quote
from optionwriter.venue.rules import LABEL_MAX, contract_size, in_settlement, price_band
from optionwriter.venue.state import State, wire_id
from optionwriter.venue.valuation import admit


def submit(state: State, account: Account, side: Side, params: Params) -> tuple[Order, list[Trade]]:
    """private/buy and private/sell: a limit order."""
    _check_time(state, params)
    instrument = state.market.tradable(params.required("instrument_name"), state.now_ms)
    if params.choice("type", _TYPES, "limit") != "limit":
        raise VenueError(10033, "the local exchange takes limit orders only")
    for unsupported in ("advanced", "linked_order_type", "trigger_price", "display_amount"):
        if params.has(unsupported):
            raise VenueError(10033, unsupported)
    time_in_force = TimeInForce(params.choice("time_in_force", tuple(TimeInForce), "good_til_cancelled"))
    label = params.text("label")
    if len(label) > LABEL_MAX:
        raise invalid("label", f"too long: at most {LABEL_MAX} characters")
    amount = read_amount(instrument, params)
    price = _read_price(instrument, params)
    post_only, reject = params.flag("post_only"), params.flag("reject_post_only")
    if post_only and time_in_force is not TimeInForce.GOOD_TIL_CANCELLED:
        raise VenueError(11055)
    quote = state.market.quote(instrument.name, state.now_ms)
    price = _in_band(side, price, quote)
    if post_only:
        price = post_only_price(side, price, quote, reject)
    order = Order(
        order_id="",
        account_id=account.account_id,
        instrument=instrument,
        side=side,
        amount=amount,
        price=price,
        label=label,
        time_in_force=time_in_force,
        post_only=post_only,
        reject_post_only=reject,
        reduce_only=params.flag("reduce_only"),
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
        priority=0,
    )
    _reduce(state, order)
    admit(state.market, account, order, state.now_ms)
    currency = instrument.product.settlement_currency
    order.order_id = wire_id(state.counters.next("order"), currency)
    order.priority = state.counters.next("priority")
    return order, place(state, order)


def edit(state: State, account: Account, order: Order, params: Params) -> tuple[Order, list[Trade]]:
    """private/edit: a new total amount and price of an open order; it keeps its id.

    It keeps its place in the queue only at the same price and with no larger amount. A post-only order that would
    cross by the edit is cancelled (edit_post_only_reject, FACTS §7).
    """
    _check_time(state, params)
    instrument = order.instrument
    state.market.tradable(instrument.name, state.now_ms)
    amount = (
        read_amount(instrument, params) if params.has("amount") or params.has("contracts") else order.amount
    )
    if amount <= order.filled:
        raise VenueError(10021)
    price = _read_price(instrument, params) if params.has("price") else order.price
    quote = state.market.quote(instrument.name, state.now_ms)
    price = _in_band(order.side, price, quote)
    post_only = params.flag("post_only", order.post_only)
    wanted = replace(
        order,
        amount=amount,
        price=price,
        post_only=post_only,
        reject_post_only=params.flag("reject_post_only", order.reject_post_only),
        reduce_only=params.flag("reduce_only", order.reduce_only),
    )
    _reduce(state, wanted)
    admit(state.market, account, wanted, state.now_ms)
    if post_only and crosses(order.side, price, quote.opposite(order.side)[0]):
        cancel(state, order, "edit_post_only_reject")
        return order, []
    if wanted.price != order.price or wanted.amount > order.amount:
        order.priority = state.counters.next("priority")
    order.amount, order.price, order.post_only = wanted.amount, wanted.price, wanted.post_only
    order.reject_post_only, order.reduce_only = wanted.reject_post_only, wanted.reduce_only
    order.replaced, order.updated_ms = True, state.now_ms
    return order, place(state, order)


def find_open(account: Account, order_id: str, state: State) -> Order:
    """An order that may still be cancelled or edited. Refusals: 10004, 10029, 11044."""
    order = account.orders.get(order_id)
    if order is None:
        for other in state.accounts.values():
            if order_id in other.orders:
                raise VenueError(10029)
        raise VenueError(10004)
    if order.state is not OrderState.OPEN:
        raise VenueError(11044)
    return order


def cancel_many(state: State, orders: list[Order]) -> int:
    """Cancels them all; how many."""
    for order in orders:
        cancel(state, order, "user_request")
    return len(orders)


def read_amount(instrument: Instrument, params: Params) -> Decimal:
    """The size in coins, from `amount` or `contracts`. Refusals: 10002 below the minimum, 10021 off the step."""
    product = instrument.product
    amount, contracts = params.number("amount"), params.number("contracts")
    if amount is None:
        if contracts is None:
            raise invalid("amount", "value required")
        amount = contracts * contract_size(product)
    elif contracts is not None and contracts * contract_size(product) != amount:
        raise invalid("contracts", "amount and contracts must agree")
    if amount <= 0:
        raise invalid("amount", "must be above 0")
    if amount < product.min_amount:
        raise VenueError(10002)
    if not product.amount_on_grid(amount):
        raise VenueError(10021)
    return amount


def _read_price(instrument: Instrument, params: Params) -> Decimal:
    price = params.number("price")
    if price is None:
        raise invalid("price", "value required")
    if price <= 0:
        raise VenueError(10023)
    if not instrument.product.price_on_grid(price):
        raise VenueError(10043)
    return price


def _check_time(state: State, params: Params) -> None:
    """`valid_until` is the first instant at which the request is too late; 08:00 UTC closes the books for seconds."""
    if params.has("valid_until") and state.now_ms >= params.integer("valid_until", 0):
        raise VenueError(13888)
    if in_settlement(state.now_ms):
        raise VenueError(10041)


def _in_band(side: Side, price: Decimal, quote: Quote) -> Decimal:
    """A price beyond the band: clamped on the side that would trade, refused on the other (FACTS §7, assumed)."""
    greeks = greeks_of(quote)
    low, high = price_band(quote.instrument.product, quote.mark, quote.forward, greeks.delta, greeks.vega)
    if side is Side.BUY:
        if price < low:
            raise VenueError(10005, f"{low:f}")
        return min(price, high)
    if price > high:
        raise VenueError(10007, f"{high:f}")
    return max(price, low)


def _reduce(state: State, order: Order) -> None:
    """A reduce-only order is cut to what the position allows; with nothing to reduce it is refused (assumed 11030)."""
    if not order.reduce_only:
        return
    allowed = reducible(state, order)
    if allowed <= 0:
        raise VenueError(11030, "reduce_only order would not reduce the position")
    order.amount = min(order.amount, order.filled + allowed)


_TYPES = (
    "limit",
    "stop_limit",
    "take_limit",
    "market",
    "stop_market",
    "take_market",
    "market_limit",
    "trailing_stop",
)
