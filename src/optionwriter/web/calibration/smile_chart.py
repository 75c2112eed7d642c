"""Smile chart: one expiry's marks as points and the models as lines, as places in an SVG picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optionwriter.web.format import places

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 420.0, 240.0, 40.0, 8.0, 10.0, 24.0
LINES = ("flat", "skew", "anchored", "anchors_before", "surface_before", "surface")
_GRID = 4


def smile_charts(smiles: Sequence[Mapping[str, Any]], at_ms: int) -> list[dict[str, Any]]:
    """A picture for each expiry with three marks or more."""
    return [_chart(one, at_ms) for one in smiles if len(one["strike"]) >= 3]


def _chart(one: Mapping[str, Any], at_ms: int) -> dict[str, Any]:
    strikes = [*one["strike"], *one["line_strike"]]
    low_x, high_x = math.log(min(strikes)), math.log(max(strikes))
    shown = {name: one["lines"][name] for name in LINES if name in one["lines"]}
    values = [*one["iv"], *(value for line in shown.values() for value in line)]
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or 1.0
    low, high = low - room, high + room

    def x(strike: float) -> str:
        return f"{LEFT + (math.log(strike) - low_x) / (high_x - low_x) * (WIDE - LEFT - RIGHT):.1f}"

    def y(iv: float) -> str:
        return f"{TOP + (high - iv) / (high - low) * (HIGH - TOP - BOTTOM):.1f}"

    levels = [low + (high - low) * step / _GRID for step in range(1, _GRID)]
    middle = strikes[len(one["strike"]) // 2]
    return {
        "expiry_ms": one["expiry_ms"],
        "days": places((one["expiry_ms"] - at_ms) / 86_400_000, 1),
        "marks": len(one["strike"]),
        "points": [
            {"x": x(strike), "y": y(iv), "is_call": is_call, "text": f"{places(strike, 0)}: {places(iv, 1)}"}
            for strike, iv, is_call in zip(one["strike"], one["iv"], one["is_call"], strict=True)
        ],
        "lines": [
            {
                "name": name,
                "points": " ".join(f"{x(k)},{y(iv)}" for k, iv in zip(one["line_strike"], line, strict=True)),
            }
            for name, line in shown.items()
        ],
        "grid": [{"y": y(level), "text": places(level, 0)} for level in levels],
        "ends": [places(math.exp(low_x), 0), places(math.exp(high_x), 0)],
        "middle": {"x": x(middle), "text": places(middle, 0)},
    }
