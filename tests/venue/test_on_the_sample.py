"""The engine on the bundled recorded market: days of selling, resting and settling, with every identity held."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal

import pytest

from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, next_expiry_instant
from optionwriter.venue.engine import Engine
from optionwriter.venue.identities import check_identities
from optionwriter.venue.wire import InProcessVenue
from tests.venue.desk import CASH

DAYS = 8


@pytest.fixture(scope="module")
def feed() -> SampleFeed:
    return SampleFeed()


def live(feed: SampleFeed, steps_a_day: int, check: bool) -> tuple[InProcessVenue, str]:
    """Sells a call and a linear put a day at the bid, lets a dearer call rest; returns all replies' digest too."""
    start = next_expiry_instant(feed.start_ms) + MS_PER_DAY + MS_PER_HOUR
    venue = InProcessVenue(Engine(feed, {"me": CASH}, start), "me")
    said = hashlib.sha256()
    for _ in range(DAYS):
        now = venue.engine.now_ms
        for currency, letter, amount, away in (("BTC", "C", "0.2", 1.01), ("USDC", "P", "0.5", 0.99)):
            body = venue.call("public/get_book_summary_by_currency", {"currency": currency})
            said.update(body)
            rows = [
                row
                for row in json.loads(body)["result"]
                if row["instrument_name"].endswith(letter)
                and row["bid_price"]
                and row["ask_price"]
                and row["base_currency"] == "BTC"
            ]
            strikes = {row["instrument_name"]: int(row["instrument_name"].split("-")[2]) for row in rows}
            target = rows[0]["underlying_price"] * away
            row = min(rows, key=lambda one: abs(strikes[one["instrument_name"]] - target))
            order = {"instrument_name": row["instrument_name"], "amount": amount}
            said.update(venue.call("private/sell", {**order, "price": row["bid_price"]}))
            said.update(venue.call("private/sell", {**order, "price": row["ask_price"]}))
        for step in range(1, steps_a_day + 1):
            venue.advance(now + MS_PER_DAY * step // steps_a_day)
            if check:
                assert check_identities(venue.engine) == []
        said.update(venue.call("private/get_account_summaries", {}))
        said.update(venue.call("private/cancel_all", {}))
    for currency in CASH:
        span = {"start_timestamp": 0, "end_timestamp": venue.engine.now_ms, "count": 250}
        said.update(venue.call("private/get_transaction_log", {"currency": currency, **span}))
    return venue, said.hexdigest()


@pytest.mark.slow
def test_days_on_the_recorded_market_repeat_byte_for_byte_and_add_up(feed: SampleFeed) -> None:
    venue, said = live(feed, steps_a_day=24, check=True)
    again, same = live(SampleFeed(), steps_a_day=5, check=False)
    assert said == same and venue.engine.digest() == again.engine.digest()
    account = venue.engine.account("me")
    kinds = {one.kind for one in account.settlements}
    assert kinds == {"exercise", "delivery"}, "both in and out of the money"
    assert {trade.is_maker for trade in account.trades} == {True, False}
    for currency, opening in CASH.items():
        changes = [one.change for one in account.log if one.currency == currency]
        assert account.cash[currency] == opening + sum(changes, Decimal(0))
