"""The loop's money rounds as the books' Decimal does."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from optionwriter.core.compiled import plain
from optionwriter.core.decide.grid.money import booked, ceil_units, exceeds, floor_units, whole
from optionwriter.core.market.instruments import PRODUCTS, product
from optionwriter.core.market.quotes import tick_grid


@given(st.integers(1, 2_000), st.integers(100, 20_000_000))
@example(1, 50)  # 0.03 x 50 is 1.5: halves go to the even one
@example(50, 1)
def test_a_linear_fee_is_booked_as_decimal_books_it(lots: int, cents: int) -> None:
    exact = Decimal(lots) * Decimal("0.01") * Decimal("0.0003") * Decimal(cents) / 100
    wanted = int((exact * 10**6).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    assert plain(booked)(lots * 0.01 * 0.0003 * (cents / 100) * 1e6) == wanted


@given(st.integers(-(10**9), 10**9), st.sampled_from([-0.5, -0.25, 0.0, 0.25, 0.5]))
def test_halves_go_to_the_even_one_either_side_of_nothing(number: int, part: float) -> None:
    assert plain(booked)(number + part) == round(number + part)


@pytest.mark.parametrize("code", list(PRODUCTS))
@given(units=st.integers(1, 3_000), share=st.sampled_from([Decimal("0.25"), Decimal("0.5"), Decimal("0.1")]))
def test_prices_reach_the_grid_as_products_put_them(code: str, units: int, share: Decimal) -> None:
    own, grid = product(code), tick_grid(product(code))
    price = (Decimal(units) + share) / Decimal(int(grid.per_coin))
    for ours, theirs in ((floor_units, own.floor_price), (ceil_units, own.ceil_price)):
        found = plain(ours)(units + float(share), grid.fine, grid.coarse, grid.turn)
        assert Decimal(found) / Decimal(int(grid.per_coin)) == theirs(price)


@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.01, 1.0]))
def test_a_whole_number_of_lots_stays_whole(lots: int, lot: float) -> None:
    assert plain(whole)(lots * lot / lot) == lots
    assert plain(whole)((lots + 0.999) * lot / lot) == lots


def test_no_number_and_nothing_are_no_lots() -> None:
    assert [plain(whole)(one) for one in (float("nan"), -1.0, 0.0)] == [0, 0, 0]
    assert plain(whole)(float("inf")) > 10**14


def test_only_what_is_more_than_rounding_exceeds() -> None:
    assert not plain(exceeds)(0.1 + 0.2, 0.3)
    assert plain(exceeds)(0.3 + 1e-9, 0.3)
