"""No sequence of menus, choices, fills, deposits and settlements goes naked or past a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import Chain
from optionwriter.core.books.facts import Action
from optionwriter.core.decide.choosing import Proposal, proposals
from optionwriter.core.decide.limits import Cap, Limits
from optionwriter.core.decide.menu import Menu, MenuItem, OrderLeg
from optionwriter.core.decide.risk import Approved, capacity_of, review
from optionwriter.core.decide.strategies.base import BundleParams, Mode, RollParams, defaults
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.instruments import OptionType, parse_instrument
from tests.core.decide.worlds import buy_back, item, sell
from tests.properties.risk_world import World

D = Decimal
WIDE = replace(
    defaults(Mode.RESEARCH, "first"),
    underlyings=("BTC",),
    max_chains=3,
    roll=RollParams(max_debit=0.05, close_itm=0.05),
)
BUNDLES = BundleParams(wing_width=0.04, min_credit_usd=-1e6)
CONFIGS = (
    WIDE,
    replace(WIDE, id="second", size_share=D("0.6")),
    replace(WIDE, id="calls", kind="call_spread", writes=("call_spread",), bundle=BUNDLES, min_score=-9.0),
    replace(WIDE, id="puts", kind="put_spread", writes=("put_spread",), bundle=BUNDLES, min_score=-9.0),
    replace(WIDE, id="both", kind="strangle", writes=("covered_call", "cash_secured_put")),
    replace(WIDE, id="round", kind="wheel", writes=("covered_call", "cash_secured_put"), size_share=D("0.5")),
)
LOOSE = Limits(
    max_call_chains=4,
    max_put_chains=4,
    max_call_notional_per_underlying=Cap.pct(500),
    max_put_notional_per_underlying=Cap.pct(500),
    max_expiry_exposure=Cap.pct(500),
    max_margin_used_pct=D(500),
)
TIGHT = Limits(
    max_call_chains=2,
    max_put_chains=1,
    max_call_notional_per_underlying=Cap.pct(60),
    max_put_notional_per_underlying=Cap.pct(40),
    max_expiry_exposure=Cap.pct(45),
    max_net_delta_abs={"*": D("0.4")},
)


def wild(world: World, strategy_id: str) -> Proposal:
    """A proposal that no strategy would make: any option, any size, any side of the grid."""
    code = ("BTC", "BTC_USDC")[world.draw(2)]
    chain = world.chains[code]
    row = world.draw(len(chain))
    name = chain.table.names[row]
    book = chain.product
    amount = book.amount_step * (1 + world.draw(15))
    bid = D(repr(float(chain.bid[row]))) if chain.bid[row] > 0 else book.tick_size
    legs = [sell(name, str(amount), str(bid))]
    chains = list(world.book.open_ids)
    chain_id = ""
    if chains and world.draw(2):
        chain_id = chains[world.draw(len(chains))]
        open_legs = world.book.chains[chain_id].open_legs
        if open_legs:
            old = open_legs[0]
            quoted = world.chains.get(old.instrument.split("-")[0])
            place = quoted.table.row_of.get(old.instrument) if quoted else None
            ask = D(repr(float(quoted.ask[place]))) if quoted and place is not None else book.tick_size
            legs.insert(0, buy_back(old.instrument, str(abs(old.position)), str(ask)))
            strategy_id = world.book.chains[chain_id].strategy_id
    key = f"{strategy_id}/wild/{world.next_id('w')}"
    return Proposal(strategy_id, "wild", "BTC", item(*legs, key=key, chain_id=chain_id))


OPENS = (
    Action.OPEN_CALL_SPREAD, Action.OPEN_PUT_SPREAD, Action.OPEN_STRANGLE, Action.ROLL_CALL_SPREAD,
    Action.OPEN_COVERED_CALL,
)  # fmt: skip


def wild_bundle(world: World, strategy_id: str) -> Proposal:
    """Two to four legs of any kind, under any action, in any chain: mostly nonsense, now and then lawful."""
    legs: list[OrderLeg] = []
    chains = list(world.book.open_ids)
    for _ in range(2 + world.draw(3)):
        chain = world.chains[("BTC", "BTC_USDC")[world.draw(2)]]
        row = world.draw(len(chain))
        side = (Side.SELL, Side.BUY)[world.draw(2)]
        quote = float((chain.bid if side is Side.SELL else chain.ask)[row])
        price = D(repr(quote)) if quote > 0 else chain.product.tick_size
        amount = chain.product.amount_step * (1 + world.draw(10))
        name = chain.table.names[row]
        own = chains[world.draw(len(chains))] if chains and not world.draw(3) else ""
        held = world.book.chains[own].open_legs if own else ()
        closing = bool(held) and world.draw(2) == 1
        if closing:
            name, amount = held[0].instrument, abs(held[0].position)
            side = Side.BUY if held[0].sold else Side.SELL
        legs.append(OrderLeg(name, side, amount, price, price, closing, own))
    one = replace(
        item(*legs, key=f"{strategy_id}/bundle/{world.next_id('w')}"), action=OPENS[world.draw(len(OPENS))]
    )
    return Proposal(strategy_id, "wild", "BTC", one)


def complete(menus: Sequence[Menu]) -> None:
    """Keys are unique over a menu, and parts add up."""
    keys = [one.key for menu in menus for one in menu.items]
    assert len(keys) == len(set(keys))
    for menu in menus:
        for one in menu.items:
            assert sum(part for _, part in one.parts) == pytest.approx(one.score)


def cycle(world: World, limits: Limits) -> None:
    """Two strategies propose, anything is chosen, wild proposals are mixed in; what is approved is executed."""
    state = world.state()
    capacity = capacity_of(state, limits)
    wanted: list[Proposal] = []
    for config in CONFIGS:
        menus = strategy(config.kind).propose(state, config, capacity)
        complete(menus)
        keys = [one.key for menu in menus for one in menu.items]
        chosen = [keys[world.draw(len(keys))] for _ in range(world.draw(3))] if keys else []
        wanted.extend(proposals(menus, chosen))
    for _ in range(world.draw(3)):
        make = (wild, wild_bundle)[world.draw(2)]
        wanted.insert(world.draw(len(wanted) + 1), make(world, CONFIGS[world.draw(len(CONFIGS))].id))
    result = review(state, limits, wanted)
    assert len(result.approved) + len(result.refused) == len(wanted)
    assert all(one.findings for one in result.refused)
    within_limits(world, limits, result.approved)
    for approved in result.approved:
        world.execute(approved)
        assert world.naked() == ""
    for one in world.book.chains.values():
        if one.strategy_type.endswith("_spread"):
            assert wings_hold(one), one


def wings_hold(chain: Chain) -> bool:
    """No spread has more sold than bought, at any expiry, whatever filled."""
    sums: dict[int, Decimal] = {}
    for leg in chain.open_legs:
        expiry_ms = parse_instrument(leg.instrument).expiry_ms
        sums[expiry_ms] = sums.get(expiry_ms, D(0)) + leg.position
    return all(total >= 0 for total in sums.values())


def opened(one: MenuItem) -> list[tuple[str, Decimal]]:
    return [(leg.instrument, leg.amount) for leg in one.legs if leg.side is Side.SELL and not leg.reduce_only]


def short_notional(world: World, kind: OptionType, extra: list[tuple[str, Decimal]]) -> Decimal:
    """Short notional of a type with every order and extra counted as filled, USD: the test's own arithmetic."""
    total = D(0)
    shorts = {name: -amount for name, amount in world.positions.items() if amount < 0}
    for order in world.orders:
        if order.side is Side.SELL and not order.reduce_only and not order.hidden:
            shorts[order.instrument] = shorts.get(order.instrument, D(0)) + order.left
    for name, amount in extra:
        shorts[name] = shorts.get(name, D(0)) + amount
    for name, amount in shorts.items():
        option = parse_instrument(name)
        if option.option_type is kind:
            total += amount * (D(str(world.spot)) if option.is_call else option.strike)
    return total


def within_limits(world: World, limits: Limits, approved: tuple[Approved, ...]) -> None:
    """All that was approved in one cycle, taken together, passes no cap that it was not past already."""
    equity = sum(
        (cash * (D(str(world.spot)) if code == "BTC" else 1) for code, cash in world.cash.items()), D(0)
    )
    extra = [leg for one in approved for leg in opened(one.item)]
    freed = [
        (leg.instrument, -leg.amount)
        for one in approved
        for leg in one.item.legs
        if leg.reduce_only and opened(one.item)
    ]
    for kind in OptionType:
        before = short_notional(world, kind, [])
        after = short_notional(world, kind, extra + freed)
        assert after <= max(limits.notional(kind).in_usd(equity), before)
    for one in approved:
        for name, _ in opened(one.item):
            option = parse_instrument(name)
            assert (option.product.family.value == "inverse") == option.is_call


ACTIONS = 9


def play(world: World, limits: Limits, action: int) -> None:
    """One thing happens."""
    if action <= 2:
        cycle(world, limits)
    elif action == 3:
        world.fill_something()
    elif action == 4:
        world.find_the_hidden()
    elif action == 5:
        world.deposit("BTC", D(world.draw(40)) / 100)
    elif action == 6:
        world.deposit("USDC", D(world.draw(60_000)))
    elif action == 7:
        world.move(world.draw(31) - 15, 6 * (1 + world.draw(12)))
    else:
        chain = world.chains["BTC"]
        name = chain.table.names[world.draw(len(chain))]
        world.by_hand(name, (Side.SELL, Side.BUY)[world.draw(2)], D(1 + world.draw(8)) / 10, D("0.004"))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.data(), st.sampled_from([LOOSE, TIGHT]), st.lists(st.integers(0, ACTIONS - 1), min_size=4, max_size=14)
)
def test_no_sequence_goes_naked_or_past_a_limit(
    data: st.DataObject, limits: Limits, actions: list[int]
) -> None:
    world = World(lambda n: data.draw(st.integers(0, n - 1)))
    world.deposit("BTC", D("1.5"))
    world.deposit("USDC", D(100_000))
    for action in [0, *actions]:
        play(world, limits, action)
        assert world.naked() == ""


def always_fill(n: int) -> int:
    """The venue fills everything at once; choices fall on the first."""
    return n - 1


def test_a_holder_of_one_coin_sells_exactly_one_call_and_holds_when_the_price_doubles() -> None:
    world = World(always_fill)
    world.deposit("BTC", D(1))
    config = replace(WIDE, max_chains=9)
    limits = replace(LOOSE, max_call_chains=99)
    for _ in range(5):
        state = world.state()
        menus = strategy("covered_call").propose(state, config, capacity_of(state, limits))
        for one in review(
            state, limits, proposals(menus, [i.key for menu in menus for i in menu.items])
        ).approved:
            world.execute(one)
    assert sum(world.positions.values()) == -1
    world.move(100, 1)
    state = world.state()
    assert state.account.currencies[0].balance >= 1
    assert world.naked() == ""
    more = [Proposal("first", "x", "BTC", item(sell(world.chains["BTC"].table.names[60], "0.1", "0.0005")))]
    assert review(state, limits, more).approved == ()
    world.move(900, 24 * 20)  # ten times more, and settled
    assert not world.positions
    assert world.cash["BTC"] > 0
