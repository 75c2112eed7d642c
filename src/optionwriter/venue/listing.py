"""Listing: instruments and expirations, as get_instruments, get_instrument and get_expirations show them.

All fields recorded on 2026-09-20 are emitted. What was recorded for BTC only (block sizes, ids, groups) is assumed for
the others.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from functools import cache, lru_cache

import msgspec

from optionwriter.core.books.fees import TRADING_RATE
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    Family,
    Instrument,
    OptionType,
    Product,
    expiry_code,
    parse_instrument,
)
from optionwriter.core.market.listing import creation_ms, settlement_period
from optionwriter.venue.errors import VenueError, invalid
from optionwriter.venue.params import currency_of
from optionwriter.venue.request import Request
from optionwriter.venue.rules import contract_size, last_settlement
from optionwriter.venue.values import Json, JsonValue, written

KINDS = ("future", "option", "spot", "future_combo", "option_combo", "combo", "any")

_CURRENCY_UUIDS = {
    "BTC": "5b71fc48-3dd3-540c-809b-f8c94d0e68b5",
    "USDC": "2b92315d-eab7-5bef-84fa-089a131333f5",
}
_INDEX_IDS = {"btc_usd": 1_000_033, "eth_usd": 1_000_034, "btc_usdc": 12_000_001, "eth_usdc": 12_000_002}
_BLOCK_MINIMUM = {"BTC": 25, "ETH": 250, "BTC_USDC": 25, "ETH_USDC": 250}


def get_instruments(request: Request) -> JsonValue:
    """All listed options of a currency; with `expired`, those of the latest 08:00 UTC."""
    currency = currency_of(request.params, default="any", extra=("any",))
    kind = request.params.choice("kind", KINDS, "any")
    expired = request.params.flag("expired")
    if kind not in ("option", "any"):
        return []
    feed, now = request.state.market.feed, request.now_ms
    shapes: list[msgspec.Raw] = []
    for product in request.products(currency):
        if expired:
            end = last_settlement(now)
            names = feed.listed(product.code, max(feed.start_ms, end - 1)) if end > feed.start_ms else ()
            options = [one for one in map(parse_instrument, names) if one.expiry_ms == end]
        else:
            options = [parse_instrument(name) for name in feed.listed(product.code, now)]
        shapes += [_shape_text(one.name, one.expiry_ms > now) for one in options]
    return shapes


@lru_cache(maxsize=8_192)
def _shape_text(name: str, is_open: bool) -> msgspec.Raw:
    """The contract of a listed option, which does not change while it is open."""
    instrument = parse_instrument(name)
    return written(instrument_shape(instrument, instrument.expiry_ms - is_open))


def get_instrument(request: Request) -> JsonValue:
    """One option, listed or expired."""
    name = request.params.required("instrument_name")
    try:
        instrument = request.state.market.tradable(name, request.now_ms)
    except VenueError as refusal:
        if refusal.code == 10012:
            instrument = parse_instrument(name)
        else:
            raise VenueError(13020) if refusal.code == 10020 else refusal from None
    return instrument_shape(instrument, request.now_ms)


def get_contract_size(request: Request) -> JsonValue:
    """Coins in a contract."""
    instrument = request.state.market.known(request.params.required("instrument_name"), request.now_ms)
    return {"contract_size": contract_size(instrument.product)}


def get_expirations(request: Request) -> JsonValue:
    """Expiries by kind: by currency for a concrete one and `grouped`, by kind alone for `any` (FACTS §2).

    Every option expiry has a future (FACTS §0), so both lists are alike.
    """
    currency = currency_of(request.params, extra=("any", "grouped"))
    kind = request.params.choice("kind", ("future", "option", "any"))
    if currency == "any":
        return _by_kind(request, "any", kind)
    if currency == "grouped":
        held = dict.fromkeys(one.settlement_currency for one in request.products("any"))
        return {one.lower(): _by_kind(request, one, kind) for one in held}
    return {currency.lower(): _by_kind(request, currency, kind)}


def _by_kind(request: Request, currency: str, kind: str) -> Json:
    feed, now = request.state.market.feed, request.now_ms
    expiries = {
        parse_instrument(name).expiry_ms
        for product in request.products(currency)
        for name in feed.listed(product.code, now)
    }
    codes = [expiry_code(one) for one in sorted(expiries)]
    shape: Json = {}
    if kind in ("future", "any"):
        shape["future"] = [*codes, "PERPETUAL"]
    if kind in ("option", "any"):
        shape["option"] = codes
    return shape


def instrument_shape(instrument: Instrument, at_ms: int) -> Json:
    """One option's contract."""
    product = instrument.product
    inverse = product.family is Family.INVERSE
    quoted_in = product.underlying if inverse else "USDC"
    is_open = instrument.expiry_ms > at_ms
    return {
        "instrument_name": instrument.name,
        "instrument_id": instrument_id(instrument),
        "kind": "option",
        "state": "open" if is_open else "closed",
        "is_active": is_open,
        "option_type": instrument.option_type.value,
        "strike": instrument.strike,
        "expiration_timestamp": instrument.expiry_ms,
        "creation_timestamp": creation_ms(instrument.expiry_ms, product),
        "settlement_period": settlement_period(instrument.expiry_ms),
        "settlement_currency": product.settlement_currency,
        "base_currency": product.underlying,
        "quote_currency": quoted_in,
        "counter_currency": "USD" if inverse else "USDC",
        "instrument_type": "reversed" if inverse else "linear",
        "underlying_type": "crypto",
        "price_index": product.index_name,
        "index_id": _INDEX_IDS[product.index_name],
        "product_group": product.code,
        "contract_size": contract_size(product),
        "lot_size": 1,
        "min_trade_amount": product.min_amount,
        "tick_size": product.tick_size,
        "tick_size_steps": [
            {"above_price": step.above, "tick_size": step.tick} for step in product.tick_steps
        ],
        "maker_commission": TRADING_RATE,
        "taker_commission": TRADING_RATE,
        "block_trade_commission": TRADING_RATE,
        "block_trade_min_trade_amount": _BLOCK_MINIMUM[product.code],
        "block_trade_tick_size": product.tick_size,
        "base_currency_uuid": currency_uuid(product.underlying),
        "quote_currency_uuid": currency_uuid(quoted_in),
    }


def instrument_id(instrument: Instrument) -> int:
    """A number of its own for every option: its expiry's day, its product, its type, its strike (assumed form)."""
    codes = tuple(_BLOCK_MINIMUM)
    day = instrument.expiry_ms // MS_PER_DAY
    kind = 2 * codes.index(instrument.product.code) + (instrument.option_type is OptionType.CALL)
    return (day * 8 + kind) * 10_000_000 + int(instrument.strike * 10)


@cache
def currency_uuid(currency: str) -> str:
    """A currency's id: recorded for BTC and USDC, assumed for the rest."""
    return _CURRENCY_UUIDS.get(currency) or str(uuid.uuid5(uuid.NAMESPACE_DNS, currency))


def index_product(request: Request, index_name: str) -> Product:
    """A quoted product with that index. Refusal: -32602."""
    for product in request.products("any"):
        if product.index_name == index_name:
            return product
    raise invalid("index_name", "not supported")


def zero_if_unknown(value: Decimal | None) -> Decimal:
    """How tickers show a side that is not quoted: 0.0 (recorded; the text says null)."""
    return value if value is not None else Decimal(0)
