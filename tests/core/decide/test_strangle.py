"""Covered strangles: pairs on offer, either side alone, and both sides going at once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import Action
from optionwriter.core.decide.choosing import ChoiceParams, choose_best, proposals
from optionwriter.core.decide.limits import Cap, Limits
from optionwriter.core.decide.menu import Menu, Size
from optionwriter.core.decide.orders import plan_orders, plans_of
from optionwriter.core.decide.risk import capacity_of, review
from optionwriter.core.decide.strategies.base import ConfigError, Mode, StrategyConfig, defaults
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.instruments import parse_instrument
from tests.core.decide.worlds import NOW, Ledger, account, chain_at, currency, state_of, with_column

D = Decimal
CALLS, PUTS = chain_at(), chain_at("BTC_USDC")
CONFIG = replace(
    defaults(Mode.RESEARCH, "st"),
    kind="strangle",
    underlyings=("BTC",),
    writes=("covered_call", "cash_secured_put"),
)
CALL, PUT = "BTC-17JAN26-102000-C", "BTC_USDC-17JAN26-84000-P"
BUNDLE = "b" + "0123456789" * 2
OPEN = Action.OPEN_STRANGLE


def menu_of(state: Any, config: StrategyConfig = CONFIG, limits: Limits | None = None) -> Menu:
    (menu,) = strategy(config.kind).propose(state, config, capacity_of(state, limits or Limits()))
    return menu


def world(*chains: Any, btc: str = "1", usdc: str = "100000", ledger: Ledger | None = None) -> Any:
    held = {} if ledger is None else {
        leg.instrument: str(leg.position) for chain in ledger.book.chains.values() for leg in chain.open_legs
    }  # fmt: skip
    seen = account(currency("BTC", btc), currency("USDC", usdc), positions=held)
    return state_of(*(chains or (CALLS, PUTS)), account=seen, book=None if ledger is None else ledger.book)


def holding(*sides: str, price: str = "0.005") -> Ledger:
    """A strangle of which these sides were sold, one coin each."""
    ledger = Ledger()
    for side, name, premium in (("call", CALL, price), ("put", PUT, "455")):
        if side in sides:
            ledger.traded(OPEN, Side.SELL, name, "1", premium, chain=f"{BUNDLE}.{side}", strategy="st")
    return ledger


def approved(state: Any, menu: Menu, key: str) -> Any:
    found = review(state, Limits(), proposals([menu], [key]))
    assert found.approved, found.refused[0].findings
    return found.approved[0]


def test_every_pair_has_one_expiry_and_one_amount_and_passes_risk() -> None:
    state = world()
    menu = menu_of(state)
    assert 0 < len(menu.items) <= CONFIG.max_items
    for item in menu.items:
        call, put = (parse_instrument(leg.instrument) for leg in item.legs)
        assert (call.product.code, put.product.code, call.is_call, put.is_call) == (
            "BTC",
            "BTC_USDC",
            True,
            False,
        )
        assert call.expiry_ms == put.expiry_ms and item.legs[0].amount == item.legs[1].amount == 1
        assert sum(part for _, part in item.parts) == pytest.approx(item.score)
        approved(state, menu, item.key)
    listed = sum(parse_instrument(name).is_call for name in CALLS.table.names)
    puts = sum(not parse_instrument(name).is_call for name in PUTS.table.names)
    offered = {leg.instrument for item in menu.items for leg in item.legs}
    assert sum(menu.counts_by_gate().values()) + len(offered) == listed + puts, "each candidate once"


def test_a_pairs_parts_are_its_sides_weighted_by_collateral() -> None:
    state = world()
    item = menu_of(state).items[0]
    alone = {}
    for kind in ("covered_call", "cash_secured_put"):
        config = replace(CONFIG, kind=kind, writes=(kind,), max_items=99)
        for one in menu_of(state, config).items:
            if one.legs[0].amount == 1:
                alone[one.legs[0].instrument] = dict(one.parts)
    call, put = (leg.instrument for leg in item.legs)
    assert call in alone
    config = replace(
        CONFIG, kind="cash_secured_put", writes=("cash_secured_put",), max_items=99, size_cap=D(1)
    )
    puts = {one.legs[0].instrument: dict(one.parts) for one in menu_of(state, config).items}
    strike = float(parse_instrument(put).strike)
    for name, value in item.parts:
        weighed = (93_000 * alone[call][name] + strike * puts[put][name]) / (93_000 + strike)
        assert value == pytest.approx(weighed)


def test_the_poorer_side_sets_the_size() -> None:
    small = menu_of(world(btc="5", usdc="30000")).items[0]
    assert {leg.amount for leg in small.legs} == {D("0.3")}
    assert not menu_of(world(btc="5", usdc="5000")).items, "no lot of 0.1 BTC can be secured"
    capped = menu_of(world(btc="5", usdc="900000"), limits=Limits(max_expiry_exposure=Cap.usd(100_000)))
    (amount,) = {leg.amount for leg in capped.items[0].legs}
    put = parse_instrument(capped.items[0].legs[1].instrument)
    assert amount * (93_000 + put.strike) <= 100_000 < (amount + D("0.1")) * (93_000 + put.strike)
    halves = replace(CONFIG, sizes=(Size.FULL, Size.HALF))
    sizes = {item.size: item.legs[0].amount for item in menu_of(world(btc="2", usdc="250000"), halves).items}
    assert sizes == {Size.FULL: 2, Size.HALF: 1}


def test_without_the_other_sides_quotes_nothing_is_opened() -> None:
    silent = PUTS
    for name in PUTS.table.names:
        silent = with_column(silent, "bid", name, float("nan"))
    menu = menu_of(world(CALLS, silent))
    assert not menu.items and menu.counts_by_gate()["wing"] > 0
    assert not menu_of(world(CALLS)).items
    assert "no quotes of BTC_USDC" in menu_of(world(CALLS)).notes[0]


@pytest.mark.parametrize("side", ["call", "put"])
def test_a_side_alone_is_managed_and_the_other_offered_at_its_expiry(side: str) -> None:
    other = "put" if side == "call" else "call"
    state = world(btc="1.1", usdc="100300", ledger=holding(side))
    menu = menu_of(state)
    assert [one.instrument for one in menu.held] == [CALL if side == "call" else PUT]
    assert menu.items
    for item in menu.items:
        (leg,) = item.legs
        assert (item.action, item.reason, item.chain_id) == (OPEN, "complete", f"{BUNDLE}.{other}")
        assert (
            parse_instrument(leg.instrument).expiry_ms == parse_instrument(CALL).expiry_ms and leg.amount == 1
        )
    one = approved(state, menu, menu.items[0].key)
    ((chain, _),) = plans_of(one, "d1", plan_orders(one, "d1", "CCBOT_", NOW, 5_000))
    assert chain == f"{BUNDLE}.{other}"


def test_a_whole_strangle_is_offered_nothing() -> None:
    menu = menu_of(world(btc="3", usdc="300000", ledger=holding("call", "put")))
    assert not menu.items and menu.counts_by_gate()["slot"] > 0


def cheap(calls: float, puts: float) -> tuple[Any, Any]:
    """Chains in which what is held asks that little."""
    one = with_column(with_column(CALLS, "ask", CALL, calls), "bid", CALL, calls / 2)
    two = with_column(with_column(PUTS, "ask", PUT, puts), "bid", PUT, puts)
    return with_column(one, "mark", CALL, calls), with_column(two, "mark", PUT, puts)


def test_both_sides_taking_profit_are_one_item_of_two_chains() -> None:
    config = replace(CONFIG, roll=CONFIG.roll._replace(take_profit_rolls=False))
    state = world(*cheap(0.0002, 5.0), btc="1.1", usdc="100300", ledger=holding("call", "put"))
    menu = menu_of(state, config)
    (item,) = menu.items
    assert item.action is Action.CLOSE_STRANGLE
    assert [(leg.instrument, leg.side, leg.reduce_only, leg.chain_id) for leg in item.legs] == [
        (CALL, Side.BUY, True, f"{BUNDLE}.call"),
        (PUT, Side.BUY, True, f"{BUNDLE}.put"),
    ]
    assert sum(part for _, part in item.parts) == pytest.approx(item.score) == pytest.approx(1.0)
    assert choose_best([menu], ChoiceParams(0.0)).keys == (item.key,)
    one = approved(state, menu, item.key)
    plans = plans_of(one, "d1", plan_orders(one, "d1", "CCBOT_", NOW, 5_000))
    assert [name for name, _ in plans] == [f"{BUNDLE}.call", f"{BUNDLE}.put"]
    half = menu_of(
        world(*cheap(0.0002, 700.0), btc="1.1", usdc="100300", ledger=holding("call", "put")), config
    )
    assert [item.action for item in half.items] == [Action.CLOSE_CALL]


def test_both_sides_rolling_for_profit_are_one_item() -> None:
    state = world(*cheap(0.0002, 5.0), btc="1.1", usdc="100300", ledger=holding("call", "put"))
    actions = {item.action for item in menu_of(state, replace(CONFIG, min_score=-2.0)).items}
    assert actions == {Action.ROLL_STRANGLE}
    (item,) = menu_of(state, replace(CONFIG, min_score=-2.0)).items
    assert [leg.reduce_only for leg in item.legs] == [True, False, True, False]
    one = approved(state, menu_of(state, replace(CONFIG, min_score=-2.0)), item.key)
    plans = plans_of(one, "d1", plan_orders(one, "d1", "CCBOT_", NOW, 5_000))
    assert [len(mine) for _, mine in plans] == [2, 2]


def test_what_has_to_be_done_is_never_joined() -> None:
    risen = (chain_at(spot=102_500.0), chain_at("BTC_USDC", spot=102_500.0))
    menu = menu_of(world(*risen, btc="1.1", usdc="100300", ledger=holding("call", "put")))
    must = [item for item in menu.items if item.mandatory]
    assert [item.action for item in must] == [Action.ROLL_CALL] and must[0].chain_id == f"{BUNDLE}.call"


def test_a_strangle_writes_both_sides() -> None:
    with pytest.raises(ConfigError, match="covered_call and cash_secured_put"):
        menu_of(world(), replace(CONFIG, writes=("covered_call",)))
