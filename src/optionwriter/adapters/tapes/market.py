"""TapeMarket: any feed, seen through a clock, as the Market port.

Nothing from after the clock's instant passes: the chain is that of now, the history ends now. A feed answers with views
of its columns, so a loop pays for no copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from optionwriter.core.market.chain import F64, I64, InstrumentTable, OptionChain, RowsOver
from optionwriter.core.market.context import realised_over
from optionwriter.core.market.event_risk import EventRisk, RisksOver
from optionwriter.core.market.history import PriceHistory, history_start
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.ports import Clock, Feed, MarketUnavailableError


@runtime_checkable
class TellsOver(Protocol):
    """A feed that can show rows at many instants at once."""

    @property
    def tells_over(self) -> bool:
        """Whether it does."""
        ...

    def quotes_over(self, product_code: str, names: Sequence[str], at_ms: I64) -> RowsOver:
        """The numbers of Feed.quotes at each of the ascending instants. Errors: ValueError where it can't."""
        ...

    def listed_over(self, product_code: str, at_ms: I64) -> tuple[InstrumentTable, int]:
        """What is listed at the first of the ascending instants, and at how many of them. Errors: ValueError."""
        ...


class TapeMarket:
    """`feed` at the instant of `clock`."""

    def __init__(self, feed: Feed, clock: Clock, until_ms: int | None = None) -> None:
        """`until_ms`: to which instant the clock will go, where that is known: pump and crash risk of all days on the
        way are then made ready at once, each from its own past alone."""
        self._feed, self._clock, self._until_ms = feed, clock, until_ms
        self._risks: dict[str, _Risks] = {}
        self._over = feed if isinstance(feed, TellsOver) and feed.tells_over else None

    def chain(self, product_code: str) -> OptionChain:
        """The whole chain of a product, now. Errors: MarketUnavailableError."""
        try:
            return _as_summarised(self._feed.chain(product_code, self._clock.now_ms()))
        except ValueError as error:
            raise MarketUnavailableError(f"{product_code}: {error}") from error

    def part(self, product_code: str, names: Sequence[str]) -> OptionChain:
        """Rows of the chain, now, as `chain` shows them. Errors: MarketUnavailableError, also for what isn't listed."""
        try:
            return _as_summarised(self._feed.quotes(product_code, names, self._clock.now_ms()))
        except ValueError as error:
            raise MarketUnavailableError(f"{product_code}: {error}") from error

    @property
    def looks_ahead(self) -> bool:
        """Whether `rows_over` answers."""
        return self._over is not None

    def rows_over(self, product_code: str, names: Sequence[str], at_ms: I64) -> RowsOver:
        """As ports.Parts: what `part` will show when the clock is there. Errors: MarketUnavailableError."""
        if self._over is None:
            raise MarketUnavailableError(f"{product_code}: this feed shows one instant at a time")
        try:
            found = self._over.quotes_over(product_code, names, at_ms)
        except ValueError as error:
            raise MarketUnavailableError(f"{product_code}: {error}") from error
        return replace(found, open_interest=_or_nothing(found.open_interest))

    def listed_over(self, product_code: str, at_ms: I64) -> tuple[InstrumentTable, int]:
        """As ports.Parts. Errors: MarketUnavailableError."""
        if self._over is None:
            raise MarketUnavailableError(f"{product_code}: this feed shows one instant at a time")
        try:
            return self._over.listed_over(product_code, at_ms)
        except ValueError as error:
            raise MarketUnavailableError(f"{product_code}: {error}") from error

    def realised_over(self, underlying: str, at_ms: I64) -> tuple[F64, F64]:
        """As ports.Parts. Errors: MarketUnavailableError."""
        first, last = int(at_ms[0]), int(at_ms[-1])
        try:
            return realised_over(self._feed.candles(underlying, history_start(first), last), at_ms)
        except ValueError as error:
            raise MarketUnavailableError(f"{underlying}: {error}") from error

    def history(self, underlying: str) -> PriceHistory:
        """What is known of the past, now, as far back as is asked for live. Errors: MarketUnavailableError."""
        now = self._clock.now_ms()
        begin = history_start(now)
        try:
            candles = self._feed.candles(underlying, begin, now)
            index = self._feed.volatility_index(underlying, begin, now)
            risks = self._risks_at(underlying, now)
        except ValueError as error:
            raise MarketUnavailableError(f"{underlying}: {error}") from error
        return PriceHistory(underlying, now, candles, index, risks)

    def _risks_at(self, underlying: str, now: int) -> tuple[EventRisk, EventRisk] | None:
        """Pump and crash risk as of the last midnight, where the way is known. Errors: ValueError."""
        if self._until_ms is None or now > self._until_ms:
            return None
        known = self._risks.get(underlying)
        if known is None or now < known.since_ms:
            known = self._risks[underlying] = _Risks(self._feed, underlying, now, self._until_ms)
        return known.at(now)


class _Risks:
    """Pump and crash risk of one underlying at the midnights between two instants."""

    def __init__(self, feed: Feed, underlying: str, since_ms: int, until_ms: int) -> None:
        """Errors: ValueError where the feed has no prices."""
        begin = history_start(since_ms)
        candles = feed.candles(underlying, begin, until_ms)
        self.since_ms = since_ms
        self._over = RisksOver(candles, feed.volatility_index(underlying, begin, until_ms), until_ms)
        self._kept: tuple[int, tuple[EventRisk, EventRisk]] | None = None

    def at(self, at_ms: int) -> tuple[EventRisk, EventRisk]:
        """(pump, crash) as of the last midnight."""
        day = at_ms // MS_PER_DAY
        if self._kept is None or self._kept[0] != day:
            self._kept = day, self._over.at(at_ms)
        return self._kept[1]


def _as_summarised(chain: OptionChain) -> OptionChain:
    """The chain as a book summary shows it: no sizes, and nothing traded or open as 0 (FACTS §2)."""
    unknown = np.full(len(chain), np.nan)
    return replace(
        chain,
        bid_size=unknown,
        ask_size=unknown,
        open_interest=_or_nothing(chain.open_interest),
        volume=_or_nothing(chain.volume),
    )


def _or_nothing(column: F64) -> F64:
    return np.where(np.isnan(column), 0.0, column)
