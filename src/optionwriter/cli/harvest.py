"""optionwriter harvest: records whole option chains from the public API, at every slot of the clock."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from optionwriter.adapters.clocks import SystemClock
from optionwriter.bootstrap.harvesting import (
    assets_of,
    fetch_past,
    harvest_folder,
    harvester_state,
    seat_harvester,
)
from optionwriter.bootstrap.parts import BootError
from optionwriter.cli.output import UserError, err, out, print_json, told
from optionwriter.cli.run import Stop, Waiting
from optionwriter.cli.run_options import day_ms
from optionwriter.core.report.harvester import HarvesterState
from optionwriter.ports import HarvestStoreError
from optionwriter.services.harvest import SlotReport, gaps_told, run_harvester
from optionwriter.settings import Settings, SettingsError, load

_SHOWN = 20  # gaps of a status


def harvest(
    once: Annotated[bool, typer.Option("--once", help="The slot that it is now, then end.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="How the harvester of the folder is doing.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Prices, volatility index, delivery prices up to now, then end.")
    ] = False,
    start: Annotated[
        str | None, typer.Option("--from", help="With --history: first day, UTC; default where it ended.")
    ] = None,
    env: Annotated[
        str, typer.Option("--env", help="mainnet, testnet or local; DERIBIT_ENV does not count here.")
    ] = "mainnet",
    assets: Annotated[str, typer.Option(help="BTC,ETH_USDC,…; default: all that are recorded there.")] = "",
    every: Annotated[
        int | None, typer.Option(help="Minutes between snapshots; default HARVESTER_INTERVAL_MINUTES.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder with live_deribit; default data, data/ENV elsewhere.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="With --once or --status: as JSON.")] = False,
) -> None:
    """Records whole option chains from an exchange's public API, at every slot of the clock."""
    with told(SettingsError, BootError, HarvestStoreError):
        if sum((once, status, history)) > 1:
            raise UserError("say one of --once, --status and --history")
        if json and not (once or status or history):
            raise UserError("--json is for --once, --status and --history: one that goes on has no result")
        if start is not None and not history:
            raise UserError("--from is for --history: chains can't be harvested afterwards")
        settings = load(overrides={"harvester_interval_minutes": every}).settings
        folder = harvest_folder(env, data)
        if status:
            _show(harvester_state(folder), folder, json)
            return
        chosen = assets_of(env, [one.strip().upper() for one in assets.split(",") if one.strip()])
        if history:
            _fetch(settings, env, data, chosen, start, json)
            return
        reports: list[SlotReport] = []

        def tell(report: SlotReport) -> None:
            reports[:] = [report]
            if not json:
                for line in _lines(report):
                    out.print(line, markup=False, soft_wrap=True)

        with _stopping() as stop:
            _run(settings, env, folder, chosen, once, stop, tell)
        if once:
            _finish(reports, json)


def _run(
    settings: Settings,
    env: str,
    folder: Path,
    assets: tuple[str, ...],
    once: bool,
    stop: Stop,
    tell: Callable[[SlotReport], None],
) -> None:
    waiting = Waiting(once)
    try:
        with seat_harvester(
            settings, env, folder, assets, lambda reason: not stop() and waiting(reason)
        ) as desk:
            if not once:
                out.print(
                    f"harvesting {', '.join(assets)} of {env} every {settings.harvester_interval_minutes} "
                    f"minutes into {folder}; Ctrl-C stops it",
                    markup=False,
                    soft_wrap=True,
                )
            run_harvester(
                desk,
                slots=1 if once else None,
                stop=stop,
                tell=tell,
                complain=lambda text: err.print(text, markup=False, soft_wrap=True),
            )
    except BootError:
        if not stop():  # else: asked to stop while it waited for the exchange
            raise


@contextmanager
def _stopping() -> Iterator[Stop]:
    """Whether SIGINT or SIGTERM came, while it lasts."""
    stop = Stop()
    before = {number: signal.signal(number, stop.on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fetch(
    settings: Settings, env: str, data: Path | None, assets: tuple[str, ...], start: str | None, json: bool
) -> None:
    """The past, brought up to date: exit code 1 where something of it could not be had."""
    from_ms = None if start is None else day_ms(start, "--from")
    with _stopping() as stop, err.status("") as status:
        found = fetch_past(
            settings,
            env,
            data,
            assets,
            from_ms,
            stop,
            lambda one, at_ms: status.update(f"{one.kind} of {one.name} up to {_time(at_ms)}"),
        )
    if json:
        print_json([asdict(one) for one in found])
    else:
        for one in found:
            span = f"{_time(one.first_ms)} to {_time(one.last_ms)}" if one.last_ms else "nothing"
            text = f"{one.kind} of {one.name}: {one.added} rows added, {span}"
            out.print(text + (f"; {one.problem}" if one.problem else ""), markup=False, soft_wrap=True)
    if any(one.problem for one in found):
        raise typer.Exit(1)


def _finish(reports: list[SlotReport], json: bool) -> None:
    """The result of --once: exit code 1 where an asset has a gap."""
    report = reports[0] if reports else None
    if json and report is not None:
        print_json(
            {
                "slot": _time(report.slot_ms),
                "results": {name: asdict(one) for name, one in report.results.items()},
                "there": list(report.there),
            }
        )
    if report is None or report.gaps:
        raise typer.Exit(1)


def _lines(report: SlotReport) -> list[str]:
    kept = [
        f"{name} {one.rows}" + (f" ({one.note})" if one.note else "")
        for name, one in report.results.items()
        if not one.reason
    ]
    lines = [f"{_time(report.slot_ms)}  {', '.join(kept) or 'nothing new'}"]
    if report.there:
        lines.append(f"  done before: {', '.join(report.there)}")
    if report.gaps:
        lines.append(f"  gaps: {gaps_told(report.gaps)}")
        lines += [f"    {one.asset}: {one.detail}" for one in report.gaps if one.detail]
    if report.compacted:
        lines.append(f"  {report.compacted} closed days compacted")
    return lines


def _show(state: HarvesterState, folder: Path, json: bool) -> None:
    if json:
        print_json(asdict(state) | {"folder": str(folder)})
        return
    if not state.environment:
        out.print(f"no harvester ever ran in {folder}", markup=False, soft_wrap=True)
        return
    late_ms = SystemClock().now_ms() - state.next_slot_ms
    ended = f"stopped {_time(state.stopped_ms)}" if state.stopped_ms else "was killed"
    doing = f"runs since {_time(state.running_since_ms)}" if state.is_running else ended
    out.print(
        f"{state.environment}, every {state.interval_minutes} minutes: {doing}; last slot "
        f"{_time(state.last_slot_ms)}, next {_time(state.next_slot_ms)}",
        markup=False,
        soft_wrap=True,
    )
    if state.is_running and state.environment != "local" and late_ms > state.interval_minutes * 60_000:
        out.print(f"it is {late_ms // 60_000} minutes late: it hangs, or the clock is wrong")
    table = Table("asset", "slot", "options", "kB", "last whole", "gap or note")
    for name, one in sorted(state.results.items()):
        table.add_row(
            name,
            _time(one.slot_ms),
            str(one.rows),
            f"{one.bytes / 1000:.1f}",
            _time(one.whole_ms),
            f"{one.reason} {one.note}".strip(),
        )
    out.print(table)
    missing = sum(one.slots for one in state.gaps)
    out.print(f"{missing} slots of an asset are missing, in {len(state.gaps)} gaps")
    for gap in state.gaps[-_SHOWN:]:
        until = f" to {_time(gap.last_ms)} ({gap.slots})" if gap.slots > 1 else ""
        out.print(
            f"  {gap.asset} {_time(gap.first_ms)}{until}: {gap.reason.value} {gap.detail}".rstrip(),
            markup=False,
            soft_wrap=True,
        )


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if at_ms else "-"
