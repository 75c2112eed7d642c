"""Orders on the exchange: sending one, ending one, and finding out what became of one (DESIGN §4).

Deribit knows no client order id and deduplicates nothing, so our label is the only way back to an order whose answer
was lost. Rules kept here: an answer that isn't certain is Unknown, never a rejection; a look-up that failed says
nothing; Absent needs every look-up to have succeeded after the order could no longer be taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from optionwriter.adapters.deribit import translate
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import (
    NO_OPEN_ORDER,
    DeribitError,
    MalformedReplyError,
    RequestNotSentError,
    VenueError,
)
from optionwriter.adapters.deribit.trades import trades_between
from optionwriter.adapters.deribit.wire import OrderReply, OrderRow, TradeRow
from optionwriter.core.books.account import (
    Absent,
    Acknowledged,
    Fill,
    Found,
    Lookup,
    LookupFailed,
    Outcome,
    Rejected,
    Side,
    Unknown,
    VenueOrder,
)
from optionwriter.core.books.facts import Intent
from optionwriter.core.market.instruments import MS_PER_DAY, parse_instrument
from optionwriter.ports import Clock

PAGE = 1_000  # the most that order history and trades give at once (FACTS §2)
_MOST_PAGES = 100

# How long after valid_until an order that was taken may still be missing from the look-ups: the exchange's lag is not
# documented (FAULTS F6), ten seconds are assumed.
VISIBILITY_LAG_MS = 10_000


class Orders:
    """Sends, cancels and finds orders of one account."""

    def __init__(self, client: DeribitClient, clock: Clock, visibility_lag_ms: int) -> None:
        self._client = client
        self._clock = clock
        self._lag_ms = visibility_lag_ms

    def send(self, intent: Intent) -> Outcome:
        """private/buy or private/sell: one limit order, good till cancelled, that the exchange takes until
        `valid_until` or not at all. Never raises for what the wire does."""
        params: dict[str, object] = {
            "instrument_name": intent.instrument,
            "amount": intent.amount,
            "type": "limit",
            "price": intent.limit_price,
            "label": intent.label,
            "time_in_force": "good_til_cancelled",
            "post_only": False,  # said, because METHODS prints true as its default
            "reduce_only": intent.reduce_only,
            "valid_until": intent.valid_until_ms,
        }
        try:
            reply = self._client.call(f"private/{intent.side.value}", params, OrderReply)
            return _acknowledged(intent, reply)
        except DeribitError as error:
            if error.is_refusal:
                return Rejected(error.code, str(error))
            return Unknown(f"the exchange answered {error}")
        except RequestNotSentError as error:
            return Rejected(0, str(error))
        except VenueError as error:
            return Unknown(str(error))

    def cancel(self, label: str, order_id: str, instrument: str) -> Lookup:
        """private/cancel, and how the order ended: by the reply, or by a look-up when it was no longer open."""
        try:
            try:
                row = self._client.call("private/cancel", {"order_id": order_id}, OrderRow)
            except DeribitError as error:
                if error.code not in NO_OPEN_ORDER:
                    return LookupFailed(f"order {order_id} could not be cancelled: {error}")
                row = self._ended(label, order_id, instrument)
            order = translate.order(row)
            if (order.order_id, order.label, order.instrument) != (order_id, label, instrument):
                return LookupFailed(f"asked to cancel {order_id} ({label}), the answer is about {order}")
            if order.state == "open":
                return LookupFailed(f"order {order_id} is still open after its cancellation")
            return Found(order, self._fills(order))
        except VenueError as error:
            return LookupFailed(str(error))

    def look_up(self, intent: Intent) -> Lookup:
        """Finds the order by its label: recent orders, open orders, order history and trades, recent and archived.

        Absent only when exchange time was past `valid_until` (and the visibility lag) before the first look, and all
        of them succeeded without a trace.
        """
        begun_ms = self._clock.now_ms()
        try:
            row = self._find(intent.label, intent.instrument, since_ms=intent.valid_until_ms - MS_PER_DAY)
            if row is not None:
                order = translate.order(row)
                return Found(order, self._fills(order))
        except VenueError as error:
            return LookupFailed(str(error))
        if begun_ms <= intent.valid_until_ms + self._lag_ms:
            return LookupFailed(
                f"{intent.label} is not to be seen, but the exchange may take it until {intent.valid_until_ms}"
            )
        return Absent(begun_ms)

    def _ended(self, label: str, order_id: str, instrument: str) -> OrderRow:
        """The order that was no longer open. Raises VenueError when it can't be found, for it did exist."""
        try:
            return self._client.call("private/get_order_state", {"order_id": order_id}, OrderRow)
        except DeribitError as error:
            if error.code not in NO_OPEN_ORDER:
                raise
        row = self._find(label, instrument, since_ms=self._clock.now_ms() - 7 * MS_PER_DAY)
        if row is None:
            raise MalformedReplyError(
                f"order {order_id} ({label}) was acknowledged and is nowhere to be found"
            )
        return row

    def _find(self, label: str, instrument: str, since_ms: int) -> OrderRow | None:
        """The one order with this label on this instrument, None when no look-up shows any."""
        currency = parse_instrument(instrument).product.settlement_currency
        by_label: dict[str, object] = {"currency": currency, "label": label}
        looks: tuple[Callable[[], Iterable[OrderRow]], ...] = (
            lambda: self._client.call("private/get_order_state_by_label", by_label, list[OrderRow]),
            lambda: self._client.call("private/get_open_orders_by_label", by_label, list[OrderRow]),
            lambda: self._history(instrument, historical=False),
            lambda: self._history(instrument, historical=True),
            lambda: self._traded(label, instrument, currency, since_ms),
        )
        for look in looks:
            hits = {
                row.order_id: row
                for row in look()
                if row.label == label and row.instrument_name == instrument
            }
            if len(hits) > 1:
                raise MalformedReplyError(f"{len(hits)} orders carry the label {label}: {', '.join(hits)}")
            if hits:
                return next(iter(hits.values()))
        return None

    def _history(self, instrument: str, historical: bool) -> list[OrderRow]:
        rows: dict[str, OrderRow] = {}
        for page in range(_MOST_PAGES):
            found = self._client.call(
                "private/get_order_history_by_instrument",
                {
                    "instrument_name": instrument,
                    "count": PAGE,
                    "offset": page * PAGE,
                    "include_old": True,
                    "include_unfilled": True,
                    "historical": historical,
                },
                list[OrderRow],
            )
            rows.update((row.order_id, row) for row in found)
            if len(found) < PAGE:
                return list(rows.values())
        raise MalformedReplyError(f"more than {_MOST_PAGES} pages of order history")

    def _traded(self, label: str, instrument: str, currency: str, since_ms: int) -> list[OrderRow]:
        """Orders that only their trades still show."""
        until_ms = self._clock.now_ms()
        trades = trades_between(self._client, currency, since_ms, until_ms)
        ids = {
            trade.order_id for trade in trades if trade.label == label and trade.instrument_name == instrument
        }
        return [
            self._client.call("private/get_order_state", {"order_id": one}, OrderRow) for one in sorted(ids)
        ]

    def _fills(self, order: VenueOrder) -> tuple[Fill, ...]:
        """All trades of an order. Raises MalformedReplyError unless they add up to what the order says it filled."""
        if order.filled_amount == 0:
            return ()
        trades: dict[str, TradeRow] = {}
        for historical in (False, True):
            rows = self._client.call(
                "private/get_user_trades_by_order",
                {"order_id": order.order_id, "historical": historical},
                list[TradeRow],
            )
            trades.update((row.trade_id, row) for row in rows)
            if sum((row.amount for row in trades.values()), Decimal(0)) == order.filled_amount:
                return _in_order(order, trades.values())
        raise MalformedReplyError(
            f"order {order.order_id} says it filled {order.filled_amount}, its trades show another sum"
        )


def _acknowledged(intent: Intent, reply: OrderReply) -> Outcome:
    """The outcome of a reply. Raises MalformedReplyError when it is about another order than ours."""
    order = translate.order(reply.order)
    wanted = (intent.label, intent.instrument, intent.side)
    # a reduce-only order may be cut to what there is to reduce
    right_size = order.amount == intent.amount or (intent.reduce_only and order.amount < intent.amount)
    if (order.label, order.instrument, order.side) != wanted or not right_size:
        raise MalformedReplyError(f"sent {wanted} {intent.amount}, the answer is about {order}")
    if (order.price - intent.limit_price) * intent.side.sign > 0:
        raise MalformedReplyError(
            f"sent at {intent.limit_price}, the exchange took it at the worse {order.price}"
        )
    fills = _in_order(order, reply.trades)
    if sum((fill.amount for fill in fills), Decimal(0)) != order.filled_amount:
        raise MalformedReplyError(
            f"the order says it filled {order.filled_amount}, its trades show another sum"
        )
    if order.state == "rejected" and not fills:
        return Rejected(0, "the exchange took the order and rejected it")
    return Acknowledged(order, fills)


def _in_order(order: VenueOrder, trades: Iterable[TradeRow]) -> tuple[Fill, ...]:
    """An order's trades as fills, oldest first. Raises MalformedReplyError for one that can't be this order's."""
    fills = [translate.fill(row) for row in trades]
    for fill in fills:
        if (fill.order_id, fill.instrument) != (order.order_id, order.instrument):
            raise MalformedReplyError(f"trade {fill.trade_id} is not of order {order.order_id}")
        if (fill.side, fill.label) != (order.side, order.label) or not _kept_limit(order, fill):
            raise MalformedReplyError(f"trade {fill.trade_id} contradicts its order: {fill} against {order}")
    return tuple(sorted(fills, key=lambda fill: (fill.at_ms, len(fill.trade_id), fill.trade_id)))


def _kept_limit(order: VenueOrder, fill: Fill) -> bool:
    """A fill is never worse than its order's limit (FAULTS F19)."""
    return fill.price <= order.price if order.side is Side.BUY else fill.price >= order.price
