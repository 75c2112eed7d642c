"""Nine recorded chains of December 2025, said as the exchange says them, are harvested and read back as they were."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from shared_data import shared

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.whole_chains import COMPUTED, WholeChains
from optionwriter.adapters.tapes.harvest_files import HarvestFolder, harvester_state
from optionwriter.adapters.tapes.recordings import harvested
from optionwriter.core.market.instruments import MS_PER_DAY, RECORDED_PRODUCTS, parse_recorded
from optionwriter.ports import MarketBrokenError, TransportError
from optionwriter.services.harvest import HarvestDesk, run_harvester

SLOT = 1_765_582_200_000  # 2025-12-12 23:30


@dataclass
class Exchange:
    """Answers with the given chains; its other numbers are made up."""

    chains: Mapping[str, list[dict[str, Any]]]
    calls: Counter[str] = field(default_factory=Counter)

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        self.calls[method] += 1
        mine = [
            row
            for code, rows in self.chains.items()
            if RECORDED_PRODUCTS[code].settlement_currency == params.get("currency")
            for row in rows
        ]
        result: object
        if method == "public/get_book_summary_by_currency":
            result = [*mine, {"instrument_name": "HYPE_USDC-26DEC25-30-C", "creation_timestamp": SLOT}]
        elif method == "public/get_instruments":
            result = [_info(row["instrument_name"]) for row in mine]
        elif method == "public/get_index_price":
            result = {"index_price": 1234.5}
        else:
            result = {"data": [[SLOT - 60_000, 40.0, 41.0, 39.0, 40.5]], "continuation": None}
        return json.dumps({"jsonrpc": "2.0", "testnet": False, "result": result}).encode()


def _info(name: str) -> dict[str, Any]:
    option = parse_recorded(name)
    return {
        "instrument_name": name,
        "expiration_timestamp": option.expiry_ms,
        "strike": float(option.strike),
        "option_type": option.option_type.value,
        "tick_size": 0.1,
        "min_trade_amount": 1,
    }


def recorded(code: str) -> pl.DataFrame:
    """The last snapshot before the slot."""
    rows = pl.read_parquet(shared(f"data/chains_deribit_5min_multiasset/{code}.parquet"))
    rows = rows.filter(pl.col("harvest_time").dt.epoch("ms") < SLOT)
    return rows.filter(pl.col("harvest_time") == pl.col("harvest_time").max())


def said(rows: pl.DataFrame) -> list[dict[str, Any]]:
    return rows.select(
        "instrument_name", "mark_price", "mark_iv", "underlying_price", "open_interest", "volume",
        creation_timestamp=pl.lit(SLOT), bid_price="best_bid_price", ask_price="best_ask_price",
    ).to_dicts()  # fmt: skip


@pytest.mark.shared
def test_nine_recorded_chains_are_harvested_with_few_calls_and_read_back(tmp_path: Path) -> None:
    frames = {code: recorded(code) for code in RECORDED_PRODUCTS}
    exchange = Exchange({code: said(rows) for code, rows in frames.items()})
    clock = SimulatedClock(SLOT)
    chains = WholeChains(DeribitClient(exchange, "mainnet"), clock)
    desk = HarvestDesk(clock, chains, HarvestFolder(tmp_path), "mainnet", tuple(frames), 900_000)
    run_harvester(desk, slots=1)
    assert not harvester_state(tmp_path).gaps
    assert exchange.calls == {
        "public/get_book_summary_by_currency": 3, "public/get_instruments": 3,
        "public/get_index_price": 9, "public/get_volatility_index_data": 2,
    }  # fmt: skip
    for code, rows in frames.items():
        raw = pl.read_parquet(next((tmp_path / code).rglob("*.parquet")))
        assert raw["instrument_name"].to_list() == rows["instrument_name"].to_list()
        assert raw["computed"].unique().to_list() == [COMPUTED]
        has_index = code.split("_")[0] in ("BTC", "ETH")
        assert raw["volatility_index"].unique().to_list() == [40.5 if has_index else None]
        one = harvested(tmp_path, code, SLOT, SLOT + MS_PER_DAY).snapshot(0)
        place = [one.table.row_of[name] for name in rows["instrument_name"]]
        for mine, theirs in (("mark", "mark_price"), ("forward", "underlying_price"), ("bid", "best_bid_price"),
                             ("ask", "best_ask_price"), ("open_interest", "open_interest")):  # fmt: skip
            wanted = rows[theirs].cast(pl.Float64).fill_null(np.nan).to_numpy()
            assert np.array_equal(getattr(one, mine)[place], wanted, equal_nan=True), (code, mine)
        # delta by the mark's own slope: a call's is that of the put at its strike plus one
        calls = raw.filter(pl.col("option_type") == "C").select("expiry", "strike", call="greek_delta")
        both = raw.filter(pl.col("option_type") == "P").join(calls, on=["expiry", "strike"])
        assert len(both) > 50 and np.allclose(both["call"] - both["greek_delta"], 1.0, atol=0.02)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mark_price": -0.1}, "below 0"),
        ({"instrument_name": "BTC-26DEC25-90000-C"}, "twice"),
        ({"mark_price": None}, "0 of 2 options have a mark"),
    ],
)
def test_numbers_that_no_market_has_are_refused(change: dict[str, Any], says: str) -> None:
    row = {"creation_timestamp": SLOT, "mark_price": 0.01, "mark_iv": 50.0, "underlying_price": 90_000.0}
    names = ("BTC-26DEC25-90000-C", "BTC-26DEC25-95000-C")
    rows = [{"instrument_name": name, **row, **change} for name in names]
    chains = WholeChains(DeribitClient(Exchange({"BTC": rows}), "mainnet"), SimulatedClock(SLOT))
    with pytest.raises(MarketBrokenError, match=says):
        chains.read("BTC")


def test_an_option_that_has_expired_is_no_part_of_the_chain() -> None:
    row = {"creation_timestamp": SLOT, "mark_price": 0.01, "mark_iv": 50.0, "underlying_price": 90_000.0}
    rows = [{"instrument_name": name, **row} for name in ("BTC-12DEC25-90000-C", "BTC-13DEC25-90000-C")]
    chains = WholeChains(DeribitClient(Exchange({"BTC": rows}), "mainnet"), SimulatedClock(SLOT))
    record = chains.read("BTC")
    assert record.columns["instrument_name"] == ["BTC-13DEC25-90000-C"] and record.listed == 1


def test_without_the_volatility_index_the_chain_is_whole_and_says_so() -> None:
    class Without(Exchange):
        def call(self, method: str, params: Mapping[str, object]) -> bytes:
            if method == "public/get_volatility_index_data":
                raise TransportError("cut")
            return super().call(method, params)

    row = {"creation_timestamp": SLOT, "mark_price": 0.01, "mark_iv": 50.0, "underlying_price": 90_000.0}
    exchange = Without({"BTC": [{"instrument_name": "BTC-13DEC25-90000-C", **row}]})
    record = WholeChains(DeribitClient(exchange, "mainnet"), SimulatedClock(SLOT)).read("BTC")
    assert record.columns["volatility_index"] == [None] and "cut" in record.note
