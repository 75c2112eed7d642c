"""What is long is packed for whom can unpack it; the guard's headers stay, and events are never held back."""

from __future__ import annotations

import pytest

from optionwriter.web.guard import HEADERS, POLICY
from tests.web.browsing import BEARER, ask
from tests.web.laboratory import House

UNPACKED = {"Accept-Encoding": "identity"}


def plain_size(house: House, path: str) -> int:
    reply = ask(house.app, path, headers={**BEARER, **UNPACKED})
    assert reply.status_code == 200 and "content-encoding" not in reply.headers
    assert int(reply.headers["content-length"]) == len(reply.content)
    return len(reply.content)


@pytest.mark.parametrize("path", ["/lab", "/openapi.json", "/static/js/chart.js", "/api/backtests/1"])
def test_a_long_answer_is_packed_and_the_same(done: House, path: str) -> None:
    size = plain_size(done, path)
    reply = ask(done.app, path, headers={**BEARER, "Accept-Encoding": "gzip"})
    assert reply.headers["content-encoding"] == "gzip" and "accept-encoding" in reply.headers["vary"].lower()
    assert int(reply.headers["content-length"]) < size / 2
    assert reply.text == ask(done.app, path, headers={**BEARER, **UNPACKED}).text
    for name, value in HEADERS:
        assert reply.headers[name.decode()] == value.decode()


def test_a_short_answer_and_a_refusal_stay_as_they_are(done: House) -> None:
    for headers, host, code in ((BEARER, None, 404), (BEARER, "evil.example", 421), ({}, None, 401)):
        reply = ask(done.app, "/api/backtests/99", headers={**headers, "Accept-Encoding": "gzip"}, host=host)
        assert reply.status_code == code and "content-encoding" not in reply.headers
        assert reply.headers["content-security-policy"] == POLICY.decode()


def test_a_download_is_packed_on_its_way_only(done: House) -> None:
    packed = done.reply("/1/download?format=csv", headers={**BEARER, "Accept-Encoding": "gzip"})
    plain = done.reply("/1/download?format=csv", headers={**BEARER, **UNPACKED})
    assert packed.headers["content-disposition"] == plain.headers["content-disposition"]
    assert packed.text == plain.text
