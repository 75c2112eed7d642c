"""View: what a writer looks at for one underlying and one kind of option, and how it prices an order there."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from optionwriter.core.books.account import Side
from optionwriter.core.decide.crossing import exact, order_price
from optionwriter.core.decide.menu import Metrics, OrderLeg
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.rules import GateParams
from optionwriter.core.decide.screening import Screen, screen
from optionwriter.core.decide.state import AgentState, UnderlyingState
from optionwriter.core.decide.strategies.base import (
    StrategyConfig,
    Style,
    Writes,
    product_of,
)
from optionwriter.core.market.chain import F64, OptionChain
from optionwriter.core.market.context import MarketContext
from optionwriter.core.market.instruments import MS_PER_DAY, OptionType, Product


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """State, configuration and capacity, narrowed to one product and option type."""

    state: AgentState
    config: StrategyConfig
    capacity: Capacity
    writes: Writes
    product: Product
    underlying: UnderlyingState
    chain: OptionChain
    realised: float  # forecast volatility, a fraction a year; NaN when the past doesn't give one
    risk: F64  # (n,): the probability, within each option's life, of the event that hurts this side; NaN unknown

    @property
    def is_call(self) -> bool:
        """Whether it is calls that are written."""
        return self.writes.option_type is OptionType.CALL

    def screened(self, gates: GateParams) -> Screen:
        """The whole chain through the rules."""
        weights, at_ms = self.config.score, self.state.at_ms
        return screen(self.chain, self.is_call, self.realised, gates, weights, at_ms, self.risk)


def view_of(
    state: AgentState, config: StrategyConfig, capacity: Capacity, underlying: str, writes: Writes
) -> View | None:
    """The view, or None when the product was not seen."""
    product = product_of(writes, underlying)
    found = state.underlyings.get(underlying)
    chain = found.chains.get(product.code) if found is not None else None
    if found is None or chain is None:
        return None
    realised, risk = forecast_volatility(found.context), risk_of(found.context, chain, writes, state.at_ms)
    return View(state, config, capacity, writes, product, found, chain, realised, risk)


def risk_of(context: MarketContext, chain: OptionChain, writes: Writes, at_ms: int) -> F64:
    """Of every option of the chain the probability, within its life, of the pump (calls) or the crash (puts)."""
    risk = context.pump_risk if writes.option_type is OptionType.CALL else context.crash_risk
    expiries, rows = np.unique(chain.table.expiry_ms, return_inverse=True)
    return np.array([risk((expiry - at_ms) / MS_PER_DAY) for expiry in expiries.tolist()])[rows]


def forecast_volatility(context: MarketContext) -> float:
    """The realised volatility that is forecast for an option's life: the mean of the last 7 and 30 days'.

    One that is missing leaves the other; with both missing it is NaN, and every gate then says `data`.
    """
    return forecast_of(context.realised_7d, context.realised_30d)


def forecast_of(short: float, long: float) -> float:
    """The forecast from the realised volatilities of 7 and 30 days."""
    known = [one for one in (short, long) if one > 0]
    return sum(known) / len(known) if known else float("nan")


def leg_of(view: View, row: int, side: Side, amount: Decimal, reduce_only: bool) -> OrderLeg:
    """An order in one row of the chain, priced by the configured style; the row must be quoted on both sides.

    cross: the other side's price. mid: the middle, rounded to our own side. work: from the middle to the other side.
    """
    bid, ask = exact(float(view.chain.bid[row])), exact(float(view.chain.ask[row]))
    touch, middle = touch_price(view.product, side, bid, ask), middle_price(view.product, side, bid, ask)
    style = view.config.style
    return OrderLeg(
        instrument=view.chain.table.names[row],
        side=side,
        amount=amount,
        limit_price=middle if style is Style.MID else touch,
        start_price=touch if style is Style.CROSS else middle,
        reduce_only=reduce_only,
    )


def touch_price(product: Product, side: Side, bid: Decimal, ask: Decimal) -> Decimal:
    """The other side's price."""
    return order_price(product, side, bid if side is Side.SELL else ask)


def middle_price(product: Product, side: Side, bid: Decimal, ask: Decimal) -> Decimal:
    """The middle, rounded to our own side."""
    return order_price(product, side, (bid + ask) / 2)


def buy_back_price(product: Product, style: Style, bid: float, ask: float) -> Decimal:
    """The limit at which a quote is bought; where nobody bids, of the ask alone. `ask` must be above 0."""
    if not bid > 0:
        return product.floor_price(exact(ask))
    price = middle_price if style is Style.MID else touch_price
    return price(product, Side.BUY, exact(bid), exact(ask))


def metrics_of(screened: Screen, row: int) -> Metrics:
    """The metrics of one row."""
    return Metrics(*(float(one) for one in screened.metrics[row]))
