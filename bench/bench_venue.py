"""The exchange engine on the recorded market: simulated days a second with one account, and a book summary's bytes."""

from __future__ import annotations

import time
from decimal import Decimal
from itertools import count

import msgspec

from bench import Row, best_seconds
from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, next_expiry_instant
from optionwriter.venue.engine import Engine
from optionwriter.venue.wire import InProcessVenue

DAYS = 30
CASH = {"BTC": Decimal(2), "ETH": Decimal(20), "USDC": Decimal(200_000)}
PICKS = (("BTC", "0.1", 0.03), ("ETH", "1", 0.04))  # product, amount, out of the money


def _venue(feed: SampleFeed) -> InProcessVenue:
    """A fresh exchange at 09:00 UTC of the sample's second day."""
    start = next_expiry_instant(feed.start_ms) + MS_PER_DAY + MS_PER_HOUR
    return InProcessVenue(Engine(feed, {"me": CASH}, start), "me")


def _sell(venue: InProcessVenue, code: str, amount: str, away: float) -> None:
    """A call of the nearest expiries out of the money, sold at its bid; and one more that rests far above."""
    chain = venue.engine.state.market.chain(code, venue.engine.now_ms)
    for row, name in enumerate(chain.table.names):
        near = chain.table.expiry_ms[row] > chain.at_ms + 2 * MS_PER_DAY
        out = chain.table.strike[row] > chain.index_price * (1 + away)
        if near and out and chain.table.is_call[row] and chain.bid[row] > 0:
            order = {"instrument_name": name, "amount": amount}
            venue.call("private/sell", {**order, "price": float(chain.bid[row])})
            ask = chain.product.ceil_price(Decimal(repr(float(chain.ask[row]))) * 2)
            venue.call("private/sell", {**order, "price": ask})
            return
    raise RuntimeError(
        f"no call of {code} to sell at {chain.at_ms}: the sample is not what this bench expects"
    )


def _month(feed: SampleFeed, rest_minutes: int, looks: bool) -> InProcessVenue:
    """Each day two sales and two orders that rest and are cancelled; `looks`: account and positions every hour."""
    venue = _venue(feed)
    for day in range(DAYS):
        now = venue.engine.now_ms
        for pick in PICKS:
            _sell(venue, *pick)
        venue.advance(now + rest_minutes * 60_000)
        venue.call("private/cancel_all", {})
        for hour in range(2, 24):
            venue.advance(now + hour * MS_PER_HOUR)
            if looks:
                venue.call("private/get_account_summary", {"currency": "BTC"})
                venue.call("private/get_positions", {"currency": "any"})
        venue.advance(now + MS_PER_DAY)
        assert day or len(venue.engine.account("me").trades) == 2
    return venue


def _days_a_second(feed: SampleFeed, rest_minutes: int, looks: bool) -> float:
    start = time.perf_counter()
    venue = _month(feed, rest_minutes, looks)
    seconds = time.perf_counter() - start
    account = venue.engine.account("me")
    assert account.settlements and account.trades, "a month without trades and settlements measures nothing"
    return DAYS / seconds


def _summary(feed: SampleFeed, moving: bool) -> tuple[float, int]:
    """(seconds, rows) from the request to the reply's bytes, at a new minute each time or at the same instant."""
    venue = _venue(feed)
    start, minute = venue.engine.now_ms, count(1)

    def once() -> bytes:
        if moving:
            venue.advance(start + next(minute) * 60_000)
        return venue.call("public/get_book_summary_by_currency", {"currency": "BTC"})

    return best_seconds(once, 40), len(msgspec.json.decode(once())["result"])


def run() -> list[Row]:
    """One process, one thread; the recorded market's own cost is in every figure."""
    feed = SampleFeed()
    _month(feed, 5, looks=False)  # compiles, and fills the feed's tables
    moving, rows = _summary(feed, moving=True)
    still, _ = _summary(feed, moving=False)
    return [
        Row(
            "Engine, two sales, two orders rest 5 minutes a day",
            _days_a_second(feed, 5, False),
            "days/s",
            50.0,
        ),
        Row("Engine, the same, account and positions hourly", _days_a_second(feed, 5, True), "days/s"),
        Row("Engine, two sales, two orders rest an hour a day", _days_a_second(feed, 60, False), "days/s"),
        Row(f"Book summary, request to bytes, {rows} options", moving * 1e3, "ms", 4.0),
        Row(f"Book summary at the same instant, {rows} options", still * 1e3, "ms"),
    ]
