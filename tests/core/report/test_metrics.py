"""Metrics against another library's and worked examples; their errors against what more samples of the truth show."""

import math
import warnings

import numpy as np
import pytest

from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.metrics import (
    YEAR_DAYS,
    annual_return,
    blocks,
    calmar_ratio,
    curve_metrics,
    daily_returns,
    fall_of,
    share_of,
    sharpe_error,
    sharpe_ratio,
    sortino_ratio,
    trade_metrics,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import empyrical

START = 20_454 * MS_PER_DAY


def curve(daily: np.ndarray, start: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    value = start * np.cumprod(np.concatenate(([1.0], 1.0 + daily)))
    return START + MS_PER_DAY * np.arange(len(value), dtype=np.int64), value


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(20))
def test_ratios_are_those_of_empyrical_with_365_days(seed: int) -> None:
    chance = rng(seed)
    daily = chance.standard_t(4, size=int(chance.integers(30, 900))) * 0.02 + 0.0005
    at_ms, value = curve(np.maximum(daily, -0.5))
    daily = np.maximum(daily, -0.5)
    found = curve_metrics(at_ms, value, np.zeros(len(value)), chance)
    year = {"annualization": YEAR_DAYS}
    assert found.sharpe.value == pytest.approx(empyrical.sharpe_ratio(daily, **year), rel=1e-9)
    assert found.sortino.value == pytest.approx(empyrical.sortino_ratio(daily, **year), rel=1e-9)
    assert found.calmar.value == pytest.approx(empyrical.calmar_ratio(daily, **year), rel=1e-9)
    assert found.volatility == pytest.approx(empyrical.annual_volatility(daily, **year), rel=1e-9)
    assert found.annual_return == pytest.approx(empyrical.annual_return(daily, **year), rel=1e-9)
    assert found.drawdown.share == pytest.approx(-empyrical.max_drawdown(daily), rel=1e-9)
    assert found.total_return == pytest.approx(empyrical.cum_returns_final(daily), rel=1e-9)


def test_deposits_are_no_profit() -> None:
    daily = rng().normal(0.001, 0.02, 200)
    at_ms, plain = curve(daily)
    flows = np.zeros(len(plain))
    flows[50], flows[120] = 400.0, -30.0
    value = [plain[0]]
    for change, flow in zip(daily, flows[1:], strict=True):
        value.append(value[-1] * (1.0 + change) + flow)
    with_flows = curve_metrics(at_ms, np.array(value), flows, rng())
    without = curve_metrics(at_ms, plain, np.zeros(len(plain)), rng())
    assert with_flows.sharpe.value == pytest.approx(without.sharpe.value, rel=1e-9)
    assert with_flows.drawdown.share == pytest.approx(without.drawdown.share, rel=1e-9)
    assert with_flows.total_return == pytest.approx(without.total_return, rel=1e-9)
    assert with_flows.net_profit == pytest.approx(value[-1] - value[0] - 370.0)


def test_a_day_ends_at_midnight_with_the_last_known_value() -> None:
    hour = MS_PER_DAY // 24
    at_ms = np.array(
        [START + 8 * hour, START + 20 * hour, START + 26 * hour, START + 60 * hour], dtype=np.int64
    )
    found = daily_returns(at_ms, np.array([100.0, 110.0, 121.0, 60.5]), np.zeros(4))
    # to the first midnight 110, to the second 121, and the part of a day to the end
    assert found.tolist() == pytest.approx([0.10, 0.10, -0.50])


def test_the_deepest_fall_by_hand() -> None:
    at_ms = START + MS_PER_DAY * np.arange(8, dtype=np.int64)
    value = np.array([100.0, 120.0, 90.0, 100.0, 120.5, 118.0, 130.0, 125.0])
    found = fall_of(at_ms, value, np.zeros(8))
    assert found.share == pytest.approx(30.0 / 120.0)
    assert found.amount == pytest.approx(30.0)
    assert found.longest_days == pytest.approx(3.0)  # from the 120 on day 1 until 120.5 on day 4


def test_a_fall_that_lasts_to_the_end_counts_until_then() -> None:
    at_ms = START + MS_PER_DAY * np.arange(5, dtype=np.int64)
    found = fall_of(at_ms, np.array([100.0, 90.0, 80.0, 95.0, 99.0]), np.zeros(5))
    assert (found.share, found.longest_days) == (pytest.approx(0.2), pytest.approx(4.0))


def test_nothing_lost_has_no_ratio_to_the_loss() -> None:
    at_ms, value = curve(np.full(40, 0.001))
    found = curve_metrics(at_ms, value, np.zeros(len(value)), rng())
    assert (
        math.isnan(found.sortino.value) and math.isnan(found.calmar.value) and math.isnan(found.sharpe.value)
    )
    assert found.drawdown.share == 0.0 and found.drawdown.longest_days == 0.0


def test_too_few_days_give_no_error() -> None:
    at_ms, value = curve(rng().normal(0, 0.01, 8))
    found = curve_metrics(at_ms, value, np.zeros(len(value)), rng())
    assert math.isfinite(found.sharpe.value) and math.isnan(found.sharpe.error)
    empty = curve_metrics(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), rng())
    assert math.isnan(empty.net_profit) and math.isnan(empty.sharpe.value)


def test_losing_everything_ends_the_series() -> None:
    at_ms = START + MS_PER_DAY * np.arange(4, dtype=np.int64)
    value = np.array([100.0, 50.0, 0.0, 30.0])
    assert daily_returns(at_ms, value, np.zeros(4)).tolist() == pytest.approx([-0.5, -1.0])
    assert annual_return(daily_returns(at_ms, value, np.zeros(4))) == -1.0


@pytest.mark.parametrize(
    ("name", "of", "error_of"),
    [
        ("sharpe", sharpe_ratio, lambda daily: sharpe_error(daily)),
        ("sortino", sortino_ratio, None),
        ("calmar", calmar_ratio, None),
    ],
)
def test_errors_are_the_spread_that_other_samples_of_the_same_market_show(name, of, error_of) -> None:
    """The truth: the ratio's standard deviation over 600 years drawn from one distribution."""
    chance = rng(3)
    years = chance.normal(0.0012, 0.02, (600, 365))
    true_spread = float(np.std([of(one) for one in years], ddof=1))
    claimed = []
    for one in years[:40]:
        if error_of is not None:
            claimed.append(error_of(one))
        else:
            at_ms, value = curve(one)
            claimed.append(getattr(curve_metrics(at_ms, value, np.zeros(len(value)), chance), name).error)
    # a resampled maximum is rougher than a mean
    assert np.median(claimed) == pytest.approx(true_spread, rel=0.15 if name != "calmar" else 0.4)


def test_trades_by_hand() -> None:
    found = trade_metrics(np.array([3.0, -1.0, 2.0, -2.0, 4.0, 0.0]), rng())
    assert (found.trades, found.gross_profit, found.gross_loss) == (6, 9.0, 3.0)
    assert found.profit_factor.value == pytest.approx(3.0)
    assert found.win_rate.value == pytest.approx(0.5)
    assert found.win_rate.error == pytest.approx(math.sqrt(0.25 / 6))
    assert found.average.value == pytest.approx(1.0)
    assert found.average.error == pytest.approx(np.std([3, -1, 2, -2, 4, 0], ddof=1) / math.sqrt(6))


def test_no_trades_and_no_losses() -> None:
    none = trade_metrics(np.zeros(0), rng())
    assert none.trades == 0 and none.gross_profit == 0.0 and math.isnan(none.win_rate.value)
    won = trade_metrics(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), rng())
    assert math.isnan(won.profit_factor.value) and won.win_rate.value == 1.0


@pytest.mark.parametrize(("results", "rate"), [(np.arange(1.0, 9.0), 1.0), (-np.arange(1.0, 9.0), 0.0)])
def test_a_win_rate_without_an_exception_is_not_called_certain(results: F64, rate: float) -> None:
    found = trade_metrics(results, rng()).win_rate
    assert found.value == rate and math.isnan(found.error)


def test_blocks_follow_on_and_cover_the_sample_evenly() -> None:
    rows = blocks(64, rng(), 4_000)
    assert rows.shape == (4_000, 64) and rows.min() == 0 and rows.max() == 63
    follows = np.mean((rows[:, 1:] - rows[:, :-1]) % 64 == 1)
    assert follows == pytest.approx(1 - 1 / 4 + 1 / 4 / 64, abs=0.01)  # blocks of mean length 4
    counts = np.bincount(rows.ravel(), minlength=64) / rows.size
    assert np.allclose(counts, 1 / 64, rtol=0.05)


def test_the_same_seed_gives_the_same_errors() -> None:
    at_ms, value = curve(rng(5).normal(0.001, 0.03, 200))
    one, other = (curve_metrics(at_ms, value, np.zeros(len(value)), rng(9)) for _ in range(2))
    assert one == other


def test_columns_that_do_not_fit_are_refused() -> None:
    at_ms, value = curve(np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match="as many instants"):
        curve_metrics(at_ms, value[:-1], np.zeros(len(value)), rng())
    with pytest.raises(ValueError, match="must rise"):
        curve_metrics(at_ms[::-1].copy(), value, np.zeros(len(value)), rng())


def test_a_share_of_sums_is_as_sure_as_more_samples_show() -> None:
    chances = rng(3)
    wholes = chances.uniform(50.0, 150.0, (4_000, 12))
    parts = wholes * chances.normal(0.4, 0.5, wholes.shape)
    found = [share_of(one, other) for one, other in zip(parts, wholes, strict=True)]
    told = float(np.mean([one.error for one in found]))
    assert told == pytest.approx(float(np.std([one.value for one in found])), rel=0.05)
    few = share_of(parts[0, :4], wholes[0, :4])
    assert few.value == pytest.approx(parts[0, :4].sum() / wholes[0, :4].sum()) and math.isnan(few.error)
    assert math.isnan(share_of(np.zeros(0), np.zeros(0)).value)
