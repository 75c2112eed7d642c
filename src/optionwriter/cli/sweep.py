"""optionwriter sweep: many parameter sets over one market, each a stored run, ranked, and the best of them doubted."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from optionwriter.adapters.clocks import SystemClock, sleep_s
from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.bootstrap.backtests import run_store
from optionwriter.bootstrap.sweeps import (
    Driver,
    check_keys,
    crew_for,
    name_for,
    planned,
    run_sets,
    set_of,
    value_of,
)
from optionwriter.cli.backtest import signals
from optionwriter.cli.output import UserError, err, told
from optionwriter.cli.run import Stop
from optionwriter.cli.run_options import (
    AsJson,
    Changes,
    End,
    ExitStyles,
    Options,
    Preset,
    RunsDir,
    Seed,
    Source,
    Start,
    Strategy,
    Underlyings,
    asked,
    coins_of,
    day_ms,
)
from optionwriter.cli.sweep_tables import Shown, check_export, tell
from optionwriter.core.report.glossary import GLOSSARY
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import RunStoreError
from optionwriter.services.jobs import RunError
from optionwriter.services.sweep import Axis, Standing, combinations, enter, read_axis, stop_all
from optionwriter.settings import Settings, SettingsError, load

_STOP_LOOKS_S = 0.2


def sweep(
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary", help="gates.delta_max=0.2,0.3 or =0.1:0.4:0.05; with --random also =0.1..0.4."
        ),
    ] = None,
    random: Annotated[
        int | None, typer.Option(min=1, help="So many sets by chance, not the whole grid.")
    ] = None,
    name: Annotated[str, typer.Option(help="The sweep's name; default: made of the command.")] = "",
    resume: Annotated[str, typer.Option(help="Go on with this sweep; its axes are known.")] = "",
    source: Source = "synthetic",
    strategy: Strategy = "income",
    start: Start = "2026-01-05",
    end: End = "2026-03-01",
    underlyings: Underlyings = "BTC,ETH",
    preset: Preset = "CUSTOM",
    change: Changes = None,
    exit_style: ExitStyles = "own",
    option: Options = None,
    seed: Seed = 1,
    driver: Annotated[str, typer.Option(help="auto, event or compiled.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, max=256, help="Sets at once; default: cores.")] = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="More sets than these are refused.")] = 1_000,
    by: Annotated[str, typer.Option(help="Metric to rank by; see optionwriter runs show.")] = "sharpe",
    currency: Annotated[str, typer.Option(help="USD, or a coin.")] = "USD",
    top: Annotated[int, typer.Option(min=1, help="Rows of the ranking.")] = 15,
    export: Annotated[Path | None, typer.Option(help="All sets and metrics to this .csv file.")] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Only queue the sets, for workers.")] = False,
    data_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Tries many parameter sets, stores each as a run, ranks them, and says what the best is worth after so many."""
    with told(SettingsError, RunError, RunStoreError):
        if export is not None:
            check_export(export)
        if by not in GLOSSARY:
            raise UserError(f"--by {by!r} is no metric: choose from {', '.join(sorted(GLOSSARY))}")
        settings = load(overrides={"data_dir": data_dir}).settings
        axes = [_axis(one) for one in vary or ()]
        base = RunSpec(
            "", source, strategy, coins_of(underlyings), day_ms(start, "--from"), day_ms(end, "--to"), seed,
            asked(option, preset, exit_style, change),
        )  # fmt: skip
        if resume and (axes or name):
            raise UserError("--resume names a sweep whose axes are known: leave --vary and --name out")
        group = resume or name or name_for(base, axes, random, seed)
        specs = () if resume else _specs(settings, base, axes, random, most, group, _driver(driver, queue))
        with closing(run_store(settings)) as store:
            standing = enter(store, group, specs, SystemClock().now_ms())
            _said(store, standing, group)
            shown = Shown(by, currency.upper(), top)
            stopped = not queue and _work(settings, store, group, standing, threads, shown, quiet=json)
            tell(store, group, shown, export, json)
        if stopped:
            err.print(f"Stopped; the rest: optionwriter sweep --resume {group}", markup=False, soft_wrap=True)
            raise typer.Exit(1)


def _axis(text: str) -> Axis:
    key = text.partition("=")[0].strip()
    return read_axis(text, lambda one: value_of(key, one))


def _driver(name: str, queue: bool) -> Driver:
    """Which driver is asked for; queued sets share no market, which is what compiled ones live on."""
    drivers: dict[str, Driver] = {"auto": "auto", "event": "event", "compiled": "compiled"}
    if name not in drivers:
        raise UserError(f"--driver {name!r} is none: choose from {', '.join(drivers)}")
    if queue and name == "compiled":
        raise UserError(
            "--queue leaves the sets to workers, each of which would make the market anew for every compiled one: "
            "leave out one of both"
        )
    return "event" if queue else drivers[name]


def _specs(
    settings: Settings,
    base: RunSpec,
    axes: Sequence[Axis],
    random: int | None,
    most: int,
    group: str,
    driver: Driver,
) -> tuple[RunSpec, ...]:
    """The sets, checked."""
    if len(group) > 80:
        raise UserError("--name is longer than 80 letters")
    check_keys(axes)
    sets = combinations(axes, random, base.seed, most)
    plan = planned(settings, [set_of(base, one, group) for one in sets], driver)
    for reason in plan.reasons:
        err.print(f"event driver: {reason}", markup=False, soft_wrap=True)
    return plan.specs


def _said(store: SqlRunStore, standing: Standing, group: str) -> None:
    parts = [f"{len(standing.waiting)} to run"]
    parts += [f"{len(standing.done)} done before"] if standing.done else []
    parts += [f"{len(standing.elsewhere)} run by another process"] if standing.elsewhere else []
    err.print(f"Sweep {group}: {standing.all} sets, {', '.join(parts)}", markup=False, soft_wrap=True)
    leases = [store.get(one).lease_until_ms for one in standing.elsewhere]
    if ends := [one for one in leases if one is not None]:
        free = datetime.fromtimestamp(-(-max(ends) // 1_000), UTC)
        err.print(
            f"If that process was killed, what it left can be taken from {free:%H:%M:%S} UTC on: "
            f"optionwriter sweep --resume {group}",
            markup=False,
            soft_wrap=True,
        )


def _work(
    settings: Settings,
    store: SqlRunStore,
    group: str,
    standing: Standing,
    threads: int | None,
    shown: Shown,
    quiet: bool,
) -> bool:
    """Runs what waits; whether it was stopped. What a stop leaves is cancelled, and --resume takes it up."""
    states = [store.get(one) for one in standing.waiting]
    if not states:
        return False
    crew, stop = crew_for(states, threads), Stop()
    err.print(crew.why, markup=False, soft_wrap=True)
    with signals(stop), _watched(settings, group, stop), _shown(quiet, len(states)) as (bar, task):
        ended = False
        try:
            for one in run_sets(settings, group, states, crew, stop, shown.by, shown.currency):
                bar.update(task, advance=1, description=f"run {one.id} {one.status}")
            ended = not stop()
        finally:
            if not ended:
                stop_all(store, group, SystemClock().now_ms())
    return not ended


@contextmanager
def _watched(settings: Settings, group: str, stop: Stop) -> Iterator[None]:
    """Tells the other processes of a stop, through their rows."""
    over = threading.Event()

    def watch() -> None:
        while not (stop() or over.is_set()):
            sleep_s(_STOP_LOOKS_S)
        if stop():
            with closing(run_store(settings)) as store:
                stop_all(store, group, SystemClock().now_ms())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@contextmanager
def _shown(quiet: bool, total: int) -> Iterator[tuple[Progress, Any]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal) as bar:
        yield bar, bar.add_task("beginning", total=total)
