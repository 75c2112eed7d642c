"""View: what the Lab's templates show of the run database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optionwriter.core.report.run import ChainRow, RunFilter, RunState, RunStatus
from optionwriter.ports import RunStore
from optionwriter.services.run_export import headline
from optionwriter.web.format import UNKNOWN, span
from optionwriter.web.lab.figures import summaries
from optionwriter.web.lab.frame import stamp
from optionwriter.web.lab.price_chart import price_charts
from optionwriter.web.lab.sweep import folded
from optionwriter.web.run_curves import columns
from optionwriter.web.words import label

Row = dict[str, Any]
MOST_QUEUED = 50
DAY_MS = 86_400_000


def run_line(state: RunState) -> Row:
    """What every list and head says of a run."""
    spec = state.spec
    return {
        "id": state.id,
        "name": spec.name,
        "status": str(state.status),
        "source": spec.source,
        "strategy": spec.strategy,
        "coins": ", ".join(spec.underlyings),
        "preset": spec.config.get("preset", "BALANCED"),
        "from": stamp(spec.start_ms)[:10],
        "to": stamp(spec.end_ms)[:10],
        "created": stamp(state.created_ms),
        "group": spec.group,
        "error": state.error,
        "is_over": state.status.is_over,
    }


def listed_lines(store: RunStore, found: Sequence[RunState], is_folded: bool) -> list[Row]:
    """Runs as the list shows them, with their first figures by exit style; a sweep's as one row, when folded."""
    names = sorted({one.spec.group for one in found} - {""})
    counts = store.groups(names) if is_folded and names else {}
    lines = []
    for one in found:
        mine = counts.get(one.spec.group, {})
        if sum(mine.values()) > 1:
            lines.append({**run_line(one), "group_row": folded(store, one, mine)})
        else:
            told = headline(store, one.id) if one.status is RunStatus.FINISHED else []
            lines.append({**run_line(one), "styles": told})
    return lines


def queue_lines(store: RunStore, now_ms: int) -> list[Row]:
    """What runs, and what waits, oldest first; the waiting runs of a sweep as one."""
    if not any(store.counts()[one] for one in (RunStatus.RUNNING, RunStatus.QUEUED)):
        return []
    store.settle_lost(now_ms)
    running = [*reversed(store.list(RunFilter(RunStatus.RUNNING), MOST_QUEUED))]
    waiting = [*reversed(store.list(RunFilter(RunStatus.QUEUED, folded=True), MOST_QUEUED))]
    groups = store.groups(sorted({one.spec.group for one in waiting} - {""}))

    def count(one: RunState) -> int:
        return groups.get(one.spec.group, {}).get(RunStatus.QUEUED, 1)

    lines = [{**run_line(one), **going(one, now_ms), "count": 1} for one in running]
    return lines + [{**run_line(one), **going(one, now_ms), "count": count(one)} for one in waiting]


def going(state: RunState, now_ms: int) -> Row:
    """How far a run is."""
    return {
        "progress": state.progress,
        "text": state.progress_text,
        "left": left(state, now_ms),
        "stopping": state.cancel_requested,
    }


def left(state: RunState, now_ms: int) -> str:
    """How long a running run will still take, were it to go on as it went; "" where nobody can say."""
    if state.status is not RunStatus.RUNNING or state.started_ms is None or state.progress <= 0:
        return ""
    gone = max(0, now_ms - state.started_ms) / 1000
    return f"about {span(gone * (1 - state.progress) / state.progress)} left"


def whole(store: RunStore, state: RunState, style: str, now_ms: int = 0) -> Row:
    """A run's page in one exit style."""
    metrics = store.metrics(state.id)
    styles = sorted({one.exit_style for one in metrics})
    chosen = style if style in styles else "own" if "own" in styles else next(iter(styles), "")
    chains = [one for one in store.chains(state.id) if one.exit_style == chosen]
    curve = store.curves(state.id).get(chosen, {})
    ended = state.provenance
    return {
        "run": run_line(state),
        "going": going(state, now_ms),
        "config": sorted(state.spec.config.items()),
        "seed": state.spec.seed,
        "code": "" if ended is None else ended.code_version,
        "data": "" if ended is None else ended.data_fingerprint[:16],
        "styles": styles,
        "style": chosen,
        "summaries": summaries(metrics, chosen),
        "positions": [position(one) for one in chains],
        "prices": price_charts(curve, chains),
        "rules": columns(curve)["benchmarks"] if curve else [],
        "notes": store.notes(state.id).splitlines(),
    }


def position(one: ChainRow) -> Row:
    """One position as the table shows it."""
    detail: Any = one.detail
    legs = detail.get("legs") or [{}]
    pnl = detail.get("pnl") or {}
    last = legs[-1]
    return {
        "instrument": last.get("instrument", one.underlying),
        "legs": len(legs),
        "underlying": one.underlying,
        "option_type": one.option_type,
        "strategy_type": one.strategy_type,
        "currency": one.currency,
        "opened": stamp(one.opened_ms),
        "opened_ms": one.opened_ms,
        "closed": stamp(one.closed_ms),
        "closed_ms": one.closed_ms or "",
        "days": "" if one.closed_ms is None else (one.closed_ms - one.opened_ms) / DAY_MS,
        "amount": last.get("opened", UNKNOWN),
        "premium": (pnl.get("premium") or {}).get("coin"),
        "premium_usd": (pnl.get("premium") or {}).get("usd"),
        "pnl": one.pnl,
        "pnl_usd": one.pnl_usd,
        "rolls": detail.get("rolls", ""),
        "how": "open" if one.closed_ms is None else label(last.get("status", "")).lower(),
        "priced": priced(detail),
    }


def priced(detail: Row) -> str:
    """What is to be known of a position's prices that were not recorded as such; "" for nothing."""
    told = (("repriced", "repriced"), ("converted", "converted"))
    return ", ".join(f"{detail[key]} {word}" for key, word in told if detail.get(key))
