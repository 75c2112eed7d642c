"""The risk review: what passes, and every code by which something is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.core.books.account import Position, Side, VenueOrder
from optionwriter.core.books.facts import OrderUnknown, TradingState
from optionwriter.core.decide import risk
from optionwriter.core.decide.limits import Cap, Code, LimitError, Limits
from optionwriter.core.decide.risk import Review, capacity_of, review
from optionwriter.core.market.instruments import OptionType
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
LIMITS = Limits()
CHAIN = chain_at()
LINEAR = chain_at("BTC_USDC")
NEAR, FAR, OTHER = "BTC-17JAN26-102000-C", "BTC-31JAN26-110000-C", "BTC-17JAN26-104000-C"
SOLD = item(sell(NEAR, "1", "0.005"))


def codes(result: Review) -> list[Code]:
    """All codes of all refusals."""
    return [code for one in result.refused for code in one.codes]


def judged(state: Any = None, *proposals: Any, limits: Limits = LIMITS) -> Review:
    """The review of some proposals, by default the sale of one call against one coin."""
    return review(state or state_of(CHAIN, account=account()), limits, proposals or (proposal(SOLD),))


def test_one_coin_covers_one_call_exactly() -> None:
    assert codes(judged()) == []
    second = item(sell(FAR, "0.1", "0.005"), key="second")
    both = judged(None, proposal(SOLD), proposal(second), limits=replace(LIMITS, max_call_chains=9))
    assert [one.item.key for one in both.approved] == [SOLD.key]
    assert codes(both) == [Code.NOT_COVERED]
    finding = both.refused[0].findings[0]
    # a tenth claims 0.1 less its premium of 0.0005 and fee of 0.00003; the first left its own net premium of 0.0047
    assert (finding.value, finding.limit) == (D("0.09953"), D("0.0047"))


def test_the_size_is_never_changed() -> None:
    big = item(sell(NEAR, "1.1", "0.005"))
    assert codes(judged(None, proposal(big))) == [Code.NOT_COVERED]


def test_own_premium_net_of_fee_counts() -> None:
    enough = state_of(CHAIN, account=account(currency("BTC", "0.9953")))  # 1 - 0.005 + 0.0003
    short = state_of(CHAIN, account=account(currency("BTC", "0.99529999")))
    assert codes(judged(enough)) == []
    assert codes(judged(short)) == [Code.NOT_COVERED]


def test_inverse_puts_are_refused_by_name_alone_and_in_spreads() -> None:
    put = item(sell("BTC-17JAN26-84000-P", "0.1", "0.005"))
    spread = item(
        sell("BTC-17JAN26-84000-P", "0.1", "0.005"),
        replace(buy_back("BTC-17JAN26-80000-P", "0.1", "0.003"), reduce_only=False),
    )
    rich = state_of(CHAIN, account=account(currency("BTC", "100")))
    for one in (put, spread):
        assert Code.INVERSE_PUT_REFUSED in codes(judged(rich, proposal(one)))


def test_linear_calls_are_refused_by_name() -> None:
    rich = state_of(CHAIN, LINEAR, account=account(currency("USDC", "900000"), currency("BTC", "9")))
    call = item(sell("BTC_USDC-17JAN26-102000-C", "0.1", "500"))
    assert Code.LINEAR_CALL_REFUSED in codes(judged(rich, proposal(call)))


def test_a_linear_put_needs_its_strike_in_usdc() -> None:
    put = proposal(item(sell("BTC_USDC-17JAN26-84000-P", "1", "450")))
    limits = replace(LIMITS, max_put_notional_per_underlying=Cap.pct(1000))
    # 84,000 - 450 + an eighth of 450 = 83,606.25
    enough = state_of(CHAIN, LINEAR, account=account(currency("USDC", "83606.25")))
    short = state_of(CHAIN, LINEAR, account=account(currency("USDC", "83606.24"), currency("BTC", "5")))
    assert codes(judged(enough, put, limits=limits)) == []
    assert codes(judged(short, put, limits=limits)) == [Code.NOT_COVERED]


def changed_account(**changes: Any) -> Any:
    return state_of(CHAIN, account=replace(account(), **changes))


FUTURE = Position("BTC-PERPETUAL", D("-10"), D(93_000), D(93_000))


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (lambda: changed_account(margin_model="segregated_pm"), Code.MARGIN_MODEL),
        (lambda: changed_account(margin_model="brand_new"), Code.MARGIN_MODEL),
        (lambda: changed_account(cross_collateral=True), Code.CROSS_COLLATERAL),
        (lambda: changed_account(positions=(FUTURE,)), Code.FOREIGN_POSITION),
        (lambda: changed_account(positions=(replace(FUTURE, instrument="WAT-1"),)), Code.FOREIGN_POSITION),
        (
            lambda: state_of(
                CHAIN, account=account(currency("BTC", "9"), positions={"BTC-17JAN26-84000-P": "-0.1"})
            ),
            Code.UNBOUNDED_CLAIM,
        ),
        (lambda: changed_account(at_ms=NOW - 60_001), Code.ACCOUNT_STALE),
        (lambda: changed_account(at_ms=NOW + 2_001), Code.DATA_CONTRADICTORY),
        (lambda: state_of(replace(CHAIN, at_ms=NOW - 60_001), account=account()), Code.DATA_STALE),
        (lambda: state_of(replace(CHAIN, at_ms=NOW + 2_001), account=account()), Code.DATA_CONTRADICTORY),
        (lambda: state_of(LINEAR, account=account()), Code.DATA_MISSING),
        (
            lambda: state_of(with_column(CHAIN, "mark", NEAR, float("nan")), account=account()),
            Code.DATA_MISSING,
        ),
        (lambda: state_of(replace(CHAIN, index_price=float("nan")), account=account()), Code.DATA_MISSING),
        (
            lambda: state_of(CHAIN, account=account(replace(currency("BTC", "1"), equity=D("1.2")))),
            Code.DATA_CONTRADICTORY,
        ),
        (
            lambda: state_of(CHAIN, account=account(replace(currency("BTC", "1"), initial_margin=D("NaN")))),
            Code.DATA_CONTRADICTORY,
        ),
        (lambda: state_of(CHAIN, account=account(currency("ETH", "1"))), Code.NOT_COVERED),
        (lambda: state_of(with_column(CHAIN, "mark", NEAR, 0.0075), account=account()), Code.PRICE_COLLAR),
        (lambda: state_of(CHAIN, account=account(), at_ms=NOW + 40 * 86_400_000), Code.EXPIRED),
        (lambda: state_of(CHAIN, account=account(currency("BTC", "1", initial="0.7"))), Code.MARGIN_USED),
        (
            lambda: state_of(CHAIN, account=account(currency("BTC", "9"), positions={NEAR: "-0.1"})),
            Code.INSTRUMENT_TAKEN,
        ),
    ],
)
def test_refusals_of_state(build: Callable[[], Any], code: Code) -> None:
    result = judged(build())
    assert result.approved == ()
    assert code in codes(result), result.refused[0].findings


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (item(), Code.MALFORMED),
        (item(sell("BTC-17JAN26-102000-X", "1", "0.005")), Code.MALFORMED),
        (item(sell(NEAR, "0.15", "0.005")), Code.MALFORMED),
        (item(sell(NEAR, "NaN", "0.005")), Code.MALFORMED),
        (item(sell(NEAR, "-1", "0.005")), Code.MALFORMED),
        (item(sell(NEAR, "1", "0.00505")), Code.MALFORMED),
        (item(sell(NEAR, "1", "0")), Code.MALFORMED),
        (item(sell(NEAR, "1", "Infinity")), Code.MALFORMED),
        (item(replace(sell(NEAR, "1", "0.005"), start_price=D("0.004"))), Code.MALFORMED),
        (item(sell(NEAR, "0.5", "0.005"), sell(NEAR, "0.5", "0.005")), Code.MALFORMED),
        (item(sell("ETH-17JAN26-5000-C", "1", "0.005")), Code.MALFORMED),
        (item(sell("BTC-17JAN26-102500-C", "1", "0.005")), Code.DATA_MISSING),  # not listed
        (item(sell(NEAR, "1", "0.0038")), Code.PRICE_COLLAR),  # the mark is 0.005373
        (item(buy_back(NEAR, "1", "0.006"), chain_id="c1"), Code.NOT_OURS),
        (item(replace(buy_back(NEAR, "1", "0.006"), reduce_only=False)), Code.CASH),
    ],
)
def test_refusals_of_items(one: Any, code: Code) -> None:
    poor = state_of(CHAIN, account=account(currency("BTC", "0.005")))
    state = poor if code is Code.CASH else state_of(CHAIN, account=account())
    result = judged(state, proposal(one))
    assert result.approved == ()
    assert code in codes(result), result.refused[0].findings


def test_a_check_that_breaks_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(desk: object, one: object) -> object:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(risk, "NEW_RISK", (broken,))
    result = judged()
    assert codes(result) == [Code.CHECK_FAILED]
    assert "boom" in result.refused[0].findings[0].detail


def test_a_desk_that_breaks_refuses_everything() -> None:
    state = state_of(CHAIN, account=account())
    broken = replace(state, book=None)
    assert codes(review(broken, LIMITS, [proposal(SOLD), proposal(SOLD)])) == [Code.CHECK_FAILED] * 2


def held_world(cash: str = "1.0047", **changes: Any) -> tuple[Any, Ledger]:
    """One call sold by strategy cc in chain c1, seen alike by venue and ledger."""
    ledger = Ledger()
    ledger.sold(NEAR, "1", "0.005")
    seen = account(currency("BTC", cash, options_value="-0.005373", initial="0.12"), positions={NEAR: "-1"})
    return state_of(CHAIN, account=seen, book=ledger.book, **changes), ledger


def test_buying_back_passes_without_free_cover() -> None:
    state, _ = held_world()
    close = item(buy_back(NEAR, "1", "0.006"), chain_id="c1", mandatory=True)
    assert codes(judged(state, proposal(close))) == []


def test_a_roll_counts_what_its_close_frees_and_nothing_else_may() -> None:
    state, _ = held_world()
    roll = item(buy_back(NEAR, "1", "0.006"), sell(FAR, "1", "0.007"), chain_id="c1", key="roll")
    assert codes(judged(state, proposal(roll))) == []
    close = item(buy_back(NEAR, "1", "0.006"), chain_id="c1", key="close")
    alone = item(sell(FAR, "1", "0.007"), key="alone")
    roomy = replace(LIMITS, max_call_chains=9, max_call_notional_per_underlying=Cap.pct(900))
    result = judged(state, proposal(close), proposal(alone), limits=roomy)
    assert [one.item.key for one in result.approved] == ["close"]
    assert codes(result) == [Code.NOT_COVERED]


def test_a_debit_roll_beyond_the_cash_is_refused() -> None:
    state, _ = held_world(cash="1.0003")
    # closing costs 0.0063, opening brings 0.0012 less 0.00015: the debit of 0.00525 isn't there
    roll = item(buy_back(NEAR, "1", "0.006"), sell("BTC-24JAN26-110000-C", "1", "0.0024"), chain_id="c1")
    assert codes(judged(state, proposal(roll))) == [Code.NOT_COVERED]
    smaller = item(buy_back(NEAR, "1", "0.006"), sell("BTC-24JAN26-110000-C", "0.9", "0.0024"), chain_id="c1")
    assert codes(judged(state, proposal(smaller))) == []


def test_a_chain_waits_for_its_order_and_an_unknown_one_blocks_it() -> None:
    state, ledger = held_world()
    close = item(buy_back(NEAR, "1", "0.006"), chain_id="c1")
    ledger.prepared(NEAR, "1", "0.006", side=Side.BUY, label="CCBOT_2", reduce_only=True)
    ledger.add(OrderUnknown("CCBOT_2", "timeout"), chain="c1")
    blocked = replace(state, book=ledger.book)
    assert Code.CHAIN_BUSY in codes(judged(blocked, proposal(close)))


def test_two_items_on_one_chain_in_one_cycle() -> None:
    state, _ = held_world()
    close = item(buy_back(NEAR, "1", "0.006"), chain_id="c1", key="one")
    again = item(buy_back(NEAR, "1", "0.006"), chain_id="c1", key="two")
    result = judged(state, proposal(close), proposal(again))
    assert len(result.approved) == 1
    assert Code.CHAIN_BUSY in codes(result)


def test_another_strategys_chain_is_not_ours_to_close() -> None:
    state, _ = held_world()
    close = item(buy_back(NEAR, "1", "0.006"), chain_id="c1")
    assert codes(judged(state, proposal(close, strategy="other"))) == [Code.NOT_OURS]


def test_external_positions_count_and_are_never_touched() -> None:
    ledger = Ledger()
    ledger.sold(NEAR, "0.5", "0.005")
    seen = account(currency("BTC", "2"), positions={NEAR: "-1.5"})
    state = state_of(CHAIN, account=seen, book=ledger.book)
    assert codes(judged(state, proposal(item(buy_back(NEAR, "0.6", "0.006"), chain_id="c1")))) == [
        Code.NOT_OURS
    ]
    assert codes(judged(state, proposal(item(buy_back(NEAR, "0.5", "0.006"), chain_id="c1")))) == []
    more = replace(LIMITS, max_call_chains=9)
    sale = proposal(item(sell(FAR, "0.6", "0.007"), key="new"))
    assert codes(judged(state, sale, limits=more)) == [Code.NOT_COVERED]


def test_one_instrument_belongs_to_one_strategy() -> None:
    rich = account(currency("BTC", "9"))
    more = replace(LIMITS, max_call_chains=9)
    first = proposal(item(sell(NEAR, "1", "0.005"), key="a"), strategy="cc")
    second = proposal(item(sell(NEAR, "1", "0.005"), key="b"), strategy="other")
    result = judged(state_of(CHAIN, account=rich), first, second, limits=more)
    assert codes(result) == [Code.INSTRUMENT_TAKEN]
    resting = VenueOrder("o9", "by hand", NEAR, Side.BUY, D("0.1"), D(0), D("0.001"), "open", False, NOW)
    by_hand = account(currency("BTC", "9"), orders=[resting])
    assert codes(judged(state_of(CHAIN, account=by_hand), first)) == [Code.INSTRUMENT_TAKEN]


def test_chain_slots_count_pending_and_approved_openings() -> None:
    rich = account(currency("BTC", "9"))
    first = proposal(item(sell(NEAR, "1", "0.005"), key="a"))
    second = proposal(item(sell(FAR, "1", "0.007"), key="b"))
    assert codes(judged(state_of(CHAIN, account=rich), first, second)) == [Code.CHAINS]
    ledger = Ledger()
    ledger.prepared(OTHER, "0.1", "0.003")
    pending = state_of(CHAIN, account=rich, book=ledger.book)
    assert codes(judged(pending, first)) == [Code.CHAINS]
    assert capacity_of(pending, LIMITS).slots[("BTC", OptionType.CALL)] == 0


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (replace(LIMITS, max_call_notional_per_underlying=Cap.usd(92_999)), Code.CALL_NOTIONAL),
        (replace(LIMITS, max_call_notional_per_underlying=Cap.pct("99.99")), Code.CALL_NOTIONAL),
        (replace(LIMITS, max_expiry_exposure=Cap.usd(92_999)), Code.EXPIRY_EXPOSURE),
        (replace(LIMITS, max_net_delta_abs={"*": D("0.1")}), Code.NET_DELTA),
        (replace(LIMITS, max_margin_used_pct=D(5)), Code.MARGIN_USED),
        (replace(LIMITS, max_call_chains=0), Code.CHAINS),
    ],
)
def test_every_limit_refuses(limits: Limits, code: Code) -> None:
    assert codes(judged(limits=limits)) == [code]


def test_caps_at_their_very_value_pass() -> None:
    exact = replace(
        LIMITS, max_call_notional_per_underlying=Cap.usd(93_000), max_expiry_exposure=Cap.pct(100)
    )
    assert codes(judged(limits=exact)) == []


def test_a_roll_that_lowers_what_is_measured_is_not_refused_for_it() -> None:
    state, _ = held_world()
    tight = replace(LIMITS, max_net_delta_abs={"*": D("0.01")})
    # the new option's delta is smaller than the old one's
    roll = item(buy_back(NEAR, "1", "0.006"), sell("BTC-24JAN26-116000-C", "1", "0.0007"), chain_id="c1")
    result = judged(state, proposal(roll), limits=tight)
    assert Code.NET_DELTA not in codes(result)
    up = item(buy_back(NEAR, "1", "0.006"), sell("BTC-28FEB26-102000-C", "1", "0.03"), chain_id="c1")
    assert Code.NET_DELTA in codes(judged(state, proposal(up), limits=tight))


def test_reducing_lets_only_closing_pass_and_halted_nothing() -> None:
    state, ledger = held_world()
    close = proposal(item(buy_back(NEAR, "1", "0.006"), chain_id="c1"))
    roll = proposal(item(buy_back(NEAR, "1", "0.006"), sell(FAR, "1", "0.007"), chain_id="c1", key="roll"))
    ledger.state(TradingState.REDUCING)
    reducing = replace(state, book=ledger.book)
    assert codes(judged(reducing, close)) == []
    assert codes(judged(reducing, roll)) == [Code.REDUCING]
    ledger.state(TradingState.HALTED)
    halted = replace(state, book=ledger.book)
    assert codes(judged(halted, close)) == [Code.HALTED]
    assert "kill file" in judged(halted, close).refused[0].findings[0].detail


def test_a_ledger_that_claims_more_than_the_venue_shows_is_a_contradiction() -> None:
    ledger = Ledger()
    ledger.sold(NEAR, "1", "0.005")
    state = state_of(CHAIN, account=account(currency("BTC", "9")), book=ledger.book)
    assert Code.DATA_CONTRADICTORY in codes(judged(state, proposal(item(sell(FAR, "1", "0.007")))))


@pytest.mark.parametrize("bad", [D("NaN"), D("Infinity"), D(-1)])
def test_limits_are_finite(bad: Decimal) -> None:
    with pytest.raises(LimitError, match="max_margin_used_pct"):
        Limits(max_margin_used_pct=bad)
    with pytest.raises(LimitError, match="cap"):
        Cap.usd(bad)
    with pytest.raises(LimitError, match="cap"):
        Cap()


def test_caps_as_settings_spell_them() -> None:
    assert Cap.parse("50000") == Cap.usd(50_000)
    assert Cap.parse(" 40 %") == Cap.pct(40)
    assert Cap.pct(40).in_usd(D(1_000)) == 400
    assert Cap.pct(40).in_usd(D(-1_000)) == 0
    for bad in ("", "much", "-5", "NaN", "inf%"):
        with pytest.raises(LimitError, match="cap"):
            Cap.parse(bad)
