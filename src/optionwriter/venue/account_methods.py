"""Private methods on the account now: summaries, positions, margins.

Identities of FACTS §4 hold by construction: equity = balance + options_value, margin_balance = equity - options_value,
available_funds = margin_balance - initial_margin. Deltas of the account take the mark off for inverse options (net
transaction delta); which total takes it off is read from the text and assumed.
"""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.margin import MarginLine, available_funds, currency_account, line_margin
from optionwriter.core.market.instruments import Family, next_expiry_instant, parse_instrument
from optionwriter.core.market.money import quantise
from optionwriter.venue.accounts import Account
from optionwriter.venue.greeks import Greeks, greeks_of
from optionwriter.venue.listing import KINDS
from optionwriter.venue.params import currency_of
from optionwriter.venue.positions import Position
from optionwriter.venue.quotes import Quote
from optionwriter.venue.request import Request
from optionwriter.venue.rules import LIMITS, price_band
from optionwriter.venue.trading import read_amount
from optionwriter.venue.valuation import margin_lines
from optionwriter.venue.values import ZERO, Json, JsonValue, rounded


def get_account_summary(request: Request) -> JsonValue:
    """One currency of the account; `extended` adds who owns it."""
    account = request.authorised()
    summary = _summary(request, account, currency_of(request.params))
    return {**summary, **_owner(account)} if request.params.flag("extended") else summary


def get_account_summaries(request: Request) -> JsonValue:
    """Every currency that the account holds or the exchange settles in, with the owner's fields."""
    account = request.authorised()
    settled = [one.settlement_currency for one in request.products("any")]
    held = dict.fromkeys([*settled, *account.cash])
    return {**_owner(account), "summaries": [_summary(request, account, one) for one in held]}


def get_positions(request: Request) -> JsonValue:
    """Open positions, by currency and kind."""
    account = request.authorised()
    currency = currency_of(request.params, default="any", extra=("any",))
    if request.params.choice("kind", KINDS, "any") not in ("option", "any"):
        return []
    names = [
        name
        for name in sorted(account.positions)
        if currency in ("any", parse_instrument(name).product.settlement_currency)
    ]
    request.state.market.quotes(names, request.now_ms)  # together: the feed prices a column as fast as a row
    request.state.market.settlement_marks(names, request.now_ms)
    return [_position(request, account, name) for name in names]


def get_position(request: Request) -> JsonValue:
    """One instrument's position; a flat one has direction zero and size 0 (recorded)."""
    account = request.authorised()
    name = request.params.required("instrument_name")
    request.state.market.known(name, request.now_ms)
    return _position(request, account, name)


def get_margins(request: Request) -> JsonValue:
    """Initial margin of a hypothetical order, without regard to what the account holds."""
    request.authorised()
    instrument = request.state.market.known(request.params.required("instrument_name"), request.now_ms)
    amount = read_amount(instrument, request.params)
    quote = request.state.market.quote(instrument.name, request.now_ms)
    price = request.params.number("price") or quote.mark
    currency = instrument.product.settlement_currency
    margins = {
        side: line_margin(
            MarginLine(instrument, ZERO, quote.mark, quote.forward, orders=((side, amount, price),))
        )[0]
        for side in Side
    }
    greeks = greeks_of(quote)
    low, high = price_band(instrument.product, quote.mark, quote.forward, greeks.delta, greeks.vega)
    return {
        "buy": quantise(margins[Side.BUY], currency),
        "sell": quantise(margins[Side.SELL], currency),
        "min_price": low,
        "max_price": high,
    }


def _owner(account: Account) -> Json:
    return {
        "id": account.user_id,
        "email": f"{account.account_id}@localhost",
        "system_name": account.account_id,
        "username": account.account_id,
        "type": "main",
        "creation_timestamp": account.created_ms,
        "referrer_id": None,
        "login_enabled": False,
        "security_keys_enabled": False,
        "mmp_enabled": False,
        "interuser_transfers_enabled": False,
        "block_rfq_self_match_prevention": True,
        "self_trading_reject_mode": "cancel_maker",
        "self_trading_extended_to_subaccounts": False,
    }


def _net_delta(position: Position, quote: Quote, greeks: Greeks) -> Decimal:
    inverse = quote.instrument.product.family is Family.INVERSE
    return position.size * (greeks.delta - quote.mark if inverse else greeks.delta)


def _summary(request: Request, account: Account, currency: str) -> Json:
    market, now = request.state.market, request.now_ms
    lines = margin_lines(market, account, currency, now)
    view = currency_account(currency, account.cash.get(currency, ZERO), lines)
    soon = next_expiry_instant(now)
    later = margin_lines(market, account, currency, now, leave_out_expiry_ms=soon)
    projected = currency_account(currency, view.balance, later)
    held = {one.instrument.name for one in lines if one.position}
    quotes = market.quotes(sorted(held), now)
    positions = {name: account.positions[name] for name in quotes}
    greeks = {name: greeks_of(quote) for name, quote in quotes.items()}
    floating = sum((one.size * (quotes[name].mark - one.average) for name, one in positions.items()), ZERO)
    session = sum(
        (one.size * (quotes[name].mark - one.session_average) for name, one in positions.items()), ZERO
    )
    realised = quantise(account.session_realised.get(currency, ZERO), currency)
    deltas = {name: _net_delta(one, quotes[name], greeks[name]) for name, one in positions.items()}
    staying = [name for name in positions if quotes[name].instrument.expiry_ms != soon]
    options_pl, session_upl = quantise(floating, currency), quantise(session, currency)
    free = available_funds(view)
    return {
        "currency": currency,
        "balance": view.balance,
        "equity": view.equity,
        "margin_balance": view.margin_balance,
        "options_value": view.options_value,
        "initial_margin": view.initial_margin,
        "maintenance_margin": view.maintenance_margin,
        "available_funds": free,
        "available_withdrawal_funds": max(free, ZERO),
        "projected_initial_margin": projected.initial_margin,
        "projected_maintenance_margin": projected.maintenance_margin,
        "total_pl": options_pl,
        "session_rpl": realised,
        "session_upl": session_upl,
        "options_pl": options_pl,
        "options_session_rpl": realised,
        "options_session_upl": session_upl,
        "futures_pl": ZERO,
        "futures_session_rpl": ZERO,
        "futures_session_upl": ZERO,
        "delta_total": rounded(sum(deltas.values(), ZERO), 8),
        "delta_total_map": _by_index(deltas, quotes, 8),
        "projected_delta_total": rounded(sum((deltas[name] for name in staying), ZERO), 8),
        **_greek_totals(positions, quotes, greeks),
        "estimated_liquidation_ratio": ZERO,
        "estimated_liquidation_ratio_map": {},
        "spot_reserve": ZERO,
        "fee_balance": ZERO,
        "margin_model": "segregated_sm",
        "portfolio_margining_enabled": False,
        "cross_collateral_enabled": False,
        "limits": LIMITS,
    }


def _greek_totals(
    positions: dict[str, Position], quotes: dict[str, Quote], greeks: dict[str, Greeks]
) -> Json:
    delta = {name: one.size * greeks[name].delta for name, one in positions.items()}
    gamma = {name: one.size * greeks[name].gamma for name, one in positions.items()}
    theta = {name: one.size * greeks[name].theta for name, one in positions.items()}
    vega = {name: one.size * greeks[name].vega for name, one in positions.items()}
    return {
        "options_delta": rounded(sum(delta.values(), ZERO), 5),
        "options_gamma": rounded(sum(gamma.values(), ZERO), 5),
        "options_theta": rounded(sum(theta.values(), ZERO), 5),
        "options_vega": rounded(sum(vega.values(), ZERO), 5),
        "options_gamma_map": _by_index(gamma, quotes, 5),
        "options_theta_map": _by_index(theta, quotes, 5),
        "options_vega_map": _by_index(vega, quotes, 5),
    }


def _by_index(values: dict[str, Decimal], quotes: dict[str, Quote], places: int) -> Json:
    totals: dict[str, Decimal] = {}
    for name, value in values.items():
        index = quotes[name].instrument.product.index_name
        totals[index] = totals.get(index, ZERO) + value
    return {index: rounded(value, places) for index, value in totals.items()}


def _position(request: Request, account: Account, name: str) -> Json:
    market, now = request.state.market, request.now_ms
    held, quote = account.position(name), market.quote(name, now)
    product = quote.instrument.product
    currency = product.settlement_currency
    greeks = greeks_of(quote)
    orders = tuple((one.side, one.open_amount, one.price) for one in account.working(name))
    alone = MarginLine(quote.instrument, held.size, quote.mark, quote.forward)
    initial, maintenance = line_margin(alone)
    reserved = line_margin(MarginLine(quote.instrument, held.size, quote.mark, quote.forward, orders))[0]
    floating = quantise(held.size * (quote.mark - held.average), currency)
    mark_usd = quote.mark if product.family is Family.LINEAR else quote.mark * quote.index
    return {
        "instrument_name": name,
        "kind": "option",
        "direction": "zero" if not held.size else "buy" if held.size > 0 else "sell",
        "size": held.size,
        "average_price": rounded(held.average, 8),
        "average_price_usd": rounded(held.average_usd, 6),
        "mark_price": quote.mark,
        "index_price": quote.index,
        "delta": rounded(held.size * greeks.delta, 5),
        "gamma": rounded(held.size * greeks.gamma, 5),
        "theta": rounded(held.size * greeks.theta, 5),
        "vega": rounded(held.size * greeks.vega, 5),
        "floating_profit_loss": floating,
        "floating_profit_loss_usd": rounded(held.size * (mark_usd - held.average_usd), 6),
        "total_profit_loss": floating,
        "realized_profit_loss": quantise(held.realised, currency),
        "settlement_price": market.settlement_marks((name,), now)[name] or ZERO,
        "initial_margin": quantise(initial, currency),
        "maintenance_margin": quantise(maintenance, currency),
        "open_orders_margin": quantise(reserved - initial, currency),
    }
