"""Public methods on the market's past: candles, the volatility index, delivery prices.

The feed keeps hourly candles and volatility values, so resolutions are whole hours; finer ones are refused by name.
Nothing from after now is ever shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.instruments import MS_PER_DAY, next_expiry_instant, utc_day
from optionwriter.venue.errors import invalid
from optionwriter.venue.listing import index_product
from optionwriter.venue.request import Request
from optionwriter.venue.rules import last_settlement
from optionwriter.venue.values import JsonValue, exact

VOLATILITY_PAGE = 1_000
_CHART_MINUTES = ("60", "120", "180", "360", "720", "1D")
_VOLATILITY_SECONDS = ("3600", "43200", "1D")


def get_tradingview_chart_data(request: Request) -> JsonValue:
    """Candles of a perpetual that opened in [start, end] and have closed, as columns.

    Volume and cost are zeros: the feed has no trades. A candle that is still open is left out.
    """
    name = request.params.required("instrument_name")
    underlying, _, kind = name.partition("-")
    if kind != "PERPETUAL" or underlying not in {one.underlying for one in request.products("any")}:
        raise invalid("instrument_name", "the local exchange keeps candles of perpetuals only")
    start, end = request.params.instant("start_timestamp"), request.params.instant("end_timestamp")
    resolution = request.params.text("resolution")
    if resolution not in _CHART_MINUTES:
        raise invalid("resolution", f"the local exchange keeps hourly candles: {', '.join(_CHART_MINUTES)}")
    width = MS_PER_DAY if resolution == "1D" else int(resolution) * 60_000
    first = -(-start // width) * width
    until = min(request.now_ms, end // width * width + width)
    candles = request.state.market.feed.candles(underlying, first, max(first, until))
    bars = _merge(candles.open_ms, (candles.open, candles.high, candles.low, candles.close), width)
    kept = (bars.opened <= end) & (bars.opened + width <= request.now_ms)
    columns = {
        name: _encoded(column[kept].tolist())
        for name, column in zip(("ticks", "open", "high", "low", "close"), bars, strict=True)
    }
    nothing = _encoded([0.0] * int(kept.sum()))
    return {**columns, "volume": nothing, "cost": nothing, "status": "ok" if kept.any() else "no_data"}


def get_volatility_index_data(request: Request) -> JsonValue:
    """The volatility index as candles [opened, open, high, low, close], ascending, at most 1,000, paged backwards.

    The feed knows values, not candles: a candle opens at the value before and closes at its own.
    """
    currency = request.params.required("currency").upper()
    if currency not in {one.underlying for one in request.products("any")}:
        raise invalid("currency", "not supported")
    start, end = request.params.instant("start_timestamp"), request.params.instant("end_timestamp")
    resolution = request.params.text("resolution")
    if resolution not in _VOLATILITY_SECONDS:
        raise invalid(
            "resolution", f"the local exchange keeps hourly values: {', '.join(_VOLATILITY_SECONDS)}"
        )
    width = MS_PER_DAY if resolution == "1D" else int(resolution) * 1_000
    first = start // width * width
    until = min(request.now_ms, end // width * width + width)
    known = request.state.market.feed.volatility_index(currency, first, max(first, until))
    if not len(known.at_ms):
        return {"data": [], "continuation": None}
    before = np.concatenate((known.value[:1], known.value[:-1]))
    columns = (before, np.maximum(before, known.value), np.minimum(before, known.value), known.value)
    bars = _merge(known.at_ms - 1, columns, width)
    kept = np.flatnonzero((bars.opened >= start) & (bars.opened <= end))
    page = kept[-VOLATILITY_PAGE:]
    rows = zip(*(column[page].tolist() for column in bars), strict=True)
    continuation = int(bars.opened[page[0]]) - 1 if len(kept) > len(page) else None
    return {"data": _encoded(list(rows)), "continuation": continuation}


def get_delivery_prices(request: Request) -> JsonValue:
    """Delivery prices, newest first; the record begins with the feed."""
    name = index_product(request, request.params.required("index_name")).index_name
    offset, count = request.params.integer("offset", 0, 0), request.params.integer("count", 10, 1, 1_000)
    feed = request.state.market.feed
    first = next_expiry_instant(feed.start_ms)
    newest = last_settlement(request.now_ms)
    total = max(0, (newest - first) // MS_PER_DAY + 1)
    days = range(offset, min(total, offset + count))
    instants = [newest - day * MS_PER_DAY for day in days]
    return {
        "data": [
            {"date": utc_day(one).isoformat(), "delivery_price": exact(feed.delivery_price(name, one))}
            for one in instants
        ],
        "records_total": total,
    }


class _Bars(NamedTuple):
    """Bars as columns, ascending."""

    opened: I64  # ms
    open: F64
    high: F64
    low: F64
    close: F64


def _merge(at_ms: I64, columns: tuple[F64, F64, F64, F64], width: int) -> _Bars:
    """Hourly bars as bars of `width`."""
    if not len(at_ms):
        return _Bars(at_ms, *columns)
    bucket = at_ms // width * width
    starts = np.flatnonzero(np.concatenate(([True], bucket[1:] != bucket[:-1])))
    ends = np.concatenate((starts[1:], [len(bucket)])) - 1
    opened, high, low, close = columns
    return _Bars(
        bucket[starts],
        opened[starts],
        np.maximum.reduceat(high, starts),
        np.minimum.reduceat(low, starts),
        close[ends],
    )


def _encoded(values: Sequence[object]) -> msgspec.Raw:
    """Ints and floats as the wire shows them, in one go: years of hours are too many to look at one by one."""
    return msgspec.Raw(msgspec.json.encode(values))
