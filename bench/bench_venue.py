"""The exchange engine: simulated days a second with one account, and a whole chain's book summary to bytes.

The flat market of the engine's tests feeds it, its quotes drawn once and kept, so that the figures are the engine's
own; what the recorded market adds is measured with it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from tests.venue.flat_feed import START, FlatFeed

from bench import Row, best_seconds
from optionwriter.core.market.chain import InstrumentTable, OptionChain
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, product
from optionwriter.venue.engine import Engine
from optionwriter.venue.wire import InProcessVenue

DAYS = 30
CASH = {"BTC": Decimal(2), "ETH": Decimal(20), "USDC": Decimal(200_000)}


class QuickFeed(FlatFeed):
    """The flat market with its tables and the hour's prices kept: about what a compiled feed costs a call."""

    def __init__(self, strikes: int) -> None:
        super().__init__(strikes=strikes, expiries=10)
        self._kept: dict[tuple[str, tuple[str, ...], int], OptionChain] = {}
        self._tables: dict[tuple[str, ...], InstrumentTable] = {}
        self._listed: dict[tuple[str, int], tuple[str, ...]] = {}

    def listed(self, product_code: str, at_ms: int) -> tuple[str, ...]:
        key = (product_code, (at_ms - 8 * MS_PER_HOUR) // MS_PER_DAY)
        if key not in self._listed:
            self._listed[key] = super().listed(product_code, at_ms)
        return self._listed[key]

    def quotes(self, product_code: str, names: Sequence[str], at_ms: int) -> OptionChain:
        wanted = tuple(names)
        hour = at_ms // MS_PER_HOUR
        kept = self._kept.get((product_code, wanted, hour))
        if kept is None:
            kept = super().quotes(product_code, wanted, at_ms)
            self._kept[(product_code, wanted, hour)] = kept
        if wanted not in self._tables:
            self._tables[wanted] = InstrumentTable.of(product(product_code), wanted)
        return OptionChain(
            self._tables[wanted], at_ms, kept.index_price, kept.forward, kept.mark, kept.mark_iv, kept.bid,
            kept.ask, kept.bid_size, kept.ask_size, kept.open_interest, kept.volume,
        )  # fmt: skip


def _live(feed: QuickFeed, rest_minutes: int) -> InProcessVenue:
    """A month of a small option writer: each day two sales, two orders that rest and are cancelled, hourly looks."""
    venue = InProcessVenue(Engine(feed, {"me": CASH}, START + 9 * MS_PER_HOUR), "me")
    for day in range(DAYS):
        now = START + day * MS_PER_DAY + 9 * MS_PER_HOUR
        venue.advance(now)
        for code, amount in (("BTC", "0.1"), ("ETH", "1")):
            names = [one for one in feed.listed(code, now) if one.endswith("-C")]
            quote = venue.engine.state.market.quote(names[len(names) // 3], now)
            if quote.bid is not None and quote.ask is not None:
                order = {"instrument_name": quote.instrument.name, "amount": amount}
                venue.call("private/sell", {**order, "price": quote.bid})
                venue.call("private/sell", {**order, "price": quote.ask * 2 // 1 or quote.ask})
        venue.advance(now + rest_minutes * 60_000)
        venue.call("private/cancel_all", {})
        for hour in range(2, 23):
            venue.advance(now + hour * MS_PER_HOUR)
            venue.call("private/get_account_summary", {"currency": "BTC"})
            venue.call("private/get_positions", {})
    return venue


def _days_a_second(feed: QuickFeed, rest_minutes: int) -> float:
    _live(feed, rest_minutes)  # draws what will be kept
    start = time.perf_counter()
    venue = _live(feed, rest_minutes)
    seconds = time.perf_counter() - start
    account = venue.engine.account("me")
    assert account.settlements and account.trades, "a month without trades and settlements measures nothing"
    return DAYS / seconds


def _summary_seconds(feed: QuickFeed) -> float:
    """From a chain in memory to the reply's bytes, at a new instant each time."""
    venue = InProcessVenue(Engine(feed, {"me": CASH}, START + 9 * MS_PER_HOUR), "me")
    moment = iter(range(1, 10_000))

    def once() -> bytes:
        venue.advance(START + 9 * MS_PER_HOUR + next(moment))
        return venue.call("public/get_book_summary_by_currency", {"currency": "BTC"})

    return best_seconds(once, 30)


def run() -> list[Row]:
    """One process; the engine's own time, with the feed's prices kept."""
    feed, large = QuickFeed(strikes=9), QuickFeed(strikes=40)
    count = len(large.listed("BTC", START))
    again = InProcessVenue(Engine(large, {"me": CASH}, START + 9 * MS_PER_HOUR), "me")
    kept = best_seconds(lambda: again.call("public/get_book_summary_by_currency", {"currency": "BTC"}))
    assert np.isfinite(kept)
    return [
        Row("Engine, two orders rest 5 minutes a day", _days_a_second(feed, 5), "days/s", 50.0),
        Row("Engine, two orders rest an hour a day", _days_a_second(feed, 60), "days/s"),
        Row(f"Book summary to bytes, {count} options", _summary_seconds(large) * 1e3, "ms", 4.0),
        Row(f"Book summary again at the same instant, {count} options", kept * 1e3, "ms"),
    ]
