"""What a peer's script prints: one JSON line for each figure. Imports nothing of this project."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib.metadata import version


def measure(package: str, workload: str, action: Callable[[], str], repeats: int) -> None:
    """Prints the fastest of `repeats` runs, wall and processor seconds, after one that does not count (it may compile).

    `action` returns in words what it came to, so a reader sees that it did something.
    """
    action()
    wall = cpu = float("inf")
    result = ""
    for _ in range(repeats):
        began, used = time.perf_counter(), time.process_time()
        result = action()
        wall, cpu = min(wall, time.perf_counter() - began), min(cpu, time.process_time() - used)
    told = {"engine": package, "version": version(package), "workload": workload}
    print(json.dumps({**told, "wall_s": wall, "cpu_s": cpu, "result": result}), flush=True)
