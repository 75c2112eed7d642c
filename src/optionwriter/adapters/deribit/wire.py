"""The shapes of Deribit's answers, as far as we read them (METHODS; FACTS §2).

Unknown fields are ignored, because the exchange adds some any time; missing ones and wrong types are malformed.
Prices and amounts of the account are Decimal, straight from the digits on the wire; market columns are floats.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

_HUGE = Decimal("1e15")  # no price or amount of any market reaches it; a number beyond is nonsense


class _Exact(msgspec.Struct):
    """A shape whose Decimals must be finite and of this world (a JSON string "NaN" would pass as a Decimal)."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value: Any = getattr(self, name)
            if isinstance(value, Decimal) and not (value.is_finite() and abs(value) < _HUGE):
                raise ValueError(f"`{name}` is {value}")


# -- market -----------------------------------------------------------------------------------------------------


class BookSummary(msgspec.Struct):
    """One row of get_book_summary_by_currency; null where there is no quote."""

    instrument_name: str
    creation_timestamp: int
    mark_price: float | None = None
    mark_iv: float | None = None
    bid_price: float | None = None
    ask_price: float | None = None
    underlying_price: float | None = None
    open_interest: float | None = None
    volume: float | None = None


class TickStep(_Exact):
    """One step of tick_size_steps."""

    above_price: Decimal
    tick_size: Decimal


class InstrumentInfo(_Exact):
    """One row of get_instruments(kind=option). Recordings of 2021 have neither steps nor instrument_type."""

    instrument_name: str
    expiration_timestamp: int
    strike: Decimal
    option_type: str
    tick_size: Decimal
    min_trade_amount: Decimal
    tick_size_steps: tuple[TickStep, ...] = ()


class IndexPrice(_Exact):
    """get_index_price."""

    index_price: Decimal


class ChartData(msgspec.Struct):
    """get_tradingview_chart_data: columns, `ticks` are the openings in milliseconds."""

    status: str
    ticks: list[int] = []
    open: list[float] = []
    high: list[float] = []
    low: list[float] = []
    close: list[float] = []
    volume: list[float] = []  # coins


class VolatilityPage(msgspec.Struct):
    """get_volatility_index_data: rows (opening ms, open, high, low, close); pages go backwards."""

    data: list[tuple[int, float, float, float, float]]
    continuation: int | None = None


# -- account ----------------------------------------------------------------------------------------------------


class Summary(_Exact):
    """One currency of get_account_summaries."""

    currency: str
    balance: Decimal
    equity: Decimal
    margin_balance: Decimal
    options_value: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    margin_model: str
    cross_collateral_enabled: bool


class Summaries(msgspec.Struct):
    """get_account_summaries: all currencies of one account; `id` is the account's, in the extended form."""

    summaries: list[Summary]
    id: int | None = None


class PositionRow(_Exact):
    """One row of get_positions; `size` is signed (options: coins)."""

    instrument_name: str
    size: Decimal
    average_price: Decimal
    mark_price: Decimal


class OrderRow(_Exact):
    """An order. `price` is the text "market_price" on an open trigger-market order, so it is read raw."""

    order_id: str
    order_state: str
    instrument_name: str
    direction: str
    price: msgspec.Raw
    label: str
    creation_timestamp: int
    amount: Decimal
    filled_amount: Decimal = Decimal(0)
    reduce_only: bool = False


class TradeRow(_Exact):
    """A trade of the account's. `label` is there only when the order had one."""

    trade_id: str
    order_id: str
    instrument_name: str
    timestamp: int
    direction: str
    amount: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    index_price: Decimal
    mark_price: Decimal
    label: str = ""


class OrderReply(msgspec.Struct):
    """buy and sell."""

    order: OrderRow
    trades: list[TradeRow]


class TradePage(msgspec.Struct):
    """get_user_trades_by_…; get_user_trades_by_order alone gives a bare list."""

    trades: list[TradeRow]
    has_more: bool


class LogRow(_Exact):
    """One entry of the transaction log. `change` is what it did to the cash balance. New types come any time."""

    id: int
    currency: str
    timestamp: int
    type: str
    change: Decimal
    commission: Decimal | None = None
    instrument_name: str | None = None
    side: str | None = None
    amount: Decimal | None = None
    position: Decimal | None = None
    price: Decimal | None = None
    index_price: Decimal | None = None
    settlement_price: Decimal | None = None
    trade_id: str | None = None


class LogPage(msgspec.Struct):
    """get_transaction_log, newest first; `continuation` is null on the last page."""

    logs: list[LogRow]
    continuation: int | None = None
