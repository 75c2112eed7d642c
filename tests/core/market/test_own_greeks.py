"""Our greeks and quote volatilities against those of recorded tickers, and where there are none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from shared_data import shared

from optionwriter.core.market.black76 import implied_volatility, price_delta
from optionwriter.core.market.instruments import MS_PER_YEAR, product, recorded_product
from optionwriter.core.market.own_greeks import own_greeks


@pytest.mark.shared
def test_they_are_the_recorded_tickers() -> None:
    rows = pl.read_parquet(shared("data/chains_btc_full_ticker/btc_options.parquet")).filter(
        pl.col("mark_iv") > 0
    )
    column = {
        name: rows[name].cast(pl.Float64).to_numpy().copy()
        for name in ("underlying_price", "strike", "mark_iv", "best_bid_price", "best_ask_price")
    }
    years = (rows["expiration_timestamp"] - rows["timestamp"]).to_numpy() / MS_PER_YEAR
    for name in ("best_bid_price", "best_ask_price"):
        column[name][column[name] <= 0] = np.nan
    is_call = (rows["option_type"] == "call").to_numpy()
    ours = own_greeks(
        product("BTC"), np.nan, column["underlying_price"], column["strike"], years, is_call,
        column["mark_iv"] / 100, column["best_bid_price"], column["best_ask_price"],
    )  # fmt: skip
    assert np.quantile(np.abs(ours.delta - rows["greeks_delta"].to_numpy()), 0.99) < 2e-4
    assert np.quantile(np.abs(ours.vega - rows["greeks_vega"].to_numpy()), 0.99) < 0.05
    assert (
        np.quantile(np.abs(ours.gamma - rows["greeks_gamma"].to_numpy()), 0.99) < 1.1e-5
    )  # five decimals there
    for mine, theirs in ((ours.bid_iv, "bid_iv"), (ours.ask_iv, "ask_iv")):
        recorded = rows[theirs].to_numpy()
        both = ~np.isnan(mine) & (recorded > 0)
        assert both.sum() > 0.6 * len(rows)
        apart = np.abs(mine[both] - recorded[both])
        assert np.median(apart) < 0.02 and np.quantile(apart, 0.95) < 0.5


def test_a_quote_whose_tick_is_all_it_tells_has_no_volatility() -> None:
    forward, strike, years = np.full(3, 90_000.0), np.array([90_000.0, 90_000.0, 60_000.0]), np.full(3, 0.1)
    sigma, calls = np.full(3, 0.5), np.array([True, True, True])
    usd, _ = price_delta(forward, strike, years, sigma, calls)
    fair = usd / forward
    deep = implied_volatility(usd, forward, strike, years, calls)
    assert deep[2] == pytest.approx(0.5)  # it could be told, were prices not on a grid of 45 USD
    found = own_greeks(
        product("BTC"),
        90_000.0,
        forward,
        strike,
        years,
        calls,
        sigma,
        np.array([fair[0], np.nan, fair[2]]),
        fair,
    )
    assert found.bid_iv[0] == pytest.approx(50.0) and np.isnan(found.bid_iv[1:]).all()
    assert found.ask_iv[:2] == pytest.approx([50.0, 50.0]) and np.isnan(found.ask_iv[2])  # deep in the money
    assert found.theta[0] < 0 < found.vega[0]


def test_linear_quotes_imply_the_volatility_of_the_inverse_ones() -> None:
    """The same options in both families, the linear ones at the index; the greeks are the same."""
    strike, years, calls = np.array([84_000.0, 96_000.0]), np.full(2, 0.3), np.array([False, True])
    forward, sigma = np.full(2, 91_200.0), np.array([0.55, 0.5])
    coin = price_delta(forward, strike, years, sigma, calls)[0] / forward
    inverse = own_greeks(product("BTC"), 90_000.0, forward, strike, years, calls, sigma, coin, 1.1 * coin)
    linear = own_greeks(
        product("BTC_USDC"), 90_000.0, forward, strike, years, calls, sigma, 90_000 * coin, 99_000 * coin
    )
    assert linear.bid_iv == pytest.approx([55.0, 50.0]) and (linear.ask_iv > linear.bid_iv + 1).all()
    for mine, its in zip(linear, inverse, strict=True):
        assert np.array_equal(mine, its)


def test_without_a_mark_volatility_or_after_expiry_there_are_no_greeks() -> None:
    xrp = recorded_product("XRP_USDC")
    found = own_greeks(
        xrp, 2.0, np.full(2, 2.0), np.full(2, 2.1), np.array([0.1, 0.0]), np.array([True, False]),
        np.array([np.nan, 0.6]), np.full(2, np.nan), np.full(2, np.nan),
    )  # fmt: skip
    assert all(np.isnan(column).all() for column in found)
