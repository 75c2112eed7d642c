"""Walk-forward: base rate, calibrated probability and skill of a predictor of events, in one pass over the days.

Owns the sums behind core/market/event_risk, which says what they mean. A window of `days` days starts at a day's end;
`events` says by start whether it saw the event (1 or 0, NaN for a void one), `raw` what the predictor gave it. Rows
from `first` to before `end` are known, those before `known_from` without the predictor. Keeps: a window counts once it
is over; a result depends on nothing but these rows, so that a part of a longer table gives the same digits. For that
the sums are exact: numbers are rounded to multiples of 2^-40, and a table has fewer than 2^13 days.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from optionwriter.core.compiled import compiled, compiled_exact
from optionwriter.core.market.chain import F64, I64

PULL = 0.05  # windows x variance of the predictor: at a spread of 0.1, as strong as five windows
STEEPEST = 1.5
_GRAIN = 2.0**40


class Sums(NamedTuple):
    """By horizon, predictor and row: what the predictor gave, and sums over the windows before: count and events of all
    that aren't void (h, n + 1), and of those with the predictor count, x, y, x^2 and x y (h, p, 5, n + 1)."""

    raw: F64
    events: F64
    base: F64
    seen: F64


def sums_of(raw: F64, events: F64) -> Sums:
    """`raw` (h, p, n), `events` (h, n)."""
    raw = np.rint(raw * _GRAIN) / _GRAIN
    known = ~np.isnan(events)
    base = np.zeros((len(events), 2, events.shape[1] + 1))
    base[:, 0, 1:], base[:, 1, 1:] = known, np.where(known, events, 0.0)
    both = known[:, None, :] & ~np.isnan(raw)
    x, y = np.where(both, raw, 0.0), np.where(both, events[:, None, :], 0.0)
    seen = np.zeros((*raw.shape[:2], 5, raw.shape[2] + 1))
    for row, column in enumerate((both, x, y, np.rint(x * x * _GRAIN) / _GRAIN, x * y)):
        seen[:, :, row, 1:] = column
    return Sums(raw, events, np.cumsum(base, axis=-1), np.cumsum(seen, axis=-1))


Walked = tuple[float, float, float, float, int]


@compiled_exact
def walk(
    raw: F64,
    events: F64,
    base: F64,
    seen: F64,
    first: int,
    known_from: int,
    end: int,
    days: int,
    least: float,
    scratch: F64,
) -> Walked:
    """(base rate, probability, skill score, its error, windows scored) as of the last row; NaN where unknown.

    `least`: windows before anything is said. `scratch`: (2, rows) or more, overwritten.
    """
    begin = known_from + days - 1
    count = max(end - days - begin, 0)
    _score(
        raw[begin : begin + count], events[begin : begin + count], base[0, known_from:], base[1, known_from:],
        seen[0, known_from:], seen[1, known_from:], seen[2, known_from:], seen[3, known_from:], seen[4, known_from:],
        base[0, first], base[1, first], days, least, scratch[0], scratch[1],
    )  # fmt: skip
    scored = 0
    for row in range(count):
        if not math.isnan(scratch[1, row]):
            scratch[0, scored], scratch[1, scored] = scratch[0, row], scratch[1, row]
            scored += 1
    score, error = skill(scratch, scored, days, least)
    over = max(end - days, first)
    rate = forecast = math.nan
    if end > first:
        rate = base_rate(base[0, over] - base[0, first], base[1, over] - base[1, first], least)
    if end - 1 >= known_from and over >= known_from:
        last, start = seen[:, over], seen[:, known_from]
        forecast = calibrated(
            raw[end - 1], last[0] - start[0], last[1] - start[1], last[2] - start[2], last[3] - start[3],
            last[4] - start[4], days, least,
        )  # fmt: skip
    return rate, forecast, score, error, scored


@compiled_exact
def _score(
    raw: F64,
    events: F64,
    base_windows: F64,
    base_events: F64,
    windows: F64,
    sum_x: F64,
    sum_y: F64,
    sum_xx: F64,
    sum_xy: F64,
    base_before: float,
    events_before: float,
    days: int,
    least: float,
    theirs: F64,
    gain: F64,
) -> None:
    """Fills the base rate's squared misses, and by how much the predictor's are less; NaN where one isn't known.

    Of the columns of sums the first row is what was before; the base's began earlier.
    """
    if not raw.size:
        return
    count_0, x_0, y_0, xx_0, xy_0 = windows[0], sum_x[0], sum_y[0], sum_xx[0], sum_xy[0]
    for row in range(raw.size):
        rate = base_rate(base_windows[row] - base_before, base_events[row] - events_before, least)
        forecast = calibrated(
            raw[row], windows[row] - count_0, sum_x[row] - x_0, sum_y[row] - y_0, sum_xx[row] - xx_0,
            sum_xy[row] - xy_0, days, least,
        )  # fmt: skip
        miss, other = rate - events[row], forecast - events[row]
        theirs[row] = miss * miss
        gain[row] = miss * miss - other * other


@compiled_exact
def base_rate(windows: float, happened: float, least: float) -> float:
    """The share of events among the windows; NaN of fewer than `least`."""
    rate = happened / (windows if windows > 1.0 else 1.0)
    return rate if windows >= least else math.nan


@compiled_exact
def calibrated(
    raw: float,
    windows: float,
    sum_x: float,
    sum_y: float,
    sum_xx: float,
    sum_xy: float,
    days: int,
    least: float,
) -> float:
    """The raw probability through the line that fits these windows best (core/market/event_risk), within 0 and 1."""
    count = windows if windows > 1.0 else 1.0
    mean_x, mean_y = sum_x / count, sum_y / count
    spread = sum_xx / count - mean_x * mean_x
    spread = spread if spread > 0.0 else 0.0
    slope = (sum_xy / count - mean_x * mean_y) / (spread + PULL * days / count)
    slope = slope if slope > 0.0 else 0.0
    slope = slope if slope < STEEPEST else STEEPEST
    line = mean_y + slope * (raw - mean_x)
    line = 0.0 if line < 0.0 else line
    line = 1.0 if line > 1.0 else line
    return line if windows >= least else math.nan


@compiled_exact
def skill(scratch: F64, scored: int, days: int, least: float) -> tuple[float, float]:
    """(Brier's skill score, its standard error) of the first `scored` columns: the base rate's squared misses, and by
    how much the predictor's are less. Overwrites the second row.

    The error is Newey and West's (1987), of a ratio: the overlapping sums of 2 x days values, as Bartlett weighs.
    """
    if scored < least or scored == 0:
        return math.nan, math.nan
    theirs, gained = _sum(scratch[0], scored), _sum(scratch[1], scored)
    if not theirs > 0.0:
        return math.nan, math.nan
    score, lags = gained / theirs, 2 * days
    total = 0.0
    for row in range(scored):  # sums of the first 1, 2, ...
        total += scratch[1, row] - score * scratch[0, row]
        scratch[1, row] = total
    squares = 0.0
    full = min(lags, scored)
    for last in range(full):
        squares += scratch[1, last] * scratch[1, last]
    squares += _squares(scratch[1], lags, scored)
    for last in range(max(scored, lags), scored + lags - 1):
        rest = total - scratch[1, last - lags]
        squares += rest * rest
    squares += max(0, lags - scored) * (total * total)
    return score, math.sqrt(squares / lags) / theirs


@compiled_exact
def _sum(values: F64, count: int) -> float:
    """Of the first; in four sums, because each waits for its last addition."""
    one = two = three = four = 0.0
    for row in range(0, count - 3, 4):
        one, two = one + values[row], two + values[row + 1]
        three, four = three + values[row + 2], four + values[row + 3]
    for row in range(count // 4 * 4, count):
        one += values[row]
    return one + two + three + four


@compiled_exact
def _squares(sums: F64, lags: int, count: int) -> float:
    """Of what `lags` values come to, from the one in the row `lags` on."""
    one = two = three = four = 0.0
    for row in range(lags, count - 3, 4):
        a, b = sums[row] - sums[row - lags], sums[row + 1] - sums[row + 1 - lags]
        c, d = sums[row + 2] - sums[row + 2 - lags], sums[row + 3] - sums[row + 3 - lags]
        one, two, three, four = one + a * a, two + b * b, three + c * c, four + d * d
    for row in range(lags + max(count - lags, 0) // 4 * 4, count):
        rest = sums[row] - sums[row - lags]
        one += rest * rest
    return one + two + three + four


@compiled
def weight_of(score: float, error: float) -> float:
    """What share of the way from the base rate to the predictor's probability is warranted: 0 at one standard error."""
    if not score > 0.0:
        return 0.0
    ratio = error / score
    return max(0.0, 1.0 - ratio * ratio)


@compiled
def ratio_of(score: float, error: float) -> float:
    """How many standard errors the skill is above nothing; far below where it isn't known."""
    return score / error if error > 0.0 else -math.inf


@compiled_exact
def walk_all(
    sums: Sums,
    horizons: I64,
    first: int,
    known_from: I64,
    end: int,
    least: int,
    least_scored: int,
    scratch: F64,
    rates: F64,
    skills: F64,
) -> None:
    """`walk` of every horizon h and predictor p, and what the leader makes of the base rate.

    `known_from` (p,); `least` and `least_scored`: windows that don't overlap, before
    anything is said and before a predictor is used. Fills `rates` (3, h): probability, base rate, the leader's number
    (-1: the base rate it is), and `skills` (h, p, 3): score, error, windows. Curves never fall.
    """
    rate = base = 0.0
    for row in range(len(horizons)):
        days = horizons[row]
        found, ahead, best, most = math.nan, math.nan, 0, -math.inf
        for one in range(len(known_from)):
            found, forecast, score, error, scored = walk(
                sums.raw[row, one],
                sums.events[row],
                sums.base[row],
                sums.seen[row, one],
                first,
                known_from[one],
                end,
                days,
                float(least * days),
                scratch,
            )
            skills[row, one, 0], skills[row, one, 1], skills[row, one, 2] = score, error, float(scored)
            ratio = ratio_of(score, error)
            if one == 0 or ratio > most:
                best, most, ahead = one, ratio, forecast
        weight = 0.0
        if not math.isnan(ahead) and skills[row, best, 2] >= least_scored * days:
            weight = weight_of(skills[row, best, 0], skills[row, best, 1])
        mixed = found + weight * (ahead - found) if weight > 0.0 else found
        rate = mixed if math.isnan(mixed) or mixed > rate else rate  # NaN stays: nothing is above it
        base = found if math.isnan(found) or found > base else base
        rates[0, row], rates[1, row], rates[2, row] = rate, base, float(best) if weight > 0.0 else -1.0
