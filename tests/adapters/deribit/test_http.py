"""The HTTP transport against real sockets: what is sent, and what is made of everything that can come back."""

from __future__ import annotations

import gzip
import json
import socket
import time
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal

import pytest

from optionwriter.adapters.deribit.http import MAX_REPLY_BYTES, HttpTransport, Timeouts
from optionwriter.adapters.deribit.secret import Secret
from optionwriter.ports import NotSentError, TransportError
from tests.adapters.deribit.loopback import (
    Asked,
    Loopback,
    Step,
    drip,
    envelope,
    hang_up,
    http,
    raw,
    refusal,
    reset,
    result,
    silence,
)
from tests.patience import LONGEST_S

QUICK = Timeouts(connect_s=0.5, read_s=0.3, total_s=0.6)
PATIENT = Timeouts(LONGEST_S, LONGEST_S, LONGEST_S)
TIME = "public/get_time"


@pytest.fixture
def venue() -> Iterator[Loopback]:
    with Loopback(default=result(7)) as running:
        yield running


def transport(venue: Loopback, timeouts: Timeouts = PATIENT, **more: int) -> HttpTransport:
    return HttpTransport(venue.url, time.monotonic, timeouts, **more)


def ask(step: Step, timeouts: Timeouts = PATIENT) -> bytes:
    with Loopback(step) as venue:
        wire = transport(venue, timeouts)
        try:
            return wire.call(TIME, {})
        finally:
            wire.close()


def failure(step: Step, timeouts: Timeouts = PATIENT) -> TransportError:
    with pytest.raises(TransportError) as caught:
        ask(step, timeouts)
    return caught.value


# -- what is sent -----------------------------------------------------------------------------------------------


def test_a_call_is_a_post_to_its_path_with_everything_in_the_body(venue: Loopback) -> None:
    wire = transport(venue)
    params = {
        "amount": Decimal("0.10"),
        "price": Decimal("1E-8"),
        "label": "CCBOT_1",
        "post_only": False,
        "n": 5,
    }
    assert json.loads(wire.call("private/buy", params))["result"] == 7
    (asked,) = venue.asked
    assert asked.line == "POST /api/v2/private/buy HTTP/1.1"
    assert asked.headers["content-type"] == "application/json"
    assert "authorization" not in asked.headers
    assert b'"amount":0.10' in asked.body  # the digits, as a number
    assert asked.call == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "private/buy",
        "params": {"amount": 0.1, "price": 1e-8, "label": "CCBOT_1", "post_only": False, "n": 5},
    }
    wire.close()


def test_the_token_is_a_header_and_a_secret_parameter_is_in_the_body(venue: Loopback) -> None:
    wire = transport(venue)
    wire.post("private/get_positions", {"hidden": Secret("s3cret")}, Secret("t0ken"))
    (asked,) = venue.asked
    assert asked.headers["authorization"] == "Bearer t0ken"
    assert asked.params == {"hidden": "s3cret"}
    wire.close()


def test_one_connection_serves_many_calls(venue: Loopback) -> None:
    wire = transport(venue)
    for _ in range(5):
        wire.call(TIME, {})
    assert [one.connection for one in venue.asked] == [1] * 5
    assert [one.call["id"] for one in venue.asked] == [1, 2, 3, 4, 5]
    wire.close()


def test_a_connection_the_exchange_closed_meanwhile_is_replaced(venue: Loopback) -> None:
    venue.script = [refusal(10028, "too_many_requests", close=True)]
    wire = transport(venue)
    answer = wire.post(TIME, {}, None)
    assert answer.error is not None
    assert answer.error.code == 10028
    wire.call(TIME, {})
    assert [one.connection for one in venue.asked] == [1, 2]
    wire.close()


def test_a_connection_is_given_up_before_the_exchange_ends_it(venue: Loopback) -> None:
    now = [0.0]
    wire = HttpTransport(venue.url, lambda: now[0], PATIENT)
    for at, connection in ((0, 1), (839, 1), (841, 2), (1_600, 2), (1_682, 3)):
        now[0] = at
        wire.call(TIME, {})
        assert venue.asked[-1].connection == connection
    wire.close()


@pytest.mark.parametrize("method", ["private/../admin", "private/buy?x=1", "buy", "http://elsewhere/x", ""])
def test_a_method_that_is_none_is_not_sent(venue: Loopback, method: str) -> None:
    with pytest.raises(NotSentError):
        transport(venue).call(method, {})
    assert venue.asked == []


@pytest.mark.parametrize(
    "value", [Decimal("NaN"), Decimal("Infinity"), float("nan"), float("-inf"), object(), "x" * 33_000]
)
def test_a_parameter_that_is_none_is_not_sent(venue: Loopback, value: object) -> None:
    with pytest.raises(NotSentError, match="private/buy"):
        transport(venue).call("private/buy", {"price": value})
    assert venue.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "http://www.deribit.com",
        "http://192.168.1.1:80",
        "https://user:word@www.deribit.com",
        "https://www.deribit.com/api",
        "ftp://127.0.0.1",
        "127.0.0.1:80",
        "",
    ],
)
def test_an_address_that_would_show_a_secret_to_others_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address") as caught:
        HttpTransport(address, time.monotonic)
    assert "word" not in str(caught.value)


def test_proxies_of_the_environment_are_not_used(venue: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    wire = transport(venue)
    assert json.loads(wire.call(TIME, {}))["result"] == 7
    wire.close()
    with Loopback(default=result(8)) as proxy:
        through = HttpTransport(venue.url, time.monotonic, PATIENT, proxy=proxy.url)
        assert json.loads(through.call(TIME, {}))["result"] == 8  # the one that was named is
        assert proxy.asked[0].line.startswith(f"POST {venue.url}/")
        through.close()


# -- what comes back --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500, 503])
def test_an_error_of_the_exchange_is_a_reply_whatever_the_status(status: int) -> None:
    body = json.loads(ask(refusal(13009, "unauthorized", status)))
    assert body["error"] == {"code": 13009, "message": "unauthorized"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, b"<html><h1>502 Bad Gateway</h1>"),
        (429, b'{"message": "Too many connections"}'),
        (503, b'{"error": "overloaded"}'),
        (404, b""),
        (
            500,
            b'{"jsonrpc":"2.0","id":1,"result":5,"testnet":true}',
        ),  # a result with a failure's status is none
    ],
)
def test_any_other_body_of_a_failure_names_the_status_and_its_first_words(status: int, body: bytes) -> None:
    said = str(failure(raw(http(body, status, {"Content-Type": "text/html; charset=utf-8"}))))
    assert f"HTTP {status}" in said
    assert "text/html" in said
    assert body[:20].decode() in said


def test_a_redirect_is_refused_and_not_followed() -> None:
    with Loopback(default=result(1)) as elsewhere:
        step = raw(http(b"", 307, {"Location": f"{elsewhere.url}/api/v2/public/get_time"}))
        assert "redirects" in str(failure(step))
        assert elsewhere.asked == []


def test_a_reply_to_another_request_is_none_and_its_connection_is_left(venue: Loopback) -> None:
    def other(peer: socket.socket, asked: Asked) -> bool:
        peer.sendall(http(envelope(asked, result=1).replace(b'"id": 1', b'"id": 99')))
        return True

    def nameless(peer: socket.socket, asked: Asked) -> bool:
        peer.sendall(http(json.dumps({"result": 1, "testnet": True}).encode()))
        return True

    venue.script = [other, nameless]
    wire = transport(venue)
    with pytest.raises(TransportError, match="request 99, ours was 1"):
        wire.call(TIME, {})
    with pytest.raises(TransportError, match="ours was 2"):
        wire.call(TIME, {})
    wire.call(TIME, {})
    assert [one.connection for one in venue.asked] == [1, 2, 3]
    wire.close()


def test_nobody_listening_is_certainly_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSentError, match=r"127\.0\.0\.1 cannot be reached"):
        HttpTransport(f"http://127.0.0.1:{port}", time.monotonic, PATIENT).call(TIME, {})


FULL = http(b'{"jsonrpc":"2.0","id":1,"result":[' + b"1," * 500 + b'1],"testnet":true}')


def cut_short(peer: socket.socket, asked: Asked) -> bool:
    peer.sendall(http(b'{"jsonrpc":"2.0"', length=400))
    return False


BROKEN: dict[str, Step] = {
    "a hang-up": hang_up,
    "a reset": reset(),
    "a reset in the head": reset(FULL[:30]),
    "a reset in the body": reset(FULL[:-100]),
    "a body cut short": cut_short,
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "an endless head": raw(b"HTTP/1.1 200 X\r\nA: " + b"x" * 300_000),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_connection_leaves_it_open_whether_the_exchange_acted(name: str) -> None:
    error = failure(BROKEN[name])
    assert type(error) is TransportError
    assert "127.0.0.1" in str(error)


@pytest.mark.parametrize(
    "step",
    [silence, drip(FULL, 0.1), drip(FULL[:40] + b"A: 1\r\n" * 50_000, 0.1)],
    ids=["silence", "a dripping reply", "a dripping head without end"],
)
def test_every_wait_has_an_end(step: Step) -> None:
    begun = time.monotonic()
    error = failure(step, QUICK)
    assert time.monotonic() - begun < 0.1 * len(FULL) / 2  # long before any of these replies is whole
    assert type(error) is TransportError
    assert "in time" in str(error)


def test_a_slow_reply_within_the_deadline_is_taken() -> None:
    reply = http(b'{"jsonrpc":"2.0","id":1,"result":3,"testnet":true}')
    assert b'"result":3' in ask(drip(reply, 0.001), PATIENT)


# -- sizes ------------------------------------------------------------------------------------------------------


def padded(size: int) -> bytes:
    head, tail = b'{"jsonrpc":"2.0","id":1,"testnet":true,"result":"', b'"}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


def chunked(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("wrap", [http, chunked])
def test_the_largest_reply_is_taken_and_one_byte_more_is_not(wrap: type[bytes]) -> None:
    assert len(ask(raw(wrap(padded(MAX_REPLY_BYTES))))) == MAX_REPLY_BYTES
    assert "more than" in str(failure(raw(wrap(padded(MAX_REPLY_BYTES + 1)))))


def test_a_reply_far_too_large_is_not_read_to_its_end() -> None:
    sent = 0

    def flood(peer: socket.socket, asked: Asked) -> bool:
        nonlocal sent
        peer.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        for _ in range(200):
            peer.sendall(block)
            sent += 1
        return True

    assert "more than" in str(failure(flood))
    assert sent < 40


def packed(body: bytes, encoding: str = "gzip") -> bytes:
    return http(gzip.compress(body), headers={"Content-Encoding": encoding})


def test_a_packed_reply_is_unpacked() -> None:
    assert json.loads(ask(raw(packed(padded(50_000)))))["id"] == 1


def test_a_gzip_bomb_stops_at_the_limit() -> None:
    bomb = gzip.compress(b"x" * 100_000_000, 9)
    assert len(bomb) < 1_000_000
    step = raw(http(bomb, headers={"Content-Encoding": "gzip"}))
    tracemalloc.start()
    try:
        assert "more than" in str(failure(step))
        assert tracemalloc.get_traced_memory()[1] < 40_000_000  # one piece of the wire would be 67 MB
    finally:
        tracemalloc.stop()


def test_gzip_that_is_broken_half_or_another_encoding() -> None:
    whole = gzip.compress(padded(5_000))
    gzipped = {"Content-Encoding": "gzip"}
    assert "broken gzip" in str(failure(raw(http(b"nothing of the kind", headers=gzipped))))
    assert "half" in str(failure(raw(http(whole[:-20], headers=gzipped))))
    assert "'br'" in str(failure(raw(http(whole, headers={"Content-Encoding": "br"}))))
