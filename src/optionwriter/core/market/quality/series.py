"""Series: whether a file of prices, or of the volatility index, is whole and possible; one period a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optionwriter.core.market.chain import F64, I64, Bools
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.market.quality.chain_day import clock, day_text, first
from optionwriter.core.market.quality.finding import DayQuality, Finding, finding, judged

_JUMP = float(np.log(2.0))


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Columns (n,), ascending by instant. Without open, high, low they are NaN; `volume` is NaN where there is none."""

    name: str
    at_ms: I64
    open: F64
    high: F64
    low: F64
    close: F64
    volume: F64


def check_series(series: Series) -> DayQuality:
    """Findings, score and verdict of the whole file; its `day` is the period."""
    if not len(series.at_ms):
        return judged(series.name, "", 0, 0, [finding("no price columns", 1, 1, "no row has a price")], {})
    steps = np.diff(series.at_ms)
    own, high, low = np.fmax(series.open, series.close), series.high, series.low
    with np.errstate(invalid="ignore", divide="ignore"):
        least = np.fmin(series.open, series.close)
        impossible = (high < own) | (low > least) | (high < low) | ~(series.close > 0)
        flat = (series.open == high) & (high == low) & (low == series.close)
        jumps = np.abs(np.diff(np.log(series.close))) > _JUMP
    idle = series.volume == 0
    rows = len(series.at_ms)
    found = [
        _missing(series.at_ms, steps),
        finding(
            "duplicate periods", int((steps == 0).sum()), rows, _at(series, np.append(False, steps == 0))
        ),
        finding("impossible candles", int(impossible.sum()), rows, _at(series, impossible)),
        finding("flat candles", int(flat.sum()), rows, _at(series, flat)),
        finding("no volume", int(idle.sum()), rows, _at(series, idle)),
        finding("price jumps", int(jumps.sum()), rows, _at(series, np.append(False, jumps))),
    ]
    period = f"{day_text(int(series.at_ms[0]))} to {day_text(int(series.at_ms[-1]))}"
    return judged(series.name, period, rows, rows, found, {})


def _missing(at_ms: I64, steps: I64) -> Finding | None:
    """Periods between the first and the last that are not there."""
    usual = steps[steps > 0]
    if not len(usual):
        return None
    step = int(np.median(usual))
    lost = np.rint(steps / step).astype(np.int64) - 1
    gaps = np.flatnonzero(lost > 0)
    if not len(gaps):
        return None
    worst = int(gaps[np.argmax(lost[gaps])])
    count = int(lost[gaps].sum())
    hours = steps[worst] / MS_PER_HOUR
    longest = f"{hours:.3g} h" if step < MS_PER_DAY else f"{hours / 24:.3g} days"
    told = f"{len(gaps)} gaps, the longest {longest} after {clock(int(at_ms[worst]))}"
    return finding("missing periods", count, count + len(at_ms), told)


def _at(series: Series, rows: Bools) -> str:
    if not rows.any():
        return ""
    row = first(rows)
    return f"{clock(int(series.at_ms[row]))}: close {series.close[row]:.6g}"
