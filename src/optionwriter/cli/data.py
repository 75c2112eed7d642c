"""optionwriter data: what recorded data there is, how good it is, and questions about it in SQL."""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from optionwriter.adapters.clocks import SystemClock
from optionwriter.bootstrap.catalogue import (
    Catalogue,
    CatalogueError,
    Checked,
    DayCoverage,
    Wanted,
    told_coverage,
    told_quality,
)
from optionwriter.cli import exam
from optionwriter.cli.output import UserError, err, out, print_json, print_wide, told
from optionwriter.core.market.quality import Severity, Verdict
from optionwriter.web.format import span

app = typer.Typer(no_args_is_help=True, help="Recorded data: coverage, quality, SQL, exams.")
app.add_typer(exam.app, name="exam")

_ASSET = re.compile(r"[A-Z]{2,}(_[A-Z]+)?")
_PERIOD = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")
_BARS = "▁▂▃▄▅▆▇█"
_PICTURE = 96  # characters
_COLOURS = {Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}

_WHAT = Annotated[
    list[str] | None,
    typer.Argument(
        help="A folder or file, an asset (BTC), a period (2026-02, 2026-02-03..2026-02-10); any of them."
    ),
]
_JSON = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


class Form(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@app.command("list")
def list_(
    what: _WHAT = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Only this source folder; may be repeated.")
    ] = None,
    json: _JSON = False,
) -> None:
    """Coverage by source folder, asset and day."""
    with told(CatalogueError):
        catalogue, wanted = _asked(what, source)
        found = catalogue.coverage(wanted)
    if json:
        print_json({"where": str(catalogue.where), "days": [told_coverage(one) for one in found]})
        return
    _title(catalogue)
    table = Table(
        "source",
        "asset",
        "days",
        "first",
        "last",
        "snapshots",
        "rows",
        "every",
        "longest gap",
        "compacted",
        "MB",
    )
    groups = _grouped(found)
    for (name, asset), days in groups.items():
        table.add_row(
            name, asset, str(len(days)), _at(days[0].first_ms), _at(days[-1].last_ms),
            f"{sum(one.snapshots for one in days):,}", f"{sum(one.rows for one in days):,}",
            span(days[0].cadence_ms / 1000) if days[0].cadence_ms else "",
            span(max(one.gap_ms for one in days) / 1000),
            f"{sum(one.compacted for one in days)} of {len(days)}",
            f"{sum(one.bytes for one in days) / 1e6:,.1f}",
        )  # fmt: skip
    print_wide(table)
    for (name, asset), days in groups.items():
        out.print(f"{asset:>10} {picture(days)}  {name}", markup=False, soft_wrap=True)
    if groups:
        first, last = (f(one.day for one in found) for f in (min, max))
        out.print(
            f"{'':>10} {first} to {last}: a bar is {_bar_days(first, last)} day(s), full where none is missing",
            markup=False,
        )


@app.command()
def check(
    what: _WHAT = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Only this source folder; may be repeated.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Every finding of every day, notes too.")] = False,
    json: _JSON = False,
) -> None:
    """Quality by day: findings, a score of 0 to 100, pass, warn or fail; exit 1 when a day fails."""
    with told(CatalogueError):
        catalogue, wanted = _asked(what, source)
        series = catalogue.check_series() if wanted == Wanted() else []
        with err.status("") as status:
            found = list(catalogue.check(wanted, status.update)) if catalogue.recordings or not series else []
    found += [Checked("series", one, False) for one in series]
    if json:
        print_json(
            {
                "where": str(catalogue.where),
                "days": [{"source": one.source, **told_quality(one.quality)} for one in found],
            }
        )
    else:
        _title(catalogue)
        _tell_quality(found, full)
    if any(one.quality.verdict is Verdict.FAIL for one in found):
        raise typer.Exit(1)


@app.command()
def sql(
    question: Annotated[str, typer.Argument(help="One SELECT; SHOW TABLES tells what there is.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder or file; default: data/, else what is bundled.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Most rows that are shown.")] = 1_000,
    form: Annotated[Form, typer.Option("--format", help="How the answer is written.")] = Form.TABLE,
    json: _JSON = False,
) -> None:
    """Asks the recorded data in SQL (DuckDB), read-only."""
    with told(CatalogueError):
        answer = Catalogue(data).sql(question, limit)
    if json or form is Form.JSON:
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        print_json({"columns": answer.columns, "rows": rows, "cut": answer.cut})
    elif form is Form.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)
    else:
        table = Table(*answer.columns)
        for row in answer.rows:
            table.add_row(*("" if one is None else str(one) for one in row))
        out.print(table, markup=False)
    if answer.cut:
        err.print(f"cut after {limit:,} rows: there are more (--limit)", markup=False)


@app.command("compact")
def compact_(
    what: _WHAT = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Only this source folder; may be repeated.")
    ] = None,
    json: _JSON = False,
) -> None:
    """Makes one sorted file of every harvested day that is over."""
    with told(CatalogueError):
        catalogue, wanted = _asked(what, source)
        today = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).date()
        with err.status("") as status:
            found = list(catalogue.compact(wanted, today, status.update))
    if json:
        print_json({"where": str(catalogue.where), "days": [asdict(one) for one in found]})
        return
    _title(catalogue)
    for one in found:
        out.print(
            f"{one.day} {one.asset:<9} {one.files} files, {one.rows:,} rows: {one.bytes_before / 1e6:,.2f} MB to "
            f"{one.bytes_after / 1e6:,.2f} MB",
            markup=False,
        )
    out.print(
        f"{len(found)} days compacted" if found else "Nothing to compact: every day that is over is one file"
    )


def _tell_quality(found: list[Checked], full: bool) -> None:
    for one in found:
        quality = one.quality
        said = [each for each in quality.findings if full or each.severity is not Severity.NOTE]
        if quality.verdict is Verdict.PASS and not full and len(found) > 10:
            continue
        out.print(
            f"{quality.day} {quality.asset:<9} [{_COLOURS[quality.verdict]}]{quality.verdict:<4}[/] "
            f"{quality.score:>3}  {quality.snapshots} snapshots, {quality.rows:,} rows  [dim]{one.source}[/]"
        )
        for each in said:
            out.print(
                f"    {each.severity}: {each.name}, {each.count:,} of {each.of:,} ({each.share:.2%}); "
                f"first: {each.example}",
                markup=False,
                soft_wrap=True,
            )
    counts = Counter(one.quality.verdict for one in found)
    verdicts = ", ".join(f"{counts[one]} {one}" for one in Verdict if counts[one])
    out.print(f"{len(found)} days checked: {verdicts or 'none'}")
    names = Counter((each.name, str(each.severity)) for one in found for each in one.quality.findings)
    if len(found) > 1 and names:
        table = Table("finding", "severity", "days")
        for (name, severity), days in sorted(names.items(), key=lambda one: -one[1]):
            table.add_row(name, severity, str(days))
        out.print(table)


def _asked(what: list[str] | None, source: list[str] | None) -> tuple[Catalogue, Wanted]:
    """The catalogue and what of it is asked for. Errors: UserError, CatalogueError."""
    where: Path | None = None
    assets: list[str] = []
    first: date | None = None
    last: date | None = None
    for one in what or []:
        begin, sign, end = one.partition("..")
        if _PERIOD.fullmatch(begin) and (not sign or _PERIOD.fullmatch(end)):
            first, last = _period(begin)[0], _period(end or begin)[1]
        elif _ASSET.fullmatch(one) and not Path(one).exists():
            assets.append(one)
        elif where is None:
            where = Path(one)
        else:
            raise UserError(f"{one!r}: name one folder or file, not two")
    if first and last and first > last:
        raise UserError(f"the period ends ({last}) before it starts ({first}): swap its days")
    return Catalogue(where), Wanted(tuple(assets), tuple(source or ()), first, last)


def _period(text: str) -> tuple[date, date]:
    """First and last day of a year, a month or a day. Errors: UserError."""
    match = _PERIOD.fullmatch(text)
    assert match is not None
    year, month, day = (None if one is None else int(one) for one in match.groups())
    assert year is not None
    try:
        if day is not None and month is not None:
            return date(year, month, day), date(year, month, day)
        if month is not None:
            following = date(year + month // 12, month % 12 + 1, 1)
            return date(year, month, 1), following - timedelta(days=1)
        return date(year, 1, 1), date(year, 12, 31)
    except ValueError:
        raise UserError(f"{text} is no day, month or year such as 2026-02-03, 2026-02, 2026") from None


def picture(days: list[DayCoverage]) -> str:
    """A bar for every day (or some days) from the first to the last: how much of what was due is there."""
    first, last = days[0].day, days[-1].day
    width = _bar_days(first, last)
    usual = max(1, 86_400_000 // days[0].cadence_ms) if days[0].cadence_ms else 1
    seen: Counter[int] = Counter()
    for one in days:
        seen[(one.day - first).days // width] += one.snapshots
    bars = ((last - first).days // width) + 1
    text = ""
    for place in range(bars):
        spans = min(width, (last - first).days + 1 - place * width)
        share = min(1.0, seen[place] / (usual * spans))
        text += _BARS[min(len(_BARS) - 1, int(share * len(_BARS)))] if seen[place] else "·"
    return text


def _bar_days(first: date, last: date) -> int:
    return -(-((last - first).days + 1) // _PICTURE)


def _grouped(found: list[DayCoverage]) -> dict[tuple[str, str], list[DayCoverage]]:
    groups: dict[tuple[str, str], list[DayCoverage]] = {}
    for one in found:
        groups.setdefault((one.source, one.asset), []).append(one)
    return groups


def _title(catalogue: Catalogue) -> None:
    beside = " (bundled: there is no data/ here)" if catalogue.bundled else ""
    out.print(f"{catalogue.where}{beside}", markup=False, soft_wrap=True)


def _at(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
