"""How paper fills: at a share of the spread, always or by its measured chance, and never where nobody quotes."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.adapters.paper.chances import MINUTES, SHARES, chance_of_fill, drawn, share_kept
from optionwriter.adapters.paper.fills import FillModel
from optionwriter.adapters.paper.tape import PaperQuote
from optionwriter.core.books.account import Side
from optionwriter.core.market.instruments import parse_instrument

OPTION = parse_instrument("BTC-27MAR26-80000-C")
D = Decimal


def quote(bid: str | None, ask: str | None) -> PaperQuote:
    def price(text: str | None) -> Decimal | None:
        return None if text is None else D(text)

    return PaperQuote(OPTION, D(70_000), D(70_100), D("0.011"), price(bid), price(ask), D(2), D(3))


WIDE = quote("0.0100", "0.0120")


def test_each_kind_at_its_price() -> None:
    expected = {
        ("cross", Side.SELL): ("0.0100", 2),
        ("cross", Side.BUY): ("0.0120", 3),
        ("mid", Side.SELL): ("0.0110", 2),
        ("mid", Side.BUY): ("0.0110", 3),
        ("share", Side.SELL): ("0.0105", 2),
        ("share", Side.BUY): ("0.0115", 3),
    }
    for (kind, side), (price, size) in expected.items():
        model = FillModel(kind, D("0.25"))
        assert model.taken(WIDE, side, 0) == (D(price), D(size)), (kind, side)
        assert model.reached(WIDE, side) == (D(price), D(size))


def test_no_quote_no_fill_whatever_the_model() -> None:
    for kind in ("cross", "mid", "share", "probability"):
        model = FillModel(kind, D("0.5"))
        assert model.taken(quote(None, "0.012"), Side.SELL, 0)[0] is None
        assert model.taken(quote("0.010", None), Side.BUY, 0)[0] is None
        assert model.reached(quote(None, None), Side.SELL)[0] is None


def test_chances_are_the_measured_ones_at_the_tables_places() -> None:
    """Figures printed by scripts/fill_table.py."""
    assert chance_of_fill(Side.SELL, 0.5, 15) == 0.4157
    assert chance_of_fill(Side.BUY, 0.1, 60) == 0.7972
    assert chance_of_fill(Side.SELL, 1.0, 5) == 0.1067
    assert chance_of_fill(Side.SELL, 0.0, 5) == 1.0
    assert chance_of_fill(Side.SELL, 0.375, 5) == pytest.approx((0.3011 + 0.2260) / 2)
    assert chance_of_fill(Side.SELL, 0.05, 5) == 0.3395  # a smaller share than was measured is no likelier


@given(
    side=st.sampled_from(list(Side)),
    share=st.floats(0, 1),
    more=st.floats(0, 1),
    minutes=st.floats(0.1, 90),
    longer=st.floats(0, 60),
)
def test_asking_less_and_waiting_longer_is_likelier(
    side: Side, share: float, more: float, minutes: float, longer: float
) -> None:
    one = chance_of_fill(side, share, minutes)
    assert 0.0 <= one <= 1.0
    assert chance_of_fill(side, min(1.0, share + more), minutes) <= one + 1e-12
    assert chance_of_fill(side, share, minutes + longer) >= one - 1e-12
    assert len(SHARES) == len(MINUTES) == 6


def test_by_chance_as_often_as_measured_and_the_same_every_time() -> None:
    model = FillModel("probability", D("0.5"), 15.0, seed=7)
    filled = [model.taken(WIDE, Side.SELL, 60_000 * at)[0] for at in range(4_000)]
    assert set(filled) == {None, D("0.0110")}
    share = sum(one is not None for one in filled) / len(filled)
    assert share == pytest.approx(0.4157, abs=4 * math.sqrt(0.4157 * 0.5843 / 4_000))
    again = FillModel("probability", D("0.5"), 15.0, seed=7)
    assert filled == [again.taken(WIDE, Side.SELL, 60_000 * at)[0] for at in range(4_000)]
    other = FillModel("probability", D("0.5"), 15.0, seed=8)
    assert filled != [other.taken(WIDE, Side.SELL, 60_000 * at)[0] for at in range(4_000)]
    assert FillModel("probability", D(0)).taken(WIDE, Side.SELL, 0) == (
        D("0.0100"),
        D(2),
    )  # crossing is certain
    assert model.reached(WIDE, Side.SELL) == (D("0.0100"), D(2))  # what rests waits for the other side


def test_a_spread_of_one_tick_leaves_nothing_to_keep() -> None:
    """A price between ticks goes to the worse one, so it is crossed, and surely filled."""
    model = FillModel("probability", D("0.5"), 5.0)
    assert model.taken(quote("0.0101", "0.0102"), Side.SELL, 3)[0] in (D("0.0100"), D("0.0101"))


@settings(max_examples=50)
@given(st.integers(0, 2**40), st.sampled_from(list(Side)))
def test_a_price_keeps_its_share(at_ms: int, side: Side) -> None:
    luck = drawn(1, "BTC-27MAR26-80000-C", side, at_ms)
    assert 0.0 <= luck < 1.0
    price = D("0.0100") + D("0.0020") * D(str(round(luck, 4)))
    kept = share_kept(side, price, D("0.0100"), D("0.0120"))
    assert kept == pytest.approx(round(luck, 4) if side is Side.SELL else 1 - round(luck, 4))
    assert share_kept(side, D("0.5"), D("0.01"), D("0.01")) == 0.0


def test_bad_models_are_refused() -> None:
    with pytest.raises(ValueError, match=r"spread_share is 1\.5"):
        FillModel("share", D("1.5"))
    with pytest.raises(ValueError, match="wait_minutes is 0"):
        FillModel("probability", wait_minutes=0.0)
