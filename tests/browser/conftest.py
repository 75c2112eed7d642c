"""A browser, the demo as `optionwriter up` starts it, and pages over views that the demo can't show.

One browser and one demo for these tests, gone after them, because Playwright keeps an event loop in this thread; every
test gets a context of its own, signed in or not.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from playwright.sync_api import Error as BrowserError
from scripts.browser import SKIPPED, NoBrowserError, is_left_out, needed

from tests.browser.crafted import Crafted
from tests.browser.demo import Demo
from tests.browser.frozen import Publication
from tests.browser.watched import WIDTHS, Watched
from tests.patience import LONGEST_S

# Names of other machines have no address here, whatever a page may ask for.
ARGUMENTS = (
    "--disable-quic",
    "--font-render-hinting=none",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
TIMEOUT_MS = int(LONGEST_S * 1_000)
expect.set_options(timeout=TIMEOUT_MS)

Open = Callable[..., Watched]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The system's Chromium. NO_BROWSER=1 skips what asks for it."""
    try:
        if is_left_out(os.environ):
            pytest.skip(SKIPPED)
        program = needed(os.environ)
    except NoBrowserError as error:
        pytest.fail(str(error), pytrace=False)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=program, args=list(ARGUMENTS), chromium_sandbox=os.geteuid() != 0
            )
        except BrowserError as error:
            pytest.fail(f"{program} did not start: {error}", pytrace=False)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Open]:
    """Opens a watched page: `opened(url, width="phone", theme="dark")`; with `still` it is never drawn anew."""
    contexts = []

    def open_page(url: str, width: str = "wide", theme: str = "light", still: bool = False) -> Watched:
        wide, high = WIDTHS[width]
        context = chromium.new_context(
            viewport={"width": wide, "height": high},
            color_scheme=theme,
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
        )
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        watched = Watched(context)
        if still:
            watched.page.route("**/live/*", lambda _route: None)  # parts are asked for and never come
        watched.page.goto(url, wait_until="load")
        return watched

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="package")
def demo(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The running demo. In its `first` publication both coins have open and closed positions; it goes on from there."""
    demo = Demo(tmp_path_factory.mktemp("demo"))
    demo.prepare()
    with demo:
        demo.until_it_trades()
        yield demo


@pytest.fixture(scope="package")
def publication(demo: Demo) -> Publication:
    """One publication of the demo, taken while both coins had a position."""
    return demo.first


@pytest.fixture
def frozen(publication: Publication) -> Publication:
    """The publication, to be changed."""
    return copy.deepcopy(publication)


@pytest.fixture
def crafted(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crafted]:
    """The application over views of the test's making; nothing is published yet."""
    with Crafted(tmp_path_factory.mktemp("crafted")) as serving:
        yield serving
