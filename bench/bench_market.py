"""The market's other parts: the context of one instant, the seeded path, the listing of a day."""

from __future__ import annotations

import math

import numpy as np

from bench import Row, best_seconds
from optionwriter.core.market.context import build_context
from optionwriter.core.market.event_risk import Past, event_risks
from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, product
from optionwriter.core.market.listing import Listing
from optionwriter.core.market.paths import BridgePath

HOURS = 13_000
START = 1_735_689_600_000


def _history() -> PriceHistory:
    rng = np.random.default_rng(1)
    closes = 77_000.0 * np.exp(np.cumsum(rng.normal(0, 0.005, HOURS)))
    opens = np.concatenate([[77_000.0], closes[:-1]])
    at = START + MS_PER_HOUR * np.arange(HOURS)
    candles = Candles(at, opens, np.maximum(opens, closes) * 1.003, np.minimum(opens, closes) * 0.997, closes)
    return PriceHistory(
        "BTC", int(at[-1]) + MS_PER_HOUR, candles, VolatilityIndex(at, rng.uniform(35, 80, HOURS))
    )


def run() -> list[Row]:
    """13,000 hourly candles; a new interval of the path is an hour of 600 grid steps."""
    history = _history()
    past = Past(history.candles, history.volatility_index, history.at_ms)
    path = BridgePath.of_candles(1, "BTC", history.candles)
    hours = iter(range(HOURS))
    warm = path.start_ms + 7
    end = START + 500 * MS_PER_DAY
    days = iter(range(100))
    listing = Listing(product("BTC"), lambda at: 77_000.0 * (1 + 0.1 * math.sin(at / MS_PER_DAY / 9)))
    listing.names(end)
    return [
        Row(
            "Market context of one instant, 13,000 candles",
            best_seconds(lambda: build_context(history, history.at_ms)) * 1e3,
            "ms",
            0.3,
        ),
        Row(
            "Pump and crash risk of a new day, 13,000 candles",
            best_seconds(lambda: event_risks.__wrapped__(past), 5) * 1e3,
            "ms",
        ),
        Row(
            "Path: one price, new interval",
            best_seconds(lambda: path.price_at(START + next(hours) * MS_PER_HOUR + 1)) * 1e6,
            "µs",
        ),
        Row("Path: one price, known interval", best_seconds(lambda: path.price_at(warm)) * 1e6, "µs"),
        Row(
            "Path: a delivery price, new interval",
            best_seconds(lambda: path.twap(START + next(hours) * MS_PER_HOUR)) * 1e6,
            "µs",
        ),
        Row(
            "Listing: the names of a new day",
            best_seconds(lambda: listing.names(end + next(days) * MS_PER_DAY)) * 1e3,
            "ms",
        ),
        Row(
            "Listing: all names, a year's growth from nothing",
            best_seconds(lambda: Listing(product("BTC"), lambda at: 77_000.0).names(end), 5) * 1e3,
            "ms",
        ),
    ]
