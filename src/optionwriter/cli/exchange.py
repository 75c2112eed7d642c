"""optionwriter exchange: the local exchange, speaking Deribit's protocol on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optionwriter.bootstrap.exchange import open_local_exchange
from optionwriter.bootstrap.parts import BootError
from optionwriter.cli.output import out, told
from optionwriter.cli.summary import when
from optionwriter.settings import SettingsError, load


def exchange(
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Default LOCAL_PORT; 0: any free one.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where its memory lives; default DATA_DIR.")] = None,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Its time stands still while a request is served.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Drop exchange, ledger and logs first.")] = False,
) -> None:
    """The recorded market behind Deribit's API: orders, account, settlement; any client of theirs can trade on it."""
    with told(SettingsError, BootError):
        settings = load(overrides={"local_port": port, "data_dir": data_dir}).settings
        with open_local_exchange(settings, frozen=frozen, fresh=fresh) as opened:
            out.print(
                f"The local exchange listens on {opened.url}/api/v2 (exchange time {when(opened.now_ms)})"
            )
            for line in opened.accounts:
                out.print(line, markup=False)
            opened.server.run()
            out.print("The local exchange has stopped; everything is kept.")
