"""Execution: one fill of one order, from the price to the last entry of the log.

Owns what a fill does: premium and fee booked at once (FACTS §4), the position, the trade, the log's entries (two when
the fill crosses zero, FACTS §2) and the order's progress. Whether and at which price it fills is matching's.
"""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.market.instruments import Family
from optionwriter.core.market.money import quantise
from optionwriter.venue.accounts import Account
from optionwriter.venue.greeks import implied_percent
from optionwriter.venue.orders import Order, OrderState, Trade
from optionwriter.venue.positions import split_at_zero
from optionwriter.venue.quotes import Quote
from optionwriter.venue.rules import contract_size
from optionwriter.venue.state import EventKind, State, wire_id
from optionwriter.venue.translog import LogEntry
from optionwriter.venue.valuation import equity
from optionwriter.venue.values import ZERO, Json


def execute(
    state: State, order: Order, amount: Decimal, price: Decimal, is_maker: bool, quote: Quote
) -> Trade:
    """Fills `amount` of `order` at `price`, now."""
    account = state.accounts[order.account_id]
    product = order.instrument.product
    name, currency = order.instrument.name, product.settlement_currency
    fee = trading_fee(product, amount, price, quote.index)
    price_usd = price if product.family is Family.LINEAR else price * quote.index
    number = state.counters.next("trade")
    trade_id = wire_id(number, currency)
    profit, charged = ZERO, ZERO
    parts = split_at_zero(account.size(name), order.side.sign * amount)
    for part in parts:
        last = part is parts[-1]
        commission = fee - charged if last else trading_fee(product, abs(part), price, quote.index)
        charged += commission
        profit += _book_part(
            state, account, order, part, price, price_usd, commission, is_maker, quote, trade_id
        )
    order.filled += amount
    order.notional += price * amount
    order.updated_ms = state.now_ms
    if order.filled == order.amount:
        state.unrest(order)
        account.close(order, OrderState.FILLED, state.now_ms)
    trade = Trade(
        trade_id=trade_id,
        number=number,
        trade_seq=_next_seq(state, name),
        order=order,
        state=order.state,
        amount=amount,
        price=price,
        is_maker=is_maker,
        at_ms=state.now_ms,
        index=quote.index,
        mark=quote.mark,
        iv=implied_percent(quote, price),
        forward=quote.forward,
        fee=fee,
        tick_direction=_tick(state, name, price),
        profit=quantise(profit, currency),
    )
    account.trades.append(trade)
    state.liquidity.take(name, order.side, amount)
    state.emit(EventKind.TRADE, account, name, trade_id)
    return trade


def _book_part(
    state: State,
    account: Account,
    order: Order,
    part: Decimal,
    price: Decimal,
    price_usd: Decimal,
    commission: Decimal,
    is_maker: bool,
    quote: Quote,
    trade_id: str,
) -> Decimal:
    name, currency = order.instrument.name, order.instrument.product.settlement_currency
    held = account.position(name)
    opens = held.size * part >= 0
    profit, session = held.fill(part, price, price_usd)
    account.session_realised[currency] = account.session_realised.get(currency, ZERO) + session
    if held.size:
        account.positions[name] = held
    else:
        account.positions.pop(name, None)
    details: Json = {
        "amount": abs(part),
        "contracts": abs(part) / contract_size(order.instrument.product),
        "position": held.size,
        "price": price,
        "price_currency": currency,
        "mark_price": quote.mark,
        "index_price": quote.index,
        "order_id": order.order_id,
        "trade_id": trade_id,
        "user_role": "maker" if is_maker else "taker",
        "fee_role": "maker" if is_maker else "taker",
        "profit_as_cashflow": False,
        "interest_pl": ZERO,
        "info": "Source: api",
    }
    side = f"{'open' if opens else 'close'} {order.side.value}"
    record(
        state, account, "trade", currency, name, side, quantise(-part * price, currency), commission, details
    )
    return profit


def record(
    state: State,
    account: Account,
    kind: str,
    currency: str,
    instrument: str | None,
    side: str,
    cashflow: Decimal,
    commission: Decimal,
    details: Json,
    unsettled: Decimal = ZERO,
) -> LogEntry:
    """Moves the cash and writes the entry that says so; the position must already be what it is afterwards.

    `unsettled` counts in the entry's equity: the worth of a future that an exercise has made and delivery ends.
    """
    change = cashflow - commission
    balance = account.book(currency, change)
    entry = LogEntry(
        entry_id=state.counters.next("entry"),
        user_seq=len(account.log) + 1,
        at_ms=state.now_ms,
        currency=currency,
        kind=kind,
        instrument=instrument,
        side=side,
        cashflow=cashflow,
        commission=commission,
        change=change,
        balance=balance,
        equity=equity(state.market, account, currency, state.now_ms) + unsettled,
        details=details,
    )
    account.log.append(entry)
    return entry


def _next_seq(state: State, name: str) -> int:
    state.trade_seq[name] = state.trade_seq.get(name, 0) + 1
    return state.trade_seq[name]


def _tick(state: State, name: str, price: Decimal) -> int:
    """0 plus, 1 zero-plus, 2 minus, 3 zero-minus; the first trade counts as plus."""
    last, direction = state.last_trade.get(name, (ZERO, 0))
    if price > last:
        direction = 0
    elif price < last:
        direction = 2
    else:
        direction |= 1
    state.last_trade[name] = (price, direction)
    return direction


def opposite_word(size: Decimal) -> str:
    """The side that ends a position of `size`."""
    return (Side.BUY if size < 0 else Side.SELL).value
