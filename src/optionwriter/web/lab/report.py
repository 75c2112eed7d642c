"""Report: a run as one HTML file that needs nothing else: no script, no server, the curve drawn as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optionwriter.core.report.run import RunState
from optionwriter.ports import RunStore
from optionwriter.web.format import places
from optionwriter.web.lab.view import stamp, whole
from optionwriter.web.pages import Pages

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 960.0, 300.0, 80.0, 10.0, 12.0, 26.0
GRID_LINES = 4


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
    """Equity and holding in USD as points of an SVG, its grid and the ends of its time; None without two points."""
    at_ms: Sequence[int] = curve.get("at_ms", ())
    if len(at_ms) < 2:
        return None
    lines = {"equity": curve["equity_usd"], "holding": curve["holding_usd"]}
    values = [one for line in lines.values() for one in line if one is not None]
    low, high = float(min(values)), float(max(values))
    room = (high - low) * 0.05 or 1.0
    low, high = low - room, high + room

    def x(at: float) -> float:
        return LEFT + float(at - at_ms[0]) / (at_ms[-1] - at_ms[0]) * (WIDE - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + float(high - value) / (high - low) * (HIGH - TOP - BOTTOM)

    return {
        "lines": {
            name: " ".join(
                f"{x(at):.1f},{y(value):.1f}"
                for at, value in zip(at_ms, line, strict=True)
                if value is not None
            )
            for name, line in lines.items()
        },
        "grid": [
            {"y": f"{y(value):.1f}", "text": places(value, 0)}
            for value in (low + (high - low) * step / GRID_LINES for step in range(GRID_LINES + 1))
        ],
        "first": stamp(at_ms[0])[:10],
        "last": stamp(at_ms[-1])[:10],
    }
