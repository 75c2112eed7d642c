"""Making: the grid from chains, one step after the other, whatever market they come from.

Owns the reading of a chain into columns. Keeps: what is forecast is what a strategy's view forecasts, by the same
functions; a price that is no whole unit of the product's grid is refused, because orders could not be in ticks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from optionwriter.core.books.fees import DAILY_DELIVERY_RATE, DELIVERY_RATE
from optionwriter.core.compiled import compiled, compiled_exact
from optionwriter.core.decide.grid.columns import I32, QuoteGrid, Quotes, Steps
from optionwriter.core.decide.grid.growing import GrowingRows, OptionNames, Rows
from optionwriter.core.decide.strategies.view import forecast_volatility
from optionwriter.core.market.black76 import fill_price_delta
from optionwriter.core.market.chain import F64, I64, Bools, OptionChain
from optionwriter.core.market.chains_over import ChainsOver
from optionwriter.core.market.context import MarketContext
from optionwriter.core.market.instruments import MS_PER_DAY, Family, OptionType, Product, is_daily
from optionwriter.core.market.money import quantum
from optionwriter.core.market.quotes import QuoteRows, tick_grid

_NO_NUMBER, _MET = -1, -2  # of an option that has none yet

Delivery = Callable[[str, int], float]
Task = Callable[[], None]


class GridError(ValueError):
    """A market that no grid can be made of; the message says why."""


class _Part:
    """One side while it is made."""

    def __init__(self, product: Product, is_call: bool, most_age_ms: int, most_ahead_ms: int) -> None:
        self.product, self.is_call = product, is_call
        self.most_age_ms, self.most_ahead_ms = most_age_ms, most_ahead_ms
        self.names = OptionNames(product.code, OptionType.CALL if is_call else OptionType.PUT)
        self.rows = GrowingRows()
        self._index: list[F64] = []
        self._fresh: list[Bools] = []
        self._slices: list[I64] = []  # of each step
        self._expiry: list[I64] = []
        self._forward: list[F64] = []
        self._risk: list[F64] = []
        self._sizes: list[I64] = []  # of each slice
        self._filled: set[tuple[int, int]] = set()  # ahead: where it begins, the step after the last
        self._known: tuple[ChainsOver | None, I64] = (None, np.zeros(0, dtype=np.int64))

    def blank(self, count: int = 1) -> None:
        """Steps that could not be read."""
        self._index.append(np.full(count, np.nan))
        self._fresh.append(np.zeros(count, dtype=np.bool_))
        self._slices.append(np.zeros(count, dtype=np.int64))

    def add(self, at_ms: int, chain: OptionChain, risk: Callable[[float], float]) -> None:
        """One step's chain."""
        age, table = at_ms - chain.at_ms, chain.table
        rows = np.flatnonzero(table.is_call == self.is_call)
        rows = rows[np.lexsort((table.strike[rows], chain.forward[rows], table.expiry_ms[rows]))]
        expiry, forward = table.expiry_ms[rows], chain.forward[rows]
        begins = np.flatnonzero(_changes(expiry) | _changes(forward))
        self._index.append(np.array([chain.index_price]))
        self._fresh.append(np.array([-self.most_ahead_ms <= age <= self.most_age_ms]))
        self._slices.append(np.array([len(begins)], dtype=np.int64))
        self._expiry.append(expiry[begins])
        self._forward.append(forward[begins])
        self._risk.append(np.array([risk((one - at_ms) / MS_PER_DAY) for one in expiry[begins].tolist()]))
        self._sizes.append(np.diff(np.append(begins, len(rows))))
        lot, room = float(self.product.amount_step), self.rows.room(len(rows))
        room.option[:] = [self.names.number_of(table.names[row]) for row in rows.tolist()]
        room.mark[:], room.iv[:] = chain.mark[rows], chain.mark_iv[rows]
        self._fill_delta(room, table.strike[rows], _years(expiry, at_ms), forward)
        room.bid[:], room.ask[:] = self._units(chain.bid[rows], at_ms), self._units(chain.ask[rows], at_ms)
        room.bid_lots[:], room.ask_lots[:] = (
            _lots(chain.bid_size[rows], lot),
            _lots(chain.ask_size[rows], lot),
        )
        room.open_interest[:] = np.nan_to_num(
            chain.open_interest[rows], nan=0.0
        )  # as a book summary shows it
        self.rows.keep(len(rows))

    def begin(self, over: ChainsOver, first: int) -> None:
        """Makes room for all that these chains have from an instant on."""
        self._known = over, np.full(len(over.listed.option_strike), _NO_NUMBER, dtype=np.int64)
        self.rows.reserve(int(over.first_row[-1] - over.first_row[over.first_slice[first]]))
        self._filled.clear()

    def fill_ahead(self, over: ChainsOver, first: int, last: int) -> None:
        """As `fill`, of steps after those that come next; from any thread. What fails is left to `fill`."""
        begin = int(over.first_row[over.first_slice[first]])
        room = self.rows.room_at(begin, int(over.first_row[over.first_slice[last]]) - begin)
        with contextlib.suppress(ValueError):
            self._fill(over, first, last, room)
            self._filled.add((begin, last))

    def fill(self, over: ChainsOver, first: int, last: int) -> None:
        """The rows of several steps; they count once `add_over` is called too. Errors: those of the chains."""
        if self._known[0] is not over:
            self.begin(over, first)
        begin = int(over.first_row[over.first_slice[first]])
        if (begin, last) in self._filled and len(self.rows) == begin:
            return
        self._fill(over, first, last, self.rows.room(int(over.first_row[over.first_slice[last]]) - begin))

    def _fill(self, over: ChainsOver, first: int, last: int, room: Rows) -> None:
        begin, end = int(over.first_slice[first]), int(over.first_slice[last])
        rows, found = over.quotes(first, last, room.option, room.mark, room.iv)
        years = _years(over.expiry_ms[begin:end], over.at_ms[over.instant[begin:end]])
        self._fill_delta(room, rows.strike, years[rows.slice], rows.forward)
        books, lot = over.books, float(self.product.amount_step)
        _fill_sizes(
            found, _lots(books.bid_size, lot), _lots(books.ask_size, lot),
            np.nan_to_num(books.open_interest, nan=0.0), room,
        )  # fmt: skip

    def add_over(self, over: ChainsOver, first: int, last: int, risk: F64) -> None:
        """What has been filled; `risk` by slice."""
        begin, end = int(over.first_slice[first]), int(over.first_slice[last])
        count, number = int(over.first_row[end] - over.first_row[begin]), self._known[1]
        option = self.rows.room(count).option
        listed, new = over.listed, np.empty(len(number), dtype=np.int64)
        for one in new[: _fill_new(option, number, new)].tolist():
            number[one] = self.names.add(listed.option_strike[one], int(listed.option_expiry_ms[one]))
        _renumber(option, number)
        self.rows.keep(count)
        self._index.append(over.index_price[first:last])
        self._fresh.append(np.full(last - first, -self.most_ahead_ms <= 0 <= self.most_age_ms))
        self._slices.append(np.diff(over.first_slice[first : last + 1]))
        self._expiry.append(over.expiry_ms[begin:end])
        self._forward.append(over.forward[begin:end])
        self._risk.append(risk)
        self._sizes.append(np.diff(over.first_row[begin : end + 1]))

    def _fill_delta(self, room: Rows, strike: F64, years: F64, forward: F64) -> None:
        """Signed deltas as the screen computes them (screening.py)."""
        types, value = np.full(len(strike), self.is_call), np.empty(len(strike))
        fill_price_delta(forward, strike, years, room.iv, types, value, room.delta)

    def _units(self, price: F64, at_ms: int) -> Any:
        grid = tick_grid(self.product)
        known = price > 0.0
        units = np.where(known, np.rint(np.where(known, price, 0.0) * grid.per_coin), 0.0)
        if np.any(units[known] / grid.per_coin != price[known]) or np.any(units[known] < 1.0):
            raise GridError(f"{self.product.code} has prices off its grid at {at_ms}")
        return units.astype(np.int32)

    def quotes(self, delivery: Delivery, last_ms: int) -> Quotes:
        """The columns."""
        expiry_ms = np.array(self.names.expiry_ms, dtype=np.int64)
        days, number = np.unique(expiry_ms, return_inverse=True)
        index_name = self.product.index_name
        paid = [delivery(index_name, one) if one <= last_ms else np.nan for one in days.tolist()]
        rates = [float(DAILY_DELIVERY_RATE if is_daily(one) else DELIVERY_RATE) for one in days.tolist()]
        grid, rows = tick_grid(self.product), self.rows.done()
        first_row = _sums(self._sizes)
        in_order = np.zeros(len(first_row) - 1, dtype=np.bool_)
        _fill_in_order(rows.delta, first_row, self.is_call, in_order)
        return Quotes(
            is_call=self.is_call,
            is_inverse=self.product.family is Family.INVERSE,
            per_coin=grid.per_coin,
            fine=grid.fine,
            coarse=grid.coarse,
            turn=grid.turn,
            lot=float(self.product.amount_step),
            grain=float(1 / quantum(self.product.settlement_currency)),
            strike=np.array([float(one) for one in self.names.strike]),
            expiry_ms=expiry_ms,
            delivery=np.array(paid)[number],
            delivery_rate=np.array(rates)[number],
            index_usd=_joined(self._index, np.float64),
            fresh=_joined(self._fresh, np.bool_),
            first_slice=_sums(self._slices),
            slice_expiry=_joined(self._expiry, np.int64),
            forward=_joined(self._forward, np.float64),
            risk=_joined(self._risk, np.float64),
            in_order=in_order,
            first_row=first_row,
            **rows._asdict(),
        )


@compiled_exact
def _fill_sizes(found: QuoteRows, bid_lots: I32, ask_lots: I32, open_interest: F64, room: Rows) -> None:
    """Prices in whole units (0: not quoted), sizes in whole lots of what is quoted; both by bucket."""
    for row in range(found.bucket.size):
        bucket = np.uint64(found.bucket[row])
        bid, ask = found.bid_units[row], found.ask_units[row]
        has_bid, has_ask = bid == bid, ask == ask
        room.bid[row], room.ask[row] = int(bid if has_bid else 0.0), int(ask if has_ask else 0.0)
        room.bid_lots[row] = bid_lots[bucket] if has_bid else 0
        room.ask_lots[row] = ask_lots[bucket] if has_ask else 0
        room.open_interest[row] = open_interest[bucket]


@compiled_exact
def _fill_new(option: I32, number: I64, new: I64) -> int:
    """Fills the options that have no number yet, each once, as they appear; says how many."""
    count = 0
    for row in range(option.size):
        one = option[row]
        if number[one] == _NO_NUMBER:
            number[one] = _MET
            new[count] = one
            count += 1
    return count


@compiled_exact
def _renumber(option: I32, number: I64) -> None:
    """From the numbers of the chains over time to the grid's."""
    for row in range(option.size):
        option[row] = number[np.uint64(option[row])]


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
        self._steps: list[Steps] = []
        self._count = 0
        self._failures: dict[int, str] = {}

    def fail(self, at_ms: int, why: str) -> None:
        """A step whose market could not be read."""
        self._failures[self._count] = why
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

    def ahead(self, overs: Mapping[str, ChainsOver], stretches: Sequence[tuple[int, int]]) -> list[Task]:
        """What can be done, in any order and at once, before `add_over` is called for these stretches of all steps."""
        tasks: list[Task] = []
        for part in (self._calls, self._puts):
            over = overs.get(part.product.code)
            if over is not None:
                part.begin(over, 0)
                tasks += [partial(part.fill_ahead, over, first, last) for first, last in stretches]
        return tasks

    def add_over(
        self,
        overs: Mapping[str, tuple[ChainsOver, F64]],
        first: int,
        last: int,
        realised: F64,
    ) -> None:
        """The steps from `first` to before `last` of chains over time, by product code, with the risk of their slices;
        `realised`: the forecast volatility of each step.

        The first one's index is the underlying's, as in `add`. Errors: GridError, and those of the chains: then nothing
        has been added.
        """
        chosen = [part for part in (self._calls, self._puts) if part.product.code in overs]
        at_ms = overs[chosen[0].product.code][0].at_ms[first:last]
        for part in chosen:
            index = overs[part.product.code][0].index_price[first:last]
            if not np.all(np.isfinite(index) & (index > 0)):
                raise GridError(f"an index of {self._underlying} is missing from {at_ms[0]} on")
            part.fill(overs[part.product.code][0], first, last)
        ranked = overs[chosen[0].product.code][0].index_price[first:last]
        self._steps.append(Steps(at_ms, np.ones(len(at_ms), dtype=np.bool_), ranked, realised))
        self._count += len(at_ms)
        for part in (self._calls, self._puts):
            if part.product.code in overs:
                over, risk = overs[part.product.code]
                part.add_over(over, first, last, risk)
            else:
                part.blank(len(at_ms))

    def grid(self, delivery: Delivery) -> QuoteGrid:
        """Everything that was taken; `delivery` answers for expiries up to the last step."""
        steps = Steps(*(np.concatenate(column) for column in zip(_NO_STEPS, *self._steps, strict=True)))
        last_ms = int(steps.at_ms[-1]) if len(steps.at_ms) else 0
        return QuoteGrid(
            underlying=self._underlying,
            steps=steps,
            calls=self._calls.quotes(delivery, last_ms),
            puts=self._puts.quotes(delivery, last_ms),
            call_product=self._calls.product,
            put_product=self._puts.product,
            call_names=self._calls.names,
            put_names=self._puts.names,
            failures=self._failures,
        )

    def _step(self, at_ms: int, seen: bool, index: float, realised: float) -> None:
        columns = np.array([at_ms], dtype=np.int64), np.array([seen]), np.array([index]), np.array([realised])
        self._steps.append(Steps(*columns))
        self._count += 1


_NO_STEPS = Steps(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_), np.zeros(0), np.zeros(0))


def _years(expiry_ms: I64, at_ms: I64 | int) -> F64:
    """As the screen counts them: none after the expiry."""
    return np.maximum((expiry_ms - at_ms) / MS_PER_DAY / 365.0, 0.0)


def _sums(parts: Sequence[I64]) -> I64:
    """Where each begins, and where the last ends."""
    return np.concatenate(([0], np.cumsum(_joined(parts, np.int64)))).astype(np.int64)


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
