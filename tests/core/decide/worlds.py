"""Small worlds for the tests of decisions: chains quoted by Black-76, accounts, and books made of real facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from optionwriter.core.books.account import (
    AccountSnapshot,
    CurrencyAccount,
    Position,
    Side,
    VenueOrder,
)
from optionwriter.core.books.book import Book
from optionwriter.core.books.facts import (
    Action,
    Body,
    Fact,
    Filled,
    Intent,
    IntentPrepared,
    LedgerOpened,
    OrderAcknowledged,
    StateChanged,
    TradingState,
)
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.books.ledger import apply
from optionwriter.core.decide.choosing import Proposal
from optionwriter.core.decide.menu import MenuItem, Metrics, OrderLeg, Size
from optionwriter.core.decide.state import AgentState, build_state
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.chain import InstrumentTable, OptionChain
from optionwriter.core.market.context import MarketContext
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    MS_PER_YEAR,
    Family,
    OptionType,
    next_expiry_instant,
    option_name,
    parse_instrument,
    product,
)

D = Decimal
NOW = 1_767_614_400_000  # 2026-01-05 12:00:00 UTC
ACCOUNT = "A1"


def chain_at(
    code: str = "BTC",
    spot: float = 93_000.0,
    at_ms: int = NOW,
    days: Sequence[int] = (1, 2, 5, 12, 19, 26, 54),
    strikes: Sequence[float] | None = None,
    iv: float = 0.45,
    half_spread: float = 0.03,
    open_interest: float = 100.0,
) -> OptionChain:
    """A chain of calls and puts, quoted around Black-76 on the tick grid, expiring `days` 08:00s ahead."""
    book = product(code)
    step = 2_000 if spot >= 10_000 else 100
    ladder = strikes or [step * k for k in range(int(spot * 0.65 / step), int(spot * 1.5 / step))]
    first = next_expiry_instant(at_ms)
    names = tuple(
        option_name(code, first + (day - 1) * MS_PER_DAY, D(str(strike)), kind)
        for day in days
        for strike in sorted({*ladder})
        for kind in OptionType
    )
    table = InstrumentTable.of(book, names)
    size = len(table)
    forward = np.full(size, spot)
    usd, _ = price_delta(
        forward, table.strike, (table.expiry_ms - at_ms) / MS_PER_YEAR, np.full(size, iv), table.is_call
    )
    worth = usd / spot if book.family is Family.INVERSE else usd
    ticks = np.array([float(book.tick_at(D(repr(float(price))))) for price in worth])
    bid = np.round(np.floor(worth * (1 - half_spread) / ticks) * ticks, 6)
    ask = np.round((np.floor(worth * (1 + half_spread) / ticks) + 1) * ticks, 6)
    return OptionChain(
        table=table,
        at_ms=at_ms,
        index_price=spot,
        forward=forward,
        mark=np.round(worth, 6),
        mark_iv=np.full(size, iv),
        bid=np.where(bid > 0, bid, np.nan),
        ask=ask,
        bid_size=np.full(size, 10.0),
        ask_size=np.full(size, 10.0),
        open_interest=np.full(size, open_interest),
        volume=np.full(size, 1.0),
    )


def with_column(chain: OptionChain, name: str, instrument: str, value: float) -> OptionChain:
    """The chain with one number changed."""
    column = getattr(chain, name).copy()
    column[chain.table.row_of[instrument]] = value
    return replace(chain, **{name: column})


def currency(
    code: str, balance: str | Decimal, options_value: str = "0", initial: str = "0"
) -> CurrencyAccount:
    """A currency's account that holds its identities."""
    cash, worth = D(balance), D(options_value)
    return CurrencyAccount(code, cash, cash + worth, cash, worth, D(initial), D(0))


def account(
    *currencies: CurrencyAccount,
    positions: Mapping[str, str] | None = None,
    orders: Sequence[VenueOrder] = (),
    at_ms: int = NOW,
) -> AccountSnapshot:
    """An account under standard margin."""
    held = tuple(
        Position(name, D(amount), D("0.01"), D("0.01")) for name, amount in (positions or {}).items()
    )
    return AccountSnapshot(
        at_ms,
        ACCOUNT,
        "local",
        "segregated_sm",
        False,
        currencies or (currency("BTC", "1"),),
        held,
        tuple(orders),
    )


class Ledger:
    """A ledger in memory: facts in, book out."""

    def __init__(self) -> None:
        self.book = Book()
        self.facts: list[Fact] = []
        self.add(LedgerOpened("local", "live"))

    def add(self, body: Body, at_ms: int = NOW, chain: str = "", strategy: str = "cc") -> None:
        """Appends one fact."""
        fact = Fact(len(self.facts) + 1, at_ms, at_ms, ACCOUNT, strategy, "d1", chain, body)
        self.book = apply(self.book, fact)
        self.facts.append(fact)

    def prepared(
        self,
        instrument: str,
        amount: str,
        price: str,
        *,
        chain: str = "c1",
        side: Side = Side.SELL,
        label: str = "CCBOT_1",
        reduce_only: bool = False,
        strategy: str = "cc",
    ) -> Intent:
        """An intent of ours that was committed."""
        intent = Intent(
            label,
            "p1",
            0,
            Action.OPEN_COVERED_CALL,
            "open",
            instrument,
            side,
            D(amount),
            D(price),
            reduce_only,
            NOW + 5_000,
        )
        self.add(IntentPrepared(intent), chain=chain, strategy=strategy)
        return intent

    def sold(
        self,
        instrument: str,
        amount: str,
        price: str,
        *,
        chain: str = "c1",
        strategy: str = "cc",
        label: str = "CCBOT_1",
        index: str = "93000",
        at_ms: int = NOW,
    ) -> None:
        """A chain of ours opened by one fill."""
        self.prepared(instrument, amount, price, chain=chain, label=label, strategy=strategy)
        self.add(OrderAcknowledged(label, label + "-id"), at_ms, chain, strategy)
        fee = trading_fee(parse_instrument(instrument).product, D(amount), D(price), D(index))
        self.add(
            Filled(
                label, label + "-id", label + "-t", instrument, Side.SELL, D(amount), D(price),
                D(amount) * D(price), fee, D(index), D(index), D(price),
            ),
            at_ms, chain, strategy,
        )  # fmt: skip

    def traded(
        self,
        action: Action,
        side: Side,
        instrument: str,
        amount: str,
        price: str,
        *,
        chain: str,
        strategy: str = "cc",
        index: str = "93000",
        at_ms: int = NOW,
        reduce_only: bool = False,
    ) -> None:
        """One order of ours that was filled whole."""
        label = f"CCBOT_{len(self.facts)}"
        product_of = parse_instrument(instrument).product
        worth = D(index) if product_of.family is Family.INVERSE else D(1)
        intent = Intent(
            label, "p1", 0, action, "open", instrument, side, D(amount), D(price), reduce_only, at_ms + 5_000
        )
        self.add(IntentPrepared(intent), at_ms, chain, strategy)
        self.add(OrderAcknowledged(label, label + "-id"), at_ms, chain, strategy)
        fee = trading_fee(product_of, D(amount), D(price), D(index))
        self.add(
            Filled(
                label, label + "-id", label + "-t", instrument, side, D(amount), D(price),
                -side.sign * D(amount) * D(price), fee, D(index), worth, D(price),
            ),
            at_ms, chain, strategy,
        )  # fmt: skip

    def state(self, state: TradingState, reason: str = "kill file") -> None:
        """The agent's state changes."""
        self.add(StateChanged(state, reason, "resume"))


def state_of(
    *chains: OptionChain,
    account: AccountSnapshot,
    book: Book | None = None,
    at_ms: int = NOW,
    realised: float = 0.40,
) -> AgentState:
    """The state from these chains, with a context for each underlying."""
    names = {chain.product.underlying for chain in chains}
    return build_state(
        at_ms,
        account,
        book or Book(),
        {chain.product.code: chain for chain in chains},
        {name: context_of(name, at_ms, realised) for name in names},
    )


def item(
    *legs: OrderLeg, key: str = "cc/BTC/open/x/full", chain_id: str = "", mandatory: bool = False
) -> MenuItem:
    """An item of these legs, whatever they are."""
    nothing = float("nan")
    return MenuItem(
        key=key,
        action=Action.OPEN_COVERED_CALL,
        reason="open",
        legs=legs,
        size=Size.FULL,
        score=0.5,
        parts=(("edge", 0.5),),
        mandatory=mandatory,
        metrics=Metrics(nothing, nothing, nothing, nothing, nothing, nothing),
        chain_id=chain_id,
    )


def sell(instrument: str, amount: str, price: str) -> OrderLeg:
    """A leg that opens a short."""
    return OrderLeg(instrument, Side.SELL, D(amount), D(price), D(price), False)


def buy_back(instrument: str, amount: str, price: str) -> OrderLeg:
    """A leg that closes a short."""
    return OrderLeg(instrument, Side.BUY, D(amount), D(price), D(price), True)


def proposal(one: MenuItem, strategy: str = "cc", underlying: str = "BTC") -> Proposal:
    """The item on its way to risk."""
    return Proposal(strategy, "covered_call", underlying, one)


def context_of(underlying: str, at_ms: int, realised: float) -> MarketContext:
    """A context in which realised volatility is `realised` over every window."""
    return MarketContext(underlying, at_ms, realised, realised)
