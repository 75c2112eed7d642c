"""The seeded path: knots, independence of the questions' order, bounds, volatility, and recorded delivery prices."""

import csv
import math
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.core.market.history import Candles
from optionwriter.core.market.instruments import MS_PER_HOUR, MS_PER_YEAR
from optionwriter.core.market.paths import GRID_MS, BridgePath, PathError
from tests.shared_data import shared

START = 1_767_225_600_000
KNOTS = START + MS_PER_HOUR * np.arange(6)
PRICES = np.array([90_000.0, 90_500.0, 89_900.0, 89_900.0, 91_000.0, 90_100.0])
LOW = np.array([89_800.0, 89_700.0, 89_500.0, 89_850.0, 90_000.0])
HIGH = np.array([90_600.0, 90_700.0, 90_000.0, 91_100.0, 91_200.0])


def path(seed: int = 1, key: str = "BTC", knots: int = 6) -> BridgePath:
    return BridgePath(seed, key, KNOTS[:knots], PRICES[:knots], LOW[: knots - 1], HIGH[: knots - 1])


def test_knots_are_hit_exactly() -> None:
    assert path().prices_at(KNOTS).tolist() == PRICES.tolist()
    assert [path().price_at(int(at)) for at in KNOTS] == PRICES.tolist()


def test_the_last_step_leads_to_the_knot() -> None:
    """No jump before a knot: its last grid price is a few grid steps of volatility away."""
    before = path().prices_at(KNOTS[1:] - 1)
    typical = np.log(HIGH / LOW) / math.sqrt(4 * math.log(2)) / math.sqrt(600)
    assert np.all(np.abs(np.log(before / PRICES[1:])) < 5 * typical)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(START, int(KNOTS[-1]) + 10_000), min_size=1, max_size=30), st.randoms())
def test_the_order_of_questions_does_not_matter(instants: list[int], shuffle) -> None:
    forward = path()
    asked = {at: forward.price_at(at) for at in instants}
    shuffle.shuffle(instants)
    small = BridgePath(1, "BTC", KNOTS, PRICES, LOW, HIGH, cached_intervals=1)
    assert [small.price_at(at) for at in instants] == [asked[at] for at in instants]
    assert path().prices_at(np.array(instants)).tolist() == [asked[at] for at in instants]


def test_later_knots_change_nothing_before_them() -> None:
    at = np.arange(START, int(KNOTS[2]), 7_000)
    assert path(knots=3).prices_at(at).tobytes() == path().prices_at(at).tobytes()


def test_seed_and_key_name_the_path() -> None:
    at = np.arange(START, int(KNOTS[-1]), GRID_MS)
    same, other, key = path().prices_at(at), path(seed=2).prices_at(at), path(key="ETH").prices_at(at)
    assert path().prices_at(at).tobytes() == same.tobytes()
    assert np.mean(same == other) < 0.01 and np.mean(same == key) < 0.01


def test_intervals_with_the_same_prices_differ() -> None:
    """Each interval has its own noise: two equal ones are as good as uncorrelated."""
    same = np.full(21, 100.0)
    knots = START + MS_PER_HOUR * np.arange(21)
    one = BridgePath(1, "BTC", knots, same, volatility=0.5)
    hours = np.diff(np.log(one.prices_at(np.arange(START, int(knots[-1]), GRID_MS)).reshape(20, 600)), axis=1)
    correlations = np.corrcoef(hours)[np.triu_indices(20, 1)]
    assert np.max(np.abs(correlations)) < 0.25


def test_recorded_extremes_are_kept_and_approached() -> None:
    at = np.arange(START, int(KNOTS[-1]), GRID_MS)
    hours = path().prices_at(at).reshape(5, 600)
    assert np.all(hours.min(axis=1) >= LOW) and np.all(hours.max(axis=1) <= HIGH)
    assert np.all((hours.max(axis=1) - hours.min(axis=1)) > 0.4 * (HIGH - LOW))


def test_between_grid_instants_the_last_one_holds() -> None:
    one = path()
    assert one.price_at(START + GRID_MS) == one.price_at(START + 2 * GRID_MS - 1)
    assert one.price_at(START + GRID_MS) != one.price_at(START + 2 * GRID_MS)


def test_without_extremes_the_given_volatility_is_realised() -> None:
    """Quadratic variation of a bridge is that of the motion; 4,800 steps estimate it to about 2 %."""
    knots = START + np.array([0, 8 * MS_PER_HOUR])
    one = BridgePath(3, "BTC", knots, np.array([100.0, 100.0]), volatility=0.6)
    logs = np.log(one.prices_at(np.arange(START, int(knots[-1]) + 1, GRID_MS)))
    realised = math.sqrt(np.sum(np.diff(logs) ** 2) * MS_PER_YEAR / (8 * MS_PER_HOUR))
    assert realised == pytest.approx(0.6, rel=0.06)


def test_the_middle_of_a_bridge_has_half_its_deviation() -> None:
    """Variance t(1 - t) of the whole: 1/4 in the middle; over 2,000 seeds known to 3 %."""
    knots = START + np.array([0, MS_PER_HOUR])
    middles = [
        BridgePath(seed, "x", knots, np.array([100.0, 100.0]), volatility=1.0).price_at(
            START + MS_PER_HOUR // 2
        )
        for seed in range(2_000)
    ]
    logs = np.log(np.array(middles) / 100.0)
    assert np.std(logs) == pytest.approx(0.5 * math.sqrt(MS_PER_HOUR / MS_PER_YEAR), rel=0.06)
    assert abs(np.mean(logs)) < 0.1 * np.std(logs)


def test_the_average_is_of_300_samples_up_to_the_end() -> None:
    one, end = path(), int(KNOTS[3])
    samples = [one.price_at(end - GRID_MS * back) for back in range(300)]
    assert one.twap(end) == pytest.approx(sum(samples) / 300, rel=1e-14)
    assert one.twap(end, window_ms=3_000) == one.price_at(end)
    assert one.twap(end, window_ms=12_000) == pytest.approx((samples[0] + samples[1]) / 2, rel=1e-15)


def test_outside_the_knots() -> None:
    one = path()
    assert one.price_at(one.end_ms + 10**9) == PRICES[-1]
    assert one.prices_at(np.array([one.end_ms + 1])).tolist() == [PRICES[-1]]
    with pytest.raises(PathError, match="BTC starts at 1767225600000"):
        one.price_at(START - 1)
    with pytest.raises(PathError, match="load prices from further back"):
        one.prices_at(np.array([START, START - 1]))


@pytest.mark.parametrize(
    ("knots", "prices", "low", "high", "says"),
    [
        ([], [], [], [], "needs n >= 1"),
        ([1, 2], [1.0], [1.0], [1.0], "needs n >= 1"),
        ([2, 1], [1.0, 1.0], [1.0], [1.0], "ascending"),
        ([1, 1], [1.0, 1.0], [1.0], [1.0], "ascending"),
        ([1, 2], [1.0, 0.0], [1.0], [1.0], "above 0"),
        ([1, 2], [1.0, math.nan], [1.0], [1.0], "finite"),
        ([1, 2], [1.0, 1.0], [0.0], [1.0], "above 0"),
        ([1, 2], [1.0, 1.0], [math.nan], [math.nan], "give a volatility"),
    ],
)
def test_bad_knots_are_refused(knots, prices, low, high, says) -> None:
    with pytest.raises(PathError, match=says):
        BridgePath(1, "BTC", np.array(knots), np.array(prices), np.array(low), np.array(high))


def test_candles_make_knots_and_gaps_are_crossed() -> None:
    opens = START + MS_PER_HOUR * np.array([0, 1, 4])
    candles = Candles(
        opens,
        np.array([100.0, 101.0, 105.0]),
        np.array([102.0, 103.0, 106.0]),
        np.array([99.0, 100.0, 104.0]),
        np.array([101.5, 102.0, 105.5]),
    )
    with pytest.raises(PathError, match="give a volatility"):
        BridgePath.of_candles(1, "BTC", candles)
    one = BridgePath.of_candles(1, "BTC", candles, volatility=0.5)
    hours = [one.price_at(START + MS_PER_HOUR * hour) for hour in (0, 1, 2, 4, 5)]
    assert hours == [100.0, 101.0, 102.0, 105.0, 105.5] and one.end_ms == START + 5 * MS_PER_HOUR
    first = one.prices_at(np.arange(START, START + MS_PER_HOUR, GRID_MS))
    assert first.min() >= 99.0 and first.max() <= 102.0


@pytest.mark.shared
def test_averages_are_near_the_recorded_delivery_prices() -> None:
    """The path through another exchange's hourly candles gives the recorded delivery prices within its own noise."""
    with shared("data/delivery_prices/eth_usd_delivery_sample.csv").open() as file:
        recorded = [(row["date"], float(row["price"])) for row in csv.DictReader(file)]
    frame = pl.read_parquet(shared("data/prices_hourly/ETH_USDT_binance_spot_1h.parquet"))
    columns = [frame[name].to_numpy() for name in ("open", "high", "low", "close")]
    one = BridgePath.of_candles(1, "ETH", Candles(frame["date"].dt.epoch("ms").to_numpy(), *columns), 0.6)
    off = []
    for day, price in recorded:
        expiry = int(datetime.fromisoformat(f"{day[:10]}T08:00:00").replace(tzinfo=UTC).timestamp() * 1000)
        off.append(abs(one.twap(expiry) / price - 1))
    assert len(off) >= 60 and np.median(off) < 0.0025 and max(off) < 0.015
