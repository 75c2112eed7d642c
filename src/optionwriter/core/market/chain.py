"""OptionChain: one product at one instant, as columns; the same for live, captured and synthetic markets.

Owns the column names and their units. A missing number is NaN, never 0. Rows are ordered as the table's names.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.market.instruments import Product, parse_recorded

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class InstrumentTable:
    """The listed options of one product, as columns of equal length; shared between the chains of many instants."""

    product: Product
    names: tuple[str, ...]
    strike: F64  # USD
    expiry_ms: I64
    is_call: Bools
    row_of: dict[str, int] = field(repr=False)

    @staticmethod
    def of(product: Product, names: tuple[str, ...]) -> InstrumentTable:
        """Reads the names. Errors: InstrumentError for a name that is no option, ValueError for another product's."""
        parsed = [parse_recorded(name) for name in names]
        for one in parsed:
            if one.product.code != product.code:
                raise ValueError(f"{one.name} is no option of {product.code}")
        return InstrumentTable(
            product=product,
            names=names,
            strike=np.array([float(one.strike) for one in parsed], dtype=np.float64),
            expiry_ms=np.array([one.expiry_ms for one in parsed], dtype=np.int64),
            is_call=np.array([one.is_call for one in parsed], dtype=np.bool_),
            row_of={name: row for row, name in enumerate(names)},
        )

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True, eq=False)
class OptionChain:
    """Quotes of every listed option of one product at one instant. Every column has the table's length.

    Prices are in the settlement currency (coin for inverse, USDC for linear) as the wire rounds them; `mark_iv`
    is a fraction (0.43, the wire's percent / 100); `forward` and `index_price` are USD; sizes, open interest and
    volume are coins of the underlying. NaN where the exchange gives nothing.
    """

    table: InstrumentTable
    at_ms: int
    index_price: float
    forward: F64
    mark: F64
    mark_iv: F64
    bid: F64
    ask: F64
    bid_size: F64
    ask_size: F64
    open_interest: F64
    volume: F64

    @property
    def product(self) -> Product:
        """The product whose options these are."""
        return self.table.product

    def __len__(self) -> int:
        return len(self.table)


@dataclass(frozen=True, slots=True, eq=False)
class RowsOver:
    """Rows of one product's chains at many instants, in the units of OptionChain: (t,) and (t, n)."""

    table: InstrumentTable
    at_ms: I64
    index_price: F64
    forward: F64
    mark: F64
    mark_iv: F64
    bid: F64
    ask: F64
    open_interest: F64
