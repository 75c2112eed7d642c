"""optionwriter web: the Live page and the API, for browsers and programs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optionwriter.bootstrap.calibrator import Calibrator
from optionwriter.bootstrap.catalogue import Catalogue
from optionwriter.bootstrap.explaining import explain_decision
from optionwriter.bootstrap.lab import Lab
from optionwriter.bootstrap.stores import kill_switch, view_source
from optionwriter.cli.output import err, out, told
from optionwriter.settings import SettingsError, load
from optionwriter.web.app import create_app
from optionwriter.web.guard import LOOPBACK_NAMES
from optionwriter.web.server import WebError, serve
from optionwriter.web.token import TokenError, login_link, web_token


def web(
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the agent keeps its data; default DATA_DIR.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Default WEB_PORT; 0: the system chooses.")
    ] = None,
) -> None:
    """Serves the Live page and the API until Ctrl-C: shows what the agent publishes, passes on kill and resume."""
    with told(SettingsError, TokenError, WebError):
        settings = load(overrides={"data_dir": data_dir, "web_port": port}).settings
        host = settings.web_host
        loopback = host in LOOPBACK_NAMES
        if not loopback:
            err.print(
                f"warning: WEB_HOST={host}: token and figures cross the network unencrypted, and whoever reads "
                "them can stop the agent; unset WEB_HOST to keep the page to this machine",
                markup=False,
                soft_wrap=True,
            )
        token = web_token(settings.data_dir, settings.web_token.get_secret_value())
        lab = Lab(settings)
        app = create_app(
            view_source(settings),
            kill=kill_switch(settings),
            token=token,
            loopback_only=loopback,
            lab=lab,
            data=Catalogue,
            calibrator=Calibrator(settings),
            explain=lambda decision, option: explain_decision(settings, decision, instrument=option),
        )

        def say(url: str) -> None:
            out.print(f"Live page: {login_link(url, token)}", markup=False, soft_wrap=True)

        try:
            serve(app, host, settings.web_port, say)
        finally:
            lab.close()
