"""Remakes docs/img/*.png from a running demo that it starts itself: the same days, positions and pictures every time.

Run by `make screenshots`. The demo is that of the browser tests: some exchange days at full speed, so that positions
have opened and closed on both coins, then a pace at which nothing changes while a picture is taken.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.browser import NoBrowserError, needed  # noqa: E402
from tests.browser.conftest import ARGUMENTS  # noqa: E402
from tests.browser.demo import Demo  # noqa: E402

TARGET = ROOT / "docs" / "img"
DAYS = "10.5"
SLOW = {"LOCAL_SPEED": "240"}  # a cycle in half a minute
WIDE, PHONE = (1440, 1200), (390, 844)
TIMEOUT_MS = 60_000
RUN_MS = 300_000  # a backtest of eight weeks in three exit styles, beside the demo

Take = Callable[[Page], bytes]


def page_of(browser: Browser, demo: Demo, size: tuple[int, int], theme: str) -> Page:
    """A signed-in page with its curve drawn."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=theme,  # type: ignore[arg-type]
        device_scale_factor=2 if size is PHONE else 1,
        reduced_motion="reduce",
        timezone_id="UTC",
        locale="en-GB",
    )
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto(demo.link)
    expect(page.get_by_test_id("equity-chart").locator("canvas").first).to_be_visible(timeout=TIMEOUT_MS)
    expect(page.get_by_test_id("stale-banner")).to_have_count(0)
    return page


def whole(page: Page) -> bytes:
    """What the window shows."""
    return page.screenshot(animations="disabled", caret="hide")


def position(page: Page) -> bytes:
    """The panel of the oldest open position."""
    page.get_by_test_id("open-positions").locator("tbody a").first.click()
    expect(page.get_by_test_id("payoff").locator("svg")).to_be_visible(timeout=TIMEOUT_MS)
    return whole(page)


def decision(page: Page) -> bytes:
    """The latest decision that sold something, with its reasons."""
    page.locator("#decision-filter select[name=only]").select_option("actions")
    expect(page.locator(".decision.idle")).to_have_count(0, timeout=TIMEOUT_MS)
    opened = page.get_by_test_id("decisions").locator(".decision.did:not(:has(.refused))").first
    opened.locator("summary").click()
    expect(opened.locator(".pick").first).to_be_visible(timeout=TIMEOUT_MS)
    expect(opened.locator(".skeleton")).to_have_count(
        0, timeout=TIMEOUT_MS
    )  # the explanation from the log too
    return opened.screenshot(animations="disabled", caret="hide")


def data(page: Page) -> bytes:
    """The Data page over the bundled month, a day of it chosen."""
    page.goto(page.url.partition("#")[0].rstrip("/") + "/data", wait_until="load")
    page.get_by_test_id("heat").locator("td a").nth(4).click()
    expect(page.get_by_test_id("day-title")).to_be_visible(timeout=TIMEOUT_MS)
    return whole(page)


def calibration(page: Page) -> bytes:
    """The models against a chain of the bundled month."""
    page.goto(page.url.partition("?")[0].rstrip("/") + "/calibration?at=2026-02-10T12:00&iv_multiplier=0.6")
    expect(page.get_by_test_id("smiles").locator("svg").first).to_be_visible(timeout=TIMEOUT_MS)
    return whole(page)


def lab(page: Page) -> bytes:
    """The Lab after its worker has done one backtest in three exit styles."""
    page.goto(page.url.partition("#")[0].rstrip("/") + "/lab", wait_until="load")
    for name in ("hold to expiry", "tp and roll"):
        page.get_by_label(name, exact=True).check()
    page.locator("#run-send").click()
    page.get_by_test_id("runs").locator(".status-finished").first.wait_for(timeout=RUN_MS)
    return whole(page)


def run(page: Page) -> bytes:
    """A finished backtest's page."""
    page.goto(page.url.partition("#")[0].rstrip("/") + "/lab/runs/1?exit_style=own", wait_until="load")
    expect(page.get_by_test_id("equity-chart").locator("canvas").first).to_be_visible(timeout=TIMEOUT_MS)
    return whole(page)


PICTURES: tuple[tuple[str, tuple[int, int], str, Take], ...] = (
    ("live.png", WIDE, "light", whole),
    ("live-dark.png", WIDE, "dark", whole),
    ("live-phone.png", PHONE, "light", whole),
    ("position.png", (1440, 900), "light", position),
    ("decision.png", WIDE, "light", decision),
    ("data.png", (1440, 1000), "light", data),
    ("calibration-page.png", WIDE, "light", calibration),
    ("lab.png", (1440, 1000), "light", lab),
    ("run.png", (1440, 1200), "light", run),
)


def main() -> int:
    """Writes the pictures; 1 after one sentence when there is no browser."""
    try:
        program = needed(os.environ)
    except NoBrowserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        print(f"The demo plays {DAYS} days (under a minute)", flush=True)
        demo = Demo(Path(folder), **SLOW)
        demo.prepare(DAYS)
        with demo, sync_playwright() as playwright:
            demo.until_it_trades()
            browser = playwright.chromium.launch(
                executable_path=program, args=list(ARGUMENTS), chromium_sandbox=os.geteuid() != 0
            )
            for name, size, theme, take in PICTURES:
                page = page_of(browser, demo, size, theme)
                picture = take(page)
                (TARGET / name).write_bytes(picture)
                page.context.close()
                print(f"docs/img/{name}: {len(picture) / 1000:,.0f} kB", flush=True)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
