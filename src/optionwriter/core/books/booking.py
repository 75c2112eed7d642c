"""Booking: what the venue reports becomes facts, once, with our share told from others'.

Owns the rounding of a trade's cash, what counts as ours (a label of ours on the order it was sent as), and the split of
a settlement between our legs and a position that isn't ours. Pure: an event and a book in, facts out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from optionwriter.core.books.account import CashMovement, Fill, Settlement, VenueEvent
from optionwriter.core.books.book import Book, chains_of
from optionwriter.core.books.facts import Body, Deposited, Fact, Filled, Settled
from optionwriter.core.books.ledger import LedgerFault, apply, not_its_fill
from optionwriter.core.books.settlement import payoff
from optionwriter.core.market.instruments import Family, parse_instrument
from optionwriter.core.market.money import quantise

_NONE = Decimal(0)


def filled_from(fill: Fill, usdc_index: Decimal) -> Filled:
    """The body of a trade's fact; `usdc_index` (USD a USDC) values the cash of linear options.

    Errors: LedgerFault for a fee in another currency than the option settles in.
    """
    product = parse_instrument(fill.instrument).product
    if fill.fee and fill.fee_currency != product.settlement_currency:
        raise LedgerFault(
            f"trade {fill.trade_id} of {fill.instrument} charged its fee in {fill.fee_currency}, "
            f"not in {product.settlement_currency}: book the account by hand before going on"
        )
    currency = product.settlement_currency
    return Filled(
        label=fill.label,
        order_id=fill.order_id,
        trade_id=fill.trade_id,
        instrument=fill.instrument,
        side=fill.side,
        amount=fill.amount,
        price=fill.price,
        cash=quantise(-fill.side.sign * fill.amount * fill.price, currency),
        fee=quantise(fill.fee, currency),
        index=fill.index,
        currency_index=fill.index if product.family is Family.INVERSE else usdc_index,
        mark=fill.mark,
    )


def settled_from(settlement: Settlement, usdc_index: Decimal) -> Settled:
    """The body of a whole settlement's fact, as if all of it were one owner's."""
    product = parse_instrument(settlement.instrument).product
    inverse = product.family is Family.INVERSE
    return Settled(
        instrument=settlement.instrument,
        position=settlement.position,
        delivery_price=settlement.delivery_price,
        currency_index=settlement.delivery_price if inverse else usdc_index,
        payoff=quantise(settlement.payoff, product.settlement_currency),
        fee=quantise(settlement.fee, product.settlement_currency),
    )


def deposited_from(movement: CashMovement) -> Deposited:
    """The body of a cash movement's fact."""
    return Deposited(
        movement_id=movement.movement_id,
        currency=movement.currency,
        amount=quantise(movement.amount, movement.currency),
        reason=movement.kind,
        index=movement.index,
    )


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a venue event: whose it is ("" and "": not ours) and the body that books it."""

    chain_id: str
    strategy_id: str
    body: Body


def shares_of(event: VenueEvent, book: Book, usdc_index: Decimal) -> tuple[Share, ...]:
    """The bodies that book `event`, with their owners; none when it is booked already."""
    if isinstance(event, CashMovement):
        known = event.movement_id in book.movement_ids
        return () if known else (Share("", "", deposited_from(event)),)
    if isinstance(event, Fill):
        return () if event.trade_id in book.trade_ids else (_fill_share(event, book, usdc_index),)
    return _settlement_shares(event, book, usdc_index)


def book_event(
    event: VenueEvent, book: Book, recorded_ms: int, usdc_index: Decimal = Decimal(1)
) -> tuple[Fact, ...]:
    """The facts that follow on `book` for one venue event, ready to append and apply; none when already booked.

    A trade whose label we never used, or used for another order, is booked as not ours. A settlement of a position
    that is partly ours gives several facts, which belong in one append. `usdc_index`: USD a USDC now.
    """
    return tuple(
        Fact(
            seq=book.seq + 1 + place,
            at_ms=event.at_ms,
            recorded_ms=recorded_ms,
            account=book.account,
            strategy_id=share.strategy_id,
            decision_id="",
            chain_id=share.chain_id,
            body=share.body,
        )
        for place, share in enumerate(shares_of(event, book, usdc_index))
    )


def book_events(
    events: Iterable[VenueEvent], book: Book, recorded_ms: int, usdc_index: Decimal = Decimal(1)
) -> tuple[tuple[Fact, ...], Book]:
    """The facts of all `events` in their order, and the book after them."""
    facts: list[Fact] = []
    for event in events:
        for fact in book_event(event, book, recorded_ms, usdc_index):
            facts.append(fact)
            book = apply(book, fact)
    return tuple(facts), book


def _fill_share(fill: Fill, book: Book, usdc_index: Decimal) -> Share:
    body = filled_from(fill, usdc_index)
    order = book.orders.get(fill.label) if fill.label else None
    if order is None or not_its_fill(order, fill.order_id, fill.instrument, fill.side, fill.amount):
        return Share("", "", replace(body, label=""))
    return Share(order.chain_id, order.strategy_id, body)


def _settlement_shares(event: Settlement, book: Book, usdc_index: Decimal) -> tuple[Share, ...]:
    """One share for each of our legs and one for what isn't ours; payoffs and fees add up to the event's exactly."""
    if event.instrument in book.settled:
        return ()
    whole = settled_from(event, usdc_index)
    owners = [
        (chain.chain_id, chain.strategy_id, leg.position)
        for chain in chains_of(book, event.instrument)
        for leg in chain.open_legs
        if leg.instrument == event.instrument
    ]
    foreign = event.position - sum((position for _, _, position in owners), _NONE)
    if foreign or not owners:
        owners.append(("", "", foreign))
    parts = split_settlement(whole, tuple(position for _, _, position in owners))
    return tuple(
        Share(chain_id, strategy_id, part)
        for (chain_id, strategy_id, _), part in zip(owners, parts, strict=True)
    )


def split_settlement(whole: Settled, positions: tuple[Decimal, ...]) -> tuple[Settled, ...]:
    """`whole` cut into parts with these `positions` (signed, adding up to its own).

    A payoff is shared in proportion; where the venue netted positions of opposite signs it follows from the delivery
    price. Fees are shared by unsigned amount. Each part is on the booking grain; the last takes what rounding leaves.
    """
    instrument = parse_instrument(whole.instrument)
    currency = instrument.product.settlement_currency
    gross = sum((abs(position) for position in positions), _NONE)
    payoff_left, fee_left, parts = whole.payoff, whole.fee, []
    for place, position in enumerate(positions):
        if place == len(positions) - 1:
            flow, fee = payoff_left, fee_left
        else:
            if abs(whole.position) == gross:
                flow = quantise(whole.payoff * position / whole.position, currency)
            else:
                inverse = instrument.product.family is Family.INVERSE
                each = payoff(instrument.strike, whole.delivery_price, instrument.is_call, inverse)
                flow = quantise(position * each, currency)
            fee = quantise(whole.fee * abs(position) / gross, currency)
        payoff_left, fee_left = payoff_left - flow, fee_left - fee
        parts.append(replace(whole, position=position, payoff=flow, fee=fee))
    return tuple(parts)
