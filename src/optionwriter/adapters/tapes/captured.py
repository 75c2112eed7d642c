"""CapturedFeed: recorded whole chains, four a day, as the Feed port: quotes as they were, nothing in between.

Rules:

- at the instant of a snapshot the chain is the recorded one: its expiries, strikes, marks, bids, asks and forwards
- between two snapshots the last one's marks are shown under its own instant, and nobody quotes: what decides there
  meets data too old to rest on, and no resting order fills on a quote that may be gone
- nothing from after the instant asked for is ever shown
- sizes were not recorded: they are the medians of the bundled sample's books at the option's tenor and delta, at the
  snapshots only; linear puts are converted (captured_linear)
- an option settles at the official delivery price where that is recorded, else at Binance's price of 08:00 UTC, which
  is within 10 bp of it at the median and 49 bp in 95 % of cases
- the volatility index is the recorded one, and rebuilt from the snapshots where its hours are missing (0.3 points off
  at the median on BTC, 0.5 on ETH)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np

from optionwriter.adapters.tapes.captured_files import (
    CapturedChains,
    Snapshot,
    alive,
    read_candles,
    read_deliveries,
    read_index,
)
from optionwriter.adapters.tapes.captured_index import RebuiltIndex
from optionwriter.adapters.tapes.captured_linear import HAIRCUT, converted, convertible, twins
from optionwriter.adapters.tapes.sample_files import load_sample
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import F64, I64, InstrumentTable, OptionChain
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    MS_PER_HOUR,
    MS_PER_YEAR,
    Family,
    InstrumentError,
    Product,
    product,
)
from optionwriter.core.market.quotes import QuoteTable, bucket_of

_T = TypeVar("_T")
COINS = ("BTC", "ETH")
_CHAINS_KEPT = 8
_TABLES_KEPT = 8


@dataclass(frozen=True, slots=True, eq=False)
class _Coin:
    """Everything recorded of one coin."""

    chains: CapturedChains
    candles: Candles
    index: RebuiltIndex


class CapturedFeed:
    """Recorded chains of BTC and ETH as ports.Feed. Errors: CaptureError when a file is missing or torn."""

    def __init__(self, folder: Path, coins: Sequence[str] = COINS, haircut: float = HAIRCUT) -> None:
        """`folder` holds the recorded data; `haircut` is by how much linear quotes are worse than inverse ones."""
        self._coins = {name: _read_coin(folder, name) for name in coins}
        books = load_sample().books
        codes = [*coins, *(f"{name}_USDC" for name in coins)]
        self._books = {
            code: _Book(product(code), self._coins[product(code).underlying], books[code], haircut)
            for code in codes
        }
        self._deliveries = read_deliveries(folder)

    @property
    def start_ms(self) -> int:
        """First instant with option quotes."""
        return max(int(one.chains.instants[0]) for one in self._coins.values())

    @property
    def end_ms(self) -> int:
        """Last instant with option quotes."""
        return min(int(one.chains.instants[-1]) for one in self._coins.values())

    @property
    def products(self) -> tuple[str, ...]:
        """BTC, ETH, BTC_USDC, ETH_USDC."""
        return tuple(self._books)

    @property
    def converted(self) -> tuple[str, ...]:
        """Products whose quotes are converted from another's recorded ones."""
        return tuple(code for code, one in self._books.items() if one.product.family is Family.LINEAR)

    def instants(self, start_ms: int, end_ms: int) -> tuple[int, ...]:
        """The snapshots in [start_ms, end_ms] that every coin has."""
        shared: I64 | None = None
        for one in self._coins.values():
            own = one.chains.instants
            shared = own if shared is None else np.intersect1d(shared, own)
        assert shared is not None
        return tuple(int(at) for at in shared.tolist() if start_ms <= at <= end_ms)

    def index(self, index_name: str, at_ms: int) -> float:
        """The index of the last snapshot, USD, two decimals."""
        chains = self._of_index(index_name).chains
        return chains.snapshot(chains.row_at(at_ms)).index_price

    def listed(self, product_code: str, at_ms: int) -> tuple[str, ...]:
        """Options of the last snapshot that have not expired; InstrumentError for an unknown product."""
        return self.chain(product_code, at_ms).table.names

    def forward(self, product_code: str, expiry_ms: int, at_ms: int) -> float:
        """The expiry's recorded forward. Errors: InstrumentError when it is not listed."""
        chain = self.chain(product_code, at_ms)
        own = chain.forward[chain.table.expiry_ms == expiry_ms]
        if not own.size:
            raise InstrumentError(f"{product_code} lists no expiry {expiry_ms} at {at_ms}")
        return round(float(np.median(own)), 2)

    def quotes(self, product_code: str, names: Sequence[str], at_ms: int) -> OptionChain:
        """Quotes of the named options. Errors: InstrumentError names one that is not listed."""
        whole = self.chain(product_code, at_ms)
        for name in names:
            if name not in whole.table.row_of:
                raise InstrumentError(f"{name!r} is not listed at {at_ms}")
        rows = np.array([whole.table.row_of[name] for name in names], dtype=np.intp)
        return _rows(whole, InstrumentTable.of(whole.product, tuple(names)), rows)

    def chain(self, product_code: str, at_ms: int) -> OptionChain:
        """Everything listed. Errors: InstrumentError for an unknown product or before the first snapshot."""
        return _known("product", product_code, self._books).chain(at_ms)

    def delivery_price(self, index_name: str, expiry_ms: int) -> float:
        """The official one where it is recorded, else Binance's at 08:00, two decimals. Errors: InstrumentError."""
        official = self._deliveries.get((index_name.replace("_usdc", "_usd"), expiry_ms))
        if official is not None:
            return official
        candles = self._of_index(index_name).candles
        row = int(np.searchsorted(candles.open_ms, expiry_ms - MS_PER_HOUR))
        if row == len(candles.open_ms) or candles.open_ms[row] != expiry_ms - MS_PER_HOUR:
            raise InstrumentError(f"no price of {index_name} is recorded for the delivery at {expiry_ms}")
        return round(float(candles.close[row]), 2)

    def estimated_delivery_price(self, index_name: str, at_ms: int) -> float:
        """The last recorded index: nothing in between was recorded."""
        return self.index(index_name, at_ms)

    def candles(self, underlying: str, start_ms: int, end_ms: int) -> Candles:
        """Hourly candles that opened at or after `start_ms` and had closed by `end_ms` (Binance, USDT)."""
        own = _known("underlying", underlying, self._coins).candles
        first = int(np.searchsorted(own.open_ms, start_ms))
        last = int(np.searchsorted(own.open_ms, end_ms - MS_PER_HOUR, side="right"))
        part = slice(first, max(first, last))
        return Candles(own.open_ms[part], own.open[part], own.high[part], own.low[part], own.close[part])

    def volatility_index(self, underlying: str, start_ms: int, end_ms: int) -> VolatilityIndex:
        """Values known in [start_ms, end_ms], recorded ones and those rebuilt from snapshots."""
        return _known("underlying", underlying, self._coins).index.between(start_ms, end_ms)

    def _of_index(self, index_name: str) -> _Coin:
        return _known("index", index_name.partition("_")[0].upper(), self._coins)


def _known(what: str, name: str, known: Mapping[str, _T]) -> _T:
    found = known.get(name)
    return found if found is not None else _unknown(what, name, known)


def _unknown(what: str, name: str, known: Mapping[str, object]) -> NoReturn:
    raise InstrumentError(
        f"the recorded chains have no {what} {name!r}: they have {', '.join(sorted(known))}"
    )


def _read_coin(folder: Path, name: str) -> _Coin:
    chains = CapturedChains(folder, name)
    return _Coin(chains, read_candles(folder, name), RebuiltIndex(read_index(folder, name), chains))


class _Book:
    """One product's chains; a linear one's are converted from its coin's."""

    def __init__(self, own: Product, coin: _Coin, sizes: QuoteTable, haircut: float) -> None:
        self.product = own
        self._coin, self._sizes, self._haircut = coin, sizes, haircut
        self._kept: OrderedDict[int, OptionChain] = OrderedDict()
        self._tables: OrderedDict[tuple[str, ...], InstrumentTable] = OrderedDict()

    def chain(self, at_ms: int) -> OptionChain:
        """The last snapshot; unquoted, and without what expired, when that is not of this instant."""
        row = self._coin.chains.row_at(at_ms)
        found = self._kept.get(row)
        if found is None:
            found = self._kept[row] = self._recorded(row)
            if len(self._kept) > _CHAINS_KEPT:
                self._kept.popitem(last=False)
        return found if found.at_ms == at_ms else _standing(found, at_ms)

    def _recorded(self, row: int) -> OptionChain:
        source = self._coin.chains.snapshot(row)
        if self.product.family is Family.LINEAR:
            rows = convertible(source.table, self.product, source.at_ms)
            table = self._table(twins(source.table, self.product, rows))
            source = converted(source, table, rows, self._haircut)
        return _quoted(source, self._sizes)

    def _table(self, names: tuple[str, ...]) -> InstrumentTable:
        found = self._tables.get(names)
        if found is None:
            found = self._tables[names] = InstrumentTable.of(self.product, names)
            if len(self._tables) > _TABLES_KEPT:
                self._tables.popitem(last=False)
        return found


def _quoted(one: Snapshot, sizes: QuoteTable) -> OptionChain:
    """A snapshot as a chain, with the sizes that books of its kind had."""
    table = one.table
    years = (table.expiry_ms - one.at_ms) / MS_PER_YEAR
    _, delta = price_delta(one.forward, table.strike, years, one.iv, table.is_call)
    bucket = bucket_of((table.expiry_ms - one.at_ms) / MS_PER_DAY, np.abs(delta))
    return OptionChain(
        table=table,
        at_ms=one.at_ms,
        index_price=one.index_price,
        forward=one.forward,
        mark=one.mark,
        mark_iv=one.iv,
        bid=one.bid,
        ask=one.ask,
        bid_size=np.where(np.isnan(one.bid), np.nan, sizes.bid_size[bucket]),
        ask_size=np.where(np.isnan(one.ask), np.nan, sizes.ask_size[bucket]),
        open_interest=one.open_interest,
        volume=one.volume,
    )


def _standing(chain: OptionChain, at_ms: int) -> OptionChain:
    """A snapshot seen later: its marks, no quotes, and only what has not expired."""
    keep = alive(chain.table, at_ms)
    rows = np.flatnonzero(keep)
    table = (
        chain.table
        if keep.all()
        else InstrumentTable.of(chain.product, tuple(chain.table.names[row] for row in rows.tolist()))
    )
    part = _rows(chain, table, rows)
    nobody: F64 = np.full(len(rows), np.nan)
    return OptionChain(
        table, part.at_ms, part.index_price, part.forward, part.mark, part.mark_iv, nobody, nobody, nobody,
        nobody, part.open_interest, part.volume,
    )  # fmt: skip


def _rows(
    chain: OptionChain, table: InstrumentTable, rows: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> OptionChain:
    columns = (
        chain.forward, chain.mark, chain.mark_iv, chain.bid, chain.ask, chain.bid_size, chain.ask_size,
        chain.open_interest, chain.volume,
    )  # fmt: skip
    return OptionChain(table, chain.at_ms, chain.index_price, *(column[rows] for column in columns))
