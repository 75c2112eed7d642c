"""Auth: who asks, by key, signature or token (FACTS §1).

Tokens carry what they grant and are sealed with the key's secret, so that they outlive a restart and nothing is stored;
they live in exchange time. Timestamps of signatures are held against both the machine's time and exchange time, since a
client may use either. A signed header is refused the second time only for requests that change something, and only when
timestamp, nonce and signature are all the same: clients repeat nonces within a millisecond. Secrets are in no message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from optionwriter.venue.errors import VenueError
from optionwriter.venue.params import Params
from optionwriter.venue.scopes import Scope, granted, read_scope
from optionwriter.venue.values import Json

ACCESS_SECONDS = 900  # assumed: what client libraries expect (FACTS §1)
REFRESH_SECONDS = 30 * 86_400  # assumed: longer than an access token's life
SIGNATURE_WINDOW_MS = 60_000

GRANTS = ("client_credentials", "client_signature", "refresh_token")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of an account. `scope` is the most that it may do."""

    client_id: str
    secret: str
    account_id: str
    scope: str = "account:read_write trade:read_write"

    def __repr__(self) -> str:
        return f"ApiKey({self.client_id})"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what they may."""

    account_id: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Signed:
    """The parts of a request that a header's signature covers, exactly as they were sent."""

    method: str
    uri: str
    body: bytes


class _Claims(msgspec.Struct, array_like=True):
    """What a token says."""

    client_id: str
    use: str
    scope: str
    ends_ms: int
    number: int


def signature(secret: str, timestamp: str, nonce: str, data: bytes) -> str:
    """HMAC-SHA256 in lower-case hex over timestamp, nonce and data, a line each."""
    text = f"{timestamp}\n{nonce}\n".encode() + data
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


class Auth:
    """Checks keys and tokens, and issues tokens."""

    def __init__(
        self, keys: tuple[ApiKey, ...], exchange_ms: Callable[[], int], wall_ms: Callable[[], int]
    ) -> None:
        self._keys = {key.client_id: key for key in keys}
        self._exchange_ms, self._wall_ms = exchange_ms, wall_ms
        self._issued = 0
        self._seen: dict[tuple[str, str, str], int] = {}

    def grant(self, raw: Mapping[str, object]) -> Json:
        """public/auth. Refusals: 13004 for a wrong key, 13009 for a wrong signature or refresh token."""
        params = Params(raw)
        kind = params.choice("grant_type", GRANTS)
        asked = read_scope(params.text("scope"))
        if kind == "client_credentials":
            key = self._known(params.required("client_id"), params.required("client_secret"))
            most = read_scope(key.scope)
        elif kind == "client_signature":
            key = self._by_signature(params)
            most = read_scope(key.scope)
        else:
            key, most = self._by_token(params.required("refresh_token"), "refresh")
            asked = asked if params.has("scope") else most
        scope = granted(asked, most)
        life = min(scope.expires_s or ACCESS_SECONDS, ACCESS_SECONDS)
        self._issued += 1
        reply: Json = {
            "access_token": self._token(key, "access", scope, life),
            "refresh_token": self._token(key, "refresh", scope, REFRESH_SECONDS),
            "expires_in": life,
            "token_type": "bearer",
            "scope": scope.text(),
            "enabled_features": [],
        }
        if params.has("state"):
            reply["state"] = params.text("state")
        if scope.session:
            reply["sid"] = scope.session
        return reply

    def caller(self, header: str, params: Mapping[str, object], signed: Signed, changes: bool) -> Caller:
        """Who sent a private request. Refusals: 10000 nobody, 13004 a wrong key, 13009 a wrong token or signature."""
        kind, _, rest = header.strip().partition(" ")
        kind, rest = kind.lower(), rest.strip()
        token = params.get("access_token")
        if kind == "bearer":
            key, scope = self._by_token(rest, "access")
        elif kind == "basic":
            key = self._known(*_basic(rest))
            scope = read_scope(key.scope)
        elif kind == "deri-hmac-sha256":
            key = self._by_header(rest, signed, changes)
            scope = read_scope(key.scope)
        elif not kind and isinstance(token, str):
            key, scope = self._by_token(token, "access")
        elif not kind:
            raise VenueError(10000)
        else:
            raise VenueError(13009)
        return Caller(key.account_id, scope)

    def _known(self, client_id: str, secret: str) -> ApiKey:
        key = self._keys.get(client_id)
        if key is None or not _same(key.secret, secret):
            raise VenueError(13004)
        return key

    def _by_signature(self, params: Params) -> ApiKey:
        key = self._keys.get(params.required("client_id"))
        if key is None:
            raise VenueError(13004)
        timestamp, nonce = params.required("timestamp"), params.text("nonce")
        self._check(key, timestamp, nonce, params.text("data").encode(), params.required("signature"))
        return key

    def _by_header(self, rest: str, signed: Signed, changes: bool) -> ApiKey:
        fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        timestamp, nonce, sig = fields.get("ts", ""), fields.get("nonce", ""), fields.get("sig", "")
        key = self._keys.get(fields.get("id", ""))
        if key is None:
            raise VenueError(13004)
        data = f"{signed.method}\n{signed.uri}\n".encode() + signed.body + b"\n"
        self._check(key, timestamp, nonce, data, sig)
        if changes:
            self._once(timestamp, nonce, sig)
        return key

    def _check(self, key: ApiKey, timestamp: str, nonce: str, data: bytes, sig: str) -> None:
        if not _same(signature(key.secret, timestamp, nonce, data), sig.lower()):
            raise VenueError(13009)
        clocks = (self._wall_ms(), self._exchange_ms())
        stamp = int(timestamp) if timestamp.isdigit() else -SIGNATURE_WINDOW_MS
        if all(abs(now - stamp) > SIGNATURE_WINDOW_MS for now in clocks):
            raise VenueError(13009, data={"reason": "timestamp is more than 60 s off"})

    def _once(self, timestamp: str, nonce: str, sig: str) -> None:
        now, used = self._wall_ms(), (timestamp, nonce, sig)
        if used in self._seen:
            raise VenueError(13009, data={"reason": "signature was used before"})
        self._seen = {one: at for one, at in self._seen.items() if now - at <= 2 * SIGNATURE_WINDOW_MS}
        self._seen[used] = now

    def _token(self, key: ApiKey, use: str, scope: Scope, seconds: int) -> str:
        ends_ms = self._exchange_ms() + seconds * 1_000
        claims = _Claims(key.client_id, use, scope.text(whole=True), ends_ms, self._issued)
        body = base64.urlsafe_b64encode(msgspec.json.encode(claims)).decode().rstrip("=")
        return f"{body}.{_seal(key, body)}"

    def _by_token(self, token: str, use: str) -> tuple[ApiKey, Scope]:
        body, _, seal = token.partition(".")
        try:
            padded = body + "=" * (-len(body) % 4)
            claims = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=_Claims)
        except (binascii.Error, ValueError, msgspec.DecodeError):
            raise VenueError(13009) from None
        key = self._keys.get(claims.client_id)
        if key is None or not _same(_seal(key, body), seal) or claims.use != use:
            raise VenueError(13009)
        if self._exchange_ms() >= claims.ends_ms:
            raise VenueError(13009)
        return key, granted(read_scope(claims.scope), read_scope(key.scope))


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _seal(key: ApiKey, body: str) -> str:
    return hmac.new(key.secret.encode(), b"token " + body.encode(), hashlib.sha256).hexdigest()[:40]


def _basic(text: str) -> tuple[str, str]:
    try:
        client_id, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise VenueError(13004) from None
    return client_id, secret


def check_keys(keys: tuple[ApiKey, ...]) -> None:
    """Errors: ValueError for keys that share an id or grant nothing readable."""
    seen: set[str] = set()
    for key in keys:
        if key.client_id in seen or not key.client_id or not key.secret:
            raise ValueError(
                f"the exchange's key {key.client_id!r} is empty or there twice: name each key once"
            )
        seen.add(key.client_id)
        try:
            read_scope(key.scope)
        except VenueError as refusal:
            raise ValueError(f"the scope of the exchange's key {key.client_id}: {refusal.data}") from None
