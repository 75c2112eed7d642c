"""The formats by name, and which of them a file is. A format more is a file here, and a line in FORMATS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from optionwriter.adapters.tapes.importers import table
from optionwriter.adapters.tapes.importers.files import Source, open_source
from optionwriter.adapters.tapes.importers.problem import ImportOptions, ImportRefusedError, Opened


@dataclass(frozen=True, slots=True)
class Format:
    """One format: how it is recognised, and how a file of it is opened (or refused, with the reason)."""

    name: str
    what: str
    recognises: Callable[[Source], bool]
    open: Callable[[Source, ImportOptions], Opened]


FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format(
            "chain_table",
            "a table of options' quotes, in columns that people use",
            table.recognises,
            table.open_table,
        ),
    )
}


def open_file(path: Path, name: str, options: ImportOptions) -> Opened:
    """A file opened as the format named, or as the one it is (auto). Errors: ImportRefusedError."""
    source = open_source(path)
    return detect(source, name).open(source, options)


def detect(source: Source, name: str = "auto") -> Format:
    """The format of a file. Errors: ImportRefusedError."""
    if name != "auto":
        found = FORMATS.get(name)
        if found is None:
            raise ImportRefusedError(f"format {name!r} is not there: choose from auto, {', '.join(FORMATS)}")
        if not found.recognises(source):
            raise ImportRefusedError(
                f"it is no {name} ({found.what}): leave the format to auto, or look at the file"
            )
        return found
    for one in FORMATS.values():
        if one.recognises(source):
            return one
    there = ", ".join(source.columns[:12]) if source.kind != "json" else "a JSON document"
    raise ImportRefusedError(f"it is of no known format ({there}): docs/importing.md lists what is read")
