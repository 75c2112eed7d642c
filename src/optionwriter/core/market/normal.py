"""exp, log and the normal distribution's tail, branch-free, so that a loop over them becomes vector instructions.

Owns the numerical constants. Relative errors against mpmath (tests/core/market/test_normal.py): exp 5e-16 (for
arguments down to -650), log 5e-16, tail ratio 3e-15. NaN in, NaN out.
"""

from __future__ import annotations

import math

from optionwriter.core.compiled import bits_of, compiled_array, compiled_inline, float_of
from optionwriter.core.market.chain import F64

_LOG2_E = math.log2(math.e)
_ROUNDER = 1.5 * 2.0**52  # adding it leaves the nearest integer in the low bits
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # 21 trailing zero bits: k * _LN2_HIGH is exact
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_ROOT_HALF_BITS = bits_of(math.sqrt(0.5))
_TWO_52_BITS = bits_of(2.0**52)
INVERSE_ROOT_2PI = 1.0 / math.sqrt(2.0 * math.pi)

# (x + 4) Q(x) / phi(x) as a polynomial in t = (x - 4) / (x + 4): the Chebyshev interpolant of degree 22 at 50 digits,
# rewritten in powers; even and odd powers apart, so that the two chains of multiply-adds run side by side.
MILLS_SHIFT = 4.0
_E0, _E1, _E2, _E3, _E4, _E5, _E6, _E7, _E8, _E9, _E10, _E11 = (
    1.8932190633084853,
    0.9704095548675924,
    0.15139176231205376,
    -0.008722295263838522,
    0.0003342444896278021,
    -4.7824148557878045e-06,
    1.7929254081847195e-06,
    -1.5696678628944616e-06,
    6.673466387680481e-07,
    -2.0027585806454338e-07,
    4.144971738484859e-08,
    -4.446108100174536e-09,
)
_O0, _O1, _O2, _O3, _O4, _O5, _O6, _O7, _O8, _O9, _O10 = (
    -1.5237709108199855,
    -0.4675409629981585,
    -0.018900450866100364,
    0.004087855732516909,
    -0.0005792696390945318,
    8.8097066448958e-05,
    -1.4846708706118606e-05,
    2.5745450687200353e-06,
    -4.068738380935788e-07,
    4.915081730923273e-08,
    -3.2199692790143122e-09,
)


@compiled_inline
def exp_of_negative(y: float) -> float:
    """e**y for y <= 0; below -650 it stays at e**-650, which is 0 beside any price (and no slow subnormal)."""
    return _exp(-650.0 if y < -650.0 else y)


@compiled_inline
def exp_of(y: float) -> float:
    """e**y; beyond -650 and 650 it stays at what it is there."""
    y = -650.0 if y < -650.0 else y
    return _exp(650.0 if y > 650.0 else y)


@compiled_inline
def _exp(y: float) -> float:
    shifted = y * _LOG2_E + _ROUNDER
    k = shifted - _ROUNDER
    r = (y - k * _LN2_HIGH) - k * _LN2_LOW
    u = r * r
    even = 1.0 + u * (
        1 / 2 + u * (1 / 24 + u * (1 / 720 + u * (1 / 40320 + u * (1 / 3628800 + u / 479001600))))
    )
    odd = 1.0 + u * (1 / 6 + u * (1 / 120 + u * (1 / 5040 + u * (1 / 362880 + u / 39916800))))
    return (even + r * odd) * float_of(((bits_of(shifted) + 1023) & 2047) << 52)


@compiled_inline
def log_of_ratio(high: float, low: float) -> float:
    """ln(high / low) for high >= low > 0, to full relative precision even where they are close.

    NaN where either is NaN or infinite.
    """
    ratio = high / low
    exponent = (bits_of(ratio) - _ROOT_HALF_BITS) >> 52
    k = float_of(exponent + _TWO_52_BITS) - 4503599627370496.0
    scaled = low * float_of(((exponent + 1023) & 2047) << 52)  # exact, within a factor sqrt(2) of high
    z = (high - scaled) / (high + scaled)
    u = z * z
    tail = 2 / 11 + u * (2 / 13 + u * (2 / 15 + u * (2 / 17 + u * (2 / 19))))
    series = u * (2 / 3 + u * (2 / 5 + u * (2 / 7 + u * (2 / 9 + u * tail))))
    missing = 0.0 * ratio  # NaN for NaN and infinity, which the bits above would read as numbers
    return (k * _LN2_HIGH + missing) + (2.0 * z + (z * series + k * _LN2_LOW))


@compiled_inline
def log_from_one(w: float) -> float:
    """ln w for w >= 1; NaN for NaN and for infinity."""
    return log_of_ratio(w, 1.0)


@compiled_inline
def log_of(w: float) -> float:
    """ln w for w > 0; NaN for 0, NaN and infinity."""
    over = w > 1.0
    size = log_of_ratio(w if over else 1.0, 1.0 if over else w)
    return size if over else -size


@compiled_inline
def asinh_of(z: float) -> float:
    """asinh z to some 2e-16 (absolute below 1, relative above); NaN for NaN and where z squared is infinite."""
    size = -z if z < 0.0 else z
    found = log_of_ratio(size + math.sqrt(size * size + 1.0), 1.0)
    return -found if z < 0.0 else found


@compiled_array
def fill_log(w: F64, out: F64) -> None:
    """The loop of `log_of`, over columns of one length."""
    for i in range(w.size):
        out[i] = log_of(w[i])


@compiled_inline
def mills(r: float) -> float:
    """The tail ratio Q(x) / phi(x) for x >= 0, given r = 1 / (x + MILLS_SHIFT); Q is the normal's upper tail."""
    t = 1.0 - 2.0 * MILLS_SHIFT * r
    u = t * t
    even = _E6 + u * (_E7 + u * (_E8 + u * (_E9 + u * (_E10 + u * _E11))))
    even = _E0 + u * (_E1 + u * (_E2 + u * (_E3 + u * (_E4 + u * (_E5 + u * even)))))
    odd = _O5 + u * (_O6 + u * (_O7 + u * (_O8 + u * (_O9 + u * _O10))))
    odd = _O0 + u * (_O1 + u * (_O2 + u * (_O3 + u * (_O4 + u * odd))))
    return r * (even + t * odd)
