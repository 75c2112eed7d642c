"""Harvester: how the recorder of chains is doing, as its folder tells it: last slot, gaps, next slot.

A slot is an instant on the clock's grid at which every asset is to be recorded. A gap is an asset's slot without a
file, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class GapReason(StrEnum):
    """Why there is no file."""

    NO_ANSWER = "no_answer"  # the exchange could not be reached, timed out, or refused
    BROKEN = "broken"  # an answer that makes no sense, or of another type
    TORN = "torn"  # far fewer rows than listed, or than the last whole answer held
    LATE = "late"  # the answer came when the slot was over
    STALE = "stale"  # the answer was made long before the slot
    MISSED = "missed"  # the harvester was busy or asleep over the slot
    NOT_RUNNING = "not_running"  # no harvester ran
    NOT_WRITTEN = "not_written"  # the disk did not take the file


@dataclass(frozen=True, slots=True)
class Gap:
    """Slots of one asset without a file: `first_ms` to `last_ms`, both included, `slots` of them."""

    asset: str
    first_ms: int
    last_ms: int
    slots: int
    reason: GapReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AssetResult:
    """An asset's last slot; `whole_ms` and `whole_rows` are of the last snapshot that was kept."""

    slot_ms: int
    rows: int  # 0: a gap
    bytes: int
    reason: str  # of the gap; empty where there is none
    note: str = ""  # what a kept snapshot lacks
    whole_ms: int = 0
    whole_rows: int = 0


@dataclass(frozen=True, slots=True)
class HarvesterState:
    """What a harvester's folder tells. Times are epoch milliseconds of exchange time, 0 where there is none."""

    environment: str = ""  # empty: no harvester ever ran here
    interval_minutes: int = 0
    assets: tuple[str, ...] = ()
    is_running: bool = False  # a process holds the folder now
    running_since_ms: int = 0  # of the process that ran last
    stopped_ms: int = 0  # when it stopped in order; 0: it runs, or was killed
    last_slot_ms: int = 0
    next_slot_ms: int = 0
    results: Mapping[str, AssetResult] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()  # by time, each asset's slot once


def missing_slots(gaps: Sequence[Gap], interval_ms: int) -> set[tuple[str, int]]:
    """Every (asset, slot) without a file."""
    return {(one.asset, slot) for one in gaps for slot in range(one.first_ms, one.last_ms + 1, interval_ms)}
