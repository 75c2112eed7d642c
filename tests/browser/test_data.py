"""The Data page in the browser: a day chosen and told, in both colours, at two widths."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from optionwriter.web.server import RunningWeb, listen
from optionwriter.web.token import login_link
from tests.browser.conftest import Open
from tests.patience import LONGEST_S
from tests.web.browsing import TOKEN
from tests.web.test_data import app_of, spoilt

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(address, link that signs in) of a page over four days, one of which fails."""
    folder: Path = tmp_path_factory.mktemp("data")
    listener = listen("127.0.0.1", 0)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    server = RunningWeb(app_of(spoilt(folder / "data"), folder), listener)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield base, login_link(base, TOKEN)
    server.stop()
    thread.join(LONGEST_S)
    assert not thread.is_alive(), "the page's server did not stop"


@pytest.mark.parametrize(("width", "theme"), [("wide", "light"), ("phone", "dark")])
def test_a_day_is_chosen_and_tells_its_findings(
    served: tuple[str, str], opened: Open, width: str, theme: str
) -> None:
    base, link = served
    watched = opened(link, width, theme)
    page = watched.page
    page.goto(base + "data", wait_until="load")
    assert page.locator("[data-testid=heat] .q-fail").inner_text().split() == ["0", "✕"]
    page.click("[data-testid=heat] .q-fail a")
    page.wait_for_selector("[data-testid=day-title]")
    assert "volatilities are fractions, not percent" in page.inner_text("[data-testid=day]")
    assert page.url == base + "data"
    watched.assert_fits()
    watched.assert_accessible()
    watched.assert_clean()
