"""The upside ledger: what each chain gave up beyond its strikes, against the premium that it kept.

A fold over the ledger's facts. Rules:

- given up is what an option owed because the price had passed its strike: payoffs paid at expiry, and of a buy-back the
  part that was in the money at the index of that instant, never more than the buy-back cost. A bought leg of a bundle
  gives back: what it brings beyond its own strike is taken off
- kept is every other flow: premiums, the rest of what buy-backs cost, fees. So kept less given up is exactly what the
  chain's flows add up to, in the settlement currency and, each flow at the index of its instant, in USD
- for a call what is given up are coins above the strike; for a linear put USDC below it
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import Chain, FlowKind
from optionwriter.core.books.facts import Adopted, Fact, Filled, Settled
from optionwriter.core.books.pnl import Both
from optionwriter.core.books.settlement import payoff
from optionwriter.core.market.instruments import Family, parse_instrument
from optionwriter.core.market.money import EXACT, quantise

_ZERO = Decimal(0)
_NONE = Both()


@dataclass(frozen=True, slots=True)
class Upside:
    """One chain. `given_up` and `kept` are positive when given up and kept; `currency` is the settlement currency."""

    chain_id: str
    strategy_id: str
    underlying: str
    option_type: str
    currency: str
    given_up: Both = _NONE
    kept: Both = _NONE

    @property
    def net(self) -> Both:
        """What the chain's flows add up to."""
        return self.kept - self.given_up


@dataclass(frozen=True, slots=True)
class UpsideTotal:
    """The sum over the chains of one strategy, underlying and option type, which settle in one currency."""

    strategy_id: str
    underlying: str
    option_type: str
    currency: str
    chains: int
    given_up: Both
    kept: Both


class UpsideLedger:
    """The fold. Facts go in once, in their order; facts of no chain are nobody's upside."""

    def __init__(self) -> None:
        self.seq = 0  # of the last fact
        self._chains: dict[str, Upside] = {}
        self._held: dict[tuple[str, str], Decimal] = {}  # (chain, instrument) to signed coins

    def add(self, facts: Iterable[Fact]) -> None:
        """Folds further facts in; those that were folded before are left out."""
        for fact in facts:
            if fact.seq > self.seq:
                self.seq = fact.seq
                if fact.chain_id and isinstance(fact.body, Filled | Settled | Adopted):
                    self._booked(fact, fact.body)

    def chains(self) -> tuple[Upside, ...]:
        """Every chain that ever traded, in the order of its first trade."""
        return tuple(self._chains.values())

    def of(self, chain_id: str) -> Upside | None:
        """One chain's, None when it never traded."""
        return self._chains.get(chain_id)

    def totals(self) -> tuple[UpsideTotal, ...]:
        """Sums by strategy, underlying and option type, in that order."""
        sums: dict[tuple[str, str, str], UpsideTotal] = {}
        for one in self._chains.values():
            key = (one.strategy_id, one.underlying, one.option_type)
            so_far = sums.get(key, UpsideTotal(*key, one.currency, 0, Both(), Both()))
            sums[key] = replace(
                so_far,
                chains=so_far.chains + 1,
                given_up=so_far.given_up + one.given_up,
                kept=so_far.kept + one.kept,
            )
        return tuple(sums[key] for key in sorted(sums))

    def _booked(self, fact: Fact, body: Filled | Settled | Adopted) -> None:
        option = parse_instrument(body.instrument)
        key = (fact.chain_id, body.instrument)
        held = self._held.get(key, _ZERO)
        if isinstance(body, Filled):
            signed = body.side.sign * body.amount
            gone = beyond_strike(body.instrument, body.side, body.amount, body.price, body.index, held)
            flow, after = body.cash - body.fee, held + signed
        elif isinstance(body, Settled):
            gone, flow, after = -body.payoff, body.payoff - body.fee, held - body.position
        else:
            currency = option.product.settlement_currency
            gone, flow = _ZERO, quantise(-body.position * body.average_price, currency)
            after = held + body.position
        self._held[key] = after
        chain = self._chains.get(fact.chain_id) or Upside(
            fact.chain_id,
            fact.strategy_id,
            option.product.underlying,
            option.option_type.value,
            option.product.settlement_currency,
        )
        self._chains[fact.chain_id] = replace(
            chain,
            given_up=chain.given_up + _both(gone, body.currency_index),
            kept=chain.kept + _both(EXACT.add(flow, gone), body.currency_index),
        )


class Trade(Protocol):
    """A trade of a chain, as much as the upside needs of it; `index` is the underlying's, `side` buy or sell."""

    @property
    def instrument(self) -> str: ...
    @property
    def side(self) -> str: ...
    @property
    def amount(self) -> Decimal: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def index(self) -> Decimal: ...


def upside_of(chain: Chain, trades: Sequence[Trade]) -> tuple[Both, Both]:
    """(given up, kept) of one chain from its flows and `trades`, all of them, oldest first; as the fold gives them.

    Errors: ValueError when the trades are not those of the flows.
    """
    premiums = [flow for flow in chain.flows if flow.kind is FlowKind.PREMIUM]
    held: dict[str, Decimal] = {}
    for flow in chain.flows:  # a position that was taken over is no trade
        if flow.kind is FlowKind.TAKEN_OVER:
            taken = next(one for one in chain.legs if one.instrument == flow.instrument and not one.label)
            held[flow.instrument] = taken.opened if flow.amount < 0 else -taken.opened
    gone = total = _NONE
    for flow, trade in zip(premiums, trades, strict=True):
        side, before = Side(trade.side), held.get(trade.instrument, _ZERO)
        beyond = beyond_strike(trade.instrument, side, trade.amount, trade.price, trade.index, before)
        gone += _both(beyond, flow.index)
        held[trade.instrument] = before + side.sign * trade.amount
    for flow in chain.flows:
        worth = _both(flow.amount, flow.index)
        total += worth
        if flow.kind is FlowKind.PAYOFF:
            gone -= worth
    return gone, total + gone


def beyond_strike(
    instrument: str, side: Side, amount: Decimal, price: Decimal, index: Decimal, held: Decimal
) -> Decimal:
    """What of a trade's cash was in the money, on the booking grain: positive when it was paid to be rid of a short.

    `held` is the position before it, signed; only what goes against it counts, and never more than the price paid.
    """
    against = held < 0 if side is Side.BUY else held > 0
    closing = min(amount, abs(held)) if against else _ZERO
    if not closing:
        return _ZERO
    option = parse_instrument(instrument)
    inverse = option.product.family is Family.INVERSE
    inside = payoff(option.strike, index, option.is_call, inverse)
    return side.sign * quantise(closing * min(inside, price), option.product.settlement_currency)


def _both(coin: Decimal, index: Decimal) -> Both:
    return Both(coin, EXACT.multiply(coin, index))
