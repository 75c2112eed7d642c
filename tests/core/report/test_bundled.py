"""A strangle's row against numbers computed by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from optionwriter.core.books.account import Settlement, Side
from optionwriter.core.books.booking import book_events
from optionwriter.core.books.facts import Action
from optionwriter.core.books.pnl import Drawdown
from optionwriter.core.report.detail import bundle_detail, fill_of, position_detail
from optionwriter.core.report.payoff import bundle_payoff
from optionwriter.core.report.views import closed_positions, observe, open_positions, totals
from tests.core.decide.worlds import NOW, Ledger, account, chain_at, currency, state_of, with_column

D = Decimal
DAY = 86_400_000
CALL, PUT, WING = "BTC-17JAN26-102000-C", "BTC_USDC-17JAN26-84000-P", "BTC-17JAN26-108000-C"
BUNDLE = "b" + "0123456789" * 2
CALLS = with_column(chain_at(spot=95_000.0), "mark", CALL, 0.008)
PUTS = with_column(chain_at("BTC_USDC", spot=95_000.0), "mark", PUT, 300.0)


def strangle() -> Ledger:
    """A call sold for 0.005 (fee 0.0003) and a put for 455 (fee 27.9), at 93,000."""
    ledger = Ledger()
    for side, name, price in (("call", CALL, "0.005"), ("put", PUT, "455")):
        ledger.traded(Action.OPEN_STRANGLE, Side.SELL, name, "1", price, chain=f"{BUNDLE}.{side}")
    return ledger


def seen(ledger: Ledger, *chains: Any) -> Any:
    held = {
        leg.instrument: str(leg.position) for chain in ledger.book.chains.values() for leg in chain.open_legs
    }
    cash = (currency("BTC", "1"), currency("USDC", "100000"))
    return state_of(*(chains or (CALLS, PUTS)), account=account(*cash, positions=held), book=ledger.book)


def settle(ledger: Ledger, name: str, delivery: str, payoff: str) -> None:
    end = Settlement(name, D(-1), D(delivery), D(payoff), D(0), NOW + 12 * DAY)
    facts, ledger.book = book_events([end], ledger.book, end.at_ms)
    ledger.facts.extend(facts)


def test_a_strangle_is_one_row_in_dollars() -> None:
    (row,) = open_positions(seen(strangle()))
    assert (row.position_id, row.option_type, row.strategy_type, row.currency) == (
        BUNDLE,
        "strangle",
        "strangle",
        "USD",
    )
    # call: sold for 465, worth 0.008 × 95,000 = 760; put: sold for 455, worth 300
    assert row.unrealized_pnl_abs == row.unrealized_pnl_abs_usd == (465 - 760) + (455 - 300)
    assert row.realized_pnl_abs == -(D("0.0003") * 93_000) - D("27.9")
    assert (row.entry_price, row.current_mark) == (465 + 455, 760 + 300)
    assert row.unrealized_pnl_pct == pytest.approx(D(-140) / (93_000 + 84_000) * 100)
    assert row.instrument == f"{CALL} + {PUT}" and row.quantity == -1
    call, put = row.legs
    assert (call.side, call.currency, call.pnl_abs) == ("sell", "BTC", D("0.005") - D("0.0003") - D("0.008"))
    assert (put.currency, put.pnl_abs, put.pnl_abs_usd) == ("USDC", D("127.1"), D("127.1"))
    assert [(one.currency, one.pnl_abs) for one in totals((row,))] == [("USD", -140)]


def test_one_side_over_leaves_the_row_open_with_both_legs() -> None:
    ledger = strangle()
    settle(ledger, PUT, "95000", "0")
    (row,) = open_positions(seen(ledger))
    assert (row.option_type, len(row.legs), row.instrument) == ("strangle", 2, CALL)
    assert row.realized_pnl_abs == 455 - D("27.9") - D("27.9")
    assert not closed_positions(ledger.book)


def test_a_strangle_that_is_over_is_one_row() -> None:
    ledger = strangle()
    settle(ledger, PUT, "110000", "0")
    settle(ledger, CALL, "110000", "-0.07272727")
    (row,) = closed_positions(ledger.book)
    result = 465 - D("27.9") + 455 - D("27.9") - D("0.07272727") * 110_000
    assert row.realized_pnl_abs == row.realized_pnl_abs_usd == result
    assert (row.currency, row.fees, row.net_premium) == ("USD", D("-55.8"), 465 + 455 - D("55.8"))
    assert row.max_drawdown == -result and row.days_in_trade == pytest.approx(12.0)
    assert len(row.legs) == 2 and not open_positions(seen(ledger))


def test_the_fall_on_the_way_is_that_of_both_sides_together() -> None:
    """The call's loss while the put gains as much is no fall of the strangle."""
    ledger = strangle()
    drawdowns: dict[str, Drawdown] = {}
    for call, put in ((0.005, 455.0), (0.008, 160.0), (0.008, 1_160.0)):
        chains = (with_column(CALLS, "mark", CALL, call), with_column(PUTS, "mark", PUT, put))
        drawdowns = observe(drawdowns, seen(ledger, *chains))
    first = 465 - D("0.005") * 95_000 - D("55.8")
    last = 465 - 760 + 455 - 1_160 - D("55.8")
    assert drawdowns[BUNDLE].worst == -last and first < 0


def test_without_a_mark_its_result_is_not_known() -> None:
    blind = with_column(PUTS, "mark", PUT, float("nan"))
    (row,) = open_positions(seen(strangle(), CALLS, blind))
    assert (row.unrealized_pnl_abs, row.current_mark) == (None, None)
    assert [leg.pnl_abs is None for leg in row.legs] == [False, True]


def test_a_spreads_row_speaks_of_its_sale() -> None:
    ledger = Ledger()
    ledger.traded(Action.OPEN_CALL_SPREAD, Side.BUY, WING, "1", "0.002", chain="c1")
    ledger.traded(Action.OPEN_CALL_SPREAD, Side.SELL, CALL, "1", "0.005", chain="c1")
    (row,) = open_positions(seen(ledger))
    assert (row.instrument, row.quantity, row.entry_price, row.strategy_type) == (
        CALL,
        -1,
        D("0.005"),
        "call_spread",
    )
    assert [leg.side for leg in row.legs] == ["buy", "sell"]
    mark = D(str(float(CALLS.mark[CALLS.table.row_of[WING]])))
    assert row.unrealized_pnl_abs == D("0.005") - D("0.008") + mark - D("0.002")
    assert row.unrealized_pnl_pct == row.unrealized_pnl_abs * 100, "of the coin that the sale binds"


# 17 January 2026 is a Saturday: a daily, which costs no delivery fee. Premiums after fees: 465 - 27.90 + 455 - 27.90.
KEPT = D("864.20")


def test_the_end_of_a_strangle_in_dollars_by_hand() -> None:
    ledger = strangle()
    drawn = bundle_payoff([ledger.book.chains[f"{BUNDLE}.{side}"] for side in ("call", "put")], D(95_000))
    assert drawn is not None and drawn.pnl == drawn.pnl_usd and drawn.breakevens == drawn.breakevens_usd
    at = dict(zip(drawn.underlying_price, drawn.pnl_usd, strict=True))
    assert at[D("102000")] == at[D("84000")] == KEPT
    for price, usd in at.items():
        worth = KEPT - max(D(0), price - 102_000) - max(D(0), 84_000 - price)
        assert usd == pytest.approx(worth, abs=D("0.002"))  # the call's payoff is booked to 1e-8 of a coin
    assert drawn.breakevens == (84_000 - KEPT, 102_000 + KEPT)
    assert drawn.strikes == (84_000, 102_000)


def test_a_side_that_is_over_counts_with_what_it_brought() -> None:
    ledger = strangle()
    ledger.traded(Action.CLOSE_CALL, Side.BUY, CALL, "1", "0.008", chain=f"{BUNDLE}.call", reduce_only=True)
    chains = [ledger.book.chains[f"{BUNDLE}.{side}"] for side in ("call", "put")]
    assert not chains[0].is_open
    drawn = bundle_payoff(chains, D(95_000))
    assert drawn is not None and drawn.strikes == (84_000,)
    paid = D("0.008") * 93_000 + D("27.9")
    assert drawn.pnl_usd[-1] == KEPT - paid
    trades = [[fill_of(fact) for fact in ledger.facts if fact.chain_id == one.chain_id] for one in chains]
    sides = [
        position_detail(one, [fill for fill in fills if fill is not None])
        for one, fills in zip(chains, trades, strict=True)
    ]
    detail = bundle_detail(sides)
    assert (detail.currency, detail.fees, detail.net_premium) == ("USD", -3 * D("27.9"), KEPT - paid)
    assert [flow.currency for flow in detail.flows] == ["BTC"] * 4 + ["USDC"] * 2


def test_sides_that_end_at_different_times_have_no_picture() -> None:
    ledger = strangle()
    ledger.traded(Action.CLOSE_PUT, Side.BUY, PUT, "1", "300", chain=f"{BUNDLE}.put", reduce_only=True)
    later = "BTC_USDC-24JAN26-84000-P"
    ledger.traded(Action.ROLL_PUT, Side.SELL, later, "1", "500", chain=f"{BUNDLE}.put")
    assert (
        bundle_payoff([ledger.book.chains[f"{BUNDLE}.{side}"] for side in ("call", "put")], D(95_000)) is None
    )
