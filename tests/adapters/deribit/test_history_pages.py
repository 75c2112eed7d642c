"""The past over the local exchange: fetched in windows, broken off, gone on with, it is the feed's, each row once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.history_pages import HistoryPages
from optionwriter.adapters.tapes.history_files import HistoryFolder, read_history
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, expiry_at, utc_day
from optionwriter.ports import Transport, TransportError
from optionwriter.services.history_fetch import Fetched, Wanted, fetch_history
from optionwriter.venue.engine import Engine
from optionwriter.venue.wire import InProcessVenue
from tests.venue.flat_feed import START, FlatFeed

NOW = START + 20 * MS_PER_DAY + 35 * 60_000
FIRST = START - 200 * MS_PER_DAY
WANTED = (
    Wanted("prices", "BTC", FIRST),
    Wanted("volatility_index", "BTC", FIRST),
    Wanted("delivery_prices", "btc_usd", FIRST),
)


class Breaking:
    """A transport that gives up after some calls."""

    def __init__(self, inner: Transport, calls: int) -> None:
        self.inner, self.left = inner, calls

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise TransportError("the line is dead")
        return self.inner.call(method, params)


def fetched(folder: Path, now_ms: int = NOW, calls: int = 1_000, older: bool = False) -> dict[str, Fetched]:
    venue = InProcessVenue(Engine(FlatFeed(), {"me": {"BTC": Decimal(1)}}, now_ms), None)
    source = HistoryPages(DeribitClient(Breaking(venue, calls), "local"))
    found = fetch_history(source, HistoryFolder(folder, "deribit local"), WANTED, now_ms, older)
    return {one.kind: one for one in found}


def holds_the_feed(folder: Path, now_ms: int, first_ms: int = FIRST) -> None:
    feed = FlatFeed()
    prices = read_history(folder, "prices", "BTC")
    candles = feed.candles("BTC", first_ms, now_ms)
    assert prices["open_time"].dt.epoch("ms").to_list() == candles.open_ms.tolist()
    for name in ("open", "high", "low", "close"):
        assert np.array_equal(prices[name].to_numpy(), getattr(candles, name)), name
    assert (prices["close_time"] - prices["open_time"]).dt.total_hours().unique().to_list() == [1]
    assert prices["source"].unique().to_list() == ["deribit local"]
    index = feed.volatility_index("BTC", first_ms + MS_PER_HOUR, now_ms)
    read = read_history(folder, "volatility_index", "BTC")
    assert read["close_time"].dt.epoch("ms").to_list() == index.at_ms.tolist()
    assert np.array_equal(read["close"].to_numpy(), index.value)
    deliveries = read_history(folder, "delivery_prices", "btc_usd")
    days = range(20 if now_ms == NOW else 22)
    assert deliveries["delivery_time"].dt.epoch("ms").to_list() == [
        expiry_at(utc_day(START + day * MS_PER_DAY)) for day in days
    ]
    assert deliveries["delivery_price"].to_list() == [
        feed.delivery_price("btc_usd", expiry_at(utc_day(START + day * MS_PER_DAY))) for day in days
    ]


def test_broken_off_anywhere_it_goes_on_and_has_each_row_once(tmp_path: Path) -> None:
    problems = 0
    for calls in (1, 2, 3, 1, 2):
        found = fetched(tmp_path, calls=calls)
        problems += sum("the line is dead" in one.problem for one in found.values())
    assert problems >= 8
    assert not any(one.problem for one in fetched(tmp_path).values())
    holds_the_feed(tmp_path, NOW)
    paths = sorted(tmp_path.rglob("*.parquet"))
    before = [path.read_bytes() for path in paths]
    assert all(one.added == 0 for one in fetched(tmp_path).values())
    assert [path.read_bytes() for path in paths] == before

    later = NOW + 2 * MS_PER_DAY
    again = fetched(tmp_path, later)
    assert {kind: one.added for kind, one in again.items()} == {
        "prices": 48, "volatility_index": 48, "delivery_prices": 2,
    }  # fmt: skip
    holds_the_feed(tmp_path, later)


def test_older_rows_come_downwards_so_that_breaking_off_leaves_no_hole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optionwriter.adapters.deribit.history_pages._CANDLES", 700)
    short = tuple(Wanted(one.kind, one.name, START) for one in WANTED)
    monkeypatch.setattr("tests.adapters.deribit.test_history_pages.WANTED", short)
    fetched(tmp_path)
    assert read_history(tmp_path, "prices", "BTC").height == 20 * 24
    monkeypatch.undo()
    monkeypatch.setattr("optionwriter.adapters.deribit.history_pages._CANDLES", 700)
    for _ in range(4):
        fetched(tmp_path, calls=2, older=True)
        opened = read_history(tmp_path, "prices", "BTC")["open_time"].dt.epoch("ms").to_numpy()
        assert (np.diff(opened) == MS_PER_HOUR).all()
    fetched(tmp_path, older=True)
    holds_the_feed(tmp_path, NOW)


def test_a_candle_that_is_still_open_is_not_known_yet() -> None:
    class Real:
        """As the real exchange does, its last candle is the one under way."""

        def call(self, method: str, params: Mapping[str, object]) -> bytes:
            opened = [START, START + MS_PER_HOUR, START + 2 * MS_PER_HOUR]
            result: dict[str, object] = {"data": [[at, 1.0, 1.0, 1.0, 1.0] for at in opened]}
            if method == "public/get_tradingview_chart_data":
                result = dict.fromkeys(("open", "high", "low", "close", "volume"), [1.0] * 3)
                result |= {"status": "ok", "ticks": opened}
            return json.dumps({"testnet": True, "result": result}).encode()

    source = HistoryPages(DeribitClient(Real(), "local"))
    for kind in ("prices", "volatility_index"):
        columns = source.read(kind, "BTC", START, START + 2 * MS_PER_HOUR + 60_000)
        assert columns["close_time"] == [START + MS_PER_HOUR, START + 2 * MS_PER_HOUR]
        assert len(columns["close"]) == 2
