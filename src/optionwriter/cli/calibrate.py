"""optionwriter calibrate: how far synthetic volatilities are from a market's marks, and the nearest multiplier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.table import Table

from optionwriter.bootstrap.calibrating import (
    LIVE,
    RECORDED,
    Asked,
    Family,
    Report,
    calibration,
    product_of,
)
from optionwriter.bootstrap.calibrator import latest
from optionwriter.bootstrap.explaining_backtest import explain_backtest
from optionwriter.bootstrap.skews import MOST_HOURS, SKEW_DIR, skew_for
from optionwriter.cli.output import UserError, err, out, print_json, print_wide, told
from optionwriter.cli.run_options import (
    AsJson,
    DataDir,
    End,
    Options,
    Seed,
    Start,
    Strategy,
    Underlyings,
    coins_of,
    day_ms,
    pairs,
)
from optionwriter.core.market.skew_factors import ANCHORS, TENOR_DAYS
from optionwriter.core.report.calibration import DELTA_NAMES, TENOR_NAMES, ErrorRow
from optionwriter.core.report.calibration_models import FITS, TITLES, Model
from optionwriter.core.report.explained_difference import (
    FIRST,
    LAST,
    REST,
    SOURCES,
    Explained,
    StepResult,
    explained,
)
from optionwriter.core.report.glossary import digits_of
from optionwriter.core.report.run import RunSpec
from optionwriter.services.calibrate import CalibrationError, Moment
from optionwriter.services.calibrated import report_json
from optionwriter.services.jobs import RunError
from optionwriter.settings import SettingsError, load

MOST_ROWS = 24  # over time
FailedDaysOption = Annotated[
    str, typer.Option(help="Recorded days that fail their quality check: refuse, skip, take.")
]
app = typer.Typer(no_args_is_help=False, invoke_without_command=True)


@app.callback()
def calibrate(
    context: typer.Context,
    source: Annotated[
        str, typer.Option(help="live (the public API), live_deribit, real_scraper, sample.")
    ] = "live_deribit",
    underlying: Annotated[str, typer.Option(help="BTC or ETH.")] = "BTC",
    family: Annotated[str, typer.Option(help="inverse or linear.")] = "inverse",
    at: Annotated[
        str, typer.Option(help="The last chain at or before it, UTC: 2026-02-10T12:00; default: the latest.")
    ] = "",
    start: Annotated[str, typer.Option(help="First day of a period, UTC.")] = "",
    end: Annotated[str, typer.Option(help="Last day of it, UTC, without it.")] = "",
    every: Annotated[int, typer.Option(min=0, help="Minutes between chains at least; 0: every one.")] = 0,
    iv_multiplier: Annotated[float, typer.Option(help="Implied over realised volatility, tried out.")] = 1.0,
    env: Annotated[str, typer.Option(help="With --source live: mainnet, testnet, local.")] = "mainnet",
    data: Annotated[str, typer.Option(help="Folder of recorded chains, as a backtest's.")] = "",
    failed_days: FailedDaysOption = "refuse",
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Holds four volatility models against recorded or live marks; tells the iv_multiplier of least error."""
    if context.invoked_subcommand is not None:
        return
    with told(SettingsError, CalibrationError):
        settings = load(overrides={"data_dir": data_dir}).settings
        first, last = period(at, start, end, source)
        if family not in ("inverse", "linear"):
            raise UserError(f"--family {family!r} is neither inverse nor linear")
        if not (at or start):
            first = last = _latest(source, underlying.upper(), family, data) or last
        asked = Asked(
            underlying.upper(), cast("Family", family), source, first, last, every * 60_000, iv_multiplier, data,
            _environment(env), _failed_days(failed_days),
        )  # fmt: skip
        with err.status("") as status:
            report = calibration(settings, asked, None, lambda done: status.update(f"{done} chains"))
    if json:
        print_json(report_json(report.found, report.notes))
    else:
        _show(report)


@app.command("skew")
def skew(
    underlying: Annotated[str, typer.Option(help="Coins, comma-separated.")] = "BTC,ETH",
    source: Annotated[
        str, typer.Option(help="live (the public API), live_deribit, real_scraper, sample.")
    ] = "live",
    at: Annotated[
        str, typer.Option(help="Of recorded chains: the last one at or before it, UTC; default: the latest.")
    ] = "",
    tenor: Annotated[float, typer.Option(min=1.0, max=365.0, help="Days to expiry.")] = TENOR_DAYS,
    most_hours: Annotated[float, typer.Option(min=0.0, help="Older factors are too old.")] = MOST_HOURS,
    if_old: Annotated[
        str, typer.Option(help="Of missing or old factors: fetch, refuse; keep takes them at any age.")
    ] = "fetch",
    env: Annotated[str, typer.Option(help="With --source live: mainnet, testnet, local.")] = "mainnet",
    data: Annotated[str, typer.Option(help="Folder of recorded chains, as a backtest's.")] = "",
    failed_days: FailedDaysOption = "refuse",
    folder: Annotated[Path, typer.Option(help="Where they are kept.")] = SKEW_DIR,
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Shows the skew factors kept of each coin, with their age and source; fetches what is missing or too old."""
    with told(SettingsError, CalibrationError):
        settings = load(overrides={"data_dir": data_dir}).settings
        if if_old not in ("fetch", "refuse", "keep"):
            raise UserError(f"--if-old {if_old!r} is none of fetch, refuse, keep")
        moment, _ = period(at, "", "", source)
        coins = [one.strip().upper() for one in underlying.split(",") if one.strip()]
        found = []
        for coin in coins:
            when = moment if at else _latest(source, coin, "inverse", data) or moment
            asked = Asked(
                coin, "inverse", source, when, when, data=data, environment=_environment(env),
                failed_days=_failed_days(failed_days),
            )  # fmt: skip
            found.append(
                skew_for(
                    settings,
                    asked,
                    folder,
                    most_hours=most_hours,
                    if_old=cast("Any", if_old),
                    tenor_days=tenor,
                    now_ms=None if source == LIVE else when,
                )
            )
    if json:
        print_json(
            [{**asdict(one.skew), "age_hours": one.age_hours, "is_fresh": one.is_fresh} for one in found]
        )
        return
    table = Table("coin", "type", *(f"{delta:.2f}" for delta in ANCHORS), "tenor", "source", "age")
    for one in found:
        for kind, factors in (("call", one.skew.factors.call), ("put", one.skew.factors.put)):
            table.add_row(
                one.skew.underlying, kind, *(f"{value:.4f}" for value in factors), f"{one.skew.tenor_days:g} d",
                one.skew.source, f"{one.age_hours:.1f} h" + (", fetched now" if one.is_fresh else ""),
            )  # fmt: skip
    out.print(table)


@app.command("explain-backtest")
def explain_difference(
    source: Annotated[
        str, typer.Option(help="Recorded chains: live_deribit or real_scraper.")
    ] = "live_deribit",
    strategy: Strategy = "income",
    start: Start = "2026-02-02",
    end: End = "2026-02-28",
    underlyings: Underlyings = "BTC,ETH",
    option: Options = None,
    metric: Annotated[
        str, typer.Option(help="Which figures, comma-separated.")
    ] = "option_pnl,premium_sold,trades",
    trades_only: Annotated[
        bool,
        typer.Option("--trades-only", help="Only the recorded run, and its trades at the others' prices."),
    ] = False,
    seed: Seed = 1,
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Explains what a synthetic backtest says otherwise than a recorded one, by changing one thing at a time."""
    with told(SettingsError, RunError):
        settings = load(overrides={"data_dir": data_dir}).settings
        spec = RunSpec(
            "explain", source, strategy,
            coins_of(underlyings),
            day_ms(start, "--from"), day_ms(end, "--to"), seed, pairs(option, "--option"),
        )  # fmt: skip
        with err.status("") as status:
            chain = explain_backtest(
                settings, spec, lambda step, share: status.update(f"{step}: {100 * share:.0f} %"), trades_only
            )
        asked = [one.strip() for one in metric.split(",") if one.strip()]
        rows = [] if trades_only else explained_rows(chain.steps, asked)
    if json:
        same = {**asdict(chain.same), "changes": chain.same.changes}
        said = {"seed": seed, "step_minutes": spec.config.get("step_minutes", 60), "notes": chain.notes}
        print_json({**said, "rows": [asdict(row) for row in rows], "same_trades": same})
        return
    for row in rows:
        out.print(_explained_table(row))
    trades = Table(f"the recorded run's {chain.same.trades} trades, USD", "")
    trades.add_row(FIRST, f"{chain.same.flows_usd[FIRST] + chain.same.payoffs_usd[FIRST]:,.2f}")
    for name, change in chain.same.changes.items():
        trades.add_row(name, f"{change:+,.2f}")
    trades.add_row(LAST, f"{chain.same.flows_usd[LAST] + chain.same.payoffs_usd[LAST]:,.2f}")
    out.print(trades)
    for name, text in {**SOURCES, **REST}.items():
        out.print(f"{name}: {text}", markup=False, style="dim")


def explained_rows(steps: Sequence[StepResult], metrics: Sequence[str]) -> list[Explained]:
    """Each figure that every run knows, USD first. Errors: RunError when there is none."""
    currencies = sorted(
        {currency for one in steps for currency, _ in one.figures}, key=lambda one: (one != "USD", one)
    )
    found = [
        explained(steps, currency, name)
        for name in metrics
        for currency in currencies
        if all((currency, name) in one.figures for one in steps)
    ]
    if not found:
        known = sorted({name for _, name in steps[0].figures})
        raise RunError(f"no run knows {', '.join(metrics)}: choose from {', '.join(known)}")
    return found


def _explained_table(row: Explained) -> Table:
    """One figure through the chain, every line in the digits of the figure's unit."""
    digits = digits_of(row.metric, row.currency)
    table = Table(f"{row.metric}, {row.currency}", "change", "so far")
    table.add_row(FIRST, "", f"{row.first:,.{digits}f}")
    so_far = row.first
    for name, change in row.changes.items():
        so_far += change
        said = f"{'rest, ' if name in REST else ''}{name}"
        table.add_row(said, f"{change:+,.{digits}f}", f"{so_far:,.{digits}f}")
    table.add_row("not explained: the rest", f"{row.rest:+,.{digits}f}", "")
    return table


def _environment(text: str) -> Any:
    if text not in ("mainnet", "testnet", "local"):
        raise UserError(f"--env {text!r} is none of mainnet, testnet, local")
    return text


def _failed_days(text: str) -> Any:
    if text not in ("refuse", "skip", "take"):
        raise UserError(f"--failed-days {text!r} is none of refuse, skip, take")
    return text


def period(at: str, start: str, end: str, source: str) -> tuple[int, int]:
    """(first, last) instant; equal ones ask for a single chain. Errors: UserError."""
    if bool(start) != bool(end):
        raise UserError("a period has both --start and --end, or give --at for one chain")
    if start and at:
        raise UserError("--at is one chain, --start and --end are a period: give one of them")
    if source == "live":
        if start or at:
            raise UserError("--source live is now: leave --at, --start and --end out, or choose live_deribit")
        return 0, 0
    if start:
        first, last = instant(start, "--start"), instant(end, "--end")
        if last <= first:
            raise UserError("--end is not after --start: swap them")
        return first, last
    moment = instant(at or "2026-02-28T23:59", "--at")
    return moment, moment


def _latest(source: str, coin: str, family: str, data: str) -> int | None:
    """The last recorded day's end, where chains are at their usual place. Errors: CalibrationError."""
    return None if data or source not in RECORDED else latest(source, product_of(coin, family).code)[0]


def instant(text: str, option: str) -> int:
    """A day or a time as epoch milliseconds, UTC. Errors: UserError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} {text!r} is no time such as 2026-02-10 or 2026-02-10T12:00") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _show(report: Report) -> None:
    found = report.found
    first, last = found.moments[0], found.moments[-1]
    coin = "USDC" if report.asked.family == "linear" else report.asked.underlying
    out.print(
        f"{found.product}, {len(found.moments)} chains from {_time(first.at_ms)} to {_time(last.at_ms)}, "
        f"{found.marks:,} marks; realised volatility of 7 days {_known(100 * last.realised_7d)} at the last one, "
        f"volatility index {_known(last.volatility_index)}, 30 days at the money {_known(100 * last.atm_30d)}",
        markup=False,
    )
    table = Table("model", "marks", "points", "bias", "USD", "bias", coin, "bias")
    for model, sums in found.errors.items():
        _add(table, model.value + ("*" if model in FITS else ""), sums.overall(), 2 if coin == "USDC" else 6)
    out.print(table)
    for model in found.errors:
        out.print(f"{model.value}: {TITLES[model]}", markup=False, style="dim")
    out.print("* fitted to the very marks it is held against; error: mean absolute; bias: model less mark")
    out.print("Volatility points off, error and bias:")
    for kind, names in (("days to expiry", TENOR_NAMES), ("delta", DELTA_NAMES)):
        by = Table(kind, *(model.value for model in found.errors))
        rows = [
            sums.by_tenor() if names is TENOR_NAMES else sums.by_delta() for sums in found.errors.values()
        ]
        for place, name in enumerate(names):
            by.add_row(name, *(_points(row[place]) for row in rows))
        out.print(by)
    out.print("iv_multiplier of least error, in points and in USD over all marks, and in points by tenor:")
    best = Table("best", "points", "USD", *TENOR_NAMES)
    for model, (whole, tenors) in found.best.items():
        best.add_row(
            model.value, _number(whole.points), _number(whole.usd), *(_number(one.points) for one in tenors)
        )
    out.print(best)
    if len(found.moments) > 1:
        _over_time(found.moments)
    for note in report.notes:
        out.print(note, markup=False, style="dim", soft_wrap=True)


def _over_time(moments: Sequence[Moment]) -> None:
    """At most MOST_ROWS of the chains, evenly: the level, the best multiplier, points off."""
    out.print("Over time (all of it with --json): volatility, the best multiplier of flat, points off")
    models = (Model.FLAT, Model.SKEW, Model.ANCHORED, Model.SURFACE_BEFORE)
    table = Table("at", "7 d", "index", "30 d", "best", *(str(one) for one in models))
    for one in moments[:: -(-len(moments) // MOST_ROWS)]:
        off = (one.points.get(model) for model in models)
        table.add_row(
            _time(one.at_ms), _known(100 * one.realised_7d), _known(one.volatility_index),
            _known(100 * one.atm_30d), _number(one.multiplier),
            *("-" if points is None else f"{points:.1f}" for points in off),
        )  # fmt: skip
    print_wide(table)


def _add(table: Table, name: str, row: ErrorRow, digits: int) -> None:
    if row.mae is None or row.bias is None:
        table.add_row(name, "0", *["-"] * 6)
        return
    price, usd, points = zip(row.mae, row.bias, strict=True)
    table.add_row(
        name, f"{row.count:,}", f"{points[0]:.2f}", f"{points[1]:+.2f}", f"{usd[0]:,.2f}", f"{usd[1]:+,.2f}",
        f"{price[0]:,.{digits}f}", f"{price[1]:+,.{digits}f}",
    )  # fmt: skip


def _points(row: ErrorRow) -> str:
    return "-" if row.mae is None or row.bias is None else f"{row.mae[2]:.1f} {row.bias[2]:+.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _known(points: float) -> str:
    return f"{points:.1f}" if math.isfinite(points) else "unknown"


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"
