"""Sweep: the runs of one group as one row and as a ranking, with what the best of so many is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optionwriter.core.report.ranking import (
    BESIDE,
    SHARPE,
    Trial,
    doubts,
    ranked,
    said,
    settings_of,
    short_keys,
    trials_of,
    varied_keys,
    verdict,
)
from optionwriter.core.report.run import USD, MetricRow, RunState, RunStatus
from optionwriter.ports import RunMissingError, RunStore
from optionwriter.services.sweep import sets_of
from optionwriter.web import format as shown
from optionwriter.web.lab.figures import figure, name_of
from optionwriter.web.lab.frame import stamp

Row = dict[str, Any]
BY = BESIDE  # what can be ranked by
MOST_FOLDED = 500  # sets, above which the list of runs does not rank a sweep by itself
TOP_FOLDED, TOP = 5, 100


def counted(counts: Mapping[RunStatus, int]) -> list[Row]:
    """How many runs stand where, those that are not over first."""
    order = (RunStatus.RUNNING, RunStatus.QUEUED, RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED)
    return [{"status": str(one), "count": counts[one]} for one in order if counts.get(one)]


def folded(store: RunStore, latest: RunState, counts: Mapping[RunStatus, int]) -> Row:
    """A sweep as one row of the list, with its first sets, if there are not too many to look at each time."""
    group, count = latest.spec.group, sum(counts.values())
    found: Row = {"top": [], "doubts": []}
    if count <= MOST_FOLDED:
        found = ranking(store, group, SHARPE, TOP_FOLDED, alike=False)
    return {
        "group": group,
        "id": latest.id,
        "count": count,
        "counts": counted(counts),
        "market": _market([latest]),
        "period": _period(latest),
        "is_over": all(status.is_over for status in counts),
        **found,
    }


def sweep(store: RunStore, group: str, by: str) -> Row:
    """A sweep's page. Errors: RunMissingError; RunStoreError."""
    counts = store.groups([group]).get(group)
    if counts is None:
        raise RunMissingError(f"there is no sweep {group!r}: see the Lab's list of runs")
    return {
        "group": group,
        "by": by,
        "choices": [{"value": one, "name": name_of(one)} for one in BY],
        "count": sum(counts.values()),
        "counts": counted(counts),
        "is_over": all(status.is_over for status in counts),
        **ranking(store, group, by, TOP),
    }


def ranking(store: RunStore, group: str, by: str, most: int, alike: bool = True) -> Row:
    """The best sets, at most so many, and how far the best may be trusted; `alike` looks at every set's days too."""
    sets = sets_of(store, group)
    specs = {one.id: one.spec for one in sets}
    keys = varied_keys([*specs.values()])
    trials: list[Trial] = []
    for run_id, rows in store.figures(group, USD, BY).items():
        if run_id not in specs:  # it finished in between
            continue
        own = settings_of(specs[run_id])
        varied = {key: own.get(key) for key in keys}
        trials += trials_of(run_id, specs[run_id].driver, varied, rows)
    order = ranked(trials, by)
    failed = [one for one in sets if one.status is RunStatus.FAILED]
    kept = store.returns(group) if alike else {}
    daily = (one for styles in kept.values() for one in styles.values())
    told = doubts(verdict(trials, len(trials) + len(failed), daily), trials, by) if trials else ()
    first: set[int] = set()
    return {
        "keys": short_keys(keys),
        "heads": tuple(name_of(one) for one in BY),
        "top": [_row(place, one, keys, first) for place, one in enumerate(order[:most], 1)],
        "left_out": max(0, len(order) - most),
        "doubts": list(told),
        "failed": [{"id": one.id, "name": one.spec.name, "error": one.error} for one in failed[:most]],
        "market": _market(sets),
        "period": _period(sets[0]) if sets else "",
        "sources": sorted({one.spec.source for one in sets}),
    }


def _row(place: int, one: Trial, keys: Sequence[str], told: set[int]) -> Row:
    """A set in one exit style; `told` are the runs that have a row already."""
    is_first = one.run_id not in told
    told.add(one.run_id)
    return {
        "place": place,
        "id": one.run_id,
        "is_first": is_first,
        "exit_style": one.exit_style,
        "driver": one.driver,
        "varied": [said(one.varied.get(key)) for key in keys],
        "figures": [_cell(one.metrics.get(name), name) for name in BY],
    }


def _cell(one: MetricRow | None, name: str) -> Row:
    found = figure(MetricRow("", USD, name, None) if one is None else one)
    return {**found, "value": "" if one is None or one.value is None else one.value}


def _market(sets: Sequence[RunState]) -> str:
    """Strategies, sources and coins of all of them."""
    strategies = ", ".join(sorted({one.spec.strategy for one in sets}))
    sources = ", ".join(sorted({one.spec.source for one in sets}))
    coins = ", ".join(sorted({coin for one in sets for coin in one.spec.underlyings}))
    return f"{strategies} on {sources} · {coins}"


def _period(state: RunState) -> str:
    return f"{shown.day(stamp(state.spec.start_ms))} to {shown.day(stamp(state.spec.end_ms))}"
