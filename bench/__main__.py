"""Finds every bench_*.py beside this file, runs its `run() -> list[Row]`, and prints one table.

Arguments name the benches to run (black76 for bench_black76.py); none means all. --json
prints a list of {name, value, unit} instead.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from bench import Row

FOLDER = Path(__file__).parent
JSON = "--json"


def benches() -> dict[str, str]:
    """Short name -> module, by file name."""
    return {f.stem.removeprefix("bench_"): f"bench.{f.stem}" for f in sorted(FOLDER.glob("bench_*.py"))}


def show(row: Row) -> str:
    """One line of the table."""
    aim = "" if row.aim is None else f"{row.aim:>12,.4g}"
    return f"{row.name:<62}{row.value:>12,.4g}{aim:>12}  {row.unit}"


def main(asked: list[str]) -> int:
    """Runs the benches; 0 unless a name is unknown."""
    known, as_json = benches(), JSON in asked
    asked = [name for name in asked if name != JSON]
    unknown = [name for name in asked if name not in known]
    if unknown:
        print(f"No bench named {', '.join(unknown)}: there are {', '.join(known)}")
        return 2
    if as_json:
        found = [row for name in asked or known for row in importlib.import_module(known[name]).run()]
        print(json.dumps([{"name": row.name, "value": row.value, "unit": row.unit} for row in found]))
        return 0
    print(f"{'':<62}{'measured':>12}{'aim':>12}  unit")
    for name in asked or known:
        rows: list[Row] = importlib.import_module(known[name]).run()
        for row in rows:
            print(show(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
