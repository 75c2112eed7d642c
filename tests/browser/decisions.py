"""Opening a decision on a page that goes on: which one is found out once, and it is then followed by its id."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

EACH = "[data-testid^=decision-]"


def newest(page: Page) -> Locator:
    """The decision that is the newest now, and stays the same one whatever comes in above it."""
    name = page.get_by_test_id("decisions").locator(EACH).first.get_attribute("data-testid")
    return page.get_by_test_id(str(name))


def opened(decision: Locator, says: str = "Reasoning") -> Locator:
    """The decision, opened by keyboard (what comes in above it moves it under the mouse), its reasons read."""
    decision.locator("summary").press("Enter")
    expect(decision).to_have_attribute("open", "")
    expect(decision).to_contain_text(says)
    return decision
