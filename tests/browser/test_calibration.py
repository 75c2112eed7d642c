"""The calibration page in the browser: the slider moves the models, at two widths, in both colours."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap import Calibrator
from optionwriter.settings import Settings
from optionwriter.web.app import create_app
from optionwriter.web.server import RunningWeb, listen
from optionwriter.web.token import login_link
from tests.browser.conftest import Open
from tests.patience import LONGEST_S
from tests.web.browsing import NOW_MS, TOKEN

pytestmark = pytest.mark.slow
AT = "calibration?underlying=BTC&at=2026-02-10T12:00&iv_multiplier=0.6"


@pytest.fixture(scope="module")
def served(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(address, sign-in link) of a page over the bundled chains."""
    folder = tmp_path_factory.mktemp("calibration")
    views = ViewStore(folder / "views.sqlite", lambda: NOW_MS)
    listener = listen("127.0.0.1", 0)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    calibrator = Calibrator(Settings(data_dir=folder))
    app = create_app(views, kill=None, token=TOKEN, now_ms=lambda: NOW_MS, calibrator=calibrator)
    server = RunningWeb(app, listener)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield base, login_link(base, TOKEN)
    finally:
        server.stop()
        thread.join(LONGEST_S)


@pytest.mark.parametrize(("width", "theme"), [("wide", "light"), ("wide", "dark"), ("phone", "light")])
def test_it_is_clean_fits_and_is_accessible(
    served: tuple[str, str], opened: Open, width: str, theme: str
) -> None:
    watched = opened(served[1], width, theme)
    for path in (AT, "calibration?family=linear"):
        watched.page.goto(served[0] + path, wait_until="load")
        watched.assert_fits()
        watched.assert_accessible()
    watched.assert_clean()


def test_the_slider_moves_the_realised_models_alone(served: tuple[str, str], opened: Open) -> None:
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
