"""The Lab in the browser: a backtest asked for, watched, seen, compared and deleted, at two widths, in both colours."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.web.server import RunningWeb, listen
from optionwriter.web.token import login_link
from tests.browser.conftest import Open
from tests.browser.watched import WIDTHS
from tests.patience import LONGEST_S
from tests.web.browsing import NOW_MS, TOKEN
from tests.web.laboratory import House, swept

pytestmark = pytest.mark.slow
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LONG = "a_label_without_any_room_" * 3


class Served:
    """A House's pages on a socket."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        listener = listen("127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        self.link = login_link(self.base, TOKEN)
        self._server = RunningWeb(self.house.app, listener)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()

    def queue(self, **changes: Any) -> int:
        """Queues a run directly: no second event loop may run beside Playwright's."""
        return self.house.lab.queue(self.house.spec(**changes), NOW_MS)

    def stop(self) -> None:
        self._server.stop()
        self._thread.join(LONGEST_S)
        assert not self._thread.is_alive(), "the page's server did not stop"
        self.house.lab.close()


@pytest.fixture(scope="module")
def served(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two finished runs: 1 in two exit styles, 2 in one."""
    served = Served(tmp_path_factory.mktemp("lab"))
    try:
        served.queue()
        served.queue(name="second", config={"step_minutes": 720})
        served.house.work()
        yield served
    finally:
        served.stop()


@pytest.mark.parametrize("path", ["lab", "lab/runs/1", "lab/diff?run=1&run=2"])
def test_every_page_is_clean_fits_and_is_accessible(served: Served, opened: Open, path: str) -> None:
    """Loaded once, then seen at both widths in both colours."""
    watched = opened(served.link)
    watched.page.goto(served.base + path, wait_until="load")
    if path == "lab":
        watched.page.click("#more > summary")
    if path == "lab/runs/1":
        watched.page.wait_for_selector("#equity-chart canvas")
    for width, high in WIDTHS.values():
        watched.page.set_viewport_size({"width": width, "height": high})
        watched.assert_fits()
        for theme in THEMES:
            watched.page.emulate_media(color_scheme=theme)
            watched.assert_accessible()
    watched.assert_clean()


def ask_for(page: Page, days: tuple[str, str], name: str) -> None:
    page.fill("#ask-name", name)
    page.fill("#ask-from", days[0])
    page.fill("#ask-to", days[1])
    page.click("#run-send")


def test_a_backtest_is_asked_for_watched_and_dropped(served: Served, opened: Open) -> None:
    watched = opened(served.link)
    page = watched.page
    page.goto(served.base + "lab", wait_until="load")
    ask_for(page, ("2026-01-09", "2026-01-05"), "mine")
    page.wait_for_selector("#form-error:not([hidden])")
    assert "ends before it starts" in page.inner_text("[data-ask=end_ms] .wrong")
    assert page.evaluate("document.activeElement.id") == "ask-to" and not page.is_visible("#ask-changes")

    page.click("#more > summary")
    page.fill("#ask-step_minutes", "1")
    page.click("#more > summary")
    ask_for(page, ("2026-01-05", "2026-01-09"), "mine")
    page.wait_for_selector("#wrong-step_minutes")  # the fold is opened for it
    assert page.locator(".wrong").count() == 1 and "5" in page.inner_text("#wrong-step_minutes")
    page.fill("#ask-step_minutes", "60")
    page.select_option("#ask-preset", "CUSTOM")
    page.fill("#ask-changes", "gates.delta_max=0.35\nmin_score=0.2")
    page.check("input[value=hold_to_expiry]")
    ask_for(page, ("2026-01-05", "2026-01-09"), "mine")
    page.wait_for_selector("[data-testid^=queued-]")
    store = served.house.lab.store
    (state,) = store.list(limit=1)
    assert state.spec.name == "mine" and state.spec.end_ms - state.spec.start_ms == 4 * MS_PER_DAY
    assert state.spec.config == {
        "preset": "CUSTOM", "changes": {"gates.delta_max": 0.35, "min_score": 0.2},
        "exit_styles": ["hold_to_expiry", "own"],
    }  # fmt: skip
    store.claim("w", NOW_MS - 10_000, 60_000)
    store.beat(state.id, "w", NOW_MS, 60_000, 0.5, "own: day 3")
    page.wait_for_selector("text=50% · own: day 3 · about 10 s left")
    other = watched.context.new_page()  # the run's own page follows it too, until it is over
    other.goto(served.base + f"lab/runs/{state.id}", wait_until="load")
    other.wait_for_selector("text=50% · own: day 3")
    store.beat(state.id, "w", NOW_MS, 60_000, 0.75, "own: day 4")
    other.wait_for_selector("text=75% · own: day 4")
    page.wait_for_selector("text=75% · own: day 4")
    page.click(f"[data-cancel='{state.id}']")
    page.wait_for_selector("text=stopping…")
    store.fail(state.id, "w", "", NOW_MS)
    page.wait_for_selector(f"#run-{state.id} .status-cancelled")
    other.wait_for_selector("h1 .status-cancelled")
    other.close()
    page.click(f"[data-delete='{state.id}']")
    page.click("#sure-yes")
    page.wait_for_selector(f"#run-{state.id}", state="detached")
    watched.assert_clean(refused=2)


def test_two_runs_are_ticked_and_compared_and_one_is_seen_in_coin(served: Served, opened: Open) -> None:
    watched = opened(served.link)
    page = watched.page
    page.goto(served.base + "lab", wait_until="load")
    page.check("#pick-1")
    page.click("[data-testid=compare]")
    page.wait_for_selector("text=Choose exactly two")
    page.check("#pick-2")
    third = served.queue(name="third")
    page.wait_for_selector(f"[data-testid=queued-{third}]")
    served.house.lab.store.cancel(third, NOW_MS)
    assert page.is_checked("#pick-1") and page.is_checked("#pick-2")  # what was ticked outlives a refresh
    page.click("[data-testid=compare]")
    page.wait_for_url("**/lab/diff?run=*")
    assert page.locator("[data-testid=diff] tbody tr").count() > 20

    page.goto(served.base + "lab/runs/1", wait_until="load")
    page.wait_for_selector("#equity-chart canvas")
    assert page.locator("dl.tiles:visible").inner_text().count("USD") > 0
    page.click("#equity-switch button[data-unit=BTC]")
    legend = page.locator("#equity-legend span")
    names = ("Equity", "Holding", "Monthly call, 10 % out", "30-day call, at the money")
    expect(legend).to_contain_text([re.compile(f"^{re.escape(name)} 2\\.") for name in names])
    page.click("#equity-switch button[data-unit=USDC]")
    expect(legend).to_have_count(2)  # the rules write on coins
    page.click("#equity-switch button[data-unit=BTC]")
    tiles = page.locator("dl.tiles:visible").inner_text()
    assert "BTC" in tiles and "USD" not in tiles
    places = "[...document.querySelectorAll('#trades-table tbody tr')].map(one => Number(one.dataset.place))"
    before = page.evaluate(places)
    page.click("#trades-table [data-sort=pnl]")
    page.click("#trades-table [data-sort=pnl]")
    values = page.evaluate(
        "[...document.querySelectorAll('#trades-table tbody td[data-label=Result]')].map(one => Number(one.dataset.v))"
    )
    assert values == sorted(values, reverse=True)
    page.click("#trades-table [data-sort=pnl]")
    assert page.evaluate(places) == before
    watched.assert_clean()


def test_without_its_stream_the_page_asks_by_itself(served: Served, opened: Open) -> None:
    watched = opened(served.link)
    watched.page.route("**/api/backtests/events", lambda route: route.abort())
    watched.page.goto(served.base + "lab", wait_until="load")
    watched.page.wait_for_selector("[data-testid=reconnecting]:not([hidden])")
    run = served.queue(name="unheard")
    watched.page.wait_for_selector(f"[data-testid=queued-{run}]")
    served.house.lab.store.cancel(run, NOW_MS)


def test_a_sweep_is_opened_and_ranked_and_what_is_open_stays_so(served: Served, opened: Open) -> None:
    """Last in this file: the sweep stays in the list until it is deleted."""
    group = f"by delta, {LONG}"
    swept(served.house, group)
    for width, theme in (("wide", "light"), ("phone", "dark")):
        watched = opened(served.link, width, theme)
        page = watched.page
        page.goto(served.base + "lab", wait_until="load")
        page.click(".fold details > summary")
        page.focus("#run-filter select[name=source]")
        run = served.queue(name=LONG)
        page.wait_for_selector(f"[data-testid=queued-{run}]")
        assert page.is_visible(".fold .ranking")  # the update has not closed it
        assert page.evaluate("document.activeElement.name") == "source"
        watched.assert_fits()
        watched.assert_accessible()
        served.house.lab.store.cancel(run, NOW_MS)
        page.wait_for_selector(f"#run-{run} .status-cancelled")
        page.get_by_test_id("sweep").get_by_role("link", name="Ranking").click()
        page.wait_for_selector("#ranking-table")
        watched.assert_fits()
        watched.assert_accessible()
        first, second = (
            page.locator("#ranking-table input").nth(0),
            page.locator("#ranking-table input").nth(1),
        )
        first.check()
        second.check()
        page.click("[data-testid=compare]")
        page.wait_for_url("**/lab/diff?run=*")
        assert page.locator("[data-testid=diff] tbody tr").count() == 6
        watched.assert_fits()
        watched.assert_clean()

    watched = opened(served.link)
    page = watched.page
    page.goto(served.base + "lab", wait_until="load")
    before = len(served.house.lab.store.list())
    page.click("[data-cancel-group]")
    page.click("[data-delete-group]")
    assert page.inner_text("#sure-h") == "Delete this sweep?" and "all its 6 runs" in page.inner_text(
        "#sure-about"
    )
    watched.assert_accessible()
    page.click("#sure-no")
    assert len(served.house.lab.store.list()) == before
    page.click("[data-delete-group]")
    page.click("#sure-yes")
    page.wait_for_selector("[data-testid=sweep]", state="detached")
    assert page.inner_text("[data-testid=lab-said]") == f"{group} is deleted: 6 runs."
    assert len(served.house.lab.store.list()) == before - 6
    watched.assert_clean()
