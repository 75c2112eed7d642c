"""A trader's desk for the engine's tests: short ways to ask, and the checks that follow every event."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from optionwriter.venue.engine import Engine
from optionwriter.venue.identities import check_identities
from optionwriter.venue.wire import reply_bytes
from tests.venue.flat_feed import START, FlatFeed

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
CASH = {"BTC": Decimal(2), "ETH": Decimal(20), "USDC": Decimal(200_000)}


class RefusedError(Exception):
    """The exchange's error, for `pytest.raises`."""

    def __init__(self, code: int, message: str, data: Any) -> None:
        self.code, self.message, self.data = code, message, data
        super().__init__(f"{code} {message} {data}")


class Desk:
    """One account `me` (and `other`) on an engine over a FlatFeed; every call checks every identity."""

    def __init__(self, feed: FlatFeed | None = None, at_ms: int = START + 10 * 3_600_000) -> None:
        self.feed = feed or FlatFeed()
        self.engine = Engine(self.feed, {"me": CASH, "other": CASH}, at_ms, allow_local=True)

    @property
    def now(self) -> int:
        return self.engine.now_ms

    def ask(self, method: str, account: str | None = "me", **params: Any) -> Any:
        """The result as a client decodes it, numbers as Decimal; raises RefusedError."""
        reply = self.engine.handle(account, method, params, self.now)
        body = _DECODER.decode(reply_bytes(reply, 1, 0, 0))
        assert check_identities(self.engine) == []
        if "error" in body:
            error = body["error"]
            raise RefusedError(error["code"], error["message"], error.get("data"))
        return body["result"]

    def sell(self, name: str, amount: str, price: str, **more: Any) -> Any:
        return self.ask("private/sell", instrument_name=name, amount=amount, price=price, **more)

    def buy(self, name: str, amount: str, price: str, **more: Any) -> Any:
        return self.ask("private/buy", instrument_name=name, amount=amount, price=price, **more)

    def to(self, at_ms: int) -> list[Any]:
        events = self.engine.advance(at_ms)
        assert check_identities(self.engine) == []
        return events

    def requote(
        self,
        name: str,
        bid: float,
        ask: float,
        bid_size: float = 10,
        ask_size: float = 10,
        mark: float | None = None,
    ) -> None:
        """A new quote, a millisecond from now."""
        self.feed.pin(name, self.now + 1, bid, ask, bid_size, ask_size, mark)
        self.to(self.now + 1)

    def summary(self, currency: str) -> Any:
        return self.ask("private/get_account_summary", currency=currency)

    def log(self, currency: str, **more: Any) -> Any:
        return self.ask(
            "private/get_transaction_log",
            currency=currency,
            start_timestamp=0,
            end_timestamp=self.now,
            **more,
        )["logs"]
