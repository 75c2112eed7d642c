"""The client: one JSON-RPC call, from parameters to a typed result or a VenueError (FACTS §1).

Owns the envelope. Numbers that are money are decoded as Decimal from the digits on the wire: msgspec reads a Decimal
field from the JSON text itself, no binary float comes between (tested with 24 digits). NaN, Infinity and numbers out
of range are no JSON and are refused as malformed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from optionwriter.adapters.deribit.errors import (
    DeribitError,
    MalformedReplyError,
    NoReplyError,
    RequestNotSentError,
    WrongEnvironmentError,
)
from optionwriter.ports import NotSentError, Transport, TransportError

T = TypeVar("T")

MAX_REPLY_BYTES = 8 * 1024 * 1024  # a whole chain of 1,000 options is about half a megabyte
_SHOWN = 60  # characters of an unreadable body that an error quotes

# What the `testnet` flag of every reply must be. The local exchange is no production exchange.
TESTNET_FLAG: dict[str, bool] = {"local": True, "testnet": True, "mainnet": False}


class _ErrorBody(msgspec.Struct):
    code: int
    message: str
    data: msgspec.Raw = msgspec.Raw(b"")


class _Envelope(msgspec.Struct, Generic[T]):
    """Either `result` or `error`; `usOut` is exchange time in microseconds."""

    result: T | msgspec.UnsetType = msgspec.UNSET
    error: _ErrorBody | msgspec.UnsetType = msgspec.UNSET
    testnet: bool | msgspec.UnsetType = msgspec.UNSET


class DeribitClient:
    """Calls a Deribit-speaking venue over a transport. Keeps no state but its decoders."""

    def __init__(self, transport: Transport, environment: str) -> None:
        """`environment` is local, testnet or mainnet; ValueError for another."""
        if environment not in TESTNET_FLAG:
            raise ValueError(f"unknown environment {environment!r}: known are {', '.join(TESTNET_FLAG)}")
        self._transport = transport
        self._environment = environment
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    @property
    def environment(self) -> str:
        """local, testnet or mainnet."""
        return self._environment

    def call(self, method: str, params: Mapping[str, object], result: type[T]) -> T:
        """The result of `method`, decoded as `result`. Decimal parameters go out as JSON numbers with their digits.

        Raises NoReplyError, MalformedReplyError, WrongEnvironmentError, DeribitError.
        """
        try:
            body = self._transport.call(method, params)
        except NotSentError as error:
            raise RequestNotSentError(f"{method}: not sent: {error}") from error
        except TransportError as error:
            raise NoReplyError(f"{method}: no reply: {error}") from error
        if len(body) > MAX_REPLY_BYTES:
            raise MalformedReplyError(
                f"{method}: a reply of {len(body)} bytes; the limit is {MAX_REPLY_BYTES}"
            )
        envelope = self._decode(method, body, result)
        self._check_network(method, envelope.testnet, is_error=envelope.error is not msgspec.UNSET)
        if not isinstance(envelope.error, msgspec.UnsetType):
            raise DeribitError(envelope.error.code, envelope.error.message, _text(envelope.error.data))
        if isinstance(envelope.result, msgspec.UnsetType):
            raise MalformedReplyError(f"{method}: a reply with neither result nor error")
        return envelope.result

    def _decode(self, method: str, body: bytes, result: type[T]) -> _Envelope[T]:
        decoder = self._decoders.get(result)
        if decoder is None:
            decoder = self._decoders[result] = msgspec.json.Decoder(_Envelope[result])  # type: ignore[valid-type]  # a type at run time
        try:
            envelope: _Envelope[T] = decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedReplyError(f"{method}: {_what(body)}: {error}") from None
        return envelope

    def _check_network(self, method: str, testnet: bool | msgspec.UnsetType, is_error: bool) -> None:
        if isinstance(testnet, msgspec.UnsetType):
            if is_error:  # some errors are made before the exchange knows itself; they carry no data of ours
                return
            raise MalformedReplyError(f"{method}: a reply without its testnet flag")
        if testnet is not TESTNET_FLAG[self._environment]:
            raise WrongEnvironmentError(
                f"{method}: the reply comes from {'a test' if testnet else 'the production'} network, but the "
                f"environment is {self._environment}: check DERIBIT_ENV and the address"
            )


def _what(body: bytes) -> str:
    """What an unreadable body is, in a few words."""
    head = body[:_SHOWN].decode("utf-8", "replace").strip()
    if not head:
        return "an empty reply"
    if head.startswith("<"):
        return f"a page instead of JSON ({head!r})"
    if head[0] not in "{[":
        return f"no JSON ({head!r})"
    return f"a reply of {len(body)} bytes that is not as documented"


def _text(data: msgspec.Raw) -> str:
    text = bytes(data).decode("utf-8", "replace")
    return "" if text == "null" else text[:200]
