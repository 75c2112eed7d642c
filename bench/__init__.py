"""Measurements with the aim beside them; `python -m bench` runs all, `python -m bench black76` some."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """One measured figure. `aim` is what it should not exceed (or reach, for rates); None where there is no aim."""

    name: str
    value: float
    unit: str
    aim: float | None = None


def best_seconds(action: Callable[[], object], repeats: int = 50) -> float:
    """The fastest of `repeats` runs, after one that does not count: the least disturbed by other programs."""
    action()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return best
