"""optionwriter backtest: one run over the past, stored like every other; and worker, which takes queued ones."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from optionwriter.adapters.clocks import SystemClock, sleep_s
from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.bootstrap.backtests import check as check_run
from optionwriter.bootstrap.backtests import run_store, runner
from optionwriter.cli.output import err, out, print_json, told
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
from optionwriter.cli.runs import summary_tables
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.run import RunResult, RunSpec, RunStatus
from optionwriter.ports import RunStoreError
from optionwriter.services.jobs import LEASE_MS, MachineTime, RunError, Runner, StoppedError, Worker
from optionwriter.services.jobs import Progress as Told
from optionwriter.services.run_export import run_row
from optionwriter.settings import Settings, SettingsError, load

POLL_S = 1.0
_LOOK_S = 0.2  # at a run that another worker took
_ENDED = {RunStatus.FAILED: "failed", RunStatus.CANCELLED: "was cancelled"}


def backtest(
    source: Source = "synthetic",
    strategy: Strategy = "income",
    start: Start = "2026-01-05",
    end: End = "2026-03-01",
    underlyings: Underlyings = "BTC,ETH",
    preset: Preset = "BALANCED",
    change: Changes = None,
    exit_style: ExitStyles = "own",
    option: Options = None,
    driver: Annotated[
        str,
        typer.Option(
            help="event takes everything, compiled is faster and narrower, auto takes compiled if it can."
        ),
    ] = "event",
    seed: Seed = 1,
    name: Annotated[str, typer.Option(help="To find it again.")] = "",
    queue: Annotated[bool, typer.Option("--queue", help="Only queue it, for a worker.")] = False,
    data_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Runs a strategy over the past with the live decision code, stores the run, and prints what it was worth."""
    with told(SettingsError, RunError, RunStoreError):
        settings = load(overrides={"data_dir": data_dir}).settings
        spec = RunSpec(
            name=name or f"{strategy} on {source}",
            source=source,
            strategy=strategy,
            underlyings=coins_of(underlyings),
            start_ms=day_ms(start, "--from"),
            end_ms=day_ms(end, "--to"),
            seed=seed,
            config=asked(option, preset, exit_style, change),
            driver=driver,
        )
        check_run(settings, spec)
        with closing(run_store(settings)) as store:
            run_id = store.queue(spec, SystemClock().now_ms())
            if queue:
                out.print(f"Run {run_id} is queued: a worker takes it (optionwriter worker)")
                return
            work_on(settings, store, run_id, quiet=json)
            _tell(store, run_id, json)


def work_on(settings: Settings, store: SqlRunStore, run_id: int, quiet: bool) -> None:
    """Does this very run here, whatever else is queued; a worker that took it first is waited for. Ctrl-C cancels it.

    Errors: RunError says how it ended when it did not finish; typer.Exit after Ctrl-C.
    """
    clock, stop = SystemClock(), Stop()
    name = worker_name()
    with signals(stop), _shown(quiet) as (bar, task):

        def watched(spec: RunSpec, progress: Told) -> RunResult:
            def tell(share: float, text: str) -> None:
                if stop():
                    store.cancel(run_id, clock.now_ms())
                    raise StoppedError
                if not bar.disable:
                    bar.update(task, completed=share, description=text)
                progress(share, text)

            return runner(settings)(spec, tell)

        state = store.get(run_id)
        worker = Worker(store, watched, name, MachineTime(clock.now_ms, clock.monotonic), run_id=run_id)
        while not state.status.is_over:
            if stop():
                store.cancel(run_id, clock.now_ms())
            if worker.work_once() is None:
                sleep_s(_LOOK_S)
            state = store.get(run_id)
    if stop() and state.status is RunStatus.CANCELLED:
        err.print(f"Stopped: run {run_id} is cancelled", markup=False)
        raise typer.Exit(1)
    if state.status is not RunStatus.FINISHED:
        raise RunError(f"run {run_id} {_ENDED[state.status]}{': ' + state.error if state.error else ''}")


@contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Ctrl-C and the system's request to end ask `stop` meanwhile."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop.on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shown(quiet: bool) -> Iterator[tuple[Progress, Any]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal) as bar:
        yield bar, bar.add_task("beginning", total=1.0)


def worker_name() -> str:
    """A name that no other worker has."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _tell(store: SqlRunStore, run_id: int, json: bool) -> None:
    state, metrics = store.get(run_id), store.metrics(run_id)
    if json:
        print_json(run_row(store, state))
        return
    out.print(
        f"Run {run_id}: {state.spec.name}, {(state.spec.end_ms - state.spec.start_ms) / MS_PER_DAY:.0f} days"
    )
    for table in summary_tables(metrics):
        out.print(table)
    for note in store.notes(run_id).splitlines():
        out.print(note, markup=False, soft_wrap=True, style="dim")


def worker(
    once: Annotated[bool, typer.Option("--once", help="End when the queue is empty.")] = False,
    nice: Annotated[
        int, typer.Option(min=0, max=19, help="How far it gives way to this machine's other programs.")
    ] = 0,
    lease: Annotated[
        int,
        typer.Option(min=2, max=3_600, help="Seconds without a sign of life after which its run is lost."),
    ] = LEASE_MS // 1_000,
    data_dir: RunsDir = None,
) -> None:
    """Takes queued backtests, one after the other, until it is stopped; a run under way is then given back."""
    with told(SettingsError, RunStoreError):
        settings = load(overrides={"data_dir": data_dir}).settings
        os.nice(nice)
        clock, stop = SystemClock(), Stop()
        with closing(run_store(settings)) as store, signals(stop):
            run: Runner = runner(settings)
            time = MachineTime(clock.now_ms, clock.monotonic)
            own = Worker(store, run, worker_name(), time, stop, lease * 1_000)
            out.print("Waiting for queued runs; Ctrl-C stops", markup=False)
            while not stop():
                state = own.work_once()
                if state is not None:
                    ended = f": {state.error}" if state.error else ""
                    out.print(
                        f"run {state.id} {state.spec.name}: {state.status}{ended}",
                        markup=False,
                        soft_wrap=True,
                    )
                elif once:
                    return
                else:
                    sleep_s(POLL_S)
