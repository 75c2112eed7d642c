"""optionwriter web: the status page and the API, for browsers and programs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optionwriter.bootstrap import view_source
from optionwriter.cli.output import err, out, told
from optionwriter.settings import SettingsError, load
from optionwriter.web.app import create_app
from optionwriter.web.guard import LOOPBACK_NAMES
from optionwriter.web.server import WebError, serve


def web(
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the agent keeps its data; default DATA_DIR.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Default WEB_PORT; 0: the system chooses.")
    ] = None,
) -> None:
    """Serves the status page and the API until Ctrl-C; reads what the agent publishes, and never trades."""
    with told(SettingsError, WebError):
        settings = load(overrides={"data_dir": data_dir, "web_port": port}).settings
        host = settings.web_host
        loopback = host in LOOPBACK_NAMES
        if not loopback:
            err.print(
                f"warning: WEB_HOST={host}: whoever reaches this address can read the page, which asks for no "
                "password; unset WEB_HOST to keep it to this machine",
                markup=False,
                soft_wrap=True,
            )
        app = create_app(view_source(settings), loopback_only=loopback)
        serve(app, host, settings.web_port, lambda text: out.print(text, markup=False, soft_wrap=True))
