"""Bands: what a grid's rows have at the most, by band of |delta|, and from which step to which the same is listed.

Owns what spares the loop a look at rows that can't pass: where a range of delta lies among a slice's rows, and whether
any of them has the volatility and the bid that are asked for. Made once of a grid, shared by its runs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optionwriter.core.compiled import compiled, compiled_part
from optionwriter.core.decide.grid.columns import I32, Quotes
from optionwriter.core.market.chain import F64, I64

BANDS = 11  # ten of a twentieth each; the last from one half on
_BANDS_A_UNIT = 20.0


class Bands(NamedTuple):
    """By slice: how many rows are below each band, and in all (n, BANDS + 1); highest volatility and bid (n, BANDS).

    By step: how many rows on each option stands than in the step before; 0 where other options were listed.
    A row without a delta is in the last band; a volatility that is no number is in none.
    """

    below: I32
    iv: F64
    bid: I32
    stride: I32


def bands_of(q: Quotes) -> Bands:
    """Of one side's rows."""
    count, steps = len(q.first_row) - 1, len(q.first_slice) - 1
    bands = Bands(
        np.zeros((count, BANDS + 1), dtype=np.int32),
        np.full((count, BANDS), -np.inf),
        np.zeros((count, BANDS), dtype=np.int32),
        np.zeros(steps, dtype=np.int32),
    )
    _fill(q.delta, q.iv, q.bid, q.first_row, bands.below, bands.iv, bands.bid)
    _fill_stride(q.option, q.slice_expiry, q.first_slice, q.first_row, bands.stride)
    return bands


@compiled
def band_of(size: float) -> int:
    """The band of an unsigned delta; it never falls as `size` grows."""
    scaled = size * _BANDS_A_UNIT
    if scaled < 0.0:
        return 0
    return int(scaled) if scaled < BANDS - 1 else BANDS - 1


@compiled
def _fill(
    delta: F64, iv: F64, bid: I32, first_row: I64, below: I32, highest_iv: F64, highest_bid: I32
) -> None:
    for one in range(len(below)):
        for row in range(first_row[one], first_row[one + 1]):
            band = band_of(abs(delta[row]))
            below[one, band + 1] += 1
            if iv[row] > highest_iv[one, band]:
                highest_iv[one, band] = iv[row]
            if bid[row] > highest_bid[one, band]:
                highest_bid[one, band] = bid[row]
        for band in range(BANDS):
            below[one, band + 1] += below[one, band]


@compiled
def _fill_stride(option: I32, expiry: I64, first_slice: I64, first_row: I64, stride: I32) -> None:
    for step in range(1, len(stride)):
        before, begin, end = first_slice[step - 1], first_slice[step], first_slice[step + 1]
        if end - begin != begin - before:
            continue
        rows = first_row[begin] - first_row[before]
        same = True
        for one in range(begin, end):
            was = one - begin + before
            if first_row[one + 1] - first_row[was + 1] != rows or expiry[one] != expiry[was]:
                same = False
                break
        if same:
            for row in range(first_row[begin], first_row[end]):
                if option[row] != option[row - rows]:
                    same = False
                    break
        if same:
            stride[step] = rows


@compiled_part
def rows_within(q: Quotes, bands: Bands, one: int, low: int, high: int) -> tuple[int, int]:
    """From which row of a slice to which (without it) its options of bands `low` to `high` lie.

    All rows where the deltas don't go one way with the strike.
    """
    begin, end = q.first_row[one], q.first_row[one + 1]
    if not q.in_order[one]:
        return int(begin), int(end)
    if q.is_call:
        return int(end - bands.below[one, high + 1]), int(end - bands.below[one, low])
    return int(begin + bands.below[one, low]), int(begin + bands.below[one, high + 1])


@compiled_part
def may_have(bands: Bands, one: int, low: int, high: int, iv: float, bid: float) -> bool:
    """Whether options of bands `low` to `high` of the slice may have at least that volatility and bid."""
    for band in range(low, high + 1):  # noqa: SIM110 - compiled code has no generators
        if bands.iv[one, band] >= iv and bands.bid[one, band] >= bid:
            return True
    return False
