"""Benchmarks: two plain covered-call rules, kept beside a run on the same tape, so that a strategy can be held to them.

- `otm`: the monthly call nearest to 10 % out of the money
- `atm`: the call nearest to the money of the expiry nearest to 30 days

Both sell at the bid on the first look of the day after the last expiry (at once where nothing was sold yet), as much as
the coins cover, and hold to settlement. Fees and settlement are the books' own. Keeps: a look knows its own instant
only; a delivery price is asked for when it is past. What flatters a rule is said: the bid's size is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from optionwriter.core.books.book import Totals
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.books.settlement import settle
from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.chain import F64, OptionChain
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    PRODUCTS,
    Instrument,
    is_daily,
    is_last_friday,
    parse_instrument,
)
from optionwriter.core.market.money import quantise
from optionwriter.core.report.glimpse import Glimpses

_ZERO = Decimal(0)
_FOR_EVER_MS = 2**62
OTM_SHARE = 0.10
ATM_DAYS = 30
Pick = Callable[[OptionChain, int], "int | None"]  # the row to sell at an instant
Delivery = Callable[[str, int], float]  # index name, expiry: the delivery price of what has expired


@dataclass(frozen=True, slots=True, eq=False)
class Benchmark:
    """A rule's equity by currency (coins), columns as long as the run's curve; `fees` paid by currency."""

    name: str
    equity: Mapping[str, F64]
    fees: Mapping[str, float]


@dataclass(slots=True)
class _Account:
    """One coin under the rule."""

    cash: Decimal = _ZERO
    deposited: Decimal = _ZERO
    sold: Instrument | None = None
    amount: Decimal = _ZERO
    mark: Decimal = _ZERO  # the last one known
    again_ms: int = 0  # nothing is sold before it
    fees: Decimal = _ZERO


class Wanted(NamedTuple):
    """Options whose quotes are read, and codes of products whose whole chain is."""

    options: tuple[Instrument, ...]
    chains: tuple[str, ...]


@dataclass(slots=True)
class CallRule:
    """One rule over every coin of the account; looks at one state after the other."""

    name: str
    pick: Pick
    delivery: Delivery
    _accounts: dict[str, _Account] = field(default_factory=dict)
    _equity: dict[str, list[float]] = field(default_factory=dict)
    _looks: int = 0
    _at_ms: int = -1

    def look(self, state: AgentState) -> None:
        """Adds the instant; a second look at the same one replaces the first."""
        if state.at_ms == self._at_ms:
            self._looks -= 1
            for column in self._equity.values():
                column.pop()
        self._at_ms = state.at_ms
        for name in sorted({one.currency for one in state.account.currencies}):
            totals = state.book.totals.get(name, Totals())
            if name in self._accounts or totals.deposited:
                column = self._equity.setdefault(name, [0.0] * self._looks)
                column.append(self._look(name, state, totals.deposited))
        self._looks += 1

    def wanted(self, at_ms: int) -> Wanted:
        """What a look at that instant would read of the market, as long as nothing is deposited before it."""
        names: list[Instrument] = []
        whole: list[str] = []
        for currency, own in self._accounts.items():
            if currency not in PRODUCTS:
                continue
            sold = own.sold if own.sold is not None and own.sold.expiry_ms > at_ms else None
            again_ms = own.again_ms if own.sold is None else _again_ms(own.sold)
            if sold is not None:
                names.append(sold)
            elif at_ms >= again_ms:
                whole.append(currency)
        return Wanted(tuple(names), tuple(whole))

    def steady_until(self, at_ms: int) -> int:
        """The first instant after `at_ms` at which a look may do more than value what is sold."""
        ends = [
            own.sold.expiry_ms if own.sold is not None else max(own.again_ms, at_ms + 1)
            for currency, own in self._accounts.items()
            if currency in PRODUCTS
        ]
        return min(ends, default=_FOR_EVER_MS)

    def passing(self, state: AgentState) -> PassingRule:
        """Makes ready for steps before `steady_until` at which nothing is deposited, after a look at `state`."""
        names = sorted({one.currency for one in state.account.currencies} & set(self._accounts))
        return PassingRule(self, tuple((self._accounts[name], self._equity[name]) for name in names))

    def passed(self, at_ms: int, steps: int) -> None:
        """Notes looks of `passing`, the last of them at that instant."""
        self._at_ms = at_ms
        self._looks += steps

    def found(self) -> Benchmark:
        """What the rule came to."""
        return Benchmark(
            self.name,
            {name: np.array(column) for name, column in self._equity.items()},
            {name: float(one.fees) for name, one in self._accounts.items()},
        )

    def _look(self, currency: str, state: AgentState, deposited: Decimal) -> float:
        own = self._accounts.setdefault(currency, _Account())
        own.cash += deposited - own.deposited
        own.deposited = deposited
        if own.sold is not None and own.sold.expiry_ms <= state.at_ms:
            self._settle(own, own.sold)
        chain = state.chain(currency) if currency in state.underlyings else None
        if chain is None:
            return float(own.cash - own.amount * own.mark)
        if own.sold is None and state.at_ms >= own.again_ms:
            self._sell(own, chain, state.at_ms)
        if own.sold is not None:
            row = chain.table.row_of.get(own.sold.name)
            if row is not None and math.isfinite(chain.mark[row]):
                own.mark = exact(float(chain.mark[row]))
        return float(own.cash - own.amount * own.mark)

    def _sell(self, own: _Account, chain: OptionChain, at_ms: int) -> None:
        row = self.pick(chain, at_ms)
        amount = chain.product.floor_amount(max(_ZERO, own.cash))
        if row is None or not amount:
            return
        price = exact(float(chain.bid[row]))
        fee = trading_fee(chain.product, amount, price, exact(chain.index_price))
        own.cash += quantise(amount * price, chain.product.settlement_currency) - fee
        own.fees += fee
        own.sold, own.amount = parse_instrument(chain.table.names[row]), amount

    def _settle(self, own: _Account, option: Instrument) -> None:
        price = exact(self.delivery(option.product.index_name, option.expiry_ms))
        ended = settle(option, -own.amount, price, is_daily(option.expiry_ms))
        own.cash += ended.payoff - ended.fee
        own.fees += ended.fee
        own.sold, own.amount, own.mark = None, _ZERO, _ZERO
        own.again_ms = _again_ms(option)


@dataclass(frozen=True, slots=True)
class PassingRule:
    """A rule over steps at which it only values what it sold (glimpse.Passing)."""

    rule: CallRule
    columns: tuple[tuple[_Account, list[float]], ...]

    def look(self, seen: Glimpses) -> None:
        """Adds the steps."""
        for own, column in self.columns:
            rows = seen.rows.get(own.sold.name) if own.sold is not None else None
            if rows is None:
                column.extend([float(own.cash - own.amount * own.mark)] * len(seen.at_ms))
                continue
            for mark in rows.mark.tolist():
                if math.isfinite(mark):
                    own.mark = exact(mark)
                column.append(float(own.cash - own.amount * own.mark))
        self.rule.passed(int(seen.at_ms[-1]), len(seen.at_ms))


def _again_ms(option: Instrument) -> int:
    """From when on the next is sold: the day after the expiry."""
    return (option.expiry_ms // MS_PER_DAY + 1) * MS_PER_DAY


def monthly_otm(chain: OptionChain, at_ms: int) -> int | None:
    """The bid call of the next monthly expiry whose strike is nearest to 10 % over the index; None without one."""
    expiries = [one for one in _expiries(chain, at_ms) if is_last_friday(one)]
    return _nearest(chain, expiries[0], chain.index_price * (1.0 + OTM_SHARE)) if expiries else None


def month_atm(chain: OptionChain, at_ms: int) -> int | None:
    """The bid call nearest to its forward, of the expiry nearest to 30 days; None without one."""
    expiries = _expiries(chain, at_ms)
    if not expiries:
        return None
    best = min(expiries, key=lambda one: (abs(one - at_ms - ATM_DAYS * MS_PER_DAY), one))
    forward = chain.forward[chain.table.expiry_ms == best]
    return _nearest(chain, best, float(forward[0])) if math.isfinite(forward[0]) else None


def rules(delivery: Delivery) -> tuple[CallRule, ...]:
    """The two, fresh."""
    return CallRule("benchmark_otm", monthly_otm, delivery), CallRule("benchmark_atm", month_atm, delivery)


def benchmark_usd(found: Benchmark, price_usd: Mapping[str, F64]) -> F64:
    """The rule's equity over all currencies at the prices of the instants."""
    return np.asarray(sum(column * price_usd[name] for name, column in found.equity.items()))


def units(found: Sequence[Benchmark], price_usd: Mapping[str, F64]) -> Iterator[tuple[str, str, F64]]:
    """(rule, currency or USD, equity) of every curve."""
    for one in found:
        for name, column in one.equity.items():
            if name in PRODUCTS:  # a coin; USDC is only held
                yield one.name, name, column
        yield one.name, "USD", benchmark_usd(one, price_usd)


def _expiries(chain: OptionChain, at_ms: int) -> list[int]:
    """Expiries at least a day away, ascending."""
    return sorted({one for one in chain.table.expiry_ms.tolist() if one >= at_ms + MS_PER_DAY})


def _nearest(chain: OptionChain, expiry_ms: int, wanted: float) -> int | None:
    """The bid call of the expiry whose strike is nearest to `wanted`, the higher of two as near."""
    table = chain.table
    rows = np.flatnonzero(table.is_call & (table.expiry_ms == expiry_ms) & (chain.bid > 0.0))
    if not rows.size:
        return None
    strike = table.strike[rows]
    return int(rows[np.lexsort((-strike, np.abs(strike - wanted)))[0]])
