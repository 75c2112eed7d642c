"""The synthetic market: a feed like any other, whose quotes are the model's and never know what comes."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.adapters.tapes.sample_files import load_sample
from optionwriter.adapters.tapes.synthetic import SyntheticFeed
from optionwriter.adapters.tapes.synthetic_models import Anchored, Model, Past, Realised
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.context import build_context
from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    MS_PER_HOUR,
    InstrumentError,
    OptionType,
    option_name,
    parse_instrument,
    product,
)
from optionwriter.core.market.listing import EXCHANGE
from optionwriter.core.market.listing_plain import PlainListingError, plain_policy
from optionwriter.core.market.quotes import tick_grid
from optionwriter.core.market.skew_factors import FLAT, SkewFactors
from optionwriter.core.market.surface import fit_surface
from optionwriter.core.market.synthetic import flat_shape
from optionwriter.core.market.volatility_index import volatility_index
from optionwriter.ports import Feed

SAMPLE = load_sample()
START = 20_454 * MS_PER_DAY  # 2026-01-01
END = START + 40 * MS_PER_DAY
BENT = SkewFactors((0.97, 0.975, 0.985, 1.0), (1.18, 1.09, 1.04, 1.0))
COLUMNS = ("forward", "mark", "mark_iv", "bid", "ask", "bid_size", "ask_size", "open_interest", "volume")


def past(name: str) -> Past:
    own = SAMPLE.recorded[name]
    return Past(
        Candles(own.candle_ms, own.open, own.high, own.low, own.close),
        VolatilityIndex(own.index_ms, own.index_value),
    )


PASTS = {name: past(name) for name in ("BTC", "ETH")}
MODELS = {
    "anchored": lambda: Anchored({"BTC": flat_shape(), "ETH": flat_shape()}),
    "realised": lambda: Realised({"BTC": BENT, "ETH": BENT}, 1.2),
}


def feed(model: str = "anchored", pasts: dict[str, Past] = PASTS, **more: object) -> SyntheticFeed:
    made: Model = MODELS[model]()
    return SyntheticFeed(pasts, SAMPLE.books, made, start_ms=START, end_ms=END, **more)


def until(one: Past, at_ms: int) -> Past:
    """What was known at an instant: the hour that has begun has only its open."""
    candles, index = one.candles, one.volatility_index
    rows = candles.open_ms <= at_ms
    cut = Candles(
        *(getattr(candles, name)[rows].copy() for name in ("open_ms", "open", "high", "low", "close"))
    )
    if cut.open_ms[-1] + MS_PER_HOUR > at_ms:
        cut.high[-1] = cut.low[-1] = cut.close[-1] = cut.open[-1]
    known = index.at_ms <= at_ms
    return Past(cut, VolatilityIndex(index.at_ms[known], index.value[known]))


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=15, deadline=None)
@given(at=st.integers(START, END), data=st.data())
def test_quotes_are_rows_of_the_chain_and_the_order_of_questions_changes_nothing(model, at, data) -> None:
    one, other = feed(model), feed(model)
    code = data.draw(st.sampled_from(one.products))
    chain = one.chain(code, at)
    assert chain.table.names == one.listed(code, at) and len(chain) > 50
    rows = data.draw(st.lists(st.integers(0, len(chain) - 1), min_size=1, max_size=5, unique=True))
    other.chain(code, min(END, at + 3 * MS_PER_DAY))
    few = other.quotes(code, [chain.table.names[row] for row in rows], at)
    for name in COLUMNS:
        assert np.array_equal(getattr(few, name), getattr(chain, name)[rows], equal_nan=True)
    assert one.index(parse_instrument(chain.table.names[0]).product.index_name, at) == chain.index_price


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=10, deadline=None)
@given(hour=st.integers(24, 39 * 24), code=st.sampled_from(["BTC", "ETH_USDC"]))
def test_nothing_after_the_instant_has_a_part_in_it(model: str, hour: int, code: str) -> None:
    """At a full hour: the market cut off there shows the same."""
    at = START + hour * MS_PER_HOUR
    cut = {name: until(one, at) for name, one in PASTS.items()}
    whole = feed(model)
    made: Model = MODELS[model]()
    short = SyntheticFeed(cut, SAMPLE.books, made, start_ms=START, end_ms=at)
    seen, known = whole.chain(code, at), short.chain(code, at)
    assert seen.table.names == known.table.names and seen.index_price == known.index_price
    for name in COLUMNS:
        assert np.array_equal(getattr(seen, name), getattr(known, name), equal_nan=True)
    underlying = seen.product.underlying
    candles, other = (one.candles(underlying, 0, at) for one in (whole, short))
    assert np.array_equal(candles.close, other.close)


def test_anchored_marks_give_back_the_volatility_index() -> None:
    """From the outside: fit the shown chain as recorded ones are fitted, and reckon its index."""
    at = START + 10 * MS_PER_DAY + 3 * MS_PER_HOUR
    chain = feed().chain("BTC", at)
    table = chain.table
    calls = table.is_call
    fitted = fit_surface(
        at,
        chain.index_price,
        table.expiry_ms[calls],
        table.strike[calls],
        chain.forward[calls],
        chain.mark_iv[calls],
    )
    own = PASTS["BTC"].volatility_index
    known = float(own.value[np.searchsorted(own.at_ms, at, side="right") - 1])
    assert volatility_index(fitted) == pytest.approx(known, abs=0.15)


def test_realised_marks_are_the_last_week_times_the_multiplier() -> None:
    at = START + 20 * MS_PER_DAY
    made = SyntheticFeed(
        PASTS, SAMPLE.books, Realised({"BTC": FLAT, "ETH": FLAT}, 1.3), start_ms=START, end_ms=END
    )
    own = PASTS["BTC"]
    context = build_context(PriceHistory("BTC", at, own.candles, own.volatility_index), at)
    chain = made.chain("BTC", at)
    assert np.allclose(chain.mark_iv, 1.3 * context.realised_7d, atol=1e-4)
    assert any("not informative" in note for note in made.notes)
    years = (chain.table.expiry_ms - at) / (365 * MS_PER_DAY)
    usd, _ = price_delta(chain.forward, chain.table.strike, years, chain.mark_iv, chain.table.is_call)
    assert np.allclose(chain.mark, usd / chain.forward, atol=4e-5)  # the shown volatility is rounded


def test_with_a_basis_linear_puts_cost_the_inverse_ones_at_the_index_however_they_are_asked_for() -> None:
    made = feed(carry=0.06)
    instants = [START + 3 * MS_PER_DAY + hour * MS_PER_HOUR for hour in range(9, 13)]
    chains = made.chains_over("BTC_USDC", False, np.array(instants))
    assert chains is not None
    option, (mark, mark_iv) = (
        np.empty(chains.first_row[-1], dtype=np.int32),
        np.empty((2, chains.first_row[-1])),
    )
    rows, quoted = chains.quotes(0, len(instants), option, mark, mark_iv)
    listed, per_coin = chains.listed, tick_grid(product("BTC_USDC")).per_coin
    names = np.array(
        [
            option_name("BTC_USDC", expiry, strike, OptionType.PUT)
            for strike, expiry in zip(listed.option_strike, listed.option_expiry_ms.tolist(), strict=True)
        ]
    )[option]
    columns = {
        "mark": mark, "mark_iv": mark_iv, "bid": quoted.bid_units / per_coin, "ask": quoted.ask_units / per_coin
    }  # fmt: skip
    live = [name for name in dict.fromkeys(names.tolist()) if parse_instrument(name).expiry_ms > instants[-1]]
    over = made.quotes_over("BTC_USDC", live, np.array(instants))
    assert np.max(chains.forward / chains.index_price[chains.instant]) > 1.01
    for row, at in enumerate(instants):
        linear, inverse = made.chain("BTC_USDC", at), made.chain("BTC", at)
        here = chains.instant[rows.slice] == row
        assert set(names[here]) == {name for name in linear.table.names if name.endswith("P")}
        place = [linear.table.row_of[name] for name in names[here]]
        for name, column in columns.items():
            assert np.array_equal(column[here], getattr(linear, name)[place], equal_nan=True)
        place = [linear.table.row_of[name] for name in live]
        for name in ("forward", "mark", "mark_iv", "bid", "ask"):
            assert np.array_equal(getattr(over, name)[row], getattr(linear, name)[place], equal_nan=True)
        twins = [inverse.table.row_of.get(name.replace("_USDC", ""), -1) for name in linear.table.names]
        both = np.array(twins) >= 0
        assert np.count_nonzero(both) > 50
        coin = inverse.mark[np.array(twins)[both]]
        assert np.allclose(linear.mark[both], coin * linear.index_price, atol=1e-8 * linear.index_price)


@pytest.mark.parametrize("days", [2, 7, 21, 44])
def test_a_plain_listing_has_a_candidate_for_every_tenor_and_distance(days: int) -> None:
    made = feed(policy=plain_policy())
    at = START + 5 * MS_PER_DAY + 9 * MS_PER_HOUR
    chain = made.chain("BTC", at)
    left = (chain.table.expiry_ms - at) / MS_PER_DAY
    here = np.abs(left - days) <= 0.5
    assert here.any()
    for share in (0.75, 0.9, 1.0, 1.1, 1.3):
        gap = np.abs(chain.table.strike[here] / (chain.index_price * share) - 1.0).min()
        assert gap < 0.02


def test_what_was_listed_stays_until_it_expires() -> None:
    made = feed(policy=plain_policy(days=10))
    first = {name: parse_instrument(name).expiry_ms for name in made.listed("BTC", START + MS_PER_DAY)}
    for later in range(2, 12):
        at = START + later * MS_PER_DAY
        now = set(made.listed("BTC", at))
        assert all((name in now) == (expiry > at) for name, expiry in first.items())


def test_the_settlement_price_is_the_mean_of_the_half_hour() -> None:
    made = feed()
    expiry = START + 3 * MS_PER_DAY + 8 * MS_PER_HOUR
    instants = expiry - 6_000 * np.arange(300)
    mean = math.fsum(made._paths["BTC"].prices_at(instants).tolist()) / 300
    assert made.delivery_price("btc_usd", expiry) == pytest.approx(mean, abs=0.005)
    assert made.estimated_delivery_price("btc_usd", expiry) == made.delivery_price("btc_usd", expiry)


def test_after_the_end_the_market_stands_still() -> None:
    made: Feed = feed()
    after = made.chain("BTC", END + 30 * MS_PER_DAY)
    assert after.index_price == made.chain("BTC", END).index_price
    assert (after.table.expiry_ms > END + 30 * MS_PER_DAY).all() and len(after)


def test_what_is_not_there_is_named() -> None:
    made = feed()
    with pytest.raises(InstrumentError, match="no product 'SOL'"):
        made.chain("SOL", START)
    with pytest.raises(InstrumentError, match="before"):
        made.chain("BTC", START - 1)
    with pytest.raises(InstrumentError, match="not listed"):
        made.quotes("BTC", ["BTC-1JAN30-1-C"], START)
    bare = {
        name: replace(one, volatility_index=VolatilityIndex(np.zeros(0, np.int64), np.zeros(0)))
        for name, one in PASTS.items()
    }
    with pytest.raises(InstrumentError, match="no volatility index of BTC"):
        feed(pasts=bare).chain("BTC", START)
    with pytest.raises(ValueError, match="is empty"):
        SyntheticFeed(PASTS, SAMPLE.books, MODELS["anchored"](), start_ms=END, end_ms=START)
    with pytest.raises(ValueError, match="don't cover"):
        SyntheticFeed(PASTS, SAMPLE.books, MODELS["anchored"](), start_ms=0, end_ms=START)
    with pytest.raises(PlainListingError):
        plain_policy(days=0)
    assert EXCHANGE.expiries is not plain_policy().expiries
