"""The market: book summaries as columns, the listing, and the past in pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.market import DeribitMarket
from optionwriter.core.market.instruments import parse_instrument
from optionwriter.ports import MarketUnavailableError
from tests.adapters.deribit.scripted import LOST, Scripted, err, ok

NOW = 1_772_524_800_000  # 2026-03-03 08:00 UTC
HOUR, DAY = 3_600_000, 86_400_000
NAMES = ("BTC-10MAR26-90000-P", "BTC-4MAR26-85000-C", "BTC-10MAR26-90000-C", "BTC-10MAR26-80000-C")


def summary(name: str, at_ms: int = NOW, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "instrument_name": name, "creation_timestamp": at_ms, "mark_price": 0.01234567, "mark_iv": 43.21,
        "bid_price": 0.012, "ask_price": 0.0125, "underlying_price": 81_234.5, "open_interest": 12.3, "volume": 0.0,
        "estimated_delivery_price": 80_000.0, "a_field_of_tomorrow": [1],
    }  # fmt: skip
    return row | values


def listed(name: str, **values: Any) -> dict[str, Any]:
    one = parse_instrument(name)
    row: dict[str, Any] = {
        "instrument_name": name, "expiration_timestamp": one.expiry_ms, "strike": float(one.strike),
        "option_type": one.option_type.value, "tick_size": float(one.product.tick_size),
        "min_trade_amount": float(one.product.min_amount),
        "tick_size_steps": [
            {"above_price": float(step.above), "tick_size": float(step.tick)} for step in one.product.tick_steps
        ],
    }  # fmt: skip
    return row | values


def market(rows: Any, infos: Any, at_ms: int = NOW) -> tuple[DeribitMarket, Scripted, SimulatedClock]:
    wire = Scripted(
        public__get_book_summary_by_currency=rows,
        public__get_instruments=infos,
        public__get_index_price=ok({"index_price": 81_000.25, "estimated_delivery_price": 81_000.25}),
    )
    clock = SimulatedClock(at_ms)
    return DeribitMarket(DeribitClient(wire, "testnet"), clock), wire, clock


def test_summaries_become_columns_in_the_tables_order() -> None:
    rows = [summary(name, at_ms=NOW - shift) for shift, name in enumerate(NAMES)]
    rows[0] |= {"bid_price": None, "mark_iv": None, "underlying_price": None}
    rows[1] |= {"bid_price": 0.0, "mark_price": 0.5}
    seat, _, _ = market(ok(rows), ok([listed(name) for name in NAMES]))
    chain = seat.chain("BTC")
    assert chain.table.names == (NAMES[1], NAMES[3], NAMES[2], NAMES[0])  # expiry, strike, call before put
    assert chain.at_ms == NOW - 3  # the oldest of its rows
    assert chain.index_price == 81_000.25
    assert chain.mark.tolist()[0] == 0.5
    assert np.isnan(chain.bid[[0, 3]]).all() and chain.bid[1] == 0.012
    assert chain.mark_iv[1] == pytest.approx(0.4321, abs=1e-15)
    assert np.isnan(chain.mark_iv[3]) and np.isnan(chain.forward[3]) and chain.forward[0] == 81_234.5
    assert np.isnan(chain.bid_size).all() and np.isnan(chain.ask_size).all()  # a summary has none
    assert chain.open_interest[0] == 12.3 and chain.volume[0] == 0.0


def test_linear_options_are_picked_out_of_everything_that_settles_in_usdc() -> None:
    names = [
        "BTC_USDC-10MAR26-80000-P",
        "ETH_USDC-10MAR26-2000-P",
        "SOL_USDC-10MAR26-140-C",
        "XRP_USDC-10MAR26-1d325-C",
    ]
    rows = ok([summary(name) for name in names])
    seat, wire, _ = market(rows, ok([listed(name) for name in names[:2]]))
    assert seat.chain("ETH_USDC").table.names == (names[1],)
    assert wire.asked("public/get_book_summary_by_currency")[0] == {"currency": "USDC", "kind": "option"}
    assert wire.asked("public/get_index_price")[0] == {"index_name": "eth_usdc"}


def test_the_listing_is_kept_until_a_new_name_or_the_next_settlement() -> None:
    fresh = "BTC-5MAR26-85000-C"
    rows = [summary(name) for name in NAMES]
    seat, wire, clock = market(
        [ok(rows), ok(rows), ok([*rows, summary(fresh)]), ok([*rows, summary("BTC-6MAR26-85000-C")])],
        [ok([listed(name) for name in NAMES]), ok([listed(name) for name in (*NAMES, fresh)])],
    )

    def asked() -> int:
        return len(wire.asked("public/get_instruments"))

    assert len(seat.chain("BTC")) == len(seat.chain("BTC")) == 4
    assert asked() == 1
    assert fresh in seat.chain("BTC").table.row_of
    assert asked() == 2
    for _ in range(3):  # summarised, but not listed: looked for once, then left out
        assert seat.chain("BTC").table.names == (NAMES[1], NAMES[3], NAMES[2], NAMES[0])
    assert asked() == 3
    clock.sleep_until(NOW + DAY - 1)
    seat.chain("BTC")
    assert asked() == 3
    clock.sleep_until(NOW + DAY)  # 4MAR26 has expired, the summary still shows it
    assert NAMES[1] not in seat.chain("BTC").table.row_of
    assert asked() == 4


@pytest.mark.parametrize(
    ("rows", "infos", "word"),
    [
        (LOST, ok([]), "timed out"),
        (err(11051, "system_maintenance"), ok([]), "system_maintenance"),
        (ok([summary(NAMES[0])]), err(10028, "too_many_requests"), "too_many_requests"),
        (ok([]), ok([listed(NAMES[0])]), "quotes no BTC"),
        (ok([summary(NAMES[0])] * 2), ok([listed(NAMES[0])]), "twice"),
        (ok([summary(NAMES[0])]), ok([listed(NAMES[0], tick_size=0.0005)]), "rules"),
        (ok([summary(NAMES[0])]), ok([listed(NAMES[0], min_trade_amount=1)]), "rules"),
        (ok([summary(NAMES[0])]), ok([listed(NAMES[0], tick_size_steps=[])]), "rules"),
        (ok([summary(NAMES[0])]), ok([listed(NAMES[0], expiration_timestamp=NOW + DAY)]), "rules"),
        (ok([summary(NAMES[0])]), ok([listed(NAMES[0], option_type="call")]), "rules"),
        (ok([summary(NAMES[0], mark_price="0.01")]), ok([listed(NAMES[0])]), "mark_price"),
        (ok([summary(NAMES[0])], testnet=False), ok([listed(NAMES[0])]), "DERIBIT_ENV"),
    ],
)
def test_whatever_is_wrong_makes_the_market_unavailable_and_is_named(
    rows: Any, infos: Any, word: str
) -> None:
    seat, _, _ = market(rows, infos)
    with pytest.raises(MarketUnavailableError, match=word):
        seat.chain("BTC")


# -- the past ---------------------------------------------------------------------------------------------------


def price(at_ms: int) -> float:
    return 80_000.0 + (at_ms // HOUR) % 977


def charts(first_ms: int, most: int = 5_000) -> Any:
    """A server of hourly candles from `first_ms` on; an open candle is shown, as the exchange does."""

    def answer(params: Mapping[str, Any]) -> bytes:
        assert params["instrument_name"] == "BTC-PERPETUAL" and params["resolution"] == "60"
        start = max(first_ms, -(-params["start_timestamp"] // HOUR) * HOUR)
        ticks = list(range(start, params["end_timestamp"] + 1, HOUR))
        assert len(ticks) <= most, "more than the exchange gives at once"
        columns = {key: [price(at) + shift for at in ticks] for key, shift in
                   (("open", 0.0), ("high", 9.0), ("low", -9.0), ("close", 1.0))}  # fmt: skip
        return ok(
            {"status": "ok" if ticks else "no_data", "ticks": ticks, **columns, "volume": [], "cost": []}
        )

    return answer


def volatility(page: int = 1_000) -> Any:
    def answer(params: Mapping[str, Any]) -> bytes:
        step = {"3600": HOUR, "1D": DAY}[params["resolution"]]
        start = -(-params["start_timestamp"] // step) * step
        opened = list(range(start, params["end_timestamp"] + 1, step))
        shown = opened[-page:]
        more = shown[0] - step if len(opened) > page else None
        data = [[at, 40.0, 41.0, 39.0, 40.0 + (at // HOUR) % 13] for at in shown]
        return ok({"data": data, "continuation": more})

    return answer


def past(first_ms: int, at_ms: int, **answers: Any) -> tuple[DeribitMarket, Scripted, SimulatedClock]:
    wire = Scripted(
        **{
            "public__get_tradingview_chart_data": charts(first_ms),
            "public__get_volatility_index_data": volatility(),
        }
        | answers
    )
    clock = SimulatedClock(at_ms)
    return DeribitMarket(DeribitClient(wire, "testnet"), clock), wire, clock


def test_five_years_are_read_in_pages_and_nothing_that_is_not_over_is_shown() -> None:
    now = NOW + 17 * 60_000
    seat, wire, _ = past(0, now)
    read = seat.history("BTC")
    assert read.candles.open_ms[0] == (now - 1826 * DAY) // DAY * DAY
    assert np.all(np.diff(read.candles.open_ms) == HOUR)
    assert read.candles.open_ms[-1] == NOW - HOUR  # the candle of 08:00 is still open at 08:17
    assert read.candles.close[-1] == price(NOW - HOUR) + 1
    assert (read.candles.low < read.candles.open).all() and (read.candles.high > read.candles.close).all()
    index = read.volatility_index
    fine_ms = (now - 400 * DAY) // DAY * DAY
    by_the_hour = index.at_ms > fine_ms
    assert index.at_ms[-1] == NOW and index.at_ms[0] == read.candles.open_ms[0]
    assert np.all(np.diff(index.at_ms) == np.where(by_the_hour[1:], HOUR, DAY))
    opened = index.at_ms - np.where(by_the_hour, HOUR, DAY)
    assert np.array_equal(index.value, 40.0 + (opened // HOUR) % 13)
    assert by_the_hour.sum() >= 400 * 24
    assert len(wire.asked("public/get_volatility_index_data")) == 2 + 10
    assert len(wire.asked("public/get_tradingview_chart_data")) == 11


def test_later_only_what_has_closed_since_is_asked_for() -> None:
    seat, wire, clock = past(0, NOW)
    whole = seat.history("BTC")
    wire.calls.clear()
    clock.sleep_until(NOW + HOUR - 1)
    assert len(seat.history("BTC").candles.open_ms) <= len(whole.candles.open_ms)
    assert wire.calls == []
    clock.sleep_until(NOW + 3 * HOUR)
    later = seat.history("BTC")
    assert [params["start_timestamp"] for _, params in wire.calls] == [NOW, NOW]
    fresh, _, _ = past(0, NOW + 3 * HOUR)
    anew = fresh.history("BTC")
    for kept, read in ((later.candles, anew.candles), (later.volatility_index, anew.volatility_index)):
        for name in kept.__slots__:
            assert np.array_equal(getattr(kept, name), getattr(read, name)), name


def test_a_young_market_gives_what_there_is() -> None:
    seat, _, _ = past(NOW - 5 * HOUR, NOW)
    assert seat.history("BTC").candles.open_ms.tolist() == [NOW - hours * HOUR for hours in (5, 4, 3, 2, 1)]


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        (
            {"public__get_tradingview_chart_data": ok({"status": "ok", "ticks": [1, 2], "open": [1.0]})},
            "unequal",
        ),
        ({"public__get_tradingview_chart_data": ok({"status": "error"})}, "status"),
        (
            {
                "public__get_tradingview_chart_data": ok(
                    {
                        "status": "ok",
                        "ticks": [2, 1],
                        "open": [1.0] * 2,
                        "high": [1.0] * 2,
                        "low": [1.0] * 2,
                        "close": [1.0] * 2,
                    }
                )
            },
            "out of order",
        ),
        (
            {
                "public__get_volatility_index_data": lambda p: ok(
                    {"data": [], "continuation": p["end_timestamp"]}
                )
            },
            "backwards",
        ),
        ({"public__get_volatility_index_data": LOST}, "timed out"),
    ],
)
def test_a_past_that_makes_no_sense_is_unavailable(answers: Any, word: str) -> None:
    seat, _, _ = past(0, NOW, **answers)
    with pytest.raises(MarketUnavailableError, match=word):
        seat.history("BTC")
