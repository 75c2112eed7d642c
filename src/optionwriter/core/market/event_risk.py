"""Pump and crash risk: the probability of a touch (core/market/touch) for each horizon, and what it is worth.

Owns predictors, calibration, skill and the rule that chooses. A predictor is a volatility: of the volatility index
("index"), Parkinson's of the last 30 days ("realised"), the mean of both ("mix"). It gives the probability that a
driftless geometric Brownian motion touches the barrier; a straight line, fitted on the windows that were over, maps
that to the share of events (Mincer and Zarnowitz 1969), its slope drawn to 0 as long as little is known. Kept:

- walk-forward: the value of a day rests on windows that were over by then, so a skill is always out of sample
- windows overlap: each counts 1 / days; the skill's standard error is Newey and West's over twice the horizon
- skill is Brier's against the base rate of the same day. Of the predictors the one whose skill is the most standard
  errors z above 0 leads; where z > 1, and enough windows were scored to believe that error, the probability lies
  1 - 1 / z^2 of the way from the base rate to the leader's (James and Stein's weight); else it is the base rate
- a longer window holds the shorter, so a curve never falls with the horizon
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.history import Candles, VolatilityIndex, history_start
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.market.risk_days import CRASH, PREDICTORS, PUMP, RiskDays, touch_probability
from optionwriter.core.market.touch import HORIZON_DAYS, LEAST_WINDOWS
from optionwriter.core.market.walk_forward import ratio_of, skill, walk_all, weight_of

__all__ = [
    "CRASH", "PREDICTORS", "PUMP", "EventRisk", "Past", "RisksOver", "Skill", "event_risks", "skill_of",
    "touch_probability",
]  # fmt: skip

LEAST_SCORED = 20  # windows that do not overlap, before a predictor is used
_HORIZONS = np.array(HORIZON_DAYS, dtype=np.int64)


class Skill(NamedTuple):
    """A predictor's Brier skill score against the base rate, walk-forward; NaN where too little is known.

    `windows`: how many were scored; they overlap, so windows / horizon is what they are worth.
    """

    predictor: str
    score: float
    error: float
    windows: int

    @property
    def weight(self) -> float:
        """What share of the way from the base rate to its probability is warranted: 0 at one standard error."""
        return weight_of(self.score, self.error)


@dataclass(frozen=True, slots=True)
class EventRisk:
    """Of pump or crash, by HORIZON_DAYS: probability, base rate, and for each the skills of all PREDICTORS.

    `chosen`: the predictor in use, "" where the probability is the base rate.
    """

    curve: tuple[float, ...]
    base: tuple[float, ...]
    skills: tuple[tuple[Skill, ...], ...]
    chosen: tuple[str, ...]

    def best(self, days: int) -> Skill:
        """The skill of the predictor that leads at one of HORIZON_DAYS."""
        return max(self.skills[HORIZON_DAYS.index(days)], key=_ratio)


class Past:
    """What the risks of a day rest on: whole days up to the last midnight. Equal where its contents are equal."""

    __slots__ = ("_columns", "candles", "index", "midnight_ms")

    def __init__(self, candles: Candles, index: VolatilityIndex, at_ms: int) -> None:
        self.midnight_ms = at_ms // MS_PER_DAY * MS_PER_DAY
        rows = slice(int(np.searchsorted(candles.open_ms, self.midnight_ms, side="left")))
        known = slice(int(np.searchsorted(index.at_ms, self.midnight_ms, side="right")))
        self.candles = Candles(
            candles.open_ms[rows],
            candles.open[rows],
            candles.high[rows],
            candles.low[rows],
            candles.close[rows],
        )
        self.index = VolatilityIndex(index.at_ms[known], index.value[known])
        self._columns = (
            self.candles.open_ms, self.candles.high, self.candles.low, self.candles.close,
            self.index.at_ms, self.index.value,
        )  # fmt: skip

    def __hash__(self) -> int:
        last = float(self.candles.close[-1]) if len(self.candles.close) else 0.0
        return hash((self.midnight_ms, len(self.candles.close), len(self.index.at_ms), last))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Past)
            and self.midnight_ms == other.midnight_ms
            and all(
                mine is its or np.array_equal(mine, its)
                for mine, its in zip(self._columns, other._columns, strict=True)
            )
        )


class RisksOver:
    """The risks as of any midnight of a long past, each from what `history_start` gives of it: the same numbers as
    `event_risks` has of the past that was known then. Many of them take a tenth of the time."""

    def __init__(self, candles: Candles, index: VolatilityIndex, at_ms: int) -> None:
        """Of midnights up to `at_ms`."""
        self._days = RiskDays(candles, index, at_ms)

    def at(self, at_ms: int) -> tuple[EventRisk, EventRisk]:
        """(pump, crash) as of the last midnight."""
        return self.of(PUMP, at_ms), self.of(CRASH, at_ms)

    def of(self, side: int, at_ms: int) -> EventRisk:
        """One of them."""
        rates, skills = self._walked(side, at_ms)
        return _told(rates, skills)

    def curves(self, side: int, at_ms: I64, most_days: float = math.inf) -> F64:
        """One's curves alone, (m, HORIZON_DAYS), of many instants; NaN beyond the horizon that holds `most_days`."""
        count = min(sum(one < most_days for one in HORIZON_DAYS) + 1, len(HORIZON_DAYS))
        found = np.full((len(at_ms), len(HORIZON_DAYS)), np.nan)
        for row, one in enumerate(at_ms.tolist()):
            found[row, :count] = self._walked(side, one, count)[0][0]
        return found

    def _walked(self, side: int, at_ms: int, horizons: int = len(HORIZON_DAYS)) -> tuple[F64, F64]:
        midnight_ms = at_ms // MS_PER_DAY * MS_PER_DAY
        begin_ms = history_start(midnight_ms)
        return _walked(self._days, side, self._days.begin(begin_ms), begin_ms, midnight_ms, horizons)


@lru_cache(maxsize=8)
def event_risks(past: Past) -> tuple[EventRisk, EventRisk]:
    """(pump, crash) as of the past's last midnight. Kept for the day, as computing takes some milliseconds."""
    days = RiskDays(past.candles, past.index, past.midnight_ms)
    pump, crash = (_told(*_walked(days, side, 0, 0, past.midnight_ms)) for side in (PUMP, CRASH))
    return pump, crash


def _walked(
    days: RiskDays,
    side: int,
    begin: int,
    begin_ms: int,
    midnight_ms: int,
    horizons: int = len(HORIZON_DAYS),
) -> tuple[F64, F64]:
    """The rates and skills (walk_all) of the first `horizons` in one direction, from rows that begin at `begin` and
    values of the index known since `begin_ms`."""
    end = max(min(midnight_ms // MS_PER_DAY - days.first, len(days)), 0)
    rates, skills = np.empty((3, horizons)), np.empty((horizons, len(PREDICTORS), 3))
    scratch = np.empty((2, max(end - begin, 1)))
    walk_all(
        days.side(side), _HORIZONS[:horizons], begin, days.known_from(begin, begin_ms), end, LEAST_WINDOWS,
        LEAST_SCORED, scratch, rates, skills,
    )  # fmt: skip
    return rates, skills


def _told(rates: F64, skills: F64) -> EventRisk:
    found = tuple(
        tuple(
            Skill(name, score, error, int(windows))
            for name, (score, error, windows) in zip(PREDICTORS, by_kind, strict=True)
        )
        for by_kind in skills.tolist()
    )
    curve, base, leads = rates.tolist()
    chosen = tuple("" if lead < 0 else PREDICTORS[int(lead)] for lead in leads)
    return EventRisk(tuple(curve), tuple(base), found, chosen)


def skill_of(name: str, forecast: F64, base: F64, events: F64, days: int) -> Skill:
    """1 - Brier(forecast) / Brier(base) over windows of `days`, on the starts that know all three; (n,) or longer.

    Source: Brier (1950); the error is that of a ratio, by the delta method.
    """
    forecast, base = forecast[: len(events)], base[: len(events)]
    known = ~np.isnan(forecast + base + events)
    misses = np.empty((2, int(np.count_nonzero(known))))
    misses[0] = (base[known] - events[known]) ** 2
    misses[1] = misses[0] - (forecast[known] - events[known]) ** 2
    score, error = skill(misses, misses.shape[1], days, float(LEAST_WINDOWS * days))
    return Skill(name, score, error, misses.shape[1])


def _ratio(skill: Skill) -> float:
    return ratio_of(skill.score, skill.error)
