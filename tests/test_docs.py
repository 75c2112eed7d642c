"""Docs that are made from code must be what the code makes."""

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent


def test_the_settings_page_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("settings_doc", ROOT / "scripts" / "settings_doc.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "settings.md").read_text() == module.document(), (
        "run python scripts/settings_doc.py"
    )


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
