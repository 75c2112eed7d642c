"""Wire: replies as JSON-RPC bytes, and the exchange in-process as a transport.

Owns the envelope (FACTS §1) and how exact numbers are written: a Decimal is a JSON number without an exponent and
without needless zeros (0.0005, 2.0), so that reading it back gives the same decimal; a float is its shortest text.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from optionwriter.venue.engine import Engine, Reply
from optionwriter.venue.journal import Journal
from optionwriter.venue.methods import CHANGING
from optionwriter.venue.state import Event
from optionwriter.venue.values import Json, JsonValue

_ENCODER = msgspec.json.Encoder()


def number_text(value: Decimal) -> str:
    """The JSON number that stands for `value`: 2.0, 0.00000012, -1.5."""
    if not value.is_finite():
        raise ValueError(f"{value} is no number for the wire")
    if not value:
        return "0.0"  # and never -0.0
    text = f"{value:f}"
    if "." not in text:
        return f"{text}.0"
    text = text.rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def plain(value: JsonValue) -> JsonValue:
    """The value with every Decimal in it as its number's text."""
    if isinstance(value, Decimal):
        return msgspec.Raw(number_text(value).encode())
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def reply_bytes(reply: Reply, request_id: int | str | None, us_in: int, us_out: int) -> bytes:
    """The envelope. `us_in` and `us_out` are microseconds; without a request id the reply has none (recorded)."""
    envelope: Json = {"jsonrpc": "2.0"}
    if request_id is not None:
        envelope["id"] = request_id
    if reply.error is None:
        envelope["result"] = plain(reply.result)
    else:
        error: Json = {"code": reply.error.code, "message": reply.error.message}
        if reply.error.data is not None:
            error["data"] = plain(reply.error.data)
        envelope["error"] = error
    envelope |= {"usIn": us_in, "usOut": us_out, "usDiff": us_out - us_in, "testnet": True}
    return _ENCODER.encode(envelope)


class InProcessVenue:
    """The exchange as one account's Transport, at the engine's own time: it stands still but for `advance`.

    With a journal, every input that changes the exchange is written before it is applied.
    """

    def __init__(self, engine: Engine, account_id: str | None, journal: Journal | None = None) -> None:
        self.engine = engine
        self.account_id = account_id
        self._journal = journal
        self._requests = 0

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        """One request, served now."""
        self._requests += 1
        now_ms = self.engine.now_ms
        if self._journal is not None and (method in CHANGING):
            self._journal.request(self.account_id, method, params, now_ms)
        reply = self.engine.handle(self.account_id, method, params, now_ms)
        us = now_ms * 1_000
        return reply_bytes(reply, self._requests, us, us)

    def advance(self, to_ms: int) -> list[Event]:
        """Moves exchange time. Errors: ValueError for an instant that has passed."""
        if self._journal is not None and to_ms > self.engine.now_ms:
            self._journal.advance(to_ms)
        return self.engine.advance(to_ms)
