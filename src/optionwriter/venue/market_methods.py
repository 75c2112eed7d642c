"""Public methods on the market now: time, index, ticker, order book."""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.market.instruments import Family
from optionwriter.venue.greeks import greeks_of, implied_percent
from optionwriter.venue.listing import index_product, zero_if_unknown
from optionwriter.venue.quotes import Quote
from optionwriter.venue.request import Request
from optionwriter.venue.rules import future_name, price_band
from optionwriter.venue.values import ZERO, Json, JsonValue, exact, rounded

VERSION = "1.2.26"


def get_time(request: Request) -> JsonValue:
    """Exchange time, epoch milliseconds."""
    return request.now_ms


def test(_request: Request) -> JsonValue:
    """The exchange's version (assumed)."""
    return {"version": VERSION}


def status(_request: Request) -> JsonValue:
    """`locked` is a text (recorded)."""
    return {"locked": "false"}


def get_currencies(request: Request) -> JsonValue:
    """The currencies that something here settles in."""
    held = dict.fromkeys(one.settlement_currency for one in request.products("any"))
    names = {"BTC": "Bitcoin", "ETH": "Ethereum", "USDC": "USD Coin"}
    return [
        {
            "currency": code,
            "currency_long": names[code],
            "coin_type": {"BTC": "BITCOIN", "ETH": "ETHER", "USDC": "ETHER"}[code],
            "decimals": 6 if code == "USDC" else 8,
            "min_confirmations": 1,
            "min_withdrawal_fee": ZERO,
            "withdrawal_fee": ZERO,
            "withdrawal_priorities": [],
            "in_cross_collateral_pool": False,
            "network_currency": "BTC" if code == "BTC" else "ETH",
        }
        for code in held
    ]


def get_index_price_names(request: Request) -> JsonValue:
    """The indices that are quoted."""
    return [one.index_name for one in request.products("any")]


def get_index_price(request: Request) -> JsonValue:
    """An index and the running estimate of its delivery price."""
    name = index_product(request, request.params.required("index_name")).index_name
    return {
        "index_price": request.state.market.index(name, request.now_ms),
        "estimated_delivery_price": exact(
            request.state.market.feed.estimated_delivery_price(name, request.now_ms)
        ),
    }


def ticker(request: Request) -> JsonValue:
    """One option's ticker with greeks; the mark has four decimals here, eight elsewhere (recorded)."""
    name = request.params.required("instrument_name")
    return _ticker(request, name)


def get_order_book(request: Request) -> JsonValue:
    """The ticker's fields with one level a side: the feed knows no more. Our own resting orders are not shown."""
    name = request.params.required("instrument_name")
    request.params.integer("depth", 5, 1, 10_000)
    shape = _ticker(request, name)
    quote = request.state.market.quote(name, request.now_ms)
    for side, key in ((Side.SELL, "bids"), (Side.BUY, "asks")):
        price, size = _untaken(request, quote, side)
        shape[key] = [] if price is None else [[price, size]]
    shape["change_id"] = request.now_ms
    return shape


def _untaken(request: Request, quote: Quote, side: Side) -> tuple[Decimal | None, Decimal]:
    """What an order of `side` still finds."""
    price, size = quote.opposite(side)
    left = request.state.liquidity.left(quote.instrument.name, side, size)
    return (price, left) if left > 0 else (None, ZERO)


def _ticker(request: Request, name: str) -> Json:
    market, now = request.state.market, request.now_ms
    instrument = market.known(name, now)
    product = instrument.product
    quote = market.quote(name, now)
    greeks = greeks_of(quote)
    low, high = price_band(product, quote.mark, quote.forward, greeks.delta, greeks.vega)
    bid, bid_size = _untaken(request, quote, Side.SELL)
    ask, ask_size = _untaken(request, quote, Side.BUY)
    last = request.state.last_trade.get(name)
    worth = quote.forward if product.family is Family.INVERSE else Decimal(1)
    shape: Json = {
        "instrument_name": name,
        "timestamp": now,
        "state": "open",
        "stats": {
            "high": None,
            "low": None,
            "price_change": None,
            "volume": quote.volume,
            "volume_usd": rounded(quote.volume * quote.mark * worth, 2),
        },
        "open_interest": quote.open_interest,
        "best_bid_price": zero_if_unknown(bid),
        "best_bid_amount": bid_size,
        "best_ask_price": zero_if_unknown(ask),
        "best_ask_amount": ask_size,
        "index_price": quote.index,
        "min_price": low,
        "max_price": high,
        "mark_price": rounded(quote.mark, 4),
        "last_price": last[0] if last else None,
        "underlying_price": quote.forward,
        "underlying_index": future_name(product, instrument.expiry_ms),
        "interest_rate": ZERO,
        "mark_iv": rounded(quote.mark_iv, 2),
        "bid_iv": implied_percent(quote, bid),
        "ask_iv": implied_percent(quote, ask),
        "greeks": {
            "delta": greeks.delta,
            "gamma": greeks.gamma,
            "vega": greeks.vega,
            "theta": greeks.theta,
            "rho": greeks.rho,
        },
        "estimated_delivery_price": exact(market.feed.estimated_delivery_price(product.index_name, now)),
    }
    settled = market.settlement_marks((name,), now)[name]
    if settled is not None:
        shape["settlement_price"] = settled
    return shape
