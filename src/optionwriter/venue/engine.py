"""Engine: the exchange as a pure state machine: (request, time) → (reply, events).

Owns exchange time, which only moves forward and is never read from a clock, and the order in which things happen:
every point of the minute grid for resting orders, every 08:00 UTC, then the request. The grid is fixed, so the results
do not depend on how often anyone asks. The same inputs give the same outputs, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal

from optionwriter.core.market.instruments import next_expiry_instant
from optionwriter.core.market.money import quantise
from optionwriter.ports import Feed
from optionwriter.venue.accounts import Account, open_account
from optionwriter.venue.errors import METHOD_NOT_FOUND, VenueError
from optionwriter.venue.matching import match_resting
from optionwriter.venue.methods import Handler, handlers
from optionwriter.venue.params import Params
from optionwriter.venue.quotes import MarketView
from optionwriter.venue.request import Request
from optionwriter.venue.rules import MATCHING_GRID_MS
from optionwriter.venue.settlement import settle_day
from optionwriter.venue.state import Event, State
from optionwriter.venue.values import JsonValue


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request got: a result, or a refusal. `events` happened on the way, time's own included."""

    result: JsonValue
    error: VenueError | None
    events: tuple[Event, ...]


class Engine:
    """One exchange over one feed."""

    def __init__(
        self,
        feed: Feed,
        accounts: Mapping[str, Mapping[str, Decimal]],
        start_ms: int,
        allow_local: bool = False,
    ) -> None:
        """`accounts` are their opening cash by currency. `allow_local` turns the `local/…` control methods on."""
        opened: dict[str, Account] = {}
        for number, (account_id, cash) in enumerate(accounts.items(), start=1):
            opening = {currency: quantise(Decimal(amount), currency) for currency, amount in cash.items()}
            opened[account_id] = open_account(account_id, number, opening, start_ms)
        self.state = State(MarketView(feed), start_ms, start_ms, opened)
        self.allow_local = allow_local
        self._handlers: dict[str, Handler] = handlers()

    @property
    def now_ms(self) -> int:
        """Exchange time."""
        return self.state.now_ms

    def account(self, account_id: str) -> Account:
        """The account; KeyError for one that was never opened."""
        return self.state.accounts[account_id]

    def advance(self, to_ms: int) -> list[Event]:
        """Moves exchange time to `to_ms` and returns what happened until then, that instant included.

        Errors: ValueError for an instant that has passed.
        """
        if to_ms < self.state.now_ms:
            raise ValueError(f"exchange time is {self.state.now_ms} and cannot go back to {to_ms}")
        while (instant := self._next_instant(to_ms)) is not None:
            at_ms, act = instant
            self._move(at_ms)
            act(self.state)
        self._move(to_ms)
        return self._drain()

    def handle(self, account_id: str | None, method: str, params: Mapping[str, object], at_ms: int) -> Reply:
        """Serves one request at `at_ms`, to which exchange time is advanced first. Never raises for a bad request.

        `account_id` is who asks, None for nobody. Errors: ValueError for an instant that has passed.
        """
        happened = self.advance(at_ms)
        try:
            result = self._serve(account_id, method, params)
        except VenueError as refusal:
            return Reply(None, refusal, (*happened, *self._drain()))
        return Reply(result, None, (*happened, *self._drain()))

    def serves(self, method: str) -> bool:
        """Whether there is such a method, control methods included only where they are allowed."""
        return method in self._handlers and (self.allow_local or not method.startswith("local/"))

    def digest(self) -> str:
        """A fingerprint of the whole state: equal states, equal digests."""
        state = self.state
        whole = {
            "now_ms": state.now_ms,
            "start_ms": state.start_ms,
            "accounts": {name: asdict(account) for name, account in state.accounts.items()},
            "counters": asdict(state.counters),
            "resting": {
                name: [one.order_id for one in queue] for name, queue in sorted(state.resting.items())
            },
            "taken": sorted((*key, str(amount)) for key, amount in state.liquidity.taken.items()),
            "last_trade": state.last_trade,
            "trade_seq": state.trade_seq,
        }
        text = json.dumps(whole, default=_canonical, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _serve(self, account_id: str | None, method: str, params: Mapping[str, object]) -> JsonValue:
        handler = self._handlers.get(method)
        if handler is None or (method.startswith("local/") and not self.allow_local):
            raise VenueError(METHOD_NOT_FOUND)
        account = None if account_id is None else self.state.accounts.get(account_id)
        return handler(Request(self.state, account, Params(params)))

    def _next_instant(self, to_ms: int) -> tuple[int, Callable[[State], None]] | None:
        """The next thing that time itself brings, up to `to_ms`; at 08:00:00 that is settlement, and no matching."""
        now = self.state.now_ms
        settlement = next_expiry_instant(now)
        if self.state.resting:
            grid = (now // MATCHING_GRID_MS + 1) * MATCHING_GRID_MS
            if grid <= to_ms and grid < settlement:
                return grid, match_resting
        return (settlement, settle_day) if settlement <= to_ms else None

    def _move(self, at_ms: int) -> None:
        self.state.now_ms = at_ms
        self.state.liquidity.at(at_ms)

    def _drain(self) -> list[Event]:
        events, self.state.events = self.state.events, []
        return events


def _canonical(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    raise TypeError(f"{type(value).__name__} has no place in the exchange's state")
