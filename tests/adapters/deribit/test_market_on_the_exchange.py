"""DeribitMarket over the local exchange: what it reads is what the feed holds."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.market import DeribitMarket
from optionwriter.venue.engine import Engine
from optionwriter.venue.wire import InProcessVenue
from tests.venue.flat_feed import START, FlatFeed

HOUR, DAY = 3_600_000, 86_400_000


def seated(at_ms: int) -> tuple[DeribitMarket, FlatFeed, SimulatedClock]:
    feed = FlatFeed()
    venue = InProcessVenue(Engine(feed, {"me": {"BTC": Decimal(1)}}, at_ms), None)
    clock = SimulatedClock(at_ms, venue.advance)
    return DeribitMarket(DeribitClient(venue, "local"), clock), feed, clock


@pytest.mark.parametrize("code", ["BTC", "ETH", "BTC_USDC", "ETH_USDC"])
def test_chains_are_the_feeds_across_settlements(code: str) -> None:
    market, feed, clock = seated(START + 7 * HOUR)
    for at_ms in (START + 7 * HOUR, START + 8 * HOUR, START + DAY + 8 * HOUR + 17_000, START + 3 * DAY):
        clock.sleep_until(at_ms)
        read, held = market.chain(code), feed.chain(code, at_ms)
        assert read.table.names == held.table.names and read.at_ms == at_ms
        assert read.index_price == held.index_price
        for column in ("forward", "mark", "bid", "ask", "open_interest", "volume", "mark_iv"):
            assert np.array_equal(getattr(read, column), getattr(held, column), equal_nan=True), column


def test_the_past_is_the_feeds_hour_by_hour() -> None:
    market, feed, clock = seated(START + 30 * DAY)
    for at_ms in (
        START + 30 * DAY,
        START + 30 * DAY + 50 * 60_000,
        START + 30 * DAY + 5 * HOUR,
        START + 33 * DAY + 1,
    ):
        clock.sleep_until(at_ms)
        read = market.history("ETH")
        candles = feed.candles("ETH", at_ms - 400 * DAY, at_ms)
        index = feed.volatility_index("ETH", at_ms - 400 * DAY, at_ms)
        for name in candles.__slots__:
            assert np.array_equal(getattr(read.candles, name)[-9_000:], getattr(candles, name)[-9_000:]), name
        assert np.array_equal(read.volatility_index.at_ms[-9_000:], index.at_ms[-9_000:])
        assert np.array_equal(read.volatility_index.value[-9_000:], index.value[-9_000:])
        assert read.candles.open_ms[-1] + HOUR <= at_ms and read.volatility_index.at_ms[-1] <= at_ms
