"""Asking the application in-process, and reading pages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import httpx2
from fastapi import FastAPI

from optionwriter.ports import KillSwitch, ViewSource
from optionwriter.web.app import create_app

BASE = "http://127.0.0.1:8080"
TOKEN = "a-token-of-the-tests-0123456789abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
NOW_MS = 1_800_000_000_000
ATTRIBUTION = "https://www.tradingview.com/"


def made(source: ViewSource, kill: KillSwitch | None = None, loopback_only: bool = True) -> FastAPI:
    """The application over a source, at a fixed instant."""
    return create_app(source, kill=kill, token=TOKEN, loopback_only=loopback_only, now_ms=lambda: NOW_MS)


class _Current:
    """The source of an application that is kept: whichever was asked last."""

    def __init__(self, source: ViewSource) -> None:
        self.source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)


_KEPT: dict[bool, tuple[_Current, FastAPI]] = {}


def _kept(source: ViewSource, loopback_only: bool) -> FastAPI:
    """The application over `source`: it asks its source anew with each request, and takes long to make."""
    if loopback_only not in _KEPT:
        current: Any = _Current(source)
        _KEPT[loopback_only] = current, made(current, loopback_only=loopback_only)
    current, app = _KEPT[loopback_only]
    current.source = source
    return app


def ask(
    source: ViewSource | FastAPI,
    path: str,
    *,
    method: str = "GET",
    host: str | None = None,
    loopback_only: bool = True,
    kill: KillSwitch | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> httpx2.Response:
    """One request, with the token unless other headers are given. No redirect is followed, no cookie kept."""
    if isinstance(source, FastAPI):
        app = source
    else:
        app = _kept(source, loopback_only) if kill is None else made(source, kill, loopback_only)
    sent = dict(BEARER if headers is None else headers)
    if host is not None:
        sent["Host"] = host

    async def go() -> httpx2.Response:
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.request(method, path, headers=sent, **more)

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

    def ids(self) -> set[str | None]:
        """Every data-testid."""
        return {attributes.get("data-testid") for _, attributes in self.tags}

    def assert_keeps_the_policy(self) -> None:
        """No script or style within the page, nothing loaded or sent elsewhere."""
        for tag, attributes in self.tags:
            assert tag not in ("style", "iframe", "object", "embed", "base"), tag
            assert tag != "script" or (attributes.get("src") or "").startswith("/static/"), attributes
            for name, value in attributes.items():
                assert not name.startswith(("on", "hx-on")) and name != "style", (tag, name)
                if name in ("href", "src", "action", "hx-get", "hx-post", "hx-sse:connect"):
                    if (tag, value) == ("a", ATTRIBUTION):  # a link to follow, as the chart's licence asks
                        continue
                    assert (value or "").startswith(("/", "#")) and not (value or "").startswith("//"), value
