"""Lookahead check: does a decision change when everything after its instant is taken away? It must not.

The same desk decides over the same instants twice: once on the whole recording, once on what of it was known at the
last of them. Keeps: every decision record is compared as bytes, with the market that it rested on; both runs begin
with the same empty books; a step that one market could not answer is an answer too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from optionwriter.core.report.decision import DecisionRecord
from optionwriter.ports import BrokerUnavailableError, DecisionSink, MarketUnavailableError
from optionwriter.services.cycle import Desk, run_cycle
from optionwriter.services.jobs import RunError

Seat = Callable[[int | None, int, DecisionSink], Desk]
"""The desk on what is known at an instant (None: everything), with its clock at another, and its sink."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Where a decision rests on what came later. `what`: the market it saw, or only what it chose."""

    at_ms: int
    known_until_ms: int
    what: str
    strategy_id: str
    whole: str
    known: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: how often the recording was cut, how many decisions were compared, the first leak of each
    cut that has one, and at how many steps the market gave no answer to decide on."""

    cuts: int
    decisions: int
    leaks: tuple[Leak, ...]
    undecided: int = 0


class _Kept(DecisionSink):
    """Keeps decisions as text that can be compared."""

    keeps = True

    def __init__(self) -> None:
        self.told: list[tuple[int, str, str, str]] = []

    def write(self, record: DecisionRecord, candidates: Mapping[str, object]) -> None:
        """Appends one record with its candidates."""
        body = json.dumps([asdict(record), _plain(candidates)], default=str, sort_keys=True)
        self.told.append((record.at_ms, record.strategy_id, record.fingerprint, body))


def windows(
    instants: Sequence[int], cuts: int, lead_ms: int, rng: np.random.Generator
) -> tuple[tuple[int, ...], ...]:
    """The instants of each cut: those of the `lead_ms` before a random one, and it. Errors: RunError without any."""
    if len(instants) < 2:
        raise RunError("the period has fewer than two steps with quotes: choose a longer one")
    last = np.unique(rng.integers(1, len(instants), cuts))
    return tuple(
        tuple(at for at in instants[: row + 1] if at >= instants[row] - lead_ms) for row in last.tolist()
    )


def check_lookahead(
    seat: Seat, cuts: Sequence[Sequence[int]], told: Callable[[int], None] = lambda _done: None
) -> Checked:
    """Compares both desks over the instants of every cut; `told` hears how many are done.

    Errors: RunError when nothing could be decided at all, which would prove nothing.
    """
    decisions, undecided, leaks = 0, 0, []
    for done, instants in enumerate(cuts):
        whole, known = (_decisions(seat, until, instants) for until in (None, instants[-1]))
        missed = sum(not strategy_id for _, strategy_id, _, _ in whole)
        undecided += missed
        decisions += len(whole) - missed
        leak = _first_difference(whole, known, instants[-1])
        if leak is not None:
            leaks.append(leak)
        told(done + 1)
    if not decisions and not leaks:
        raise RunError("nothing could be decided at any of these instants: choose a period with quotes")
    return Checked(len(cuts), decisions, tuple(leaks), undecided)


def _decisions(seat: Seat, until_ms: int | None, instants: Sequence[int]) -> list[tuple[int, str, str, str]]:
    kept = _Kept()
    desk = seat(until_ms, instants[0], kept)
    for at_ms in instants:
        desk.clock.sleep_until(at_ms)
        try:
            run_cycle(desk)
        except (MarketUnavailableError, BrokerUnavailableError) as error:
            kept.told.append((at_ms, "", "", f"not decided: {error}"))
    return kept.told


def _first_difference(
    whole: list[tuple[int, str, str, str]], known: list[tuple[int, str, str, str]], until_ms: int
) -> Leak | None:
    nothing = (until_ms, "", "", "no decision")
    for row in range(max(len(whole), len(known))):
        one = whole[row] if row < len(whole) else nothing
        other = known[row] if row < len(known) else nothing
        if one != other:
            what = "choice" if one[:3] == other[:3] else "market"
            return Leak(min(one[0], other[0]), until_ms, what, one[1] or other[1], *_around(one[3], other[3]))
    return None


def _around(one: str, other: str, width: int = 60) -> tuple[str, str]:
    """Both texts where they begin to differ."""
    same = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(min(one, other))
    )
    part = slice(max(0, same - width), same + width)
    return one[part], other[part]


def _plain(columns: Mapping[str, object]) -> dict[str, object]:
    return {
        name: column.tolist() if isinstance(column, np.ndarray) else column
        for name, column in columns.items()
    }
