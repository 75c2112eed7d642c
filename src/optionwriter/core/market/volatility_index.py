"""The volatility index (DVOL) from a surface: the fair variance swap of constant 30 days, in percent points.

Follows the published method in kind (a model-free strip of options out of the money, linear in total variance between
the two expiries around 30 days). The exchange's own strip, its strikes and cut-offs, is not public in full: that part
is assumed, so the level is checked against the recorded index, and the sample's maker states and takes off the bias.
"""

from __future__ import annotations

import numpy as np

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_YEAR
from optionwriter.core.market.smile import iv_at
from optionwriter.core.market.surface import Surface, years_to

HORIZON_DAYS = 30
SHORTEST_DAYS = 6.0  # dailies are not part of the strip (assumed)
_REACH = 2.0  # deviations of the strip to either side: with two the level meets the recorded index (measured)
_POINTS = 121
_STRIP = np.linspace(-_REACH, _REACH, _POINTS)


def volatility_index(surface: Surface) -> float:
    """Volatility of the coming 30 days in percent points (43.2).

    Errors: ValueError when no expiry is six days away or more.
    """
    days = (surface.expiry_ms - surface.at_ms) / MS_PER_DAY
    rows = np.flatnonzero(days >= SHORTEST_DAYS)
    if not rows.size:
        raise ValueError(f"no expiry is {SHORTEST_DAYS:g} days after {surface.at_ms}: the index needs one")
    after = rows[np.searchsorted(days[rows], HORIZON_DAYS)] if days[rows[-1]] > HORIZON_DAYS else rows[-1]
    before = rows[max(int(np.searchsorted(rows, after)) - 1, 0)]
    horizon = HORIZON_DAYS * MS_PER_DAY / MS_PER_YEAR
    if before == after or days[after] == HORIZON_DAYS:  # nothing to interpolate
        years = float(years_to(surface.expiry_ms[after], surface.at_ms))
        return 100.0 * float(np.sqrt(strip_variance(surface, int(after)) / years))
    near, far = years_to(surface.expiry_ms[[before, after]], surface.at_ms)
    low, high = strip_variance(surface, int(before)), strip_variance(surface, int(after))
    total = low + (high - low) * (horizon - near) / (far - near)
    return 100.0 * float(np.sqrt(total / horizon))


def strip_variance(surface: Surface, row: int) -> float:
    """Total variance of one expiry: 2 * integral of the out-of-the-money value over strike squared, undiscounted."""
    smile = surface.smile(row)
    return float(strip_variances(np.array([smile.atm_iv]), smile.years, smile.nodes)[0])


def strip_variances(atm_iv: F64, years: float, nodes: F64) -> F64:
    """The total variances of one smile's `nodes` (NODE_COUNT,) at several levels `atm_iv` (m,), fractions."""
    count = len(atm_iv)
    width = atm_iv * np.sqrt(years)
    k = (_STRIP * atm_iv[:, None]) * np.sqrt(years)
    strike = np.exp(k)
    rows = np.repeat(np.arange(count), _POINTS)
    iv = iv_at((k / width[:, None]).ravel(), rows, np.tile(nodes, (count, 1)), atm_iv)
    ones = np.ones(k.size)
    value, _ = price_delta(ones, strike.ravel(), ones * years, iv, k.ravel() > 0)
    return np.asarray(2.0 * np.trapezoid(value.reshape(k.shape) / strike, k, axis=1))
