"""TapeMarket: any feed, seen through a clock, as the Market port.

Nothing from after the clock's instant passes: the chain is that of now, the history ends now. History grows by what is
new since the last question, so a loop pays for an hour, not for a year.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from optionwriter.core.market.chain import F64, I64, OptionChain
from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.ports import Clock, Feed, MarketUnavailableError

_Column = TypeVar("_Column", F64, I64)
_BEGINNING_MS = 0


class TapeMarket:
    """`feed` at the instant of `clock`."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        self._feed, self._clock = feed, clock
        self._histories: dict[str, PriceHistory] = {}

    def chain(self, product_code: str) -> OptionChain:
        """The whole chain of a product, now. Errors: MarketUnavailableError."""
        try:
            return _as_summarised(self._feed.chain(product_code, self._clock.now_ms()))
        except ValueError as error:
            raise MarketUnavailableError(f"{product_code}: {error}") from error

    def history(self, underlying: str) -> PriceHistory:
        """Everything known of the underlying's past, now. Errors: MarketUnavailableError."""
        now = self._clock.now_ms()
        past = self._histories.get(underlying)
        if past is None or past.at_ms > now:
            past = None
        try:
            candles = self._candles(underlying, past, now)
            index = self._index(underlying, past, now)
        except ValueError as error:
            raise MarketUnavailableError(f"{underlying}: {error}") from error
        found = self._histories[underlying] = PriceHistory(underlying, now, candles, index)
        return found

    def _candles(self, underlying: str, past: PriceHistory | None, now: int) -> Candles:
        if past is None or not len(past.candles.open_ms):
            return self._feed.candles(underlying, _BEGINNING_MS, now)
        old = past.candles
        following = int(old.open_ms[-1]) + MS_PER_HOUR
        if now < following + MS_PER_HOUR:
            return old
        new = self._feed.candles(underlying, following, now)
        if not len(new.open_ms):
            return old
        return Candles(
            _joined(old.open_ms, new.open_ms),
            _joined(old.open, new.open),
            _joined(old.high, new.high),
            _joined(old.low, new.low),
            _joined(old.close, new.close),
        )

    def _index(self, underlying: str, past: PriceHistory | None, now: int) -> VolatilityIndex:
        if past is None or not len(past.volatility_index.at_ms):
            return self._feed.volatility_index(underlying, _BEGINNING_MS, now)
        old = past.volatility_index
        new = self._feed.volatility_index(underlying, int(old.at_ms[-1]) + 1, now)
        if not len(new.at_ms):
            return old
        return VolatilityIndex(_joined(old.at_ms, new.at_ms), _joined(old.value, new.value))


def _as_summarised(chain: OptionChain) -> OptionChain:
    """The chain as a book summary shows it: no sizes, and nothing traded or open as 0 (FACTS §2)."""
    unknown = np.full(len(chain), np.nan)
    return replace(
        chain,
        bid_size=unknown,
        ask_size=unknown,
        open_interest=np.nan_to_num(chain.open_interest, nan=0.0),
        volume=np.nan_to_num(chain.volume, nan=0.0),
    )


def _joined(old: _Column, new: _Column) -> _Column:
    return np.concatenate([old, new])
