"""optionwriter config: what is set, where it came from, and whether it can start."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from optionwriter.cli.output import out, print_json, told
from optionwriter.settings import SettingsError, fields, group_of, load, shown

app = typer.Typer(no_args_is_help=True, help="Show and check the settings.")


@app.command()
def show(json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False) -> None:
    """Every setting with its value, its origin and its meaning; secrets masked."""
    with told(SettingsError):
        loaded = load()
    rows = [
        (
            name.upper(),
            group_of(field),
            shown(loaded.settings, name),
            loaded.origins.get(name, "default"),
            field,
        )
        for name, field in fields().items()
    ]
    if json:
        print_json(
            {
                name: {"value": value, "origin": origin, "group": group}
                for name, group, value, origin, _ in rows
            }
        )
        return
    table = Table("setting", "value", "from", "meaning", title="Settings")
    last = ""
    for name, group, value, origin, field in rows:
        if group != last:
            table.add_section()
            table.add_row(f"[bold]{group}[/bold]")
            last = group
        table.add_row(name, value, origin, field.description or "")
    out.print(table)


@app.command()
def check() -> None:
    """Reads all settings and says whether the agent can start with them."""
    with told(SettingsError):
        loaded = load()
    changed = len(loaded.origins)
    out.print(f"Settings are good: {len(fields())} known, {changed} set by you.")
