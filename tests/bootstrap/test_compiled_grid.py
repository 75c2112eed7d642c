"""Both ways to make a quote grid of the made market give the same arrays, to the last digit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optionwriter.adapters.tapes.synthetic import SyntheticFeed
from optionwriter.adapters.tapes.synthetic_models import Past
from optionwriter.bootstrap import compiled_grid
from optionwriter.bootstrap.backtest_config import read_config
from optionwriter.bootstrap.compiled_grid import grid_of
from optionwriter.bootstrap.source import Source
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.decide.grid.columns import QuoteGrid
from optionwriter.core.decide.grid.making import GridMaker
from optionwriter.core.market.context import MarketContext, risk_over
from optionwriter.core.market.history import VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_HOUR, product
from optionwriter.core.market.touch import HORIZON_DAYS
from optionwriter.core.report.run import RunSpec
from optionwriter.settings import Settings

BEGIN = 1_672_531_200_000  # 2023-01-01
AGE_MS, AHEAD_MS = 60_000, 1_000

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class OneByOne:
    """A feed that is only known as one: it can't be asked for blocks."""

    feed: SyntheticFeed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.feed, name)


def opened(folder: Path, coin: str, begin_ms: int, hours: int, **values: Any) -> Source:
    spec = RunSpec("t", "synthetic", "income", (coin,), begin_ms, begin_ms + hours * MS_PER_HOUR, 1, values)
    return open_source(Settings(data_dir=folder), spec, read_config(values))


def one_by_one(source: Source) -> Source:
    return Source(OneByOne(source.feed), source.instants, source.notes, source.fingerprint)


def same(mine: QuoteGrid, its: QuoteGrid) -> None:
    assert mine.call_names == its.call_names
    assert mine.put_names == its.put_names
    assert mine.failures == its.failures
    for part in ("steps", "calls", "puts"):
        ours, theirs = getattr(mine, part), getattr(its, part)
        for name in ours._fields:
            a, b = getattr(ours, name), getattr(theirs, name)
            if not isinstance(a, np.ndarray):
                assert a == b, name
                continue
            assert a.dtype == b.dtype, (part, name)
            assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), (part, name)


@pytest.mark.parametrize(
    ("coin", "begin_ms", "hours", "values"),
    [
        ("BTC", BEGIN, 60, {"listing": "exchange"}),
        ("ETH", BEGIN + 1_234_567, 30, {"listing": "exchange", "step_minutes": 45, "model": "realised"}),
        ("BTC", BEGIN + 5 * MS_PER_HOUR, 10, {"listing": "plain"}),
        ("ETH", BEGIN, 12, {"listing": "exchange", "smile": "skew_anchors"}),
        ("BTC", BEGIN, 12, {"listing": "exchange", "model": "realised", "smile": "surface"}),
        ("BTC", 1_640_995_200_000 - 9 * MS_PER_HOUR, 4, {"listing": "plain", "model": "realised"}),
    ],
)
def test_a_listing_at_a_time_is_what_the_cycle_sees(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    coin: str,
    begin_ms: int,
    hours: int,
    values: dict[str, Any],
) -> None:
    """Forwards, quotes, volatilities, deltas, forecasts and risks; expiries, listings and midnights lie between."""
    source = opened(tmp_path, coin, begin_ms, hours, **values)
    with monkeypatch.context() as patch:
        patch.setattr(SyntheticFeed, "chain", None)  # it is not asked for single chains
        mine = grid_of(source, coin, True, AGE_MS, AHEAD_MS)
    its = grid_of(one_by_one(opened(tmp_path, coin, begin_ms, hours, **values)), coin, True, AGE_MS, AHEAD_MS)
    assert len(mine.calls.option) > 100 * hours
    calls = grid_of(source, coin, False, AGE_MS, AHEAD_MS)
    assert np.array_equal(calls.calls.risk, mine.calls.risk, equal_nan=True)
    assert np.array_equal(calls.calls.bid, mine.calls.bid) and not len(calls.puts.option)
    assert np.count_nonzero(mine.steps.realised > 0.0) == len(mine)
    same(mine, its)


def test_what_fails_in_between_is_asked_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The volatility index is silent for two days: from 36 hours on nothing is quoted, until it speaks again."""
    monkeypatch.setattr(compiled_grid, "_FEWEST_AT_ONCE", 5)

    def silenced() -> Source:
        source = opened(tmp_path, "BTC", BEGIN, 40, listing="exchange")
        assert isinstance(source.feed, SyntheticFeed)
        past = source.feed._pasts["BTC"]
        at_ms, value = past.volatility_index.at_ms, past.volatility_index.value
        told = (at_ms <= BEGIN - 30 * MS_PER_HOUR) | (at_ms >= BEGIN + 18 * MS_PER_HOUR)
        source.feed._pasts = {"BTC": Past(past.candles, VolatilityIndex(at_ms[told], value[told]))}
        return source

    mine = grid_of(silenced(), "BTC", True, AGE_MS, AHEAD_MS)
    assert sorted(mine.failures) == list(range(7, 18))
    assert mine.steps.seen.sum() == len(mine) - 11 and len(mine.calls.option) > 20 * 100
    same(mine, grid_of(one_by_one(silenced()), "BTC", True, AGE_MS, AHEAD_MS))


def test_a_slice_is_in_order_where_its_deltas_fall_with_the_strike(tmp_path: Path) -> None:
    """By comparison of every neighbour, and with one delta bent, one lost."""
    maker = GridMaker("BTC", product("BTC"), product("BTC_USDC"), AGE_MS, AHEAD_MS)
    feed = opened(tmp_path, "BTC", BEGIN, 2).feed
    assert isinstance(feed, SyntheticFeed)
    chain = feed.chain("BTC", BEGIN)
    iv, calls_at = chain.mark_iv.copy(), np.flatnonzero(chain.table.is_call)
    starts = calls_at[np.flatnonzero(np.diff(chain.table.expiry_ms[calls_at], prepend=-1))]
    iv[starts[1] + 4] *= 9.0  # further out a higher delta; every other row is a put
    iv[starts[3]] = np.nan
    maker.add(BEGIN, {"BTC": replace(chain, mark_iv=iv)}, MarketContext("BTC", BEGIN))
    calls = maker.grid(feed.delivery_price).calls
    expected = [
        bool(np.all(np.diff(calls.delta[a:b]) <= 0.0)) and not np.isnan(calls.delta[a:b]).any()
        for a, b in zip(calls.first_row[:-1], calls.first_row[1:], strict=True)
    ]
    assert calls.in_order.tolist() == expected
    assert [place for place, flag in enumerate(expected) if not flag] == [1, 3]


def test_risk_at_many_tenors_is_the_contexts() -> None:
    """At the horizons the curve's own values, between them what a context answers for one tenor."""
    curve = tuple(np.linspace(0.02, 0.6, len(HORIZON_DAYS)).tolist())
    context = MarketContext("BTC", 0, pump_curve=curve)
    days = np.array([0.0, 1e-3, 0.7, 1.0, 6.25, 29.999, 30.0, 59.0, 60.0, 200.0])
    curves, rows = np.array([np.zeros(len(curve)), curve]), np.ones(len(days), dtype=np.intp)
    found = risk_over(curves, rows, days)
    assert found.tolist() == [context.pump_risk(one) for one in days.tolist()]
    assert found[[3, 6, 8]].tolist() == [curve[0], curve[HORIZON_DAYS.index(30)], curve[-1]]
    assert not risk_over(curves, 0 * rows, days).any()
    assert np.isnan(risk_over(curves * np.nan, rows, days)[1:]).all()
    assert np.isnan(risk_over(curves, rows[:1], np.array([-1.0]))).all()
