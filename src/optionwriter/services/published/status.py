"""The status view: what the agent is, may do, sees and has."""

from __future__ import annotations

from decimal import Decimal

from optionwriter.core.books.book import Book
from optionwriter.core.books.facts import TradingState
from optionwriter.core.report.decisions import plain, status_view
from optionwriter.core.report.external import external_positions
from optionwriter.core.report.views import account_view
from optionwriter.ports import KillOrder
from optionwriter.services.cycle import CycleReport, Desk
from optionwriter.services.published.rows import Row, row_of, short, timed, when


def status(desk: Desk, report: CycleReport, commands_pending: int) -> Row:
    """What the agent is, may do, sees and has."""
    state = report.after
    shown = row_of(status_view(state, desk.limits))
    account = row_of(account_view(state))
    return {
        "account": state.account.account_id,
        "environment": shown["environment"],
        "execution_mode": shown["mode"],
        "dry_run": desk.mode == "paper",
        "state": shown["state"],
        "state_reason": shown["state_reason"],
        "state_lifted_by": _cure(state.book),
        "kill": kill_row(report.kill),
        "commands_pending": commands_pending,
        "at_ms": report.at_ms,
        "at": when(report.at_ms),
        "open_chains": shown["open_chains"],
        "unresolved_orders": shown["unresolved_orders"],
        "unresolved": list(report.caught_up.unresolved),
        "underlyings": [_underlying(report, name) for name in sorted(state.underlyings)],
        "equity_usd": account["equity_usd"],
        "holding_usd": account["holding_usd"],
        "over_holding_usd": account["over_holding_usd"],
        "option_usd": account["option_usd"],
        "missing": account["missing"],
        "currencies": [_currency(one, shown["free_cover"]) for one in account["currencies"]],
        "limits": [_limit(one) for one in shown["limits"]],
        "external": [timed(row_of(one)) for one in external_positions(state)],
        "foreign": shown["foreign"],
        "contradictions": shown["contradictions"],
        "differences": [str(one) for one in report.differences],
    }


def seen_between(shown: Row, book: Book, kill: KillOrder | None, commands_pending: int) -> Row:
    """A status that was shown before, with what can change between two cycles."""
    return {
        **shown,
        "state": str(book.state),
        "state_reason": book.state_reason,
        "state_lifted_by": _cure(book),
        "unresolved_orders": len(book.live_labels),
        "kill": kill_row(kill),
        "commands_pending": commands_pending,
    }


def kill_row(order: KillOrder | None) -> Row | None:
    """The kill switch as it was read; None when it is not engaged."""
    if order is None:
        return None
    return {"reason": order.reason, "by": order.by, "at": when(order.at_ms), "at_ms": order.at_ms}


def _cure(book: Book) -> str:
    return book.state_lifted_by if book.state is not TradingState.ACTIVE else ""


def _underlying(report: CycleReport, name: str) -> Row:
    """The whole context, and what the quotes add."""
    found = report.after.underlyings[name]
    oldest = min((chain.at_ms for chain in found.chains.values()), default=None)
    return {
        **row_of(found.context),
        "underlying": name,
        "spot": plain(found.index),
        "data_age_ms": None if oldest is None else max(0, report.at_ms - oldest),
    }


def _currency(one: Row, free_cover: Row) -> Row:
    pnl = one["pnl"] or {}
    equity, option = pnl.get("equity") or {}, pnl.get("option") or {}
    return {
        "currency": one["currency"],
        "balance": one["balance"],
        "equity": one["equity"],
        "equity_usd": equity.get("usd"),
        "holding": pnl.get("deposited"),
        "holding_usd": pnl.get("benchmark_usd"),
        "option_pnl": option.get("coin"),
        "option_pnl_usd": option.get("usd"),
        "initial_margin": one["initial_margin"],
        "margin_used_pct": short(one["margin_used_pct"]),
        "free_cover": free_cover.get(one["currency"]),
    }


def _limit(one: Row) -> Row:
    used, limit = one["used"], one["limit"]
    share: str | None = None
    if used is not None and limit is not None and Decimal(limit) > 0:
        share = format(Decimal(used) / Decimal(limit) * 100, "f")
    return {
        "name": one["name"],
        "subject": one["subject"],
        "used": short(used),
        "limit": limit,
        "used_pct": short(share),
        "external": short(one["external"]),
        "strategy_id": one["strategy_id"],
    }
