"""Rows of the wire as the values of core: orders, fills, positions.

Owns the reading of words (directions, prices that are no number). A word that is not known is a malformed reply.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from optionwriter.adapters.deribit.errors import MalformedReplyError
from optionwriter.adapters.deribit.wire import OrderRow, PositionRow, TradeRow
from optionwriter.core.books.account import Fill, Position, Side, VenueOrder

_NO_PRICE = b'"market_price"'  # an open trigger-market order (FACTS §2); nobody places one here but by hand


def side(word: str) -> Side:
    """buy or sell."""
    try:
        return Side(word)
    except ValueError:
        raise MalformedReplyError(f"direction {word!r}: expected buy or sell") from None


def order(row: OrderRow) -> VenueOrder:
    """An order; one without a price of its own (trigger-market, not ours) has price 0."""
    return VenueOrder(
        order_id=row.order_id,
        label=row.label,
        instrument=row.instrument_name,
        side=side(row.direction),
        amount=row.amount,
        filled_amount=row.filled_amount,
        price=_price(row),
        state=row.order_state,
        reduce_only=row.reduce_only,
        created_ms=row.creation_timestamp,
    )


def fill(row: TradeRow) -> Fill:
    """A trade of the account's. `direction` is taken for the account's own side (assumed: METHODS says the taker's,
    its examples and every client show the own order's)."""
    return Fill(
        trade_id=row.trade_id,
        order_id=row.order_id,
        label=row.label,
        instrument=row.instrument_name,
        side=side(row.direction),
        amount=row.amount,
        price=row.price,
        fee=row.fee,
        fee_currency=row.fee_currency,
        index=row.index_price,
        mark=row.mark_price,
        at_ms=row.timestamp,
    )


def position(row: PositionRow) -> Position:
    """A position; `size` is signed on the wire."""
    return Position(row.instrument_name, row.size, row.average_price, row.mark_price)


def _price(row: OrderRow) -> Decimal:
    raw = bytes(row.price)
    if raw == _NO_PRICE:
        return Decimal(0)
    try:
        price = Decimal(raw.decode("ascii"))
    except (InvalidOperation, UnicodeDecodeError):
        raise MalformedReplyError(f"order {row.order_id} has the price {raw[:40]!r}") from None
    if not price.is_finite():
        raise MalformedReplyError(f"order {row.order_id} has the price {price}")
    return price
