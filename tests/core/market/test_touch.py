"""Days, windows and events: by hand, and by counting hours one by one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.core.market.history import Candles
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.market.touch import EVENT_SHARE, daily_bars, touches

START = 20_000 * MS_PER_DAY


def candles(closes: np.ndarray, keep: np.ndarray | None = None) -> Candles:
    opens = np.concatenate([closes[:1], closes[:-1]])
    columns = (
        START + MS_PER_HOUR * np.arange(len(closes)), opens,
        np.maximum(opens, closes) * 1.002, np.minimum(opens, closes) / 1.003, closes,
    )  # fmt: skip
    return Candles(*(one if keep is None else one[keep] for one in columns))


def test_days_are_whole_and_void_where_hours_are_missing() -> None:
    closes = np.arange(100.0, 100.0 + 5 * 24)
    keep = np.ones(120, dtype=np.bool_)
    keep[24:29] = False  # five hours of the second day
    keep[72:76] = False  # four of the fourth
    bars = daily_bars(candles(closes, keep), START + 5 * MS_PER_DAY - 1)
    assert bars.first == 20_000 and len(bars) == 4, "the fifth day is not over"
    assert bars.close.tolist()[0] == 123.0 and bars.close.tolist()[2:] == [171.0, 195.0]
    assert math.isnan(bars.close[1]) and math.isnan(bars.high[1]) and math.isnan(bars.low[1])
    assert bars.high[0] == pytest.approx(123.0 * 1.002) and bars.low[0] == pytest.approx(100.0 / 1.003)
    assert bars.low[3] == pytest.approx(175.0 / 1.003), "the day's first hour there is opens at 175"
    assert len(daily_bars(candles(closes), START + 5 * MS_PER_DAY)) == 5
    assert len(daily_bars(candles(closes[:0]), START)) == 0


def test_events_by_hand() -> None:
    """Flat days at 100 but for two: +10 % reached to the cent on day 3, -10 % missed by a cent on day 5."""
    bars = daily_bars(candles(np.full(9 * 24, 100.0)), START + 9 * MS_PER_DAY)
    bars.high[:], bars.low[:] = 100.0, 100.0
    bars.high[3], bars.low[5] = 100.0 * (1.0 + EVENT_SHARE), 90.01
    pump, crash = touches(bars, 2)
    assert pump.tolist() == [0, 1, 1, 0, 0, 0, 0], "windows hold the two days after their start"
    assert not crash.any()
    bars.low[5] = 90.0
    assert touches(bars, 2)[1].tolist() == [0, 0, 0, 1, 1, 0, 0]
    bars.close[0] = bars.high[8] = math.nan
    pump, _ = touches(bars, 2)
    assert [math.isnan(one) for one in pump] == [True, False, False, False, False, False, True]
    assert [len(one) for one in touches(bars, 9)] == [0, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_events_are_what_the_hours_say(seed: int, days: int) -> None:
    rng = np.random.default_rng(seed)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.01, 50 * 24)))
    one = candles(closes)
    pump, crash = touches(daily_bars(one, START + 50 * MS_PER_DAY), days)
    assert len(pump) == len(crash) == 50 - days
    for start in range(50 - days):
        first, last = (start + 1) * 24, (start + 1 + days) * 24
        spot = closes[first - 1]
        assert pump[start] == (one.high[first:last].max() >= 1.1 * spot)
        assert crash[start] == (one.low[first:last].min() <= 0.9 * spot)
