"""Docs that are made from code must be what the code makes."""

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from optionwriter.core.decide.managing import ManageParams
from optionwriter.core.decide.rolling import RollParams
from optionwriter.core.decide.rules import GateParams
from optionwriter.core.decide.scoring import ScoreParams
from optionwriter.core.decide.strategies.base import BundleParams, DownsideParams
from optionwriter.core.decide.strategies.registry import STRATEGIES

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("page", ["settings", "modes"])
def test_the_page_is_up_to_date(page: str) -> None:
    script = ROOT / "scripts" / f"{page}_doc.py"
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / f"{page}.md").read_text() == module.document(), f"run python {script}"


def test_every_key_of_a_strategy_is_explained_and_every_kind_has_its_page() -> None:
    pages = {path.stem: path.read_text() for path in (ROOT / "docs" / "strategies").glob("*.md")}
    told = set(re.findall(r"[a-z_]+", pages["covered_call"] + pages["cash_secured_put"]))
    keys = (GateParams, ScoreParams, ManageParams, RollParams, DownsideParams)
    assert {name for one in keys for name in one._fields} <= told
    told_of_bundles = set(re.findall(r"[a-z_]+", pages["credit_spread"] + pages["wheel"]))
    assert set(BundleParams._fields) <= told_of_bundles
    assert {"covered_call", "cash_secured_put", "income", "credit_spread", "strangle", "wheel"} <= set(pages)
    headings = " ".join(page.splitlines()[0] for page in pages.values())
    assert set(STRATEGIES) <= set(re.findall(r"[a-z_]+", headings))


def test_the_weights_on_the_page_are_the_codes() -> None:
    page = (ROOT / "docs" / "strategies" / "covered_call.md").read_text()
    told = {name: float(value) for name, value in re.findall(r"`([a-z]+_weight)` ([\d.]+)", page)}
    ours = ScoreParams()._asdict()
    assert told == {name: ours[name] for name in ours if name.endswith("_weight")}


def test_the_charts_of_the_market_context_are_there_and_read_on_light_and_dark() -> None:
    page = (ROOT / "docs" / "market-context.md").read_text()
    named = set(re.findall(r"\(img/(context-[\w-]+\.svg)\)", page))
    drawn = {path.name: path for path in (ROOT / "docs" / "img").glob("context-*.svg")}
    assert named == set(drawn) and len(named) >= 9
    for name, path in drawn.items():
        assert path.stat().st_size < 60_000, name
        colours = {
            value
            for element in ElementTree.parse(path).iter()
            for key in ("fill", "stroke")
            if (value := element.get(key)) not in (None, "none")
        }
        for colour in colours:
            red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
            assert 0.1 < 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.75, (name, colour)
