"""Public settlements: what has expired, as everybody sees it.

The feed knows no other holders, so a row's position and profits are zero; there are no bankruptcies. Since August 2026
options in the money carry the type `exercise` (recorded, FACTS §0); those out of it are shown as `delivery` (assumed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from optionwriter.core.books.settlement import payoff
from optionwriter.core.market.instruments import MS_PER_DAY, Family, Instrument, Product, parse_instrument
from optionwriter.venue.params import currency_of
from optionwriter.venue.perpetuals import perpetual_of
from optionwriter.venue.request import Request
from optionwriter.venue.rules import last_settlement
from optionwriter.venue.values import ZERO, Json, JsonValue, exact, rounded

KINDS = ("", "settlement", "delivery", "bankruptcy", "exercise")


def get_last_settlements_by_currency(request: Request) -> JsonValue:
    """Options of a currency that expired, newest first."""
    products = request.products(currency_of(request.params))
    return _page(request, products, lambda _: True)


def get_last_settlements_by_instrument(request: Request) -> JsonValue:
    """One option's expiry, once it is past; a perpetual has none here."""
    name = request.params.required("instrument_name")
    if perpetual_of(request, name) is not None:
        return _page(request, [], lambda _: False)
    try:
        product = parse_instrument(name).product
    except ValueError:
        product = request.state.market.known(name, request.now_ms).product  # refuses by name
    products = [one for one in request.products("any") if one.code == product.code]
    return _page(request, products, lambda one: one.name == name)


def _page(request: Request, products: list[Product], chosen: Callable[[Instrument], bool]) -> JsonValue:
    """`continuation` is how many rows came before (assumed form)."""
    params = request.params
    kind = params.choice("type", KINDS)
    count = params.integer("count", 20, 1, 1_000)
    latest = min(request.now_ms, params.integer("search_start_timestamp", request.now_ms))
    skip = params.integer("continuation", 0, 0)
    rows: list[Json] = []
    for instrument in _expired(request, products, latest):
        if len(rows) > skip + count:
            break
        if chosen(instrument):
            row = _row(request, instrument)
            if kind in ("", row["type"]):
                rows.append(row)
    more = str(skip + count) if len(rows) > skip + count else None
    return {"settlements": rows[skip : skip + count], "continuation": more}


def _expired(request: Request, products: list[Product], latest_ms: int) -> Iterator[Instrument]:
    """Expired options, newest expiry first, then by product and strike."""
    feed = request.state.market.feed
    expiry_ms = last_settlement(latest_ms)
    while expiry_ms > feed.start_ms:
        for product in products:
            for name in feed.listed(product.code, max(feed.start_ms, expiry_ms - 1)):
                instrument = parse_instrument(name)
                if instrument.expiry_ms == expiry_ms:
                    yield instrument
        expiry_ms -= MS_PER_DAY


def _row(request: Request, instrument: Instrument) -> Json:
    product = instrument.product
    price = exact(request.state.market.feed.delivery_price(product.index_name, instrument.expiry_ms))
    worth = payoff(instrument.strike, price, instrument.is_call, product.family is Family.INVERSE)
    return {
        "type": "exercise" if worth else "delivery",
        "timestamp": instrument.expiry_ms,
        "instrument_name": instrument.name,
        "index_price": price,
        "mark_price": rounded(worth, 8),
        "position": ZERO,
        "profit_loss": ZERO,
        "session_profit_loss": ZERO,
    }
