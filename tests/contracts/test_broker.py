"""One suite for every broker: the same orders on the same feed end the same way. Numbers are worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.core.books.account import (
    Absent,
    Acknowledged,
    CashMovement,
    Fill,
    Found,
    LookupFailed,
    Rejected,
    Settlement,
    Side,
    Unknown,
    VenueEvent,
)
from optionwriter.core.books.booking import book_events
from optionwriter.core.books.facts import Deposited, Fact, LedgerOpened
from optionwriter.core.books.ledger import replay
from tests.contracts.brokers import CALL, CASH, HOUR, PUT, SEATS, TEN, Seat, deribit, paper
from tests.venue.flat_feed import MINUTE, START, FlatFeed

EIGHT = START + 3 * 24 * HOUR + 8 * HOUR  # 2026-01-04 08:00 UTC, a Sunday: CALL and PUT expire, dailies
D = Decimal


@pytest.fixture(params=sorted(SEATS))
def seat(request: pytest.FixtureRequest) -> Iterator[Seat]:
    """10:00 UTC; the call is quoted 0.0120 (0.5) to 0.0125 (0.3)."""
    feed = FlatFeed()
    feed.pin(CALL, TEN, 0.0120, 0.0125, 0.5, 0.3)
    yield SEATS[request.param](feed)


def cash(seat: Seat, currency: str = "BTC") -> Decimal:
    one = seat.broker.account().currency(currency)
    assert one is not None
    return one.balance


def sold(seat: Seat, amount: str = "0.5", price: str = "0.012") -> Acknowledged:
    outcome = seat.broker.send(seat.intent(CALL, Side.SELL, amount, price))
    assert isinstance(outcome, Acknowledged)
    return outcome


# -- sending ----------------------------------------------------------------------------------------------------


def test_a_sale_at_the_bid_fills_at_once_and_is_paid_less_its_fee(seat: Seat) -> None:
    outcome = sold(seat)
    (fill,) = outcome.fills
    assert (fill.price, fill.amount, fill.fee, fill.fee_currency) == (
        D("0.012"),
        D("0.5"),
        D("0.00015"),
        "BTC",
    )
    assert fill.index == D(repr(seat.feed.index("btc_usd", TEN)))
    assert (fill.at_ms, fill.side, fill.label) == (TEN, Side.SELL, "CCBOT_1")
    assert (outcome.order.state, outcome.order.filled_amount) == ("filled", D("0.5"))
    assert cash(seat) == D("2.00585")  # 2 + 0.5 × 0.0120 − 0.00015
    (position,) = seat.broker.account().positions
    assert (position.instrument, position.amount, position.average_price) == (CALL, D("-0.5"), D("0.012"))


def test_a_limit_below_the_bid_still_gets_the_bid_and_the_rest_of_the_size_rests_at_its_limit(
    seat: Seat,
) -> None:
    outcome = sold(seat, "0.8", "0.0105")
    assert [(fill.price, fill.amount) for fill in outcome.fills] == [(D("0.012"), D("0.5"))]
    (resting,) = seat.broker.account().open_orders
    assert (resting.filled_amount, resting.amount, resting.price) == (D("0.5"), D("0.8"), D("0.0105"))
    seat.to(TEN + MINUTE - 1)
    assert len(seat.broker.account().open_orders) == 1  # what was taken is gone until the next minute
    seat.to(TEN + MINUTE)
    assert seat.broker.account().open_orders == ()
    fills = [event for event in seat.broker.events_since(TEN) if isinstance(event, Fill)]
    assert [(fill.price, fill.amount, fill.at_ms) for fill in fills] == [
        (D("0.012"), D("0.5"), TEN),
        (D("0.0105"), D("0.3"), TEN + MINUTE),  # as a maker, at its own price
    ]


def test_an_order_inside_the_spread_rests_until_the_quote_reaches_it(seat: Seat) -> None:
    seat.feed.pin(CALL, TEN + 3 * MINUTE, 0.0125, 0.0130, 0.2, 0.2)
    outcome = sold(seat, "0.5", "0.0125")
    assert outcome.fills == () and outcome.order.state == "open"
    seat.to(TEN + 3 * MINUTE - 1)
    assert seat.broker.events_since(TEN) == []
    seat.to(TEN + 10 * MINUTE)
    fills = seat.broker.events_since(TEN)
    assert [(fill.at_ms - TEN, fill.amount) for fill in fills if isinstance(fill, Fill)] == [
        (3 * MINUTE, D("0.2")),
        (4 * MINUTE, D("0.2")),
        (5 * MINUTE, D("0.1")),
    ]


def test_a_linear_put_is_paid_in_usdc(seat: Seat) -> None:
    seat.feed.pin(PUT, TEN, 500.0, 520.0, 1.0, 1.0)
    outcome = seat.broker.send(seat.intent(PUT, Side.SELL, "0.4", "500"))
    assert isinstance(outcome, Acknowledged)
    index = D(repr(seat.feed.index("btc_usdc", TEN)))
    fee = (D("0.4") * D("0.0003") * index).quantize(D("1e-6"))
    assert outcome.fills[0].fee == fee and outcome.fills[0].index == index
    assert cash(seat, "USDC") == 200_000 + 200 - fee
    assert cash(seat) == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": D("0.05")}, 10002),
        ({"amount": D("0.15")}, 10021),
        ({"limit_price": D("0.01215")}, 10043),
        ({"instrument": "BTC-1JAN26-82000-C"}, 10012),
        ({"amount": D("1000"), "side": Side.BUY}, 10009),
        ({"amount": D("100")}, 10009),
        ({"reduce_only": True}, 11030),
    ],
)
def test_what_is_certainly_refused_leaves_nothing_behind(
    seat: Seat, changes: dict[str, Any], code: int
) -> None:
    outcome = seat.broker.send(replace(seat.intent(CALL, Side.SELL, "0.1", "0.012"), **changes))
    assert isinstance(outcome, Rejected) and outcome.code == code
    account = seat.broker.account()
    assert account.open_orders == account.positions == ()
    assert seat.broker.events_since(0) == [] and cash(seat) == 2


def test_an_order_that_comes_too_late_is_unknown_and_then_proven_absent(seat: Seat) -> None:
    late = replace(seat.intent(CALL, Side.SELL, "0.1", "0.012"), valid_until_ms=TEN)
    assert isinstance(seat.broker.send(late), Unknown)
    assert isinstance(seat.broker.look_up(late), LookupFailed)
    seat.to(TEN + HOUR)
    assert isinstance(seat.broker.look_up(late), Absent)
    assert seat.broker.events_since(0) == []


def test_orders_are_refused_while_the_exchange_settles(seat: Seat) -> None:
    name = "BTC-5JAN26-82000-C"
    seat.to(EIGHT)
    outcome = seat.broker.send(seat.intent(name, Side.SELL, "0.1", "0.0001"))
    assert isinstance(outcome, Rejected) and outcome.code == 10041
    seat.to(EIGHT + 5_000)
    assert isinstance(seat.broker.send(seat.intent(name, Side.SELL, "0.1", "0.0001")), Acknowledged)


def test_what_rests_is_not_looked_at_while_the_exchange_settles(seat: Seat) -> None:
    name = "BTC-5JAN26-82000-C"
    seat.to(EIGHT - HOUR)
    seat.feed.pin(name, EIGHT - HOUR, 0.0100, 0.0130, 1.0, 1.0)
    seat.feed.pin(name, EIGHT, 0.0125, 0.0130, 1.0, 1.0)
    assert isinstance(seat.broker.send(seat.intent(name, Side.SELL, "0.1", "0.0125")), Acknowledged)
    seat.to(EIGHT + HOUR)
    assert [event.at_ms for event in seat.broker.events_since(0)] == [EIGHT + MINUTE]


def test_an_order_needs_funds_for_its_margin_and_its_fee(seat: Seat) -> None:
    """To half a fee: with that much less there is too little, with it back there is enough."""
    first = sold(seat, "1", "0.0130").order
    account = seat.broker.account().currency("BTC")
    assert account is not None and account.initial_margin > D("0.1")
    seat.broker.cancel(first.label, first.order_id, CALL)
    seat.deposit("BTC", -(2 - account.initial_margin - D("0.00015")))
    refused = seat.broker.send(seat.intent(CALL, Side.SELL, "1", "0.0130"))
    assert isinstance(refused, Rejected) and refused.code == 10009
    seat.deposit("BTC", D("0.00015"))
    assert sold(seat, "1", "0.0130").order.state == "open"


def test_buying_back_must_be_payable_in_cash(seat: Seat) -> None:
    seat.feed.pin(CALL, TEN, 0.0120, 0.0125, 20.0, 20.0)
    sold(seat, "10")
    seat.feed.pin(CALL, TEN + HOUR, 0.25, 0.255, 20.0, 20.0, mark=0.252)
    seat.to(TEN + HOUR)
    refused = seat.broker.send(seat.intent(CALL, Side.BUY, "10", "0.255"))  # 2.55 BTC, and 2.117 are there
    assert isinstance(refused, Rejected) and refused.code == 10009
    part = seat.broker.send(seat.intent(CALL, Side.BUY, "8", "0.255"))
    assert isinstance(part, Acknowledged) and part.order.state == "filled"
    assert cash(seat) == 2 + D("0.12") - D("0.003") - D("2.04") - D("0.0024")


def test_a_reduce_only_order_never_turns_the_position(seat: Seat) -> None:
    sold(seat, "0.3")
    outcome = seat.broker.send(seat.intent(CALL, Side.BUY, "0.3", "0.0125", reduce=True))
    assert isinstance(outcome, Acknowledged) and outcome.order.filled_amount == D("0.3")
    assert seat.broker.account().positions == ()
    seat.to(TEN + MINUTE)
    sold(seat, "0.2")
    cut = seat.broker.send(seat.intent(CALL, Side.BUY, "0.3", "0.0125", reduce=True))
    assert isinstance(cut, Acknowledged) and cut.order.amount == D("0.2")
    assert seat.broker.account().positions == ()


# -- ending and finding -----------------------------------------------------------------------------------------


def test_cancelling_says_how_the_order_ended_however_often_it_is_asked(seat: Seat) -> None:
    order = sold(seat, "0.8", "0.012").order
    for _ in range(2):
        ended = seat.broker.cancel(order.label, order.order_id, CALL)
        assert isinstance(ended, Found)
        assert (ended.order.state, ended.order.filled_amount) == ("cancelled", D("0.5"))
        assert sum(fill.amount for fill in ended.fills) == D("0.5")
    filled = sold(
        seat, "0.3", "0.0001"
    ).order  # the minute's bid is taken: it rests, and fills a minute later
    seat.to(TEN + MINUTE)
    ended = seat.broker.cancel(filled.label, filled.order_id, CALL)
    assert isinstance(ended, Found) and ended.order.state == "filled"
    assert [fill.at_ms for fill in ended.fills] == [TEN + MINUTE]
    assert isinstance(seat.broker.cancel("CCBOT_x", "nobody", CALL), LookupFailed)


@pytest.mark.parametrize("wait", [0, 20 * MINUTE, 3 * HOUR, 50 * HOUR])
def test_an_order_is_found_by_its_label_however_long_ago_it_was(seat: Seat, wait: int) -> None:
    """Open, filled, partly filled and cancelled, and cancelled untouched: through recent and archived stores."""
    intents = [
        seat.intent(CALL, Side.SELL, "0.3", "0.012"),
        seat.intent(CALL, Side.SELL, "0.4", "0.012"),
        seat.intent(CALL, Side.SELL, "0.5", "0.9"),
        seat.intent(CALL, Side.BUY, "0.1", "0.0001"),
    ]
    prices = ("0.012", "0.012", "0.0250", "0.0001")
    intents = [replace(one, limit_price=D(price)) for one, price in zip(intents, prices, strict=True)]
    outcomes = [seat.broker.send(one) for one in intents]
    orders = [outcome.order for outcome in outcomes if isinstance(outcome, Acknowledged)]
    assert len(orders) == 4
    for cancelled in (1, 2):
        seat.broker.cancel(orders[cancelled].label, orders[cancelled].order_id, CALL)
    seat.to(TEN + wait)
    found = [seat.broker.look_up(one) for one in intents]
    ends = [
        (one.order.state, one.order.filled_amount, len(one.fills)) for one in found if isinstance(one, Found)
    ]
    assert ends == [
        ("filled", D("0.3"), 1),
        ("cancelled", D("0.2"), 1),
        ("cancelled", D(0), 0),
        ("open", D(0), 0),
    ]
    stranger = replace(intents[0], label="CCBOT_other")
    assert isinstance(seat.broker.look_up(stranger), Absent if wait else LookupFailed)


# -- what happened ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("strike", "name"), [(78_000, "in"), (86_000, "out")])
def test_a_short_call_is_settled_at_the_delivery_price(strike: int, name: str) -> None:
    for build in (paper, deribit):
        call = f"BTC-4JAN26-{strike}-C"
        feed = FlatFeed(expiries=6, strikes=13)
        seat = build(feed)
        bid = D(repr(float(feed.quotes("BTC", (call,), TEN).bid[0])))
        assert isinstance(seat.broker.send(seat.intent(call, Side.SELL, "0.7", str(bid))), Acknowledged)
        before = cash(seat)
        seat.to(EIGHT - 1)
        assert len(seat.broker.account().positions) == 1
        seat.to(EIGHT + HOUR)
        assert seat.broker.account().positions == ()
        (settlement,) = [event for event in seat.broker.events_since(TEN) if isinstance(event, Settlement)]
        price = D(repr(feed.delivery_price("btc_usd", EIGHT)))
        owed = (D("-0.7") * max(D(0), price - strike) / price).quantize(D("1e-8"))
        assert (owed < 0) == (name == "in")
        assert settlement == Settlement(call, D("-0.7"), price, owed, D(0), EIGHT)  # a daily: no delivery fee
        assert cash(seat) == before + owed


def test_a_weekly_in_the_money_pays_its_delivery_fee() -> None:
    friday = START + 24 * HOUR + 8 * HOUR
    for build in (paper, deribit):
        seat = build(FlatFeed())
        call = "BTC-2JAN26-74000-C"
        seat.feed.pin(call, TEN, 0.07, 0.08, 5.0, 5.0)
        seat.broker.send(seat.intent(call, Side.SELL, "1", "0.07"))
        seat.to(friday)
        (settlement,) = [event for event in seat.broker.events_since(TEN) if isinstance(event, Settlement)]
        assert settlement.payoff < 0 and settlement.fee == D("0.00015")
        assert cash(seat) == 2 + D("0.07") - D("0.0003") + settlement.payoff - settlement.fee


def test_several_calls_of_one_expiry_are_each_settled(seat: Seat) -> None:
    names = ["BTC-4JAN26-76000-C", "BTC-4JAN26-78000-C", "BTC-4JAN26-80000-P", "BTC-4JAN26-78000-P"]
    for name in names:
        seat.feed.pin(name, TEN, 0.03, 0.04, 5.0, 5.0)
        assert isinstance(seat.broker.send(seat.intent(name, Side.SELL, "0.2", "0.03")), Acknowledged)
    seat.to(EIGHT)
    ended = [event for event in seat.broker.events_since(TEN) if isinstance(event, Settlement)]
    assert sorted(event.instrument for event in ended) == sorted(names)
    assert len({event.payoff for event in ended}) > 2
    assert cash(seat) == 2 + cash_of(seat.broker.events_since(0), "BTC")


def test_cash_that_comes_and_goes_is_an_event_at_the_index_of_its_currency(seat: Seat) -> None:
    seat.deposit("BTC", D("0.25"))
    seat.to(TEN + MINUTE)
    seat.deposit("USDC", D("-1000.5"))
    seat.deposit("ETH", D("1"))
    events = seat.broker.events_since(TEN)
    assert all(isinstance(event, CashMovement) for event in events)
    seen = [(e.currency, e.amount, e.kind, e.at_ms) for e in events if isinstance(e, CashMovement)]
    assert seen == [
        ("BTC", D("0.25"), "deposit", TEN),
        ("USDC", D("-1000.5"), "withdrawal", TEN + MINUTE),
        ("ETH", D("1"), "deposit", TEN + MINUTE),
    ]
    assert len({event.movement_id for event in events if isinstance(event, CashMovement)}) == 3
    assert [e.index for e in events if isinstance(e, CashMovement)][
        1
    ] == 1  # this feed's btc_usd and btc_usdc agree
    assert (cash(seat), cash(seat, "USDC"), cash(seat, "ETH")) == (D("2.25"), D("198999.5"), D(21))


def test_events_are_in_order_complete_and_the_same_when_read_again(seat: Seat) -> None:
    sold(seat, "0.8", "0.012")
    seat.deposit("BTC", D("0.1"))
    seat.to(TEN + 2 * HOUR)
    sold(seat, "0.2", "0.012")
    seat.to(EIGHT + 2 * HOUR)
    seat.deposit("ETH", D("1"))
    seat.to(EIGHT + 3 * HOUR)
    events = list(seat.broker.events_since(0))
    assert [type(event).__name__ for event in events] == [
        "Fill", "CashMovement", "Fill", "Fill", "Settlement", "CashMovement",
    ]  # fmt: skip
    assert [event.at_ms for event in events] == sorted(event.at_ms for event in events)
    assert list(seat.broker.events_since(0)) == events
    for event in events:
        assert list(seat.broker.events_since(event.at_ms)) == [
            one for one in events if one.at_ms >= event.at_ms
        ]
    assert list(seat.broker.events_since(EIGHT + 2 * HOUR + 1)) == []
    assert cash(seat) == 2 + cash_of(events, "BTC")


def cash_of(events: Any, currency: str) -> Decimal:
    """What events say the cash moved by."""
    total = D(0)
    for event in events:
        if isinstance(event, CashMovement):
            total += event.amount if event.currency == currency else 0
        elif event.instrument.startswith(f"{currency}-"):
            if isinstance(event, Settlement):
                total += event.payoff - event.fee
            else:
                total += -event.side.sign * event.amount * event.price - event.fee
    return total


def test_the_account_shows_the_margin_of_what_is_short_and_what_rests(seat: Seat) -> None:
    sold(seat, "0.5")
    alone = seat.broker.account()
    sold(seat, "0.4", "0.0130")
    both = seat.broker.account()
    assert (alone.margin_model, alone.cross_collateral, alone.account_id) == ("segregated_sm", False, "me")
    one, two = alone.currency("BTC"), both.currency("BTC")
    assert one is not None and two is not None
    # account and positions are two questions: on an exchange whose time passes, the mark may move between them
    assert abs(one.options_value - D("-0.5") * alone.positions[0].mark_price) < D("1e-6")
    assert one.equity == one.balance + one.options_value and one.margin_balance == one.balance
    assert D("0.05") < one.initial_margin < D("0.1") and one.maintenance_margin < one.initial_margin
    assert two.initial_margin > one.initial_margin
    assert abs(two.maintenance_margin - one.maintenance_margin) < D("1e-6")


# -- both at once -----------------------------------------------------------------------------------------------


def without_ids(event: VenueEvent) -> object:
    if isinstance(event, Fill):
        return replace(event, trade_id="", order_id="")
    if isinstance(
        event, CashMovement
    ):  # the exchange's log tells no index: the reader takes that of its own instant
        return replace(event, movement_id="", index=D(0))
    return event


NAMES = [
    f"{code}-{day}JAN26-{strike}-{letter}"
    for code, strikes in (("BTC", (78000, 80000, 82000)), ("BTC_USDC", (78000, 80000)), ("ETH", (2900, 3000)))
    for day in (2, 3, 4)
    for strike in strikes
    for letter in "CP"
]
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("wait"),
            st.sampled_from([30_000, MINUTE, 7 * MINUTE, HOUR, 11 * HOUR, 22 * HOUR]),
            st.none(),
        ),
        st.tuples(
            st.sampled_from(["sell", "buy"]),
            st.sampled_from(NAMES),
            st.tuples(st.integers(1, 40), st.integers(-3, 3), st.booleans()),
        ),
        st.tuples(st.just("cancel"), st.integers(0, 9), st.none()),
        st.tuples(st.just("deposit"), st.sampled_from(["BTC", "USDC"]), st.none()),
    ),
    min_size=3,
    max_size=25,
)


def play(seat: Seat, steps: Any) -> list[object]:
    """The steps' outcomes, by what must not differ between brokers."""
    seen: list[object] = []
    orders: list[Any] = []
    for what, which, more in steps:
        if what == "wait":
            seat.to(seat.clock.now_ms() + which)
        elif what == "deposit":
            seat.deposit(which, D("0.5"))
        elif what == "cancel":
            if orders:
                order = orders[which % len(orders)]
                ended = seat.broker.cancel(order.label, order.order_id, order.instrument)
                seen.append((type(ended), getattr(getattr(ended, "order", None), "filled_amount", None)))
        else:
            outcome = seat.broker.send(order_for(seat, what, which, more))
            if isinstance(outcome, Acknowledged):
                orders.append(outcome.order)
                seen.append([without_ids(fill) for fill in outcome.fills])
                seen.append(replace(outcome.order, order_id=""))
            else:
                seen.append((type(outcome), getattr(outcome, "code", None)))
    account = seat.broker.account()
    seen.append([replace(one, order_id="") for one in account.open_orders])
    seen.append([replace(one, average_price=round(one.average_price, 8)) for one in account.positions])
    seen.append(account.currencies)
    seen.append([without_ids(event) for event in seat.broker.events_since(0)])
    return seen


def order_for(seat: Seat, side: str, name: str, more: tuple[int, int, bool]) -> Any:
    """An order some ticks off the quote it would meet."""
    lots, ticks, reduce = more
    now = seat.clock.now_ms()
    item = seat.intent(name, Side(side), "1", "1")
    from optionwriter.core.market.instruments import parse_instrument

    option = parse_instrument(name)
    if option.expiry_ms <= now:
        price = option.product.tick_size
    else:
        chain = seat.feed.quotes(option.product.code, (name,), now)
        met = float(chain.bid[0] if side == "sell" else chain.ask[0])
        price = option.product.tick_size if met != met else D(repr(met)) + ticks * option.product.tick_size
        price = max(option.product.floor_price(price), option.product.tick_size)
    return replace(item, amount=lots * option.product.amount_step, limit_price=price, reduce_only=reduce)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_paper_and_the_exchange_do_the_same_to_the_last_digit(steps: Any) -> None:
    on_paper, on_the_exchange = play(paper(FlatFeed()), steps), play(deribit(FlatFeed()), steps)
    assert len(on_paper) == len(on_the_exchange)
    for number, (one, other) in enumerate(zip(on_paper, on_the_exchange, strict=True)):
        assert one == other, f"they part at {number} of {len(on_paper)}"


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_the_events_booked_in_a_ledger_give_the_brokers_cash(steps: Any) -> None:
    for build in (paper, deribit):
        seat = build(FlatFeed())
        book = replay(opening_facts())
        before = TEN
        for number in range(0, len(steps), 5):  # read in between, with overlap, as the agent does
            play(seat, steps[number : number + 5])
            _, book = book_events(seat.broker.events_since(before), book, seat.clock.now_ms())
            before = book.last_event_ms or TEN
        for one in seat.broker.account().currencies:
            assert book.cash.get(one.currency, D(0)) == one.balance, (build.__name__, one.currency)


def opening_facts() -> list[Fact]:
    opened = [Deposited(f"opening-{code}", code, amount, "opening", D(1)) for code, amount in CASH.items()]
    bodies: list[Any] = [LedgerOpened("local", "paper"), *opened]
    return [Fact(n, TEN, TEN, "me", "", "", "", body) for n, body in enumerate(bodies, start=1)]


def test_a_new_paper_broker_goes_on_where_the_old_one_stopped(seat: Seat) -> None:
    """From cash, positions and resting orders alone, as a ledger knows them."""
    from optionwriter.adapters.paper import PaperBroker

    feed = seat.feed
    old = paper(feed)
    sold(old, "0.8", "0.012")
    sold(old, "0.4", "0.0125")
    at_ms = old.clock.now_ms()
    account = old.broker.account()
    feed.pin(CALL, TEN + 5 * MINUTE, 0.0125, 0.013, 0.7, 0.7)
    new = paper(feed, EIGHT + HOUR)
    new.broker = PaperBroker(
        feed, new.clock, "me", {one.currency: one.balance for one in account.currencies},
        positions=account.positions, orders=account.open_orders, since_ms=at_ms,
    )  # fmt: skip
    old.to(EIGHT + HOUR)
    later = [event for event in old.broker.events_since(at_ms) if event.at_ms > at_ms]
    assert len(later) >= 3
    assert list(new.broker.events_since(at_ms)) == later
    assert new.broker.account() == old.broker.account()
