"""Identities: what must hold of every account after every event (FACTS §4), recomputed from the records.

Used by tests and by whoever doubts the engine; it changes nothing.
"""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.margin import available_funds
from optionwriter.venue.accounts import Account
from optionwriter.venue.engine import Engine
from optionwriter.venue.orders import OrderState
from optionwriter.venue.valuation import currency_view, equity
from optionwriter.venue.values import ZERO


def check_identities(engine: Engine) -> list[str]:
    """Every identity that is broken, in words; an empty list when all hold."""
    broken: list[str] = []
    for account in engine.state.accounts.values():
        broken += [f"{account.account_id}: {one}" for one in _of_account(engine, account)]
    return broken


def _of_account(engine: Engine, account: Account) -> list[str]:
    return [
        *_cash(account),
        *_positions(engine, account),
        *_orders(engine, account),
        *_summary(engine, account),
    ]


def _cash(account: Account) -> list[str]:
    broken = []
    for currency, balance in account.cash.items():
        running = account.opening.get(currency, ZERO)
        for entry in account.log:
            if entry.currency == currency:
                running += entry.change
                if entry.balance != running:
                    broken.append(
                        f"entry {entry.entry_id} shows {entry.balance}, the changes add up to {running}"
                    )
                if entry.change != entry.cashflow - entry.commission:
                    broken.append(f"entry {entry.entry_id}: change is not cashflow less commission")
        if balance != running:
            broken.append(f"{currency} {balance} is not the opening plus the log's changes, {running}")
    return broken


def _positions(engine: Engine, account: Account) -> list[str]:
    sizes: dict[str, Decimal] = {}
    for trade in account.trades:
        if trade.order.instrument.expiry_ms > engine.now_ms:
            name = trade.order.instrument.name
            sizes[name] = sizes.get(name, ZERO) + trade.order.side.sign * trade.amount
    held = {name: position.size for name, position in account.positions.items()}
    if {name: size for name, size in sizes.items() if size} != held:
        return [f"positions {held} are not the sum of the fills {sizes}"]
    return []


def _orders(engine: Engine, account: Account) -> list[str]:
    broken = []
    resting = {one.order_id for queue in engine.state.resting.values() for one in queue}
    for order in account.orders.values():
        filled = sum((one.amount for one in account.trades if one.order is order), ZERO)
        if order.filled != filled or not ZERO <= filled <= order.amount:
            broken.append(
                f"order {order.order_id} says {order.filled} of {order.amount}, its trades {filled}"
            )
        is_open = order.state is OrderState.OPEN
        if is_open != (order.order_id in resting) or is_open != (order.order_id in account.open_orders):
            broken.append(f"order {order.order_id} is {order.state} and its place in the book says otherwise")
        if (order.state is OrderState.FILLED) != (filled == order.amount):
            broken.append(f"order {order.order_id} is {order.state} with {filled} of {order.amount}")
    return broken


def _summary(engine: Engine, account: Account) -> list[str]:
    broken = []
    for currency in account.cash:
        view = currency_view(engine.state.market, account, currency, engine.now_ms)
        if (
            view.equity != view.balance + view.options_value
            or view.margin_balance != view.equity - view.options_value
        ):
            broken.append(f"{currency}: equity {view.equity} does not add up")
        if view.equity != equity(engine.state.market, account, currency, engine.now_ms):
            broken.append(f"{currency}: equity {view.equity} is not balance plus marks")
        if available_funds(view) != view.margin_balance - view.initial_margin:
            broken.append(f"{currency}: available funds do not add up")
        if view.initial_margin < view.maintenance_margin or view.maintenance_margin < 0:
            broken.append(f"{currency}: margins {view.initial_margin}, {view.maintenance_margin}")
    return broken
