"""optionwriter doctor: what can trade here, what can't, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from optionwriter.bootstrap.doctor import Diagnosis, Level, examine
from optionwriter.cli.output import out, print_json
from optionwriter.settings import SettingsError, load

COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
NAME_WIDTH = 13


def doctor(
    data_dir: Annotated[Path | None, typer.Option(help="Where the ledger lives; default DATA_DIR.")] = None,
    online: Annotated[bool, typer.Option("--online", help="Ask the exchange too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Which balances can trade, what of them can't be used, and whether settings, files and exchange are well.

    Changes nothing and sends no order; an agent may be running. Exit code 1 when anything is FAIL.
    """
    found = []
    try:
        settings = load(overrides={"data_dir": data_dir}).settings
    except SettingsError as error:
        found = [
            Diagnosis(Level.FAIL, "settings", line, "see optionwriter config show")
            for line in str(error).splitlines()
        ]
        if not json:
            for one in found:
                _print(one)
    else:
        for one in examine(settings, online):
            found.append(one)
            if not json:
                _print(one)
    failed = sum(one.level is Level.FAIL for one in found)
    warned = sum(one.level is Level.WARN for one in found)
    if json:
        print_json({"ok": not failed, "findings": [asdict(one) for one in found]})
    else:
        out.print(f"{len(found)} looked at, {warned} to think about, {failed} to mend.")
    if failed:
        raise typer.Exit(1)


def _print(one: Diagnosis) -> None:
    head = f"[{COLOURS[one.level]}]{one.level:<4}[/] {escape(one.name):<{NAME_WIDTH}}"
    out.print(f"{head} {escape(one.text)}", soft_wrap=True)
    if one.cure:
        out.print(f"{'':<{NAME_WIDTH + 6}}→ {escape(one.cure)}", soft_wrap=True)
