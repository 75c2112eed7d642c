"""Stretch: the steps ahead of one at which all wait, looked at many at a time, up to the first that needs more.

Owns what is read ahead: rows of what is held and of what the benchmarks sold, and, where a slot is free or a roll is
asked for, those of what is listed that could fill it. Keeps: a glimpse has the numbers that the step's own market would
show; where a strategy might be asked, a number is missing or a benchmark would act there is none, and the step is taken
as if nobody had looked ahead. What happens to the account is not seen here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from optionwriter.core.decide.strategies.ahead import (
    ASKS,
    ROWS,
    SEARCHES,
    LegOver,
    Times,
    judge_leg,
    roll_asks,
    rows_for_roll,
    rows_for_slot,
    slot_asks,
)
from optionwriter.core.decide.strategies.base import Sought, Watch
from optionwriter.core.decide.strategies.view import forecast_of
from optionwriter.core.market.chain import F64, I64, Bools, RowsOver
from optionwriter.core.market.instruments import product
from optionwriter.core.report.glimpse import Glimpses, Rows
from optionwriter.ports import Parts

_LEAST, _MOST = 4, 512  # steps that are read ahead at once


class Money(NamedTuple):
    """One currency of the account: its cash, and amounts and names of the options that settle in it."""

    currency: str
    balance: float
    held: tuple[tuple[float, str], ...]


class Asked(NamedTuple):
    """What a stretch looks at: names by product code, everything held, what the strategies watch, the money."""

    names: Mapping[str, tuple[str, ...]]
    held: tuple[str, ...]
    watched: tuple[Watch, ...]
    money: tuple[Money, ...]


class Stretch:
    """Glimpses of the steps `instants` from `begin` on, in order, before `until_ms`."""

    def __init__(
        self, parts: Parts, asked: Asked, instants: Sequence[int], begin: int, until_ms: int, ahead: int
    ) -> None:
        """`ahead`: how many steps are read at first."""
        self._parts, self._asked, self._instants, self._until_ms = parts, asked, instants, until_ms
        self.ahead = max(_LEAST, ahead)
        self._read, self._next, self._end = begin, begin, begin  # places: of what was read, passed, its end
        self._ends = False  # someone must be asked at the end of what was read
        self._seen: Glimpses | None = None
        self._passed: list[Glimpses] = []

    def passes(self, place: int) -> bool:
        """Whether the step of that place, the next, can be passed over. Errors: MarketUnavailableError, where one can't
        read on."""
        if place != self._next:
            return False
        if place == self._end and not self._ends:
            began = self._read
            self._keep()
            if place > began:  # all that was read was passed over
                self.ahead = min(2 * self.ahead, _MOST)
            self._read_on(place)
        if place >= self._end:
            return False
        self._next += 1
        return True

    def passed(self) -> list[Glimpses]:
        """What the steps that were passed over since the last question showed."""
        self._keep()
        found, self._passed = self._passed, []
        return found

    def _keep(self) -> None:
        if self._seen is not None and self._next > self._read:
            self._passed.append(self._seen.part(0, self._next - self._read))
            self._seen = self._seen.part(self._next - self._read, self._end - self._read)
            self._read = self._next

    def _read_on(self, place: int) -> None:
        """Reads the next steps, up to the first at which someone must be asked."""
        self._read = self._end = place
        self._seen = None
        instants = [one for one in self._instants[place : place + self.ahead] if one < self._until_ms]
        if not instants:
            return
        at_ms = np.array(instants, dtype=np.int64)
        rows = {code: self._parts.rows_over(code, names, at_ms) for code, names in self._asked.names.items()}
        index = _index_by_underlying(rows)
        shown = _rows_by_name(tuple(rows.values()))
        times = {name: Times(at_ms, column, self._forecast(name, at_ms)) for name, column in index.items()}
        count = self._waits(times, rows, shown)
        self._end = place + count
        self._ends = count < len(at_ms)
        if self._ends:
            self.ahead = max(_LEAST, count)
        self._seen = Glimpses(at_ms, index, shown).part(0, count)

    def _forecast(self, underlying: str, at_ms: I64) -> F64:
        columns = (one.tolist() for one in self._parts.realised_over(underlying, at_ms))
        return np.array([forecast_of(short, long) for short, long in zip(*columns, strict=True)])

    def _waits(
        self, times: Mapping[str, Times], rows: Mapping[str, RowsOver], shown: Mapping[str, Rows]
    ) -> int:
        """At how many of the steps, from the first on, everything held has its numbers and nobody is asked."""
        asks = np.zeros(len(next(iter(times.values())).at_ms), dtype=np.bool_)
        for one in times.values():
            asks |= ~(one.index_price > 0)
        for name in self._asked.held:
            if name not in shown:
                return 0
            asks |= ~(np.isfinite(shown[name].mark) & np.isfinite(shown[name].forward))
        legs: list[LegOver] = []
        for watch in self._asked.watched:
            for leg in watch.legs:
                own = leg.option.product
                legs.append(judge_leg(leg, times[own.underlying], rows[own.code]))
                asks |= legs[-1].code == ASKS
        count = _first(asks)
        share = np.zeros(0)  # is asked of slots alone
        for watch in self._asked.watched:
            for slot in watch.slots:
                share = self._coin_share(slot.product.underlying, times, shown)
                own_times = times[slot.product.underlying]
                count = self._searched(slot, np.arange(count), own_times, count, share)
        for over in legs:
            wanted = np.flatnonzero(over.code[:count] == SEARCHES)
            count = self._searched(over, wanted, times[over.leg.option.product.underlying], count, share)
        return count

    def _coin_share(self, coin: str, times: Mapping[str, Times], shown: Mapping[str, Rows]) -> F64:
        """The coin's share of equity at each step, as waiting.coin_share has it."""
        own = np.zeros(len(times[coin].at_ms))
        total = own.copy()
        for one in self._asked.money:
            if one.currency != "USDC" and one.currency not in times:
                continue
            worth = one.balance + sum(
                (amount * shown[name].mark for amount, name in one.held), np.zeros(len(own))
            )
            worth = worth if one.currency == "USDC" else worth * times[one.currency].index_price
            total = total + worth
            if one.currency == coin:
                own = worth
        return np.where(total > 0.0, own / np.where(total > 0.0, total, 1.0), np.nan)

    def _searched(self, sought: Sought | LegOver, wanted: ROWS, times: Times, count: int, share: F64) -> int:
        """The first of the `wanted` steps at which what is listed has what is sought, else `count`."""
        code = (sought.product if isinstance(sought, Sought) else sought.leg.option.product).code
        while len(wanted):
            table, alike = self._parts.listed_over(code, times.at_ms[wanted])
            some, wanted = wanted[:alike], wanted[alike:]
            part = times.part(some)
            of_use = (
                rows_for_slot(sought, table, part)
                if isinstance(sought, Sought)
                else rows_for_roll(sought.leg, table, part)
            )
            if not len(of_use):
                continue
            names = tuple([table.names[row] for row in of_use.tolist()])
            rows = self._parts.rows_over(code, names, part.at_ms)
            if isinstance(sought, Sought):
                found = slot_asks(sought, part, rows, share[some])
            else:
                found = roll_asks(sought, some, part, rows)
            if found.any():
                return int(some[int(np.argmax(found))])
        return count


def _first(asks: Bools) -> int:
    """The place of the first that is true, else how many there are."""
    return int(np.argmax(asks)) if asks.any() else len(asks)


def _index_by_underlying(rows: Mapping[str, RowsOver]) -> dict[str, F64]:
    """Each underlying's index as a state has it: of the product that settles in the coin, else of any; 0 where one of
    them is missing, as nothing is passed over there."""
    found: dict[str, F64] = {}
    ranked = sorted(
        rows, key=lambda code: (product(code).settlement_currency != product(code).underlying, code)
    )
    for code in ranked:
        column = np.nan_to_num(rows[code].index_price, nan=0.0, posinf=0.0, neginf=0.0)
        known = found.setdefault(product(code).underlying, column.copy())
        known[~(column > 0)] = 0.0
    return found


def _rows_by_name(rows: Sequence[RowsOver]) -> dict[str, Rows]:
    return {
        name: Rows(one.forward[:, place], one.mark[:, place], one.mark_iv[:, place])
        for one in rows
        for place, name in enumerate(one.table.names)
    }
