"""optionwriter kill, resume, status: stop the agent's trading, let it go on, and how it is.

A kill is a file that the agent reads before every send, so it works whatever else fails; a resume is asked of the
agent, who alone writes the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from optionwriter.adapters.clocks import SystemClock, sleep_s
from optionwriter.bootstrap.parts import KILL_FILE, MARK_FILE
from optionwriter.bootstrap.stores import kill_switch, view_source
from optionwriter.cli.output import UserError, err, out, print_json, told
from optionwriter.ports import KillOrder, ViewsError, ViewSource
from optionwriter.services.publish import CLOSED, HEARTBEAT, OPEN, STATUS
from optionwriter.services.published.status import kill_row
from optionwriter.settings import Settings, SettingsError, load
from optionwriter.web.freshness import freshness

BY = "command line"
_LOOK_S = 0.1

Folder = Annotated[Path | None, typer.Option(help="Where the agent keeps its data; default DATA_DIR.")]
Wait = Annotated[
    float | None, typer.Option(min=0, max=3_600, help="Seconds to wait until the agent confirms it.")
]


def kill(
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger and on the page.")],
    data_dir: Folder = None,
    wait: Wait = None,
) -> None:
    """Stops all trading now: nothing more is sent, what rests is cancelled, until optionwriter resume."""
    with told(SettingsError, ViewsError):
        settings, text = _settings(data_dir), _reason(reason)
        source, at_ms = view_source(settings), SystemClock().now_ms()
        try:
            kill_switch(settings).engage(text, BY, at_ms)
        except OSError as error:
            raise UserError(
                f"{settings.data_dir / KILL_FILE} can't be written ({error.strerror}): "
                "end the agent's process, or make that file by other means"
            ) from None
        out.print(f"Killed: no order leaves from now on ({settings.data_dir / KILL_FILE}).", markup=False)
        try:
            source.command("kill", text, at_ms)
            seen = freshness(source.snapshot(HEARTBEAT))
        except ViewsError as error:
            err.print(f"The page can't be told ({error}); the kill holds all the same.", markup=False)
            seen = {"stale": True, "message": ""}
        if seen["stale"]:
            err.print(
                f"No agent answers. {seen['message']} What rests on the exchange stays there until an agent runs "
                "(optionwriter run: it cancels first of all), or you cancel it on the exchange.",
                markup=False,
                soft_wrap=True,
            )
        else:
            out.print("The agent runs: it cancels what rests within a second or two.", markup=False)
        if wait is not None:
            _wait(source, wait, lambda agent: _is_over(agent, at_ms), "everything is cancelled and confirmed")


def resume(
    reason: Annotated[str, typer.Option(help="Why it is safe again; it stands in the ledger.")],
    data_dir: Folder = None,
    wait: Wait = None,
) -> None:
    """Lifts a kill; a halt for another reason (books and exchange differ) keeps its own cure."""
    with told(SettingsError, ViewsError):
        settings, text = _settings(data_dir), _reason(reason)
        source = view_source(settings)
        before = source.version()
        source.command("resume", text, SystemClock().now_ms())
        seen = freshness(source.snapshot(HEARTBEAT))
        if seen["stale"]:
            out.print(f"Left for the agent, who obeys when it starts. {seen['message']}", markup=False)
        else:
            out.print("Asked of the agent, who obeys within a second or two.", markup=False)
        if wait is not None:
            _wait(
                source,
                wait,
                lambda agent: agent.get("kill") is None and agent.get("commands_pending") == 0,
                "it is lifted",
                before,
            )


def status(
    data_dir: Folder = None,
    json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """How the agent is, from what it published last; says so when that is old or nothing is there."""
    with told(SettingsError, ViewsError):
        settings = load(overrides={"data_dir": data_dir}).settings
        snapshot = view_source(settings).snapshot(STATUS, HEARTBEAT, OPEN, CLOSED)
        switch, seen = kill_switch(settings).read(), freshness(snapshot)
    agent: Any = snapshot.views.get(STATUS)
    if json:
        beat = snapshot.views.get(HEARTBEAT)
        print_json({**seen, "heartbeat": beat, "agent": agent, "kill_switch": kill_row(switch)})
        return
    rows = [snapshot.views.get(name) or {} for name in (OPEN, CLOSED)]
    counts = [len(one.get("positions", ())) if isinstance(one, dict) else 0 for one in rows]
    for line in _lines(agent, switch, *counts):
        out.print(line, markup=False, soft_wrap=True)
    out.print(seen["message"], markup=False, soft_wrap=True)


def _lines(agent: Any, switch: KillOrder | None, opened: int, closed: int) -> list[str]:
    lines = []
    if agent:
        lines.append(f"{agent['environment'].upper()} · {agent['execution_mode']} · {_state(agent)}")
        equity = _dollars(agent["equity_usd"]), _dollars(agent["holding_usd"])
        lines.append(f"At {agent['at']}: equity {equity[0]}, holding alone {equity[1]}")
        lines += [
            f"  {one['underlying']} {_dollars(one['spot'])} {one['regime']}" for one in agent["underlyings"]
        ]
        lines.append(
            f"{opened} positions open, {closed} closed, {agent['unresolved_orders']} orders live or unresolved"
        )
    if switch is not None:
        lines.append(f"The kill switch is engaged by {switch.by}: {switch.reason}")
    return lines


def _state(agent: dict[str, Any]) -> str:
    if agent["state"] == "ACTIVE":
        return "ACTIVE"
    return f"{agent['state']}: {agent['state_reason']}; lifted when {agent['state_lifted_by']}"


def _dollars(amount: str | None) -> str:
    return "unknown" if amount is None else f"{Decimal(amount):,.2f} USD"


def _settings(data_dir: Path | None) -> Settings:
    """The settings, for a folder where an agent keeps its data. Errors: UserError for another."""
    settings = load(overrides={"data_dir": data_dir}).settings
    if not (settings.data_dir / MARK_FILE).exists():
        raise UserError(
            f"no agent keeps its data in {settings.data_dir}, so nothing was done: name its folder with --data-dir"
        )
    return settings


def _reason(given: str) -> str:
    text = " ".join(given.split())
    if not text:
        raise UserError("say why, in a few words: --reason …")
    return text


def _is_over(agent: dict[str, Any], at_ms: int) -> bool:
    seen = agent.get("kill") or {}
    return bool(
        seen.get("at_ms", -1) >= at_ms and agent["state"] == "HALTED" and not agent["unresolved_orders"]
    )


def _wait(
    source: ViewSource, seconds: float, confirmed: Callable[[dict[str, Any]], bool], what: str, after: int = 0
) -> None:
    """Waits until the agent confirms in a publication after `after`. Errors: UserError when it did not in time."""
    clock = SystemClock()
    end = clock.monotonic() + seconds
    while True:
        seen = source.snapshot(STATUS)
        agent: Any = seen.views.get(STATUS)
        if agent and seen.version > after and confirmed(agent):
            out.print(f"The agent confirms: {what}.", markup=False)
            return
        if clock.monotonic() >= end:
            raise UserError(
                f"the agent has not confirmed within {seconds:g} s that {what}: optionwriter status"
            )
        sleep_s(_LOOK_S)
