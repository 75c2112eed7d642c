"""The market context: by hand, against an independent computation on recorded prices, and blind to the future."""

import dataclasses
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.core.market.context import (
    MarketContext,
    Regime,
    build_context,
    realised_alone,
    realised_over,
    regime_of,
)
from optionwriter.core.market.event_risk import Past, event_risks
from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.market.touch import HORIZON_DAYS
from tests.shared_data import shared

START = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1000)


def history(
    closes: np.ndarray, index: np.ndarray | None = None, keep: np.ndarray | None = None
) -> PriceHistory:
    """Hourly candles from START; each opens at the close before it, and spans 1 % beyond both."""
    opens = np.concatenate([closes[:1], closes[:-1]])
    columns = [
        START + MS_PER_HOUR * np.arange(len(closes)),
        opens,
        np.maximum(opens, closes) * 1.01,
        np.minimum(opens, closes) / 1.01,
        closes,
    ]
    candles = Candles(*(column if keep is None else column[keep] for column in columns))
    values = np.zeros(0) if index is None else index
    at = START + MS_PER_DAY * np.arange(1, len(values) + 1)
    return PriceHistory("BTC", START + MS_PER_HOUR * len(closes), candles, VolatilityIndex(at, values))


def numbers(context: MarketContext) -> tuple[object, ...]:
    return tuple(repr(value) for value in dataclasses.asdict(context).values())


def test_by_hand() -> None:
    """+1 % and -1 % (in logarithms) in turn for 210 days: every number is known."""
    hours = 210 * 24
    closes = 100.0 * np.exp(0.01 * (np.arange(hours) % 2))
    context = build_context(history(closes), START + hours * MS_PER_HOUR)
    high = 100.0 * math.exp(0.01)
    assert context.spot == closes[-1] == high
    assert context.return_1d == context.return_7d == context.return_30d == 0.0
    year = math.sqrt(365 * 24)
    assert context.realised_7d == pytest.approx(0.01 * year) and context.realised_30d == pytest.approx(
        0.01 * year
    )
    span, body = 0.01 + 2 * math.log(1.01), 0.01
    expected = math.sqrt(0.5 * span**2 - (2 * math.log(2) - 1) * body**2) * year
    assert context.range_volatility_7d == pytest.approx(expected)
    assert context.range_volatility_30d == pytest.approx(expected)
    assert context.distance_50d == pytest.approx(0.0, abs=1e-12), (
        "every midnight closes an odd hour: the high"
    )
    assert context.regime is Regime.SIDEWAYS
    assert math.isnan(context.volatility_index) and math.isnan(context.volatility_rank_1y)


def test_risk_between_the_horizons() -> None:
    """Linear in the root of the days, from nothing at 0; at a horizon its own; after the last the last's."""
    curve = tuple(days / 100.0 for days in HORIZON_DAYS)
    context = MarketContext(
        "BTC", START, 0.4, 0.4, pump_curve=curve, crash_base_curve=(*curve[:-1], math.nan)
    )
    for days in HORIZON_DAYS:
        assert context.pump_risk(days) == pytest.approx(days / 100.0)
    assert context.pump_risk(0) == 0.0 and context.pump_risk(0.25) == pytest.approx(0.005)
    share = (math.sqrt(6) - math.sqrt(5)) / (math.sqrt(7) - math.sqrt(5))
    assert context.pump_risk(6) == pytest.approx(0.05 + share * 0.02)
    assert context.pump_risk(61) == context.pump_risk(1e9) == 0.6
    assert context.crash_base(45) == pytest.approx(0.45) and math.isnan(context.crash_base(46))
    assert math.isnan(context.crash_base(90))
    assert all(math.isnan(one) for one in (context.pump_risk(-1), context.pump_risk(math.nan)))
    assert math.isnan(context.crash_risk(7)) and math.isnan(context.pump_base(7))


def test_pump_and_crash_reach_the_context() -> None:
    at_ms = START + 400 * MS_PER_DAY
    context = build_context(FULL, at_ms)
    pump, crash = event_risks(Past(FULL.candles, FULL.volatility_index, at_ms))
    assert (context.pump_curve, context.crash_base_curve) == (pump.curve, crash.base)
    row = HORIZON_DAYS.index(30)
    assert (context.crash_30d, context.pump_base_30d) == (crash.curve[row], pump.base[row])
    best = max((one for one in pump.skills[HORIZON_DAYS.index(7)]), key=lambda one: one.score / one.error)
    assert (context.pump_skill_7d, context.pump_skill_error_7d) == (best.score, best.error)
    assert context.pump_risk(7) == pytest.approx(context.pump_7d) and context.event_share == 0.10


def test_returns_and_averages_of_a_steady_climb() -> None:
    """The price is the number of hours since START, so every past price is known."""
    hours = 250 * 24
    context = build_context(history(np.arange(1.0, hours + 1)), START + hours * MS_PER_HOUR)
    assert context.spot == hours
    assert context.return_1d == pytest.approx(hours / (hours - 24) - 1)
    assert context.return_7d == pytest.approx(hours / (hours - 168) - 1)
    assert context.return_30d == pytest.approx(hours / (hours - 720) - 1)
    assert context.distance_50d == pytest.approx(hours / (hours - 24 * 24.5) - 1)
    assert context.distance_200d == pytest.approx(hours / (hours - 24 * 99.5) - 1)
    assert context.regime is Regime.BULL
    falling = build_context(history(np.arange(hours * 2.0, hours, -1)), START + hours * MS_PER_HOUR)
    assert falling.regime is Regime.BEAR


@pytest.mark.parametrize(
    ("spot", "short", "long", "regime"),
    [
        (3.0, 2.0, 1.0, Regime.BULL),
        (1.0, 2.0, 3.0, Regime.BEAR),
        (2.0, 1.0, 3.0, Regime.SIDEWAYS),
        (3.0, 1.0, 2.0, Regime.SIDEWAYS),
        (1.0, 3.0, 2.0, Regime.SIDEWAYS),
        (math.nan, 2.0, 1.0, Regime.UNKNOWN),
        (3.0, 2.0, math.nan, Regime.UNKNOWN),
    ],
)
def test_the_regime_rule(spot: float, short: float, long: float, regime: Regime) -> None:
    assert regime_of(spot, short, long) is regime


RNG = np.random.default_rng(11)
LONG = 420 * 24
WALK = 50_000.0 * np.exp(np.cumsum(RNG.normal(0, 0.006, LONG)))
INDEX = 50.0 + 10.0 * RNG.standard_normal(420)
KEEP = RNG.random(LONG) > 0.02
FULL = history(WALK, INDEX, KEEP)


def known_by(at_ms: int) -> PriceHistory:
    """What was known at an instant, cut by hand."""
    candles, index = FULL.candles, FULL.volatility_index
    closed, seen = candles.open_ms + MS_PER_HOUR <= at_ms, index.at_ms <= at_ms
    columns = (candles.open_ms, candles.open, candles.high, candles.low, candles.close)
    return PriceHistory(
        "BTC",
        at_ms,
        Candles(*(c[closed] for c in columns)),
        VolatilityIndex(index.at_ms[seen], index.value[seen]),
    )


@settings(max_examples=150, deadline=None)
@given(st.integers(START - MS_PER_DAY, START + LONG * MS_PER_HOUR))
def test_nothing_is_known_of_the_future(at_ms: int) -> None:
    assert numbers(build_context(known_by(at_ms), at_ms)) == numbers(build_context(FULL, at_ms))


@settings(max_examples=30, deadline=None)
@given(st.integers(START - MS_PER_DAY, START + LONG * MS_PER_HOUR))
def test_the_realised_volatilities_alone_are_those_of_the_whole(at_ms: int) -> None:
    alone, whole = realised_alone(FULL, at_ms), build_context(FULL, at_ms)
    for name in ("underlying", "at_ms", "realised_7d", "realised_30d"):
        assert repr(getattr(alone, name)) == repr(getattr(whole, name))
    assert math.isnan(alone.spot) and not alone.pump_curve


def test_many_instants_at_once_are_each_by_itself() -> None:
    rng, own = np.random.default_rng(3), FULL.candles
    rows = np.sort(rng.choice(len(own.open_ms), int(len(own.open_ms) * 0.9), replace=False))  # with holes
    kept = Candles(own.open_ms[rows], own.open[rows], own.high[rows], own.low[rows], own.close[rows])
    first, last = int(own.open_ms[0]) - MS_PER_DAY, int(own.open_ms[-1]) + 3 * MS_PER_DAY
    at_ms = np.sort(rng.integers(first, last, 60))
    for begin in (0, 30, 59):
        some = at_ms[begin:]
        short, long = realised_over(kept, some)
        for row, instant in enumerate(some.tolist()):
            alone = realised_alone(replace(FULL, candles=kept), instant)
            assert repr((alone.realised_7d, alone.realised_30d)) == repr(
                (float(short[row]), float(long[row]))
            )
    assert np.isfinite(realised_over(kept, at_ms)[1]).any()


def test_a_candle_counts_when_it_has_closed() -> None:
    at = START + 100 * MS_PER_HOUR
    closes = np.arange(1.0, 201.0)
    assert build_context(history(closes), at).spot == 100.0
    assert build_context(history(closes), at - 1).spot == 99.0


def test_short_history_is_missing_not_guessed() -> None:
    def after(days: int) -> MarketContext:
        return build_context(history(WALK[: days * 24], INDEX[:days]), START + days * MS_PER_DAY)

    week = after(5)
    assert not math.isnan(week.spot) and not math.isnan(week.return_1d)
    assert (
        math.isnan(week.realised_7d) and math.isnan(week.return_7d) and math.isnan(week.range_volatility_7d)
    )
    month = after(8)
    assert not math.isnan(month.realised_7d) and not math.isnan(month.return_7d)
    assert math.isnan(month.realised_30d) and math.isnan(month.return_30d)
    assert math.isnan(after(39).distance_50d) and not math.isnan(after(40).distance_50d)
    assert math.isnan(after(159).distance_200d) and not math.isnan(after(160).distance_200d)
    assert after(159).regime is Regime.UNKNOWN and after(160).regime is not Regime.UNKNOWN
    assert not math.isnan(after(2).volatility_index) and math.isnan(after(299).volatility_rank_1y)
    assert 0.0 <= after(302).volatility_rank_1y <= 1.0
    nothing = build_context(history(WALK[:0]), START)
    assert all(value == "nan" for value in numbers(nothing)[2:11]) and nothing.regime is Regime.UNKNOWN


def test_an_old_price_is_missing() -> None:
    keep = np.ones(300, dtype=np.bool_)
    keep[240:260] = False
    one = history(np.arange(1.0, 301.0), keep=keep)
    assert build_context(one, START + 246 * MS_PER_HOUR).spot == 240.0
    assert math.isnan(build_context(one, START + 247 * MS_PER_HOUR).spot)
    assert math.isnan(build_context(one, START + (250 + 24) * MS_PER_HOUR).return_1d)
    assert build_context(one, START + 290 * MS_PER_HOUR).return_1d == pytest.approx(290 / 266 - 1)


def test_missing_hours_add_no_return_of_their_own() -> None:
    closes = np.concatenate([np.full(400, 100.0), np.full(400, 150.0)])
    keep = np.ones(800, dtype=np.bool_)
    keep[400] = False  # the hour of the jump
    at = START + 500 * MS_PER_HOUR
    assert build_context(history(closes, keep=keep), at).realised_7d == 0.0
    assert build_context(history(closes), at).realised_7d > 1.0


def test_the_rank_is_between_the_extremes_of_the_year() -> None:
    index = np.concatenate([[500.0], np.full(200, 40.0), [20.0, 80.0], np.full(178, 35.0)])
    one = history(WALK[: 381 * 24], index)
    context = build_context(one, START + 381 * MS_PER_DAY)
    assert context.volatility_index == 35.0
    assert context.volatility_rank_1y == pytest.approx((35.0 - 20.0) / (80.0 - 20.0)), (
        "500 is more than a year old"
    )
    assert math.isnan(build_context(one, START + 383 * MS_PER_DAY).volatility_index)


@pytest.mark.shared
@pytest.mark.parametrize("day", ["2023-03-25T07:30:00", "2024-08-05T12:17:03", "2026-05-31T08:00:00"])
def test_recorded_prices_against_polars(day: str) -> None:
    at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    frame = pl.read_parquet(shared("data/prices_hourly/BTC_USDT_binance_spot_1h.parquet"))
    dvol = pl.read_parquet(shared("data/dvol/btc_dvol_1h.parquet"))
    columns = [frame[name].to_numpy() for name in ("open", "high", "low", "close")]
    candles = Candles(frame["date"].dt.epoch("ms").to_numpy(), *columns)
    index = VolatilityIndex(dvol["timestamp"].dt.epoch("ms").to_numpy(), dvol["dvol_pct"].to_numpy())
    at_ms = int(at.timestamp() * 1000)
    got = build_context(PriceHistory("BTC", at_ms, candles, index), at_ms)

    known = frame.with_columns(closed=pl.col("date") + timedelta(hours=1)).filter(pl.col("closed") <= at)
    spot = known["close"][-1]
    assert got.spot == spot

    def close_by(when: datetime) -> float:
        return float(known.filter(pl.col("closed") <= when)["close"][-1])

    for days, value in ((1, got.return_1d), (7, got.return_7d), (30, got.return_30d)):
        assert value == pytest.approx(spot / close_by(at - timedelta(days=days)) - 1)
    returns = known.with_columns(
        r=(pl.col("close") / pl.col("close").shift(1)).log(), gap=pl.col("date").diff()
    )
    returns = returns.filter(pl.col("gap") == timedelta(hours=1))
    for days, value in ((7, got.realised_7d), (30, got.realised_30d)):
        window = returns.filter(pl.col("closed") > at - timedelta(days=days))
        assert value == pytest.approx(math.sqrt((window["r"] ** 2).mean() * 8760))
        assert 0.05 < value < 3.0
    daily = known.filter(pl.col("closed").dt.hour() == 0)["close"]
    assert got.distance_50d == pytest.approx(spot / daily.tail(50).mean() - 1)
    assert got.distance_200d == pytest.approx(spot / daily.tail(200).mean() - 1, rel=1e-4)
    assert 0.5 < got.range_volatility_7d / got.realised_7d < 1.5
    past = dvol.filter(pl.col("timestamp") <= at)
    if at - past["timestamp"][-1] < timedelta(hours=36):
        year = past.filter(pl.col("timestamp") >= at - timedelta(days=365))["dvol_pct"]
        assert got.volatility_index == past["dvol_pct"][-1]
        assert got.volatility_rank_1y == pytest.approx((year[-1] - year.min()) / (year.max() - year.min()))
    else:
        assert math.isnan(got.volatility_index)
