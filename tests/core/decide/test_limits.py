"""Limits on sums over short options: their meaning by formula, refusals at the boundary, use when sizing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import erf, exp, log, pi, sqrt
from typing import Any

import pytest

from optionwriter.core.decide.figures import uses
from optionwriter.core.decide.limits import Bounds, Cap, Code, LimitError, Limits, Stress, read_bounds
from optionwriter.core.decide.menu import Size
from optionwriter.core.decide.risk import Review, capacity_of, open_desk, review
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import Mode, defaults
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.instruments import MS_PER_YEAR, parse_instrument
from optionwriter.core.report.decisions import limit_uses
from tests.core.decide.worlds import (
    NOW,
    Ledger,
    account,
    buy_back,
    chain_at,
    currency,
    item,
    proposal,
    sell,
    state_of,
    with_column,
)

D = Decimal
SPOT, IV = 93_000.0, 0.45
CHAIN, LINEAR = chain_at(), chain_at("BTC_USDC")
CALL, FAR_CALL, PUT = "BTC-17JAN26-102000-C", "BTC-31JAN26-110000-C", "BTC_USDC-17JAN26-84000-P"
WIDE = Limits(
    max_call_chains=50,
    max_put_chains=50,
    max_expiry_exposure=Cap.pct(10_000),
    max_call_notional_per_underlying=Cap.pct(10_000),
    max_put_notional_per_underlying=Cap.pct(10_000),
    max_total_short_notional=Cap.pct(10_000),
    max_stress_loss=Cap.pct(10_000),
    max_net_delta_abs={"*": D(10**6)},
    price_collar_pct=D(100),  # the tests sell at prices of their own
)


def rich(book: Any = None, **held: str) -> AgentState:
    """Two coins and 200,000 USDC."""
    held = {
        name.replace("_", "-") if not name.startswith("BTC_USDC") else name: one for name, one in held.items()
    }
    return state_of(
        CHAIN,
        LINEAR,
        account=account(currency("BTC", "2"), currency("USDC", "200000"), positions=held),
        book=book,
    )


def normal(x: float) -> float:
    """The standard normal distribution function."""
    return (1 + erf(x / sqrt(2))) / 2


def black(forward: float, name: str, iv: float) -> float:
    """Black-76 in USD, from the textbook."""
    option = parse_instrument(name)
    strike, years = float(option.strike), (option.expiry_ms - NOW) / MS_PER_YEAR
    d1 = log(forward / strike) / (iv * sqrt(years)) + iv * sqrt(years) / 2
    call = forward * normal(d1) - strike * normal(d1 - iv * sqrt(years))
    return call if option.is_call else call - forward + strike


def vega(name: str) -> float:
    """USD a point: F φ(d1) √T / 100."""
    option = parse_instrument(name)
    years = (option.expiry_ms - NOW) / MS_PER_YEAR
    d1 = log(SPOT / float(option.strike)) / (IV * sqrt(years)) + IV * sqrt(years) / 2
    return SPOT * exp(-d1 * d1 / 2) / sqrt(2 * pi) * sqrt(years) / 100


def loss(name: str, move: float, points: float) -> float:
    """What one coin short loses at a shock, USD."""
    return black(SPOT * (1 + move), name, IV + points / 100) - black(SPOT, name, IV)


def judged(limits: Limits, *items: Any, state: AgentState | None = None, strategy: str = "cc") -> Review:
    return review(state or rich(), limits, [proposal(one, strategy) for one in items])


def codes(result: Review) -> list[Code]:
    return [code for one in result.refused for code in one.codes]


def call(amount: str = "1", name: str = CALL, key: str = "cc/a") -> Any:
    return item(sell(name, amount, "0.005"), key=key)


def put(amount: str = "1", key: str = "cc/p") -> Any:
    return item(sell(PUT, amount, "450"), key=key)


def test_vega_and_stress_are_what_the_textbook_says() -> None:
    book = Ledger()
    book.sold(CALL, "1.5", "0.005", chain="c1")
    book.sold(PUT, "0.5", "450", chain="c2", label="CCBOT_2")
    state = rich(book.book, **{CALL: "-1.5", PUT: "-0.5"})
    desk = open_desk(state, WIDE)
    found = {
        one.figure.name: float(one.used)
        for one in uses(state, desk.shorts, WIDE.account_bounds, Stress(D(20), D(10)))
    }
    assert found["max_vega_usd"] == pytest.approx(1.5 * vega(CALL) + 0.5 * vega(PUT), rel=1e-9)
    up = 1.5 * loss(CALL, 0.2, 10) + 0.5 * loss(PUT, 0.2, 10)
    down = 1.5 * loss(CALL, -0.2, 10) + 0.5 * loss(PUT, -0.2, 10)
    assert up > 0 and found["max_stress_loss"] == pytest.approx(max(up, down), rel=1e-9)
    assert found["max_total_short_notional"] == 1.5 * SPOT + 0.5 * 84_000
    assert found["max_covered_share"] == 1.5  # coins


# For each limit: a bound that one coin just reaches (within it), what a tenth of a coin more is refused for.
AT = {
    Code.TOTAL_NOTIONAL: replace(WIDE, max_total_short_notional=Cap.usd(93_000)),
    Code.COVERED_SHARE: replace(WIDE, max_covered_share=D("0.49765")),  # 1 - 0.005 + 0.0003 of two coins
    Code.VEGA: replace(WIDE, max_vega_usd=D(repr(vega(CALL) + 1e-6))),
    Code.STRESS_LOSS: replace(WIDE, max_stress_loss=Cap.usd(D(repr(loss(CALL, 0.2, 15) + 1e-6)))),
    Code.LOTS: replace(WIDE, max_lots_per_order=10),
}


@pytest.mark.parametrize("code", list(AT))
def test_a_limit_is_reached_and_not_passed(code: Code) -> None:
    assert codes(judged(AT[code], call("1"))) == []
    assert codes(judged(AT[code], call("1.1"))) == [code]
    if code is not Code.LOTS:  # jointly: the second has what the first left
        both = judged(AT[code], call("0.6"), call("0.6", "BTC-31JAN26-102000-C", key="cc/b"))
        assert [one.item.key for one in both.approved] == ["cc/a"] and codes(both) == [code]


def test_the_stress_is_judged_by_scenario_not_by_their_sum() -> None:
    most = max(loss(CALL, 0.2, 15), loss(PUT, -0.2, 15))
    limits = replace(WIDE, max_stress_loss=Cap.usd(D(repr(most * 1.01))))
    assert codes(judged(limits, call(), put())) == []  # the call loses when the put gains
    assert codes(judged(limits, put(), put("1", key="cc/q"))) != []


def test_chains_are_counted_over_the_account_and_the_strategy() -> None:
    far = call("0.5", FAR_CALL, key="b/far")
    two = replace(WIDE, max_chains_total=1)
    assert codes(judged(two, call("0.5"), far)) == [Code.CHAINS_TOTAL]
    own = replace(WIDE, strategies={"cc": Bounds(max_chains_total=1)})
    assert codes(judged(own, call("0.5"), far)) == [Code.CHAINS_TOTAL]
    mixed = review(rich(), own, [proposal(call("0.5"), "cc"), proposal(far, "b")])
    assert len(mixed.approved) == 2


def test_calls_of_one_expiry_are_counted_by_date() -> None:
    limits = replace(WIDE, max_calls_per_expiry=2)
    names = ["BTC-17JAN26-100000-C", "BTC-17JAN26-102000-C", "BTC-17JAN26-104000-C", "BTC-31JAN26-104000-C"]
    shown = judged(limits, *(call("0.1", name, key=f"cc/{name}") for name in names))
    assert [one.proposal.item.key for one in shown.refused] == [f"cc/{names[2]}"]
    assert codes(shown) == [Code.EXPIRY_CHAINS]


OWN = {
    Code.CALL_NOTIONAL: Bounds(max_call_notional_per_underlying=Cap.usd(93_000)),
    Code.EXPIRY_EXPOSURE: Bounds(max_expiry_exposure=Cap.usd(93_000)),
    Code.TOTAL_NOTIONAL: Bounds(max_total_short_notional=Cap.usd(93_000)),
    Code.COVERED_SHARE: Bounds(max_covered_share=D("0.5")),
    Code.MARGIN_USED: Bounds(max_margin_used_pct=D(6)),
    Code.NET_DELTA: Bounds(max_net_delta_abs=D("0.2")),
    Code.VEGA: Bounds(max_vega_usd=D(repr(vega(CALL) + 1e-6))),
    Code.STRESS_LOSS: Bounds(max_stress_loss=Cap.usd(D(repr(loss(CALL, 0.2, 15) + 1e-6)))),
    Code.LOTS: Bounds(max_lots_per_order=10),
}


@pytest.mark.parametrize("code", list(OWN))
def test_a_strategys_own_limit_binds_it_and_nobody_else(code: Code) -> None:
    limits = replace(WIDE, strategies={"tight": OWN[code]})
    amount = "1.9" if code is not Code.LOTS else "1.1"
    assert code in codes(judged(limits, call(amount), strategy="tight"))
    assert codes(judged(limits, call(amount), strategy="free")) == []
    shared = review(
        rich(), limits,
        [proposal(call("0.7"), "free"), proposal(call("0.9", FAR_CALL, key="t/far"), "tight")],
    )  # fmt: skip
    assert len(shared.approved) == 2, shared.refused  # what another strategy sold counts for it alone


def test_what_an_order_of_another_strategy_may_still_sell_is_not_counted_twice() -> None:
    book = Ledger()
    book.prepared(CALL, "0.9", "0.005", strategy="other")
    limits = replace(WIDE, strategies={"cc": Bounds(max_total_short_notional=Cap.usd(93_000))})
    far = call("1", FAR_CALL)
    assert codes(judged(limits, far, state=rich(book.book))) == []
    both = replace(limits, max_total_short_notional=Cap.usd(150_000))
    assert codes(judged(both, far, state=rich(book.book))) == [Code.TOTAL_NOTIONAL]


@pytest.mark.parametrize("iv", [float("nan"), 0.0, float("inf")])
def test_what_has_no_volatility_is_not_sold(iv: float) -> None:
    blind = with_column(CHAIN, "mark_iv", CALL, iv)
    state = state_of(blind, account=account(currency("BTC", "2")))
    assert Code.DATA_MISSING in codes(judged(WIDE, call(), state=state))
    assert capacity_of(state, WIDE).room_coins(parse_instrument(CALL), D("0.005")) >= 0


def test_a_held_option_without_volatility_counts_at_its_worst() -> None:
    book = Ledger()
    book.sold(CALL, "1", "0.005")
    blind = with_column(CHAIN, "mark_iv", CALL, float("nan"))
    state = state_of(blind, account=account(currency("BTC", "2"), positions={CALL: "-1"}), book=book.book)
    found = {
        one.figure.name: float(one.used)
        for one in uses(state, open_desk(state, WIDE).shorts, WIDE.account_bounds, Stress(D(20), D(15)))
    }
    years = (parse_instrument(CALL).expiry_ms - NOW) / MS_PER_YEAR
    assert found["max_vega_usd"] == pytest.approx(SPOT * sqrt(years / (2 * pi)) / 100) and found[
        "max_vega_usd"
    ] > vega(CALL)
    assert found["max_stress_loss"] == pytest.approx(SPOT * 1.2)
    tight = replace(WIDE, max_stress_loss=Cap.usd(100_000))
    assert Code.STRESS_LOSS in codes(judged(tight, call("0.1", FAR_CALL), state=state))


def test_a_roll_that_lowers_a_figure_is_not_refused_for_it() -> None:
    book = Ledger()
    book.sold("BTC-17JAN26-94000-C", "1", "0.02")
    state = rich(book.book, **{"BTC-17JAN26-94000-C": "-1"})
    tight = replace(
        WIDE, max_total_short_notional=Cap.usd(1), max_vega_usd=D("0.01"), max_stress_loss=Cap.usd(1),
        max_covered_share=D("0.01"), max_lots_per_order=1,
    )  # fmt: skip
    ask = D(repr(float(CHAIN.ask[CHAIN.table.row_of["BTC-17JAN26-94000-C"]])))
    closing = buy_back("BTC-17JAN26-94000-C", "1", str(ask))
    lower = item(closing, sell(CALL, "0.9", "0.005"), chain_id="c1", key="cc/roll")
    assert vega(CALL) * 0.9 < vega("BTC-17JAN26-94000-C")
    assert codes(judged(tight, lower, state=state)) in ([], [Code.COVERED_SHARE])
    longer = item(closing, sell("BTC-31JAN26-96000-C", "1", "0.02"), chain_id="c1", key="cc/roll")
    assert Code.VEGA in codes(judged(tight, longer, state=state))


@pytest.mark.parametrize("code", [*AT, "own"])
def test_sizes_shrink_instead_of_being_refused(code: Any) -> None:
    config = replace(defaults(Mode.RESEARCH, "cc"), underlyings=("BTC",), sizes=(Size.FULL,))
    base = replace(AT[code], max_call_chains=1) if code in AT else WIDE
    limits = base if code in AT else replace(WIDE, strategies={"cc": Bounds(max_vega_usd=D(40))})
    free_menu = strategy("covered_call").propose(rich(), config, capacity_of(rich(), WIDE, "cc"))[0]
    menu = strategy("covered_call").propose(rich(), config, capacity_of(rich(), limits, "cc"))[0]
    assert menu.items and free_menu.items[0].legs[0].amount == 2
    assert any(one.legs[0].amount < 2 for one in menu.items)
    for one in menu.items:
        result = review(rich(), limits, [proposal(one)])
        assert not result.refused, (one.key, result.refused)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"max_vega": 3}, "max_vega is unknown: did you mean max_vega_usd?"),
        ({"max_vega_usd": "many"}, "max_vega_usd: 'many' is no number"),
        ({"max_vega_usd": True}, "no number"),
        ({"max_vega_usd": "NaN"}, "finite"),
        ({"max_vega_usd": "Infinity"}, "finite"),
        ({"max_vega_usd": -1}, "not negative"),
        ({"max_covered_share": 1.5}, "between 0 and 1"),
        ({"max_chains_total": 1.5}, "whole number"),
        ({"max_stress_loss": "50 USD"}, "no cap"),
        ({"max_stress_loss": "nan%"}, "finite"),
    ],
)
def test_bounds_that_limit_nothing_are_refused(table: dict[str, object], says: str) -> None:
    with pytest.raises(LimitError, match=says.replace("?", r"\?")):
        read_bounds(table)


def test_bounds_are_read_as_settings_spell_them() -> None:
    found = read_bounds({"max_stress_loss": "10%", "max_total_short_notional": 50_000, "max_chains_total": 2})
    assert found == Bounds(
        max_stress_loss=Cap.pct(10), max_total_short_notional=Cap.usd(50_000), max_chains_total=2
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"max_vega_usd": D("NaN")},
        {"max_vega_usd": D("Infinity")},
        {"max_covered_share": D(2)},
        {"max_chains_total": -1},
        {"max_calls_per_expiry": -1},
    ],
)
def test_account_limits_must_be_finite(changes: dict[str, Any]) -> None:
    with pytest.raises(LimitError):
        Limits(**changes)


def test_a_stress_that_leaves_no_price_is_refused() -> None:
    with pytest.raises(LimitError, match="leaves no price"):
        Stress(D(100), D(0))


def test_the_use_of_every_limit_is_told_for_account_and_strategies() -> None:
    book = Ledger()
    book.sold(CALL, "0.5", "0.005", chain="c1", strategy="one")
    book.sold(PUT, "0.5", "450", chain="c2", label="CCBOT_2", strategy="two")
    state = rich(book.book, **{CALL: "-0.8", PUT: "-0.5"})  # 0.3 of the call are not ours
    own = {
        "one": Bounds(max_vega_usd=D(100), max_chains_total=2),
        "two": Bounds(max_expiry_exposure=Cap.usd(50_000)),
    }
    told = {(one.name, one.subject): one for one in limit_uses(state, replace(WIDE, strategies=own))}
    assert float(told["vega_usd", "account"].used) == pytest.approx(0.8 * vega(CALL) + 0.5 * vega(PUT))
    assert float(told["vega_usd", "account"].external) == pytest.approx(0.3 * vega(CALL))
    assert float(told["vega_usd", "one"].used) == pytest.approx(0.5 * vega(CALL))
    assert (told["vega_usd", "one"].limit, told["vega_usd", "one"].strategy_id) == (100, "one")
    assert (told["chains_total", "one"].used, told["chains_total", "account"].used) == (1, 2)
    assert told["expiry_exposure_usd", "two BTC 17JAN26"].used == 42_000
    assert told["covered_coins", "BTC"].used == D("0.8") and told["covered_coins", "BTC"].limit == 2
    names = {name for name, _ in told}
    assert {"total_short_notional_usd", "stress_loss_usd", "margin_used_pct", "net_delta_abs", "call_chains",
            "call_notional_usd", "put_notional_usd", "put_chains"} <= names  # fmt: skip
