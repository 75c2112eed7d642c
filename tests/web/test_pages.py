"""The pages: what they say, that nothing in them runs or comes from elsewhere, and who may ask for them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import MutableMapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest

from optionwriter.adapters.store.views import ViewStore
from optionwriter.ports import FeedEntry
from optionwriter.web.format import exact, percent, places, sign, utc
from tests.web.browsing import Page, ask, made
from tests.web.conftest import AGE_MS, World

HOSTILE = "<script>alert(1)</script>\"'><img src=//evil.example onerror=x>"


@pytest.fixture
def store(world: World, tmp_path: Path) -> ViewStore:
    return world.copy(tmp_path)


def page(store: ViewStore, path: str = "/") -> Page:
    reply = ask(store, path)
    assert reply.status_code == 200 and reply.headers["content-type"].startswith("text/html")
    found = Page(reply.text)
    found.assert_keeps_the_policy()
    return found


def test_the_page_tells_the_run(world: World, store: ViewStore) -> None:
    seen = page(store)
    for words in (
        "LOCAL",
        "LIVE",
        "ACTIVE",
        "Last cycle 2 s ago",
        "account local",
    ):
        assert words in seen.text, words
    assert "DRY RUN" not in seen.text
    for name in world.positions:
        assert name in seen.text
    assert f"{world.last.state.underlyings['BTC'].index:,.2f}" in seen.text
    assert "OPEN COVERED CALL" in seen.text and "No position has closed yet" not in seen.text


def test_an_empty_store_is_a_page_with_words(tmp_path: Path) -> None:
    seen = page(ViewStore(tmp_path / "views.sqlite", lambda: 0))
    assert "The agent has not published anything yet" in seen.text
    assert "stale-banner" in seen.ids()


def test_an_old_page_says_so(store: ViewStore) -> None:
    AGE_MS[0] = 600_000
    seen = page(store)
    assert "Nothing was published for 10 min" in seen.text
    assert "stale-banner" in seen.ids()


def hostile(value: object, key: str = "") -> object:
    """The value with every free text replaced; numbers, instants and the few words that decide stay."""
    if isinstance(value, dict):
        return {name: hostile(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [hostile(one, key) for one in value]
    if (
        not isinstance(value, str)
        or key in ("state", "outcome", "at")
        or re.match(r"\d{4}-\d\d-\d\dT", value)
    ):
        return value
    try:
        Decimal(value)
    except InvalidOperation:
        return HOSTILE
    return value


def test_hostile_text_is_shown_as_text(store: ViewStore) -> None:
    names = ("status", "heartbeat", "positions-open", "positions-closed", "strategies")
    views = {name: hostile(store.read(name)) for name in names}
    status = views["status"]
    assert isinstance(status, dict)
    status["external"] = [{"instrument": HOSTILE, "amount": "1"}]
    status["foreign"] = status["unresolved"] = status["contradictions"] = [HOSTILE]
    status["state_lifted_by"] = status["missing"] = HOSTILE
    decision = hostile(store.entries("decisions", 200)[-1])
    assert isinstance(decision, dict)
    decision["refused"] = [{"key": HOSTILE, "codes": [HOSTILE], "reasons": [HOSTILE, HOSTILE]}]
    decision["failure"] = HOSTILE
    assert store.publish(views, [FeedEntry("decisions", HOSTILE, decision)])
    store.close()
    seen = page(store)
    assert seen.text.count("<script>alert(1)</script>") > 30
    label = next(one["legs"][0]["label"] for one in views["positions-open"]["positions"])
    assert label == HOSTILE
    reply = ask(store, "/api/decisions?limit=1")
    assert (
        reply.headers["content-type"] == "application/json"
        and reply.headers["x-content-type-options"] == "nosniff"
    )
    assert json.loads(reply.text)["decisions"][0]["failure"] == HOSTILE


def test_the_reference_lists_every_address_and_field(store: ViewStore) -> None:
    seen = page(store, "/docs")
    for words in ("GET /status", "GET /api/decisions", "/api/positions/bot/closed", "max_drawdown", "strategy",
                  "integer from 1 to 200"):  # fmt: skip
        assert words in seen.text, words
    ids = {attributes.get("id") for _, attributes in seen.tags}
    links = {str(attributes["href"]) for tag, attributes in seen.tags if tag == "a"}
    assert {link[1:] for link in links if link.startswith("#")} <= ids


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/status", "/openapi.json", "/login", "/nowhere", "/status?x=1"]
)
def test_every_answer_carries_the_policy(store: ViewStore, path: str) -> None:
    headers = ask(store, path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert "access-control-allow-origin" not in headers


def test_what_the_pages_load_is_there(store: ViewStore) -> None:
    for path in ("/", "/docs"):
        for tag, attributes in page(store, path).tags:
            if tag in ("link", "img"):
                assert ask(store, str(attributes.get("href") or attributes.get("src"))).status_code == 200
    style = ask(store, "/static/css/base.css").text
    assert "url(" not in style and "@import" not in style


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "10.0.0.1",
                                  "", "127.0.0.1@evil.example", "127.0.0.1:80:80"])  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/status", "/static/css/base.css"])
def test_another_name_is_not_answered(store: ViewStore, host: str, path: str) -> None:
    reply = ask(store, path, host=host)
    assert reply.status_code == 421 and "http://127.0.0.1" in reply.json()["error"]
    assert "content-security-policy" in reply.headers


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9", "localhost:8080", "LOCALHOST", "[::1]:8080", "[::1]"]
)
def test_a_name_of_this_machine_is_answered(store: ViewStore, host: str) -> None:
    assert ask(store, "/status", host=host).status_code == 200


def test_any_name_is_answered_where_the_owner_opened_it(store: ViewStore) -> None:
    assert ask(store, "/status", host="desk.example", loopback_only=False).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_only_get_is_answered(store: ViewStore, method: str) -> None:
    reply = ask(store, "/status", method=method)
    assert (reply.status_code, reply.headers["allow"]) == (
        405,
        "GET" if method == "POST" else "GET" if method == "DELETE" else "GET, POST, DELETE",
    )


def test_static_files_stay_in_their_folder(store: ViewStore) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/"):
        assert ask(store, path).status_code == 404


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        (places("1234567.891"), "1,234,567.89"),
        (places("-0.0001", 2, True), "0.00"),
        (places("0.5", 2, True), "+0.50"),
        (places(None), "—"),
        (places("NaN"), "—"),
        (exact("0.01500000"), "0.015"),
        (exact("102000"), "102,000"),
        (exact("100"), "100"),
        (percent(-0.0123, 1), "−1.2%"),
        (sign("-0.1"), "loss"),
        (sign("0.000"), "flat"),
        (utc("2026-01-17T08:00:00Z"), "2026-01-17 08:00 UTC"),
    ],
)
def test_numbers_as_people_read_them(shown: str, says: str) -> None:
    assert shown == says


@pytest.mark.parametrize("hosts", [[], [b"127.0.0.1", b"evil.example"], [b"127.0.0.1", b"127.0.0.1"]])
def test_no_name_or_two_names_are_not_answered(store: ViewStore, hosts: list[bytes]) -> None:
    said: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": "GET", "path": "/status", "raw_path": b"/status", "query_string": b"",
        "headers": [(b"host", one) for one in hosts], "http_version": "1.1", "scheme": "http", "root_path": "",
    }  # fmt: skip
    asyncio.run(made(store)(scope, receive, send))
    assert said[0]["status"] == 421
