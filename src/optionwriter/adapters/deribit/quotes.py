"""WireQuotes: what a dry run fills on: tickers of the options it trades, the index, and delivery prices, from the wire.

Only now can be asked; an instant of the past gets the answer of now, which is the nearest there is (a resting paper
order is thus looked at with the quotes of the loop, not of the minute). Public methods only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import numpy as np

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import VenueError
from optionwriter.core.market.chain import InstrumentTable, OptionChain
from optionwriter.core.market.instruments import product, utc_day
from optionwriter.ports import BrokerUnavailableError, Clock

_T = TypeVar("_T")
_FRESH_MS = 2_000  # exchange time for which a ticker is asked once


class _Ticker(msgspec.Struct):
    """public/ticker of an option; 0 stands for a side that isn't quoted (recorded)."""

    instrument_name: str
    underlying_price: float
    mark_price: float
    mark_iv: float
    index_price: float
    best_bid_price: float | None = None
    best_ask_price: float | None = None
    best_bid_amount: float | None = None
    best_ask_amount: float | None = None
    open_interest: float = 0.0


class _Index(msgspec.Struct):
    index_price: float


class _Delivery(msgspec.Struct):
    date: str
    delivery_price: float


class _Deliveries(msgspec.Struct):
    data: list[_Delivery]


class WireQuotes:
    """Implements paper's QuoteSource over an exchange."""

    def __init__(self, client: DeribitClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._tickers: dict[str, tuple[int, _Ticker]] = {}

    def index(self, index_name: str, at_ms: int) -> float:
        """The index now, USD. Raises BrokerUnavailableError."""
        return self._asked(
            lambda: (
                self._client.call("public/get_index_price", {"index_name": index_name}, _Index).index_price
            )
        )

    def quotes(self, product_code: str, names: Sequence[str], at_ms: int) -> OptionChain:
        """Tickers of the named options now, as a chain. Raises BrokerUnavailableError."""
        tickers = [self._ticker(name) for name in names]

        def column(values: list[float | None]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            return np.array([value if value else np.nan for value in values], dtype=np.float64)

        return OptionChain(
            table=InstrumentTable.of(product(product_code), tuple(names)),
            at_ms=at_ms,
            index_price=tickers[0].index_price if tickers else float("nan"),
            forward=column([one.underlying_price for one in tickers]),
            mark=np.array([one.mark_price for one in tickers], dtype=np.float64),
            mark_iv=column([one.mark_iv for one in tickers]) / 100,
            bid=column([one.best_bid_price for one in tickers]),
            ask=column([one.best_ask_price for one in tickers]),
            bid_size=column([one.best_bid_amount for one in tickers]),
            ask_size=column([one.best_ask_amount for one in tickers]),
            open_interest=column([one.open_interest for one in tickers]),
            volume=np.full(len(tickers), np.nan),
        )

    def delivery_price(self, index_name: str, expiry_ms: int) -> float:
        """The official price of that day's 08:00 UTC. Raises BrokerUnavailableError while it isn't published."""
        params = {"index_name": index_name, "offset": 0, "count": 100}
        found = self._asked(lambda: self._client.call("public/get_delivery_prices", params, _Deliveries))
        day = utc_day(expiry_ms).isoformat()
        for one in found.data:
            if one.date == day:
                return one.delivery_price
        raise BrokerUnavailableError(
            f"no delivery price of {index_name} for {day} yet: asked again next loop"
        )

    def _ticker(self, name: str) -> _Ticker:
        now = self._clock.now_ms()
        known = self._tickers.get(name)
        if known is None or now - known[0] > _FRESH_MS:
            ticker = self._asked(
                lambda: self._client.call("public/ticker", {"instrument_name": name}, _Ticker)
            )
            known = self._tickers[name] = (now, ticker)
        return known[1]

    def _asked(self, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except VenueError as error:
            raise BrokerUnavailableError(f"paper has no quotes: {error}") from error
