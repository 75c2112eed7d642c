"""Keys, signatures, tokens and scopes, against the documented test vector and over the wire."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from optionwriter.venue.auth import ApiKey, Auth, check_keys, signature
from optionwriter.venue.errors import VenueError
from optionwriter.venue.opening import Exchange
from optionwriter.venue.scopes import granted, read_scope
from tests.patience import LONGEST_S
from tests.venue.server.house import KEYS, HandClock, decoded, exchange, serving

VECTOR_MS = 1_576_074_319_000
VECTOR = "56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1"
NAME = "BTC-4JAN26-82000-C"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def opened(clock: HandClock) -> Exchange:
    return exchange(clock=clock, counts_credits=False)


@pytest.fixture
def http(opened: Exchange) -> Iterator[httpx2.Client]:
    with serving(opened) as url, httpx2.Client(base_url=f"{url}/api/v2/", timeout=LONGEST_S) as client:
        yield client


def auth(http: httpx2.Client, **params: Any) -> Any:
    return decoded(http.get("public/auth", params=params))


def by_key(http: httpx2.Client, client_id: str = "local", secret: str = "local", **more: Any) -> Any:
    return auth(http, grant_type="client_credentials", client_id=client_id, client_secret=secret, **more)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def signed_header(
    ts: int, nonce: str, uri: str, method: str = "GET", body: str = "", secret: str = "local"
) -> dict[str, str]:
    text = f"{ts}\n{nonce}\n{method}\n{uri}\n{body}\n"
    sig = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {"Authorization": f"deri-hmac-sha256 id=local,ts={ts},sig={sig},nonce={nonce}"}


def test_the_documented_signature() -> None:
    assert signature("AMANDASECRECT", str(VECTOR_MS), "1iqt2wls", b"") == VECTOR


def test_the_documented_signature_grants_a_token() -> None:
    keeper = Auth(KEYS, lambda: 0, lambda: VECTOR_MS + 60_000)
    ask = {"grant_type": "client_signature", "client_id": "AMANDA", "timestamp": VECTOR_MS}
    ask |= {"nonce": "1iqt2wls", "signature": VECTOR, "data": ""}
    assert keeper.grant(ask)["token_type"] == "bearer"
    for change in ({"nonce": "x"}, {"data": "x"}, {"timestamp": VECTOR_MS + 1}, {"signature": VECTOR[:-1]}):
        with pytest.raises(VenueError) as caught:
            keeper.grant(ask | change)
        assert caught.value.code == 13009
    with pytest.raises(VenueError) as caught:
        keeper.grant(ask | {"client_id": "nobody"})
    assert caught.value.code == 13004
    late = Auth(KEYS, lambda: 0, lambda: VECTOR_MS + 60_001)
    with pytest.raises(VenueError) as caught:
        late.grant(ask)
    assert (caught.value.code, "60 s" in str(caught.value.data)) == (13009, True)


def test_a_signature_may_use_exchange_time_too() -> None:
    keeper = Auth(KEYS, lambda: VECTOR_MS - 60_000, lambda: 0)
    ask = {"grant_type": "client_signature", "client_id": "AMANDA", "timestamp": str(VECTOR_MS)}
    assert keeper.grant({**ask, "nonce": "1iqt2wls", "signature": VECTOR})["expires_in"] == 900


def test_credentials_give_tokens_that_end_after_900_seconds_of_exchange_time(
    http: httpx2.Client, opened: Exchange, clock: HandClock
) -> None:
    granted = by_key(http, state="mine")["result"]
    assert granted["expires_in"] == 900
    assert granted["state"] == "mine"
    assert set(granted["scope"].split()) >= {"account:read_write", "trade:read_write"}
    token = granted["access_token"]
    for spelling in ("Bearer", "bearer", "BEARER"):
        header = {"Authorization": f"{spelling} {token}"}
        assert http.get("private/get_positions", headers=header).status_code == 200
    body = {"method": "private/get_positions", "params": {"access_token": token}}
    assert http.post("", json=body).status_code == 200
    clock.seconds += 899
    assert http.get("private/get_positions", headers=bearer(token)).status_code == 200
    opened.desk.time.jump(opened.desk.time.now_ms() + 1_001)
    reply = http.get("private/get_positions", headers=bearer(token))
    assert (reply.status_code, decoded(reply)["error"]["code"]) == (401, 13009)
    renewed = auth(http, grant_type="refresh_token", refresh_token=granted["refresh_token"])["result"]
    assert renewed["scope"] == granted["scope"]
    assert http.get("private/get_positions", headers=bearer(renewed["access_token"])).status_code == 200


def test_tokens_outlive_a_restart_and_a_refresh_token_opens_no_door(
    http: httpx2.Client, clock: HandClock
) -> None:
    granted = by_key(http)["result"]
    other = exchange(clock=clock)
    with serving(other) as url:
        ask = f"{url}/api/v2/private/get_positions"
        assert httpx2.get(ask, headers=bearer(granted["access_token"]), timeout=LONGEST_S).status_code == 200
        assert httpx2.get(ask, headers=bearer(granted["refresh_token"]), timeout=LONGEST_S).status_code == 401
    wrong = auth(http, grant_type="refresh_token", refresh_token=granted["access_token"])
    assert wrong["error"]["code"] == 13009


def test_a_token_can_not_be_made_or_changed(http: httpx2.Client) -> None:
    token = by_key(http, "reader", "r-secret")["result"]["access_token"]
    body, _, seal = token.partition(".")
    claims = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    assert "trade:read " in claims + " "
    forged = base64.urlsafe_b64encode(claims.replace("trade:read", "trade:read_write").encode()).decode()
    for one in (f"{forged.rstrip('=')}.{seal}", f"{body}.{'0' * len(seal)}", body, f"{body}.", "a.b", "."):
        reply = http.get("private/get_positions", headers=bearer(one))
        assert decoded(reply)["error"]["code"] == 13009


@pytest.mark.parametrize(
    "params",
    [
        {"grant_type": "password"},
        {},
        {"grant_type": "client_credentials", "client_id": "local"},
        {"grant_type": "client_credentials", "client_id": "local", "client_secret": "local", "scope": "fly"},
        {"grant_type": "refresh_token"},
    ],
)
def test_a_grant_that_makes_no_sense(http: httpx2.Client, params: dict[str, str]) -> None:
    assert auth(http, **params)["error"]["code"] == -32602


def test_wrong_credentials_show_no_secret(http: httpx2.Client) -> None:
    for client_id, secret in (("local", "guess"), ("guess", "local"), ("local", "é")):
        reply = http.get(
            "public/auth",
            params={"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret},
        )
        assert (reply.status_code, decoded(reply)["error"]["code"]) == (401, 13004)
        assert "local" not in reply.text
    assert "AMANDASECRECT" not in repr(KEYS)


def test_signed_headers(http: httpx2.Client, clock: HandClock) -> None:
    now = clock.wall_ms()
    uri = "/api/v2/private/get_account_summary?currency=BTC"
    ask = uri.removeprefix("/api/v2/")
    good = signed_header(now, "n", uri)
    assert http.get(ask, headers=good).status_code == 200
    assert http.get(ask, headers=good).status_code == 200, "a read may be repeated"
    for bad in (
        signed_header(now, "n", uri, secret="other"),
        signed_header(now, "n", uri.replace("BTC", "ETH")),
        signed_header(now, "n", uri, method="POST"),
        signed_header(now - 60_001, "n", uri),
        signed_header(now + 60_001, "n", uri),
    ):
        reply = http.get(ask, headers=bad)
        assert (reply.status_code, decoded(reply)["error"]["code"]) == (401, 13009)
    fields = good["Authorization"].removeprefix("deri-hmac-sha256 ").split(",")
    shuffled = {"Authorization": "deri-hmac-sha256 " + ", ".join(reversed(fields))}
    assert http.get(ask, headers=shuffled).status_code == 200
    body = '{"method": "private/get_positions", "params": {}}'
    header = signed_header(now, "n", "/api/v2", "POST", body) | {"Content-Type": "application/json"}
    base = str(http.base_url).rstrip("/")
    assert httpx2.post(base, content=body, headers=header, timeout=LONGEST_S).status_code == 200
    assert httpx2.post(base, content=body + " ", headers=header, timeout=LONGEST_S).status_code == 401


def test_a_signed_order_counts_once_but_a_nonce_may_come_twice(http: httpx2.Client, clock: HandClock) -> None:
    now = clock.wall_ms()

    def sell(amount: str) -> httpx2.Response:
        uri = f"/api/v2/private/sell?instrument_name={NAME}&amount={amount}&price=0.02"
        return http.get(uri.removeprefix("/api/v2/"), headers=signed_header(now, str(now), uri))

    assert [sell("0.1").status_code, sell("0.2").status_code] == [200, 200]
    again = sell("0.1")
    assert (again.status_code, decoded(again)["error"]["code"]) == (401, 13009)
    orders = decoded(http.get("private/get_open_orders", auth=("local", "local")))["result"]
    assert sorted(one["amount"] for one in orders) == [Decimal("0.1"), Decimal("0.2")]


def test_scopes_hold(http: httpx2.Client) -> None:
    reader = by_key(http, "reader", "r-secret", scope="trade:read_write account:read_write")["result"]
    assert "read_write" not in reader["scope"], "the lesser of what was asked and what the key may"
    header = bearer(reader["access_token"])
    assert http.get("private/get_positions", headers=header).status_code == 200
    assert http.get("private/get_account_summary?currency=BTC", headers=header).status_code == 200
    for method in ("buy", "sell", "edit", "edit_by_label", "cancel", "cancel_all", "cancel_by_label"):
        reply = http.get(f"private/{method}?label=x", headers=header)
        assert (reply.status_code, decoded(reply)["error"]["code"]) == (403, 13403)
    narrow = by_key(http, scope="trade:none account:read session:night expires:60")["result"]
    assert (narrow["expires_in"], narrow["sid"]) == (60, "night")
    assert set(narrow["scope"].split()) == {"account:read", "mainaccount", "session:night"}
    renewed = auth(http, grant_type="refresh_token", refresh_token=narrow["refresh_token"])["result"]
    for token in (narrow["access_token"], renewed["access_token"]):
        reply = http.get("private/get_positions", headers=bearer(token))
        assert decoded(reply)["error"]["data"] == {"required_scope": "trade:read"}


def test_each_key_sees_its_own_account(http: httpx2.Client) -> None:
    http.get(f"private/sell?instrument_name={NAME}&amount=0.1&price=0.02", auth=("local", "local"))
    mine = decoded(http.get("private/get_open_orders", auth=("local", "local")))["result"]
    theirs = decoded(http.get("private/get_open_orders", auth=("AMANDA", "AMANDASECRECT")))["result"]
    assert (len(mine), theirs) == (1, [])
    reply = http.get(f"private/cancel?order_id={mine[0]['order_id']}", auth=("AMANDA", "AMANDASECRECT"))
    assert decoded(reply)["error"]["code"] == 10029


def test_scope_is_the_lesser_of_both() -> None:
    most = read_scope("trade:read account:read_write")
    assert granted(read_scope("trade:read_write account:none"), most).levels == {
        "account": "none",
        "block_rfq": "none",
        "block_trade": "none",
        "custody": "none",
        "trade": "read",
        "wallet": "none",
    }


@pytest.mark.parametrize(
    "keys",
    [
        (ApiKey("a", "s", "x"), ApiKey("a", "t", "x")),
        (ApiKey("", "s", "x"),),
        (ApiKey("a", "", "x"),),
        (ApiKey("a", "s", "x", "trade:write"),),
    ],
)
def test_keys_that_make_no_sense_are_named(keys: tuple[ApiKey, ...]) -> None:
    with pytest.raises(ValueError, match="key"):
        check_keys(keys)
