"""Public methods on trades: the exchange's tape.

The feed has quotes but no trades, so the tape is the fills of this exchange's accounts, without their names. Only the
last 24 hours are shown; an older range is empty, not an error (FACTS §0).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

from optionwriter.core.books.account import Side
from optionwriter.core.market.instruments import MS_PER_DAY, Family, Instrument
from optionwriter.venue import history_methods
from optionwriter.venue.listing import KINDS
from optionwriter.venue.orders import Trade
from optionwriter.venue.params import Params, currency_of
from optionwriter.venue.perpetuals import perpetual_of
from optionwriter.venue.request import Request
from optionwriter.venue.rules import MS_PER_MINUTE, RECENT_TRADES_MS, contract_size
from optionwriter.venue.values import Json, JsonValue

RESOLUTIONS = ("1", "3", "5", "10", "15", "30", "60", "120", "180", "360", "720", "1D")
_Bar: TypeAlias = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal, Decimal]


def get_last_trades_by_instrument(request: Request) -> JsonValue:
    """The latest trades in an instrument, newest first; from the earliest when a start is given."""
    name = request.params.required("instrument_name")
    if perpetual_of(request, name) is None:
        request.state.market.known(name, request.now_ms)
    return _page(request, lambda one: one.order.instrument.name == name)


def get_last_trades_by_instrument_and_time(request: Request) -> JsonValue:
    """The same in a range that must be given."""
    request.params.instant("start_timestamp")
    request.params.instant("end_timestamp")
    return get_last_trades_by_instrument(request)


def get_last_trades_by_currency(request: Request) -> JsonValue:
    """The latest trades that settle in a currency."""
    currency = currency_of(request.params)
    option = request.params.choice("kind", KINDS, "any") in ("option", "any")
    return _page(request, lambda one: option and one.order.instrument.product.settlement_currency == currency)


def get_tradingview_chart_data(request: Request) -> JsonValue:
    """Candles as columns: a perpetual's from the index, an option's from the tape, none where nothing traded.

    Cost is the premium in USD (assumed). A candle that is still open is left out.
    """
    name = request.params.required("instrument_name")
    if "-PERPETUAL" in name:
        return history_methods.get_tradingview_chart_data(request)
    instrument = request.state.market.known(name, request.now_ms)
    start, end = request.params.instant("start_timestamp"), request.params.instant("end_timestamp")
    resolution = request.params.choice("resolution", RESOLUTIONS)
    width = MS_PER_DAY if resolution == "1D" else int(resolution) * MS_PER_MINUTE
    bars = [
        one
        for one in _candles(_tape(request, lambda one: one.order.instrument.name == name), instrument, width)
        if start <= one[0] <= end and one[0] + width <= request.now_ms
    ]
    columns = ("ticks", "open", "high", "low", "close", "volume", "cost")
    return {
        **{column: [bar[place] for bar in bars] for place, column in enumerate(columns)},
        "status": "ok" if bars else "no_data",
    }


def _candles(trades: list[Trade], instrument: Instrument, width: int) -> list[_Bar]:
    """Trades, oldest first, as [opened, open, high, low, close, volume, cost]."""
    inverse = instrument.product.family is Family.INVERSE
    bars: dict[int, _Bar] = {}
    for trade in trades:
        opened, price = trade.at_ms // width * width, trade.price
        cost = trade.amount * price * (trade.index if inverse else 1)
        if opened in bars:
            _, first, high, low, _, volume, before = bars[opened]
            bars[opened] = (
                opened,
                first,
                max(high, price),
                min(low, price),
                price,
                volume + trade.amount,
                before + cost,
            )
        else:
            bars[opened] = (opened, price, price, price, price, trade.amount, cost)
    return list(bars.values())


def _tape(request: Request, chosen: Callable[[Trade], bool]) -> list[Trade]:
    """Every account's trades, oldest first."""
    accounts = request.state.accounts.values()
    return sorted(
        (one for account in accounts for one in account.trades if chosen(one)), key=lambda one: one.number
    )


def _page(request: Request, chosen: Callable[[Trade], bool]) -> JsonValue:
    params, now = request.params, request.now_ms
    count = params.integer("count", 10, 1, 1_000)
    low, high = params.integer("start_seq", 0), params.integer("end_seq", 1 << 62)
    start = max(params.integer("start_timestamp", 0), now - RECENT_TRADES_MS)
    end = params.integer("end_timestamp", now)
    found = [
        one for one in _tape(request, chosen) if start <= one.at_ms <= end and low <= one.trade_seq <= high
    ]
    if not _ascending(params):
        found.reverse()
    return {"trades": [_public(one) for one in found[:count]], "has_more": len(found) > count}


def _ascending(params: Params) -> bool:
    sorting = params.choice("sorting", ("asc", "desc", "default"), "default")
    from_start = params.has("start_timestamp") or params.has("start_seq")
    return sorting == "asc" or (sorting == "default" and from_start)


def _public(trade: Trade) -> Json:
    """A trade as everybody sees it; its direction is the taker's."""
    order = trade.order
    taker = (Side.SELL if order.side is Side.BUY else Side.BUY) if trade.is_maker else order.side
    return {
        "trade_id": trade.trade_id,
        "trade_seq": trade.trade_seq,
        "instrument_name": order.instrument.name,
        "timestamp": trade.at_ms,
        "direction": taker.value,
        "tick_direction": trade.tick_direction,
        "price": trade.price,
        "mark_price": trade.mark,
        "index_price": trade.index,
        "iv": trade.iv,
        "amount": trade.amount,
        "contracts": trade.amount / contract_size(order.instrument.product),
        "starbase_match_id": trade.number,
        "starbase_timestamp": trade.at_ms * 1_000_000,
    }
