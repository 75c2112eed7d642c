"""Risk at its very edge: approved if and only if it fits, to the last digit, by arithmetic of the test's own."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.core.decide.limits import Cap, Code, Limits
from optionwriter.core.decide.risk import review
from tests.core.decide.worlds import (
    Ledger,
    account,
    buy_back,
    chain_at,
    currency,
    item,
    proposal,
    sell,
    state_of,
)

D = Decimal
CHAIN = chain_at()
LINEAR = chain_at("BTC_USDC")
NEAR, FAR = "BTC-17JAN26-102000-C", "BTC-31JAN26-110000-C"
PUT = "BTC_USDC-17JAN26-84000-P"
WIDE = Limits(
    max_call_chains=99,
    max_put_chains=99,
    max_call_notional_per_underlying=Cap.usd("1e12"),
    max_put_notional_per_underlying=Cap.usd("1e12"),
    max_expiry_exposure=Cap.usd("1e12"),
    max_net_delta_abs={"*": D("1e9")},
    max_margin_used_pct=D("1e9"),
    price_collar_pct=D("1e9"),
)
LOTS = st.integers(1, 30).map(lambda n: D(n) / 10)
# prices on the grid whose fee is the cap and whose fee is the rate
PRICES = st.sampled_from(
    [D("0.0001"), D("0.0004"), D("0.0023"), D("0.0024"), D("0.0025"), D("0.005"), D("0.0105"), D("0.3")]
)
GRAIN = D("1e-8")


def fee(price: Decimal) -> Decimal:
    """3 bp of the coin or an eighth of the premium, a coin."""
    return min(D("0.0003"), price * 125 / 1000)


@settings(deadline=None)
@given(LOTS, PRICES, LOTS, st.sampled_from([-1, 0, 1]))
def test_a_sale_fits_to_the_last_digit(amount: Decimal, price: Decimal, external: Decimal, off: int) -> None:
    needed = external + amount * (1 - price + fee(price))
    seen = account(currency("BTC", needed + off * GRAIN), positions={FAR: str(-external)})
    result = review(
        state_of(CHAIN, account=seen), WIDE, [proposal(item(sell(NEAR, str(amount), str(price))))]
    )
    assert bool(result.approved) == (off >= 0)
    if off < 0:
        assert result.refused[0].codes == (Code.NOT_COVERED,)


@settings(deadline=None)
@given(LOTS, PRICES, LOTS, PRICES, st.sampled_from([-1, 0, 1]))
def test_two_sales_share_what_is_there(
    one: Decimal, first: Decimal, two: Decimal, second: Decimal, off: int
) -> None:
    needed = one * (1 - first + fee(first)) + two * (1 - second + fee(second))
    state = state_of(CHAIN, account=account(currency("BTC", needed + off * GRAIN)))
    both = [
        proposal(item(sell(NEAR, str(one), str(first)), key="1")),
        proposal(item(sell(FAR, str(two), str(second)), key="2")),
    ]
    for order in (both, both[::-1]):
        result = review(state, WIDE, order)
        assert len(result.approved) == (2 if off >= 0 else 1)


@settings(deadline=None)
@given(LOTS, PRICES, PRICES, st.sampled_from([-1, 0, 1]))
def test_a_roll_pays_its_debit_from_what_is_free(
    amount: Decimal, ask: Decimal, bid: Decimal, off: int
) -> None:
    debit = amount * (ask + fee(ask) - bid + fee(bid))
    ledger = Ledger()
    ledger.sold(NEAR, str(amount), "0.005")
    cash = amount + max(D(0), debit) + off * GRAIN
    state = state_of(
        CHAIN, account=account(currency("BTC", cash), positions={NEAR: str(-amount)}), book=ledger.book
    )
    roll = item(buy_back(NEAR, str(amount), str(ask)), sell(FAR, str(amount), str(bid)), chain_id="c1")
    assert bool(review(state, WIDE, [proposal(roll)]).approved) == (off >= 0)


@settings(deadline=None)
@given(st.integers(1, 200), st.sampled_from([D(5), D(400), D(455), D(1500)]), st.sampled_from([-1, 0, 1]))
def test_a_put_needs_its_strike_less_what_it_surely_brings(lots: int, price: Decimal, off: int) -> None:
    amount = D(lots) / 100
    needed = amount * (84_000 - price + price / 8)  # a fee can never pass an eighth, wherever the index goes
    seen = account(currency("USDC", needed + off * D("1e-6")), currency("BTC", "9"))
    put = proposal(item(sell(PUT, str(amount), str(price))))
    result = review(state_of(CHAIN, LINEAR, account=seen), WIDE, [put])
    assert bool(result.approved) == (off >= 0)


@settings(deadline=None)
@given(LOTS, LOTS, LOTS, st.sampled_from([-1, 0, 1]))
def test_notional_and_expiry_caps_are_shared_to_the_last_cent(
    held: Decimal, one: Decimal, two: Decimal, off: int
) -> None:
    rich = account(currency("BTC", "99"), positions={"BTC-17JAN26-96000-C": str(-held)})
    state = state_of(CHAIN, account=rich)
    cap = Cap.usd((held + one + two) * 93_000 + off * D("0.01"))
    both = [
        proposal(item(sell(NEAR, str(one), "0.005"), key="1")),
        proposal(item(sell("BTC-17JAN26-104000-C", str(two), "0.0031"), key="2")),
    ]
    for limits, code in (
        (replace(WIDE, max_call_notional_per_underlying=cap), Code.CALL_NOTIONAL),
        (replace(WIDE, max_expiry_exposure=cap), Code.EXPIRY_EXPOSURE),
    ):
        result = review(state, limits, both)
        assert [one.codes for one in result.refused] == ([] if off >= 0 else [(code,)])
        assert len(result.approved) == (2 if off >= 0 else 1)


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([-1, 0, 1]))
def test_net_delta_is_shared(one: int, two: int, off: int) -> None:
    from optionwriter.core.decide.exposure import delta_of
    from optionwriter.core.market.instruments import parse_instrument

    state = state_of(CHAIN, account=account(currency("BTC", "99")))
    reached = D(one) / 10 * delta_of(state, parse_instrument(NEAR)) + D(two) / 10 * delta_of(
        state, parse_instrument(FAR)
    )
    limits = replace(WIDE, max_net_delta_abs={"*": reached + off * D("1e-6")})
    both = [
        proposal(item(sell(NEAR, str(D(one) / 10), "0.005"), key="1")),
        proposal(item(sell(FAR, str(D(two) / 10), "0.007"), key="2")),
    ]
    result = review(state, limits, both)
    assert len(result.approved) == (2 if off >= 0 else 1)
    assert [one.codes for one in result.refused] == ([] if off >= 0 else [(Code.NET_DELTA,)])
