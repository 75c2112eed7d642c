"""AgentState: everything a decision may rest on, at one instant; build_state is its only builder, live and backtest.

Owns the joining of account, book, chains and context: each held option with our share of it and the external rest, its
days to expiry, moneyness, mark and our own delta. Input that contradicts itself is not repaired here and not hidden:
it is flagged with what it concerns, and risk refuses what rests on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.books.account import AccountSnapshot, CurrencyAccount
from optionwriter.core.books.book import Book, positions
from optionwriter.core.decide.crossing import exact
from optionwriter.core.market.black76 import price_delta_one
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.context import MarketContext
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    Instrument,
    InstrumentError,
    parse_instrument,
    product,
)

_ZERO = Decimal(0)
_NAN = float("nan")
IDENTITY_TOLERANCE = Decimal(
    "0.000002"
)  # margin_balance = equity - options_value, to the recordings' last digits


class StateError(ValueError):
    """Input that no state can be built from: the caller handed in the wrong thing."""


@dataclass(frozen=True, slots=True)
class StateFlag:
    """One contradiction. `subject`: the currency, underlying, product or instrument that it concerns, "" for all."""

    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class HeldOption:
    """One option on the account. Amounts are signed coins: the venue's net, our book's share, and the rest."""

    option: Instrument
    amount: Decimal
    ours: Decimal
    external: Decimal
    days_to_expiry: float
    otm: float  # share of the index by which it is out of the money, negative inside; NaN without an index
    mark: float  # settlement currency; NaN where the chain shows none
    iv: float
    delta: float  # of one coin held, signed; NaN where it can't be computed


@dataclass(frozen=True, slots=True, eq=False)
class UnderlyingState:
    """One underlying: its index (USD) and the chains and context that were seen."""

    underlying: str
    index: Decimal
    chains: Mapping[str, OptionChain]
    context: MarketContext


@dataclass(frozen=True, slots=True, eq=False)
class AgentState:
    """The world at `at_ms`, exchange time. `foreign` are positions that are no option of a known product."""

    at_ms: int
    account: AccountSnapshot
    book: Book
    underlyings: Mapping[str, UnderlyingState]
    held: tuple[HeldOption, ...]
    foreign: tuple[str, ...]
    flags: tuple[StateFlag, ...]
    usdc_index: Decimal = Decimal(1)

    def chain(self, product_code: str) -> OptionChain | None:
        """The product's chain, None when it was not seen."""
        found = self.underlyings.get(product(product_code).underlying)
        return found.chains.get(product_code) if found else None

    def index(self, underlying: str) -> Decimal | None:
        """The index in USD, None when the underlying was not seen."""
        found = self.underlyings.get(underlying)
        return found.index if found else None

    def price_usd(self, currency: str) -> Decimal | None:
        """USD for one unit of a currency: a coin's index, USDC's own; None when it is not known."""
        return self.usdc_index if currency == "USDC" else self.index(currency)

    @property
    def equity_usd(self) -> Decimal:
        """Equity of every currency whose price is known, USD; the others count nothing."""
        total = _ZERO
        for one in self.account.currencies:
            price = self.price_usd(one.currency)
            if price is not None and one.equity.is_finite():
                total += one.equity * price
        return total


def build_state(
    at_ms: int,
    account: AccountSnapshot,
    book: Book,
    chains: Mapping[str, OptionChain],
    contexts: Mapping[str, MarketContext],
    usdc_index: Decimal = Decimal(1),
) -> AgentState:
    """The state at `at_ms` from what was observed; `chains` by product code, `contexts` by underlying.

    `usdc_index` is USD for one USDC. An underlying is there when it has a context and a chain with a usable index.
    Errors: StateError for a chain filed under another product's code.
    """
    for code, chain in chains.items():
        if chain.product.code != code:
            raise StateError(f"the chain filed under {code} is of {chain.product.code}")
    underlyings = {
        name: found for name in contexts if (found := _underlying(name, chains, contexts[name])) is not None
    }
    options, foreign = _held(at_ms, account, book, underlyings)
    flags = (
        *_chain_flags(chains),
        *_context_flags(at_ms, contexts),
        *_account_flags(account, book),
        *_position_flags(options),
    )
    return AgentState(at_ms, account, book, underlyings, options, foreign, flags, usdc_index)


def price_of(chain: OptionChain, row: int, at_ms: int) -> tuple[float, float, float]:
    """(mark, mark IV, signed delta) of one row; delta is ours, from mark IV. NaN where the chain has none."""
    iv, forward, table = float(chain.mark_iv[row]), float(chain.forward[row]), chain.table
    left_ms = int(table.expiry_ms[row]) - at_ms
    delta = delta_of(forward, float(table.strike[row]), left_ms, iv, bool(table.is_call[row]))
    return float(chain.mark[row]), iv, delta


def delta_of(forward: float, strike: float, left_ms: int, iv: float, is_call: bool) -> float:
    """Signed delta of an option that lives `left_ms` more; NaN where a number is missing."""
    if not (iv > 0 and forward > 0 and math.isfinite(iv) and math.isfinite(forward)):
        return _NAN
    _, delta = price_delta_one(forward, strike, max(0, left_ms) / MS_PER_DAY / 365.0, iv, is_call)
    return float(delta)


def _underlying(
    name: str, chains: Mapping[str, OptionChain], context: MarketContext
) -> UnderlyingState | None:
    own = {code: chain for code, chain in chains.items() if chain.product.underlying == name}
    # the product whose settlement is the coin itself gives the coin's index; else whatever is quoted
    ranked = sorted(
        own.values(), key=lambda chain: (chain.product.settlement_currency != name, chain.product.code)
    )
    for chain in ranked:
        if math.isfinite(chain.index_price) and chain.index_price > 0:
            return UnderlyingState(name, exact(chain.index_price), own, context)
    return None


def _held(
    at_ms: int, account: AccountSnapshot, book: Book, underlyings: Mapping[str, UnderlyingState]
) -> tuple[tuple[HeldOption, ...], tuple[str, ...]]:
    ours = positions(book)
    venue: dict[str, Decimal] = {}
    for position in account.positions:
        venue[position.instrument] = venue.get(position.instrument, _ZERO) + position.amount
    options: list[HeldOption] = []
    foreign: list[str] = []
    for name in sorted({*venue, *ours}):
        amount, share = venue.get(name, _ZERO), ours.get(name, _ZERO)
        if not amount and not share:
            continue
        try:
            option = parse_instrument(name)
        except InstrumentError:
            foreign.append(name)
            continue
        options.append(_held_option(option, amount, share, at_ms, underlyings))
    orders = {order.instrument for order in account.open_orders if not _is_option(order.instrument)}
    return tuple(options), tuple(sorted({*foreign, *orders}))


def _held_option(
    option: Instrument,
    amount: Decimal,
    share: Decimal,
    at_ms: int,
    underlyings: Mapping[str, UnderlyingState],
) -> HeldOption:
    found = underlyings.get(option.product.underlying)
    mark = iv = delta = otm = _NAN
    if found is not None:
        gap = float(option.strike / found.index) - 1.0
        otm = gap if option.is_call else -gap
        chain = found.chains.get(option.product.code)
        row = chain.table.row_of.get(option.name) if chain is not None else None
        if chain is not None and row is not None:
            mark, iv, delta = price_of(chain, row, at_ms)
    return HeldOption(
        option, amount, share, amount - share, option.days_to_expiry(at_ms), otm, mark, iv, delta
    )


def _is_option(name: str) -> bool:
    try:
        parse_instrument(name)
    except InstrumentError:
        return False
    return True


def _chain_flags(chains: Mapping[str, OptionChain]) -> Iterator[StateFlag]:
    for code, chain in sorted(chains.items()):
        if not (math.isfinite(chain.index_price) and chain.index_price > 0):
            yield StateFlag(code, f"the index of {code} is {chain.index_price}")
        columns = (chain.forward, chain.mark, chain.mark_iv, chain.bid, chain.ask, chain.bid_size)
        if any(len(column) != len(chain.table) for column in columns):
            yield StateFlag(code, f"the chain of {code} has columns of different lengths")


def _context_flags(at_ms: int, contexts: Mapping[str, MarketContext]) -> Iterator[StateFlag]:
    for name, context in sorted(contexts.items()):
        if context.at_ms > at_ms:
            yield StateFlag(name, f"the context of {name} knows {context.at_ms - at_ms} ms of the future")


def _account_flags(account: AccountSnapshot, book: Book) -> Iterator[StateFlag]:
    if book.account and account.account_id != book.account:
        yield StateFlag("", f"the account is {account.account_id}, the ledger's is {book.account}")
    if book.environment and account.environment != book.environment:
        yield StateFlag("", f"the account is on {account.environment}, the ledger on {book.environment}")
    for one in account.currencies:
        if not _finite(one):
            yield StateFlag(one.currency, f"the {one.currency} account has a figure that is no number")
        elif abs(one.equity - one.options_value - one.margin_balance) > IDENTITY_TOLERANCE:
            yield StateFlag(
                one.currency,
                f"{one.currency}: equity {one.equity} less options {one.options_value} is not the margin "
                f"balance {one.margin_balance}",
            )
    for position in account.positions:
        if not position.amount.is_finite():
            yield StateFlag(position.instrument, f"the position in {position.instrument} is no number")


def _finite(one: CurrencyAccount) -> bool:
    figures = (one.balance, one.equity, one.margin_balance, one.options_value, one.initial_margin)
    return all(figure.is_finite() for figure in figures)


def _position_flags(held: tuple[HeldOption, ...]) -> Iterator[StateFlag]:
    """Our share must lie between nothing and the venue's net: what we hold can't be more than what there is."""
    for one in held:
        if one.ours and not (_ZERO <= one.ours / one.amount <= 1 if one.amount else False):
            yield StateFlag(
                one.option.name,
                f"the ledger holds {one.ours} of {one.option.name}, the venue shows {one.amount}",
            )
