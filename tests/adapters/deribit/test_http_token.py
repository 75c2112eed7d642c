"""The token's owner: when it asks for a token, what it makes of the answer, which keys it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from optionwriter.adapters.deribit.http import Answer, ErrorHead
from optionwriter.adapters.deribit.secret import Secret
from optionwriter.adapters.deribit.token import (
    AuthorisedTransport,
    Credentials,
    CredentialsError,
    TokenOwner,
    check_scope,
)
from optionwriter.ports import NotSentError, TransportError
from tests.adapters.deribit.scripted import err, ok

FULL = "account:read_write trade:read_write wallet:none connection mainaccount"


class Venue:
    """A wire that grants numbered tokens, or does what `says` tells it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lasts: float = 900
        self.scope = FULL
        self.granted = 0
        self.says: list[bytes | Exception] = []
        self.calls: list[tuple[str, str | None]] = []
        self.refused: set[str] = set()

    def post(self, method: str, params: Mapping[str, object], bearer: Secret | None) -> Answer:
        shown = None if bearer is None else bearer.reveal()
        self.calls.append((method, shown))
        if method == "public/auth":
            if self.says:
                said = self.says.pop(0)
                if isinstance(said, Exception):
                    raise said
                return Answer(said, None)
            assert params["grant_type"] == "client_credentials"
            self.granted += 1
            grant = {"access_token": f"t{self.granted}", "expires_in": self.lasts, "scope": self.scope}
            return Answer(ok(grant), None)
        if shown in self.refused:
            return Answer(err(13009, "unauthorized"), ErrorHead(13009, "unauthorized"))
        return Answer(ok(1), None)

    def owner(self, trading: bool = True, environment: str = "testnet") -> TokenOwner:
        return TokenOwner(
            self, Credentials("id", Secret("a long secret")), environment, lambda: self.now, trading
        )


@pytest.fixture
def venue() -> Venue:
    return Venue()


def test_one_token_serves_until_80_percent_of_its_life_and_then_another(venue: Venue) -> None:
    owner = venue.owner()
    for at, token in ((0, "t1"), (719.9, "t1"), (720.1, "t2"), (1440, "t2"), (1441, "t3")):
        venue.now = 1000 + at
        assert owner.bearer().reveal() == token
    assert venue.granted == 3


def test_the_life_is_what_the_exchange_says_not_a_guess(venue: Venue) -> None:
    venue.lasts = 31_536_000
    owner = venue.owner()
    owner.bearer()
    venue.now += 20_000_000
    assert owner.bearer().reveal() == "t1"
    venue.lasts = 10
    owner.drop()
    assert owner.bearer().reveal() == "t2"
    venue.now += 8.1
    assert owner.bearer().reveal() == "t3"


def test_a_token_that_can_not_be_renewed_serves_to_its_end_and_the_exchange_is_not_pestered(
    venue: Venue,
) -> None:
    owner = venue.owner()
    owner.bearer()
    venue.says = [TransportError("down"), err(10028, "too_many_requests"), TransportError("down")]
    for at, asked in ((730, 2), (731, 2), (759, 2), (761, 3), (790.9, 3)):
        venue.now = 1000 + at
        assert owner.bearer().reveal() == "t1"
        assert len(venue.calls) == asked
    venue.now = 1900  # its life is over: no token, and no call without one
    with pytest.raises(NotSentError, match="no access token"):
        owner.bearer()
    assert owner.held() is None
    venue.now += 1
    assert owner.bearer().reveal() == "t2"


@pytest.mark.parametrize("code", [10028, 11051, 13028, 11094])
def test_an_exchange_that_is_unwell_is_no_fault_of_the_key(venue: Venue, code: int) -> None:
    venue.says = [err(code, "unwell")]
    with pytest.raises(NotSentError, match=str(code)) as caught:
        venue.owner().bearer()
    assert not isinstance(caught.value, CredentialsError)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (err(13004, "invalid_credentials"), "DERIBIT_CLIENT_SECRET"),
        (err(13009, "unauthorized"), "DERIBIT_ENV"),
        (ok({"access_token": "x", "expires_in": 900, "scope": FULL}, testnet=False), "DERIBIT_ENV"),
        (ok({"access_token": "x", "expires_in": 900, "scope": FULL + " wallet:read_write"}), "withdraw"),
        (
            ok({"access_token": "x", "expires_in": 900, "scope": "account:read trade:read"}),
            "trade:read_write",
        ),
    ],
)
def test_a_key_that_can_not_serve_is_named_with_the_cure(venue: Venue, said: bytes, word: str) -> None:
    venue.says = [said]
    with pytest.raises(CredentialsError, match=word):
        venue.owner().bearer()


@pytest.mark.parametrize(
    "grant",
    [
        {"access_token": "", "expires_in": 900, "scope": FULL},
        {"access_token": "a b", "expires_in": 900, "scope": FULL},
        {"access_token": "x", "expires_in": 0, "scope": FULL},
        {"access_token": "x", "expires_in": -5, "scope": FULL},
        {"access_token": "x", "scope": FULL},
        {"access_token": "x", "expires_in": 900},
        {"access_token": 5, "expires_in": 900, "scope": FULL},
        [],
        None,
    ],
)
def test_a_grant_that_is_none_gives_no_token(venue: Venue, grant: Any) -> None:
    venue.says = [ok(grant)]
    with pytest.raises(NotSentError, match=r"no access token|a token that is none"):
        venue.owner().bearer()


# -- scopes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "trading", "missing"),
    [
        (FULL, True, None),
        ("account:read trade:read_write", True, None),
        ("account:read trade:read", False, None),
        ("account:read trade:read", True, "trade:read_write"),
        ("account:read trade:none", False, "trade:read"),
        ("account:read", False, "trade:read"),
        ("trade:read_write", True, "account:read"),
        ("", False, "account:read"),
        ("account:read trade:read_write wallet:read", True, None),
        ("account:read trade:read_write wallet:read_write", True, "withdraw"),
        ("wallet:read_write wallet:none account:read trade:read_write", False, "withdraw"),
    ],
)
def test_what_a_key_may(scope: str, trading: bool, missing: str | None) -> None:
    if missing is None:
        check_scope(scope, trading)
    else:
        with pytest.raises(CredentialsError, match=missing):
            check_scope(scope, trading)


def test_a_key_that_gains_the_right_to_withdraw_is_refused_at_its_renewal(venue: Venue) -> None:
    owner = venue.owner()
    assert owner.scope == FULL
    venue.now += 800
    venue.scope = FULL.replace("wallet:none", "wallet:read_write")
    with pytest.raises(CredentialsError, match="withdraw"):
        owner.bearer()


# -- calls ------------------------------------------------------------------------------------------------------


def test_public_calls_need_no_token_and_carry_the_one_there_is(venue: Venue) -> None:
    transport = AuthorisedTransport(venue, venue.owner())
    transport.call("public/get_time", {})
    transport.call("private/get_positions", {})
    transport.call("public/get_time", {})
    assert venue.calls == [
        ("public/get_time", None),
        ("public/auth", None),
        ("private/get_positions", "t1"),
        ("public/get_time", "t1"),
    ]
    venue.refused = {"t1"}
    transport.call("public/get_time", {})  # the token has ended: public calls go on without
    assert venue.calls[-2:] == [("public/get_time", "t1"), ("public/get_time", None)]


def test_without_a_key_only_public_calls_are_possible(venue: Venue) -> None:
    transport = AuthorisedTransport(venue, None)
    transport.call("public/get_time", {})
    with pytest.raises(CredentialsError, match="DERIBIT_CLIENT_ID"):
        transport.call("private/get_positions", {})
    assert venue.calls == [("public/get_time", None)]


@pytest.mark.parametrize("method", ["private/buy", "private/sell", "private/edit", "private/close_position"])
def test_nothing_but_reads_and_cancellations_is_called_again(venue: Venue, method: str) -> None:
    venue.refused = {"t1"}
    AuthorisedTransport(venue, venue.owner()).call(method, {})
    assert [name for name, _ in venue.calls] == ["public/auth", method]


@pytest.mark.parametrize("method", ["private/get_positions", "private/cancel", "private/cancel_all"])
def test_reads_and_cancellations_are_called_again_once(venue: Venue, method: str) -> None:
    venue.refused = {"t1", "t2"}
    body = AuthorisedTransport(venue, venue.owner()).call(method, {})
    assert b"13009" in body
    assert venue.calls == [("public/auth", None), (method, "t1"), ("public/auth", None), (method, "t2")]
