"""Between two snapshots the last one is repriced: nearer to the truth than standing still, and never in our favour."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.adapters.tapes.captured import OLDEST_MS, CapturedFeed, CoinPast
from optionwriter.adapters.tapes.captured_linear import LinearChains
from optionwriter.adapters.tapes.recordings import harvested
from optionwriter.adapters.tapes.repricing import on_grid, repriced, volatility
from optionwriter.adapters.tapes.sample_files import FOLDER, load_sample
from optionwriter.adapters.tapes.snapshots import Until
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, MS_PER_YEAR, product

FIRST = int(np.datetime64("2026-02-01", "ms").astype(np.int64))
DATA = load_sample()
CHAINS = {
    coin: harvested(FOLDER / "live_deribit", coin, FIRST, FIRST + 28 * MS_PER_DAY) for coin in ("BTC", "ETH")
}


def feed(until_ms: int | None = None) -> CapturedFeed:
    """BTC and its linear puts over the bundled February, repriced in between."""
    chains = CHAINS["BTC"] if until_ms is None else Until(CHAINS["BTC"], until_ms)
    own = DATA.recorded["BTC"]
    past = CoinPast(
        Candles(own.candle_ms, own.open, own.high, own.low, own.close),
        VolatilityIndex(own.index_ms, own.index_value),
    )
    linear = LinearChains(product("BTC_USDC"), chains)
    return CapturedFeed({"BTC": chains, "BTC_USDC": linear}, {"BTC": past}, DATA.books, {}, "surface")


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_nothing_changes_at_the_snapshot_itself(coin: str) -> None:
    one = CHAINS[coin].snapshot(30)
    same = repriced(one, volatility(one), one.at_ms, one.index_price)
    assert np.array_equal(same.iv, one.iv)
    assert same.forward == pytest.approx(one.forward, rel=1e-8)
    assert (
        np.median(np.abs(same.mark - one.mark)) < 2e-5
    )  # README of the recording: 6.6e-6 coin at the median
    quoted = ~np.isnan(one.ask)
    assert np.array_equal(np.isnan(same.ask), ~quoted) and (same.bid == 0).all()
    near = quoted & (one.mark < 0.05)  # beyond, a mark's own error is a tick and more
    assert np.median(np.abs(same.ask[near] - one.ask[near])) < 1e-9
    assert np.percentile(np.abs(same.ask[near] - one.ask[near]), 90) <= 0.0005 + 1e-9


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_it_is_nearer_to_the_next_snapshot_than_standing_still(coin: str) -> None:
    """Every third pair of snapshots of the month: marks and volatilities of what could be held, six hours later."""
    moved, stood, by_iv, kept_iv = [], [], [], []
    for row in range(0, len(CHAINS[coin].instants) - 1, 3):
        one, other = CHAINS[coin].snapshot(row), CHAINS[coin].snapshot(row + 1)
        new = repriced(one, volatility(one), other.at_ms, other.index_price)
        years = (one.table.expiry_ms - one.at_ms) / MS_PER_YEAR
        _, delta = price_delta(
            one.forward, one.table.strike, np.maximum(years, 1e-6), one.iv, one.table.is_call
        )
        size, days = np.abs(delta), years * 365
        mine = np.flatnonzero((size > 0.05) & (size < 0.5) & (days > 2) & (days < 60))
        rows = [(here, other.table.row_of.get(one.table.names[here])) for here in mine.tolist()]
        pairs = np.array([pair for pair in rows if pair[1] is not None], dtype=np.intp)
        here, there = pairs[:, 0], pairs[:, 1]
        moved.append(np.abs(new.mark[here] - other.mark[there]) / other.mark[there])
        stood.append(np.abs(one.mark[here] - other.mark[there]) / other.mark[there])
        by_iv.append(np.abs(new.iv[here] - other.iv[there]))
        kept_iv.append(np.abs(one.iv[here] - other.iv[there]))
    error, before = np.median(np.concatenate(moved)), np.median(np.concatenate(stood))
    assert error < 0.5 * before, (error, before)
    assert np.median(np.concatenate(by_iv)) < 0.03


def test_a_volatility_that_was_not_recorded_is_the_fitted_surfaces() -> None:
    """Every fifth option's is taken away: what the others' surface says is near what it was."""
    one = CHAINS["ETH"].snapshot(40)
    days = (one.table.expiry_ms - one.at_ms) / MS_PER_DAY
    gone = (np.arange(len(one.table)) % 10 < 2) & (days > 2)
    iv = np.where(gone, np.nan, one.iv)
    found = volatility(replace(one, iv=iv))
    assert np.array_equal(found[~gone], one.iv[~gone])
    assert np.isfinite(found[gone]).all() and np.median(np.abs(found[gone] - one.iv[gone])) < 0.005
    assert np.isnan(volatility(replace(one, iv=np.full(len(one.table), np.nan)))).all()


@settings(max_examples=60, deadline=None)
@given(mark=st.floats(0.0, 0.3), above=st.floats(0.0, 0.01))
def test_asks_are_on_the_grid_near_their_price_and_not_below_the_mark(mark: float, above: float) -> None:
    own = product("BTC")
    (found,) = on_grid(own, np.array([mark]), np.array([mark + above]))
    exact = Decimal(repr(float(found)))
    assert own.price_on_grid(exact)
    assert float(exact) >= max(mark, 0.0001) - 1e-9
    assert abs(float(exact) - (mark + above)) <= 0.0005 + 1e-9


def test_between_snapshots_positions_can_be_bought_back_and_nothing_sold() -> None:
    own = feed()
    first, second = (int(at) for at in CHAINS["BTC"].instants[20:22])
    at = (first // MS_PER_HOUR + 2) * MS_PER_HOUR
    assert first < at < second
    for code in ("BTC", "BTC_USDC"):
        there, here = own.chain(code, first), own.chain(code, at)
        assert there.at_ms == first and (there.bid > 0).sum() > 100
        assert here.at_ms == at and (here.bid == 0).all()
        asked = ~np.isnan(here.ask)
        assert asked.sum() > 100 and (here.ask[asked] >= here.mark[asked]).all()
        assert (here.ask_size[asked] > 0).mean() > 0.5
        assert here.index_price == own.index("btc_usd", at) == own.candles("BTC", 0, at).close[-1]
        names = here.table.names[3:9]
        part = own.quotes(code, names, at)
        assert part.table.names == names and np.array_equal(part.mark, here.mark[3:9])
    assert own.chain("BTC", second).at_ms == second


def test_a_day_after_the_last_snapshot_it_is_stale() -> None:
    own = feed()
    last = int(CHAINS["BTC"].instants[-1])
    assert own.chain("BTC", last + OLDEST_MS).at_ms == last + OLDEST_MS
    late = own.chain("BTC", last + OLDEST_MS + 1)
    assert late.at_ms == last and np.isnan(late.ask).all()


def test_what_comes_later_changes_nothing() -> None:
    whole = feed()
    chance = np.random.default_rng(11)
    for at in chance.integers(FIRST + MS_PER_DAY, FIRST + 27 * MS_PER_DAY, 6).tolist():
        cut = feed(at)
        for code in ("BTC", "BTC_USDC"):
            one, other = whole.chain(code, at), cut.chain(code, at)
            assert one.table.names == other.table.names and one.index_price == other.index_price
            assert np.array_equal(one.mark, other.mark) and np.array_equal(one.ask, other.ask, equal_nan=True)
        mine, theirs = whole.volatility_index("BTC", 0, at), cut.volatility_index("BTC", 0, at)
        assert np.array_equal(mine.at_ms, theirs.at_ms) and np.array_equal(mine.value, theirs.value)
