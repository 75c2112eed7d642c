"""Pricing: whether a day's marks, volatilities and times belong together, in the units that the layout says.

Marks are compared with Black-76 on their own forward and volatility. Allowed is what rounding of the mark, half a
point of volatility, and a forward read within seconds of the mark explain; docs/data-quality.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from optionwriter.core.market.black76 import greeks, implied_volatility, price_delta
from optionwriter.core.market.chain import F64, Bools
from optionwriter.core.market.instruments import MS_PER_HOUR, MS_PER_YEAR
from optionwriter.core.market.quality.chain_day import ChainDay, clock, first, unit_of
from optionwriter.core.market.quality.discount import discount_rate
from optionwriter.core.market.quality.finding import Finding, finding

Found = list[Finding | None]
_POINTS_ALLOWED = 0.5  # of volatility
_FORWARD_ALLOWED = 1e-3  # of the forward, by |delta|: it is read within seconds of the mark
_EXTREME_IV = 3.0
_WRONG = 0.5  # of the rows: then units are asked for
_RIGHT = 0.8  # of the rows that another unit must explain
_LATE_MS = 10 * 60_000
_NEAR_MS, _BEHIND_MS = 72 * MS_PER_HOUR, 14 * MS_PER_HOUR
_CLEAR_UNITS = 100.0  # of rounding, that a value must have to tell the time
_SHIFT_HOURS = 0.5
_LEAST_TELLING = 20


def pricing(day: ChainDay, factors: F64) -> tuple[Found, Mapping[str, float]]:
    """Findings, and how far marks lie from our own price; `factors` (n,) discount each row's expiry."""
    off, allowed, looked = against_own_price(day, factors)
    bad = off > allowed
    shift = zone_shift_hours(day)
    units = _units(day, looked, bad)
    own: Finding | None = None
    if units is None and shift is None and bad.any():
        rows = np.flatnonzero(looked)
        row = int(rows[first(bad)])
        scale = float(day.scale[row])
        own = finding(
            "iv does not price",
            int(bad.sum()),
            int(looked.sum()),
            f"{day.named(row)}: mark {day.mark[row]:.8g}, Black-76 differs by {off[first(bad)] / scale:.2g}",
        )
    late = day.at_ms - day.expiry_ms > _LATE_MS
    with np.errstate(invalid="ignore"):
        extreme, zero = (day.iv > _EXTREME_IV) | (day.iv <= 0), day.mark == 0
    zone = None
    if shift is not None:
        zone = finding(
            "not utc",
            len(day),
            len(day),
            f"options decay as if it were {abs(shift):.1f} h {'earlier' if shift > 0 else 'later'}",
        )
    measures = {}
    if looked.any():
        relative = off / day.scale[looked]
        measures = {
            "own_price_error_median": float(np.median(relative)),
            "own_price_error_p99": float(np.quantile(relative, 0.99)),
        }
    rows_of = len(day)
    rate = discount_rate(day, factors)
    discounted = int((factors != 1.0).sum()) if rate is not None else 0
    if rate is not None:
        measures["discount_rate"] = rate
    found = [
        own,
        finding("discounted marks", discounted, rows_of, f"by index / forward, {100 * (rate or 0.0):.1f} % a year"),
        units,
        zone,
        finding("expired options", 0 if shift is not None else int(late.sum()), rows_of, _named(day, late)),
        finding("extreme volatility", 0 if units is not None else int(extreme.sum()), rows_of, _named(day, extreme)),
        finding("mark of zero", int(zero.sum()), rows_of, _named(day, zero)),
    ]  # fmt: skip
    return found, measures


def against_own_price(day: ChainDay, factors: F64) -> tuple[F64, F64, Bools]:
    """(how far marks are from our price, what is allowed, which rows could be judged); USD."""
    looked = day.priced
    forward, strike = day.forward[looked], day.strike[looked]
    own = greeks(forward, strike, day.years[looked], day.iv[looked], day.is_call[looked])
    scale = day.scale[looked]
    off = np.abs(factors[looked] * own.price_usd - day.mark[looked] * scale)
    unit = unit_of(day.mark[looked]) if looked.any() else 1.0
    allowed = unit * scale + _POINTS_ALLOWED * own.vega + _FORWARD_ALLOWED * np.abs(own.delta) * forward
    return off, allowed, looked


def _units(day: ChainDay, looked: Bools, bad: Bools) -> Finding | None:
    """The units that the rows speak of, where those of the layout explain less than half of them."""
    if not len(bad) or bad.mean() < _WRONG:
        return None
    forward, strike = day.forward[looked], day.strike[looked]
    years, calls, stated = day.years[looked], day.is_call[looked], day.mark[looked] * day.scale[looked]
    prices = {"": stated, "prices are in USD, not in coin": day.mark[looked]}
    if day.linear:
        prices = {"": stated, "prices are in coin, not in USDC": day.mark[looked] * forward}
    factors = {
        "": 1.0,
        "volatilities are fractions, not percent": 100.0,
        "volatilities are percent, not fractions": 0.01,
    }
    best, words = 0.0, ""
    for price_words, price in prices.items():
        for iv_words, factor in factors.items():
            model, delta = price_delta(forward, strike, years, day.iv[looked] * factor, calls)
            near = np.abs(model - price) <= 0.02 * model + 2.0 * _FORWARD_ALLOWED * np.abs(delta) * forward
            told = near & ((np.abs(delta) > 0.05) & (np.abs(delta) < 0.95))
            judged = (np.abs(delta) > 0.05) & (np.abs(delta) < 0.95)
            right = float(told.sum() / judged.sum()) if judged.any() else 0.0
            if right > best:
                best, words = right, "; ".join(one for one in (price_words, iv_words) if one)
    if best < _RIGHT or not words:
        return None
    return finding("wrong units", int(bad.sum()), len(bad), words)


def zone_shift_hours(day: ChainDay) -> float | None:
    """By how many hours options have longer to live than their times say; None where they agree, or can't tell.

    Mark and volatility give the time that is left: total variance of the price / iv^2.
    """
    left = day.expiry_ms - day.at_ms
    with np.errstate(invalid="ignore", divide="ignore"):
        near = (
            (left < _NEAR_MS)
            & (left > -_BEHIND_MS)
            & (day.forward > 0)
            & (day.mark > 0)
            & (day.iv > 0)
            & (np.abs(np.log(day.strike / day.forward)) < 0.1)
        )
    if near.sum() < _LEAST_TELLING:
        return None
    forward, strike, calls = day.forward[near], day.strike[near], day.is_call[near]
    price = day.mark[near] * day.scale[near]
    value = price - np.maximum(np.where(calls, forward - strike, strike - forward), 0.0)
    clear = value > _CLEAR_UNITS * unit_of(day.mark) * day.scale[near]
    clear &= value > 5.0 * _FORWARD_ALLOWED * forward
    if clear.sum() < _LEAST_TELLING:
        return None
    deviation = implied_volatility(price[clear], forward[clear], strike[clear], 1.0, calls[clear])
    told = (deviation / day.iv[near][clear]) ** 2 * MS_PER_YEAR
    shift = (told - left[near][clear]) / MS_PER_HOUR
    shift = shift[np.isfinite(shift)]
    if len(shift) < _LEAST_TELLING:
        return None
    middle = float(np.median(shift))
    steady = float(np.median(np.abs(shift - middle))) < max(_SHIFT_HOURS, 0.2 * abs(middle))
    return middle if abs(middle) > _SHIFT_HOURS and abs(middle) < 15 and steady else None


def stale(day: ChainDay, factors: F64) -> Found:
    """Quotes that stood still while the option's fair price moved by more than their spread; snapshots that repeat.

    `factors` (n,) as in `pricing`."""
    order = np.lexsort((day.snapshot, day.option))
    after, before = order[1:], order[:-1]
    follows = (day.option[after] == day.option[before]) & (day.snapshot[after] == day.snapshot[before] + 1)
    after, before = after[follows], before[follows]
    judged = day.priced[after] & day.priced[before]
    after, before = after[judged], before[judged]
    if not len(after):
        return [None, None]
    same = _same(day.bid, after, before) & _same(day.ask, after, before)
    still = same & (day.mark[after] == day.mark[before]) & (day.iv[after] == day.iv[before])
    frozen = still & (day.forward[after] == day.forward[before])
    moved, _ = price_delta(
        day.forward[after], day.strike[after], day.years[after], day.iv[before], day.is_call[after]
    )
    change = np.abs(factors[after] * moved / day.scale[after] - day.mark[before])
    spread = np.where(np.isfinite(day.ask[before] - day.bid[before]), day.ask[before] - day.bid[before], 0.0)
    quoted = np.isfinite(day.bid[before]) & np.isfinite(day.ask[before])
    unit = unit_of(np.concatenate([day.bid, day.ask]))
    telling = (change > spread + 2.0 * unit) & (quoted | (change > 5.0 * unit_of(day.mark)))
    bad = telling & np.where(quoted, same, still) & ~frozen
    told = ""
    if bad.any():
        row, old = int(after[first(bad)]), int(before[first(bad)])
        told = (
            f"{day.named(row)}: as at {clock(int(day.at_ms[old]))}, while the forward went from "
            f"{day.forward[old]:.6g} to {day.forward[row]:.6g}"
        )
    counts = np.bincount(day.snapshot[after], minlength=int(day.snapshot[-1]) + 1)
    repeats = np.bincount(day.snapshot[after], weights=frozen, minlength=len(counts))
    again = (counts > 0) & (repeats > 0.95 * counts)
    when = clock(int(day.snapshot_ms[first(again)])) if again.any() else ""
    return [
        finding("stale quotes", int(bad.sum()), int(telling.sum()), told),
        finding(
            "repeated snapshots", int(again.sum()), len(counts), f"that of {when} is the one before it again"
        ),
    ]


def quotes(day: ChainDay) -> Found:
    """Bids above asks, and marks that lie outside of them."""
    with np.errstate(invalid="ignore"):
        both = (day.bid > 0) & (day.ask > 0)
        crossed = both & (day.bid > day.ask)
        unit = unit_of(np.concatenate([day.bid, day.ask]))
        beside = both & ~crossed & ((day.mark < day.bid - 0.5 * unit) | (day.mark > day.ask + 0.5 * unit))
    of = int(both.sum())
    outside, over = _named(day, beside), _named(day, crossed)
    if crossed.any():
        row = first(crossed)
        over += f": bid {day.bid[row]:.8g}, ask {day.ask[row]:.8g}"
    if beside.any():
        row = first(beside)
        outside += f": mark {day.mark[row]:.8g}, bid {day.bid[row]:.8g}, ask {day.ask[row]:.8g}"
    return [
        finding("crossed quotes", int(crossed.sum()), of, over),
        finding("mark outside quotes", int(beside.sum()), of, outside),
    ]


def _same(column: F64, after: np.ndarray, before: np.ndarray) -> Bools:
    new, old = column[after], column[before]
    return np.asarray((new == old) | (np.isnan(new) & np.isnan(old)), dtype=np.bool_)


def _named(day: ChainDay, rows: Bools) -> str:
    return day.named(first(rows)) if rows.any() else ""
