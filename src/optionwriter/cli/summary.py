"""What a run says on the console: a line or two a cycle, and a table at its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.markup import escape
from rich.table import Table

from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import Filled, Settled, TradingState
from optionwriter.core.books.pnl import account_pnl
from optionwriter.core.report.views import prices_of
from optionwriter.services.agent import Ended
from optionwriter.services.cycle import CycleReport, Desk
from optionwriter.services.execute import Execution


def when(at_ms: int) -> str:
    """An instant as people read it, UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC):%Y-%m-%d %H:%M}Z"


def cycle_line(report: CycleReport) -> Iterator[str]:
    """The lines of one cycle: what was seen, then what was done, refused or unclear."""
    state = report.state
    spots = "  ".join(
        f"{name} {one.index:,.0f} {one.context.regime}" for name, one in sorted(state.underlyings.items())
    )
    held = ", ".join(
        f"{one.ours:+} {one.option.name} Δ{one.delta * float(one.ours):+.2f} {one.days_to_expiry:.1f}d"
        for one in state.held
        if one.ours
    )
    booked = _booked(report)
    yield (
        f"[dim]{when(report.at_ms)}[/dim]  {escape(spots)}  [bold]{state.equity_usd:,.0f} USD[/bold]"
        f"  {escape(held) or 'no position'}{escape(booked)}"
    )
    if state.book.state is not TradingState.ACTIVE:
        why = f"{state.book.state}: {state.book.state_reason}; lifted when {state.book.state_lifted_by}"
        yield f"  [red]{escape(why)}[/red]"
    for found in report.differences:
        yield (
            f"  [red]{escape(f'{found.kind:<9}{found.subject:<28} books {found.books:<16} venue {found.venue:<16}')}"
            f" {escape(found.meaning)}[/red]"
        )
    for done in report.executions:
        yield f"  [green]{escape(_told(done))}[/green]"
    for one in report.review.refused:
        findings = "; ".join(str(finding) for finding in one.findings)
        yield f"  [yellow]refused {escape(one.proposal.item.key)}: {escape(findings)}[/yellow]"
    for each in report.proposed:
        if each.failure:
            yield f"  [red]strategy {escape(each.seat.config.id)} failed: {escape(each.failure)}[/red]"
    for text in report.caught_up.unresolved:
        yield f"  [yellow]unresolved {escape(text)}[/yellow]"


def _booked(report: CycleReport) -> str:
    caught = report.caught_up
    parts = [
        f"{count} {word}"
        for count, word in (
            (caught.fills, "fills"),
            (caught.settlements, "settled"),
            (caught.movements, "cash movements"),
        )
        if count
    ]
    return f"  ({', '.join(parts)} booked)" if parts else ""


def _told(done: Execution) -> str:
    bought = "buy back" if done.intent.reduce_only else "buy"
    word = "sell" if done.intent.side is Side.SELL else bought
    text = (
        f"{done.intent.action}: {word} {done.intent.amount} {done.intent.instrument} at {done.intent.limit_price}"
        f" ({done.intent.reason}): {done.outcome}"
    )
    if done.filled not in (Decimal(0), done.intent.amount):
        text += f", {done.filled} filled"
    return f"{text}: {done.detail}" if done.detail else text


def final_rows(desk: Desk, ended: Ended, last: CycleReport) -> dict[str, Any]:
    """The run's result, as plain values: coin and dollars, each exact."""
    book = desk.recorder.book
    facts = list(desk.recorder.facts())
    settled = [fact.body for fact in facts if isinstance(fact.body, Settled)]
    account = account_pnl(
        book, {one.option.name: one.amount for one in last.state.held}, prices_of(last.state)
    )
    return {
        "at": when(desk.clock.now_ms()),
        "cycles": ended.cycles,
        "failed_cycles": ended.failed,
        "stopped": ended.reason,
        "state": book.state.value,
        "fills": sum(isinstance(fact.body, Filled) for fact in facts),
        "settled_in_the_money": sum(one.payoff != 0 for one in settled),
        "settled_out_of_the_money": sum(one.payoff == 0 for one in settled),
        "rolls": sum(chain.rolls for chain in book.chains.values()),
        "chains_open": len(book.open_ids),
        "chains_closed": len(book.chains) - len(book.open_ids),
        "equity_usd": account.equity_usd,
        "options_brought_usd": account.option_usd,
        "holding_brought_usd": account.holding_usd,
        "coins_only_usd": account.benchmark_usd,
        "currencies": {
            one.currency: {
                "deposited": one.deposited,
                "cash": book.cash.get(one.currency, Decimal(0)),
                "equity": one.equity.coin,
                "options_brought": one.option.coin,
            }
            for one in account.currencies
        },
    }


def final_table(rows: dict[str, Any]) -> Table:
    """The result for people."""
    table = Table(
        title=f"After {rows['cycles']} cycles, at {rows['at']} ({rows['stopped']})", show_header=False
    )
    for name, value in rows.items():
        if name == "currencies":
            for code, one in value.items():
                equity, began, brought = (
                    one[name].normalize() for name in ("equity", "deposited", "options_brought")
                )
                text = f"{equity:f} (began with {began:f}; options {brought:+f})"
                table.add_row(f"equity {code}", text)
        elif name not in ("cycles", "at", "stopped"):
            shown = f"{value:,.2f}" if isinstance(value, Decimal) else str(value)
            table.add_row(name.replace("_", " ").replace("usd", "USD"), escape(shown))
    return table
