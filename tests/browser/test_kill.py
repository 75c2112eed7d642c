"""The kill switch from the page: asked for with a reason, obeyed by the agent, and lifted again."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from optionwriter.bootstrap.parts import KILL_FILE
from tests.browser.conftest import Open
from tests.browser.crafted import Crafted
from tests.browser.demo import Demo

pytestmark = pytest.mark.slow
REASON = 'a "drill" <b>for</b> the kill switch'


def every(demo: Demo) -> set[str]:
    """The ids of all positions; those that are open are asked for first, so that one that closes is not missed."""
    return {one["position_id"] for one in [*demo.positions("open"), *demo.positions("closed")]}


def test_a_kill_halts_the_agent_and_a_resume_lifts_it(demo: Demo, opened: Open) -> None:
    seen = opened(demo.link)
    page = seen.page
    state = page.get_by_test_id("badge-state")
    expect(state).to_contain_text("ACTIVE")
    page.get_by_test_id("kill-open").click()
    page.get_by_test_id("kill-reason").fill(REASON)
    seen.assert_accessible()
    page.get_by_test_id("kill-confirm").click()
    banner = page.get_by_test_id("kill-banner")
    expect(banner).to_contain_text(REASON)
    # At once, whatever the agent does.
    assert REASON.split('"')[1] in (demo.folder / "data" / KILL_FILE).read_text()
    expect(state).to_contain_text("HALTED")
    expect(page.get_by_test_id("kill-state")).to_contain_text("Confirmed by the agent")
    assert demo.state() == "HALTED"
    seen.assert_accessible()
    demo.passes(1)  # with it the positions are published as the halt found them
    before = every(demo)
    demo.passes(2)
    assert demo.state() == "HALTED"
    assert every(demo) == before  # nothing new was sold

    page.get_by_test_id("resume-open").click()
    page.get_by_test_id("kill-reason").fill("the drill is over")
    page.get_by_test_id("kill-confirm").click()
    expect(state).to_contain_text("ACTIVE")
    expect(banner).to_have_count(0)
    assert demo.state() == "ACTIVE"
    assert not (demo.folder / "data" / KILL_FILE).exists()
    seen.assert_clean()


def test_a_kill_asks_for_a_reason_and_can_be_left(demo: Demo, opened: Open) -> None:
    seen = opened(demo.link)
    page = seen.page
    dialog = page.get_by_role("dialog", name="Engage the kill switch")
    page.get_by_test_id("kill-open").press("Enter")
    expect(page.get_by_test_id("kill-reason")).to_be_focused()
    page.get_by_test_id("kill-reason").fill(" x ")
    page.get_by_test_id("kill-confirm").click()
    assert not (demo.folder / "data" / KILL_FILE).exists()
    expect(dialog).to_be_visible()
    inside = (
        "document.activeElement === document.body || document.activeElement.closest('dialog[open]') !== null"
    )
    reached = set()
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate(inside), "the focus left the dialog"
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"command-reason", "command-cancel", "command-confirm"} <= reached
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    expect(page.get_by_test_id("kill-open")).to_be_focused()
    assert demo.state() == "ACTIVE"
    seen.assert_clean()


def test_it_works_where_no_agent_has_ever_run(crafted: Crafted, opened: Open) -> None:
    page = opened(crafted.link).page
    page.get_by_test_id("kill-open").click()
    page.get_by_test_id("kill-reason").fill("before the first start")
    page.get_by_test_id("kill-confirm").click()
    expect(page.get_by_test_id("kill-banner")).to_contain_text("before the first start")
    order = crafted.kill.read()
    assert order is not None and order.reason == "before the first start"
