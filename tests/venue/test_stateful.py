"""Random lives of an exchange: whatever is asked in whatever order, the identities hold and a replay is identical."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, parse_instrument
from optionwriter.venue.engine import Engine
from optionwriter.venue.identities import check_identities
from optionwriter.venue.orders import OrderState
from optionwriter.venue.wire import reply_bytes
from tests.venue.desk import CASH
from tests.venue.flat_feed import MINUTE, START, FlatFeed

SIDES = st.sampled_from(["buy", "sell"])
ACCOUNTS = st.sampled_from(["me", "other"])
FLAGS: list[dict[str, Any]] = [
    {},
    {},
    {"post_only": True},
    {"reduce_only": True},
    {"time_in_force": "good_til_day"},
    {"time_in_force": "immediate_or_cancel"},
    {"time_in_force": "fill_or_kill"},
]
ORDERS = st.tuples(
    ACCOUNTS,
    SIDES,
    st.integers(0, 10_000),
    st.integers(1, 150),
    st.sampled_from(["0.5", "0.9", "0.97", "1", "1.04", "1.15"]),
    st.sampled_from(FLAGS),
)


class ExchangeMachine(RuleBasedStateMachine):
    """Two accounts, four products; prices near the quotes so that orders fill, rest, part-fill and miss."""

    @initialize(hour=st.integers(0, 23))
    def open(self, hour: int) -> None:
        self.feed = FlatFeed(strikes=3, expiries=2, wave=1.5)
        self.start = START + hour * MS_PER_HOUR
        self.engine = self.fresh()
        self.inputs: list[tuple[str, str | None, dict[str, Any], int]] = []
        self.replies: list[bytes] = []

    def fresh(self) -> Engine:
        return Engine(self.feed, {"me": CASH, "other": CASH}, self.start, allow_local=True)

    def send(self, account: str, method: str, params: dict[str, Any]) -> None:
        self.inputs.append((method, account, params, self.engine.now_ms))
        reply = self.engine.handle(account, method, params, self.engine.now_ms)
        self.replies.append(reply_bytes(reply, 1, 0, 0))

    @rule(orders=st.lists(ORDERS, min_size=1, max_size=6))
    def order(self, orders: list[tuple[str, str, int, int, str, dict[str, Any]]]) -> None:
        for account, side, pick, lots, skew, flags in orders:
            self.place(account, side, pick, lots, skew, flags)

    def place(self, account: str, side: str, pick: int, lots: int, skew: str, flags: dict[str, Any]) -> None:
        names = [one for code in self.feed.products for one in self.feed.listed(code, self.engine.now_ms)]
        name = names[pick % len(names)]
        product = parse_instrument(name).product
        mark = self.engine.state.market.quote(name, self.engine.now_ms).mark
        price = max(product.floor_price(mark * Decimal(skew)), product.tick_size)
        amount = product.amount_step * lots
        self.send(
            account, f"private/{side}", {"instrument_name": name, "amount": amount, "price": price, **flags}
        )

    @rule(account=ACCOUNTS, pick=st.integers(0, 100), lots=st.integers(1, 60), ticks=st.integers(-5, 5))
    def edit(self, account: str, pick: int, lots: int, ticks: int) -> None:
        resting = list(self.engine.account(account).open_orders.values())
        if resting:
            order = resting[pick % len(resting)]
            product = order.instrument.product
            price = product.floor_price(order.price + ticks * product.tick_at(order.price))
            params = {"order_id": order.order_id, "amount": product.amount_step * lots, "price": price}
            self.send(account, "private/edit", params)

    @rule(account=ACCOUNTS, pick=st.integers(0, 100))
    def cancel(self, account: str, pick: int) -> None:
        orders = list(self.engine.account(account).orders)
        if orders:
            self.send(account, "private/cancel", {"order_id": orders[pick % len(orders)]})

    @precondition(lambda self: len(self.engine.state.resting) > 5)
    @rule(account=ACCOUNTS)
    def cancel_everything(self, account: str) -> None:
        self.send(account, "private/cancel_all", {})

    @rule(account=ACCOUNTS, currency=st.sampled_from(list(CASH)), cents=st.integers(-900, 900))
    def move_cash(self, account: str, currency: str, cents: int) -> None:
        self.send(account, "local/deposit", {"currency": currency, "amount": Decimal(cents) / 100})

    @rule(step=st.sampled_from([1, 999, MINUTE, 7 * MINUTE, MS_PER_HOUR, 5 * MS_PER_HOUR, MS_PER_DAY]))
    def wait(self, step: int) -> None:
        self.engine.advance(self.engine.now_ms + step)

    @precondition(lambda self: self.inputs)
    @rule()
    def replay(self) -> None:
        again = self.fresh()
        replies = [
            reply_bytes(again.handle(account, method, params, at_ms), 1, 0, 0)
            for method, account, params, at_ms in self.inputs
        ]
        again.advance(self.engine.now_ms)
        assert replies == self.replies
        assert again.digest() == self.engine.digest()

    @invariant()
    def identities_hold(self) -> None:
        if hasattr(self, "engine"):
            assert check_identities(self.engine) == []

    @invariant()
    def nothing_is_negative_or_late(self) -> None:
        if not hasattr(self, "engine"):
            return
        now = self.engine.now_ms
        for account in self.engine.state.accounts.values():
            for name, position in account.positions.items():
                assert position.size and position.average >= 0
                assert parse_instrument(name).expiry_ms > now
            for order in account.orders.values():
                assert order.amount > 0 and order.price > 0 and order.open_amount >= 0
                assert order.state is not OrderState.OPEN or order.instrument.expiry_ms > now
            for trade in account.trades:
                assert trade.amount > 0 and trade.fee >= 0
                product = trade.order.instrument.product
                assert product.price_on_grid(trade.price) and trade.amount % product.amount_step == 0
                limit = trade.order.price
                if not trade.order.replaced:
                    better = trade.price <= limit if trade.order.side.sign > 0 else trade.price >= limit
                    assert better


TestExchange = ExchangeMachine.TestCase
TestExchange.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
