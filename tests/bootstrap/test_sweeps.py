"""Who runs the sets of a sweep: a stand-in for the compiled driver in threads, the event driver in processes."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from joblib.externals.loky import get_reusable_executor

from optionwriter.bootstrap import compiled_sets, sweeps
from optionwriter.bootstrap.backtests import desk_for, run_store
from optionwriter.bootstrap.sources import open_source
from optionwriter.bootstrap.sweeps import check_keys, crew_for, known_keys, planned, run_sets, set_of
from optionwriter.core.decide.strategies.exits import with_exit_style
from optionwriter.core.report.benchmarks import rules
from optionwriter.core.report.run import RunSpec, RunState, RunStatus
from optionwriter.services.backtest import run_backtest
from optionwriter.services.jobs import RunError
from optionwriter.services.sweep import Axis, combinations, enter, sets_of, stop_all
from optionwriter.settings import Settings
from tests.patience import LONGEST_S

START, DAY = 1_767_571_200_000, 86_400_000  # 2026-01-05
BASE = RunSpec("", "synthetic", "income", ("BTC",), START, START + 3 * DAY, 1,
               {"preset": "CUSTOM", "step_minutes": 480})  # fmt: skip


class Engine:
    """Runs by the event driver what the compiled one would, and counts; figures are a formula of the set."""

    def __init__(self) -> None:
        self.opened = 0
        self.whole: list[float] = []
        self.threads: set[int] = set()
        self.meet = threading.Barrier(2, timeout=LONGEST_S)
        self.meeting = True

    def why_event(self, settings, config, instance, underlyings):
        return "max_chains is 2: the compiled driver holds one" if instance.max_chains > 1 else None

    def open_compiled(self, settings, spec, config, progress=None):
        self.opened += 1
        return SimpleNamespace(settings=settings, source=open_source(settings, spec, config))

    def figures_compiled(self, market, config, instance, exit_style):
        self.threads.add(threading.get_ident())
        if self.meeting:
            self.meet.wait()  # two sets are under way at once, or this fails
        value = instance.gates.delta_max
        return SimpleNamespace(
            net_profit_coin=value / 2, net_profit_usd=value, over_holding_usd=-value, max_drawdown=1 - value,
            sharpe=value * 10, trades=3, win_rate=0.5, fees_usd=1.0, premium_usd=2.0, final_equity_usd=9.0,
            over_holding_daily=(value, -value),
        )  # fmt: skip

    def run_compiled(self, market, config, instance, exit_style, seed):
        self.whole.append(instance.gates.delta_max)
        desk = desk_for(market.settings, config, market.source, with_exit_style(instance, exit_style), seed)
        beside = rules(market.source.feed.delivery_price)
        return run_backtest(
            desk, market.source.instants, str(exit_style), lambda *_: None, benchmarks=beside
        ).outcome


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    found = Engine()
    for module in (compiled_sets, sweeps):
        monkeypatch.setattr(module, "compiled_engine", lambda: found)
    return found


def sets(*axes: Axis) -> list[RunSpec]:
    return [set_of(BASE, one, "g") for one in combinations(axes, None, 1, 100)]


def delta_of(state: RunState) -> float:
    return state.spec.config["changes"]["gates.delta_max"]


DELTAS = Axis("gates.delta_max", tuple(0.11 + 0.01 * one for one in range(8)))


def test_compiled_sets_share_a_market_run_in_threads_and_the_best_are_kept_whole(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_sets, "WHOLE", 1)
    plan = planned(settings, sets(DELTAS), "auto")
    assert {one.driver for one in plan.specs} == {"compiled"} and plan.reasons == ()
    with closing(run_store(settings)) as store:
        states = [store.get(one) for one in enter(store, "g", plan.specs, 0).waiting]
        crew = crew_for(states, 2)
        assert (crew.compiled, crew.event) == (2, 0) and "8 by the compiled driver in 2 threads" in crew.why
        done = list(run_sets(settings, "g", states, crew))
        assert {one.status for one in done} == {RunStatus.FINISHED} and len(done) == 8
        assert engine.opened == 1 and len(engine.threads) == 2
        best = max(done, key=lambda one: one.spec.config["changes"]["gates.delta_max"])
        assert engine.whole == [pytest.approx(0.18)]
        # The best is whole; the others have their figures, under the same names.
        assert store.curves(best.id) and all(not store.curves(one.id) for one in done if one != best)
        kept = store.returns("g")
        assert kept[done[0].id]["own"] == (delta_of(done[0]), -delta_of(done[0])) and len(kept) == 8
        assert len(kept[best.id]["own"]) == 3  # the whole one's own three days took their place
        names = {(one.currency, one.name) for one in store.metrics(best.id)}
        other = {(one.currency, one.name): one.value for one in store.metrics(done[0].id)}
        assert set(other) <= names
        delta = done[0].spec.config["changes"]["gates.delta_max"]
        assert other["USD", "sharpe"] == delta * 10 and other["BTC", "net_profit"] == delta / 2
        one, whole = (store.get(each.id).provenance for each in (done[0], best))
        assert one is not None and whole is not None and one.settings["strategy.gates.delta_max"] == delta
        assert (one.data_fingerprint, one.code_version) == (whole.data_fingerprint, whole.code_version)
        assert enter(store, "g", plan.specs, 0).waiting == ()


def test_what_the_compiled_driver_refuses_goes_to_the_event_driver_and_says_why(
    settings: Settings, engine: Engine
) -> None:
    chains = sets(Axis("max_chains", (1, 2)))
    plan = planned(settings, chains, "auto")
    assert [one.driver for one in plan.specs] == ["compiled", "event"]
    assert plan.reasons == ("max_chains is 2: the compiled driver holds one",)
    assert {one.driver for one in planned(settings, chains, "event").specs} == {"event"}
    with pytest.raises(RunError, match="can't run max_chains=2: max_chains is 2"):
        planned(settings, chains, "compiled")


def test_a_stop_in_the_middle_leaves_no_set_under_way(settings: Settings, engine: Engine) -> None:
    engine.meeting = False
    plan = planned(settings, sets(DELTAS), "auto")
    with closing(run_store(settings)) as store:
        states = [store.get(one) for one in enter(store, "g", plan.specs, 0).waiting]
        done: list[int] = []
        for one in run_sets(settings, "g", states, crew_for(states, 2), lambda: len(done) >= 3):
            done.append(one.id)
        stop_all(store, "g", 1)
        counts = Counter(one.status for one in sets_of(store, "g"))
        assert set(counts) == {RunStatus.FINISHED, RunStatus.CANCELLED} and counts[RunStatus.FINISHED] >= 3
        again = enter(store, "g", (), 2)
        assert (
            len(again.waiting) == counts[RunStatus.CANCELLED]
            and len(again.done) == counts[RunStatus.FINISHED]
        )


@pytest.mark.slow
def test_event_sets_in_processes_find_what_one_process_finds(settings: Settings, tmp_path: Path) -> None:
    plan = planned(settings, sets(Axis("gates.delta_max", (0.12, 0.3))), "event")
    found = []
    for place, threads in enumerate((1, 2)):
        own = settings.model_copy(update={"data_dir": tmp_path / str(place)})
        with closing(run_store(own)) as store:
            states = [store.get(one) for one in enter(store, "g", plan.specs, 0).waiting]
            done = sorted(run_sets(own, "g", states, crew_for(states, threads)), key=lambda one: one.id)
            assert [one.status for one in done] == [RunStatus.FINISHED] * 2
            found.append([store.metrics(one.id) for one in done])
    get_reusable_executor().shutdown(wait=True)
    assert found[0] == found[1] and found[0][0] != found[0][1]


def test_every_key_that_can_be_varied_is_one_that_backtest_and_strategies_know(settings: Settings) -> None:
    known = known_keys()
    check_keys([Axis(one, (1,)) for one in known])
    assert {
        "gates.ivrv_min",
        "roll.max_debit",
        "limits.max_chains_total",
        "seed",
        "fill",
        "size_share",
    } <= set(known)
    for key in set(known) - {"strategy", "seed", "data"}:
        with pytest.raises(RunError) as told:  # {} is a value of none of them; its key is not what is wrong
            planned(settings, [set_of(BASE, {key: {}}, "g")], "event")
        assert "unknown" not in str(told.value) and "nothing that" not in str(told.value), key


def test_equal_combinations_are_one_set(settings: Settings) -> None:
    found = planned(settings, sets(Axis("btc", (1, 1.0, 2))), "event")
    assert [one.config["btc"] for one in found.specs] == [1, 2]


def test_every_set_is_whole_where_figures_do_not_have_what_ranks_them(
    settings: Settings, engine: Engine
) -> None:
    plan = planned(settings, sets(Axis("gates.delta_max", (0.12, 0.3))), "compiled")
    with closing(run_store(settings)) as store:
        states = [store.get(one) for one in enter(store, "g", plan.specs, 0).waiting]
        done = list(run_sets(settings, "g", states, crew_for(states, 1), by="option_pnl", currency="BTC"))
        values = [
            row.value
            for one in done
            for row in store.metrics(one.id)
            if (row.currency, row.name) == ("BTC", "option_pnl")
        ]
        assert len(values) == 2 and None not in values and engine.threads == set()


def test_a_set_that_the_compiled_driver_refuses_late_is_run_by_the_event_driver(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_words: object) -> None:
        raise RunError("the collar is off; take the event driver")

    monkeypatch.setattr(engine, "figures_compiled", refuse)
    plan = planned(settings, sets(Axis("gates.delta_max", (0.3,))), "compiled")
    with closing(run_store(settings)) as store:
        states = [store.get(one) for one in enter(store, "g", plan.specs, 0).waiting]
        (done,) = run_sets(settings, "g", states, crew_for(states, 1))
        assert done.status is RunStatus.FINISHED and len(store.metrics(done.id)) > 50
        notes = store.notes(done.id)
        assert "Run by the event driver: the collar is off" in notes and "Compiled driver." not in notes
