"""The bundled market: recorded prices are hit, and every rule of a feed holds at any instant."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import shared

from optionwriter.adapters.tapes.sample import DEFAULT_SEED, SampleFeed
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    MS_PER_HOUR,
    Family,
    InstrumentError,
    expiry_at,
    expiry_code,
    next_expiry_instant,
    parse_instrument,
    product,
    strike_code,
)
from optionwriter.core.market.paths import PathError
from optionwriter.core.market.smile import butterfly
from optionwriter.ports import Feed

FEED = SampleFeed()
PRODUCTS = ("BTC", "ETH", "BTC_USDC", "ETH_USDC")
COLUMNS = ("forward", "mark", "mark_iv", "bid", "ask", "bid_size", "ask_size", "open_interest", "volume")
instants = st.integers(FEED.start_ms, FEED.end_ms)


def same(one: OptionChain, other: OptionChain, rows: list[int]) -> bool:
    return one.index_price == other.index_price and all(
        np.array_equal(getattr(one, name), getattr(other, name)[rows], equal_nan=True) for name in COLUMNS
    )


def test_it_is_a_feed_of_the_recorded_period() -> None:
    feed: Feed = FEED
    assert feed.products == PRODUCTS
    assert feed.start_ms == 1_767_115_875_000  # 2025-12-30 17:31:15 UTC
    assert feed.end_ms == 1_780_265_341_000  # 2026-05-31 22:09:01 UTC


@settings(max_examples=25, deadline=None)
@given(at=instants, code=st.sampled_from(PRODUCTS), data=st.data())
def test_quotes_are_rows_of_the_chain_bit_for_bit(at: int, code: str, data: st.DataObject) -> None:
    whole = FEED.chain(code, at)
    rows = data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=6, unique=True))
    names = [whole.table.names[row] for row in rows]
    fresh = SampleFeed()
    assert same(fresh.quotes(code, names, at), whole, rows)
    assert same(FEED.quotes(code, names, at), whole, rows)
    assert FEED.listed(code, at) == whole.table.names


@settings(max_examples=25, deadline=None)
@given(at=instants, code=st.sampled_from(PRODUCTS))
def test_every_chain_obeys_the_book(at: int, code: str) -> None:
    chain = FEED.chain(code, at)
    own, table = product(code), chain.table
    assert len(chain) > 300 and len(set(table.names)) == len(table)
    assert (table.expiry_ms > at).all() and (table.expiry_ms % MS_PER_DAY == 8 * MS_PER_HOUR).all()
    order = list(zip(table.expiry_ms.tolist(), table.strike.tolist(), (~table.is_call).tolist(), strict=True))
    assert order == sorted(order)
    for name, strike, expiry, is_call in zip(
        table.names[::37], table.strike[::37], table.expiry_ms[::37], table.is_call[::37], strict=True
    ):
        parsed = parse_instrument(name)
        assert (float(parsed.strike), parsed.expiry_ms, parsed.is_call) == (strike, expiry, is_call)
    for price in np.concatenate([chain.bid, chain.ask])[::7]:
        assert math.isnan(price) or own.price_on_grid(Decimal(repr(float(price))))
    assert not np.any(chain.bid >= chain.ask)
    assert not np.any(chain.bid > chain.mark) and not np.any(chain.ask < chain.mark)
    assert np.isfinite(chain.mark).all() and (chain.mark >= 0).all()
    assert ((chain.mark_iv > 0.03) & (chain.mark_iv <= 5.0)).all()


@settings(max_examples=25, deadline=None)
@given(at=instants, code=st.sampled_from(PRODUCTS))
def test_marks_are_free_of_arbitrage_in_strike(at: int, code: str) -> None:
    """Parity between call and put, calls falling and puts rising in the strike, and both convex."""
    chain = FEED.chain(code, at)
    strike, is_call = chain.table.strike, chain.table.is_call
    inverse = product(code).family is Family.INVERSE
    value = chain.mark * (chain.forward if inverse else chain.forward / chain.index_price)
    grain = 2e-8 * float(chain.forward.max()) if inverse else 2e-6
    for expiry in np.unique(chain.table.expiry_ms):
        here = chain.table.expiry_ms == expiry
        calls, puts, k = value[here & is_call], value[here & ~is_call], strike[here & is_call]
        assert calls - puts == pytest.approx(chain.forward[here][0] - k, abs=grain)
        # far from the money a mixture of two smiles may bend, but by less than any price can show: half a tick
        bend = float(chain.product.tick_size) * (chain.index_price if inverse else 1.0) / 2
        assert (np.diff(calls) <= grain + bend).all() and (np.diff(puts) >= -grain - bend).all()
        slope = np.diff(calls) / np.diff(k)
        assert (np.diff(slope) >= -2e-4).all()


@settings(max_examples=20, deadline=None)
@given(at=instants, coin=st.sampled_from(["BTC", "ETH"]))
def test_smiles_between_snapshots_have_hardly_a_butterfly(at: int, coin: str) -> None:
    surface = FEED._tapes[coin].state(at).surface
    for row in range(len(surface.expiry_ms)):
        if surface.expiry_ms[row] > at:
            g = butterfly(surface.smile(row))
            near = np.abs(np.linspace(-3.9, 3.9, len(g))) < 1.9  # 3.3 deviations
            assert g[near].min() > -0.06


@settings(max_examples=15, deadline=None)
@given(questions=st.lists(st.tuples(st.sampled_from(PRODUCTS), instants), min_size=2, max_size=5))
def test_the_order_of_questions_changes_nothing(questions: list[tuple[str, int]]) -> None:
    forth, back = SampleFeed(), SampleFeed()
    first = {question: forth.chain(*question) for question in questions}
    second = {question: back.chain(*question) for question in reversed(questions)}
    for question, chain in first.items():
        assert same(chain, second[question], list(range(len(chain))))


def test_the_seed_names_the_path_between_knots_only() -> None:
    other = SampleFeed(DEFAULT_SEED + 1)
    hour = FEED.start_ms // MS_PER_HOUR * MS_PER_HOUR + 500 * MS_PER_HOUR
    assert FEED.index("btc_usd", hour) == other.index("btc_usd", hour)
    inside = hour + 1_800_000
    assert FEED.index("btc_usd", inside) != other.index("btc_usd", inside)
    assert abs(FEED.index("btc_usd", inside) / other.index("btc_usd", inside) - 1) < 0.03


def test_linear_options_follow_the_inverse_ones() -> None:
    at = FEED.start_ms + 50 * MS_PER_DAY
    for coin in ("BTC", "ETH"):
        inverse, linear = FEED.chain(coin, at), FEED.chain(f"{coin}_USDC", at)
        rows = [inverse.table.row_of[name.replace("_USDC", "")] for name in linear.table.names]
        assert 200 < len(rows) < len(inverse)
        assert linear.mark_iv.tolist() == inverse.mark_iv[rows].tolist()
        assert linear.forward.tolist() == inverse.forward[rows].tolist()
        assert linear.index_price == inverse.index_price
        assert linear.mark == pytest.approx(
            inverse.mark[rows] * inverse.index_price, abs=2e-8 * inverse.index_price
        )
        assert (
            linear.forward.max() > 1.01 * inverse.index_price
        )  # a basis, so that it is told from the forward


def test_candles_close_before_the_question_and_join_the_index() -> None:
    now = FEED.start_ms + 3 * MS_PER_DAY + 1_234_567
    candles = FEED.candles("ETH", 0, now)
    assert candles.open_ms[0] == 1_609_459_200_000  # 2021-01-01
    assert candles.open_ms[-1] + MS_PER_HOUR <= now < candles.open_ms[-1] + 2 * MS_PER_HOUR
    assert (np.diff(candles.open_ms) > 0).all()
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()
    for row in (-1, -50, -500):
        opened = int(candles.open_ms[row])
        assert FEED.index("eth_usd", opened) == candles.open[row]
        inside = [FEED.index("eth_usd", opened + step * 60_000) for step in range(60)]
        assert candles.low[row] - 0.01 <= min(inside) and max(inside) <= candles.high[row] + 0.01
    later = FEED.candles("ETH", now, now + 5 * MS_PER_HOUR)
    assert later.open_ms[0] >= now and later.open_ms[-1] + MS_PER_HOUR <= now + 5 * MS_PER_HOUR


def test_the_volatility_index_is_there_every_day_and_hourly_while_options_are() -> None:
    for coin in ("BTC", "ETH"):
        index = FEED.volatility_index(coin, 0, FEED.end_ms)
        assert index.at_ms[0] <= 1_616_544_000_000 + MS_PER_DAY  # 2021-03-24, the index's own beginning
        steps = np.diff(index.at_ms)
        assert (steps > 0).all() and steps.max() <= MS_PER_DAY
        assert steps[index.at_ms[1:] > FEED.start_ms + MS_PER_DAY].max() <= MS_PER_HOUR
        assert ((index.value > 15) & (index.value < 260)).all()
        some = FEED.volatility_index(coin, FEED.start_ms, FEED.start_ms + MS_PER_DAY)
        assert some.at_ms[0] >= FEED.start_ms and some.at_ms[-1] <= FEED.start_ms + MS_PER_DAY


def test_delivery_is_the_average_of_the_last_half_hour() -> None:
    expiry = expiry_at(date(2026, 3, 27))
    samples = [FEED.index("btc_usd", expiry - 6_000 * step) for step in range(300)]
    assert FEED.delivery_price("btc_usd", expiry) == pytest.approx(sum(samples) / 300, abs=0.02)
    assert FEED.estimated_delivery_price("btc_usd", expiry) == FEED.delivery_price("btc_usd", expiry)
    before = expiry - 1_900_000
    assert FEED.estimated_delivery_price("btc_usd", before) == FEED.index("btc_usd", before)
    half = expiry - 900_000
    so_far = [FEED.index("btc_usd", half - 6_000 * step) for step in range(150)]
    assert FEED.estimated_delivery_price("btc_usd", half) == pytest.approx(sum(so_far) / 150, abs=0.02)
    assert FEED.estimated_delivery_price("btc_usd", expiry + 1) == FEED.index("btc_usd", expiry + 1)


def test_after_the_end_the_market_stands_still() -> None:
    end = FEED.end_ms
    last, later = FEED.chain("BTC", end), FEED.chain("BTC", end + 3 * MS_PER_DAY)
    assert 0 < len(later) < len(last)
    assert (later.table.expiry_ms > end + 3 * MS_PER_DAY).all()
    rows = [last.table.row_of[name] for name in later.table.names]
    assert same(later, last, rows) and later.at_ms == end + 3 * MS_PER_DAY
    assert FEED.index("btc_usd", end + MS_PER_DAY) == FEED.index("btc_usd", end)
    expiry = next_expiry_instant(end + MS_PER_DAY)
    assert FEED.delivery_price("btc_usd", expiry) == FEED.index("btc_usd", end)
    assert len(FEED.candles("BTC", end - MS_PER_HOUR, end + MS_PER_DAY).open_ms) == 0


def test_bad_questions_are_named() -> None:
    at = FEED.start_ms + MS_PER_DAY
    with pytest.raises(InstrumentError, match=r"no product 'SOL': it has BTC, BTC_USDC, ETH, ETH_USDC"):
        FEED.chain("SOL", at)
    with pytest.raises(InstrumentError, match="no index 'sol_usd'"):
        FEED.index("sol_usd", at)
    with pytest.raises(InstrumentError, match="no underlying 'SOL'"):
        FEED.candles("SOL", 0, at)
    with pytest.raises(InstrumentError, match="'BTC-26JUN26-1-C' is not listed"):
        FEED.quotes("BTC", ["BTC-26JUN26-1-C"], at)
    with pytest.raises(InstrumentError, match="before"):
        FEED.chain("BTC", FEED.start_ms - 1)
    with pytest.raises(PathError):
        FEED.index("btc_usd", 1_600_000_000_000)


def test_an_expired_option_is_gone_at_eight() -> None:
    expiry = expiry_at(date(2026, 2, 27))
    before, after = FEED.chain("BTC", expiry - 1), FEED.chain("BTC", expiry)
    assert (before.table.expiry_ms == expiry).any() and not (after.table.expiry_ms == expiry).any()
    # a millisecond before, options are worth what they would pay
    here = before.table.expiry_ms == expiry
    payoff = (
        np.maximum(np.where(before.table.is_call, 1, -1) * (before.forward - before.table.strike), 0)
        / before.forward
    )
    assert before.mark[here] == pytest.approx(payoff[here], abs=2e-4)


def recorded(coin: str, step: int) -> Iterator[tuple[int, pl.DataFrame]]:
    frame = pl.read_parquet(shared(f"data/chains_deribit_6h_btc_eth/{coin}") / f"{coin}_2026-0[2-5].parquet")
    frame = frame.with_columns(pl.col("timestamp", "expiry_datetime").dt.epoch("ms"))
    for part in frame.sort("timestamp").partition_by("timestamp", maintain_order=True)[::step]:
        yield int(part["timestamp"][0]), part


@pytest.mark.shared
@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_recorded_chains_are_hit(coin: str) -> None:
    """Index exactly, listing exactly, forwards, marks, bids, asks and missing bids as recorded."""
    marks, sides, gone = [], [], []
    for at, part in recorded(coin, 23):
        chain = FEED.chain(coin, at)
        own = part.filter(pl.col("underlying_index").cast(pl.String) == "index_price")["underlying_price"]
        if len(own):
            assert chain.index_price == pytest.approx(own.median(), abs=0.0051)
        else:
            assert part["index_price"].min() - 0.01 <= chain.index_price <= part["index_price"].max() + 0.01
        names = [
            f"{coin}-{expiry_code(expiry)}-{strike_code(Decimal(str(strike)))}-{kind[0].upper()}"
            for expiry, strike, kind in part.select("expiry_datetime", "strike", "option_type").iter_rows()
        ]
        assert set(names) == set(chain.table.names)
        rows = [chain.table.row_of[name] for name in names]
        assert np.percentile(np.abs(chain.forward[rows] / part["underlying_price"].to_numpy() - 1), 99) < 1e-3
        delta = np.abs(part["delta"].to_numpy())
        tradable = (delta > 0.05) & (delta < 0.5)
        iv_error = 100 * np.abs(chain.mark_iv[rows] - part["mark_iv_decimal"].to_numpy())
        marks.append(iv_error[tradable])
        bids, asks = part["bid_price"].to_numpy(), part["ask_price"].to_numpy()
        relative = (chain.ask[rows] - chain.bid[rows]) / chain.mark[rows]
        sides.append(np.column_stack([relative, (asks - bids) / part["mark_price"].to_numpy()])[tradable])
        gone.append(np.isnan(chain.bid[rows]) == np.isnan(bids))
    error = np.concatenate(marks)
    assert np.median(error) < 0.15 and np.percentile(error, 95) < 0.7
    ours, theirs = np.concatenate(sides).T
    assert np.nanmedian(ours) == pytest.approx(np.nanmedian(theirs), rel=0.15)
    assert np.concatenate(gone).mean() > 0.94


@pytest.mark.shared
def test_recorded_linear_options_all_have_an_inverse_twin() -> None:
    """What the linear listing rests on."""
    linear = pl.read_parquet(shared("data/chains_deribit_5min_multiasset/BTC_USDC.parquet"))[
        "instrument_name"
    ].unique()
    inverse = pl.read_parquet(shared("data/chains_deribit_5min_multiasset/BTC.parquet"))[
        "instrument_name"
    ].unique()
    assert set(linear.str.replace("BTC_USDC", "BTC")) <= set(inverse)


@pytest.mark.shared
def test_deliveries_lie_as_far_from_eight_oclock_as_recorded_ones() -> None:
    """Recorded ETH deliveries of 2022 to 2023 against Binance's 08:00 opens; ours against our own 08:00 index."""
    hours = pl.read_parquet(shared("data/prices_hourly/ETH_USDT_binance_spot_1h.parquet"))
    opens = dict(zip(hours["date"].dt.epoch("ms").to_list(), hours["open"].to_list(), strict=True))
    deliveries = pl.read_csv(shared("data/delivery_prices/eth_usd_delivery_sample.csv"), try_parse_dates=True)
    theirs = [abs(price / opens[expiry_at(day)] - 1) for day, price in deliveries.iter_rows()]
    first = next_expiry_instant(FEED.start_ms)
    ours = []
    for expiry in range(first, FEED.end_ms, MS_PER_DAY):
        delivery = FEED.delivery_price("eth_usd", expiry)
        hour = FEED.candles("ETH", expiry - MS_PER_HOUR, expiry)
        assert hour.low[0] <= delivery <= hour.high[0]
        ours.append(abs(delivery / FEED.index("eth_usd", expiry) - 1))
    assert len(theirs) > 60 and len(ours) > 140
    assert 0.5 < np.median(ours) / np.median(theirs) < 2.0
