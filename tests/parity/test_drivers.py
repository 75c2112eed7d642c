"""Parity of the drivers: the compiled loop does what the cycle does, trade by trade, on made and recorded markets.

PARITY_RUNS names how many random configurations. The mutations show that the comparison sees what it should: one line
changed in the event driver's path alone, and it says where the two part.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity.drivers import (
    SYNTHETIC_FROM,
    Case,
    by_event,
    by_loop,
    case,
    check,
    divergence,
    market_of,
    random_case,
    trades,
)

from optionwriter.adapters.paper import broker as paper
from optionwriter.bootstrap.compiled import CompiledMarket, figures_compiled
from optionwriter.core.books.facts import Filled, Settled
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.books.settlement import settle
from optionwriter.core.decide import screening
from optionwriter.core.decide.managing import manage
from optionwriter.core.decide.rolling import roll_rows
from optionwriter.core.decide.strategies import holding, view
from optionwriter.core.decide.strategies.exits import ExitStyle
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.likeness import returns_over_holding
from optionwriter.core.report.results import Outcome, chain_rows, metric_rows

pytestmark = pytest.mark.slow
RUNS = int(os.environ.get("PARITY_RUNS", "6"))


def test_random_configurations(tmp_path: Path) -> None:
    """Both kinds, both coins, all exit styles, fills and presets, prices since 2022 and recorded chains."""
    fills = settled = 0
    for seed in range(RUNS):
        asked = random_case(seed, tmp_path)
        words, found = check(asked)
        assert words == "", f"seed {seed}: {asked}\n{words}"
        fills += sum(isinstance(one.body, Filled) for one in found.facts)
        settled += sum(isinstance(one.body, Settled) for one in found.facts)
    assert fills > 2 * RUNS
    assert settled
    print(f"\n{RUNS} configurations, {fills} fills, {settled} settlements: all the same")


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, CompiledMarket, Outcome]:
    """A fortnight of both sides that opens, rolls, takes profit and rests; the market and the loop's outcome."""
    folder = tmp_path_factory.mktemp("busy")
    values = {"preset": "CUSTOM", "step_minutes": 120, "changes": {
        "gates.ivrv_min": 0.5, "gates.dte_min": 1.0, "gates.dte_max": 6.0, "gates.delta_max": 0.4, "min_score": -1.0,
    }}  # fmt: skip
    asked = case(folder, "income", "BTC", ExitStyle.OWN, SYNTHETIC_FROM + 1_240 * MS_PER_DAY, 14, values)
    market = market_of(asked)
    return asked, market, by_loop(asked, market)


def test_the_results_are_the_same_to_the_last_metric(busy: tuple[Case, CompiledMarket, Outcome]) -> None:
    asked, market, compiled = busy
    event = by_event(asked, market)
    assert divergence(event, compiled) == ""
    mine, its = (metric_rows(one, np.random.default_rng(3)) for one in (compiled, event))
    assert [(one.currency, one.name) for one in mine] == [(one.currency, one.name) for one in its]
    for a, b in zip(mine, its, strict=True):
        for x, y in ((a.value, b.value), (a.error, b.error)):
            assert (x is None) == (y is None)
            assert x is None or y is None or np.isclose(x, y, rtol=1e-9, atol=1e-9, equal_nan=True), (a, b)
    flows = [[(one.opened_ms, one.closed_ms, one.pnl, one.pnl_usd, one.detail["rolls"]) for one in chain_rows(run)]
             for run in (compiled, event)]  # fmt: skip
    assert flows[0] == flows[1]
    reasons = {row[5] for row in trades(compiled.facts) if row[2] != "settled"}
    assert {"open", "profit_captured"} < reasons
    assert reasons & {"delta_reached", "strike_near", "deep_in_the_money"}


@pytest.fixture(scope="module")
def ending(busy: tuple[Case, CompiledMarket, Outcome]) -> tuple[Case, CompiledMarket, Outcome]:
    """The same fortnight held to expiry: it settles, in the money too."""
    asked, market, _ = busy
    held = replace(asked, style=ExitStyle.HOLD_TO_EXPIRY)
    outcome = by_loop(held, market)
    assert any(isinstance(one.body, Settled) and one.body.payoff for one in outcome.facts)
    return held, market, outcome


def test_a_sweeps_figures_are_the_metrics(busy: tuple[Case, CompiledMarket, Outcome]) -> None:
    asked, market, compiled = busy
    found = figures_compiled(market, asked.config, asked.instance, asked.style)
    rows = {(one.currency, one.name): one.value for one in metric_rows(compiled, np.random.default_rng(3))}
    for value, key in (
        (found.net_profit_coin, ("BTC", "net_profit")),
        (found.net_profit_usd, ("USD", "net_profit")),
        (found.over_holding_usd, ("USD", "over_holding")),
        (found.max_drawdown, ("USD", "max_drawdown")),
        (found.sharpe, ("USD", "sharpe")),
        (found.trades, ("USD", "trades")),
        (found.win_rate, ("USD", "win_rate")),
        (found.fees_usd, ("USD", "fees")),
        (found.premium_usd, ("USD", "premium_sold")),
    ):
        assert value == pytest.approx(rows[key], rel=1e-9, abs=1e-9), key
    daily = returns_over_holding(compiled.curve)
    assert found.over_holding_daily == daily and len(set(daily)) > 5
    assert found.final_equity_usd == pytest.approx(float(compiled.curve.equity_usd[-1]), rel=1e-12)


def _dearer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fee(product: Any, amount: Decimal, price: Decimal, index: Decimal) -> Decimal:
        return trading_fee(product, amount, price, index, Decimal("0.00031"))

    monkeypatch.setattr(paper, "trading_fee", fee)


def _settled_a_dollar_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        paper, "settle", lambda option, held, price, daily: settle(option, held, price + 1, daily)
    )


def _dailies_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "is_daily", lambda _: False)


def _profit_a_hair_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(held: Any, params: Any) -> Any:
        return manage(held, params._replace(take_profit_share=params.take_profit_share - 0.05))

    monkeypatch.setattr(holding, "manage", judged)


def _rolls_go_further(monkeypatch: pytest.MonkeyPatch) -> None:
    def allowed(*asked: Any) -> None:
        *rows, params, gates, verdicts = asked
        further = params._replace(min_extra_days=params.min_extra_days + 8.0)
        roll_rows(*rows, further, gates, verdicts)

    monkeypatch.setattr(holding, "roll_rows", allowed)


def _narrower_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(chain: Any, is_call: bool, realised: float, gates: Any, *rest: Any) -> Any:
        return screening.screen(
            chain, is_call, realised, gates._replace(delta_min=gates.delta_min + 0.12), *rest
        )

    monkeypatch.setattr(view, "screen", seen)


def _caught(of: tuple[Case, CompiledMarket, Outcome], mutate: Callable[[pytest.MonkeyPatch], None]) -> str:
    asked, market, compiled = of
    with pytest.MonkeyPatch.context() as patch:
        mutate(patch)
        return divergence(by_event(asked, market), compiled)


@pytest.mark.parametrize("mutate", [_dearer, _profit_a_hair_earlier, _rolls_go_further, _narrower_delta])
def test_a_changed_rule_is_caught(
    busy: tuple[Case, CompiledMarket, Outcome], mutate: Callable[[pytest.MonkeyPatch], None]
) -> None:
    words = _caught(busy, mutate)
    assert words.startswith("trade "), words
    print(f"\n{mutate.__name__}: {words}")


@pytest.mark.parametrize("mutate", [_settled_a_dollar_off, _dailies_pay])
def test_a_changed_settlement_is_caught(
    ending: tuple[Case, CompiledMarket, Outcome], mutate: Callable[[pytest.MonkeyPatch], None]
) -> None:
    words = _caught(ending, mutate)
    assert words.startswith("trade "), words
    assert "settled" in words
    print(f"\n{mutate.__name__}: {words}")


def test_a_curve_that_differs_is_told(busy: tuple[Case, CompiledMarket, Outcome]) -> None:
    """The comparison sees equity too, from one part in a thousand million on."""
    _, _, compiled = busy
    curve = compiled.curve
    bent = {**curve.equity, "USDC": curve.equity["USDC"] * (1.0 + 3e-9)}
    words = divergence(compiled, replace(compiled, curve=replace(curve, equity=bent)))
    assert words.startswith("USDC at ")
