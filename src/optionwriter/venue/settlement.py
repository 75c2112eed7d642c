"""Settlement: 08:00 UTC. Options expire, orders on them end, sessions begin anew.

Since August 2026 an option in the money is exercised into the future of its expiry at the strike, and that future is
delivered in cash at the same 30-minute average (FACTS §0): two log entries whose changes add up to payoff less fee, to
the last digit. An option out of the money ends in one entry without money. Which entry bears the fee, and the type
strings, are assumed (translog). Entries are stamped 08:00:00.000 sharp (recorded stamps lie 60 to 100 ms later).
"""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.account import Settlement
from optionwriter.core.books.settlement import payoff, settle
from optionwriter.core.market.instruments import Family, Instrument, parse_instrument
from optionwriter.core.market.money import quantise
from optionwriter.venue.accounts import Account
from optionwriter.venue.execution import opposite_word, record
from optionwriter.venue.matching import cancel
from optionwriter.venue.orders import TimeInForce
from optionwriter.venue.positions import Position
from optionwriter.venue.rules import future_name, is_daily
from optionwriter.venue.state import EventKind, State
from optionwriter.venue.translog import SettlementEntry
from optionwriter.venue.values import ZERO, Json, exact, rounded


def settle_day(state: State) -> None:
    """Everything that 08:00 UTC does; `state.now_ms` is that instant."""
    for queue in [list(one) for one in state.resting.values()]:
        for order in queue:
            ends = order.instrument.expiry_ms <= state.now_ms
            if ends or order.time_in_force is TimeInForce.GOOD_TIL_DAY:
                cancel(state, order, "settlement")
    for account in state.accounts.values():
        for name in sorted(account.positions):
            instrument = parse_instrument(name)
            if instrument.expiry_ms <= state.now_ms:
                _expire(state, account, instrument)
        _new_session(state, account)


def _new_session(state: State, account: Account) -> None:
    account.session_realised.clear()
    for name, quote in state.market.quotes(tuple(account.positions), state.now_ms).items():
        account.positions[name].rebase(quote.mark)


def _expire(state: State, account: Account, instrument: Instrument) -> None:
    product = instrument.product
    delivered = exact(state.market.feed.delivery_price(product.index_name, instrument.expiry_ms))
    held = account.positions.pop(instrument.name)
    ended = settle(instrument, held.size, delivered, is_daily(instrument.expiry_ms))
    value = payoff(instrument.strike, delivered, instrument.is_call, product.family is Family.INVERSE)
    value = rounded(value, 8)
    currency = product.settlement_currency
    session = quantise(held.size * (value - held.session_average), currency)
    account.session_realised[currency] = account.session_realised.get(currency, ZERO) + session
    if ended.payoff == 0:
        _out_of_the_money(state, account, instrument, held, ended, session)
    else:
        _exercise(state, account, instrument, held, ended, value, session)
    state.emit(EventKind.SETTLEMENT, account, instrument.name, str(state.counters.settlement))


def _out_of_the_money(
    state: State,
    account: Account,
    instrument: Instrument,
    held: Position,
    ended: Settlement,
    session: Decimal,
) -> None:
    details = _details(ended, instrument, held.size, ZERO, instrument.product.settlement_currency)
    side = f"close {opposite_word(held.size)}"
    currency = instrument.product.settlement_currency
    record(state, account, "delivery", currency, instrument.name, side, ZERO, ended.fee, details)
    _history(state, account, "delivery", instrument, instrument.name, held.size, ended, ZERO, ZERO, session)


def _exercise(
    state: State,
    account: Account,
    instrument: Instrument,
    held: Position,
    ended: Settlement,
    value: Decimal,
    session: Decimal,
) -> None:
    product = instrument.product
    currency, future = product.settlement_currency, future_name(product, instrument.expiry_ms)
    # A held call or a short put becomes a long future; K USD of an inverse future earn exactly the option's payoff.
    size = held.size if instrument.is_call else -held.size
    size = size * instrument.strike if product.family is Family.INVERSE else size
    details = _details(ended, instrument, held.size, instrument.strike, "USD")
    side = f"close {opposite_word(held.size)}"
    record(
        state, account, "exercise", currency, instrument.name, side, ZERO, ended.fee, details, ended.payoff
    )
    details = _details(ended, instrument, size, ended.delivery_price, "USD")
    side = f"close {opposite_word(size)}"
    record(state, account, "delivery", currency, future, side, ended.payoff, ZERO, details)
    _history(state, account, "exercise", instrument, instrument.name, held.size, ended, value, ZERO, session)
    _history(
        state, account, "delivery", instrument, future, size, ended, ended.delivery_price, ended.payoff, ZERO
    )


def _details(
    ended: Settlement, instrument: Instrument, size: Decimal, price: Decimal, price_currency: str
) -> Json:
    return {
        "amount": abs(size),
        "position": ZERO,
        "price": price,
        "price_currency": price_currency,
        "settlement_price": ended.delivery_price,
        "index_price": ended.delivery_price,
        "mark_price": price,
        "order_id": None,
        "trade_id": None,
        "interest_pl": None,
        "profit_as_cashflow": False,
        "info": {"settlement_price": ended.delivery_price},
    }


def _history(
    state: State,
    account: Account,
    kind: str,
    instrument: Instrument,
    name: str,
    size: Decimal,
    ended: Settlement,
    mark: Decimal,
    profit: Decimal,
    session: Decimal,
) -> None:
    account.settlements.append(
        SettlementEntry(
            number=state.counters.next("settlement"),
            at_ms=state.now_ms,
            kind=kind,
            instrument=name,
            currency=instrument.product.settlement_currency,
            position=size,
            index=ended.delivery_price,
            mark=mark,
            profit=profit,
            session_profit=session,
        )
    )
