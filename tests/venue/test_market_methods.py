"""Public methods: what the market looks like on the wire, against recordings and against the feed itself."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, parse_instrument
from optionwriter.venue.greeks import greeks_of, implied_percent
from optionwriter.venue.quotes import Quote, read_quote
from optionwriter.venue.values import ZERO, exact
from tests.shared_data import shared
from tests.venue.desk import Desk, RefusedError
from tests.venue.flat_feed import START, black

CALL = "BTC-4JAN26-82000-C"
HOUR = MS_PER_HOUR


@pytest.fixture
def desk() -> Desk:
    return Desk()


def recorded_quotes() -> list[tuple[dict[str, float], Quote]]:
    frame = pl.read_parquet(shared("data/chains_btc_full_ticker/btc_options.parquet"))
    rows = frame.filter(pl.col("mark_iv") > 0).sort("instrument_name", "timestamp").to_dicts()[::7]
    return [
        (
            row,
            Quote(
                parse_instrument(row["instrument_name"]),
                row["timestamp"],
                exact(row["index_price"]),
                exact(row["underlying_price"]),
                exact(row["mark_price"]),
                exact(row["mark_iv"]),
                exact(row["best_bid_price"]) or None,
                exact(row["best_ask_price"]) or None,
                ZERO,
                ZERO,
                ZERO,
                ZERO,
            ),
        )
        for row in rows
    ]


@pytest.mark.shared
def test_greeks_are_the_recorded_ones() -> None:
    pairs = recorded_quotes()
    assert len(pairs) > 500
    errors: dict[str, list[float]] = {"delta": [], "gamma": [], "vega": [], "theta": [], "rho": []}
    for row, quote in pairs:
        ours = greeks_of(quote)
        for name, found in errors.items():
            found.append(abs(float(getattr(ours, name)) - row[f"greeks_{name}"]))
    # recorded rows join two requests some seconds apart, so single rows may lie off: medians are pinned, tails bounded
    for name, median, tail in (
        ("delta", 5e-5, 2e-3),
        ("gamma", 1e-5, 1e-5),
        ("vega", 2e-3, 0.3),
        ("theta", 0.05, 5.0),
        ("rho", 5e-3, 0.5),
    ):
        assert np.median(errors[name]) <= median, name
        assert np.percentile(errors[name], 99) <= tail, name


@pytest.mark.shared
def test_implied_volatilities_are_the_recorded_ones() -> None:
    gaps = []
    for row, quote in recorded_quotes():
        if (
            row["ask_iv"] > 0
            and row["best_ask_price"] > 0
            and quote.instrument.days_to_expiry(quote.at_ms) > 3
        ):
            gaps.append(abs(float(implied_percent(quote, quote.ask)) - row["ask_iv"]))
    assert len(gaps) > 300
    assert np.median(gaps) <= 0.02


@pytest.mark.parametrize("kind", ["C", "P"])
def test_a_linear_price_implies_the_volatility_that_it_was_made_at(desk: Desk, kind: str) -> None:
    name = f"BTC_USDC-5JAN26-80000-{kind}"
    quote = read_quote(desk.feed.chain("BTC_USDC", desk.now), name)
    assert quote.index != quote.forward
    assert abs(implied_percent(quote, quote.mark) - 50) <= Decimal("0.01")
    # the forward's own price is dearer by the basis of four days
    dearer = quote.mark * quote.forward / quote.index
    assert implied_percent(quote, dearer) - 50 >= Decimal("0.02")


def test_the_ticker_shows_the_feed(desk: Desk) -> None:
    shown = desk.ask("public/ticker", instrument_name=CALL)
    forward = desk.feed.forward("BTC", parse_instrument(CALL).expiry_ms, desk.now)
    years = (parse_instrument(CALL).expiry_ms - desk.now) / (365 * MS_PER_DAY)
    worth = black(forward, 82_000, years, desk.feed.iv, True)
    assert shown["mark_price"] == round(Decimal(worth / forward), 4)
    assert shown["underlying_price"] == exact(forward) and shown["underlying_index"] == "BTC-4JAN26"
    bump = black(forward * 1.0001, 82_000, years, desk.feed.iv, True)
    assert abs(float(shown["greeks"]["delta"]) - (bump - worth) / (forward * 0.0001)) < 1e-3
    vol = black(forward, 82_000, years, desk.feed.iv + 0.0001, True) - worth
    assert abs(float(shown["greeks"]["vega"]) - vol * 100) < 0.01
    assert shown["mark_iv"] == 50 and shown["bid_iv"] < 50 < shown["ask_iv"]
    assert shown["min_price"] < shown["best_bid_price"] < shown["best_ask_price"] < shown["max_price"]
    assert shown["last_price"] is None
    at_eight = desk.feed.quotes("BTC", (CALL,), START + 8 * HOUR)
    assert shown["settlement_price"] == exact(at_eight.mark[0])
    desk.to(desk.now + MS_PER_DAY)
    a_day_later = desk.feed.quotes("BTC", (CALL,), START + 32 * HOUR)
    assert desk.ask("public/ticker", instrument_name=CALL)["settlement_price"] == exact(a_day_later.mark[0])


def test_an_unquoted_side_is_zero_in_the_ticker_and_null_in_the_summary(desk: Desk) -> None:
    desk.feed.pin(CALL, desk.now, None, 0.0125)
    shown = desk.ask("public/ticker", instrument_name=CALL)
    assert (shown["best_bid_price"], shown["best_bid_amount"], shown["bid_iv"]) == (0, 0, 0)
    (row,) = desk.ask("public/get_book_summary_by_instrument", instrument_name=CALL)
    assert row["bid_price"] is None and row["mid_price"] is None and row["ask_price"] == Decimal("0.0125")


def test_the_summary_is_the_chain_and_usdc_gives_every_linear_option(desk: Desk) -> None:
    rows = desk.ask("public/get_book_summary_by_currency", currency="USDC", kind="option")
    chains = [desk.feed.chain(code, desk.now) for code in ("BTC_USDC", "ETH_USDC")]
    names = [name for chain in chains for name in chain.table.names]
    assert [row["instrument_name"] for row in rows] == names
    marks = np.concatenate([chain.mark for chain in chains])
    assert [float(row["mark_price"]) for row in rows] == marks.tolist()
    assert rows[0]["quote_currency"] == "USDC" and rows[0]["base_currency"] == "BTC"
    assert rows[0]["creation_timestamp"] == desk.now
    assert desk.ask("public/get_book_summary_by_currency", currency="BTC", kind="future") == []
    assert desk.ask("public/get_book_summary_by_currency", currency="SOL") == []
    with pytest.raises(RefusedError) as caught:
        desk.ask("public/get_book_summary_by_currency", currency="GOLD")
    assert (caught.value.code, caught.value.data["param"]) == (-32602, "currency")


def test_the_summary_follows_time(desk: Desk) -> None:
    first = desk.ask("public/get_book_summary_by_currency", currency="BTC")
    assert desk.ask("public/get_book_summary_by_currency", currency="BTC") == first
    desk.to(desk.now + HOUR)
    later = desk.ask("public/get_book_summary_by_currency", currency="BTC")
    assert later[0]["creation_timestamp"] == desk.now != first[0]["creation_timestamp"]
    assert later[0]["underlying_price"] != first[0]["underlying_price"]


def test_instruments_of_every_currency(desk: Desk) -> None:
    every = desk.ask("public/get_instruments")
    listed = [name for code in desk.feed.products for name in desk.feed.listed(code, desk.now)]
    perpetuals = ["BTC-PERPETUAL", "ETH-PERPETUAL"]
    assert [one["instrument_name"] for one in every] == [*listed, *perpetuals]
    numbers = [one["instrument_id"] for one in every]
    assert len(set(numbers)) == len(numbers)
    futures = desk.ask("public/get_instruments", currency="BTC", kind="future")
    assert [one["instrument_name"] for one in futures] == perpetuals[:1]
    for wrong, code in (("BTC-4JAN26-81234-C", 13020), ("BTC-PERPETUAL-X", -32602)):
        with pytest.raises(RefusedError) as caught:
            desk.ask("public/get_instrument", instrument_name=wrong)
        assert caught.value.code == code


def test_expirations_by_currency_grouped_and_any(desk: Desk) -> None:
    codes = ["2JAN26", "3JAN26", "4JAN26", "5JAN26", "6JAN26"]
    assert desk.ask("public/get_expirations", currency="BTC", kind="option") == {"btc": {"option": codes}}
    both = desk.ask("public/get_expirations", currency="any", kind="any")
    assert both == {"future": [*codes, "PERPETUAL"], "option": codes}
    assert set(desk.ask("public/get_expirations", currency="grouped", kind="option")) == {
        "btc",
        "eth",
        "usdc",
    }


def test_candles_are_hourly_closed_and_never_from_the_future(desk: Desk) -> None:
    ask = {
        "instrument_name": "BTC-PERPETUAL",
        "resolution": "60",
        "start_timestamp": START + 2 * HOUR + 1,
        "end_timestamp": START + 90 * HOUR,
    }
    chart = desk.ask("public/get_tradingview_chart_data", **ask)
    assert chart["ticks"] == [START + hour * HOUR for hour in range(3, 10)]  # now is 10:00
    source = desk.feed.candles("BTC", START, desk.now)
    assert [float(one) for one in chart["close"]] == source.close[3:10].tolist()
    assert chart["status"] == "ok" and len(chart["volume"]) == len(chart["cost"]) == 7
    ask["resolution"] = "180"
    wide = desk.ask("public/get_tradingview_chart_data", **ask)
    assert wide["ticks"] == [START + 3 * HOUR, START + 6 * HOUR]
    assert float(wide["high"][0]) == max(source.high[3:6]) and wide["close"][0] == chart["close"][2]
    ask["start_timestamp"] = ask["end_timestamp"] - HOUR
    assert desk.ask("public/get_tradingview_chart_data", **ask)["status"] == "no_data"
    for change in ({"resolution": "5"}, {"instrument_name": "XRP-PERPETUAL"}):
        with pytest.raises(RefusedError) as caught:
            desk.ask("public/get_tradingview_chart_data", **{**ask, **change})
        assert caught.value.code == -32602


def test_the_volatility_index_pages_backwards_and_knows_no_future() -> None:
    desk = Desk(at_ms=START + 60 * MS_PER_DAY)
    ask: dict[str, object] = {
        "currency": "BTC",
        "resolution": "3600",
        "start_timestamp": START,
        "end_timestamp": desk.now + MS_PER_DAY,
    }
    first = desk.ask("public/get_volatility_index_data", **ask)
    rest = desk.ask("public/get_volatility_index_data", **{**ask, "end_timestamp": first["continuation"]})
    rows = rest["data"] + first["data"]
    assert rest["continuation"] is None and len(first["data"]) == 1_000
    assert [row[0] for row in rows] == [START + hour * HOUR for hour in range(60 * 24)]
    source = desk.feed.volatility_index("BTC", START, desk.now)
    assert [float(row[4]) for row in rows] == source.value[1:].tolist()
    assert all(row[3] <= min(row[1], row[4]) and row[2] >= max(row[1], row[4]) for row in rows)
    days = desk.ask("public/get_volatility_index_data", **{**ask, "resolution": "1D"})["data"]
    assert len(days) == 60 and days[0][4] == rows[23][4]


def test_delivery_prices_newest_first(desk: Desk) -> None:
    desk.to(START + 5 * MS_PER_DAY)
    shown = desk.ask("public/get_delivery_prices", index_name="btc_usd", count=2, offset=1)
    assert shown["records_total"] == 5
    assert [one["date"] for one in shown["data"]] == ["2026-01-04", "2026-01-03"]
    at = START + 3 * MS_PER_DAY + 8 * HOUR
    assert shown["data"][0]["delivery_price"] == exact(desk.feed.delivery_price("btc_usd", at))


def test_small_public_methods(desk: Desk) -> None:
    assert desk.ask("public/status", None) == {"locked": "false"}
    assert desk.ask("public/test", None)["version"]
    assert desk.ask("public/get_index_price_names", None) == ["btc_usd", "eth_usd", "btc_usdc", "eth_usdc"]
    assert desk.ask("public/get_contract_size", None, instrument_name=CALL) == {"contract_size": 1}
    index = desk.ask("public/get_index_price", None, index_name="eth_usd")
    assert index["index_price"] == exact(desk.feed.index("eth_usd", desk.now))
    with pytest.raises(RefusedError):
        desk.ask("public/get_index_price", None, index_name="doge_usd")
