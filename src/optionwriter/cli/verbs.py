"""Which verbs there are, what each says of itself, and where it is: only the one that is asked for is loaded.

`optionwriter kill` so waits for no web server, and help for no verb at all. The lines here are the verbs' own: a test
holds them to theirs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


class Verb(NamedTuple):
    """A verb, the module of this room that has it, and there the function (or the Typer app of a group)."""

    name: str
    module: str
    target: str
    help: str


VERBS = (
    Verb(
        "backtest", "backtest", "backtest",
        "Runs a strategy over the past with the live decision code, stores the run, and prints what it was worth.",
    ),
    Verb(
        "worker", "backtest", "worker",
        "Takes queued backtests, one after the other, until it is stopped; a run under way is then given back.",
    ),
    Verb(
        "sweep", "sweep", "sweep",
        "Tries many parameter sets, stores each as a run, ranks them, and says what the best is worth after so many.",
    ),
    Verb(
        "lookahead-check", "lookahead", "lookahead",
        "Cuts the recording at random instants and compares every decision up to each, byte for byte; "
        "exit 1 on a leak.",
    ),
    Verb(
        "parity", "parity", "parity",
        "Takes a run's decisions once more on the recorded market and compares; exit code 1 when choices, orders, "
        "fills, cash or P&L differ.",
    ),
    Verb(
        "run", "run", "run",
        "Runs the agent: sells, manages and settles covered calls, one summary a loop.",
    ),
    Verb(
        "import", "import_", "import_files",
        "Imports recorded chains and prices: every unit settled by evidence, every row kept or counted "
        "with its reason.",
    ),
    Verb(
        "exchange", "exchange", "exchange",
        "The recorded market behind Deribit's API: orders, account, settlement; any client of theirs can trade on it.",
    ),
    Verb(
        "explain", "explain", "explain",
        "Why this, why not that strike, what would have had to change, and what the rejected ones would have earned.",
    ),
    Verb(
        "harvest", "harvest", "harvest",
        "Records whole option chains from an exchange's public API, at every slot of the clock.",
    ),
    Verb(
        "up", "up", "up",
        "The whole house: local exchange (unless DERIBIT_ENV names another), agent, pages, and a worker for backtests.",
    ),
    Verb(
        "web", "web", "web",
        "Serves the Live page and the API until Ctrl-C: shows what the agent publishes, passes on kill and resume.",
    ),
    Verb(
        "kill", "kill", "kill",
        "Stops all trading now: nothing more is sent, what rests is cancelled, until optionwriter resume.",
    ),
    Verb(
        "resume", "kill", "resume",
        "Lifts a kill; a halt for another reason (books and exchange differ) keeps its own cure.",
    ),
    Verb(
        "status", "kill", "status",
        "How the agent is, from what it published last; says so when that is old or nothing is there.",
    ),
    Verb(
        "doctor", "doctor", "doctor",
        "Which balances can trade, what of them can't be used, and whether settings, files and exchange are well.",
    ),
    Verb("config", "config", "app", "Show and check the settings."),
    Verb("data", "data", "app", "Recorded data: coverage, quality, SQL, exams."),
    Verb("ledger", "ledger", "app", "The append-only ledger."),
    Verb(
        "calibrate", "calibrate", "app",
        "Holds four volatility models against recorded or live marks; tells the iv_multiplier of least error.",
    ),
    Verb("runs", "compare", "app", "Stored backtests."),  # compare adds itself to the runs
)  # fmt: skip
_BY_NAME = {verb.name: verb for verb in VERBS}


def load(verb: Verb) -> Any:
    """The verb itself, for click."""
    target = getattr(import_module(f"optionwriter.cli.{verb.module}"), verb.target)
    if isinstance(target, typer.Typer):
        group = get_group(target)
        group.name = verb.name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(verb.name)(target)
    return get_command(alone)


class Verbs(TyperGroup):
    """Lists the verbs by their lines, and loads the one that is to run."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = {verb.name: TyperCommand(verb.name, help=verb.help) for verb in VERBS}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and load(_BY_NAME[str(name)]), rest
