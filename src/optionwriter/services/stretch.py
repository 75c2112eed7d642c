"""Stretch: the steps ahead of one at which all wait, looked at many at a time, up to the first that needs more.

Owns what is read ahead: rows of what is held and of what the benchmarks sold. Keeps: a glimpse has the numbers that
the step's own market would show; where a leg is no longer left alone, a number is missing or a benchmark would act
there is none, and the step is taken as if nobody had looked ahead. What happens to the account is not seen here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.strategies.base import Watched
from optionwriter.core.decide.strategies.judging import LegQuote, is_left_alone
from optionwriter.core.decide.strategies.view import forecast_of
from optionwriter.core.market.chain import RowsOver
from optionwriter.core.market.instruments import product
from optionwriter.core.report.glimpse import Glimpse, Row
from optionwriter.ports import Parts

_LEAST, _MOST = 4, 512  # steps that are read ahead at once


class Asked(NamedTuple):
    """What a stretch looks at: names by product code, everything held, the legs that are judged."""

    names: Mapping[str, tuple[str, ...]]
    held: tuple[str, ...]
    watched: tuple[Watched, ...]


class Stretch:
    """Glimpses of the steps `instants` from `begin` on, in order, before `until_ms`."""

    def __init__(
        self, parts: Parts, asked: Asked, instants: Sequence[int], begin: int, until_ms: int, ahead: int
    ) -> None:
        """`ahead`: how many steps are read at first."""
        self._parts, self._asked, self._instants, self._until_ms = parts, asked, instants, until_ms
        self.ahead = max(_LEAST, ahead)
        self._next, self._read = begin, begin
        self._glimpses: list[Glimpse] = []
        self._realised: dict[str, list[float]] = {}

    def at(self, place: int) -> Glimpse | None:
        """The step of that place; None where it needs more. Errors: MarketUnavailableError, where one can't read on."""
        if place != self._next:
            return None
        if place >= self._read + len(self._glimpses):
            if self._glimpses:
                self.ahead = min(2 * self.ahead, _MOST)
            self._look_ahead(place)
        row = place - self._read
        if row >= len(self._glimpses) or not self._waits(row):
            self.ahead //= 2
            return None
        self._next += 1
        return self._glimpses[row]

    def _waits(self, row: int) -> bool:
        """Whether everything held has its numbers, and every leg is left alone."""
        seen = self._glimpses[row]
        if not all(one > 0 for one in seen.index.values()):
            return False
        for name in self._asked.held:
            one = seen.rows.get(name)
            if one is None or not (math.isfinite(one.mark) and math.isfinite(one.forward)):
                return False
        for leg in self._asked.watched:
            underlying, held = leg.option.product.underlying, seen.rows[leg.option.name]
            quote = LegQuote(held.forward, held.iv, held.ask)
            realised = self._realised[underlying][row]
            if not is_left_alone(seen.at_ms, float(seen.index[underlying]), quote, realised, leg):
                return False
        return True

    def _look_ahead(self, place: int) -> None:
        """Reads the next steps."""
        instants = [one for one in self._instants[place : place + self.ahead] if one < self._until_ms]
        self._read, self._glimpses = place, []
        if not instants:
            return
        at_ms = np.array(instants, dtype=np.int64)
        rows = {code: self._parts.rows_over(code, names, at_ms) for code, names in self._asked.names.items()}
        index = _index_by_underlying(rows)
        self._realised = {}
        for name in index:
            columns = (one.tolist() for one in self._parts.realised_over(name, at_ms))
            self._realised[name] = [forecast_of(short, long) for short, long in zip(*columns, strict=True)]
        seen = _rows_by_name(tuple(rows.values()))
        for row, instant in enumerate(instants):
            prices = {name: exact(column[row]) for name, column in index.items()}
            self._glimpses.append(
                Glimpse(instant, prices, {name: column[row] for name, column in seen.items()})
            )


def _index_by_underlying(rows: Mapping[str, RowsOver]) -> dict[str, list[float]]:
    """Each underlying's index as a state has it: of the product that settles in the coin, else of any; up to the
    first instant at which one of them is missing, as nothing is passed over there."""
    found: dict[str, list[float]] = {}
    ranked = sorted(
        rows, key=lambda code: (product(code).settlement_currency != product(code).underlying, code)
    )
    for code in ranked:
        column = np.nan_to_num(rows[code].index_price, nan=0.0, posinf=0.0, neginf=0.0)
        known = found.setdefault(product(code).underlying, column.tolist())
        for row, value in enumerate(column.tolist()):
            if not value > 0:
                known[row] = 0.0
    return found


def _rows_by_name(rows: Sequence[RowsOver]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for one in rows:
        for place, name in enumerate(one.table.names):
            columns = (one.forward, one.mark, one.mark_iv, one.ask)
            found[name] = [
                Row(*each) for each in zip(*(column[:, place].tolist() for column in columns), strict=True)
            ]
    return found
