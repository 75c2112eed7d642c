"""Files by others: each is in the manifest with its licence, as it was fetched, and names no place to load from."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

from optionwriter.web.pages import HERE

VENDOR = HERE / "static" / "vendor"
ROWS = json.loads((VENDOR / "vendor.json").read_text())
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "vendor.py"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vendor", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["vendor"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def test_every_file_is_as_it_was_fetched_and_none_is_beside() -> None:
    assert {path.name for path in VENDOR.iterdir()} == {row["file"] for row in ROWS} | {"vendor.json"}
    for row in ROWS:
        found = hashlib.sha256((VENDOR / row["file"]).read_bytes()).hexdigest()
        assert found == row["sha256"], f"{row['file']}: run python scripts/vendor.py"


def test_every_package_of_the_script_is_there_at_its_version_with_its_licence() -> None:
    packages = script().PACKAGES
    assert {(one.name, one.version, one.licence) for one in packages} == {
        (row["package"], row["version"], row["licence"]) for row in ROWS
    }
    for one in packages:
        texts = [row["file"] for row in ROWS if row["package"] == one.name and "LICENSE" in row["file"]]
        assert len(texts) == 1 and len((VENDOR / texts[0]).read_text()) > 500


def test_the_versions_are_those_that_the_files_say() -> None:
    by_name = {row["file"]: row["version"] for row in ROWS}
    assert by_name["htmx.min.js"] in (VENDOR / "htmx.min.js").read_text()
    assert f"v{by_name['lightweight-charts.mjs']}" in (VENDOR / "lightweight-charts.mjs").read_text()[:300]


def test_no_script_of_ours_or_theirs_names_another_place_to_load_from() -> None:
    scripts = [*VENDOR.glob("*.*js"), *(HERE / "static" / "js").glob("*.js")]
    assert len(scripts) > 10
    for path in scripts:
        text = path.read_text()
        assert "sourceMappingURL" not in text
        assert not re.search(
            r"""(import|fetch|src=|new (?:WebSocket|EventSource|Worker))\W{0,3}["'`]https?:""", text
        ), path
        if path.parent != VENDOR:
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path
            assert "innerHTML" not in text and "eval(" not in text, path
