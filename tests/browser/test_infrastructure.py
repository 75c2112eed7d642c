"""What the browser tests rest on: which browser is taken, what is left out, the vendored files, the watch itself."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from scripts import browser as finder

from tests.browser.conftest import Open
from tests.browser.crafted import Crafted
from tests.browser.watched import Watched, is_of_this_machine, serious

pytestmark = pytest.mark.slow
VENDOR = Path(__file__).parent / "vendor"


def program(folder: Path, name: str, says: str = "Chromium 150.0") -> str:
    """A program that says its version."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


def test_the_named_browser_comes_before_those_on_the_path(tmp_path: Path) -> None:
    on_path = program(tmp_path, "chromium")
    (tmp_path / "other").mkdir()
    named = program(tmp_path / "other", "mine")
    path = f"{tmp_path}:/usr/bin:/bin"
    assert finder.find({"PATH": path, "BROWSER": named}) == named
    assert finder.find({"PATH": path, "BROWSER": ""}) == on_path
    assert finder.find({"PATH": str(tmp_path / "other")}) is None


@pytest.mark.parametrize("name", ["firefox", "not-there"])
def test_a_named_program_that_is_no_chromium_is_refused(tmp_path: Path, name: str) -> None:
    program(tmp_path, "firefox", "Mozilla Firefox 140.0")
    with pytest.raises(finder.NoBrowserError, match=rf"BROWSER={name} .*NO_BROWSER=1"):
        finder.find({"PATH": f"{tmp_path}:/usr/bin:/bin", "BROWSER": name})


def test_without_one_a_sentence_names_both_cures(tmp_path: Path) -> None:
    with pytest.raises(finder.NoBrowserError) as told:
        finder.needed({"PATH": str(tmp_path)})
    text = str(told.value)
    assert "BROWSER=/" in text and "NO_BROWSER=1" in text and text.count(". ") == 0 and "\n" not in text


def test_leaving_them_out_is_a_skip_at_home_and_an_error_under_ci() -> None:
    assert not finder.is_left_out({})
    assert not finder.is_left_out({"NO_BROWSER": "0", "CI": "true"})
    assert finder.is_left_out({"NO_BROWSER": "1"})
    with pytest.raises(finder.NoBrowserError, match="CI"):
        finder.is_left_out({"NO_BROWSER": "1", "CI": "true"})


def test_the_make_step_says_so_and_fails_without_a_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("BROWSER", "NO_BROWSER", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(finder, "can_install", lambda: False)
    assert finder.main() == 1 and "BROWSER=" in capsys.readouterr().err

    def installs(packages: tuple[str, ...]) -> None:
        asked.append(packages)
        program(tmp_path, "chromium")

    monkeypatch.setattr(finder, "can_install", lambda: True)
    monkeypatch.setattr(finder, "has_fonts", lambda: False)
    monkeypatch.setattr(finder, "install", installs)
    assert finder.main() == 0 and asked == [("chromium", *finder.FONTS)]
    monkeypatch.setattr(finder, "has_fonts", lambda: True)
    assert finder.main() == 0 and len(asked) == 1  # once it is there, nothing is installed again
    assert str(tmp_path / "chromium") in capsys.readouterr().out


def test_vendored_files_are_those_of_the_manifest() -> None:
    rows = json.loads((VENDOR / "vendor.json").read_text())
    assert {row["file"] for row in rows} | {"vendor.json"} == {one.name for one in VENDOR.iterdir()}
    for row in rows:
        assert hashlib.sha256((VENDOR / row["file"]).read_bytes()).hexdigest() == row["sha256"], row["file"]
        assert row["version"] and row["licence"]


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("http://127.0.0.1:8080/x", True),
        ("http://localhost/", True),
        ("http://[::1]:1/", True),
        ("data:image/png;base64,AA", True),
        ("https://127.0.0.1.example.com/", False),
        ("https://cdn.example.com/a.js", False),
        ("http://10.0.0.1/", False),
    ],
)
def test_what_is_of_this_machine(url: str, ours: bool) -> None:
    assert is_of_this_machine(url) is ours


def test_the_watch_sees_what_is_wrong(chromium: Browser, crafted: Crafted) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 800})
    watched = Watched(context)
    page = watched.page
    page.goto(crafted.link)
    watched.assert_clean()
    watched.assert_fits()
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"https://elsewhere.example/x.png\">')"
    )
    watched.until("window.__violations.length > 0")
    assert any("img-src" in one for one in page.evaluate("window.__violations"))
    with pytest.raises(AssertionError):
        watched.assert_clean()
    page.evaluate("document.querySelector('img').removeAttribute('src')")
    assert any("image-alt" in one for one in serious(page))
    with pytest.raises(AssertionError, match="image-alt"):
        watched.assert_accessible()
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<hr>')")
    page.evaluate("document.querySelector('hr').style.width = '900px'")  # by script: the policy lets that be
    with pytest.raises(AssertionError, match="too wide at"):
        watched.assert_fits()
    context.close()


def test_other_machines_have_no_address(opened: Open, crafted: Crafted) -> None:
    context = opened(crafted.link).context
    page = context.new_page()
    page.goto("about:blank")
    told = page.evaluate("fetch('http://example.com/').then(() => 'answered', error => String(error))")
    assert "Failed to fetch" in told


def test_the_browser_is_the_systems(chromium: Browser) -> None:
    assert chromium.version.split(".")[0].isdigit()
    downloads = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    assert not list(downloads.glob("chromium*")), "Playwright has downloaded a browser"
