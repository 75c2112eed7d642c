"""Finds the reference data that lies beside the checkout: large recordings, for tests marked `shared` only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("OPTIONWRITER_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def shared(path: str) -> Path:
    """A file or folder of the reference data, e.g. shared("data/dvol/btc_dvol_1h.parquet").

    Skips the test, naming what is missing, only where there is no reference data at all; one absent file is an error.
    """
    if not ROOT.is_dir():
        pytest.skip(f"no reference data at {ROOT}: set OPTIONWRITER_SHARED to its folder ({path} is needed)")
    found = ROOT / path
    if not found.exists():
        raise FileNotFoundError(f"the reference data at {ROOT} has no {path}")
    return found
