"""What the account carries tilts the score: figures by hand, on calls and puts, with others' positions among them."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.menu import MenuItem, Size
from optionwriter.core.decide.risk import capacity_of
from optionwriter.core.decide.scoring import ScoreParams, market_tilt, score
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import (
    WRITES,
    DownsideParams,
    Mode,
    StrategyConfig,
    defaults,
)
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.decide.strategies.tilting import carried, tilt_of
from optionwriter.core.decide.strategies.view import View, view_of
from optionwriter.core.market.context import HORIZON_DAYS, MarketContext
from optionwriter.core.market.instruments import parse_instrument
from tests.core.decide.worlds import NOW, account, chain_at, currency, state_of

D = Decimal
START = replace(defaults(Mode.RESEARCH, "in"), underlyings=("BTC",), max_items=999)
BOTH = replace(START, kind="income", writes=("covered_call", "cash_secured_put"))
PUT, CALL = parse_instrument("BTC_USDC-17JAN26-84000-P"), parse_instrument("BTC-17JAN26-102000-C")
NEAR = "BTC_USDC-17JAN26-92000-P"  # near enough for the gates


def world(positions: dict[str, str] | None = None, btc: str = "2", usdc: str = "200000") -> AgentState:
    """2 BTC at 100,000 and 200,000 USDC: 400,000 of equity; no ETH."""
    chains = (
        chain_at(spot=100_000.0),
        chain_at("BTC_USDC", spot=100_000.0),
        chain_at("ETH", spot=3_000.0),
        chain_at("ETH_USDC", spot=3_000.0),
    )
    cash = (currency("BTC", btc), currency("ETH", "0"), currency("USDC", usdc))
    return state_of(*chains, account=account(*cash, positions=positions))


def seen(state: AgentState, writes: str, config: StrategyConfig = BOTH) -> View:
    found = view_of(state, config, capacity_of(state, Limits()), "BTC", WRITES[writes])
    assert found is not None
    return found


def test_a_puts_loss_at_the_stress_and_the_coins_share_if_assigned() -> None:
    view = seen(world(), "cash_secured_put")
    tilt = tilt_of(view, carried(view), PUT, D("0.5"), 0.1)
    # the index falls by 30 % to 70,000: 14,000 a coin, 7,000 of 400,000; assigned: 2.5 coins of 100,000
    assert tilt.drawdown == pytest.approx(0.0175)
    assert tilt.allocation == pytest.approx(0.625)
    assert (tilt.risk, tilt.max_drawdown, tilt.target_allocation) == (0.1, 0.20, 0.70)
    assert math.isnan(tilt.covered)


def test_every_short_put_of_the_account_counts_ours_or_not() -> None:
    held = {"BTC_USDC-17JAN26-90000-P": "-1", "ETH_USDC-17JAN26-2800-P": "-10"}
    view = seen(world(held), "cash_secured_put")
    tilt = tilt_of(view, carried(view), PUT, D("0.5"), 0.1)
    # 20,000 for one at 90,000, 700 each for ten at 2,800 (ether at 2,100), and 7,000 for this one
    assert tilt.drawdown == pytest.approx((20_000 + 7_000 + 7_000) / 400_000)
    assert tilt.allocation == pytest.approx(3.5 * 100_000 / 400_000)


def test_the_share_of_the_coins_that_is_covered_with_the_sale() -> None:
    view = seen(world({"BTC-17JAN26-110000-C": "-0.5"}), "covered_call")
    tilt = tilt_of(view, carried(view), CALL, D("0.7"), 0.1)
    assert tilt.covered == pytest.approx(1.2 / 2)
    assert math.isnan(tilt.drawdown) and math.isnan(tilt.allocation)


def items(state: AgentState, config: StrategyConfig) -> dict[tuple[str, Size], MenuItem]:
    (menu,) = strategy(config.kind).propose(state, config, capacity_of(state, Limits(max_put_chains=2)))
    return {(item.legs[0].instrument, item.size): item for item in menu.items}


def parts(item: MenuItem) -> dict[str, float]:
    assert sum(value for _, value in item.parts) == pytest.approx(item.score)
    return dict(item.parts)


def test_items_carry_the_penalty_of_their_own_size() -> None:
    config = replace(BOTH, sizes=tuple(Size), target_allocation={"BTC": 0.60})
    found = items(world(), config)
    full, least = found[(NEAR, Size.FULL)], found[(NEAR, Size.MINIMUM)]
    amount = full.legs[0].amount
    share = float((2 + amount) * 100_000 / 400_000)
    assert share > 0.60
    assert parts(full)["allocation"] == pytest.approx(-0.20 * min(1, (share - 0.60) / 0.20))
    assert parts(least)["allocation"] == 0 and least.score > full.score
    for name, value in parts(full).items():
        if name not in ("allocation", "drawdown"):
            assert value == parts(least)[name]
    call = next(item for (name, size), item in found.items() if name.endswith("C") and size is Size.FULL)
    assert parts(call)["capacity"] == pytest.approx(-0.05)  # both coins covered


def test_puts_past_the_acceptable_drawdown_lose_the_score_they_need() -> None:
    calm = items(world(), BOTH)[(NEAR, Size.FULL)]
    strict = replace(BOTH, downside=DownsideParams(max_drawdown=0.0, stress=0.5))
    shy = items(world(), strict)[(NEAR, Size.FULL)]
    assert parts(shy)["drawdown"] == pytest.approx(-0.30)
    assert parts(calm)["drawdown"] == 0


def with_context(state: AgentState, **given: Any) -> AgentState:
    """The same world with a context that knows of pumps and crashes."""
    found = dict(state.underlyings)
    one = found["BTC"]
    context = MarketContext("BTC", NOW, 0.4, 0.4, **given)
    return replace(state, underlyings={**found, "BTC": replace(one, context=context)})


def test_calls_pay_for_pumps_and_puts_for_crashes_and_neither_for_what_is_not_known() -> None:
    sure, never = (1.0,) * len(HORIZON_DAYS), (0.0,) * len(HORIZON_DAYS)
    quiet = items(world(), BOTH)
    pump = items(with_context(world(), pump_curve=sure, crash_curve=never), BOTH)
    crash = items(with_context(world(), pump_curve=never, crash_curve=sure), BOTH)
    assert set(quiet) == set(pump) == set(crash)
    for key, item in quiet.items():
        hit, spared = (pump, crash) if key[0].endswith("C") else (crash, pump)
        side = "pump" if key[0].endswith("C") else "crash"
        assert parts(spared[key]) == parts(item)
        assert parts(hit[key])[side] < 0 == parts(item)[side]
    days = {key: item.metrics.dte for key, item in quiet.items()}
    far = next(key for key in quiet if days[key] > 5)
    assert min(parts(pump[far])["pump"], parts(crash[far])["crash"]) == pytest.approx(-0.20)


def test_an_items_parts_are_the_one_score_functions() -> None:
    """The screen's sizeless parts and the sale's own meet to what score() says of both at once."""
    from tests.core.decide.test_rules import GOOD

    state = world(positions={"BTC-17JAN26-110000-C": "-1"})
    view = seen(state, "covered_call")
    tilt = tilt_of(view, carried(view), CALL, D("0.9"), 0.7)
    weights = ScoreParams()
    both, alone = score(GOOD, tilt, weights), score(GOOD, market_tilt(0.7), weights)
    assert both[:9] == alone[:9] and alone.capacity == 0 > both.capacity


@pytest.mark.parametrize("usdc", ["0", "-500000"])
def test_without_equity_nothing_is_known_and_nothing_is_sold(usdc: str) -> None:
    state = world(btc="0", usdc=usdc)
    view = seen(state, "cash_secured_put")
    assert math.isnan(tilt_of(view, carried(view), PUT, D(1), 0.1).drawdown)
    assert items(state, BOTH) == {}
