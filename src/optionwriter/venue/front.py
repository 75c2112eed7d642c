"""Front desk: the exchange behind whatever wire: who asks, may they, in order, at which instant.

One engine, one thread: requests are served one after the other. Before anything is applied or shown it is in the input
log: a changing request as it is, time as a promise that exchange time will go on from there at least. A process that
is killed therefore loses nothing that a client has seen; the log reaches the operating system with each line, and the
disk when the exchange stops or takes a snapshot, so a machine that loses power may lose the last moments.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from optionwriter.venue.auth import Auth, Caller, Signed
from optionwriter.venue.calls import Call
from optionwriter.venue.credits import Credits
from optionwriter.venue.engine import Engine, Reply
from optionwriter.venue.errors import METHOD_NOT_FOUND, VenueError, invalid
from optionwriter.venue.exchange_time import ExchangeTime
from optionwriter.venue.http_errors import WEBSOCKET_ONLY
from optionwriter.venue.methods import CHANGING
from optionwriter.venue.params import Params
from optionwriter.venue.scopes import require
from optionwriter.venue.values import JsonValue
from optionwriter.venue.wire import reply_bytes

PROMISE_MS = 1_000  # how far ahead of now the log's promise runs while time flows: a line a second at most

_log = logging.getLogger(__name__)


class InputLog(Protocol):
    """Where inputs go before they are applied. Errors: OSError when it can't be written."""

    def request(self, account_id: str | None, method: str, params: Mapping[str, object], at_ms: int) -> None:
        """A request that changes the exchange."""
        ...

    def promise(self, until_ms: int) -> None:
        """Exchange time, after a restart, goes on from here or later."""
        ...

    def rest(self) -> None:
        """A moment between requests, for whatever can wait."""
        ...


@dataclass(frozen=True, slots=True)
class Visit:
    """What a wire knows about a request beside the call itself."""

    header: str = ""  # Authorization
    address: str = ""
    signed: Signed = field(default_factory=lambda: Signed("GET", "", b""))


@dataclass(frozen=True, slots=True)
class Served:
    """An envelope, and the refusal that it tells, if it does."""

    body: bytes
    error: VenueError | None


class FrontDesk:
    """Serves calls. `credits` None means that nobody counts."""

    def __init__(
        self,
        engine: Engine,
        time: ExchangeTime,
        auth: Auth,
        credits: Credits | None = None,
        log: InputLog | None = None,
        promised_ms: int = 0,
    ) -> None:
        self.engine, self.time = engine, time
        self._auth, self._credits, self._input_log = auth, credits, log
        self._promised_ms = promised_ms
        self._own: dict[str, Callable[[Params], JsonValue]] = {
            "public/auth": lambda params: self._auth.grant(params.raw),
            "local/time": self._local_time,
            "local/advance": self._local_advance,
            "local/digest": lambda _: {"now_ms": self._bring_up(), "digest": self.engine.digest()},
        }

    def serve(self, call: Call, visit: Visit) -> Served:
        """One call, now. Never raises for what a client sends."""
        us_in = self.time.now_us()
        try:
            reply = self._serve(call, visit)
        except VenueError as refusal:
            reply = Reply(None, refusal, ())
        except OSError as error:
            _log.error(
                "the exchange's input log can't be written (%s), so nothing is served: free the disk", error
            )
            reply = Reply(None, VenueError(13028), ())
        except Exception:
            _log.exception("%s failed inside the exchange", call.method)
            reply = Reply(None, VenueError(11094), ())
        return self._envelope(reply, call.request_id, us_in)

    def rest(self) -> None:
        """To be called once a reply has gone out."""
        if self._input_log is not None:
            self._input_log.rest()

    def refuse(self, refusal: VenueError, request_id: int | str | None = None) -> Served:
        """The envelope for what was no call."""
        return self._envelope(Reply(None, refusal, ()), request_id, self.time.now_us())

    def _envelope(self, reply: Reply, request_id: int | str | None, us_in: int) -> Served:
        return Served(reply_bytes(reply, request_id, us_in, self.time.now_us()), reply.error)

    def _serve(self, call: Call, visit: Visit) -> Reply:
        method = call.method
        if method in WEBSOCKET_ONLY:
            raise VenueError(10030)
        own = self._own.get(method)
        local_off = method.startswith("local/") and not self.engine.allow_local
        if local_off or (own is None and not self.engine.serves(method)):
            raise VenueError(METHOD_NOT_FOUND)
        caller = self._identify(call, visit)
        payer = f"account {caller.account_id}" if caller else f"address {visit.address}"
        if self._credits and not self._credits.spend(payer, method, call.params.get("currency") is not None):
            raise VenueError(10028)
        if own is not None:
            return Reply(own(Params(call.params)), None, ())
        account_id = caller.account_id if caller else None
        now_ms = self._promise_now()
        if method in CHANGING and self._input_log is not None:
            self._input_log.request(account_id, method, _without_token(call.params), now_ms)
        return self.engine.handle(account_id, method, call.params, now_ms)

    def _identify(self, call: Call, visit: Visit) -> Caller | None:
        """Who asks. Private methods and deposits need somebody; elsewhere a credential that fails is not looked at."""
        needed = call.method.startswith("private/") or call.method == "local/deposit"
        if not needed and not visit.header:
            return None
        try:
            caller = self._auth.caller(visit.header, call.params, visit.signed, call.method in CHANGING)
        except VenueError:
            if needed:
                raise
            return None
        if call.method.startswith("private/"):
            require(caller.scope, call.method)
        return caller

    def _promise_now(self) -> int:
        """Now, once the log has promised it."""
        now_ms = self.time.now_ms()
        self._promise(now_ms)
        return now_ms

    def _promise(self, at_ms: int) -> None:
        if at_ms > self._promised_ms:
            until_ms = at_ms if self.time.frozen else at_ms + PROMISE_MS
            if self._input_log is not None:
                self._input_log.promise(until_ms)
            self._promised_ms = until_ms

    def _bring_up(self) -> int:
        """Moves the engine to now."""
        now_ms = self._promise_now()
        self.engine.advance(now_ms)
        return now_ms

    def _local_time(self, _: Params) -> JsonValue:
        """Exchange time, the sample's period, and whether it has ended and the market stands still."""
        now_ms, feed = self._promise_now(), self.engine.state.market.feed
        return {
            "now_ms": now_ms,
            "start_ms": feed.start_ms,
            "end_ms": feed.end_ms,
            "ended": now_ms >= feed.end_ms,
            "frozen": self.time.frozen,
        }

    def _local_advance(self, params: Params) -> JsonValue:
        """Jumps to `to_ms`, everything on the way included; an instant that has passed is no error. Shows the time."""
        if not params.has("to_ms"):
            raise invalid("to_ms", "value required")
        to_ms = params.integer("to_ms", 0, 0, self.engine.now_ms + MAX_JUMP_MS)
        self._promise(max(to_ms, self.time.now_ms()))
        self.time.jump(to_ms)
        self._bring_up()
        return self._local_time(params)


def _without_token(params: Mapping[str, object]) -> dict[str, object]:
    """Parameters as the log keeps them: no secret is written down."""
    return {key: one for key, one in params.items() if key != "access_token"}


MAX_JUMP_MS = 366 * 86_400_000
"""A longer jump is a mistake, and would stand for hours."""
