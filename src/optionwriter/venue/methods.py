"""Methods: which handler serves which method of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from optionwriter.venue import (
    account_methods,
    history_methods,
    listing,
    local_methods,
    market_methods,
    order_methods,
    perpetuals,
    query_methods,
    settlement_methods,
    subaccounts,
    summaries,
    trade_methods,
    volatility_methods,
)
from optionwriter.venue.perpetuals import or_perpetual
from optionwriter.venue.request import Request
from optionwriter.venue.values import JsonValue

Handler: TypeAlias = Callable[[Request], JsonValue]

_PUBLIC: dict[str, Handler] = {
    "get_time": market_methods.get_time,
    "test": market_methods.test,
    "status": market_methods.status,
    "get_currencies": market_methods.get_currencies,
    "get_index_price_names": market_methods.get_index_price_names,
    "get_index_price": market_methods.get_index_price,
    "ticker": or_perpetual(market_methods.ticker, perpetuals.ticker),
    "get_order_book": or_perpetual(market_methods.get_order_book, perpetuals.get_order_book),
    "get_instruments": perpetuals.get_instruments,
    "get_instrument": or_perpetual(listing.get_instrument, perpetuals.get_instrument),
    "get_contract_size": or_perpetual(listing.get_contract_size, perpetuals.get_contract_size),
    "get_expirations": listing.get_expirations,
    "get_book_summary_by_currency": summaries.get_book_summary_by_currency,
    "get_book_summary_by_instrument": or_perpetual(
        summaries.get_book_summary_by_instrument, perpetuals.get_book_summary
    ),
    "get_last_trades_by_instrument": trade_methods.get_last_trades_by_instrument,
    "get_last_trades_by_instrument_and_time": trade_methods.get_last_trades_by_instrument_and_time,
    "get_last_trades_by_currency": trade_methods.get_last_trades_by_currency,
    "get_last_trades_by_currency_and_time": trade_methods.get_last_trades_by_currency,
    "get_last_settlements_by_currency": settlement_methods.get_last_settlements_by_currency,
    "get_last_settlements_by_instrument": settlement_methods.get_last_settlements_by_instrument,
    "get_tradingview_chart_data": trade_methods.get_tradingview_chart_data,
    "get_historical_volatility": volatility_methods.get_historical_volatility,
    "get_volatility_index_data": history_methods.get_volatility_index_data,
    "get_delivery_prices": history_methods.get_delivery_prices,
}

_CHANGING: dict[str, Handler] = {
    "private/buy": or_perpetual(order_methods.buy, perpetuals.refuse),
    "private/sell": or_perpetual(order_methods.sell, perpetuals.refuse),
    "private/edit": order_methods.edit_order,
    "private/edit_by_label": order_methods.edit_by_label,
    "private/cancel": order_methods.cancel_order,
    "private/cancel_all": order_methods.cancel_all,
    "private/cancel_all_by_currency": order_methods.cancel_all_by_currency,
    "private/cancel_all_by_instrument": order_methods.cancel_all_by_instrument,
    "private/cancel_all_by_kind_or_type": order_methods.cancel_all_by_kind_or_type,
    "private/cancel_by_label": order_methods.cancel_by_label,
    "local/deposit": local_methods.deposit,
}

_PRIVATE: dict[str, Handler] = {
    "get_account_summary": account_methods.get_account_summary,
    "get_account_summaries": account_methods.get_account_summaries,
    "get_positions": account_methods.get_positions,
    "get_position": account_methods.get_position,
    "get_subaccounts": subaccounts.get_subaccounts,
    "get_margins": account_methods.get_margins,
    "get_open_orders": query_methods.get_open_orders,
    "get_open_orders_by_currency": query_methods.get_open_orders_by_currency,
    "get_open_orders_by_instrument": query_methods.get_open_orders_by_instrument,
    "get_open_orders_by_label": query_methods.get_open_orders_by_label,
    "get_order_state": query_methods.get_order_state,
    "get_order_state_by_label": query_methods.get_order_state_by_label,
    "get_order_history_by_currency": query_methods.get_order_history_by_currency,
    "get_order_history_by_instrument": query_methods.get_order_history_by_instrument,
    "get_user_trades_by_currency": query_methods.get_user_trades_by_currency,
    "get_user_trades_by_currency_and_time": query_methods.get_user_trades_by_currency,
    "get_user_trades_by_instrument": query_methods.get_user_trades_by_instrument,
    "get_user_trades_by_instrument_and_time": query_methods.get_user_trades_by_instrument,
    "get_user_trades_by_order": query_methods.get_user_trades_by_order,
    "get_settlement_history_by_currency": query_methods.get_settlement_history_by_currency,
    "get_settlement_history_by_instrument": query_methods.get_settlement_history_by_instrument,
    "get_transaction_log": query_methods.get_transaction_log,
}

CHANGING = frozenset(_CHANGING)
"""Methods that change the exchange: the ones that the input log must keep."""


def handlers() -> dict[str, Handler]:
    """Every method by its full name."""
    return {
        **{f"public/{name}": handler for name, handler in _PUBLIC.items()},
        **{f"private/{name}": handler for name, handler in _PRIVATE.items()},
        **_CHANGING,
    }
