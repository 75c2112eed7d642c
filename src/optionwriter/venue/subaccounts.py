"""Subaccounts: the account itself, as the only one of its owner."""

from __future__ import annotations

from optionwriter.core.books.margin import available_funds
from optionwriter.venue.accounts import Account
from optionwriter.venue.request import Request
from optionwriter.venue.valuation import currency_view
from optionwriter.venue.values import ZERO, Json, JsonValue


def get_subaccounts(request: Request) -> JsonValue:
    """The main account; with `with_portfolio`, what it has in each currency."""
    account = request.authorised()
    shape: Json = {
        "id": account.user_id,
        "username": account.account_id,
        "system_name": account.account_id,
        "email": f"{account.account_id}@localhost",
        "type": "main",
        "margin_model": "segregated_sm",
        "is_password": False,
        "login_enabled": False,
        "receive_notifications": False,
        "security_keys_enabled": False,
        "security_keys_assignments": [],
    }
    if request.params.flag("with_portfolio"):
        shape["portfolio"] = {code.lower(): _portfolio(request, account, code) for code in account.cash}
    return [shape]


def _portfolio(request: Request, account: Account, currency: str) -> Json:
    view = currency_view(request.state.market, account, currency, request.now_ms)
    free = available_funds(view)
    return {
        "currency": currency.lower(),
        "balance": view.balance,
        "equity": view.equity,
        "margin_balance": view.margin_balance,
        "initial_margin": view.initial_margin,
        "maintenance_margin": view.maintenance_margin,
        "available_funds": free,
        "available_withdrawal_funds": max(free, ZERO),
        "additional_reserve": ZERO,
        "spot_reserve": ZERO,
    }
