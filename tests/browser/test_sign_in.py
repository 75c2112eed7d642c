"""Who is let in: whoever has the printed link or the token, and nobody else."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.crafted import TOKEN, Crafted
from tests.browser.demo import Demo
from tests.browser.watched import Watched

pytestmark = pytest.mark.slow
API = ("status", "api/positions/bot/open", "api/positions/bot/closed", "api/decisions", "api/strategy-status",
       "api/equity", "api/events", "openapi.json")  # fmt: skip


def is_signed_in(seen: Watched) -> bool:
    return seen.page.get_by_test_id("theme-toggle").count() == 1


def test_the_printed_link_signs_in_and_leaves_no_token_behind(demo: Demo, opened: Open) -> None:
    seen = opened(demo.link)
    expect(seen.page.get_by_test_id("badge-env")).to_contain_text("LOCAL")
    assert seen.page.url == demo.base  # neither in the address nor, so, in the history
    token = demo.link.partition("token=")[2]
    assert token not in seen.page.content()
    cookies = seen.context.cookies()
    assert cookies and all(one["httpOnly"] and one["sameSite"] in ("Strict", "Lax") for one in cookies)
    assert all(token not in one["value"] for one in cookies)
    seen.page.reload()
    assert is_signed_in(seen)
    seen.assert_clean()


def test_without_it_there_is_a_door_and_no_figure(demo: Demo, opened: Open) -> None:
    seen = opened(demo.base)
    expect(seen.page.get_by_label("Token")).to_be_focused()
    assert not is_signed_in(seen)
    assert seen.page.get_by_test_id("badge-env").count() == 0
    text = seen.page.content()
    assert "BTC" not in text and "USD" not in text


@pytest.mark.parametrize("path", API)
def test_the_api_answers_the_token_alone(demo: Demo, path: str) -> None:
    assert demo.ask_raw(path).status_code == 401
    assert demo.ask_raw(path, Authorization="Bearer wrong").status_code == 401
    if path != "api/events":  # which never ends
        assert demo.ask_raw(path, **demo.headers).status_code == 200


def test_a_pasted_token_signs_in_and_a_wrong_one_is_told(crafted: Crafted, opened: Open) -> None:
    seen = opened(crafted.base)
    field = seen.page.get_by_label("Token")
    field.fill("nothing like it")
    seen.page.get_by_role("button", name="Sign in").click()
    expect(seen.page.get_by_role("alert")).to_be_visible()
    assert not is_signed_in(seen)
    seen.assert_accessible()
    seen.page.get_by_label("Token").fill(TOKEN)
    seen.page.get_by_role("button", name="Sign in").click()
    expect(seen.page.get_by_test_id("theme-toggle")).to_be_visible()


def test_signing_out_shuts_the_door(crafted: Crafted, opened: Open) -> None:
    seen = opened(crafted.link)
    seen.page.get_by_role("button", name="Sign out").click()
    expect(seen.page.get_by_label("Token")).to_be_visible()
    seen.page.goto(crafted.base)
    assert not is_signed_in(seen)


@pytest.mark.parametrize("width", ["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_door_is_accessible(crafted: Crafted, opened: Open, theme: str, width: str) -> None:
    seen = opened(crafted.base, width, theme)
    seen.assert_accessible()
    seen.assert_fits()
