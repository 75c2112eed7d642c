"""What trades, settlements and adoptions do to a chain: legs open, grow, shrink and end; flows are added.

Owns the netting of a trade against a leg and the release of its basis. Pure: a chain in, a chain out. Whether a
chain is closed the ledger says, who also knows its orders.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from optionwriter.core.books.chains import Chain, Flow, FlowKind, Leg, LegStatus
from optionwriter.core.books.facts import Adopted, Filled, Settled
from optionwriter.core.market.instruments import parse_instrument
from optionwriter.core.market.money import EXACT, quantise

_NONE = Decimal(0)
_USD_GRAIN = Decimal("1e-12")  # only where a basis is split; the two parts always add up


def traded(chain: Chain, at_ms: int, fill: Filled, rolling: bool) -> Chain:
    """The chain after a trade: what goes against an open leg closes it, the rest opens or extends one.

    `rolling`: the trade belongs to a roll, which counts once, when its new leg begins.
    """
    flows = (*chain.flows, Flow(at_ms, FlowKind.PREMIUM, fill.cash, fill.currency_index, fill.instrument))
    if fill.fee:
        flows = (*flows, Flow(at_ms, FlowKind.FEE, -fill.fee, fill.currency_index, fill.instrument))
    signed = fill.side.sign * fill.amount
    leg = chain.open_leg(fill.instrument)
    legs, opening, opening_cash = chain.legs, signed, fill.cash
    if leg is not None and leg.position * signed < 0:
        closing = min(fill.amount, abs(leg.position))
        shrunk = _shrunk(leg, closing, fill.price, at_ms, LegStatus.CLOSED)
        legs = _replaced(legs, leg, shrunk)
        opening = (fill.amount - closing) * fill.side.sign
        opening_cash = fill.cash - _share(fill.cash, closing, fill.amount, fill.instrument)
        leg = None
    rolls = chain.rolls
    if opening and leg is not None:
        grown = _grown(leg, opening, opening_cash, fill)
        legs = _replaced(legs, leg, grown)
    elif opening:
        rolls += 1 if rolling and legs else 0
        usd = EXACT.multiply(opening_cash, fill.currency_index)
        legs = (*legs, _new_leg(fill.instrument, opening, opening_cash, usd, fill.price, at_ms, fill.label))
    return replace(chain, legs=legs, flows=flows, rolls=rolls)


def settled(chain: Chain, at_ms: int, leg: Leg, end: Settled) -> Chain:
    """The chain after its `leg` ended at expiry."""
    worth = abs(end.payoff / end.position) if end.position else _NONE
    amount = abs(leg.position)
    ended = replace(
        _shrunk(leg, amount, worth, at_ms, LegStatus.SETTLED),
        settled=amount,
        delivery_price=end.delivery_price,
    )
    flows = chain.flows
    if end.payoff:
        flows = (*flows, Flow(at_ms, FlowKind.PAYOFF, end.payoff, end.currency_index, end.instrument))
    if end.fee:
        flows = (*flows, Flow(at_ms, FlowKind.DELIVERY_FEE, -end.fee, end.currency_index, end.instrument))
    return replace(chain, legs=_replaced(chain.legs, leg, ended), flows=flows)


def adopted(chain: Chain, at_ms: int, taken: Adopted) -> Chain:
    """The chain with a leg that is taken over at its average price, as if it had been traded there and then."""
    currency = parse_instrument(taken.instrument).product.settlement_currency
    worth = quantise(-taken.position * taken.average_price, currency)
    flow = Flow(at_ms, FlowKind.TAKEN_OVER, worth, taken.currency_index, taken.instrument)
    usd = EXACT.multiply(worth, taken.currency_index)
    leg = _new_leg(taken.instrument, taken.position, worth, usd, taken.average_price, at_ms, "")
    return replace(chain, legs=(*chain.legs, leg), flows=(*chain.flows, flow))


def _new_leg(
    instrument: str, position: Decimal, basis: Decimal, usd: Decimal, price: Decimal, at_ms: int, label: str
) -> Leg:
    return Leg(
        instrument=instrument,
        position=position,
        opened=abs(position),
        basis=basis,
        basis_usd=usd,
        entry_price=price,
        exit_price=None,
        opened_ms=at_ms,
        closed_ms=None,
        label=label,
        status=LegStatus.OPEN,
        sold=position < 0,
    )


def _grown(leg: Leg, amount: Decimal, cash: Decimal, fill: Filled) -> Leg:
    opened = leg.opened + abs(amount)
    return replace(
        leg,
        position=leg.position + amount,
        opened=opened,
        basis=EXACT.add(leg.basis, cash),
        basis_usd=EXACT.add(leg.basis_usd, EXACT.multiply(cash, fill.currency_index)),
        entry_price=(leg.entry_price * leg.opened + fill.price * abs(amount)) / opened,
    )


def _shrunk(leg: Leg, amount: Decimal, price: Decimal, at_ms: int, end: LegStatus) -> Leg:
    """The leg with `amount` (unsigned) of it closed at `price`, its basis released in proportion."""
    held = abs(leg.position)
    gone_before = leg.opened - held
    paid = _NONE if leg.exit_price is None else leg.exit_price * gone_before
    exit_price = (paid + price * amount) / (gone_before + amount)
    if amount == held:
        return replace(
            leg,
            position=_NONE,
            basis=_NONE,
            basis_usd=_NONE,
            exit_price=exit_price,
            closed_ms=at_ms,
            status=end,
        )
    sign = 1 if leg.position > 0 else -1
    return replace(
        leg,
        position=sign * (held - amount),
        basis=leg.basis - _share(leg.basis, amount, held, leg.instrument),
        basis_usd=leg.basis_usd - (leg.basis_usd * amount / held).quantize(_USD_GRAIN),
        exit_price=exit_price,
    )


def _share(total: Decimal, part: Decimal, whole: Decimal, instrument: str) -> Decimal:
    """`part`/`whole` of a booked amount, on the booking grain."""
    if part == whole:
        return total
    return quantise(total * part / whole, parse_instrument(instrument).product.settlement_currency)


def _replaced(legs: tuple[Leg, ...], old: Leg, new: Leg) -> tuple[Leg, ...]:
    return tuple(new if leg is old else leg for leg in legs)
