"""Quotes: grids and rules for any input, marks by hand and against recorded tickers."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import shared

from optionwriter.core.market.chain import InstrumentTable
from optionwriter.core.market.instruments import PRODUCTS, product
from optionwriter.core.market.quotes import (
    BUCKETS,
    DELTA_EDGES,
    TENOR_EDGES,
    QuoteColumns,
    QuoteRows,
    QuoteTable,
    bucket_of,
    fill_quotes,
    quote_columns,
    rules_of,
)

EXPIRY = "27MAR26"


def books(code: str, below: float = 0.05, above: float = 0.04) -> QuoteTable:
    def full(value: float) -> np.ndarray:
        return np.full(BUCKETS, value)

    return QuoteTable(
        product(code), full(below), full(above), full(5.0), full(7.0), full(100.0), full(3.0), ()
    )


def quoted(
    code: str,
    strikes: list[str],
    forward: float,
    iv: float,
    days: float,
    index: float = 80_000.0,
    **sides: float,
) -> QuoteColumns:
    names = tuple(f"{code}-{EXPIRY}-{strike}-{kind}" for strike in strikes for kind in "CP")
    table = InstrumentTable.of(product(code), names)
    size = len(names)
    return quote_columns(
        table,
        books(code, **sides),
        index,
        np.full(size, forward),
        np.full(size, days / 365),
        np.full(size, iv),
    )


def test_buckets_begin_at_their_edges() -> None:
    days, delta = np.array([0.0, 0.99, 1.0, 8.0, 400.0]), np.array([0.0, 0.01, 0.5, 0.2, 1.0])
    assert bucket_of(days, delta).tolist() == [0, 1, 18, 40, BUCKETS - 1]


def test_the_loop_finds_the_same_buckets() -> None:
    """Edges of delta to the last digit, of tenor wherever a year's share falls, puts by their size."""
    edges = np.array([0.0, *DELTA_EDGES, *np.nextafter(DELTA_EDGES, 0.0), 1.0])
    delta, days = (
        one.ravel() for one in np.meshgrid(edges, np.array([0.0, 0.5, *TENOR_EDGES, 2.5, 59.0, 500.0]))
    )
    years, own = days / 365.0, books("BTC")
    rows, some = QuoteRows.empty(len(delta)), np.full(len(delta), 0.01)
    fill_quotes(some, -delta, years, some, rules_of(own.product), own.below, own.above, rows)
    assert rows.bucket.tolist() == bucket_of(years * 365.0, delta).tolist()
    assert len(set(rows.bucket.tolist())) == BUCKETS


def test_marks_by_hand() -> None:
    """At the money: value = F (2 N(s/2) - 1), s = iv sqrt(T); in coin, 8 decimals."""
    days, iv = 36.5, 0.5
    expected = math.erf(iv * math.sqrt(days / 365) / 2 / math.sqrt(2))
    found = quoted("BTC", ["80000"], 80_000.0, iv, days)
    assert found.mark.tolist() == [round(expected, 8)] * 2
    linear = quoted("BTC_USDC", ["80000"], 80_000.0, iv, days, index=79_000.0)  # the same price at the index
    assert linear.mark == pytest.approx([79_000 * expected] * 2, abs=1e-6)


def test_sides_by_hand() -> None:
    found = quoted("BTC", ["80000"], 80_000.0, 0.5, 36.5, below=0.03, above=0.02)
    # mark 0.06301..., bid 0.06112 -> 0.0610, ask 0.06427 -> 0.0645
    assert (found.bid[0], found.ask[0]) == (0.061, 0.0645)
    cheap = quoted("ETH_USDC", ["2300"], 2_000.0, 0.6, 7.0, below=0.03, above=0.02)
    mark = cheap.mark[0]
    assert cheap.bid[0] == pytest.approx(round(mark * 0.97 / 0.2) * 0.2)


@pytest.mark.parametrize(("code", "worth", "grain"), [("BTC", 1.0, 1e-8), ("BTC_USDC", 80_400.0, 1e-6)])
def test_marks_hold_put_call_parity(code: str, worth: float, grain: float) -> None:
    strikes = [str(strike) for strike in range(50_000, 120_000, 2_500)]
    found = quoted(code, strikes, 81_234.56, 0.55, 20.0, index=80_400.0)
    strike = np.array([float(one) for one in strikes])
    share = (81_234.56 - strike) / 81_234.56
    assert found.mark[::2] - found.mark[1::2] == pytest.approx(worth * share, abs=1.1 * grain)


@settings(max_examples=150, deadline=None)
@given(
    code=st.sampled_from(sorted(PRODUCTS)),
    moneyness=st.floats(-1.5, 1.5),
    iv=st.floats(0.1, 3.0),
    days=st.floats(0.01, 360.0),
    below=st.one_of(st.just(math.nan), st.floats(0.0, 1.2)),
    above=st.one_of(st.just(math.nan), st.floats(0.0, 5.0)),
)
def test_every_quote_lies_on_the_grid(
    code: str, moneyness: float, iv: float, days: float, below: float, above: float
) -> None:
    forward = 85_000.0 if code.startswith("BTC") else 2_900.0
    strike = str(max(1, round(forward * math.exp(moneyness))))
    found = quoted(code, [strike], forward, iv, days, below=below, above=above)
    for bid, ask, mark in zip(found.bid, found.ask, found.mark, strict=True):
        for price in (bid, ask):
            assert math.isnan(price) or product(code).price_on_grid(Decimal(repr(float(price)))), price
        tick = float(product(code).tick_size)
        assert (
            math.isnan(bid) == (math.isnan(below) or mark * (1 - below) < tick / 2 or mark < tick)
            or bid >= tick
        )
        assert not bid >= ask
        assert not bid > mark
        assert not ask < max(mark, tick)
        if math.isnan(below):
            assert math.isnan(bid)
        assert math.isnan(ask) == math.isnan(above)
    assert np.array_equal(np.isnan(found.bid), np.isnan(found.bid_size))
    assert np.array_equal(np.isnan(found.ask), np.isnan(found.ask_size))


@pytest.mark.shared
@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_recorded_linear_marks_come_back(coin: str) -> None:
    """Marks of USDC options at the index that their inverse twins' marks tell; of any other they would not."""
    folder = "data/chains_deribit_5min_multiasset"
    columns = [
        "instrument_name",
        "harvest_time",
        "expiry_timestamp",
        "underlying_price",
        "mark_price",
        "mark_iv",
    ]
    linear, inverse = (
        pl.read_parquet(shared(f"{folder}/{name}.parquet"), columns=columns)
        .filter(pl.col("harvest_time").dt.date() == pl.date(2025, 12, 11))
        .with_columns(minute=pl.col("harvest_time").dt.truncate("1m"))
        for name in (f"{coin}_USDC", coin)
    )
    twins = linear.with_columns(twin=pl.col("instrument_name").str.replace("_USDC", "")).join(
        inverse.select("minute", "underlying_price", "mark_iv", twin="instrument_name", coin="mark_price"),
        on=["minute", "twin", "underlying_price", "mark_iv"],
    )
    told = twins.filter(pl.col("coin") > 0.002).with_columns(
        index=(pl.col("mark_price") / pl.col("coin")).median().over("minute")
    )
    at_ms = told["harvest_time"].dt.timestamp("ms").to_numpy()
    years = (told["expiry_timestamp"].to_numpy() * 1_000 - at_ms) / (365 * 86_400_000)
    table = InstrumentTable.of(product(f"{coin}_USDC"), tuple(told["instrument_name"]))
    index, forward, iv = (told[name].to_numpy() for name in ("index", "underlying_price", "mark_iv"))
    far = years > 30 / 365
    assert np.count_nonzero(far) > 300
    found = quote_columns(table, books(f"{coin}_USDC"), index, forward, years, iv / 100)
    ratio = found.mark[far] / told["mark_price"].to_numpy()[far]
    assert np.median(np.abs(ratio - 1)) < 3e-4 and abs(np.median(ratio) - 1) < 5e-5
    assert np.median(forward[far] / index[far]) > 1.003  # by which they would be too high


@pytest.mark.shared
def test_recorded_marks_come_back() -> None:
    """Recorded BTC tickers of January 2026, whose marks have four decimals, from their own volatility and forward."""
    frame = pl.read_parquet(shared("data/chains_btc_full_ticker/btc_options.parquet"))
    frame = frame.filter(pl.col("expiration_timestamp") - pl.col("timestamp") > 6 * 3_600_000)
    frame = frame.unique("instrument_name", keep="first", maintain_order=True)
    table = InstrumentTable.of(product("BTC"), tuple(frame["instrument_name"]))
    years = (frame["expiration_timestamp"] - frame["timestamp"]).to_numpy() / (365 * 86_400_000)
    found = quote_columns(
        table,
        books("BTC"),
        np.nan,
        frame["underlying_price"].to_numpy(),
        years,
        frame["mark_iv"].to_numpy() / 100,
    )
    error = np.abs(found.mark - frame["mark_price"].to_numpy())
    assert np.median(error) < 2.7e-5  # half of half a unit of the fourth decimal
    assert np.percentile(error, 90) < 6e-5
    assert found.mark_iv.tolist() == [percent / 100 for percent in frame["mark_iv"].round(2)]
