"""Remakes both lock files from pyproject.toml: pinned, hashed, for every platform, without naming an index.

Needs uv on PATH or in the environment. requirements.lock holds what runs; requirements-dev.lock holds both.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ["hatchling", "editables"]  # so that --no-build-isolation works


def compile_lock(uv: str, wanted: list[str], target: Path, constraint: Path | None) -> None:
    """Resolves `wanted` into `target`, held to `constraint` where one is given."""
    with tempfile.NamedTemporaryFile("w", suffix=".in", delete=False) as source:
        source.write("\n".join(wanted) + "\n")
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
               "--no-header", "--no-annotate", "--no-emit-index-url", source.name, "-o", str(target)]  # fmt: skip
    if constraint:
        command += ["-c", str(constraint)]
    subprocess.run(command, check=True)
    Path(source.name).unlink()


def main() -> int:
    """Writes both locks; 1 when uv is missing."""
    uv = shutil.which("uv")
    if uv is None:
        print("uv was not found: pip install uv, then repeat make lock", file=sys.stderr)
        return 1
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run = project["project"]["dependencies"] + BUILD
    dev = project["dependency-groups"]["dev"]
    lock, dev_lock = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
    compile_lock(uv, run + dev, dev_lock, None)  # the larger first: what tests pin, the program can run with
    compile_lock(uv, run, lock, dev_lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
