"""One underlying of the sample: its price path, its surface at any instant, its candles and volatility index."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from optionwriter.adapters.tapes.sample_files import Recorded
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_HOUR, InstrumentError
from optionwriter.core.market.paths import BridgePath
from optionwriter.core.market.surface import Bracket, EventTime, Surface, years_to

_BRACKETS_KEPT = 16
_STATES_KEPT = 4
_PATH_VOLATILITY = 0.5  # a year's, only across missing hours


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """One underlying at one instant: the surface, and what pricing takes from it."""

    surface: Surface
    years: F64  # (m,) to each of the surface's expiries
    forward: F64  # (m,) USD, two decimals

    def forwards(self, expiry_ms: I64) -> F64:
        """Forwards of any expiries, each by itself, two decimals."""
        return np.round(self.surface.forward(expiry_ms), 2)


class Tape:
    """One underlying's recordings, at any instant; `key` and `seed` name its path."""

    def __init__(self, key: str, recorded: Recorded, seed: int) -> None:
        self.recorded = recorded
        self.start_ms, self.end_ms = int(recorded.snapshot_ms[0]), int(recorded.snapshot_ms[-1])
        self.path = path_of(key, recorded, seed)
        self._key = key
        self._event_time = EventTime(recorded.event_weights)
        self._brackets: OrderedDict[int, Bracket] = OrderedDict()
        self._states: OrderedDict[int, State] = OrderedDict()

    def index(self, at_ms: int) -> float:
        """The index, USD, two decimals. Errors: PathError before the first hour."""
        return round(self.path.price_at(min(at_ms, self.end_ms)), 2)

    def state(self, at_ms: int) -> State:
        """The surface at an instant; that of `end_ms` after it. Errors: InstrumentError before `start_ms`."""
        now = min(at_ms, self.end_ms)
        found = self._states.get(now)
        if found is None:
            bracket = self._bracket(now)
            surface = bracket.at(now, self.index(now))
            forward = np.round(surface.index_price * np.exp(surface.carry), 2)
            found = self._states[now] = State(surface, years_to(surface.expiry_ms, now), forward)
            if len(self._states) > _STATES_KEPT:
                self._states.popitem(last=False)
        return found

    def candles(self, start_ms: int, end_ms: int) -> Candles:
        """Hours that opened at or after `start_ms` and had closed by `end_ms` and by the end of the market."""
        own = self.recorded
        first = int(np.searchsorted(own.candle_ms, start_ms))
        last = int(np.searchsorted(own.candle_ms, min(end_ms, self.end_ms) - MS_PER_HOUR, side="right"))
        part = slice(first, max(first, last))
        return Candles(own.candle_ms[part], own.open[part], own.high[part], own.low[part], own.close[part])

    def volatility_index(self, start_ms: int, end_ms: int) -> VolatilityIndex:
        """Values known in [start_ms, end_ms]."""
        own = self.recorded
        first = int(np.searchsorted(own.index_ms, start_ms))
        last = int(np.searchsorted(own.index_ms, end_ms, side="right"))
        return VolatilityIndex(own.index_ms[first:last], own.index_value[first:last])

    def _bracket(self, at_ms: int) -> Bracket:
        row = int(np.searchsorted(self.recorded.snapshot_ms, at_ms, side="right")) - 1
        if row < 0:
            raise InstrumentError(
                f"no {self._key} option was quoted before {self.start_ms}, asked for {at_ms}"
            )
        row = min(row, len(self.recorded.snapshot_ms) - 2)
        found = self._brackets.get(row)
        if found is None:
            found = Bracket(self._snapshot(row), self._snapshot(row + 1), self._event_time)
            self._brackets[row] = found
            if len(self._brackets) > _BRACKETS_KEPT:
                self._brackets.popitem(last=False)
        return found

    def _snapshot(self, row: int) -> Surface:
        own = self.recorded
        part = slice(int(own.first_row[row]), int(own.first_row[row + 1]))
        return Surface(
            int(own.snapshot_ms[row]),
            float(own.snapshot_index[row]),
            own.slice_expiry[part],
            own.carry[part],
            own.atm_iv[part],
            own.nodes[part],
        )


def path_of(key: str, recorded: Recorded, seed: int) -> BridgePath:
    """The path through the hourly opens and the snapshots.

    An hour that a snapshot cuts in two keeps its extremes in both parts, drawn in as the root of their lengths.
    """
    opens, ends = recorded.candle_ms, recorded.candle_ms + MS_PER_HOUR
    alone = np.append(opens[1:] != ends[:-1], True) & (ends <= recorded.snapshot_ms[-1])
    knots = np.concatenate([recorded.snapshot_ms, opens, ends[alone]])
    prices = np.concatenate([recorded.snapshot_index, recorded.open, recorded.close[alone]])
    knots, first = np.unique(knots, return_index=True)  # where two fall together the snapshot's stays
    prices = prices[first]
    row = np.searchsorted(opens, knots[:-1], side="right") - 1
    inside = (row >= 0) & (knots[1:] <= ends[row])
    share = np.sqrt((knots[1:] - knots[:-1]) / MS_PER_HOUR)
    whole = share >= 1.0
    centre = np.sqrt(prices[:-1] * prices[1:])
    low = np.where(whole, recorded.low[row], centre * (recorded.low[row] / centre) ** share)
    high = np.where(whole, recorded.high[row], centre * (recorded.high[row] / centre) ** share)
    usable = inside & (low <= high)
    return BridgePath(
        seed,
        key,
        knots,
        prices,
        np.where(usable, low, np.nan),
        np.where(usable, high, np.nan),
        _PATH_VOLATILITY,
    )
