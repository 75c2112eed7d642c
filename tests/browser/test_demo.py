"""The page over the running demo: who is let in, and that nothing on it is wrong in either theme and width."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.demo import Demo

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("width", ["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wrong_with_the_page(demo: Demo, opened: Open, theme: str, width: str) -> None:
    seen = opened(demo.link, width, theme)
    expect(seen.page.get_by_text("LOCAL", exact=True).first).to_be_visible()
    seen.assert_fits()
    seen.assert_clean()
