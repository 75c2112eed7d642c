"""The captured tape shows what was recorded, when it was recorded, and nothing later."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from shared_data import shared

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.tapes.captured import CapturedFeed
from optionwriter.adapters.tapes.captured_files import DELIVERY, INDEX, PRICES
from optionwriter.adapters.tapes.captured_folder import captured_folder
from optionwriter.adapters.tapes.captured_linear import HAIRCUT
from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.adapters.tapes.recordings import SIX_HOURLY as CHAINS
from optionwriter.adapters.tapes.snapshots import CaptureError
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    MS_PER_HOUR,
    MS_PER_YEAR,
    InstrumentError,
    product,
)
from optionwriter.ports import Feed

pytestmark = pytest.mark.shared
SEED = 20_260_201
EIGHT = 8 * MS_PER_HOUR
COLUMNS = ("forward", "mark", "mark_iv", "bid", "ask", "bid_size", "ask_size", "open_interest", "volume")


@pytest.fixture(scope="module")
def data() -> Path:
    return shared("data")


@pytest.fixture(scope="module")
def feed(data: Path) -> CapturedFeed:
    return captured_folder(data)


def recorded(data: Path, coin: str, month: str) -> pl.DataFrame:
    return pl.read_parquet(data / CHAINS / coin / f"{coin}_{month}.parquet").with_columns(
        pl.col("timestamp", "expiry_datetime").dt.epoch("ms")
    )


def same(one: OptionChain, other: OptionChain) -> bool:
    return (
        (one.at_ms, one.index_price, one.table.names) == (other.at_ms, other.index_price, other.table.names)
        and all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in COLUMNS)
    )  # fmt: skip


def test_it_is_a_feed(feed: CapturedFeed) -> None:
    seen: Feed = feed
    assert seen.products == ("BTC", "ETH", "BTC_USDC", "ETH_USDC")
    assert feed.converted == ("BTC_USDC", "ETH_USDC")
    assert (
        len(feed.instants(feed.start_ms, feed.end_ms)) == 604
    )  # the folder's README: every snapshot has both


def test_a_chain_is_the_recorded_one(data: Path, feed: CapturedFeed) -> None:
    for coin in ("BTC", "ETH"):
        rows = recorded(data, coin, "2026-02")
        at_ms = int(rows["timestamp"].unique().sort()[37])
        raw = {row["instrument_name"]: row for row in rows.filter(pl.col("timestamp") == at_ms).to_dicts()}
        chain = feed.chain(coin, at_ms)
        assert set(chain.table.names) == set(raw) and chain.at_ms == at_ms
        order = [(int(e), s, not c) for e, s, c in zip(chain.table.expiry_ms, chain.table.strike,
                                                      chain.table.is_call, strict=True)]  # fmt: skip
        assert order == sorted(order)
        for place, name in enumerate(chain.table.names):
            row = raw[name]
            assert (chain.table.strike[place], chain.table.expiry_ms[place]) == (
                row["strike"],
                row["expiry_datetime"],
            )
            assert chain.mark[place] == row["mark_price"] and chain.mark_iv[place] == row["mark_iv_decimal"]
            assert chain.forward[place] == row["underlying_price"]
            for column, value in ((chain.bid, row["bid_price"]), (chain.ask, row["ask_price"])):
                assert np.isnan(column[place]) if value is None else column[place] == value
            assert np.isnan(chain.bid_size[place]) == (row["bid_price"] is None) or np.isnan(chain.bid[place])
        seen = [row["index_price"] for row in raw.values()]
        assert min(seen) - 0.01 <= chain.index_price <= max(seen) + 0.01


def test_between_snapshots_marks_stand_under_their_own_instant_and_nobody_quotes(feed: CapturedFeed) -> None:
    instants = feed.instants(feed.start_ms, feed.end_ms)
    first, second = next(
        (a, b) for a, b in pairwise(instants) if (a - EIGHT) // MS_PER_DAY < (b - EIGHT) // MS_PER_DAY
    )
    there, later = feed.chain("BTC", first), feed.chain("BTC", second - 1)
    assert later.at_ms == first
    assert (later.table.expiry_ms > second - 1).all() and len(later) < len(there)
    rows = [there.table.row_of[name] for name in later.table.names]
    assert np.array_equal(later.mark, there.mark[rows])
    assert np.isnan(later.bid).all() and np.isnan(later.ask).all() and np.isnan(later.bid_size).all()
    assert not np.isnan(there.bid).all()


def test_linear_puts_are_the_inverse_ones_in_usdc_and_never_better(feed: CapturedFeed) -> None:
    at_ms = feed.instants(feed.start_ms, feed.end_ms)[200]
    for coin in ("BTC", "ETH"):
        source, linear = feed.chain(coin, at_ms), feed.chain(f"{coin}_USDC", at_ms)
        own = product(f"{coin}_USDC")
        assert len(linear) > 50 and not linear.table.is_call.any()
        rows = [source.table.row_of[f"{coin}-{name.partition('-')[2]}"] for name in linear.table.names]
        assert np.array_equal(linear.mark_iv, source.mark_iv[rows])
        assert np.array_equal(linear.forward, source.forward[rows])
        years = (linear.table.expiry_ms - at_ms) / MS_PER_YEAR
        value, _ = price_delta(
            linear.forward, linear.table.strike, years, linear.mark_iv, linear.table.is_call
        )
        index = source.index_price
        assert np.abs(linear.mark - value * index / linear.forward).max() <= 5.1e-7
        # the inverse mark is the same price in coin, within the recording's own error (README: p99 4.5e-4)
        gap = np.abs(linear.mark / index - source.mark[rows])
        assert np.median(gap) < 4.5e-4
        bid, ask = source.bid[rows] * index, source.ask[rows] * index
        tick = float(own.tick_size)
        quoted = ~np.isnan(linear.bid)
        assert quoted.any() and (linear.bid[quoted] <= bid[quoted] * (1 - HAIRCUT) + 1e-6).all()
        assert (linear.bid[quoted] > bid[quoted] * (1 - HAIRCUT) - tick).all()
        asked = ~np.isnan(linear.ask)
        assert np.array_equal(asked, ~np.isnan(source.ask[rows]))
        assert (linear.ask[asked] >= ask[asked] * (1 + HAIRCUT) - 1e-6).all()
        for price in (*linear.bid[quoted], *linear.ask[asked]):
            assert abs(price / tick - round(price / tick)) < 1e-9


def test_quotes_are_the_chains_rows_and_an_unlisted_name_is_refused(feed: CapturedFeed) -> None:
    at_ms = feed.instants(feed.start_ms, feed.end_ms)[10]
    whole = feed.chain("ETH", at_ms)
    names = whole.table.names[5:400:97]
    part = feed.quotes("ETH", names, at_ms)
    assert part.table.names == names
    rows = [whole.table.row_of[name] for name in names]
    assert np.array_equal(part.bid, whole.bid[rows], equal_nan=True)
    expired = whole.table.names[0]
    with pytest.raises(InstrumentError, match=expired):
        feed.quotes("ETH", [expired], int(whole.table.expiry_ms[0]))
    with pytest.raises(InstrumentError, match="before"):
        feed.chain("ETH", feed.start_ms - 1)


def test_delivery_prices_are_official_where_recorded_else_the_hour_that_ends_then(
    data: Path, feed: CapturedFeed
) -> None:
    eight = int(np.datetime64("2022-11-09T08:00:00", "ms").astype(np.int64))
    assert feed.delivery_price("eth_usd", eight) == 1278.84  # the recorded file's line
    official = pl.read_csv(data / DELIVERY / "eth_usd_delivery_sample.csv")
    hours = pl.read_parquet(data / PRICES / "ETH_USDT_binance_spot_1h.parquet")
    day = int(np.datetime64("2026-02-06T08:00:00", "ms").astype(np.int64))
    row = hours.filter(pl.col("date").dt.epoch("ms") == day - MS_PER_HOUR)
    assert (
        feed.delivery_price("eth_usd", day)
        == feed.delivery_price("eth_usdc", day)
        == round(row["close"][0], 2)
    )
    errors = []
    for date, price in official.iter_rows():
        at = int(np.datetime64(f"{date}T07:00:00", "ms").astype(np.int64))
        close = hours.filter(pl.col("date").dt.epoch("ms") == at)["close"]
        errors.append(abs(close[0] / price - 1) * 1e4)
    assert np.median(errors) < 15  # the README: 10 bp at the median against the open of 08:00
    with pytest.raises(InstrumentError, match="no price of btc_usd"):
        feed.delivery_price("btc_usd", feed.end_ms + 30 * MS_PER_DAY)


def test_the_rebuilt_index_is_near_the_recorded_one(feed: CapturedFeed) -> None:
    """ETH has daily values to April 2026 and no hours: the rebuilt ones around them differ by noise."""
    rebuilt = feed.volatility_index("ETH", feed.start_ms, feed.start_ms + 90 * MS_PER_DAY)
    daily = [row for row in range(len(rebuilt.at_ms)) if rebuilt.at_ms[row] % MS_PER_DAY == 0]
    at, value = (np.delete(one, daily) for one in (rebuilt.at_ms, rebuilt.value))
    gaps = [abs(rebuilt.value[row] - np.interp(rebuilt.at_ms[row], at, value)) for row in daily]
    assert len(daily) >= 80 and np.median(gaps) < 1.5
    assert (np.diff(rebuilt.at_ms) > 0).all()


def truncated(data: Path, folder: Path, at_ms: int) -> Path:
    """The recordings as they stood at an instant: nothing that was not yet known."""
    for coin in ("BTC", "ETH"):
        (folder / CHAINS / coin).mkdir(parents=True)
        for path in sorted((data / CHAINS / coin).glob("*.parquet")):
            kept = pl.read_parquet(path).filter(pl.col("timestamp").dt.epoch("ms") <= at_ms)
            if kept.height:
                kept.write_parquet(folder / CHAINS / coin / path.name)
        (folder / PRICES).mkdir(exist_ok=True)
        name = f"{coin}_USDT_binance_spot_1h.parquet"
        hours = pl.read_parquet(data / PRICES / name)
        hours.filter(pl.col("date").dt.epoch("ms") + MS_PER_HOUR <= at_ms).write_parquet(
            folder / PRICES / name
        )
        (folder / INDEX).mkdir(exist_ok=True)
        name = "btc_dvol_1h.parquet" if coin == "BTC" else "eth_dvol_1h_2025H2.parquet"
        index = pl.read_parquet(data / INDEX / name)
        index.filter(pl.col("timestamp").dt.epoch("ms") + MS_PER_HOUR <= at_ms).write_parquet(
            folder / INDEX / name
        )
        name = f"{coin.lower()}_dvol_1d.csv"
        days = pl.read_csv(data / INDEX / name)
        known = days["date"].str.to_datetime(time_zone="UTC").dt.epoch("ms") + MS_PER_DAY <= at_ms
        days.filter(known).write_csv(folder / INDEX / name)
    (folder / DELIVERY).mkdir()
    name = "eth_usd_delivery_sample.csv"
    (folder / DELIVERY / name).write_bytes((data / DELIVERY / name).read_bytes())
    return folder


@pytest.mark.slow
def test_nothing_from_after_the_instant_is_ever_shown(data: Path, feed: CapturedFeed, tmp_path: Path) -> None:
    """Cutting every file at a random instant changes no answer about that instant or any before it."""
    chance = np.random.default_rng(SEED)
    for place, at_ms in enumerate(chance.integers(feed.start_ms + MS_PER_DAY, feed.end_ms, 4).tolist()):
        cut = captured_folder(truncated(data, tmp_path / str(place), at_ms))
        for asked in (at_ms, int(chance.integers(feed.start_ms, at_ms)), cut.end_ms):
            for code in feed.products:
                assert same(feed.chain(code, asked), cut.chain(code, asked)), (code, asked, at_ms)
            for coin in ("BTC", "ETH"):
                assert feed.index(f"{coin.lower()}_usd", asked) == cut.index(f"{coin.lower()}_usd", asked)
                mine, theirs = feed.candles(coin, 0, asked), cut.candles(coin, 0, asked)
                assert np.array_equal(mine.open_ms, theirs.open_ms) and np.array_equal(
                    mine.close, theirs.close
                )
                one, other = feed.volatility_index(coin, 0, asked), cut.volatility_index(coin, 0, asked)
                assert np.array_equal(one.at_ms, other.at_ms) and np.array_equal(one.value, other.value)
                eight = (asked - 8 * MS_PER_HOUR) // MS_PER_DAY * MS_PER_DAY + 8 * MS_PER_HOUR
                name = f"{coin.lower()}_usd"
                assert feed.delivery_price(name, eight) == cut.delivery_price(name, eight)


def test_the_market_port_shows_it_as_a_summary(feed: CapturedFeed) -> None:
    at_ms = feed.instants(feed.start_ms, feed.end_ms)[40]
    market = TapeMarket(feed, SimulatedClock(at_ms + 60_000))
    chain = market.chain("BTC")
    assert chain.at_ms == at_ms  # older than the clock: whoever decides sees that it is stale
    history = market.history("BTC")
    assert history.candles.open_ms[-1] + MS_PER_HOUR <= at_ms + 60_000
    assert history.volatility_index.at_ms[-1] <= at_ms + 60_000


def test_a_folder_without_chains_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"holds no BTC_\*\.parquet"):
        captured_folder(tmp_path)
