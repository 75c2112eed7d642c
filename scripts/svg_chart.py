"""A small writer of line charts as SVG, for docs: one or more panels under each other over one axis of time.

Colours are of middle lightness on no background, so that a chart reads on a light page and on a dark one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
TEXT, GRID = "#7d8590", "#7d859055"
COLOURS = ("#2f81f7", "#d9822b", "#8957e5", "#2da44e")
SHADES = {"bull": "#2da44e40", "bear": "#e5534b40"}
WIDTH, LEFT, RIGHT, TOP, GAP = 860.0, 52.0, 12.0, 26.0, 34.0


@dataclass(frozen=True)
class Line:
    """One line; `error` draws a bar of +- that much at each point, `dashed` makes it a reference."""

    label: str
    values: Numbers
    dashed: bool = False
    error: Numbers | None = None


@dataclass(frozen=True)
class Panel:
    """Lines over the same x; `bands` are (from, to, shade) in x."""

    title: str
    lines: Sequence[Line]
    percent: bool = True
    logarithmic: bool = False
    bands: Sequence[tuple[float, float, str]] = field(default_factory=tuple)


def chart(
    title: str, x: Numbers, panels: Sequence[Panel], ticks: Sequence[tuple[float, str]], height: float
) -> str:
    """The SVG's text. `x` ascending, `ticks` (x, label), `height` of one panel in pixels."""
    whole = TOP + len(panels) * (height + GAP)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {whole:.0f}" role="img" '
            f'font-family="system-ui,sans-serif" font-size="11" fill="{TEXT}">'
        ),
        f"<title>{escape(title)}</title>",
        f'<text x="{LEFT:.0f}" y="13" font-size="13" font-weight="600">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, x, ticks, TOP + GAP / 2 + number * (height + GAP), height)
    return "\n".join([*parts, "</svg>", ""])


def years(first_ms: int, last_ms: int, months: int) -> list[tuple[float, str]]:
    """Ticks at every so many months."""
    found = []
    for month in range(0, 12 * 100, months):
        at = datetime(1970 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        ms = at.timestamp() * 1000.0
        if first_ms <= ms <= last_ms:
            found.append((ms, f"{at:%Y}" if months == 12 else f"{at:%b %Y}"))
    return found


def _panel(
    panel: Panel, x: Numbers, ticks: Sequence[tuple[float, str]], top: float, height: float
) -> list[str]:
    def across(value: float) -> float:
        return LEFT + (value - x[0]) / (x[-1] - x[0]) * (WIDTH - LEFT - RIGHT)

    low, high, steps = _scale(panel)

    def down(value: float) -> float:
        share = (
            math.log(value / low) / math.log(high / low)
            if panel.logarithmic
            else (value - low) / (high - low)
        )
        return top + height * (1.0 - share)

    parts = [f'<text x="{LEFT:.0f}" y="{top - 5:.1f}">{escape(panel.title)}</text>']
    for start, end, shade in panel.bands:
        parts.append(
            f'<rect x="{across(start):.1f}" y="{top:.1f}" width="{across(end) - across(start):.1f}" '
            f'height="{height:.0f}" fill="{SHADES[shade]}"/>'
        )
    for step in steps:
        y = down(step)
        parts.append(f'<path d="M{LEFT:.0f} {y:.1f}H{WIDTH - RIGHT:.0f}" stroke="{GRID}"/>')
        parts.append(
            f'<text x="{LEFT - 5:.0f}" y="{y + 4:.1f}" text-anchor="end">{_label(step, panel)}</text>'
        )
    for at, name in ticks:
        parts.append(f'<path d="M{across(at):.1f} {top:.1f}v{height:.0f}" stroke="{GRID}"/>')
        parts.append(
            f'<text x="{across(at):.1f}" y="{top + height + 13:.1f}" text-anchor="middle">{escape(name)}</text>'
        )
    place = WIDTH - RIGHT
    for number, line in reversed(list(enumerate(panel.lines))):
        colour = COLOURS[number % len(COLOURS)]
        parts += _line(line, colour, [across(float(one)) for one in x], down)
        parts.append(
            f'<text x="{place:.0f}" y="{top - 5:.1f}" text-anchor="end" fill="{colour}">{escape(line.label)}</text>'
        )
        place -= 6.4 * len(line.label) + 16
    return parts


def _line(line: Line, colour: str, across: list[float], down: Callable[[float], float]) -> list[str]:
    path, pen = [], "M"
    for place, value in zip(across, line.values.tolist(), strict=True):
        if math.isnan(value):
            pen = "M"
            continue
        path.append(f"{pen}{place:.1f} {down(value):.1f}")
        pen = "L"
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    parts = [f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="1.4"{dash}/>']
    if line.error is not None:
        for place, value, error in zip(across, line.values.tolist(), line.error.tolist(), strict=True):
            if not math.isnan(value + error):
                parts.append(
                    f'<path d="M{place:.1f} {down(value - error):.1f}V{down(value + error):.1f}" '
                    f'stroke="{colour}" stroke-opacity="0.6"/><circle cx="{place:.1f}" cy="{down(value):.1f}" '
                    f'r="3" fill="{colour}"/>'
                )
    return parts


def _scale(panel: Panel) -> tuple[float, float, list[float]]:
    """(lowest, highest, where the grid lies)."""
    reach = [line.values if line.error is None else np.abs(line.error) + line.values for line in panel.lines]
    reach += [line.values - np.abs(line.error) for line in panel.lines if line.error is not None]
    values = np.concatenate(reach)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if panel.logarithmic:
        steps = [base * 10.0**power for power in range(7) for base in (1, 2, 5)]
        return low * 0.95, high * 1.05, [step for step in steps if low * 0.95 <= step <= high * 1.05]
    rough = (high - low) / 4.0
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * times for times in (1, 2, 2.5, 5, 10) if size * times >= rough)
    bottom, above = math.floor(low / step) * step, math.ceil(high / step) * step
    return bottom, above, [bottom + step * i for i in range(round((above - bottom) / step) + 1)]


def _label(value: float, panel: Panel) -> str:
    if panel.percent:
        return f"{100.0 * value:.1f}%".replace(".0%", "%").replace("-0%", "0%")
    return f"{value:,.2f}".rstrip("0").rstrip(".")
