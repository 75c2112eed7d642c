"""The wire: the four forms of a request, the envelope, refusals and their statuses, over a real loopback server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from optionwriter.venue.server import ServerError, listen
from tests.patience import LONGEST_S
from tests.venue.server.house import OPENED, HandClock, decoded, exchange, serving

BASIC = ("local", "local")
NAME = "BTC-4JAN26-82000-C"


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """A server whose clock stands still but for jumps; nobody counts credits."""
    with serving(exchange(clock=HandClock(), counts_credits=False)) as url:
        yield f"{url}/api/v2"


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=LONGEST_S) as client:
        yield client


def error_of(reply: httpx2.Response) -> tuple[int, int]:
    return reply.status_code, decoded(reply)["error"]["code"]


def test_all_four_forms_give_the_same(http: httpx2.Client, base: str) -> None:
    params = {"currency": "BTC", "kind": "option"}
    method = "public/get_expirations"
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    replies = [
        http.get(f"{base}/{method}", params=params),
        http.request("GET", f"{base}/{method}", json=body),
        http.post(f"{base}/{method}", json=body),
        http.post(base, json=body),
        http.post(f"{base}/", json={"method": method, "params": params, "id": "seven"}),
    ]
    assert [one.status_code for one in replies] == [200] * 5
    envelopes = [decoded(one) for one in replies]
    assert envelopes[0]["result"]["btc"]["option"]
    assert all(one["result"] == envelopes[0]["result"] for one in envelopes)
    assert [one.get("id", "none") for one in envelopes] == ["none", 7, 7, 7, "seven"]
    assert set(envelopes[0]) == {"jsonrpc", "result", "usIn", "usOut", "usDiff", "testnet"}
    for one in envelopes:
        assert (one["jsonrpc"], one["testnet"]) == ("2.0", True)
        assert one["usDiff"] == one["usOut"] - one["usIn"] >= 0
    assert replies[0].headers["content-type"] == "application/json"


def test_times_are_the_machines_microseconds_past_exchange_time() -> None:
    with serving(exchange()) as url, httpx2.Client(timeout=LONGEST_S) as client:
        first, second = (decoded(client.get(f"{url}/api/v2/public/get_time")) for _ in range(2))
    assert (
        OPENED * 1_000
        <= first["usIn"]
        < first["usOut"]
        < second["usIn"]
        < (OPENED + LONGEST_S * 1_000) * 1_000
    )
    assert first["usIn"] // 1_000 <= first["result"] <= first["usOut"] // 1_000


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, -32700),
        (b'{"method": "public/get_time", "params": {"x": NaN}}', 400, -32700),
        (b'{"method": "public/\xff"}', 400, -32700),
        (b"[" * 20_000, 400, -32700),
        (b'[{"method": "public/get_time"}]', 400, 11050),
        (b'"public/get_time"', 400, 11050),
        (b'{"id": 1, "params": {}}', 400, 11050),
        (b'{"id": 1, "method": 5}', 400, 11050),
        (b'{"method": "public/get_time", "params": [1]}', 400, -32602),
        (b'{"method": "public/no_such"}', 400, -32601),
        (b'{"method": "private/no_such"}', 400, -32601),
        (b'{"method": "get_time"}', 400, -32601),
        (b'{"method": "public/get_time", "params": {"x": "' + b"a" * 33_000 + b'"}}', 413, -32600),
        (b"", 400, 11050),
    ],
)
def test_what_is_no_call_is_refused(
    http: httpx2.Client, base: str, body: bytes, status: int, code: int
) -> None:
    headers = {"Content-Type": "application/json"}
    assert error_of(http.post(base, content=body, headers=headers)) == (status, code)


def test_the_id_comes_back_with_a_refusal(http: httpx2.Client, base: str) -> None:
    assert decoded(http.post(base, json={"id": 5, "method": "public/no_such"}))["id"] == 5
    assert decoded(http.post(base, json={"id": "a", "params": {}}))["id"] == "a"
    for odd in (True, None, [1], {"a": 1}):
        assert "id" not in decoded(http.post(base, json={"id": odd, "method": "public/test"}))


def test_the_body_limit_is_where_it_is_said(http: httpx2.Client, base: str) -> None:
    frame = json.dumps({"method": "public/test", "params": {"pad": ""}}).encode()
    for size, status in ((32_768, 200), (32_769, 413)):
        body = frame[:-3] + b"a" * (size - len(frame)) + frame[-3:]
        assert len(body) == size
        reply = http.post(base, content=body, headers={"Content-Type": "application/json"})
        assert reply.status_code == status
    long = http.get(f"{base}/public/test", params={"pad": "a" * 33_000})
    assert error_of(long) == (400, -32600)


def test_a_body_must_be_json_by_its_header(http: httpx2.Client, base: str) -> None:
    body = b'{"method": "public/test"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert error_of(http.post(base, content=body, headers={"Content-Type": kind})) == (400, 13018)
    reply = http.post(base, content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert reply.status_code == 200


def test_values_of_a_query_are_read_as_what_they_mean(http: httpx2.Client, base: str) -> None:
    ask = f"{base}/private/sell"
    query: dict[str, Any] = {"instrument_name": NAME, "amount": "0.2", "price": "0.02", "label": "[1"}
    query |= {"post_only": "true", "reject_post_only": "false"}
    order = decoded(http.get(ask, params=query, auth=BASIC))["result"]["order"]
    assert (order["post_only"], str(order["amount"]), order["label"]) == (True, "0.2", "[1")
    reply = http.get(ask, params={**query, "post_only": "yes"}, auth=BASIC)
    error = decoded(reply)["error"]
    assert (reply.status_code, error["code"], error["message"]) == (400, -32602, "Invalid params")
    assert error["data"] == {"reason": "must be a boolean", "param": "post_only"}
    cancelled = http.get(
        f"{base}/private/cancel_all_by_kind_or_type", params={"currency": '["BTC","ETH"]'}, auth=BASIC
    )
    assert decoded(cancelled)["result"] == 1


def test_numbers_have_several_spellings(http: httpx2.Client, base: str) -> None:
    for text in ("1000", "1e3", "1000.0", "+1000", "1.E3"):
        query = {"instrument_name": NAME, "amount": "1", "price": text}
        assert decoded(http.get(f"{base}/private/get_margins", params=query, auth=BASIC))["result"]


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "1e-400", "0x10", "１", "1_0", "", " "]
)
def test_no_number_breaks_the_exchange(http: httpx2.Client, base: str, number: str) -> None:
    for field in ("amount", "price"):
        query = {"instrument_name": NAME, "amount": "0.1", "price": "0.02", field: number}
        status, code = error_of(http.get(f"{base}/private/buy", params=query, auth=BASIC))
        assert status == 400
        assert code in (-32602, 10002, 10009, 10021, 10023, 10043, 10005)


def test_other_paths_and_verbs(http: httpx2.Client, base: str) -> None:
    root = base.removesuffix("/api/v2")
    assert error_of(http.get(f"{root}/")) == (404, -32601)
    assert error_of(http.get(f"{root}/api/v22/public/test")) == (404, -32601)
    assert error_of(http.put(f"{base}/public/test")) == (405, 11050)
    assert error_of(http.get(base)) == (400, 11050)
    assert error_of(http.get(f"{base}/public/subscribe")) == (400, 10030)
    assert error_of(http.get(f"{base}/private/logout")) == (400, 10030)


def test_nobody_asks_in_private(http: httpx2.Client, base: str) -> None:
    url = f"{base}/private/get_positions"
    assert error_of(http.get(url)) == (401, 10000)
    assert error_of(http.get(url, auth=("local", "wrong"))) == (401, 13004)
    assert error_of(http.get(url, auth=("nobody", "local"))) == (401, 13004)
    assert error_of(http.get(url, headers={"Authorization": "Basic ===="})) == (401, 13004)
    for odd in ("Bearer", "Bearer a.b", "Bearer é", "Digest x", "deri-hmac-sha256 id=local"):
        header = {"Authorization": odd.encode("latin-1")}
        assert error_of(http.get(url, headers=header)) == (401, 13009)
    assert http.get(url, auth=BASIC).status_code == 200


def test_only_this_machines_names_and_pages_are_answered(http: httpx2.Client, base: str) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example:80", "localhost.", ""):
        assert http.get(f"{base}/public/test", headers={"Host": host}).status_code in (400, 421)
    assert http.get(f"{base}/public/test", headers={"Host": "localhost:1"}).status_code == 200
    before = decoded(http.get(f"{base}/local/time"))["result"]["now_ms"]
    ask = f"{base}/local/advance?to_ms={before + 60_000}"
    assert error_of(http.get(ask, headers={"Sec-Fetch-Site": "cross-site"})) == (403, 11050)
    assert decoded(http.get(f"{base}/local/time"))["result"]["now_ms"] == before


def test_control_methods_are_off_unless_enabled() -> None:
    with serving(exchange(allow_local=False)) as url, httpx2.Client(auth=BASIC, timeout=LONGEST_S) as client:
        for method in ("time", "advance?to_ms=1", "deposit?currency=BTC&amount=1", "digest"):
            assert error_of(client.get(f"{url}/api/v2/local/{method}")) == (400, -32601)


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"127.0.0.1:{port} .*free the port"):
            listen("127.0.0.1", port)


def test_replies_are_not_held_back_by_the_kernel() -> None:
    """Without TCP_NODELAY each reply waits some 40 ms for the client's acknowledgement."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_many_at_once_are_served_in_order() -> None:
    opened = exchange(counts_credits=False)
    seen: list[list[tuple[int, str]]] = []

    def customer(url: str, number: int) -> None:
        mine: list[tuple[int, str]] = []
        with httpx2.Client(base_url=f"{url}/api/v2/", auth=BASIC, timeout=LONGEST_S) as http:
            for _ in range(20):
                query = f"instrument_name={NAME}&amount=0.1&price=0.02&label=c{number}"
                order = decoded(http.get(f"private/sell?{query}"))["result"]["order"]
                mine.append((order["creation_timestamp"], order["order_id"]))
        seen.append(mine)

    with serving(opened) as url:
        customers = [threading.Thread(target=customer, args=(url, number)) for number in range(5)]
        for one in customers:
            one.start()
        for one in customers:
            one.join()
    everything = sorted(one for mine in seen for one in mine)
    assert [number for _, number in everything] == [str(100_001 + k) for k in range(100)]
    assert all(mine == sorted(mine) for mine in seen)


def test_what_it_says_at_the_start() -> None:
    opened = exchange()
    assert opened.greeting()[0] == "Client id local, client secret local: 2 BTC, 20 ETH, 200,000 USDC"
    assert not any("secret" in line.partition("client secret")[2] for line in opened.greeting()[1:])
    assert "AMANDASECRECT" not in " ".join(opened.greeting())


def test_a_failure_inside_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = exchange()

    def fail(*_: object) -> object:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(opened.engine, "handle", fail)
    with serving(opened) as url, httpx2.Client(timeout=LONGEST_S) as client:
        assert error_of(client.get(f"{url}/api/v2/public/test")) == (500, 11094)
        assert client.get(f"{url}/api/v2/local/time").status_code == 200
