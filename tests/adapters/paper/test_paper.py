"""What only paper has: fills inside the spread, tapes with holes, restarts in the middle of an order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.paper import PaperBroker
from optionwriter.core.books.account import Acknowledged, Fill, Rejected, Side, VenueOrder
from optionwriter.core.market.instruments import InstrumentError
from optionwriter.ports import BrokerUnavailableError
from tests.contracts.brokers import CALL, CASH, HOUR, TEN, Seat
from tests.venue.flat_feed import MINUTE, FlatFeed

D = Decimal


def seat(share: str, bid: float | None = 0.0110, ask: float | None = 0.0145) -> Seat:
    feed, clock = FlatFeed(), SimulatedClock(TEN)
    feed.pin(CALL, TEN, bid, ask, 5.0, 5.0)
    broker = PaperBroker(feed, clock, "me", CASH, spread_share=D(share))
    return Seat(broker, clock, feed, broker.deposit)


@pytest.mark.parametrize(
    ("share", "side", "limit", "price"),
    [
        ("0", Side.SELL, "0.0110", "0.0110"),
        ("0", Side.BUY, "0.0145", "0.0145"),
        ("0.5", Side.SELL, "0.0110", "0.0125"),  # the mid is 0.01275: a seller gets the tick below
        ("0.5", Side.BUY, "0.0145", "0.0130"),  # a buyer pays the tick above
        ("0.3", Side.SELL, "0.0110", "0.0120"),  # 0.0110 + 0.3 × 0.0035 = 0.01205
        ("1", Side.SELL, "0.0110", "0.0145"),
    ],
)
def test_fills_keep_their_share_of_the_spread_to_the_worse_tick(
    share: str, side: Side, limit: str, price: str
) -> None:
    paper = seat(share)
    outcome = paper.broker.send(paper.intent(CALL, side, "1", limit))
    assert isinstance(outcome, Acknowledged)
    assert [fill.price for fill in outcome.fills] == [D(price)]


def test_a_limit_beyond_the_share_rests_until_the_quote_comes() -> None:
    paper = seat("0.5")
    outcome = paper.broker.send(paper.intent(CALL, Side.SELL, "1", "0.0130"))
    assert isinstance(outcome, Acknowledged) and outcome.fills == ()
    paper.feed.pin(
        CALL, TEN + 2 * MINUTE, 0.0120, 0.0145, 5.0, 5.0
    )  # the mid becomes 0.01325, the tick below 0.0130
    paper.to(TEN + HOUR)
    (fill,) = paper.broker.events_since(0)
    assert isinstance(fill, Fill) and (fill.price, fill.at_ms) == (D("0.0130"), TEN + 2 * MINUTE)


def test_a_market_with_one_side_has_no_inside() -> None:
    paper = seat("0.5", bid=0.0110, ask=None)
    outcome = paper.broker.send(paper.intent(CALL, Side.SELL, "1", "0.0110"))
    assert isinstance(outcome, Acknowledged) and outcome.fills[0].price == D("0.0110")
    empty = seat("0.5", bid=None, ask=None)
    outcome = empty.broker.send(empty.intent(CALL, Side.SELL, "1", "0.0110"))
    assert isinstance(outcome, Acknowledged) and outcome.order.state == "open"


def test_nothing_is_traded_or_valued_without_a_mark() -> None:
    paper = seat("0")
    assert isinstance(paper.broker.send(paper.intent(CALL, Side.SELL, "1", "0.0110")), Acknowledged)
    paper.feed.pin(CALL, TEN + HOUR, 0.0110, 0.0145, 5.0, 5.0, mark=float("nan"))
    paper.to(TEN + HOUR)
    with pytest.raises(BrokerUnavailableError, match=CALL):
        paper.broker.account()
    refused = paper.broker.send(paper.intent(CALL, Side.BUY, "1", "0.0145"))
    assert isinstance(refused, Rejected) and refused.code == 10020


def test_an_order_that_was_filled_in_part_before_a_restart_gives_its_later_fills_new_ids() -> None:
    paper = seat("0")
    paper.feed.pin(CALL, TEN, 0.0110, 0.0145, 0.4, 5.0)
    first = paper.broker.send(paper.intent(CALL, Side.SELL, "1", "0.0110"))
    assert isinstance(first, Acknowledged)
    account = paper.broker.account()
    clock = SimulatedClock(TEN + HOUR)
    cash = {one.currency: one.balance for one in account.currencies}
    again = PaperBroker(
        paper.feed, clock, "me", cash, positions=account.positions, orders=account.open_orders, since_ms=TEN
    )
    fills = [event for event in again.events_since(0) if isinstance(event, Fill)]
    assert [fill.amount for fill in fills] == [D("0.4"), D("0.2")]
    assert len({fill.trade_id for fill in (*first.fills, *fills)}) == 3


def test_a_fill_that_turns_the_position_begins_a_new_average() -> None:
    paper = seat("0")
    for side, amount, limit in ((Side.SELL, "1", "0.0110"), (Side.BUY, "3", "0.0145")):
        assert isinstance(paper.broker.send(paper.intent(CALL, side, amount, limit)), Acknowledged)
    (held,) = paper.broker.account().positions
    assert (held.amount, held.average_price) == (D(2), D("0.0145"))


def test_bad_seats_are_refused() -> None:
    with pytest.raises(ValueError, match="spread_share"):
        seat("1.5")
    order = VenueOrder("x", "l", CALL, Side.SELL, D(1), D(0), D("0.02"), "open", False, TEN)
    restored = PaperBroker(FlatFeed(), SimulatedClock(TEN), "me", CASH, orders=[order])
    assert restored.account().open_orders == (replace(order),)


class EtherOnly(FlatFeed):
    """A tape without Bitcoin, whose Ether says that a USDC is worth 2 dollars."""

    def index(self, index_name: str, at_ms: int) -> float:
        if not index_name.startswith("eth"):
            raise InstrumentError(f"no index {index_name}")
        return 3_000.0 if index_name == "eth_usd" else 1_500.0


def test_usdc_is_valued_by_ether_where_there_is_no_bitcoin() -> None:
    broker = PaperBroker(EtherOnly(), SimulatedClock(TEN), "me", CASH)
    assert broker.deposit("USDC", D(100)).index == D(2)
    assert broker.deposit("ETH", D(1)).index == D(3_000)
    with pytest.raises(InstrumentError, match="btc_usd"):
        broker.deposit("BTC", D(1))
