"""Views against numbers computed by hand, and with numbers missing."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.core.books.account import Settlement, Side
from optionwriter.core.books.booking import book_events
from optionwriter.core.books.facts import Deposited
from optionwriter.core.books.pnl import Drawdown
from optionwriter.core.decide.choosing import ChoiceParams, choose_best, proposals
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.risk import capacity_of, review
from optionwriter.core.decide.strategies.base import Mode, defaults
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.report.decisions import decision_view, plain, status_view
from optionwriter.core.report.external import external_positions
from optionwriter.core.report.views import (
    account_view,
    closed_positions,
    observe,
    open_positions,
    totals,
)
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
SOLD = "BTC-17JAN26-102000-C"
DAY = 86_400_000
CHAIN = with_column(chain_at(spot=95_000.0), "mark", SOLD, 0.008)


def sold_one() -> Ledger:
    """One coin came at 90,000; one call sold for 0.005 (fee 0.0003) at 93,000."""
    ledger = Ledger()
    ledger.add(Deposited("m1", "BTC", D(1), "deposit", D(90_000)))
    ledger.sold(SOLD, "1", "0.005")
    return ledger


def seen(ledger: Ledger, chain: Any = CHAIN) -> Any:
    cash = currency("BTC", "1.0047", options_value="-0.008", initial="0.2")
    return state_of(chain, account=account(cash, positions={SOLD: "-1"}), book=ledger.book)


def settled(ledger: Ledger, delivery: str, payoff: str, fee: str = "0") -> None:
    """The held call ends."""
    end = Settlement(SOLD, D(-1), D(delivery), D(payoff), D(fee), NOW + 12 * DAY)
    facts, ledger.book = book_events([end], ledger.book, end.at_ms)
    ledger.facts.extend(facts)


def test_an_open_position_in_coin_and_dollars() -> None:
    (one,) = open_positions(seen(sold_one()))
    assert (one.underlying, one.option_type, one.strategy_id, one.strike) == ("BTC", "call", "cc", 102_000)
    assert (one.quantity, one.entry_price, one.current_mark) == (-1, D("0.005"), D("0.008"))
    assert one.unrealized_pnl_abs == D("-0.003")
    # sold for 0.005 × 93,000 = 465; worth 0.008 × 95,000 = 760
    assert one.unrealized_pnl_abs_usd == D("-295")
    assert one.unrealized_pnl_pct == D("-0.3")  # of one coin
    assert one.realized_pnl_abs == D("-0.0003")  # the fee is gone for good
    assert one.execution_mode == "live"
    assert one.days_to_expiry == pytest.approx(11.833, abs=0.001)
    assert totals((one,))[0].pnl_abs == D("-0.003")


def test_fees_and_premium_of_an_open_position_need_no_price() -> None:
    for chain in (CHAIN, with_column(CHAIN, "mark", SOLD, float("nan"))):
        (one,) = open_positions(seen(sold_one(), chain))
        assert (one.fees, one.fees_usd) == (D("-0.0003"), D("-27.9"))  # at 93,000
        assert (one.net_premium, one.net_premium_usd) == (D("0.0047"), D("437.1"))


def test_what_is_not_ours_is_valued_apart() -> None:
    bought = "BTC-17JAN26-90000-P"
    chain = with_column(CHAIN, "mark", bought, 0.002)
    cash = currency("BTC", "1.0047", options_value="-0.004", initial="0.2")
    state = state_of(
        chain, account=account(cash, positions={SOLD: "-1.5", bought: "2"}), book=sold_one().book
    )
    calls, puts = external_positions(state)
    assert (calls.instrument, calls.amount, calls.mark) == (SOLD, D("-0.5"), D("0.008"))
    assert (calls.worth, calls.worth_usd, calls.currency) == (D("-0.004"), D("-380"), "BTC")  # at 95,000
    assert (puts.option_type, puts.strike, puts.worth) == ("put", 90_000, D("0.004"))
    state = state_of(
        with_column(CHAIN, "mark", bought, float("nan")), account=account(cash, positions={bought: "2"})
    )
    (unknown,) = external_positions(state)
    assert (unknown.amount, unknown.mark, unknown.worth, unknown.worth_usd) == (2, None, None, None)


def test_without_a_mark_the_position_is_there_and_its_result_is_not() -> None:
    (one,) = open_positions(seen(sold_one(), with_column(CHAIN, "mark", SOLD, float("nan"))))
    assert (one.current_mark, one.unrealized_pnl_abs, one.unrealized_pnl_pct_usd) == (None, None, None)
    assert totals((one,))[0].pnl_abs is None


def test_a_closed_position_settled_in_the_money() -> None:
    ledger = sold_one()
    settled(ledger, "110000", "-0.07272727", "0.00015")
    (one,) = closed_positions(ledger.book)
    assert one.net_premium == D("0.0047")
    assert one.net_premium_usd == D("437.1")  # 0.0047 × 93,000
    assert one.realized_pnl_abs == D("0.0047") - D("0.07272727") - D("0.00015")
    assert one.realized_pnl_abs_usd == D("437.1") - (D("0.07272727") + D("0.00015")) * 110_000
    assert one.realized_pnl_pct == one.realized_pnl_abs * 100
    assert one.days_in_trade == pytest.approx(12.0)
    assert (one.number_of_rolls, one.closed_at) == (0, NOW + 12 * DAY)
    assert one.max_drawdown == -one.realized_pnl_abs
    assert open_positions(seen(ledger)) == ()
    assert totals((one,))[0].pnl_abs_usd == one.realized_pnl_abs_usd


def test_a_drawdown_on_the_way_is_remembered() -> None:
    ledger = sold_one()
    drawdowns: dict[str, Drawdown] = {}
    for mark in (0.001, 0.05, 0.002):
        drawdowns = observe(drawdowns, seen(ledger, with_column(CHAIN, "mark", SOLD, mark)))
    settled(ledger, "95000", "0")
    (one,) = closed_positions(ledger.book, drawdowns)
    assert one.max_drawdown == D("0.049")  # from +0.0037 to -0.0453
    assert one.realized_pnl_abs == D("0.0047")


def test_the_account_against_holding() -> None:
    view = account_view(seen(sold_one()))
    assert view.missing == ""
    assert view.equity_usd == (D("1.0047") - D("0.008")) * 95_000
    assert view.holding_usd == 95_000
    (btc,) = view.currencies
    assert btc.pnl is not None
    assert btc.pnl.option.usd + btc.pnl.holding_usd == view.equity_usd - 90_000
    assert btc.margin_used_pct == pytest.approx(D("19.906"), abs=D("0.001"))


def test_the_account_without_a_mark_names_it() -> None:
    view = account_view(seen(sold_one(), with_column(CHAIN, "mark", SOLD, float("nan"))))
    assert view.equity_usd is None
    assert SOLD in view.missing


def decided(ledger: Ledger | None = None) -> tuple[Any, Any]:
    """A cycle of the covered-call writer."""
    state = seen(ledger) if ledger else state_of(chain_at(), account=account())
    config = replace(defaults(Mode.RESEARCH, "cc"), underlyings=("BTC",))
    menus = strategy("covered_call").propose(state, config, capacity_of(state, Limits()))
    chosen = choose_best(menus, ChoiceParams(config.min_score)).keys
    return decision_view("cc", NOW, menus, chosen, review(state, Limits(), proposals(menus, chosen))), state


def test_a_decision_says_why_and_why_not() -> None:
    view, _ = decided()
    assert view.action == "OPEN_COVERED_CALL"
    assert view.approved == view.chosen
    (menu,) = view.menus
    assert menu.items[0].key == view.chosen[0]
    assert menu.counts_by_gate["delta"] > 0
    assert len(menu.nearest) == 5
    quiet, _ = decided(sold_one())
    assert (quiet.action, quiet.approved) == ("DO_NOTHING", ())
    assert quiet.menus[0].held[0].chain_id == "c1"


def test_refusals_are_in_words() -> None:
    state = state_of(chain_at(), account=replace(account(), margin_model="cross_pm"))
    config = replace(defaults(Mode.RESEARCH, "cc"), underlyings=("BTC",))
    menus = strategy("covered_call").propose(state, config, capacity_of(state, Limits()))
    chosen = choose_best(menus, ChoiceParams(0.0)).keys
    view = decision_view("cc", NOW, menus, chosen, review(state, Limits(), proposals(menus, chosen)))
    (refusal,) = view.refused
    assert refusal.codes == ("MARGIN_MODEL",)
    assert "cross_pm" in refusal.reasons[0]


def test_status_says_how_much_of_each_limit_is_used() -> None:
    _, state = decided(sold_one())
    view = status_view(state, Limits())
    uses = {(one.name, one.subject): (one.used, one.limit) for one in view.limits}
    assert uses[("call_notional_usd", "BTC")][0] == 95_000
    assert uses[("expiry_exposure_usd", "BTC")][0] == 95_000
    assert uses[("margin_used_pct", "BTC")][1] == 80
    assert 0 < uses[("net_delta_abs", "BTC")][0] < 1
    assert view.free_cover["BTC"] == D("0.0047")
    assert (view.state, view.open_chains, view.unresolved_orders) == ("ACTIVE", 1, 0)


def test_every_view_becomes_json() -> None:
    ledger = sold_one()
    view, state = decided(ledger)
    everything = plain([view, status_view(state, Limits()), account_view(state), open_positions(state)])
    text = json.dumps(everything, allow_nan=False)
    assert "0.008" in text
    assert len(json.dumps(plain(decided()[0]))) < 64_000
    settled(ledger, "95000", "0")
    json.dumps(plain(closed_positions(ledger.book)), allow_nan=False)
    with pytest.raises(TypeError, match="object"):
        plain(object())


def test_prepared_orders_alone_are_no_position() -> None:
    ledger = Ledger()
    ledger.prepared(SOLD, "1", "0.005", side=Side.SELL)
    assert open_positions(state_of(CHAIN, account=account(), book=ledger.book)) == ()
    assert closed_positions(ledger.book) == ()
