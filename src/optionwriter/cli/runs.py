"""optionwriter runs: what was run, what it was worth, and how two runs differ."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from optionwriter.adapters.clocks import SystemClock
from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.bootstrap.backtests import run_store, runner
from optionwriter.cli.output import UserError, out, print_json, told
from optionwriter.cli.run_options import AsJson, RunsDir
from optionwriter.core.market.instruments import utc_day
from optionwriter.core.report.decisions import plain
from optionwriter.core.report.repetition import otherwise
from optionwriter.core.report.run import MetricRow, RunFilter, RunState, RunStatus
from optionwriter.core.report.run_diff import Difference, differences
from optionwriter.ports import RunStoreError
from optionwriter.services.jobs import RunError
from optionwriter.services.run_export import chains_csv, run_json, run_row
from optionwriter.services.sweep import stop_all
from optionwriter.settings import SettingsError, load

app = typer.Typer(no_args_is_help=True, help="Stored backtests.")
RunOrSweep = Annotated[int | None, typer.Argument(help="The run's number.", show_default=False)]
SweepName = Annotated[str, typer.Option("--sweep", help="Instead of a run: all of this sweep or comparison.")]
SHOWN = (
    "net_profit", "option_pnl", "gross_profit", "gross_loss", "max_drawdown", "max_drawdown_days", "sharpe",
    "sortino", "calmar", "profit_factor", "win_rate", "trades", "average_trade", "fees", "premium_sold",
    "premium_kept", "given_up", "settlements_in_the_money", "fees_saved", "idle_yield", "conversions",
    "fills_repriced", "fills_converted", "settlements_official", "settlements_path_average",
    "settlements_price_0800", "at_multiplier_1_net_profit", "at_multiplier_1_option_pnl",
    "at_multiplier_1_trades", "over_holding", "flows_gained", "holding_net_profit", "benchmark_otm_over",
    "benchmark_atm_over", "iv_sold", "realised_over_life", "turnover", "time_exposed",
)  # fmt: skip

UNLESS_NONE = frozenset(
    (
        "fees_saved",
        "idle_yield",
        "conversions",
        "fills_repriced",
        "fills_converted",
        "settlements_official",
        "settlements_path_average",
        "settlements_price_0800",
    )
)  # fmt: skip - not shown where they are 0


def _report(store: SqlRunStore, state: RunState) -> str:
    from optionwriter.web.lab.report import (
        run_report,
    )  # it loads the pages, which no other verb on runs needs

    return run_report(store, state)


def _with_store(data_dir: Path | None, act: Callable[[SqlRunStore], None]) -> None:
    with told(SettingsError, RunStoreError, RunError):
        settings = load(overrides={"data_dir": data_dir}).settings
        with closing(run_store(settings)) as store:
            act(store)


def _one_of(run_id: int | None, sweep: str) -> None:
    """Errors: UserError unless one of the two is named."""
    with told():
        if (run_id is None) is not bool(sweep):
            raise UserError("name one run by its number, or a sweep with --sweep NAME")


@app.command("list")
def list_runs(
    status: Annotated[
        str | None, typer.Option(help="queued, running, finished, failed or cancelled.")
    ] = None,
    source: Annotated[str, typer.Option(help="Only this source.")] = "",
    strategy: Annotated[str, typer.Option(help="Only this strategy instance.")] = "",
    underlying: Annotated[str, typer.Option(help="Only runs with this coin.")] = "",
    group: Annotated[str, typer.Option(help="Only the runs of this sweep or comparison.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 20,
    data_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """The latest runs, latest first."""

    def act(store: SqlRunStore) -> None:
        try:
            wanted = RunStatus(status) if status else None
        except ValueError:
            raise UserError(f"--status {status!r} is none: choose from {', '.join(RunStatus)}") from None
        store.settle_lost(SystemClock().now_ms())
        found = store.list(RunFilter(wanted, source, strategy, underlying.upper(), group), limit)
        if json:
            print_json([plain(one) for one in found])
            return
        table = Table(box=None, header_style="bold")
        for name in ("run", "status", "name", "source", "strategy", "coins", "from", "to"):
            table.add_column(name, justify="right" if name == "run" else "left")
        for one in found:
            spec = one.spec
            told_status = (
                f"{one.status} {one.progress:.0%}" if one.status is RunStatus.RUNNING else str(one.status)
            )
            table.add_row(
                str(one.id), told_status, spec.name, spec.source, spec.strategy, ",".join(spec.underlyings),
                utc_day(spec.start_ms).isoformat(), utc_day(spec.end_ms).isoformat(),
            )  # fmt: skip
        out.print(table if found else "No runs yet: optionwriter backtest")

    _with_store(data_dir, act)


@app.command()
def show(run_id: int, data_dir: RunsDir = None, json: AsJson = False) -> None:
    """One run: its state, and what it was worth."""

    def act(store: SqlRunStore) -> None:
        state = store.get(run_id)
        if json:
            print_json(run_row(store, state))
            return
        spec = state.spec
        out.print(
            f"Run {run_id} · {spec.name} · {state.status} · {spec.source}, {spec.strategy}, "
            f"{','.join(spec.underlyings)}, "
            f"{utc_day(spec.start_ms)} to {utc_day(spec.end_ms)}, seed {spec.seed}",
            soft_wrap=True, markup=False,
        )  # fmt: skip
        out.print(f"config {json_module.dumps(spec.config, sort_keys=True)}", soft_wrap=True, markup=False)
        if state.provenance is not None:
            code, data = state.provenance.code_version, state.provenance.data_fingerprint
            out.print(f"code {code} · data {data[:16]}", markup=False)
        if state.error:
            out.print(f"error: {state.error}", markup=False, soft_wrap=True)
        for table in summary_tables(store.metrics(run_id)):
            out.print(table)
        if notes := store.notes(run_id):
            out.print(notes, markup=False, soft_wrap=True, style="dim")

    _with_store(data_dir, act)


@app.command()
def diff(
    first: int,
    second: int,
    exit_style: Annotated[str, typer.Option(help="Only this exit style.")] = "",
    data_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Every metric of two runs: A, B, and their difference."""

    def act(store: SqlRunStore) -> None:
        for one in (first, second):
            if store.get(one).status is not RunStatus.FINISHED:
                raise UserError(f"run {one} has not finished: see optionwriter runs show {one}")
        found = [
            one
            for one in differences(store.metrics(first), store.metrics(second))
            if exit_style in ("", one.exit_style)
        ]
        if not found:
            raise UserError(f"neither run has the exit style {exit_style!r}")
        if json:
            print_json([plain(one) for one in found])
        else:
            out.print(difference_table(found, str(first), str(second)))

    _with_store(data_dir, act)


@app.command()
def export(
    run_id: int,
    to: Annotated[
        Path,
        typer.Argument(
            help="A .json file (everything), .csv file (the positions), or .html file (a report)."
        ),
    ],
    data_dir: RunsDir = None,
) -> None:
    """Writes a run to a file."""

    def act(store: SqlRunStore) -> None:
        state = store.get(run_id)
        if to.suffix not in (".json", ".csv", ".html"):
            raise UserError(f"{to.name}: end the file's name with .json, .csv or .html")
        if to.suffix == ".html" and state.status is not RunStatus.FINISHED:
            raise UserError(f"run {run_id} is {state.status}: only a finished run has a report")
        if to.suffix == ".json":
            text = run_json(store, state)
        else:
            text = chains_csv(store, run_id) if to.suffix == ".csv" else _report(store, state)
        try:
            to.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"{to} can't be written: {error.strerror}") from None
        out.print(f"Run {run_id} is in {to}", markup=False)

    _with_store(data_dir, act)


@app.command()
def delete(run_id: RunOrSweep = None, sweep: SweepName = "", data_dir: RunsDir = None) -> None:
    """Drops a run, or with --sweep all runs of a sweep or comparison, and all that was found.

    A run that is running, or a sweep that is not over, must be cancelled first.
    """
    _one_of(run_id, sweep)

    def act(store: SqlRunStore) -> None:
        if run_id is None:
            out.print(f"{sweep} is gone: {store.delete_group(sweep)} runs", markup=False)
            return
        store.delete(run_id)
        out.print(f"Run {run_id} is gone")

    _with_store(data_dir, act)


@app.command()
def cancel(run_id: RunOrSweep = None, sweep: SweepName = "", data_dir: RunsDir = None) -> None:
    """Cancels what is queued and asks what is running to stop: a run, or with --sweep all of a sweep or comparison."""
    _one_of(run_id, sweep)

    def act(store: SqlRunStore) -> None:
        if run_id is None:
            found = store.groups([sweep]).get(sweep)
            if found is None:
                raise UserError(f"there is no sweep or comparison {sweep!r}: see optionwriter runs list")
            stop_all(store, sweep, SystemClock().now_ms())
            count = sum(n for status, n in found.items() if not status.is_over)
            out.print(f"{sweep}: {count} runs are cancelled or were asked to stop", markup=False)
            return
        state = store.cancel(run_id, SystemClock().now_ms())
        asked = " and was asked to stop" if state.status is RunStatus.RUNNING else ""
        out.print(f"Run {run_id} is {state.status}{asked}")

    _with_store(data_dir, act)


@app.command()
def repeat(run_id: int, data_dir: RunsDir = None) -> None:
    """Runs it again and compares: the same to the last digit, or what changed. Exit code 1 when something did."""

    def act(store: SqlRunStore) -> None:
        state = store.get(run_id)
        if state.status is not RunStatus.FINISHED or state.provenance is None:
            raise UserError(f"run {run_id} is {state.status}: only a finished run can be repeated")
        settings = load(overrides={"data_dir": data_dir}).settings
        again = runner(settings)(state.spec, lambda _share, _text: None)
        whole = bool(store.curves(run_id))  # a sweep keeps of most sets the figures alone
        positions = store.chains(run_id) if whole else None
        if found := otherwise(state.provenance, store.metrics(run_id), positions, again):
            for line in found:
                out.print(line, markup=False, soft_wrap=True)
            raise typer.Exit(1)
        counted = f"{len(again.metrics)} metrics, {len(again.chains)} positions"
        out.print(f"Run {run_id} repeats to the last digit: {counted}")

    _with_store(data_dir, act)


def summary_tables(metrics: Sequence[MetricRow]) -> Iterator[Table]:
    """The metrics an owner asks for first: a table for each exit style, a column a currency, errors beside ratios."""
    found = {(one.exit_style, one.currency, one.name): one for one in metrics}
    for style in sorted({one.exit_style for one in metrics}):
        currencies = sorted({one.currency for one in metrics if one.exit_style == style})
        table = Table(title=style, box=None, header_style="bold", title_justify="left")
        table.add_column("")
        for currency in currencies:
            table.add_column(currency, justify="right")
        for name in SHOWN:
            rows = [found.get((style, currency, name)) for currency in currencies]
            cells = [number(one) for one in rows]
            if name in UNLESS_NONE and not any(one is not None and one.value for one in rows):
                continue
            if any(cells):
                table.add_row(name.replace("_", " "), *cells)
        yield table


def difference_table(found: Sequence[Difference], first: str, second: str) -> Table:
    """A line a metric."""
    table = Table(box=None, header_style="bold")
    for name in ("exit style", "currency", "metric"):
        table.add_column(name)
    for name in (first, second, "difference"):
        table.add_column(name, justify="right")
    for one in found:
        cells = ["—" if value is None else f"{value:,.6g}" for value in (one.first, one.second, one.change)]
        table.add_row(one.exit_style, one.currency, one.name.replace("_", " "), *cells)
    return table


def number(one: MetricRow | None) -> str:
    """A metric as people read it; "" when it does not apply."""
    if one is None:
        return ""
    if one.value is None:
        return "—"
    text = f"{one.value:,.2f}" if abs(one.value) >= 100 else f"{one.value:,.4g}"
    if one.error is None:
        return text
    return f"{text} ± {one.error:,.0f}" if one.error >= 100 else f"{text} ± {one.error:.2g}"
