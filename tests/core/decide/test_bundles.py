"""Risk on bundles: which legs make sense together, what they claim, and which slots they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import bundled_chain_id
from optionwriter.core.books.facts import Action
from optionwriter.core.decide.choosing import Proposal
from optionwriter.core.decide.execution import later_step
from optionwriter.core.decide.limits import Cap, Code, Limits
from optionwriter.core.decide.menu import MenuItem, OrderLeg
from optionwriter.core.decide.orders import chain_id_of, plan_orders, plans_of
from optionwriter.core.decide.risk import Review, review
from optionwriter.core.market.instruments import OptionType
from tests.core.decide.worlds import (
    NOW,
    Ledger,
    account,
    buy_back,
    chain_at,
    currency,
    item,
    sell,
    state_of,
)

D = Decimal
CALLS, PUTS = chain_at(), chain_at("BTC_USDC")
SOLD, WING, FAR, NEARER = (f"BTC-17JAN26-{strike}-C" for strike in (102_000, 108_000, 110_000, 98_000))
LATER, LATER_WING = "BTC-24JAN26-104000-C", "BTC-24JAN26-110000-C"
PUT, PUT_WING = "BTC_USDC-17JAN26-84000-P", "BTC_USDC-17JAN26-80000-P"
LOOSE = Limits(price_collar_pct=D("1e9"))
BUNDLE = "b" + "0123456789" * 2


def buy(instrument: str, amount: str, price: str) -> OrderLeg:
    """A leg that opens a long."""
    return OrderLeg(instrument, Side.BUY, D(amount), D(price), D(price), False)


def sell_out(instrument: str, amount: str, price: str) -> OrderLeg:
    """A leg that closes a long."""
    return OrderLeg(instrument, Side.SELL, D(amount), D(price), D(price), True)


def of(action: Action, *legs: OrderLeg, chain_id: str = "") -> MenuItem:
    """An item of that action."""
    return replace(item(*legs, chain_id=chain_id, key=f"cc/{action}/{len(legs)}"), action=action)


def judged(*items: MenuItem, limits: Limits = LOOSE, ledger: Ledger | None = None, **cash: str) -> Review:
    """What risk says of the items, in their order, on an account with that cash and the ledger's positions."""
    balances = {"BTC": "1", "USDC": "100000", **cash}
    held = {} if ledger is None else positions_of(ledger)
    seen = account(*(currency(code, amount) for code, amount in balances.items()), positions=held)
    state = state_of(CALLS, PUTS, account=seen, book=None if ledger is None else ledger.book)
    return review(state, limits, [Proposal("cc", "spread", "BTC", one) for one in items])


def positions_of(ledger: Ledger) -> dict[str, str]:
    return {
        leg.instrument: str(leg.position) for chain in ledger.book.chains.values() for leg in chain.open_legs
    }


def codes(found: Review) -> list[Code]:
    return [code for one in found.refused for code in one.codes]


def half_open(wing: str = "1", sold: str = "0") -> Ledger:
    """A spread of which the wing was bought, and perhaps some sold."""
    ledger = Ledger()
    ledger.traded(Action.OPEN_CALL_SPREAD, Side.BUY, WING, wing, "0.002", chain="c1")
    if sold != "0":
        ledger.traded(Action.OPEN_CALL_SPREAD, Side.SELL, SOLD, sold, "0.005", chain="c1")
    return ledger


SPREAD = of(Action.OPEN_CALL_SPREAD, sell(SOLD, "1", "0.005"), buy(WING, "1", "0.002"))


def test_a_spread_reserves_the_whole_coin_and_pays_for_its_wing() -> None:
    # 1 for the call, less 0.005 + 0.0003 fee, and 0.002 + 0.00025 for the wing
    needed = 1 - D("0.005") + D("0.0003") + D("0.002") + D("0.00025")
    assert judged(SPREAD, BTC=str(needed)).approved
    found = judged(SPREAD, BTC=str(needed - D("1e-8")))
    assert codes(found) == [Code.NOT_COVERED]
    assert not judged(SPREAD, SPREAD, BTC="1.5").approved[1:], "no second one on what the first has taken"


def test_a_put_spread_reserves_the_whole_strike() -> None:
    spread = of(Action.OPEN_PUT_SPREAD, sell(PUT, "1", "455"), buy(PUT_WING, "1", "200"))
    needed = 84_000 - 455 + D(455) / 8 + 200 + D(200) / 8
    assert judged(spread, USDC=str(needed)).approved
    assert codes(judged(spread, USDC=str(needed - D("1e-6")))) == [Code.NOT_COVERED]


def test_an_inverse_put_is_refused_inside_a_spread() -> None:
    spread = of(
        Action.OPEN_PUT_SPREAD,
        sell("BTC-17JAN26-84000-P", "0.1", "0.005"),
        buy("BTC-17JAN26-80000-P", "0.1", "0.002"),
    )
    assert codes(judged(spread, BTC="100")) == [Code.INVERSE_PUT_REFUSED]


@pytest.mark.parametrize(
    ("legs", "word"),
    [
        ([sell(SOLD, "1", "0.005")], "has no wing"),
        ([buy(WING, "1", "0.002")], "sells nothing against it"),
        ([sell(SOLD, "1", "0.005"), buy(NEARER, "1", "0.009")], "no further out"),
        ([sell(SOLD, "1", "0.005"), buy(SOLD, "1", "0.006")], "twice"),
        ([sell(SOLD, "1", "0.005"), buy(LATER_WING, "1", "0.004")], "does not expire with"),
        ([sell(SOLD, "1", "0.005"), buy(WING, "0.5", "0.002")], "smaller than what is sold"),
        ([sell(SOLD, "1", "0.005"), buy("BTC_USDC-17JAN26-108000-C", "1", "150")], "one product"),
        ([sell(SOLD, "1", "0.005"), buy(WING, "1", "0.002"), buy(FAR, "1", "0.001")], "more than one wing"),
        ([sell(SOLD, "1", "0.005"), sell(FAR, "1", "0.001"), buy(WING, "1", "0.002")], "more than one sale"),
    ],
)
def test_legs_that_make_no_spread_are_malformed(legs: Sequence[OrderLeg], word: str) -> None:
    found = judged(of(Action.OPEN_CALL_SPREAD, *legs), BTC="50")
    assert Code.MALFORMED in codes(found)
    assert word in "; ".join(one.detail for one in found.refused[0].findings)


def test_only_a_spread_may_buy_and_only_a_strangle_may_open_both_sides() -> None:
    both = (sell(SOLD, "0.1", "0.005"), sell(PUT, "0.1", "455"))
    assert judged(of(Action.OPEN_STRANGLE, *both)).approved
    assert codes(judged(of(Action.OPEN_COVERED_CALL, *both))) == [Code.MALFORMED]
    assert codes(judged(of(Action.OPEN_COVERED_CALL, *SPREAD.legs), BTC="9")) == [Code.MALFORMED]


def test_a_strangle_is_covered_in_each_currency_by_itself() -> None:
    both = of(Action.OPEN_STRANGLE, sell(SOLD, "1", "0.005"), sell(PUT, "1", "455"))
    assert judged(both).approved
    assert codes(judged(both, USDC="80000")) == [Code.NOT_COVERED]
    assert codes(judged(both, BTC="0.9", USDC="500000")) == [Code.NOT_COVERED]


def test_a_strangle_takes_both_slots_a_spread_its_short_legs() -> None:
    strangle = of(Action.OPEN_STRANGLE, sell(SOLD, "0.1", "0.005"), sell(PUT, "0.1", "455"))
    call = of(Action.OPEN_COVERED_CALL, sell(FAR, "0.1", "0.001"))
    put = of(Action.OPEN_CASH_SECURED_PUT, sell(PUT_WING, "0.1", "200"))
    spread = of(Action.OPEN_CALL_SPREAD, sell(NEARER, "0.1", "0.01"), buy(WING, "0.1", "0.002"))
    for second in (call, put, spread):
        assert codes(judged(strangle, second)) == [Code.CHAINS]
        assert codes(judged(second, strangle)) == [Code.CHAINS]
    assert len(judged(spread, put).approved) == 2
    assert codes(judged(spread, call)) == [Code.CHAINS]


def test_a_wing_lowers_no_notional_and_no_delta() -> None:
    spread = of(Action.OPEN_CALL_SPREAD, sell(SOLD, "1", "0.005"), buy(WING, "1", "0.002"))
    cap = Cap.usd(93_000)
    assert judged(spread, limits=replace(LOOSE, max_call_notional_per_underlying=cap)).approved
    tight = replace(LOOSE, max_call_notional_per_underlying=Cap.usd(92_999))
    assert codes(judged(spread, limits=tight)) == [Code.CALL_NOTIONAL]
    by_expiry = replace(LOOSE, max_expiry_exposure=Cap.usd(92_999))
    assert codes(judged(spread, limits=by_expiry)) == [Code.EXPIRY_EXPOSURE]
    alone = judged(of(Action.OPEN_COVERED_CALL, sell(SOLD, "1", "0.005")), limits=net(D("0.0001")))
    with_wing = judged(spread, limits=net(D("0.0001")))
    assert alone.refused[0].findings == with_wing.refused[0].findings


def test_a_wing_counts_towards_net_delta_where_it_alone_goes_further() -> None:
    """Puts were sold up to the bound; a wing that fills while its sale doesn't would pass it."""
    ledger = Ledger()
    ledger.traded(Action.OPEN_CASH_SECURED_PUT, Side.SELL, PUT, "1", "455", chain="c9")
    spread = of(Action.OPEN_CALL_SPREAD, sell(SOLD, "1", "0.005"), buy(WING, "1", "0.002"))
    before = judged(spread, ledger=ledger, limits=net(D(0))).refused[0].findings[0]
    assert before.code is Code.NET_DELTA
    from optionwriter.core.decide.exposure import delta_of
    from optionwriter.core.market.instruments import parse_instrument

    state = state_of(CALLS, PUTS, account=account())
    put, wing = (delta_of(state, parse_instrument(name)) for name in (PUT, WING))
    assert before.value == -put + wing
    assert judged(spread, ledger=ledger, limits=net(-put + wing)).approved


def net(most: Decimal) -> Limits:
    return replace(LOOSE, max_net_delta_abs={"*": most})


def test_the_price_collar_holds_the_wing_too() -> None:
    mark = D(str(float(CALLS.mark[CALLS.table.row_of[WING]])))
    dear = str((mark * D("1.6")).quantize(D("0.0001")))
    spread = of(Action.OPEN_CALL_SPREAD, sell(SOLD, "0.1", "0.005"), buy(WING, "0.1", dear))
    found = judged(spread, limits=Limits())
    assert codes(found) == [Code.PRICE_COLLAR] and "buy" in found.refused[0].findings[0].detail


# -- spreads that are half done ---------------------------------------------------------------------------------------


def test_a_half_open_spread_may_be_finished_by_what_its_wing_allows() -> None:
    finish = of(Action.OPEN_CALL_SPREAD, sell(SOLD, "1", "0.005"), chain_id="c1")
    assert judged(finish, ledger=half_open()).approved
    assert codes(judged(finish, ledger=half_open("0.5"))) == [Code.MALFORMED]
    beyond = of(Action.OPEN_CALL_SPREAD, sell(FAR, "1", "0.001"), chain_id="c1")
    assert codes(judged(beyond, ledger=half_open())) == [Code.MALFORMED]


def test_what_is_sold_already_may_grow_in_its_own_chain_only() -> None:
    ledger = half_open("1", "0.3")
    more = of(Action.OPEN_CALL_SPREAD, sell(SOLD, "0.7", "0.005"), chain_id="c1")
    assert judged(more, ledger=ledger, BTC="1.1").approved
    assert codes(judged(replace(more, legs=(sell(SOLD, "0.8", "0.005"),)), ledger=ledger, BTC="2")) == [
        Code.MALFORMED
    ]
    other = of(Action.OPEN_COVERED_CALL, sell(SOLD, "0.1", "0.005"))
    assert Code.INSTRUMENT_TAKEN in codes(judged(other, ledger=ledger, BTC="3"))
    against = of(Action.OPEN_COVERED_CALL, sell(WING, "0.1", "0.002"), chain_id="c1")
    assert Code.INSTRUMENT_TAKEN in codes(judged(against, ledger=ledger, BTC="3"))


def test_finishing_takes_the_slot_that_the_wing_alone_did_not() -> None:
    ledger = half_open()
    ledger.traded(Action.OPEN_COVERED_CALL, Side.SELL, FAR, "0.1", "0.001", chain="c2")
    finish = of(Action.OPEN_CALL_SPREAD, sell(SOLD, "0.1", "0.005"), chain_id="c1")
    assert codes(judged(finish, ledger=ledger)) == [Code.CHAINS]
    begun = half_open("1", "0.3")
    more = replace(finish, legs=(sell(SOLD, "0.2", "0.005"),))
    assert judged(more, ledger=begun).approved, "a chain that has sold is in its slot"


def test_a_wing_is_sold_only_with_or_after_what_it_stands_beside() -> None:
    ledger = half_open("1", "1")
    alone = of(Action.CLOSE_CALL_SPREAD, sell_out(WING, "1", "0.002"), chain_id="c1")
    assert codes(judged(alone, ledger=ledger)) == [Code.MALFORMED]
    both = of(
        Action.CLOSE_CALL_SPREAD, sell_out(WING, "1", "0.002"), buy_back(SOLD, "1", "0.006"), chain_id="c1"
    )
    assert judged(both, ledger=ledger).approved
    assert judged(alone, ledger=half_open()).approved
    partly = replace(both, legs=(sell_out(WING, "1", "0.002"), buy_back(SOLD, "0.5", "0.006")))
    assert codes(judged(partly, ledger=ledger)) == [Code.MALFORMED]
    short = of(Action.CLOSE_CALL_SPREAD, sell_out(FAR, "1", "0.002"), chain_id="c1")
    assert Code.NOT_OURS in codes(judged(short, ledger=half_open()))


def test_a_chain_stays_with_its_product_and_type_and_a_bundle_with_its_strategy() -> None:
    ledger = Ledger()
    mine = bundled_chain_id(BUNDLE, OptionType.CALL)
    ledger.traded(Action.OPEN_STRANGLE, Side.SELL, SOLD, "0.1", "0.005", chain=mine, strategy="other")
    put = bundled_chain_id(BUNDLE, OptionType.PUT)
    complete = of(Action.OPEN_STRANGLE, sell(PUT, "0.1", "455"), chain_id=put)
    assert codes(judged(complete, ledger=ledger)) == [Code.NOT_OURS]
    wrong = of(Action.OPEN_STRANGLE, sell(PUT, "0.1", "455"), chain_id=mine)
    assert Code.MALFORMED in codes(judged(wrong, ledger=ledger))


def test_chains_of_one_item_lend_each_other_nothing() -> None:
    """What a close in one chain frees can't cover a sale in another: the two go out side by side."""
    ledger = half_open("1", "1")
    legs = (buy_back(SOLD, "1", "0.005"), sell(LATER, "1", "0.008"))
    assert judged(of(Action.ROLL_CALL, *legs, chain_id="c1"), ledger=ledger, BTC="1").approved
    apart = of(Action.ROLL_CALL, replace(legs[0], chain_id="c1"), replace(legs[1], chain_id="c2"))
    assert Code.NOT_COVERED in codes(judged(apart, ledger=ledger, BTC="1"))


# -- orders -----------------------------------------------------------------------------------------------------------


def approved(one: MenuItem, **given: Any) -> Any:
    found = judged(one, **given)
    assert not found.refused, found.refused
    return found.approved[0]


def test_a_spreads_orders_buy_before_they_sell() -> None:
    one = approved(SPREAD, BTC="2")
    intents = plan_orders(one, "d1", "CCBOT_", NOW, 5_000)
    assert [(intent.side, intent.instrument) for intent in intents] == [(Side.BUY, WING), (Side.SELL, SOLD)]
    ((chain, mine),) = plans_of(one, "d1", intents)
    assert mine == intents and chain == chain_id_of(one, "d1") and chain.startswith("c")


def test_a_rolled_spread_goes_back_buy_sell_buy_sell() -> None:
    roll = of(
        Action.ROLL_CALL_SPREAD,
        sell(LATER, "1", "0.008"),
        buy(LATER_WING, "1", "0.004"),
        sell_out(WING, "1", "0.002"),
        buy_back(SOLD, "1", "0.006"),
        chain_id="c1",
    )
    intents = plan_orders(approved(roll, ledger=half_open("1", "1"), BTC="1.1"), "d1", "CCBOT_", NOW, 5_000)
    assert [intent.instrument for intent in intents] == [SOLD, WING, LATER_WING, LATER]


def test_a_strangles_orders_are_two_chains_of_one_bundle() -> None:
    one = approved(of(Action.OPEN_STRANGLE, sell(SOLD, "0.1", "0.005"), sell(PUT, "0.1", "455")))
    intents = plan_orders(one, "d1", "CCBOT_", NOW, 5_000)
    (call, first), (put, second) = plans_of(one, "d1", intents)
    assert (first, second) == ((intents[0],), (intents[1],))
    assert {intent.plan for intent in intents} == {intents[0].plan} and intents[0].label != intents[1].label
    assert call.removesuffix(".call") == put.removesuffix(".put")
    assert plans_of(one, "d2", intents)[0][0] != call, "another decision is another bundle"


# -- how much of a later step -----------------------------------------------------------------------------------------


def steps(*legs: OrderLeg, action: Action = Action.ROLL_CALL_SPREAD) -> tuple[Any, ...]:
    """The intents of such a plan, in their order."""
    one = of(action, *legs, chain_id="c1")
    return plan_orders(approved(one, ledger=half_open("1", "1"), BTC="2"), "d1", "CCBOT_", NOW, 5_000)


def test_a_roll_opens_in_the_proportion_in_which_it_closed() -> None:
    """Else it would sell on cover that something else of the same cycle was given."""
    roll = steps(buy_back(SOLD, "1", "0.006"), sell(LATER, "0.8", "0.008"), action=Action.ROLL_CALL)
    chain = half_open("1", "1").book.chains["c1"]
    assert later_step(roll, 1, [D(1)], chain) == D("0.8")
    assert later_step(roll, 1, [D("0.5")], chain) == D("0.4")
    assert later_step(roll, 1, [D("0.1")], chain) == 0  # 0.08 is no lot
    assert later_step(roll, 1, [D(0)], chain) == 0


def test_a_sale_waits_for_its_wing_and_a_wing_for_its_sale() -> None:
    roll = steps(
        buy_back(SOLD, "1", "0.006"), sell_out(WING, "1", "0.002"), buy(LATER_WING, "1", "0.004"),
        sell(LATER, "1", "0.008"),
    )  # fmt: skip
    held = half_open("1", "1").book.chains["c1"]
    assert later_step(roll, 1, [D(0)], held) == 0, "all of the wing is needed still"
    partly = half_open("1", "0.6").book.chains["c1"]
    assert later_step(roll, 1, [D("0.4")], partly) == D("0.4")
    assert later_step(roll, 2, [D("0.4"), D("0.4")], partly) == D("0.4")
    assert later_step(roll, 3, [D("0.4"), D("0.4"), D("0.4")], partly) == 0, "no later wing is held yet"
    opening = plan_orders(approved(SPREAD, BTC="2"), "d1", "CCBOT_", NOW, 5_000)
    assert later_step(opening, 1, [D("0.3")], half_open("0.3").book.chains["c1"]) == D("0.3")
    assert later_step(opening, 1, [D(0)], None) == 0
