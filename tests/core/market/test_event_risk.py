"""Pump and crash risk: the formulas against simulation and a slow computation, the gate where skill is known."""

import math
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from optionwriter.core.market.context import build_context
from optionwriter.core.market.event_risk import (
    PREDICTORS,
    EventRisk,
    Past,
    RisksOver,
    event_risks,
    touch_probability,
)
from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex, history_start
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.market.touch import HORIZON_DAYS, LEAST_WINDOWS
from tests.shared_data import shared

START = 19_000 * MS_PER_DAY


def market(
    volatility: np.ndarray, seed: int, told: np.ndarray | None = None
) -> tuple[Candles, VolatilityIndex, int]:
    """Days of 24 hours with these volatilities (a year's); the index tells each day's at the midnight before it."""
    rng = np.random.default_rng(seed)
    hourly = np.repeat(volatility, 24) / math.sqrt(8760)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 1.0, len(hourly)) * hourly - 0.5 * hourly**2))
    opens = np.concatenate([[100.0], closes[:-1]])
    reach = np.exp(np.abs(rng.normal(0.0, 0.3, len(hourly))) * hourly)
    at = START + MS_PER_HOUR * np.arange(len(hourly))
    candles = Candles(at, opens, np.maximum(opens, closes) * reach, np.minimum(opens, closes) / reach, closes)
    said = volatility if told is None else told
    index = VolatilityIndex(START + MS_PER_DAY * np.arange(len(said)), 100.0 * said)
    return candles, index, int(START + MS_PER_DAY * len(volatility))


def regimes(days: int, low: float, high: float, spell: int) -> np.ndarray:
    return np.where(np.arange(days) // spell % 2 == 0, low, high)


def risks(candles: Candles, index: VolatilityIndex, at_ms: int) -> tuple[EventRisk, EventRisk]:
    return event_risks(Past(candles, index, at_ms))


@pytest.mark.parametrize(
    ("barrier", "sigma"), [(math.log(1.1), 0.2), (math.log(0.9), 0.2), (math.log(0.9), 0.08)]
)
def test_touch_probability_against_simulated_paths(barrier: float, sigma: float) -> None:
    """Driftless geometric Brownian motion in 2,000 steps; between two steps the bridge's own probability."""
    rng = np.random.default_rng(5)
    steps, paths = 500, 8_000
    step = sigma / math.sqrt(steps)
    path = np.cumsum(rng.normal(-0.5 * step * step, step, (paths, steps)), axis=1)
    path = np.concatenate([np.zeros((paths, 1)), path], axis=1)
    gap = np.maximum((barrier - path) * math.copysign(1.0, barrier), 0.0)
    missed = np.prod(1.0 - np.exp(-2.0 * gap[:, 1:] * gap[:, :-1] / step**2), axis=1)
    expected, error = 1.0 - missed.mean(), missed.std() / math.sqrt(paths)
    found = float(touch_probability(np.array([sigma]), barrier)[0])
    assert found == pytest.approx(expected, abs=4.0 * error)


def test_touch_probability_in_its_limits() -> None:
    deviations = np.array([1e-9, 0.02, 0.1, 0.5, 2.0])
    for barrier in (math.log(1.1), math.log(0.9)):
        found = touch_probability(deviations, barrier)
        assert found[0] == 0.0 and np.all(np.diff(found) >= 0.0) and np.all(found < 1.0)
    with_erfc = 0.5 * math.erfc((math.log(1.1) + 0.005) / 0.1 / math.sqrt(2))
    with_erfc += 0.5 / 1.1 * math.erfc((math.log(1.1) - 0.005) / 0.1 / math.sqrt(2))
    assert touch_probability(np.array([0.1]), math.log(1.1))[0] == pytest.approx(with_erfc, abs=2e-7)


TRUE = regimes(1_400, 0.3, 0.9, 45)
KNOWING = market(TRUE, 3)


def test_an_index_that_knows_is_used_and_calibrated() -> None:
    """Volatility jumps between 30 and 90 %, and the index tells: skill is high, the risks follow the spells."""
    candles, index, _ = KNOWING
    for risk in risks(candles, index, START + 1_290 * MS_PER_DAY):  # 30 days into a calm spell
        best = risk.best(7)
        assert best.score > 3.0 * best.error > 0.0
        row = HORIZON_DAYS.index(7)
        assert risk.chosen[row] in PREDICTORS and risk.curve[row] < 0.7 * risk.base[row]
    for risk in risks(candles, index, START + 1_340 * MS_PER_DAY):  # 35 into a wild one
        row = HORIZON_DAYS.index(3)
        assert risk.curve[row] > 1.3 * risk.base[row]


def test_noise_earns_no_use() -> None:
    """Constant volatility and an index of pure noise: over 12 markets no more is used than chance lets through."""
    used = total = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        told = 0.6 + 0.15 * np.sin(np.cumsum(rng.normal(0, 0.2, 1_100)))
        for risk in risks(*market(np.full(1_100, 0.6), seed, told)):
            used += sum(one != "" for one in risk.chosen)
            total += len(risk.chosen)
            for row, name in enumerate(risk.chosen):
                if not any(risk.chosen[: row + 1]):
                    assert name == "" and risk.curve[row] == risk.base[row]
    assert used / total < 0.2


def slowly(candles: Candles, index: VolatilityIndex, at_ms: int, days: int) -> tuple[float, float, float]:
    """(base, calibrated by the index, its skill) of the pump, day by day, in plain Python."""
    count = (at_ms - START) // MS_PER_DAY
    high = [candles.high[24 * d : 24 * d + 24].max() for d in range(count)]
    close = [candles.close[24 * d + 23] for d in range(count)]
    happened = [max(high[d + 1 : d + 1 + days]) >= close[d] * 1.1 for d in range(count - days)]
    raw = [
        float(
            touch_probability(np.array([index.value[d + 1] / 100 * math.sqrt(days / 365)]), math.log(1.1))[0]
        )
        for d in range(count)
    ]
    forecasts, bases = [], []
    for day in range(count):
        over = [d for d in range(day + 1) if d + days <= day]
        if len(over) < LEAST_WINDOWS * days:
            forecasts.append(math.nan)
            bases.append(math.nan)
            continue
        x, y = np.array([raw[d] for d in over]), np.array([float(happened[d]) for d in over])
        slope = ((x * y).mean() - x.mean() * y.mean()) / (x.var() + 0.05 * days / len(over))
        line = y.mean() + min(max(slope, 0.0), 1.5) * (raw[day] - x.mean())
        forecasts.append(min(max(line, 0.0), 1.0))
        bases.append(float(y.mean()))
    scored = [d for d in range(count - days) if not math.isnan(forecasts[d])]
    theirs = sum((bases[d] - happened[d]) ** 2 for d in scored)
    ours = sum((forecasts[d] - happened[d]) ** 2 for d in scored)
    return bases[-1], forecasts[-1], 1.0 - ours / theirs


@pytest.mark.parametrize("days", [1, 5, 14])
def test_walk_forward_against_a_slow_computation(days: int) -> None:
    candles, index, _ = KNOWING
    at_ms = START + 300 * MS_PER_DAY
    pump = risks(candles, index, at_ms)[0]
    base, calibrated, score = slowly(candles, index, at_ms, days)
    row = HORIZON_DAYS.index(days)
    by_index = pump.skills[row][PREDICTORS.index("index")]
    assert by_index.score == pytest.approx(score, abs=1e-9)
    assert by_index.windows == 300 - days - (LEAST_WINDOWS * days + days - 1)
    assert pump.base[row] == pytest.approx(max(base, pump.base[row - 1] if row else 0.0), abs=1e-12)
    assert pump.chosen[row] == ("index" if days < 14 else "")
    share = 1.0 - (by_index.error / by_index.score) ** 2 if days < 14 else 0.0
    expected = base + share * (calibrated - base)
    assert pump.curve[row] == pytest.approx(max(expected, pump.curve[row - 1] if row else 0.0), abs=1e-9)
    if days == 5:
        assert abs(expected - base) > 0.02 and expected > pump.curve[row - 1], (
            "the formula is put to the test"
        )


def test_the_standard_error_covers_the_overlap() -> None:
    """Over 60 markets with the same true skill, the scores scatter about as much as their errors say."""
    found = [
        risks(*market(regimes(700, 0.3, 0.9, 45), seed))[1].skills[HORIZON_DAYS.index(7)][0]
        for seed in range(60)
    ]
    scatter = float(np.std([one.score for one in found]))
    told = float(np.mean([one.error for one in found]))
    assert 0.6 < told / scatter < 1.6


def test_curves_rise_and_short_history_is_missing() -> None:
    candles, index, _ = KNOWING
    for days in (3, 8, 40, 100, 260, 365, 700):
        for risk in risks(candles, index, START + days * MS_PER_DAY):
            known = [horizon for horizon in HORIZON_DAYS if days - horizon >= LEAST_WINDOWS * horizon]
            for curve in (risk.curve, risk.base):
                assert [not math.isnan(one) for one in curve] == [one in known for one in HORIZON_DAYS], days
                values = list(curve[: len(known)])
                assert values == sorted(values) and all(0.0 <= one <= 1.0 for one in values)


def test_without_an_index_the_prices_still_tell() -> None:
    candles, _, _ = KNOWING
    nothing = VolatilityIndex(np.empty(0, dtype=np.int64), np.empty(0))
    pump, _ = risks(candles, nothing, START + 1_340 * MS_PER_DAY)
    assert "realised" in pump.chosen and not {"index", "mix"} & set(pump.chosen)


def test_the_same_day_is_computed_once_and_other_contents_anew() -> None:
    candles, index, _ = KNOWING
    at = START + 200 * MS_PER_DAY
    morning = risks(candles, index, at + 8 * MS_PER_HOUR)
    assert risks(candles, index, at + 23 * MS_PER_HOUR) is morning
    for hours in (0, 9, 20):  # as a history grows through the day
        rows, known = 200 * 24 + hours, 201
        grown = Candles(*(getattr(candles, name)[:rows] for name in Candles.__slots__))
        told = VolatilityIndex(index.at_ms[:known], index.value[:known])
        assert risks(grown, told, at + hours * MS_PER_HOUR) is morning
    copied = Candles(*(getattr(candles, name).copy() for name in Candles.__slots__))
    assert risks(copied, index, at) is morning
    copied.high[2_000] *= 2.0
    assert risks(copied, index, at) is not morning
    assert risks(candles, index, at + MS_PER_DAY) is not morning
    lifted = VolatilityIndex(index.at_ms, index.value + (np.arange(len(index.value)) == 150))
    assert risks(candles, lifted, at) is not morning


def known_at(candles: Candles, index: VolatilityIndex, at_ms: int) -> Past:
    """What is asked of a market at an instant."""
    begin = history_start(at_ms)
    rows = slice(int(np.searchsorted(candles.open_ms, begin)), None)
    told = slice(int(np.searchsorted(index.at_ms, begin)), None)
    columns = (getattr(candles, name)[rows] for name in Candles.__slots__)
    return Past(Candles(*columns), VolatilityIndex(index.at_ms[told], index.value[told]), at_ms)


@pytest.mark.parametrize("early_hours", [0, 5])
def test_risks_over_a_long_past_are_those_of_each_days_own(early_hours: int) -> None:
    """To the last digit, where prices and index have gaps, where the past is short and where it has an end of its own:
    five years ago a day without prices, a value of the index told before the past begins."""
    candles, index, end = market(regimes(2_000, 0.3, 0.9, 45), 4)
    days = (candles.open_ms - START) // MS_PER_DAY
    kept = ~np.isin(days, [100, 101, 150, 1_900])
    kept &= ~np.isin(np.arange(len(days)), np.arange(130 * 24, 130 * 24 + 6))
    candles = Candles(*(getattr(candles, name)[kept] for name in Candles.__slots__))
    told = np.arange(len(index.value)) % 97 != 3
    index = VolatilityIndex(index.at_ms[told] - early_hours * MS_PER_HOUR, index.value[told])
    over = RisksOver(candles, index, end)
    first = 100 + 1_826  # the day whose past begins where the prices lack
    for day in (0, 1, 35, 130, 700, *range(first - 1, first + 4), first + 25, 2_000):
        at_ms = START + day * MS_PER_DAY
        expected = event_risks(known_at(candles, index, at_ms))
        assert repr(over.at(at_ms + 7 * MS_PER_HOUR)) == repr(expected), day
    assert any(expected[0].chosen)


@pytest.mark.shared
def test_base_rates_on_recorded_prices_against_polars() -> None:
    """BTC, five years of hours: the share of days after which +10 % and -10 % were reached within a week."""
    frame = pl.read_parquet(shared("data/prices_hourly/BTC_USDT_binance_spot_1h.parquet"))
    frame = frame.filter(pl.col("date") >= datetime(2022, 1, 1, tzinfo=UTC))
    columns = [frame[name].to_numpy() for name in ("open", "high", "low", "close")]
    at_ms = int(datetime(2026, 5, 1, 13, tzinfo=UTC).timestamp() * 1000)
    nothing = VolatilityIndex(np.empty(0, dtype=np.int64), np.empty(0))
    context = build_context(
        PriceHistory("BTC", at_ms, Candles(frame["date"].dt.epoch("ms").to_numpy(), *columns), nothing), at_ms
    )
    days = (
        frame.filter(pl.col("date") < datetime(2026, 5, 1, tzinfo=UTC))
        .group_by_dynamic("date", every="1d")
        .agg(pl.col("high").max(), pl.col("low").min(), pl.col("close").last(), pl.len())
        .with_columns(
            highest=pl.col("high").reverse().rolling_max(7).reverse().shift(-1),
            lowest=pl.col("low").reverse().rolling_min(7).reverse().shift(-1),
        )
        .drop_nulls()
    )
    assert days["len"].min() >= 20
    pump = (days["highest"] >= 1.1 * days["close"]).mean()
    crash = (days["lowest"] <= 0.9 * days["close"]).mean()
    assert context.pump_base_7d == pytest.approx(pump) and context.crash_base_7d == pytest.approx(crash)
    assert 0.05 < context.pump_base_7d < 0.4 and context.pump_base(7) == pytest.approx(context.pump_base_7d)
    assert context.crash_risk(7) == pytest.approx(context.crash_7d)
