"""optionwriter import: files that people have, into the data folder, with a report of every row and unit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from optionwriter.adapters.tapes.importers.problem import DEFAULT_EVERY_MINUTES, ImportOptions
from optionwriter.bootstrap.importing import ImportingError, download_tardis
from optionwriter.bootstrap.importing import import_files as run_import
from optionwriter.cli.output import EXIT_WRONG, UserError, err, out, print_json, told
from optionwriter.core.report.imports import ImportReport, report_lines
from optionwriter.services.imports import Telling
from optionwriter.settings import SettingsError, load


class Volatility(StrEnum):
    """How a file writes volatilities."""

    PERCENT = "percent"
    DECIMAL = "decimal"


class Prices(StrEnum):
    """In what a file writes prices of inverse options."""

    COIN = "coin"
    USD = "usd"


def import_files(
    format_name: Annotated[
        str, typer.Argument(metavar="FORMAT", help="auto, or a format of docs/importing.md.")
    ],
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Files, or folders of them.")
    ] = None,
    iv: Annotated[
        Volatility | None, typer.Option(help="How volatilities are written, where rows can't tell.")
    ] = None,
    price: Annotated[Prices | None, typer.Option(help="In what prices are, where rows can't tell.")] = None,
    timezone: Annotated[str, typer.Option(help="Of times that name no zone: UTC, America/New_York.")] = "",
    underlying: Annotated[
        str, typer.Option(help="Product of rows that don't name it; else only its rows.")
    ] = "",
    at: Annotated[str, typer.Option(help="When the quotes were made, for a file that says it nowhere.")] = "",
    every: Annotated[
        int,
        typer.Option(
            min=1, max=1_440, help="Minutes between snapshots that a stream of changes is thinned to."
        ),
    ] = DEFAULT_EVERY_MINUTES,
    replace: Annotated[
        bool, typer.Option("--replace", help="Rows that contradict stored ones take their place.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check everything, write nothing.")
    ] = False,
    folder: Annotated[Path, typer.Option("--out", "-o", help="Folder of the data.")] = Path("data"),
    download: Annotated[
        bool,
        typer.Option(
            "--download", help="With tardis: fetch the days of --from to --to first (TARDIS_API_KEY)."
        ),
    ] = False,
    start: Annotated[str, typer.Option("--from", help="First day to fetch, UTC: 2024-03-01.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day to fetch, without it: 2024-03-02.")] = "",
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Imports recorded chains and prices: every unit settled by evidence, every row kept or counted with its reason."""
    with told(SettingsError, ImportingError):
        options = ImportOptions(
            iv=iv.value if iv else "",
            price=price.value if price else "",
            timezone=timezone,
            underlying=underlying.strip().upper(),
            at_ms=_at_ms(at) if at else None,
            every_minutes=every,
        )
        given = list(paths or [])
        with _progress(quiet=json) as telling:
            if download:
                telling(0.0, "fetching")
                given += _downloaded(format_name, folder, start, end)
            if not given:
                raise UserError("nothing to import: name files or folders, or --download with tardis")
            report = _imported(given, format_name, options, folder, telling, replace, dry_run)
        _tell(report, json)


def _imported(
    paths: list[Path],
    format_name: str,
    options: ImportOptions,
    target: Path,
    telling: Telling,
    replace: bool,
    dry_run: bool,
) -> ImportReport:
    try:
        return run_import(
            paths, format_name, options, target, telling, replace_stored=replace, dry_run=dry_run
        )
    except KeyboardInterrupt:
        raise UserError("stopped before anything was written: import again") from None


def _downloaded(format_name: str, folder: Path, start: str, end: str) -> list[Path]:
    if format_name != "tardis":
        raise UserError(f"--download is for tardis, not for {format_name}")
    days = [_day(start, "--from"), _day(end, "--to")]
    if days[1] <= days[0]:
        raise UserError("--to is not after --from: give the day after the last one that is wanted")
    return download_tardis(load().settings, folder, *days)


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} {text!r} is no day such as 2024-03-01") from None


def _tell(report: ImportReport, json: bool) -> None:
    if json:
        print_json(asdict(report))
    else:
        for line in report_lines(report):
            out.print(line, markup=False, soft_wrap=True)
    if report.refused or report.broken_off:
        raise typer.Exit(EXIT_WRONG)


def _at_ms(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"--at {text!r} is no instant such as 2024-05-24T13:30Z") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


@contextmanager
def _progress(quiet: bool) -> Iterator[Telling]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal) as bar:
        task = bar.add_task("beginning", total=1.0)
        yield lambda share, text: bar.update(task, completed=share, description=text)
