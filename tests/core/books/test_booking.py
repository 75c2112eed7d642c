"""Venue events become facts: once, rounded once, ours told from others'."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from optionwriter.core.books.account import CashMovement, Fill, Settlement, Side
from optionwriter.core.books.booking import (
    book_event,
    book_events,
    deposited_from,
    filled_from,
    settled_from,
    split_settlement,
)
from optionwriter.core.books.facts import Settled
from optionwriter.core.books.ledger import LedgerFault, positions, replay
from optionwriter.core.books.settlement import settle
from optionwriter.core.market.instruments import parse_instrument
from tests.core.books.story import CALL, PUT, Story

D = Decimal
EXPIRY = parse_instrument(CALL).expiry_ms


def fill(label: str = "s1", **change: object) -> Fill:
    base = Fill(
        trade_id="T1", order_id="o-s1", label=label, instrument=CALL, side=Side.SELL, amount=D("0.3"),
        price=D("0.0215"), fee=D("0.00009"), fee_currency="BTC", index=D("91234.56"), mark=D("0.0214"), at_ms=9,
    )  # fmt: skip
    return replace(base, **change)


def test_a_trade_of_ours_carries_its_chain_and_its_cash() -> None:
    story = Story()
    story.prepare("s1")
    (fact,) = book_event(fill(), story.book, recorded_ms=11)
    assert (fact.seq, fact.at_ms, fact.recorded_ms, fact.account) == (4, 9, 11, "acc")
    assert (fact.chain_id, fact.strategy_id) == ("c1", "calls")
    assert (fact.body.cash, fact.body.fee, fact.body.currency_index) == (
        D("0.00645"),
        D("0.00009"),
        D("91234.56"),
    )


def test_buying_pays_and_cash_is_rounded_to_the_grain() -> None:
    body = filled_from(fill(side=Side.BUY, amount=D("0.1"), price=D("0.012345675")), D(1))
    assert body.cash == D("-0.00123457")


def test_a_linear_trade_is_valued_at_usdcs_index_and_keeps_the_underlyings() -> None:
    linear = fill(instrument=PUT, price=D(700), fee=D("2"), fee_currency="USDC", index=D("91000"))
    body = filled_from(linear, D("0.9997"))
    assert (body.cash, body.index, body.currency_index) == (D(210), D(91000), D("0.9997"))
    ended = settled_from(Settlement(PUT, D(-1), D(79_000), D(-1000), D("11.85"), EXPIRY), D("0.9997"))
    assert (ended.currency_index, ended.delivery_price) == (D("0.9997"), D(79_000))


def test_a_fee_in_a_strange_currency_is_refused() -> None:
    with pytest.raises(LedgerFault, match=r"T1 of .* charged its fee in USDC, not in BTC"):
        filled_from(fill(fee_currency="USDC"), D(1))


def test_an_event_is_booked_once() -> None:
    story = Story()
    story.prepare("s1")
    movement = CashMovement("m7", "BTC", D("-0.5"), "withdrawal", D(90_000), 12)
    assert deposited_from(movement).amount == D("-0.5")
    end = settle(parse_instrument(CALL), D("-0.3"), D(120_000), is_daily=False)
    events = (fill(), movement, end)
    facts, book = book_events(events, story.book, 20)
    assert [fact.kind for fact in facts] == ["Filled", "Deposited", "Settled"]
    assert book.cash["BTC"] == D("1.5") + D("0.00645") - D("0.00009") + end.payoff - end.fee
    assert book_events(events, book, 30) == ((), book)
    assert book.last_event_ms == EXPIRY
    assert replay(story.facts + list(facts)) == book


@pytest.mark.parametrize(
    "stranger",
    [
        fill(label=""),
        fill(label="never-used"),
        fill(label="CCBOT_typed_by_hand"),
        fill(order_id="another-order"),
        fill(side=Side.BUY),
        fill(instrument="BTC-27MAR26-90000-C"),
        fill(amount=D("1.1")),
    ],
)
def test_a_strangers_trade_moves_cash_only_whatever_its_label(stranger: Fill) -> None:
    story = Story()
    story.prepare("s1")
    story.acknowledge("s1")
    book = story.take(stranger)
    assert (story.facts[-1].chain_id, story.facts[-1].body.label) == ("", "")
    assert dict(book.chains) == {} and book.orders["s1"].filled == 0
    assert book.cash["BTC"] != D(2)


class TestSplit:
    """A settlement of a position that is only partly ours."""

    def booked(self, position: str, delivery: str = "120000") -> tuple[Story, Settlement]:
        story = Story()
        story.sold(amount="0.3")
        end = settle(parse_instrument(CALL), D(position), D(delivery), is_daily=False)
        story.take(end)
        return story, end

    def test_what_isnt_ours_takes_its_own_part(self) -> None:
        story, end = self.booked("-1")
        ours, others = story.facts[-2].body, story.facts[-1].body
        assert isinstance(ours, Settled) and isinstance(others, Settled)
        assert (ours.position, others.position) == (D("-0.3"), D("-0.7"))
        assert ours.payoff == D("-0.02500000")  # 0.3 x 10,000 / 120,000
        assert ours.payoff + others.payoff == end.payoff and ours.fee + others.fee == end.fee
        assert (story.facts[-2].chain_id, story.facts[-1].chain_id) == ("c1", "")
        assert positions(story.book) == {} and not story.book.chains["c1"].is_open

    def test_all_of_it_ours_is_one_fact(self) -> None:
        story, end = self.booked("-0.3")
        assert story.facts[-1].chain_id == "c1" and story.facts[-2].kind == "Filled"
        assert story.facts[-1].body.payoff == end.payoff

    @pytest.mark.parametrize("net", ["-0.1", "0.4", "0"])
    def test_a_hedge_beside_ours_leaves_us_the_whole_short(self, net: str) -> None:
        story, end = self.booked(net)
        ours, others = story.facts[-2].body, story.facts[-1].body
        assert isinstance(ours, Settled) and isinstance(others, Settled)
        assert ours.payoff == D("-0.025") and ours.position == D("-0.3")
        assert others.position == D(net) + D("0.3")
        assert ours.payoff + others.payoff == end.payoff and ours.fee + others.fee == end.fee

    def test_nothing_of_it_ours(self) -> None:
        story = Story()
        story.take(settle(parse_instrument(CALL), D(-1), D(120_000), is_daily=False))
        assert story.facts[-1].chain_id == "" and len(story.facts) == 3

    def test_rounding_falls_to_the_last_part(self) -> None:
        whole = Settled(CALL, D("-0.3"), D(120_000), D(120_000), D("-0.00000002"), D("0.00000001"))
        parts = split_settlement(whole, (D("-0.1"), D("-0.1"), D("-0.1")))
        assert [part.payoff for part in parts] == [D("-1E-8"), D("-1E-8"), D("0E-8")]
        assert [part.fee for part in parts] == [0, 0, D("1E-8")]
