"""No secret in a URL, an exception, a traceback (its local variables included), a repr or a log, at any level
(FAULTS F61). Three canaries: the key's secret, the access token, the refresh token that nobody asked for."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import socket
import time
import traceback
from collections.abc import Iterator

import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.broker import DeribitBroker
from optionwriter.adapters.deribit.http import Timeouts
from optionwriter.adapters.deribit.secret import HideSecrets, Secret, scrub, scrub_bytes
from optionwriter.adapters.deribit.session import Session
from optionwriter.adapters.deribit.token import Credentials
from tests.adapters.deribit.loopback import (
    Asked,
    Loopback,
    Step,
    drip,
    envelope,
    hang_up,
    http,
    in_turn,
    raw,
    refusal,
    reset,
    result,
    silence,
)

SECRET, TOKEN, REFRESH = "CANARYSECRETa1b2c3", "CANARYTOKENd4e5f6", "CANARYREFRESHg7h8"
GRANT = {
    "access_token": TOKEN,
    "refresh_token": REFRESH,
    "token_type": "bearer",
    "expires_in": 900,
    "scope": "account:read trade:read_write",
}
QUICK = Timeouts(connect_s=0.5, read_s=0.3, total_s=0.6)


def echo(status: int, as_json: bool) -> Step:
    """A proxy that shows the request it did not like, headers and all."""

    def step(peer: socket.socket, asked: Asked) -> bool:
        shown = f"{asked.headers} {asked.body.decode()}"
        if as_json:
            shown = envelope(asked, error={"code": 11050, "message": "bad_request", "data": shown}).decode()
        peer.sendall(http(shown.encode(), status, {"Location": "/?" + "".join(asked.headers.values())}))
        return True

    return step


def shown_encoding(peer: socket.socket, asked: Asked) -> bool:
    peer.sendall(http(b"x", headers={"Content-Encoding": asked.body.decode().replace("\n", "")}))
    return True


def bad_grant(**changed: object) -> Step:
    return result({**GRANT, **changed})


FAULTS: dict[str, Step] = {
    "a grant, then nothing": in_turn(
        public__auth=result(GRANT), private__get_account_summaries=hang_up, private__sell=silence
    ),
    "a grant, then an echo": in_turn(
        public__auth=result(GRANT),
        private__get_account_summaries=echo(500, False),
        private__sell=echo(200, False),
    ),
    "a grant, then an error's echo": in_turn(
        public__auth=result(GRANT),
        private__get_account_summaries=echo(400, True),
        private__sell=echo(200, True),
    ),
    "a grant, then a redirect": in_turn(
        public__auth=result(GRANT),
        private__get_account_summaries=echo(302, False),
        private__sell=echo(307, True),
    ),
    "a grant, then broken gzip": in_turn(
        public__auth=result(GRANT),
        private__get_account_summaries=raw(http(b"x", headers={"Content-Encoding": "gzip"})),
        private__sell=raw(http(b"x", headers={"Content-Encoding": "gzip"})),
    ),
    "a grant, then too much": in_turn(
        public__auth=result(GRANT),
        private__get_account_summaries=raw(http(b"x", length=11_000_000)),
        private__sell=raw(http(b"x", headers={"Content-Encoding": "br"})),
    ),
    "too much": raw(http(b"x", length=11_000_000)),
    "an encoding that shows the key": shown_encoding,
    "a refused key": refusal(13004, "invalid_credentials"),
    "a refused key that is shown": echo(400, True),
    "a page that shows the key": echo(502, False),
    "text that shows the key": echo(200, False),
    "a redirect with the key": echo(302, False),
    "a reset": reset(),
    "a dripping reply": drip(http(b"{}"), 0.05),
    "silence": silence,
    "a key that may withdraw": bad_grant(scope="wallet:read_write"),
    "a token that is no text": bad_grant(access_token=[TOKEN]),
    "a token without end": bad_grant(expires_in="never"),
    "a token with a line break": bad_grant(access_token=f"{TOKEN}\r\nX: y"),
    "the production network": result(GRANT, testnet=False),
    "half a grant": raw(http(json.dumps({"result": GRANT}).encode()[:-3])),
    "a grant as plain text": raw(http(TOKEN.encode())),
}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Every logger there is, at its most talkative."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith(("http", "asyncio", "h11"))]
    loggers = [logging.getLogger(name) for name in ("", "httpx2", "httpcore2", "httpcore2.http11", *names)]
    before = [(one, one.level, one.disabled) for one in loggers]
    for one in loggers:
        one.setLevel(1)
        one.disabled = False
    caplog.set_level(1)
    yield caplog
    for one, level, disabled in before:
        one.setLevel(level)
        one.disabled = disabled


def told(error: BaseException) -> str:
    """Everything that a report of the error could show."""
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    return f"{shown} {error!r} {error} {error.args!r} {getattr(error, 'data', '')}"


@pytest.mark.parametrize("name", FAULTS)
def test_no_canary_sings(name: str, log: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with Loopback(default=FAULTS[name]) as venue:
        session = Session(
            "local", time.monotonic, lambda _: None, Credentials("key-id", Secret(SECRET)), venue.url, trading=True,
            timeouts=QUICK,
        )  # fmt: skip
        broker = DeribitBroker(session.client, SimulatedClock(0), "a", "local")
        shown = []
        for work in (
            broker.account,
            lambda: session.client.call("private/sell", {"label": "x"}, int),
            lambda: session.owner and session.owner.scope,
        ):
            try:
                shown.append(repr(work()))
            except Exception as error:
                logging.getLogger().exception("failed")
                shown.append(told(error))
        shown += [repr(session.http), repr(session.owner), str(vars(session.owner)), repr(vars(session))]
        lines = [one.line for one in venue.asked]
        session.close()
    shown += [log.text, *(repr(vars(one)) for one in log.records), *capfd.readouterr(), *lines]
    assert len(venue.asked) >= 1
    assert any(SECRET.encode() in one.body for one in venue.asked)  # it did fly past
    for canary in (SECRET, TOKEN, REFRESH):
        assert canary not in "\n".join(shown)


def test_the_libraries_do_log(log: pytest.LogCaptureFixture) -> None:
    """Else the test above would prove nothing about them."""
    with Loopback(default=in_turn(public__auth=result(GRANT), private__get_positions=result([]))) as venue:
        session = Session(
            "local",
            time.monotonic,
            lambda _: None,
            Credentials("k", Secret(SECRET)),
            venue.url,
        )
        session.client.call("private/get_positions", {}, list)
        session.close()
    assert venue.asked[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert "/api/v2/private/get_positions" in log.text
    assert {one.name.split(".")[0] for one in log.records} >= {"httpx2", "httpcore2"}
    assert TOKEN not in log.text


def test_a_secret_hides_in_every_form() -> None:
    secret = Secret(SECRET)
    holder = Credentials("id", secret)
    shown = f"{secret} {secret!r} {secret!s:>30} {holder} {[secret]} {str(secret).upper()}"
    assert SECRET not in shown
    assert "***" in shown
    assert secret.reveal() == SECRET
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copying(secret)


def test_scrubbing_takes_the_secret_and_leaves_the_rest() -> None:
    assert scrub(f"a {SECRET} b {TOKEN}", [Secret(SECRET), Secret(TOKEN)]) == "a *** b ***"
    assert scrub_bytes(f"a {SECRET} b".encode(), [Secret(SECRET)]) == b"a *** b"
    clean = b"nothing of the kind"
    assert scrub_bytes(clean, [Secret(SECRET), Secret("")]) is clean
    assert scrub("the local exchange", [Secret("local")]) == "the local exchange"  # the demo key's secret


def test_the_filter_hides_what_others_log(caplog: pytest.LogCaptureFixture) -> None:
    held, logger = Secret(SECRET), logging.getLogger("somebody.else")
    hiding = HideSecrets()
    logger.addFilter(hiding)
    logger.warning("a %s and %r", "word", {"password": SECRET})
    logger.warning("nothing %s", "special")
    logger.removeFilter(hiding)
    assert caplog.messages == ["a word and {'password': '***'}", "nothing special"]
    assert SECRET not in repr([vars(one) for one in caplog.records])
    del held
