"""Run options: what backtest, sweep, compare and their like are asked alike on the command line, and how it is read.

One home for the words: a command that names a strategy, a period or an output takes the type from here and sets only
its own default.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from optionwriter.bootstrap.backtest_config import read_pairs
from optionwriter.cli.output import UserError

Source = Annotated[str, typer.Option(help="synthetic, live_deribit, real_scraper or sample.")]
Strategy = Annotated[str, typer.Option(help="Instance name in the strategy file.")]
Start = Annotated[str, typer.Option("--from", help="First day, UTC: 2026-01-05.")]
End = Annotated[str, typer.Option("--to", help="Last day, UTC, without it: 2026-03-01.")]
Underlyings = Annotated[str, typer.Option(help="Coins, comma-separated.")]
Preset = Annotated[
    str, typer.Option(help="ULTRA_SAFE, BALANCED, AGGRESSIVE, CUSTOM (BALANCED plus changes).")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="With CUSTOM, of every run alike: gates.delta_max=0.3; may be repeated."),
]
ExitStyles = Annotated[str, typer.Option(help="hold_to_expiry, tp_and_roll, own, comma-separated; or all.")]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", help="model=realised, step_minutes=30, btc=5, data=PATH, …"),
]
Seed = Annotated[
    int, typer.Option(min=0, help="Of the price path, the resampling and all else that chance decides.")
]
RunsDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where runs are stored without DATABASE_URL.")
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Data folder of the settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON.")]


def day_ms(text: str, option: str) -> int:
    """A day, or an instant with its zone, as epoch milliseconds. Errors: UserError names the option."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} {text!r} is no day such as 2026-01-05") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def pairs(given: list[str] | None, option: str) -> dict[str, Any]:
    """name=value, read as such. Errors: UserError names the option."""
    try:
        return read_pairs(given or [])
    except ValueError as error:
        raise UserError(f"{option} {error}") from None


def asked(option: list[str] | None, preset: str, exit_style: str, change: list[str] | None) -> dict[str, Any]:
    """A run's config of the command line's options. Errors: UserError names what is said in the wrong place."""
    found = pairs(option, "--option")
    for name, own in (("preset", "--preset"), ("exit_styles", "--exit-style"), ("changes", "--set")):
        if name in found:
            raise UserError(f"--option {name}: say it with {own}")
    changes = {"changes": pairs(change, "--set")} if change else {}
    return {**found, "preset": preset, "exit_styles": exit_style, **changes}


def coins_of(text: str) -> tuple[str, ...]:
    """Comma-separated coins, each once, in capitals."""
    return tuple(dict.fromkeys(one.strip().upper() for one in text.split(",") if one.strip()))
