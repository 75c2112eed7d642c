"""Catalogue: coverage and quality of recorded chains, day by day, of whatever recordings are handed in.

Keeps: a day is checked once: its result is kept under a key of its files' bytes, its neighbours' instants and the
rules' version; cadence and neighbours come from the recording, not from the period asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar

import numpy as np

from optionwriter.core.market.chain import I64
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.market.quality import RULES_VERSION, Around, ChainDay, DayQuality, check_day

_CADENCE_DAYS = 3  # on either side of a day


class Recorded(Protocol):
    """The chains of one asset in one folder."""

    @property
    def source(self) -> str:
        """The folder's name."""
        ...

    @property
    def asset(self) -> str:
        """BTC, BTC_USDC, …"""
        ...

    def days(self) -> tuple[date, ...]:
        """The UTC days with rows, ascending."""
        ...

    def instants(self, day: date) -> tuple[I64, I64]:
        """(first instant, rows) of each snapshot of a day."""
        ...

    def chain(self, day: date) -> ChainDay:
        """A day's rows."""
        ...

    def fingerprint(self, day: date) -> str:
        """Of a day's files."""
        ...

    def compacted(self, day: date) -> bool:
        """Whether the day's snapshots are one file."""
        ...

    def bytes_of(self, day: date) -> int:
        """What the day takes on the disk."""
        ...


R = TypeVar("R", bound=Recorded)
R_contra = TypeVar("R_contra", bound=Recorded, contravariant=True)


class Verdicts(Protocol[R_contra]):
    """Results of earlier checks."""

    def get(self, recorded: R_contra, day: date, key: str) -> DayQuality | None:
        """That of a day, if it was made under this key."""
        ...

    def put(self, recorded: R_contra, found: Iterable[tuple[date, str, DayQuality]]) -> None:
        """Keeps some."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the days; an empty tuple is all of them, the days are the first and the last that count."""

    assets: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None

    def of(self, recorded: Iterable[R]) -> Iterator[R]:
        """The recordings that are asked for."""
        for one in recorded:
            if (not self.assets or one.asset in self.assets) and (
                not self.sources or one.source in self.sources
            ):
                yield one

    def holds(self, day: date) -> bool:
        """Whether a day is asked for."""
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class DayCoverage:
    """What there is of one asset's day; `gap_ms` is the longest between two snapshots, within the day or into it."""

    source: str
    asset: str
    day: date
    snapshots: int
    rows: int
    first_ms: int
    last_ms: int
    gap_ms: int
    cadence_ms: int
    compacted: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked day, and whether it was checked before."""

    source: str
    quality: DayQuality
    remembered: bool


def coverage(recorded: Iterable[Recorded], wanted: Wanted) -> list[DayCoverage]:
    """Every day that is asked for and there, by recording and day."""
    found: list[DayCoverage] = []
    for one in wanted.of(recorded):
        seen = {day: one.instants(day) for day in one.days()}
        starts = np.concatenate([np.zeros(0, dtype=np.int64), *(at for at, _ in seen.values())])
        step = cadence_of(starts)
        before: int | None = None
        for day, (at, rows) in seen.items():
            if not len(at):
                if wanted.holds(
                    day
                ):  # files without a row, or that can't be read: there, and nothing in them
                    at_ms = _midnight(day)
                    found.append(
                        DayCoverage(
                            one.source, one.asset, day, 0, 0, at_ms, at_ms, 0, step or 0,
                            one.compacted(day), one.bytes_of(day),
                        )
                    )  # fmt: skip
                continue
            if wanted.holds(day):
                steps = np.diff(at if before is None else np.concatenate([[before], at]))
                found.append(
                    DayCoverage(
                        one.source, one.asset, day, len(at), int(rows.sum()), int(at[0]), int(at[-1]),
                        int(steps.max()) if len(steps) else 0, step or 0, one.compacted(day), one.bytes_of(day),
                    )
                )  # fmt: skip
            before = int(at[-1])
    return found


def check(
    recorded: Iterable[R],
    wanted: Wanted,
    verdicts: Verdicts[R],
    told: Callable[[str], None] = lambda _what: None,
    most_new: int | None = None,
) -> Iterator[Checked]:
    """Every day that is asked for and there; those not checked before are checked now, `most_new` of them at most
    (the others are not given). `told`: what is looked at."""
    done = 0
    for one in wanted.of(recorded):
        days = one.days()
        fresh: list[tuple[date, str, DayQuality]] = []
        try:
            for place, day in enumerate(days):
                if not wanted.holds(day):
                    continue
                around = around_of(one, days, place)
                key = _key(one.fingerprint(day), around)
                quality = verdicts.get(one, day, key)
                remembered = quality is not None
                if quality is None:
                    if most_new is not None and done >= most_new:
                        continue
                    done += 1
                    told(f"{one.source} {one.asset} {day}")
                    quality = check_day(one.chain(day), around)
                    fresh.append((day, key, quality))
                yield Checked(one.source, quality, remembered)
        finally:
            if fresh:
                verdicts.put(one, fresh)


def around_of(recorded: Recorded, days: Sequence[date], place: int) -> Around:
    """The recording around `days[place]`."""
    near = days[max(0, place - _CADENCE_DAYS) : place + _CADENCE_DAYS + 1]
    starts = np.concatenate([np.zeros(0, dtype=np.int64), *(recorded.instants(day)[0] for day in near)])
    own, _ = recorded.instants(days[place])
    if not len(own):
        return Around(cadence_of(starts))
    earlier, later = starts[starts < own[0]], starts[starts > own[-1]]
    return Around(
        cadence_of(starts),
        int(earlier[-1]) if len(earlier) else None,
        int(later[0]) if len(later) else None,
    )


def cadence_of(starts: I64) -> int | None:
    """The usual time between snapshots; None without two."""
    return int(np.median(np.diff(starts))) if len(starts) > 1 else None


def _midnight(day: date) -> int:
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * MS_PER_DAY


def _key(fingerprint: str, around: Around) -> str:
    told = [RULES_VERSION, fingerprint, around.cadence_ms, around.previous_ms, around.next_ms]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]
