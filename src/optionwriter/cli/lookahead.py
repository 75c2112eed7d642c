"""optionwriter lookahead-check: proves on random instants that no decision of a backtest rests on the future."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from optionwriter.bootstrap.lookahead import lookahead_check
from optionwriter.cli.backtest import coins_of, day_ms, pairs
from optionwriter.cli.output import err, out, print_json, told
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.run import RunSpec
from optionwriter.services.jobs import RunError
from optionwriter.settings import SettingsError, load


def lookahead(
    source: Annotated[
        str, typer.Option(help="synthetic, live_deribit, real_scraper, sample.")
    ] = "live_deribit",
    strategy: Annotated[str, typer.Option(help="Instance name in the strategy file.")] = "income",
    start: Annotated[str, typer.Option("--from", help="First day, UTC.")] = "2026-02-01",
    end: Annotated[str, typer.Option("--to", help="Last day, UTC, without it.")] = "2026-03-01",
    underlyings: Annotated[str, typer.Option(help="Coins, comma-separated.")] = "BTC,ETH",
    cuts: Annotated[int, typer.Option(min=1, help="How many instants are tried.")] = 5,
    lead_days: Annotated[float, typer.Option(min=0.1, help="Days decided before each.")] = 4.0,
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="As of backtest: data=PATH, step_minutes=30, …")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the instants and the price path.")] = 1,
    data_dir: Annotated[Path | None, typer.Option(help="Data folder of the settings.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Cuts the recording at random instants and compares every decision up to each, byte for byte; exit 1 on a leak."""
    with told(SettingsError, RunError):
        settings = load(overrides={"data_dir": data_dir}).settings
        spec = RunSpec(
            name="lookahead-check",
            source=source,
            strategy=strategy,
            underlyings=coins_of(underlyings),
            start_ms=day_ms(start, "--from"),
            end_ms=day_ms(end, "--to"),
            seed=seed,
            config=pairs(option, "--option"),
        )
        with err.status("") as status:
            found = lookahead_check(
                settings,
                spec,
                cuts,
                round(lead_days * MS_PER_DAY),
                lambda done: status.update(f"{done} of {cuts} instants compared"),
            )
    if json:
        print_json(asdict(found))
    else:
        cuts_told = f"{found.cuts} cut{'s' if found.cuts != 1 else ''}"
        missed = (
            f"; at {found.undecided} more steps there was nothing to decide on" if found.undecided else ""
        )
        out.print(f"{found.decisions} decisions compared at {cuts_told} of {source}{missed}", markup=False)
        for leak in found.leaks:
            at, until = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (leak.at_ms, leak.known_until_ms))
            out.print(
                f"leak: {leak.strategy_id} at {at:%Y-%m-%d %H:%M:%S} rests on what came after "
                f"{until:%Y-%m-%d %H:%M:%S} ({leak.what})\n  whole: {leak.whole}\n  known: {leak.known}",
                markup=False,
            )
        out.print(
            "Nothing from the future was seen" if not found.leaks else "The future was seen", markup=False
        )
    if found.leaks:
        raise typer.Exit(1)
