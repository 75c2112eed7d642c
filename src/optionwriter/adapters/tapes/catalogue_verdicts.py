"""Catalogue verdicts: results of checks, kept beside the data so that nobody pays for them twice.

`<folder>/.quality/<ASSET>.json`, a day each with the key it was made under. Where the folder can't be written, or is
the package's own, they lie in the user's cache. A file that is torn or of another shape is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from optionwriter.adapters.tapes.catalogue import Recording
from optionwriter.core.market.quality import DayQuality, Finding, Severity, Verdict

BESIDE = ".quality"
_PACKAGE = Path(__file__).resolve().parents[2]


class KeptVerdicts:
    """The results kept for any recording. `cache`: where those of folders that can't be written lie."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._read: dict[Path, dict[str, Any]] = {}

    def get(self, recorded: Recording, day: date, key: str) -> DayQuality | None:
        """That of a day, if it was made under this key."""
        for path in self._paths(recorded):
            one = self._days(path).get(day.isoformat())
            if isinstance(one, dict) and one.get("key") == key:
                try:
                    return read_quality(one["quality"])
                except (KeyError, TypeError, ValueError):
                    continue
        return None

    def put(self, recorded: Recording, found: Iterable[tuple[date, str, DayQuality]]) -> None:
        """Keeps some; silently not, where nothing can be written."""
        new = {day.isoformat(): {"key": key, "quality": told_quality(one)} for day, key, one in found}
        for path in self._paths(recorded):
            days = {**self._days(path), **new}
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                aside = path.with_name(f".{path.name}.{os.getpid()}.part")
                aside.write_text(json.dumps(days, sort_keys=True), encoding="utf-8")
                aside.replace(path)
            except OSError:
                continue
            self._read[path] = days
            return

    def _days(self, path: Path) -> dict[str, Any]:
        if path not in self._read:
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                found = {}
            self._read[path] = found if isinstance(found, dict) else {}
        return self._read[path]

    def _paths(self, recorded: Recording) -> list[Path]:
        """Where results of a recording may lie, the best place first."""
        folder = recorded.folder.resolve()
        name = f"{recorded.asset}.json"
        if recorded.single is not None:
            name = f"{recorded.single.name}.{name}"
        own = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        elsewhere = (self._cache or user_cache_path("optionwriter") / "quality") / own / name
        writable = (
            folder.is_dir() and folder.stat().st_mode & 0o222
        )  # a superuser could write, and should not
        if folder.is_relative_to(_PACKAGE) or not writable:
            return [elsewhere]
        return [folder / BESIDE / name, elsewhere]


def told_quality(one: DayQuality) -> dict[str, Any]:
    """A result as JSON holds it."""
    return {
        "asset": one.asset,
        "day": one.day,
        "snapshots": one.snapshots,
        "rows": one.rows,
        "score": one.score,
        "verdict": str(one.verdict),
        "findings": [told_finding(each) for each in one.findings],
        "measures": dict(one.measures),
    }


def told_finding(one: Finding) -> dict[str, Any]:
    """A finding as JSON holds it."""
    return {
        "name": one.name,
        "severity": str(one.severity),
        "count": one.count,
        "of": one.of,
        "share": round(one.share, 6),
        "points": round(one.points, 2),
        "example": one.example,
    }


def read_quality(told: dict[str, Any]) -> DayQuality:
    """A result from what JSON holds. Errors: KeyError, TypeError, ValueError."""
    return DayQuality(
        told["asset"],
        told["day"],
        told["snapshots"],
        told["rows"],
        told["score"],
        Verdict(told["verdict"]),
        tuple(
            Finding(one["name"], Severity(one["severity"]), one["count"], one["of"], one["example"])
            for one in told["findings"]
        ),
        dict(told["measures"]),
    )
