"""Runs this engine and its peers one after the other and prints one markdown table, for docs/bench.md.

make bench-peers                                 (makes the peers' environment first)
python -m bench.peers [--hours 26280] [--repeats 3] [--python bench/peers/.venv/bin/python]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.peers.ours import opened, options_listed, run_event, write_peers_data
from optionwriter import __version__

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PEERS = ("peer_vectorbt.py", "peer_optopsy.py", "peer_nautilus.py")
DRIVERS = ROOT / "bench" / "bench_drivers.py"


def main() -> int:
    """0 when every peer ran."""
    asked = _asked()
    print(_heading(asked.repeats), flush=True)
    print("| engine | workload | wall s | processor s | what it came to |\n|---|---|---|---|---|", flush=True)
    _ours(asked.hours, asked.repeats)
    _compiled()
    with tempfile.TemporaryDirectory() as folder:
        write_peers_data(Path(folder), asked.hours)
        return max([_peer(asked.python, one, folder, asked.repeats) for one in PEERS])


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers")
    parser.add_argument("--hours", type=int, default=26_280, help="hourly steps (three years)")
    parser.add_argument("--repeats", type=int, default=3, help="of each, the fastest counts")
    parser.add_argument("--python", type=Path, default=HERE / ".venv" / "bin" / "python")
    asked = parser.parse_args()
    if not asked.python.exists():
        parser.error(f"{asked.python} is not there: make bench-peers makes the peers' environment")
    return asked


def _heading(repeats: int) -> str:
    """When, where and with what."""
    today = datetime.now(UTC).date()
    return (
        f"`make bench-peers`, {today}, {platform.machine()}, {os.cpu_count()} cores ({_processor()}), "
        f"Python {platform.python_version()} (ours); the fastest of {repeats} runs after one that does not count.\n"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((one.partition(":")[2].strip() for one in lines if one.startswith("model name")), "unknown")


def _row(engine: str, workload: str, wall_s: float, cpu_s: float, result: str) -> None:
    print(f"| {engine} | {workload} | {wall_s:.3g} | {cpu_s:.3g} | {result} |", flush=True)


def _ours(hours: int, repeats: int) -> None:
    inverse, linear = options_listed(opened(hours)[2])
    market = (
        f"{inverse:.0f} inverse and {linear:.0f} linear options listed; rules, risk, exact fees, margin, settlement, "
        "two benchmarks, attribution"
    )
    run_event(24, True)  # what compiles, compiles
    for name, forward, steps in (("fast-forward", True, hours), ("every step in full", False, hours // 12)):
        times = repeats if forward else 1  # the slow one is there for its ratio
        ran = min((run_event(steps, forward) for _ in range(times)), key=lambda one: one.cpu_s)
        workload = f"event driver, {name}: {market}"
        _row(f"optionwriter {__version__}", workload, ran.wall_s, ran.cpu_s, ran.result)


def _compiled() -> None:
    """The compiled driver's own figures, where it is there: JSON rows of name, value, unit."""
    if not DRIVERS.exists():
        print(
            "| optionwriter | compiled driver: not in this tree (bench/bench_drivers.py) | | | |", flush=True
        )
        return
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "drivers", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        rows = json.loads(ran.stdout)
    except json.JSONDecodeError:
        print(f"| optionwriter | compiled driver: bench drivers --json failed ({ran.returncode}) | | | |")
        print(ran.stderr, file=sys.stderr)
        return
    for one in rows:
        print(
            f"| optionwriter {__version__} | {one['name']} | {one['value']:.4g} {one['unit']} | | |",
            flush=True,
        )


def _peer(python: Path, script: str, folder: str, repeats: int) -> int:
    """Prints a peer's rows; its exit code."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(
        [str(python), str(HERE / script), folder, str(repeats)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    for line in ran.stdout.splitlines():
        if line.startswith("{"):
            one = json.loads(line)
            _row(
                f"{one['engine']} {one['version']}",
                one["workload"],
                one["wall_s"],
                one["cpu_s"],
                one["result"],
            )
    if ran.returncode:
        print(f"{script} failed:\n{ran.stderr[-2_000:]}", file=sys.stderr)
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main())
