"""Volatility models of the synthetic market: from what is known of the past to a volatility for every option.

Owns `anchored` and `realised` (core/market/synthetic says what they are). Only what was known by then counts.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock, RLock
from typing import NoReturn, Protocol, runtime_checkable

import numpy as np

from optionwriter.core.market.chain import F64, I64, InstrumentTable
from optionwriter.core.market.context import realised_alone
from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, InstrumentError
from optionwriter.core.market.skew_factors import SkewFactors, with_skew
from optionwriter.core.market.surface import Stretch, Surface, years_to
from optionwriter.core.market.synthetic import Shape, anchored, anchors, believable

_OLDEST_INDEX_MS = 36 * MS_PER_HOUR
_REALISED_DAYS = 7
_KEPT = 64
_AHEAD, _LEVELS_KEPT = 128, 1_024


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What is known of an underlying: its hourly candles, ascending, and its volatility index."""

    candles: Candles
    volatility_index: VolatilityIndex


class Model(Protocol):
    """A volatility for every option. `notes`: what a reader of a result must know."""

    @property
    def notes(self) -> tuple[str, ...]:
        """In whole sentences."""
        ...

    def iv(
        self, past: Past, underlying: str, at_ms: int, index: float, table: InstrumentTable, forward: F64
    ) -> F64:
        """Volatility of the table's options, fractions. Errors: InstrumentError where the past doesn't give one."""
        ...


@runtime_checkable
class BlockModel(Model, Protocol):
    """A model that can be asked for many instants at once."""

    def iv_block(self, past: Past, underlying: str, asked: Stretch) -> F64:
        """(n,): of many instants at once, each number as `iv` gives it. Errors: InstrumentError as `iv`."""
        ...


class Anchored:
    """The typical shape at the level where its fair 30-day variance swap is the volatility index."""

    notes: tuple[str, ...] = ()

    def __init__(self, shapes: Mapping[str, Shape], bends: Mapping[str, SkewFactors] | None = None) -> None:
        """`bends`: skew factors that make the smile instead of the shape's own; its at-the-money volatility stays."""
        self._shapes, self._bends = shapes, bends
        self._kept: OrderedDict[tuple[str, float], Surface] = OrderedDict()
        # by underlying: the index's values, and of each the volatility at the money (rows, m), NaN until asked for
        self._money: dict[str, tuple[F64, F64]] = {}
        self._lock = RLock()  # several threads may ask

    def iv(
        self, past: Past, underlying: str, at_ms: int, index: float, table: InstrumentTable, forward: F64
    ) -> F64:
        """As Model. The level is the last one known, not older than 36 h."""
        unit = self._unit(past, underlying, at_ms)
        # Tenors are the same at every instant: only the instant and the price of the kept surface are put right.
        moved = Surface(at_ms, index, unit.expiry_ms + at_ms, unit.carry, unit.atm_iv, unit.nodes)
        if self._bends is not None:
            at_the_money = moved.iv(np.full(len(table), index), table.expiry_ms)
            years = years_to(table.expiry_ms, at_ms)
            return with_skew(at_the_money, forward, table.strike, years, self._bends[underlying])
        k_strike = table.strike * (index / forward)  # moneyness is measured on the forward
        return moved.iv(k_strike, table.expiry_ms)

    def iv_block(self, past: Past, underlying: str, asked: Stretch) -> F64:
        """As BlockModel."""
        unit, atm_iv = self._units(past, underlying, asked.at_ms)
        tenor_ms, nodes = unit.expiry_ms, unit.nodes  # the shape's
        if self._bends is None:
            return asked.iv(tenor_ms, atm_iv, nodes)
        return _bent(asked, asked.iv_at_the_forward(tenor_ms, atm_iv, nodes), self._bends[underlying])

    def _unit(self, past: Past, underlying: str, at_ms: int) -> Surface:
        """The surface at the level that is known then, as of instant 0."""
        known = past.volatility_index
        row = int(np.searchsorted(known.at_ms, at_ms, side="right")) - 1
        if row < 0 or at_ms - int(known.at_ms[row]) > _OLDEST_INDEX_MS:
            raise InstrumentError(
                f"no volatility index of {underlying} is known at {at_ms}: choose another period, or the realised model"
            )
        return self._level(underlying, known.value[row : row + _AHEAD])

    def _units(self, past: Past, underlying: str, at_ms: I64) -> tuple[Surface, F64]:
        """One of the surfaces of many instants, and of each the volatility at the money (t, m): only that differs."""
        known = past.volatility_index
        if not len(known.at_ms):
            self._unit(past, underlying, int(at_ms[0]))  # says so
        rows = np.searchsorted(known.at_ms, at_ms, side="right") - 1
        bad = (rows < 0) | (at_ms - known.at_ms[rows] > _OLDEST_INDEX_MS)
        first = self._unit(past, underlying, int(at_ms[np.argmax(bad)]))  # errors for the first that has none
        with self._lock:
            values, money = self._money.get(underlying, (None, first.atm_iv))
            if values is not known.value:
                money = np.full((len(known.value), len(first.atm_iv)), np.nan)
                self._money[underlying] = known.value, money
            for row in np.unique(rows[np.isnan(money[rows, 0])]).tolist():
                money[row] = self._level(underlying, known.value[row : row + _AHEAD]).atm_iv
            return first, money[rows]

    def _level(self, underlying: str, levels: F64) -> Surface:
        """The surface at the first of `levels`. Those of the next are found along with it, which is quicker: a level's
        surface depends on nothing but the level, and is looked up when it is known."""
        level = float(levels[0])
        with self._lock:
            return self._kept.get((underlying, level)) or self._found(underlying, level, levels)

    def _found(self, underlying: str, level: float, levels: F64) -> Surface:
        shape = self._shapes.get(underlying)
        if shape is None:
            unknown("shape for", underlying, self._shapes)
        if not believable(level):
            return anchored(shape, 0, 1.0, level)  # says so
        new = [
            one
            for one in dict.fromkeys(levels.tolist())
            if believable(one) and (underlying, one) not in self._kept
        ]
        for one, atm in zip(new, anchors(shape, new), strict=True):
            self._kept[underlying, one] = shape.at_level(0, 1.0, atm)
        while len(self._kept) > _LEVELS_KEPT:
            self._kept.popitem(last=False)
        return self._kept[underlying, level]


class Realised:
    """Realised volatility of the last 7 days x a multiplier x the factor of the option's delta; flat over tenors.

    With `shapes` it is the typical shape's 30-day at-the-money volatility instead, and the shape bends it.
    """

    def __init__(
        self,
        factors: Mapping[str, SkewFactors],
        multiplier: float = 1.0,
        shapes: Mapping[str, Shape] | None = None,
    ) -> None:
        """Errors: ValueError for a multiplier that is no believable ratio (0.1 to 10)."""
        if not 0.1 <= multiplier <= 10.0:
            raise ValueError(
                f"iv_multiplier {multiplier}: implied over realised volatility lies within 0.1 and 10"
            )
        self._factors, self.multiplier, self._shapes = factors, multiplier, shapes
        self._kept: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._lock = Lock()

    @property
    def notes(self) -> tuple[str, ...]:
        """In whole sentences."""
        text = (
            f"Implied volatility is the realised one x {self.multiplier:g} by construction: the IV/RV gate is not "
            "informative, and profit at another multiplier than 1 is assumed, not found."
        )
        return (text,)

    def iv(
        self, past: Past, underlying: str, at_ms: int, index: float, table: InstrumentTable, forward: F64
    ) -> F64:
        """As Model."""
        factors = self._of(underlying)
        flat = self._realised(past, underlying, at_ms) * self.multiplier
        if self._shapes is not None:
            surface = self._shapes[underlying].at_level(at_ms, index, flat)
            return surface.iv(table.strike * (index / forward), table.expiry_ms)
        return with_skew(flat, forward, table.strike, years_to(table.expiry_ms, at_ms), factors)

    def iv_block(self, past: Past, underlying: str, asked: Stretch) -> F64:
        """As BlockModel."""
        factors = self._of(underlying)
        each = [self._realised(past, underlying, at) * self.multiplier for at in asked.at_ms.tolist()]
        flat = np.array(each)
        if self._shapes is None:
            return _bent(asked, flat[asked.instant][asked.slice], factors)
        units = [self._shapes[underlying].at_level(0, 1.0, one) for one in each]
        return asked.iv(units[0].expiry_ms, np.array([one.atm_iv for one in units]), units[0].nodes)

    def _of(self, underlying: str) -> SkewFactors:
        factors = self._factors.get(underlying)
        if factors is None:
            unknown("skew factors for", underlying, self._factors)
        return factors

    def _realised(self, past: Past, underlying: str, at_ms: int) -> float:
        with self._lock:
            return self._found(past, underlying, at_ms)

    def _found(self, past: Past, underlying: str, at_ms: int) -> float:
        hour = at_ms // MS_PER_HOUR  # it changes when a candle closes
        found = self._kept.get((underlying, hour))
        if found is None:
            first = int(np.searchsorted(past.candles.open_ms, at_ms - (_REALISED_DAYS + 1) * MS_PER_DAY))
            last = int(np.searchsorted(past.candles.open_ms, at_ms - MS_PER_HOUR, side="right"))
            recent = PriceHistory(
                underlying, at_ms, part_of(past.candles, first, last), past.volatility_index
            )
            found = realised_alone(recent, hour * MS_PER_HOUR).realised_7d
            self._kept[(underlying, hour)] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        if math.isnan(found):
            raise InstrumentError(
                f"{underlying} has too few prices before {at_ms} for 7 days' realised volatility"
            )
        return found


def _bent(asked: Stretch, flat: F64, factors: SkewFactors) -> F64:
    """Volatility at the money (n,), bent by the factors."""
    years = years_to(asked.left_ms, 0)
    return with_skew(flat, asked.forward[asked.slice], asked.strike, years[asked.slice], factors)


def part_of(candles: Candles, first: int, last: int) -> Candles:
    """Rows first to last (without it), as views."""
    rows = slice(first, max(first, last))
    return Candles(
        candles.open_ms[rows], candles.open[rows], candles.high[rows], candles.low[rows], candles.close[rows]
    )


def unknown(what: str, name: str, known: Mapping[str, object]) -> NoReturn:
    """Errors: InstrumentError, always."""
    raise InstrumentError(f"the synthetic market has no {what} {name!r}: it has {', '.join(sorted(known))}")
