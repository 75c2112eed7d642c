"""Linear puts by conversion: what a linear book would have quoted where only the inverse one was recorded.

Measured on recordings that have both (December 2025): a linear option's mark volatility and forward are the inverse
one's, its strikes are among them, its price is the inverse one's at the index (premium). Bids are taken 0.7 % lower:
BTC's puts (0.05 to 0.50 of delta) were 0.5 % lower at the median at 8 to 22 days, 1.5 % at 2 to 8, ETH's 0.4 to 0.7 %
higher. BTC's tails are worse: 9 % lower at the 5th percentile with 2 to 8 days to go, 15 % under 2 days. Asks are
raised by as much. Prices are then moved to the worse side of the linear tick grid. Sizes are not recorded; open
interest is unknown.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from optionwriter.adapters.tapes.snapshots import Chains, Snapshot
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import F64, I64, Bools, InstrumentTable
from optionwriter.core.market.instruments import MS_PER_YEAR, Product
from optionwriter.core.market.listing import creation_ms
from optionwriter.core.market.premium import premium

HAIRCUT = 0.007
_TABLES_KEPT = 8
_MARK_DECIMALS = 6  # USDC, as recorded


class LinearChains:
    """One coin's linear chains: the recorded ones where there are any, else converted from its inverse ones."""

    def __init__(
        self, own: Product, inverse: Chains, recorded: Chains | None = None, haircut: float = HAIRCUT
    ) -> None:
        self._product, self._inverse, self._recorded, self._haircut = own, inverse, recorded, haircut
        known: I64 = np.zeros(0, dtype=np.int64) if recorded is None else recorded.instants
        self._instants = np.union1d(inverse.instants, known)
        self.converted = len(self._instants) - len(known)
        self._tables: OrderedDict[tuple[str, ...], InstrumentTable] = OrderedDict()

    @property
    def product(self) -> Product:
        """Whose options these are."""
        return self._product

    @property
    def instants(self) -> I64:
        """When there is a snapshot."""
        return self._instants

    def snapshot(self, row: int) -> Snapshot:
        """The snapshot at `instants[row]`."""
        at_ms = self._instants[row]
        if self._recorded is not None:
            place = int(np.searchsorted(self._recorded.instants, at_ms))
            if place < len(self._recorded.instants) and self._recorded.instants[place] == at_ms:
                return self._recorded.snapshot(place)
        source = self._inverse.snapshot(int(np.searchsorted(self._inverse.instants, at_ms)))
        rows = convertible(source.table, self._product, source.at_ms)
        return converted(source, self._table(twins(source.table, self._product, rows)), rows, self._haircut)

    def _table(self, names: tuple[str, ...]) -> InstrumentTable:
        found = self._tables.get(names)
        if found is None:
            found = self._tables[names] = InstrumentTable.of(self._product, names)
            if len(self._tables) > _TABLES_KEPT:
                self._tables.popitem(last=False)
        return found


def converted(source: Snapshot, table: InstrumentTable, rows: Bools, haircut: float = HAIRCUT) -> Snapshot:
    """The linear puts of `table`, which are the inverse ones in `rows` of `source`, in USDC."""
    forward, iv = source.forward[rows], source.iv[rows]
    years = (table.expiry_ms - source.at_ms) / MS_PER_YEAR
    value, _ = price_delta(forward, table.strike, years, iv, table.is_call)
    mark = premium(False, value, forward, source.index_price)
    unknown = np.full(len(table), np.nan)
    own = table.product
    return Snapshot(
        source.at_ms,
        source.index_price,
        table,
        forward,
        _on_grid(own, source.bid[rows] * source.index_price * (1.0 - haircut), np.floor),
        _on_grid(own, source.ask[rows] * source.index_price * (1.0 + haircut), np.ceil),
        np.round(mark, _MARK_DECIMALS),
        iv,
        unknown,
        unknown,
        unknown,
        unknown,
    )


def convertible(source: InstrumentTable, product: Product, at_ms: int) -> Bools:
    """Which inverse options have a linear twin at an instant: the puts of the expiries that are listed there."""
    listed = {
        expiry: creation_ms(expiry, product) <= at_ms for expiry in np.unique(source.expiry_ms).tolist()
    }
    return ~source.is_call & np.array([listed[one] for one in source.expiry_ms.tolist()], dtype=np.bool_)


def twins(source: InstrumentTable, product: Product, rows: Bools) -> tuple[str, ...]:
    """The linear names of the inverse options in `rows`."""
    kept = np.flatnonzero(rows).tolist()
    return tuple(f"{product.code}-{source.names[row].partition('-')[2]}" for row in kept)


def _on_grid(product: Product, price: F64, rounding: Callable[[F64], F64]) -> F64:
    """Prices on the tick grid; NaN where nothing is left of them, or there was nothing."""
    tick = float(product.tick_size)
    per_unit = round(1.0 / tick) if tick < 1.0 else 1.0
    step = tick * per_unit
    # a price that is on the grid but for the last bit stays where it is
    units = rounding(np.round(price / tick, 9)) * step / per_unit
    return np.where(units > 0.0, units, np.nan)
