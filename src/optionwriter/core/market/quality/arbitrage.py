"""Arbitrage: marks and quotes of one snapshot against each other: across strikes, across expiries, call against put.

Everything is compared in USD. Allowed is what rounding of prices explains, and how far the forwards of one expiry's
rows lie apart (they are read within seconds of each other).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.market.chain import F64, Bools
from optionwriter.core.market.instruments import expiry_code
from optionwriter.core.market.quality.chain_day import ChainDay, clock, first, unit_of
from optionwriter.core.market.quality.discount import pairs_of
from optionwriter.core.market.quality.finding import Finding, finding

Found = list[Finding | None]
Rows = NDArray[np.intp]
_PARITY_ALLOWED = 1e-3  # of the forward
_FALL_ALLOWED = 0.01  # of total variance, and
_LEAST_FALL = 2e-6
_MONEYNESS = (-0.05, 0.0, 0.05)
_LEAST_STRIKES = 4
_NOISE_ALLOWED = 1e-4  # of the forward, across strikes: rows of a snapshot are read over seconds


def arbitrage(day: ChainDay, factors: F64) -> Found:
    """Every finding of this file; `factors` (n,) discount each row's expiry."""
    return [strikes(day), quoted(day), parity(day, factors), calendar(day)]


def strikes(day: ChainDay) -> Finding | None:
    """Marks across strikes: a call's must fall, a put's rise, by no more than the strikes, and be convex."""
    order = _by_strike(day, day.priced)
    price, allowed = day.mark[order] * day.scale[order], _rounding(day, order)
    same = _neighbours(day, order)
    return _shape(day, order, same, price, price, allowed, "strike arbitrage")


def quoted(day: ChainDay) -> Finding | None:
    """The same of what could be traded: what is sold at its bid, what is bought at its ask."""
    with np.errstate(invalid="ignore"):
        both = (day.bid > 0) & (day.ask > 0) & (day.bid <= day.ask) & (day.forward > 0)
    order = _by_strike(day, both & (day.expiry_ms > day.at_ms))
    scale = day.scale[order]
    same = _neighbours(day, order)
    return _shape(
        day, order, same, day.bid[order] * scale, day.ask[order] * scale, _rounding(day, order), "quote arbitrage"
    )  # fmt: skip


def parity(day: ChainDay, factors: F64) -> Finding | None:
    """Call less put of one strike against forward less strike, times the expiry's discount."""
    put, call = pairs_of(day)
    if not len(put):
        return None
    scale = day.scale
    forward = 0.5 * (day.forward[put] + day.forward[call])
    worth = day.mark[call] * scale[call] - day.mark[put] * scale[put]
    off = np.abs(worth - factors[call] * (forward - day.strike[call]))
    allowed = 2.0 * unit_of(day.mark) * scale[call] + np.abs(day.forward[call] - day.forward[put])
    bad = off > allowed + _PARITY_ALLOWED * forward
    told = ""
    if bad.any():
        one = first(bad)
        told = f"{day.named(int(call[one]))} and its put are {off[one]:.4g} USD off"
    return finding("parity breaks", int(bad.sum()), len(put), told)


def calendar(day: ChainDay) -> Finding | None:
    """Total variance at the same moneyness from each expiry to the next: it never falls."""
    out = np.where(day.is_call, day.strike >= day.forward, day.strike < day.forward)
    rows = np.flatnonzero(day.priced & out)
    order = rows[np.lexsort((day.strike[rows], day.expiry_ms[rows], day.snapshot[rows]))]
    if not len(order):
        return None
    begins = np.flatnonzero(
        np.diff(day.snapshot[order], prepend=-1) | np.diff(day.expiry_ms[order], prepend=-1)
    )
    ends = np.append(begins[1:], len(order))
    moneyness = np.log(day.strike[order] / day.forward[order])
    variance = day.iv[order] ** 2 * day.years[order]
    of, falls, told = 0, 0, ""
    before: tuple[int, F64, int] | None = None
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if end - begin < _LEAST_STRIKES:
            continue
        row = int(order[begin])
        here = np.interp(_MONEYNESS, moneyness[begin:end], variance[begin:end], left=np.nan, right=np.nan)
        snapshot = int(day.snapshot[row])
        if before is not None and before[0] == snapshot:
            allowed = _FALL_ALLOWED * before[1] + _LEAST_FALL
            both = np.isfinite(before[1]) & np.isfinite(here)
            fall = both & (here < before[1] - allowed)
            of += int(both.sum())
            falls += int(fall.sum())
            if fall.any() and not told:
                told = (
                    f"{expiry_code(before[2])} to {expiry_code(int(day.expiry_ms[row]))} at "
                    f"{clock(int(day.at_ms[row]))}: {before[1][first(fall)]:.3g} to {here[first(fall)]:.3g}"
                )
        before = (snapshot, here, int(day.expiry_ms[row]))
    return finding("calendar arbitrage", falls, of, told)


def _by_strike(day: ChainDay, wanted: Bools) -> Rows:
    """Rows ordered by snapshot, expiry, type, strike."""
    rows = np.flatnonzero(wanted)
    return np.asarray(
        rows[np.lexsort((day.strike[rows], day.is_call[rows], day.expiry_ms[rows], day.snapshot[rows]))]
    )


def _neighbours(day: ChainDay, order: Rows) -> Bools:
    """Whether each ordered row is of the same series as the next, at a higher strike."""
    here, after = order[:-1], order[1:]
    return np.asarray(
        (day.snapshot[here] == day.snapshot[after])
        & (day.expiry_ms[here] == day.expiry_ms[after])
        & (day.is_call[here] == day.is_call[after])
        & (day.strike[here] < day.strike[after])
    )


def _rounding(day: ChainDay, order: Rows) -> F64:
    """What two rounded prices may be off, USD, and how far the forwards of each row's neighbours lie from its own."""
    forward = day.forward[order]
    jump = np.abs(np.diff(forward, prepend=forward[:1]))
    jump = np.where(jump < 0.05 * forward, jump, 0.0)  # from one series to the next
    both = np.maximum(jump, np.append(jump[1:], 0.0))
    return np.asarray(2.0 * unit_of(day.mark) * day.scale[order] + 2.0 * both + _NOISE_ALLOWED * forward)


def _shape(
    day: ChainDay, order: Rows, same: Bools, sold: F64, bought: F64, allowed: F64, name: str
) -> Finding | None:
    """Vertical spreads (pairs) and butterflies (triples) that would pay more than nothing for nothing."""
    if not same.any():
        return None
    strike, call = day.strike[order], day.is_call[order]
    width = strike[1:] - strike[:-1]
    low_call = np.where(call[:-1], sold[1:] - bought[:-1], sold[:-1] - bought[1:])
    wide = np.where(call[:-1], sold[:-1] - bought[1:], sold[1:] - bought[:-1]) - width
    bad_pair = same & ((low_call > allowed[1:]) | (wide > allowed[1:]))
    triple = same[:-1] & same[1:]
    share = np.divide(width[1:], width[:-1] + width[1:], out=np.zeros(len(triple)), where=triple)
    wing = share * bought[:-2] + (1.0 - share) * bought[2:]
    bad_triple = triple & (sold[1:-1] - wing > allowed[1:-1])
    count, of = int(bad_pair.sum() + bad_triple.sum()), int(same.sum() + triple.sum())
    if not count:
        return None
    middle = int(order[1:][bad_pair][0]) if bad_pair.any() else int(order[1:-1][bad_triple][0])
    kind = "with the strike below" if bad_pair.any() else "between its neighbours"
    return finding(name, count, of, f"{day.named(middle)} {kind}")
