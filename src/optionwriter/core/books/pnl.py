"""Profit and loss: the only P&L arithmetic, in coin and in dollars, exact to the last digit.

Owns DESIGN §1's fifth idea. A chain's P&L is the sum of its flows in coin, and of each flow at the index of its own
instant in USD; open legs add position x mark, and that at today's index. What an account gained beyond its
deposits is split in two that add up exactly: `option`, the flows at their own indices, and `holding`, everything
the price of the money itself did. Every sum and product is exact or raises (money.EXACT). Averages and
percentages are quotients of 28 digits, for show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.books.book import Book, Totals
from optionwriter.core.books.chains import Chain, FlowKind
from optionwriter.core.market.instruments import Family, parse_instrument
from optionwriter.core.market.money import EXACT

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Both:
    """One amount in the settlement currency (`coin`; USDC for linear options) and in dollars."""

    coin: Decimal = _NONE
    usd: Decimal = _NONE

    def __add__(self, other: Both) -> Both:
        return Both(EXACT.add(self.coin, other.coin), EXACT.add(self.usd, other.usd))

    def __sub__(self, other: Both) -> Both:
        return Both(EXACT.subtract(self.coin, other.coin), EXACT.subtract(self.usd, other.usd))


_NONE_BOTH = Both()


@dataclass(frozen=True, slots=True)
class Prices:
    """What P&L is marked with: each open option's mark in its settlement currency, and the USD price of each
    currency's unit (the coin's index; USDC's own)."""

    marks: Mapping[str, Decimal]
    indices: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class ChainPnl:
    """A chain's result. `total` = realised + unrealised = premium + fees + payoff + taken_over + value.

    Fees are negative. `net_premium` is premium and trading fees. `value` is what the open legs are worth (negative
    when owed). `unrealised` is what they would add if closed at their marks, against what opening them brought.
    """

    premium: Both
    trading_fees: Both
    delivery_fees: Both
    payoff: Both
    taken_over: Both
    value: Both
    realised: Both
    unrealised: Both

    @property
    def total(self) -> Both:
        """Everything: flows and the value of what is open."""
        return self.realised + self.unrealised

    @property
    def net_premium(self) -> Both:
        """Premium after trading fees, of opening and closing trades alike."""
        return self.premium + self.trading_fees

    @property
    def fees(self) -> Both:
        """All fees."""
        return self.trading_fees + self.delivery_fees


class PriceMissingError(LookupError):
    """A mark or an index that a P&L needs is not there; the message names it."""


def chain_pnl(chain: Chain, prices: Prices) -> ChainPnl:
    """The chain's result at `prices`, of which only its open legs' marks and its currency's index are used.

    Errors: PriceMissingError names the option or currency without a price.
    """
    sums = _flow_sums(chain, None)
    value, unrealised = _NONE_BOTH, _NONE_BOTH
    for leg in chain.open_legs:
        worth = _worth(leg.instrument, leg.position, prices)
        value += worth
        unrealised += worth + Both(leg.basis, leg.basis_usd)
    total = value
    for amount in sums.values():
        total += amount
    return ChainPnl(
        premium=sums[FlowKind.PREMIUM],
        trading_fees=sums[FlowKind.FEE],
        delivery_fees=sums[FlowKind.DELIVERY_FEE],
        payoff=sums[FlowKind.PAYOFF],
        taken_over=sums[FlowKind.TAKEN_OVER],
        value=value,
        realised=total - unrealised,
        unrealised=unrealised,
    )


def leg_pnl(chain: Chain, instrument: str, prices: Prices) -> Both:
    """What one instrument brought to the chain: its flows, and its open leg at its mark."""
    total = _NONE_BOTH
    for amount in _flow_sums(chain, instrument).values():
        total += amount
    leg = chain.open_leg(instrument)
    return total if leg is None else total + _worth(instrument, leg.position, prices)


def collateral(chain: Chain) -> Both:
    """What the first sold leg tied up when it was opened: a coin each inverse option, strike x amount each linear one,
    at the first flow's index. The base of a chain's percentages; of a spread that never came to its sale, the wing's.
    """
    first = next((leg for leg in chain.legs if leg.sold), chain.legs[0])
    option = parse_instrument(first.instrument)
    each = Decimal(1) if option.product.family is Family.INVERSE else option.strike
    coin = EXACT.multiply(first.opened, each)
    return Both(coin, EXACT.multiply(coin, chain.flows[0].index))


def percent(result: Both, base: Both) -> Both:
    """`result` in percent of `base`, coin of coin and USD of USD; 0 where the base is 0. For show."""
    return Both(
        result.coin / base.coin * 100 if base.coin else _NONE,
        result.usd / base.usd * 100 if base.usd else _NONE,
    )


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The worst fall of a series of results from its highest point so far; begins at 0, before any result."""

    peak: Decimal = _NONE
    worst: Decimal = _NONE  # never negative

    def after(self, result: Decimal) -> Drawdown:
        """With one more point of the series."""
        peak = max(self.peak, result)
        return Drawdown(peak, max(self.worst, EXACT.subtract(peak, result)))


def max_drawdown(results: Iterable[Decimal]) -> Decimal:
    """The worst fall of `results` (a chain's totals over time, one unit), from 0 on; never negative."""
    fall = Drawdown()
    for result in results:
        fall = fall.after(result)
    return fall.worst


@dataclass(frozen=True, slots=True)
class CurrencyPnl:
    """One currency of the account since its ledger began.

    `equity` is cash and the options' value; `invested_usd` the deposits less withdrawals, each at the index of its
    instant. option + holding = equity.usd - invested_usd, exactly. `deposited` is what a mere holder would have.
    """

    currency: str
    equity: Both
    deposited: Decimal
    invested_usd: Decimal
    option: Both  # coin: what options brought; usd: each flow at its own index, open ones at today's
    holding_usd: Decimal  # deposits and flows, each by what its currency's price did since
    benchmark_usd: Decimal  # what the deposits would be worth had nothing been traded

    @property
    def gain_usd(self) -> Decimal:
        """What the currency gained beyond its deposits."""
        return EXACT.subtract(self.equity.usd, self.invested_usd)


@dataclass(frozen=True, slots=True)
class AccountPnl:
    """All currencies of the account; the sums are exact."""

    currencies: tuple[CurrencyPnl, ...]

    @property
    def equity_usd(self) -> Decimal:
        """Everything at today's indices."""
        return _sum(one.equity.usd for one in self.currencies)

    @property
    def invested_usd(self) -> Decimal:
        """Deposits less withdrawals, each at the index of its instant."""
        return _sum(one.invested_usd for one in self.currencies)

    @property
    def option_usd(self) -> Decimal:
        """What trading options brought."""
        return _sum(one.option.usd for one in self.currencies)

    @property
    def holding_usd(self) -> Decimal:
        """What the prices of the money itself brought."""
        return _sum(one.holding_usd for one in self.currencies)

    @property
    def benchmark_usd(self) -> Decimal:
        """What the deposits would be worth had nothing been traded."""
        return _sum(one.benchmark_usd for one in self.currencies)

    @property
    def over_benchmark_usd(self) -> Decimal:
        """What trading left over merely holding the deposits."""
        return EXACT.subtract(self.equity_usd, self.benchmark_usd)

    @property
    def gain_usd(self) -> Decimal:
        """Equity beyond deposits: option + holding."""
        return EXACT.subtract(self.equity_usd, self.invested_usd)


def account_pnl(book: Book, held: Mapping[str, Decimal], prices: Prices) -> AccountPnl:
    """The account since its ledger began, in every currency that it ever touched.

    `held` is every option position of the account, ours and others' (signed coins by instrument). Errors:
    PriceMissingError.
    """
    worths: dict[str, Decimal] = {}
    for instrument, position in held.items():
        currency = parse_instrument(instrument).product.settlement_currency
        worths[currency] = EXACT.add(worths.get(currency, _NONE), _coin_worth(instrument, position, prices))
    names = sorted({*book.totals, *worths})
    return AccountPnl(
        tuple(
            _currency_pnl(name, book.totals.get(name, Totals()), worths.get(name, _NONE), prices)
            for name in names
        )
    )


def _currency_pnl(currency: str, totals: Totals, options: Decimal, prices: Prices) -> CurrencyPnl:
    index = _index(currency, prices)
    cash = EXACT.add(totals.deposited, totals.flowed)
    equity = EXACT.add(cash, options)
    deposits_moved = EXACT.subtract(EXACT.multiply(totals.deposited, index), totals.deposited_usd)
    flows_moved = EXACT.subtract(EXACT.multiply(totals.flowed, index), totals.flowed_usd)
    return CurrencyPnl(
        currency=currency,
        equity=Both(equity, EXACT.multiply(equity, index)),
        deposited=totals.deposited,
        invested_usd=totals.deposited_usd,
        option=Both(EXACT.add(totals.flowed, options), EXACT.fma(options, index, totals.flowed_usd)),
        holding_usd=EXACT.add(deposits_moved, flows_moved),
        benchmark_usd=EXACT.multiply(totals.deposited, index),
    )


def _flow_sums(chain: Chain, instrument: str | None) -> dict[FlowKind, Both]:
    """The chain's flows by kind, all of them or one instrument's."""
    sums = dict.fromkeys(FlowKind, _NONE_BOTH)
    for flow in chain.flows:
        if instrument is None or flow.instrument == instrument:
            sums[flow.kind] += Both(flow.amount, EXACT.multiply(flow.amount, flow.index))
    return sums


def _worth(instrument: str, position: Decimal, prices: Prices) -> Both:
    coin = _coin_worth(instrument, position, prices)
    currency = parse_instrument(instrument).product.settlement_currency
    return Both(coin, EXACT.multiply(coin, _index(currency, prices)))


def _coin_worth(instrument: str, position: Decimal, prices: Prices) -> Decimal:
    mark = prices.marks.get(instrument)
    if mark is None:
        raise PriceMissingError(f"no mark for {instrument}: its position cannot be valued")
    return EXACT.multiply(position, mark)


def _index(currency: str, prices: Prices) -> Decimal:
    index = prices.indices.get(currency)
    if index is None:
        raise PriceMissingError(f"no USD price for {currency}: its cash cannot be valued")
    return index


def _sum(parts: Iterable[Decimal]) -> Decimal:
    total = _NONE
    for part in parts:
        total = EXACT.add(total, part)
    return total
