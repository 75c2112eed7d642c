"""HarvestFolder: what a harvester keeps in its folder: snapshots, gaps, its state, and the lock that keeps others out.

    <ASSET>/<YYYY>/<MM>/<DD>/…    snapshots, and compacted days (layouts)
    harvester.json                the state: last slot, result of each asset, next slot; replaced whole
    gaps.jsonl                    slots without a file, a line each, only ever added to
    harvester.lock                held while a harvester runs

Keeps: a snapshot is whole or not there, and is written once; gaps are durable before the state says that their slot is
over, so a crash between repeats a line and loses none; readers drop repeated ones. Implements services' HarvestStore.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from optionwriter.adapters.tapes.compaction import Compacted, CompactionError, closed_days, compact
from optionwriter.adapters.tapes.layouts import HARVEST_COLUMNS, day_path, snapshot_path
from optionwriter.adapters.tapes.whole_file import write_whole
from optionwriter.core.market.instruments import utc_day
from optionwriter.core.report.harvester import AssetResult, Gap, GapReason, HarvesterState
from optionwriter.ports import ChainRecord, HarvestStoreError

STATE_FILE, GAPS_FILE, LOCK_FILE = "harvester.json", "gaps.jsonl", "harvester.lock"
_VERSION = 1
_TRIES = 100  # at the lock: whoever asks for the state has it for some microseconds


class HarvestFolder:
    """The folder of one harvester; `hold` it before writing. Errors: HarvestStoreError everywhere."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: int | None = None

    def hold(self) -> None:
        """Takes the folder for this process; HarvestStoreError when another has it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            held = os.open(self._folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise HarvestStoreError(
                f"{self._folder} can't be used: {error.strerror}: name another with --data"
            ) from error
        if not any(_taken(held) for _ in range(_TRIES)):
            os.close(held)
            raise HarvestStoreError(
                f"{self._folder} is in use by another harvester: end it, or name another folder with --data"
            )
        self._lock = held

    def release(self) -> None:
        """Lets another have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def state(self) -> HarvesterState:
        """What is known of the last runs here."""
        return harvester_state(self._folder)

    def has(self, asset: str, slot_ms: int, interval_ms: int) -> bool:
        """Whether the slot's snapshot is there, as a file or within its compacted day."""
        if (self._folder / _slot_path(asset, slot_ms)).is_file():
            return True
        whole = self._folder / day_path(asset, utc_day(slot_ms))
        if not whole.is_file():
            return False
        try:
            times = pl.read_parquet(whole, columns=["harvest_time"])["harvest_time"].dt.epoch("ms")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise HarvestStoreError(f"{whole} can't be read ({error}): move it away") from error
        return bool(((times >= slot_ms) & (times < slot_ms + interval_ms)).any())

    def write(self, slot_ms: int, record: ChainRecord) -> int:
        """The record as the slot's file; its bytes."""
        count = len(record)
        columns: dict[str, pl.Series] = {}
        for name, kind in HARVEST_COLUMNS.items():
            if name == "harvest_time":
                values = pl.Series(name, [record.read_ms], dtype=pl.Int64).cast(pl.Datetime("ms", "UTC"))
                columns[name] = values.cast(kind).new_from_index(0, count)
            else:
                columns[name] = pl.Series(name, record.columns.get(name, [None] * count), dtype=kind)
        try:
            return write_whole(pl.DataFrame(columns), self._folder / _slot_path(record.asset, slot_ms))
        except OSError as error:
            raise HarvestStoreError(
                f"{self._folder / _slot_path(record.asset, slot_ms)} can't be written: {error.strerror or error}"
            ) from error

    def add_gaps(self, gaps: Sequence[Gap]) -> None:
        """Appends gaps, durably."""
        if not gaps:
            return
        path = self._folder / GAPS_FILE
        lines = "".join(json.dumps(asdict(one)) + "\n" for one in gaps).encode()
        try:
            with path.open("ab+") as file:
                if file.tell() and not _ends_whole(path):  # a line that a crash cut short
                    lines = b"\n" + lines
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise HarvestStoreError(f"{path} can't be written: {error.strerror or error}") from error

    def put_state(self, state: HarvesterState) -> None:
        """Replaces the state."""
        body = asdict(state)
        for name in ("gaps", "is_running"):  # the one has its own file, the other is the lock
            del body[name]
        path = self._folder / STATE_FILE
        aside = path.with_name(f".{STATE_FILE}.part")
        try:
            with aside.open("w", encoding="utf-8") as file:
                json.dump({"version": _VERSION, **body}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except OSError as error:
            raise HarvestStoreError(f"{path} can't be written: {error.strerror or error}") from error

    def compact_before(self, at_ms: int) -> tuple[int, tuple[str, ...]]:
        """Compacts every day that was over at `at_ms`: (days done, what went wrong)."""
        done, wrong = 0, []
        for asset, day in list(closed_days(self._folder, utc_day(at_ms))):
            try:
                found: Compacted = compact(self._folder, asset, day)
            except CompactionError as error:
                wrong.append(str(error))
            else:
                done += found.files > 0
        return done, tuple(wrong)


def harvester_state(folder: Path) -> HarvesterState:
    """How the harvester of a folder (data/live_deribit) is doing; an empty state where none ever ran.

    Errors: HarvestStoreError for a state file that is none.
    """
    path = folder / STATE_FILE
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if body.pop("version") != _VERSION:
            raise HarvestStoreError(
                f"{path} is of another version of optionwriter: use that, or move it away"
            )
        body["assets"] = tuple(body["assets"])
        body["results"] = {name: AssetResult(**one) for name, one in body["results"].items()}
        return HarvesterState(**body, is_running=_is_held(folder / LOCK_FILE), gaps=read_gaps(folder))
    except FileNotFoundError:
        return HarvesterState(is_running=_is_held(folder / LOCK_FILE), gaps=read_gaps(folder))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise HarvestStoreError(
            f"{path} can't be read ({error}): move it away, the snapshots stay"
        ) from error


def read_gaps(folder: Path) -> tuple[Gap, ...]:
    """All gaps by time and asset, each told once; a last line that a crash cut short is left out."""
    path = folder / GAPS_FILE
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise HarvestStoreError(f"{path} can't be read: {error.strerror or error}") from error
    return tuple(sorted(_gaps(lines), key=lambda one: (one.first_ms, one.asset)))


def _gaps(lines: Iterable[bytes]) -> Iterable[Gap]:
    """Those of the lines that are whole. A crash before the state is kept tells a gap again, maybe within a longer one:
    what an earlier or longer one holds is left out."""
    found = []
    for line in lines:
        try:
            body: dict[str, Any] = json.loads(line)
            found.append(Gap(**{**body, "reason": GapReason(body["reason"])}))
        except (ValueError, TypeError, KeyError):
            continue
    told: dict[str, int] = {}
    for gap in sorted(found, key=lambda one: (one.first_ms, -one.last_ms)):
        if gap.last_ms > told.get(gap.asset, -1):
            told[gap.asset] = gap.last_ms
            yield gap


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _slot_path(asset: str, slot_ms: int) -> Path:
    at = datetime.fromtimestamp(slot_ms / 1000, UTC)
    return Path(snapshot_path(asset, at.date(), at.hour, at.minute))


def _taken(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_held(path: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        held = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _taken(held)
    finally:
        os.close(held)
