"""Bundles through the real cycle on the exchange engine: opened, half done, killed in the middle, closed and settled.

Whatever happens, the books are the exchange's to the last digit and no short leg is without its cover.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from optionwriter.bootstrap.desks import seat_sample
from optionwriter.cli.presets import load_preset
from optionwriter.core.books.account import Side
from optionwriter.core.books.book import OrderStatus, open_chains, unresolved
from optionwriter.core.books.chains import Chain, LegStatus
from optionwriter.core.books.facts import Action, Filled, IntentPrepared, OrderProvenAbsent, Settled
from optionwriter.core.books.pnl import account_pnl
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, parse_instrument
from optionwriter.core.report.views import closed_positions, open_positions, prices_of
from optionwriter.ports import TransportError
from optionwriter.services.cycle import CycleReport
from optionwriter.settings import Settings
from optionwriter.venue.wire import InProcessVenue
from tests.services.test_restart import Agent, lose

D = Decimal
RULES = """
[short]
kind = "{kind}"
underlyings = ["BTC"]
size_cap = {cap}
style = "{style}"
min_score = -9.0
[short.gates]
dte_min = 0.1
dte_max = 1.6
ivrv_min = 0.0
open_interest_min = 0.0
bid_size_min = 0.0
delta_min = {delta}
delta_max = 0.55
spread_max = 1.0
linear_spread_max = 1.0
premium_min_usd = 0.0
[short.manage]
take_profit_share = {profit}
min_remaining_yield = -1.0
roll_delta = 2.0
roll_otm = -10.0
far_itm = 10.0
roll_ivrv = 100.0
[short.bundle]
wing_width = 0.02
min_credit_usd = -1000.0
"""


@contextmanager
def agent(
    folder: Path,
    kind: str,
    style: str = "cross",
    cap: str = "1",
    profit: str = "2.0",
    delta: str = "0.05",
    btc: int = 2,
) -> Iterator[Agent]:
    """The agent of one strategy, started in the folder where it stopped."""
    folder.mkdir(exist_ok=True)
    strategies = folder.parent / "strategies.toml"
    strategies.write_text(RULES.format(kind=kind, style=style, cap=cap, profit=profit, delta=delta))
    settings = Settings(
        data_dir=folder,
        dry_run=False,
        strategies_file=strategies,
        max_price_deviation_pct=100,
        local_btc=D(btc),
    )
    with seat_sample(settings, fresh=False, interval_ms=MS_PER_HOUR) as seated:
        yield Agent(seated)


def covered(one: Agent) -> None:
    """The exchange's own cash holds the worst case of every short: a coin a call, the strike a put."""
    needed: dict[str, Decimal] = {}
    for name, held in one.theirs.positions.items():
        option = parse_instrument(name)
        if held.size < 0:
            each = D(1) if option.is_call else option.strike
            currency = option.product.settlement_currency
            needed[currency] = needed.get(currency, D(0)) - held.size * each
    for currency, worst in needed.items():
        assert one.theirs.cash[currency] >= worst


def adds_up(report: CycleReport) -> None:
    """option + holding = gain, over the whole account."""
    state = report.state
    held = {one.option.name: one.amount for one in state.held}
    pnl = account_pnl(state.book, held, prices_of(state))
    assert pnl.option_usd + pnl.holding_usd == pnl.gain_usd
    for currency in state.account.currencies:
        found = next(one for one in pnl.currencies if one.currency == currency.currency)
        assert abs(found.equity.coin - currency.equity) < D("0.00001") * (
            1 if currency.currency != "USDC" else 1_000
        )


def chains(one: Agent) -> list[Chain]:
    return list(one.book.chains.values())


def run(one: Agent, days: int, hours: int = 6) -> list[CycleReport]:
    """Cycles every few hours, each held to the exchange."""
    reports = []
    for _ in range(days * 24 // hours):
        report = one.cycle(hours * MS_PER_HOUR)
        assert not report.differences and not report.caught_up.unresolved
        assert not report.proposed[0].failure, report.proposed[0].failure
        one.agrees()
        covered(one)
        adds_up(report)
        reports.append(report)
    return reports


def settlements(one: Agent) -> dict[bool, int]:
    """How many sold legs ended in the money, and how many out of it."""
    found = {True: 0, False: 0}
    for chain in chains(one):
        for leg in chain.legs:
            if leg.sold and leg.status is LegStatus.SETTLED:
                option, at = parse_instrument(leg.instrument), leg.delivery_price
                assert at is not None
                found[at > option.strike if option.is_call else at < option.strike] += 1
    return found


@pytest.mark.slow
def test_call_spreads_open_and_settle_in_and_out_of_the_money(tmp_path: Path) -> None:
    with agent(tmp_path / "run", "call_spread", delta="0.3") as one:
        one.cycle(0)
        (chain,) = open_chains(one.book)
        assert (chain.strategy_type, chain.product) == ("call_spread", "BTC")
        wing, sold = chain.open_legs
        assert (wing.sold, sold.sold) == (False, True) and wing.position == -sold.position
        fills = one.told(Filled)
        assert [fill.side for fill in fills] == [Side.BUY, Side.SELL], "the wing was filled first"
        run(one, 8)
        assert min(settlements(one).values()) >= 1
        both = [chain for chain in chains(one) if len({leg.status for leg in chain.legs}) == 1]
        assert len(both) == len(chains(one)), "the legs of a spread end together"
        for row in closed_positions(one.book):
            assert row.currency == "BTC" and row.realized_pnl_abs == sum(leg.pnl_abs or 0 for leg in row.legs)


@pytest.mark.slow
def test_put_spreads_open_and_settle_in_and_out_of_the_money(tmp_path: Path) -> None:
    with agent(tmp_path / "run", "put_spread", delta="0.3") as one:
        one.cycle(0)
        (chain,) = open_chains(one.book)
        assert (chain.strategy_type, chain.product) == ("put_spread", "BTC_USDC")
        strikes = [parse_instrument(leg.instrument).strike for leg in chain.open_legs]
        assert strikes[0] < strikes[1], "the wing lies below"
        run(one, 12)
        assert min(settlements(one).values()) >= 1
        ended = [chain for chain in chains(one) if not chain.is_open and len(chain.legs) == 2]
        assert len(ended) >= 5
        for chain in ended:
            wing, sold = chain.legs
            width = parse_instrument(sold.instrument).strike - parse_instrument(wing.instrument).strike
            lost = -sum(flow.amount for flow in chain.flows if flow.kind == "payoff")
            assert sold.opened <= wing.opened and lost <= width * sold.opened, "never more than its width"


@pytest.mark.slow
def test_strangles_are_two_chains_that_share_a_bundle(tmp_path: Path) -> None:
    with agent(tmp_path / "run", "strangle", delta="0.3") as one:
        report = one.cycle(0)
        call, put = open_chains(one.book)
        assert (call.product, put.product) == ("BTC", "BTC_USDC")
        assert call.bundle == put.bundle != "" and {call.strategy_type, put.strategy_type} == {"strangle"}
        assert report.proposed[0].chosen[0].endswith("/full") and len(report.executions) == 2
        later = one.cycle(MS_PER_HOUR)
        (row,) = open_positions(later.state)
        assert (row.option_type, row.strategy_type, row.currency) == ("strangle", "strangle", "USD")
        assert {leg.currency for leg in row.legs} == {"BTC", "USDC"}
        assert row.unrealized_pnl_abs is not None and row.realized_pnl_abs is not None
        worth = sum(leg.pnl_abs_usd for leg in row.legs if leg.pnl_abs_usd is not None)
        assert row.unrealized_pnl_abs + row.realized_pnl_abs == worth
        run(one, 8)
        assert min(settlements(one).values()) >= 1
        rows = closed_positions(one.book)
        assert len(rows) >= 5 and all(len(one.legs) == 2 for one in rows)
        total = sum(one.realized_pnl_abs_usd for one in rows)
        kept = [chain for chain in chains(one) if not any(
            other.is_open for other in chains(one) if other.bundle == chain.bundle)]  # fmt: skip
        assert total == sum(flow.amount * flow.index for chain in kept for flow in chain.flows)


@pytest.mark.slow
def test_profit_is_taken_on_both_legs_the_sale_first(tmp_path: Path) -> None:
    with agent(tmp_path / "run", "call_spread", profit="0.3", delta="0.2") as one:
        one.cycle(0)
        run(one, 6, hours=2)
        closed = [chain for chain in chains(one) if any(leg.status is LegStatus.CLOSED for leg in chain.legs)]
        assert closed
        closes = [
            body.intent for body in one.told(IntentPrepared) if body.intent.action is Action.CLOSE_CALL_SPREAD
        ]
        sides = [intent.side for intent in closes]
        assert sides and sides[0] is Side.BUY and all(intent.reduce_only for intent in closes)
        for first, second in pairwise(closes):
            if first.plan == second.plan:
                assert (first.side, second.side) == (Side.BUY, Side.SELL)


# -- half done --------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone."""


def kill_at(
    monkeypatch: pytest.MonkeyPatch, when: Callable[[str, Mapping[str, object]], bool], after: bool
) -> None:
    """The process dies at the first call that `when` picks: before it leaves, or after it was taken."""
    true_call = InProcessVenue.call

    def call(self: InProcessVenue, method: str, params: Mapping[str, object]) -> bytes:
        if not when(method, params):
            return true_call(self, method, params)
        if after:
            true_call(self, method, params)
        raise Killed

    monkeypatch.setattr(InProcessVenue, "call", call)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before it left", "after it was taken"])
@pytest.mark.parametrize("method", ["private/buy", "private/sell"])
@pytest.mark.parametrize("kind", ["call_spread", "put_spread"])
def test_a_spread_killed_between_its_legs_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, method: str, after: bool
) -> None:
    with monkeypatch.context() as dying:
        kill_at(dying, lambda name, _: name == method, after)
        with pytest.raises(Killed), agent(tmp_path / "run", kind) as one:
            one.cycle(0)
    with agent(tmp_path / "run", kind) as one:
        (left,) = unresolved(one.book)
        one.cycle(30_000)  # past valid_until: found, or proven absent
        assert not unresolved(one.book)
        known = one.book.orders[left.intent.label]
        assert bool(one.told(OrderProvenAbsent)) is not after and (known.filled > 0) is after
        one.cycle(30_000)
        (chain,) = open_chains(one.book)
        assert sorted(leg.sold for leg in chain.open_legs) == [False, True]
        assert sum(leg.position for leg in chain.open_legs) == 0
        assert chain.strategy_type == kind
        one.agrees()
        covered(one)
        run(one, 2)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before it left", "after it was taken"])
@pytest.mark.parametrize("side", ["BTC-", "BTC_USDC-"])
def test_a_strangle_killed_between_its_sides_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str, after: bool
) -> None:
    def picked(method: str, params: Mapping[str, object]) -> bool:
        return method == "private/sell" and str(params["instrument_name"]).startswith(side)

    with monkeypatch.context() as dying:
        kill_at(dying, picked, after)
        with pytest.raises(Killed), agent(tmp_path / "run", "strangle") as one:
            one.cycle(0)
    with agent(tmp_path / "run", "strangle") as one:
        assert len(unresolved(one.book)) == (2 if side == "BTC-" else 1), (
            "both were committed before one was sent"
        )
        one.cycle(30_000)
        one.cycle(30_000)
        call, put = sorted(open_chains(one.book), key=lambda chain: chain.product)
        assert call.bundle == put.bundle
        expiries = {parse_instrument(chain.open_legs[0].instrument).expiry_ms for chain in (call, put)}
        assert len(expiries) == 1
        one.agrees()
        covered(one)
        run(one, 2)


def test_a_lost_answer_to_the_wing_holds_the_sale_back_until_it_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(tmp_path / "run", "call_spread") as one:
        with monkeypatch.context() as faulty:
            lose(faulty, {"private/buy": "reply"})
            report = one.cycle(0)
        wing, sale = report.executions
        assert (wing.outcome, sale.outcome, sale.detail) == (
            "unknown",
            "not sent",
            "the step before it is unknown",
        )
        assert not [order for order in one.theirs.orders.values() if order.side is Side.SELL]
        report = one.cycle(1_000)
        assert [one.intent.reason for one in report.executions] == ["finish"]
        (chain,) = open_chains(one.book)
        assert sum(leg.position for leg in chain.open_legs) == 0
        one.agrees()


def test_a_wing_that_can_not_be_finished_is_sold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with agent(tmp_path / "run", "call_spread") as one, monkeypatch.context() as faulty:
        lose(faulty, {"private/sell": "request"})
        one.cycle(0)
        (left,) = unresolved(one.book)
        assert left.intent.side is Side.SELL
    strategies = tmp_path / "strategies.toml"
    with agent(tmp_path / "run", "call_spread", delta="0.54") as one:  # nothing passes the gates any more
        assert "0.54" in strategies.read_text()
        one.cycle(30_000)
        one.cycle(30_000)
        (chain,) = chains(one)
        assert not chain.is_open and [leg.status for leg in chain.legs] == [LegStatus.CLOSED]
        ended = [body.intent for body in one.told(IntentPrepared)][-1]
        assert (ended.action, ended.reason, ended.reduce_only) == (Action.CLOSE_CALL_SPREAD, "unwind", True)
        one.agrees()
        (row,) = closed_positions(one.book)
        assert row.realized_pnl_abs < 0, "the spread was crossed twice"


def test_a_spread_larger_than_the_quotes_goes_on_with_what_was_bought(tmp_path: Path) -> None:
    """The market shows less than is wanted: the wing fills in part, the sale follows for as much."""
    with agent(tmp_path / "run", "call_spread", cap="30", btc=40) as one:
        reports = [one.cycle(0)]
        first = reports[0].executions
        assert first[0].outcome == "working" and first[0].filled < first[0].intent.amount
        assert first[1].outcome == "not sent"
        for _ in range(4):
            reports.append(one.cycle(60_000))
            (chain,) = open_chains(one.book)
            bought = sum(leg.position for leg in chain.open_legs if not leg.sold)
            sold = -sum(leg.position for leg in chain.open_legs if leg.sold)
            assert sold <= bought
            one.agrees()
            covered(one)
        assert sold > 0


def test_a_side_that_the_exchange_refuses_leaves_the_other_managed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put that never comes: the call lives on alone, and its row says strangle."""
    true_call = InProcessVenue.call

    def call(self: InProcessVenue, method: str, params: Mapping[str, object]) -> bytes:
        if method == "private/sell" and str(params["instrument_name"]).startswith("BTC_USDC-"):
            raise TransportError("connection reset")
        return true_call(self, method, params)

    with agent(tmp_path / "run", "strangle") as one, monkeypatch.context() as faulty:
        faulty.setattr(InProcessVenue, "call", call)
        one.cycle(0)
        for _ in range(3):
            report = one.cycle(30_000)
            assert not report.differences
        (chain,) = open_chains(one.book)
        assert chain.product == "BTC"
        (row,) = open_positions(report.state)
        assert (row.option_type, len(row.legs)) == ("strangle", 1)
        one.pass_time(2 * MS_PER_DAY)
        one.cycle(0)
        assert not chains(one)[0].is_open and one.told(Settled)
        assert closed_positions(one.book)[0].option_type == "strangle"
        assert all(order.status is OrderStatus.DONE or order.intent.instrument.startswith("BTC_USDC")
                   for order in one.book.orders.values())  # fmt: skip
        one.agrees()


@pytest.mark.slow
def test_the_research_preset_opens_a_strangle_and_a_spread_within_minutes(tmp_path: Path) -> None:
    """Its day is two minutes long: three hours of the exchange are fifteen seconds."""
    loaded, name = load_preset("research", {"data_dir": tmp_path / "run", "dry_run": False})
    assert name == "research" and loaded.settings.mode == "research"
    assert loaded.settings.local_speed * 60 >= 12 * 3_600
    every_ms = loaded.settings.loop_interval_sec * 1_000
    with seat_sample(loaded.settings, fresh=False, interval_ms=every_ms) as seated:
        one = Agent(seated)
        one.cycle(0)
        for _ in range(3 * MS_PER_HOUR // every_ms):
            one.cycle(every_ms)
        kinds = {
            chain.strategy_type: parse_instrument(chain.legs[0].instrument) for chain in open_chains(one.book)
        }
        assert kinds["strangle"].product.underlying == "BTC"
        assert kinds["call_spread"].product.underlying == "ETH"
        one.agrees()
        covered(one)
