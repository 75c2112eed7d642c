"""SyntheticFeed: an option market made from prices alone, as the Feed port.

Owns the joining of a price path, a listing, a volatility model and recorded spreads. Keeps: a pure function of (seed,
arguments), so the order of questions changes nothing; nothing known after an instant has any part in what it shows of
that instant (the path between two hours keeps to the hour's recorded extremes, which are no later than its end).
Forwards are the index grown by `carry` a year (0 by default: rates and basis are not known here). `notes` says what a
reader of a result must know of the model.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from optionwriter.adapters.tapes.synthetic_models import (
    BlockModel,
    Model,
    Past,
    part_of,
    unknown,
)
from optionwriter.core.market.chain import F64, I64, Bools, InstrumentTable, OptionChain, RowsOver
from optionwriter.core.market.chains_over import ChainsOver, slices_over
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import (
    MS_PER_HOUR,
    InstrumentError,
    Product,
    next_expiry_instant,
    product,
)
from optionwriter.core.market.listing import EXCHANGE, Listing, Policy
from optionwriter.core.market.listing_over import listed_over
from optionwriter.core.market.paths import DELIVERY_WINDOW_MS, GRID_MS, BridgePath, PathError
from optionwriter.core.market.quotes import QuoteColumns, QuoteTable, quote_columns, quotes_of
from optionwriter.core.market.surface import Stretch, years_to

DEFAULT_SEED = 20_260_101
_GAP_VOLATILITY = 0.6  # a year's, only across missing hours
_TABLES_KEPT = 64
_INDEX_KEPT = 4_096


class SyntheticFeed:
    """The made market as ports.Feed, over the hours from `start_ms` to `end_ms`."""

    def __init__(
        self,
        pasts: Mapping[str, Past],
        books: Mapping[str, QuoteTable],
        model: Model,
        *,
        start_ms: int,
        end_ms: int,
        seed: int = DEFAULT_SEED,
        policy: Policy = EXCHANGE,
        carry: float = 0.0,
    ) -> None:
        """`books`: recorded spreads by product code; only products whose underlying has a past are quoted.

        Errors: ValueError for an empty period or one that the prices don't cover.
        """
        if not start_ms < end_ms:
            raise ValueError(f"the period from {start_ms} to {end_ms} is empty: end it after its start")
        for name, past in pasts.items():
            opens = past.candles.open_ms
            if not len(opens) or start_ms < int(opens[0]) or end_ms > int(opens[-1]) + MS_PER_HOUR:
                raise ValueError(
                    f"the prices of {name} don't cover {start_ms} to {end_ms} (epoch ms): choose a period within them"
                )
        self._pasts, self._model, self._carry = pasts, model, carry
        self._block_model = model if isinstance(model, BlockModel) else None
        self._start_ms, self._end_ms = start_ms, end_ms
        self._paths = {
            name: BridgePath.of_candles(seed, name, past.candles, _GAP_VOLATILITY)
            for name, past in pasts.items()
        }
        own = [product(code) for code in books if product(code).underlying in pasts]
        self._books = {one.code: _Book(one, books[one.code], self._spot(one), policy) for one in own}
        self._index_kept: dict[tuple[str, int], float] = {}
        self._of_index = {one.index_name: one.underlying for one in own}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of a result must know of the model."""
        return ("Prices of options are a model's, spreads the median of recorded ones.", *self._model.notes)

    @property
    def start_ms(self) -> int:
        """First instant with option quotes."""
        return self._start_ms

    @property
    def end_ms(self) -> int:
        """Last instant with option quotes; after it the market stands still."""
        return self._end_ms

    @property
    def products(self) -> tuple[str, ...]:
        """Product codes that are quoted."""
        return tuple(sorted(self._books, key=lambda code: ("_" in code, code)))

    def index(self, index_name: str, at_ms: int) -> float:
        """The index, USD, two decimals. Errors: InstrumentError, PathError before the first price."""
        key = index_name, min(at_ms, self._end_ms)
        found = self._index_kept.get(key)
        if found is None:
            found = round(self._path(index_name).price_at(key[1]), 2)
            if len(self._index_kept) >= _INDEX_KEPT:
                self._index_kept.clear()
            self._index_kept[key] = found
        return found

    def listed(self, product_code: str, at_ms: int) -> tuple[str, ...]:
        """Names of the listed options; InstrumentError for an unknown product or before `start_ms`."""
        return self._table(product_code, at_ms).names

    def forward(self, product_code: str, expiry_ms: int, at_ms: int) -> float:
        """The index grown by the carry until the expiry, USD, two decimals."""
        book = self._book(product_code)
        now = min(at_ms, self._end_ms)
        return float(self._forwards(book, np.array([expiry_ms], dtype=np.int64), now)[0])

    def quotes(self, product_code: str, names: Sequence[str], at_ms: int) -> OptionChain:
        """Quotes of the named options. Errors: InstrumentError names one that is not listed."""
        book, wanted = self._book(product_code), tuple(names)
        shown = book.shown
        if shown is None or shown.at_ms != at_ms or any(name not in shown.table.row_of for name in wanted):
            known = self._table(product_code, at_ms).row_of
            for name in wanted:
                if name not in known:
                    raise InstrumentError(f"{name!r} is not listed at {at_ms}")
            shown = book.shown = self._quoted(book, book.chosen(wanted), at_ms)
        return shown if shown.table.names == wanted else _rows(shown, book.chosen(wanted))

    @property
    def tells_over(self) -> bool:
        """Whether `quotes_over` answers: it does with a model that tells of many instants."""
        return self._block_model is not None

    def quotes_over(self, product_code: str, names: Sequence[str], at_ms: I64) -> RowsOver:
        """Quotes of the named options at ascending instants, the numbers of `quotes` at each.

        All are listed at the first instant and live beyond the last, which is none after the end. Errors:
        InstrumentError names one that isn't listed, or says what else is asked for in vain.
        """
        book, wanted = self._book(product_code), tuple(names)
        listed, table = self._table(product_code, int(at_ms[0])).row_of, book.chosen(wanted)
        if not self.tells_over or at_ms[-1] > self._end_ms or np.any(table.expiry_ms <= at_ms[-1]):
            raise InstrumentError(f"{product_code} is not told of from {at_ms[0]} to {at_ms[-1]} at once")
        for name in wanted:
            if name not in listed:
                raise InstrumentError(f"{name!r} is not listed at {at_ms[0]}")
        asked = self._asked(book, table, at_ms)
        found = self._told(book, np.tile(table.is_call, len(at_ms)), asked)
        columns = (
            asked.forward[asked.slice],
            found.mark,
            found.mark_iv,
            found.bid,
            found.ask,
            found.open_interest,
        )
        shape = len(at_ms), len(table)
        return RowsOver(table, at_ms, asked.index_price, *(column.reshape(shape) for column in columns))

    def listed_over(self, product_code: str, at_ms: I64) -> tuple[InstrumentTable, int]:
        """What is listed at the first of the ascending instants, and how many of them have the same listed.

        Errors: InstrumentError, as `listed`."""
        table = self._table(product_code, int(at_ms[0]))
        until = min(self._book(product_code).listing.until(int(at_ms[0])), self._end_ms + 1)
        return table, max(1, int(np.searchsorted(at_ms, until)))

    def chain(self, product_code: str, at_ms: int) -> OptionChain:
        """Quotes of everything listed."""
        book, table = self._book(product_code), self._table(product_code, at_ms)
        shown = book.shown
        if shown is None or shown.at_ms != at_ms or shown.table is not table:
            shown = book.shown = self._quoted(book, table, at_ms)
        return shown

    def chains_over(self, product_code: str, is_call: bool, at_ms: I64) -> ChainsOver | None:
        """The calls or the puts at ascending instants of the period, every number as `chain` shows it.

        None where the model can't be asked for many instants at once. Errors: InstrumentError.
        """
        book, model = self._book(product_code), self._model
        if not isinstance(model, BlockModel) or at_ms[0] < self._start_ms or at_ms[-1] > self._end_ms:
            return None
        underlying = book.product.underlying
        listed = listed_over(book.product, self._spot(book.product), book.listing.policy, at_ms)
        first, instant, series, first_row = slices_over(listed, len(at_ms))
        index = self._indices(book, at_ms)
        expiry = listed.expiry_ms[series]
        forward = np.round(index[instant] * np.exp(self._carry * years_to(expiry, at_ms[instant])), 2)
        return ChainsOver(
            book.quotes, is_call, listed, at_ms, index, first, instant, series, expiry, forward, first_row,
            partial(model.iv_block, self._pasts[underlying], underlying),
        )  # fmt: skip

    def delivery_price(self, index_name: str, expiry_ms: int) -> float:
        """The average of the half hour before `expiry_ms`, two decimals (FACTS §4)."""
        return round(self._path(index_name).twap(expiry_ms), 2)

    def estimated_delivery_price(self, index_name: str, at_ms: int) -> float:
        """The index; in the half hour before 08:00 UTC the average of the samples so far (FACTS §4)."""
        expiry = next_expiry_instant(at_ms - 1)
        latest = expiry - -(-(expiry - at_ms) // GRID_MS) * GRID_MS
        elapsed = latest - (expiry - DELIVERY_WINDOW_MS)
        if elapsed <= 0:
            return self.index(index_name, at_ms)
        return round(self._path(index_name).twap(latest, elapsed), 2)

    def candles(self, underlying: str, start_ms: int, end_ms: int) -> Candles:
        """Hourly candles that opened at or after `start_ms` and had closed by `end_ms`."""
        own = self._past(underlying).candles
        first = int(np.searchsorted(own.open_ms, start_ms))
        last = int(np.searchsorted(own.open_ms, min(end_ms, self._end_ms) - MS_PER_HOUR, side="right"))
        return part_of(own, first, last)

    def volatility_index(self, underlying: str, start_ms: int, end_ms: int) -> VolatilityIndex:
        """Values known in [start_ms, end_ms]."""
        own = self._past(underlying).volatility_index
        first = int(np.searchsorted(own.at_ms, start_ms))
        last = int(np.searchsorted(own.at_ms, end_ms, side="right"))
        return VolatilityIndex(own.at_ms[first:last], own.value[first:last])

    def _quoted(self, book: _Book, table: InstrumentTable, at_ms: int) -> OptionChain:
        now = min(at_ms, self._end_ms)
        index = self.index(book.product.index_name, now)
        forward = self._forwards(book, table.expiry_ms, now)
        underlying = book.product.underlying
        iv = self._model.iv(self._pasts[underlying], underlying, now, index, table, forward)
        columns = quote_columns(table, book.quotes, index, forward, years_to(table.expiry_ms, now), iv)
        return OptionChain(table, at_ms, index, forward, *columns)

    def _asked(self, book: _Book, table: InstrumentTable, at_ms: I64) -> Stretch:
        """All options at every instant."""
        index = self._indices(book, at_ms)
        expiries, own = np.unique(table.expiry_ms, return_inverse=True)
        count, each = len(at_ms), len(expiries)
        instant, expiry_ms = np.repeat(np.arange(count), each), np.tile(expiries, count)
        years = years_to(expiry_ms, at_ms[instant])
        forward: F64 = np.round(index[instant] * np.exp(self._carry * years), 2)
        slices = (np.arange(count)[:, None] * each + own).ravel()
        return Stretch(at_ms, index, instant, expiry_ms, forward, np.tile(table.strike, count), slices)

    def _told(self, book: _Book, is_call: Bools, asked: Stretch) -> QuoteColumns:
        """Quotes of every row of what is asked."""
        assert self._block_model is not None
        underlying, own = book.product.underlying, asked.slice
        iv = self._block_model.iv_block(self._pasts[underlying], underlying, asked)
        index, years = asked.index_price[asked.instant[own]], years_to(asked.left_ms, 0)[own]
        return quotes_of(book.quotes, asked.strike, is_call, index, asked.forward[own], years, iv)

    def _indices(self, book: _Book, at_ms: I64) -> F64:
        """The index at every instant, as `index`; none after the end."""
        prices = self._paths[book.product.underlying].prices_at(at_ms)
        return np.array([round(one, 2) for one in prices.tolist()])

    def _forwards(self, book: _Book, expiry_ms: np.ndarray[tuple[int], np.dtype[np.int64]], now: int) -> F64:
        index = self.index(book.product.index_name, now)
        return np.asarray(np.round(index * np.exp(self._carry * years_to(expiry_ms, now)), 2))

    def _table(self, product_code: str, at_ms: int) -> InstrumentTable:
        if at_ms < self._start_ms:
            raise InstrumentError(
                f"no {product_code} option is quoted before {self._start_ms}, asked for {at_ms}"
            )
        book = self._book(product_code)
        if at_ms <= self._end_ms:
            return book.listed(at_ms)
        # After the end nothing new is listed, what expires drops out.
        return book.alive(book.listing.names(self._end_ms), at_ms)

    def _spot(self, own: Product) -> _Spot:
        return _Spot(self._paths[own.underlying])

    def _book(self, code: str) -> _Book:
        found = self._books.get(code)
        return found if found is not None else unknown("product", code, self._books)

    def _path(self, index_name: str) -> BridgePath:
        found = self._of_index.get(index_name)
        return self._paths[found] if found is not None else unknown("index", index_name, self._of_index)

    def _past(self, underlying: str) -> Past:
        found = self._pasts.get(underlying)
        return found if found is not None else unknown("underlying", underlying, self._pasts)


def _rows(shown: OptionChain, table: InstrumentTable) -> OptionChain:
    """The options of `table` out of what is shown: every row is priced by itself, so they are the same numbers."""
    rows = [shown.table.row_of[name] for name in table.names]
    columns = (
        shown.forward, shown.mark, shown.mark_iv, shown.bid, shown.ask, shown.bid_size, shown.ask_size,
        shown.open_interest, shown.volume,
    )  # fmt: skip
    return OptionChain(table, shown.at_ms, shown.index_price, *(column[rows] for column in columns))


class _Spot:
    """The price of a listing day; NaN before the prices begin."""

    def __init__(self, path: BridgePath) -> None:
        self._path = path

    def __call__(self, at_ms: int) -> float:
        try:
            return self._path.price_at(at_ms)
        except PathError:
            return math.nan


class _Book:
    """One product: what is listed, and its recorded spreads."""

    def __init__(self, own: Product, quotes: QuoteTable, spot: _Spot, policy: Policy) -> None:
        self.product, self.quotes = own, quotes
        self.listing = Listing(own, spot, policy)
        self.shown: OptionChain | None = None  # the last answer, whole or in part
        self._tables: OrderedDict[tuple[str, ...], InstrumentTable] = OrderedDict()
        self._listed: tuple[int, int, InstrumentTable] | None = None  # from, until, what is listed

    def listed(self, at_ms: int) -> InstrumentTable:
        """What is listed at an instant."""
        kept = self._listed
        if kept is None or not kept[0] <= at_ms < kept[1]:
            table = self._tables.get(self.listing.names(at_ms))
            if table is None:
                table = self.listing.table(at_ms)
                self._keep(table)
            kept = self._listed = (at_ms, self.listing.until(at_ms), table)
        return kept[2]

    def alive(self, names: tuple[str, ...], at_ms: int) -> InstrumentTable:
        """The table of these names, without those expired by `at_ms`."""
        found = self.chosen(names)
        return self.chosen(tuple(n for n, e in zip(found.names, found.expiry_ms, strict=True) if e > at_ms))

    def chosen(self, names: tuple[str, ...]) -> InstrumentTable:
        """The table of any names, kept."""
        found = self._tables.get(names)
        if found is None:
            last = self._listed[2] if self._listed is not None else None
            found = InstrumentTable.of(self.product, names) if last is None else _table_beside(last, names)
            self._keep(found)
        return found

    def _keep(self, table: InstrumentTable) -> None:
        self._tables[table.names] = table
        if len(self._tables) > _TABLES_KEPT:
            self._tables.popitem(last=False)


def _table_beside(known: InstrumentTable, names: tuple[str, ...]) -> InstrumentTable:
    """The table of the names, of which only those that aren't in the other one are read."""
    rows = np.array([known.row_of.get(name, -1) for name in names], dtype=np.intp)
    new = np.flatnonzero(rows < 0)
    read = InstrumentTable.of(known.product, tuple([names[row] for row in new.tolist()]))
    strike, expiry_ms, is_call = known.strike[rows], known.expiry_ms[rows], known.is_call[rows]
    strike[new], expiry_ms[new], is_call[new] = read.strike, read.expiry_ms, read.is_call
    row_of = {name: row for row, name in enumerate(names)}
    return InstrumentTable(known.product, names, strike, expiry_ms, is_call, row_of)
