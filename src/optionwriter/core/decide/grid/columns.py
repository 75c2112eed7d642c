"""Columns: what the compiled driver reads of every step, laid out for a loop. Made once, shared by any number of runs.

Owns the layout. Steps are the rows of `Steps`; of each step `Quotes` keeps the options of one product and type in
slices of one expiry and forward, strikes ascending within. Prices are whole units of 1 / per_coin (0: not quoted),
sizes whole lots; NaN is a missing number. Nothing in here depends on a strategy's parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.market.chain import F64, I64, Bools
from optionwriter.core.market.instruments import Product

I32 = NDArray[np.int32]


class Quotes(NamedTuple):
    """One product's calls or puts. By option: strike, expiry, delivery price (NaN: never delivered) and rate.

    By step: the product's index, whether its chain is recent, and where its slices begin. By slice: expiry, forward,
    risk (the probability, within its life, of the event that hurts this side), whether its deltas are all known and go
    one way with the strike, and where its rows begin. By row: the option's number, its quote, its signed delta from
    mark IV. `lot` is in coins, `grain` how many booked units one unit of the currency has.
    """

    is_call: bool
    is_inverse: bool
    per_coin: float
    fine: float
    coarse: float
    turn: float
    lot: float
    grain: float
    strike: F64
    expiry_ms: I64
    delivery: F64
    delivery_rate: F64
    index_usd: F64
    fresh: Bools
    first_slice: I64
    slice_expiry: I64
    forward: F64
    risk: F64
    in_order: Bools
    first_row: I64
    option: I32
    mark: F64
    iv: F64
    delta: F64
    bid: I32
    ask: I32
    bid_lots: I32
    ask_lots: I32
    open_interest: F64


class Steps(NamedTuple):
    """By step: its instant, whether the market could be read, the underlying's index, its forecast volatility."""

    at_ms: I64
    seen: Bools
    index_usd: F64
    realised: F64


@dataclass(frozen=True, slots=True, eq=False)
class QuoteGrid:
    """A period of one underlying. `puts` has no options where none are written; names are by option number.

    `failures` says, by step, why the market could not be read.
    """

    underlying: str
    steps: Steps
    calls: Quotes
    puts: Quotes
    call_product: Product
    put_product: Product
    call_names: Sequence[str]
    put_names: Sequence[str]
    failures: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.steps.at_ms)

    def names(self, side: int) -> Sequence[str]:
        """Of the calls (side 0) or the puts (side 1)."""
        return self.put_names if side else self.call_names

    def quotes(self, side: int) -> Quotes:
        """The calls (side 0) or the puts (side 1)."""
        return self.puts if side else self.calls

    def product(self, side: int) -> Product:
        """Of the calls (side 0) or the puts (side 1)."""
        return self.put_product if side else self.call_product
