"""Frame: instants and values as places in an SVG picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from optionwriter.web.format import places

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 960.0, 300.0, 80.0, 10.0, 12.0, 26.0
GRID_LINES = 4


def stamp(at_ms: int | None) -> str:
    """An instant as ISO text."""
    return "" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Frame:
    """From which instant to which, from which value to which."""

    first_ms: int
    last_ms: int
    low: float
    high: float

    @classmethod
    def around(cls, at_ms: Sequence[int], values: Iterable[float | None]) -> Frame:
        """Just larger than what is known of the values; two instants at least."""
        known = [float(one) for one in values if one is not None]
        low, high = min(known), max(known)
        room = (high - low) * 0.05 or 1.0
        return cls(at_ms[0], at_ms[-1], low - room, high + room)

    def x(self, at: float) -> float:
        """How far from the left."""
        return LEFT + (at - self.first_ms) / (self.last_ms - self.first_ms) * (WIDE - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """How far from the top."""
        return TOP + (self.high - value) / (self.high - self.low) * (HIGH - TOP - BOTTOM)

    def points(self, at_ms: Sequence[int], values: Sequence[float | None]) -> str:
        """A polyline's points."""
        return " ".join(
            f"{self.x(at):.1f},{self.y(one):.1f}"
            for at, one in zip(at_ms, values, strict=True)
            if one is not None
        )

    def grid(self) -> list[dict[str, str]]:
        """Level lines with their texts."""
        levels = (self.low + (self.high - self.low) * step / GRID_LINES for step in range(GRID_LINES + 1))
        return [{"y": f"{self.y(one):.1f}", "text": places(one, 0)} for one in levels]
