"""Wire: replies as JSON-RPC bytes, and the exchange in-process as a transport.

Owns the envelope (FACTS §1); how exact numbers are written is venue/values'.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from optionwriter.venue.engine import Engine, Reply
from optionwriter.venue.journal import Journal
from optionwriter.venue.methods import CHANGING
from optionwriter.venue.state import Event
from optionwriter.venue.values import Json, plain

_ENCODER = msgspec.json.Encoder()


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
