"""The keyboard reaches everything, in an order that is that of the page, and shows where it is."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.crafted import Crafted
from tests.browser.frozen import Publication

pytestmark = pytest.mark.slow
# Marks what can be used now, in the page's order: a number each.
CONTROLS = """() => {
  const usable = 'a[href], button, input, select, textarea, summary, [tabindex]';
  const all = [...document.querySelectorAll(usable)].filter(one =>
    one.tabIndex >= 0 && !one.disabled && one.checkVisibility({visibilityProperty: true}) && !one.closest('dialog'));
  all.forEach((one, i) => { one.dataset.stop = i; });
  return all.map(one => one.dataset.testid || one.id || one.textContent.trim().slice(0, 40));
}"""
WHERE = "document.activeElement.dataset.stop ?? null"
RING = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1 || style.boxShadow !== 'none';
}"""
MOST = 400


def round_trip(page: Page, key: str) -> list[int]:
    """The controls as Tab comes by them, once round the page, each with a visible ring."""
    found: list[int] = []
    for _ in range(MOST):
        page.keyboard.press(key)
        stop = page.evaluate(WHERE)
        if stop is None or int(stop) in found:
            break
        found.append(int(stop))
        assert page.evaluate(RING), f"control {stop} does not show that it has the focus"
    return found


@pytest.mark.parametrize("width", ["wide", "phone"])
def test_tab_comes_by_every_control_in_their_order(
    crafted: Crafted, frozen: Publication, opened: Open, width: str
) -> None:
    frozen.entries = frozen.entries[-8:]
    frozen.show(crafted)
    page = opened(crafted.link, width, still=True).page  # drawn anew, the controls would lose their numbers
    expect(page.get_by_test_id("equity-switch").get_by_role("radio")).not_to_have_count(0)
    names = page.evaluate(CONTROLS)
    assert {"theme-toggle", "kill-open"} <= set(names) and len(names) > 20
    found = round_trip(page, "Tab")
    assert [names[i] for i in range(len(names)) if i not in found] == []
    assert found == sorted(found)


def test_the_first_tab_skips_to_the_content(crafted: Crafted, frozen: Publication, opened: Open) -> None:
    frozen.show(crafted)
    page = opened(crafted.link).page
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the content")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_a_panel_holds_the_focus_and_gives_it_back(
    crafted: Crafted, frozen: Publication, opened: Open
) -> None:
    frozen.show(crafted)
    page = opened(crafted.link).page
    link = page.get_by_test_id("open-positions").locator("tbody a").first
    link.press("Enter")
    expect(page.get_by_test_id("position-detail").get_by_role("heading", level=2)).to_be_focused()
    inside = "document.activeElement === document.body || document.activeElement.closest('#position-panel') !== null"
    for _ in range(15):
        page.keyboard.press("Tab")
        assert page.evaluate(inside)
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
