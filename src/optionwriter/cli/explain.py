"""optionwriter explain: why a decision was taken, why others were not, and why nothing happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from optionwriter.adapters.files.candidates import CandidateStoreError
from optionwriter.adapters.files.decision_log import DecisionLogError
from optionwriter.bootstrap.explaining import ExplainError, explain_decision, explain_dry_spell
from optionwriter.bootstrap.parts import BootError
from optionwriter.cli.output import UserError, out, print_json, told
from optionwriter.ports import LedgerError
from optionwriter.settings import SettingsError, load


def explain(
    decision: Annotated[
        str | None,
        typer.Argument(help="A decision's id, as the log and the page show it; default the latest."),
    ] = None,
    strategy: Annotated[str | None, typer.Option(help="Only decisions of this strategy instance.")] = None,
    instrument: Annotated[str | None, typer.Option(help="Ask after this option by its name.")] = None,
    days: Annotated[
        float | None, typer.Option(min=0.01, help="Instead: why nothing was traded for so many days.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the log lives; default DATA_DIR.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Why this, why not that strike, what would have had to change, and what the rejected ones would have earned."""
    with told(SettingsError, ExplainError, BootError, LedgerError, DecisionLogError, CandidateStoreError):
        if days is not None and (decision is not None or instrument is not None):
            raise UserError("--days asks after a stretch of time: leave out the decision and --instrument")
        settings = load(overrides={"data_dir": data_dir}).settings
        if days is not None:
            answer = explain_dry_spell(settings, days, strategy)
        else:
            answer = explain_decision(settings, decision, strategy, instrument)
    if json:
        print_json(answer)
        return
    for line in dry_lines(answer) if days is not None else decision_lines(answer):
        out.print(line, markup=False, soft_wrap=True)


def decision_lines(answer: dict[str, Any]) -> Iterator[str]:
    """One decision, for reading."""
    at = datetime.fromtimestamp(answer["at_ms"] / 1000, tz=UTC)
    yield f"{answer['decision_id']} · {answer['strategy_id']} · {at:%Y-%m-%d %H:%M} UTC · {answer['action']}"
    yield answer["reasoning"]
    for one in answer["why_this"]:
        yield f"Why this: {one['key']}. {one['words']}"
        yield "  " + ", ".join(f"{name} {value:+.3f}" for name, value in one["parts"].items())
    for key, reasons in answer["refused"].items():
        yield f"Refused by risk: {key}: {'; '.join(reasons)}"
    for one in answer["why_not"]:
        yield f"Why not {one['instrument']}: {one['words']}"
    yield f"What would have to change: {answer['what_would_change']['words']}"
    yield from _hindsight_lines(answer["after_expiry"])
    for one in (answer["upside"] or {}).get("chains", ()):
        given, kept, unit = one["given_up"], one["kept"], one["currency"]
        yield (
            f"Upside of {one['chain_id']}: gave up {given['coin']} {unit} ({_usd(given['usd'])}), "
            f"kept {kept['coin']} {unit} ({_usd(kept['usd'])})"
        )


def _hindsight_lines(found: dict[str, Any]) -> Iterator[str]:
    known = sum(one["known"] for one in found["by_gate"])
    if not known:
        yield "After expiry: nothing that it looked at has ended yet."
        return
    yield "After expiry, a coin of each sold at its bid would have brought (mean, and how many lost):"
    for one in found["by_gate"]:
        if one["known"]:
            yield f"  {one['gate']}: {_usd(one['mean_usd'])}, {one['lost']} of {one['known']} lost"
    for word in ("chosen", "best", "worst"):
        for one in found[word][:2]:
            if one["earned"] is not None:
                yield f"  {word}: {one['instrument']} {one['earned']} {one['currency']} ({_usd(one['earned_usd'])})"


def dry_lines(answer: dict[str, Any]) -> Iterator[str]:
    """Why there was no trade, for reading."""
    yield answer["words"]
    for one in answer.get("gates", ()):
        yield f"  {one['gate']}: {one['candidates']} candidates, {one['share']:.1%}"
    tightest = answer.get("tightest")
    if tightest and tightest["distance"] is not None:
        yield f"Tightest: {tightest['gate']}, missed by {-tightest['distance']:.3g} of its bound at the median."


def _usd(amount: str | None) -> str:
    return "unknown" if amount is None else f"{float(amount):,.2f} USD"
