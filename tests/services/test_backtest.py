"""The event driver over a made market: books that add up, styles that differ, runs that repeat and can be stopped."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from optionwriter.bootstrap.backtest_config import BacktestConfig, instance_of, read_config
from optionwriter.bootstrap.backtests import desk_for, runner
from optionwriter.bootstrap.sources import Source, open_source
from optionwriter.core.books.facts import Deposited, Filled, Settled
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.decide.strategies.exits import ExitStyle, with_exit_style
from optionwriter.core.market.instruments import MS_PER_DAY, product
from optionwriter.core.report.attribution import PARTS
from optionwriter.core.report.results import Outcome, curve_columns, identity_gap, metric_rows
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import MarketUnavailableError
from optionwriter.services.backtest import run_backtest
from optionwriter.services.jobs import RunError, StoppedError
from optionwriter.settings import Settings

START = 20_458 * MS_PER_DAY  # 2026-01-05
SPEC = RunSpec("t", "synthetic", "income", ("BTC",), START, START + 12 * MS_PER_DAY, 3, {"step_minutes": 240})


def silent(_share: float, _text: str) -> None:
    """Progress that nobody watches."""


def opened(tmp_path: Path, spec: RunSpec = SPEC) -> tuple[Settings, BacktestConfig, Source]:
    settings = Settings(data_dir=tmp_path)
    config = read_config(spec.config)
    return settings, config, open_source(settings, spec, config)


def opened_instance(tmp_path: Path, spec: RunSpec) -> object:
    return instance_of(Settings(data_dir=tmp_path), spec.strategy, spec.underlyings, read_config(spec.config))


def outcome(tmp_path: Path, style: ExitStyle = ExitStyle.OWN, spec: RunSpec = SPEC) -> Outcome:
    settings, config, source = opened(tmp_path, spec)
    instance = with_exit_style(instance_of(settings, spec.strategy, spec.underlyings, config), style)
    ran = run_backtest(desk_for(settings, config, source, instance), source.instants, str(style), silent)
    assert not ran.failures
    return ran.outcome


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return outcome(tmp_path_factory.mktemp("own"))


def test_positions_and_holding_add_up_to_the_change_of_equity(own: Outcome) -> None:
    fills = [one for one in own.facts if isinstance(one.body, Filled)]
    assert len(fills) >= 2 and {one.body.instrument[-1] for one in fills} == {"C", "P"}
    gap = identity_gap(own)
    assert gap.coin == 0 and gap.usd < Decimal("1e-9")
    usd = {one.name: one.value for one in metric_rows(own, np.random.default_rng(1)) if one.currency == "USD"}
    told = (usd[name] for name in ("holding_net_profit", "option_pnl", "flows_gained"))
    assert sum(told) == pytest.approx(usd["net_profit"], abs=1e-6)
    assert usd["flows_gained"] != 0
    # the curve ends where the books do
    for currency, column in own.curve.equity.items():
        totals = own.book.totals[currency]
        held = sum(
            (
                leg.position * own.prices.marks[leg.instrument]
                for chain in own.book.chains.values()
                for leg in chain.open_legs
                if (leg.instrument.split("-")[0].endswith("USDC")) == (currency == "USDC")
            ),
            Decimal(0),
        )
        assert column[-1] == pytest.approx(
            float(totals.deposited + totals.flowed + held), abs=2e-6
        )  # USDC is shown to six digits


def test_metrics_say_what_the_books_say(own: Outcome) -> None:
    rows = {(one.currency, one.name): one.value for one in metric_rows(own, np.random.default_rng(1))}
    curve = own.curve
    assert rows["USD", "net_profit"] == pytest.approx(curve.equity_usd[-1] - curve.equity_usd[0])
    assert rows["USD", "net_profit"] == pytest.approx(
        rows["USD", "holding_net_profit"] + rows["USD", "over_holding"]
    )
    assert rows["BTC", "net_profit"] == pytest.approx(rows["BTC", "option_pnl"])
    paid = sum((one.body.fee for one in own.facts if isinstance(one.body, Filled | Settled)), Decimal(0))
    coin = sum(
        (one.body.fee for one in own.facts
         if isinstance(one.body, Filled | Settled) and not one.body.instrument.startswith("BTC_USDC")),
        Decimal(0),
    )  # fmt: skip
    assert rows["BTC", "fees"] == pytest.approx(float(coin))
    assert rows["USDC", "fees"] == pytest.approx(float(paid - coin))
    assert rows["USD", "trades"] == len(own.book.chains)


def test_next_to_nothing_is_left_unexplained(own: Outcome) -> None:
    """Steps of four hours: what no move explains is below a fiftieth of the sum of what moved."""
    rows = {(one.currency, one.name): one.value or 0.0 for one in metric_rows(own, np.random.default_rng(1))}
    for unit in ("BTC", "USDC", "USD"):
        parts = [abs(rows[unit, f"attributed_{name}"]) for name in PARTS]
        assert sum(parts) > 0.0 and parts[-1] < 0.02 * sum(parts)


@pytest.mark.slow
def test_a_multiplied_volatility_is_run_again_at_one(tmp_path: Path) -> None:
    config = {"step_minutes": 240, "model": "realised", "iv_multiplier": 1.4}
    spec = replace(SPEC, config=config, end_ms=START + 6 * MS_PER_DAY)
    shares: list[float] = []
    run = runner(Settings(data_dir=tmp_path))
    found = run(spec, lambda share, _text: shares.append(share))
    plain = run(replace(spec, config={**config, "iv_multiplier": 1.0}), silent)
    rows = {(one.currency, one.name): one.value for one in found.metrics}
    alone = {(one.currency, one.name): one.value for one in plain.metrics}
    for name in ("net_profit", "option_pnl", "trades"):
        assert rows["USD", f"at_multiplier_1_{name}"] == alone["USD", name]
        assert ("USD", f"at_multiplier_1_{name}") not in alone
    assert rows["USD", "option_pnl"] != alone["USD", "option_pnl"]
    assert shares == sorted(shares) and 0.9 < shares[-1] < 1.0
    text = " ".join(found.notes)
    assert "IV/RV gate is not informative" in text and "own: at multiplier 1 (" in text
    assert len(found.curves) == 1 and {one.exit_style for one in found.chains} <= {"own"}


def test_idle_cash_and_combos_stand_beside_the_positions(tmp_path: Path, own: Outcome) -> None:
    config = {**SPEC.config, "combo": True, "idle_yield_btc": "0.02", "idle_yield_usdc": "0.05"}
    found = outcome(tmp_path, spec=replace(SPEC, config=config))
    gap = identity_gap(found)
    assert gap.coin == 0 and gap.usd < Decimal("1e-9")
    rows = {(one.currency, one.name): one.value for one in metric_rows(found, np.random.default_rng(1))}
    earned = [one for one in found.facts if isinstance(one.body, Deposited) and one.body.reason == "yield"]
    assert (
        rows["USDC", "idle_yield"]
        == float(sum(one.body.amount for one in earned if one.body.currency == "USDC"))
        > 0
    )
    before = {(one.currency, one.name): one.value for one in metric_rows(own, np.random.default_rng(1))}
    assert before["USD", "idle_yield"] == before["USD", "fees_saved"] == 0
    # the same trades as far as they are the same: profit is net of what came from outside
    for unit in ("BTC", "USDC"):
        assert rows[unit, "net_profit"] == pytest.approx(rows[unit, "option_pnl"])
    singles = sum(
        trading_fee(
            product(one.body.instrument.split("-")[0]), one.body.amount, one.body.price, one.body.index
        )
        - one.body.fee
        for one in found.facts
        if isinstance(one.body, Filled) and "USDC" not in one.body.instrument
    )
    assert rows["BTC", "fees_saved"] == float(singles)


def test_a_wheel_that_converts_turns(tmp_path: Path) -> None:
    """A fall in a week: its put is settled in the money, its coins are bought, and the books add up as before."""
    begin = START + 26 * MS_PER_DAY
    config = {"step_minutes": 480, "preset": "AGGRESSIVE", "wheel_convert": True, "convert_cost": "0.002"}
    spec = RunSpec("t", "synthetic", "wheel", ("BTC",), begin, begin + 8 * MS_PER_DAY, 1, config)
    found = outcome(tmp_path, ExitStyle.HOLD_TO_EXPIRY, spec)
    moved = {
        one.body.currency: one.body
        for one in found.facts
        if isinstance(one.body, Deposited) and one.body.reason == "conversion"
    }
    (put,) = (one.body for one in found.facts if isinstance(one.body, Settled) and one.body.payoff < 0)
    assert (
        moved["BTC"].amount == -put.position > 0
    )  # every coin of the put, at the index and a fifth of a percent
    price = moved["BTC"].index * Decimal("1.002")
    assert abs(moved["USDC"].amount + moved["BTC"].amount * price) < Decimal("1e-5")
    gap = identity_gap(found)
    assert gap.coin == 0 and gap.usd < Decimal("1e-9")
    rows = {(one.currency, one.name): one.value for one in metric_rows(found, np.random.default_rng(1))}
    cost = float(moved["BTC"].amount * moved["BTC"].index) * 0.002
    assert rows["USD", "conversions"] == pytest.approx(-cost, abs=1e-4)
    assert rows["BTC", "conversions"] == float(moved["BTC"].amount)
    assert rows["BTC", "net_profit"] == pytest.approx(
        rows["BTC", "option_pnl"], abs=1e-9
    )  # bought coin is no profit
    with pytest.raises(RunError, match="wheel_convert is for a wheel, income is"):
        opened_instance(tmp_path, replace(spec, strategy="income"))


def test_the_same_run_twice_is_the_same_to_the_last_digit(tmp_path: Path) -> None:
    run = runner(Settings(data_dir=tmp_path))
    spec = replace(
        SPEC, config={**SPEC.config, "exit_styles": "own,hold_to_expiry"}, end_ms=START + 6 * MS_PER_DAY
    )
    one, other = run(spec, silent), run(spec, silent)
    # NaN is equal to itself here: rows are compared as they are written
    assert repr(one) == repr(other) and len(one.curves) == 2
    moved = run(replace(spec, seed=4), silent)
    assert moved.provenance.data_fingerprint != one.provenance.data_fingerprint


def test_held_to_expiry_nothing_is_bought_back(tmp_path: Path) -> None:
    held = outcome(tmp_path, ExitStyle.HOLD_TO_EXPIRY)
    bought = [one for one in held.facts if isinstance(one.body, Filled) and one.body.side.sign > 0]
    assert not bought and any(isinstance(one.body, Settled) for one in held.facts)
    assert all(chain.rolls == 0 for chain in held.book.chains.values())


def test_orders_fill_where_they_are_told_to(tmp_path: Path) -> None:
    crossed, kept = (
        outcome(tmp_path, spec=replace(SPEC, config={**SPEC.config, "spread_share": share}))
        for share in ("0", "0.5")
    )
    first = [
        next(one.body for one in each.facts if isinstance(one.body, Filled) and "USDC" in one.body.instrument)
        for each in (crossed, kept)
    ]
    assert first[0].instrument == first[1].instrument
    assert first[1].price > first[0].price  # half of the spread is kept


def test_a_run_can_be_stopped_at_every_step(tmp_path: Path) -> None:
    settings, config, source = opened(tmp_path)
    desk = desk_for(settings, config, source, instance_of(settings, "income", ("BTC",), config))
    told: list[float] = []

    def progress(share: float, text: str) -> None:
        told.append(share)
        if len(told) == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_backtest(desk, source.instants, "own", progress, 0.5, 0.5)
    assert told == [0.5 + 0.5 * n / len(source.instants) for n in range(4)]


def test_a_market_that_mostly_fails_gives_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, config, source = opened(tmp_path)
    desk = desk_for(settings, config, source, instance_of(settings, "income", ("BTC",), config))

    class Gone:
        def chain(self, code: str) -> object:
            raise MarketUnavailableError(f"{code}: no quotes")

        def history(self, underlying: str) -> object:
            raise MarketUnavailableError(underlying)

    with pytest.raises(RunError, match=r"steps failed, the first at .* no quotes: choose other data"):
        run_backtest(replace(desk, market=Gone()), source.instants, "own", silent)


def test_a_stored_curve_keeps_its_extremes(own: Outcome) -> None:
    columns = curve_columns(own.curve)
    lengths = {len(column) for column in columns.values()}
    assert len(lengths) == 1
    usd = columns["equity_usd"]
    assert (
        isinstance(usd, list)
        and max(usd) == own.curve.equity_usd.max()
        and min(usd) == own.curve.equity_usd.min()
    )
