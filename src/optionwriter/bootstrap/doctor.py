"""Doctor: can this installation trade, and what of its balances? Each answer a line with its level and its cure.

Looks only: nothing is sent, no ledger is taken over, an agent may be running. What is asked of the exchange is asked
only when wanted. Balances are the ledger's; before there is one, the opening cash of the play account.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Any

from optionwriter.adapters.clocks import SystemClock
from optionwriter.bootstrap.online import Reached, reach
from optionwriter.bootstrap.parts import LEDGER_FILE, BootError, limits_of, mode_of, seats_of
from optionwriter.bootstrap.recorded import opening_cash, sample_feed, start_ms_of
from optionwriter.bootstrap.stores import kill_switch, prove_ledger, view_source
from optionwriter.core.books.account import AccountSnapshot, CurrencyAccount
from optionwriter.core.books.book import Book
from optionwriter.core.decide.cover import cover_of, pending_orders
from optionwriter.core.decide.strategies.base import WRITES, StrategyConfig, product_of
from optionwriter.core.decide.tradable import Tradable, equity_usd, sample_option, tradable
from optionwriter.core.market.instruments import MS_PER_HOUR, PRODUCTS, OptionType
from optionwriter.ports import LedgerError, ViewsError
from optionwriter.services.publish import STATUS
from optionwriter.settings import Settings

LEAST_DISK_BYTES = 500_000_000
DOLLARS = ("USDC",)
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_ZERO = Decimal(0)


class Level(StrEnum):
    """How bad it is: FAIL keeps the agent from starting or from ever trading."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line. `cure` is what to do, "" where nothing need be done."""

    level: Level
    name: str
    text: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Funds:
    """What the account has: cash by currency, what of it is bound, and from where that is known."""

    cash: Mapping[str, Decimal]
    bound: Mapping[str, Decimal]
    source: str


def examine(settings: Settings, online: bool = False) -> Iterator[Diagnosis]:
    """All lines, as they are found. Never raises for what is wrong: that is a line."""
    yield from key(settings)
    yield from page(settings)
    seats: tuple[StrategyConfig, ...] = ()
    try:
        seats = tuple(seat.config for seat in seats_of(settings))
        names = ", ".join(one.id for one in seats)
        yield Diagnosis(Level.OK, "strategies", f"enabled: {names}; MODE is {settings.mode}")
    except BootError as error:
        yield Diagnosis(Level.FAIL, "strategies", str(error), "mend the strategy file")
    yield folder(settings.data_dir)
    yield disk(settings.data_dir)
    found, book = ledger(settings)
    yield found
    yield kill(settings)
    reached = None
    if online:
        reached = reach(settings, SystemClock())
        yield from exchange(reached)
    yield from balances(settings, seats, book, prices(settings, reached))


def key(settings: Settings) -> Iterator[Diagnosis]:
    """Whether orders may leave, and with which key."""
    env, has_key = settings.deribit_env, bool(settings.deribit_client_id)
    if settings.dry_run:
        text = f"DERIBIT_ENV is {env}, DRY_RUN is true: no order ever leaves"
        yield Diagnosis(Level.OK, "exchange key", text)
    elif env == "mainnet":
        yield Diagnosis(
            Level.FAIL, "exchange key", "live orders to mainnet are refused for now", "DRY_RUN=true"
        )
    elif env == "local":
        yield Diagnosis(Level.OK, "exchange key", "DERIBIT_ENV is local: play money, a key is not needed")
    elif not has_key or not settings.deribit_client_secret.get_secret_value():
        cure = "set DERIBIT_CLIENT_ID and DERIBIT_CLIENT_SECRET, or DRY_RUN=true"
        yield Diagnosis(Level.FAIL, "exchange key", f"live orders to {env} need a key", cure)
    else:
        yield Diagnosis(Level.OK, "exchange key", f"a key for live orders to {env} is set (not shown)")


def page(settings: Settings) -> Iterator[Diagnosis]:
    """Who reaches the page."""
    host = settings.web_host
    if host not in LOOPBACK:
        text = f"WEB_HOST is {host}: other machines reach the page, unencrypted"
        yield Diagnosis(Level.WARN, "page", text, "unset WEB_HOST, or put an encrypting proxy before it")


def folder(path: Path) -> Diagnosis:
    """Whether the data folder, or the one that it will be made in, can be written."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    cure = "make it writable, or name another with DATA_DIR"
    if not place.is_dir():
        return Diagnosis(Level.FAIL, "data folder", f"{place} is no folder", "name another with DATA_DIR")
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor."):
            pass
    except OSError as error:
        return Diagnosis(Level.FAIL, "data folder", f"{place} can't be written ({error.strerror})", cure)
    fixed = [
        one.name for one in sorted(path.glob("*")) if one.is_file() and not os.access(one, os.R_OK | os.W_OK)
    ]
    if fixed:
        return Diagnosis(Level.FAIL, "data folder", f"in {path} can't be written: {', '.join(fixed)}", cure)
    made = "" if path.exists() else ", and will be made"
    return Diagnosis(Level.OK, "data folder", f"{path} can be written{made}")


def disk(path: Path) -> Diagnosis:
    """Whether the disk has room for a ledger that must never fail to be written."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{free / 1e9:,.1f} GB are free"
    if free < LEAST_DISK_BYTES:
        return Diagnosis(Level.WARN, "disk", text, "free some: when it is full, nothing is sent any more")
    return Diagnosis(Level.OK, "disk", text)


def ledger(settings: Settings) -> tuple[Diagnosis, Book | None]:
    """Whether every fact is there and they add up, and whether the ledger is that of these settings."""
    path = settings.data_dir / LEDGER_FILE
    if not path.exists():
        return Diagnosis(Level.OK, "ledger", f"none yet: the first start makes {path}"), None
    try:
        summary, book = prove_ledger(path)
    except LedgerError as error:
        return Diagnosis(Level.FAIL, "ledger", str(error), "see docs/HEALTHCHECK.md"), None
    mine = (settings.deribit_env, mode_of(settings))
    if (summary.environment, summary.mode) != mine:
        theirs = f"{summary.environment} ({summary.mode})"
        text = f"{path} is of {theirs}, the settings are for {mine[0]} ({mine[1]})"
        if summary.environment == mine[0] == "local":  # up trades there whatever DRY_RUN's default is
            cure = "optionwriter up takes it as it is; for optionwriter run set DRY_RUN as it was"
            return Diagnosis(Level.WARN, "ledger", text, cure), book
        cure = "name another folder with DATA_DIR, or set DERIBIT_ENV and DRY_RUN back"
        return Diagnosis(Level.FAIL, "ledger", text, cure), book
    ahead_ms = book.last_event_ms - SystemClock().now_ms()
    if settings.deribit_env != "local" and ahead_ms > MS_PER_HOUR:
        text = f"this machine's clock is {ahead_ms / MS_PER_HOUR:,.1f} h behind the ledger's last event"
        return Diagnosis(Level.WARN, "ledger", text, "set the clock (for example by NTP)"), book
    return Diagnosis(Level.OK, "ledger", f"whole: {summary.facts:,} facts of account {summary.account}"), book


def kill(settings: Settings) -> Diagnosis:
    """Whether the kill switch is engaged, by whom and why."""
    order = kill_switch(settings).read()
    if order is None:
        return Diagnosis(Level.OK, "kill switch", "not engaged")
    text = f"engaged by {order.by}: {order.reason}; nothing new is sent"
    return Diagnosis(Level.WARN, "kill switch", text, "optionwriter resume, when the reason is gone")


def exchange(reached: Reached) -> Iterator[Diagnosis]:
    """Whether the exchange answers, lets the key in, and what its clock says."""
    if reached.problem:
        yield Diagnosis(Level.FAIL, "exchange", reached.problem, reached.cure)
        return
    yield Diagnosis(Level.OK, "exchange", f"{reached.name} answers in {reached.round_trip_ms:,.0f} ms")
    if reached.clock_warning:
        yield Diagnosis(Level.WARN, "clock", reached.clock_warning)
    else:
        yield Diagnosis(Level.OK, "clock", reached.clock)
    if reached.key_problem:
        cure = "mend DERIBIT_CLIENT_ID and DERIBIT_CLIENT_SECRET"
        yield Diagnosis(Level.FAIL, "exchange key", reached.key_problem, cure)


def balances(
    settings: Settings,
    seats: tuple[StrategyConfig, ...],
    book: Book | None,
    index: Mapping[str, Decimal],
) -> Iterator[Diagnosis]:
    """What each enabled instance can write against each balance, and what it can't use."""
    funds = funds_of(settings, book)
    if funds is None:
        cure = "let a dry run or the agent read the account once"
        yield Diagnosis(Level.WARN, "balances", "not known: there is no ledger yet", cure)
        return
    rows = [row for config in seats for row in possibilities(settings, config, funds, index)]
    used = {row.currency for _, row in rows}
    for currency, amount in sorted(funds.cash.items()):
        yield _balance(currency, amount, funds, currency in used or not seats)
    unpriced = sorted({name for one in seats for name in one.underlyings if name not in index})
    if unpriced:
        text = f"no price of {', '.join(unpriced)} is known, so puts and limits can't be sized"
        yield Diagnosis(Level.WARN, "balances", text, "run the agent once, or ask with --online")
    for config, row in rows:
        yield _line(config, row)
    if rows and not any(row.amount for _, row in rows):
        text = "with these balances and limits no option can be written at all: the agent would never trade"
        yield Diagnosis(Level.FAIL, "balances", text, "see the lines above")


def funds_of(settings: Settings, book: Book | None) -> Funds | None:
    """The ledger's cash, else the play account's opening cash, else None."""
    if book is not None and book.seq and book.cash:
        account = _account(book)
        bound = {}
        for currency in book.cash:
            cover = cover_of(currency, account, book, pending_orders(account, book))
            bound[currency] = cover.positions + cover.orders
        return Funds(dict(book.cash), bound, "ledger")
    if settings.deribit_env == "local" or settings.dry_run:
        return Funds(opening_cash(settings), {}, "opening cash")
    return None


def possibilities(
    settings: Settings, config: StrategyConfig, funds: Funds, index: Mapping[str, Decimal]
) -> list[tuple[StrategyConfig, Tradable]]:
    """What the instance writes, on each of its coins that has a price; a kind of option once."""
    limits = limits_of(settings)
    equity = equity_usd(funds.cash, index, DOLLARS)
    found: dict[tuple[str, OptionType], Tradable] = {}
    for name in config.writes:
        writes = WRITES[name]
        for underlying in config.underlyings:
            product = product_of(writes, underlying)
            if underlying in index:
                option = sample_option(product, writes.option_type, index[underlying])
                budget = funds.cash.get(product.settlement_currency, _ZERO) * config.size_share
                row = tradable(option, budget, limits, index[underlying], equity)
                found[(product.code, writes.option_type)] = row
    return [(config, row) for row in found.values()]


def prices(settings: Settings, reached: Reached | None) -> dict[str, Decimal]:
    """The index of each coin: the exchange's when it was asked, else the agent's last, else the recorded market's."""
    if reached is not None and reached.index:
        return dict(reached.index)
    found: dict[str, Decimal] = {}
    try:
        status: Any = view_source(settings).read(STATUS) or {}
        for one in status.get("underlyings", ()):
            found[one["underlying"]] = Decimal(str(one["spot"]))
    except (ViewsError, InvalidOperation, KeyError, TypeError, AttributeError):
        found = {}
    if not found and settings.deribit_env == "local":
        try:
            feed = sample_feed(settings)
            start = start_ms_of(settings, feed, MS_PER_HOUR)
        except BootError:
            return {}
        for product in PRODUCTS.values():
            found.setdefault(product.underlying, Decimal(str(feed.index(product.index_name, start))))
    return {name: price for name, price in found.items() if price.is_finite() and price > 0}


def _account(book: Book) -> AccountSnapshot:
    """The ledger's account as cover_of reads one; its positions and orders are the book's own."""
    cash = tuple(
        CurrencyAccount(name, amount, amount, amount, _ZERO, _ZERO, _ZERO)
        for name, amount in book.cash.items()
    )
    at_ms = book.last_event_ms
    return AccountSnapshot(at_ms, book.account, book.environment, "segregated_sm", False, cash, (), ())


def _balance(currency: str, amount: Decimal, funds: Funds, is_used: bool) -> Diagnosis:
    bound = funds.bound.get(currency, _ZERO)
    text = f"{_plain(amount)} ({funds.source})" + (
        f", of which {_plain(bound)} are bound by open positions and orders" if bound else ""
    )
    if amount > 0 and not is_used:
        cure = f"enable an instance that writes against {currency}, or keep it elsewhere"
        return Diagnosis(Level.WARN, currency, f"{text}: no enabled strategy uses it", cure)
    return Diagnosis(Level.OK, currency, text)


def _line(config: StrategyConfig, row: Tradable) -> Diagnosis:
    underlying, kind = row.product.underlying, row.option.option_type
    name = f"{underlying} {kind}s"
    share = "" if config.size_share == 1 else f" ({config.size_share:%} of the cash)"
    strike = "" if row.option.is_call else f" at a strike of {_plain(row.option.strike)}"
    lot = f"one lot of {_plain(row.lot)} {underlying}{strike} binds {_plain(row.lot_cover)} {row.currency}"
    if row.amount:
        text = f"{config.id}{share} can write up to {_plain(row.amount)} {underlying}: {lot}"
        if row.capped_by:
            text += f"; {row.capped_by} ({_plain(row.cap_usd or _ZERO)} USD) allows no more"
        elif row.remainder:
            text += f"; {_plain(row.remainder)} {row.currency} are less than a lot and stay unused"
        return Diagnosis(Level.OK, name, text)
    if row.capped_by and not row.missing:
        text = f"{config.id}{share} can't write: {row.capped_by} is {_plain(row.cap_usd or _ZERO)} USD, below one lot"
        return Diagnosis(Level.WARN, name, text, f"raise {row.capped_by}, or leave {underlying} out")
    text = f"{config.id}{share} can't write: {lot}, there are {_plain(row.budget)}"
    cure = f"add {_plain(row.missing / config.size_share)} {row.currency}, or take {underlying} out of UNDERLYINGS"
    return Diagnosis(Level.WARN, name, text, cure)


def _plain(amount: Decimal) -> str:
    """All digits that say something, thousands apart."""
    text = f"{amount.quantize(Decimal('1e-8')):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
