"""Combos: the cheaper side pays nothing, whatever the order of fills, and never less than nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.paper import PaperBroker
from optionwriter.adapters.paper.combos import Combos
from optionwriter.core.books.account import Acknowledged, Side
from optionwriter.core.books.facts import Intent
from tests.contracts.brokers import CALL, CASH, TEN, Seat
from tests.venue.flat_feed import FlatFeed

D = Decimal
OTHER = "BTC-4JAN26-84000-C"


def seat(combo: bool) -> Seat:
    feed, clock = FlatFeed(), SimulatedClock(TEN)
    feed.pin(CALL, TEN, 0.0110, 0.0145)
    feed.pin(OTHER, TEN, 0.0015, 0.0016)  # its fee is capped: an eighth of 0.0015 is below 0.0003
    broker = PaperBroker(feed, clock, "me", CASH, combo=combo)
    return Seat(broker, clock, feed, broker.deposit)


def fees(own: Seat, *legs: tuple[str, Side, str, str, str]) -> list[Decimal]:
    paid = []
    for name, side, amount, price, plan in legs:
        intent: Intent = replace(own.intent(name, side, amount, price), plan=plan)
        outcome = own.broker.send(intent)
        assert isinstance(outcome, Acknowledged)
        paid += [one.fee for one in outcome.fills]
    return paid


def test_a_roll_as_a_combo_pays_the_dearer_legs_fee() -> None:
    """By hand: 1 coin each; 0.0003 for the call at 0.0145, 0.0015 / 8 = 0.0001875 for the other, which is waived."""
    roll = ((CALL, Side.BUY, "1", "0.0145", "a"), (OTHER, Side.SELL, "1", "0.0015", "a"))
    assert fees(seat(False), *roll) == [D("0.0003"), D("0.0001875")]
    assert fees(seat(True), *roll) == [D("0.0003"), D(0)]
    # the cheaper leg first: it pays, and the dearer one what is then missing
    assert fees(seat(True), *reversed(roll)) == [D("0.0001875"), D("0.0001125")]


def test_other_plans_one_side_and_what_does_not_match_pay_in_full() -> None:
    mixed = ((CALL, Side.BUY, "1", "0.0145", "a"), (OTHER, Side.SELL, "1", "0.0015", "b"))
    assert sum(fees(seat(True), *mixed)) == D("0.0004875")
    strangle = ((CALL, Side.SELL, "1", "0.0110", "a"), (OTHER, Side.SELL, "1", "0.0015", "a"))
    assert sum(fees(seat(True), *strangle)) == D("0.0004875")  # the bought group is empty
    half = ((CALL, Side.BUY, "1", "0.0145", "a"), (OTHER, Side.SELL, "0.5", "0.0015", "a"))
    # 0.0003 + 0.00009375, less the cheaper side of half a coin: 0.00009375 against 0.00015
    assert sum(fees(seat(True), *half)) == D("0.0003")


def test_legs_that_fill_at_other_instants_are_no_combo() -> None:
    own = seat(True)
    first = fees(own, (CALL, Side.BUY, "1", "0.0145", "a"))
    own.to(TEN + 60_000)
    assert sum(first + fees(own, (OTHER, Side.SELL, "1", "0.0015", "a"))) == D("0.0004875")


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Side)), st.integers(1, 40), st.decimals("0", "0.0003", places=7)),
        min_size=1,
        max_size=6,
    )
)
def test_a_combo_never_pays_more_than_its_legs_nor_less_than_its_dearer_side_alone(
    fills: list[tuple[Side, int, Decimal]],
) -> None:
    combos, total, paid = Combos(), D(0), D(0)
    sides = {Side.BUY: D(0), Side.SELL: D(0)}
    for side, lots, each in fills:
        fee = lots * each
        charged = combos.charge("p", "BTC", side, D(lots), fee, 1)
        assert charged >= 0
        total, paid = total + fee, paid + charged
        sides[side] += fee
    assert max(sides.values()) - D("1e-8") * len(fills) <= paid <= total
    assert combos.charge("", "BTC", Side.BUY, D(1), D("0.0003"), 1) == D("0.0003")  # no plan, no combo
