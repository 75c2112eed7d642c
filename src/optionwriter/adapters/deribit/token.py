"""The access token and its one owner; calls that carry it.

Rules kept here: nobody else authenticates. The token is got by client_credentials in a POST body and renewed in the
same way at 80 % of its life, so there is no refresh token to lose to another client. Its age is measured on a monotonic
clock. What the exchange grants is looked at before the token is used: a key that may withdraw is refused, and for live
trading a key that may not trade. Public calls carry the token when there is one, for then they count for the account
and not for the address (FACTS §5).

On 13009 (the token is no longer good) the token is dropped, and a read or a cancellation is made once more with a new
one. An order is not: 13009 is a definite refusal, so it is answered as such, and the caller decides afresh.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import DeribitError, NoReplyError, VenueError, WrongEnvironmentError
from optionwriter.adapters.deribit.http import Answer
from optionwriter.adapters.deribit.retries import RETRY_SAFE, Wire, is_cancel, is_read
from optionwriter.adapters.deribit.secret import HIDDEN, Secret, scrub
from optionwriter.ports import NotSentError

UNAUTHORIZED = 13009
RENEW_AT = 0.8  # of its life
_RETRY_RENEWAL_S = 30.0
_USABLE = re.compile(r"[!-~]+")  # what a header may hold


class CredentialsError(NotSentError):
    """The key is missing, refused, or may do too much or too little; nothing was sent with it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key."""

    client_id: str
    client_secret: Secret


class _Grant(msgspec.Struct):
    """public/auth. `expires_in` is seconds."""

    access_token: str
    expires_in: float
    scope: str

    def __repr__(self) -> str:
        return f"_Grant({HIDDEN})"


@dataclass(frozen=True, slots=True)
class _Token:
    bearer: Secret
    got_at: float
    lasts_s: float
    scope: str


class _Bare:
    """A wire as a transport without a token."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        return self._wire.post(method, params, None).body


class TokenOwner:
    """Gets, keeps and renews the token of one key."""

    def __init__(
        self,
        wire: Wire,
        credentials: Credentials,
        environment: str,
        monotonic: Callable[[], float],
        trading: bool,
    ) -> None:
        """`trading`: orders will be sent, so the key must be allowed to. `monotonic` runs as the exchange's time."""
        self._client = DeribitClient(_Bare(wire), environment)
        self._credentials = credentials
        self._monotonic = monotonic
        self._trading = trading
        self._token: _Token | None = None
        self._renew_after = 0.0

    @property
    def scope(self) -> str:
        """What the exchange granted, in its own words; asks for a token if there is none. Raises NotSentError."""
        self.bearer()
        assert self._token is not None
        return self._token.scope

    def bearer(self) -> Secret:
        """A token that is good now. Raises CredentialsError, NotSentError."""
        token, now = self._token, self._monotonic()
        age = float("inf") if token is None else now - token.got_at
        if token is not None and age < RENEW_AT * token.lasts_s:
            return token.bearer
        if token is not None and age < token.lasts_s:
            if now < self._renew_after:
                return token.bearer
            self._renew_after = now + _RETRY_RENEWAL_S
            try:
                self._token = self._get()
            except CredentialsError:
                raise
            except NotSentError:  # the old one still serves
                return token.bearer
            return self._token.bearer
        self._token = None
        self._token = self._get()
        return self._token.bearer

    def held(self) -> Secret | None:
        """The token that is there, if it is still good; asks for none."""
        token = self._token
        if token is None or self._monotonic() - token.got_at >= token.lasts_s:
            return None
        return token.bearer

    def drop(self) -> None:
        """The exchange no longer takes the token."""
        self._token = None

    def _get(self) -> _Token:
        begun = self._monotonic()
        failure: NotSentError
        try:
            grant = self._client.call(
                "public/auth",
                {
                    "grant_type": "client_credentials",
                    "client_id": self._credentials.client_id,
                    "client_secret": self._credentials.client_secret,
                },
                _Grant,
            )
            if not (_USABLE.fullmatch(grant.access_token) and 0 < grant.expires_in < float("inf")):
                raise NotSentError("the exchange gave a token that is none")
            check_scope(grant.scope, self._trading)
            return _Token(Secret(grant.access_token), begun, grant.expires_in, grant.scope)
        except NotSentError as error:
            failure = error
        except VenueError as error:
            failure = self._failure(error)
        # Raised anew, so that no traceback leads to what was sent or answered.
        raise type(failure)(scrub(str(failure), [self._credentials.client_secret]))

    def _failure(self, error: VenueError) -> NotSentError:
        environment = self._client.environment
        if isinstance(error, DeribitError) and error.code not in RETRY_SAFE:
            return CredentialsError(
                f"the {environment} exchange does not take the key: {error.code} {error.message}: check "
                "DERIBIT_CLIENT_ID and DERIBIT_CLIENT_SECRET, and that the key was made for DERIBIT_ENV"
            )
        if isinstance(error, (DeribitError, NoReplyError)):
            return NotSentError(f"no access token: {error}")
        if isinstance(error, WrongEnvironmentError):
            return CredentialsError(f"no access token: {error}")
        # What came may hold a token, so it is not quoted.
        return NotSentError("no access token: the reply to public/auth is not as documented")


def check_scope(scope: str, trading: bool) -> None:
    """Raises CredentialsError for a key that may withdraw, or that may not do what it is for."""
    granted: dict[str, str] = {}
    for word in scope.split():
        kind, _, right = word.partition(":")
        if granted.get(kind) != "read_write":
            granted[kind] = right
    if granted.get("wallet") == "read_write":
        raise CredentialsError(
            "this API key may withdraw funds (wallet:read_write): make one without it on Deribit (wallet: none), "
            "with account: read and trade: read_write, and set that"
        )
    wanted: dict[str, tuple[str, ...]] = {
        "account": ("read", "read_write"),
        "trade": ("read", "read_write"),
    }
    if trading:
        wanted["trade"] = ("read_write",)
    for kind, rights in wanted.items():
        if granted.get(kind) not in rights:
            raise CredentialsError(
                f"this API key lacks {kind}:{rights[0]} (granted: {scope.strip() or 'nothing'}): "
                "add it to the key on Deribit"
            )


class AuthorisedTransport:
    """A wire as ports.Transport, private calls with the token. Without an owner only public calls are possible."""

    def __init__(self, wire: Wire, owner: TokenOwner | None) -> None:
        self._wire = wire
        self._owner = owner

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        """The reply's body. Raises TransportError, NotSentError, CredentialsError."""
        owner = self._owner
        private = method.startswith("private/") or method == "local/deposit"
        if owner is None:
            if private:
                raise CredentialsError(
                    f"{method} needs an API key: set DERIBIT_CLIENT_ID and DERIBIT_CLIENT_SECRET"
                )
            return self._wire.post(method, params, None).body
        answer = self._wire.post(method, params, owner.bearer() if private else owner.held())
        if _expired(answer):
            owner.drop()
            if is_read(method) or is_cancel(method):
                answer = self._wire.post(method, params, owner.bearer() if private else None)
                if _expired(answer):
                    owner.drop()
        return answer.body


def _expired(answer: Answer) -> bool:
    return answer.error is not None and answer.error.code == UNAUTHORIZED
