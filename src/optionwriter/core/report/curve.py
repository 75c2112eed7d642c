"""Curve: an account's equity through a run, as columns: what it has, what mere holding would have, what it owes.

Owns what is kept of each instant. Floats, for measuring and drawing; exact money stays in the books.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from optionwriter.core.books.account import CurrencyAccount
from optionwriter.core.books.book import Totals
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.report.glimpse import Glimpses

MOST_POINTS = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Columns of one length. By currency: `equity`, `deposited` so far (net), and its price in USD; `short_usd` is the
    notional of what is short (amount x index)."""

    at_ms: I64
    equity: Mapping[str, F64]
    deposited: Mapping[str, F64]
    price_usd: Mapping[str, F64]
    short_usd: F64

    @property
    def equity_usd(self) -> F64:
        """All currencies at the prices of the instant."""
        return self._sum(self.equity)

    @property
    def holding_usd(self) -> F64:
        """What the deposits alone would be worth."""
        return self._sum(self.deposited)

    @property
    def flows_usd(self) -> F64:
        """Deposits less withdrawals since the point before, at the prices of the instant."""
        total = np.zeros(len(self.at_ms))
        for name, column in self.deposited.items():
            total += np.diff(column, prepend=column[:1]) * self.price_usd[name]
        return total

    def _sum(self, columns: Mapping[str, F64]) -> F64:
        total = np.zeros(len(self.at_ms))
        for name, column in columns.items():
            total += column * self.price_usd[name]
        return total


@dataclass(slots=True)
class CurveMaker:
    """Looks at one state after the other."""

    at_ms: list[int] = field(default_factory=list)
    equity: dict[str, list[float]] = field(default_factory=dict)
    deposited: dict[str, list[float]] = field(default_factory=dict)
    price_usd: dict[str, list[float]] = field(default_factory=dict)
    short_usd: list[float] = field(default_factory=list)

    def look(self, state: AgentState) -> None:
        """Adds the instant; a second look at the same one replaces the first."""
        if self.at_ms and self.at_ms[-1] == state.at_ms:
            self._forget()
        self.at_ms.append(state.at_ms)
        for one in state.account.currencies:
            price = state.price_usd(one.currency)
            known = one.balance or one.equity or one.currency in self.equity
            if price is None or not known:
                continue
            totals = state.book.totals.get(one.currency, Totals())
            for columns, value in (
                (self.equity, float(_equity(state, one))),
                (self.deposited, float(totals.deposited)),
                (self.price_usd, float(price)),
            ):
                column = columns.setdefault(one.currency, [math.nan] * (len(self.at_ms) - 1))
                column.append(value)
        self.short_usd.append(
            sum(
                -float(one.amount) * float(state.index(one.option.product.underlying) or 0)
                for one in state.held
                if one.amount < 0
            )
        )

    def passing(self, state: AgentState) -> PassingCurve:
        """Makes ready for steps at which account and books stay as in `state`, the last one looked at."""
        money = []
        for one in state.account.currencies:
            if one.currency not in self.equity or state.price_usd(one.currency) is None:
                continue
            held = tuple(
                (each.amount, each.option.name)
                for each in state.held
                if each.option.product.settlement_currency == one.currency
            )
            money.append(_Money(one.currency, one.balance, self.deposited[one.currency][-1], held))
        shorts = tuple(
            (-float(one.amount), one.option.product.underlying) for one in state.held if one.amount < 0
        )
        return PassingCurve(self, tuple(money), shorts)

    def curve(self) -> Curve:
        """What was seen. Errors: ValueError when a currency had no value at some instant."""
        count = len(self.at_ms)
        for name, column in self.equity.items():
            if len(column) != count or any(math.isnan(one) for one in column):
                raise ValueError(f"{name} has no value at some instants: its price is missing")
        return Curve(
            at_ms=np.array(self.at_ms, dtype=np.int64),
            equity=_columns(self.equity),
            deposited=_columns(self.deposited),
            price_usd=_columns(self.price_usd),
            short_usd=np.array(self.short_usd),
        )

    def _forget(self) -> None:
        self.at_ms.pop()
        self.short_usd.pop()
        for columns in (self.equity, self.deposited, self.price_usd):
            for column in columns.values():
                column.pop()


class _Money(NamedTuple):
    """One currency between events; `held`: amounts and names of the options that settle in it."""

    currency: str
    balance: Decimal
    deposited: float
    held: tuple[tuple[Decimal, str], ...]


@dataclass(frozen=True, slots=True)
class PassingCurve:
    """The curve over steps at which nothing happens (glimpse.Passing)."""

    maker: CurveMaker
    money: tuple[_Money, ...]
    shorts: tuple[tuple[float, str], ...]  # coins, underlying

    def look(self, seen: Glimpses) -> None:
        """Adds the steps; everything held has a mark."""
        maker, count = self.maker, len(seen.at_ms)
        maker.at_ms.extend(seen.at_ms.tolist())
        for one in self.money:
            maker.equity[one.currency].extend(_equities(one, seen))
            maker.deposited[one.currency].extend([one.deposited] * count)
            price = seen.price_usd(one.currency)
            maker.price_usd[one.currency].extend([0.0] * count if price is None else price.tolist())
        short = np.zeros(count)
        for amount, name in self.shorts:
            if name in seen.index:
                short = short + amount * seen.index[name]
        maker.short_usd.extend(short.tolist())


def _equities(one: _Money, seen: Glimpses) -> list[float]:
    """Cash and what the options are worth at each step (as `_equity`)."""
    if not one.held:
        return [float(one.balance)] * len(seen.at_ms)
    marks = [seen.rows[name].mark.tolist() for _, name in one.held]
    amounts = [amount for amount, _ in one.held]
    found = []
    for row in zip(*marks, strict=True):
        worth = Decimal(0)
        for amount, mark in zip(amounts, row, strict=True):
            worth += amount * Decimal(repr(mark))
        found.append(float(one.balance + worth))
    return found


def _equity(state: AgentState, own: CurrencyAccount) -> Decimal:
    """Cash and what the options are worth, not put on the currency's grain as the exchange shows it: the books add up
    to it exactly. Its own figure where an option has no mark."""
    worth = Decimal(0)
    for one in state.held:
        if one.option.product.settlement_currency == own.currency:
            if not math.isfinite(one.mark):
                return own.equity
            worth += one.amount * Decimal(repr(one.mark))
    return own.balance + worth


def _columns(found: Mapping[str, list[float]]) -> dict[str, F64]:
    return {name: np.array(column, dtype=np.float64) for name, column in found.items()}


def thinned(values: F64, most: int = MOST_POINTS) -> I64:
    """Rows to keep of a long curve, ascending: its ends, and the lowest and highest of even parts."""
    count = len(values)
    if count <= most:
        return np.arange(count, dtype=np.int64)
    parts = np.array_split(np.arange(count), max(1, (most - 2) // 2))
    rows = {0, count - 1}
    for part in parts:
        rows.add(int(part[np.argmin(values[part])]))
        rows.add(int(part[np.argmax(values[part])]))
    return np.array(sorted(rows), dtype=np.int64)
