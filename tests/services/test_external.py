"""Positions and orders of another hand on the same account: they are seen and counted, and never touched.

The stranger trades on the exchange in-process under labels of his own, beside the agent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optionwriter.bootstrap.desks import Desktop, seat_sample
from optionwriter.core.books.book import open_chains
from optionwriter.core.books.facts import Filled
from optionwriter.core.decide.risk import capacity_of
from optionwriter.core.market.instruments import MS_PER_HOUR, OptionType
from optionwriter.core.report.decisions import limit_uses, status_view
from optionwriter.core.report.views import open_positions
from optionwriter.ports import BrokerUnavailableError
from optionwriter.services.cycle import CycleReport, observe, run_cycle
from optionwriter.settings import Settings

D = Decimal
BTC_CASH = D(2)


@pytest.fixture
def seated(tmp_path: Path) -> Iterator[Desktop]:
    strategies = tmp_path / "strategies.toml"
    strategies.write_text('[calls]\nkind = "covered_call"\n')
    chosen = Settings(data_dir=tmp_path / "run", dry_run=False, strategies_file=strategies)
    with seat_sample(chosen, fresh=False, interval_ms=MS_PER_HOUR) as desktop:
        yield desktop


def stranger(desktop: Desktop, side: str, name: str, amount: str, **params: object) -> dict[str, Any]:
    """An order of another hand on the same account."""
    assert desktop.transport is not None
    chain = observe(desktop.desk).chain("BTC")
    assert chain is not None
    row = chain.table.row_of[name]
    touch = float(chain.bid[row] if side == "sell" else chain.ask[row])
    given = {"instrument_name": name, "amount": float(amount), "label": "by hand", "type": "limit", "price": touch,
             **params}  # fmt: skip
    reply = json.loads(desktop.transport.call(f"private/{side}", given), parse_float=Decimal)
    assert "result" in reply, reply
    order: dict[str, Any] = reply["result"]["order"]
    return order


def above(desktop: Desktop, name: str) -> float:
    """A price at which a sale rests: well over the ask, on the grid, within the exchange's band."""
    chain = observe(desktop.desk).chain("BTC")
    assert chain is not None
    return round(float(chain.ask[chain.table.row_of[name]]) * 1.3 / 0.0005) * 0.0005


def some_call(desktop: Desktop) -> str:
    """A call on BTC that the agent itself would like: what it would sell now."""
    seat = desktop.desk.seats[0]
    state = observe(desktop.desk)
    menus = seat.strategy.propose(state, seat.config, capacity_of(state, desktop.desk.limits, seat.config.id))
    items = [one for menu in menus for one in menu.items if menu.underlying == "BTC" and "-C" in one.key]
    return items[0].legs[0].instrument


def cycle(desktop: Desktop) -> CycleReport:
    report = run_cycle(desktop.desk)
    desktop.desk.clock.sleep_until(report.at_ms + MS_PER_HOUR)
    return report


def ours(report: CycleReport, coin: str) -> dict[str, Decimal]:
    chains = open_chains(report.state.book)
    return {leg.instrument: leg.position for one in chains for leg in one.open_legs if one.product == coin}


def test_a_strangers_short_call_is_counted_shown_and_left_alone(seated: Desktop) -> None:
    cycle(seated)
    first = cycle(seated)  # the ledger is open, and ours are sold
    mine = ours(first, "BTC")
    assert sum(mine.values()) == -BTC_CASH  # all coins covered
    before = capacity_of(observe(seated.desk), seated.desk.limits).free("BTC")

    held = next(iter(mine))
    name = f"{held.rsplit('-', 2)[0]}-{int(held.split('-')[2]) + 2_000}-C"
    order = stranger(seated, "sell", name, "0.5")
    assert order["order_state"] == "filled"
    report = cycle(seated)
    state = observe(seated.desk)

    seen = {one.option.name: (one.amount, one.ours, one.external) for one in state.held}
    assert seen[name] == (D("-0.5"), 0, D("-0.5"))  # state tells it apart
    status = status_view(state, seated.desk.limits)
    assert status.external == {name: D("-0.5")}
    assert name not in {leg.instrument for one in open_positions(state) for leg in one.legs}  # no row of ours
    uses = {
        (one.name, one.subject): one for one in limit_uses(state, seated.desk.limits) if not one.strategy_id
    }
    index = state.underlyings["BTC"].index
    calls = uses["call_notional_usd", "BTC"]
    assert (calls.used, calls.external) == ((BTC_CASH + D("0.5")) * index, D("0.5") * index)
    assert uses["covered_coins", "BTC"].external == D("0.5")
    assert uses["vega_usd", "account"].used > uses["vega_usd", "account"].external > 0
    assert uses["call_chains", "BTC"].used == 1  # chains are ours alone

    after = capacity_of(state, seated.desk.limits)
    assert after.free("BTC") == 0 and before < D("0.1")
    assert name in after.taken
    # all coins were bound: now half a coin too many is sold, by the stranger; nothing new follows in BTC calls
    assert not [one for one in report.review.approved if "/open/" in one.item.key and "BTC-" in one.item.key]
    for _ in range(6):
        report = cycle(seated)
    amounts = {one.instrument: one.amount for one in seated.desk.broker.account().positions}
    assert amounts[name] == D("-0.5")
    assert not any(one.intent.instrument == name for one in report.executions)
    told = [fact for fact in seated.desk.recorder.facts() if name in str(fact.body)]
    assert [(fact.chain_id, fact.strategy_id, type(fact.body)) for fact in told] == [
        ("", "", Filled)
    ]  # its cash


def test_what_a_stranger_holds_is_taken_and_binds_its_cover(seated: Desktop) -> None:
    name = some_call(seated)
    assert stranger(seated, "sell", name, "0.7")["order_state"] == "filled"
    seated.desk.clock.sleep_until(seated.desk.clock.now_ms() + MS_PER_HOUR)  # before our ledger opens
    report = cycle(seated)
    sold = ours(report, "BTC")
    assert name not in sold
    report = cycle(seated)
    sold = ours(report, "BTC")
    assert sold and name not in sold and -sum(sold.values()) <= BTC_CASH - D("0.7") + D("0.1")
    gates = [one for each in report.proposed for menu in each.menus for one in menu.nearest(400)]
    assert any(one.instrument == name and one.gate in ("taken", "slot") for one in gates)


def test_a_strangers_resting_order_counts_as_filled_and_is_not_cancelled(seated: Desktop) -> None:
    name = some_call(seated)
    order = stranger(seated, "sell", name, "1.5", price=above(seated, name), post_only=True)
    assert order["order_state"] == "open"
    for _ in range(4):
        report = cycle(seated)
    state = report.state
    assert [one.order_id for one in state.account.open_orders] == [order["order_id"]]
    sold = ours(report, "BTC")
    assert name not in sold and -sum(sold.values()) <= D("0.6")  # 2 - 1.5 (1 - 0.045)
    capacity = capacity_of(state, seated.desk.limits)
    assert name in capacity.taken and capacity.slots["BTC", OptionType.CALL] == (0 if sold else 1)
    uses = {(one.name, one.subject): one for one in limit_uses(state, seated.desk.limits)}
    assert uses["call_notional_usd", "BTC"].external == D("1.5") * state.underlyings["BTC"].index


def test_a_strangers_label_that_begins_like_ours_is_still_a_strangers(seated: Desktop) -> None:
    name = some_call(seated)
    order = stranger(
        seated, "sell", name, "0.5", price=above(seated, name), post_only=True, label="CCBOT_mine"
    )
    for _ in range(3):
        report = cycle(seated)
    assert order["order_id"] in {one.order_id for one in report.state.account.open_orders}
    told = [fact for fact in seated.desk.recorder.facts() if "CCBOT_mine" in str(fact.body)]
    assert not any(fact.chain_id or fact.strategy_id for fact in told)


def test_a_strangers_bought_option_lowers_no_limit_on_sold_ones(seated: Desktop) -> None:
    first = cycle(seated)
    first = cycle(seated)
    name = next(iter(ours(first, "BTC")))
    other = f"{name.rsplit('-', 2)[0]}-{int(name.split('-')[2]) + 2_000}-C"

    def vega() -> Decimal:
        state = observe(seated.desk)
        frozen = replace(state, at_ms=first.at_ms)
        return next(one.used for one in limit_uses(frozen, seated.desk.limits) if one.name == "vega_usd")

    before = vega()
    assert stranger(seated, "buy", other, "1")["order_state"] == "filled"
    assert vega() == before > 0
    assert {one.option.name: one.external for one in observe(seated.desk).held}[other] == 1


def test_a_coin_that_is_not_traded_is_held_and_valued(tmp_path: Path) -> None:
    chosen = Settings(data_dir=tmp_path / "run", dry_run=False, underlyings="BTC")
    with seat_sample(chosen, fresh=False, interval_ms=MS_PER_HOUR) as desktop:
        first = cycle(desktop)
        second = cycle(desktop)
    assert second.state.book.cash["ETH"] == 20 and "ETH" in second.state.underlyings
    eth = second.state.price_usd("ETH")
    assert eth is not None and second.state.equity_usd > 20 * eth + 200_000
    assert {one.intent.instrument.split("-")[0] for each in (first, second) for one in each.executions} <= {
        "BTC",
        "BTC_USDC",
    }


def test_a_trade_in_the_very_instant_of_the_opening_is_booked_once(seated: Desktop) -> None:
    """The cash that the exchange shows then may have the trade in it or not: the ledger waits for the next instant."""
    sold = stranger(seated, "sell", some_call(seated), "0.1")
    assert sold["order_state"] == "filled"
    with pytest.raises(BrokerUnavailableError, match="the next cycle opens it"):
        run_cycle(seated.desk)
    assert not seated.desk.recorder.book.seq
    seated.desk.clock.sleep_until(seated.desk.clock.now_ms() + 1_000)
    report = cycle(seated)
    assert not report.differences
    shown = seated.desk.broker.account().currency("BTC")
    assert shown is not None and seated.desk.recorder.book.cash["BTC"] == shown.balance
