"""Idle cash: a rate on what covers nothing, by hand, booked as its own movement."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.paper import PaperBroker
from optionwriter.adapters.paper.idle import IdleYield, idle_cash
from optionwriter.core.books.account import YIELD, Acknowledged, CashMovement, Side
from optionwriter.core.market.instruments import MS_PER_DAY, parse_instrument
from tests.contracts.brokers import CALL, CASH, HOUR, PUT, TEN, Seat
from tests.venue.flat_feed import START, FlatFeed

D = Decimal


def seat(rates: dict[str, str], at_ms: int = TEN) -> Seat:
    feed, clock = FlatFeed(), SimulatedClock(at_ms)
    feed.pin(CALL, at_ms, 0.0110, 0.0145)
    feed.pin(PUT, at_ms, 800.0, 900.0)
    idle = IdleYield({name: D(rate) for name, rate in rates.items()})
    broker = PaperBroker(feed, clock, "me", CASH, idle=idle)
    return Seat(broker, clock, feed, broker.deposit)


def movements(own: Seat) -> list[CashMovement]:
    return [one for one in own.broker.events_since(0) if isinstance(one, CashMovement)]


def test_free_cash_earns_by_the_day_from_08_to_08() -> None:
    own = seat({"USDC": "0.0365", "BTC": "0.01"})
    own.to(START + 2 * MS_PER_DAY + 9 * HOUR)
    told = [(one.currency, one.amount, one.at_ms, one.kind) for one in movements(own)]
    # 200,000 × 3.65 % / 365 = 20 a day; the first is 22 of 24 hours: 18.333333; then on 200,018.333333
    assert told[0] == ("USDC", D("18.333333"), START + 32 * HOUR, YIELD)
    assert told[2] == ("USDC", D("20.001833"), START + 56 * HOUR, YIELD)
    # 2 BTC × 1 % × 22/24 / 365 = 0.0000502283, rounded down
    assert told[1][:2] == ("BTC", D("0.00005022")) and len(told) == 4
    assert own.broker.account().currency("USDC").balance == 200_000 + told[0][1] + told[2][1]


def test_cover_earns_nothing_and_a_sale_during_the_day_counts_for_all_of_it() -> None:
    own = seat({"USDC": "0.0365"})
    sold = own.broker.send(own.intent(PUT, Side.SELL, "1", "800"))
    assert isinstance(sold, Acknowledged) and sold.fills
    own.to(START + 32 * HOUR)
    cash = 200_000 + 800 - sold.fills[0].fee
    (one,) = movements(own)
    idle = cash - 78_000  # the strike of a coin
    assert one.amount == (idle * D("0.0365") * 22 / 24 / 365).quantize(D("1e-6"), rounding="ROUND_FLOOR")


def test_what_claims_cash() -> None:
    call, put = parse_instrument(CALL), parse_instrument(PUT)
    shorts = [(call, D("0.5")), (put, D("0.1"))]
    assert idle_cash("BTC", D(2), shorts) == D("1.5")
    assert idle_cash("USDC", D(10_000), shorts) == D(2_200)
    assert idle_cash("ETH", D(3), shorts) == D(3)
    assert idle_cash("USDC", D(5_000), shorts) == 0
    assert idle_cash("BTC", D(2), [(parse_instrument("BTC-4JAN26-82000-P"), D(1))]) == 0  # no bound


def test_a_rate_beyond_all_is_refused_and_none_moves_nothing() -> None:
    with pytest.raises(ValueError, match="idle yield of USDC is 2"):
        IdleYield({"USDC": D(2)})
    own = seat({})
    own.to(START + 56 * HOUR)
    assert movements(own) == []
