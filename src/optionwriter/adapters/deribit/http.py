"""HttpTransport: JSON-RPC calls as HTTP POSTs over one kept-alive connection (FACTS §1). Implements ports.Transport.

Rules kept here: everything but the method's name travels in the body, the token in a header, nothing in the URL; every
wait has an end, every reply a largest size, unpacked too; redirects are refused; the environment's proxies are not
used. A body that is JSON-RPC is the reply whatever the HTTP status says; anything else that is no success is a
TransportError that names the status. A reply to another request than ours is none, and its connection is given up.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import NamedTuple

import httpx2
import msgspec

from optionwriter.adapters.deribit.deadline import Deadline, DeadlineTransport
from optionwriter.adapters.deribit.secret import HideSecrets, Secret, scrub, scrub_bytes
from optionwriter.ports import NotSentError, TransportError

HOSTS = {"mainnet": "https://www.deribit.com", "testnet": "https://test.deribit.com"}
MAX_REPLY_BYTES = 10 * 1024 * 1024
MAX_REQUEST_BYTES = 32 * 1024  # the exchange takes no more (FACTS §1)
_METHOD = re.compile(r"(public|private|local)/[a-z0-9_]+")
_HIDE_SECRETS = HideSecrets()
_TALKATIVE = (
    "httpx2",
    "httpcore2.http11",
    "httpcore2.connection",
    "httpcore2.proxy",
)  # loggers that show headers
_SHOWN = 80  # characters of an unreadable body that an error quotes


class UnusableReplyError(TransportError):
    """A reply that would come the same again: a redirect, one too large, one in an unknown encoding."""


class ErrorHead(msgspec.Struct, frozen=True):
    """The exchange's error, as far as a transport needs it."""

    code: int
    message: str = ""


class Answer(NamedTuple):
    """A JSON-RPC reply. `error` is set when it is an error."""

    body: bytes
    error: ErrorHead | None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `total_s` bounds the whole call, `keepalive_s` how long an idle connection is used again, `lifetime_s`
    how long any is: the exchange ends it after 15 minutes (FACTS §1), and an order sent just then would be Unknown."""

    connect_s: float = 5.0
    read_s: float = 10.0
    total_s: float = 20.0
    keepalive_s: float = 60.0
    lifetime_s: float = 840.0


DEFAULT_TIMEOUTS = Timeouts()


class _Head(msgspec.Struct):
    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    error: ErrorHead | msgspec.UnsetType = msgspec.UNSET


class _Got(NamedTuple):
    status: int
    content_type: str
    location: str
    body: bytes


def _reveal(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"a parameter of type {type(value).__name__} cannot be sent")


_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=_reveal)
_HEAD = msgspec.json.Decoder(_Head)


def local_url(port: int) -> str:
    """Where the local exchange listens."""
    return f"http://127.0.0.1:{port}"


class HttpTransport:
    """One venue over HTTP; for one thread at a time."""

    def __init__(
        self,
        base_url: str,
        monotonic: Callable[[], float],
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        proxy: str | None = None,
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        """`base_url` has neither path nor password and is https, or http on this machine; `proxy` is the only one
        used. ValueError otherwise."""
        self._url = _checked(base_url)
        self._timeouts = timeouts
        self._max_reply_bytes = max_reply_bytes
        self._monotonic = monotonic
        self._deadline = Deadline(monotonic)
        self._connected_at: float | None = None
        secure = self._url.scheme == "https"
        self._wire = DeadlineTransport(self._deadline, secure, proxy, timeouts.keepalive_s)
        self._client = httpx2.Client(
            transport=self._wire,
            base_url=self._url,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(timeouts.read_s, connect=timeouts.connect_s),
            headers={
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": "optionwriter",
            },
        )
        self._requests = 0
        for name in _TALKATIVE:
            logging.getLogger(name).addFilter(_HIDE_SECRETS)

    def __repr__(self) -> str:
        return f"HttpTransport({str(self._url)!r})"

    @property
    def is_local(self) -> bool:
        """Whether the venue is on this machine."""
        return _is_this_machine(self._url.host)

    @property
    def host(self) -> str:
        """The venue's host name."""
        return self._url.host

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        """One call without authorisation: the reply's body. Raises TransportError, NotSentError."""
        return self.post(method, params, None).body

    def post(self, method: str, params: Mapping[str, object], bearer: Secret | None) -> Answer:
        """One call with the token `bearer`. Raises TransportError, NotSentError; their messages hold no secret."""
        if not _METHOD.fullmatch(method):
            raise NotSentError(f"{method!r} is no method of the exchange")
        self._requests += 1
        self._renew_connection()
        secrets = [one for one in params.values() if isinstance(one, Secret)]
        headers = {}
        if bearer is not None:
            secrets.append(bearer)
            headers["Authorization"] = bearer
        got = self._exchange(method, self._requests, params, headers)
        if isinstance(got, TransportError):
            self._hang_up()
            raise type(got)(scrub(str(got), secrets))
        got = got._replace(
            body=scrub_bytes(got.body, secrets),
            location=scrub(got.location, secrets),
            content_type=scrub(got.content_type, secrets),
        )
        return self._judge(method, got, self._requests)

    def close(self) -> None:
        """Closes the connection for good."""
        self._client.close()

    def _renew_connection(self) -> None:
        """Gives up a connection that has lived its time."""
        now = self._monotonic()
        if self._connected_at is not None and now - self._connected_at >= self._timeouts.lifetime_s:
            self._hang_up()
        if self._connected_at is None:
            self._connected_at = now

    def _hang_up(self) -> None:
        self._wire.hang_up()
        self._connected_at = None

    def _exchange(
        self, method: str, number: int, params: Mapping[str, object], secret_headers: Mapping[str, Secret]
    ) -> _Got | TransportError:
        """The HTTP exchange. Its failure is returned and not raised, so that no traceback holds what was sent."""
        try:
            content = _encoded(method, number, params)
            headers = {name: f"Bearer {value.reveal()}" for name, value in secret_headers.items()}
            self._deadline.start(self._timeouts.total_s)
            with self._client.stream(
                "POST", f"/api/v2/{method}", content=content, headers=headers
            ) as response:
                return _Got(
                    response.status_code,
                    response.headers.get("content-type", "no content type").split(";")[0],
                    response.headers.get("location", ""),
                    b"".join(self._body(response)),
                )
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            return NotSentError(f"{self.host} cannot be reached: {_said(error)}")
        except httpx2.TimeoutException as error:
            return TransportError(f"{self.host} has not answered in time: {_said(error)}")
        except httpx2.HTTPError as error:
            return TransportError(f"the connection to {self.host} broke: {_said(error)}")
        except (TransportError, NotSentError) as error:
            return error
        except Exception as error:  # a bug of ours or of a library: nobody knows how far it came
            return TransportError(f"calling {self.host} failed: {_said(error)}")

    def _body(self, response: httpx2.Response) -> Iterator[bytes]:
        """The body's pieces, unpacked. Raises UnusableReplyError as soon as they are more than the limit."""
        limit = self._max_reply_bytes
        too_large = UnusableReplyError(f"{self.host} answers with more than {limit:,} bytes")
        length = response.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise too_large
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            raise UnusableReplyError(
                f"{self.host} answers in the encoding {encoding!r}, which was not asked for"
            )
        unpack = zlib.decompressobj(31) if encoding == "gzip" else None
        size = 0
        for piece in response.iter_raw():
            if unpack is not None:
                try:
                    piece = unpack.decompress(piece, limit - size + 1)
                except zlib.error as error:
                    raise TransportError(f"{self.host} answers with broken gzip: {error}") from None
            size += len(piece)
            if size > limit:
                raise too_large
            yield piece
        if unpack is not None and not unpack.eof:
            raise TransportError(f"{self.host} answers with half of a gzip body")

    def _judge(self, method: str, got: _Got, number: int) -> Answer:
        """What came, as an answer; raises TransportError for what isn't one."""
        if 300 <= got.status < 400:
            raise UnusableReplyError(f"{self.host} redirects to {got.location!r}: refused")
        try:
            head = _HEAD.decode(got.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            head = None
        error = None if head is None or isinstance(head.error, msgspec.UnsetType) else head.error
        success = 200 <= got.status < 300
        if not success and error is None:
            shown = got.body[:_SHOWN].decode("utf-8", "replace").strip()
            raise TransportError(
                f"{self.host} answers with HTTP {got.status} and no JSON-RPC ({got.content_type}): {shown!r}"
            )
        if head is not None and head.id != number and (error is None or head.id not in (None, msgspec.UNSET)):
            self._hang_up()
            raise TransportError(f"{method}: the reply is to request {head.id!r}, ours was {number}")
        return Answer(got.body, error)


def _checked(base_url: str) -> httpx2.URL:
    url = httpx2.URL(base_url)
    if url.userinfo or url.query or url.fragment or url.path not in ("", "/"):
        raise ValueError(
            f"the exchange's address is scheme, host and port, nothing else; got one of {url.host}"
        )
    if url.scheme == "https" and url.host:
        return url
    if url.scheme == "http" and _is_this_machine(url.host):
        return url
    raise ValueError(f"the exchange's address must be https, or http on this machine; got {base_url!r}")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _encoded(method: str, number: int, params: Mapping[str, object]) -> bytes:
    """The request's body. Raises NotSentError for what can't be sent."""
    for name, value in params.items():
        if isinstance(value, (Decimal, float)) and not (
            value.is_finite() if isinstance(value, Decimal) else isfinite(value)
        ):
            raise NotSentError(f"{method}: the parameter {name} is {value}, which is no number")
    try:
        body = _ENCODER.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params)})
    except (TypeError, ValueError) as error:
        raise NotSentError(f"{method}: {error}") from None
    if len(body) > MAX_REQUEST_BYTES:
        raise NotSentError(f"{method}: a request of {len(body):,} bytes; the limit is {MAX_REQUEST_BYTES:,}")
    return body


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
