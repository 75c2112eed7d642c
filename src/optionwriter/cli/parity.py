"""optionwriter parity: a run on the local exchange against its replay, decision by decision."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from optionwriter.bootstrap.parity import Found, check_parity, folder_of
from optionwriter.bootstrap.parts import BootError
from optionwriter.cli.output import err, out, print_json, told
from optionwriter.core.report.parity import Pair, Parity
from optionwriter.ports import LedgerError
from optionwriter.services.parity import ParityError
from optionwriter.settings import SettingsError, load

SHOWN = 10  # differences without --all


def parity(
    log: Annotated[Path, typer.Argument(help="A run's data folder, or a decision log in it.")],
    every: Annotated[bool, typer.Option("--all", help="Every difference, not only the first ones.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Takes a run's decisions once more on the recorded market and compares; exit code 1 when choices, orders, fills,
    cash or P&L differ."""
    with told(SettingsError, BootError, LedgerError, ParityError):
        settings = load(overrides={"data_dir": folder_of(log)}).settings
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("left"), TimeRemainingColumn())
        with Progress(*columns, console=err, disable=json or not err.is_terminal, transient=True) as bar:
            task = bar.add_task("deciding again", total=1.0)
            found = check_parity(settings, log, lambda share: bar.update(task, completed=share))
    if json:
        print_json(_plain(found))
    else:
        for line in _lines(found, None if every else SHOWN):
            out.print(line, markup=False, soft_wrap=True)
    if not found.parity.agrees:
        raise typer.Exit(1)


def _lines(found: Found, most: int | None) -> Iterator[str]:
    one = found.parity
    yield f"{one.decisions} decisions, {one.equal} of them equal in all: score {one.score:.1%}"
    if one.timing:
        alike = (one.equal + one.timing) / one.decisions
        yield (
            f"{one.timing} more differ in nothing but their reading of the market, at prices of the same minutes: the "
            "exchange's time went on while the run read it (optionwriter exchange --frozen stands still), the replay "
            f"reads all at once; with them {alike:.1%} decided alike"
        )
    chains = [pair for pair in one.pairs if pair.name.startswith("P&L")]
    cash = [pair for pair in one.pairs if not pair.name.startswith("P&L")]
    yield f"{one.fills} fills in the run; {_said(cash)} of cash and {_said(chains)} of P&L by chain are equal"
    if late := [pair for pair in chains if pair.is_timing]:
        yield (
            f"{len(late)} more in USD differ{'s' if len(late) == 1 else ''} in nothing but the index at the instant of "
            f"a fill, by {max(_gap(pair) for pair in late):f} USD at most; coins and cash are equal"
        )
    if not one.agrees:
        yield from _apart(one, most)
    yield from (f"note: {line}" for line in found.notes)
    if one.agrees:
        yield "The replay is the run." if one.is_equal else "The replay does what the run did."


def _apart(one: Parity, most: int | None) -> Iterator[str]:
    yield f"First divergence: {one.first}"
    rest = [
        *(str(each) for each in one.differences),
        *one.failures,
        *one.settlements,
        *(_pair(pair) for pair in one.pairs if not (pair.is_equal or pair.is_timing)),
    ][1:]
    yield from (f"  {line}" for line in rest[:most])
    if most is not None and len(rest) > most:
        yield f"  and {len(rest) - most} more: --all"


def _said(pairs: list[Pair]) -> str:
    return f"{sum(one.is_equal for one in pairs)} of {len(pairs)} figures"


def _gap(one: Pair) -> Decimal:
    return abs((one.run or Decimal(0)) - (one.replay or Decimal(0))).normalize()


def _pair(one: Pair) -> str:
    return f"{one.name}: the run has {one.run}, the replay {one.replay}"


def _plain(found: Found) -> dict[str, Any]:
    one: Parity = found.parity
    return {
        "equal": one.is_equal,
        "agrees": one.agrees,
        "score": one.score,
        "decisions": one.decisions,
        "equal_decisions": one.equal,
        "timing_decisions": one.timing,
        "fills": one.fills,
        "first": one.first,
        "differences": [
            {"at_ms": each.at_ms, "strategy": each.strategy_id, "aspect": each.aspect, "run": each.run,
             "replay": each.replay}
            for each in one.differences
        ],
        "settlements": list(one.settlements),
        "figures": [
            {"name": pair.name, "run": pair.run, "replay": pair.replay, "equal": pair.is_equal,
             "timing": pair.is_timing} for pair in one.pairs
        ],
        "failures": list(one.failures),
        "notes": list(found.notes),
    }  # fmt: skip
