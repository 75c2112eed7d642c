"""exp, log and the tail ratio against mpmath at 40 digits."""

import math

import mpmath
import numpy as np
import pytest

from optionwriter.core.compiled import compiled_array, plain
from optionwriter.core.market.chain import F64
from optionwriter.core.market.normal import (
    MILLS_SHIFT,
    asinh_of,
    exp_of,
    exp_of_negative,
    fill_log,
    log_from_one,
    log_of_ratio,
    mills,
)


@compiled_array
def _exp(y: F64, out: F64) -> None:
    for i in range(y.size):
        out[i] = exp_of_negative(y[i])


@compiled_array
def _exp_of(y: F64, out: F64) -> None:
    for i in range(y.size):
        out[i] = exp_of(y[i])


@compiled_array
def _asinh(z: F64, out: F64) -> None:
    for i in range(z.size):
        out[i] = asinh_of(z[i])


@compiled_array
def _log(w: F64, out: F64) -> None:
    for i in range(w.size):
        out[i] = log_from_one(w[i])


@compiled_array
def _mills(x: F64, out: F64) -> None:
    for i in range(x.size):
        out[i] = mills(1.0 / (x[i] + MILLS_SHIFT))


def exact_mills(x: float) -> mpmath.mpf:
    x = mpmath.mpf(x)
    return mpmath.sqrt(mpmath.pi / 2) * mpmath.exp(x * x / 2) * mpmath.erfc(x / mpmath.sqrt(2))


CASES = [
    (_exp, mpmath.exp, -np.geomspace(1e-12, 650.0, 1500), 5e-16),
    (_exp, mpmath.exp, -np.linspace(0.0, 3.0, 700), 5e-16),
    (_log, mpmath.log, np.geomspace(1.0 + 1e-9, 1e30, 1500), 5e-16),
    (_log, mpmath.log, np.linspace(1.1, 5.0, 700), 5e-16),
    (
        _exp_of,
        mpmath.exp,
        np.concatenate([-np.geomspace(1e-9, 640.0, 500), np.geomspace(1e-9, 640.0, 500)]),
        5e-16,
    ),
    (
        fill_log,
        mpmath.log,
        np.concatenate([np.geomspace(1e-30, 0.999, 700), np.geomspace(1.001, 1e30, 700)]),
        5e-16,
    ),
    (
        _asinh,
        mpmath.asinh,
        np.concatenate([-np.geomspace(1.0, 1e9, 500), np.geomspace(1.0, 1e9, 500)]),
        5e-16,
    ),
    (_mills, exact_mills, np.linspace(0.0, 40.0, 1500), 3e-15),
]


@pytest.mark.parametrize(("kernel", "exact", "points", "allowed"), CASES)
def test_relative_error(kernel, exact, points, allowed) -> None:
    got = np.empty(points.size)
    kernel(points, got)
    with mpmath.workdps(40):
        worst = max(abs(mpmath.mpf(g) / exact(mpmath.mpf(x)) - 1) for g, x in zip(got, points, strict=True))
    assert worst <= allowed


def test_the_log_of_a_ratio_near_one_keeps_its_precision() -> None:
    high, low = 100.0 * (1 + 1e-9), 100.0
    with mpmath.workdps(40):
        exact = mpmath.log(mpmath.mpf(high) / mpmath.mpf(low))
        assert abs(mpmath.mpf(log_of_ratio(high, low)) / exact - 1) < 5e-16


def test_the_plain_functions_are_the_same_formulas() -> None:
    assert plain(exp_of_negative)(-1.0) == pytest.approx(math.exp(-1.0), rel=1e-15)
    assert plain(log_from_one)(1234.5) == pytest.approx(math.log(1234.5), rel=1e-15)
    assert plain(mills)(1.0 / MILLS_SHIFT) == pytest.approx(math.sqrt(math.pi / 2), rel=1e-15)


def test_missing_stays_missing_and_far_down_is_nothing() -> None:
    out = np.empty(1)
    _log(np.array([math.nan]), out)
    assert math.isnan(out[0])
    _exp(np.array([-1e9]), out)
    assert 0.0 <= out[0] < 1e-280


def test_beyond_their_ranges() -> None:
    """asinh below 1 to an absolute error; NaN stays NaN; the exponential stops where floats nearly do."""
    points = np.concatenate([np.linspace(-1.0, 1.0, 801), [math.nan]])
    got = np.empty(points.size)
    _asinh(points, got)
    assert np.max(np.abs(got - np.arcsinh(points))[:-1]) < 3e-16 and math.isnan(got[-1])
    _exp_of(np.array([-1e4, 1e4, math.nan]), got[:3])
    assert got[:2] == pytest.approx([math.exp(-650.0), math.exp(650.0)]) and math.isnan(got[2])
    fill_log(np.array([1.0, math.nan, 0.0]), got[:3])
    assert got[0] == 0.0 and np.isnan(got[1:3]).all()
