"""Two brokers over one feed: on paper, and through Deribit's protocol on the local exchange; each has its clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.broker import DeribitBroker
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.paper import PaperBroker
from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import Action, Intent
from optionwriter.ports import Broker, TransportError
from optionwriter.venue.engine import Engine
from optionwriter.venue.wire import InProcessVenue
from tests.venue.flat_feed import START, FlatFeed

HOUR = 3_600_000
TEN = START + 10 * HOUR  # 2026-01-01 10:00 UTC
CASH = {"BTC": Decimal(2), "ETH": Decimal(20), "USDC": Decimal(200_000)}
CALL = "BTC-4JAN26-82000-C"
PUT = "BTC_USDC-4JAN26-78000-P"


@dataclass
class FaultyVenue:
    """The exchange behind a wire that can lose requests and replies. `lose[method]` is "request", "reply" or a body."""

    venue: InProcessVenue
    lose: dict[str, str | bytes] = field(default_factory=dict)

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        fault = self.lose.get(method)
        if fault == "request":
            raise TransportError("connection refused")
        body = self.venue.call(method, params)
        if fault == "reply":
            raise TransportError("timed out")
        return fault if isinstance(fault, bytes) else body


@dataclass
class Seat:
    """One broker, its clock, its feed, and a way to send it cash."""

    broker: Broker
    clock: SimulatedClock
    feed: FlatFeed
    deposit: Callable[[str, Decimal], object]
    wire: FaultyVenue | None = None
    sent: int = 0

    def to(self, at_ms: int) -> None:
        self.clock.sleep_until(at_ms)

    def intent(
        self, name: str, side: Side, amount: str, price: str, label: str = "", reduce: bool = False
    ) -> Intent:
        self.sent += 1
        return Intent(
            label=label or f"CCBOT_{self.sent}",
            plan="p",
            step=0,
            action=Action.OPEN_COVERED_CALL,
            reason="open",
            instrument=name,
            side=side,
            amount=Decimal(amount),
            limit_price=Decimal(price),
            reduce_only=reduce,
            valid_until_ms=self.clock.now_ms() + 5_000,
        )


def paper(feed: FlatFeed, at_ms: int = TEN) -> Seat:
    clock = SimulatedClock(at_ms)
    broker = PaperBroker(feed, clock, "me", CASH)
    return Seat(broker, clock, feed, broker.deposit)


def deribit(feed: FlatFeed, at_ms: int = TEN) -> Seat:
    venue = InProcessVenue(Engine(feed, {"me": CASH}, at_ms, allow_local=True), "me")
    clock = SimulatedClock(at_ms, venue.advance)
    wire = FaultyVenue(venue)
    broker = DeribitBroker(DeribitClient(wire, "local"), clock, "me", "local")
    return Seat(
        broker,
        clock,
        feed,
        lambda currency, amount: venue.call("local/deposit", {"currency": currency, "amount": amount}),
        wire,
    )


SEATS = {"paper": paper, "deribit": deribit}
