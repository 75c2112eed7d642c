"""A page that is watched while a test uses it: its console, its policy, and every address that it asks."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response

from tests.patience import LONGEST_S

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
WIDTHS = {"wide": (1440, 900), "phone": (390, 844)}
INSIDE = ("data", "blob", "about")  # schemes that leave no machine
NOTE_VIOLATIONS = """
window.__violations = [];
addEventListener("securitypolicyviolation", event => window.__violations.push(
  `${event.violatedDirective} blocked ${event.blockedURI} (${event.sourceFile || "the page"}:${event.lineNumber})`));
"""
# An element's part beyond the window that no scrolling box of its own holds.
OVERFLOWING = """() => {
  const width = document.documentElement.clientWidth, found = [];
  if (document.scrollingElement.scrollWidth > width)
    for (const one of document.body.querySelectorAll("*")) {
      const box = one.getBoundingClientRect();
      if (box.right > width + 1 && box.width) found.push(`${one.tagName}.${one.className} to ${box.right}`);
    }
  return [document.scrollingElement.scrollWidth - width, found.slice(0, 8)];
}"""


class Watched:
    """`watch.page` is Playwright's page; `assert_clean` says that nothing was wrong with it so far."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        context.add_init_script(NOTE_VIOLATIONS)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error in a script: {error}"))
        self.page.on("requestfailed", self._on_failed)
        self.page.on("response", self._on_response)
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text}")

    def _on_failed(self, request: Request) -> None:
        # What the page itself gave up, as it does with its stream when it is left, is no failure.
        if request.failure and "ERR_ABORTED" not in request.failure:
            self.complaints.append(f"{request.url} failed: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.request.method} {response.url} answered {response.status}")

    def until(self, true: Callable[[], Any] | str) -> None:
        """Waits until an expression of the page is true, or one of ours. Playwright's own way evaluates text, which
        the policy forbids."""
        end = time.monotonic() + LONGEST_S
        while not (self.page.evaluate(true) if isinstance(true, str) else true()):
            assert time.monotonic() < end, f"not within {LONGEST_S} s: {true}"
            self.page.wait_for_timeout(25)  # and hears meanwhile what the page does

    def assert_clean(self, refused: int = 0) -> None:
        """No console error or warning, no failed request, no breach of the policy, nothing asked of another machine.

        `refused` is how many requests were answered 422, as the test wanted; the browser complains of them too.
        """
        wanted = [one for one in self.complaints if "answered 422" in one]
        assert len(wanted) == refused, self.complaints
        others = [one for one in self.complaints if one not in wanted and "status of 422" not in one]
        assert not others, "\n".join(others)
        assert self.page.evaluate("window.__violations") == []
        assert self.asked, "no request was seen: the watch itself is broken"
        assert not [url for url in self.asked if not is_of_this_machine(url)]

    def assert_fits(self) -> None:
        """The page itself scrolls down only; wide tables scroll in their own boxes."""
        over, elements = self.page.evaluate(OVERFLOWING)
        assert over <= 0, f"{over} px too wide at {self.page.viewport_size}: {elements}"

    def assert_accessible(self, *without: str) -> None:
        """axe-core finds nothing serious or critical; `without` names rules that are left out."""
        found = serious(self.page, *without)
        assert not found, "\n".join(found)


def serious(page: Page, *without: str) -> list[str]:
    """axe-core's serious and critical findings on the page as it is, one line each."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(f"() => {{ {AXE.read_text(encoding='utf-8')} }}")
    rules = {name: {"enabled": False} for name in without}
    found: Any = page.evaluate(
        f"axe.run(document, {{resultTypes: ['violations'], rules: {json.dumps(rules)}}})"
    )
    assert found["testEngine"]["name"] == "axe-core"
    return [
        f"{one['impact']}: {one['id']}: {one['help']}: " + "; ".join(
            f"{node['target']} {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
            for node in one["nodes"][:4]
        )
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]  # fmt: skip


def is_of_this_machine(url: str) -> bool:
    """Whether an address stays on this machine."""
    parts = urlsplit(url)
    if parts.scheme in INSIDE:
        return True
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
