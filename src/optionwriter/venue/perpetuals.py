"""Perpetuals: listed so that clients find the instrument whose candles they chart; not traded here.

Their book is `locked`, the state in which the exchange takes nothing but cancels: an order gets 10019. The feed knows
the index and no perpetual, so mark and candles are the index. Contract fields are recorded (commissions 2026, the rest
2025); a band, which the feed can't tell, is 1.5 % of the index on both sides (assumed).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.market.instruments import Family, Product
from optionwriter.venue import listing
from optionwriter.venue.errors import VenueError
from optionwriter.venue.listing import currency_uuid
from optionwriter.venue.params import currency_of
from optionwriter.venue.request import Request
from optionwriter.venue.values import ZERO, Json, JsonValue, exact

SUFFIX = "-PERPETUAL"


@dataclass(frozen=True, slots=True)
class _Contract:
    """A perpetual's grid, in USD."""

    number: int
    size: int
    tick: Decimal
    block_minimum: int
    created_ms: int


_CONTRACTS = {
    "BTC": _Contract(124_972, 10, Decimal("0.5"), 200_000, 1_534_167_754_000),
    "ETH": _Contract(124_973, 1, Decimal("0.05"), 100_000, 1_552_568_454_000),  # number and stamps assumed
}


def perpetual_of(request: Request, name: str) -> Product | None:
    """The inverse product whose perpetual is named so, None for any other name."""
    if not name.endswith(SUFFIX):
        return None
    listed = [one for one in request.products("any") if one.family is Family.INVERSE]
    return next((one for one in listed if name == one.code + SUFFIX and one.code in _CONTRACTS), None)


def or_perpetual(
    option: Callable[[Request], JsonValue], perpetual: Callable[[Request, Product], JsonValue]
) -> Callable[[Request], JsonValue]:
    """A handler that serves perpetuals one way and everything else the other."""

    def handler(request: Request) -> JsonValue:
        product = perpetual_of(request, request.params.text("instrument_name"))
        return option(request) if product is None else perpetual(request, product)

    return handler


def get_instruments(request: Request) -> JsonValue:
    """The listed options, and the perpetuals after them."""
    options = listing.get_instruments(request)
    if request.params.text("kind", "any") not in ("future", "any") or request.params.flag("expired"):
        return options
    currency = currency_of(request.params, default="any", extra=("any",))
    products = [one for one in request.products(currency) if one.family is Family.INVERSE]
    shapes = [contract_shape(request, one) for one in products if one.code in _CONTRACTS]
    return [*options, *shapes] if isinstance(options, list) else options


def get_instrument(request: Request, product: Product) -> JsonValue:
    """A perpetual's contract."""
    return contract_shape(request, product)


def get_contract_size(_: Request, product: Product) -> JsonValue:
    """USD in a contract."""
    return {"contract_size": _CONTRACTS[product.code].size}


def ticker(request: Request, product: Product) -> JsonValue:
    """A perpetual's ticker."""
    return ticker_shape(request, product)


def get_order_book(request: Request, product: Product) -> JsonValue:
    """An empty book."""
    request.params.integer("depth", 5, 1, 10_000)
    return {**ticker_shape(request, product), "bids": [], "asks": [], "change_id": request.now_ms}


def get_book_summary(request: Request, product: Product) -> JsonValue:
    """A perpetual's row, in an array."""
    return [summary_shape(request, product)]


def refuse(request: Request, _: Product) -> JsonValue:
    """No order is taken on a locked book."""
    request.authorised()
    raise VenueError(10019)


def contract_shape(_: Request, product: Product) -> Json:
    """A perpetual's contract."""
    contract = _CONTRACTS[product.code]
    return {
        "instrument_name": product.code + SUFFIX,
        "instrument_id": contract.number,
        "kind": "future",
        "state": "locked",
        "is_active": True,
        "expiration_timestamp": 32_503_708_800_000,
        "creation_timestamp": contract.created_ms,
        "settlement_period": "perpetual",
        "settlement_currency": product.settlement_currency,
        "base_currency": product.underlying,
        "quote_currency": "USD",
        "counter_currency": "USD",
        "instrument_type": "reversed",
        "future_type": "reversed",
        "underlying_type": "crypto",
        "price_index": product.index_name,
        "product_group": product.code,
        "contract_size": contract.size,
        "lot_size": 1,
        "min_trade_amount": contract.size,
        "tick_size": contract.tick,
        "tick_size_steps": [],
        "maker_commission": Decimal("0.00015"),
        "taker_commission": Decimal("0.00035"),
        "max_leverage": 50,
        "max_non_default_leverage": 5,
        "max_liquidation_commission": Decimal("0.01"),
        "block_trade_commission": Decimal("0.00025"),
        "block_trade_min_trade_amount": contract.block_minimum,
        "block_trade_tick_size": Decimal("0.01"),
        "base_currency_uuid": currency_uuid(product.underlying),
    }


def ticker_shape(request: Request, product: Product) -> Json:
    """A perpetual's ticker: the index, and an empty book."""
    now, contract = request.now_ms, _CONTRACTS[product.code]
    index = request.state.market.index(product.index_name, now)
    band = index * Decimal("0.015")
    return {
        "instrument_name": product.code + SUFFIX,
        "timestamp": now,
        "state": "locked",
        "stats": {
            "high": None,
            "low": None,
            "price_change": None,
            "volume": ZERO,
            "volume_usd": ZERO,
            "volume_notional": ZERO,
        },
        "open_interest": ZERO,
        "best_bid_price": ZERO,
        "best_bid_amount": ZERO,
        "best_ask_price": ZERO,
        "best_ask_amount": ZERO,
        "index_price": index,
        "mark_price": index,
        "last_price": None,
        "min_price": (index - band) // contract.tick * contract.tick,
        "max_price": (index + band) // contract.tick * contract.tick,
        "interest_value": ZERO,
        "current_funding": ZERO,
        "funding_8h": ZERO,
        "estimated_delivery_price": exact(
            request.state.market.feed.estimated_delivery_price(product.index_name, now)
        ),
    }


def summary_shape(request: Request, product: Product) -> Json:
    """A perpetual's row of the book summaries."""
    ticker = ticker_shape(request, product)
    index = ticker["index_price"]
    return {
        "instrument_name": product.code + SUFFIX,
        "base_currency": product.underlying,
        "quote_currency": "USD",
        "creation_timestamp": request.now_ms,
        "estimated_delivery_price": ticker["estimated_delivery_price"],
        "mark_price": index,
        "bid_price": None,
        "ask_price": None,
        "mid_price": None,
        "last": None,
        "high": None,
        "low": None,
        "price_change": None,
        "open_interest": ZERO,
        "volume": ZERO,
        "volume_usd": ZERO,
        "volume_notional": ZERO,
        "current_funding": ZERO,
        "funding_8h": ZERO,
    }
