"""optionwriter up: exchange, agent, web page and backtest worker as processes of their own, kept together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx2
import typer
from rich.markup import escape

from optionwriter.adapters.clocks import SystemClock
from optionwriter.bootstrap.parts import BootError, hold_folder
from optionwriter.bootstrap.recorded import demo_account
from optionwriter.cli.output import EXIT_WRONG, UserError, err, out, told
from optionwriter.cli.presets import load_preset
from optionwriter.cli.supervise import Program, SupervisionError, Supervisor, Verdict
from optionwriter.settings import PRESET, Loaded, Settings, SettingsError, environment_with
from optionwriter.venue.server import ServerError, listen
from optionwriter.web.token import TokenError, login_link, web_token

EXCHANGE, AGENT, WEB, WORKER = "exchange", "agent", "web", "worker"
COLOURS = {EXCHANGE: "cyan", AGENT: "green", WEB: "magenta", WORKER: "yellow"}
PREFIX_WIDTH = 11
GIVES_WAY = "10"  # trading goes before backtests
ASK_S = 1.0  # how long the exchange may take to say what time it is


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to run, and where it listens."""

    settings: Settings
    preset: str
    exchange_port: int | None
    web_port: int | None
    with_worker: bool
    environment: dict[str, str]

    @property
    def exchange_url(self) -> str:
        return f"http://127.0.0.1:{self.exchange_port}/api/v2"


def up(
    preset: Annotated[
        str | None, typer.Option(help="Settings of config/presets; default demo on local; none: no preset.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Of the exchange; default LOCAL_PORT, or a free one."),
    ] = None,
    web_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Of the page; default WEB_PORT, or a free one.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Ledger, exchange and logs; default DATA_DIR.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Drop exchange, ledger and logs first.")] = False,
    days: Annotated[
        float | None, typer.Option(min=0.01, max=150, help="Stop after so many exchange days.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--for", min=0.05, max=525_600, help="Stop after so many real minutes.")
    ] = None,
    web: Annotated[bool, typer.Option("--web/--no-web", help="With or without the page.")] = True,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="With or without a worker for queued backtests.")
    ] = True,
) -> None:
    """The whole house: local exchange (unless DERIBIT_ENV names another), agent, pages, and a worker for backtests."""
    with told(SettingsError, BootError, SupervisionError, TokenError):
        given = {"local_port": port, "web_port": web_port, "data_dir": data_dir}
        loaded, name = load_preset(preset, given)
        if fresh and loaded.settings.deribit_env != "local":
            raise UserError(
                f"--fresh drops a ledger, and that of {loaded.settings.deribit_env} can't be made anew: "
                "name an empty folder with --data-dir"
            )
        with hold_folder(loaded.settings.data_dir, fresh):
            plan = _plan(loaded, name, web, worker)
            _banner(plan)
            _run(plan, days, minutes)
            out.print("All stopped; everything is kept: optionwriter up goes on from here.")


def _plan(loaded: Loaded, preset: str, with_web: bool, with_worker: bool) -> _Plan:
    settings, origins = loaded.settings, loaded.origins
    local = settings.deribit_env == "local"
    changes: dict[str, str] = {
        name.upper(): str(getattr(settings, name)) for name, where in origins.items() if where == PRESET
    }
    changes["DATA_DIR"] = str(settings.data_dir)
    exchange_port = web_port = None
    if local:
        exchange_port = _free_port("LOCAL_PORT", "--port", "127.0.0.1", settings.local_port, origins)
        changes["LOCAL_PORT"] = str(exchange_port)
        if "dry_run" not in origins:
            changes["DRY_RUN"] = "false"  # play money: the demo is to trade
    if with_web:
        web_port = _free_port("WEB_PORT", "--web-port", settings.web_host, settings.web_port, origins)
        changes["WEB_PORT"] = str(web_port)
    changes |= {"PYTHONUNBUFFERED": "1", "COLUMNS": "160"}
    if out.is_terminal and not out.no_color:
        changes |= {"FORCE_COLOR": "1", "COLUMNS": str(max(40, out.width - PREFIX_WIDTH))}
    return _Plan(settings, preset, exchange_port, web_port, with_worker, environment_with(changes))


def _free_port(name: str, option: str, host: str, wanted: int, origins: Mapping[str, str]) -> int:
    """The port wanted, when it is free; another one instead of a taken default. Errors: UserError names a taken one."""
    try:
        return _bound(host, wanted)
    except ServerError:
        if name.lower() in origins:
            raise UserError(
                f"port {wanted} ({name}) is taken: end what listens there, name another with {option}, "
                f"or {option} 0 for any free one"
            ) from None
    found = _bound(host, 0)
    out.print(f"Port {wanted} ({name}) is taken: {found} is used instead.")
    return found


def _bound(host: str, port: int) -> int:
    with listen(host, port) as listener:
        return int(listener.getsockname()[1])


def _banner(plan: _Plan) -> None:
    settings = plan.settings
    local = settings.deribit_env == "local"
    what = f"{settings.deribit_env.upper()} exchange"
    if plan.preset:
        what += f", preset {plan.preset} (an exchange day in {1_440 / settings.local_speed:.1f} min)"
    lines = [f"optionwriter up · {what} · data in {settings.data_dir}"]
    if plan.web_port is not None:
        host = "127.0.0.1" if settings.web_host == "localhost" else settings.web_host
        base = f"http://{host}:{plan.web_port}/"
        token = web_token(settings.data_dir, settings.web_token.get_secret_value())
        lines += [f"  page      {login_link(base, token)}", f"  API       {base}docs"]
    if local:
        lines.append(f"  exchange  {plan.exchange_url}")
        lines.append(f"  account   {demo_account(settings)}")
    lines.append(
        "  Ctrl-C stops all; the next start goes on from there" + (", --fresh anew" if local else "")
    )
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def _programs(plan: _Plan, days: float | None, is_open: Callable[[], bool]) -> list[Program]:
    base = (sys.executable, "-m", "optionwriter", "--until-stdin-closes")
    found = []
    ready = None
    if plan.exchange_port is not None:
        found.append(Program(EXCHANGE, (*base, "exchange"), plan.environment))
        ready = is_open
    run = (*base, "run", *(() if days is None else ("--days", str(days))))
    found.append(Program(AGENT, run, plan.environment, ready))
    if plan.web_port is not None:
        found.append(Program(WEB, (*base, "web"), plan.environment))
    if plan.with_worker:
        found.append(Program(WORKER, (*base, "worker", "--nice", GIVES_WAY), plan.environment, ready))
    return found


class _Exchange:
    """The local exchange, as seen from outside."""

    def __init__(self, url: str) -> None:
        self._url = url

    def is_open(self) -> bool:
        """Whether it answers."""
        return self._time() is not None

    def has_ended(self) -> bool:
        """Whether the recorded market stands still."""
        told = self._time()
        return told is not None and told.get("ended") is True

    def _time(self) -> dict[str, object] | None:
        try:
            answer = httpx2.get(f"{self._url}/local/time", timeout=ASK_S, trust_env=False).json()
        except (httpx2.HTTPError, ValueError):
            return None
        result = answer.get("result") if isinstance(answer, dict) else None
        return result if isinstance(result, dict) else None


def _run(plan: _Plan, days: float | None, minutes: float | None) -> None:
    exchange = _Exchange(plan.exchange_url)

    def judge(name: str, code: int) -> Verdict:
        if name == WORKER and code == EXIT_WRONG:  # trading needs no run database
            say("", "Queued backtests wait until that is mended and optionwriter up begins again.")
            return Verdict(restart=False)
        waits = name == AGENT and plan.exchange_port is not None and not exchange.is_open()
        if code == EXIT_WRONG and not waits:  # wrong input, or a state that a person must mend
            return Verdict(error="it can't go on by itself")
        if name == AGENT and code == 0:
            if days is not None:
                return Verdict(end=True)
            if plan.exchange_port is not None and exchange.has_ended():
                say(
                    "",
                    "The recorded sample has ended and the market stands still; page and exchange stay up.",
                )
                say("", "Begin anew with: optionwriter up --fresh")
                return Verdict(restart=False)
        return Verdict()

    Supervisor(_programs(plan, days, exchange.is_open), judge, say, SystemClock().monotonic).run(
        None if minutes is None else minutes * 60
    )


def say(name: str, text: str) -> None:
    """A line of a child under its name, or one of our own."""
    if not name:
        err.print(text, markup=False, soft_wrap=True)
    else:
        out.print(
            f"[{COLOURS[name]}]{escape(f'[{name}]'.ljust(PREFIX_WIDTH - 1))}[/] ", end="", soft_wrap=True
        )
        out.out(text, highlight=False)
