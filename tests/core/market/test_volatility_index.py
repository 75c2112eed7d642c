"""The volatility index against an integral done elsewhere, and against the recorded one."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from mpmath import quad
from shared_data import shared

from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_YEAR
from optionwriter.core.market.smile import NODE_COUNT
from optionwriter.core.market.surface import Surface, fit_surface
from optionwriter.core.market.volatility_index import strip_variance, volatility_index

AT = 1_767_600_000_000


def flat(days: list[int], atm: list[float]) -> Surface:
    expiries = AT + MS_PER_DAY * np.array(days)
    return Surface(
        AT, 90_000.0, expiries, np.zeros(len(days)), np.array(atm), np.zeros((len(days), NODE_COUNT))
    )


def test_a_strip_is_the_integral_of_option_values() -> None:
    deviation = 0.6 * math.sqrt(30 / 365)

    def value(k: float) -> float:
        """Out of the money, on a forward of 1."""
        d1 = -k / deviation + deviation / 2
        call = 0.5 * math.erfc(-d1 / math.sqrt(2)) - math.exp(k) * 0.5 * math.erfc(
            -(d1 - deviation) / math.sqrt(2)
        )
        return call if k > 0 else call - 1 + math.exp(k)

    expected = float(quad(lambda k: 2 * value(float(k)) * math.exp(-k), [-2 * deviation, 0, 2 * deviation]))
    assert strip_variance(flat([30], [0.6]), 0) == pytest.approx(expected, rel=2e-4)


def test_thirty_days_lie_between_two_expiries_in_variance() -> None:
    two = flat([20, 50], [0.6, 0.5])
    low, high = strip_variance(two, 0), strip_variance(two, 1)
    total = low + (high - low) * 10 / 30
    assert volatility_index(two) == pytest.approx(100 * math.sqrt(total * MS_PER_YEAR / (30 * MS_PER_DAY)))


def test_dailies_are_left_out_and_one_expiry_is_enough() -> None:
    assert volatility_index(flat([1, 3, 40], [2.0, 2.0, 0.5])) == pytest.approx(
        volatility_index(flat([40], [0.5]))
    )
    with pytest.raises(ValueError, match="no expiry"):
        volatility_index(flat([1, 3], [0.5, 0.5]))


@pytest.mark.shared
def test_the_recorded_index_is_met() -> None:
    frame = pl.read_parquet(shared("data/chains_deribit_6h_btc_eth/BTC") / "BTC_2026-0[1-3].parquet")
    frame = frame.filter(pl.col("option_type").cast(pl.String) == "call").with_columns(
        pl.col("timestamp", "expiry_datetime").dt.epoch("ms")
    )
    recorded = pl.read_parquet(shared("data/dvol/btc_dvol_1h.parquet"))
    known_ms = recorded["timestamp"].dt.epoch("ms").to_numpy() + 3_600_000
    errors = []
    for part in frame.sort("timestamp").partition_by("timestamp", maintain_order=True)[::15]:
        columns = ("expiry_datetime", "strike", "underlying_price", "mark_iv_decimal")
        at_ms = int(part["timestamp"][0])
        here = fit_surface(at_ms, float(part["index_price"][0]), *[part[name].to_numpy() for name in columns])
        errors.append(volatility_index(here) - np.interp(at_ms, known_ms, recorded["dvol_pct"].to_numpy()))
    assert abs(np.median(errors)) < 0.5
    assert np.median(np.abs(errors - np.median(errors))) < 0.5
