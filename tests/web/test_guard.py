"""Who gets in, and what a stranger, a foreign site or a careless program is told."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from optionwriter.adapters.store.views import ViewStore
from optionwriter.cli.main import app as cli
from optionwriter.settings import SettingsError, load
from optionwriter.web.app import create_app
from optionwriter.web.auth import MOST_FAILURES, SESSION_S, WITHIN_MS
from optionwriter.web.guard import MAX_BODY
from optionwriter.web.token import TokenError, web_token
from tests.web.browsing import BASE, BEARER, NOW_MS, TOKEN, Page, ask

API = ("/status", "/api/decisions", "/api/events", "/api/nothing", "/openapi.json", "/metrics")
PAGES = ("/", "/docs", "/live/parts", "/live/position/x", "/nowhere")
KILL = json.dumps({"kind": "kill", "reason": "because"})


class Clock:
    now = NOW_MS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> FastAPI:
    store = ViewStore(tmp_path / "views.sqlite", lambda: 0)
    store.publish({})
    store.close()
    return create_app(store, kill=None, token=TOKEN, now_ms=clock)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """An application that nobody signs in to, one for all who are turned away."""
    store = ViewStore(tmp_path_factory.mktemp("closed") / "views.sqlite", lambda: 0)
    store.publish({})
    store.close()
    return create_app(store, kill=None, token=TOKEN, now_ms=Clock())


def signed_in(app: FastAPI) -> dict[str, str]:
    """A browser's headers after it followed the link."""
    reply = ask(app, f"/login?token={TOKEN}", headers={})
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    ((name, cookie),) = SimpleCookie(reply.headers["set-cookie"]).items()
    return {"Cookie": f"{name}={cookie.value}"}


@pytest.mark.parametrize("path", API)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer"},
     {"Cookie": f"optionwriter={TOKEN}"}, {"Authorization": f"Bearer {TOKEN}x"}],
)  # fmt: skip
def test_a_program_without_the_token_is_told_the_cure(
    closed: FastAPI, path: str, headers: dict[str, str]
) -> None:
    reply = ask(closed, path, headers=headers)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert "Authorization: Bearer" in reply.json()["error"] and TOKEN not in reply.text


@pytest.mark.parametrize("path", PAGES)
def test_a_browser_without_a_session_sees_the_sign_in_page_and_nothing_else(
    closed: FastAPI, path: str
) -> None:
    reply = ask(closed, path, headers={})
    page = Page(reply.text)
    page.assert_keeps_the_policy()
    assert reply.status_code == 401 and "Sign in" in page.text and "Live" not in page.text
    assert ("token", "password") in {(a.get("name"), a.get("type")) for tag, a in page.tags if tag == "input"}


def test_the_link_signs_in_by_a_cookie_that_does_not_hold_the_token(app: FastAPI) -> None:
    reply = ask(app, f"/login?token={TOKEN}", headers={})
    set_cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in set_cookie and "samesite=strict" in set_cookie and TOKEN not in set_cookie
    assert TOKEN not in reply.text
    headers = signed_in(app)
    assert ask(app, "/status", headers=headers).status_code == 200
    assert "Sign out" in Page(ask(app, "/", headers=headers).text).text


def test_a_session_holds_for_its_time_and_for_its_token_alone(app: FastAPI, clock: Clock) -> None:
    headers = signed_in(app)
    clock.now += (SESSION_S - 1) * 1000
    assert ask(app, "/status", headers=headers).status_code == 200
    clock.now += 1000
    assert ask(app, "/status", headers=headers).status_code == 401
    other = create_app(app.state.versions._source, kill=None, token=TOKEN + "2", now_ms=clock)
    fresh = signed_in(app)
    renamed = {"Cookie": fresh["Cookie"].replace(fresh["Cookie"].split("=")[0], _cookie_name(other))}
    assert ask(app, "/status", headers=fresh).status_code == 200
    assert ask(other, "/status", headers=renamed).status_code == 401


def _cookie_name(app: FastAPI) -> str:
    reply = ask(app, f"/login?token={TOKEN}2", headers={})
    return str(reply.headers["set-cookie"].split("=")[0])


@pytest.mark.parametrize("change", [lambda v: v[:-1], lambda v: "9" + v, lambda v: "", lambda v: "." + v.split(".")[1],
                                    lambda v: f"x{v}", lambda v: v + "0"])  # fmt: skip
def test_a_changed_cookie_is_no_session(app: FastAPI, change: object) -> None:
    name, value = signed_in(app)["Cookie"].split("=", 1)
    reply = ask(app, "/status", headers={"Cookie": f"{name}={change(value)}"})
    assert reply.status_code == 401


def test_signing_out_ends_the_session_here(app: FastAPI) -> None:
    reply = ask(app, "/logout", method="POST", headers={**signed_in(app), "Origin": BASE})
    assert reply.status_code == 303 and "max-age=0" in reply.headers["set-cookie"].lower()


def form(app: FastAPI, token: str, **headers: str) -> httpx2.Response:
    return ask(app, "/login", method="POST", headers={"Origin": BASE, **headers}, data={"token": token})


def test_the_form_signs_in_and_says_when_the_token_is_wrong(app: FastAPI) -> None:
    assert form(app, f" {TOKEN} ").status_code == 303
    reply = form(app, "wrong")
    assert reply.status_code == 401 and "not the token" in Page(reply.text).text
    assert "set-cookie" not in reply.headers


def test_too_many_wrong_tokens_must_wait_and_who_is_in_stays_in(app: FastAPI, clock: Clock) -> None:
    inside = signed_in(app)
    for _ in range(MOST_FAILURES):
        assert ask(app, "/login?token=guess", headers={}).status_code == 401
    reply = form(app, TOKEN)
    assert reply.status_code == 429 and int(reply.headers["retry-after"]) == WITHIN_MS // 1000
    assert ask(app, "/status", headers=inside).status_code == 200
    assert ask(app, "/status").status_code == 200  # a program with the token
    clock.now += WITHIN_MS
    assert form(app, TOKEN).status_code == 303


def test_a_picture_on_a_foreign_page_uses_up_no_tries(app: FastAPI) -> None:
    for _ in range(MOST_FAILURES + 1):
        reply = ask(app, "/login?token=guess", headers={"Sec-Fetch-Dest": "image"})
        assert reply.status_code == 403
    assert form(app, TOKEN).status_code == 303


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:9999"}, {},
     {"Origin": "http://localhost:8080"}, {"Origin": BASE, "Sec-Fetch-Site": "cross-site"},
     {"Origin": BASE, "Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
def test_a_change_asked_from_elsewhere_is_refused(app: FastAPI, headers: dict[str, str]) -> None:
    sent = {**JSON, **signed_in(app), **headers}
    assert ask(app, "/api/commands", method="POST", headers=sent, content=KILL).status_code == 403
    assert ask(app, "/login", method="POST", headers=headers, data={"token": TOKEN}).status_code == 403
    assert app.state.versions._source.pending_commands() == ()


@pytest.mark.parametrize("headers", [{"Origin": BASE, "Sec-Fetch-Site": "same-origin"}, {"Origin": BASE}])
def test_a_change_from_our_own_page_is_taken(app: FastAPI, headers: dict[str, str]) -> None:
    sent = {**JSON, **signed_in(app), **headers}
    assert ask(app, "/api/commands", method="POST", headers=sent, content=KILL).status_code == 202


def test_a_program_needs_no_origin_but_may_not_name_a_foreign_one(app: FastAPI) -> None:
    sent = {**JSON, **BEARER}
    assert ask(app, "/api/commands", method="POST", headers=sent, content=KILL).status_code == 202
    foreign = {**sent, "Origin": "https://evil.example"}
    assert ask(app, "/api/commands", method="POST", headers=foreign, content=KILL).status_code == 403


@pytest.mark.parametrize("named", [True, False])
def test_a_long_body_is_refused_whether_its_length_is_named_or_not(app: FastAPI, named: bool) -> None:
    long = KILL.replace("because", "b" * MAX_BODY).encode()

    async def parts() -> object:
        for at in range(0, len(long), 1000):
            yield long[at : at + 1000]

    reply = ask(
        app, "/api/commands", method="POST", headers={**JSON, **BEARER}, content=long if named else parts()
    )
    assert reply.status_code == 413 and f"{MAX_BODY:,}" in reply.json()["error"]


def test_the_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    first = web_token(folder)
    kept = folder / "web.token"
    assert len(first) >= 40 and kept.stat().st_mode & 0o777 == 0o600
    kept.chmod(0o644)
    assert web_token(folder) == first and kept.stat().st_mode & 0o777 == 0o600
    assert web_token(tmp_path / "other") != first
    assert web_token(tmp_path / "none", "given-by-settings") == "given-by-settings"
    assert not (tmp_path / "none").exists()


def test_a_token_file_without_a_token_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "web.token").write_text("\n")
    with pytest.raises(TokenError, match=r"web\.token holds no token: delete it"):
        web_token(tmp_path)
    result = CliRunner().invoke(cli, ["web", "--data-dir", str(tmp_path), "--port", "0"])
    assert result.exit_code == 2 and "holds no token" in result.stderr


@pytest.mark.parametrize("token", ["short", "has a space in the middle of it", "x" * 201])
def test_a_given_token_that_will_not_do_is_refused_and_not_said_back(token: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(environment={"WEB_TOKEN": token})
    assert "WEB_TOKEN" in str(refused.value) and token not in str(refused.value)


def test_a_given_token_is_taken() -> None:
    loaded = load(environment={"WEB_TOKEN": TOKEN})
    assert loaded.settings.web_token.get_secret_value() == TOKEN and TOKEN not in repr(loaded.settings)
