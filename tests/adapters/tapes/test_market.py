"""TapeMarket shows now and the past, whole and cheaply, and nothing later."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.ports import Market, MarketUnavailableError

FEED = SampleFeed()


class Hands:
    """A clock that is set by hand."""

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic(self) -> float:
        return self.at_ms / 1000

    def sleep_until(self, at_ms: int) -> None:
        self.at_ms = max(self.at_ms, at_ms)


@settings(max_examples=20, deadline=None)
@given(
    start=st.integers(FEED.start_ms, FEED.end_ms),
    steps=st.lists(st.integers(-2 * MS_PER_HOUR, 9 * MS_PER_HOUR), min_size=1, max_size=12),
)
def test_history_grown_step_by_step_is_the_history_asked_at_once(start: int, steps: list[int]) -> None:
    clock = Hands(start)
    market: Market = TapeMarket(FEED, clock)
    for step in steps:
        clock.at_ms += step
        grown = market.history("BTC")
        whole = TapeMarket(FEED, clock).history("BTC")
        assert grown.at_ms == clock.at_ms
        for mine, theirs in (
            (grown.candles.open_ms, whole.candles.open_ms),
            (grown.candles.close, whole.candles.close),
            (grown.candles.high, whole.candles.high),
            (grown.volatility_index.at_ms, whole.volatility_index.at_ms),
            (grown.volatility_index.value, whole.volatility_index.value),
        ):
            assert np.array_equal(mine, theirs)
        assert grown.candles.open_ms[-1] + MS_PER_HOUR <= clock.at_ms
        assert grown.volatility_index.at_ms[-1] <= clock.at_ms
        assert (np.diff(grown.candles.open_ms) > 0).all() and (
            np.diff(grown.volatility_index.at_ms) > 0
        ).all()


def test_the_chain_is_that_of_now() -> None:
    clock = Hands(FEED.start_ms + MS_PER_DAY)
    market = TapeMarket(FEED, clock)
    before = market.chain("ETH")
    clock.at_ms += MS_PER_HOUR
    after = market.chain("ETH")
    assert (before.at_ms, after.at_ms) == (clock.at_ms - MS_PER_HOUR, clock.at_ms)
    assert before.index_price != after.index_price


def test_history_begins_where_the_live_one_does() -> None:
    """Five years back at a midnight, or with the recording; it is the feed's own columns, not a copy of them."""
    clock = Hands(FEED.end_ms - 7_777)
    market = TapeMarket(FEED, clock)
    history = market.history("BTC")
    begin = (clock.at_ms - (5 * 365 + 1) * MS_PER_DAY) // MS_PER_DAY * MS_PER_DAY
    assert begin <= history.candles.open_ms[0] <= begin + MS_PER_HOUR
    assert history.volatility_index.at_ms[0] == begin
    assert np.shares_memory(history.candles.close, FEED.candles("BTC", 0, clock.at_ms).close)
    clock.at_ms = FEED.start_ms
    assert market.history("BTC").candles.open_ms[0] == FEED.candles("BTC", 0, clock.at_ms).open_ms[0]


def test_what_the_feed_refuses_is_unavailable() -> None:
    market = TapeMarket(FEED, Hands(FEED.start_ms - 1))
    with pytest.raises(MarketUnavailableError, match="BTC: no BTC option was quoted before"):
        market.chain("BTC")
    with pytest.raises(MarketUnavailableError, match="SOL"):
        market.history("SOL")
