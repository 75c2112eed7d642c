"""Importing: seats the readers, the store and the report of one import."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

from optionwriter.adapters.tapes.importers.history import HistoryStore, ImportStore
from optionwriter.adapters.tapes.importers.problem import ImportOptions, ImportRefusedError
from optionwriter.adapters.tapes.importers.registry import FORMATS, open_file
from optionwriter.adapters.tapes.importers.tardis_download import download
from optionwriter.adapters.tapes.importers.writing import ChainStore, NoStore, write_text_whole
from optionwriter.adapters.tapes.layouts import HISTORY_FOLDER, IMPORT_FOLDER
from optionwriter.core.report.imports import ImportReport
from optionwriter.services.imports import Telling, run_import
from optionwriter.settings import Settings

REPORT_FOLDER = "_imports"
_ENDINGS = (".parquet", ".csv", ".csv.gz", ".json", ".json.gz")


class ImportingError(Exception):
    """An import that could not begin or end; the message names what and the cure."""


def import_files(
    paths: Sequence[Path],
    format_name: str,
    options: ImportOptions,
    out: Path,
    telling: Telling,
    *,
    replace_stored: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    """Imports files, and folders of them, below `out`. Errors: ImportingError."""
    if format_name != "auto" and format_name not in FORMATS:
        raise ImportingError(f"format {format_name!r} is not there: choose from auto, {', '.join(FORMATS)}")
    folder = out / IMPORT_FOLDER
    try:
        with _store(out, replace_stored, dry_run) as store:
            report = run_import(
                files_of(paths),
                lambda path: open_file(path, format_name, options),
                store,
                ImportRefusedError,
                telling,
                dry_run=dry_run,
            )
        report = replace(report, folder=str(out))
        if any(day.bytes for day in report.days):
            _keep(report, folder)
    except ImportRefusedError as error:
        raise ImportingError(str(error)) from error
    except OSError as error:
        raise ImportingError(
            f"{error}: make room or name another folder with -o, then import again"
        ) from error
    return report


def download_tardis(settings: Settings, out: Path, start: date, end: date) -> list[Path]:
    """Fetches Tardis's days of [start, end) into `out`/tardis, with the key of the settings. Errors: ImportingError."""
    try:
        return download(out / "tardis", start, end, settings.tardis_api_key.get_secret_value())
    except ImportRefusedError as error:
        raise ImportingError(str(error)) from error


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in the folders named, in order. Errors: ImportingError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [
                one for one in sorted(path.rglob("*")) if one.is_file() and _is_data(one.relative_to(path))
            ]
            if not inside:
                raise ImportingError(f"{path} holds no files {', '.join(_ENDINGS)}: name another")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise ImportingError(f"{path} is not there: name a file or a folder")
    return found


@contextmanager
def _store(out: Path, replace_stored: bool, dry_run: bool) -> Iterator[ImportStore | NoStore]:
    if dry_run:
        yield NoStore()
        return
    with ChainStore(out / IMPORT_FOLDER, replace=replace_stored) as chains:
        yield ImportStore(chains, HistoryStore(out / HISTORY_FOLDER, replace=replace_stored))


def _is_data(path: Path) -> bool:
    return path.name.lower().endswith(_ENDINGS) and not any(one.startswith((".", "_")) for one in path.parts)


def _keep(report: ImportReport, folder: Path) -> None:
    """The report beside the data, under a name that its content gives."""
    text = json.dumps(asdict(report), indent=1, sort_keys=True, default=str) + "\n"
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    write_text_whole(folder / REPORT_FOLDER / f"{name}.json", text)
