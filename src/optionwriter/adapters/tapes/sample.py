"""SampleFeed: the bundled recorded market at any instant, as the Feed port.

Index: the seeded path through Binance's hourly opens (on the exchange's index) and the recorded snapshots. Options:
those that were listed, quoted from the fitted smiles of the two snapshots around the instant (core/market/surface),
with recorded spreads (core/market/quotes); or, with `bends`, from their at-the-money volatilities and skew factors.
Linear options carry the inverse ones' volatility and forward (DESIGN §8) and their strikes (measured: all 500 recorded
linear options have their inverse twin), each expiry from when the policy lists it (core/market/listing). Forwards and
indices have two decimals, as futures on the wire.

A pure function of (seed, arguments): the order of questions changes nothing, chain() and quotes() agree bit for bit.
After `end_ms` the market stands still: prices and volatilities are those of `end_ms`, and expired options drop out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import compress
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from optionwriter.adapters.tapes.sample_files import FOLDER, Recorded, SampleData, load_sample
from optionwriter.adapters.tapes.sample_tape import Tape
from optionwriter.core.market.chain import F64, I64, Bools, InstrumentTable, OptionChain
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import (
    Family,
    InstrumentError,
    Product,
    expiry_code,
    next_expiry_instant,
    product,
    strike_code,
)
from optionwriter.core.market.listing import creation_ms
from optionwriter.core.market.paths import DELIVERY_WINDOW_MS, GRID_MS
from optionwriter.core.market.quotes import QuoteTable, quote_columns
from optionwriter.core.market.skew_factors import SkewFactors, with_skew
from optionwriter.core.market.smile import iv_at

DEFAULT_SEED = 20_260_101
_TABLES_KEPT = 256


class Listed(NamedTuple):
    """A table of instruments, and what pricing needs of it."""

    table: InstrumentTable
    expiries: I64  # unique, ascending
    rows: NDArray[np.intp]  # from instrument to `expiries`
    log_strike: F64

    @staticmethod
    def of(table: InstrumentTable) -> Listed:
        """Of any table."""
        expiries, rows = np.unique(table.expiry_ms, return_inverse=True)
        return Listed(table, expiries, rows, np.log(table.strike))


class SampleFeed:
    """The bundled sample as ports.Feed. `seed` names the price path between the recorded prices.

    Errors: SampleError when a file is missing, torn or altered; the others where each method says.
    """

    def __init__(
        self,
        seed: int = DEFAULT_SEED,
        folder: Path = FOLDER,
        data: SampleData | None = None,
        bends: Mapping[str, SkewFactors] | None = None,
    ) -> None:
        """`data`: the sample where it is read already; `bends`: skew factors by underlying instead of the surfaces."""
        data = data if data is not None else load_sample(folder)
        self._tapes = {name: Tape(name, recorded, seed) for name, recorded in data.recorded.items()}
        self._books = {
            code: _Book(
                self._tapes[product(code).underlying],
                books,
                None if bends is None else bends[product(code).underlying],
            )
            for code, books in data.books.items()
        }
        self._of_index = {one.product.index_name: one.tape for one in self._books.values()}

    @property
    def start_ms(self) -> int:
        """First instant with option quotes."""
        return max(tape.start_ms for tape in self._tapes.values())

    @property
    def end_ms(self) -> int:
        """Last instant with option quotes; after it the market stands still."""
        return min(tape.end_ms for tape in self._tapes.values())

    @property
    def products(self) -> tuple[str, ...]:
        """BTC, ETH, BTC_USDC, ETH_USDC."""
        return tuple(sorted(self._books, key=lambda code: ("_" in code, code)))

    def index(self, index_name: str, at_ms: int) -> float:
        """The index, USD, two decimals. Errors: InstrumentError, PathError before the first price."""
        return self._named(index_name).index(at_ms)

    def listed(self, product_code: str, at_ms: int) -> tuple[str, ...]:
        """Names of the listed options; InstrumentError for an unknown product or before `start_ms`."""
        return self._book(product_code).listed(at_ms).table.names

    def forward(self, product_code: str, expiry_ms: int, at_ms: int) -> float:
        """The forward, USD, two decimals; of expiries that are not listed, between their neighbours'."""
        state = self._book(product_code).tape.state(at_ms)
        return float(state.forwards(np.array([expiry_ms], dtype=np.int64))[0])

    def quotes(self, product_code: str, names: Sequence[str], at_ms: int) -> OptionChain:
        """Quotes of the named options. Errors: InstrumentError names one that is not listed."""
        book = self._book(product_code)
        return book.quoted(book.chosen(tuple(names), at_ms), at_ms)

    def chain(self, product_code: str, at_ms: int) -> OptionChain:
        """Quotes of everything listed."""
        book = self._book(product_code)
        return book.quoted(book.listed(at_ms), at_ms)

    def delivery_price(self, index_name: str, expiry_ms: int) -> float:
        """The average of the half hour before `expiry_ms`, two decimals (FACTS §4)."""
        return round(self._named(index_name).path.twap(expiry_ms), 2)

    def estimated_delivery_price(self, index_name: str, at_ms: int) -> float:
        """The index; in the half hour before 08:00 UTC the average of the samples so far (FACTS §4)."""
        tape = self._named(index_name)
        expiry = next_expiry_instant(at_ms - 1)
        latest = expiry - -(-(expiry - at_ms) // GRID_MS) * GRID_MS
        elapsed = latest - (expiry - DELIVERY_WINDOW_MS)
        if elapsed <= 0:
            return tape.index(at_ms)
        return round(tape.path.twap(latest, elapsed), 2)

    def candles(self, underlying: str, start_ms: int, end_ms: int) -> Candles:
        """Hourly index candles that opened at or after `start_ms` and had closed by `end_ms`."""
        return self._tape(underlying).candles(start_ms, end_ms)

    def volatility_index(self, underlying: str, start_ms: int, end_ms: int) -> VolatilityIndex:
        """Values known in [start_ms, end_ms]."""
        return self._tape(underlying).volatility_index(start_ms, end_ms)

    def _book(self, code: str) -> _Book:
        found = self._books.get(code)
        return found if found is not None else _unknown("product", code, self._books)

    def _tape(self, underlying: str) -> Tape:
        found = self._tapes.get(underlying)
        return found if found is not None else _unknown("underlying", underlying, self._tapes)

    def _named(self, index_name: str) -> Tape:
        found = self._of_index.get(index_name)
        return found if found is not None else _unknown("index", index_name, self._of_index)


def _unknown(what: str, name: str, known: Mapping[str, object]) -> NoReturn:
    raise InstrumentError(f"the sample has no {what} {name!r}: it has {', '.join(sorted(known))}")


class _Book:
    """One product: what is listed when, and its quotes."""

    def __init__(self, tape: Tape, books: QuoteTable, bend: SkewFactors | None) -> None:
        self._bend = bend
        self.product: Product = books.product
        self.tape = tape
        self._books = books
        self._directory = _Directory(self.product, tape.recorded)
        self._listed: OrderedDict[int, Listed] = OrderedDict()
        self._chosen: OrderedDict[tuple[str, ...], Listed] = OrderedDict()

    def listed(self, at_ms: int) -> Listed:
        """The options that are listed and not expired. Errors: InstrumentError before the first snapshot."""
        if at_ms < self.tape.start_ms:
            raise InstrumentError(
                f"no {self.product.code} option was quoted before {self.tape.start_ms}, asked for {at_ms}"
            )
        epoch = self._directory.epoch(at_ms, self.tape.end_ms)
        found = self._listed.get(epoch)
        if found is None:
            table = self._directory.table(at_ms, self.tape.end_ms)
            found = self._listed[epoch] = Listed.of(table)
            if len(self._listed) > _TABLES_KEPT:
                self._listed.popitem(last=False)
        return found

    def chosen(self, names: tuple[str, ...], at_ms: int) -> Listed:
        """The named options. Errors: InstrumentError for the first that is not listed."""
        known = self.listed(at_ms).table.row_of
        for name in names:
            if name not in known:
                raise InstrumentError(f"{name!r} is not listed at {at_ms}")
        found = self._chosen.get(names)
        if found is None:
            found = self._chosen[names] = Listed.of(InstrumentTable.of(self.product, names))
            if len(self._chosen) > _TABLES_KEPT:
                self._chosen.popitem(last=False)
        return found

    def quoted(self, listed: Listed, at_ms: int) -> OptionChain:
        """The chain of these options at an instant."""
        state = self.tape.state(at_ms)
        surface = state.surface
        where = np.searchsorted(surface.expiry_ms, listed.expiries)
        rows = where[listed.rows]
        forward, years = state.forward[rows], state.years[rows]
        if self._bend is None:
            scale = surface.atm_iv * np.sqrt(state.years)
            z = (listed.log_strike - np.log(state.forward)[rows]) / scale[rows]
            iv = iv_at(z, rows, surface.nodes, surface.atm_iv)
        else:
            iv = with_skew(surface.atm_iv[rows], forward, listed.table.strike, years, self._bend)
        columns = quote_columns(listed.table, self._books, surface.index_price, forward, years, iv)
        return OptionChain(listed.table, at_ms, surface.index_price, forward, *columns)


class _Directory:
    """Every option of one product that the sample ever lists, ordered by expiry, strike, call before put."""

    def __init__(self, own: Product, recorded: Recorded) -> None:
        self._product = own
        expiry = np.repeat(recorded.listed_expiry, 2)
        listed = np.repeat(recorded.listed_ms, 2)
        if own.family is Family.LINEAR:
            created = {one: creation_ms(one, own) for one in set(expiry.tolist())}
            listed = np.maximum(listed, np.array([created[one] for one in expiry.tolist()]))
        self._expiry, self._from = expiry, listed
        self._strike = np.repeat(recorded.listed_strike, 2)
        self._is_call: Bools = np.tile(np.array([True, False]), len(recorded.listed_expiry))
        self._changes = np.unique(np.concatenate([listed, expiry]))
        self._names: list[str] | None = None

    def epoch(self, at_ms: int, end_ms: int) -> int:
        """A number that changes whenever the listing does; after the end only expiries change it."""
        standing = int(np.searchsorted(self._changes, min(at_ms, end_ms), side="right"))
        return standing if at_ms <= end_ms else -int(np.searchsorted(self._changes, at_ms, side="right"))

    def table(self, at_ms: int, end_ms: int) -> InstrumentTable:
        """What is listed at the instant."""
        now = (self._from <= min(at_ms, end_ms)) & (self._expiry > at_ms)
        names = tuple(compress(self._all_names(), now.tolist()))
        return InstrumentTable(
            product=self._product,
            names=names,
            strike=self._strike[now],
            expiry_ms=self._expiry[now],
            is_call=self._is_call[now],
            row_of={name: row for row, name in enumerate(names)},
        )

    def _all_names(self) -> list[str]:
        if self._names is None:
            expiries = {expiry: expiry_code(expiry) for expiry in set(self._expiry.tolist())}
            strikes = {strike: strike_code(Decimal(str(strike))) for strike in set(self._strike.tolist())}
            columns = zip(self._expiry.tolist(), self._strike.tolist(), self._is_call.tolist(), strict=True)
            self._names = [
                f"{self._product.code}-{expiries[expiry]}-{strikes[strike]}-{'C' if is_call else 'P'}"
                for expiry, strike, is_call in columns
            ]
        return self._names
