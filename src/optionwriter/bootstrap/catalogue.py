"""Catalogue, seated: which folders it looks into, and where results of checks are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from optionwriter.adapters.tapes.catalogue import Layout, Recording, recordings
from optionwriter.adapters.tapes.catalogue_series import series_in
from optionwriter.adapters.tapes.catalogue_sql import Answer, CatalogueSql, SqlError
from optionwriter.adapters.tapes.catalogue_verdicts import KeptVerdicts, told_finding, told_quality
from optionwriter.adapters.tapes.compaction import Compacted, CompactionError, compact
from optionwriter.adapters.tapes.harvest_files import harvester_state
from optionwriter.adapters.tapes.layouts import HARVEST_FOLDER, snapshot_files
from optionwriter.adapters.tapes.sample_files import FOLDER, SampleError
from optionwriter.adapters.tapes.snapshots import CaptureError
from optionwriter.core.market.instruments import utc_day
from optionwriter.core.market.quality import DayQuality, check_series
from optionwriter.core.report.harvester import HarvesterState
from optionwriter.ports import HarvestStoreError
from optionwriter.services.catalogue import Checked, DayCoverage, Wanted, check, coverage

DATA_FOLDER = Path("data")

__all__ = [
    "DATA_FOLDER",
    "Answer",
    "Catalogue",
    "CatalogueError",
    "Checked",
    "DayCoverage",
    "Wanted",
    "told_finding",
    "told_quality",
]


class CatalogueError(Exception):
    """A folder, file or question that makes no sense; the message names it and the cure."""


class Catalogue:
    """The recorded chains of one folder: the named one, else data/ beside the working folder, else what is bundled."""

    def __init__(self, where: Path | None = None) -> None:
        """Errors: CatalogueError when the named folder is not there."""
        self.where = where if where is not None else DATA_FOLDER
        try:
            self.recordings: tuple[Recording, ...] = (
                recordings(self.where) if where is not None or self.where.is_dir() else ()
            )
            self.bundled = where is None and not self.recordings
            if self.bundled:
                self.where = FOLDER / HARVEST_FOLDER
                self.recordings = recordings(self.where)
        except (CaptureError, OSError) as error:
            raise CatalogueError(str(error)) from None
        self._verdicts = KeptVerdicts()

    def coverage(self, wanted: Wanted) -> list[DayCoverage]:
        """What there is, by source, asset and day. Errors: CatalogueError."""
        self._known(wanted)
        try:
            return coverage(self.recordings, wanted)
        except (CaptureError, OSError) as error:
            raise CatalogueError(str(error)) from None

    def check(
        self,
        wanted: Wanted,
        told: Callable[[str], None] = lambda _what: None,
        most_new: int | None = None,
    ) -> Iterator[Checked]:
        """How good it is; `most_new`: how many days may be checked for the first time. Errors: CatalogueError."""
        self._known(wanted)
        try:
            yield from check(self.recordings, wanted, self._verdicts, told, most_new)
        except (CaptureError, OSError) as error:
            raise CatalogueError(str(error)) from None

    def check_series(self) -> list[DayQuality]:
        """How good the files of prices and of the volatility index are, each as a whole."""
        return [check_series(one) for one in series_in(self.where)]

    def harvester(self) -> HarvesterState:
        """How the harvester of this folder is doing; an empty state where none ever ran. Errors: CatalogueError."""
        below = self.where / HARVEST_FOLDER
        try:
            return harvester_state(below if below.is_dir() else self.where)
        except (HarvestStoreError, OSError) as error:
            raise CatalogueError(str(error)) from None

    def sql(self, question: str, limit: int) -> Answer:
        """The answer to one SELECT over the recordings. Errors: CatalogueError."""
        try:
            with closing(CatalogueSql(self.where, self.recordings)) as link:
                return link.ask(question, limit)
        except (SqlError, CaptureError, SampleError, OSError) as error:
            raise CatalogueError(str(error)) from None

    def compact(self, wanted: Wanted, before: date, told: Callable[[str], None]) -> Iterator[Compacted]:
        """Makes one file of every harvested day that is over (`before`) and asked for.

        The local exchange lives in its own time: the day of its harvester's last slot is under way, whatever `before`.
        Errors: CatalogueError, of the days that can't be, after the others are done.
        """
        self._known(wanted)
        state = self.harvester()
        if state.environment == "local" and state.last_slot_ms:
            before = min(before, utc_day(state.last_slot_ms))
        wrong: list[str] = []
        for one in wanted.of(self.recordings):
            if one.layout is not Layout.SNAPSHOTS:
                continue
            for day in one.days():
                if wanted.holds(day) and day < before and snapshot_files(one.folder, one.asset, day):
                    told(f"{one.source} {one.asset} {day}")
                    try:
                        done = compact(one.folder, one.asset, day)
                    except (CompactionError, OSError) as error:
                        wrong.append(str(error))
                    else:
                        yield done
        if wrong:
            raise CatalogueError("; ".join(wrong))

    def _known(self, wanted: Wanted) -> None:
        if not self.recordings:
            raise CatalogueError(
                f"{self.where} holds no option chains: harvest or import some, or name another"
            )
        for what, asked, there in (
            ("asset", wanted.assets, {one.asset for one in self.recordings}),
            ("source", wanted.sources, {one.source for one in self.recordings}),
        ):
            for one in asked:
                if one not in there:
                    raise CatalogueError(
                        f"{self.where} has no {what} {one}: it has {', '.join(sorted(there))}"
                    )


def told_coverage(one: DayCoverage) -> dict[str, Any]:
    """A day's coverage as JSON holds it."""
    return {
        "source": one.source,
        "asset": one.asset,
        "day": one.day.isoformat(),
        "snapshots": one.snapshots,
        "rows": one.rows,
        "first_ms": one.first_ms,
        "last_ms": one.last_ms,
        "longest_gap_ms": one.gap_ms,
        "cadence_ms": one.cadence_ms,
        "compacted": one.compacted,
        "bytes": one.bytes,
    }
