"""optionwriter runs compare: one strategy over one period on two sources, stored as a group, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Annotated, Any

import typer

from optionwriter.adapters.clocks import SystemClock
from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.bootstrap.backtests import check as check_run
from optionwriter.bootstrap.backtests import run_store
from optionwriter.cli.backtest import work_on
from optionwriter.cli.output import UserError, out, print_json, told
from optionwriter.cli.run_options import (
    AsJson,
    Changes,
    End,
    ExitStyles,
    Options,
    Preset,
    RunsDir,
    Seed,
    Start,
    Strategy,
    Underlyings,
    asked,
    coins_of,
    day_ms,
)
from optionwriter.cli.runs import app, difference_table
from optionwriter.core.report.decisions import plain
from optionwriter.core.report.run import RunSpec
from optionwriter.core.report.run_diff import Difference, differences
from optionwriter.ports import RunStoreError
from optionwriter.services.jobs import RunError
from optionwriter.settings import Settings, SettingsError, load


@app.command()
def compare(
    sources: Annotated[
        str, typer.Option(help="Two sources, comma-separated: the second is told against the first.")
    ] = "synthetic,live_deribit",
    strategy: Strategy = "income",
    start: Start = "2026-02-02",
    end: End = "2026-02-28",
    underlyings: Underlyings = "BTC,ETH",
    preset: Preset = "BALANCED",
    change: Changes = None,
    exit_style: ExitStyles = "own",
    option: Options = None,
    seed: Seed = 1,
    data_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Runs the same on two sources, stores both in one group, and prints every metric of both and the difference."""
    with told(SettingsError, RunError, RunStoreError):
        settings = load(overrides={"data_dir": data_dir}).settings
        names = [one.strip() for one in sources.split(",") if one.strip()]
        if len(names) != 2 or names[0] == names[1]:
            raise UserError(f"--sources {sources!r} is not two sources, such as synthetic,live_deribit")
        config, coins = asked(option, preset, exit_style, change), coins_of(underlyings)
        now_ms = SystemClock().now_ms()
        first = RunSpec(
            f"{strategy} on {names[0]}", names[0], strategy, coins, day_ms(start, "--from"), day_ms(end, "--to"),
            seed, config, group=f"compare-{now_ms}",
        )  # fmt: skip
        specs = (first, replace(first, name=f"{strategy} on {names[1]}", source=names[1]))
        for spec in specs:
            check_run(settings, spec)
        with closing(run_store(settings)) as store:
            ids = store.queue_all(specs, now_ms)
            work_on_all(settings, store, ids, quiet=json)
            tell_compared(store, ids, first.group, json)


def work_on_all(settings: Settings, store: SqlRunStore, ids: Sequence[int], quiet: bool) -> None:
    """One after the other; when one does not finish the others are cancelled. Errors: RunError says which."""
    for place, run_id in enumerate(ids):
        try:
            work_on(settings, store, run_id, quiet)
        except (RunError, typer.Exit):
            for later in ids[place + 1 :]:
                store.cancel(later, SystemClock().now_ms())
            raise


def tell_compared(store: SqlRunStore, ids: Sequence[int], group: str, json: bool) -> None:
    """Prints every metric of two finished runs, and the notes of both."""
    first, second = (store.get(one) for one in ids)
    found = differences(store.metrics(first.id), store.metrics(second.id))
    if json:
        rows = [{**_row(one), "change": one.change} for one in found]
        print_json({"group": group, "first": plain(first), "second": plain(second), "metrics": rows})
        return
    out.print(f"Runs {first.id} ({first.spec.source}) and {second.id} ({second.spec.source}), group {group}")
    out.print(difference_table(found, first.spec.source, second.spec.source))
    for state in (first, second):
        for note in store.notes(state.id).splitlines():
            out.print(f"{state.spec.source}: {note}", markup=False, style="dim", soft_wrap=True)


def _row(one: Difference) -> dict[str, Any]:
    found: Any = plain(one)
    return dict(found)
