"""Sweeps: from a base run and axes to checked sets, and who runs them: the compiled driver where it can, else the event
driver; threads for the one (its kernel lets go of the interpreter), processes for the other (it doesn't).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from typing import Literal

import joblib

from optionwriter.adapters.clocks import SystemClock
from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.bootstrap.backtest_config import BacktestConfig, instance_of, read_config
from optionwriter.bootstrap.backtests import run_store, runner
from optionwriter.bootstrap.compiled_sets import CompiledSets, compiled_engine, market_key
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.decide.limits import BOUND_NAMES
from optionwriter.core.decide.strategies.base import Mode, StrategyConfig, defaults
from optionwriter.core.report.ranking import SHARPE
from optionwriter.core.report.run import USD, Plain, RunSpec, RunState
from optionwriter.services.jobs import MachineTime, RunError, Runner, Worker
from optionwriter.services.sweep import Axis, identity, set_name
from optionwriter.settings import Settings

Driver = Literal["event", "compiled", "auto"]
LEASE_MS = 120_000
OF_THE_RUN = ("seed", "strategy")
_LISTS = ("writes", "sizes")
_TABLES = ("target_allocation", "limits")
_OWN = ("id", "notes", "enabled", "profile", "underlyings")
_NO_AXIS = ("changes",)


@dataclass(frozen=True, slots=True)
class Planned:
    """The sets to try, each with its driver, and why any of them is not the compiled one."""

    specs: tuple[RunSpec, ...]
    reasons: tuple[str, ...]


def known_keys() -> tuple[str, ...]:
    """All that can be varied: a backtest's options, and the keys of a strategy's table."""
    found = [*OF_THE_RUN, *(name for name in BacktestConfig.model_fields if name not in _NO_AXIS)]
    start = defaults(Mode.RESEARCH)
    for one in fields(StrategyConfig):
        value = getattr(start, one.name)
        if hasattr(value, "_fields"):
            found += [f"{one.name}.{name}" for name in value._fields]
        elif one.name not in (*_OWN, *_TABLES):
            found.append(one.name)
    return (
        *found,
        *(f"limits.{name}" for name in BOUND_NAMES),
        *(f"target_allocation.{one}" for one in ("BTC", "ETH")),
    )


def check_keys(axes: Sequence[Axis]) -> None:
    """Errors: RunError names the first key that nothing knows, and the nearest that something does."""
    known = known_keys()
    for key in (one.key for one in axes):
        if key in known or key.startswith("target_allocation."):
            continue
        ends = [one for one in known if one.rpartition(".")[2] == key.rpartition(".")[2]]
        close = ends or difflib.get_close_matches(key, known, n=3, cutoff=0.5)
        if not close:
            by_end = {one.rpartition(".")[2]: one for one in known}
            close = [by_end[one] for one in difflib.get_close_matches(key.rpartition(".")[2], by_end, n=3)]
        cure = (
            f"did you mean {' or '.join(close)}?"
            if close
            else "see optionwriter backtest --help and docs/sweeps.md"
        )
        raise RunError(f"--vary {key} is nothing that a backtest or a strategy knows: {cure}")


def value_of(key: str, text: str) -> Plain:
    """One value of an axis; lists of texts are joined by +."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if key in _LISTS:
        return text.split("+")
    if key == "exit_styles":
        return text.replace("+", ",")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def set_of(base: RunSpec, varied: Mapping[str, Plain], group: str) -> RunSpec:
    """The base with one combination laid over it."""
    config = dict(base.config)
    old = config.pop("changes", None)
    changes: dict[str, Plain] = dict(old) if isinstance(old, Mapping) else {}
    seed, strategy = base.seed, base.strategy
    for key, value in varied.items():
        if key == "seed":
            seed = _seed(value)
        elif key == "strategy":
            strategy = str(value)
        elif key in BacktestConfig.model_fields:
            config[key] = value
        else:
            changes[key] = value
    if changes:
        config["changes"] = changes
    return replace(base, name=set_name(varied), strategy=strategy, seed=seed, config=config, group=group)


def _seed(value: Plain) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RunError(f"--vary seed: {value!r} is no whole number from 0 on")
    return value


def planned(settings: Settings, specs: Sequence[RunSpec], driver: Driver) -> Planned:
    """Every set checked before any is run, and its driver chosen.

    Errors: RunError names the first set that can't be, and what is wrong with it; for driver compiled also the first
    set that it refuses.
    """
    engine = compiled_engine()
    opened: set[str] = set()
    chosen: list[RunSpec] = []
    reasons: dict[str, None] = {}
    for spec in specs:
        try:
            config = read_config(spec.config)
            instance = instance_of(settings, spec.strategy, spec.underlyings, config)
            if (key := market_key(spec, config)) not in opened:
                open_source(settings, spec, config)
                opened.add(key)
        except RunError as error:
            raise RunError(f"the set {spec.name}: {error}") from None
        compiled = driver != "event"
        reason = engine.why_event(settings, config, instance, spec.underlyings) if compiled else None
        if reason is not None and driver == "compiled":
            raise RunError(
                f"the compiled driver can't run {spec.name}: {reason}: choose --driver auto or event"
            )
        if reason is not None:
            reasons[reason] = None
        chosen.append(
            replace(spec, driver="event" if driver == "event" or reason is not None else "compiled")
        )
    distinct = {identity(one): one for one in reversed(chosen)}
    return Planned(tuple(reversed(distinct.values())), tuple(reasons))


def name_for(base: RunSpec, axes: Sequence[Axis], count: int | None, seed: int) -> str:
    """A name that the same command gives again."""
    told = [identity(base), [repr(one) for one in axes], count, seed if count is not None else 0]
    return f"sweep-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:10]}"


@dataclass(frozen=True, slots=True)
class Crew:
    """How many run at once, of what, and why."""

    compiled: int  # threads
    event: int  # processes
    why: str


def crew_for(states: Sequence[RunState], threads: int | None) -> Crew:
    """For these waiting sets; `threads` None: as many as there are cores."""
    most = threads or int(joblib.cpu_count())
    compiled = sum(one.spec.driver == "compiled" for one in states)
    event = len(states) - compiled
    parts = []
    if compiled:
        parts.append(f"{compiled} by the compiled driver in {min(most, compiled)} threads")
    if event:
        count = min(most, event)
        kind = "processes (threads would wait for one another)" if count > 1 else "process"
        parts.append(f"{event} by the event driver in {count} {kind}")
    return Crew(min(most, compiled), min(most, event), "; ".join(parts))


def run_sets(
    settings: Settings,
    group: str,
    states: Sequence[RunState],
    crew: Crew,
    stop: Callable[[], bool] = lambda: False,
    by: str = SHARPE,
    currency: str = USD,
) -> Iterator[RunState]:
    """Runs the waiting sets of the sweep and yields each as it ends; the sets that `stop` leaves stay queued.

    Whoever else works on the store may take some of them: those are not yielded. Errors: RunStoreError.
    """
    compiled = sum(one.spec.driver == "compiled" for one in states)
    if compiled:
        with closing(run_store(settings)) as store:
            sets = CompiledSets(settings, by, currency)
            tasks = (
                joblib.delayed(_one)(store, sets.run, group, "compiled", stop, "") for _ in range(compiled)
            )
            yield from _ended(_side_by_side(crew.compiled, "threading")(tasks))
            if not stop():
                sets.deepen_best(store, group)
    event = len(states) - compiled
    if event and crew.event > 1:
        tasks = (joblib.delayed(_one_apart)(settings, group) for _ in range(event))
        yield from _ended(_side_by_side(crew.event, "loky")(tasks))
    elif event:
        with closing(run_store(settings)) as store:
            for _ in range(event):
                yield from _ended([_one(store, runner(settings), group, "event", stop, "")])


def _side_by_side(count: int, backend: str) -> joblib.Parallel:
    return joblib.Parallel(n_jobs=count, backend=backend, return_as="generator_unordered")


def _ended(found: Iterator[RunState | None] | list[RunState | None]) -> Iterator[RunState]:
    return (one for one in found if one is not None)


def _one(
    store: SqlRunStore, run: Runner, group: str, driver: str, stop: Callable[[], bool], suffix: str
) -> RunState | None:
    """The next waiting set of the sweep, if there is one."""
    if stop():
        return None
    clock = SystemClock()
    name = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}{suffix}"
    time = MachineTime(clock.now_ms, clock.monotonic)
    return Worker(store, run, name, time, stop, LEASE_MS, group, driver).work_once()


def _one_apart(settings: Settings, group: str) -> RunState | None:
    """The same in a process of its own, which hears of a stop through its row; Ctrl-C is its parent's to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with closing(run_store(settings)) as store:
        return _one(store, runner(settings), group, "event", lambda: False, "")
