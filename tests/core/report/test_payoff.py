"""Payoffs against numbers worked out by hand, and against what the books make of the very same delivery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.books.account import Side
from optionwriter.core.books.booking import book_events
from optionwriter.core.books.chains import Chain
from optionwriter.core.books.facts import Adopted, Filled
from optionwriter.core.books.pnl import Prices, chain_pnl
from optionwriter.core.books.settlement import settle
from optionwriter.core.market.instruments import parse_instrument
from optionwriter.core.report.detail import fill_of, position_detail
from optionwriter.core.report.payoff import POINTS, Payoff, _breakevens, payoff_of
from tests.core.decide.worlds import NOW, Ledger

D = Decimal
CALL, HIGHER = "BTC-30JAN26-100000-C", "BTC-30JAN26-110000-C"  # a Friday: deliveries cost a fee
PUT = "BTC_USDC-30JAN26-80000-P"
DAILY = "BTC-17JAN26-100000-C"  # a Saturday: no delivery fee
SPOT = D(93_000)


def traded(
    ledger: Ledger, name: str, side: Side, amount: str, price: str, fee: str, index: str, number: int = 1
) -> None:
    """One fill of chain c1, at an index in USD; cash of linear options counts a dollar a USDC."""
    label = f"CCBOT_{number}"
    ledger.prepared(name, amount, price, label=label, side=side)
    cash = -side.sign * D(amount) * D(price)
    of_money = D(index) if "_USDC" not in name else D(1)
    body = Filled(
        label,
        label,
        f"{label}-t",
        name,
        side,
        D(amount),
        D(price),
        cash,
        D(fee),
        D(index),
        of_money,
        D(price),
    )
    ledger.add(body, NOW + number, "c1")


def chain_of(ledger: Ledger) -> Chain:
    return ledger.book.chains["c1"]


def short_call(name: str = CALL) -> Ledger:
    """One coin's call for 0.05 at 93,000: 0.0497 after its fee, 4,622.10 USD."""
    ledger = Ledger()
    traded(ledger, name, Side.SELL, "1", "0.05", "0.0003", "93000")
    return ledger


def drawn(ledger: Ledger, spot: Decimal = SPOT) -> Payoff:
    found = payoff_of(chain_of(ledger), spot)
    assert found is not None
    return found


def is_everywhere(
    found: Payoff, coin: Callable[[float], float], usd: Callable[[float], float], grain: float = 2e-8
) -> None:
    """The whole picture against formulas in floats."""
    for price, one, other in zip(found.underlying_price, found.pnl, found.pnl_usd, strict=True):
        assert float(one) == pytest.approx(coin(float(price)), abs=grain)
        assert float(other) == pytest.approx(usd(float(price)), abs=0.01)


def test_a_short_call_in_coin_and_in_dollars() -> None:
    found = drawn(short_call())

    def owed(price: float) -> float:
        value = max(0.0, price - 100_000) / price
        return value + min(0.00015, value / 8)

    is_everywhere(found, lambda p: 0.0497 - owed(p), lambda p: 4_622.1 - owed(p) * p)
    # K/D = 1 - 0.0497 + 0.00015 = 0.95045; in USD 1.00015 D = 104,622.10
    assert found.breakevens == (D("105213.32"),)
    assert found.breakevens_usd == (D("104606.41"),)
    assert found.strikes == (100_000,) and found.expiry_ms == parse_instrument(CALL).expiry_ms
    assert {D(100_000), D("105213.32"), D("104606.41")} <= set(found.underlying_price)
    assert POINTS <= len(found.underlying_price) <= POINTS + 3
    assert found.underlying_price == tuple(sorted(found.underlying_price))
    at_strike = found.underlying_price.index(D(100_000))
    assert (found.pnl[at_strike], found.pnl_usd[at_strike]) == (D("0.0497"), D("4622.1"))


def test_a_daily_pays_no_delivery_fee() -> None:
    assert drawn(short_call(DAILY)).breakevens == (D("105229.93"),)  # 100,000 / 0.9503


def test_a_short_put_in_usdc() -> None:
    """Half a coin for 1,200: 600 less 13.95; it loses below D where 0.499925 D = 39,413.95."""
    ledger = Ledger()
    traded(ledger, PUT, Side.SELL, "0.5", "1200", "13.95", "93000")
    found = drawn(ledger)

    def usd(price: float) -> float:
        value = max(0.0, 80_000 - price)
        return 586.05 - 0.5 * (value + min(0.00015 * price, value / 8))

    is_everywhere(found, usd, usd, 2e-6)
    assert found.breakevens == found.breakevens_usd == (D("78839.73"),)
    assert found.pnl[-1] == D("586.05")


def test_a_spread_loses_no_more_than_its_width() -> None:
    ledger = short_call()
    traded(ledger, HIGHER, Side.BUY, "1", "0.03", "0.0003", "93000", 2)
    found = drawn(ledger)

    def owed(price: float) -> float:
        short, long = (max(0.0, price - strike) / price for strike in (100_000, 110_000))
        return short - long + min(0.00015, short / 8) + min(0.00015, long / 8)

    # 0.0497 - 0.0303 = 0.0194 came in; 1 - K/D + 0.00015 = 0.0194 below the second strike
    is_everywhere(found, lambda p: 0.0194 - owed(p), lambda p: 0.0194 * 93_000 - owed(p) * p)
    # far above, 10,000/D + 0.0003 = 0.0194 again: what is owed in coin melts as the price rises
    assert found.breakevens == (D("101962.78"), D("523560.21"))
    assert found.strikes == (100_000, 110_000)
    # in dollars it never comes back: at most 10,000 and two fees are owed
    assert found.breakevens_usd == (D("101788.93"),)


def test_a_roll_carries_what_came_before() -> None:
    """Sold at 93,000, bought back dearer at 98,000, sold on higher and later."""
    ledger = short_call(DAILY)
    traded(ledger, DAILY, Side.BUY, "1", "0.06", "0.0003", "98000", 2)
    traded(ledger, HIGHER, Side.SELL, "1", "0.04", "0.0003", "98000", 3)
    found = drawn(ledger, D(98_000))
    assert found.strikes == (110_000,)
    low = 0
    assert found.pnl[low] == D("0.0497") - D("0.0603") + D("0.0397")
    assert found.pnl_usd[low] == D("0.0497") * 93_000 + (D("0.0397") - D("0.0603")) * 98_000
    # 0.0291 in all: 1 - K/D + 0.00015 = 0.0291
    assert found.breakevens == (D("113279.44"),)


def test_a_position_taken_over_counts_what_it_was_worth() -> None:
    ledger = Ledger()
    ledger.add(Adopted(CALL, D(-1), D("0.05"), D(93_000)), chain="c1")
    assert drawn(ledger).breakevens == (D("105246.54"),)  # K/D = 1 - 0.05 + 0.00015 = 0.95015


def test_nothing_that_ends_has_no_picture() -> None:
    ledger = short_call(DAILY)
    traded(ledger, HIGHER, Side.BUY, "1", "0.03", "0.0003", "93000", 2)
    assert payoff_of(chain_of(ledger), SPOT) is None, "two expiries have no common end"
    ledger = short_call()
    traded(ledger, CALL, Side.BUY, "1", "0.01", "0.0003", "93000", 2)
    assert payoff_of(chain_of(ledger), SPOT) is None


def test_a_result_that_is_never_zero_has_no_breakeven() -> None:
    ledger = Ledger()
    traded(ledger, CALL, Side.BUY, "1", "0.05", "0.0003", "93000")  # a call held: at best 1 - 0.0503 in coin
    (even,) = drawn(ledger).breakevens
    assert even == D("105313.04")  # 1 - K/D - 0.00015 = 0.0503
    ledger = Ledger()
    traded(ledger, PUT, Side.SELL, "1", "90000", "27.9", "93000")
    assert drawn(ledger).breakevens == ()


def test_the_picture_stays_while_the_spot_is_in_its_middle() -> None:
    found = drawn(short_call())
    assert found.shows(SPOT) and found.shows(D(100_000))
    assert not found.shows(found.underlying_price[0]) and not found.shows(found.underlying_price[-1])
    assert not found.shows(D(140_000))


@given(
    legs=st.lists(
        st.tuples(st.sampled_from([90_000, 100_000, 115_000]), st.integers(-3, 3), st.integers(1, 400)),
        min_size=1,
        max_size=3,
        unique_by=lambda one: one[0],
    ).filter(lambda legs: all(lots for _, lots, _ in legs)),
    product=st.sampled_from(["BTC", "BTC_USDC"]),
    kind=st.sampled_from("CP"),
    place=st.integers(0, POINTS - 1),
)
def test_it_is_what_the_books_make_of_that_delivery(
    legs: list[tuple[int, int, int]], product: str, kind: str, place: int
) -> None:
    """To the last digit: the chain is settled at one of the picture's prices, and its result is the picture's."""
    ledger, unit = Ledger(), D("0.0005") if product == "BTC" else D(25)
    for number, (strike, lots, price) in enumerate(legs, 1):
        name = f"{product}-30JAN26-{strike}-{kind}"
        side = Side.SELL if lots < 0 else Side.BUY
        traded(ledger, name, side, f"{abs(lots) * D('0.1')}", f"{price * unit}", "0.0001", "93000", number)
    found = drawn(ledger)
    price = found.underlying_price[place]
    ends = [
        settle(parse_instrument(leg.instrument), leg.position, price, is_daily=False)
        for leg in chain_of(ledger).open_legs
    ]
    _, book = book_events(ends, ledger.book, NOW)
    result = chain_pnl(book.chains["c1"], Prices({}, {})).realised
    assert (result.coin, result.usd) == (found.pnl[place], found.pnl_usd[place])
    for even in found.breakevens:
        assert even > 0
        near = [
            sum((end.payoff - end.fee for end in (settle(parse_instrument(leg.instrument), leg.position,
                 one, is_daily=False) for leg in chain_of(ledger).open_legs)), D(0))
            + sum((flow.amount for flow in chain_of(ledger).flows), D(0))
            for one in (even * D("0.9999"), even, even * D("1.0001"))
        ]  # fmt: skip
        scale = D("0.0000001") if product == "BTC" else D("0.01")
        assert min(near) <= scale and max(near) >= -scale, "it crosses or touches zero there"


def test_the_detail_adds_up_to_the_result() -> None:
    ledger = short_call(DAILY)
    traded(ledger, DAILY, Side.BUY, "1", "0.06", "0.0003", "98000", 2)
    traded(ledger, HIGHER, Side.SELL, "1", "0.04", "0.0003", "98000", 3)
    fills = [fill for fact in ledger.facts if (fill := fill_of(fact)) is not None]
    chain = chain_of(ledger)
    detail = position_detail(chain, fills)
    assert [(one.side, one.price, one.fee, one.label) for one in detail.fills] == [
        ("sell", D("0.05"), D("0.0003"), "CCBOT_1"),
        ("buy", D("0.06"), D("0.0003"), "CCBOT_2"),
        ("sell", D("0.04"), D("0.0003"), "CCBOT_3"),
    ]
    assert [one.kind for one in detail.flows] == ["premium", "fee"] * 3
    assert detail.fees == D("-0.0009") and detail.fees_usd == -(D("27.9") + 2 * D("29.4"))
    assert detail.net_premium == D("0.0291") == sum(one.amount for one in detail.flows)
    assert detail.net_premium_usd == sum(one.amount_usd for one in detail.flows)
    assert (detail.collateral, detail.collateral_usd, detail.currency) == (1, 93_000, "BTC")
    assert fill_of(replace(ledger.facts[-1], chain_id="")) is None, "a stranger's trade"


@pytest.mark.parametrize("hyperbolic", [False, True])
def test_a_line_that_is_level_but_for_the_arithmetic_has_no_breakeven(hyperbolic: bool) -> None:
    """Above both strikes of a spread the result is level to the last digits, and meets zero at no price."""

    def level(price: Decimal) -> Decimal:
        slope = Decimal("1e-24") * (-1 / price if hyperbolic else price)
        return Decimal(-5) + slope

    assert _breakevens(level, [Decimal(3050), Decimal(3150)], hyperbolic) == ()
