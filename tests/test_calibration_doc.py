"""docs/calibration.md: its tables are what the script makes of the kept figures; a part is measured again."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "calibration.md"
FIGURES = ROOT / "docs" / "img" / "calibration.json"
MODELS = {"flat", "skew", "anchored", "anchors_before", "surface_before", "anchors", "surface"}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "scripts" / "calibration_table.py"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(path.parent))
    return module


def between(name: str) -> str:
    _, _, rest = PAGE.read_text().partition(f"<!-- {name} -->\n")
    return rest.partition(f"\n<!-- end of {name} -->")[0]


def test_the_tables_are_those_of_the_kept_figures(script: ModuleType) -> None:
    figures: dict[str, Any] = json.loads(FIGURES.read_text())
    shown = {name: one for name, one in figures.items() if not name.endswith("bundled")}
    assert set(shown) == {"BTC inverse", "ETH inverse", "BTC linear", "ETH linear"}
    assert between("table") == "\n".join(script.table(shown))
    assert between("buckets") == "\n".join(script.buckets(shown))
    chain = json.loads(FIGURES.with_name("calibration-backtests.json").read_text())
    assert between("backtests") == "\n".join(script.backtests(chain))
    assert between("trades") == "\n".join(script.same_trades(chain))
    assert between("seeds") == "\n".join(script.seeds(chain))
    first, *more = chain["seeds"]
    assert len(more) >= 1 and all(row in chain["rows"] for row in first["rows"])
    for row in (*chain["rows"], *(row for one in more for row in one["rows"])):
        assert row["first"] + script.explained(row) + row["rest"] == pytest.approx(row["last"], abs=1e-6)
    for one in shown.values():
        assert {row["name"] for row in one["models"]} == MODELS
        off = {row["name"]: row["overall"]["mae"]["points"] for row in one["models"]}
        assert off["surface"] < off["surface_before"] < off["anchors_before"] < off["anchored"]


def test_the_pictures_are_there() -> None:
    named = re.findall(r"\(img/(calibration-[\w-]+\.(?:svg|png))\)", PAGE.read_text())
    assert len(named) == 3
    for name in named:
        path = ROOT / "docs" / "img" / name
        assert 1_000 < path.stat().st_size < 250_000, name
        if path.suffix == ".svg":
            assert len([one for one in ElementTree.parse(path).iter() if one.tag.endswith("path")]) > 8


@pytest.mark.slow
def test_a_week_of_the_bundled_month_is_measured_as_it_was(script: ModuleType) -> None:
    kept = json.loads(FIGURES.read_text())["BTC bundled"]
    found = script.rounded(script.measured("BTC bundled"))
    assert found["chains"] == kept["chains"] >= 6 and found["marks"] == kept["marks"] > 1_000
    assert found["best_used"] == pytest.approx(kept["best_used"], rel=1e-4)
    for now, then in zip(found["models"], kept["models"], strict=True):
        assert now["name"] == then["name"]
        for unit in ("points", "usd", "price"):
            wanted = then["overall"]["mae"][unit]
            assert now["overall"]["mae"][unit] == pytest.approx(wanted, rel=1e-3), (now["name"], unit)
