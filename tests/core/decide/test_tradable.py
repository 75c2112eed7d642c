"""What of a balance can be written against, by numbers worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.decide.limits import Cap, Limits
from optionwriter.core.decide.tradable import equity_usd, sample_option, tradable
from optionwriter.core.market.instruments import OptionType, product

D = Decimal
WIDE = Limits(
    max_expiry_exposure=Cap.usd(10**9),
    max_call_notional_per_underlying=Cap.usd(10**9),
    max_put_notional_per_underlying=Cap.usd(10**9),
)
BTC_USD, ETH_USD = D(90_000), D(3_000)
CALL, PUT = OptionType.CALL, OptionType.PUT


@pytest.mark.parametrize(
    ("code", "kind", "index", "cash", "amount", "remainder", "missing"),
    [
        ("BTC", CALL, BTC_USD, "0.0999", "0", "0.0999", "0.0001"),
        ("BTC", CALL, BTC_USD, "0.1", "0.1", "0", "0"),
        ("BTC", CALL, BTC_USD, "0.17", "0.1", "0.07", "0"),
        ("BTC", CALL, BTC_USD, "2", "2", "0", "0"),
        ("BTC", CALL, BTC_USD, "0", "0", "0", "0.1"),
        ("ETH", CALL, ETH_USD, "0.999", "0", "0.999", "0.001"),
        ("ETH", CALL, ETH_USD, "7.4", "7", "0.4", "0"),
        # a put of 0.01 BTC at 81,000 (90 % of 90,000) binds 810 USDC; 0.1 ETH at 2,700 binds 270
        ("BTC_USDC", PUT, BTC_USD, "809.99", "0", "809.99", "0.01"),
        ("BTC_USDC", PUT, BTC_USD, "1000", "0.01", "190", "0"),
        ("BTC_USDC", PUT, BTC_USD, "200000", "2.46", "740", "0"),
        ("ETH_USDC", PUT, ETH_USD, "269", "0", "269", "1"),
        ("ETH_USDC", PUT, ETH_USD, "1000", "0.3", "190", "0"),
    ],
)
def test_lots_of_a_balance(
    code: str, kind: OptionType, index: D, cash: str, amount: str, remainder: str, missing: str
) -> None:
    found = tradable(sample_option(product(code), kind, index), D(cash), WIDE, index, D(10**6))
    assert (found.amount, found.remainder, found.missing) == (D(amount), D(remainder), D(missing))
    assert not found.capped_by


def test_an_inverse_put_and_a_linear_call_can_never_be_written() -> None:
    for code, kind in (("BTC", PUT), ("BTC_USDC", CALL)):
        found = tradable(sample_option(product(code), kind, BTC_USD), D(10**6), WIDE, BTC_USD, D(10**6))
        assert found.amount == 0


def test_a_cap_below_the_cash_is_named() -> None:
    option = sample_option(product("BTC"), CALL, BTC_USD)
    limits = Limits(max_call_notional_per_underlying=Cap.usd(30_000), max_expiry_exposure=Cap.usd(50_000))
    found = tradable(option, D(2), limits, BTC_USD, D(180_000))
    # 30,000 / 90,000 = 0.33 BTC: three lots
    assert (found.amount, found.capped_by, found.cap_usd) == (
        D("0.3"),
        "MAX_CALL_NOTIONAL_PER_UNDERLYING",
        D(30_000),
    )
    tight = Limits(max_call_notional_per_underlying=Cap.pct(100), max_expiry_exposure=Cap.pct(4))
    found = tradable(option, D(2), tight, BTC_USD, D(180_000))  # 4 % of 180,000 is below a lot's 9,000
    assert (found.amount, found.capped_by, found.missing) == (0, "MAX_EXPIRY_EXPOSURE", 0)


def test_a_put_is_capped_by_its_strike_not_by_the_index() -> None:
    option = sample_option(product("BTC_USDC"), PUT, BTC_USD)
    limits = Limits(max_put_notional_per_underlying=Cap.usd(8_100), max_expiry_exposure=Cap.usd(10**9))
    assert tradable(option, D(10**6), limits, BTC_USD, D(0)).amount == D("0.1")  # 8,100 / 81,000


def test_equity_counts_coins_at_their_index_and_dollars_at_one() -> None:
    cash = {"BTC": D(2), "ETH": D("20.5"), "USDC": D(1_000), "SOL": D(5)}
    assert equity_usd(cash, {"BTC": BTC_USD, "ETH": ETH_USD}, ("USDC",)) == 180_000 + 61_500 + 1_000


@given(
    cash=st.decimals(0, 10**7, places=8),
    index=st.decimals(1, 10**6, places=2),
    kind=st.sampled_from([("BTC", CALL), ("ETH", CALL), ("BTC_USDC", PUT), ("ETH_USDC", PUT)]),
    cap=st.integers(0, 10**7),
)
def test_never_more_than_the_cash_and_never_a_lot_too_few(
    cash: D, index: D, kind: tuple[str, OptionType], cap: int
) -> None:
    option = sample_option(product(kind[0]), kind[1], index)
    free = tradable(option, cash, WIDE, index, D(0))
    assert free.bound <= cash and free.bound + free.remainder == cash
    # one lot more would need more cash than there is, or it is below the smallest amount
    assert free.remainder < free.lot_cover or free.capped_by
    assert (free.amount == 0) == (cash < free.lot_cover) or free.capped_by
    limits = Limits(
        max_expiry_exposure=Cap.usd(cap),
        max_call_notional_per_underlying=Cap.usd(10**9),
        max_put_notional_per_underlying=Cap.usd(10**9),
    )
    held = tradable(option, cash, limits, index, D(0))
    assert held.amount <= free.amount
    assert held.amount * (index if option.is_call else option.strike) <= cap
