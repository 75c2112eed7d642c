"""Smiles against formulas that share nothing with the fit: SVI, the density by differences, and the recorded chains."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import shared

from optionwriter.core.market.smile import (
    MAX_IV,
    NODE_COUNT,
    Slice,
    SmileError,
    butterfly,
    calendar_gap,
    fit_slice,
)

YEARS = 30 / 365


def svi(k: np.ndarray, years: float, rho: float = -0.35) -> np.ndarray:
    """Raw SVI with parameters that are free of arbitrage (Gatheral and Jacquier, example scaled to a month)."""
    a, b, m, sigma = 0.012, 0.045, 0.02, 0.09
    return np.sqrt((a + b * (rho * (k - m) + np.sqrt((k - m) ** 2 + sigma**2))) / years)


def undiscounted_call(k: float, w: float) -> float:
    """Black's call on a forward of 1, from math.erfc: nothing of the package's."""
    d1 = -k / math.sqrt(w) + math.sqrt(w) / 2
    tail = 0.5 * math.erfc(-d1 / math.sqrt(2))
    return tail - math.exp(k) * 0.5 * math.erfc(-(d1 - math.sqrt(w)) / math.sqrt(2))


def test_a_flat_smile_stays_flat() -> None:
    k = np.linspace(-0.4, 0.5, 25)
    smile = fit_slice(k, np.full(25, 0.47), YEARS)
    assert smile.atm_iv == pytest.approx(0.47, abs=1e-12)
    assert smile.iv(k) == pytest.approx(np.full(25, 0.47), abs=2e-4)


@pytest.mark.parametrize("rho", [-0.6, -0.2, 0.3])
def test_an_svi_smile_is_found_again_between_its_marks(rho: float) -> None:
    marked = np.linspace(-0.45, 0.45, 41)
    smile = fit_slice(marked, svi(marked, YEARS, rho), YEARS)
    between = np.linspace(-0.3, 0.3, 200)
    assert np.abs(smile.iv(between) - svi(between, YEARS, rho)).max() < 2e-3


@pytest.mark.parametrize(("years", "atm"), [(30 / 365, 0.5), (1.0, 1.8)])
def test_g_is_the_density_of_the_prices(years: float, atm: float) -> None:
    """g times the lognormal factor equals the second difference of call prices in the strike."""
    x_of_node = 0.3 * (np.arange(NODE_COUNT) - (NODE_COUNT - 1) / 2)
    smile = Slice(years, atm, 0.2 * (np.sqrt(1 + x_of_node**2) - 1) - 0.04 * np.tanh(x_of_node))
    g = butterfly(smile)
    x = np.linspace(-3.9, 3.9, len(g))
    scale = atm * math.sqrt(years)

    def price(strike: float) -> float:
        k = math.log(strike)
        return undiscounted_call(k, float(smile.iv(np.array([k]))[0]) ** 2 * years)

    for row in range(54, 104, 7):  # within two deviations, where differences are exact enough
        k = scale * math.sinh(x[row])
        strike = math.exp(k)
        step = 1e-4 * strike
        density = (price(strike + step) - 2 * price(strike) + price(strike - step)) / step**2
        w = float(smile.iv(np.array([k]))[0]) ** 2 * years
        d2 = -k / math.sqrt(w) - math.sqrt(w) / 2
        expected = g[row] / math.sqrt(2 * math.pi * w) * math.exp(-d2 * d2 / 2) / strike
        assert density == pytest.approx(expected, rel=2e-3, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    noise=st.lists(st.floats(-0.12, 0.12), min_size=5, max_size=30),
    days=st.floats(0.05, 400.0),
    level=st.floats(0.15, 2.0),
)
def test_no_marks_make_a_butterfly(noise: list[float], days: float, level: float) -> None:
    years = days / 365
    k = np.linspace(-3, 3, len(noise)) * level * math.sqrt(years)
    smile = fit_slice(k, level * (1 + np.array(noise)), years)
    assert butterfly(smile).min() >= 0
    assert np.isfinite(smile.nodes).all()


def test_a_smile_with_a_butterfly_is_seen() -> None:
    nodes = np.zeros(NODE_COUNT)
    nodes[NODE_COUNT // 2 + 2] = 0.6
    assert butterfly(Slice(YEARS, 0.5, nodes)).min() < 0


def test_wings_rise_and_end() -> None:
    marked = np.linspace(-0.25, 0.25, 21)
    smile = fit_slice(marked, svi(marked, YEARS), YEARS)
    far = smile.iv(np.array([-6.0, -3.0, -1.0, 1.0, 3.0, 6.0]))
    assert np.isfinite(far).all() and far.max() <= MAX_IV
    assert far[1] >= far[2] and far[4] >= far[3]
    crazy = Slice(1e-4, 3.0, np.linspace(3, -3, NODE_COUNT))
    assert crazy.iv(np.array([-2.0]))[0] == MAX_IV


@pytest.mark.parametrize(
    ("k", "iv", "years"),
    [
        ([0.0, 0.1], [0.5, 0.5], 0.1),
        ([0.0, 0.1, 0.2], [0.5, math.nan, 0.0], 0.1),
        ([0, 0.1, 0.2], [0.5] * 3, 0.0),
    ],
)
def test_too_little_to_fit_is_refused(k: list[float], iv: list[float], years: float) -> None:
    with pytest.raises(SmileError, match="needs 3 marks"):
        fit_slice(np.array(k), np.array(iv), years)


def test_calendar_gap_has_the_sign_of_the_total_variances() -> None:
    flat = np.zeros(NODE_COUNT)
    near, far = Slice(10 / 365, 0.5, flat), Slice(40 / 365, 0.5, flat)
    assert calendar_gap(near, far) == pytest.approx(0.25 * 30 / 365)
    assert calendar_gap(near, Slice(11 / 365, 0.4, flat)) < 0


TARGETS = {  # coin -> tenors in days -> limits of (median, p95) in points, by |delta| of the option out of the money
    (0.05, 0.5): (0.15, 0.7),
    (0.01, 0.05): (0.40, 2.5),
}


@pytest.mark.shared
@pytest.mark.parametrize("coin", ["BTC", "ETH"])
@pytest.mark.parametrize("month", ["2026-02", "2026-05"])
def test_recorded_marks_are_met(coin: str, month: str) -> None:
    frame = pl.read_parquet(shared(f"data/chains_deribit_6h_btc_eth/{coin}/{coin}_{month}.parquet"))
    frame = frame.filter(pl.col("option_type").cast(pl.String) == "call").sort(
        "timestamp", "expiry_datetime", "strike"
    )
    instants = frame["timestamp"].unique().sort()[::25]
    rows = []
    for (_, _), part in frame.filter(pl.col("timestamp").is_in(instants.implode())).group_by(
        "timestamp", "expiry_datetime", maintain_order=True
    ):
        years = (part["expiry_datetime"][0] - part["timestamp"][0]).total_seconds() / (365 * 86_400)
        k = np.log(part["strike"].to_numpy() / part["underlying_price"].to_numpy())
        iv, delta = part["mark_iv_decimal"].to_numpy(), part["delta"].to_numpy()
        smile = fit_slice(k, iv, years)
        assert butterfly(smile).min() >= 0
        error = 100 * np.abs(smile.iv(k) - iv)
        rows.append(np.column_stack([np.full(len(k), years * 365), np.minimum(delta, 1 - delta), error]))
    found = np.concatenate(rows)
    for low_days, high_days in ((0, 2), (2, 8), (8, 22), (22, 60), (60, 400)):
        for (low, high), (median, p95) in TARGETS.items():
            chosen = (
                (found[:, 0] >= low_days)
                & (found[:, 0] < high_days)
                & (found[:, 1] >= low)
                & (found[:, 1] <= high)
            )
            error = found[chosen, 2]
            assert error.size > 20
            assert np.median(error) <= median, (low_days, low)
            assert np.percentile(error, 95) <= p95, (low_days, low)
