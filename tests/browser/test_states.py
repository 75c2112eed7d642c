"""States that the demo does not come into: hostile texts, nothing, old figures, halts, unknown numbers, long tables."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from optionwriter.bootstrap.parts import VIEWS_FILE
from optionwriter.ports import FeedEntry
from optionwriter.services.publish import DECISIONS
from optionwriter.web.live.board import DECISIONS_SHOWN, acted
from tests.browser import decisions
from tests.browser.conftest import Open
from tests.browser.crafted import Crafted
from tests.browser.frozen import Publication, is_number, is_text
from tests.browser.watched import Watched

pytestmark = pytest.mark.slow
HOSTILE = (
    "<img src=x onerror=\"window.__hacked='img'\">",
    "\"><script>window.__hacked='script'</script>",
    "' onmouseover='window.__hacked=1' x='",
    "{{ 7919 * 7907 }}<svg/onload=\"window.__hacked='svg'\">",
    "</textarea></title></style><iframe src=javascript:window.__hacked=1>",
)
INJECTED = "img, iframe, object, embed, [onerror], [onload], [onmouseover], svg[onload]"
UNTOUCHED = re.compile(r"\b(None|NaN|nan|undefined|null|inf|Infinity)\b")


def assert_unhurt(seen: Watched) -> None:
    page = seen.page
    assert page.evaluate("window.__hacked") is None
    assert page.locator(INJECTED).count() == 0
    assert "62615533" not in page.locator("body").inner_text()  # no template in a text was run
    seen.assert_clean()


def test_hostile_texts_are_shown_as_texts_everywhere(
    crafted: Crafted, frozen: Publication, opened: Open
) -> None:
    number = count()

    def hostile(key: str, value: Any) -> Any:
        return f"{value}{HOSTILE[next(number) % len(HOSTILE)]}" if is_text(key, value) else value

    bent = frozen.bent(hostile)
    bent.views["status"]["external"] = [{"instrument": text, "amount": "1"} for text in HOSTILE]
    bent.show(crafted)
    assert next(number) > 200
    seen = opened(crafted.link)
    page = seen.page
    for text in HOSTILE:
        expect(page.locator("body")).to_contain_text(text)
    for text in HOSTILE:
        expect(page.get_by_test_id("external-positions")).to_contain_text(text)
    assert_unhurt(seen)
    decisions.opened(decisions.newest(page))
    assert_unhurt(seen)
    page.get_by_test_id("open-positions").locator("tbody a").first.click()
    expect(page.get_by_test_id("position-detail")).to_contain_text("Fills")
    assert_unhurt(seen)


def test_hostile_names_of_things_are_texts_too(crafted: Crafted, frozen: Publication, opened: Open) -> None:
    """Names of gates, rules and limits are keys of the published objects; they stand on the page as well."""
    text = "<img src=x onerror=alert(1)>"
    for one in frozen.views["strategies"]["strategies"]:
        one["gates"] = {f"{name}{text}": value for name, value in one["gates"].items()}
        one["strategy_id"] += text
    refused = ""  # the latest decision that a gate refused something to
    for entry in frozen.entries:
        for menu in entry.body.get("menus", ()) if isinstance(entry.body, dict) else ():
            menu["counts_by_gate"] = {
                f"{name}{text}": value for name, value in menu["counts_by_gate"].items()
            }
            refused = entry.body["decision_id"] if menu["counts_by_gate"] else refused
    frozen.show(crafted)
    seen = opened(crafted.link)
    expect(seen.page.get_by_test_id("rules")).to_contain_text(text)
    decisions.opened(seen.page.get_by_test_id(f"decision-{refused}"), text)
    assert_unhurt(seen)


@pytest.mark.parametrize("width", ["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_before_the_first_cycle_it_says_so(crafted: Crafted, opened: Open, theme: str, width: str) -> None:
    seen = opened(crafted.link, width, theme)
    expect(seen.page.get_by_test_id("stale-banner")).to_contain_text("No data")
    expect(seen.page.get_by_test_id("heartbeat")).to_contain_text("No data yet")
    expect(seen.page.get_by_test_id("decisions")).to_contain_text("No decision")
    expect(seen.page.get_by_test_id("badge-state")).to_have_count(0)
    seen.assert_accessible()
    seen.assert_fits()
    seen.assert_clean()


def test_the_first_publication_fills_an_empty_page(
    crafted: Crafted, frozen: Publication, opened: Open
) -> None:
    seen = opened(crafted.link)
    seen.page.evaluate("window.__mark = 1")
    frozen.show(crafted)
    expect(seen.page.get_by_test_id("badge-env")).to_contain_text("LOCAL")
    expect(seen.page.get_by_test_id("open-positions").locator("tbody tr").first).to_be_visible()
    expect(seen.page.get_by_test_id("stale-banner")).to_have_count(0)
    assert seen.page.evaluate("window.__mark") == 1
    seen.assert_clean()


def test_a_slow_part_of_the_script_costs_no_line(crafted: Crafted, opened: Open) -> None:
    """htmx begins by itself; what listens to the server must be there by then, however late it came."""
    seen = opened(crafted.link)
    page, held = seen.page, list[Route]()
    page.route("**/hx-sse.min.js", lambda route: held.append(route))
    page.goto(crafted.base, wait_until="commit")
    seen.until("window.htmx !== undefined")
    seen.until(lambda: held)
    page.evaluate("new Promise(done => setTimeout(done, 200))")
    with page.expect_request("**/api/events"):
        held[0].continue_()


def test_old_figures_are_called_old(crafted: Crafted, frozen: Publication, opened: Open) -> None:
    frozen.show(crafted)
    crafted.age_s = 7_300.0
    seen = opened(crafted.link)
    expect(seen.page.get_by_test_id("stale-banner")).to_contain_text("Old figures")
    expect(seen.page.get_by_test_id("stale-banner")).to_contain_text("2 h")
    expect(seen.page.get_by_test_id("heartbeat")).to_have_class(re.compile("is-stale"))
    seen.assert_accessible()
    crafted.age_s = 1.0
    frozen.show(crafted)
    expect(seen.page.get_by_test_id("stale-banner")).to_have_count(0)
    expect(seen.page.get_by_test_id("heartbeat")).to_have_class(re.compile("is-fresh"))
    seen.assert_clean()


@pytest.mark.parametrize(
    ("environment", "dry_run", "state", "theme"),
    [
        ("mainnet", False, "HALTED", "light"),
        ("testnet", False, "REDUCING", "dark"),
        ("mainnet", True, "ACTIVE", "dark"),
    ],
)
def test_modes_and_states_are_unmistakable(
    crafted: Crafted,
    frozen: Publication,
    opened: Open,
    environment: str,
    dry_run: bool,
    state: str,
    theme: str,
) -> None:
    status = frozen.views["status"]
    status |= {"environment": environment, "dry_run": dry_run, "state": state, "state_reason": "a reason of ours",
               "state_lifted_by": "books and venue agree", "differences": ["BTC cash: 1 against 2"]}  # fmt: skip
    frozen.show(crafted)
    seen = opened(crafted.link, "phone", theme)
    page = seen.page
    expect(page.get_by_test_id("badge-env")).to_contain_text(environment.upper())
    expect(page.get_by_test_id("badge-mode")).to_contain_text("DRY RUN" if dry_run else "LIVE")
    expect(page.get_by_test_id("badge-state")).to_contain_text(state)
    alerts = page.locator("#part-alerts")
    expect(alerts).to_contain_text("BTC cash: 1 against 2")
    if state != "ACTIVE":
        expect(alerts).to_contain_text("a reason of ours")
        expect(alerts).to_contain_text("books and venue agree")
        expect(page).to_have_title(re.compile(f"^{state}"))
    for badge in ("badge-env", "badge-mode", "badge-state"):
        expect(page.get_by_test_id(badge)).to_be_in_viewport()
    seen.assert_accessible()
    seen.assert_fits()
    seen.assert_clean()


def test_a_failed_cycle_is_told(crafted: Crafted, frozen: Publication, opened: Open) -> None:
    frozen.views["heartbeat"] |= {"outcome": "failed", "failed": 3, "complaint": "no quotes of BTC"}
    frozen.show(crafted)
    seen = opened(crafted.link)
    expect(seen.page.locator("#part-alerts")).to_contain_text("no quotes of BTC")
    expect(seen.page.get_by_test_id("heartbeat")).to_contain_text("Cycle failed")
    seen.assert_accessible()
    seen.assert_clean()


def test_numbers_that_are_not_known_are_dashes(crafted: Crafted, frozen: Publication, opened: Open) -> None:
    def unknown(key: str, value: Any) -> Any:
        return None if is_number(key, value) and not key.endswith("_ms") else value

    frozen.bent(unknown).show(crafted)
    seen = opened(crafted.link)
    page = seen.page
    expect(page.get_by_test_id("underlying-BTC").locator(".spot")).to_contain_text("—")
    expect(page.get_by_test_id("open-positions")).to_contain_text("—")
    decisions.opened(decisions.newest(page))
    assert not UNTOUCHED.findall(page.locator("body").inner_text())
    page.get_by_test_id("open-positions").locator("tbody a").first.click()
    expect(page.get_by_test_id("position-detail")).to_contain_text("Fills")
    assert not UNTOUCHED.findall(page.get_by_test_id("position-detail").inner_text())
    seen.assert_clean()


@pytest.mark.parametrize("width", ["wide", "phone"])
def test_long_tables_scroll_in_their_own_boxes(
    crafted: Crafted, frozen: Publication, opened: Open, width: str
) -> None:
    for name in ("positions-open", "positions-closed"):
        one = frozen.views[name]["positions"][0]
        frozen.views[name]["positions"] = [
            {
                **one,
                "position_id": f"many-{i:03}",
                "strike": str(1_000 * i),
                "quantity": f"{i * 1234567}.12345678",
            }
            for i in range(200)
        ]
    frozen.entries += [
        FeedEntry(one.feed, one.subject, {**one.body, "decision_id": f"d{i}", "reasoning": "word " * 400})
        for i, one in enumerate(frozen.entries[-60:])
        if isinstance(one.body, dict) and "decision_id" in one.body
    ]
    frozen.show(crafted)
    seen = opened(crafted.link, width)
    rows = seen.page.get_by_test_id("open-positions").locator("tbody tr")
    expect(rows).to_have_count(200)
    seen.assert_fits()
    head = seen.page.get_by_test_id("open-positions").get_by_role("button", name="Strike")
    if width == "wide":
        head.click()
        head.click()
        expect(rows.first).to_have_attribute("data-testid", "position-many-199")
    seen.assert_clean()


def test_a_decision_that_is_read_stays_however_many_come_in_above_it(
    crafted: Crafted, frozen: Publication, opened: Open
) -> None:
    idle: Any = next(one for one in reversed(frozen.entries) if one.feed == DECISIONS and not acted(one.body))
    frozen.show(crafted)
    page = opened(crafted.link).page
    mine = decisions.opened(page.get_by_test_id(f"decision-{idle.body['decision_id']}"))

    def come(first: int) -> Locator:
        """As many newer ones as the list has places; the last of them."""
        names = [f"new{number}" for number in range(first, first + DECISIONS_SHOWN)]
        crafted.publish({}, [replace(idle, body={**idle.body, "decision_id": name}) for name in names])
        return page.get_by_test_id(f"decision-{names[-1]}")

    each = page.get_by_test_id("decisions").locator(decisions.EACH)
    for first in (0, DECISIONS_SHOWN):
        expect(come(first)).to_be_visible()
        expect(each).to_have_count(DECISIONS_SHOWN + 1)
        expect(mine).to_have_attribute("open", "")
        expect(mine).to_contain_text("Reasoning")
        expect(mine.locator("summary")).to_be_focused()
    page.locator("#decision-filter select[name=only]").select_option("actions")
    expect(mine).to_have_count(0)  # another list was asked for
    page.locator("#decision-filter select[name=only]").select_option("all")
    mine = decisions.opened(page.get_by_test_id(f"decision-new{2 * DECISIONS_SHOWN - 1}"))
    mine.locator("summary").press("Enter")
    expect(mine).not_to_have_attribute("open", "")
    expect(come(2 * DECISIONS_SHOWN)).to_be_visible()
    expect(mine).to_have_count(0)


def test_views_that_can_not_be_read_are_a_page_that_says_so(crafted: Crafted, opened: Open) -> None:
    (crafted.folder / VIEWS_FILE).write_bytes(b"this is no database" * 100)
    seen = opened(crafted.link)
    expect(seen.page.get_by_role("heading", name="The figures can’t be read")).to_be_visible()
    expect(seen.page.locator("main")).to_contain_text("the agent remakes it")
    assert "Traceback" not in seen.page.content()
    seen.assert_accessible()


def test_a_line_that_breaks_is_told_and_mends(crafted: Crafted, frozen: Publication, opened: Open) -> None:
    frozen.show(crafted)
    seen = opened(crafted.link)
    seen.page.evaluate("window.__mark = 1")
    notice = seen.page.get_by_test_id("reconnecting")
    expect(notice).to_be_hidden()
    crafted.stop()
    expect(notice).to_contain_text("Reconnecting")
    crafted.start()
    frozen.views["status"]["state_reason"] = "after the break"
    frozen.views["status"]["state"] = "REDUCING"
    frozen.show(crafted)
    expect(seen.page.locator("#part-alerts")).to_contain_text("after the break")
    expect(notice).to_be_hidden(timeout=60_000)
    assert seen.page.evaluate("window.__mark") == 1
