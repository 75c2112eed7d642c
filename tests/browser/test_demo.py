"""The page over the running demo: nothing wrong with it in either theme and width, and each control does its work."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from optionwriter.web.live.board import CLOSED_SHOWN
from tests.browser import decisions
from tests.browser.conftest import Open
from tests.browser.crafted import Crafted
from tests.browser.demo import Demo
from tests.browser.frozen import Publication

pytestmark = pytest.mark.slow
MARK = "window.__mark = 'the same page'"
IS_SAME = "window.__mark === 'the same page'"


def values(table: Locator, column: int) -> list[str]:
    """What a column is sorted by, from top to bottom."""
    cells = table.locator(f"tbody tr > :nth-child({column + 1})")
    found: list[str] = cells.evaluate_all("cells => cells.map(cell => cell.dataset.v)")
    return found


def ids(page: Page, selector: str) -> set[str]:
    found: list[str] = page.locator(selector).evaluate_all("all => all.map(one => one.dataset.testid)")
    return set(found)


def asked(demo: Demo, path: str) -> Any:
    """What the API answers, as soon as it does."""
    return demo.until(path, lambda: demo.ask(path))


def goes_on(page: Page, cycles: int = 2) -> None:
    """Returns once the page has moved on by itself, so many times."""
    when = page.get_by_test_id("heartbeat").locator("time")
    begun = before = str(when.get_attribute("datetime"))
    for _ in range(cycles):
        expect(when).not_to_have_attribute("datetime", before)
        before = str(when.get_attribute("datetime"))
    assert before > begun


@pytest.mark.parametrize("width", ["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wrong_with_the_page(demo: Demo, opened: Open, theme: str, width: str) -> None:
    seen = opened(demo.link, width, theme)
    page = seen.page
    for name, text in (("badge-env", "LOCAL"), ("badge-mode", "LIVE"), ("badge-state", "ACTIVE")):
        expect(page.get_by_test_id(name)).to_contain_text(text)
    expect(page.get_by_test_id("heartbeat")).to_contain_text(re.compile(r"Last cycle \d+ (s|min)\s+ago"))
    expect(page.get_by_test_id("stale-banner")).to_have_count(0)
    for coin in ("BTC", "ETH"):
        card = page.get_by_test_id(f"underlying-{coin}")
        expect(card).to_contain_text(re.compile(r"Vol.*index"))
        expect(card).to_contain_text(re.compile("bull|sideways|bear"))
    expect(page.get_by_test_id("equity-chart").locator("canvas").first).to_be_visible()
    expect(page.locator("#equity-legend")).to_contain_text(re.compile(r"Equity \d{3},\d{3}\.\d\d USD"))
    decisions.opened(decisions.newest(page))
    seen.assert_fits()
    seen.assert_accessible()
    seen.assert_clean()


def test_what_the_page_shows_the_api_tells(demo: Demo, opened: Open) -> None:
    page = opened(demo.link).page
    rows = "[data-testid=closed-positions] tbody tr[data-testid]"
    expect(page.locator(rows).first).to_be_visible()
    shown = ids(page, rows)  # before the API is asked: what is closed stays so
    assert {f"position-{one['position_id']}" for one in demo.positions("closed")} >= shown


def test_what_the_page_shows_is_what_the_api_tells(
    crafted: Crafted, publication: Publication, opened: Open
) -> None:
    """One publication of the demo, so that page and API speak of the same."""
    publication.show(crafted)
    page = opened(crafted.link).page
    told = crafted.ask("/api/positions/bot/closed")["positions"]
    assert ids(page, "[data-testid=closed-positions] tbody tr[data-testid]") == {
        f"position-{one['position_id']}" for one in told[:CLOSED_SHOWN]
    }
    one = told[-1]
    row = page.get_by_test_id("closed-positions").get_by_test_id(f"position-{one['position_id']}")
    pnl = float(one["realized_pnl_abs"])
    digits = 2 if one["currency"] == "USDC" else 6
    expect(row).to_contain_text(f"{pnl:+,.{digits}f}".replace("-", "−"))
    expect(row).to_contain_text(one["legs"][-1]["instrument"])
    expect(row).to_contain_text(one["closed_at"][:10])
    totals = crafted.ask("/api/positions/bot/closed")["totals"]
    assert {total["currency"] for total in totals} == {one["currency"] for one in told}
    expect(page.get_by_test_id("closed-positions").locator("tfoot tr")).to_have_count(len(totals))


def test_the_colours_turn_and_are_remembered(demo: Demo, opened: Open) -> None:
    page = opened(demo.link, theme="dark").page
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    button = page.get_by_test_id("theme-toggle")
    expect(button).to_have_accessible_name("Colours: as the system")
    button.click()
    expect(button).to_have_accessible_name("Colours: light")
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    expect(page.get_by_test_id("theme-toggle")).to_have_accessible_name("Colours: light")
    assert page.evaluate(ground) == light
    page.get_by_test_id("theme-toggle").click()
    assert page.evaluate(ground) == dark


def test_tables_sort_by_keyboard_and_keep_their_order_over_a_refresh(demo: Demo, opened: Open) -> None:
    page = opened(demo.link).page
    table = page.get_by_test_id("closed-positions")
    head = table.get_by_role("button", name="Realised")
    column = 6

    def sorted_by(way: str) -> None:
        expect(table.locator("th[aria-sort]:not([aria-sort=none])")).to_have_attribute("aria-sort", way)
        found = [float(one) for one in values(table, column)]
        assert len(found) > 1 and found == sorted(found, reverse=way == "descending")

    head.focus()
    page.keyboard.press("Enter")
    sorted_by("ascending")
    expect(head).to_be_focused()
    page.keyboard.press("Space")
    sorted_by("descending")
    goes_on(page)
    sorted_by("descending")
    expect(head).to_be_focused()
    page.reload()
    sorted_by("descending")


def test_equity_is_shown_in_dollars_and_in_each_coin(demo: Demo, opened: Open) -> None:
    page = opened(demo.link).page
    switch, legend = page.get_by_test_id("equity-switch"), page.locator("#equity-legend")
    chosen = switch.get_by_role("radio", checked=True)
    expect(chosen).to_have_text("USD")
    switch.get_by_role("radio", name="BTC").click()
    expect(legend).to_contain_text(re.compile(r"Equity \d\.\d{6} BTC.*Holding 2\.000000 BTC"))
    page.keyboard.press("ArrowRight")
    expect(chosen).to_have_text("ETH")
    expect(chosen).to_be_focused()
    expect(legend).to_contain_text(re.compile(r"Holding 20\.000000 ETH"))
    told = asked(demo, "/api/equity")
    assert len(told["at_ms"]) > 5
    assert all(len(one["equity"]) == len(told["at_ms"]) for one in told["currencies"].values())


def test_a_position_opens_to_its_legs_fills_and_payoff(
    crafted: Crafted, publication: Publication, opened: Open
) -> None:
    """In a publication of the demo: on the demo itself a position may be rolled or over at any moment."""
    publication.show(crafted)
    seen = opened(crafted.link)
    page = seen.page
    name = crafted.ask("/api/positions/bot/open")["positions"][-1]["position_id"]
    row = page.get_by_test_id("open-positions").get_by_test_id(f"position-{name}")
    told = crafted.ask(f"/api/positions/bot/{name}")
    row.locator("a").click()
    panel = page.get_by_test_id("position-detail")
    expect(panel.get_by_role("heading", level=2)).to_be_focused()
    for text in ("Legs", "Fills", "Cash flows", "Fees", told["position"]["legs"][0]["instrument"]):
        expect(panel).to_contain_text(text)
    expect(panel).to_contain_text(told["position"]["legs"][0]["label"])
    picture = panel.get_by_test_id("payoff").locator("svg")
    strike = f"{float(told['position']['strike']):,.0f}"
    expect(picture).to_have_attribute("aria-label", re.compile(rf"in USD.*strike {strike}"))
    panel.get_by_role("radio", name=told["position"]["currency"]).click()
    expect(picture).to_have_attribute("aria-label", re.compile(f"in {told['position']['currency']}"))
    seen.assert_accessible()
    assert page.url.endswith(f"#position/{name}")
    page.keyboard.press("Escape")
    expect(panel).not_to_be_visible()
    assert "#" not in page.url
    expect(row.locator("a")).to_be_focused()
    page.go_back()  # to the address with the position
    expect(panel).to_be_visible()
    page.get_by_role("button", name="Close", exact=True).click()
    expect(panel).not_to_be_visible()
    seen.assert_clean()


def test_a_closed_position_opens_too_also_by_its_address(demo: Demo, opened: Open) -> None:
    one = demo.positions("closed")[-1]
    seen = opened(demo.link)
    seen.page.goto(f"{demo.base}#position/{one['position_id']}")
    panel = seen.page.get_by_test_id("position-detail")
    expect(panel).to_contain_text("Realised")
    expect(panel).to_contain_text(one["legs"][0]["instrument"])
    seen.page.keyboard.press("Escape")
    expect(panel).not_to_be_visible()
    seen.page.goto(f"{demo.base}#position/of-nobody")
    expect(panel).to_contain_text("There is no position of-nobody")


def test_decisions_open_to_their_reasons_and_filter(demo: Demo, opened: Open) -> None:
    seen = opened(demo.link)
    page = seen.page
    told = asked(demo, "/api/decisions?limit=200")["decisions"]
    strategies = {one["strategy_id"] for one in told}
    acted = next(
        one["decision_id"]
        for one in told
        if one["chosen"] and any(order["outcome"] == "filled" for order in one["orders"])
    )
    page.locator("#decision-filter select[name=only]").select_option("actions")
    expect(page).to_have_url(re.compile(r"\?only=actions$"))
    feed = page.get_by_test_id("decisions")
    expect(feed.locator(".decision.idle")).to_have_count(0)
    first = feed.get_by_test_id(f"decision-{acted}")
    expect(first).to_contain_text(re.compile("open|roll|close", re.IGNORECASE))
    decisions.opened(first)
    expect(first.locator("table.scores .pick").first).to_have_text("chosen")
    expect(first).to_contain_text("Rejected, by the first gate that failed")
    expect(first).to_contain_text("Nearest misses")
    expect(first.locator("table", has_text="Orders")).to_contain_text("filled")
    seen.assert_accessible()
    page.reload()
    expect(page.locator("#decision-filter select[name=only]")).to_have_value("actions")
    page.locator("#decision-filter select[name=only]").select_option("all")
    one = sorted(strategies)[0]
    page.locator("#decision-filter select[name=strategy]").select_option(one)
    expect(page).to_have_url(re.compile(rf"\?strategy={one}$"))
    expect(feed.locator(".what > .quiet", has_not_text=one)).to_have_count(0)
    expect(feed.locator("[data-testid^=decision-]").first).to_be_visible()
    seen.assert_clean()


def test_the_rules_in_force_are_those_of_the_api(demo: Demo, opened: Open) -> None:
    page = opened(demo.link).page
    rules = page.get_by_test_id("rules")
    for one in asked(demo, "/api/strategy-status")["strategies"]:
        expect(rules).to_contain_text(one["strategy_id"])
        gates = one["gates"]
        expect(rules).to_contain_text(f"{gates['delta_min']:g} – {gates['delta_max']:g}")
    expect(rules).to_contain_text("Margin used")
    expect(rules).to_contain_text("Never naked")


def test_the_page_goes_with_the_agent_and_what_is_open_stays_open(demo: Demo, opened: Open) -> None:
    seen = opened(demo.link)
    page = seen.page
    page.evaluate(MARK)
    mine = decisions.opened(decisions.newest(page))
    expect(mine.locator("summary")).to_be_focused()
    top = str(decisions.newest(page).get_attribute("data-testid"))
    goes_on(page)
    above = page.get_by_test_id("decisions").locator(decisions.EACH).first
    expect(above).not_to_have_attribute("data-testid", top)  # newer ones came in above
    assert page.evaluate(IS_SAME), "the page was loaded anew"
    expect(mine).to_have_attribute("open", "")
    expect(mine).to_contain_text("Reasoning")
    expect(mine.locator("summary")).to_be_focused()
    seen.assert_clean()


def test_an_open_position_stays_open_and_is_kept_fresh(demo: Demo, opened: Open) -> None:
    seen = opened(demo.link)
    page = seen.page
    name = demo.until("an open position", lambda: demo.positions("open"))[-1]["position_id"]
    told = asked(demo, f"/api/positions/bot/{name}")
    page.goto(f"{demo.base}#position/{name}")
    page.evaluate(MARK)
    panel = page.get_by_test_id("position-detail")
    expect(panel.get_by_role("heading", level=2)).to_be_focused()
    close = page.get_by_role("button", name="Close", exact=True)
    close.focus()
    goes_on(page)
    expect(panel.get_by_test_id("payoff")).to_be_visible()  # in words, should it be over by now
    expect(panel).to_contain_text(told["position"]["legs"][0]["label"])
    expect(close).to_be_focused()
    assert page.evaluate(IS_SAME)
    seen.assert_clean()
