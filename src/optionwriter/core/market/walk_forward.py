"""Walk-forward: base rate, calibrated probability and skill of a predictor of events, in one pass over the days.

Owns the sums behind core/market/event_risk, which says what they mean. A window of `days` days starts at a day's end;
`events` says by start whether it saw the event (1 or 0, NaN for a void one), `raw` what the predictor gave it. Rows
from `first` to before `end` are known, those before `known_from` without the predictor. Keeps: a window counts once it
is over; a result depends on nothing but these rows, so that a part of a longer table gives the same digits.
"""

from __future__ import annotations

import math

from optionwriter.core.compiled import compiled
from optionwriter.core.market.chain import F64, I64

PULL = 0.05  # windows x variance of the predictor: at a spread of 0.1, as strong as five windows
STEEPEST = 1.5
Walked = tuple[float, float, float, float, int]


@compiled
def walk(
    raw: F64, events: F64, first: int, known_from: int, end: int, days: int, least: float, scratch: F64
) -> Walked:
    """(base rate, probability, skill score, its error, windows scored) as of the last row; NaN where unknown.

    `least`: windows before anything is said. `scratch`: (2, rows) or more, overwritten.
    """
    windows = happened = seen = sum_x = sum_y = sum_xx = sum_xy = 0.0
    base = forecast = math.nan
    scored = 0
    for day in range(first, end):
        over = day - days
        if over >= first and not math.isnan(events[over]):
            y = events[over]
            windows += 1.0
            happened += y
            if over >= known_from and not math.isnan(raw[over]):
                x = raw[over]
                seen += 1.0
                sum_x += x
                sum_y += y
                sum_xx += x * x
                sum_xy += x * y
        told = day + days < end
        if not told and day + 1 < end:
            continue
        base = happened / windows if windows >= least and windows > 0.0 else math.nan
        forecast = math.nan
        if day >= known_from and seen >= least:
            forecast = calibrated(raw[day], seen, sum_x, sum_y, sum_xx, sum_xy, days)
        if told and not math.isnan(base + forecast + events[day]):
            miss, other = base - events[day], forecast - events[day]
            scratch[0, scored] = miss * miss
            scratch[1, scored] = miss * miss - other * other
            scored += 1
    score, error = skill(scratch, scored, days, least)
    return base, forecast, score, error, scored


@compiled
def calibrated(
    raw: float, windows: float, sum_x: float, sum_y: float, sum_xx: float, sum_xy: float, days: int
) -> float:
    """The raw probability through the line that fits so many windows best (core/market/event_risk), within 0 and 1."""
    count = windows if windows > 1.0 else 1.0
    mean_x, mean_y = sum_x / count, sum_y / count
    spread = sum_xx / count - mean_x * mean_x
    spread = spread if spread > 0.0 else 0.0
    slope = (sum_xy / count - mean_x * mean_y) / (spread + PULL * days / count)
    slope = min(max(slope, 0.0), STEEPEST)
    line = mean_y + slope * (raw - mean_x)
    return 0.0 if line < 0.0 else 1.0 if line > 1.0 else line


@compiled
def skill(scratch: F64, scored: int, days: int, least: float) -> tuple[float, float]:
    """(Brier's skill score, its standard error) of the first `scored` columns: the base rate's squared misses, and by
    how much the predictor's are less. Overwrites the second row.

    The error is Newey and West's (1987), of a ratio: the overlapping sums of 2 x days values, as Bartlett weighs.
    """
    if scored < least or scored == 0:
        return math.nan, math.nan
    theirs = gained = 0.0
    for row in range(scored):
        theirs += scratch[0, row]
        gained += scratch[1, row]
    if not theirs > 0.0:
        return math.nan, math.nan
    score, lags = gained / theirs, 2 * days
    total = squares = 0.0
    for row in range(scored):  # sums of the first 1, 2, ...
        total += scratch[1, row] - score * scratch[0, row]
        scratch[1, row] = total
    for last in range(scored + lags - 1):
        upto = scratch[1, last if last < scored else scored - 1]
        before = scratch[1, last - lags] if last >= lags else 0.0
        squares += (upto - before) * (upto - before)
    return score, math.sqrt(squares / lags) / theirs


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


@compiled
def walk_all(
    raw: F64,
    events: F64,
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

    `raw` (h, p, n), `events` (h, n), `known_from` (p,); `least` and `least_scored`: windows that don't overlap, before
    anything is said and before a predictor is used. Fills `rates` (3, h): probability, base rate, the leader's number
    (-1: the base rate it is), and `skills` (h, p, 3): score, error, windows. Curves never fall.
    """
    rate = base = 0.0
    for row in range(len(horizons)):
        days = horizons[row]
        found, ahead, best, most = math.nan, math.nan, 0, -math.inf
        for one in range(len(known_from)):
            found, forecast, score, error, scored = walk(
                raw[row, one], events[row], first, known_from[one], end, days, float(least * days), scratch
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
