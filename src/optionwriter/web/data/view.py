"""View: recorded data as page and API show it: a grid of days, one day's findings, gaps, sizes, the harvester."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from optionwriter.bootstrap.catalogue import (
    Catalogue,
    Checked,
    DayCoverage,
    Wanted,
    told_coverage,
    told_finding,
)
from optionwriter.web.data.schemas import DataQuery
from optionwriter.web.format import span

Row = dict[str, Any]
Key = tuple[str, str, date]
WINDOW_DAYS = 92
MOST_NEW = 40  # days checked for one answer
MOST_GAPS = 20
_GAP = 1.6  # of the cadence
_MARKS = {"pass": "✓", "warn": "!", "fail": "✕"}
_SLOT_WORDS = "no slot yet"


class Window(NamedTuple):
    """The days that an answer is of, and what else is recorded of the same assets and sources."""

    first: date
    last: date
    days: list[DayCoverage]
    before: date | None  # the last recorded day before them
    after: date | None  # the first one after them
    whole: str  # first to last recorded day, as text


def found(catalogue: Catalogue, query: DataQuery) -> tuple[Window, dict[Key, Checked]]:
    """The days that are asked for, and what is known of their quality. Errors: CatalogueError."""
    assets, sources = ((one,) if one else () for one in (query.asset, query.source))
    whole = catalogue.coverage(Wanted(assets, sources))
    last = query.last or max((one.day for one in whole), default=date.min)
    first = query.first or max(last, date.min + timedelta(days=WINDOW_DAYS)) - timedelta(days=WINDOW_DAYS - 1)
    checked = catalogue.check(Wanted(assets, sources, first, last), most_new=MOST_NEW)
    known = {(one.source, one.quality.asset, date.fromisoformat(one.quality.day)): one for one in checked}
    recorded = sorted({one.day for one in whole})
    window = Window(
        first,
        last,
        [one for one in whole if first <= one.day <= last],
        max((one for one in recorded if one < first), default=None),
        min((one for one in recorded if one > last), default=None),
        f"{recorded[0]} to {recorded[-1]}" if recorded else "",
    )
    return window, known


def told(catalogue: Catalogue, query: DataQuery) -> Row:
    """As GET /api/data answers. Errors: CatalogueError."""
    window, known = found(catalogue, query)
    days = window.days
    return {
        "where": str(catalogue.where),
        "bundled": catalogue.bundled,
        "unchecked": sum((one.source, one.asset, one.day) not in known for one in days),
        "days": [_told_day(one, known) for one in days],
        "harvester": harvester(catalogue),
    }


def board(catalogue: Catalogue, query: DataQuery) -> Row:
    """As the page shows it. Errors: CatalogueError."""
    window, known = found(catalogue, query)
    days = window.days
    columns = _columns(days)
    return {
        "where": str(catalogue.where),
        "bundled": catalogue.bundled,
        "unchecked": sum((one.source, one.asset, one.day) not in known for one in days),
        "columns": [{"number": one.day, "iso": one.isoformat()} for one in columns],
        "months": _months(columns),
        "grid": _grid(days, known, columns),
        "gaps": _gaps(days),
        "sizes": _sizes(days),
        "harvester": harvester(catalogue),
        "state": _harvester_shown(catalogue),
        "query": query,
        "window": window,
        "earlier": _link(query, None, window.before),
        "later": _link(query, window.after, None),
        "assets": sorted({one.asset for one in catalogue.recordings}),
        "sources": sorted({one.source for one in catalogue.recordings}),
    }


def _link(query: DataQuery, first: date | None, last: date | None) -> str:
    """The page's address for the days from `first` on or up to `last`, of the same choice; "" for neither."""
    if first is not None:
        last = min(first, date.max - timedelta(days=WINDOW_DAYS)) + timedelta(days=WINDOW_DAYS - 1)
    elif last is None:
        return ""
    asked = {"asset": query.asset, "source": query.source, "from": first, "to": last}
    return f"/data?{urlencode({name: one for name, one in asked.items() if one})}"


def one_day(catalogue: Catalogue, source: str, asset: str, day: date) -> Row | None:
    """One day with its findings; None where there is none. Errors: CatalogueError."""
    wanted = Wanted((asset,), (source,), day, day)
    days = catalogue.coverage(wanted)
    checked = next(iter(catalogue.check(wanted)), None)
    if not days or checked is None:
        return None
    quality = checked.quality
    return {
        "source": source,
        "asset": asset,
        "day": day.isoformat(),
        "verdict": str(quality.verdict),
        "score": quality.score,
        "snapshots": quality.snapshots,
        "rows": quality.rows,
        "first": _stamp(days[0].first_ms),
        "last": _stamp(days[0].last_ms),
        "findings": [told_finding(one) for one in quality.findings],
        "measures": sorted(quality.measures.items()),
    }


def harvester(catalogue: Catalogue) -> Row:
    """The harvester's state as the API answers it. Errors: CatalogueError."""
    state = catalogue.harvester()
    return {
        "environment": state.environment,
        "is_running": state.is_running,
        "interval_minutes": state.interval_minutes,
        "last_slot_ms": state.last_slot_ms,
        "next_slot_ms": state.next_slot_ms,
        "missing_slots": sum(one.slots for one in state.gaps),
    }


def _harvester_shown(catalogue: Catalogue) -> Row | None:
    """The same for the page; None where no harvester ever ran."""
    state = catalogue.harvester()
    if not state.environment:
        return None
    return {
        "is_running": state.is_running,
        "environment": state.environment,
        "interval": state.interval_minutes,
        "last": _stamp(state.last_slot_ms) if state.last_slot_ms else _SLOT_WORDS,
        "next": _stamp(state.next_slot_ms) if state.next_slot_ms and state.is_running else "",
        "missing": sum(one.slots for one in state.gaps),
        "gaps": [
            {
                "asset": one.asset,
                "first": _stamp(one.first_ms),
                "last": _stamp(one.last_ms),
                "slots": one.slots,
                "reason": str(one.reason).replace("_", " "),
                "detail": one.detail,
            }
            for one in reversed(state.gaps[-MOST_GAPS:])
        ],
    }


def _told_day(one: DayCoverage, known: Mapping[Key, Checked]) -> Row:
    checked = known.get((one.source, one.asset, one.day))
    quality = None if checked is None else checked.quality
    return {
        **told_coverage(one),
        "score": None if quality is None else quality.score,
        "verdict": None if quality is None else str(quality.verdict),
        "findings": [] if quality is None else [told_finding(each) for each in quality.findings],
    }


def _columns(days: list[DayCoverage]) -> list[date]:
    if not days:
        return []
    first, last = min(one.day for one in days), max(one.day for one in days)
    return [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]


def _months(columns: list[date]) -> list[Row]:
    """Head cells over the days: a month and how many days of it there are."""
    found: list[Row] = []
    for one in columns:
        name = f"{one:%b %Y}" if not found or one.month == 1 else f"{one:%b}"
        if found and found[-1]["month"] == (one.year, one.month):
            found[-1]["span"] += 1
        else:
            found.append({"month": (one.year, one.month), "name": name, "span": 1})
    return found


def _grid(days: list[DayCoverage], known: Mapping[Key, Checked], columns: list[date]) -> list[Row]:
    """A row for each source and asset, a cell for each day."""
    series = dict.fromkeys((one.source, one.asset) for one in days)
    there = {(one.source, one.asset, one.day): one for one in days}
    return [
        {
            "source": source,
            "asset": asset,
            "cells": [_cell(there.get(key), known.get(key), key) for key in ((source, asset, day) for day in columns)],
        }
        for source, asset in series
    ]  # fmt: skip


def _cell(one: DayCoverage | None, checked: Checked | None, key: Key) -> Row:
    """What a cell shows, and says to who can't see it."""
    _, asset, day = key
    if one is None:
        return {"kind": "none", "text": "·", "about": f"{asset} {day}: no data", "day": day.isoformat()}
    if checked is None:
        return {
            "kind": "open",
            "text": "?",
            "about": f"{asset} {day}: not checked yet",
            "day": day.isoformat(),
        }
    quality = checked.quality
    worst = ", ".join(each.name for each in quality.findings[:3] if each.severity != "note")
    about = f"{asset} {day}: {quality.verdict}, score {quality.score}, {one.snapshots} snapshots"
    return {
        "kind": str(quality.verdict),
        "text": str(quality.score),
        "mark": _MARKS[str(quality.verdict)],
        "about": f"{about}{'; ' if worst else ''}{worst}",
        "day": day.isoformat(),
    }


def _gaps(days: list[DayCoverage]) -> list[Row]:
    """The longest times without a snapshot."""
    wide = [one for one in days if one.cadence_ms and one.gap_ms > _GAP * one.cadence_ms]
    wide.sort(key=lambda one: (-one.gap_ms / one.cadence_ms, one.day))
    return [
        {
            "source": one.source,
            "asset": one.asset,
            "day": one.day.isoformat(),
            "gap": span(one.gap_ms / 1000),
            "usual": span(one.cadence_ms / 1000),
        }
        for one in wide[:MOST_GAPS]
    ]


def _sizes(days: list[DayCoverage]) -> list[Row]:
    """By source and asset: days, snapshots, rows, megabytes, bytes a row."""
    series: dict[tuple[str, str], list[DayCoverage]] = {}
    for one in days:
        series.setdefault((one.source, one.asset), []).append(one)
    found = []
    for (source, asset), own in series.items():
        rows, size = sum(one.rows for one in own), sum(one.bytes for one in own)
        found.append(
            {
                "source": source,
                "asset": asset,
                "days": len(own),
                "compacted": sum(one.compacted for one in own),
                "snapshots": sum(one.snapshots for one in own),
                "rows": rows,
                "megabytes": size / 1e6,
                "row_bytes": size / rows if rows else None,
                "every": span(own[0].cadence_ms / 1000) if own[0].cadence_ms else "",
            }
        )
    return found


def _stamp(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
