"""The wheel: whose turn it is, what a coin has cost, and what it advises; all from the book alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.core.books.account import Settlement, Side
from optionwriter.core.books.booking import book_events
from optionwriter.core.books.facts import Action
from optionwriter.core.books.ledger import replay
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.menu import Menu
from optionwriter.core.decide.risk import capacity_of
from optionwriter.core.decide.strategies.base import BundleParams, ConfigError, Mode, StrategyConfig, defaults
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.decide.strategies.turning import Turn, advice, turn_of
from optionwriter.core.market.instruments import OptionType, parse_instrument
from tests.core.decide.worlds import NOW, Ledger, account, chain_at, currency, state_of

D = Decimal
DAY = 86_400_000
LATER = NOW + 20 * DAY
CONFIG = replace(
    defaults(Mode.RESEARCH, "wh"),
    kind="wheel",
    underlyings=("BTC",),
    writes=("cash_secured_put", "covered_call"),
)
PUT, LATER_PUT = "BTC_USDC-10JAN26-84000-P", "BTC_USDC-17JAN26-82000-P"
CALL = "BTC-17JAN26-90000-C"


def sold(ledger: Ledger, name: str, amount: str, price: str, chain: str, at_ms: int = NOW) -> None:
    action = Action.OPEN_COVERED_CALL if name.endswith("C") else Action.OPEN_CASH_SECURED_PUT
    ledger.traded(action, Side.SELL, name, amount, price, chain=chain, strategy="wh", at_ms=at_ms)


def ended(ledger: Ledger, name: str, amount: str, delivery: str) -> None:
    """The option's settlement at that price, without a delivery fee."""
    option, at = parse_instrument(name), D(delivery)
    gain = max(D(0), at - option.strike if option.is_call else option.strike - at)
    payoff = -D(amount) * (gain / at if option.is_call else gain)
    end = Settlement(name, -D(amount), at, payoff, D(0), option.expiry_ms)
    facts, ledger.book = book_events([end], ledger.book, end.at_ms)
    ledger.facts.extend(facts)


def turn(ledger: Ledger) -> Turn:
    return turn_of(ledger.book.chains.values(), "wh", "BTC")


def assigned(delivery: str = "80000") -> Ledger:
    """Half a coin of the 84,000 put was sold for 500 USDC (fee 27.90 - half of it) and settled below."""
    ledger = Ledger()
    sold(ledger, PUT, "0.5", "500", "c1")
    ended(ledger, PUT, "0.5", delivery)
    return ledger


def test_a_put_in_the_money_turns_the_wheel_and_its_strike_less_the_premium_is_the_basis() -> None:
    found = turn(assigned())
    assert (found.writes, found.coins, found.price) == (OptionType.CALL, D("0.5"), 80_000)
    # the strike less 500 a coin, and the fee of 3 bp of the index a coin comes on top
    assert found.basis == 84_000 - 500 + D("0.0003") * 93_000
    assert turn(assigned("83000")).basis == found.basis, "where it was settled makes no difference"


def test_out_of_the_money_nothing_turns_and_the_premium_is_kept() -> None:
    found = turn(assigned("84000"))
    assert (found.writes, found.coins, found.basis) == (None, 0, None)
    assert found.result_usd == D("0.5") * (500 - D("27.9"))


def test_calls_lower_the_basis_until_one_is_called() -> None:
    ledger = assigned()
    before = turn(ledger).basis
    assert before is not None
    sold(ledger, CALL, "0.5", "0.01", "c2", NOW + 6 * DAY)
    kept = (D("0.01") - D("0.0003")) * 93_000  # a coin, in dollars at that instant
    assert turn(ledger).basis == before - kept
    ended(ledger, CALL, "0.5", "89000")
    assert turn(ledger).basis == before - kept and turn(ledger).writes is OptionType.CALL
    again = assigned()
    sold(again, CALL, "0.5", "0.01", "c2", NOW + 6 * DAY)
    ended(again, CALL, "0.5", "95000")
    over = turn(again)
    assert (over.writes, over.coins, over.basis, over.result_usd) == (OptionType.PUT, 0, None, 0)


def test_an_assignment_that_was_not_followed_is_carried_into_the_next() -> None:
    """Puts again, and again below: what the first lost stands in the basis of the second."""
    ledger = assigned()
    sold(ledger, LATER_PUT, "0.5", "400", "c2", NOW + 6 * DAY)
    ended(ledger, LATER_PUT, "0.5", "75000")
    result = D("0.5") * (500 - D("27.9") - 4_000 + 400 - D("27.9") - 7_000)
    assert turn(ledger).result_usd == result
    assert turn(ledger).basis == 75_000 - result / D("0.5")


def test_others_chains_and_others_coins_count_for_nothing() -> None:
    ledger = assigned()
    assert turn_of(ledger.book.chains.values(), "another", "BTC") == Turn()
    assert turn_of(ledger.book.chains.values(), "wh", "ETH") == Turn()


def test_a_restart_changes_nothing() -> None:
    ledger = assigned()
    sold(ledger, CALL, "0.5", "0.01", "c2", NOW + 6 * DAY)
    assert turn_of(replay(ledger.facts).chains.values(), "wh", "BTC") == turn(ledger)


def test_the_advice_names_the_coins_and_the_price() -> None:
    assert advice(Turn(), D(1)) == ""
    told = advice(turn(assigned()), D(81_000))
    assert "buy 0.5 BTC at about 81000 USD" in told and "nothing was bought" in told
    ledger = assigned()
    sold(ledger, CALL, "0.5", "0.01", "c2", NOW + 6 * DAY)
    ended(ledger, CALL, "0.5", "100000")
    # 0.5 coins called at 90,000 are 45,000 USD, at 100,000 the price of 0.45 coins
    assert "sell 0.45000000 BTC at about 101000 USD" in advice(turn(ledger), D(101_000))


# -- the menu ---------------------------------------------------------------------------------------------------------


def menu_of(
    ledger: Ledger | None = None,
    btc: str = "1",
    usdc: str = "100000",
    config: StrategyConfig = CONFIG,
    **given: Any,
) -> Menu:
    """The menu twenty days on, when everything before has ended."""
    at_ms, spot = given.get("at_ms", LATER), given.get("spot", 80_000.0)
    chains = [chain_at(code, spot=spot, at_ms=at_ms) for code in ("BTC", "BTC_USDC")]
    held = {} if ledger is None else {
        leg.instrument: str(leg.position) for chain in ledger.book.chains.values() for leg in chain.open_legs
    }  # fmt: skip
    seen = account(currency("BTC", btc), currency("USDC", usdc), positions=held, at_ms=at_ms)
    state = state_of(*chains, account=seen, book=None if ledger is None else ledger.book, at_ms=at_ms)
    (menu,) = strategy("wheel").propose(state, config, capacity_of(state, Limits()))
    return menu


def actions(menu: Menu) -> set[Action]:
    return {item.action for item in menu.items}


def test_it_begins_with_puts_and_writes_what_the_collateral_allows() -> None:
    assert actions(menu_of()) == {Action.OPEN_CASH_SECURED_PUT}
    assert actions(menu_of(usdc="100")) == {Action.OPEN_COVERED_CALL}
    assert actions(menu_of(assigned())) == {Action.OPEN_COVERED_CALL}
    assert actions(menu_of(assigned(), btc="0.05")) == {Action.OPEN_CASH_SECURED_PUT}, "nothing was bought"
    assert actions(menu_of(assigned(), btc="0.05", usdc="100")) == set()


def test_no_call_below_the_basis_is_sold() -> None:
    wide = replace(CONFIG, gates=CONFIG.gates._replace(delta_max=0.95, otm_min=-0.5), max_items=99)
    menu = menu_of(assigned(), config=wide)
    strikes = [parse_instrument(item.legs[0].instrument).strike for item in menu.items]
    assert min(strikes) >= 84_000  # the basis is 83,527.9
    below = [one for one in menu.nearest(999) if one.gate == "basis"]
    assert below and all(one.value < one.threshold == pytest.approx(83_527.9) for one in below)
    free = replace(wide, bundle=BundleParams(basis_floor=False))
    anyhow = menu_of(assigned(), config=free)
    assert min(parse_instrument(item.legs[0].instrument).strike for item in anyhow.items) < 83_527
    assert "basis" not in anyhow.counts_by_gate()


def test_one_chain_at_a_time_and_the_basis_beside_what_is_held() -> None:
    ledger = assigned()
    sold(ledger, CALL, "0.5", "0.01", "c2", NOW + 6 * DAY)
    menu = menu_of(ledger, at_ms=NOW + 7 * DAY, spot=85_000.0)
    assert not [item for item in menu.items if item.reason == "open"]
    assert menu.counts_by_gate()["slot"] > 0
    (basis,) = [one for one in menu.held if one.reason == "cost_basis"]
    assert (basis.chain_id, basis.instrument, basis.threshold) == ("c2", CALL, 90_000)
    assert basis.value == pytest.approx(84_000 - 500 + 27.9 - 0.0097 * 93_000)
    assert any("To complete the wheel buy 0.5 BTC" in note for note in menu.notes)
    assert any("cost basis" in note for note in menu.notes)


def test_the_advice_ends_with_the_second_chain_after_it() -> None:
    ledger = assigned()
    for place, day in ((2, 6), (3, 7)):
        sold(ledger, CALL, "0.1", "0.01", f"c{place}", NOW + day * DAY)
    notes = menu_of(ledger, at_ms=NOW + 8 * DAY, spot=85_000.0).notes
    assert not any("To complete" in note for note in notes) and any("cost basis" in note for note in notes)


def test_a_wheel_writes_both_sides() -> None:
    with pytest.raises(ConfigError, match="cash_secured_put and covered_call"):
        menu_of(config=replace(CONFIG, writes=("covered_call",)))
