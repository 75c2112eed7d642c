"""A recorded run's trades at other markets' prices: each step changes what it names, and the steps add up."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from optionwriter.bootstrap.same_trades import PRICES, same_trades
from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import Fact, Filled, Settled
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.run import RunSpec
from tests.bootstrap.test_sources import day_ms, opened

INDEX = Decimal(70_000)


def fact(seq: int, at_ms: int, body: Filled | Settled) -> Fact:
    return Fact(seq, at_ms, at_ms, "backtest", "s", "d", "c", body)


def test_a_sale_at_the_recorded_bid_is_explained_to_a_tick_and_a_settlement_by_its_prices() -> None:
    source = opened("live_deribit", "2026-02-03", "2026-02-06")
    snapshots = [at for at in source.instants if at not in source.repriced]
    at_ms = snapshots[2]
    chain = source.feed.chain("BTC", at_ms)
    days = (chain.table.expiry_ms - at_ms) / MS_PER_DAY
    wanted = (
        chain.table.is_call
        & (days > 5)
        & (days < 40)
        & (chain.bid > 0.01)
        & (chain.table.strike > chain.forward)
    )
    row = int(np.flatnonzero(wanted)[0])
    bid = Decimal(str(round(float(chain.bid[row]), 4)))
    sold = Filled(
        "", "", "", chain.table.names[row], Side.SELL, Decimal("0.5"), bid, Decimal("0.5") * bid, Decimal(0), INDEX,
        INDEX, bid,
    )  # fmt: skip
    ended = Settled(
        "BTC-4FEB26-70000-C", Decimal(-1), Decimal(75_000), Decimal(75_000), Decimal(0), Decimal(0)
    )
    spec = RunSpec("t", "live_deribit", "income", ("BTC",), day_ms("2026-02-03"), day_ms("2026-02-06"), 1)
    facts = [fact(1, at_ms, sold), fact(2, day_ms("2026-02-04") + 8 * 3_600_000, ended)]
    found = same_trades(spec, source.feed, snapshots, facts)

    assert found.trades == 1 and found.unquoted == 0
    assert found.flows_usd["recorded"] == pytest.approx(float(bid) * 0.5 * 70_000)
    tick_usd = 0.0005 * 0.5 * 70_000
    assert (
        abs(found.changes["rest"]) <= 2 * tick_usd
    )  # the fitted smile meets the mark, the spread is the recorded one
    assert found.changes["level"] == found.flows_usd["level"] - found.flows_usd["synthetic"] != 0.0
    delivered = source.feed.delivery_price("btc_usd", day_ms("2026-02-04") + 8 * 3_600_000)
    assert found.payoffs_usd["recorded"] == pytest.approx(-max(delivered - 70_000.0, 0.0)) != 0.0
    assert 0 < abs(found.changes["settlement"]) < 400.0  # an average of half an hour against its last price
    first = found.flows_usd[PRICES[0]] + found.payoffs_usd["synthetic"]
    last = found.flows_usd["recorded"] + found.payoffs_usd["recorded"]
    assert first + sum(found.changes.values()) == pytest.approx(last)

    twice = same_trades(spec, source.feed, snapshots, [facts[0], facts[0]])
    assert twice.flows_usd["level"] == pytest.approx(2 * found.flows_usd["level"])
