"""Intervals, sides and limits of a replay, against hand-made series and formulas."""

from __future__ import annotations

import math
from decimal import Decimal
from statistics import NormalDist

import numpy as np
import pytest

from optionwriter.core.books.pnl import Both
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.report.decisions import LimitUse
from optionwriter.core.report.evidence import (
    Look,
    Round,
    actions_by_strategy,
    interval,
    limit_records,
    series,
    sides,
    weekly,
)

NAN = math.nan


def look(at_ms: int, coin: str, before: tuple[LimitUse, ...] = (), after: tuple[LimitUse, ...] = ()) -> Look:
    amount = Both(Decimal(coin), Decimal(coin) * 100)
    return Look(
        at_ms, {("BTC", "call"): amount, ("ETH", "put"): Both(Decimal(1), Decimal(1))}, 0.0, before, after
    )


def test_weekly_gains_add_up_and_each_falls_into_its_week() -> None:
    at = [MS_PER_DAY * day for day in range(22)]  # 21 days: three weeks
    values = [5.0] * 3 + [6.0] * 7 + [2.0] * 12
    gains = weekly(at, values)
    assert gains.tolist() == [6.0, -4.0, 0.0] and gains.sum() == values[-1]
    assert weekly([], []).tolist() == []
    assert weekly([7], [3.0]).tolist() == [3.0]
    assert len(weekly([0, 151 * MS_PER_DAY], [1.0, 2.0])) == 22


def test_an_interval_is_the_normal_one_for_many_weeks() -> None:
    """The sum of n draws has deviation sd × root n: the bootstrap comes near it, and 2.8 of it is the least shown."""
    gains = np.random.default_rng(7).normal(2.0, 10.0, 400)
    found = interval(gains, np.random.default_rng(1))
    error = gains.std() * math.sqrt(len(gains))
    assert found.total == pytest.approx(gains.sum())
    assert found.low == pytest.approx(gains.sum() - 1.96 * error, abs=0.05 * error)
    assert found.high == pytest.approx(gains.sum() + 1.96 * error, abs=0.05 * error)
    assert found.smallest == pytest.approx(
        (NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)) * error, rel=0.03
    )
    assert found.smallest == pytest.approx(2.8 * error, rel=0.03)


def test_a_difference_of_the_smallest_size_is_found_in_four_of_five_periods() -> None:
    """Power, by trying: draws of 22 weeks whose true total is `smallest`, tested at 5 %."""
    rng = np.random.default_rng(3)
    weeks = rng.normal(0.0, 1.0, 22)
    weeks -= weeks.mean()
    smallest = interval(weeks, np.random.default_rng(1)).smallest
    deviation = weeks.std()
    totals = rng.normal(smallest / 22, deviation, (20_000, 22)).sum(axis=1)
    found = np.mean(np.abs(totals) > NormalDist().inv_cdf(0.975) * deviation * math.sqrt(22))
    assert found == pytest.approx(0.8, abs=0.02)


def test_the_same_seed_gives_the_same_interval() -> None:
    gains = np.arange(20.0)
    one, other = (interval(gains, np.random.default_rng(5)) for _ in range(2))
    assert one == other != interval(gains, np.random.default_rng(6))


def test_sides_count_each_coin_and_cycle() -> None:
    found = sides([{"BTC": (0.3, 0.2), "ETH": (0.1, 0.4)}, {"BTC": (NAN, 0.1), "ETH": (0.2, NAN)},
                   {"BTC": (NAN, NAN), "ETH": (0.2, 0.2)}])  # fmt: skip
    assert (found.looked, found.both, found.calls_better, found.puts_better) == (6, 3, 1, 1)
    assert (found.only_calls, found.only_puts) == (1, 1)


def test_actions_are_counted_by_strategy_and_none_is_do_nothing() -> None:
    rounds = [Round(1, "b", ("ROLL_CALL", "ROLL_CALL"), 0, {}, {}), Round(2, "b", (), 1, {}, {}),
              Round(1, "a", ("CLOSE_PUT",), 0, {}, {})]  # fmt: skip
    assert actions_by_strategy(rounds) == {"a": {"CLOSE_PUT": 1}, "b": {"DO_NOTHING": 1, "ROLL_CALL": 2}}


def use(used: str, limit: str = "10") -> LimitUse:
    return LimitUse("net_delta_abs", "BTC", Decimal(used), Decimal(limit))


def test_a_limit_is_passed_by_orders_or_by_the_market_and_told_apart() -> None:
    looks = [look(1, "0", (use("1"),), (use("5"),)),
             look(2, "0", (use("12"),), (use("12"),)),  # the market moved it
             look(3, "0", (use("12"),), (use("11"),)),  # orders lowered it
             look(4, "0", (use("9"),), (use("10"),))]  # fmt: skip
    (found,) = limit_records(looks)
    assert (found.most, found.passed, found.drifted) == (1.2, 0, 2)
    (worse,) = limit_records([*looks, look(5, "0", (use("9"),), (use("10.1"),))])
    assert worse.passed == 1
    (none,) = limit_records([look(1, "0", (use("0", "0"),), (use("1", "0"),))])
    assert none.most == math.inf and none.passed == 1


def test_a_series_sums_the_kinds_asked_for() -> None:
    looks = [look(MS_PER_HOUR, "0.5"), look(2 * MS_PER_HOUR, "-1")]
    assert series(looks, [("BTC", "call")], False) == [0.5, -1.0]
    assert series(looks, [("BTC", "call"), ("ETH", "put"), ("ETH", "call")], True) == [51.0, -99.0]
