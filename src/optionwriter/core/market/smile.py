"""Smile: one expiry's volatility by strike, fitted to marks without butterfly arbitrage.

A slice is ln(iv / atm_iv) as a uniform cubic B-spline in x = asinh(z), where z = k / (atm_iv sqrt(years)) is the
standardised moneyness and k = ln(strike / forward). In x every tenor looks alike, so slices of different tenors and
instants mix by their nodes; a straight line in x is a power law in z, so wings keep Lee's bound while their
slope stays at or under one half. The fit is a penalised least squares; where Gatheral's density function g turns
negative, the smoothing grows until it does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optionwriter.core.compiled import compiled_array
from optionwriter.core.market.chain import F64
from optionwriter.core.market.normal import asinh_of, exp_of

NODE_STEP = 0.3
NODE_COUNT = 31
_FIRST_NODE = -NODE_STEP * (NODE_COUNT - 1) / 2  # nodes are centred on the forward
_X_LIMIT = -_FIRST_NODE - 1.5 * NODE_STEP  # |z| about 33: no listed strike lies further out
WING_SLOPE = 0.2  # d ln(iv) / dx towards which wings without marks are drawn; Lee's bound is 0.5
_WING_PULL = 1e-4
MAX_IV = 5.0  # the highest mark IV recorded is below this
_SMOOTHING = 2e-5
_ROUNDS = 16
_RUNAWAY = 3.2  # of a node: beyond it a fit has run away, and a stored node would not fit in 16 bits
_GRID = np.linspace(-3.9, 3.9, 157)  # |z| up to 24, where g is checked


class SmileError(ValueError):
    """Marks from which no smile can be fitted."""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One expiry's smile. `years` to expiry (ACT/365), `atm_iv` a fraction, `nodes` of ln(iv / atm_iv)."""

    years: float
    atm_iv: float
    nodes: F64

    def iv(self, log_moneyness: F64) -> F64:
        """Volatility (a fraction) at k = ln(strike / forward)."""
        z = np.asarray(log_moneyness, dtype=np.float64) / (self.atm_iv * np.sqrt(self.years))
        rows = np.zeros(z.shape, dtype=np.intp)
        return iv_at(z, rows, self.nodes[None, :], np.array([self.atm_iv]))


def iv_at(z: F64, rows: NDArray[np.intp], nodes: F64, atm_iv: F64) -> F64:
    """Volatility at standardised moneyness `z` (n,) from the slices `rows` (n,) of nodes (m, NODE_COUNT)."""
    found = np.empty(len(z))
    z, nodes, atm_iv = (np.ascontiguousarray(one) for one in (z, nodes, atm_iv))
    fill_iv(z, np.ascontiguousarray(rows), nodes, atm_iv, found)
    return found


@compiled_array
def fill_iv(z: F64, rows: NDArray[np.intp], nodes: F64, atm_iv: F64, out: F64) -> None:
    """The loop of `iv_at`, unchecked; three of them, because one is too long to become vector instructions."""
    flat = nodes.ravel()
    for i in range(z.size):
        x = asinh_of(z[i])
        x = x if x > -_X_LIMIT else -_X_LIMIT  # NaN too
        x = x if x < _X_LIMIT else _X_LIMIT
        out[i] = (x - _FIRST_NODE) / NODE_STEP
    for i in range(z.size):
        left = int(out[i])
        t = out[i] - left
        s = 1.0 - t
        at = np.uint64(rows[i] * NODE_COUNT + left - 1)
        out[i] = (
            s * s * s / 6.0 * flat[at]
            + (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0 * flat[at + np.uint64(1)]
            + (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0 * flat[at + np.uint64(2)]
            + t * t * t / 6.0 * flat[at + np.uint64(3)]
        )
    for i in range(z.size):
        iv = atm_iv[np.uint64(rows[i])] * exp_of(out[i])
        iv = MAX_IV if iv > MAX_IV else iv
        out[i] = iv if z[i] == z[i] else math.nan


def _basis(x: F64) -> tuple[NDArray[np.intp], tuple[F64, F64, F64, F64]]:
    """The first of four nodes and their weights at each x."""
    position = (np.clip(x, -_X_LIMIT, _X_LIMIT) - _FIRST_NODE) / NODE_STEP
    left = np.floor(position)
    t = position - left
    s = 1.0 - t
    t2 = t * t
    weights = (
        s * s * s / 6.0,
        (3.0 * t2 * t - 6.0 * t2 + 4.0) / 6.0,
        (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0,
        t2 * t / 6.0,
    )
    return left.astype(np.intp) - 1, weights


def _rows(first: NDArray[np.intp], weights: tuple[F64, F64, F64, F64]) -> F64:
    matrix = np.zeros((first.size, NODE_COUNT))
    index = np.arange(first.size)
    for j, weight in enumerate(weights):
        matrix[index, first + j] = weight
    return matrix


def _derivative_rows(x: F64) -> tuple[F64, F64, F64]:
    """Matrices that give the spline, its slope and its curvature in x from the nodes."""
    first, weights = _basis(x)
    position = (x - _FIRST_NODE) / NODE_STEP
    t = position - np.floor(position)
    s = 1.0 - t
    slope = (-s * s / 2, (9 * t * t - 12 * t) / 6, (-9 * s * s + 12 * s) / 6, t * t / 2)
    bend = (s, 3 * t - 2, 3 * s - 2, t)
    return (
        _rows(first, weights),
        _rows(first, tuple(part / NODE_STEP for part in slope)),  # type: ignore[arg-type]  # four each
        _rows(first, tuple(part / NODE_STEP**2 for part in bend)),  # type: ignore[arg-type]  # four each
    )


# What g is pushed up to: nodes are rounded for storage and mixed in time, which costs some of it, most far out.
_MARGIN = np.where(np.abs(_GRID) < 1.9, 0.02, 0.05)
_VALUE, _SLOPE, _BEND = _derivative_rows(_GRID)
_Z = np.sinh(_GRID)
_ROOT = np.sqrt(1.0 + _Z * _Z)
_DZ1 = _SLOPE / _ROOT[:, None]  # rows that give dv/dz
_DZ2 = _BEND / _ROOT[:, None] ** 2 - _SLOPE * (_Z / _ROOT**3)[:, None]  # and its second derivative
_NODES = _FIRST_NODE + NODE_STEP * np.arange(NODE_COUNT)
_FIRST_DIFFERENCE = np.diff(np.eye(NODE_COUNT), axis=0)
_SECOND_DIFFERENCE = np.diff(np.eye(NODE_COUNT), n=2, axis=0)
_CURVATURE = _SECOND_DIFFERENCE.T @ _SECOND_DIFFERENCE
MONEY_SLOPE = _derivative_rows(np.zeros(1))[1][0]  # from nodes to d ln(iv) / dz at the forward
_BETWEEN = (_NODES[1:] + _NODES[:-1]) / 2


def butterfly(smile: Slice) -> F64:
    """Gatheral's g on a grid of moneyness up to 24 standard deviations; the density is not negative where g >= 0.

    Source: Gatheral and Jacquier, Arbitrage-free SVI volatility surfaces (2014), section 2.
    """
    return _density(smile.nodes, smile.atm_iv * np.sqrt(smile.years))[0]


def calendar_gap(near: Slice, far: Slice, deviations: float = 2.5) -> float:
    """The least by which the far slice's total variance exceeds the near one's, over +-deviations of the near one.

    Below zero a calendar spread at that moneyness would cost less than nothing.
    """
    k = np.linspace(-deviations, deviations, 41) * near.atm_iv * np.sqrt(near.years)
    return float(np.min(far.iv(k) ** 2 * far.years - near.iv(k) ** 2 * near.years))


def _density(nodes: F64, scale: float) -> tuple[F64, F64]:
    """g on the grid and its derivatives by node, from w(k) = scale^2 exp(2 v), v the spline, u = dv/dz:

    g = (1 - z u)^2 + exp(2 v) (v'' + u^2 (1 - w / 4)), Gatheral's formula with w put in.
    """
    v, u, bend = _VALUE @ nodes, _DZ1 @ nodes, _DZ2 @ nodes
    level = np.exp(2.0 * v)
    w = scale * scale * level
    rest = level * (bend + u * u * (1.0 - w / 4.0))
    g = (1.0 - _Z * u) ** 2 + rest
    by_value = 2.0 * rest - level * u * u * w / 2.0
    by_slope = -2.0 * _Z * (1.0 - _Z * u) + 2.0 * level * u * (1.0 - w / 4.0)
    jacobian = by_value[:, None] * _VALUE + by_slope[:, None] * _DZ1 + level[:, None] * _DZ2
    return g, jacobian


def fit_slice(log_moneyness: F64, iv: F64, years: float) -> Slice:
    """Fits one expiry's marks: k = ln(strike / forward) (n,), iv (n,) fractions, years to expiry.

    Errors: SmileError for fewer than three usable marks or an expiry that has passed.
    """
    k, vol = np.asarray(log_moneyness, dtype=np.float64), np.asarray(iv, dtype=np.float64)
    use = np.isfinite(k) & np.isfinite(vol) & (vol > 0.01)
    k, vol = k[use], vol[use]
    if years <= 0 or k.size < 3:
        raise SmileError(
            f"{k.size} usable marks, {years:.6f} years left: a smile needs 3 marks before expiry"
        )
    order = np.argsort(k, kind="stable")
    k, vol = k[order], vol[order]
    atm = float(np.interp(0.0, k, vol))
    scale = atm * np.sqrt(years)
    x = np.arcsinh(k / scale)
    design = _rows(*_basis(x))
    weight = 1.0 / (1.0 + (k / scale / 8.0) ** 4) + 0.02  # marks far out carry no price
    normal = design.T @ (design * weight[:, None])
    right = design.T @ (np.log(vol / atm) * weight)
    outside = np.greater(_BETWEEN, x[-1]).astype(np.float64) - np.less(_BETWEEN, x[0])
    pull = np.abs(outside) * _WING_PULL
    normal += _FIRST_DIFFERENCE.T @ (_FIRST_DIFFERENCE * pull[:, None]) + 1e-9 * np.eye(NODE_COUNT)
    right += _FIRST_DIFFERENCE.T @ (pull * outside * WING_SLOPE * NODE_STEP)
    return Slice(years, atm, _without_butterflies(normal, right, scale))


def _without_butterflies(normal: F64, right: F64, scale: float) -> F64:
    """The least-squares nodes with g >= 0: first by a penalty on negative g, then by more smoothing."""
    smoothing = _SMOOTHING
    while smoothing < 1e6:
        stiff = normal + smoothing * _CURVATURE
        nodes: F64 = np.asarray(np.linalg.solve(stiff, right), dtype=np.float64)
        force = 1e-4
        for _ in range(_ROUNDS):
            if not np.abs(nodes).max() < _RUNAWAY:
                break
            g, jacobian = _density(nodes, scale)
            if (g >= _MARGIN / 2).all():
                return nodes
            active = g < _MARGIN
            rows = jacobian[active]
            wanted = _MARGIN[active] - g[active] + rows @ nodes
            nodes = np.asarray(
                np.linalg.solve(stiff + force * rows.T @ rows, right + force * (rows.T @ wanted)),
                dtype=np.float64,
            )
            force *= 3.0
        smoothing *= 10.0
    return np.zeros(NODE_COUNT)
