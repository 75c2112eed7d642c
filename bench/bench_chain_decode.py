"""Bytes to chain: a book summary of 820 options as columns, by the adapter that the live agent uses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

import msgspec

from bench import Row, best_seconds
from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.market import DeribitMarket
from optionwriter.core.market.instruments import OptionType, expiry_at, option_name, parse_instrument

NOW = expiry_at(date(2026, 3, 2)) + 3_600_000


def _names() -> list[str]:
    days = [date(2026, 3, 3) + timedelta(days=7 * week) for week in range(10)]
    strikes = [Decimal(60_000 + 1_000 * rung) for rung in range(41)]
    return [
        option_name("BTC", expiry_at(day), strike, kind)
        for day in days
        for strike in strikes
        for kind in OptionType
    ]


class _Recorded:
    """A transport that gives the same bytes every time."""

    def __init__(self) -> None:
        names = _names()
        summary = {
            "high": None, "low": None, "last": 0.0123, "bid_price": 0.0125, "ask_price": None, "mid_price": None,
            "open_interest": 12.3, "mark_price": 0.01234567, "creation_timestamp": NOW, "price_change": None,
            "volume": 1.2, "volume_usd": 812.5, "base_currency": "BTC", "quote_currency": "BTC", "mark_iv": 43.21,
            "interest_rate": 0.0, "underlying_index": "BTC-27MAR26", "underlying_price": 81234.5,
            "estimated_delivery_price": 81000.25,
        }  # fmt: skip
        steps = [{"above_price": 0.005, "tick_size": 0.0005}]
        listing = []
        for one in map(parse_instrument, names):
            listing.append(
                {
                    "instrument_name": one.name,
                    "expiration_timestamp": one.expiry_ms,
                    "strike": float(one.strike),
                    "option_type": one.option_type.value,
                    "tick_size": 0.0001,
                    "min_trade_amount": 0.1,
                    "tick_size_steps": steps,
                }
            )
        self._bodies = {
            "public/get_book_summary_by_currency": [{"instrument_name": name, **summary} for name in names],
            "public/get_instruments": listing,
            "public/get_index_price": {"index_price": 81000.25},
        }
        self.replies = {
            method: msgspec.json.encode({"jsonrpc": "2.0", "result": result, "testnet": True})
            for method, result in self._bodies.items()
        }

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        return self.replies[method]


def run() -> list[Row]:
    """Milliseconds from bytes to OptionChain, listing known."""
    wire = _Recorded()
    market = DeribitMarket(DeribitClient(wire, "local"), SimulatedClock(NOW))
    count = len(market.chain("BTC"))
    seconds = best_seconds(lambda: market.chain("BTC"))
    return [Row(f"Book summary of {count:,} options, bytes to chain", seconds * 1e3, "ms", 2.0)]
