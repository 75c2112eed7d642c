"""The fold, told as short stories with hand-computed ends."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import FlowKind, LegStatus
from optionwriter.core.books.facts import (
    Action,
    Adopted,
    Deposited,
    LedgerOpened,
    OrderAcknowledged,
    OrderClosed,
    OrderProvenAbsent,
    OrderRejected,
    OrderUnknown,
    Settled,
    StateChanged,
    TradingState,
)
from optionwriter.core.books.ledger import (
    Book,
    LedgerFault,
    OrderStatus,
    apply,
    chain_of,
    open_chains,
    owner,
    positions,
    replay,
    unresolved,
    working,
)
from tests.core.books.story import CALL, HIGHER, PUT, Story

D = Decimal


def settled(instrument: str, position: str, payoff: str, fee: str = "0", at: str = "110000") -> Settled:
    return Settled(instrument, D(position), D(at), D(at), D(payoff), D(fee))


def test_selling_a_call_credits_its_premium_and_opens_a_short_leg() -> None:
    story = Story()
    book = story.sold()
    assert book.cash == {"BTC": D("2.0197")}
    assert positions(book) == {CALL: D(-1)}
    (chain,) = open_chains(book)
    (leg,) = chain.legs
    assert (chain.strategy_type, chain.product, chain.rolls, chain.closed_ms) == (
        "covered_call",
        "BTC",
        0,
        None,
    )
    assert (leg.position, leg.opened, leg.entry_price, leg.basis) == (D(-1), D(1), D("0.02"), D("0.02"))
    assert leg.basis_usd == D(1800)
    assert [(flow.kind, flow.amount) for flow in chain.flows] == [
        (FlowKind.PREMIUM, D("0.02")),
        (FlowKind.FEE, D("-0.0003")),
    ]
    assert (owner(book, CALL), owner(book, HIGHER), chain_of(book, HIGHER)) == ("calls", None, None)


def test_partial_fills_extend_one_leg_at_the_average_price() -> None:
    story = Story()
    story.prepare("s1")
    story.fill("s1", "0.4", "0.02")
    book = story.fill("s1", "0.6", "0.03")
    (leg,) = open_chains(book)[0].legs
    assert (leg.position, leg.opened, leg.entry_price) == (D(-1), D(1), D("0.026"))
    assert book.orders["s1"].status is OrderStatus.DONE
    assert working(book) == unresolved(book) == ()


def test_buying_back_a_part_then_the_rest_closes_the_chain() -> None:
    story = Story()
    story.sold()
    story.prepare("b1", Side.BUY, action=Action.CLOSE_CALL, plan="p2")
    book = story.fill("b1", "0.25", "0.01")
    (leg,) = open_chains(book)[0].legs
    assert (leg.position, leg.basis, leg.basis_usd) == (D("-0.75"), D("0.015"), D(1350))
    book = story.fill("b1", "0.75", "0.006")
    (chain,) = book.chains.values()
    (leg,) = chain.legs
    assert (leg.status, leg.exit_price, leg.position, leg.basis) == (LegStatus.CLOSED, D("0.007"), 0, 0)
    assert chain.closed_ms == story.at_ms == leg.closed_ms
    assert open_chains(book) == () and positions(book) == {}
    assert book.cash == {"BTC": D("2.0197") - D("0.0025") - D("0.0045")}


def test_a_roll_closes_one_leg_opens_the_next_and_counts_once() -> None:
    story = Story()
    story.sold()
    story.prepare("b1", Side.BUY, action=Action.ROLL_CALL, plan="p2")
    book = story.fill("b1", "1", "0.01")
    assert chain_of(book, CALL) is None and open_chains(book) == ()  # between the two
    book = story.prepare("s2", action=Action.ROLL_CALL, plan="p2", instrument=HIGHER)
    assert len(open_chains(book)) == 1  # an order of it may still fill
    story.fill("s2", "0.5", "0.02")
    book = story.fill("s2", "0.5", "0.03")
    (chain,) = open_chains(book)
    assert (chain.rolls, chain.closed_ms) == (1, None)
    assert [(leg.instrument, leg.status) for leg in chain.legs] == [
        (CALL, LegStatus.CLOSED),
        (HIGHER, LegStatus.OPEN),
    ]
    assert positions(book) == {HIGHER: D(-1)}


def test_a_roll_whose_opening_is_refused_is_a_closed_chain_and_no_roll() -> None:
    story = Story()
    story.sold()
    story.prepare("b1", Side.BUY, action=Action.ROLL_CALL, plan="p2")
    story.prepare("s2", action=Action.ROLL_CALL, plan="p2", instrument=HIGHER)
    book = story.fill("b1", "1", "0.01")
    bought_ms = story.at_ms
    assert book.chains["c1"].is_open
    book = story.tell(OrderRejected("s2", 10009, "not_enough_funds"), "c1", "calls")
    assert (book.chains["c1"].closed_ms, book.chains["c1"].rolls) == (bought_ms, 0)


def test_a_chain_does_not_begin_with_a_roll() -> None:
    story = Story()
    story.prepare("s1", action=Action.ROLL_CALL)
    assert story.fill("s1", "1", "0.02").chains["c1"].rolls == 0


def test_a_trade_across_zero_closes_one_leg_and_opens_its_opposite() -> None:
    story = Story()
    story.sold()
    story.prepare("b1", Side.BUY, amount="1.5", action=Action.CLOSE_CALL)
    book = story.fill("b1", "1.5", "0.01")
    first, second = book.chains["c1"].legs
    assert (first.status, first.exit_price) == (LegStatus.CLOSED, D("0.01"))
    assert (second.position, second.opened, second.basis) == (D("0.5"), D("0.5"), D("-0.005"))


def test_settlement_ends_the_leg_and_moves_payoff_and_fee() -> None:
    story = Story()
    story.sold()
    book = story.tell(settled(CALL, "-1", "-0.1", "0.00015"), "c1", "calls")
    chain = book.chains["c1"]
    assert (chain.legs[0].status, chain.legs[0].exit_price) == (LegStatus.SETTLED, D("0.1"))
    assert not chain.is_open
    assert book.cash == {"BTC": D("2.0197") - D("0.10015")}
    assert [flow.kind for flow in chain.flows[2:]] == [FlowKind.PAYOFF, FlowKind.DELIVERY_FEE]


def test_trades_and_settlements_of_others_move_cash_and_no_chain() -> None:
    story = Story()
    story.fill("", "1", "0.05", fee="0.0003")
    book = story.tell(settled(CALL, "-1", "-0.1"))
    assert book.cash == {"BTC": D("1.9497")}
    assert dict(book.chains) == {} and positions(book) == {}


def test_a_linear_put_moves_usdc_at_usdcs_own_index() -> None:
    story = Story()
    story.tell(Deposited("m2", "USDC", D(80_000), "deposit", D("0.9998")))
    story.prepare("s1", instrument=PUT, action=Action.OPEN_CASH_SECURED_PUT, price="700")
    book = story.fill("s1", "1", "700", index="1.0001")
    assert book.cash == {"BTC": D(2), "USDC": D(80_700)}
    assert book.chains["c1"].strategy_type == "cash_secured_put"
    assert book.totals["USDC"].flowed_usd == D("700.07")


def test_an_adopted_position_is_a_chain_and_moves_no_cash() -> None:
    story = Story()
    book = story.tell(Adopted(CALL, D("-0.5"), D("0.03"), D(90_000)), "c9", "calls")
    assert book.cash == {"BTC": D(2)}
    assert positions(book) == {CALL: D("-0.5")}
    assert book.chains["c9"].flows[0].amount == D("0.015")
    with pytest.raises(LedgerFault, match="belongs to strategy calls"):
        story.tell(Adopted(CALL, D("-0.5"), D("0.03"), D(90_000)), "c10", "calls")


class TestOrders:
    """What is known of an order, as the facts come."""

    def test_it_is_unresolved_until_answered_then_working_then_done(self) -> None:
        story = Story()
        book = story.prepare("s1")
        assert [order.intent.label for order in unresolved(book)] == ["s1"]
        assert (book.orders["s1"].open_amount, owner(book, CALL)) == (D(1), "calls")
        book = story.acknowledge("s1")
        assert unresolved(book) == () and [order.order_id for order in working(book)] == ["o-s1"]
        book = story.fill("s1", "0.4", "0.02")
        assert book.orders["s1"].open_amount == D("0.6")
        book = story.close("s1", "0.4")
        assert book.orders["s1"].open_amount == 0 and working(book) == ()
        assert book.chains["c1"].is_open  # its leg is

    def test_an_unknown_one_is_resolved_by_its_acknowledgement(self) -> None:
        story = Story()
        story.prepare("s1")
        book = story.tell(OrderUnknown("s1", "timeout"), "c1", "calls")
        assert book.orders["s1"].open_amount == D(1)
        assert unresolved(book)[0].status is OrderStatus.UNKNOWN
        assert unresolved(story.acknowledge("s1")) == ()

    def test_a_fill_resolves_an_unknown_one(self) -> None:
        story = Story()
        story.prepare("s1")
        story.tell(OrderUnknown("s1", "timeout"), "c1", "calls")
        book = story.fill("s1", "0.1", "0.02")
        assert (book.orders["s1"].status, book.orders["s1"].order_id) == (OrderStatus.WORKING, "o-s1")

    def test_the_acknowledgement_may_come_after_the_last_fill(self) -> None:
        story = Story()
        story.prepare("s1")
        story.fill("s1", "1", "0.02")
        assert story.acknowledge("s1").orders["s1"].status is OrderStatus.DONE

    def test_closed_with_fills_not_booked_yet_stays_open_for_just_those(self) -> None:
        story = Story()
        story.prepare("s1")
        story.acknowledge("s1")
        book = story.close("s1", "0.4")
        assert (book.orders["s1"].status, book.orders["s1"].open_amount) == (OrderStatus.UNKNOWN, D("0.4"))
        book = story.fill("s1", "0.3", "0.02")
        assert (book.orders["s1"].status, book.orders["s1"].open_amount) == (OrderStatus.UNKNOWN, D("0.1"))
        book = story.fill("s1", "0.1", "0.02")
        assert (book.orders["s1"].status, book.live_labels) == (OrderStatus.DONE, ())

    def test_proven_absent_is_done_and_leaves_no_chain(self) -> None:
        story = Story()
        story.prepare("s1")
        book = story.tell(OrderProvenAbsent("s1"), "c1", "calls")
        assert book.live_labels == () and dict(book.chains) == {}

    def test_the_state_is_the_last_one_told(self) -> None:
        story = Story()
        book = story.tell(StateChanged(TradingState.HALTED, "kill file", "resume"))
        assert (book.state, book.state_reason, book.state_lifted_by) == (
            TradingState.HALTED,
            "kill file",
            "resume",
        )


class TestRefused:
    """Facts against the book."""

    def test_out_of_sequence(self) -> None:
        story = Story()
        again = story.facts[-1]
        with pytest.raises(
            LedgerFault, match=r"fact 2 \(Deposited\): follows fact 2: 3 is missing or repeated"
        ):
            apply(story.book, again)
        with pytest.raises(LedgerFault, match="follows fact 2"):
            apply(story.book, replace(again, seq=4))

    def test_a_ledger_that_begins_otherwise_or_twice(self) -> None:
        story = Story()
        with pytest.raises(LedgerFault, match="begins with LedgerOpened"):
            apply(Book(), replace(story.facts[1], seq=1))
        with pytest.raises(LedgerFault, match="open already"):
            story.tell(LedgerOpened("local", "live"))

    def test_another_account(self) -> None:
        story = Story()
        with pytest.raises(LedgerFault, match="'else', this ledger to 'acc'"):
            apply(story.book, replace(story.facts[1], seq=3, account="else"))

    def test_the_same_trade_movement_or_label_again(self) -> None:
        story = Story()
        story.prepare("s1")
        story.fill("s1", "0.1", "0.02", trade="T1")
        with pytest.raises(LedgerFault, match="trade T1 is booked by fact 4"):
            story.fill("s1", "0.1", "0.02", trade="T1")
        with pytest.raises(LedgerFault, match="movement m1 is booked"):
            story.tell(Deposited("m1", "BTC", D(1), "deposit", D(1)))
        with pytest.raises(LedgerFault, match="'s1' was used before"):
            story.prepare("s1")

    def test_a_settlement_twice_or_of_another_size(self) -> None:
        story = Story()
        story.sold()
        with pytest.raises(LedgerFault, match=r"settles -2 of .* chain c1 holds -1"):
            story.tell(settled(CALL, "-2", "0"), "c1", "calls")
        story.tell(settled(CALL, "-1", "0"), "c1", "calls")
        with pytest.raises(LedgerFault, match="settled already for c1"):
            story.tell(settled(CALL, "-1", "0"), "c1", "calls")

    def test_fills_that_cannot_be_the_orders(self) -> None:
        story = Story()
        story.prepare("s1")
        story.acknowledge("s1", "o-s1")
        with pytest.raises(LedgerFault, match=r"was for 1; 1\.1 cannot have filled"):
            story.fill("s1", "1.1", "0.02")
        with pytest.raises(LedgerFault, match="belongs to chain c1, not c2"):
            story.fill("s1", "0.1", "0.02", chain="c2")
        with pytest.raises(LedgerFault, match="no intent was ever prepared with the label 'zz'"):
            story.fill("zz", "0.1", "0.02", chain="c1")

    def test_orders_against_what_is_known(self) -> None:
        story = Story()
        story.prepare("s1")
        story.acknowledge("s1")
        story.fill("s1", "0.1", "0.02")
        for body, why in (
            (OrderRejected("s1", 1, "x"), "working with 0.1 filled"),
            (OrderProvenAbsent("s1"), "working with 0.1 filled"),
            (OrderAcknowledged("s1", "other"), "is order o-s1, not other"),
            (OrderClosed("s1", "other", "filled", D(1)), "is order o-s1, not other"),
            (OrderClosed("s1", "o-s1", "filled", D(2)), "was for 1; 2 cannot have filled"),
            (OrderUnknown("zz", "x"), "no intent was ever prepared"),
        ):
            with pytest.raises(LedgerFault, match=why):
                story.tell(body, "c1", "calls")
        story.close("s1", "0.1")
        with pytest.raises(LedgerFault, match="nothing about it is unknown"):
            story.tell(OrderUnknown("s1", "x"), "c1", "calls")


def test_a_refused_fact_leaves_the_book_as_it_was() -> None:
    story = Story()
    story.sold()
    before, told = story.book, tuple(story.facts)
    with pytest.raises(LedgerFault):
        story.fill("zz", "0.1", "0.02", chain="c1")
    assert story.book is before and replay(told) == before


def test_earlier_books_stay_what_they_were() -> None:
    story = Story()
    story.prepare("s1")
    early = story.fill("s1", "0.4", "0.02")
    story.fill("s1", "0.6", "0.02")
    assert positions(early) == {CALL: D("-0.4")}
    assert early.orders["s1"].filled == D("0.4") and len(early.trade_ids) == 1
    assert positions(story.book) == {CALL: D(-1)}
