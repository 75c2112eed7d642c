"""CapturedFeed: recorded whole chains as the Feed port, whatever they were read from.

Rules:

- at the instant of a snapshot the chain is the recorded one: its expiries, strikes, marks, bids, asks and forwards
- between two snapshots, by what `between` says: `stale` shows the last one's marks under their own instant, and nobody
  quotes; `surface` reprices them (repricing) under the instant asked for, and somebody asks: positions can be bought
  back, nothing can be opened. A day after the last snapshot it is stale in either case
- nothing from after the instant asked for is ever shown
- sizes that were not recorded are the medians of the bundled sample's books at the option's tenor and delta
- an option settles at the official delivery price where that is recorded, else at the price of 08:00 UTC, which is
  within 10 bp of it at the median and 49 bp in 95 % of cases
- the volatility index is the recorded one, and rebuilt from the snapshots where its hours are missing (0.3 points off
  at the median on BTC, 0.5 on ETH)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from optionwriter.adapters.tapes.captured_index import RebuiltIndex
from optionwriter.adapters.tapes.captured_linear import LinearChains
from optionwriter.adapters.tapes.repricing import repriced, volatility
from optionwriter.adapters.tapes.snapshots import Chains, Snapshot, part_of_table, row_at
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import F64, I64, OptionChain
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    MS_PER_HOUR,
    MS_PER_YEAR,
    InstrumentError,
)
from optionwriter.core.market.quotes import QuoteTable, bucket_of

Between = Literal["stale", "surface"]
OLDEST_MS = MS_PER_DAY  # of a snapshot that is still repriced
_T = TypeVar("_T")
_KEPT = 4


@dataclass(frozen=True, slots=True, eq=False)
class CoinPast:
    """A coin's hourly candles and its volatility index as it was recorded, each known when it says."""

    candles: Candles
    recorded_index: VolatilityIndex


class CapturedFeed:
    """Recorded chains as ports.Feed; every question is answered from what was recorded by then."""

    def __init__(
        self,
        chains: Mapping[str, Chains],
        pasts: Mapping[str, CoinPast],
        sizes: Mapping[str, QuoteTable],
        deliveries: Mapping[tuple[str, int], float],
        between: Between = "stale",
    ) -> None:
        """`chains` and `sizes` by product, an inverse product for every coin of `pasts`; `deliveries`: official prices
        by index name and expiry."""
        self._coins = {name: _Coin(past, chains[name]) for name, past in pasts.items()}
        self._books = {
            code: _Book(one, self._coins[one.product.underlying], sizes[code], between)
            for code, one in chains.items()
        }
        self._deliveries, self._between = deliveries, between

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
        """BTC, ETH, BTC_USDC, ETH_USDC, as far as they are there."""
        return tuple(self._books)

    @property
    def converted(self) -> tuple[str, ...]:
        """Products with quotes that are converted from another's recorded ones."""
        return tuple(code for code, one in self._books.items() if one.converted)

    def instants(self, start_ms: int, end_ms: int) -> tuple[int, ...]:
        """The snapshots in [start_ms, end_ms] that every coin has."""
        shared: I64 | None = None
        for one in self._coins.values():
            own = one.chains.instants
            shared = own if shared is None else np.intersect1d(shared, own)
        assert shared is not None
        return tuple(int(at) for at in shared.tolist() if start_ms <= at <= end_ms)

    def index(self, index_name: str, at_ms: int) -> float:
        """The last index known, USD, two decimals: the snapshot's, or where they are repriced a later hour's price."""
        coin = self._of_index(index_name)
        row = row_at(coin.chains, at_ms)
        return coin.price(row, at_ms) if self._between == "surface" else coin.snapshot(row).index_price

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
        return _rows(whole, np.array([whole.table.row_of[name] for name in names], dtype=np.intp))

    def chain(self, product_code: str, at_ms: int) -> OptionChain:
        """Everything listed. Errors: InstrumentError for an unknown product or before the first snapshot."""
        return _known("product", product_code, self._books).chain(at_ms)

    def delivery_price(self, index_name: str, expiry_ms: int) -> float:
        """The official one where recorded, else that of the hour ending then, two decimals. Errors: InstrumentError."""
        official = self._deliveries.get((index_name.replace("_usdc", "_usd"), expiry_ms))
        if official is not None:
            return official
        candles = self._of_index(index_name).past.candles
        row = int(np.searchsorted(candles.open_ms, expiry_ms - MS_PER_HOUR))
        if row == len(candles.open_ms) or candles.open_ms[row] != expiry_ms - MS_PER_HOUR:
            raise InstrumentError(f"no price of {index_name} is recorded for the delivery at {expiry_ms}")
        return round(float(candles.close[row]), 2)

    def estimated_delivery_price(self, index_name: str, at_ms: int) -> float:
        """The last recorded index: nothing in between was recorded."""
        return self.index(index_name, at_ms)

    def candles(self, underlying: str, start_ms: int, end_ms: int) -> Candles:
        """Hourly candles that opened at or after `start_ms` and had closed by `end_ms`."""
        own = _known("underlying", underlying, self._coins).past.candles
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


class _Coin:
    """Everything recorded of one coin: its inverse chains and its past."""

    def __init__(self, past: CoinPast, chains: Chains) -> None:
        self.past, self.chains = past, chains
        self.index = RebuiltIndex(past.recorded_index, chains)
        self._kept: OrderedDict[int, Snapshot] = OrderedDict()

    def snapshot(self, row: int) -> Snapshot:
        """The inverse chain of one snapshot."""
        return _kept(self._kept, row, lambda: self.chains.snapshot(row))

    def price(self, row: int, at_ms: int) -> float:
        """The last price known: that of the snapshot in `row`, or of an hour that has closed since."""
        candles = self.past.candles
        last = int(np.searchsorted(candles.open_ms, at_ms - MS_PER_HOUR, side="right")) - 1
        if last >= 0 and int(candles.open_ms[last]) + MS_PER_HOUR > int(self.chains.instants[row]):
            return round(float(candles.close[last]), 2)
        return self.snapshot(row).index_price


class _Book:
    """One product's chains, at any instant."""

    def __init__(self, chains: Chains, coin: _Coin, sizes: QuoteTable, between: Between) -> None:
        self._chains, self._coin, self._sizes, self._between = chains, coin, sizes, between
        self._snapshots: OrderedDict[int, Snapshot] = OrderedDict()
        self._volatilities: OrderedDict[int, F64] = OrderedDict()
        self._recorded: OrderedDict[int, OptionChain] = OrderedDict()
        self._shown: OrderedDict[int, OptionChain] = OrderedDict()

    @property
    def converted(self) -> bool:
        """Whether some of it is converted."""
        return isinstance(self._chains, LinearChains) and self._chains.converted > 0

    def chain(self, at_ms: int) -> OptionChain:
        """The snapshot of this instant; else the last one, stale or repriced, without what expired."""
        row = row_at(self._chains, at_ms)
        recorded = _kept(self._recorded, row, lambda: _quoted(self._snapshot(row), self._sizes))
        if self._chains.instants[row] == at_ms:
            return recorded
        if self._between == "surface" and at_ms - recorded.at_ms <= OLDEST_MS:
            return _kept(self._shown, at_ms, lambda: self._repriced(row, recorded, at_ms))
        return _kept(self._shown, at_ms, lambda: _standing(recorded, at_ms))

    def _snapshot(self, row: int) -> Snapshot:
        if self._chains is self._coin.chains:
            return self._coin.snapshot(row)
        return _kept(self._snapshots, row, lambda: self._chains.snapshot(row))

    def _volatility(self, row: int) -> F64:
        return _kept(self._volatilities, row, lambda: volatility(self._snapshot(row)))

    def _repriced(self, row: int, recorded: OptionChain, at_ms: int) -> OptionChain:
        one = self._snapshot(row)
        inverse = row_at(self._coin.chains, at_ms)
        price = self._coin.price(inverse, at_ms)
        new = repriced(one, self._volatility(row), at_ms, price)
        alive = np.flatnonzero(one.table.expiry_ms > at_ms)
        whole = OptionChain(
            one.table, at_ms, price, new.forward, new.mark, new.iv, new.bid, new.ask,
            np.zeros(len(one.table)), recorded.ask_size, one.open_interest, one.volume,
        )  # fmt: skip
        return whole if len(alive) == len(one.table) else _rows(whole, alive)


def _kept(kept: OrderedDict[int, _T], key: int, make: Callable[[], _T]) -> _T:
    """The value under the key, made when it is not there; the oldest of too many goes."""
    found = kept.get(key)
    if found is None:
        found = kept[key] = make()
        if len(kept) > _KEPT:
            kept.popitem(last=False)
    return found


def _quoted(one: Snapshot, sizes: QuoteTable) -> OptionChain:
    """A snapshot as a chain; sizes that were not recorded are those that books of its kind had."""
    table = one.table
    years = (table.expiry_ms - one.at_ms) / MS_PER_YEAR
    _, delta = price_delta(one.forward, table.strike, years, one.iv, table.is_call)
    bucket = bucket_of((table.expiry_ms - one.at_ms) / MS_PER_DAY, np.abs(delta))

    def sized(own: F64, usual: F64, price: F64) -> F64:
        return np.where(np.isnan(price), np.nan, np.where(np.isnan(own), usual[bucket], own))

    return OptionChain(
        table=table,
        at_ms=one.at_ms,
        index_price=one.index_price,
        forward=one.forward,
        mark=one.mark,
        mark_iv=one.iv,
        bid=one.bid,
        ask=one.ask,
        bid_size=sized(one.bid_size, sizes.bid_size, one.bid),
        ask_size=sized(one.ask_size, sizes.ask_size, one.ask),
        open_interest=one.open_interest,
        volume=one.volume,
    )


def _standing(chain: OptionChain, at_ms: int) -> OptionChain:
    """A snapshot seen later: its marks, no quotes, and only what has not expired."""
    part = _rows(chain, np.flatnonzero(chain.table.expiry_ms > at_ms))
    nobody: F64 = np.full(len(part.table), np.nan)
    return OptionChain(
        part.table, part.at_ms, part.index_price, part.forward, part.mark, part.mark_iv, nobody, nobody, nobody,
        nobody, part.open_interest, part.volume,
    )  # fmt: skip


def _rows(chain: OptionChain, rows: NDArray[np.intp]) -> OptionChain:
    columns = (
        chain.forward, chain.mark, chain.mark_iv, chain.bid, chain.ask, chain.bid_size, chain.ask_size,
        chain.open_interest, chain.volume,
    )  # fmt: skip
    table = part_of_table(chain.table, rows)
    return OptionChain(table, chain.at_ms, chain.index_price, *(column[rows] for column in columns))
