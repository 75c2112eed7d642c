"""DeribitMarket: whole option chains and the past, from the exchange's public methods.

Owns the turning of book summaries into columns. The chain's rows are what the exchange both lists (get_instruments)
and summarises, in the table's order; sizes at the best quotes are not in a summary, so they are NaN. The rules that
the exchange publishes for each option must be the ones this code trades by, or the market counts as unavailable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import VenueError
from optionwriter.adapters.deribit.history import HistoryReader
from optionwriter.adapters.deribit.wire import BookSummary, IndexPrice, InstrumentInfo
from optionwriter.core.market.chain import F64, I64, InstrumentTable, OptionChain
from optionwriter.core.market.history import PriceHistory
from optionwriter.core.market.instruments import (
    InstrumentError,
    Product,
    next_expiry_instant,
    parse_instrument,
    product,
)
from optionwriter.ports import Clock, MarketUnavailableError


@dataclass(slots=True)
class _Listing:
    """What get_instruments gave: good until the next 08:00 UTC, or until a name appears that is not in it."""

    names: frozenset[str]
    until_ms: int
    ignored: set[str] = field(default_factory=set)  # summarised, yet not listed even after a fresh look


@dataclass(frozen=True, slots=True)
class _Layout:
    """A table and where its rows lie in the summary, for as long as the summary keeps its names."""

    names: tuple[str, ...]
    table: InstrumentTable
    order: I64


class DeribitMarket:
    """The exchange's market now. Implements ports.Market."""

    def __init__(self, client: DeribitClient, clock: Clock, volatility_resolution: str = "3600") -> None:
        """`volatility_resolution` of the volatility index: 3600 (seconds) or 1D."""
        self._client = client
        self._clock = clock
        self._history = HistoryReader(client, volatility_resolution)
        self._listings: dict[str, _Listing] = {}
        self._layouts: dict[str, _Layout] = {}

    def chain(self, product_code: str) -> OptionChain:
        """The whole chain of a product, by get_book_summary_by_currency and get_index_price.

        `at_ms` is the oldest stamp among its rows. Raises MarketUnavailableError with what failed.
        """
        item = product(product_code)
        try:
            rows = self._client.call(
                "public/get_book_summary_by_currency",
                {"currency": item.settlement_currency, "kind": "option"},
                list[BookSummary],
            )
            listed = self._listed_rows(item, rows)
            index = self._client.call(
                "public/get_index_price", {"index_name": item.index_name}, IndexPrice
            ).index_price
        except VenueError as error:
            raise MarketUnavailableError(f"the {product_code} chain could not be read: {error}") from error
        if not listed:
            raise MarketUnavailableError(f"the exchange quotes no {product_code} options")
        if not index > 0:
            raise MarketUnavailableError(f"the exchange gives {index} as {item.index_name}")
        return _columns(self._layout(item, listed), listed, float(index))

    def history(self, underlying: str) -> PriceHistory:
        """Closed hourly candles of the perpetual and the volatility index, five years back.

        Raises MarketUnavailableError with what failed.
        """
        try:
            return self._history.read(underlying, self._clock.now_ms())
        except VenueError as error:
            raise MarketUnavailableError(f"the past of {underlying} could not be read: {error}") from error

    def _listed_rows(self, item: Product, rows: Sequence[BookSummary]) -> list[BookSummary]:
        """The product's rows that are listed; looks the listing up afresh when it is old or lacks a name."""
        head = item.code + "-"
        mine = [row for row in rows if row.instrument_name.startswith(head)]
        listing = self._listings.get(item.code)
        fresh = False
        if listing is None or self._clock.now_ms() >= listing.until_ms:
            listing, fresh = self._read_listing(item), True
        names = listing.names
        if not fresh and any(
            row.instrument_name not in names and row.instrument_name not in listing.ignored for row in mine
        ):
            listing, fresh = self._read_listing(item), True
            names = listing.names
        if fresh:
            listing.ignored.update(
                row.instrument_name for row in mine if row.instrument_name not in listing.names
            )
        return [row for row in mine if row.instrument_name in names]

    def _read_listing(self, item: Product) -> _Listing:
        infos = self._client.call(
            "public/get_instruments",
            {"currency": item.settlement_currency, "kind": "option", "expired": False},
            list[InstrumentInfo],
        )
        now_ms = self._clock.now_ms()
        head = item.code + "-"
        names = frozenset(
            info.instrument_name
            for info in infos
            if info.instrument_name.startswith(head) and info.expiration_timestamp > now_ms
        )
        _check_rules(item, (info for info in infos if info.instrument_name in names))
        listing = self._listings[item.code] = _Listing(names, next_expiry_instant(now_ms))
        return listing

    def _layout(self, item: Product, rows: Sequence[BookSummary]) -> _Layout:
        names = tuple(row.instrument_name for row in rows)
        layout = self._layouts.get(item.code)
        if layout is None or layout.names != names:
            layout = self._layouts[item.code] = _lay_out(item, names)
        return layout


def _check_rules(item: Product, infos: Iterable[InstrumentInfo]) -> None:
    """Raises MarketUnavailableError when an option's published rules are not the ones we trade by."""
    steps = tuple((step.above, step.tick) for step in item.tick_steps)
    for info in infos:
        try:
            known = parse_instrument(info.instrument_name)
        except InstrumentError as error:
            raise MarketUnavailableError(f"the exchange lists {error}") from None
        published = (
            info.expiration_timestamp, info.strike, info.option_type, info.tick_size, info.min_trade_amount,
            tuple((step.above_price, step.tick_size) for step in info.tick_size_steps),
        )  # fmt: skip
        ours = (
            known.expiry_ms,
            known.strike,
            known.option_type.value,
            item.tick_size,
            item.min_amount,
            steps,
        )
        if published != ours:
            raise MarketUnavailableError(
                f"{info.instrument_name} is listed by rules this version does not know: (expiry, strike, type, tick, "
                f"least amount, tick steps) are {published}, expected {ours}"
            )


def _lay_out(item: Product, names: tuple[str, ...]) -> _Layout:
    if len(set(names)) != len(names):
        raise MarketUnavailableError(f"the exchange's {item.code} summary names an option twice")
    parsed = [parse_instrument(name) for name in names]
    order = sorted(
        range(len(names)),
        key=lambda row: (parsed[row].expiry_ms, parsed[row].strike, not parsed[row].is_call),
    )
    table = InstrumentTable.of(item, tuple(names[row] for row in order))
    return _Layout(names, table, np.array(order, dtype=np.int64))


def _columns(layout: _Layout, rows: Sequence[BookSummary], index: float) -> OptionChain:
    """The rows as columns; null becomes NaN, percent a fraction, and a quote of 0 no quote."""

    def column(values: list[float | None]) -> F64:
        read: F64 = np.array(values, dtype=np.float64)  # None becomes NaN
        return read[layout.order]

    def quote(values: list[float | None]) -> F64:
        read = column(values)
        read[read <= 0] = np.nan
        return read

    nothing = np.full(len(rows), np.nan)
    return OptionChain(
        table=layout.table,
        at_ms=min(row.creation_timestamp for row in rows),
        index_price=index,
        forward=column([row.underlying_price for row in rows]),
        mark=column([row.mark_price for row in rows]),
        mark_iv=column([row.mark_iv for row in rows]) / 100,
        bid=quote([row.bid_price for row in rows]),
        ask=quote([row.ask_price for row in rows]),
        bid_size=nothing,
        ask_size=nothing,
        open_interest=column([row.open_interest for row in rows]),
        volume=column([row.volume for row in rows]),
    )
