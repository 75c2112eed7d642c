"""Training: ladders by profile, never a symbol twice, never naked, nothing only where nothing is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from optionwriter.core.decide.choosing import Choice, ChoiceParams, proposals
from optionwriter.core.decide.limits import BOUND_NAMES, Bounds, Cap, Code, Limits
from optionwriter.core.decide.menu import Menu, MenuItem, Size
from optionwriter.core.decide.profiles import Profile
from optionwriter.core.decide.risk import Review, capacity_of, review
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import Mode, defaults
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.decide.training import Ladder, TrainingChooser, training_config, training_limits
from optionwriter.core.market.instruments import parse_instrument
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
PROFILES = (
    Profile("conservative", 7, 21, 0.05, 0.15),
    Profile("moderate", 3, 14, 0.15, 0.30),
    Profile("aggressive", 1, 7, 0.30, 0.50),
)
LADDER = Ladder(PROFILES, single=False, calls_per_underlying=6, calls_per_expiry=3)
SINGLE = replace(LADDER, single=True)
PARAMS = ChoiceParams(0.0)
CHAIN = chain_at(strikes=[90_000 + 1_000 * k for k in range(25)], days=(1, 2, 5, 12, 19, 26))
TIGHT = Limits(
    max_call_notional_per_underlying=Cap.pct(1), max_expiry_exposure=Cap.pct(1), max_total_short_notional=Cap.pct(1),
    max_net_delta_abs={"*": D("0.001")}, max_vega_usd=D(1), max_stress_loss=Cap.pct(0), max_covered_share=D("0.01"),
    max_chains_total=1, strategies={"cc": Bounds(max_chains_total=0), "other": Bounds(max_vega_usd=D("0.5"))},
)  # fmt: skip


def state(held: Sequence[str] = (), coins: str = "1") -> AgentState:
    """One coin by default, and a tenth of each call in `held`."""
    book = Ledger()
    for number, name in enumerate(held):
        book.sold(name, "0.1", "0.005", chain=f"c{number}", label=f"CCBOT_{number}")
    positions = dict.fromkeys(held, "-0.1")
    return state_of(CHAIN, account=account(currency("BTC", coins), positions=positions), book=book.book)


def trained(
    world: AgentState, ladder: Ladder = LADDER, limits: Limits = TIGHT
) -> tuple[Menu, Choice, Review]:
    """Menu, choice and review of one cycle of training."""
    config = replace(training_config(defaults(Mode.PRODUCTION, "cc"), ladder), underlyings=("BTC",))
    lifted = training_limits(limits, ladder, {"cc"})
    menus = strategy("covered_call").propose(world, config, capacity_of(world, lifted, "cc"))
    choice = TrainingChooser(ladder)(menus, PARAMS)
    return menus[0], choice, review(world, lifted, proposals(menus, choice.keys))


def opened(menu: Menu, choice: Choice) -> list[MenuItem]:
    found = [menu.item(key) for key in choice.keys]
    return [one for one in found if one is not None and not one.chain_id]


def premium(one: MenuItem) -> float:
    return one.metrics.premium_usd


def test_a_ladder_takes_the_highest_premiums_of_each_profile_within_the_expiry() -> None:
    menu, choice, reviewed = trained(state())
    found = opened(menu, choice)
    assert len(found) == 6 and not reviewed.refused
    assert [choice.because[one.key] for one in found] == [
        f"profile {p.name}" for p in PROFILES for _ in range(2)
    ]
    used: list[MenuItem] = []
    for profile, pair in zip(PROFILES, (found[:2], found[2:4], found[4:]), strict=True):
        full = [
            e
            for e, n in Counter(parse_instrument(o.legs[0].instrument).expiry_ms for o in used).items()
            if n >= 3
        ]
        able = [o for o in menu.items if profile.wants(o.metrics) and o not in used
                and parse_instrument(o.legs[0].instrument).expiry_ms not in full]  # fmt: skip
        assert [premium(o) for o in pair] == sorted(map(premium, able), reverse=True)[:2]
        used += pair
    assert all(one.size is Size.MINIMUM and one.legs[0].amount == D("0.1") for one in found)
    dates = Counter(parse_instrument(one.legs[0].instrument).expiry_ms for one in found)
    assert max(dates.values()) <= 3


def test_single_takes_one_call_a_profile() -> None:
    _menu, choice, _ = trained(state(), SINGLE)
    assert list(choice.because.values()) == [f"profile {p.name}" for p in PROFILES]


def test_no_symbol_twice_and_never_more_than_the_maximum() -> None:
    first, choice, _ = trained(state(), SINGLE)
    held = [one.legs[0].instrument for one in opened(first, choice)]
    menu, again, reviewed = trained(state(held))
    new = [one.legs[0].instrument for one in opened(menu, again)]
    assert len(new) == 3 and not set(new) & set(held) and not reviewed.refused
    _, third, _ = trained(state(held + new))
    assert third.keys == () and third.note == "BTC: 6 calls are open, the most that training has is 6"


def test_the_maximum_by_expiry_date_counts_what_is_held() -> None:
    date = ["BTC-17JAN26-100000-C", "BTC-17JAN26-101000-C", "BTC-17JAN26-102000-C"]
    menu, choice, _ = trained(state(date))
    assert choice.keys and not any("17JAN26" in key for key in choice.keys)
    full = parse_instrument(date[0]).expiry_ms
    assert all(parse_instrument(one.legs[0].instrument).expiry_ms != full for one in menu.items)
    assert menu.counts_by_gate()["slot"] > 10


def test_one_loop_alone_stays_within_the_maximum_of_each_date() -> None:
    greedy = replace(LADDER, profiles=(Profile("all", 1, 21, 0.01, 0.60, max_legs=6),))
    menu, choice, reviewed = trained(state(), greedy)
    dates = Counter(parse_instrument(one.legs[0].instrument).expiry_ms for one in opened(menu, choice))
    assert sorted(dates.values()) == [3, 3] and not reviewed.refused
    dearest = sorted(menu.items, key=premium, reverse=True)[:6]
    assert max(Counter(parse_instrument(one.legs[0].instrument).expiry_ms for one in dearest).values()) > 3


def test_risk_refuses_a_fourth_call_of_one_date_whoever_chose_it() -> None:
    date = ["BTC-17JAN26-100000-C", "BTC-17JAN26-101000-C"]
    lifted = training_limits(TIGHT, LADDER, {"cc"})
    wanted = [
        proposal(item(sell(f"BTC-17JAN26-{k}-C", "0.1", "0.005"), key=f"cc/{k}")) for k in (105_000, 106_000)
    ]
    result = review(state(date), lifted, wanted)
    assert [one.item.key for one in result.approved] == ["cc/105000"]
    assert [one.codes for one in result.refused] == [(Code.EXPIRY_CHAINS,)]


def test_with_no_profile_matching_the_highest_premium_is_taken() -> None:
    nowhere = replace(LADDER, profiles=(Profile("nowhere", 1, 1.01, 0.99, 1.0),))
    menu, choice, _ = trained(state(), nowhere)
    (one,) = opened(menu, choice)
    assert premium(one) == max(map(premium, menu.items))
    assert choice.because[one.key] == "no profile has a candidate: the highest premium"


def test_nothing_is_done_only_where_nothing_is_left() -> None:
    _, choice, _ = trained(state(coins="0.05"))
    assert choice.keys == () and choice.note == "BTC: no call is on the menu"
    for count in range(6):
        names = [f"BTC-10JAN26-{100_000 + 1_000 * k}-C" for k in range(min(count, 3))]
        names += [f"BTC-17JAN26-{100_000 + 1_000 * k}-C" for k in range(max(0, count - 3))]
        assert trained(state(names))[1].keys, count


def test_never_naked_stays_and_sizes_go_down_to_the_smallest_lot() -> None:
    _menu, choice, reviewed = trained(state(coins="0.35"))
    assert len(choice.keys) == 6 and len(reviewed.approved) == 3  # 0.1 each, less own premium
    assert {code for one in reviewed.refused for code in one.codes} == {Code.NOT_COVERED}
    _, _, one = trained(state(coins="0.0995"))
    assert len(one.approved) == 1


def test_what_the_limits_forbid_otherwise_training_may() -> None:
    menu, choice, reviewed = trained(state())
    config = replace(defaults(Mode.RESEARCH, "cc"), underlyings=("BTC",))
    assert not strategy("covered_call").propose(state(), config, capacity_of(state(), TIGHT, "cc"))[0].items
    assert len(reviewed.approved) == 6
    normal = review(state(), TIGHT, proposals([menu], choice.keys))
    assert not normal.approved


def test_the_collar_and_stale_data_and_duplicates_stay() -> None:
    lifted = training_limits(TIGHT, LADDER, {"cc"})
    cheap = proposal(item(sell("BTC-17JAN26-96000-C", "0.1", "0.0001"), key="cc/a"))
    assert review(state(), lifted, [cheap]).refused[0].codes == (Code.PRICE_COLLAR,)
    old = replace(state(), at_ms=state().at_ms + 3_600_000)
    _, choice, _ = trained(state())
    menu = trained(state())[0]
    stale = review(old, lifted, proposals([menu], choice.keys))
    assert not stale.approved and all(Code.DATA_STALE in one.codes for one in stale.refused)
    held = "BTC-17JAN26-100000-C"
    twice = proposal(item(sell(held, "0.1", "0.02"), key="cc/b"))
    assert Code.INSTRUMENT_TAKEN in review(state([held]), lifted, [twice]).refused[0].codes


def test_who_does_not_train_keeps_the_normal_limits_as_its_own() -> None:
    lifted = training_limits(TIGHT, LADDER, {"cc"})
    sale = item(sell("BTC-17JAN26-102000-C", "0.1", "0.005"), key="other/a")
    assert len(review(state(), lifted, [proposal(sale, "cc")]).approved) == 1
    found = review(state(), lifted, [proposal(sale, "other")]).refused[0].codes
    assert {Code.CALL_NOTIONAL, Code.VEGA, Code.STRESS_LOSS, Code.NET_DELTA, Code.COVERED_SHARE} <= set(found)
    assert lifted.strategies["other"].max_vega_usd == D("0.5")  # its own was the tighter
    assert lifted.strategies["cc"] == Bounds()


def test_every_limit_of_training_is_finite() -> None:
    lifted = training_limits(Limits(), LADDER, {"cc"})
    equity = D(10**7)
    for name in BOUND_NAMES:
        value = getattr(lifted, name, None)
        if isinstance(value, Cap):
            assert value.in_usd(equity).is_finite()
    assert (lifted.max_call_chains, lifted.max_put_chains, lifted.max_calls_per_expiry) == (6, 1, 3)
    assert lifted.max_margin_used_pct == Limits().max_margin_used_pct
    assert lifted.price_collar_pct == Limits().price_collar_pct


def test_what_must_be_done_comes_first_and_counts() -> None:
    held = "BTC-7JAN26-93000-C"
    world = state([held])
    config = replace(training_config(defaults(Mode.RESEARCH, "cc"), LADDER), underlyings=("BTC",))
    menu = strategy("covered_call").propose(
        world, config, capacity_of(world, training_limits(TIGHT, LADDER, {"cc"}), "cc")
    )[0]
    target = "BTC-17JAN26-100000-C"
    must = item(
        buy_back(held, "0.1", "0.02"),
        sell(target, "0.1", "0.01"),
        key="cc/BTC/roll",
        chain_id="c0",
        mandatory=True,
    )
    shown = replace(menu, items=(must, *menu.items))
    choice = TrainingChooser(LADDER)([shown], PARAMS)
    assert not any(target in key for key in choice.keys) and must.key not in choice.keys
    assert sum("17JAN26" in key for key in choice.keys) <= 2
    assert proposals([shown], choice.keys)[0].item is must
    assert not any(one.chain_id == "c0" for one in map(shown.item, choice.keys) if one)


def test_a_take_profit_is_chosen_beside_new_calls() -> None:
    held = "BTC-17JAN26-104000-C"
    book = Ledger()
    book.sold(held, "0.1", "0.0900", chain="c0")
    world = state_of(CHAIN, account=account(currency("BTC", "1"), positions={held: "-0.1"}), book=book.book)
    menu, choice, reviewed = trained(world)
    managed = [menu.item(key) for key in choice.keys if (one := menu.item(key)) and one.chain_id]
    assert len(managed) == 1 and managed[0] is not None and managed[0].chain_id == "c0"
    assert len(opened(menu, choice)) == 5 and not reviewed.refused


@pytest.mark.parametrize("single", [True, False])
def test_the_same_menus_give_the_same_answer(single: bool) -> None:
    ladder = replace(LADDER, single=single)
    assert trained(state(), ladder)[1] == trained(state(), ladder)[1]
