"""How long until the first decision: import, and one cycle, with a cold and a warm cache of compiled code."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import Row

ROOT = Path(__file__).resolve().parent.parent


def _seconds(command: list[str], cache: str) -> float:
    """Wall time of one fresh process with its compiled code in `cache`."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": cache}
    began = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def run() -> list[Row]:
    """Import of the package's front door, and `run --once` in a fresh folder."""
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as work:
        bare = _seconds([sys.executable, "-c", "pass"], cache)
        imported = _seconds([sys.executable, "-c", "import optionwriter.cli.main"], cache)
        once = [
            sys.executable,
            "-m",
            "optionwriter",
            "run",
            "--market",
            "sample",
            "--once",
            "--live",
            "--quiet",
            "--data-dir",
        ]
        cold = _seconds([*once, f"{work}/cold"], cache)
        warm = _seconds([*once, f"{work}/warm"], cache)
    return [
        Row("import of the command line, beyond a bare interpreter", imported - bare, "s", None),
        Row("first decision, compiled code not cached", cold, "s", None),
        Row("first decision, compiled code cached", warm, "s", None),
    ]
