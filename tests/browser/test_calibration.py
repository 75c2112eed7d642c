"""The calibration page in the browser: the slider moves the models, at two widths, in both colours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap.calibrator import Calibrator
from optionwriter.web.app import create_app
from optionwriter.web.server import RunningWeb, listen
from optionwriter.web.token import login_link
from tests.browser.conftest import Open
from tests.patience import LONGEST_S
from tests.web.browsing import NOW_MS, TOKEN
from tests.web.local_marks import LocalMarks, local_marks

pytestmark = pytest.mark.slow
Served = tuple[str, str, LocalMarks]
AT = "calibration?underlying=BTC&at=2026-02-10T12:00&iv_multiplier=0.6"


@pytest.fixture(scope="module")
def served(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """(address, sign-in link, exchange) of a page over the bundled chains and the local exchange."""
    folder = tmp_path_factory.mktemp("calibration")
    views = ViewStore(folder / "views.sqlite", lambda: NOW_MS)
    listener = listen("127.0.0.1", 0)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with local_marks(folder) as exchange:
        calibrator = Calibrator(exchange.settings)
        app = create_app(views, kill=None, token=TOKEN, now_ms=lambda: NOW_MS, calibrator=calibrator)
        server = RunningWeb(app, listener)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield base, login_link(base, TOKEN), exchange
        finally:
            server.stop()
            thread.join(LONGEST_S)


@pytest.mark.parametrize(("width", "theme"), [("wide", "light"), ("wide", "dark"), ("phone", "light")])
def test_it_is_clean_fits_and_is_accessible(served: Served, opened: Open, width: str, theme: str) -> None:
    watched = opened(served[1], width, theme)
    for path in (AT, "calibration?family=linear", "calibration?source=live"):
        watched.page.goto(served[0] + path, wait_until="load")
        watched.assert_fits()
        watched.assert_accessible()
    watched.assert_clean()


def test_the_slider_moves_the_realised_models_alone(served: Served, opened: Open) -> None:
    watched = opened(served[1])
    page = watched.page
    page.goto(served[0] + AT, wait_until="load")

    def off(model: str) -> str:
        return page.inner_text(f"[data-testid=errors] tr[data-model={model}] td:nth-child(2)")

    flat, anchored = off("flat"), off("anchored")
    page.focus("#ask-multiplier")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#multiplier") == "0.70"
    page.wait_for_selector("#result p:has-text('marks, multiplier 0.70')")
    dearer = off("flat")
    assert float(dearer) > float(flat) and off("anchored") == anchored and "iv_multiplier=0.7" in page.url
    best = page.inner_text("[data-testid=best] tbody tr:first-child td:nth-child(2)")
    page.click("[data-testid=best] tbody tr:first-child [data-use]")
    page.wait_for_selector(f"#result p:has-text('marks, multiplier {float(best):.2f}')")
    assert float(off("flat")) <= float(flat)
    page.select_option("#ask-underlying", "ETH")
    page.wait_for_selector("#errors-h:has-text('ETH at')")
    page.select_option("#ask-family", "linear")
    page.wait_for_selector("[data-testid=calibration-problem]")
    assert "harvest or import some" in page.inner_text("[data-testid=calibration-problem]")
    watched.assert_clean()


def test_live_marks_are_chosen_in_the_form_and_tell_their_age(served: Served, opened: Open) -> None:
    watched = opened(served[1])
    page = watched.page
    page.goto(served[0] + AT, wait_until="load")
    page.select_option("#ask-source", "live")
    page.wait_for_selector("[data-testid=age]:has-text('live marks of the local exchange, read ')")
    assert page.is_disabled("#ask-at") and "source=live" in page.url and "at=" not in page.url
    when = datetime.fromtimestamp(served[2].start_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    assert page.inner_text("#errors-h") == f"BTC at {when} UTC"
    assert page.locator("[data-testid=smiles] svg.smile").count() > 5
    page.focus("#ask-multiplier")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#result p:has-text('marks, multiplier 0.61')")
    assert page.is_visible("[data-testid=age]")
    page.select_option("#ask-source", "live_deribit")
    page.wait_for_selector("#result:not(:has([data-testid=age])) [data-testid=errors]")
    assert page.is_enabled("#ask-at") and "at=2026-02-10" in page.url
    watched.assert_clean()
