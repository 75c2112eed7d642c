"""The command line's front door: a file a verb group, loaded when it is asked for (cli/verbs)."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated

import typer

from optionwriter.adapters.clocks import sleep_s
from optionwriter.cli.supervise import STOP_S
from optionwriter.cli.verbs import Verbs

app = typer.Typer(cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


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
