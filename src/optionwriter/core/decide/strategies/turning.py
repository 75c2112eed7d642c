"""Turning: where a wheel stands, as a fold over the chains that it has had on one underlying.

A wheel sells puts until one is settled in the money, then calls until one is, then puts again. On a cash-settled
exchange nothing is delivered: a put in the money costs USDC and brings no coin, a call in the money costs coin and
brings no USDC. What would turn the wheel all the same is a purchase (or sale) of the coin at the settlement, which is
told as advice and never ordered here. Keeps: nothing is remembered beside the book, so a restart changes nothing.

The cost basis of a coin is D - R/n: the delivery price D at which it could be had when a put was last settled in the
money, less the result R (USD, each flow at its own index: premiums, fees, payoffs) of all chains since the wheel's turn
began, over the n coins of that put. With one put, that is its strike less the premiums kept. A call in the money ends
the turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from optionwriter.core.books.chains import Chain, Leg, LegStatus
from optionwriter.core.market.instruments import OptionType, parse_instrument
from optionwriter.core.market.money import EXACT

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Turn:
    """Where the wheel stands. `writes` is the side whose turn it is, None before anything was settled in the money.

    `coins`: of the put that was last settled in the money, 0 when none was in this turn; `price`: the delivery price
    of what was. `result_usd` is the turn's result so far. `ended`: the instrument that was settled in the money last.
    """

    writes: OptionType | None = None
    coins: Decimal = _ZERO
    price: Decimal = _ZERO
    result_usd: Decimal = _ZERO
    ended: Leg | None = None

    @property
    def basis(self) -> Decimal | None:
        """Cost of a coin, USD, premiums kept taken off; None while no put was settled in the money in this turn."""
        return self.price - self.result_usd / self.coins if self.coins else None


def turn_of(chains: Iterable[Chain], strategy_id: str, underlying: str) -> Turn:
    """The wheel's place after all that the strategy did on the underlying, in the order in which it happened."""
    events: list[tuple[int, int, int, Decimal, Leg | None]] = []
    for place, chain in enumerate(chains):
        if chain.strategy_id != strategy_id or not chain.legs:
            continue
        if parse_instrument(chain.legs[0].instrument).product.underlying != underlying:
            continue
        for flow in chain.flows:
            events.append((flow.at_ms, 0, place, EXACT.multiply(flow.amount, flow.index), None))
        for leg in chain.legs:
            if in_the_money(leg):
                events.append((leg.closed_ms or 0, 1, place, _ZERO, leg))
    turn = Turn()
    # at one instant flows come first: a payoff belongs to the turn that it ends
    for _, _, _, usd, ended in sorted(events, key=lambda one: one[:3]):
        turn = _turned(replace(turn, result_usd=EXACT.add(turn.result_usd, usd)), ended)
    return turn


def _turned(turn: Turn, ended: Leg | None) -> Turn:
    if ended is None or ended.delivery_price is None:
        return turn
    if parse_instrument(ended.instrument).is_call:
        return Turn(OptionType.PUT, price=ended.delivery_price, ended=ended)
    return replace(turn, writes=OptionType.CALL, coins=ended.settled, price=ended.delivery_price, ended=ended)


def in_the_money(leg: Leg) -> bool:
    """Whether a sold leg ended at expiry in the money."""
    if not leg.sold or leg.status is not LegStatus.SETTLED or leg.delivery_price is None:
        return False
    option = parse_instrument(leg.instrument)
    gap = leg.delivery_price - option.strike
    return gap > 0 if option.is_call else gap < 0


def advice(turn: Turn, at: Decimal) -> str:
    """What would complete the wheel's turn, in words; "" while there is nothing to do. `at` is the index now, USD.

    After a put in the money: buy its coins. After a call in the money: sell what its strike comes to in coin.
    """
    leg = turn.ended
    if leg is None or leg.delivery_price is None:
        return ""
    option = parse_instrument(leg.instrument)
    coin = option.product.underlying
    head = f"{leg.instrument} was settled in the money at {leg.delivery_price:f}"
    if option.is_call:
        left = (leg.settled * option.strike / leg.delivery_price).quantize(Decimal("1e-8"))
        return (
            f"{head}: {leg.settled:f} {coin} would have gone at {option.strike:f}; nothing was sold. "
            f"To complete the wheel sell {left:f} {coin} at about {at:f} USD"
        )
    return (
        f"{head}: {leg.settled:f} {coin} would have come at {option.strike:f}; nothing was bought. "
        f"To complete the wheel buy {leg.settled:f} {coin} at about {at:f} USD"
    )
