"""Credit spreads: which wing, what is offered, and what is done with one that is held or half done."""

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
from optionwriter.core.decide.menu import Menu, MenuItem
from optionwriter.core.decide.risk import capacity_of, review
from optionwriter.core.decide.strategies.base import (
    BundleParams,
    ConfigError,
    Mode,
    RollParams,
    StrategyConfig,
    defaults,
)
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import OptionType, parse_instrument
from tests.core.decide.worlds import NOW, Ledger, account, chain_at, currency, state_of, with_column

D = Decimal
CALLS, PUTS = chain_at(), chain_at("BTC_USDC")
START = replace(defaults(Mode.RESEARCH, "cs"), underlyings=("BTC",))
CALL_SPREAD = replace(START, kind="call_spread", writes=("call_spread",))
PUT_SPREAD = replace(START, kind="put_spread", writes=("put_spread",))
SOLD, WING = "BTC-17JAN26-102000-C", "BTC-17JAN26-108000-C"
OPEN, ROLL, CLOSE = Action.OPEN_CALL_SPREAD, Action.ROLL_CALL_SPREAD, Action.CLOSE_CALL_SPREAD


def menu_of(state: Any, config: StrategyConfig = CALL_SPREAD) -> Menu:
    """The strategy's one menu."""
    (menu,) = strategy(config.kind).propose(state, config, capacity_of(state, Limits()))
    return menu


def world(*chains: OptionChain, btc: str = "1", usdc: str = "100000", ledger: Ledger | None = None) -> Any:
    """A state with coin and USDC, and what the ledger holds."""
    held = {} if ledger is None else {
        leg.instrument: str(leg.position) for chain in ledger.book.chains.values() for leg in chain.open_legs
    }  # fmt: skip
    seen = account(currency("BTC", btc), currency("USDC", usdc), positions=held)
    return state_of(*(chains or (CALLS, PUTS)), account=seen, book=None if ledger is None else ledger.book)


def held_spread(wing: str = "1", sold: str = "1", price: str = "0.005") -> Ledger:
    """A spread in chain c1."""
    ledger = Ledger()
    ledger.traded(OPEN, Side.BUY, WING, wing, "0.002", chain="c1", strategy="cs")
    if sold != "0":
        ledger.traded(OPEN, Side.SELL, SOLD, sold, price, chain="c1", strategy="cs")
    return ledger


def passes(state: Any, items: Sequence[MenuItem], kind: str = "call_spread") -> None:
    """Each item alone is approved."""
    for item in items:
        menus = [Menu("cs", kind, "BTC", NOW, (item,))]
        found = review(state, Limits(), proposals(menus, [item.key]))
        assert found.approved, (item.key, found.refused[0].findings)


@pytest.mark.parametrize("config", [CALL_SPREAD, PUT_SPREAD], ids=["call", "put"])
def test_every_spread_on_offer_is_one_and_passes_risk(config: StrategyConfig) -> None:
    state = world()
    menu = menu_of(state, config)
    assert menu.items and len({item.key for item in menu.items}) == len(menu.items)
    for item in menu.items:
        short, wing = item.legs
        sold, bought = parse_instrument(short.instrument), parse_instrument(wing.instrument)
        assert (short.side, wing.side, short.amount) == (Side.SELL, Side.BUY, wing.amount)
        assert (sold.product, sold.expiry_ms, sold.option_type) == (
            bought.product,
            bought.expiry_ms,
            bought.option_type,
        )
        assert (bought.strike > sold.strike) is sold.is_call
        assert sum(part for _, part in item.parts) == pytest.approx(item.score)
        # one lot more would pass the cover: a coin a call, the strike a put, with both prices and fees
        assert short.amount <= (1 if sold.is_call else D(100_000) / sold.strike * D("1.1"))
        assert item.metrics.premium_usd > 5
    passes(state, menu.items, config.kind)
    gates = menu.counts_by_gate()
    assert sum(gates.values()) + len(menu.items) == sum(
        parse_instrument(name).option_type is (OptionType.CALL if config is CALL_SPREAD else OptionType.PUT)
        for name in CALLS.table.names
    )


def test_the_wing_is_the_one_nearest_to_its_place() -> None:
    for item in menu_of(world()).items:
        sold, wing = (parse_instrument(leg.instrument).strike for leg in item.legs)
        assert abs(wing / sold - D("1.05")) <= D("0.5") * 2_000 / sold + D("1e-9")
    by_delta = replace(CALL_SPREAD, bundle=BundleParams(wing_delta=0.02, min_credit_usd=0.0))
    wings = {item.legs[1].instrument for item in menu_of(world(), by_delta).items}
    narrow = {item.legs[1].instrument for item in menu_of(world()).items}
    assert max(parse_instrument(name).strike for name in wings) > max(
        parse_instrument(name).strike for name in narrow
    )


def test_a_sale_without_a_wing_fails_at_wing_and_one_that_earns_too_little_at_premium() -> None:
    bare = CALLS
    for name in CALLS.table.names:
        option = parse_instrument(name)
        if option.strike > 104_000:
            bare = with_column(bare, "ask", name, float("nan"))
    menu = menu_of(world(bare, PUTS))
    assert menu.counts_by_gate()["wing"] >= 1
    last = "BTC-17JAN26-104000-C"
    assert last in [one.instrument for one in menu.nearest(200) if one.gate == "wing"]
    greedy = replace(CALL_SPREAD, bundle=BundleParams(min_credit_usd=400.0))
    found = menu_of(world(), greedy)
    assert all(item.metrics.premium_usd >= 400 for item in found.items)
    assert found.counts_by_gate()["premium"] > menu_of(world()).counts_by_gate().get("premium", 0)


def test_a_dearer_wing_scores_less_and_a_spread_less_than_its_sale_alone() -> None:
    fair = menu_of(world())
    best = fair.items[0]
    wing = best.legs[1].instrument
    dearer = with_column(CALLS, "ask", wing, float(CALLS.ask[CALLS.table.row_of[wing]]) * 1.5)
    wider = replace(CALL_SPREAD, bundle=BundleParams(min_credit_usd=-1e6))
    again = next(one for one in menu_of(world(dearer, PUTS), wider).items
                 if [leg.instrument for leg in one.legs] == [leg.instrument for leg in best.legs])  # fmt: skip
    assert again.score < best.score and dict(again.parts)["edge"] < dict(best.parts)["edge"]
    alone = strategy("covered_call").propose(world(), START, capacity_of(world(), Limits()))[0]
    sale = next(one for one in alone.items if one.legs[0].instrument == best.legs[0].instrument)
    assert dict(sale.parts)["spread"] > dict(best.parts)["spread"]
    assert [name for name, _ in sale.parts] == [name for name, _ in best.parts]


def test_profit_is_counted_on_the_net_credit_and_both_legs_go() -> None:
    # sold at 0.005, the wing bought at 0.002: 0.003 a coin; all but gone when the sale asks 0.0004
    cheap = CALLS
    for name, bid, ask in ((SOLD, 0.0003, 0.0004), (WING, 0.0001, 0.0002)):
        cheap = with_column(with_column(cheap, "bid", name, bid), "ask", name, ask)
        cheap = with_column(cheap, "mark", name, (bid + ask) / 2)
    state = world(cheap, PUTS, btc="1.003", ledger=held_spread())
    (item,) = menu_of(state).items
    assert (item.action, item.reason, item.chain_id, item.mandatory) == (
        CLOSE,
        "profit_captured",
        "c1",
        False,
    )
    assert [(leg.instrument, leg.side, leg.reduce_only) for leg in item.legs] == [
        (SOLD, Side.BUY, True),
        (WING, Side.SELL, True),
    ]
    # (0.0004 + fee 0.00005 - 0.0001 + fee 0.0000125) of 0.003 is left
    assert item.value == pytest.approx(1 - (0.0003125 + 0.0000390625) / 0.003, rel=1e-6)
    passes(state, [item])
    dead = with_column(cheap, "bid", WING, float("nan"))
    (item,) = menu_of(world(dead, PUTS, btc="1.003", ledger=held_spread())).items
    assert [leg.instrument for leg in item.legs] == [SOLD], "nobody buys the wing: it is left to expire"


def test_a_threatened_spread_rolls_both_legs_and_must() -> None:
    risen = chain_at(spot=102_500.0)
    state = world(risen, chain_at("BTC_USDC", spot=102_500.0), btc="1.05", ledger=held_spread())
    dear = replace(CALL_SPREAD, roll=RollParams(max_debit=0.03, credit_scale=0.05))
    (item,) = (item for item in menu_of(state, dear).items if item.mandatory)
    assert (item.action, item.chain_id) == (ROLL, "c1")
    back, out, sale, wing = item.legs
    assert [(leg.instrument, leg.side) for leg in (back, out)] == [(SOLD, Side.BUY), (WING, Side.SELL)]
    new, beyond = parse_instrument(sale.instrument), parse_instrument(wing.instrument)
    assert new.expiry_ms == beyond.expiry_ms > parse_instrument(SOLD).expiry_ms
    assert beyond.strike > new.strike >= 102_000 and sale.amount == wing.amount <= 1
    fees = sum(min(D("0.0003"), leg.limit_price / 8) for leg in item.legs)
    credit = -sum(leg.side.sign * leg.limit_price for leg in item.legs) - fees
    assert dict(item.parts)["credit"] == pytest.approx(0.2 * float(credit) / 0.05)
    assert {one.reason for one in menu_of(state).held} == {"no_acceptable_roll", "wing"}, (
        "a cent a coin is the most"
    )
    passes(state, [item])


def test_a_wing_alone_is_finished_where_that_is_good_enough_else_sold() -> None:
    state = world(btc="1.1", ledger=held_spread(sold="0"))
    menu = menu_of(state)
    finish, unwind = menu.items
    assert (finish.action, finish.reason, unwind.action, unwind.reason) == (OPEN, "finish", CLOSE, "unwind")
    (sale,) = finish.legs
    assert parse_instrument(sale.instrument).expiry_ms == parse_instrument(WING).expiry_ms
    assert parse_instrument(sale.instrument).strike < 108_000 and sale.amount == 1
    assert finish.score > unwind.score and choose_best([menu], ChoiceParams(0.0)).keys == (finish.key,)
    passes(state, menu.items)
    assert {(one.verdict, one.reason) for one in menu.held} == {("finish", "finish")}
    strict = replace(CALL_SPREAD, min_score=0.9)
    left = menu_of(state, strict)
    assert [item.reason for item in left.items] == ["unwind"]
    assert choose_best([left], ChoiceParams(0.9)).keys == (left.items[0].key,)
    gone = with_column(CALLS, "bid", WING, float("nan"))
    nothing = menu_of(world(gone, PUTS, btc="1.1", ledger=held_spread(sold="0")), strict)
    assert not nothing.items and nothing.held[0].reason == "no_bid"


def test_a_spread_that_is_sold_in_part_grows_in_what_it_sold() -> None:
    ledger = held_spread(sold="0.3")
    finish = next(item for item in menu_of(world(btc="1.1", ledger=ledger)).items if item.reason == "finish")
    (leg,) = finish.legs
    assert (leg.instrument, leg.amount, finish.chain_id) == (SOLD, D("0.7"), "c1")
    passes(world(btc="1.1", ledger=ledger), [finish])


def test_a_wing_whose_sale_was_closed_is_only_sold() -> None:
    ledger = held_spread()
    ledger.traded(CLOSE, Side.BUY, SOLD, "1", "0.001", chain="c1", strategy="cs", reduce_only=True)
    menu = menu_of(world(btc="1.1", ledger=ledger))
    assert [item.reason for item in menu.items if item.chain_id == "c1"] == ["unwind"]


def test_a_spread_writes_one_kind_only() -> None:
    with pytest.raises(ConfigError, match="call_spread and nothing else"):
        menu_of(world(), replace(CALL_SPREAD, writes=("covered_call",)))
    with pytest.raises(ConfigError, match="wing_width"):
        replace(CALL_SPREAD, bundle=BundleParams(wing_width=0.0))
