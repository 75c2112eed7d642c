"""The past of an underlying: hourly candles of its perpetual and its volatility index, read once and then added to.

Five years of prices are 11 calls; of the index the last 400 days are read by the hour, what lies before by the day.
Owns the paging. Only candles that have closed are given: a candle that opened at t is known at t + its length, and
so is the volatility index's value (its candle's close).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import MalformedReplyError
from optionwriter.adapters.deribit.wire import ChartData, VolatilityPage
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex, history_start
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR

_FINE_MS = 400 * MS_PER_DAY  # of the volatility index: a one-year rank, with room; before, days are enough
_CANDLES_A_CALL = 4_000  # the exchange gives up to 5,000 (as ccxt has it)
_MOST_PAGES = 100
_RESOLUTION_MS = {"3600": MS_PER_HOUR, "1D": MS_PER_DAY}


@dataclass(slots=True)
class _Past:
    """What has been read of one underlying: openings and, beside them, their rows (open, high, low, close)."""

    opened: I64 = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    prices: F64 = field(default_factory=lambda: np.empty((0, 4)))
    volatility_known: I64 = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # the candles' ends
    volatility: F64 = field(default_factory=lambda: np.empty(0))


class HistoryReader:
    """Keeps the past of each underlying and reads only what has closed since."""

    def __init__(self, client: DeribitClient, volatility_resolution: str) -> None:
        if volatility_resolution not in _RESOLUTION_MS:
            raise ValueError(f"volatility index by {volatility_resolution!r}: known are 3600 and 1D")
        self._client = client
        self._resolution = volatility_resolution
        self._pasts: dict[str, _Past] = {}

    def read(self, underlying: str, now_ms: int, most_days: int | None = None) -> PriceHistory:
        """Everything known of `underlying` at `now_ms`, up to five years or `most_days` back. Raises VenueError.

        The past begins at a midnight, so that it is the same all day but for what is added.
        """
        past = self._pasts.setdefault(underlying, _Past())
        first_ms = history_start(now_ms)
        if most_days is not None:
            first_ms = max(first_ms, (now_ms // MS_PER_DAY - most_days) * MS_PER_DAY)
        self._add_candles(past, underlying, first_ms, now_ms)
        fine_ms = max(first_ms, (now_ms - _FINE_MS) // MS_PER_DAY * MS_PER_DAY)
        if not len(past.volatility_known):
            self._add_volatility(past, underlying, first_ms, fine_ms, "1D")
        self._add_volatility(past, underlying, fine_ms, now_ms, self._resolution)
        kept = slice(int(np.searchsorted(past.opened, first_ms)), None)
        candles = Candles(
            past.opened[kept], *(np.ascontiguousarray(column) for column in past.prices[kept].T)
        )
        kept = slice(int(np.searchsorted(past.volatility_known, first_ms)), None)
        index = VolatilityIndex(past.volatility_known[kept], past.volatility[kept])
        return PriceHistory(underlying, now_ms, candles, index)

    def _add_candles(self, past: _Past, underlying: str, first_ms: int, now_ms: int) -> None:
        closed_ms = now_ms - MS_PER_HOUR  # the last opening whose candle has closed
        start_ms = _next(past.opened, MS_PER_HOUR, first_ms)
        opened, prices = [past.opened], [past.prices]
        while start_ms <= closed_ms:
            end_ms = min(start_ms + _CANDLES_A_CALL * MS_PER_HOUR - 1, now_ms)
            chart = self._client.call(
                "public/get_tradingview_chart_data",
                {
                    "instrument_name": f"{underlying}-PERPETUAL",
                    "start_timestamp": start_ms,
                    "end_timestamp": end_ms,
                    "resolution": "60",
                },
                ChartData,
            )
            ticks, rows = rows_of(chart)
            wanted = (ticks >= start_ms) & (ticks <= min(end_ms, closed_ms))
            opened.append(ticks[wanted])
            prices.append(rows[wanted])
            start_ms = end_ms + 1
        past.opened, past.prices = np.concatenate(opened), np.concatenate(prices)

    def _add_volatility(
        self, past: _Past, underlying: str, first_ms: int, until_ms: int, resolution: str
    ) -> None:
        """Adds what became known in [first, until] and after what is there."""
        step = _RESOLUTION_MS[resolution]
        known = past.volatility_known
        start_ms = -(-(first_ms - step) // step) * step
        if len(known):
            start_ms = max(start_ms, int(known[-1]) // step * step)
        end_ms = until_ms
        if start_ms + step > until_ms:
            return
        read: dict[int, float] = {}
        for _ in range(_MOST_PAGES):
            page = self._client.call(
                "public/get_volatility_index_data",
                {
                    "currency": underlying,
                    "start_timestamp": start_ms,
                    "end_timestamp": end_ms,
                    "resolution": resolution,
                },
                VolatilityPage,
            )
            read.update((row[0], row[4]) for row in page.data if start_ms <= row[0] <= until_ms - step)
            if page.continuation is None or page.continuation < start_ms:
                break
            if page.continuation >= end_ms:
                raise MalformedReplyError("public/get_volatility_index_data: the pages do not go backwards")
            end_ms = page.continuation
        else:
            raise MalformedReplyError(f"public/get_volatility_index_data: more than {_MOST_PAGES} pages")
        openings = sorted(read)
        past.volatility_known = np.concatenate([known, np.array(openings, dtype=np.int64) + step])
        past.volatility = np.concatenate([past.volatility, np.array([read[one] for one in openings])])


def _next(opened: I64, step: int, first_ms: int) -> int:
    """The first opening that has not been read."""
    return max(first_ms, int(opened[-1]) + step) if len(opened) else first_ms


def rows_of(chart: ChartData) -> tuple[I64, F64]:
    """Openings (n) and prices (n, 4). Raises MalformedReplyError when they do not fit or make no sense."""
    if chart.status not in ("ok", "no_data"):
        raise MalformedReplyError(f"public/get_tradingview_chart_data: status {chart.status!r}")
    columns = (chart.open, chart.high, chart.low, chart.close)
    if any(len(column) != len(chart.ticks) for column in columns):
        raise MalformedReplyError("public/get_tradingview_chart_data: columns of unequal length")
    ticks: I64 = np.array(chart.ticks, dtype=np.int64)
    prices: F64 = np.array(columns, dtype=np.float64).T.reshape(-1, 4)
    if np.any(np.diff(ticks) <= 0) or np.any(prices <= 0):
        raise MalformedReplyError(
            "public/get_tradingview_chart_data: candles out of order or prices not above 0"
        )
    return ticks, prices
