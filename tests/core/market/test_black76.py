"""Black-76 against mpmath, against recorded marks and greeks of the exchange, and back from price to volatility."""

import math

import mpmath
import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optionwriter.core.compiled import compiled, plain
from optionwriter.core.market.black76 import (
    SIGMA_ERROR_ALLOWED,
    delta_one,
    greeks,
    implied_volatility,
    implied_volatility_one,
    price_delta,
    price_delta_one,
    price_one,
)
from optionwriter.core.market.instruments import MS_PER_YEAR, parse_instrument
from tests.shared_data import shared


def exact(
    forward: float, strike: float, years: float, sigma: float, is_call: bool
) -> tuple[float, float, mpmath.mpf]:
    """(price, delta, phi(d1)) by the textbook formula at 60 digits."""
    with mpmath.workdps(60):
        f, k, t, v = (mpmath.mpf(x) for x in (forward, strike, years, sigma))
        deviation = v * mpmath.sqrt(t)
        d1 = mpmath.log(f / k) / deviation + deviation / 2
        d2 = d1 - deviation

        def cdf(x: mpmath.mpf) -> mpmath.mpf:
            return mpmath.erfc(-x / mpmath.sqrt(2)) / 2

        if is_call:
            return f * cdf(d1) - k * cdf(d2), cdf(d1), mpmath.npdf(d1)
        return k * cdf(-d2) - f * cdf(-d1), cdf(d1) - 1, mpmath.npdf(d1)


moneyness = st.floats(math.log(1e-3), math.log(1e3)).map(math.exp)
lifetimes = st.one_of(st.floats(1e-9, 1e-3), st.floats(1e-3, 30.0))
sigmas = st.floats(0.01, 5.0)


@settings(max_examples=600, deadline=None)
@given(st.floats(0.1, 1e6), moneyness, lifetimes, sigmas, st.booleans())
@example(90_000.0, 1.0, 1e-9, 0.01, True)
@example(90_000.0, 1.0, 30.0, 5.0, False)
@example(90_000.0, 1e-3, 30.0, 5.0, True)
@example(90_000.0, 1e3, 1e-9, 0.01, False)
def test_price_and_delta_within_1e_12_of_the_forward(
    f: float, m: float, t: float, v: float, call: bool
) -> None:
    price, delta, _ = exact(f, f * m, t, v, call)
    columns = price_delta(f, f * m, t, v, call)
    one = price_delta_one(f, f * m, t, v, call)
    raw = plain(price_delta_one)(f, f * m, t, v, call)
    for got_price, got_delta in ((columns[0][0], columns[1][0]), one, raw):
        assert abs(got_price - price) <= 1e-12 * f
        assert abs(got_delta - delta) <= 1e-12


@settings(max_examples=200, deadline=None)
@given(st.floats(0.5, 1.5), st.floats(1e-4, 3.0), st.floats(0.05, 3.0), st.booleans())
def test_greeks_are_the_derivatives(m: float, t: float, v: float, call: bool) -> None:
    f = 1_000.0
    got = greeks(f, f * m, t, v, call)
    price, delta, density = exact(f, f * m, t, v, call)
    root = math.sqrt(t)
    vega, gamma = float(f * density * root / 100), float(density / (f * v * root))
    decay = float(f * density * v / (2 * root) / 365 * min(1.0, 365 * t))
    assert abs(got.price_usd[0] - price) <= 1e-9 and abs(got.delta[0] - delta) <= 1e-12
    assert got.gamma[0] == pytest.approx(gamma, rel=1e-9, abs=1e-15)
    assert got.vega[0] == pytest.approx(vega, rel=1e-9, abs=1e-12)
    assert got.theta[0] == pytest.approx(-min(decay, float(price)), rel=1e-9, abs=1e-11)


def test_vector_lanes_and_remainder_agree() -> None:
    """37 rows: whole vectors and a remainder; each row as if it were alone."""
    rng = np.random.default_rng(7)
    f = 90_000 * np.exp(rng.normal(0, 0.1, 37))
    k = 90_000 * np.exp(rng.normal(0, 0.4, 37))
    t, v, call = rng.uniform(0.001, 2, 37), rng.uniform(0.1, 3, 37), rng.random(37) < 0.5
    prices, deltas = price_delta(f, k, t, v, call)
    whole = greeks(f, k, t, v, call)
    for i in range(37):
        price, delta = price_delta_one(f[i], k[i], t[i], v[i], bool(call[i]))
        assert prices[i] == pytest.approx(price, rel=1e-13) and deltas[i] == pytest.approx(delta, abs=1e-14)
    np.testing.assert_allclose(whole.price_usd, prices, rtol=1e-13)
    np.testing.assert_allclose(whole.delta, deltas, atol=1e-14)


@pytest.mark.parametrize(("years", "sigma"), [(0.0, 0.5), (-0.1, 0.5), (0.1, 0.0), (0.1, -1.0)])
def test_without_time_or_volatility_the_value_is_intrinsic(years: float, sigma: float) -> None:
    f = np.array([110.0, 90.0, 100.0, 110.0, 90.0, 100.0])
    call = np.array([True, True, True, False, False, False])
    got = greeks(f, 100.0, years, sigma, call)
    assert got.price_usd.tolist() == [10.0, 0.0, 0.0, 0.0, 10.0, 0.0]
    assert got.delta.tolist() == [1.0, 0.0, 0.5, 0.0, -1.0, -0.5]
    assert not got.gamma.any() and not got.vega.any() and not got.theta.any()


@pytest.mark.parametrize("row", range(4))
def test_missing_in_is_missing_out(row: int) -> None:
    numbers = [90_000.0, 95_000.0, 0.1, 0.5]
    numbers[row] = math.nan
    price, delta = price_delta(*numbers, True)
    assert math.isnan(price[0]) and math.isnan(delta[0])
    assert all(math.isnan(column[0]) for column in greeks(*numbers, True))


@pytest.mark.parametrize(("forward", "strike"), [(0.0, 100.0), (-1.0, 100.0), (100.0, 0.0), (100.0, -5.0)])
def test_a_price_of_nothing_is_missing(forward: float, strike: float) -> None:
    assert math.isnan(price_delta(forward, strike, 0.1, 0.5, True)[0][0])


def test_out_is_written_and_checked() -> None:
    prices, deltas = np.empty(2), np.empty(2)
    got = price_delta(np.array([90.0, 100.0]), 100.0, 0.5, 0.4, True, out=(prices, deltas))
    assert got[0] is prices and got[1] is deltas and prices[1] > prices[0] > 0
    with pytest.raises(ValueError, match="out must be contiguous float64 columns of 2"):
        price_delta(np.array([90.0, 100.0]), 100.0, 0.5, 0.4, True, out=(prices, np.empty(3)))
    with pytest.raises(ValueError, match="columns"):
        price_delta(np.ones((2, 2)), 100.0, 0.5, 0.4, True)


@settings(max_examples=600, deadline=None)
@given(moneyness, lifetimes, sigmas, st.booleans())
@example(1.0, 1e-6, 0.01, True)
@example(1.0, 1.0, 0.5, False)
@example(2.8668, 1.7096 / 365, 0.44846, True)
def test_implied_volatility_gives_sigma_back(m: float, t: float, v: float, call: bool) -> None:
    f = 90_000.0
    price = price_one(f, f * m, t, v, call)
    intrinsic = max(0.0, f - f * m if call else f * m - f)
    got = implied_volatility_one(price, f, f * m, t, call)
    _, _, density = exact(f, f * m, t, v, call)
    movement = price * 2.0**-52 / float(f * density * math.sqrt(t)) if density > 1e-290 else math.inf
    if movement < 0.9 * SIGMA_ERROR_ALLOWED and (price - intrinsic) > 1e-249 * f:
        assert abs(got - v) <= SIGMA_ERROR_ALLOWED
    elif movement > 1.1 * SIGMA_ERROR_ALLOWED:
        assert math.isnan(got)


def test_implied_volatility_has_limits() -> None:
    def one(price: float, call: bool, years: float = 0.1) -> float:
        return float(implied_volatility(price, 100.0, 80.0, years, call)[0])

    assert one(21.0, True) > 0
    for price, call, years in [
        (20.0, True, 0.1),  # the intrinsic value
        (19.0, True, 0.1),  # below it
        (100.0, True, 0.1),  # a call is never worth the forward
        (80.0, False, 0.1),  # nor a put its strike
        (0.0, False, 0.1),
        (-1.0, False, 0.1),
        (21.0, True, 0.0),
        (21.0, True, -1.0),
        (math.nan, True, 0.1),
        (21.0, True, math.nan),
        (20.0 + 1e-13, True, 0.1),  # no vega left
    ]:
        assert math.isnan(one(price, call, years)), (price, call, years)


def test_rules_can_call_it() -> None:
    @compiled
    def rule(forward: float, strike: float) -> float:
        return price_one(forward, strike, 0.1, 0.5, True) * delta_one(forward, strike, 0.1, 0.5, True)

    price, delta = price_delta_one(90.0, 100.0, 0.1, 0.5, True)
    assert rule(90.0, 100.0) == pytest.approx(price * delta, rel=1e-14)
    assert plain(rule)(90.0, 100.0) == pytest.approx(price * delta, rel=1e-14)


@pytest.mark.shared
def test_recorded_tickers_greeks_and_marks() -> None:
    """5,968 tickers of January 2026: the mark, and every greek within the rounding of the wire."""
    rows = pl.read_parquet(shared("data/chains_btc_full_ticker/btc_options.parquet")).filter(
        pl.col("mark_iv") > 0
    )
    forward = rows["underlying_price"].to_numpy()
    years = (rows["expiration_timestamp"] - rows["timestamp"]).to_numpy() / MS_PER_YEAR
    call = (rows["option_type"] == "call").to_numpy()
    got = greeks(forward, rows["strike"].to_numpy(), years, rows["mark_iv"].to_numpy() / 100, call)
    mark = rows["mark_price"].to_numpy()
    assert rows.height > 5_900
    assert np.median(np.abs(got.price_usd / forward - mark)) < 5e-5  # the ticker rounds marks to 4 decimals

    def off(name: str, ours: np.ndarray) -> np.ndarray:
        return np.abs(ours - rows[f"greeks_{name}"].to_numpy())

    assert np.quantile(off("delta", got.delta), 0.99) < 2e-4
    assert np.quantile(off("gamma", got.gamma), 0.99) < 1e-5
    assert np.quantile(off("vega", got.vega) / (1 + got.vega), 0.99) < 2e-3
    assert np.quantile(off("theta", got.theta) / (1 - got.theta), 0.99) < 5e-3


@pytest.mark.shared
@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_recorded_marks_give_the_recorded_volatility_back(coin: str) -> None:
    rows = pl.read_parquet(shared(f"data/chains_deribit_6h_btc_eth/{coin}/{coin}_2026-03.parquet"))
    years = (rows["expiry_datetime"] - rows["timestamp"]).dt.total_milliseconds().to_numpy() / MS_PER_YEAR
    forward, strike = rows["underlying_price"].to_numpy(), rows["strike"].to_numpy()
    call, sigma = (rows["option_type"] == "call").to_numpy(), rows["mark_iv_decimal"].to_numpy()
    mark = rows["mark_price"].to_numpy()
    price, _ = price_delta(forward, strike, years, sigma, call)
    error = np.abs(price / forward - mark)
    assert np.median(error) < 1e-5 and np.quantile(error, 0.99) < 5e-4
    implied = implied_volatility(mark * forward, forward, strike, years, call)
    vega = greeks(forward, strike, years, sigma, call).vega
    clear = ~np.isnan(implied) & (vega / forward > 5e-4)
    assert clear.sum() > 30_000
    assert np.median(np.abs(implied - sigma)[clear]) < 5e-4


def test_years_are_act_365_of_the_instrument() -> None:
    expiry = parse_instrument("BTC-27MAR26-80000-C").expiry_ms
    assert (expiry - (expiry - MS_PER_YEAR)) / MS_PER_YEAR == 1.0
