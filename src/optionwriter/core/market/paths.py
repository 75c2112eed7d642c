"""The one seeded price path between known prices: a Brownian bridge in the logarithm, on a grid of six seconds.

Everything that needs a price between two recorded ones asks here: the venue's index, the tapes, and the average of
the last half hour from which options are settled. Rules:

- at a knot the price is the knot's, exactly; between grid instants it is that of the last one
- an interval between two knots is made by itself, from (seed, key, its start) and nothing else, so the order of
  questions does not matter and later knots change nothing before them
- where an interval's low and high were recorded they set its volatility (Parkinson) and the path is reflected
  inside them; elsewhere the volatility is the one given
- before the first knot there is no price (PathError); after the last one the price stands still
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict

import numpy as np

from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.history import Candles
from optionwriter.core.market.instruments import MS_PER_HOUR, MS_PER_YEAR

GRID_MS = 6_000  # how often the exchange samples its index for the delivery price (FACTS §4)
DELIVERY_WINDOW_MS = 1_800_000
_PARKINSON = 1.0 / (4.0 * math.log(2.0))


class PathError(ValueError):
    """Knots that make no path, or an instant before the first of them."""


class BridgePath:
    """One price at any instant from the first knot on.

    `knot_ms`, `knot_price`: n ascending instants and their prices. `low`, `high`: n - 1 recorded extremes of the
    intervals, NaN where unknown. `volatility`: a year's, as a fraction, for intervals without recorded extremes.
    `seed` and `key` (the underlying, say) name the path: the same ones give the same bytes.
    """

    def __init__(
        self,
        seed: int,
        key: str,
        knot_ms: I64,
        knot_price: F64,
        low: F64 | None = None,
        high: F64 | None = None,
        volatility: float = math.nan,
        cached_intervals: int = 512,
    ) -> None:
        unknown = np.full(max(len(knot_ms) - 1, 0), np.nan)
        self._seed, self._key = seed, key
        self._knot_ms = np.asarray(knot_ms, dtype=np.int64)
        self._knot_price = np.asarray(knot_price, dtype=np.float64)
        self._low = unknown if low is None else np.asarray(low, dtype=np.float64)
        self._high = unknown if high is None else np.asarray(high, dtype=np.float64)
        self._volatility = volatility
        self._cached_intervals = cached_intervals
        self._cache: OrderedDict[int, F64] = OrderedDict()
        self._require_sense()

    @classmethod
    def of_candles(cls, seed: int, key: str, candles: Candles, volatility: float = math.nan) -> BridgePath:
        """The path through hourly candles: their opens, and the close where the next hour is missing.

        `volatility` is needed only to cross missing hours.
        """
        opens = np.asarray(candles.open_ms)
        ends = opens + MS_PER_HOUR
        last = np.append(opens[1:] != ends[:-1], True) if len(opens) else np.zeros(0, dtype=np.bool_)
        missing = np.full(int(last.sum()), np.nan)
        instants = np.concatenate([opens, ends[last]])
        order = np.argsort(instants, kind="stable")
        prices = np.concatenate([candles.open, candles.close[last]])[order]
        low = np.concatenate([candles.low, missing])[order][:-1]
        high = np.concatenate([candles.high, missing])[order][:-1]
        return cls(seed, key, instants[order], prices, low, high, volatility)

    @property
    def start_ms(self) -> int:
        """The first instant with a price."""
        return int(self._knot_ms[0])

    @property
    def end_ms(self) -> int:
        """The last knot; the price stands still after it."""
        return int(self._knot_ms[-1])

    def price_at(self, at_ms: int) -> float:
        """The price at an instant. Errors: PathError before the first knot."""
        row = int(np.searchsorted(self._knot_ms, at_ms, side="right")) - 1
        if row < 0:
            raise self._too_early(at_ms)
        if row == len(self._knot_ms) - 1:
            return float(self._knot_price[-1])
        place = (at_ms - int(self._knot_ms[row])) // GRID_MS
        return float(self._interval(row)[place] if place else self._knot_price[row])  # it begins at its knot

    def prices_at(self, at_ms: I64) -> F64:
        """The prices at many instants, in any order; one number an instant. Errors: as `price_at`."""
        instants = np.asarray(at_ms, dtype=np.int64)
        if instants.size and int(instants.min()) < self.start_ms:
            raise self._too_early(int(instants.min()))
        rows = np.searchsorted(self._knot_ms, instants, side="right") - 1
        out = np.full(instants.shape, self._knot_price[-1])
        places = (instants - self._knot_ms[rows]) // GRID_MS
        begins = places == 0  # an interval begins at its knot
        out[begins] = self._knot_price[rows[begins]]
        for row in set(rows[~begins].tolist()) - {len(self._knot_ms) - 1}:
            chosen = (rows == row) & ~begins
            out[chosen] = self._interval(row)[places[chosen]]
        return out

    def twap(self, end_ms: int, window_ms: int = DELIVERY_WINDOW_MS, step_ms: int = GRID_MS) -> float:
        """The mean of the prices every `step_ms` in (end - window, end]; the price at the end if none lies there.

        With the default window and an expiry as the end: the delivery price, before rounding (FACTS §4; which of the
        window's two ends is sampled is assumed).
        """
        count = window_ms // step_ms
        if count < 1:
            return self.price_at(end_ms)
        instants = end_ms - step_ms * np.arange(count, dtype=np.int64)
        return math.fsum(self.prices_at(instants).tolist()) / count

    def _interval(self, row: int) -> F64:
        """The prices on the grid of the interval that starts at knot `row`; the last grid instant is before its end."""
        found = self._cache.get(row)
        if found is not None:
            self._cache.move_to_end(row)
            return found
        made = self._make(row)
        self._cache[row] = made
        if len(self._cache) > self._cached_intervals:
            self._cache.popitem(last=False)
        return made

    def _make(self, row: int) -> F64:
        start, end = int(self._knot_ms[row]), int(self._knot_ms[row + 1])
        first, last = float(self._knot_price[row]), float(self._knot_price[row + 1])
        elapsed = np.append(np.arange(0, end - start, GRID_MS), end - start) / (end - start)
        low, high = float(self._low[row]), float(self._high[row])
        recorded = low <= high
        if recorded:
            # the next open may lie a little outside the candle; a knot always belongs to its path
            low, high = min(low, first, last), max(high, first, last)
            deviation = math.log(high / low) * math.sqrt(_PARKINSON)
        else:
            deviation = self._volatility * math.sqrt((end - start) / MS_PER_YEAR)
        steps = self._generator(start).standard_normal(len(elapsed) - 1) * np.sqrt(np.diff(elapsed))
        walk = np.concatenate([[0.0], np.cumsum(steps)])
        bridge = walk - elapsed * walk[-1]
        logs = math.log(first) + elapsed * math.log(last / first) + deviation * bridge
        if recorded:
            logs = _reflected(logs, math.log(low), math.log(high))
        prices: F64 = np.exp(logs[:-1])
        if recorded:
            prices = np.clip(prices, low, high)
        prices[0] = first
        return prices

    def _generator(self, start_ms: int) -> np.random.Generator:
        digest = hashlib.sha256(f"{self._seed}|{self._key}|{start_ms}".encode()).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big")))

    def _too_early(self, at_ms: int) -> PathError:
        return PathError(
            f"the path of {self._key} starts at {self.start_ms} (epoch ms) and has no price at {at_ms}: "
            "ask for a later instant, or load prices from further back"
        )

    def _require_sense(self) -> None:
        n = len(self._knot_ms)
        if n == 0 or len(self._knot_price) != n or len(self._low) != n - 1 or len(self._high) != n - 1:
            raise PathError(
                f"the path of {self._key} needs n >= 1 instants, n prices and n - 1 lows and highs, not "
                f"{n}, {len(self._knot_price)}, {len(self._low)}, {len(self._high)}"
            )
        if not np.all(np.diff(self._knot_ms) > 0):
            raise PathError(f"the knots of {self._key} must be in ascending order of time, each instant once")
        prices = np.concatenate([self._knot_price, self._low[~np.isnan(self._low)]])
        if not np.all(np.isfinite(prices) & (prices > 0)) or np.any(np.isinf(self._high)):
            raise PathError(f"the prices of {self._key} must be finite and above 0")
        open_ended = np.flatnonzero(~(self._low <= self._high))
        if len(open_ended) and not self._volatility >= 0:
            raise PathError(
                f"the path of {self._key} has no recorded low and high from {int(self._knot_ms[open_ended[0]])} "
                "(epoch ms) on: give a volatility to cross such intervals"
            )


def _reflected(logs: F64, low: float, high: float) -> F64:
    """Folds what leaves [low, high] back inside, as a mirror at each bound would."""
    width = high - low
    if width <= 0.0:
        return np.full_like(logs, low)
    return low + (width - np.abs((logs - low) % (2.0 * width) - width))
