"""Quality gate: which days of recorded chains a backtest may read.

A day whose check fails is refused by name, left out, or taken, as the run's `failed_days` says; each is told. What is
judged are files, whole days of them: the verdict is the data's, and no price in it reaches a decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from optionwriter.adapters.tapes.catalogue import Recording
from optionwriter.adapters.tapes.catalogue_verdicts import KeptVerdicts
from optionwriter.core.market.quality import DayQuality, Severity, Verdict
from optionwriter.services.catalogue import Wanted, check
from optionwriter.services.jobs import RunError

FailedDays = Literal["refuse", "skip", "take"]
_TOLD = 5  # days in a message


@dataclass(frozen=True, slots=True)
class Gate:
    """Days to leave out, by asset, and what a reader of the run must know."""

    left_out: Mapping[str, frozenset[date]]
    notes: tuple[str, ...]


def quality_gate(recorded: Iterable[Recording], first: date, last: date, failed_days: FailedDays) -> Gate:
    """Checks the days, once each. Errors: RunError names the days that fail, why, and the options; CaptureError."""
    wanted = Wanted(first=first, last=last)
    failed = [
        one.quality for one in check(recorded, wanted, KeptVerdicts()) if one.quality.verdict is Verdict.FAIL
    ]
    if not failed:
        return Gate({}, ())
    told = _told(failed)
    if failed_days == "refuse":
        raise RunError.at(
            "failed_days",
            f"recorded data fail their quality check: {told}. Mend them (optionwriter data check tells all), or choose",
            "-o failed_days=skip leaves such days out, -o failed_days=take reads them as they are",
        )
    if failed_days == "take":
        return Gate({}, (f"Taken though they fail their quality check (failed_days=take): {told}.",))
    days: dict[str, set[date]] = {}
    for one in failed:
        days.setdefault(one.asset, set()).add(date.fromisoformat(one.day))
    note = f"Left out, for they fail their quality check (failed_days=skip): {told}."
    return Gate({asset: frozenset(own) for asset, own in days.items()}, (note,))


def _told(failed: list[DayQuality]) -> str:
    told = [f"{one.asset} {one.day} ({_why(one)})" for one in failed[:_TOLD]]
    more = f" and {len(failed) - _TOLD} more" if len(failed) > _TOLD else ""
    return "; ".join(told) + more


def _why(one: DayQuality) -> str:
    faults = [each for each in one.findings if each.severity is Severity.FAULT]
    named = [f"{each.name}: {each.example}" for each in faults[:2]]
    return ", ".join(named) if named else f"score {one.score} of 100"
