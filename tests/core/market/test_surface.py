"""Surfaces give back what they hold, obey variance between, and meet recorded chains that were left out."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared

from optionwriter.core.market.history import Candles
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, MS_PER_YEAR
from optionwriter.core.market.smile import NODE_COUNT
from optionwriter.core.market.surface import (
    Bracket,
    EventTime,
    Surface,
    SurfaceError,
    fit_surface,
    realised_weights,
)

START = 1_767_600_000_000  # 2026-01-05 08:00 UTC, a Monday
EVEN = EventTime(np.ones(168))


def surface(
    at_ms: int, days: list[float], atm: list[float], spot: float = 90_000.0, tilt: float = 0.0
) -> Surface:
    expiries = np.array([START + round(day * MS_PER_DAY) for day in days])
    nodes = np.tile(tilt * np.linspace(-1, 1, NODE_COUNT), (len(days), 1))
    return Surface(at_ms, spot, expiries, 0.04 * (expiries - at_ms) / MS_PER_YEAR, np.array(atm), nodes)


@given(st.integers(0, 10**10), st.integers(0, 10**10), st.integers(0, 10**10))
def test_event_time_adds_up(a: int, b: int, c: int) -> None:
    event = EventTime(np.linspace(0.2, 2.0, 168))
    one, two, three = (float(event.at(START + offset)) for offset in sorted((a, b, c)))
    assert one <= two <= three
    week = 168 * MS_PER_HOUR
    assert float(event.at(START + a + week)) - float(event.at(START + a)) == pytest.approx(168.0, abs=1e-6)


def test_event_time_weighs_its_hours() -> None:
    weights = np.ones(168)
    weights[8] = 3.0  # Monday 08:00
    event = EventTime(weights)
    first, second = float(event.at(START + MS_PER_HOUR)), float(event.at(START))
    assert first - second == pytest.approx(3.0 * 168 / 170)


def test_event_time_refuses_nonsense() -> None:
    with pytest.raises(SurfaceError, match="168 weights"):
        EventTime(np.zeros(168))


def test_realised_weights_see_the_loud_hour() -> None:
    hours = START + MS_PER_HOUR * np.arange(168 * 20)
    of_day = hours // MS_PER_HOUR % 24
    width = np.where(of_day == 15, 0.02, 0.005)
    flat = np.full(len(hours), 100.0)
    weights = realised_weights(Candles(hours, flat, flat * np.exp(width), flat, flat))
    assert weights.mean() == pytest.approx(1.0)
    assert weights[:24].argmax() == 15
    # variance 16 : 1, a quarter of it kept next door; the root of (1 + 2 * 16 + 1) / 4 over 1
    assert weights[15] / weights[3] == pytest.approx(math.sqrt(8.5), rel=1e-6)


def test_a_surface_gives_back_its_own_expiries_and_lies_between_in_variance() -> None:
    here = surface(START, [2, 10, 40], [0.6, 0.5, 0.45])
    again = here.at_expiries(here.expiry_ms)
    assert again.atm_iv.tolist() == here.atm_iv.tolist()
    assert again.carry == pytest.approx(here.carry, rel=1e-14)
    middle = here.at_expiries(np.array([START + 6 * MS_PER_DAY])).atm_iv[0]
    assert middle**2 * 6 == pytest.approx((0.6**2 * 2 + 0.5**2 * 10) / 2)
    outside = here.at_expiries(START + MS_PER_DAY * np.array([1, 400]))
    assert outside.atm_iv == pytest.approx([0.6, 0.45])


def test_forwards_carry_the_basis() -> None:
    here = surface(START, [10, 40], [0.5, 0.5])
    expiry = START + 25 * MS_PER_DAY
    assert here.forward(np.array([expiry]))[0] == pytest.approx(90_000 * math.exp(0.04 * 25 / 365))


def test_iv_at_the_forward_is_at_the_money_whatever_the_order() -> None:
    here = surface(START, [10, 40], [0.5, 0.4], tilt=0.8)
    expiries = here.expiry_ms[[1, 0, 1]]
    assert here.iv(here.forward(expiries), expiries) == pytest.approx([0.4, 0.5, 0.4])


def test_a_bracket_ends_in_its_surfaces() -> None:
    left = surface(START, [2, 10, 40], [0.6, 0.5, 0.45], spot=90_000)
    right = surface(START + 6 * MS_PER_HOUR, [2, 10, 40], [0.7, 0.52, 0.44], spot=91_000, tilt=0.3)
    bracket = Bracket(left, right, EVEN)
    for end in (left, right):
        there = bracket.at(end.at_ms, end.index_price)
        assert there.atm_iv == pytest.approx(end.atm_iv, rel=1e-12)
        assert there.carry == pytest.approx(end.carry, rel=1e-9)
        assert there.nodes == pytest.approx(end.nodes, abs=1e-12)


def test_total_variance_runs_out_in_event_time() -> None:
    """A night that weighs nothing costs no variance: volatility by the clock rises towards its end."""
    weights = np.full(168, 1.0)
    weights[8:12] = 1e-9  # Monday 08:00 to 12:00
    left = surface(START, [1], [0.5])
    right = surface(START + 8 * MS_PER_HOUR, [1], [0.4])
    before, after = 0.5**2 * 24, 0.4**2 * 16
    asleep = Bracket(left, right, EventTime(weights)).at(START + 4 * MS_PER_HOUR, 90_000.0)
    assert asleep.atm_iv[0] ** 2 * 20 == pytest.approx(before, rel=1e-6)
    even = Bracket(left, right, EVEN).at(START + 4 * MS_PER_HOUR, 90_000.0)
    assert even.atm_iv[0] ** 2 * 20 == pytest.approx((before + after) / 2)


def test_the_money_moves_along_the_skew() -> None:
    left = surface(START, [30], [0.5], tilt=-0.4)
    right = surface(START + 6 * MS_PER_HOUR, [30], [0.5], tilt=-0.4)
    bracket = Bracket(left, right, EVEN)
    middle = START + 3 * MS_PER_HOUR
    still, fallen = bracket.at(middle, 90_000.0), bracket.at(middle, 89_000.0)
    strike = np.array([89_000.0 * math.exp(float(fallen.carry[0]))])
    moved = still.iv(strike, still.expiry_ms)[0]
    assert fallen.atm_iv[0] > still.atm_iv[0]
    assert fallen.atm_iv[0] == pytest.approx(moved, abs=2e-4)


def test_an_expiry_of_one_side_moves_with_its_neighbour() -> None:
    left = surface(START, [0.2, 2], [0.6, 0.5])
    right = surface(START + 6 * MS_PER_HOUR, [2, 5], [0.6, 0.55])
    bracket = Bracket(left, right, EVEN)
    at = START + 3 * MS_PER_HOUR
    there = bracket.at(at, 90_000.0)
    assert there.expiry_ms.tolist() == [START + round(day * MS_PER_DAY) for day in (0.2, 2, 5)]
    ratio = there.atm_iv[1] / 0.5
    assert ratio > 1.05
    assert there.atm_iv[0] == pytest.approx(0.6 * ratio, rel=1e-9)
    assert there.atm_iv[2] == pytest.approx(0.55 * there.atm_iv[1] / 0.6, rel=1e-9)


def test_brackets_refuse_nonsense() -> None:
    left = surface(START, [2], [0.5])
    later = surface(START + MS_PER_HOUR, [3], [0.5])
    with pytest.raises(SurfaceError, match="share no expiry"):
        Bracket(left, later, EVEN)
    with pytest.raises(SurfaceError, match="follow on"):
        Bracket(left, left, EVEN)
    with pytest.raises(SurfaceError, match="outside the bracket"):
        Bracket(left, surface(START + MS_PER_HOUR, [2], [0.5]), EVEN).at(START - 1, 90_000.0)


def test_a_surface_needs_marks() -> None:
    nothing = np.array([])
    with pytest.raises(SurfaceError, match="at least one expiry"):
        fit_surface(START, 1.0, nothing.astype(np.int64), nothing, nothing, nothing)


LEFT_OUT = {"BTC": ((0, 2, 2.1), (2, 8, 1.2), (60, 400, 0.14)), "ETH": ((2, 8, 1.6), (60, 400, 0.15))}


@pytest.mark.shared
@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_recorded_chains_are_met_left_out(coin: str) -> None:
    """Medians of |error| in points, every fifth snapshot from its two neighbours; BTC's limits are a plain SVI's."""
    frame = pl.read_parquet(shared(f"data/chains_deribit_6h_btc_eth/{coin}") / f"{coin}_2026-0[2-5].parquet")
    frame = frame.filter(pl.col("option_type").cast(pl.String) == "call").sort(
        "timestamp", "expiry_datetime", "strike"
    )
    frame = frame.with_columns(pl.col("timestamp", "expiry_datetime").dt.epoch("ms"))
    parts = frame.partition_by("timestamp", maintain_order=True)
    hours = pl.read_parquet(shared(f"data/prices_hourly/{coin}_USDT_binance_spot_1h.parquet")).tail(13_000)
    hours = hours.with_columns(pl.col("date").dt.epoch("ms"))
    event = EventTime(
        realised_weights(Candles(*[hours[n].to_numpy() for n in ("date", "open", "high", "low", "close")]))
    )

    def fitted(part: pl.DataFrame) -> Surface:
        columns = ("expiry_datetime", "strike", "underlying_price", "mark_iv_decimal")
        return fit_surface(
            int(part["timestamp"][0]),
            float(part["index_price"][0]),
            *[part[name].to_numpy() for name in columns],
        )

    rows = []
    for i in range(1, len(parts) - 1, 5):
        part = parts[i]
        here = Bracket(fitted(parts[i - 1]), fitted(parts[i + 1]), event).at(
            int(part["timestamp"][0]), float(part["index_price"][0])
        )
        part = part.filter(pl.col("expiry_datetime").is_in(here.expiry_ms.tolist()))
        expiry, recorded = part["expiry_datetime"].to_numpy(), part["underlying_price"].to_numpy()
        strike = part["strike"].to_numpy() * here.forward(expiry) / recorded
        error = 100 * np.abs(here.iv(strike, expiry) - part["mark_iv_decimal"].to_numpy())
        quoted = part["delta"].is_between(0.01, 0.99).to_numpy()
        days = (expiry - here.at_ms) / MS_PER_DAY
        rows.append(np.column_stack([days, error])[quoted])
    found = np.concatenate(rows)
    for low, high, limit in LEFT_OUT[coin]:
        assert np.median(found[(found[:, 0] >= low) & (found[:, 0] < high), 1]) <= limit, (low, high)
