"""Making: the grid from chains, one step after the other, whatever market they come from.

Owns the reading of a chain into columns. Keeps: what is forecast is what a strategy's view forecasts, by the same
functions; a price that is no whole unit of the product's grid is refused, because orders could not be in ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from optionwriter.core.books.fees import DAILY_DELIVERY_RATE, DELIVERY_RATE
from optionwriter.core.compiled import compiled
from optionwriter.core.decide.grid.columns import QuoteGrid, Quotes, Steps
from optionwriter.core.decide.strategies.view import forecast_volatility
from optionwriter.core.market.black76 import price_delta_one
from optionwriter.core.market.chain import F64, I64, Bools, ChainBlock, OptionChain
from optionwriter.core.market.context import MarketContext
from optionwriter.core.market.instruments import MS_PER_DAY, Family, Product, is_daily, parse_instrument
from optionwriter.core.market.money import quantum
from optionwriter.core.market.quotes import tick_grid

Delivery = Callable[[str, int], float]


class GridError(ValueError):
    """A market that no grid can be made of; the message says why."""


@dataclass(slots=True)
class _Part:
    """One side while it is made."""

    product: Product
    is_call: bool
    most_age_ms: int
    most_ahead_ms: int
    names: list[str] = field(default_factory=list)
    number: dict[str, int] = field(default_factory=dict)
    index: list[float] = field(default_factory=list)
    fresh: list[bool] = field(default_factory=list)
    slices: list[int] = field(default_factory=lambda: [0])  # how many there are after each step
    slice_expiry: list[I64] = field(default_factory=list)
    forward: list[F64] = field(default_factory=list)
    risk: list[F64] = field(default_factory=list)
    sizes: list[I64] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def blank(self) -> None:
        """A step that could not be read."""
        self.index.append(np.nan)
        self.fresh.append(False)
        self.slices.append(self.slices[-1])

    def add(self, at_ms: int, chain: OptionChain, risk: Callable[[float], float]) -> None:
        """One step's chain."""
        self.index.append(chain.index_price)
        age = at_ms - chain.at_ms
        self.fresh.append(-self.most_ahead_ms <= age <= self.most_age_ms)
        table = chain.table
        rows = np.flatnonzero(table.is_call == self.is_call)
        rows = rows[np.lexsort((table.strike[rows], chain.forward[rows], table.expiry_ms[rows]))]
        expiry, forward = table.expiry_ms[rows], chain.forward[rows]
        begins = np.flatnonzero(_changes(expiry) | _changes(forward))
        self.slices.append(self.slices[-1] + len(begins))
        self.slice_expiry.append(expiry[begins])
        self.forward.append(forward[begins])
        self.risk.append(np.array([risk((one - at_ms) / MS_PER_DAY) for one in expiry[begins].tolist()]))
        self.sizes.append(np.diff(np.append(begins, len(rows))))
        lot = float(self.product.amount_step)
        self.rows.append((
            self._numbers([table.names[row] for row in rows.tolist()]),
            chain.mark[rows],
            chain.mark_iv[rows],
            self._delta(
                table.strike[rows], expiry, forward[None], chain.mark_iv[None, rows], np.array([at_ms], dtype=np.int64)
            )[0],
            self._units(chain.bid[rows], at_ms),
            self._units(chain.ask[rows], at_ms),
            _lots(chain.bid_size[rows], lot),
            _lots(chain.ask_size[rows], lot),
            np.nan_to_num(chain.open_interest[rows], nan=0.0),  # as a book summary shows it
        ))  # fmt: skip

    def add_block(self, block: ChainBlock, risk: F64) -> None:
        """Several steps of one listing; `risk` (t, e)."""
        count, slices = block.forward.shape
        self.index.extend(block.index_price.tolist())
        self.fresh.extend([-self.most_ahead_ms <= 0 <= self.most_age_ms] * count)
        self.slices.extend(range(self.slices[-1] + slices, self.slices[-1] + slices * count + 1, slices))
        self.slice_expiry.append(np.tile(block.expiry_ms, count))
        self.forward.append(block.forward.ravel())
        self.risk.append(risk.ravel())
        self.sizes.append(np.tile(np.bincount(block.slice, minlength=slices), count))
        lot, first = float(self.product.amount_step), int(block.at_ms[0])
        forward = block.forward[:, block.slice]
        self.rows.append((
            np.tile(self._numbers(block.names), count),
            block.mark.ravel(),
            block.mark_iv.ravel(),
            self._delta(block.strike, block.expiry_ms[block.slice], forward, block.mark_iv, block.at_ms).ravel(),
            self._units(block.bid.ravel(), first),
            self._units(block.ask.ravel(), first),
            _lots(block.bid_size.ravel(), lot),
            _lots(block.ask_size.ravel(), lot),
            np.nan_to_num(block.open_interest.ravel(), nan=0.0),
        ))  # fmt: skip

    def _delta(self, strike: F64, expiry_ms: I64, forward: F64, iv: F64, at_ms: I64) -> F64:
        found = np.empty(iv.shape)
        _fill_delta(strike, expiry_ms, forward, iv, at_ms, self.is_call, found)
        return found

    def _numbers(self, names: Sequence[str]) -> Any:
        for name in names:
            if name not in self.number:
                self.number[name] = len(self.names)
                self.names.append(name)
        return np.array([self.number[name] for name in names], dtype=np.int32)

    def _units(self, price: F64, at_ms: int) -> Any:
        grid = tick_grid(self.product)
        known = price > 0.0
        units = np.where(known, np.rint(np.where(known, price, 0.0) * grid.per_coin), 0.0)
        if np.any(units[known] / grid.per_coin != price[known]) or np.any(units[known] < 1.0):
            raise GridError(f"{self.product.code} has prices off its grid at {at_ms}")
        return units.astype(np.int32)

    def quotes(self, delivery: Delivery, last_ms: int) -> Quotes:
        """The columns."""
        options = [parse_instrument(name) for name in self.names]
        ended = {one.expiry_ms for one in options if one.expiry_ms <= last_ms}
        paid = {one: delivery(self.product.index_name, one) for one in sorted(ended)}
        grid = tick_grid(self.product)
        columns = _stacked(self.rows or [_NO_ROWS])
        first_row = np.concatenate(([0], np.cumsum(_joined(self.sizes, np.int64)))).astype(np.int64)
        in_order = np.zeros(len(first_row) - 1, dtype=np.bool_)
        _fill_in_order(columns[3], first_row, self.is_call, in_order)
        return Quotes(
            is_call=self.is_call,
            is_inverse=self.product.family is Family.INVERSE,
            per_coin=grid.per_coin,
            fine=grid.fine,
            coarse=grid.coarse,
            turn=grid.turn,
            lot=float(self.product.amount_step),
            grain=float(1 / quantum(self.product.settlement_currency)),
            strike=np.array([float(one.strike) for one in options]),
            expiry_ms=np.array([one.expiry_ms for one in options], dtype=np.int64),
            delivery=np.array([paid.get(one.expiry_ms, np.nan) for one in options]),
            delivery_rate=np.array([
                float(DAILY_DELIVERY_RATE if is_daily(one.expiry_ms) else DELIVERY_RATE) for one in options
            ]),
            index_usd=np.array(self.index),
            fresh=np.array(self.fresh, dtype=np.bool_),
            first_slice=np.array(self.slices, dtype=np.int64),
            slice_expiry=_joined(self.slice_expiry, np.int64),
            forward=_joined(self.forward, np.float64),
            risk=_joined(self.risk, np.float64),
            in_order=in_order,
            first_row=first_row,
            option=columns[0],
            mark=columns[1],
            iv=columns[2],
            delta=columns[3],
            bid=columns[4],
            ask=columns[5],
            bid_lots=columns[6],
            ask_lots=columns[7],
            open_interest=columns[8],
        )  # fmt: skip


_NO_ROWS = tuple(
    np.zeros(0, dtype=kind) for kind in (np.int32, *(np.float64,) * 3, *(np.int32,) * 4, np.float64)
)


@compiled
def _fill_delta(
    strike: F64, expiry_ms: I64, forward: F64, iv: F64, at_ms: I64, is_call: bool, out: F64
) -> None:
    """Signed deltas as the screen computes them (screening.py); a row an instant."""
    for instant in range(len(at_ms)):
        for row in range(len(strike)):
            days = (expiry_ms[row] - at_ms[instant]) / MS_PER_DAY
            years = days / 365.0 if days > 0.0 else 0.0
            _, out[instant, row] = price_delta_one(
                forward[instant, row], strike[row], years, iv[instant, row], is_call
            )


@compiled
def _fill_in_order(delta: F64, first_row: I64, is_call: bool, out: Bools) -> None:
    """Of every slice: whether all deltas are known, and none is above that of the strike below it."""
    for one in range(len(out)):
        out[one] = True
        for row in range(first_row[one], first_row[one + 1]):
            before = delta[row - 1] if row > first_row[one] else delta[row]
            if not delta[row] <= before:
                out[one] = False
                break


class GridMaker:
    """Takes one step after the other; `grid` gives what they make."""

    def __init__(
        self,
        underlying: str,
        call_product: Product,
        put_product: Product,
        most_age_ms: int,
        most_ahead_ms: int,
    ) -> None:
        """Chains older than `most_age_ms`, or `most_ahead_ms` from the future, are not traded on."""
        self._underlying = underlying
        self._calls = _Part(call_product, True, most_age_ms, most_ahead_ms)
        self._puts = _Part(put_product, False, most_age_ms, most_ahead_ms)
        self._at_ms: list[int] = []
        self._seen: list[bool] = []
        self._index: list[float] = []
        self._realised: list[float] = []
        self._failures: dict[int, str] = {}

    def fail(self, at_ms: int, why: str) -> None:
        """A step whose market could not be read."""
        self._failures[len(self._at_ms)] = why
        self._step(at_ms, False, np.nan, np.nan)
        self._calls.blank()
        self._puts.blank()

    def add(
        self,
        at_ms: int,
        chains: Mapping[str, OptionChain],
        context: MarketContext,
    ) -> None:
        """A step: chains by product code, with their sizes. Errors: GridError."""
        ranked = [chains[one.product.code] for one in (self._calls, self._puts) if one.product.code in chains]
        usable = [one.index_price for one in ranked if np.isfinite(one.index_price) and one.index_price > 0]
        if len(usable) < len(ranked):
            raise GridError(f"an index of {self._underlying} is missing at {at_ms}")
        self._step(at_ms, True, usable[0], forecast_volatility(context))
        for part, risk in ((self._calls, context.pump_risk), (self._puts, context.crash_risk)):
            found = chains.get(part.product.code)
            if found is None:
                part.blank()
            else:
                part.add(at_ms, found, risk)

    def add_block(
        self, at_ms: Sequence[int], realised: Sequence[float], blocks: Mapping[str, tuple[ChainBlock, F64]]
    ) -> None:
        """Steps of one listing: forecast volatility by step, and by product code a block with its slices' risk.

        The first block's index is the underlying's, as in `add`. Errors: GridError.
        """
        ranked = [
            blocks[one.product.code][0].index_price
            for one in (self._calls, self._puts)
            if one.product.code in blocks
        ]
        for index in ranked:
            if not np.all(np.isfinite(index) & (index > 0)):
                raise GridError(f"an index of {self._underlying} is missing from {at_ms[0]} on")
        for at, index, forecast in zip(at_ms, ranked[0].tolist(), realised, strict=True):
            self._step(at, True, index, forecast)
        for part in (self._calls, self._puts):
            if part.product.code in blocks:
                part.add_block(*blocks[part.product.code])
            else:
                for _ in at_ms:
                    part.blank()

    def grid(self, delivery: Delivery) -> QuoteGrid:
        """Everything that was taken; `delivery` answers for expiries up to the last step."""
        last_ms = self._at_ms[-1] if self._at_ms else 0
        return QuoteGrid(
            underlying=self._underlying,
            steps=Steps(
                np.array(self._at_ms, dtype=np.int64),
                np.array(self._seen, dtype=np.bool_),
                np.array(self._index),
                np.array(self._realised),
            ),
            calls=self._calls.quotes(delivery, last_ms),
            puts=self._puts.quotes(delivery, last_ms),
            call_product=self._calls.product,
            put_product=self._puts.product,
            call_names=tuple(self._calls.names),
            put_names=tuple(self._puts.names),
            failures=self._failures,
        )

    def _step(self, at_ms: int, seen: bool, index: float, realised: float) -> None:
        self._at_ms.append(at_ms)
        self._seen.append(seen)
        self._index.append(index)
        self._realised.append(realised)


def _stacked(rows: list[tuple[Any, ...]]) -> list[Any]:
    """Each column in one; a part is let go as soon as it has been taken over."""
    parts = [list(column) for column in zip(*rows, strict=True)]
    rows.clear()
    stacked = []
    for part in parts:
        stacked.append(np.concatenate(part))
        part.clear()
    return stacked


def _changes(column: Any) -> Any:
    """Where a column differs from the row before; the first row does, NaN differs from everything."""
    if not len(column):
        return np.zeros(0, dtype=np.bool_)
    return np.concatenate(([True], column[1:] != column[:-1]))


def _lots(size: F64, lot: float) -> Any:
    """Whole lots; none of what isn't known."""
    lots = np.floor(np.where(np.isfinite(size), size, 0.0) / lot + 1e-9)
    return np.minimum(lots, 2**31 - 1).astype(np.int32)


def _joined(parts: Sequence[Any], kind: type) -> Any:
    return np.concatenate(parts).astype(kind) if parts else np.zeros(0, dtype=kind)
