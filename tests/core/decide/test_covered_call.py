"""The covered-call writer: what it offers, how it tends what it sold, and what it says of the rest."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest

from optionwriter.core.books.account import Position, Side
from optionwriter.core.books.facts import Action
from optionwriter.core.decide.choosing import ChoiceParams, choose_best, off_menu, proposals
from optionwriter.core.decide.limits import Code, Limits
from optionwriter.core.decide.menu import Menu, Size
from optionwriter.core.decide.orders import plan_orders
from optionwriter.core.decide.risk import capacity_of, review
from optionwriter.core.decide.screening import screen
from optionwriter.core.decide.strategies.base import (
    ConfigError,
    Mode,
    RollParams,
    StrategyConfig,
    Style,
    defaults,
)
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.chain import OptionChain
from tests.core.decide.worlds import (
    NOW,
    Ledger,
    account,
    chain_at,
    currency,
    state_of,
    with_column,
)

D = Decimal
CHAIN = chain_at()
CONFIG = replace(defaults(Mode.RESEARCH, "cc"), underlyings=("BTC",))
SOLD = "BTC-17JAN26-102000-C"


def menu_of(state: Any, config: StrategyConfig = CONFIG, limits: Limits | None = None) -> Menu:
    """The one menu for BTC."""
    (menu,) = strategy("covered_call").propose(state, config, capacity_of(state, limits or Limits()))
    return menu


def empty(chain: OptionChain = CHAIN, cash: str = "1") -> Any:
    return state_of(chain, account=account(currency("BTC", cash)))


def holding(
    chain: OptionChain = CHAIN,
    name: str = SOLD,
    amount: str = "1",
    price: str = "0.005",
    cash: str = "1.0047",
) -> Any:
    """One call sold by cc in chain c1."""
    ledger = Ledger()
    ledger.sold(name, amount, price)
    return state_of(
        chain, account=account(currency("BTC", cash), positions={name: "-" + amount}), book=ledger.book
    )


def test_every_call_is_an_item_or_a_rejection() -> None:
    menu = menu_of(empty())
    offered = {item.legs[0].instrument for item in menu.items}
    rejected = [name for part in menu.rejected for name in part.names]
    assert sorted([*offered, *rejected]) == sorted(name for name in CHAIN.table.names if name.endswith("C"))
    assert sum(menu.counts_by_gate().values()) == len(rejected)
    assert len(offered) == CONFIG.max_items
    assert all((part.distance <= 0).all() and np.isfinite(part.distance).all() for part in menu.rejected)


def test_items_are_whole_coins_at_the_bid_best_first() -> None:
    menu = menu_of(empty())
    scores = [item.score for item in menu.items]
    assert scores == sorted(scores, reverse=True)
    for item in menu.items:
        (leg,) = item.legs
        row = CHAIN.table.row_of[leg.instrument]
        assert (leg.side, leg.amount, item.action) == (Side.SELL, 1, Action.OPEN_COVERED_CALL)
        assert leg.limit_price == D(repr(float(CHAIN.bid[row])))
        assert (
            reduce(add, (value for _, value in item.parts)) == item.score
        )  # left to right, as the rules add


def test_the_best_item_goes_through_to_an_order() -> None:
    state = empty()
    menu = menu_of(state)
    chosen = choose_best([menu], ChoiceParams(0.0)).keys
    assert chosen == (menu.items[0].key,)
    result = review(state, Limits(), proposals([menu], chosen))
    assert result.refused == ()
    (intent,) = plan_orders(result.approved[0], "d1", "CCBOT_", NOW, 5_000)
    assert intent.instrument == menu.items[0].legs[0].instrument


def test_below_the_minimum_score_nothing_is_chosen() -> None:
    menu = menu_of(empty())
    assert choose_best([menu], ChoiceParams(menu.items[0].score + 1e-9)).keys == ()


def test_off_the_menu_is_no_trade() -> None:
    menu = menu_of(empty())
    made_up = "cc/BTC/open/BTC-17JAN26-1-C/full"
    assert proposals([menu], [made_up]) == ()
    assert off_menu([menu], [made_up, menu.items[0].key]) == (made_up,)
    twice = proposals([menu], [menu.items[0].key] * 2)
    assert len(twice) == 1


def test_ties_go_to_the_earlier_expiry_and_the_lower_strike() -> None:
    flat = replace(
        CONFIG,
        score=CONFIG.score._replace(
            edge_weight=0.0,
            ivrv_weight=1.0,
            delta_weight=0.0,
            tenor_weight=0.0,
            otm_weight=0.0,
            spread_weight=0.0,
            liquidity_weight=0.0,
        ),
    )
    menu = menu_of(empty(), flat)
    assert len({item.score for item in menu.items}) == 1
    table = CHAIN.table
    places = [table.row_of[item.legs[0].instrument] for item in menu.items]
    order = [(table.expiry_ms[row], table.strike[row]) for row in places]
    assert order == sorted(order)
    passed = screen(CHAIN, True, 0.4, CONFIG.gates, flat.score).gate == 0
    assert order[0] == min(zip(table.expiry_ms[passed], table.strike[passed], strict=True))


@pytest.mark.parametrize(
    ("cash", "amount"), [("2.05", "2.0"), ("0.999", "1.0"), ("0.55", "0.5"), ("0.35", "0.3")]
)
def test_size_is_what_cash_covers_own_premium_counted(cash: str, amount: str) -> None:
    best = menu_of(empty(cash=cash)).items[0]
    assert best.legs[0].amount == D(amount)


def test_without_a_lot_every_candidate_fails_at_size() -> None:
    menu = menu_of(empty(cash="0.05"))
    assert menu.items == ()
    assert menu.counts_by_gate()["size"] > 0


def test_share_cap_and_sizes() -> None:
    half = menu_of(empty(cash="2"), replace(CONFIG, size_share=D("0.5")))
    assert half.items[0].legs[0].amount == 1
    capped = menu_of(empty(cash="2"), replace(CONFIG, size_cap=D("0.35")))
    assert capped.items[0].legs[0].amount == D("0.3")
    sizes = menu_of(empty(), replace(CONFIG, sizes=tuple(Size), max_items=1))
    # the largest that leaves a fifth of the coins free comes first: all of them uses call capacity up
    assert [(one.size, one.legs[0].amount) for one in sizes.items] == [
        (Size.HALF, D("0.5")),
        (Size.MINIMUM, D("0.1")),
        (Size.FULL, 1),
    ]
    assert len({one.key for one in sizes.items}) == 3
    small = menu_of(empty(cash="0.1"), replace(CONFIG, sizes=tuple(Size), max_items=1))
    assert [(one.size, one.legs[0].amount) for one in small.items] == [(Size.FULL, D("0.1"))]


def test_sizes_stay_under_notional_and_delta_so_that_risk_agrees() -> None:
    from optionwriter.core.decide.limits import Cap

    for limits in (
        Limits(max_call_notional_per_underlying=Cap.usd(50_000)),
        Limits(max_expiry_exposure=Cap.usd(50_000)),
        Limits(max_net_delta_abs={"*": D("0.1")}),
    ):
        state = empty()
        menu = menu_of(state, limits=limits)
        assert menu.items
        assert 0 < menu.items[0].legs[0].amount < 1
        for item in menu.items:
            assert review(state, limits, proposals([menu], [item.key])).refused == ()


def test_styles_price_the_order() -> None:
    cross, middle, work = (
        menu_of(empty(), replace(CONFIG, style=style)).items[0].legs[0]
        for style in (Style.CROSS, Style.MID, Style.WORK)
    )
    assert cross.start_price == cross.limit_price < middle.limit_price == middle.start_price
    assert (work.start_price, work.limit_price) == (middle.limit_price, cross.limit_price)


def test_an_open_chain_takes_the_slot_and_says_so() -> None:
    menu = menu_of(holding())
    assert menu.items == ()
    assert menu.counts_by_gate()["slot"] > 0
    (held,) = menu.held
    assert (held.chain_id, held.verdict, held.reason) == ("c1", "hold", "nothing_due")


def test_profit_is_taken_by_closing_or_by_a_better_roll() -> None:
    cheap = with_column(with_column(CHAIN, "ask", SOLD, 0.0012), "bid", SOLD, 0.0010)
    state = holding(cheap, price="0.0085", cash="1.0082")
    closing = menu_of(state, replace(CONFIG, roll=RollParams(take_profit_rolls=False)))
    (item,) = closing.items
    assert (item.action, item.reason, item.mandatory) == (Action.CLOSE_CALL, "profit_captured", False)
    assert item.legs[0].reduce_only
    assert item.legs[0].limit_price == D("0.0012")
    assert choose_best([closing], ChoiceParams(0.5)).keys == (item.key,)
    rolling = menu_of(state)
    (roll,) = rolling.items
    assert (roll.action, roll.reason) == (Action.ROLL_CALL, "profit_captured")
    assert sum(value for _, value in roll.parts) == roll.score > 1
    assert review(state, Limits(), proposals([rolling], [roll.key])).refused == ()


def test_a_profit_is_taken_where_nobody_bids_any_more() -> None:
    """One tick asked, no bid: on the wire that is an absent number, and the way out is still there."""
    last = with_column(with_column(CHAIN, "ask", SOLD, 0.0001), "bid", SOLD, float("nan"))
    (close,) = menu_of(holding(last), replace(CONFIG, roll=RollParams(take_profit_rolls=False))).items
    assert (close.action, close.legs[0].limit_price) == (Action.CLOSE_CALL, D("0.0001"))


def rising(spot: float) -> tuple[Any, Menu]:
    """The market has risen to `spot`; a call is still held."""
    chain = chain_at(spot=spot, iv=0.5)
    state = holding(chain)
    wide = CONFIG.roll_gates._replace(delta_max=0.7, otm_min=-0.1)
    return state, menu_of(state, replace(CONFIG, roll=RollParams(max_debit=0.02), roll_gates=wide))


def test_a_threatened_strike_is_rolled_up_and_out_whether_the_chooser_likes_it_or_not() -> None:
    state, menu = rising(102_000.0)
    (roll,) = menu.items
    assert (roll.action, roll.mandatory, roll.reason) == (Action.ROLL_CALL, True, "delta_reached")
    back, new = roll.legs
    assert (back.instrument, back.side, back.reduce_only, back.amount) == (SOLD, Side.BUY, True, 1)
    old = CHAIN.table.row_of[SOLD]
    chain = state.chain("BTC")
    row = chain.table.row_of[new.instrument]
    assert chain.table.strike[row] >= 102_000
    assert chain.table.expiry_ms[row] >= CHAIN.table.expiry_ms[old] + 86_400_000
    assert not new.reduce_only
    assert choose_best([menu], ChoiceParams(0.0)).keys == ()
    result = review(state, Limits(), proposals([menu], ()))
    assert result.refused == ()
    steps = plan_orders(result.approved[0], "d1", "CCBOT_", NOW, 5_000)
    assert [(one.step, one.side, one.reduce_only) for one in steps] == [
        (0, Side.BUY, True),
        (1, Side.SELL, False),
    ]
    assert steps[0].plan == steps[1].plan
    gates = menu.counts_by_gate()
    assert gates["roll_strike"] > 0 and gates["roll_expiry"] > 0 and gates["roll_cost"] > 0


def test_without_an_acceptable_roll_a_deep_strike_is_closed_and_a_near_one_held() -> None:
    never = replace(CONFIG, roll=RollParams(max_debit=-1.0, close_itm=0.15))
    near = menu_of(holding(chain_at(spot=104_000.0)), never)
    assert near.items == ()
    assert near.held[0].reason == "no_acceptable_roll"
    deep_state = holding(chain_at(spot=122_000.0))
    (close,) = menu_of(deep_state, never).items
    assert (close.action, close.mandatory, len(close.legs)) == (Action.CLOSE_CALL, True, 1)
    assert review(deep_state, Limits(), proposals([menu_of(deep_state, never)], ())).refused == ()


def test_a_roll_opens_no_more_than_the_cash_covers() -> None:
    chain = chain_at(spot=102_000.0, iv=0.5)
    state = holding(chain, cash="1.0000")
    menu = menu_of(state, replace(CONFIG, roll=RollParams(max_debit=0.05, credit_weight=0.0)))
    (roll,) = menu.items
    back, new = roll.legs
    assert back.amount == 1
    debit = back.limit_price + D("0.0003") - new.limit_price + D("0.0003")
    assert (new.amount == 1) == (debit <= 0)
    assert review(state, Limits(), proposals([menu], ())).refused == ()


def test_a_busy_chain_gets_no_item() -> None:
    ledger = Ledger()
    ledger.sold(SOLD, "1", "0.005")
    ledger.prepared(SOLD, "1", "0.006", side=Side.BUY, label="CCBOT_2", reduce_only=True)
    state = state_of(
        chain_at(spot=122_000.0),
        account=account(currency("BTC", "1.0047"), positions={SOLD: "-1"}),
        book=ledger.book,
    )
    menu = menu_of(state)
    assert menu.items == ()
    assert menu.held[0].reason == "order_open"


def test_no_chain_is_a_note_and_not_a_crash() -> None:
    linear = chain_at("BTC_USDC")
    menu = menu_of(state_of(linear, account=account()))
    assert (menu.items, menu.notes) == ((), ("no quotes of BTC",))


def test_a_position_that_is_no_number_leaves_nothing_to_do_and_says_so() -> None:
    seen = replace(account(), positions=(Position(SOLD, D("NaN"), D(0), D(0)),))
    menu = menu_of(state_of(CHAIN, account=seen))
    assert menu.items == ()
    assert "can't be reckoned" in menu.notes[0]


def test_an_external_short_of_the_same_option_is_left_alone() -> None:
    best = menu_of(empty()).items[0].legs[0].instrument
    state = state_of(CHAIN, account=account(currency("BTC", "3"), positions={best: "-1"}))
    menu = menu_of(state)
    assert best not in {item.legs[0].instrument for item in menu.items}
    assert menu.counts_by_gate()["taken"] == 1
    assert menu.items[0].legs[0].amount == 2


def test_a_future_in_the_account_leaves_nothing_to_size_with() -> None:
    state = state_of(CHAIN, account=account(currency("BTC", "3"), positions={"BTC-PERPETUAL": "-10"}))
    menu = menu_of(state)
    assert menu.items == ()


def test_both_coins_get_a_menu_and_each_its_best() -> None:
    ether = chain_at("ETH", spot=3_200.0)
    both = replace(CONFIG, underlyings=("BTC", "ETH"))
    state = state_of(CHAIN, ether, account=account(currency("BTC", "1"), currency("ETH", "7.5")))
    menus = strategy("covered_call").propose(state, both, capacity_of(state, Limits()))
    chosen = choose_best(menus, ChoiceParams(0.0)).keys
    result = review(state, Limits(), proposals(menus, chosen))
    assert sorted(one.proposal.underlying for one in result.approved) == ["BTC", "ETH"]
    amounts = {one.proposal.underlying: one.item.legs[0].amount for one in result.approved}
    assert amounts == {"BTC": 1, "ETH": 7}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "a/b"}, "strategy id"),
        ({"writes": ("naked_call",)}, "writes"),
        ({"size_share": D(0)}, "size_share"),
        ({"size_share": D("1.1")}, "size_share"),
        ({"size_cap": D(0)}, "size_cap"),
        ({"max_items": 0}, "max_items"),
        ({"gates": CONFIG.gates._replace(dte_min=float("nan"))}, "dte_min"),
        ({"score": CONFIG.score._replace(edge_weight=-1.0)}, "negative"),
    ],
)
def test_nonsense_in_the_configuration_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **change)


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(ConfigError, match="covered_call"):
        strategy("martingale")
    with pytest.raises(ConfigError, match="writes covered_call and nothing else"):
        menu_of(empty(), replace(CONFIG, writes=("cash_secured_put",)))


def test_production_is_stricter_than_research() -> None:
    wide, strict = defaults(Mode.RESEARCH), defaults(Mode.PRODUCTION)
    assert wide.gates.dte_min <= strict.gates.dte_min and strict.gates.dte_max <= wide.gates.dte_max
    assert wide.gates.delta_min <= strict.gates.delta_min and strict.gates.delta_max <= wide.gates.delta_max
    assert wide.min_score < strict.min_score
    state = empty()
    narrow = {
        i.legs[0].instrument
        for i in menu_of(state, replace(strict, underlyings=("BTC",), max_items=999)).items
    }
    broad = {
        i.legs[0].instrument for i in menu_of(state, replace(wide, underlyings=("BTC",), max_items=999)).items
    }
    assert narrow < broad


def test_refusals_name_the_future() -> None:
    state = empty()
    menu = menu_of(state)
    later = state_of(CHAIN, account=account(positions={"BTC-PERPETUAL": "-10"}))
    result = review(later, Limits(), proposals([menu], [menu.items[0].key]))
    assert result.refused[0].codes == (Code.FOREIGN_POSITION,)
