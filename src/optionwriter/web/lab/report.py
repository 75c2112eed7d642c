"""Report: a run as one HTML file that needs nothing else: no script, no server, the curve drawn as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optionwriter.core.report.run import RunState
from optionwriter.ports import RunStore
from optionwriter.web.lab.frame import Frame, stamp
from optionwriter.web.lab.view import whole
from optionwriter.web.pages import Pages
from optionwriter.web.run_curves import columns


def run_report(store: RunStore, state: RunState) -> str:
    """The report of a finished run, every exit style in it. Errors: RunStoreError."""
    curves = store.curves(state.id)
    styles = [
        {**whole(store, state, style), "picture": picture(curves.get(style, {}))}
        for style in whole(store, state, "")["styles"]
    ]
    return Pages().text(
        "lab/report.html", styles=styles, made_at=stamp(state.finished_ms), **_head(store, state)
    )


def _head(store: RunStore, state: RunState) -> dict[str, Any]:
    found = whole(store, state, "")
    return {name: found[name] for name in ("run", "config", "seed", "code", "data", "notes")}


def picture(curve: Mapping[str, Any]) -> dict[str, Any] | None:
    """Equity, holding and the plain rules in USD as points of an SVG, its grid and the ends of its time.

    None without two points.
    """
    at_ms: Sequence[int] = curve.get("at_ms", ())
    if len(at_ms) < 2:
        return None
    found = columns(curve)
    lines = {one["name"]: one["usd"] for one in found["benchmarks"]}
    lines |= {"holding": curve["holding_usd"], "equity": curve["equity_usd"]}
    frame = Frame.around(at_ms, [one for line in lines.values() for one in line])
    return {
        "lines": {name: frame.points(at_ms, line) for name, line in lines.items()},
        "rules": found["benchmarks"],
        "grid": frame.grid(),
        "first": stamp(at_ms[0])[:10],
        "last": stamp(at_ms[-1])[:10],
    }
