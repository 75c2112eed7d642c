"""Views: positions, account and status as frozen records, the same for page, API, CLI and chat.

Folds of book, state and limits. Owns the outside names of DESIGN §7 and their meaning: `_abs` is the settlement
currency (coin, or USDC), `_usd` dollars with each flow at the index of its own instant, `_pct` percent of the
collateral that the chain's first leg bound. All P&L is books/pnl.py's. A number that can't be known now is None, and
nothing here fails because one is missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.book import Book, open_chains
from optionwriter.core.books.chains import Chain, Leg, LegStatus
from optionwriter.core.books.pnl import (
    Both,
    ChainPnl,
    CurrencyPnl,
    Drawdown,
    PriceMissingError,
    Prices,
    account_pnl,
    chain_pnl,
    collateral,
    leg_pnl,
    percent,
)
from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.instruments import MS_PER_DAY, Instrument, parse_instrument
from optionwriter.core.report.bundled import bundle_total, closed_bundle, grouped, open_bundle
from optionwriter.core.report.detail import flow_sums

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class LegView:
    """One leg of a position. `quantity` is signed: negative is short. `side` is how it was opened, `pnl_abs` what its
    instrument brought the chain so far, in `currency`; None while a price is missing."""

    instrument: str
    side: str
    currency: str
    strike: Decimal
    expiry_ms: int
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal | None
    current_mark: Decimal | None
    status: str
    opened_ms: int
    closed_ms: int | None
    label: str
    pnl_abs: Decimal | None
    pnl_abs_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """An open chain; strike, expiry, entry and mark are those of its first open short leg. Fees are negative.

    A strangle's two chains are one row in USD (bundled.py).
    """

    position_id: str
    underlying: str
    option_type: str
    strategy_type: str
    strategy_id: str
    instrument: str
    strike: Decimal
    expiry_ms: int
    days_to_expiry: float
    quantity: Decimal
    entry_price: Decimal
    current_mark: Decimal | None
    unrealized_pnl_abs: Decimal | None
    unrealized_pnl_abs_usd: Decimal | None
    unrealized_pnl_pct: Decimal | None
    unrealized_pnl_pct_usd: Decimal | None
    realized_pnl_abs: Decimal | None
    realized_pnl_abs_usd: Decimal | None
    fees: Decimal
    fees_usd: Decimal
    net_premium: Decimal
    net_premium_usd: Decimal
    currency: str
    execution_mode: str
    created_at: int
    number_of_rolls: int
    legs: tuple[LegView, ...]


@dataclass(frozen=True, slots=True)
class ClosedPosition:
    """A chain that is over. `max_drawdown` is the worst fall of its result from its best, settlement currency."""

    position_id: str
    underlying: str
    option_type: str
    strategy_type: str
    strategy_id: str
    currency: str
    execution_mode: str
    created_at: int
    closed_at: int
    net_premium: Decimal
    net_premium_usd: Decimal
    realized_pnl_abs: Decimal
    realized_pnl_abs_usd: Decimal
    realized_pnl_pct: Decimal
    realized_pnl_pct_usd: Decimal
    fees: Decimal
    fees_usd: Decimal
    number_of_rolls: int
    days_in_trade: float
    max_drawdown: Decimal
    legs: tuple[LegView, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """A sum over positions that settle in one currency; None when a part of it can't be known."""

    currency: str
    pnl_abs: Decimal | None
    pnl_abs_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class CurrencyView:
    """One currency against merely holding what was deposited. `pnl` is None while a price is missing."""

    currency: str
    balance: Decimal
    equity: Decimal
    initial_margin: Decimal
    margin_used_pct: Decimal | None
    pnl: CurrencyPnl | None


@dataclass(frozen=True, slots=True)
class AccountView:
    """The account in coin and USD. `holding_usd` is what the deposits alone would be worth.

    `over_holding_usd` is equity less that.
    """

    at_ms: int
    currencies: tuple[CurrencyView, ...]
    equity_usd: Decimal | None
    holding_usd: Decimal | None
    over_holding_usd: Decimal | None
    option_usd: Decimal | None
    missing: str


def prices_of(state: AgentState) -> Prices:
    """Marks of everything held and the USD price of every currency, as far as they are known now."""
    marks = {one.option.name: exact(one.mark) for one in state.held if math.isfinite(one.mark)}
    indices = {name: found.index for name, found in state.underlyings.items()}
    return Prices(marks, {**indices, "USDC": state.usdc_index})


def open_positions(state: AgentState) -> tuple[OpenPosition, ...]:
    """Our open chains, oldest first; a chain that only waits for its first fill is not one yet."""
    prices = prices_of(state)
    rows: list[OpenPosition] = []
    for name, chains in grouped(chain for chain in open_chains(state.book) if chain.open_legs).items():
        sides = [_open_position(chain, state, prices) for chain in chains]
        if not chains[0].bundle:
            rows += sides
            continue
        whole = [one for one in state.book.chains.values() if one.bundle == name]
        legs = tuple(_leg(chain, leg, prices) for chain in whole for leg in chain.legs)
        rows.append(replace(open_bundle(name, whole, sides, prices), legs=legs))
    return tuple(rows)


def closed_positions(
    book: Book, drawdowns: Mapping[str, Drawdown] | None = None
) -> tuple[ClosedPosition, ...]:
    """Chains that are over, latest first. `drawdowns` as observe() keeps them; else only flows are known."""
    rows: list[ClosedPosition] = []
    for name, chains in grouped(chain for chain in book.chains.values() if chain.legs).items():
        if any(chain.is_open for chain in chains):
            continue
        rows.append(closed_row(name, chains, book.mode, (drawdowns or {}).get(name)))
    return tuple(sorted(rows, key=lambda one: (-one.closed_at, one.position_id)))


def closed_row(
    position_id: str, chains: Sequence[Chain], mode: str, seen: Drawdown | None = None
) -> ClosedPosition:
    """The row of a position that is over: of its one chain, or of its bundle's."""
    sides = [closed_position(chain, mode, seen) for chain in chains]
    return closed_bundle(position_id, sides, chains, seen or Drawdown()) if chains[0].bundle else sides[0]


def observe(drawdowns: Mapping[str, Drawdown], state: AgentState) -> dict[str, Drawdown]:
    """The drawdowns after one more look at every open chain; chains without a price are left as they were."""
    prices = prices_of(state)
    after = dict(drawdowns)
    for chain in open_chains(state.book):
        pnl = _pnl(chain, prices)
        if pnl is not None and chain.legs:
            after[chain.chain_id] = after.get(chain.chain_id, Drawdown()).after(pnl.total.coin)
    for bundle in {chain.bundle for chain in open_chains(state.book) if chain.bundle and chain.legs}:
        whole = [one for one in state.book.chains.values() if one.bundle == bundle]
        pnl = bundle_total(whole, prices)
        if pnl is not None:
            after[bundle] = after.get(bundle, Drawdown()).after(pnl.total.usd)
    return after


def totals(positions: tuple[OpenPosition, ...] | tuple[ClosedPosition, ...]) -> tuple[Total, ...]:
    """The P&L of the positions by settlement currency: unrealised of open ones, realised of closed ones."""
    sums: dict[str, Total] = {}
    for one in positions:
        if isinstance(one, OpenPosition):
            coin, usd = one.unrealized_pnl_abs, one.unrealized_pnl_abs_usd
        else:
            coin, usd = one.realized_pnl_abs, one.realized_pnl_abs_usd
        so_far = sums.get(one.currency, Total(one.currency, _ZERO, _ZERO))
        sums[one.currency] = Total(one.currency, _plus(so_far.pnl_abs, coin), _plus(so_far.pnl_abs_usd, usd))
    return tuple(sums[currency] for currency in sorted(sums))


def account_view(state: AgentState) -> AccountView:
    """The account now, against holding."""
    held = {one.option.name: one.amount for one in state.held}
    try:
        pnl, missing = account_pnl(state.book, held, prices_of(state)), ""
    except PriceMissingError as error:
        pnl, missing = None, str(error)
    by_currency = {one.currency: one for one in pnl.currencies} if pnl is not None else {}
    return AccountView(
        at_ms=state.at_ms,
        currencies=tuple(
            CurrencyView(
                currency=one.currency,
                balance=one.balance,
                equity=one.equity,
                initial_margin=one.initial_margin,
                margin_used_pct=one.initial_margin / one.margin_balance * 100
                if one.margin_balance > 0
                else None,
                pnl=by_currency.get(one.currency),
            )
            for one in state.account.currencies
        ),
        equity_usd=None if pnl is None else pnl.equity_usd,
        holding_usd=None if pnl is None else pnl.benchmark_usd,
        over_holding_usd=None if pnl is None else pnl.over_benchmark_usd,
        option_usd=None if pnl is None else pnl.option_usd,
        missing=missing,
    )


def _open_position(chain: Chain, state: AgentState, prices: Prices) -> OpenPosition:
    leg = next((one for one in chain.open_legs if one.position < 0), chain.open_legs[0])
    option = parse_instrument(leg.instrument)
    pnl, sums = _pnl(chain, prices), flow_sums(chain)
    share = None if pnl is None else percent(pnl.unrealised, collateral(chain))
    return OpenPosition(
        position_id=chain.chain_id,
        underlying=option.product.underlying,
        option_type=str(chain.option_type),
        strategy_type=chain.strategy_type,
        strategy_id=chain.strategy_id,
        instrument=leg.instrument,
        strike=option.strike,
        expiry_ms=option.expiry_ms,
        days_to_expiry=option.days_to_expiry(state.at_ms),
        quantity=leg.position,
        entry_price=leg.entry_price,
        current_mark=prices.marks.get(leg.instrument),
        unrealized_pnl_abs=None if pnl is None else pnl.unrealised.coin,
        unrealized_pnl_abs_usd=None if pnl is None else pnl.unrealised.usd,
        unrealized_pnl_pct=None if share is None else share.coin,
        unrealized_pnl_pct_usd=None if share is None else share.usd,
        realized_pnl_abs=None if pnl is None else pnl.realised.coin,
        realized_pnl_abs_usd=None if pnl is None else pnl.realised.usd,
        fees=sums.fees.coin,
        fees_usd=sums.fees.usd,
        net_premium=sums.net_premium.coin,
        net_premium_usd=sums.net_premium.usd,
        currency=option.product.settlement_currency,
        execution_mode=state.book.mode,
        created_at=chain.created_ms,
        number_of_rolls=chain.rolls,
        legs=tuple(_leg(chain, one, prices) for one in chain.legs),
    )


def closed_position(chain: Chain, mode: str, seen: Drawdown | None) -> ClosedPosition:
    """A chain that is over and had a leg; `mode` is the book's."""
    pnl = chain_pnl(chain, Prices({}, {}))  # nothing is open, so no price is asked
    share = percent(pnl.realised, collateral(chain))
    option = parse_instrument(next((leg for leg in chain.legs if leg.sold), chain.legs[0]).instrument)
    closed = chain.closed_ms or chain.created_ms
    return ClosedPosition(
        position_id=chain.chain_id,
        underlying=option.product.underlying,
        option_type=str(chain.option_type),
        strategy_type=chain.strategy_type,
        strategy_id=chain.strategy_id,
        currency=option.product.settlement_currency,
        execution_mode=mode,
        created_at=chain.created_ms,
        closed_at=closed,
        net_premium=pnl.net_premium.coin,
        net_premium_usd=pnl.net_premium.usd,
        realized_pnl_abs=pnl.realised.coin,
        realized_pnl_abs_usd=pnl.realised.usd,
        realized_pnl_pct=share.coin,
        realized_pnl_pct_usd=share.usd,
        fees=pnl.fees.coin,
        fees_usd=pnl.fees.usd,
        number_of_rolls=chain.rolls,
        days_in_trade=(closed - chain.created_ms) / MS_PER_DAY,
        max_drawdown=(seen or Drawdown()).after(pnl.realised.coin).worst,
        legs=tuple(_leg(chain, one, Prices({}, {})) for one in chain.legs),
    )


def _leg(chain: Chain, leg: Leg, prices: Prices) -> LegView:
    option: Instrument = parse_instrument(leg.instrument)
    try:
        pnl = leg_pnl(chain, leg.instrument, prices)
    except PriceMissingError:
        pnl = None
    return LegView(
        instrument=leg.instrument,
        side=str(Side.SELL if leg.sold else Side.BUY),
        currency=option.product.settlement_currency,
        strike=option.strike,
        expiry_ms=option.expiry_ms,
        quantity=leg.position,
        entry_price=leg.entry_price,
        exit_price=leg.exit_price,
        current_mark=prices.marks.get(leg.instrument) if leg.status is LegStatus.OPEN else None,
        status=str(leg.status),
        opened_ms=leg.opened_ms,
        closed_ms=leg.closed_ms,
        label=leg.label,
        pnl_abs=None if pnl is None else pnl.coin,
        pnl_abs_usd=None if pnl is None else pnl.usd,
    )


def _pnl(chain: Chain, prices: Prices) -> ChainPnl | None:
    try:
        return chain_pnl(chain, prices)
    except PriceMissingError:
        return None


def _plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    if one is None or other is None:
        return None
    return (Both(one, _ZERO) + Both(other, _ZERO)).coin
