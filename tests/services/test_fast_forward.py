"""Fast-forward: whatever it passes over, the facts, the curve and every figure are those of a run that looks at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from optionwriter.adapters.files.nowhere import NeverKilled
from optionwriter.adapters.paper import PaperBroker
from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.adapters.tapes.synthetic import SyntheticFeed
from optionwriter.bootstrap.backtest_config import instance_of, read_config
from optionwriter.bootstrap.backtests import desk_for
from optionwriter.bootstrap.sources import Source, open_source
from optionwriter.core.books.codec import to_json
from optionwriter.core.books.facts import Deposited, Filled, Settled, StateChanged
from optionwriter.core.decide.menu import Menu
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.decide.strategies.exits import ExitStyle, with_exit_style
from optionwriter.core.decide.strategies.income import Income
from optionwriter.core.market.chain import I64, OptionChain, RowsOver
from optionwriter.core.market.context import MarketContext
from optionwriter.core.market.instruments import MS_PER_DAY, InstrumentError
from optionwriter.core.report.benchmarks import rules
from optionwriter.core.report.results import chain_rows, curve_columns, metric_rows
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import Clock, Feed, KillOrder
from optionwriter.services.backtest import Ran, run_backtest
from optionwriter.services.cycle import Desk
from optionwriter.settings import Settings

START = 20_458 * MS_PER_DAY  # 2026-01-05
Meddling = Callable[[Desk, int], None]  # with the desk, after that many steps


def spec_of(strategy: str = "income", days: int = 9, seed: int = 3, **config: object) -> RunSpec:
    return RunSpec(
        "t", "synthetic", strategy, ("BTC",), START, START + days * MS_PER_DAY, seed,
        {"step_minutes": 120, **config},
    )  # fmt: skip


def opened(spec: RunSpec, style: ExitStyle) -> tuple[Source, Desk]:
    settings = Settings(data_dir=Path("nowhere"))
    config = read_config(spec.config)
    source = open_source(settings, spec, config)
    instance = with_exit_style(instance_of(settings, spec.strategy, spec.underlyings, config), style)
    return source, desk_for(settings, config, source, instance, spec.seed)


def ran(
    spec: RunSpec,
    style: ExitStyle,
    forward: bool,
    meddle: Meddling | None = None,
    seen_through: Callable[[Feed, Clock], TapeMarket] = TapeMarket,
) -> Ran:
    source, desk = opened(spec, style)
    steps = 0

    def progress(_share: float, _text: str) -> None:
        nonlocal steps
        steps += 1
        if meddle is not None:
            meddle(desk, steps)

    parts = seen_through(source.feed, desk.clock) if forward else None
    beside = rules(source.feed.delivery_price)
    return run_backtest(desk, source.instants, str(style), progress, benchmarks=beside, parts=parts)


def told(one: Ran) -> tuple[object, ...]:
    """Everything that a run leaves, as text that can be compared."""
    found = one.outcome
    return (
        one.steps,
        one.failures,
        [to_json(fact) for fact in found.facts],
        repr({name: column.tolist() for name, column in found.curve.equity.items()}),
        found.curve.short_usd.tolist(),
        repr(curve_columns(found.curve, found.benchmarks)),
        repr([{name: column.tolist() for name, column in rule.equity.items()} for rule in found.benchmarks]),
        repr(metric_rows(found, np.random.default_rng(0))),
        repr(chain_rows(found)),
        repr(sorted(found.attribution.parts.items())),
    )


def same(spec: RunSpec, style: ExitStyle = ExitStyle.OWN, meddle: Meddling | None = None) -> Ran:
    """The run with it, proven equal to the one without."""
    plain, forward = (ran(spec, style, on, meddle) for on in (False, True))
    assert plain.passed_over == 0
    assert told(forward) == told(plain)
    return forward


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "style", "config"),
    [
        ("income", ExitStyle.OWN, {}),
        ("income", ExitStyle.TP_AND_ROLL, {"model": "realised"}),
        ("puts_experimental", ExitStyle.OWN, {"fill": "probability", "spread_share": 0.25}),
    ],
)
def test_passing_over_changes_nothing(strategy: str, style: ExitStyle, config: dict[str, object]) -> None:
    found = same(spec_of(strategy, **config), style)
    assert 0 < found.passed_over < found.steps
    assert any(isinstance(fact.body, Filled) for fact in found.outcome.facts)


def test_settlements_wake_it() -> None:
    short = {"gates.dte_min": 0.5, "gates.dte_max": 4.0, "score.days_target": 2.0}
    found = same(spec_of("covered_call_aggressive", preset="CUSTOM", changes=short), ExitStyle.HOLD_TO_EXPIRY)
    assert found.passed_over > found.steps / 4
    settled = [fact for fact in found.outcome.facts if isinstance(fact.body, Settled)]
    assert settled and len({fact.chain_id for fact in found.outcome.facts} - {""}) > 1  # sold again after it


def test_a_benchmark_that_sells_again_has_the_whole_chain() -> None:
    """The monthly of 30 January expires, its rule sells the next one on the 31st; the strategy itself only holds."""
    start = START + 22 * MS_PER_DAY
    holding = {"gates.dte_min": 10.0, "gates.dte_max": 40.0, "score.days_target": 20.0}
    spec = spec_of("covered_call_aggressive", preset="CUSTOM", changes=holding, step_minutes=240)
    found = same(replace(spec, start_ms=start, end_ms=start + 5 * MS_PER_DAY), ExitStyle.HOLD_TO_EXPIRY)
    assert found.passed_over > found.steps / 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_configurations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    changes = {
        "gates.delta_min": 0.05,
        "gates.delta_max": float(rng.uniform(0.2, 0.5)),
        "gates.dte_max": float(rng.uniform(3, 20)),
        "manage.take_profit_share": float(rng.uniform(0.1, 0.9)),
        "manage.roll_delta": float(rng.uniform(0.3, 0.6)),
        "manage.roll_otm": float(rng.choice([0.0, 0.02])),
        "roll.close_if_unable": bool(rng.integers(2)),
        "max_chains": int(rng.integers(1, 3)),
        "size_share": float(rng.uniform(0.3, 1.0)),
    }
    style = list(ExitStyle)[int(rng.integers(3))]
    step = int(rng.choice([120, 240]))
    same(spec_of(days=6, seed=seed, preset="CUSTOM", changes=changes, step_minutes=step), style)


def deposit_at(step: int) -> Meddling:
    def meddle(desk: Desk, done: int) -> None:
        if done == step:
            cast(PaperBroker, desk.broker).deposit("BTC", Decimal("0.7"))

    return meddle


def test_money_that_comes_wakes_it() -> None:
    spec = spec_of("covered_call_aggressive", days=5)
    quiet = same(spec)
    found = same(spec, meddle=deposit_at(40))
    assert found.passed_over and found.passed_over < quiet.passed_over
    deposits = [fact.at_ms for fact in found.outcome.facts if isinstance(fact.body, Deposited)]
    assert set(deposits[:-1]) == {START} and deposits[-1] == START + 39 * 7_200_000


class Pulled(NeverKilled):
    """A switch that is pulled at an instant."""

    def __init__(self, clock: Clock, at_ms: int) -> None:
        self._clock, self._at_ms = clock, at_ms

    def read(self) -> KillOrder | None:
        """The order, from then on."""
        return KillOrder("a test", "tests", self._at_ms) if self._clock.now_ms() >= self._at_ms else None


def test_nothing_is_passed_over_once_the_kill_switch_is_pulled() -> None:
    source, desk = opened(spec_of("covered_call_aggressive", days=5), ExitStyle.HOLD_TO_EXPIRY)
    at_ms = source.instants[40]
    killed = replace(desk, kill=Pulled(desk.clock, at_ms))
    parts = TapeMarket(source.feed, desk.clock)
    run = run_backtest(killed, source.instants, "own", lambda _share, _text: None, parts=parts)
    halts = [fact for fact in run.outcome.facts if isinstance(fact.body, StateChanged)]
    assert 0 < run.passed_over < 40 and [fact.at_ms for fact in halts] == [at_ms]


def test_a_strategy_that_can_not_say_is_asked_at_every_step() -> None:
    assert ran(spec_of("call_spread", days=2), ExitStyle.OWN, forward=True).passed_over == 0


class Witness(Income):
    """Income, whose every answer from the held rows alone is held against its whole menus."""

    def __init__(self) -> None:
        self.waited = self.needed = self.offered = 0

    def propose(self, state: AgentState, config: StrategyConfig, capacity: Capacity) -> Sequence[Menu]:
        menus = super().propose(state, config, capacity)
        items = sum(one.mandatory or one.score >= config.min_score for menu in menus for one in menu.items)
        alone = self.waits(held_alone(state), config, frozenset())
        whole = self.waits(state, config, frozenset(("BTC", "BTC_USDC")))
        assert not whole.needs and not (alone.waits and not whole.waits)
        if alone.waits or whole.waits:
            assert not items
        self.waited += alone.waits
        self.needed += whole.waits and not alone.waits
        self.offered += items > 0
        return menus


def held_alone(state: AgentState) -> AgentState:
    """The state as a step that is passed over would show it."""
    names = {one.option.name for one in state.held}
    return replace(
        state,
        underlyings={
            name: replace(
                one,
                chains=only(one.chains, names),
                context=MarketContext(name, state.at_ms, one.context.realised_7d, one.context.realised_30d),
            )
            for name, one in state.underlyings.items()
        },
    )


def only(chains: Mapping[str, OptionChain], names: set[str]) -> dict[str, OptionChain]:
    found = {}
    for code, chain in chains.items():
        rows = [row for row, name in enumerate(chain.table.names) if name in names]
        table = replace(
            chain.table,
            names=tuple(chain.table.names[row] for row in rows),
            strike=chain.table.strike[rows],
            expiry_ms=chain.table.expiry_ms[rows],
            is_call=chain.table.is_call[rows],
            row_of={chain.table.names[row]: place for place, row in enumerate(rows)},
        )
        columns = {
            name: getattr(chain, name)[rows]
            for name in (
                "forward", "mark", "mark_iv", "bid", "ask", "bid_size", "ask_size", "open_interest", "volume",
            )
        }  # fmt: skip
        found[code] = replace(chain, table=table, **columns)
    return found


def test_nothing_of_a_writer_that_waits_would_be_chosen() -> None:
    source, desk = opened(spec_of(days=6), ExitStyle.OWN)
    witness = Witness()
    seats = tuple(replace(one, strategy=witness) for one in desk.seats)
    run = run_backtest(replace(desk, seats=seats), source.instants, "own", lambda _share, _text: None)
    assert not run.failures and witness.waited and witness.offered


@pytest.mark.parametrize("source_name", ["synthetic", "sample"])
def test_rows_are_those_of_the_whole_chain(source_name: str) -> None:
    source, desk = opened(replace(spec_of(days=2), source=source_name), ExitStyle.OWN)
    market, rng = TapeMarket(source.feed, desk.clock), np.random.default_rng(1)
    for at_ms in source.instants[::7]:
        desk.clock.sleep_until(at_ms)
        for code in desk.products:
            whole = market.chain(code)
            rows = rng.choice(len(whole), int(rng.integers(0, 6)), replace=False).tolist()
            part = market.part(code, [whole.table.names[row] for row in rows])
            assert (part.at_ms, part.index_price) == (whole.at_ms, whole.index_price)
            for name in ("forward", "mark", "mark_iv", "bid", "ask", "open_interest"):
                assert np.array_equal(getattr(part, name), getattr(whole, name)[rows], equal_nan=True), name


class Counted(TapeMarket):
    """A market that counts how often rows of one instant and of many were asked for, and how many those were."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        super().__init__(feed, clock)
        self.now = self.ahead = self.instants = 0

    def part(self, product_code: str, names: Sequence[str]) -> OptionChain:
        """As always, counted."""
        self.now += 1
        return super().part(product_code, names)

    def rows_over(self, product_code: str, names: Sequence[str], at_ms: I64) -> RowsOver:
        """As always, counted."""
        self.ahead, self.instants = self.ahead + 1, self.instants + len(at_ms)
        return super().rows_over(product_code, names, at_ms)


class Nearsighted(Counted):
    """One that shows no instant but its own."""

    looks_ahead = False


def test_looking_ahead_changes_nothing() -> None:
    spec, markets = spec_of(days=8, seed=5, step_minutes=60), list[Counted]()

    def seen(kind: type[Counted]) -> Ran:
        def make(feed: Feed, clock: Clock) -> Counted:
            markets.append(kind(feed, clock))
            return markets[-1]

        return ran(spec, ExitStyle.OWN, forward=True, seen_through=make)

    near, far = seen(Nearsighted), seen(Counted)
    assert told(far) == told(near) and far.passed_over == near.passed_over
    assert markets[0].ahead == 0 < markets[1].ahead < markets[1].instants / 8
    assert markets[1].now < markets[0].now / 3


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"smile": "skew_anchors"},
        {"model": "realised"},
        {"model": "realised", "smile": "surface", "step_minutes": 15},
    ],
)
def test_rows_ahead_are_those_of_their_instants(config: dict[str, object]) -> None:
    source, _ = opened(spec_of(days=2, **config), ExitStyle.OWN)
    feed, rng = source.feed, np.random.default_rng(2)
    assert isinstance(feed, SyntheticFeed)
    at_ms = np.array(source.instants[3:11], dtype=np.int64)
    for code in feed.products:
        table = feed.chain(code, int(at_ms[0])).table
        alive = [name for name, end in zip(table.names, table.expiry_ms, strict=True) if end > at_ms[-1]]
        names = [alive[row] for row in rng.choice(len(alive), 9, replace=False)]
        over = feed.quotes_over(code, names, at_ms)
        for row, instant in enumerate(at_ms.tolist()):
            plain = feed.quotes(code, names, instant)
            assert (over.at_ms[row], over.index_price[row]) == (instant, plain.index_price)
            for name in ("forward", "mark", "mark_iv", "bid", "ask"):
                assert np.array_equal(getattr(over, name)[row], getattr(plain, name), equal_nan=True), name


def test_what_is_not_listed_throughout_is_not_told_of_at_once() -> None:
    source, _ = opened(spec_of(days=3), ExitStyle.OWN)
    feed = source.feed
    assert isinstance(feed, SyntheticFeed)
    at_ms = np.array(source.instants[:20], dtype=np.int64)
    first = feed.chain("BTC", int(at_ms[0])).table
    ends = [name for name, end in zip(first.names, first.expiry_ms, strict=True) if end <= at_ms[-1]]
    with pytest.raises(InstrumentError, match="at once"):
        feed.quotes_over("BTC", ends[:1], at_ms)
    with pytest.raises(InstrumentError, match="not listed"):
        feed.quotes_over("BTC", ["BTC-25DEC26-1000-C"], at_ms)
    with pytest.raises(InstrumentError, match="at once"):
        feed.quotes_over("BTC", [], at_ms + (feed.end_ms - int(at_ms[0])))
