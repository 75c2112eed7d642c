"""Rolls and their safeguards: each option by its name, the gate that tells of it, and what it leaves to be done."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import Action, Filled, Intent, IntentPrepared, OrderAcknowledged
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.decide.choosing import ChoiceParams, choose_best, proposals
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.menu import GATES, Menu
from optionwriter.core.decide.risk import capacity_of, review
from optionwriter.core.decide.rolling import Roll, RollParams, fill_bonus, fill_credit, roll_gate, roll_rows
from optionwriter.core.decide.strategies.base import ConfigError, Mode, StrategyConfig, defaults
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, parse_instrument
from tests.core.decide.worlds import NOW, Ledger, account, chain_at, currency, state_of, with_column

D = Decimal
FIRST, SOLD = "BTC-16JAN26-98000-C", "BTC-17JAN26-102000-C"
PUT = "BTC_USDC-17JAN26-84000-P"
FREE = RollParams(max_debit=0.05, cooldown_hours=0.0, max_spread=2.0)  # what each test then takes away
START = replace(
    defaults(Mode.RESEARCH, "cc"),
    underlyings=("BTC",),
    roll=FREE,
    roll_gates=defaults(Mode.RESEARCH).roll_gates._replace(delta_max=0.7, otm_min=-0.1),
)
PUTS = replace(START, kind="cash_secured_put", writes=("cash_secured_put",))


def traded(ledger: Ledger, label: str, name: str, side: Side, price: str, at_ms: int) -> None:
    """One order of a roll of chain c1, one coin, filled."""
    buying = side is Side.BUY
    intent = Intent(label, "p2", int(not buying), Action.ROLL_CALL, "delta_reached", name, side, D(1), D(price),
                    buying, at_ms + 5_000)  # fmt: skip
    ledger.add(IntentPrepared(intent), at_ms, "c1")
    ledger.add(OrderAcknowledged(label, label + "-id"), at_ms, "c1")
    fee = trading_fee(parse_instrument(name).product, D(1), D(price), D(93_000))
    cash = D(price) * (-1 if buying else 1)
    ledger.add(
        Filled(label, label + "-id", label + "-t", name, side, D(1), D(price), cash, fee, D(93_000), D(93_000),
               D(price)), at_ms, "c1",
    )  # fmt: skip


def rolled(hours_ago: float = 1.0, first: str = FIRST) -> Ledger:
    """Chain c1: `first` sold a day ago, rolled into SOLD."""
    ledger = Ledger()
    ledger.sold(first, "1", "0.005", at_ms=NOW - 24 * MS_PER_HOUR)
    at_ms = NOW - int(hours_ago * MS_PER_HOUR)
    traded(ledger, "CCBOT_2", first, Side.BUY, "0.006", at_ms)
    traded(ledger, "CCBOT_3", SOLD, Side.SELL, "0.006", at_ms)
    (chain,) = ledger.book.chains.values()
    assert chain.rolls == 1 and [leg.sold for leg in chain.legs] == [True, True]
    return ledger


def plain(name: str = SOLD, price: str = "0.005") -> Ledger:
    """Chain c1, never rolled."""
    ledger = Ledger()
    ledger.sold(name, "1", price)
    return ledger


def menu_of(
    config: StrategyConfig,
    ledger: Ledger | None = None,
    chain: OptionChain | None = None,
    name: str = SOLD,
    **cash: str,
) -> tuple[Any, Menu]:
    """The state and the menu: by default the call sold in c1 is threatened."""
    chain = chain or chain_at(spot=102_000.0, iv=0.5)
    book = (ledger or plain(name)).book
    held = account(
        currency("BTC", cash.get("btc", "1.05")), currency("USDC", "100000"), positions={name: "-1"}
    )
    others = () if chain.product.code == "BTC" else (chain_at(spot=chain.index_price),)
    state = state_of(chain, *others, account=held, book=book)
    (menu,) = strategy(config.kind).propose(state, config, capacity_of(state, Limits()))
    return state, menu


def with_roll(**given: Any) -> StrategyConfig:
    return replace(START, roll=FREE._replace(**given))


def gates(menu: Menu) -> set[str]:
    return set(menu.counts_by_gate())


def target(menu: Menu) -> str:
    (roll,) = menu.items
    return roll.legs[1].instrument


def test_without_safeguards_it_rolls() -> None:
    _, menu = menu_of(START)
    (roll,) = menu.items
    assert (roll.action, roll.reason, roll.mandatory) == (Action.ROLL_CALL, "delta_reached", True)
    assert not gates(menu) & {"roll_dte", "roll_credit", "roll_spread", "roll_cover", "roll_cooldown"}


def credit_of(menu: Menu) -> float:
    """What the roll brings, in coins a coin, both fees off: 0.03 % of the coin each at these prices."""
    (roll,) = menu.items
    back, new = roll.legs
    return float(new.limit_price - back.limit_price) - 0.0006


def test_credit_only() -> None:
    """A costly roll is preferred where it may be; with credit_only the best that costs nothing is taken."""
    dear = replace(START, roll=FREE._replace(credit_weight=0.0))
    _, menu = menu_of(dear)
    assert credit_of(menu) < 0
    _, strict = menu_of(replace(dear, roll=dear.roll._replace(credit_only=True)))
    assert credit_of(strict) >= 0 and "roll_credit" in gates(strict)


def test_min_credit() -> None:
    _, menu = menu_of(with_roll(min_credit=0.004))
    assert credit_of(menu) >= 0.004 and "roll_credit" in gates(menu)
    _, none = menu_of(with_roll(min_credit=0.5))
    assert none.items == () and none.held[0].reason == "no_acceptable_roll"


def test_never_below_highest_strike() -> None:
    """The chain once stood at 104,000: no roll goes below, though 102,000 is what is held."""
    high = "BTC-16JAN26-104000-C"
    _, menu = menu_of(START, rolled(50, high))
    assert parse_instrument(target(menu)).strike >= 104_000
    worst = [
        one for one in menu.nearest(999) if one.gate == "roll_strike" and one.instrument.endswith("-102000-C")
    ]
    assert worst and all(one.threshold == 104_000 for one in worst)
    _, loose = menu_of(with_roll(never_below_highest_strike=False), rolled(50, high))
    assert "roll_strike" not in gates(loose)


def test_a_put_never_goes_above_the_lowest() -> None:
    chain = chain_at("BTC_USDC", spot=83_000.0, iv=0.5)
    _, menu = menu_of(PUTS, plain(PUT, "300"), chain, PUT)
    assert parse_instrument(target(menu)).strike <= 84_000 and "roll_strike" in gates(menu)


def test_max_dte() -> None:
    _, menu = menu_of(with_roll(max_dte=15.0))
    assert menu.items == () and "roll_dte" in gates(menu)
    _, wider = menu_of(with_roll(max_dte=20.0))
    assert parse_instrument(target(wider)).days_to_expiry(NOW) <= 20 and "roll_dte" in gates(wider)


def test_max_spread_looks_at_both_quotes() -> None:
    _, menu = menu_of(with_roll(max_spread=0.12))
    assert menu.items
    wide = chain_at(spot=102_000.0, iv=0.5)
    ask = float(wide.ask[wide.table.row_of[SOLD]])
    _, shy = menu_of(with_roll(max_spread=0.12), chain=with_column(wide, "ask", SOLD, round(ask * 1.5, 4)))
    assert shy.items == () and "roll_spread" in gates(shy)


def test_cover_cap() -> None:
    """Two coins, one call: three quarters may stay covered; a tenth of the 1.05 coins is no lot."""
    _, menu = menu_of(with_roll(cover_cap=0.75), btc="1.05")
    (roll,) = menu.items
    assert [leg.amount for leg in roll.legs] == [1, D("0.7")]
    _, full = menu_of(with_roll(cover_cap=0.75), btc="2")
    assert full.items[0].legs[1].amount == 1
    _, none = menu_of(with_roll(cover_cap=0.09), btc="1.05")
    assert none.items == () and "roll_cover" in gates(none)


def test_close_if_unable() -> None:
    _, menu = menu_of(with_roll(min_credit=0.5, close_if_unable=True))
    (close,) = menu.items
    assert (close.action, close.mandatory, len(close.legs)) == (Action.CLOSE_CALL, True, 1)


def test_close_only_closes_without_reopening() -> None:
    state, menu = menu_of(with_roll(close_only=True))
    (close,) = menu.items
    assert (close.action, close.reason, close.mandatory) == (Action.CLOSE_CALL, "delta_reached", True)
    assert all(leg.reduce_only for leg in close.legs)
    assert review(state, Limits(), proposals([menu], ())).refused == ()


def test_the_cooldown_ends_rolls_that_chase_each_other() -> None:
    config = with_roll(cooldown_hours=12.0)
    _, never = menu_of(config)
    assert never.items
    _, early = menu_of(config, rolled(1.0))
    assert early.items == () and early.held[0].reason == "roll_cooldown"
    told = [one for one in early.nearest(999) if one.gate == "roll_cooldown"]
    assert told and all((one.value, one.threshold) == (1.0, 12.0) for one in told)
    assert all(one.distance == pytest.approx(1 / 12 - 1) for one in told)
    _, late = menu_of(config, rolled(12.0))
    assert late.items and late.items[0].action is Action.ROLL_CALL


def test_what_waits_for_its_cooldown_is_not_closed_for_want_of_a_roll() -> None:
    config = with_roll(cooldown_hours=12.0, close_if_unable=True)
    _, early = menu_of(config, rolled(1.0))
    assert early.items == () and early.held[0].reason == "roll_cooldown"
    _, late = menu_of(with_roll(cooldown_hours=12.0, close_if_unable=True, min_credit=0.5), rolled(13.0))
    assert [item.action for item in late.items] == [Action.CLOSE_CALL]


def test_deep_in_the_money_no_cooldown_holds() -> None:
    """113,500 against 102,000: 11 % in the money, IV over realised. Time would only make it worse."""
    deep = chain_at(spot=113_500.0, iv=0.5)
    config = replace(with_roll(cooldown_hours=12.0, max_debit=0.15), min_score=-9.0)
    _, menu = menu_of(config, rolled(1.0), deep, btc="1.3")
    (roll,) = menu.items
    assert (roll.reason, roll.action) == ("deep_in_the_money", Action.ROLL_CALL)


def test_a_strike_passed_too_far_is_closed_even_while_it_cools() -> None:
    config = replace(with_roll(cooldown_hours=12.0), manage=START.manage._replace(roll_ivrv=9.0))
    _, menu = menu_of(config, rolled(1.0), chain_at(spot=122_000.0, iv=0.5), btc="1.3")
    (close,) = menu.items
    assert (close.action, close.reason) == (Action.CLOSE_CALL, "delta_reached")


def test_a_defence_before_the_strike_is_reached_begs_no_next_one() -> None:
    """Spot 4 % under the strike, the bound at 5 %: it rolls to where the next bound is not passed."""
    chain = chain_at(spot=98_000.0)
    assert menu_of(START, chain=chain)[1].held[0].verdict == "hold"
    early = replace(START, manage=START.manage._replace(roll_otm=0.05))
    _, menu = menu_of(early, chain=chain)
    (roll,) = menu.items
    assert (roll.reason, roll.threshold) == ("strike_near", 0.05)
    assert float(parse_instrument(roll.legs[1].instrument).strike) / 98_000 - 1 >= 0.05


def test_near_its_expiry_an_option_rolls_where_asked_to_and_else_expires() -> None:
    soon = "BTC-6JAN26-98000-C"
    chain = chain_at()
    assert menu_of(START, plain(soon), chain, soon)[1].held[0].verdict == "expire"
    near = replace(START, manage=START.manage._replace(roll_days=1.0))
    state, menu = menu_of(near, plain(soon), chain, soon)
    (roll,) = menu.items
    assert (roll.action, roll.reason, roll.mandatory) == (Action.ROLL_CALL, "near_expiry", False)
    assert choose_best([menu], ChoiceParams(0.0)).keys == (roll.key,)
    assert review(state, Limits(), proposals([menu], [roll.key])).refused == ()
    unable = replace(near, roll=FREE._replace(min_credit=0.5))
    _, none = menu_of(unable, plain(soon), chain, soon)
    assert none.items == () and (none.held[0].verdict, none.held[0].reason) == ("expire", "let_expire")


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
ROLLS = st.builds(Roll, st.booleans(), *[st.one_of(st.floats(-2, 120), NUMBERS)] * 7)
PARAMS = st.builds(
    RollParams,
    max_debit=st.floats(0, 0.1),
    credit_only=st.booleans(),
    min_credit=st.floats(0, 0.1),
    max_dte=st.floats(1, 90),
    max_spread=st.floats(0, 1),
    cooldown_hours=st.floats(0, 48),
)


@given(ROLLS, PARAMS, PARAMS)
def test_looser_safeguards_never_stop_a_roll(roll: Roll, one: RollParams, other: RollParams) -> None:
    looser = one._replace(
        max_debit=max(one.max_debit, other.max_debit),
        credit_only=one.credit_only and other.credit_only,
        min_credit=min(one.min_credit, other.min_credit),
        max_dte=max(one.max_dte, other.max_dte),
        max_spread=max(one.max_spread, other.max_spread),
        cooldown_hours=min(one.cooldown_hours, other.cooldown_hours),
    )
    verdict = roll_gate(roll, one)
    if verdict.gate == 0:
        assert roll_gate(roll, looser).gate == 0
    else:
        assert GATES[verdict.gate].startswith("roll_")
        assert verdict.distance <= 0 and math.isfinite(verdict.distance) and math.isfinite(verdict.value)


@given(ROLLS, PARAMS)
def test_a_missing_number_is_no_leave_to_roll(roll: Roll, params: RollParams) -> None:
    for field in ("strike", "days_to_expiry", "extra_days", "credit", "spread"):
        if field == "strike" and math.isnan(roll.bound_strike):
            continue
        assert roll_gate(roll._replace(**{field: math.nan}), params).gate != 0


@pytest.mark.parametrize(
    ("given", "says"),
    [({"cover_cap": 0.0}, "cover_cap"), ({"cooldown_hours": -1.0}, "cooldown_hours"), ({"max_dte": 0.0}, "max_dte")],
)  # fmt: skip
def test_safeguards_that_make_no_sense_are_named(given: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        with_roll(**given)


@pytest.mark.parametrize(("is_call", "hours"), [(True, math.nan), (False, 3.0)])
def test_whole_columns_are_asked_as_each_row_is_by_itself(is_call: bool, hours: float) -> None:
    rng = np.random.default_rng(7)
    n, index, back, held_expiry = 600, 95_000.0, 0.004, NOW + 5 * MS_PER_DAY
    strike = np.round(rng.uniform(80_000, 120_000, n), -3)
    bid = np.round(rng.uniform(0.0005, 0.02, n), 4)
    ask = bid + np.round(rng.uniform(0.0001, 0.01, n), 4)
    bid[rng.random(n) < 0.05] = math.nan
    expiry_ms = NOW + rng.integers(1, 90, n) * MS_PER_DAY
    gates = np.where(rng.random(n) < 0.2, 3, 0).astype(np.int8)
    passed = gates == 0
    params = RollParams(max_debit=0.002, max_spread=0.4, cooldown_hours=2.0 if is_call else 12.0)

    credit, bonus = np.full(n, math.nan), np.empty(n)
    fill_credit(gates, bid, strike, True, index, back, credit)
    fill_bonus(credit, params, bonus)
    verdicts = np.zeros((n, 3))
    roll_rows(
        bid, ask, strike, expiry_ms, credit, is_call, NOW, held_expiry, 100_000.0, 0.0005, 0.004, hours, params,
        gates, verdicts,
    )  # fmt: skip

    def fee(price: float) -> float:  # FACTS: 0.0003 of the coin, at most an eighth of the price
        return min(0.0003, 0.125 * price)

    seen = set()
    for row in np.flatnonzero(passed).tolist():
        brings = bid[row] - fee(bid[row]) - back - fee(back)
        assert credit[row] == pytest.approx(brings, abs=1e-12, nan_ok=True)
        share = -1.0 if math.isnan(brings) else max(-1.0, min(1.0, brings / params.credit_scale))
        assert bonus[row] == pytest.approx(params.credit_weight * share)
        alone = roll_gate(
            Roll(
                is_call,
                float(strike[row]),
                100_000.0,
                (int(expiry_ms[row]) - NOW) / MS_PER_DAY,
                (int(expiry_ms[row]) - held_expiry) / MS_PER_DAY,
                float(credit[row]),
                float((ask[row] - bid[row] + 0.0005) / ((ask[row] + bid[row]) / 2 + 0.004)),
                hours,
            ),
            params,
        )
        assert gates[row] == alone.gate
        assert tuple(verdicts[row]) == ((0.0, 0.0, 0.0) if alone.gate == 0 else tuple(alone[1:]))
        seen.add(GATES[alone.gate])
    assert {"roll_strike", "roll_expiry", "roll_dte", "roll_cost"} <= seen
    assert "roll_cooldown" in seen if not is_call else "" in seen
    assert np.all(gates[~passed] == 3) and np.all(np.isnan(credit[~passed]))  # what had failed is left alone
