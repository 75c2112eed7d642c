"""Shapes: the engine's records as the wire shows them.

Owns the field names and roundings of orders, trades, log entries and settlements (METHODS.md and the recorded
payloads). Numbers stay Decimal here; venue.wire turns them into text.
"""

from __future__ import annotations

from decimal import Decimal

from optionwriter.venue.accounts import Account
from optionwriter.venue.orders import Order, Trade
from optionwriter.venue.rules import contract_size
from optionwriter.venue.translog import LogEntry, SettlementEntry
from optionwriter.venue.values import Json, rounded


def order_shape(order: Order, account: Account) -> Json:
    """An order, with the fields of the recorded buy and sell replies of 2026."""
    size = contract_size(order.instrument.product)
    shape: Json = {
        "order_id": order.order_id,
        "user_id": account.user_id,
        "instrument_name": order.instrument.name,
        "direction": order.side.value,
        "order_type": "limit",
        "order_state": order.state.value,
        "time_in_force": order.time_in_force.value,
        "label": order.label,
        "price": order.price,
        "amount": order.amount,
        "contracts": order.amount / size,
        "filled_amount": order.filled,
        "average_price": rounded(order.average_price, 8),
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "creation_timestamp": order.created_ms,
        "last_update_timestamp": order.updated_ms,
        "replaced": order.replaced,
        "is_liquidation": False,
        "risk_reducing": False,
        "mmp": False,
        "api": True,
        "web": False,
    }
    if order.post_only:
        shape["reject_post_only"] = order.reject_post_only
    if order.cancel_reason:
        shape["cancel_reason"] = order.cancel_reason
    return shape


def trade_shape(trade: Trade, account: Account) -> Json:
    """A user's trade; `label` is there only when it was set (FACTS §2)."""
    order = trade.order
    product = order.instrument.product
    shape: Json = {
        "trade_id": trade.trade_id,
        "trade_seq": trade.trade_seq,
        "order_id": order.order_id,
        "user_id": account.user_id,
        "instrument_name": order.instrument.name,
        "timestamp": trade.at_ms,
        "direction": order.side.value,
        "price": trade.price,
        "amount": trade.amount,
        "contracts": trade.amount / contract_size(product),
        "fee": trade.fee,
        "fee_currency": product.settlement_currency,
        "index_price": trade.index,
        "mark_price": trade.mark,
        "underlying_price": trade.forward,
        "iv": trade.iv,
        "profit_loss": trade.profit,
        "liquidity": "M" if trade.is_maker else "T",
        "state": trade.state.value,
        "order_type": "limit",
        "tick_direction": trade.tick_direction,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "matching_id": None,
        "self_trade": False,
        "risk_reducing": False,
        "mmp": False,
        "api": True,
        "starbase_match_id": trade.number,
        "starbase_timestamp": trade.at_ms * 1_000_000,
    }
    if order.label:
        shape["label"] = order.label
    return shape


def log_shape(entry: LogEntry, account: Account) -> Json:
    """An entry of the transaction log."""
    return {
        "id": entry.entry_id,
        "user_seq": entry.user_seq,
        "user_id": account.user_id,
        "username": account.account_id,
        "timestamp": entry.at_ms,
        "type": entry.kind,
        "currency": entry.currency,
        "instrument_name": entry.instrument,
        "side": entry.side,
        "cashflow": entry.cashflow,
        "commission": entry.commission,
        "change": entry.change,
        "balance": entry.balance,
        "equity": entry.equity,
        **entry.details,
    }


def settlement_shape(entry: SettlementEntry) -> Json:
    """An entry of the settlement history."""
    return {
        "type": entry.kind,
        "timestamp": entry.at_ms,
        "instrument_name": entry.instrument,
        "position": entry.position,
        "index_price": entry.index,
        "mark_price": entry.mark,
        "profit_loss": entry.profit,
        "session_profit_loss": entry.session_profit,
        "funding": Decimal(0),
    }
