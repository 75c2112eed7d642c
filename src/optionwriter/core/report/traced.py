"""Traced: a compiled run's events as facts and books, so that its results are reckoned like every other run's.

Owns the replay. Keeps: every fill and settlement is booked by the books' own arithmetic, in Decimal; where the loop's
own cash or fee differs from it by as much as a grain, nothing is returned (TraceError): one of the two is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

import numpy as np

from optionwriter.core.books.account import Fill, Settlement, Side
from optionwriter.core.books.booking import filled_from, settled_from
from optionwriter.core.books.facts import (
    Action,
    Body,
    Deposited,
    Fact,
    Filled,
    Intent,
    IntentPrepared,
    LedgerOpened,
    OrderAcknowledged,
    OrderClosed,
    Settled,
)
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.books.settlement import settle
from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.grid.columns import QuoteGrid
from optionwriter.core.decide.grid.offering import CLOSE, OPEN
from optionwriter.core.decide.grid.running import Trace
from optionwriter.core.decide.grid.trading import (
    AT,
    BUY,
    CASH,
    CHAIN,
    FEE,
    KIND,
    LOTS,
    OPTION,
    REASON,
    SETTLE,
    SIDE,
    STEP,
    UNITS,
    WHAT,
)
from optionwriter.core.decide.managing import REASONS
from optionwriter.core.decide.orders import digest, make_label
from optionwriter.core.decide.strategies.base import WRITES
from optionwriter.core.market.instruments import Product, is_daily, parse_instrument
from optionwriter.core.market.money import quantum
from optionwriter.core.report.curve import Curve

USDC_INDEX = Decimal(1)  # as the event driver's (services/catch_up)
_WRITTEN = (WRITES["covered_call"], WRITES["cash_secured_put"])


class TraceError(RuntimeError):
    """The loop's money is not the books': a defect; the message names the trade."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose run it is."""

    account: str
    strategy_id: str
    label_prefix: str


def curve_of(grid: QuoteGrid, trace: Trace) -> Curve:
    """The run's curve: the steps that were looked at, the currencies that there were."""
    seen = trace.looks.seen
    count = int(np.count_nonzero(seen))
    columns = {}
    for name, opening, equity, price in (
        (grid.underlying, trace.opening[0], trace.looks.coin[seen], grid.steps.index_usd[seen]),
        ("USDC", trace.opening[1], trace.looks.usdc[seen], np.ones(count)),
    ):
        if opening:
            columns[name] = (equity, np.full(count, float(opening * quantum(name))), price)
    return Curve(
        at_ms=grid.steps.at_ms[seen],
        equity={name: one[0] for name, one in columns.items()},
        deposited={name: one[1] for name, one in columns.items()},
        price_usd={name: one[2] for name, one in columns.items()},
        short_usd=trace.looks.short_usd[seen],
    )


def facts_of(grid: QuoteGrid, trace: Trace, owner: Owner) -> tuple[Fact, ...]:
    """Opening, orders, fills and settlements, in their order. Errors: TraceError."""
    first = int(np.flatnonzero(trace.looks.seen)[0])
    begun = int(grid.steps.at_ms[first])
    bodies: list[tuple[int, str, Body]] = [(begun, "", LedgerOpened("local", "backtest"))]
    for name, amount, index in (
        (grid.underlying, trace.opening[0], exact(float(grid.steps.index_usd[first]))),
        ("USDC", trace.opening[1], USDC_INDEX),
    ):
        if amount:
            paid = Deposited(f"opening:{name}", name, amount * quantum(name), "opening", index)
            bodies.append((begun, "", paid))
    rows = range(len(trace.events))
    for key, group in groupby(rows, key=lambda row: tuple(trace.events[row, [STEP, SIDE, WHAT, OPTION]])):
        own = list(group)
        chain = (
            "c"
            + digest("compiled", owner.account, owner.strategy_id, *trace.events[own[0], [SIDE, CHAIN]])[:20]
        )
        told = _settled(grid, trace, own[0]) if key[2] == SETTLE else _traded(grid, trace, own, owner)
        bodies += [(at_ms, chain, body) for at_ms, body in told]
    return tuple(
        Fact(seq, at_ms, at_ms, owner.account, owner.strategy_id if chain else "", "", chain, body)
        for seq, (at_ms, chain, body) in enumerate(bodies, start=1)
    )


def _amount(product: Product, lots: int) -> Decimal:
    return int(lots) * product.amount_step


def _price(grid: QuoteGrid, side: int, units: int) -> Decimal:
    return Decimal(int(units)) / Decimal(int(grid.quotes(side).per_coin))


def _traded(grid: QuoteGrid, trace: Trace, rows: Sequence[int], owner: Owner) -> Iterator[tuple[int, Body]]:
    """One order: its intent, its fills, its end."""
    first = trace.events[rows[0]]
    side = int(first[SIDE])
    product, name = grid.product(side), grid.names(side)[int(first[OPTION])]
    plan = digest(
        "compiled", owner.account, owner.strategy_id, *(int(one) for one in first[[STEP, SIDE, CHAIN]])
    )[:24]
    buys = int(first[WHAT]) == BUY
    step = 0 if buys or int(first[KIND]) == OPEN else 1
    label = make_label(owner.label_prefix, plan, step)
    order_id = f"compiled-{label}"
    total = _amount(product, int(trace.events[rows, LOTS].sum()))
    written = _WRITTEN[side]
    action: Action = {OPEN: written.opens, CLOSE: written.closes}.get(int(first[KIND]), written.rolls)
    reason = "open" if int(first[KIND]) == OPEN else REASONS[int(first[REASON])]
    begun = int(grid.steps.at_ms[int(first[STEP])])
    intent = Intent(
        label, plan, step, action, reason, name, Side.BUY if buys else Side.SELL, total,
        _price(grid, side, int(first[UNITS])), buys, begun,
    )  # fmt: skip
    yield begun, IntentPrepared(intent)
    yield begun, OrderAcknowledged(label, order_id)
    done = Decimal(0)
    for row in rows:
        event, (index, mark) = trace.events[row], trace.prices[row]
        amount, price = _amount(product, int(event[LOTS])), _price(grid, side, int(event[UNITS]))
        done += amount
        body = filled_from(
            Fill(
                f"{order_id}-{done.normalize():f}", order_id, label, name, intent.side, amount, price,
                trading_fee(product, amount, price, exact(index)), product.settlement_currency, exact(index),
                exact(mark), int(event[AT]),
            ),
            USDC_INDEX,
        )  # fmt: skip
        _agrees(product, event, body, body.cash)
        yield int(event[AT]), body
    yield int(trace.events[rows[-1], AT]), OrderClosed(label, order_id, "filled", total)


def _settled(grid: QuoteGrid, trace: Trace, row: int) -> Iterator[tuple[int, Body]]:
    event, price = trace.events[row], exact(trace.prices[row, 0])
    side = int(event[SIDE])
    option = parse_instrument(grid.names(side)[int(event[OPTION])])
    ended: Settlement = settle(
        option, -_amount(option.product, int(event[LOTS])), price, is_daily(option.expiry_ms)
    )
    body = settled_from(ended, USDC_INDEX)
    _agrees(option.product, event, body, body.payoff)
    yield int(event[AT]), body


def _agrees(product: Product, event: np.ndarray, body: Filled | Settled, cash: Decimal) -> None:
    """Errors: TraceError where the loop booked another amount."""
    grain = quantum(product.settlement_currency)
    if (cash, body.fee) != (int(event[CASH]) * grain, int(event[FEE]) * grain):
        raise TraceError(
            f"{body.instrument} at {int(event[AT])}: the loop booked {int(event[CASH]) * grain} and a fee of "
            f"{int(event[FEE]) * grain}, the books {cash} and {body.fee}"
        )
