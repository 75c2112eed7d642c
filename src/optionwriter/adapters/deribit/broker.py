"""DeribitBroker: the account and the orders on the exchange. Implements ports.Broker.

Owns the account's picture; orders and events have files of their own. Reading raises BrokerUnavailableError with what
failed; sending, cancelling and looking up answer with what is known and never raise for what the wire does.
"""

from __future__ import annotations

from collections.abc import Sequence

from optionwriter.adapters.deribit import translate
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import MalformedReplyError, VenueError
from optionwriter.adapters.deribit.events import events_between
from optionwriter.adapters.deribit.orders import VISIBILITY_LAG_MS, Orders
from optionwriter.adapters.deribit.wire import OrderRow, PositionRow, Summaries, Summary
from optionwriter.core.books.account import (
    AccountSnapshot,
    CurrencyAccount,
    Lookup,
    Outcome,
    VenueEvent,
)
from optionwriter.core.books.facts import Intent
from optionwriter.ports import BrokerUnavailableError, Clock

CURRENCIES = ("BTC", "ETH", "USDC")  # of the products that are traded; others of the account are left alone


class DeribitBroker:
    """One account on the exchange."""

    def __init__(
        self,
        client: DeribitClient,
        clock: Clock,
        account_id: str,
        environment: str,
        visibility_lag_ms: int = VISIBILITY_LAG_MS,
    ) -> None:
        """`environment` must be the client's: ValueError otherwise."""
        if environment != client.environment:
            raise ValueError(f"a {environment} broker cannot speak over a {client.environment} client")
        self._client = client
        self._clock = clock
        self._account_id = account_id
        self._orders = Orders(client, clock, visibility_lag_ms)
        self._venue_account: int | None = None  # the exchange's own number of the account

    def account(self) -> AccountSnapshot:
        """The account now: summaries, positions, resting orders. Raises BrokerUnavailableError."""
        try:
            whole = self._client.call("private/get_account_summaries", {"extended": True}, Summaries)
            self._check_account(whole.id)
            positions = self._client.call("private/get_positions", {"currency": "any"}, list[PositionRow])
            orders = self._client.call("private/get_open_orders", {}, list[OrderRow])
            summaries = [one for one in whole.summaries if one.currency in CURRENCIES]
            return AccountSnapshot(
                at_ms=self._clock.now_ms(),
                account_id=self._account_id,
                environment=self._client.environment,
                margin_model=_margin_model(summaries),
                cross_collateral=any(one.cross_collateral_enabled for one in whole.summaries),
                currencies=tuple(_currency(one) for one in summaries),
                positions=tuple(translate.position(row) for row in positions if row.size != 0),
                open_orders=tuple(translate.order(row) for row in orders),
            )
        except VenueError as error:
            raise BrokerUnavailableError(f"the account could not be read: {error}") from error

    def _check_account(self, number: int | None) -> None:
        """Raises MalformedReplyError when the exchange shows another account than it did before."""
        if self._venue_account is None:
            self._venue_account = number
        if number is not None and number != self._venue_account:
            raise MalformedReplyError(
                f"the reply shows account {number}, before it was {self._venue_account}: the key of another account?"
            )

    def send(self, intent: Intent) -> Outcome:
        """Sends one limit order, good till cancelled."""
        return self._orders.send(intent)

    def cancel(self, label: str, order_id: str, instrument: str) -> Lookup:
        """Cancels and says how the order ended."""
        return self._orders.cancel(label, order_id, instrument)

    def look_up(self, intent: Intent) -> Lookup:
        """Finds an order of ours by its label."""
        return self._orders.look_up(intent)

    def events_since(self, at_ms: int) -> Sequence[VenueEvent]:
        """Trades, settlements and cash movements at or after `at_ms`, by time. Raises BrokerUnavailableError."""
        try:
            return events_between(self._client, CURRENCIES, at_ms, self._clock.now_ms())
        except VenueError as error:
            raise BrokerUnavailableError(f"the account's history could not be read: {error}") from error


def _currency(row: Summary) -> CurrencyAccount:
    return CurrencyAccount(
        currency=row.currency,
        balance=row.balance,
        equity=row.equity,
        margin_balance=row.margin_balance,
        options_value=row.options_value,
        initial_margin=row.initial_margin,
        maintenance_margin=row.maintenance_margin,
    )


def _margin_model(summaries: Sequence[Summary]) -> str:
    models = {one.margin_model for one in summaries}
    if len(models) != 1:
        raise MalformedReplyError(f"the account shows the margin models {sorted(models)}, expected one")
    return models.pop()
