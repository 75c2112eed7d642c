"""The command line's front door: a file a verb group."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated

import typer

from optionwriter.adapters.clocks import sleep_s
from optionwriter.cli import config, ledger, runs
from optionwriter.cli.backtest import backtest, worker
from optionwriter.cli.compare import compare
from optionwriter.cli.doctor import doctor
from optionwriter.cli.exchange import exchange
from optionwriter.cli.explain import explain
from optionwriter.cli.harvest import harvest
from optionwriter.cli.import_ import import_files
from optionwriter.cli.kill import kill, resume, status
from optionwriter.cli.lookahead import lookahead
from optionwriter.cli.run import run
from optionwriter.cli.supervise import STOP_S
from optionwriter.cli.up import up
from optionwriter.cli.web import web

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
app.add_typer(config.app, name="config")
app.add_typer(ledger.app, name="ledger")
runs.app.command()(compare)
app.add_typer(runs.app, name="runs")
app.command()(backtest)
app.command()(worker)
app.command("lookahead-check")(lookahead)
app.command()(run)
app.command("import")(import_files)
app.command()(exchange)
app.command()(explain)
app.command()(harvest)
app.command()(up)
app.command()(web)
app.command()(kill)
app.command()(resume)
app.command()(status)
app.command()(doctor)


@app.callback()
def root(
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
) -> None:
    """optionwriter sells covered calls and cash-secured puts on Deribit."""
    if until_stdin_closes:
        threading.Thread(target=_stop_at_the_end_of_stdin, daemon=True).start()


def _stop_at_the_end_of_stdin() -> None:
    """Ends this process as SIGTERM does once whoever started it is gone, even if by kill -9; then as kill -9 does."""
    while os.read(sys.stdin.fileno(), 4_096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    sleep_s(STOP_S)
    os._exit(1)


def main() -> None:
    """Runs the command line."""
    app()
