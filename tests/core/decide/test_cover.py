"""Never naked, in numbers computed by hand."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest

from optionwriter.core.books.account import Side, VenueOrder
from optionwriter.core.books.book import Book
from optionwriter.core.books.facts import OrderUnknown
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.compiled import plain
from optionwriter.core.decide.cover import (
    Pending,
    cover_of,
    cover_per_coin,
    coverable,
    fee_bound,
    free_cover,
    freed_per_coin,
    net_cover_per_coin,
    order_claims,
    pending_orders,
)
from optionwriter.core.decide.execution import roll_open_amount
from optionwriter.core.decide.grid.standing import fee_bound as grid_bound
from optionwriter.core.market.instruments import parse_instrument, product
from tests.core.decide.worlds import NOW, Ledger, account, currency

D = Decimal
CALL = parse_instrument("BTC-27MAR26-110000-C")
PUT = parse_instrument("BTC_USDC-27MAR26-80000-P")


def resting(
    name: str,
    side: Side,
    amount: str,
    price: str,
    *,
    label: str = "",
    reduce_only: bool = False,
    filled: str = "0",
) -> VenueOrder:
    """An order that rests at the venue."""
    return VenueOrder("o1", label, name, side, D(amount), D(filled), D(price), "open", reduce_only, NOW)


def test_worst_cases() -> None:
    assert cover_per_coin(CALL) == 1
    assert cover_per_coin(PUT) == 80_000
    assert cover_per_coin(parse_instrument("BTC-27MAR26-80000-P")) is None
    assert cover_per_coin(parse_instrument("BTC_USDC-27MAR26-80000-C")) is None


def test_an_orders_own_premium_net_of_fee_counts() -> None:
    assert net_cover_per_coin(CALL, D("0.02")) == D("0.9803")  # 1 - 0.02 + 0.0003
    assert net_cover_per_coin(CALL, D("0.0008")) == D("0.9993")  # the fee is an eighth: 0.0001
    assert net_cover_per_coin(PUT, D("800")) == D("79300")  # 80,000 - 800 + an eighth of 800


def test_no_linear_fee_passes_the_bound_that_is_held_for_it_and_some_reach_it() -> None:
    for price in (D(5), D(800), D(12_345)):
        fees = [trading_fee(PUT.product, D(1), price, D(index)) for index in (100, 80_000, 10**9)]
        assert fees == sorted(fees) and max(fees) == fee_bound(PUT, price) == price * D("0.125")
        assert plain(grid_bound)(SimpleNamespace(is_inverse=False), float(price)) == float(max(fees))


@pytest.mark.parametrize(
    ("free", "amount"),
    [
        ("1", "1.0"),
        ("0.9803", "1.0"),
        ("0.98029999", "0.9"),
        ("0.09803", "0.1"),
        ("0.098", "0"),
        ("0", "0"),
        ("-1", "0"),
    ],
)
def test_what_free_cash_covers_is_whole_lots(free: str, amount: str) -> None:
    assert coverable(CALL, D("0.02"), D(free)) == D(amount)


def test_no_size_where_the_loss_has_no_bound() -> None:
    assert coverable(parse_instrument("BTC-27MAR26-80000-P"), D("0.02"), D("100")) == 0


def test_positions_external_ones_too_and_resting_orders_claim() -> None:
    seen = account(
        currency("BTC", "3"),
        positions={"BTC-27MAR26-110000-C": "-1", "BTC-27MAR26-120000-C": "-0.5", "BTC-27MAR26-70000-P": "2"},
        orders=[resting("BTC-27MAR26-110000-C", Side.SELL, "0.4", "0.02", filled="0.1")],
    )
    cover = cover_of("BTC", seen, Book(), pending_orders(seen, Book()))
    assert (cover.cash, cover.positions) == (3, D("1.5"))
    assert cover.orders == D("0.3") * D("0.9803")
    assert free_cover(seen, Book(), "BTC") == D("1.20591")


def test_cover_is_the_smaller_of_cash_and_margin_balance() -> None:
    lent = currency("BTC", "2")
    futures_loss = type(lent)("BTC", D(2), D("1.4"), D("1.4"), D(0), D(0), D(0))
    assert free_cover(account(futures_loss), Book(), "BTC") == D("1.4")
    futures_gain = type(lent)("BTC", D(2), D("2.6"), D("2.6"), D(0), D(0), D(0))
    assert free_cover(account(futures_gain), Book(), "BTC") == 2


def test_equity_is_not_cover() -> None:
    # 1 BTC in cash; the short call at 0.3 leaves an equity of 0.7: the cash still covers it exactly
    seen = account(currency("BTC", "1", options_value="-0.3"), positions={"BTC-27MAR26-110000-C": "-1"})
    cover = cover_of("BTC", seen, Book(), ())
    assert (cover.cash, cover.free) == (1, 0)


def test_prepared_and_unknown_orders_count_as_filled() -> None:
    ledger = Ledger()
    ledger.prepared("BTC-27MAR26-110000-C", "0.5", "0.02")
    seen = account(currency("BTC", "1"))
    assert free_cover(seen, ledger.book, "BTC") == 1 - D("0.5") * D("0.9803")
    ledger.add(OrderUnknown("CCBOT_1", "timeout"), chain="c1")
    assert free_cover(seen, ledger.book, "BTC") == 1 - D("0.5") * D("0.9803")
    assert free_cover(seen, ledger.book, "BTC", without={"CCBOT_1"}) == 1


def test_an_order_seen_at_the_venue_and_in_the_book_counts_once_at_its_larger_rest() -> None:
    ledger = Ledger()
    ledger.prepared("BTC-27MAR26-110000-C", "0.5", "0.02")
    both = account(
        currency("BTC", "1"),
        orders=[resting("BTC-27MAR26-110000-C", Side.SELL, "0.5", "0.02", label="CCBOT_1", filled="0.2")],
    )
    (one,) = pending_orders(both, ledger.book)
    assert (one.amount, one.chain_id) == (D("0.5"), "c1")


def test_where_book_and_venue_differ_the_shorter_counts() -> None:
    ledger = Ledger()
    ledger.sold("BTC-27MAR26-110000-C", "0.5", "0.02")
    unseen = account(currency("BTC", "1"))
    assert cover_of("BTC", unseen, ledger.book, ()).positions == D("0.5")
    more = account(currency("BTC", "1"), positions={"BTC-27MAR26-110000-C": "-0.8"})
    assert cover_of("BTC", more, ledger.book, ()).positions == D("0.8")


def test_buying_back_claims_nothing_until_it_costs_more_than_it_frees() -> None:
    back = Pending(CALL.name, Side.BUY, D("1"), D("0.30"), True)
    assert order_claims(CALL, D(-1), [back]) == 0
    assert freed_per_coin(CALL, D("0.30")) == D("0.6997")
    # a buy beyond the short is a purchase: its whole cost and fee
    assert order_claims(CALL, D("-0.4"), [Pending(CALL.name, Side.BUY, D("1"), D("0.30"), False)]) == D(
        "0.6"
    ) * D("0.3003")


def test_two_buys_share_the_short_in_the_dearest_way() -> None:
    cheap = Pending(CALL.name, Side.BUY, D("1"), D("0.1"), False)
    dear = Pending(CALL.name, Side.BUY, D("1"), D("0.2"), False)
    assert order_claims(CALL, D(-1), [dear, cheap]) == D("0.2003")


def test_a_short_without_bound_is_named() -> None:
    seen = account(currency("BTC", "5"), positions={"BTC-27MAR26-80000-P": "-0.1"})
    assert cover_of("BTC", seen, Book(), ()).unbounded == ("BTC-27MAR26-80000-P",)
    assert free_cover(seen, Book(), "BTC") == 0
    order = account(
        currency("USDC", "500000"), orders=[resting("BTC_USDC-27MAR26-80000-C", Side.SELL, "0.1", "500")]
    )
    assert free_cover(order, Book(), "USDC") == 0


@pytest.mark.parametrize(
    ("freed", "approved", "amount"),
    [("1", "1", "1"), ("0.97", "1", "0.9"), ("0.05", "1", "0"), ("-1", "1", "0"), ("5", "0.3", "0.3")],
)
def test_a_rolls_second_leg_only_shrinks(freed: str, approved: str, amount: str) -> None:
    assert roll_open_amount(D(freed), D(approved), product("BTC")) == D(amount)


def test_a_rolls_second_leg_may_count_its_own_premium() -> None:
    assert roll_open_amount(D("0.9803"), D(1), product("BTC"), D("0.9803")) == 1
    assert roll_open_amount(D("0.9802"), D(1), product("BTC"), D("0.9803")) == D("0.9")


def test_a_rolls_second_leg_that_needs_no_cover_still_only_shrinks() -> None:
    assert roll_open_amount(D("0.5"), D("0.75"), product("BTC"), D(0)) == D("0.7")
