"""The command line's front door."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.callback()
def root() -> None:
    """optionwriter sells covered calls and cash-secured puts on Deribit."""


def main() -> None:
    """Runs the command line."""
    app()
