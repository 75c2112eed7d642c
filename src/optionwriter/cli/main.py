"""The command line's front door: a file a verb group."""

from __future__ import annotations

import typer

from optionwriter.cli import config, ledger
from optionwriter.cli.exchange import exchange
from optionwriter.cli.run import run
from optionwriter.cli.web import web

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
app.add_typer(config.app, name="config")
app.add_typer(ledger.app, name="ledger")
app.command()(run)
app.command()(exchange)
app.command()(web)


@app.callback()
def root() -> None:
    """optionwriter sells covered calls and cash-secured puts on Deribit."""


def main() -> None:
    """Runs the command line."""
    app()
