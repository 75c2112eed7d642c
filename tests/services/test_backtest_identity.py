"""Runs of random configurations: chains, holding and outside money are all that equity is made of, and all of it is
explained."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from optionwriter.adapters.paper import PaperBroker
from optionwriter.bootstrap.backtest_config import instance_of, read_config
from optionwriter.bootstrap.backtests import desk_for
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.books.account import CONVERSION, YIELD, CashMovement
from optionwriter.core.books.facts import Deposited, Filled
from optionwriter.core.decide.strategies.exits import ExitStyle, with_exit_style
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.attribution import AttributionMaker
from optionwriter.core.report.benchmarks import rules
from optionwriter.core.report.results import (
    Outcome,
    chain_rows,
    identity_gap,
    metric_rows,
    positions_of,
)
from optionwriter.core.report.run import RunSpec
from optionwriter.services.backtest import run_backtest
from optionwriter.settings import Settings

RUNS = int(os.environ.get("IDENTITY_RUNS", "20"))

START = 20_458 * MS_PER_DAY  # 2026-01-05
STRATEGIES = (
    "income",
    "covered_call_conservative",
    "covered_call_aggressive",
    "puts_experimental",
    "strangle",
    "call_spread",
    "put_spread",
    "wheel",
)
NEAR = 1e-9
T = TypeVar("T")


def random_run(seed: int, folder: Path) -> tuple[Outcome, dict[str, Decimal]]:
    """A run of a random configuration, and the money that came from outside, by currency."""
    rng = np.random.default_rng([20_260_105, seed])

    def one_of(*choices: T) -> T:
        return choices[int(rng.integers(len(choices)))]

    values = {
        "preset": one_of("ULTRA_SAFE", "BALANCED", "AGGRESSIVE", "AGGRESSIVE"),
        "step_minutes": one_of(360, 480, 720),
        "spread_share": one_of("0", "0.25", "0.5"),
        "fill": one_of("cross", "mid", "share", "probability"),
        "wait_minutes": one_of(5, 15, 60),
        "combo": one_of(False, True),
        "idle_yield_btc": one_of("0", "0.01"),
        "idle_yield_eth": one_of("0", "0.02"),
        "idle_yield_usdc": one_of("0", "0.045"),
        "model": one_of("anchored", "realised"),
        "iv_multiplier": float(rng.uniform(1.1, 1.6)),
        "listing": one_of("exchange", "plain"),
        "btc": str(round(float(rng.uniform(0.1, 5.0)), 8)),
        "eth": str(round(float(rng.uniform(1.0, 60.0)), 8)),
        "usdc": str(round(float(rng.uniform(20_000, 500_000)), 2)),
    }
    strategy = one_of(*STRATEGIES)
    values["wheel_convert"] = strategy == "wheel"
    begin = START + int(rng.integers(0, 100)) * MS_PER_DAY
    coins = one_of(("BTC",), ("ETH",), ("BTC", "ETH"))
    spec = RunSpec("t", "synthetic", strategy, coins, begin, begin + 5 * MS_PER_DAY, seed, values)
    settings, config = Settings(data_dir=folder), read_config(values)
    source = open_source(settings, spec, config)
    instance = instance_of(settings, spec.strategy, coins, config)
    style = one_of(*ExitStyle)
    desk = desk_for(settings, config, source, with_exit_style(instance, style), seed)
    given = {name: amount for name, amount in config.opening.items() if name in (*coins, "USDC")}
    broker = desk.broker
    assert isinstance(broker, PaperBroker)
    late = {coins[0]: Decimal("0.37"), "USDC": Decimal("1234.56")}
    steps = iter(range(1_000))

    def progress(_share: float, _text: str) -> None:
        if next(steps) == 4:
            for name, amount in late.items():
                broker.deposit(name, amount)

    def delivery(index: str, expiry_ms: int) -> float:
        assert expiry_ms <= desk.clock.now_ms()  # nobody knows it before
        return source.feed.delivery_price(index, expiry_ms)

    ran = run_backtest(desk, source.instants, str(style), progress, 0.0, 1.0, rules(delivery))
    assert not ran.failures
    for name, amount in late.items():
        given[name] += amount
    for one in broker.events_since(0):  # as the account says, not the books
        if isinstance(one, CashMovement) and one.kind in (YIELD, CONVERSION):
            assert one.kind == CONVERSION or (one.amount > 0 and config.idle_yields[one.currency] > 0)
            given[one.currency] += one.amount
    return ran.outcome, given


def check(found: Outcome, given: dict[str, Decimal]) -> int:
    """The identity by what went in and what is there, P&L by leg and day beside it; how many positions there were."""
    chains: dict[str, Decimal] = defaultdict(Decimal)
    chains_usd: dict[str, Decimal] = defaultdict(Decimal)
    for one in positions_of(found):
        chains[one.currency] += one.pnl.total.coin
        chains_usd[one.currency] += one.pnl.total.usd
    usd = Decimal(0)
    for name, amount in given.items():
        equity = Decimal(repr(float(found.curve.equity[name][-1])))
        assert abs(amount + chains[name] - equity) < Decimal(NEAR), name
        totals, price = found.book.totals[name], found.prices.indices[name]
        holding = amount * price - totals.deposited_usd + totals.flowed * price - totals.flowed_usd
        usd += totals.deposited_usd + chains_usd[name] + holding
    assert abs(float(usd) / float(found.curve.equity_usd[-1]) - 1.0) < NEAR
    gap = identity_gap(found)
    assert gap.coin == 0 and gap.usd < Decimal(NEAR)
    explained(found)
    beside(found)
    for rule in found.benchmarks:
        assert all(len(one) == len(found.curve.at_ms) for one in rule.equity.values())
        assert set(rule.equity) == set(given) and rule.equity["USDC"][-1] == pytest.approx(
            float(given["USDC"])
        )
    return len(positions_of(found))


def explained(found: Outcome) -> None:
    """The parts are the books' P&L: by chain, and their legs and days add up to it."""
    for one, row in zip(positions_of(found), chain_rows(found), strict=True):
        detail = row.detail["attribution"]
        assert isinstance(detail, dict)
        for unit, exact in (("coin", one.pnl.total.coin), ("usd", one.pnl.total.usd)):
            near = NEAR * max(1.0, abs(float(exact)))
            assert abs(sum(detail[unit].values()) - float(exact)) < near
            assert detail[unit]["fees"] == pytest.approx(float(getattr(one.pnl.fees, unit)), abs=near)
            for split in ("legs", "days"):
                again = sum(sum(part[unit].values()) for part in detail[split].values())
                assert abs(again - float(exact)) < near


def beside(found: Outcome) -> None:
    """Yield and saved fees stand beside the positions, in none of them; no fill pays less than nothing."""
    earned = [one.body for one in found.facts if isinstance(one.body, Deposited) and one.body.reason == YIELD]
    rows = {(one.currency, one.name): one.value for one in metric_rows(found, np.random.default_rng(1))}
    for name in found.curve.equity:
        own = sum((one.amount for one in earned if one.currency == name), Decimal(0))
        assert rows[name, "idle_yield"] == pytest.approx(float(own), abs=NEAR)
        option = rows[name, "option_pnl"]
        assert option is not None and rows[name, "net_profit"] == pytest.approx(option, abs=1e-7)
    assert all(one.body.fee >= 0 for one in found.facts if isinstance(one.body, Filled))
    saved = rows["USD", "fees_saved"]
    assert saved is not None and saved >= 0


def outcomes(seeds: range, folder: Path) -> Iterator[int]:
    for seed in seeds:
        yield check(*random_run(seed, folder))


def test_a_few_random_configurations_add_up(tmp_path: Path) -> None:
    assert sum(outcomes(range(4), tmp_path)) >= 4


@pytest.mark.slow
def test_many_random_configurations_add_up(tmp_path: Path) -> None:
    """As many as IDENTITY_RUNS says; `make identity` runs a hundred."""
    assert sum(outcomes(range(RUNS), tmp_path)) >= RUNS


def test_an_attribution_that_forgets_a_flow_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leg = AttributionMaker._leg

    def forgetful(self: AttributionMaker, state, chain, option, own, flows) -> None:
        leg(self, state, chain, option, own, flows[1:])

    monkeypatch.setattr(AttributionMaker, "_leg", forgetful)
    for seed in range(20):
        found, given = random_run(seed, tmp_path)
        if any(isinstance(one.body, Filled) for one in found.facts):
            with pytest.raises(AssertionError):
                check(found, given)
            return
    raise AssertionError("nothing was ever traded")
