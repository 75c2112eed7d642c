"""Calls and puts: what the put writer offers, how the two sides meet on one menu, and how USDC is shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import Action
from optionwriter.core.decide.choosing import ChoiceParams, choose_best, proposals
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.menu import Menu
from optionwriter.core.decide.risk import capacity_of, review
from optionwriter.core.decide.strategies.base import ConfigError, Mode, StrategyConfig, defaults
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import Family, parse_instrument
from tests.core.decide.worlds import Ledger, account, chain_at, currency, state_of, with_column

D = Decimal
CALLS, PUTS = chain_at(), chain_at("BTC_USDC")
ETHER, ETHER_PUTS = chain_at("ETH", spot=3_200.0), chain_at("ETH_USDC", spot=3_200.0)
START = replace(defaults(Mode.RESEARCH, "in"), underlyings=("BTC",))
BOTH = replace(START, kind="income", writes=("covered_call", "cash_secured_put"))
ONLY_PUTS = replace(START, kind="cash_secured_put", writes=("cash_secured_put",))
SOLD = "BTC_USDC-17JAN26-84000-P"


def menus_of(state: Any, config: StrategyConfig, limits: Limits | None = None) -> Sequence[Menu]:
    """The strategy's menus."""
    return strategy(config.kind).propose(state, config, capacity_of(state, limits or Limits()))


def world(*chains: OptionChain, btc: str = "1", usdc: str = "100000", **given: Any) -> Any:
    """A state with coin and USDC."""
    cash = (currency("BTC", btc), currency("ETH", "20"), currency("USDC", usdc))
    return state_of(*(chains or (CALLS, PUTS)), account=account(*cash, **given.pop("held", {})), **given)


def holding(chain: OptionChain, usdc: str = "100300", price: str = "300") -> Any:
    """One put sold in chain c1."""
    ledger = Ledger()
    ledger.sold(SOLD, "1", price, strategy="in")
    return world(CALLS, chain, usdc=usdc, held={"positions": {SOLD: "-1"}}, book=ledger.book)


def test_a_put_is_secured_by_its_strike_in_usdc_own_premium_counted() -> None:
    (menu,) = menus_of(world(usdc="84000"), ONLY_PUTS)
    for item in menu.items:
        (leg,) = item.legs
        option = parse_instrument(leg.instrument)
        assert (item.action, leg.side) == (Action.OPEN_CASH_SECURED_PUT, Side.SELL)
        assert option.product.family is Family.LINEAR and not option.is_call
        # one step of 0.01 BTC more would not be covered, whatever the fee (an eighth of the premium at most)
        each = option.strike - leg.limit_price * D("0.875")
        assert leg.amount * each <= 84_000 < (leg.amount + D("0.01")) * each
    assert menu.items


def test_both_sides_stand_on_one_menu_and_every_candidate_is_there_once() -> None:
    (menu,) = menus_of(world(), replace(BOTH, max_items=999))
    offered = [item.legs[0].instrument for item in menu.items]
    rejected = [name for part in menu.rejected for name in part.names]
    calls = [name for name in CALLS.table.names if name.endswith("C")]
    puts = [name for name in PUTS.table.names if name.endswith("P")]
    assert sorted([*offered, *rejected]) == sorted([*calls, *puts])
    assert {item.action for item in menu.items} == {Action.OPEN_COVERED_CALL, Action.OPEN_CASH_SECURED_PUT}
    assert [item.score for item in menu.items] == sorted((one.score for one in menu.items), reverse=True)


@pytest.mark.parametrize(("dear", "letter"), [("calls", "C"), ("puts", "P")])
def test_the_side_that_pays_more_over_its_fair_value_is_chosen(dear: str, letter: str) -> None:
    calls = chain_at(iv=0.60 if dear == "calls" else 0.45)
    puts = chain_at("BTC_USDC", iv=0.60 if dear == "puts" else 0.45)
    menus = menus_of(world(calls, puts), BOTH)
    (key,) = choose_best(menus, ChoiceParams(0.0)).keys
    assert key.split("/")[3].endswith(letter)


def test_nothing_is_chosen_when_neither_side_passes() -> None:
    menus = menus_of(world(), BOTH)
    best = max(item.score for item in menus[0].items)
    assert choose_best(menus, ChoiceParams(best + 1e-9)).keys == ()


@pytest.mark.parametrize(("btc", "usdc", "letters"), [("0", "100000", "P"), ("1", "0", "C")])
def test_a_side_without_cash_leaves_the_menu_to_the_other(btc: str, usdc: str, letters: str) -> None:
    (menu,) = menus_of(world(btc=btc, usdc=usdc), BOTH)
    assert {item.legs[0].instrument[-1] for item in menu.items} == {letters}
    assert menu.counts_by_gate()["size"] > 0


def test_each_side_has_its_own_slot() -> None:
    (menu,) = menus_of(holding(PUTS), BOTH)
    assert [one.chain_id for one in menu.held] == ["c1"]
    assert {item.action for item in menu.items} == {Action.OPEN_COVERED_CALL}
    assert menu.counts_by_gate()["slot"] > 0


def test_two_coins_share_the_usdc_so_that_both_puts_pass_risk() -> None:
    both = replace(ONLY_PUTS, underlyings=("BTC", "ETH"))
    state = world(CALLS, PUTS, ETHER, ETHER_PUTS, usdc="100000")
    menus = menus_of(state, both)
    result = review(state, Limits(), proposals(menus, choose_best(menus, ChoiceParams(0.0)).keys))
    assert result.refused == ()
    bound = {
        one.proposal.underlying: one.item.legs[0].amount
        * parse_instrument(one.item.legs[0].instrument).strike
        for one in result.approved
    }
    assert set(bound) == {"BTC", "ETH"}
    for amount in bound.values():  # half each, to the lot, the own premium counted
        assert 48_000 < amount < 52_000


def test_what_one_coins_put_binds_is_not_taken_from_the_others_part() -> None:
    both = replace(ONLY_PUTS, underlyings=("BTC", "ETH"))
    ledger = Ledger()
    ledger.sold(SOLD, "0.5", "300", strategy="in")  # 42,000 of 100,000
    state = world(
        CALLS, PUTS, ETHER, ETHER_PUTS, held={"positions": {SOLD: "-0.5"}}, book=ledger.book, usdc="100000"
    )  # fmt: skip
    _, ether = menus_of(state, both)
    leg = ether.items[0].legs[0]
    assert 48_000 < leg.amount * parse_instrument(leg.instrument).strike < 52_000


def test_an_external_put_counts_against_the_usdc_and_is_never_touched() -> None:
    taken = "BTC_USDC-17JAN26-80000-P"
    state = world(usdc="200000", held={"positions": {taken: "-1"}})
    (menu,) = menus_of(state, ONLY_PUTS)
    assert taken not in {item.legs[0].instrument for item in menu.items}
    assert menu.held == ()
    leg = menu.items[0].legs[0]
    assert leg.amount * (parse_instrument(leg.instrument).strike - leg.limit_price) <= 120_000


def test_a_threatened_put_is_rolled_down_and_out() -> None:
    falling = chain_at("BTC_USDC", spot=83_000.0, iv=0.5)
    calls = chain_at(spot=83_000.0, iv=0.5)
    ledger = Ledger()
    ledger.sold(SOLD, "1", "300", strategy="in")
    state = world(calls, falling, usdc="90000", held={"positions": {SOLD: "-1"}}, book=ledger.book)
    loose = replace(
        ONLY_PUTS,
        roll=ONLY_PUTS.roll._replace(max_debit=0.05),
        roll_gates=ONLY_PUTS.roll_gates._replace(delta_max=0.6, otm_min=-0.05),
    )
    (menu,) = menus_of(state, loose)
    (roll,) = menu.items
    back, new = roll.legs
    assert (roll.action, roll.mandatory, back.reduce_only) == (Action.ROLL_PUT, True, True)
    assert parse_instrument(new.instrument).strike <= 84_000
    assert parse_instrument(new.instrument).expiry_ms > parse_instrument(SOLD).expiry_ms
    assert new.amount <= back.amount
    assert review(state, Limits(), proposals([menu], ())).refused == ()


def test_a_puts_profit_is_taken_in_usdc() -> None:
    cheap = with_column(with_column(PUTS, "ask", SOLD, 40.0), "bid", SOLD, 35.0)
    config = replace(ONLY_PUTS, roll=ONLY_PUTS.roll._replace(take_profit_rolls=False))
    (menu,) = menus_of(holding(cheap, price="300"), config)
    closing = next(item for item in menu.items if item.chain_id)
    # 40 and a fee of 5 (an eighth: under 0.03 % of the index) of 300: 85 % earned
    assert (closing.action, closing.reason) == (Action.CLOSE_PUT, "profit_captured")
    assert closing.value == pytest.approx(0.85)


@pytest.mark.parametrize("kind", ["covered_call", "cash_secured_put", "income"])
def test_a_kind_writes_its_own_and_says_so(kind: str) -> None:
    other = ("covered_call",) if kind != "covered_call" else ("cash_secured_put",)
    with pytest.raises(ConfigError, match=f"a {kind} strategy writes"):
        menus_of(world(), replace(START, kind=kind, writes=other))
