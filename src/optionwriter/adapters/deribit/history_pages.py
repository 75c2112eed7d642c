"""HistoryPages: hourly candles, volatility index and delivery prices, a window at a time.

Implements ports.HistorySource. Only what has closed is given: a candle that opened at t is known an hour later.
Candles are the perpetual's (an index has none): BTC-PERPETUAL and ETH-PERPETUAL, of the others SOL_USDC-PERPETUAL and
so on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import msgspec
import numpy as np

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import MalformedReplyError, VenueError
from optionwriter.adapters.deribit.history import rows_of
from optionwriter.adapters.deribit.wire import ChartData, VolatilityPage
from optionwriter.core.market.instruments import MS_PER_HOUR, PRODUCTS, expiry_at
from optionwriter.ports import MarketUnavailableError

_CANDLES = 4_000  # the exchange gives up to 5,000 a call (as ccxt has it)
_VOLATILITIES = 1_000  # a page
_DELIVERIES = 1_000
_MOST_PAGES = 100
Columns = Mapping[str, Sequence[object]]


class _Delivery(msgspec.Struct):
    date: str
    delivery_price: float


class _Deliveries(msgspec.Struct):
    """get_delivery_prices, newest first."""

    data: list[_Delivery]
    records_total: int


class HistoryPages:
    """The past by the public methods of one exchange."""

    def __init__(self, client: DeribitClient) -> None:
        self._client = client
        self._readers: dict[str, tuple[int, Callable[[str, int, int], Columns]]] = {
            "prices": (_CANDLES * MS_PER_HOUR, self._candles),
            "volatility_index": (_VOLATILITIES * MS_PER_HOUR, self._volatility),
            "delivery_prices": (0, self._deliveries),
        }

    def window_ms(self, kind: str) -> int:
        """How much of the past one question covers; 0 where it is always all."""
        return self._readers[kind][0]

    def read(self, kind: str, name: str, start_ms: int, end_ms: int) -> Columns:
        """What was known after `start_ms` and up to `end_ms`, by its columns. Raises MarketUnavailableError."""
        try:
            return self._readers[kind][1](name, start_ms, end_ms)
        except VenueError as error:
            raise MarketUnavailableError(str(error)) from error

    def _candles(self, coin: str, start_ms: int, end_ms: int) -> Columns:
        chart = self._client.call(
            "public/get_tradingview_chart_data",
            {
                "instrument_name": f"{coin if coin in PRODUCTS else coin + '_USDC'}-PERPETUAL",
                "start_timestamp": start_ms,
                "end_timestamp": end_ms,
                "resolution": "60",
            },
            ChartData,
        )
        ticks, prices = rows_of(chart)
        if chart.volume and len(chart.volume) != len(ticks):
            raise MalformedReplyError("public/get_tradingview_chart_data: columns of unequal length")
        volume = np.array(chart.volume or [np.nan] * len(ticks), dtype=np.float64)
        kept = (ticks >= start_ms) & (ticks + MS_PER_HOUR <= end_ms)
        return {
            "open_time": ticks[kept].tolist(),
            "close_time": (ticks[kept] + MS_PER_HOUR).tolist(),
            **{
                name: prices[kept, place].tolist()
                for place, name in enumerate(("open", "high", "low", "close"))
            },
            "volume": [one if one == one else None for one in volume[kept].tolist()],
        }

    def _volatility(self, coin: str, start_ms: int, end_ms: int) -> Columns:
        method = "public/get_volatility_index_data"
        rows: dict[int, tuple[float, float, float, float]] = {}
        until_ms = end_ms
        for _ in range(_MOST_PAGES):
            page = self._client.call(
                method,
                {
                    "currency": coin,
                    "start_timestamp": start_ms,
                    "end_timestamp": until_ms,
                    "resolution": "3600",
                },
                VolatilityPage,
            )
            rows.update((row[0], row[1:]) for row in page.data)
            if page.continuation is None or page.continuation < start_ms:
                break
            if page.continuation >= until_ms:
                raise MalformedReplyError(f"{method}: the pages do not go backwards")
            until_ms = page.continuation
        else:
            raise MalformedReplyError(f"{method}: more than {_MOST_PAGES} pages")
        kept = sorted(one for one in rows if start_ms <= one and one + MS_PER_HOUR <= end_ms)
        return {
            "open_time": kept,
            "close_time": [one + MS_PER_HOUR for one in kept],
            **{
                name: [rows[one][place] for one in kept]
                for place, name in enumerate(("open", "high", "low", "close"))
            },
        }

    def _deliveries(self, index_name: str, start_ms: int, end_ms: int) -> Columns:
        method = "public/get_delivery_prices"
        found: dict[int, float] = {}
        offset = 0
        for _ in range(_MOST_PAGES):
            page = self._client.call(
                method,
                {"index_name": index_name, "offset": offset, "count": _DELIVERIES},
                _Deliveries,
            )
            try:
                found.update(
                    (expiry_at(date.fromisoformat(one.date)), one.delivery_price) for one in page.data
                )
            except ValueError as error:
                raise MalformedReplyError(f"{method}: {error}") from error
            offset += len(page.data)
            if not page.data or offset >= page.records_total or min(found) <= start_ms:
                break
        else:
            raise MalformedReplyError(f"{method}: more than {_MOST_PAGES} pages")
        kept = sorted(one for one in found if start_ms < one <= end_ms)
        return {"delivery_time": kept, "delivery_price": [found[one] for one in kept]}
