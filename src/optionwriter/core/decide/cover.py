"""Cover: is every short leg's worst case held, in cash, in the currency in which it settles?

Keeps the first idea of the house. Cover is cash (the smaller of cash balance and margin balance, so that a futures
session can't lend any), never equity: equity has already subtracted the short option. Claims on it, by currency:

- a short inverse call: 1 coin a coin (its payoff 1 - K/D is always below 1; the delivery fee of 0.00015 fits beside it
  until D is 6,666 K); a short linear put: strike × amount of USDC;
- an order that may still fill, resting, prepared or unresolved, ours or anybody's: as if filled, less its own
  premium net of fee; a buy its cost and fee, of which what it would free of the very position it closes is taken off;
- a short inverse put or linear call has no bound: nothing new is sold in that currency beside it.

Each order's claim is never below 0, so whichever of them fill, in whatever order and part, cash minus claims stays
where the sum of all says or above it. A linear fee is taken at its cap, which no move of the index can pass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.books.account import AccountSnapshot, Side
from optionwriter.core.books.book import Book, live_orders, positions
from optionwriter.core.books.fees import CAP_DIVISOR, TRADING_RATE, option_fee
from optionwriter.core.decide.crossing import lots
from optionwriter.core.market.instruments import (
    Family,
    Instrument,
    InstrumentError,
    parse_instrument,
)

_ZERO = Decimal(0)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Pending:
    """What an order may still do. `label` "" and `chain_id` "" when it is not ours."""

    instrument: str
    side: Side
    amount: Decimal
    price: Decimal
    reduce_only: bool
    label: str = ""
    chain_id: str = ""
    strategy_id: str = ""


@dataclass(frozen=True, slots=True)
class Cover:
    """One currency's cover. `unbounded` names shorts whose worst case no cash can hold."""

    currency: str
    cash: Decimal
    positions: Decimal
    orders: Decimal
    unbounded: tuple[str, ...] = ()

    @property
    def free(self) -> Decimal:
        """Cash that nothing claims; negative when the account is not covered."""
        return self.cash - self.positions - self.orders


def cover_per_coin(option: Instrument) -> Decimal | None:
    """The worst case of one coin short in its settlement currency; None when it has no bound."""
    if option.is_call:
        return _ONE if option.product.family is Family.INVERSE else None
    return option.strike if option.product.family is Family.LINEAR else None


def fee_bound(option: Instrument, price: Decimal) -> Decimal:
    """The most that trading one coin at `price` can cost: exact for inverse, the cap for linear."""
    if option.product.family is Family.INVERSE:
        return option_fee(_ONE, price, _ONE, TRADING_RATE)
    return price / CAP_DIVISOR


def net_cover_per_coin(option: Instrument, price: Decimal) -> Decimal | None:
    """What selling one coin at `price` claims: its worst case less its own premium net of fee, never below 0."""
    cover = cover_per_coin(option)
    return None if cover is None else max(_ZERO, cover - price + fee_bound(option, price))


def coverable(option: Instrument, price: Decimal, free: Decimal, beside: Decimal = _ZERO) -> Decimal:
    """The largest tradable amount that `free` cash covers when sold at `price`; 0 when none, or without bound.

    `beside` is what each coin takes besides: the cost of a wing.
    """
    each = net_cover_per_coin(option, price)
    if each is None or free <= 0:
        return _ZERO
    if each == 0:
        return _ZERO  # premium above its own worst case: no real market, so no size
    each += beside
    amount = lots(option.product, free / each)
    return amount if amount * each <= free else lots(option.product, amount - option.product.amount_step)


def freed_per_coin(option: Instrument, price: Decimal) -> Decimal:
    """What buying back one short coin at `price` frees, net of cost and fee; negative when it costs more."""
    return (cover_per_coin(option) or _ZERO) - price - fee_bound(option, price)


def pending_orders(account: AccountSnapshot, book: Book) -> tuple[Pending, ...]:
    """Every order that may still fill: the book's that are not done and the venue's open ones, each once.

    The two meet by label; where they differ about the rest, the larger rest counts.
    """
    resting: dict[str, Decimal] = {}
    for order in account.open_orders:
        if order.label:
            resting[order.label] = resting.get(order.label, _ZERO) + order.amount - order.filled_amount
    ours = [
        Pending(
            instrument=record.intent.instrument,
            side=record.intent.side,
            amount=max(record.open_amount, resting.get(record.intent.label, _ZERO)),
            price=record.intent.limit_price,
            reduce_only=record.intent.reduce_only,
            label=record.intent.label,
            chain_id=record.chain_id,
            strategy_id=record.strategy_id,
        )
        for record in live_orders(book)
        if record.open_amount > 0
    ]
    known = {one.label for one in ours}
    others = [
        Pending(
            order.instrument, order.side, order.amount - order.filled_amount, order.price, order.reduce_only
        )
        for order in account.open_orders
        if order.label not in known or not order.label
    ]
    return tuple(one for one in (*ours, *others) if one.amount > 0)


def net_positions(account: AccountSnapshot, book: Book) -> dict[str, Decimal]:
    """Signed amounts by instrument; where venue and book differ, the shorter one counts."""
    held: dict[str, Decimal] = {}
    for position in account.positions:
        held[position.instrument] = held.get(position.instrument, _ZERO) + position.amount
    for name, amount in positions(book).items():
        held[name] = min(held.get(name, _ZERO), amount) if amount < 0 else held.get(name, _ZERO)
    return {name: amount for name, amount in held.items() if amount}


def order_claims(option: Instrument, position: Decimal, orders: Iterable[Pending]) -> Decimal | None:
    """What the pending orders of one instrument claim beside its position; None when without bound.

    A reduce-only sell claims nothing. Buys close the short cheapest first: the worst of all orders of filling.
    """
    claim, short = _ZERO, max(_ZERO, -position)
    for one in sorted(orders, key=lambda order: (order.side.value, order.price)):
        if one.side is Side.SELL:
            if one.reduce_only:
                continue
            each = net_cover_per_coin(option, one.price)
            if each is None:
                return None
            claim += one.amount * each
        else:
            closing = min(one.amount, short)
            short -= closing
            claim += closing * max(_ZERO, -freed_per_coin(option, one.price))
            if not one.reduce_only:
                claim += (one.amount - closing) * (one.price + fee_bound(option, one.price))
    return claim


def cover_of(
    currency: str,
    account: AccountSnapshot,
    book: Book,
    pending: Iterable[Pending],
    without: Collection[str] = (),
) -> Cover:
    """The currency's cover; orders whose label is in `without` are left out (an order about to be sized)."""
    found = account.currency(currency)
    cash = min(found.balance, found.margin_balance) if found else _ZERO
    held = net_positions(account, book)
    waiting: dict[str, list[Pending]] = {}
    for one in pending:
        if one.label not in without or not one.label:
            waiting.setdefault(one.instrument, []).append(one)
    owed = orders = _ZERO
    unbounded: list[str] = []
    for name in sorted({*held, *waiting}):
        option = _option(name)
        if option is None or option.product.settlement_currency != currency:
            continue
        position = held.get(name, _ZERO)
        each = cover_per_coin(option)
        claim = order_claims(option, position, waiting.get(name, ()))
        if claim is None or (each is None and position < 0):
            unbounded.append(name)
            continue
        owed += max(_ZERO, -position) * (each or _ZERO)
        orders += claim
    return Cover(currency, cash, owed, orders, tuple(unbounded))


def free_cover(account: AccountSnapshot, book: Book, currency: str, without: Collection[str] = ()) -> Decimal:
    """Cash of the currency that nothing claims now; 0 where a claim has no bound.

    What a roll's second leg may use: read it from an account seen after the first leg filled, `without` the label of
    the order that is being sized.
    """
    cover = cover_of(currency, account, book, pending_orders(account, book), without)
    return _ZERO if cover.unbounded else max(_ZERO, cover.free)


def _option(name: str) -> Instrument | None:
    """The option of that name, None for anything else: what isn't an option is risk's FOREIGN_POSITION."""
    try:
        return parse_instrument(name)
    except InstrumentError:
        return None
