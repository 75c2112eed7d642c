"""A dry run's quotes from the wire are the market's own, and paper trades on them as on the tape."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.quotes import WireQuotes
from optionwriter.adapters.paper import PaperBroker
from optionwriter.core.books.account import Acknowledged, Side
from optionwriter.core.books.facts import Action, Intent
from optionwriter.core.market.instruments import MS_PER_DAY, next_expiry_instant, parse_instrument
from optionwriter.ports import BrokerUnavailableError
from optionwriter.venue.engine import Engine
from optionwriter.venue.wire import InProcessVenue
from tests.venue.flat_feed import FlatFeed


class World:
    """The wire's quotes and the feed that they come from, at one clock."""

    def __init__(self) -> None:
        self.feed = FlatFeed()
        engine = Engine(self.feed, {"local": {"BTC": Decimal(1)}}, self.feed.start_ms)
        self.venue = InProcessVenue(engine, None)  # nobody's key: public methods only

        def advance(to_ms: int) -> None:
            self.venue.advance(to_ms)

        self.clock = SimulatedClock(engine.now_ms, advance)
        self.quotes = WireQuotes(DeribitClient(self.venue, "local"), self.clock)
        chain = self.feed.chain("BTC", self.clock.now_ms())
        rows = [row for row in range(len(chain)) if chain.bid[row] > 0 and chain.table.is_call[row]]
        self.name = chain.table.names[rows[-1]]


def intent(name: str, price: str) -> Intent:
    return Intent("CCBOT_x", "p", 0, Action.OPEN_COVERED_CALL, "open", name, Side.SELL, Decimal("0.1"),
                  Decimal(price), False, 2**45)  # fmt: skip


def test_quotes_are_the_feeds() -> None:
    world = World()
    now = world.clock.now_ms()
    seen, true = world.quotes.quotes("BTC", [world.name], now), world.feed.quotes("BTC", [world.name], now)
    for column in ("bid", "ask", "bid_size", "ask_size", "mark_iv", "forward"):
        assert getattr(seen, column)[0] == pytest.approx(getattr(true, column)[0], rel=1e-9), column
    assert seen.mark[0] == pytest.approx(true.mark[0], abs=5e-5)  # tickers have four decimals (FACTS §2)
    assert world.quotes.index("btc_usd", now) == world.feed.index("btc_usd", now)


def test_paper_sells_settles_and_never_sends() -> None:
    world = World()
    calls: list[str] = []
    call = world.venue.call
    world.venue.call = lambda method, params: (calls.append(method), call(method, params))[1]
    broker = PaperBroker(world.quotes, world.clock, "paper", {"BTC": Decimal(1)})
    bid = world.feed.quotes("BTC", [world.name], world.clock.now_ms()).bid[0]
    done = broker.send(intent(world.name, f"{bid:.4f}"))
    assert isinstance(done, Acknowledged) and done.fills[0].price == Decimal(f"{bid:.4f}")
    expiry = parse_instrument(world.name).expiry_ms
    world.clock.sleep_until(expiry + 60_000)
    ends = [one for one in broker.events_since(0) if one.at_ms == expiry]
    assert len(ends) == 1 and not broker.account().positions
    assert calls and all(method.startswith("public/") for method in calls)


def test_a_delivery_price_that_is_not_there_yet_is_said() -> None:
    world = World()
    with pytest.raises(BrokerUnavailableError, match="no delivery price of btc_usd"):
        world.quotes.delivery_price("btc_usd", next_expiry_instant(world.clock.now_ms()) + MS_PER_DAY)
