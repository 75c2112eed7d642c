"""Snapshots: the recorded chains of one product, an instant at a time, whatever files they were read from.

Owns what every reader gives (COLUMNS, in one set of units) and what a snapshot is made of. Keeps: a price or size of 0
or less is no quote and becomes NaN like a missing one; a snapshot that holds less than half of the one before it is
torn and left out; parts of the recording are read when they are asked for, and few are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from optionwriter.core.market.chain import F64, I64, Bools, InstrumentTable
from optionwriter.core.market.instruments import MS_PER_DAY, InstrumentError, Product

COLUMNS = (
    "at_ms",
    "name",
    "forward",  # USD
    "mark",  # settlement currency, as bid and ask
    "iv",  # a fraction
    "bid",
    "ask",
    "bid_size",  # coins, as the three below
    "ask_size",
    "open_interest",
    "volume",
    "index_price",  # USD
    "own_index",  # whether the forward is the index itself, as the recording says
)
_PARTS_KEPT = 2
_TABLES_KEPT = 16
_NEAR_DAYS = 35  # expiries whose forwards give the index where none is a future's own
_LEAST_OF_BEFORE = 0.5


class CaptureError(Exception):
    """Recorded files that are missing or make no sense; the message names the file and the cure."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One product's whole chain as it was recorded at `at_ms`; columns (n,) in the table's order."""

    at_ms: int
    index_price: float
    table: InstrumentTable
    forward: F64
    bid: F64
    ask: F64
    mark: F64
    iv: F64
    bid_size: F64
    ask_size: F64
    open_interest: F64
    volume: F64


class Chains(Protocol):
    """Snapshots of one product, ascending."""

    @property
    def product(self) -> Product:
        """Whose options these are."""
        ...

    @property
    def instants(self) -> I64:
        """When there is a snapshot."""
        ...

    def snapshot(self, row: int) -> Snapshot:
        """The snapshot at `instants[row]`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What is read in one go, a day or a month: its instants, ascending, the rows of each, and how to read COLUMNS."""

    instants: I64
    counts: I64
    read: Callable[[], pl.DataFrame]


class RecordedChains:
    """Every snapshot of one product, from parts that follow on each other. `where` names them in errors."""

    def __init__(self, own: Product, parts: Sequence[Part], where: str) -> None:
        """Errors: CaptureError when there is no snapshot, or they don't follow on each other."""
        self._product, self._parts, self._where = own, parts, where
        instants = np.concatenate([np.zeros(0, dtype=np.int64), *(one.instants for one in parts)])
        counts = np.concatenate([np.zeros(0, dtype=np.int64), *(one.counts for one in parts)])
        part_of = np.repeat(np.arange(len(parts)), [len(one.instants) for one in parts])
        if not len(instants) or np.any(np.diff(instants) <= 0):
            raise CaptureError(f"{where} holds no snapshots of {own.code}, or not one after the other")
        whole = _whole(counts)
        self._instants: I64 = instants[whole]
        self._part_of = part_of[whole]
        self.torn = len(instants) - len(self._instants)
        self._kept: OrderedDict[int, _Columns] = OrderedDict()
        self._tables: OrderedDict[tuple[str, ...], tuple[InstrumentTable, NDArray[np.intp]]] = OrderedDict()

    @property
    def product(self) -> Product:
        """Whose options these are."""
        return self._product

    @property
    def instants(self) -> I64:
        """When there is a snapshot."""
        return self._instants

    def snapshot(self, row: int) -> Snapshot:
        """The chain of one snapshot, ordered by expiry, strike, call before put. Errors: CaptureError."""
        at_ms = int(self._instants[row])
        part = self._part(int(self._part_of[row]))
        rows = slice(*np.searchsorted(part.at_ms, [at_ms, at_ms + 1]).tolist())
        table, order = self._table(part.names[rows])
        columns = {name: column[rows][order] for name, column in part.columns.items()}
        seen = columns.pop("index_price")
        price = index_at(columns["forward"], part.own_index[rows][order], seen, table.expiry_ms, at_ms)
        return Snapshot(at_ms, price, table, **columns)

    def _part(self, row: int) -> _Columns:
        found = self._kept.get(row)
        if found is None:
            found = self._kept[row] = _columns(self._parts[row].read())
            if len(self._kept) > _PARTS_KEPT:
                self._kept.popitem(last=False)
        return found

    def _table(self, names: tuple[str, ...]) -> tuple[InstrumentTable, NDArray[np.intp]]:
        """The table of these names in the order of chains, and the rows that put them so."""
        found = self._tables.get(names)
        if found is None:
            try:
                raw = InstrumentTable.of(self._product, names)
            except ValueError as error:
                raise CaptureError(f"{self._where}: {error}: take the file that names it away") from error
            order = np.lexsort((~raw.is_call, raw.strike, raw.expiry_ms))
            found = self._tables[names] = part_of_table(raw, order), order
            if len(self._tables) > _TABLES_KEPT:
                self._tables.popitem(last=False)
        return found


class Until:
    """Chains of which nothing after `until_ms` is known."""

    def __init__(self, chains: Chains, until_ms: int) -> None:
        self._chains = chains
        self._instants = chains.instants[: int(np.searchsorted(chains.instants, until_ms, side="right"))]

    @property
    def product(self) -> Product:
        """Whose options these are."""
        return self._chains.product

    @property
    def instants(self) -> I64:
        """When there is a snapshot."""
        return self._instants

    def snapshot(self, row: int) -> Snapshot:
        """The snapshot at `instants[row]`; IndexError for a later one."""
        self._instants[row]
        return self._chains.snapshot(row)


class Shown:
    """Chains shown at other instants than they were read: those of the burst that they belong to."""

    def __init__(self, chains: Chains, shown_ms: I64) -> None:
        self._chains, self._shown = chains, shown_ms

    @property
    def product(self) -> Product:
        """Whose options these are."""
        return self._chains.product

    @property
    def instants(self) -> I64:
        """When each is shown."""
        return self._shown

    def snapshot(self, row: int) -> Snapshot:
        """The snapshot shown at `instants[row]`."""
        return replace(self._chains.snapshot(row), at_ms=int(self._shown[row]))


def in_bursts(chains: dict[str, Chains], burst_ms: int = 60_000) -> dict[str, Chains]:
    """The same chains, each shown when the last of those read within the same minute was: none before it was read.

    A recorder asks for one product after the other; who decides, decides on all of them.
    """
    every = sorted((int(at), code) for code, one in chains.items() for at in one.instants.tolist())
    shown: dict[str, list[int]] = {code: [] for code in chains}
    burst: list[tuple[int, str]] = []
    last = -1

    def close() -> None:
        nonlocal last
        last = max(burst[-1][0], last + 1) if burst else last
        for _, code in burst:
            shown[code].append(last)

    for at, code in every:
        if burst and (at - burst[0][0] > burst_ms or any(code == other for _, other in burst)):
            close()
            burst = []
        burst.append((at, code))
    close()
    return {code: Shown(one, np.array(shown[code], dtype=np.int64)) for code, one in chains.items()}


def row_at(chains: Chains, at_ms: int) -> int:
    """The last snapshot at or before an instant. Errors: InstrumentError before the first."""
    row = int(np.searchsorted(chains.instants, at_ms, side="right")) - 1
    if row < 0:
        first = int(chains.instants[0]) if len(chains.instants) else "ever"
        raise InstrumentError(
            f"no {chains.product.code} option was recorded before {first}, asked for {at_ms}"
        )
    return row


def index_at(forward: F64, own: Bools, seen: F64, expiry_ms: I64, at_ms: int) -> float:
    """The index at the instant of a snapshot's forwards, USD, two decimals; all columns of one order.

    An expiry without a future carries the index itself as its forward (`own`); where none is known to, one reading of
    the index for all rows (`seen`) is it; else it is where the line of ln(forward) over the expiries of the next five
    weeks meets the instant, within what the index column saw.
    """
    if own.any():
        return round(float(np.median(forward[own])), 2)
    seen = seen[~np.isnan(seen)]
    if len(seen) and seen.min() == seen.max():
        return round(float(seen[0]), 2)
    days = (expiry_ms - at_ms) / MS_PER_DAY
    near = days < _NEAR_DAYS
    if len(np.unique(days[near])) < 2:
        found = float(np.median(seen)) if len(seen) else float(forward[int(np.argmin(days))])
        return round(found, 2)
    level = float(np.exp(np.polynomial.polynomial.polyfit(days[near], np.log(forward[near]), 1)[0]))
    return round(float(np.clip(level, seen.min(), seen.max())) if len(seen) else level, 2)


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """A part as columns, ascending by instant; quotes, sizes and volatilities of 0 or less are NaN."""

    at_ms: I64
    names: tuple[str, ...]
    own_index: Bools
    columns: dict[str, F64]


def _columns(frame: pl.DataFrame) -> _Columns:
    frame = frame.sort("at_ms", maintain_order=True)
    columns = {name: floats(frame, name) for name in COLUMNS[2:12]}
    for name in ("bid", "ask", "bid_size", "ask_size", "iv"):
        columns[name] = np.where(columns[name] > 0, columns[name], np.nan)
    own = frame["own_index"].fill_null(value=False).to_numpy()
    return _Columns(frame["at_ms"].to_numpy(), tuple(frame["name"].to_list()), own, columns)


def part_of_table(table: InstrumentTable, rows: NDArray[np.intp]) -> InstrumentTable:
    """The table of some of its rows, without reading names again."""
    names = tuple(table.names[row] for row in rows.tolist())
    return InstrumentTable(
        table.product,
        names,
        table.strike[rows],
        table.expiry_ms[rows],
        table.is_call[rows],
        {name: row for row, name in enumerate(names)},
    )


def floats(frame: pl.DataFrame, name: str) -> F64:
    """A column of floats; what is missing is NaN."""
    return np.asarray(frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy(), dtype=np.float64)


def _whole(counts: I64) -> NDArray[np.bool_]:
    """Which snapshots are whole, judged by the last whole one before them alone."""
    kept, before = np.ones(len(counts), dtype=np.bool_), 0
    for row, count in enumerate(counts.tolist()):
        kept[row] = count >= _LEAST_OF_BEFORE * before
        before = count if kept[row] else before
    return kept
