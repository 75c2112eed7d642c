"""Asking the application in-process, and reading pages."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from typing import Any

import httpx2

from optionwriter.ports import ViewSource
from optionwriter.web.app import create_app

BASE = "http://127.0.0.1:8080"


def ask(
    source: ViewSource, path: str, *, method: str = "GET", host: str | None = None, loopback_only: bool = True
) -> httpx2.Response:
    """One request."""

    async def go() -> httpx2.Response:
        transport = httpx2.ASGITransport(
            create_app(source, loopback_only=loopback_only), raise_app_exceptions=False
        )
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.request(method, path, headers={} if host is None else {"Host": host})

    return asyncio.run(go())


def got(source: ViewSource, path: str) -> Any:
    """The JSON of a good answer."""
    reply = ask(source, path)
    assert reply.status_code == 200, reply.text
    return reply.json()


class Page(HTMLParser):
    """A page's tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def assert_keeps_the_policy(self) -> None:
        """No script, no inline style, nothing from elsewhere."""
        for tag, attributes in self.tags:
            assert tag not in ("script", "style", "iframe", "object", "embed", "form", "base"), tag
            for name, value in attributes.items():
                assert not name.startswith("on") and name != "style", (tag, name)
                if name in ("href", "src"):
                    assert (value or "").startswith(("/", "#")) and not (value or "").startswith("//"), value
