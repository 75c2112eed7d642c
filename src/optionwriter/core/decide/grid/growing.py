"""Growing: the rows of a quote grid while it is made, and the names of its options.

Rows are written in place: what is made in one go needs no copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple, cast, overload

import numpy as np

from optionwriter.core.decide.grid.columns import I32
from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import OptionType, option_name, parse_instrument


class Rows(NamedTuple):
    """The columns by row (columns.py)."""

    option: I32
    mark: F64
    iv: F64
    delta: F64
    bid: I32
    ask: I32
    bid_lots: I32
    ask_lots: I32
    open_interest: F64

    @staticmethod
    def empty(count: int) -> Rows:
        """Room for so many."""
        option, bid, ask, bid_lots, ask_lots = (np.empty(count, dtype=np.int32) for _ in range(5))
        mark, iv, delta, open_interest = (np.empty(count) for _ in range(4))
        return Rows(option, mark, iv, delta, bid, ask, bid_lots, ask_lots, open_interest)

    def part(self, first: int, last: int) -> Rows:
        """Some of the rows, as views."""
        return Rows._make(column[first:last] for column in self)


class GrowingRows:
    """Rows that follow on each other."""

    def __init__(self) -> None:
        self._rows = Rows.empty(0)
        self._count = 0

    def reserve(self, count: int) -> None:
        """Makes room for so many more, in which nothing has to move."""
        wanted, had = self._count + count, self._rows
        if wanted > len(had.option):
            self._rows = Rows.empty(wanted)
            kept = zip(self._rows.part(0, self._count), had.part(0, self._count), strict=True)
            for new, old in kept:
                np.copyto(cast(F64, new), cast(F64, old))

    def room(self, count: int) -> Rows:
        """Where the next so many go."""
        if self._count + count > len(self._rows.option):
            self.reserve(max(count, len(self._rows.option)))
        return self._rows.part(self._count, self._count + count)

    def room_at(self, first: int, count: int) -> Rows:
        """Where so many go that begin at a number, within what is reserved."""
        return self._rows.part(first, first + count)

    def __len__(self) -> int:
        return self._count

    def keep(self, count: int) -> None:
        """They have been written."""
        self._count += count

    def done(self) -> Rows:
        """All that is kept."""
        return self._rows.part(0, self._count)


class OptionNames(Sequence[str]):
    """The options of one type by their numbers, by name or by strike and expiry: spelt when asked for."""

    def __init__(self, code: str, option_type: OptionType) -> None:
        self._code, self._type = code, option_type
        self._names: list[str | None] = []
        self._number: dict[str, int] = {}
        self._spelt = 0  # so many are in the book of numbers
        self.strike: list[Decimal] = []
        self.expiry_ms: list[int] = []

    def number_of(self, name: str) -> int:
        """The number of an option, a new one where it has none."""
        while self._spelt < len(self._names):
            self._number[self[self._spelt]] = self._spelt
            self._spelt += 1
        found = self._number.get(name)
        if found is None:
            found = self._number[name] = len(self._names)
            parsed = parse_instrument(name)
            self._names.append(name)
            self.strike.append(parsed.strike)
            self.expiry_ms.append(parsed.expiry_ms)
            self._spelt += 1
        return found

    def add(self, strike: Decimal, expiry_ms: int) -> int:
        """The number of an option by strike and expiry, as `number_of`."""
        if self._number:
            return self.number_of(self._name(strike, expiry_ms))
        self._names.append(None)
        self.strike.append(strike)
        self.expiry_ms.append(expiry_ms)
        return len(self._names) - 1

    def _name(self, strike: Decimal, expiry_ms: int) -> str:
        return option_name(self._code, expiry_ms, strike, self._type)

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...

    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self[one] for one in range(*place.indices(len(self))))
        found = self._names[place]
        if found is None:
            found = self._names[place] = self._name(self.strike[place], self.expiry_ms[place])
        return found

    def __iter__(self) -> Iterator[str]:
        return (self[one] for one in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # it grows
