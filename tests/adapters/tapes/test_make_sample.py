"""The bundled sample is what its script makes from the recordings, byte for byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from shared_data import shared

from optionwriter.adapters.tapes.sample_files import FOLDER

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "make_sample.py"


@pytest.mark.shared
@pytest.mark.slow
def test_the_script_makes_the_bundled_bytes(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--data", str(shared("data")), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bundled = {path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()} == bundled
    for name in sorted(bundled):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_missing_recordings_are_named(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "No recordings at" in done.stderr and "--data" in done.stderr
