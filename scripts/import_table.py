"""Writes the table of docs/importing.md: what becomes of every file of the reference samples.

    python scripts/import_table.py [SAMPLES]

SAMPLES is the folder format_samples, by default beside the checkout. Files that need an option are imported with the
one that their refusal asks for, and the table says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from optionwriter.adapters.tapes.importers.problem import ImportOptions, ImportRefusedError
from optionwriter.adapters.tapes.importers.registry import open_file
from optionwriter.core.report.imports import Tally

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT.parent / "shared" / "data" / "format_samples"
PAGE = ROOT / "docs" / "importing.md"
BEGIN, END = "<!-- table: scripts/import_table.py -->", "<!-- end of table -->"
ENDINGS = (".csv", ".json", ".parquet", ".gz")


@dataclass(frozen=True, slots=True)
class Line:
    """One file of the samples."""

    file: str
    option: str
    format: str
    read: int
    kept: int
    told: str


# What settles the files that are refused without: instants as their own refusals suggest them.
SETTLED = {
    "BTC-26APR24-export.csv": "--at 2024-04-08T13:40Z",
    "BTC-27DEC24-export.csv": "--at 2024-04-11T14:25Z",
    "BTC-27SEP24-export.csv": "--at 2024-04-11T00:41Z",
    "ETH-27SEP24-export.csv": "--at 2024-04-12T14:30Z",
    "soldnn_btc_2024-05.csv": "--at 2024-05-24T19:09Z",
    "soldnn_eth_2024-05.csv": "--at 2024-05-24T19:19Z",
    "deribit_perp_ohlc_1h_style.csv": "--underlying BTC",
    "nautilus_http_get_tradingview_chart_data.json": "--underlying BTC",
}


def lines(samples: Path) -> Iterator[Line]:
    """What becomes of each file."""
    for path in sorted(one for one in samples.rglob("*") if one.name.endswith(ENDINGS)):
        option = SETTLED.get(path.name, "")
        yield one_file(path, str(path.relative_to(samples)), option)


def one_file(path: Path, name: str, option: str) -> Line:
    """One file, read to its end."""
    tally, read, kept = Tally(), 0, 0
    try:
        file = open_file(path, "auto", options_of(option))
        for batch in file.batches():
            tally.add(batch.dropped)
            read, kept = read + batch.read, kept + batch.kept
    except ImportRefusedError as error:
        return Line(name, option, "refused", 0, 0, str(error))
    told = [*file.facts, *(f"dropped {one.count}: {one.reason}" for one in tally.dropped())]
    return Line(name, option, file.format, read, kept, "; ".join(told))


def options_of(text: str) -> ImportOptions:
    """The options of a line."""
    options = ImportOptions()
    if text.startswith("--at "):
        at = datetime.fromisoformat(text.removeprefix("--at ")).astimezone(UTC)
        return replace(options, at_ms=int(at.timestamp() * 1000))
    return replace(options, underlying=text.removeprefix("--underlying ")) if text else options


def table(samples: Path) -> str:
    """The table as Markdown."""
    rows = [
        "| file | option | read as | rows | kept | units and evidence; dropped rows; why refused |",
        "|---|---|---|---|---|---|",
    ]
    for one in lines(samples):
        counts = f"{one.read:,} | {one.kept:,}" if one.format != "refused" else " | "
        option = f"`{one.option}`" if one.option else ""
        rows.append(f"| {one.file} | {option} | {one.format} | {counts} | {one.told.replace('|', '/')} |")
    return "\n".join(rows)


def document(samples: Path) -> str:
    """The page with the table that the samples give."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(samples)}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(document(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES))
