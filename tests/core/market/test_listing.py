"""The listing policy against the recorded chains of the exchange: expiries exactly, strikes by their overlap."""

import math
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.instruments import MS_PER_DAY, expiry_code, parse_instrument, product
from optionwriter.core.market.listing import (
    Listing,
    Series,
    creation_ms,
    grid_strikes,
    listed_expiries,
    series_of,
    settlement_period,
    strikes_at,
)
from tests.shared_data import shared


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def codes(code: str, at: str) -> str:
    return " ".join(expiry_code(e)[:-2] for e in listed_expiries(product(code), ms(at)))


RECORDED = "21SEP 22SEP 23SEP 24SEP 25SEP 2OCT 9OCT 30OCT 27NOV 25DEC 26MAR 25JUN"


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_expiries_recorded_on_2026_09_20(coin: str) -> None:
    assert codes(coin, "2026-09-20T12:00:00") == RECORDED
    assert codes(f"{coin}_USDC", "2026-09-20T12:00:00") == "21SEP 22SEP 23SEP 24SEP 25SEP 2OCT 30OCT 25DEC"


def test_series_leave_at_eight_and_come_fifteen_seconds_later() -> None:
    assert codes("BTC", "2026-09-20T08:00:15") == RECORDED
    assert codes("BTC", "2026-09-20T07:59:59.999").startswith("20SEP 21SEP 22SEP 23SEP 25SEP")
    assert codes("BTC", "2026-09-20T08:00:00").startswith("21SEP 22SEP 23SEP 25SEP")
    assert codes("BTC", "2026-09-20T08:00:14.999").startswith("21SEP 22SEP 23SEP 25SEP")


@pytest.mark.parametrize(
    ("name", "created", "series", "period"),
    [  # creation times recorded in January and September 2026, to the day
        ("BTC-26JAN26-80000-C", "2026-01-22", Series.DAILY, "day"),
        ("BTC-21SEP26-80000-C", "2026-09-17", Series.DAILY, "day"),
        ("BTC-13FEB26-80000-C", "2026-01-22", Series.WEEKLY, "week"),
        ("BTC-16JAN26-80000-C", "2025-12-25", Series.WEEKLY, "week"),
        ("BTC-30JAN26-80000-C", "2025-10-30", Series.MONTHLY, "month"),
        ("BTC-27FEB26-80000-C", "2025-11-27", Series.MONTHLY, "month"),
        ("BTC-27MAR26-80000-C", "2025-03-27", Series.QUARTERLY, "month"),
        ("BTC-25DEC26-80000-C", "2025-12-25", Series.QUARTERLY, "month"),
    ],
)
def test_recorded_creation_times(name: str, created: str, series: Series, period: str) -> None:
    expiry = parse_instrument(name).expiry_ms
    assert creation_ms(expiry, product("BTC")) == ms(f"{created}T08:00:15")
    assert series_of(expiry) is series and settlement_period(expiry) == period


def steady(at: int) -> float:
    return 77_000.0 * (1 + 0.1 * math.sin(at / MS_PER_DAY / 9))


def test_names_are_ordered_and_parse() -> None:
    names = Listing(product("BTC"), steady).names(ms("2026-05-10T12:00:00"))
    rows = [parse_instrument(name) for name in names]
    assert rows == sorted(rows, key=lambda one: (one.expiry_ms, one.strike, not one.is_call))
    assert len(set(names)) == len(names) and 600 <= len(names) <= 1_100


def test_strikes_stay_and_the_order_of_questions_does_not_matter() -> None:
    instants = [ms("2026-05-10T12:00:00") + hours * 3_600_000 for hours in range(0, 24 * 20, 7)]
    one, backwards = Listing(product("BTC"), steady), Listing(product("BTC"), steady)
    forward = {at: one.names(at) for at in instants}
    assert {at: backwards.names(at) for at in reversed(instants)} == forward
    for before, after in pairwise(instants):
        kept = {name for name in forward[before] if parse_instrument(name).expiry_ms > after}
        assert kept <= set(forward[after])


def test_the_listing_is_the_union_of_its_days() -> None:
    at = ms("2026-05-10T12:00:00")
    names = Listing(product("BTC"), steady).names(at)
    for expiry in listed_expiries(product("BTC"), at):
        strikes = strikes_at(product("BTC"), expiry, at, steady)
        assert strikes == tuple(
            sorted({i.strike for i in map(parse_instrument, names) if i.expiry_ms == expiry})
        )


def test_nothing_is_asked_of_the_future() -> None:
    at, asked = ms("2026-05-10T08:00:14"), []

    def spot(when: int) -> float:
        asked.append(when)
        return steady(when)

    Listing(product("ETH"), spot).names(at)
    assert max(asked) == ms("2026-05-09T08:00:00")
    assert all(when % MS_PER_DAY == 8 * 3_600_000 for when in asked)


def test_within_a_day_only_expiries_change() -> None:
    calls = []

    def spot(when: int) -> float:
        calls.append(when)
        return steady(when)

    listing = Listing(product("BTC"), spot)
    first = listing.names(ms("2026-05-10T08:00:15"))
    count = len(calls)
    assert listing.names(ms("2026-05-11T07:59:59")) == first and len(calls) == count
    gone = listing.names(ms("2026-05-11T08:00:00"))
    assert set(first) - set(gone) == {name for name in first if name.startswith("BTC-11MAY26")}
    assert len(calls) == count
    listing.names(ms("2026-05-11T08:00:15"))
    assert len(calls) - count <= 5 * 12, "a new day costs a day for old series, and the new one's own"


def test_unknown_prices_add_no_strikes() -> None:
    at = ms("2026-05-10T12:00:00")

    def known(when: int) -> float:
        return steady(when) if when > at - 3 * MS_PER_DAY else math.nan

    few, all_ = Listing(product("BTC"), known).names(at), Listing(product("BTC"), steady).names(at)
    assert 300 < len(few) < len(all_) and set(few) < set(all_)


@pytest.mark.parametrize(("coin", "price", "sigma"), [("BTC", 77_000.0, 0.5), ("ETH", 2_300.0, 0.65)])
@pytest.mark.parametrize("expiry", ["2026-05-14", "2026-05-29", "2026-07-31", "2027-03-26"])
def test_a_new_series_spans_delta_from_a_tenth_to_nine_tenths(
    coin: str, price: float, sigma: float, expiry: str
) -> None:
    """FACTS §3: strikes are kept so that calls span delta about 0.1 to 0.9."""
    end = ms(f"{expiry}T08:00:00")
    start = creation_ms(end, product(coin)) - 15_000
    strikes = np.array(sorted(map(float, grid_strikes(product(coin), end, start, price))))
    _, delta = price_delta(price, strikes, (end - start) / MS_PER_DAY / 365, sigma, True)
    assert delta.max() > 0.88 and delta.min() < 0.16
    steps = np.diff(strikes)
    assert steps.max() >= 2 * steps.min(), "the spacing grows with distance"


@pytest.mark.shared
@pytest.mark.parametrize(("coin", "recall", "precision"), [("BTC", 0.90, 0.86), ("ETH", 0.90, 0.82)])
def test_recorded_chains_of_2026(coin: str, recall: float, precision: float) -> None:
    """Every snapshot of January to May 2026: the same expiries; from March on, nearly the same strikes."""
    hours = pl.read_parquet(shared(f"data/prices_hourly/{coin}_USDT_binance_spot_1h.parquet"))
    opens = dict(zip(hours["date"].dt.epoch("ms").to_list(), hours["open"].to_list(), strict=True))
    listing = Listing(product(coin), lambda at: opens.get(at, math.nan))
    ours = theirs = both = snapshots = 0
    for month in range(1, 6):
        path = shared(f"data/chains_deribit_6h_btc_eth/{coin}/{coin}_2026-{month:02d}.parquet")
        chains = pl.read_parquet(path, columns=["timestamp", "instrument_name"])
        for (at,), rows in chains.group_by("timestamp", maintain_order=True):
            recorded = set(rows["instrument_name"].to_list())
            listed = set(listing.names(int(at.timestamp() * 1000)))
            assert {n.split("-")[1] for n in listed} == {n.split("-")[1] for n in recorded}
            snapshots += 1
            if month >= 3:
                ours, theirs, both = ours + len(listed), theirs + len(recorded), both + len(listed & recorded)
    assert snapshots > 590
    assert both / theirs > recall and both / ours > precision


@pytest.mark.shared
@pytest.mark.parametrize("code", ["BTC_USDC", "ETH_USDC"])
def test_recorded_linear_expiries(code: str) -> None:
    chains = pl.read_parquet(shared(f"data/chains_deribit_5min_multiasset/{code}.parquet"))
    for (at,), rows in chains.group_by("harvest_time"):
        recorded = {name.split("-")[1] for name in rows["instrument_name"].to_list()}
        assert {
            expiry_code(e) for e in listed_expiries(product(code), int(at.timestamp() * 1000))
        } == recorded
