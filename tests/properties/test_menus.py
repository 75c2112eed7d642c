"""What must hold of every menu: wider gates lose nobody, and a strategy's name is only a name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from optionwriter.core.decide.choosing import ChoiceParams, choose_best, proposals
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.menu import MenuItem
from optionwriter.core.decide.risk import capacity_of, review
from optionwriter.core.decide.rules import GateParams
from optionwriter.core.decide.scoring import ScoreParams
from optionwriter.core.decide.screening import screen
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import Mode, StrategyConfig, defaults
from optionwriter.core.decide.strategies.registry import strategy
from tests.core.decide.worlds import Ledger, account, chain_at, currency, state_of

CHAINS = {code: chain_at(code) for code in ("BTC", "BTC_USDC")}
LEAST = (
    "dte_min",
    "delta_min",
    "otm_min",
    "ivrv_min",
    "premium_min_usd",
    "open_interest_min",
    "bid_size_min",
)
MOST = ("dte_max", "delta_max", "otm_max", "spread_max", "linear_spread_max")
START = GateParams()
SPREAD = st.floats(-2.0, 2.0)


def gates(draw: st.DrawFn) -> GateParams:
    """Any gates around the defaults, sane or not."""
    return GateParams(*(value * (1 + draw(SPREAD)) + draw(st.floats(-0.1, 0.1)) for value in START))


any_gates = st.composite(gates)()


def wider(one: GateParams, other: GateParams) -> GateParams:
    """The looser of the two bounds everywhere."""
    pairs = zip(GateParams._fields, one, other, strict=True)
    return GateParams(*((min if name in LEAST else max)(mine, yours) for name, mine, yours in pairs))


def passed(code: str, is_call: bool, given: GateParams) -> NDArray[np.bool_]:
    return screen(CHAINS[code], is_call, 0.40, given, ScoreParams()).gate == 0


@given(st.sampled_from(sorted(CHAINS)), st.booleans(), any_gates, any_gates)
def test_widening_a_gate_never_removes_a_candidate(
    code: str, is_call: bool, one: GateParams, other: GateParams
) -> None:
    assert set(LEAST) | set(MOST) == set(GateParams._fields)
    before, after = passed(code, is_call, one), passed(code, is_call, wider(one, other))
    assert not (before & ~after).any()


@given(st.sampled_from([*LEAST, *MOST]), st.floats(0, 1e300))
def test_one_bound_moved_as_far_as_it_goes(name: str, far: float) -> None:
    value = getattr(START, name)
    looser = START._replace(**{name: value - far if name in LEAST else value + far})
    assert not (passed("BTC", True, START) & ~passed("BTC", True, looser)).any()
    assert not (passed("BTC_USDC", False, START) & ~passed("BTC_USDC", False, looser)).any()


def world(strategy_id: str) -> AgentState:
    """A call sold by that strategy and threatened, one sold by another, cash for puts."""
    calls = chain_at(spot=102_000.0, iv=0.5)
    puts = chain_at("BTC_USDC", spot=102_000.0, iv=0.5)
    mine, other = "BTC-17JAN26-102000-C", "BTC-24JAN26-120000-C"
    ledger = Ledger()
    ledger.sold(mine, "1", "0.005", strategy=strategy_id)
    ledger.sold(other, "1", "0.005", strategy="other", chain="c2", label="CCBOT_2")
    cash = (currency("BTC", "2.3"), currency("USDC", "200000"))
    held = account(*cash, positions={mine: "-1", other: "-1"})
    return state_of(calls, puts, account=held, book=ledger.book)


def told(config: StrategyConfig) -> tuple[Any, ...]:
    """Everything that a strategy says and gets, its name taken out."""
    state = world(config.id)
    limits = Limits(max_call_chains=3)
    (menu,) = strategy(config.kind).propose(state, config, capacity_of(state, limits))

    def bare(item: MenuItem) -> MenuItem:
        return replace(item, key=item.key.removeprefix(config.id + "/"))

    chosen = choose_best([menu], ChoiceParams(0.0)).keys
    reviewed = review(state, limits, proposals([menu], chosen))
    rejected = [
        (part.names, part.gate.tolist(), part.value.tolist(), part.distance.tolist()) for part in menu.rejected
    ]  # fmt: skip
    return (
        [bare(item) for item in menu.items],
        rejected,
        menu.held,
        menu.notes,
        [key.removeprefix(config.id + "/") for key in chosen],
        [bare(one.item) for one in reviewed.approved],
        [(bare(one.proposal.item), one.codes) for one in reviewed.refused],
    )


@pytest.mark.parametrize(("kind", "rolls"), [("income", 12.0), ("income", 0.0), ("cash_secured_put", 0.0)])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(name=st.text("abcdefghijklmnopqrstuvwxyz_-.:0123456789", min_size=1, max_size=40))
def test_renaming_a_strategy_changes_nothing_else(kind: str, rolls: float, name: str) -> None:
    start = replace(
        defaults(Mode.RESEARCH, "cc"), kind=kind, writes=strategy(kind).writes, underlyings=("BTC",)
    )
    config = replace(start, roll=start.roll._replace(max_debit=0.05, cooldown_hours=rolls))
    if name == "other":
        return
    assert told(replace(config, id=name)) == told(config)
    assert told(config)[0]
