"""WholeChains: every option of a product as the harvester keeps it, from the exchange's public methods.

Owns the turning of book summaries into the columns on disk. A slot asks for one summary a settlement currency (USDC
gives all linear products), one index an asset, one volatility index a coin, and once a day for the listing: about
15 calls for nine assets, of the 100 that the exchange serves at once. Sizes at the best quotes are in no summary; one
ticker an option would tell them, some 3,000 calls a slot (150 s of all credits), so they stay null. Volatilities of
the quotes and greeks are ours (own_greeks), and the column `computed` says so. Implements ports.ChainRecorder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TypeVar

import msgspec
import numpy as np

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import MalformedReplyError, VenueError, WrongEnvironmentError
from optionwriter.adapters.deribit.wire import IndexPrice, InstrumentInfo, VolatilityPage
from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import (
    MS_PER_HOUR,
    MS_PER_YEAR,
    Product,
    next_expiry_instant,
    recorded_product,
    utc_day,
)
from optionwriter.core.market.own_greeks import own_greeks
from optionwriter.ports import ChainRecord, Clock, MarketBrokenError, MarketUnavailableError

INDEXED = frozenset({"BTC", "ETH"})  # the coins that have a volatility index
COMPUTED = "bid_iv,ask_iv,greek_delta,greek_gamma,greek_theta,greek_vega"
_WINDOW_MS = {"60": 600_000, "3600": 3 * MS_PER_HOUR}  # of the volatility index, to find its newest value in
_LEAST_PRICED = 0.5  # of the rows; the others are kept without
T = TypeVar("T")


class SummaryRow(msgspec.Struct):
    """One row of get_book_summary_by_currency, as far as it is kept; null where there is nothing."""

    instrument_name: str
    creation_timestamp: int
    underlying_price: float | None = None
    mark_price: float | None = None
    mark_iv: float | None = None
    bid_price: float | None = None
    ask_price: float | None = None
    underlying_index: str | None = None
    open_interest: float | None = None
    volume: float | None = None
    volume_usd: float | None = None
    last: float | None = None


@dataclass(slots=True)
class _Listing:
    """What get_instruments gave for a currency: good until the next 08:00 UTC, or until a name is not in it."""

    infos: Mapping[str, InstrumentInfo]
    until_ms: int


@dataclass(slots=True)
class _Slot:
    """What was read once for several assets, or why it could not be."""

    answers: dict[tuple[str, str], object] = field(default_factory=dict)
    looked: set[str] = field(default_factory=set)  # currencies whose listing was read in this slot


class WholeChains:
    """The exchange's chains, one asset after the other."""

    def __init__(self, client: DeribitClient, clock: Clock, volatility_resolution: str = "60") -> None:
        """`volatility_resolution`: seconds, 60 or 3600 (the local exchange knows no finer)."""
        self._client = client
        self._clock = clock
        self._resolution = volatility_resolution
        self._window_ms = _WINDOW_MS[volatility_resolution]
        self._listings: dict[str, _Listing] = {}
        self._slot = _Slot()

    def renew(self) -> None:
        """A new slot: everything but the listings is asked for anew."""
        self._slot = _Slot()

    def read(self, asset: str) -> ChainRecord:
        """The chain now. Raises MarketUnavailableError without an answer, MarketBrokenError for one without sense."""
        item = recorded_product(asset)
        try:
            summary = self._once("summary", item.settlement_currency, self._summary)
            mine = [row for row in summary if row.instrument_name.startswith(item.code + "-")]
            listed = self._listed(item, mine)
            index = float(
                self._client.call(
                    "public/get_index_price", {"index_name": item.index_name}, IndexPrice
                ).index_price
            )
            volatility, note = self._volatility(item.underlying)
        except (MalformedReplyError, WrongEnvironmentError) as error:
            raise MarketBrokenError(str(error)) from error
        except VenueError as error:
            raise MarketUnavailableError(str(error)) from error
        rows = [row for row in mine if row.instrument_name in listed]
        _check(asset, rows, index)
        columns = _columns(item, rows, listed, self._clock.now_ms(), index, volatility)
        made_ms = max((row.creation_timestamp for row in rows), default=0)
        return ChainRecord(asset, self._clock.now_ms(), made_ms, len(listed), columns, note)

    def _once(self, what: str, name: str, ask: Callable[[str], T]) -> T:
        """The answer to a question that is asked once a slot; its failure is told again."""
        key = (what, name)
        if key not in self._slot.answers:
            try:
                self._slot.answers[key] = ask(name)
            except VenueError as error:
                self._slot.answers[key] = error
        found = self._slot.answers[key]
        if isinstance(found, VenueError):
            raise found
        return found  # type: ignore[return-value]  # what `ask` gave under this key

    def _summary(self, currency: str) -> list[SummaryRow]:
        return self._client.call(
            "public/get_book_summary_by_currency", {"currency": currency, "kind": "option"}, list[SummaryRow]
        )

    def _listed(self, item: Product, rows: Sequence[SummaryRow]) -> dict[str, InstrumentInfo]:
        """The product's options that the exchange lists and that have not expired."""
        currency, now_ms = item.settlement_currency, self._clock.now_ms()
        listing = self._listings.get(currency)
        known = listing is not None and all(row.instrument_name in listing.infos for row in rows)
        if listing is None or now_ms >= listing.until_ms or (not known and currency not in self._slot.looked):
            self._slot.looked.add(currency)
            infos = self._client.call(
                "public/get_instruments",
                {"currency": currency, "kind": "option", "expired": False},
                list[InstrumentInfo],
            )
            listing = _Listing({one.instrument_name: one for one in infos}, next_expiry_instant(now_ms))
            self._listings[currency] = listing
        head = item.code + "-"
        return {
            name: info
            for name, info in listing.infos.items()
            if name.startswith(head) and info.expiration_timestamp > now_ms
        }

    def _volatility(self, coin: str) -> tuple[float | None, str]:
        """(the coin's volatility index, percent points; what is to be said): a chain is whole without it."""
        if coin not in INDEXED:
            return None, ""
        try:
            value = self._once("volatility", coin, self._newest_volatility)
        except VenueError as error:
            return None, f"no volatility index: {error}"
        return value, "" if value is not None else "no volatility index: the exchange gives none of late"

    def _newest_volatility(self, coin: str) -> float | None:
        now_ms = self._clock.now_ms()
        page = self._client.call(
            "public/get_volatility_index_data",
            {
                "currency": coin,
                "start_timestamp": now_ms - self._window_ms,
                "end_timestamp": now_ms,
                "resolution": self._resolution,
            },
            VolatilityPage,
        )
        newest = max(page.data, key=lambda row: row[0], default=None)
        return newest[4] if newest is not None and newest[4] > 0 else None


def _check(asset: str, rows: Sequence[SummaryRow], index: float) -> None:
    """Raises MarketBrokenError for numbers that no market has."""
    if not index > 0:
        raise MarketBrokenError(f"{asset}: an index of {index}")
    names = {row.instrument_name for row in rows}
    if len(names) != len(rows):
        raise MarketBrokenError(f"{asset}: the summary names {len(rows) - len(names)} options twice")
    for row in rows:
        numbers = (row.mark_price, row.mark_iv, row.bid_price, row.ask_price, row.open_interest, row.volume)
        if any(one is not None and one < 0 for one in (*numbers, row.underlying_price)):
            raise MarketBrokenError(f"{row.instrument_name}: a price or size below 0")
    priced = sum(bool(row.underlying_price) and row.mark_price is not None for row in rows)
    if rows and priced < _LEAST_PRICED * len(rows):
        raise MarketBrokenError(f"{asset}: {priced} of {len(rows)} options have a mark and a forward")


def _columns(
    item: Product,
    rows: Sequence[SummaryRow],
    listed: Mapping[str, InstrumentInfo],
    now_ms: int,
    index: float,
    volatility: float | None,
) -> dict[str, Sequence[object]]:
    """The rows as columns on disk (layouts.HARVEST_COLUMNS, without harvest_time)."""
    infos = [listed[row.instrument_name] for row in rows]
    count = len(rows)

    def floats(values: Sequence[float | None]) -> F64:
        column: F64 = np.array(values, dtype=np.float64)  # None becomes NaN
        return column

    def quotes(values: Sequence[float | None]) -> F64:
        column = floats(values)
        column[column <= 0] = np.nan
        return column

    strikes = [float(one.strike) for one in infos]
    expiries = [one.expiration_timestamp for one in infos]
    bid, ask = quotes([row.bid_price for row in rows]), quotes([row.ask_price for row in rows])
    forward = quotes([row.underlying_price for row in rows])
    ours = own_greeks(
        item,
        index,
        forward,
        floats(strikes),
        (np.array(expiries, dtype=np.float64) - now_ms) / MS_PER_YEAR,
        np.array([one.option_type == "call" for one in infos], dtype=np.bool_),
        floats([row.mark_iv for row in rows]) / 100,
        bid,
        ask,
    )
    return {
        "instrument_name": [row.instrument_name for row in rows],
        "underlying": [item.code] * count,
        "expiry": [utc_day(one).isoformat() for one in expiries],
        "expiry_timestamp": [one / 1000 for one in expiries],
        "option_type": ["C" if one.option_type == "call" else "P" for one in infos],
        "strike": strikes,
        "underlying_price": _nullable(forward),
        "mark_price": [row.mark_price for row in rows],
        "best_bid_price": _nullable(bid),
        "best_ask_price": _nullable(ask),
        "bid_iv": _nullable(ours.bid_iv),
        "ask_iv": _nullable(ours.ask_iv),
        "mark_iv": [row.mark_iv for row in rows],
        "open_interest": [row.open_interest for row in rows],
        "volume": [row.volume for row in rows],
        "greek_delta": _nullable(ours.delta),
        "greek_gamma": _nullable(ours.gamma),
        "greek_theta": _nullable(ours.theta),
        "greek_vega": _nullable(ours.vega),
        "underlying_index": [row.underlying_index for row in rows],
        "index_price": [index] * count,
        "volatility_index": [volatility] * count,
        "last_price": [row.last for row in rows],
        "volume_usd": [row.volume_usd for row in rows],
        "computed": [COMPUTED] * count,
    }


def _nullable(column: F64) -> list[float | None]:
    return [one if isfinite(one) else None for one in column.tolist()]
