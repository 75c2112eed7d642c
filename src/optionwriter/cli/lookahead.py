"""optionwriter lookahead-check: proves on random instants that no decision of a backtest rests on the future."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from optionwriter.bootstrap.lookahead import lookahead_check
from optionwriter.cli.output import err, out, print_json, told
from optionwriter.cli.run_options import (
    AsJson,
    DataDir,
    End,
    Options,
    Seed,
    Source,
    Start,
    Strategy,
    Underlyings,
    coins_of,
    day_ms,
    pairs,
)
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.run import RunSpec
from optionwriter.services.jobs import RunError
from optionwriter.settings import SettingsError, load


def lookahead(
    source: Source = "live_deribit",
    strategy: Strategy = "income",
    start: Start = "2026-02-01",
    end: End = "2026-03-01",
    underlyings: Underlyings = "BTC,ETH",
    cuts: Annotated[int, typer.Option(min=1, help="How many instants are tried.")] = 5,
    lead_days: Annotated[float, typer.Option(min=0.1, help="Days decided before each.")] = 4.0,
    option: Options = None,
    seed: Seed = 1,
    data_dir: DataDir = None,
    json: AsJson = False,
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
